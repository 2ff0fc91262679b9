"""Tables as assembly: what GNU as makes of them has each member at the offset that C has it at."""

from __future__ import annotations

from pathlib import Path

import pytest

from pvasm.objects.elf_file import ElfFile, Symbol, elf_file_of
from pvasm.objects.relocations import type_of
from pvasm.paravirt.loading import load_instance
from pvasm.paravirt.shipped import instance_names
from pvasm.tables.filled_tables import Slot, fill
from pvasm.tables.table_assembly import assembly_of
from pvasm.tables.table_source import Role
from tests.patch.made import assembled


def _placed(file: ElfFile, label: Symbol, slot: Slot, at: int) -> int | str:
    """What stands at an offset of a table: a number, the symbol that a relocation names, or a text."""
    section = file.sections[label.section]
    place = label.value + at
    found = next((each for each in file.relocations.get(section.index, ()) if each.offset == place), None)
    if found is None:
        return int.from_bytes(section.data[place : place + slot.member.size], "little")
    kind = type_of(found.kind).name
    assert kind == ("R_IA64_FPTR64LSB" if slot.member.is_function else "R_IA64_DIR64LSB")
    if not slot.member.is_text:
        return found.symbol.name
    text = file.sections[found.symbol.section]
    return bytes(text.data[found.symbol.value + found.addend :]).split(b"\0")[0].decode()


@pytest.mark.parametrize("role", ["initial", "installed"])
@pytest.mark.parametrize("name", instance_names())
def test_members_stand_where_c_has_them(name: str, role: Role, tmp_path: Path) -> None:
    filled = fill(load_instance(name))
    file = elf_file_of(assembled(assembly_of(filled, role), tmp_path / "t.o"), "t.o")
    labels = {each.name: each for each in file.symbols}
    for table in filled.instance.catalog.tables.values():
        label = labels[table.name if role == "initial" else f"{filled.prefix}_{table.name}"]
        offsets = table.offsets()
        for slot in filled.of(table):
            assert _placed(file, label, slot, offsets[slot.member.name]) == (slot.value or 0), slot.path
        assert labels[table.name].binding == ("global" if role == "initial" else "weak")
    assert labels[filled.installer].binding == "global"


def test_a_text_of_any_characters(tmp_path: Path) -> None:
    """Quotes, backslashes and bytes that are no ASCII."""
    from msgspec.structs import replace

    native = load_instance("native")
    text = 'a "b" \\n \u00e9\t/* // ; #'
    tables = {**native.tables, "pv_info": {**native.tables["pv_info"], "name": text}}
    filled = fill(replace(native, tables=tables))
    file = elf_file_of(assembled(assembly_of(filled, "initial"), tmp_path / "t.o"), "t.o")
    assert text.encode() + b"\0" in bytes(file.section_named(".rodata").data)  # type: ignore[union-attr]
