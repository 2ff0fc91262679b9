"""The modes in which code is begun: which bits of psr are set."""

from __future__ import annotations

from typing import Final

from pvasm.isa.registers import PSR_FIELDS, PSR_MASKS

_BITS: Final = {
    "user": ("ic", "dt", "rt", "it", "bn"),
    "sys": ("ic", "dt", "rt", "it", "bn"),
    "userphys": ("ic", "bn"),
    "sysphys": ("ic", "bn"),
}
_USER_LEVEL: Final = 3 << PSR_FIELDS["cpl"][0]

MODES: Final = {
    mode: sum(PSR_MASKS[f"psr.{bit}"] for bit in bits) | (_USER_LEVEL if mode.startswith("user") else 0)
    for mode, bits in _BITS.items()
}
"""psr by the name of a mode: at privilege level 3 or 0, with virtual addresses or physical ones."""

FPSR: Final = 0x0009804C0270033F
"""ar.fpsr as Linux and the conventions have it: no traps."""
