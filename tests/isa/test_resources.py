"""Every resource that GNU as -x knows: pairs of instructions of all forms, one writes what the other uses (M9).

The pairs are made from the instruction table: a form stands for all that read and write the same. For each there are
the forms that share a resource with it, by our account of them, and as many that share none.
"""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest

from pvasm.asm.resolve import resolve
from pvasm.asm.scope import OperandError, Scope
from pvasm.isa.effects import plan_of
from pvasm.isa.instruction import Instruction
from pvasm.isa.registers import NAMES, Register
from pvasm.isa.resources import Resource
from tests.isa.assembly import instances, instruction
from tests.isa.dependency_oracle import as_says, by_the_checker, differences, name_of, we_say

# The assembler chooses among units, or branch tags are too far; what has a status field without naming it, as takes for
# any of them.
_LEFT_OUT = re.compile(r"hint\.b|ld8\.mov|brp|mov\S* b\d+=r\d+,")
_STATUS_FIELD = re.compile(r"\.s[0-3]\b")
# There are none through memory and the ALAT (SDM vol. 3, 5.3); ar.fpsr is its fields.
_NO_DEPENDENCIES = {"ALAT", "mem", "ar.fpsr"}
_APART = "srlz.i ;;\nsrlz.d ;;\n"
_PARTS = 6


@pytest.fixture(scope="module")
def samples() -> dict[str, Instruction]:
    """One instruction for each set of what is read and written, in one way; with registers that are no constants."""
    found: dict[object, tuple[str, Instruction]] = {}
    for text in ["alloc r9=ar.pfs,0,0,0,0", *instances(random.Random(5))]:
        own = re.sub(r"\b(start|here)\b", "1b", text)
        own = re.sub(r"\br(0|127)\b", "r3", re.sub(r"\bf(0|1|127)\b", "f6", own))
        own = re.sub(r"\bp(0|63)(?=[,=])", lambda name: "p7" if name[1] == "0" else "p8", own)
        try:
            resolved = resolve(instruction(own), Scope())
        except OperandError:
            continue
        if "sf" in resolved.fields and not _STATUS_FIELD.search(own):
            continue
        if not _LEFT_OUT.match(own) and not has_reserved(resolved):
            plan = plan_of(resolved.spelling)
            shapes = tuple(spec.shape for spec in resolved.form.operands)
            key = (plan.named_reads, plan.ordered_writes, plan.mask_way, plan.file, plan.reads_as, shapes)
            found.setdefault((*key, shared(resolved.reads), shared(resolved.writes)), (own, resolved))
    return dict(found.values())


def has_reserved(resolved: Instruction) -> bool:
    """Whether it names a reserved application or control register, of which as thinks the worst, or nothing."""
    named = (each for each in resolved.operands if isinstance(each, Register) and each.file in ("ar", "cr"))
    return any(register not in NAMES for register in named)


def shared(resources: frozenset[Resource]) -> frozenset[Resource]:
    """The resources that every instruction may use, not general registers and their like."""
    return frozenset(each for each in resources if not (isinstance(each, Register) and each.file in "rfpb"))


def pairs(samples: dict[str, Instruction], part: int) -> list[tuple[str, str]]:
    """The pairs that share a resource, of every `_PARTS`-th form, and about as many more."""
    rng = random.Random(part)
    found = []
    for text, first in list(samples.items())[part::_PARTS]:
        written = shared(first.writes)
        others = list(samples.items())
        sharing = [other for other, second in others if not written.isdisjoint(second.reads | second.writes)]
        found += [(text, other) for other in sharing]
        found += [(text, rng.choice(others)[0]) for _ in range(20)]
    return found


@pytest.mark.slow
@pytest.mark.parametrize("between", ["", ";;"])
@pytest.mark.parametrize("part", range(_PARTS))
def test_pairs_that_share_a_resource(part: int, between: str, samples: dict[str, Instruction], tmp_path: Path) -> None:
    """In a group of their own, or in one after the other: what lasts needs a serialization, all else a stop."""
    text = "1:\n" + "".join(f"{one}\n{between}\n{other}\n;;\n{_APART}" for one, other in pairs(samples, part))
    found = we_say(text)
    assert differences(text, found, tmp_path) == []
    assert len(found) > (100 if between else 1000)


def test_the_checker_tells_of_every_resource(samples: dict[str, Instruction], tmp_path: Path) -> None:
    """M9. A pair for each resource and kind of hazard, as `pvasm check` tells of them."""
    chosen: dict[tuple[str, Resource], tuple[str, str]] = {}
    for text, first in samples.items():
        if not plan_of(first.spelling).marks or first.form.last_in_group:
            continue  # what follows is not in its group, or not executed if the branch is taken
        for other, second in samples.items():
            if second.form.first_in_group or other.startswith("br.ia"):
                continue  # br.ia uses everything, and ar.pfs as no other branch does
            for resource in shared(first.writes):
                for kind, uses in (("RAW", second.reads), ("WAW", second.writes)):
                    if resource in uses:
                        chosen.setdefault((kind, resource), (text, other))
    text = "1:\n" + "".join(f"{one}\n{other}\n;;\n{_APART}" for one, other in chosen.values())
    found = by_the_checker(text)
    assert differences(text, found, tmp_path) == []
    told = {(kind, name) for _, kind, name in found}
    assert {(kind, name) for _, kind, name in as_says(text, tmp_path)} <= told
    assert {name_of(resource) for _, resource in chosen} - {name for _, name in told} <= _NO_DEPENDENCIES
