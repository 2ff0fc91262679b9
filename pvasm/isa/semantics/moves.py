"""Moves to and from registers other than general ones (SDM vol. 3, mov)."""

from __future__ import annotations
