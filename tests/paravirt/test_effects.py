"""What expansions do to registers, and whether templates keep their ops' contracts.

The oracle is the guest of `xen_guest.py`, which runs an expansion on a machine: templates of Xen's with a mistake in
them are run with many arguments, and what it sees must have been foreseen.
"""

from __future__ import annotations

import contextlib
import copy
import itertools
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pvasm import data
from pvasm.errors import PvasmError
from pvasm.isa.registers import Register
from pvasm.isa.resources import FPSR_FIELDS
from pvasm.isa.semantics.data_flow import Value
from pvasm.paravirt.catalog import Op
from pvasm.paravirt.choices import choices, is_allowed, plain_choice
from pvasm.paravirt.contract import violations
from pvasm.paravirt.expansion import expansion_of
from pvasm.paravirt.instance import Instance
from pvasm.paravirt.interface import Call
from pvasm.paravirt.loading import load_instance
from pvasm.paravirt.trial import Violation
from pvasm.paravirt.trial_run import Budget, Outcome, run
from tests.paravirt.cases import CATALOG, OPS
from tests.paravirt.test_xen import guest
from tests.work import Bounded

XEN = load_instance("xen")
HEAD = "name: mine\ndescription: A test\nextends: xen\n"
R8, R9, UNAT = Register("r", 8), Register("r", 9), Register("ar", 36)


def instance_with(op: str, entry: Mapping[str, object], folder: Path) -> Instance:
    """Xen's instance with another entry for one op."""
    path = folder / "mine.yaml"
    path.write_text(HEAD + yaml.safe_dump({"ops": {op: dict(entry)}}))
    return load_instance(str(path))


# --------------------------------------------------------------------------- running lines


def outcomes(text: str, calls: Mapping[int, Call] | None = None, **assumed: bool) -> list[Outcome]:
    lines = expansion_of(text.split("\n")).instructions()
    truths = {Register("p", int(name[1:])): truth for name, truth in assumed.items()}
    return run(lines, truths, calls or {}, Budget(10_000))


