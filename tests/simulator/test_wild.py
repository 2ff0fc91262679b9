"""A few of the images of random bytes that `python -m tests.simulator.wild` runs any number of."""

from __future__ import annotations

import pytest

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
