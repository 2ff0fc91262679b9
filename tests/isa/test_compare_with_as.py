"""The script that prints what as and pvasm say side by side."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.isa.compare_with_as import main
from tests.oracle import require_tool


def test_what_both_say_and_what_one_says_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    require_tool("ia64-linux-gnu-as")
    source = tmp_path / "a.s"
    source.write_text('# 1 "a.S"\nmov r8=r9\nadd r10=r8,r11 ;;\nlfetch [r12]\nmov r13=r14\nlfetch [r13]\n;;\n')
    assert main([str(source)]) == 0
    assert capsys.readouterr().out == (
        f"{source}:3: RAW r8: both\n"
        f"{source}:6: RAW r13: pvasm alone (explained): RAW r13 | mov r13=r14 | lfetch [r13]\n"
        f"{source}: 1 of 1 that as says, 1 that it does not; 0 unexplained\n"
        "in all: 1 of 1 that as says, 1 that it does not; 0 unexplained\n"
    )


def test_a_file_that_as_refuses_is_told_of(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    require_tool("ia64-linux-gnu-as")
    source = tmp_path / "a.s"
    source.write_text("adds r8=8192,r9\n")
    assert main([str(source)]) == 1
    assert "as refuses it" in capsys.readouterr().out