def changed(outcome: Outcome) -> set[str]:
    """The registers that do not hold what they held at the start."""
    cells = (cell for cell, value in outcome.cells.items() if value != Value(cell))
    return {cell if isinstance(cell, str) else cell.text for cell in cells}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mov r20 = r8\nmov r8 = 1\nmov r8 = r20", {"r20"}),
        ("adds r20 = 0, r8\nmov r8 = 1\nadd r8 = r0, r20", {"r20"}),
        ("mov r20 = r8\nmov r8 = 1\nadds r8 = 4, r20", {"r20", "r8"}),
        ("adds r8 = 8, r8\nadds r8 = -8, r8", set()),
        ("ld8 r20 = [r8], 8\nadds r8 = -8, r8", {"r20"}),
        ("mov r20 = 0x100\nst8 [r20] = r8, 8\nmov r8 = 1\nadds r20 = -8, r20\nld8 r8 = [r20]", {"r20"}),
        ("mov r20 = 0x100\nst8 [r20] = r8\nmov r8 = 1\nadds r20 = 8, r20\nld8 r8 = [r20]", {"r20", "r8"}),
        ("mov r20 = 0x100\nst4 [r20] = r8\nmov r8 = 1\nld8 r8 = [r20]", {"r20", "r8"}),
        ("mov r20 = ar.unat\nst8.spill [r9] = r8\nmov ar.unat = r20", {"r20"}),
        ("st8.spill [r9] = r8", {"ar.unat"}),
        ("mov r20 = b6\nmov b6 = r8\nmov b6 = r20", {"r20"}),
        ("mov r20 = pr\ncmp.eq p6, p7 = r8, r9\nmov pr = r20, -1", {"r20"}),
        ("mov r20 = pr\ncmp.eq p6, p7 = r8, r9\nmov pr = r20, 0x40", {"r20", "p7"}),
        ("mov r20 = psr\nrsm psr.i\nmov psr.l = r20", {"r20"}),
        ("rsm psr.i | psr.ic", {"psr.i", "psr.ic"}),
        ("mov cr.ifa = r8", {"cr.ifa"}),
        ("mov r20 = cr.iha\nmov cr.iha = r0\nmov cr.iha = r20", {"r20"}),  # of which two bits are ignored
        ("mov r20 = ar.rsc\nmov ar.rsc = 0\nmov ar.rsc = r20", {"r20"}),  # whose level depends on the code's
        ("mov r20 = ar.fpsr\nmov ar.fpsr = r8\nmov ar.fpsr = r20", {"r20"}),
        ("mov r20 = pr\ncmp.eq p9, p0 = r8, r9\ntbit.nz p9, p0 = r20, 9", {"r20"}),
        ("mov ar.fpsr = r8\nmov r8 = ar.fpsr", {"ar.fpsr", *FPSR_FIELDS}),
        ("sub r20 = r8, r8\nadd r8 = r20, r8", {"r20"}),
        ("dep.z r20 = r8, 0, 64\nmov r8 = 1\nshr.u r8 = r20, 0", {"r20"}),
        ("shl r20 = r8, 8\nmov r8 = 1\nshr.u r8 = r20, 8", {"r20", "r8"}),  # eight bits are lost
        ("mov r20 = 0x100\nstf.spill [r20] = f8\nmov f8 = f9\nldf.fill f8 = [r20]", {"r20", "psr.mfl"}),
        ("mov f9 = f8\nmov f8 = f0\nmov f8 = f9", {"f9", "psr.mfl"}),
        ("xor r20 = r8, r9\nxor r8 = r20, r9", {"r20", "r8"}),  # not followed
        ("alloc r20 = ar.pfs, 0, 0, 0, 0", {"r20", "CFM", "ar.bspstore", "ar.rnat"}),
        ("mov rr[r8] = r9", {"RR"}),
    ],
)
def test_what_is_changed(text: str, expected: set[str]) -> None:
    (outcome,) = outcomes(text)
    assert changed(outcome) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mov r20 = r8\nmov r8 = r20", set()),
        ("add r20 = r8, r9", {"r8", "r9"}),
        ("add r20 = r8, r0", set()),
        ("ld8 r20 = [r8]", {"r8"}),
        ("mov r20 = 0x100\nst8 [r20] = r8", {"r8"}),
        ("mov r20 = 0x100\nst8 [r20] = r8\nld8 r8 = [r20]", set()),
        ("(p6) mov r20 = 1", {"p6"}),
        ("mov r20 = 0x100\nld8.fill r21 = [r20]", {"ar.unat"}),
        ("mov r20 = 0x100\ncmpxchg8.acq r21 = [r20], r0, ar.ccv", {"ar.ccv"}),
        ("cmp.eq p6, p7 = r8, r0", {"r8"}),
        ("mov r20 = pr\ntbit.z p6, p7 = r20, 9", set()),  # a copy
        ("ld8.c.clr r20 = [r8]", {"r8"}),
        ("probe.rw.fault r8, 0", {"r8"}),
        ("lfetch.fault [r8]", {"r8"}),
        ("fc r8", {"r8"}),
        ("itc.d r8", {"r8"}),
        ("mov r20 = cpuid[r8]", {"r8"}),
        ("fmerge.s f8 = f9, f9", set()),
        ("fma.s0 f8 = f9, f10, f11", {"f9", "f10", "f11"}),
        ("cmp.eq.and p6, p7 = r8, r9", {"r8", "r9"}),
    ],
)
def test_what_is_used(text: str, expected: set[str]) -> None:
    used = {cell for outcome in outcomes(text) for cell in outcome.uses}
    assert {cell if isinstance(cell, str) else cell.text for cell in used} == expected


def test_predicates_decide() -> None:
    assert [changed(each) for each in outcomes("(p6) mov r20 = 1", p6=False)] == [set()]
    assert [changed(each) for each in outcomes("(p6) mov r20 = 1", p6=True)] == [{"r20"}]
    ways = outcomes("cmp.eq p6, p7 = r8, r9\n(p6) mov r20 = 1\n(p7) mov r21 = 1")
    assert sorted(sorted(changed(each) - {"p6", "p7"}) for each in ways) == [["r20"], ["r21"]]
    (way,) = outcomes("(p6) cmp.eq.unc p7, p8 = r8, r9\n(p7) mov r20 = 1\n(p8) mov r20 = 1", p6=False)
    assert changed(way) == {"p7", "p8"}


def test_branches_within_are_followed() -> None:
    ways = outcomes("cmp.eq p6, p7 = r8, r9\n(p6) br.cond.sptk 1f\nmov r20 = 1\n1: mov r21 = 1")
    assert sorted(sorted(changed(each) - {"p6", "p7"}) for each in ways) == [["r20", "r21"], ["r21"]]
    ways = outcomes("1: cmp.eq p6, p7 = r8, r9\nld8 r8 = [r9]\n(p6) br.cond.sptk 1b\nmov r20 = 1")
    assert any(each.complete and "r20" in changed(each) for each in ways)
    assert len(ways) < 10
    (way,) = outcomes("br.cond.sptk elsewhere\nmov r20 = 1")
    assert not way.complete


