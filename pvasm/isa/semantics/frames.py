"""Register frames, rotation and the backing store (SDM vol. 2, 6)."""

from __future__ import annotations
