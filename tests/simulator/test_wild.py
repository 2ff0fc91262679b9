"""A few of the images of random bytes that `python -m tests.simulator.wild` runs any number of."""

from __future__ import annotations

import pytest
from pvsim.machine.machine import Machine

from tests.simulator import wild


@pytest.mark.parametrize("first", range(0, 120, 40))
def test_images_of_random_bytes_stop_for_a_reason(first: int) -> None:
    for number in range(first, first + 40):
        assert wild.run(number, seed=7)


def test_the_command_tells_why_they_stopped(capsys: pytest.CaptureFixture[str]) -> None:
    assert wild.main(["--images", "3", "--seed", "5"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "3 images, 0 failed"


def test_an_error_is_told_with_the_number_of_the_image(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(number: int, seed: int) -> str:
        raise IndexError(f"{number} {seed}")

    monkeypatch.setattr(wild, "run", fails)
    assert wild.main(["--images", "1", "--first", "4", "--seed", "5"]) == 1
    out = capsys.readouterr().out
    assert out.startswith("image 4 of seed 5:\n")
    assert "IndexError: 4 5" in out


def state(machine: Machine) -> dict[str, object]:
    """All that a program can tell, and what has been counted."""
    lists = ("gr", "nat", "fr", "pr", "br", "ar", "cr", "rr", "other_bank", "other_bank_nat")
    words = ("ip", "psr", "cfm", "dirty", "clean", "instructions", "groups", "bundles")
    pages = {number: bytes(page) for number, page in machine.memory.pages.items() if any(page)}
    buffers = [set(pages) for pages in machine.translation_caches.values()]
    files = {name: list(registers) for name, registers in machine.files.items()}
    return {
        **{name: list(getattr(machine, name)) for name in lists},
        **{name: getattr(machine, name) for name in words},
        "memory": pages,
        "caches": buffers,
        "files": files,
        "notes": set(machine.notes),
    }


@pytest.mark.parametrize("first", range(0, 60, 20))
def test_a_run_in_pieces_ends_as_one_at_once(first: int) -> None:
    """Whatever the pieces: so code that is compiled does what the same does instruction by instruction."""
    for number in range(first, first + 20):
        whole, pieces = wild.prepared(number, seed=3), wild.prepared(number, seed=3)
        stop = whole.run(120)
        other = None
        for _ in range(120):
            other = pieces.run(1)
            if other is not None:
                break
        assert str(other) == str(stop)
        assert state(pieces) == state(whole)