def test_calls_take_and_give() -> None:
    (way,) = outcomes("break 5", {5: Call((R9,), (R8,))})
    assert changed(way) == {"r8"}
    assert way.uses == {R9: 1}
    assert [act.call for act in way.acts] == [5]
    (way,) = outcomes("mov r20 = r8\nbreak 5\nmov r21 = r8\nmov r8 = r20", {5: Call((R9,), (R8,))})
    assert changed(way) == {"r20", "r21"}


@given(st.lists(st.sampled_from(["r8", "r9", "r20", "r21"]), min_size=2, max_size=12))
def test_copies_end_up_where_they_end_up(names: list[str]) -> None:
    """Moves from each register to the next, against a machine of four variables."""
    held = {name: name for name in names}
    for source, target in itertools.pairwise(names):
        held[target] = held[source]
    (way,) = outcomes("\n".join(f"mov {target} = {source}" for source, target in itertools.pairwise(names)))
    got = {name: way.cells.get(Register("r", int(name[1:])), None) for name in names}
    for name, value in got.items():
        assert (Value(Register("r", int(name[1:]))) if value is None else value) == Value(
            Register("r", int(held[name][1:]))
        )


def test_many_ways_are_few() -> None:
    text = "\n".join(f"cmp.eq p{n}, p0 = r8, r{n}\n(p{n}) mov r{n} = r0" for n in range(20, 60))
    with Bounded(3_000_000):
        assert len(outcomes(text)) <= 64


# ---------------------------------------------------------------------------------- choices


def test_choices_are_allowed_and_distinct() -> None:
    for op in OPS:
        definition = XEN.definitions[op.name]
        plain = plain_choice(op, definition, {"r8", "r9"}, ["CURRENT"])
        assert plain is not None
        found = list(choices(op, definition, plain, {"r8", "r9"}, ["CURRENT", "TSSD"], 300))
        assert len(set(found)) == len(found) <= 300
        for arguments in found:
            # Against the instance's own judgement.
            assert not list(XEN.conflicts(op, arguments)), (op.name, arguments)


# ------------------------------------------------------------------------- against the guest

ENTRIES = yaml.safe_load(Path(data.instance_file("xen")).read_text())["ops"]
_HOLE = re.compile(r"\{\{ (\w+) \}\}")


def mutants(op: Op) -> Iterator[tuple[str, dict[str, object]]]:
    """Xen's entry for an op with one mistake: a line is missing, twice the neighbours' order is changed, a predicate
    is forgotten, a parameter stands for another, or parameters need not be apart."""
    entry = ENTRIES[op.name]
    lines = entry["template"].split("\n")
    parameters = [parameter for parameter in op.parameters if parameter.kind != "kernel-register"]

    def with_lines(changed: list[str]) -> dict[str, object]:
        return {**entry, "template": "\n".join(changed)}

    def is_code(line: str) -> bool:
        return bool(line.strip(" ;")) and "{%" not in line and not line.strip().startswith(".")

    for at, line in enumerate(lines):
        if not is_code(line):
            continue
        yield f"without {line}", with_lines([*lines[:at], ";;" if ";;" in line else "", *lines[at + 1 :]])
        if line.startswith("({{"):
            yield f"always {line}", with_lines([*lines[:at], line.partition(")")[2], *lines[at + 1 :]])
        if at + 1 < len(lines) and is_code(lines[at + 1]) and "break" not in line + lines[at + 1]:
            yield f"later {line}", with_lines([*lines[:at], lines[at + 1], line, *lines[at + 2 :]])
        for found in _HOLE.finditer(line):
            kinds = {parameter.name: parameter.kind for parameter in parameters}
            if found[1] in kinds:
                for other in (*(name for name, kind in kinds.items() if kind == kinds[found[1]]), "r10"):
                    if other != found[1] and not (other == "r10" and kinds[found[1]] == "predicate"):
                        word = other if other == "r10" else f"{{{{ {other} }}}}"
                        new = line[: found.start()] + word + line[found.end() :]
                        yield f"{new} for {line}", with_lines([*lines[:at], new, *lines[at + 1 :]])
    if "apart" in entry:
        yield "not apart", {key: value for key, value in entry.items() if key != "apart"}


BANKED = {f"r{number}" for number in range(16, 32)}


