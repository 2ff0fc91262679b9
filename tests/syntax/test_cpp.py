"""Which code can be compiled, given what is known of some macros; the oracle is the C preprocessor."""

from __future__ import annotations

import itertools
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pvasm.errors import PvasmError
from pvasm.isa.mnemonics import is_mnemonic
from pvasm.syntax import tree
from pvasm.syntax.cpp import reachable
from pvasm.syntax.document import read_document
from pvasm.syntax.parser import Parser
from pvasm.syntax.run_cpp import preprocess
from tests.cli.command import pvasm
from tests.oracle import require_tool
from tests.slow import examples

PARSER = Parser(is_mnemonic)


def reached(text: str, known: dict[str, bool]) -> list[str]:
    document = read_document(PARSER, text, "a.S", preprocessed=False)
    return [
        document.source(s)
        for s in document.statements
        if isinstance(s.syntax, tree.Instruction) and reachable(s.conditions, known)
    ]


TEXT = """
#ifdef NATIVE
 nop 1
#elif defined(XEN) && OTHER > 3
 nop 2
#else
 nop 3
#endif
#if 0
 nop 4
#endif
#ifndef NATIVE
 nop 5
#endif
#if defined NATIVE || defined(SOMETHING)
 nop 6
#endif
"""


def test_what_is_not_known_may_be_either() -> None:
    assert reached(TEXT, {}) == ["nop 1", "nop 2", "nop 3", "nop 5", "nop 6"]
    assert reached(TEXT, {"NATIVE": False}) == ["nop 2", "nop 3", "nop 5", "nop 6"]
    assert reached(TEXT, {"NATIVE": True}) == ["nop 1", "nop 6"]
    assert reached(TEXT, {"NATIVE": False, "XEN": False, "SOMETHING": False}) == ["nop 3", "nop 5"]


NAMES = ("A", "B", "C")
ATOMS = st.sampled_from(
    [*(f"defined({n})" for n in NAMES), *(f"defined {n}" for n in NAMES), "0", "1", "2 > 1", "3 & 4"]
)
CONDITIONS = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.builds("!({})".format, inner),
        st.builds("({} && {})".format, inner, inner),
        st.builds("{} || {}".format, inner, inner),
        st.builds("({} ? {} : {})".format, inner, inner, inner),
    ),
    max_leaves=5,
)


@pytest.mark.slow
@given(st.lists(CONDITIONS, min_size=1, max_size=4), st.booleans())
@settings(max_examples=examples(25), deadline=None)
def test_arms_agree_with_the_preprocessor(conditions: list[str], has_else: bool) -> None:
    """With every macro known, exactly the arm that cpp takes is reachable.

    With none known, all that it ever takes are.
    """
    gcc = require_tool("gcc")
    arms = [f"#{'el' if i else ''}if {c}\nnop {i}\n" for i, c in enumerate(conditions)]
    text = "".join(arms) + ("#else\nnop 99\n" if has_else else "") + "#endif\n"
    ever: set[str] = set()
    for values in itertools.product((True, False), repeat=len(NAMES)):
        known = dict(zip(NAMES, values, strict=True))
        flags = [f"-D{name}" for name, value in known.items() if value]
        output = subprocess.run(
            [gcc, "-E", "-P", "-undef", "-x", "assembler-with-cpp", *flags, "-"],
            input=text,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        taken = [line.strip() for line in output.splitlines() if line.strip()]
        assert reached(text, known) == taken
        ever |= set(taken)
    assert ever <= set(reached(text, {}))


@pytest.mark.parametrize(
    "condition", ["", "&& 1", "defined(", "FOO(1,2) +", "__has_include(<x.h>)", "'a' == 97", "1 / 0"]
)
def test_an_odd_condition_may_be_either(condition: str) -> None:
    assert reached(f"#if {condition}\nnop 1\n#else\nnop 2\n#endif\n", {})[0] == "nop 1"


def test_preprocess_maps_lines_and_takes_flags(tmp_path: object) -> None:
    require_tool("gcc")
    import pathlib

    folder = pathlib.Path(str(tmp_path))
    (folder / "inc").mkdir()
    (folder / "inc" / "a.h").write_text("#define GO(r) mov r=VALUE\n")
    (folder / "first.h").write_text("#define VALUE cr.ifa\n")
    source = folder / "x.S"
    source.write_text('#include "a.h"\n\n\nGO(r3)\n')
    text = preprocess(str(source), include_directories=[str(folder / "inc")], includes=[str(folder / "first.h")])
    document = read_document(PARSER, text, str(source), preprocessed=True)
    (found,) = [s for s in document.statements if isinstance(s.syntax, tree.Instruction)]
    assert document.source(found) == "mov r3=cr.ifa"
    assert document.place(found.start)[:2] == (str(source), 4)


def test_the_preprocessors_first_error_is_ours(tmp_path: object) -> None:
    require_tool("gcc")
    import pathlib

    source = pathlib.Path(str(tmp_path)) / "x.S"
    source.write_text('\n#include "nowhere.h"\n')
    with pytest.raises(PvasmError) as caught:
        preprocess(str(source))
    assert (caught.value.path, caught.value.line) == (str(source), 2)
    source.write_text('#include "x.S"\n')
    with pytest.raises(PvasmError, match="nested"):
        preprocess(str(source))


@pytest.mark.parametrize(
    ("name", "said"), [("gone.S", "no such file or folder"), ("folder.S", "is a folder, not a file")]
)
def test_a_source_that_cannot_be_read_is_no_missing_header(name: str, said: str, tmp_path: Path) -> None:
    """F: the name was said twice, and of a folder that there is none."""
    require_tool("gcc")
    (tmp_path / "folder.S").mkdir()
    done = pvasm("cc", "-i", "xen", "--", "ia64-linux-gnu-as", name, cwd=tmp_path)
    assert (done.status, done.output, done.errors) == (1, "", f"{name}: error: {said}\n")
    with pytest.raises(PvasmError) as raised:
        preprocess(str(tmp_path / name))
    assert str(raised.value) == f"{tmp_path / name}: {said}"
