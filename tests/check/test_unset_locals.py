"""Locals that are read before anything sets them (PV602): none in real code, and slips of the finger in it."""

from __future__ import annotations

import re

import pytest

from pvasm.text import read_text
from tests.check.checking import check
from tests.corpus.build import Corpus
from tests.expand.test_corpus import corpus

__all__ = ["corpus"]

_SETS_LOCAL = re.compile(r"(?m)^(?!#)(.*)\bloc\d+(\s*=[^=].*)$")


@pytest.mark.slow
def test_real_code_has_none_and_slips_in_it_are_found(corpus: Corpus) -> None:
    """A write of a local that goes to another register instead."""
    slips = found = 0
    for file in corpus.files:
        text = read_text(file.preprocessed)
        assert check(text, "PV602", preprocessed=True) == [], file.name
        for write in list(_SETS_LOCAL.finditer(text))[:12]:
            if "alloc" not in write[0]:
                slip = f"{text[: write.start()]}{write[1]}r20{write[2]}{text[write.end() :]}"
                slips += 1
                found += bool(check(slip, "PV602", preprocessed=True))
    assert found > slips // 8 > 3


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        # On one path it is set, on the other it is read.
        ("f:\talloc loc0=ar.pfs,0,2,0,0\n(p6)\tmov loc1=r9 ;;\n(p7)\tmov r8=loc1\n\tbr.ret.sptk rp\n", []),
        ("f:\talloc loc0=ar.pfs,0,2,0,0\n(p6)\tbr.cond.sptk 1f\n\tmov r8=loc1 ;;\n1:\tmov loc1=r9\n", [3]),
        # A loop sets it before the read comes round again.
        ("f:\talloc loc0=ar.pfs,0,2,0,0\n1:\tmov r8=loc1 ;;\n\tmov loc1=r9\n\tbr.cloop.sptk 1b\n", []),
        # Calls leave locals alone; what follows a call is not unknown.
        ("f:\talloc loc0=ar.pfs,0,2,1,0\n\tbr.call.sptk.many rp=g ;;\n\tmov r8=loc1\n\tbr.ret.sptk rp\n", [3]),
        # A second alloc keeps them; where control comes from elsewhere, all may be set.
        ("f:\talloc loc0=ar.pfs,0,2,0,0\n\tmov loc1=r9 ;;\n\talloc r8=ar.pfs,0,3,0,0\n\tmov r8=loc1\n", []),
        ("f:\talloc loc0=ar.pfs,0,2,0,0\n.L1:\tmov r8=loc1\n\tbr.ret.sptk rp\n\tdata8 .L1\n", []),
        ("f:\talloc loc0=ar.pfs,0,2,0,0\n(p6)\talloc loc0=ar.pfs,0,3,0,0 ;;\n\tmov r8=loc1\n", []),
        # How many inputs there are says which register it is.
        ("f:\talloc loc0=ar.pfs,2,2,0,0\n\tmov r35=r9 ;;\n\tmov r8=loc1\n\tmov r9=in1\n\tmov r10=r34\n", []),
        ("f:\talloc r8=ar.pfs,INPUTS,2,0,0 ;;\n\tmov r8=loc1\n", []),
    ],
)
def test_which_paths_count(text: str, lines: list[int]) -> None:
    assert [diagnostic.line for diagnostic in check(text, "PV602")] == lines
