"""What hovers say: of every instruction in words, and of every register."""

from __future__ import annotations

import re

from pvasm.isa.register_purposes import about_register
from pvasm.isa.registers import APPLICATION, CONTROL, REGISTERS
from pvasm.isa.semantics.all_clauses import clauses

_ACCOUNT = re.compile(r"SDM 3:2, [^:]+: \S[^\n]+(\n.*)?", re.DOTALL)


def test_every_clause_says_what_it_does() -> None:
    """Its mnemonics alone would say nothing."""
    assert [name for name, clause in clauses().items() if not _ACCOUNT.fullmatch(clause.__doc__ or "")] == []


def test_every_named_register_has_a_purpose() -> None:
    named = [f"ar.{name}" for name in APPLICATION] + [f"cr.{name}" for name in CONTROL]
    for name in named:
        assert about_register(REGISTERS[name]) not in ("an application register", "a control register"), name
    assert all(about_register(each) for each in REGISTERS.values())
