"""F9: after the C preprocessor, a finding is shown in the line that a person edits, never past its end."""

from __future__ import annotations

from pathlib import Path

import pytest

from pvasm.check.check_files import check_files
from pvasm.check.settings import CppSettings, Settings
from tests.oracle import require_tool

HEAD = """#define GETIFA(r) mov r = cr.ifa
#define TWO fc r3 ;; fc r4
#define LONG(a,b) nop 0 ; nop 0 ; nop 0 ; mov a = cr.isr ; mov b = cr.iip
"""
# The last line of a source, with `«»` around what is flagged.
CASES = {
    "as it stands": "\t«mov r8 = cr.ifa»",
    "blanks that the preprocessor takes away": "\t«mov   r8  =\tcr.ifa» ; nop 0",
    "behind a comment": "/* mov r8 = cr.ifa; a long one */ «mov r8 = cr.ifa»",
    "an argument that is replaced": "\t«GETIFA(r8)»\t// why",
    "behind a label": "x:\t«GETIFA( r8 )» ;;",
    "a macro without arguments": "\tnop 0 ; ««TWO»»",
    "two of one invocation": "x: ««LONG(r1, r2)»»",
    "two alike": "\t«rfi» ;; nop 0 ; «rfi»",
    "broken lines": "\t«mov r8 = \\\n\t\tcr.ifa»",
    "broken lines in arguments": "\t«GETIFA(\\\n\t\tr8)»",
}


def found_in(folder: Path, text: str, *codes: str) -> list[tuple[int, int, int, int]]:
    (folder / "a.S").write_text(text)
    settings = Settings(select=codes, cpp=CppSettings(include_directories=(str(folder),)), use_cache=False)
    (result,) = check_files([str(folder / "a.S")], settings)
    assert not result.errors
    for each in result.diagnostics:
        lines = text.split("\n")
        assert each.source_line in lines[each.line - 1]
        assert each.column <= len(lines[each.line - 1])
        assert each.end_column <= len(lines[each.end_line - 1]) + 1
    return [(each.line, each.column, each.end_line, each.end_column) for each in result.diagnostics]


def place(text: str, offset: int) -> tuple[int, int]:
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)


@pytest.mark.parametrize("name", CASES)
def test_the_place_in_the_source(name: str, tmp_path: Path) -> None:
    require_tool("gcc")
    marked = HEAD + CASES[name]
    text = marked.replace("«", "").replace("»", "")
    expected, waiting, marks = [], [], 0
    for at, character in enumerate(marked):
        if character == "«":
            waiting.append(at - marks)
        elif character == "»":
            expected.append((*place(text, waiting.pop()), *place(text, at - marks)))
        marks += character in "«»"
    assert found_in(tmp_path, text + "\n", "PV001", "PV002") == sorted(expected)


def test_a_line_that_another_file_is_said_to_be(tmp_path: Path) -> None:
    """A line marker may name anything: no other file's lines are shown."""
    require_tool("gcc")
    (tmp_path / "a.S").write_text('#line 1 "/etc/passwd"\n\trfi\n')
    settings = Settings(select=("PV002",), cpp=CppSettings(), use_cache=False)
    (result,) = check_files([str(tmp_path / "a.S")], settings)
    (found,) = result.diagnostics
    assert found.path == "/etc/passwd"
    assert found.source_line.strip() == "rfi"


def test_findings_in_headers(tmp_path: Path) -> None:
    require_tool("gcc")
    (tmp_path / "h.h").write_text("#define NAME ifa\n\n  mov   r8 = cr.NAME\n")
    (tmp_path / "a.S").write_text('#include "h.h"\n')
    settings = Settings(select=("PV002",), cpp=CppSettings(), use_cache=False)
    (result,) = check_files([str(tmp_path / "a.S")], settings)
    (found,) = result.diagnostics
    assert (found.path, found.line, found.column) == (str(tmp_path / "h.h"), 3, 17)
    assert found.source_line == "  mov   r8 = cr.NAME"
