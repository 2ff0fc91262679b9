"""Reading a text takes time linear in its length, whatever it holds; and no depth of nesting is too much."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pvasm.cli import main
from pvasm.isa.mnemonics import is_mnemonic
from pvasm.report import statements
from pvasm.syntax.document import read_document
from pvasm.syntax.parser import Parser
from tests.adversary import MOST, ratio
from tests.slow import one_of

SIZES = (2048, 4096, 8192, 16384)

# What stands again and again, between what is before and behind it.
HOSTILE = {
    "unterminated comments": ("", "/*", ""),
    "unterminated comments on lines": ("", "nop 0 /*\n", ""),
    "unterminated strings": ("", '"\n', ""),
    "unterminated strings on a line": ("", '"\\"', ""),
    "unterminated characters": ("", "'\\", ""),
    "comments and no code": ("", "/**/", ""),
    "comments before a directive (S2)": ("#define ", "/**/", "("),
    "comments in a directive": ("#", "/**/", "%"),
    "comments with blanks": ("#define", " /**/ ", "A("),
    "comments before a hash": ("", "/**/", "#"),
    "joined lines": ("#define", " \\\n", "("),
    "backslashes": ("", "\\", ""),
    "backslashes and blanks": ("", "\\ ", "a"),
    "joined lines in a comment": ("//", "\\\n", ""),
    "open parentheses": ("", "(", ""),
    "open parentheses of calls": ("", "A(", ""),
    "open parentheses on lines": ("", "A(\n", ""),
    "open parentheses and separators": ("", "A(;", ""),
    "open parentheses and conditionals": ("", "A(\n#if X\n", ""),
    "closed parentheses": ("", ")", ""),
    "an expression": ("mov r1 = ", "(", "1"),
    "a closed expression": ("mov r1 = (((", "1+(2)+", "1)))"),
    "predicates": ("", "(p6)", "nop 0"),
    "labels": ("", "a:", ""),
    "tags": ("", "[a:]", ""),
    "open brackets": ("", "[", ""),
    "braces": ("", "{", ""),
    "bundles": ("", "{.mib\n", ""),
    "operators": ("mov r1 = ", "-", "1"),
    "questions": ("#if ", "a?", "b"),
    "arguments": ("A(", "r1,", ")"),
    "commas": ("A ", ",", ""),
    "operands": ("mov r1=", "r2,", ""),
    "a run of digits": ("mov r1=", "1", "x"),
    "numbers with points": ("mov r1=", "1.", "x"),
    "one word": ("", "a", ""),
    "hashes": ("a", "##", ""),
    "blanks": ("a", " ", "##"),
    "macros": ("", ".macro a\n", ""),
    "macros that end": ("", ".macro a\n.endm\n", ""),
    "repetitions": ("", ".rept 2\n", ""),
    "conditionals": ("", "#if X\n", ""),
    "conditionals that end": ("", "#if X\n#endif\n", ""),
    "arms": ("#if A\n", "#elif B\n", ""),
    "else": ("", "#if A\n#else\n", ""),
    "nested conditions": ("#if ", "(", "X\n"),
    "negated conditions": ("#if ", "!", "X\n"),
    "alternatives": ("#if ", "X || ", "Y\n"),
    "unterminated comments in a condition": ("#if 1 ", "/*", "\n"),
    "definitions": ("", "#define A(x) x\n", ""),
    "parameters": ("#define A(", "x,", ") x"),
    "open parameters": ("", "#define A(", ""),
    "line markers": ("", '# 1 "a.S"\n', ""),
    "line markers that do not end": ("# 1 ", '"\\"', ""),
    "line marker's escapes": ('# 1 "', "\\1", '"'),
    "lines": ("", "\n", ""),
    "returns": ("", "\r", ""),
    "stops": ("", ";;", ""),
    "zeroes": ("", "\0", ""),
}


def _read(preprocessed: bool) -> Callable[[str], object]:
    def read(text: str) -> object:
        document = read_document(Parser(is_mnemonic), text, "a.S", preprocessed=preprocessed)
        assert document.text == text
        return document

    return read


RAW_AND_PREPROCESSED = pytest.mark.parametrize(
    "preprocessed", [pytest.param(False, id="raw"), pytest.param(True, id="preprocessed", marks=pytest.mark.slow)]
)


@RAW_AND_PREPROCESSED
@pytest.mark.parametrize("name", one_of(3, HOSTILE))
def test_reading_is_linear(name: str, preprocessed: bool) -> None:
    head, pump, tail = HOSTILE[name]
    assert ratio(_read(preprocessed), lambda size: head + pump * (size // len(pump)) + tail, SIZES) <= MOST


@pytest.mark.slow
@RAW_AND_PREPROCESSED
@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_read_is_printed(name: str, preprocessed: bool) -> None:
    head, pump, tail = HOSTILE[name]
    text = head + pump * 10_000 + tail
    document = read_document(Parser(is_mnemonic), text, "a.S", preprocessed=preprocessed)
    for render in (statements.render_tree, statements.render_json):
        assert len(list(render(document))) == len(document.statements)


@pytest.mark.parametrize("name", HOSTILE)
def test_the_command_ends_without_a_traceback(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    head, pump, tail = HOSTILE[name]
    path = tmp_path / "a.S"
    path.write_bytes((head + pump * 500 + tail).encode())
    assert main(["parse", str(path)]) in (0, 1, 2)
    assert "Traceback" not in capsys.readouterr().err