class Trials:
    """Runs of an op on the guest: for each choice of arguments and predicates whether it breaks the contract, and what
    can be seen of it."""

    def __init__(self, op: Op) -> None:
        self.op = op
        self.start = guest(op.name)
        self.start.nats = {"r17", "r22"}
        self.start.results = {0x8: 0x88, 0xD: 0xDD, 0x19: 0x1919}
        self.names = [parameter.name for parameter in op.parameters]
        predicates = [f"p{6 + place}" for place in range(sum(p.kind == "predicate" for p in op.parameters))]
        pools = {
            "general": ("r8", "r9", "r2", "r3", "r14")[: 4 if len(self.names) > 3 else 5],
            "predicate": ("p0", *predicates),
            "kernel-register": ("CURRENT",),
        }
        choices = [[word for word in pools[p.kind] if word != "p0" or p.use == "in"] for p in op.parameters]
        self.arguments = list(itertools.product(*choices))
        self.truths = [
            dict(zip(predicates, each, strict=True))
            for each in itertools.product((True, False), repeat=len(predicates))
        ]

    def run(self, instance: Instance) -> Iterator[tuple[tuple[str, ...], tuple[bool, object]]]:
        """Each choice of arguments that the instance takes, with what its runs yield."""
        definition = instance.definitions[self.op.name]
        for words in self.arguments:
            if is_allowed(definition, dict(zip(self.names, words, strict=True))):
                for truths in self.truths:
                    with contextlib.suppress(AssertionError):  # something that the guest cannot do
                        yield (*words, str(truths)), self.observed(instance, words, truths)

    def observed(self, instance: Instance, words: tuple[str, ...], truths: Mapping[str, bool]) -> tuple[bool, object]:
        op = self.op
        after = copy.copy(self.start)
        after.registers, after.memory = dict(after.registers), dict(after.memory)
        before = {**self.start.predicates, **truths}
        after.nats, after.calls, after.user_mask, after.written = set(after.nats), [], set(), set()
        after.predicates = dict(before)
        # The groups do not matter here: one instruction after the other.
        after.run(f"{line} ;;" for line in instance.expand(op, words).lines)
        given = dict(zip(self.names, words, strict=True))
        inputs = [given[p.name] for p in op.parameters if (p.kind, p.use) == ("predicate", "in")]
        holds = not inputs or any(word == "p0" or before[word] for word in inputs)
        free = {given[p.name] for p in op.parameters if p.use == "clobber"}
        outputs = {given[p.name] for p in op.parameters if p.use == "out"} if holds else set()
        banked = {f"r{number}" for number in range(16, 32)} if op.name.startswith("BSW") else set()
        broken = (
            after.unat != self.start.unat
            or any(
                after.registers[name] != value and name not in free | banked | outputs
                for name, value in self.start.registers.items()
            )
            or any(after.predicates[name] != truth and name not in free for name, truth in before.items())
            or any(after.registers[word] == self.start.registers[word] for word in outputs)
            or (not holds and (after.memory, after.calls) != (self.start.memory, []))
        )
        # Of a call's registers those count that it takes.
        taken = [(n, *(value for value, r in ((a, R8), (b, R9)) if r in XEN.calls[n].takes)) for n, a, b in after.calls]
        kept = {word: after.registers[word] for word in outputs | banked}
        return broken, (after.memory, taken, kept, sorted(after.user_mask))


# Of a few, whose templates are short, all ways to spoil them are tried at once; of the others where there is time.
_FEW_MUTANTS = ("MOV_FROM_IFA", "THASH", "COVER")


@pytest.mark.parametrize(
    "op",
    [
        pytest.param(op, marks=() if op.name in _FEW_MUTANTS else pytest.mark.slow)
        for op in OPS
        if op.name in ENTRIES and not op.extension
    ],
    ids=lambda op: op.name,
)
def test_mistakes_that_the_guest_sees_are_found(op: Op, tmp_path: Path) -> None:
    trials = Trials(op)
    right = dict(trials.run(XEN))
    assert right
    assert not any(broken for broken, _ in right.values())
    for name, entry in mutants(op):
        try:
            mutant = instance_with(op.name, entry, tmp_path)
            found = [violation for violation in violations(mutant, op) if violation.kind != "stop"]
        except PvasmError:
            continue  # no longer assembly
        results = dict(trials.run(mutant))
        if any(broken for broken, _ in results.values()):
            assert found, (op.name, name)
        elif results == right and len(results) == len(trials.arguments) * len(trials.truths):
            # Nothing can be seen of a load from nowhere, and of NaT bits that nobody reads.
            assert not found or any(violation.kind == "read" for violation in found), (op.name, name)


# ------------------------------------------------------------------------------- what is shipped


@pytest.mark.parametrize("name", ["native", "xen"])
def test_what_is_shipped_keeps_its_contract(name: str) -> None:
    instance = load_instance(name)
    found: list[Violation] = [violation for op in CATALOG.ops.values() for violation in violations(instance, op)]
    assert found == []
