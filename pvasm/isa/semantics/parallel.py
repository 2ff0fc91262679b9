"""Parallel arithmetic, on 1, 2 or 4 bytes at a time (SDM vol. 3)."""

from __future__ import annotations
