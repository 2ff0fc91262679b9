"""Floating point (SDM vol. 1, 5)."""

from __future__ import annotations
