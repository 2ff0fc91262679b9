"""Control and data speculation: checks, and the ALAT (SDM vol. 1, 4.4.4 and 4.4.5)."""

from __future__ import annotations
