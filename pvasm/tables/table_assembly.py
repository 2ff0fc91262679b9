"""An instance's tables as assembly: the same data as the C source's, for images that are made without a C compiler."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from pvasm.paravirt.c_tables import Table
from pvasm.tables.filled_tables import FilledTables, Slot
from pvasm.tables.table_header import made_for
from pvasm.tables.table_source import Role

_DATA: Final = {1: "data1", 2: "data2.ua", 4: "data4.ua", 8: "data8.ua"}
_CHARACTERS: Final = {each: chr(each) for each in range(0x20, 0x7F)} | {ord(each): f"\\{each}" for each in '"\\'}
_TEXT: Final = ".Lpv_text_"


def assembly_of(filled: FilledTables, role: Role) -> str:
    """The assembly of an instance's tables, as `source_of` has them in C; C's conventions hold for the installer."""
    tables = list(filled.instance.catalog.tables.values())
    lines = [made_for(filled), ""]
    if role == "initial":
        lines += ['\t.section .data, "aw", "progbits"', ""]
    else:
        for table in tables:
            lines += [f"\t.weak {table.name}", '\t.section .data, "aw", "progbits"', "\t.align 8"]
            lines += [f"{table.name}:", f"\t.skip {table.size}", ""]
        lines += ['\t.section .rodata, "a", "progbits"', ""]
    texts: list[str] = []
    for table in tables:
        lines += _definition(filled, table, role, texts)
    lines += ['\t.section .rodata, "a", "progbits"'] if texts else []
    lines += (f'{_TEXT}{number}:\tstringz "{_string(text)}"' for number, text in enumerate(texts))
    lines += ["", *_installer(filled, tables, role)]
    return "".join(f"{line}\n" for line in lines)


def _definition(filled: FilledTables, table: Table, role: Role, texts: list[str]) -> Iterator[str]:
    name = table.name if role == "initial" else f"{filled.prefix}_{table.name}"
    yield from ((f"\t.global {name}",) if role == "initial" else ())
    yield from ("\t.align 8", f"{name}:")
    end = 0
    offsets = table.offsets()
    for slot in filled.of(table):
        at = offsets[slot.member.name]
        if at > end:
            yield f"\t.skip {at - end}"
        yield f"\t{_DATA[slot.member.size]} {_value(slot, texts)}\t// {slot.member.name}"
        end = at + slot.member.size
    if table.size > end:
        yield f"\t.skip {table.size - end}"
    yield ""


def _value(slot: Slot, texts: list[str]) -> str:
    """A member's value as assembly has it: of a function its descriptor."""
    if slot.symbol is not None:
        return f"@fptr({slot.symbol}#)" if slot.member.is_function else f"{slot.symbol}#"
    if isinstance(slot.value, str):
        texts.append(slot.value)
        return f"{_TEXT}{len(texts) - 1}"
    return str(slot.value or 0)


def _string(text: str) -> str:
    data = text.encode("utf-8", "surrogateescape")
    return "".join(_CHARACTERS.get(each, f"\\{each:03o}") for each in data)


def _installer(filled: FilledTables, tables: list[Table], role: Role) -> Iterator[str]:
    """A leaf that uses scratch registers alone (software conventions, "Register Usage")."""
    name = filled.installer
    yield from ("\t.text", f"\t.global {name}", f"\t.proc {name}", f"{name}:")
    if role == "installed":
        for table in tables:
            # A size is a multiple of what the struct is aligned to: 8, since all have a pointer.
            yield from (f"\tmovl r14 = {filled.prefix}_{table.name}", f"\tmovl r15 = {table.name}#")
            yield from (
                f"\tmov r16 = {table.size // 8}",
                "\t;;",
                "1:\tld8 r17 = [r14], 8",
                "\tadds r16 = -1, r16",
                "\t;;",
            )
            yield from ("\tst8 [r15] = r17, 8", "\tcmp.ne p6, p0 = 0, r16", "(p6)\tbr.cond.sptk.few 1b", "\t;;")
    yield from ("\tbr.ret.sptk.many b0", "\t;;", f"\t.endp {name}")
