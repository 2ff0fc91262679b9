"""Waiting for the C preprocessor: its end is seen at once, and that it takes too long."""

from __future__ import annotations

import os
import subprocess

import pytest

from pvasm.syntax.run_cpp import _wait


@pytest.mark.parametrize("has_descriptors", [True, False])
def test_the_status_or_that_it_takes_too_long(has_descriptors: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not has_descriptors:
        monkeypatch.delattr(os, "pidfd_open")
    with subprocess.Popen(["sh", "-c", "exit 3"]) as process:
        assert _wait(process, 60) == 3
    with subprocess.Popen(["sleep", "60"]) as process:
        with pytest.raises(subprocess.TimeoutExpired):
            _wait(process, 0.01)
        process.kill()
        assert _wait(process, 60) == -9


def test_nothing_is_slept_through(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system tells of the end, nobody looks from time to time."""
    monkeypatch.setattr("time.sleep", lambda seconds: pytest.fail(f"slept {seconds} seconds"))
    with subprocess.Popen(["sh", "-c", "sleep 0.05"]) as process:
        assert _wait(process, 60) == 0
