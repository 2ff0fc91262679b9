"""PV301 and PV302 on programs made at random, against an enumeration of their paths that shares no code with them.

The enumeration runs a program step by step, with every value that predicates can have, and follows the value that the
clobber had. It runs in two ways: *exactly*, a predicate keeping its value until it is written, and *loosely*, each use
of one deciding for itself. What is read on an exact path must be found; what is read on no loose path must not.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from pvasm.check.flow import Flow
from pvasm.check.free_registers import FreeRegisters
from pvasm.check.liveness import Liveness
from pvasm.data import samples_directory
from pvasm.isa.conventions import GENERAL_SCRATCH, PREDICATE_SCRATCH
from pvasm.text import read_text
from tests.check.checking import check
from tests.fix.fixing import subject

PROGRAMS = 150
CLOBBERED = ("r19", "loc1", "out0", "r4", "r12", "r8")


class Step(NamedTuple):
    """A line of a program: what it does, with registers and a label where it has some, under a predicate or none."""

    kind: str  # copy, set, compare, branch, call, help, return, op
    under: str = ""
    target: str = ""
    source: str = ""

    def text(self) -> str:
        under = f"({self.under}) " if self.under else ""
        texts = {
            "copy": f"mov {self.target} = {self.source}",
            "set": f"mov {self.target} = 0",
            "cancel": f"xor {self.target} = {self.source}, {self.source}",
            "compare": "cmp.eq p6, p7 = r20, r21",
            "branch": f"br.cond.sptk {self.target}",
            "call": "br.call.sptk.many rp = unknown",
            "help": f"br.call.sptk.many rp = {self.target}",
            "mini": "br.call.sptk.many b7 = b6",
            "return": "br.ret.sptk.many rp",
            "back": "br.cond.sptk.many b7",
            "op": f"ITC_D(p0, r18, {self.target})",
        }
        return under + texts[self.kind]


class Program(NamedTuple):
    """Lines, and the places of labels among them. The op is at `at`."""

    steps: list[Step]
    labels: dict[str, int]
    at: int

    def text(self) -> str:
        lines = ["\t.proc f", "f:\talloc loc0 = ar.pfs, 1, 4, 1, 0", "\tmovl r3 = little ;;", "\tmov b6 = r3 ;;"]
        for index, step in enumerate(self.steps):
            lines += [f"{name}:" for name, place in self.labels.items() if place == index]
            lines.append(f"\t{step.text()} ;;")
        return "\n".join(lines) + "\n"


def program(seed: int) -> Program:
    """A program of one function and two helpers; its op clobbers one of `CLOBBERED`."""
    pick = random.Random(seed)
    clobbered = pick.choice(CLOBBERED)
    others = ["r14", "r15", clobbered, clobbered]

    def plain(helper: bool) -> Step:
        under = pick.choice(("", "", "p6", "p7", "p8"))
        # A helper has a frame of its own.
        names = [name for name in others if not (helper and name[0] in "lo")] or ["r14"]
        kind = pick.choice(("copy", "copy", "set", "cancel", "compare"))
        if kind == "compare":
            return Step(kind)
        return Step(kind, under, pick.choice(("r14", "r15", pick.choice(names))), pick.choice(names))

    steps: list[Step] = []
    length = pick.randint(4, 9)
    for _ in range(length):
        kind = pick.choice(("plain", "plain", "plain", "branch", "call", "help", "mini", "return"))
        if kind == "plain":
            steps.append(plain(False))
        elif kind == "branch":
            steps.append(Step("branch", pick.choice(("p6", "p7", "p8", "")), pick.choice(("one", "two"))))
        elif kind == "return":
            steps.append(Step("return", pick.choice(("p6", "p8"))))
        else:
            steps.append(Step(kind, pick.choice(("", "", "p8")), "big" if kind == "help" else ""))
    at = pick.randrange(len(steps))
    steps[at:at] = [Step("op", "", clobbered)]
    labels = {"one": pick.randrange(len(steps)), "two": pick.randrange(len(steps))}
    steps.append(Step("return"))
    for name, last in (("big", "return"), ("little", "back")):
        labels[name] = len(steps)
        steps += [*(plain(True) for _ in range(pick.randint(0, 2))), Step(last)]
    return Program(steps, labels, at)


class Run(NamedTuple):
    """A run of a program: where it is, the predicates' values, the calls that it is in, and what became of the value.

    `passed` says that the op was executed last time, and the register not written since.
    """

    at: int
    truth: tuple[bool, ...]
    calls: tuple[int, ...] = ()
    passed: bool = False


PREDICATES = ("p6", "p7", "p8")
EACH = [(p6, not p6, p8) for p6 in (True, False) for p8 in (True, False)]


def runs(code: Program, exact: bool) -> Iterator[tuple[str, Run]]:
    """What runs tell: `read` where the clobbered register is read, `leave` where control leaves with its old value."""
    clobbered = code.steps[code.at].target
    # Loosely, the op may be reached even if nothing in the program leads there.
    waiting = [Run(0, truth) for truth in EACH] if exact else [Run(0, EACH[0]), Run(code.at, EACH[0])]
    seen = set(waiting)
    while waiting:
        run = waiting.pop()
        for told, after in moves(code, run, clobbered, exact):
            if told:
                yield told, run
            if after is not None and after not in seen:
                seen.add(after)
                waiting.append(after)


def moves(code: Program, run: Run, clobbered: str, exact: bool) -> Iterator[tuple[str, Run | None]]:
    step = code.steps[run.at]
    following = run._replace(at=run.at + 1)
    value = run.truth[PREDICATES.index(step.under)] if step.under and exact else None
    if step.under and value is not True:
        yield "", following
    if step.under and value is False:
        return
    if step.kind == "op":
        yield "", following._replace(passed=True)
    elif step.kind == "compare":
        for holds in (True, False):
            yield "", following._replace(truth=(holds, not holds, run.truth[2]) if exact else run.truth)
    elif step.kind in ("copy", "set", "cancel"):
        is_read = step.kind == "copy" and step.source == clobbered
        told = "read" if is_read and run.passed else ""
        yield told, following._replace(passed=run.passed and step.target != clobbered)
    elif step.kind == "branch":
        yield "", run._replace(at=code.labels[step.target])
    elif step.kind == "call":
        # What is called leaves locals and preserved registers alone; of the others nothing is known.
        yield "", following._replace(passed=run.passed and clobbered in ("loc1", "r4", "r12"))
    elif step.kind in ("help", "mini"):
        entry = code.labels["big" if step.kind == "help" else "little"]
        if clobbered == "out0":
            yield "", following._replace(passed=False)
        elif clobbered in ("loc1", "r4", "r12"):
            yield "", following
        elif len(run.calls) < 2:
            yield "", run._replace(at=entry, calls=(*run.calls, run.at))
    elif run.calls:
        yield "", run._replace(at=run.calls[-1] + 1, calls=run.calls[:-1])
    else:
        yield "leave" if run.passed else "", None


def is_written(code: Program, register: str) -> bool:
    """Whether the function itself writes the register anywhere: then it may be its own."""
    return any(
        step.target == register and step.kind in ("copy", "set", "cancel") for step in code.steps[: code.labels["big"]]
    )


@pytest.mark.parametrize("seed", range(PROGRAMS))
def test_a_clobber_is_live_where_a_path_reads_it(seed: int) -> None:
    code = program(seed)
    text = code.text()
    found = [f for f in check(text, "PV3") if "read at line" in f.message]
    exactly = any(told == "read" for told, _ in runs(code, exact=True))
    loosely = any(told == "read" for told, _ in runs(code, exact=False))
    assert exactly <= bool(found) <= loosely, text


@pytest.mark.parametrize("seed", range(PROGRAMS))
def test_what_is_the_callers_is_live_where_control_returns(seed: int) -> None:
    """Of r4 and sp, if the function does not write them."""
    code = program(seed)
    clobbered = code.steps[code.at].target
    text = code.text()
    found = [f for f in check(text, "PV3") if "read at line" not in f.message]
    if clobbered in ("r4", "r12"):
        returns = [any(told == "leave" for told, _ in runs(code, exact)) for exact in (True, False)]
        if any(told == "read" for told, _ in runs(code, exact=False)):
            return  # a read is told of first
        if not is_written(code, clobbered):
            assert returns[0] <= bool(found), text
        assert bool(found) <= (returns[1] or clobbered == "r12"), text
    elif clobbered not in ("r8", "out0"):
        assert not found, text


@pytest.mark.parametrize("name", ["exit", "fsys", "ivt", "switch_to"])
def test_what_is_free_is_not_live(name: str) -> None:
    """The two searches, of which neither may say yes where the other does."""
    path = samples_directory() / f"{name}.S"
    checked = subject(read_text(path), str(path))
    flow, free, liveness = checked.of(Flow), checked.of(FreeRegisters), checked.of(Liveness)
    tried = 0
    for index, node in enumerate(flow.nodes):
        for register in (*GENERAL_SCRATCH[::4], *PREDICATE_SCRATCH[::3]) if node.kind in ("op", "instruction") else ():
            if register not in flow.uses[index].writes and free.reason_to_keep(index, register) is None:
                tried += 1
                assert liveness.live(index, register) is None, (node.text, register)
    assert tried > 10
