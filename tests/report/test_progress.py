"""The bar: on a terminal, after a second, and gone when something else is printed."""

from __future__ import annotations

import io
import sys

import pytest

from pvasm.report.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def drawn(
    monkeypatch: pytest.MonkeyPatch,
    stream: io.StringIO,
    seconds: list[float],
    *,
    wanted: bool = True,
    terminal: str = "xterm",
) -> str:
    """What a bar prints that is told of a file at each of these times."""
    clock = iter([0.0, *seconds])
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("TERM", terminal)
    bar = Progress(wanted=wanted, clock=lambda: next(clock))
    for done, _ in enumerate(seconds, start=1):
        bar(done, len(seconds))
    bar.clear()
    bar.clear()
    return stream.getvalue()


def test_only_after_a_second_and_not_too_often(monkeypatch: pytest.MonkeyPatch) -> None:
    assert drawn(monkeypatch, Terminal(), [0.2, 0.5, 0.99]) == ""
    shown = drawn(monkeypatch, Terminal(), [0.5, 1.1, 1.11, 1.15, 1.3])
    assert [part for part in shown.split("\r\x1b[K") if part] == [
        "[############..................] 2/5 files",
        "[##############################] 5/5 files",
    ]
    assert shown.endswith("\r\x1b[K")


def test_only_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    assert drawn(monkeypatch, io.StringIO(), [5.0, 9.0]) == ""
    assert drawn(monkeypatch, Terminal(), [5.0, 9.0], wanted=False) == ""


def test_not_on_a_dumb_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    assert drawn(monkeypatch, Terminal(), [5.0, 9.0], terminal="dumb") == ""
