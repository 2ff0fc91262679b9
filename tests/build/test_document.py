"""docs/build.md shows builds that work, and what they print."""

from __future__ import annotations

import re
import shlex

import pytest

from tests.build.workshop import Workshop, document
from tests.oracle import require_tool

SECTIONS = document()
EXAMPLES = "The examples"
# Kbuild's makefile is run by test_kbuild.py.
RUN_HERE = ("One run", "GNU make", "Ninja", "CMake", "As a header")


@pytest.mark.parametrize("title", RUN_HERE)
def test_what_it_shows_works(title: str, workshop: Workshop) -> None:
    workshop.write(SECTIONS[EXAMPLES].files)
    workshop.write(SECTIONS[title].files)
    assert SECTIONS[title].steps
    for command, expected in SECTIONS[title].steps:
        words = shlex.split(command)
        if words[0] in ("make", "ninja", "cmake"):
            require_tool(words[0])
        output = workshop.run(*words)
        pattern = "".join(r"(?:.*\n)*?" if line == "...\n" else re.escape(line) for line in expected.splitlines(True))
        assert re.fullmatch(pattern, output), output


def test_every_way_is_shown() -> None:
    assert {*RUN_HERE, EXAMPLES, "Kbuild"} <= set(SECTIONS)
    assert SECTIONS["Kbuild"].files
