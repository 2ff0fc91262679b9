"""Ops with arguments that are missing, too many or empty, wherever they stand: a message, and no traceback (S7)."""

from __future__ import annotations

import pytest

from pvasm.check.engine import Selection, run
from pvasm.check.subject import Subject
from pvasm.expand import ExpandErrors, expand
from pvasm.isa.mnemonics import is_mnemonic
from pvasm.paravirt.environments import known_macros
from pvasm.paravirt.loading import load_catalog, load_instance
from pvasm.paravirt.shipped import instance_names
from pvasm.syntax.document import read_document
from pvasm.syntax.parser import Parser
from tests.fix.fixing import mended

CATALOG = load_catalog()
NAMES = tuple(instance_names())

TPR = "MOV_FROM_TPR needs its arguments in parentheses: MOV_FROM_TPR(pred, reg)"
RFI = "RFI takes 0 arguments, not 1: RFI"
WRONG = [
    ("{RFI(x)", RFI),
    ("{RFI(x)}", RFI),
    ("{ .mib\nnop.m 0\nnop.i 0\nRFI(x)\n}", RFI),
    ("{ MOV_FROM_TPR() }", "MOV_FROM_TPR takes 2 arguments, not 0: MOV_FROM_TPR(pred, reg)"),
    ("{THASH(r1)\n}", "THASH takes 4 arguments, not 1: THASH(pred, reg, address, clob)"),
    ("{.mib\nMOV_FROM_TPR(,)\n}", "MOV_FROM_TPR, parameter pred: nothing is given where a predicate register is due"),
    ("{ITC_D,", "ITC_D needs its arguments in parentheses: ITC_D(pred, reg, clob)"),
    ("MOV_FROM_TPR,", TPR),
    ("MOV_FROM_TPR", TPR),
    ("A(MOV_FROM_TPR,)", TPR),
    ("#define X MOV_FROM_TPR,\nX", TPR),
    (".macro m\nMOV_FROM_TPR,\n.endm\nm", TPR),
    ("(p6) MOV_FROM_TPR,", TPR),
    ("ITC_D(,r1,)", "ITC_D, parameter pred: nothing is given where a predicate register is due"),
]


@pytest.mark.parametrize(("source", "message"), WRONG)
def test_says_what_is_wrong(source: str, message: str) -> None:
    document = read_document(Parser(is_mnemonic), source, "a.S")
    found = run(Subject(document, CATALOG, known_macros(), NAMES), Selection(("PV1",)).rules())
    assert message in [diagnostic.message for diagnostic in found]
    for name in NAMES:
        with pytest.raises(ExpandErrors) as raised:
            expand(document, CATALOG, load_instance(name))
        assert message in [error.message for error in raised.value.errors]


@pytest.mark.parametrize("name", NAMES)
def test_arguments_may_be_empty(name: str) -> None:
    """What looks at expansions before anyone has looked at the arguments gets one."""
    instance = load_instance(name)
    for source in ("{op(x)\n}", "op,", "op(,)", "{op,\n}"):
        for op in CATALOG.ops:
            document = read_document(Parser(is_mnemonic), source.replace("op", op), "a.S")
            run(Subject(document, CATALOG, known_macros([instance]), (name,)), Selection(("PV",)).rules())


@pytest.mark.parametrize("text", ["MOV_FROM_TPR,", "MOV_FROM_TPR a,"])
def test_what_is_empty_is_not_put_into_parentheses(text: str) -> None:
    assert mended(f"\t{text}\n", codes=("PV1",)).text == f"\t{text}\n"
