"""What GNU as refuses of an instruction's operands we refuse, and what it takes we take."""

from __future__ import annotations

import random
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pvasm.ia64 import OperandError, Scope
from pvasm.ia64.resolve import resolve
from tests.ia64.assembly import instruction, legal_texts, readings, written
from tests.oracle import require_tool

# One of each sort of operand; a mnemonic's own operands are replaced by these one at a time.
# fmt: off
_SORTS = [
    "r9", "f9", "p9", "b5", "ar9", "ar70", "ar.pfs", "ar.ccv", "ar.csd", "cr9", "ip", "pr", "pr.rot", "psr",
    "psr.l", "psr.um", "r0", "[r9]", "rr[r9]", "dbr[r9]", "cpuid[r9]", "-1", "0", "1", "3", "4", "5", "16",
    "17", "31", "32", "33", "63", "64", "65", "127", "128", "255", "256", "-128", "-129", "-256", "-257",
    "8191", "8192", "-8192", "-8193", "0x1fffff", "0x200000", "0xffffffff", "0xffffffffffffffff", "-0x200001",
    "0xffff", "0x10000", "0x80000", "0x1000000", "0x3fffffffffffffff", "0x4000000000000000", "symbol",
]
# fmt: on

# GNU as complains of these for other reasons than an operand of the wrong sort or value.
_OTHER_REASONS = re.compile(
    r"must be (first|last)|Invalid duplicate|hint\.b|doesn't match|first operand must|Register number"
    r"|branch tag"  # which must be near, and defined
    r"|integer operand out of range"  # a branch out of reach, which `encode` refuses
)


def _replaced() -> Iterator[str]:
    rng = random.Random(7)
    for mnemonic, candidate in readings():
        legal = [rng.choice(legal_texts(spec, rng)) for spec in candidate.operands]
        for place in range(len(legal)):
            for other in rng.sample(_SORTS, 6):
                yield written(mnemonic, candidate, [*legal[:place], other, *legal[place + 1 :]])
        if legal:
            yield written(mnemonic, candidate, legal) + ",r9"
            yield f"(p6) {written(mnemonic, candidate, legal)}"
            yield f"(r6) {written(mnemonic, candidate, legal)}"


def _refused_by_gnu_as(texts: list[str], folder: Path) -> dict[int, str]:
    source = folder / "in.s"
    refused: dict[int, str] = {}
    while True:
        lines = ["here: start:", *("" if index in refused else f"{text} ;;" for index, text in enumerate(texts))]
        source.write_text("\n".join(lines) + "\n")
        command = [require_tool("ia64-linux-gnu-as"), str(source), "-o", str(folder / "out.o")]
        said = subprocess.run(command, capture_output=True, text=True, check=False)
        found = {int(one[1]) - 2: one[2] for one in re.finditer(r"in\.s:(\d+): Error: (.*)", said.stderr)}
        new = {index: message for index, message in found.items() if index not in refused}
        if not new:
            return refused
        refused.update(new)


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, str | None]]:
    """Instructions, and why GNU as refuses them, if it does."""
    texts = list(dict.fromkeys(_replaced()))
    texts = random.Random(11).sample(texts, min(len(texts), 12_000))
    refused = _refused_by_gnu_as(texts, tmp_path_factory.mktemp("refusals"))
    return [(text, refused.get(index)) for index, text in enumerate(texts)]


def test_refused_by_both_or_by_neither(judged: list[tuple[str, str | None]]) -> None:
    wrong = []
    for text, theirs in judged:
        try:
            resolve(instruction(text), Scope())
            ours = None
        except OperandError as error:
            ours = error.message
        if (ours is None) != (theirs is None) and not (theirs and _OTHER_REASONS.search(theirs)):
            wrong.append((text, ours, theirs))
    assert wrong == []
