"""Ops and functions in the wrong place, symbols that clash, names misspelt (PV4xx)."""

from __future__ import annotations

import re
import subprocess
from itertools import combinations
from pathlib import Path

import pytest

from pvasm.check.engine import Selection
from pvasm.check.subject import Subject
from pvasm.errors import PvasmError
from pvasm.expand import expand
from pvasm.headers import Header, included
from pvasm.paravirt.environments import build_names, known_macros
from pvasm.paravirt.loading import load_instance
from pvasm.syntax.document import Document, read_document
from pvasm.text import read_text
from tests.check.checking import PARSER, check
from tests.corpus.build import Corpus
from tests.oracle import require_tool
from tests.paravirt.cases import CATALOG, OPS, plain
from tests.samples.pipeline import CLEAN, INCLUDE, SYMBOLS

NATIVE = "__IA64_ASM_PARAVIRTUALIZED_NATIVE"
PAIR = ("native", "xen")


def cpp(text: str, *flags: str) -> str:
    command = [require_tool("gcc"), "-E", "-P", "-x", "assembler-with-cpp", "-undef", *flags, "-"]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout


def codes_found(document: Document, headers: tuple[Header, ...] = ()) -> list[tuple[str, str]]:
    """The codes, PV1xx and PV4xx, with the texts that they are about."""
    known = known_macros([load_instance(name, CATALOG) for name in PAIR])
    named = not document.path.endswith(".h")
    subject = Subject(document, CATALOG, known, tuple(build_names()), named=named, included=headers)
    rules = [
        rule
        for rule in Selection(("PV1", "PV4")).rules()
        if rule.on_by_default and rule.code != "PV403" and (rule.in_mixed_headers or not subject.holds_c)
    ]
    return [(rule.code, document.text[found.start : found.end]) for rule in rules for found in rule.check(subject)]


# ------------------------------------------------------------------------------- no false alarm


@pytest.mark.slow
def test_real_code_is_sound(corpus: Corpus) -> None:
    """Linux's files as they are, raw and preprocessed, and its headers: nothing is wrong with them."""
    kernel = corpus.root / "tree/arch/ia64"
    paths = [*kernel.rglob("*.[Ssh]"), *(file.preprocessed for file in corpus.files)]
    assert len(paths) > 100
    for path in paths:
        assert codes_found(read_document(PARSER, read_text(path), str(path))) == [], path


@pytest.mark.slow
def test_real_code_is_sound_with_its_headers(corpus: Corpus) -> None:
    """The kernel's own definitions of the ops among them, for bare hardware."""
    directories = [flag.removeprefix("-I") for flag in corpus.include_flags if flag.startswith("-I")]
    for file in corpus.files:
        document = read_document(PARSER, read_text(file.raw), str(file.raw))
        headers = tuple(included(document.path, document.text, directories))
        assert headers
        assert codes_found(document, headers) == [], file.raw


def test_the_samples_are_sound() -> None:
    for path in (*CLEAN, *INCLUDE.glob("*.h")):
        document = read_document(PARSER, read_text(path), str(path))
        assert codes_found(document) == []
        assert codes_found(document, tuple(included(document.path, document.text, [str(INCLUDE)]))) == []
    assert check(read_text(CLEAN[0]), "PV403", instances=PAIR) == []


# -------------------------------------------------------------------------- native code (PV401, 2)


@pytest.mark.parametrize("instances", [(), ("native",), ("xen",), PAIR])
def test_whichever_instances_are_in_question_an_op_in_native_code_is_odd(instances: tuple[str, ...]) -> None:
    text = f"#ifdef {NATIVE}\n\tCOVER\n\tFOO(nop 0 ; RFI)\n#else\n\tRFI\n#endif\n\tCOVER\n"
    assert [(d.line, d.instruction) for d in check(text, "PV401", instances=instances)] == [(2, "COVER"), (3, "RFI")]


FUNCTIONS = [
    *("\t.proc a", "a:", "\tnop 1", "\t.endp a"),
    *("ENTRY(b)", "\tnop 2", "END(b)"),
    *("\tnop 3", "GLOBAL_ENTRY(c)", "\tnop 4", "END(c)", "\tnop 5"),
]
MACROS = "#define ENTRY(f) .proc f\n#define GLOBAL_ENTRY(f) ENTRY(f)\n#define END(f) .endp f\n"


def is_whole(text: str) -> bool:
    """Whether each function that begins in a preprocessed text ends before another begins."""
    boundaries = re.findall(r"\.(proc|endp)\s+(\w+)", text)
    names = [name for kind, name in boundaries if kind == "proc"]
    return boundaries == [(kind, name) for name in names for kind in ("proc", "endp")]


