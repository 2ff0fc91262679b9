"""Code as Linux's own records put it at a site: in bundles of its own, or in a slot of bundles that stay."""

from __future__ import annotations

from collections.abc import Sequence

from pvasm.asm.layout import lay_out
from pvasm.asm.reading import assembly_parser
from pvasm.errors import PvasmError
from pvasm.isa.bundle import Bundle
from pvasm.isa.encoding import nop
from pvasm.paravirt.instance import Instance
from pvasm.syntax.document import read_document
from pvasm.tables.call_sites import called_table, code_lines, sites_of_table


def slot_bits(units: str, slot: int, line: str | None) -> int | None:
    """An instruction in a slot of a template, a nop if it is None; None if it does not fit there."""
    if line is None:
        return nop(units[slot])
    words = [f"nop.{each.lower()} 0" for each in units]
    words[slot] = line
    try:
        alone = laid_out([f"{{ .{units.lower()} ; {' ; '.join(words)} }}"], 0)
    except PvasmError:
        return None
    return Bundle.of(alone).slots[slot]


def laid_out(lines: Sequence[str], address: int) -> bytes:
    """Some code at an address."""
    text = "".join(f"\t{line}\n" for line in lines)
    image = lay_out(read_document(assembly_parser(), text, preprocessed=True), address=address)
    return b"".join(bytes(each.data) for each in image.segments)


class LinuxTypes:
    """The numbers of Linux's records, by the code that they stand for in some instances, the native one first."""

    def __init__(self, instances: Sequence[Instance]) -> None:
        """Raises ExpandErrors for ops that an instance does not take as the catalog has them."""
        catalog = instances[0].catalog
        self._codes: dict[tuple[bytes, ...], int] = {}
        for site in sites_of_table(called_table(catalog)):
            code = [code_lines(site, instance) or [] for instance in instances]
            if site.type is not None:
                self._codes.setdefault(tuple(laid_out(lines, 0) for lines in code), site.type)
        self.branches: dict[object, int] = {}  # the numbers by the native functions that branches go to
        self.names: dict[str, list[str]] = {}  # the other instances' functions by native's
        for table in catalog.tables.values():
            for member, facts in table.sites.items() if table.convention is None else ():
                native, *others = (each.tables.get(table.name, {}).get(member) for each in instances)
                self.branches[native] = facts.type
                self.names[str(native)] = sorted({each for each in others if isinstance(each, str) and each != native})

    def of_code(self, texts: Sequence[str]) -> int | None:
        """The number for the code that each instance has; None if there is none."""
        try:
            codes = tuple(laid_out(text.split("\n"), 0) for text in texts)
        except PvasmError:
            return None  # it names what only stands where it is
        return self._codes.get(codes)
