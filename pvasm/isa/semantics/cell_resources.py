"""Which registers and resources the cells of programs are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from pvasm.isa.registers import APPLICATION, PSR_FIELDS, Register
from pvasm.isa.resources import FPSR_FIELDS, Resource
from pvasm.isa.semantics.terms import Cell

STATUS: Final = Cell("ar", APPLICATION["fpsr"])
"""The floating-point status register, which is a register and stands for its fields as well."""

FIELDS: Final[Mapping[Cell, Mapping[Resource, tuple[int, int]]]] = {
    Cell("psr"): {f"psr.{name}": place for name, place in PSR_FIELDS.items()},
    Cell("prs"): {Register("p", number): (number, 1) for number in range(64)},
    STATUS: dict[Resource, tuple[int, int]](FPSR_FIELDS.items()),
}
"""Cells that stand for several resources: the lowest bit of each, and how many it has."""

_FILES: Final = {"gr": "r", "fr": "f", "pr": "p", "br": "b", "ar": "ar", "cr": "cr"}


def register_of_cell(cell: Cell) -> Register | None:
    """The register that a cell holds; None for one that holds something else."""
    return Register(_FILES[cell.file], cell.number) if cell.file in _FILES else None
