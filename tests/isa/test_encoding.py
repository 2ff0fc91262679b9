"""Every row and every combination of completers, with edge values: our bits against GNU as's."""

from __future__ import annotations

import random
from pathlib import Path

from pvasm.asm.resolve import resolve
from pvasm.asm.scope import OperandError, Scope
from pvasm.isa.encoding import decode, encode
from pvasm.isa.table import Form, all_forms
from pvasm.syntax.tree import Expression, Name
from tests.isa.assembly import assemble, instances, instruction

# GNU as 2.40 refuses all of hint.b; `cmp.lt.and p1,p2=r0,r0` it may read with either r0 as the zero.
_NOT_ASSEMBLED = {"hint.b"}


# The parts of a frame must fit one another.
_FRAMES = ["alloc r9=ar.pfs,0,0,0,0", "alloc r127=ar.pfs,96,0,0,96", "alloc r31=4,87,5,8", "alloc r1=ar.pfs,0,0,96,0"]


def _either_zero(text: str) -> bool:
    return text.startswith("cmp") and text.endswith("=r0,r0")


def _place(form: Form) -> str:
    return "M;" if form.unit == "M" and form.last_in_group else form.unit


def test_bits_are_those_of_gnu_as(tmp_path: Path) -> None:
    resolved = []
    for text in dict.fromkeys([*_FRAMES, *instances(random.Random(4))]):
        try:
            one = resolve(instruction(text), Scope())
        except OperandError:
            assert text.startswith("alloc"), text  # a frame of more than 96 registers
        else:
            if one.form.mnemonic not in _NOT_ASSEMBLED:
                resolved.append((text, one))
    bits, refused = assemble([(text, _place(one.form)) for text, one in resolved], tmp_path)
    assert {resolved[index][0]: said for index, said in refused.items()} == {}
    wrong = []
    for index, ((text, one), theirs) in enumerate(zip(resolved, bits, strict=True)):
        assert theirs is not None
        address = index * 16

        def label(expression: Expression, here: int = address) -> int:
            assert isinstance(expression, Name)
            return 0 if expression.text == "start" else here

        ours = encode(one, address, label)
        if ours != theirs and not _either_zero(text):
            wrong.append((text, f"{ours:x}", f"{theirs:x}"))
        again = decode(theirs, "M" if one.form.unit == "A" else one.form.unit, address)
        if again is None or encode(again, address) != theirs:
            wrong.append((text, "decoded as", str(again)))
    assert wrong == []
    assert {form.mnemonic for form in all_forms()} - {one.form.mnemonic for _, one in resolved} == _NOT_ASSEMBLED