@pytest.mark.parametrize("condition", ["#ifdef", pytest.param("#ifndef", marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "defined", [pytest.param(False, id="known"), pytest.param(True, id="defined", marks=pytest.mark.slow)]
)
def test_a_region_anywhere_by_what_the_preprocessor_leaves(condition: str, defined: bool) -> None:
    """A region from any line to any other: found exactly if other instances do not get whole functions."""
    wrong = 0
    for first, last in combinations(range(len(FUNCTIONS) + 1), 2):
        arms = [f"{condition} {NATIVE}", "#else", "#endif"]
        if condition == "#ifdef":
            del arms[1]
        lines = [*FUNCTIONS[:first], *arms[:-1], *FUNCTIONS[first:last], arms[-1], *FUNCTIONS[last:]]
        text = "\n".join([*([MACROS] if defined else []), *lines, ""])
        left = cpp(text if defined else MACROS + text, f"-D{SYMBOLS['xen']}")
        found = check(text, "PV402")
        assert bool(found) is not is_whole(left), text
        # In the arm for bare hardware nothing is missing.
        assert is_whole(cpp(text if defined else MACROS + text, f"-D{NATIVE}"))
        wrong += len(found)
    assert wrong > 20


def test_the_message_names_the_functions() -> None:
    text = f"ENTRY(a)\n#ifdef {NATIVE}\nEND(a)\nENTRY(b)\n#endif\nEND(b)\n"
    (found,) = check(text, "PV402")
    assert (found.line, found.instruction) == (2, f"#ifdef {NATIVE}")
    assert "to line 5, begins in a and ends in b" in found.message


# ---------------------------------------------------------------------------- symbols (PV403)

SHARED = [
    "\t.global handler, other\nhandler:\n\tCOVER\nother:\n",
    "\t.globl handler\n\t.weak other\nhandler:\n\tCOVER\nother:\n",
    "\t.global handler, elsewhere\n\tCOVER\nhandler#:\n".replace("#:", ":"),
    "\t.global handler#\n\tCOVER\nhandler:\n",
    "\t.global ia64_ivt, __paravirt_leave_kernel\nia64_ivt:\n\tCOVER\n__paravirt_leave_kernel:\n",
    f"#ifdef {NATIVE}\n\t.global handler\n#endif\nhandler:\n\tCOVER\n",
    f"\t.global handler\n\tCOVER\n#ifdef {NATIVE}\nhandler:\n#else\n\tnop 0\n#endif\n",
    f"\t.global handler\n\tCOVER\n#ifdef {NATIVE}\nhandler:\n\tnop 1\n#else\nhandler:\n\tnop 0\n#endif\n",
    f"#ifdef {NATIVE}\n#define handler native_handler\n#endif\n\t.global handler\nhandler:\n\tCOVER\n",
    "#define handler one\n#define one two\n\t.global handler\nhandler:\n\tCOVER\n",
    f"#ifdef {NATIVE}\n#define S(n) native_##n\n#else\n#define S(n) xen_##n\n#endif\n#define handler S(handler)\n"
    "\t.global handler, other\nhandler:\n\tCOVER\nother:\n",
    "#define FUNCTION(name, x) .global name ; .proc name ; name: x\n\tFUNCTION(handler, nop 0)\n\tCOVER\n",
    "#define LOCAL(name) .proc name ; name:\n#define FUNCTION(x, name) .global name ; LOCAL(name) x\n"
    "\tFUNCTION(nop 0, handler)\n\tLOCAL(other)\n\tCOVER\n",
    "\t.global handler\nhandler:\n\tmov r8 = cr.ifa\n",
]


@pytest.mark.parametrize("text", SHARED)
def test_symbols_that_clash_by_what_the_variants_define(text: str, tmp_path: Path) -> None:
    """Both variants as the build makes them, with the instance's names; nm tells what each defines."""
    defined = []
    for name in PAIR:
        instance = load_instance(name, CATALOG)
        flags = [f"-D{instance.defines}", *(f"-D{old}={new}" for old, new in instance.renames.items())]
        variant = cpp(expand(read_document(PARSER, text, "a.S"), CATALOG, instance), *flags)
        output = tmp_path / f"{name}.o"
        command = [require_tool("ia64-linux-gnu-as"), "-o", str(output), "-"]
        subprocess.run(command, input=variant, text=True, check=True, capture_output=True)
        command = [require_tool("ia64-linux-gnu-nm"), "-g", "--defined-only", str(output)]
        listing = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        defined.append(set(re.findall(r" [A-V] (\S+)$", listing, re.M)))
    expected = defined[0] & defined[1] if re.search(r"\bCOVER\b", text) else set()
    found = check(text, "PV403", instances=PAIR)
    assert {re.search(r"both define (\S+),", each.message)[1] for each in found} == expected  # type: ignore[index]
    assert check(text, "PV403", instances=("xen",)) == []
    assert check(text, "PV403", preprocessed=True, instances=PAIR) == []


def test_alternatives_to_one_another_do_not_clash(tmp_path: Path) -> None:
    """Instances that are told apart by the same symbol are never linked together."""
    path = tmp_path / "other.yaml"
    path.write_text("name: other\ndescription: d\nextends: xen\n")
    assert check(SHARED[0], "PV403", instances=("xen", str(path))) == []
    path = tmp_path / "another.yaml"
    path.write_text("name: other\ndescription: d\nextends: xen\ndefines: OTHER\nrenames: {handler: my_handler}\n")
    (found,) = check(SHARED[0], "PV403", instances=("xen", str(path)))
    assert (found.instruction, found.line) == ("other", 4)
    assert load_instance(str(path)).renames["ia64_ivt"] == "xen_ivt"


@pytest.mark.parametrize(
    ("renames", "message"),
    [
        ("{a b: c}", "renames.a b: 'a b' is not a symbol"),
        ("{a: 'b;c'}", "renames.a: 'b;c' is not a symbol"),
        ("{a: 1}", "renames"),
        ("[a]", "renames"),
    ],
)
def test_renames_are_symbols(renames: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "other.yaml"
    path.write_text(f"name: other\ndescription: d\nextends: xen\nrenames: {renames}\n")
    with pytest.raises(PvasmError, match=re.escape(message)) as caught:
        load_instance(str(path))
    assert caught.value.line == 4


def test_a_files_own_words_tell_that_it_is_compiled_for_several() -> None:
    text = "\t.global handler\nhandler:\n\tCOVER\n"
    assert check(text, "PV403") == []
    assert len(check(f"#ifndef {NATIVE}\n\tnop 0\n#endif\n{text}", "PV403")) == 1
    assert len(check(f"{text}\tbr.cond.sptk __paravirt_leave_kernel\n", "PV403")) == 1


# ------------------------------------------------------------------------- misspelt names (PV404)


def slips(name: str) -> set[str]:
    """A name with one letter missing, doubled, changed, or in the next one's place; in small letters; run together."""
    found = {name.lower(), name.replace("_", "", 1), name.replace("_", "__", 1)}
    for at in range(len(name)):
        found |= {name[:at] + name[at + 1 :], name[: at + 1] + name[at:]}
        if at + 1 < len(name):
            found.add(name[:at] + name[at + 1] + name[at] + name[at + 2 :])
        if len(name) > 8 and name[at] != "_":
            found.add(name[:at] + "QX"[name[at] == "Q"] + name[at + 1 :])
    return {each for each in found if len(each) > 3 and each not in CATALOG.ops}


def test_one_slip_of_the_finger_in_any_op_is_found() -> None:
    calls = []
    for op in OPS:
        if op.extension and len(op.name) < 7:
            continue  # many a macro's name is near these
        arguments = f"({', '.join(plain(op))})" if op.parentheses else ""
        calls += [(op.name, f"\t{slip}{arguments}") for slip in sorted(slips(op.name))]
    assert len(calls) > 500
    text = "\n".join(call for _, call in calls)
    found = {d.line: d.message for d in check(text, "PV404")}
    missed = {call.strip().partition("(")[0] for line, (_, call) in enumerate(calls, 1) if line not in found}
    assert missed == {"cover", "thash", "MOV_TO_ISR"}  # mnemonics, and what is about another register
    right = sum(re.search(r"is (\w+)", message)[1] == calls[line - 1][0] for line, message in found.items())  # type: ignore[index]
    assert right > 0.97 * len(found)


@pytest.mark.parametrize(
    "name", ["DO_SAVE_MIN", "SAVE_REST", "MOV_FROM_IVA", "MOV_FROM_ITM", "MOV_TO_DCR", "BSW_2", "ITR_I"]
)
def test_other_names_are_their_own(name: str) -> None:
    for count in range(5):
        assert check(f"\t{name}({', '.join(['r8'] * count)})\n", "PV404") == []


def test_what_a_header_defines_is_no_misspelling() -> None:
    header = ("a.h", "#define COVERR cover\n.macro RFII\n\trfi\n.endm\n")
    document = read_document(PARSER, "\tCOVERR\n\tRFII\n\tCOVRE\n", "a.S")
    assert codes_found(document, (header,)) == [("PV404", "COVRE")]
