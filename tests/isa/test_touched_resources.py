"""What the table says that instructions read and write is what their clauses touch, form by form."""

from __future__ import annotations

from typing import Final

import pytest

from pvasm.isa.effects import plan_of, reads_of, writes_of
from pvasm.isa.registers import Register
from pvasm.isa.resources import Resource
from pvasm.isa.semantics.all_clauses import program_of
from pvasm.isa.semantics.touched_resources import touched
from pvasm.isa.table import Form, Spelling, all_forms
from tests.isa.every_form import always_faults, operands, spellings

# ------------------------------------------------------------------- where the two need not agree

# What the clauses look at, and the table rightly does not have.
_NOT_IN_TABLE: Final[dict[str, tuple[str, str]]] = {
    "psr.mfl": ("", "only ever set: looked at to spare the write"),
    "psr.mfh": ("", "only ever set: looked at to spare the write"),
    "psr.cpl": ("B4.br.ret B8.cover M29.mov.m M30.mov.m", "SDM 3:5 has none of these; ar.cflg is of IA-32"),
    "DAHR": ("M43.mov.dahr M50.mov", "hints, on which nothing depends"),
}

# What the table has because the manual has, and the machine has no use for.
_NOT_IN_CLAUSES: Final[dict[str, tuple[str, str]]] = {
    "fpsr.rv": ("", "a part of the register that is reserved"),
    "ar.fpsr": ("", "its parts are resources by themselves"),
    "cr.tpr": ("M35.mov.l M35.mov B8.rfi M44.ssm", "what interrupts are taken then, which is between instructions"),
    "cr.gpta": ("M46.thash", "a model's own"),
    "psr.vm": ("M29.mov.m.k M30.mov.m.k", "priv-ops of SDM 3:5, but no Virtualization fault"),
    "ALAT": ("M45.ptc.ga", "of other processors"),
    "ar.ruc": ("M29.mov.m.itc M30.mov.m.itc", "writes are ignored"),
    "dahr": ("M50.mov", "hints"),
    "reserved": ("I26.mov.i I27.mov.i I28.mov.i M29.mov.m M30.mov.m M31.mov.m", "ar48 to 63, ar112 to 127: ignored"),
}

_ANYTHING: Final = {
    "B4.br.ia": "the IA-32 instruction set, which is not there",
    **dict.fromkeys(["M13.lfetch", "M14.lfetch", "M15.lfetch", "M52.lfetch.count"], "without `.fault` a hint"),
    **dict.fromkeys(["B6.brp", "B7.brp", "B7.brp.ret"], "hints"),
    **dict.fromkeys(["M24.fwb", "M24.mf", "M24.mf.a"], "order, where everything is in order"),
}
"""Forms of which the table has more than the clauses, and why."""


def _may_lack(exceptions: dict[str, tuple[str, str]], resource: Resource, form: Form) -> bool:
    name = resource if isinstance(resource, str) else resource.text
    if isinstance(resource, Register) and resource.file == "dahr":
        name = "dahr"
    if (
        isinstance(resource, Register)
        and resource.file == "ar"
        and resource.number in (*range(48, 64), *range(112, 128))
    ):
        name = "reserved"
    forms = exceptions.get(name, ("none", ""))[0].split()
    return not forms or form.id in forms


# ------------------------------------------------------------------------------------- the tests


@pytest.fixture(scope="module")
def by_form() -> dict[str, list[Spelling]]:
    found: dict[str, list[Spelling]] = {}
    for spelling in spellings():
        found.setdefault(spelling.form.id, []).append(spelling)
    return found


def test_every_form_is_compared(by_form: dict[str, list[Spelling]]) -> None:
    assert {form.id for form in all_forms()} == by_form.keys()


@pytest.mark.parametrize("unit", "AIMFBX")
def test_the_table_says_what_the_clauses_touch(unit: str, by_form: dict[str, list[Spelling]]) -> None:
    """What is read and written, with a predicate and without: neither more nor less.

    A resource that the row names, and not an operand, may be left untouched where a constant operand makes it so, as
    long as other operands of the same spelling touch it.
    """
    wrong = []
    for spelling in (each for name, given in by_form.items() if name[0] == unit for each in given):
        form, plan = spelling.form, plan_of(spelling)
        found = []
        for chosen in operands(spelling):
            for predicate in (0,) if form.unpredicated else (0, 17):
                effects = program_of(form, spelling.mnemonic, chosen, predicate)
                if effects and not always_faults(effects):
                    table = reads_of(plan, chosen, predicate), writes_of(plan, chosen)
                    found.append((chosen, table, touched(effects, spelling.fields)))
        for way, implicit in enumerate((plan.named_reads, plan.named_writes)):
            anywhere = frozenset().union(*(clause[way] for _, _, clause in found))
            for chosen, table, clause in found:
                more = {each for each in clause[way] - table[way] if not _may_lack(_NOT_IN_TABLE, each, form)}
                fewer = table[way] - clause[way] - (anywhere & implicit)
                less = {each for each in fewer if not _may_lack(_NOT_IN_CLAUSES, each, form)}
                if more or (less and form.id not in _ANYTHING):
                    wrong.append((form.id, spelling.mnemonic, chosen, ["reads", "writes"][way], more, less))
    assert wrong == []


def test_what_is_not_compared_does_nothing(by_form: dict[str, list[Spelling]]) -> None:
    """All forms but those that do nothing, whatever the table has, have operands with which they are compared."""
    idle = set()
    for name, given in by_form.items():
        programs = [
            program_of(spelling.form, spelling.mnemonic, chosen, 0)
            for spelling in given
            for chosen in operands(spelling)
        ]
        if all(not effects or always_faults(effects) for effects in programs):
            idle.add(name)
    nops = [f"{row}.{word}.{unit}" for word, rows in _NOPS.items() for row, unit in zip(rows, "imfbx", strict=True)]
    assert sorted(idle) == sorted([*nops, *_IDLE])


_NOPS: Final = {"nop": ["I18", "M48", "F16", "B9", "X5"], "hint": ["I18", "M49", "F16", "B9", "X5"]}
_IDLE: Final = [
    *("B6.brp", "B7.brp", "B7.brp.ret", "M24.fwb", "M24.mf", "M24.mf.a", "M24.srlz.d"),
    "M52.lfetch.count",
]
