"""Loads, stores, semaphores and what goes with them (SDM vol. 3; vol. 1, 4.4)."""

from __future__ import annotations
