"""Breaks what instances make of ops, in small ways, and counts how many of these `pvasm compare --strict` finds.

    python -m tests.simulator.mutated_instances [OP ...] [--instances xen,trap] [--states N] [--cases N] [--seed K]

What an op becomes is changed, one thing at a time: an instruction is left out, or a stop; another register is in a
register's place; a constant is wrong. The same random states are tried as for the instance as it is; a stop that is
left out also with neighbours that leave the op its registers (`contexts`). Mutants that are left, and those that mean
the same (`equivalent`), are printed with a reason.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from random import Random
from typing import Final

from msgspec import Struct
from msgspec.structs import replace
from pvsim.comparison import compare, ran
from pvsim.environments.description import read_description, shipped_description
from pvsim.random_comparison import RandomComparison
from pvsim.scenario import Scenario
from pvsim.scenario_run import CODE, Variant
from pvsim.source_image import image_of_text, image_of_variant

from pvasm.errors import PvasmError
from pvasm.isa.bundle import SIZE, Bundle
from pvasm.isa.dependencies import Dependencies
from pvasm.isa.encoding import decode
from pvasm.isa.instruction import Instruction
from pvasm.isa.registers import Register
from pvasm.isa.semantics.all_clauses import clauses
from pvasm.paravirt.catalog import Op
from pvasm.paravirt.expansion import Line, expansion_of
from pvasm.paravirt.interface import Call
from pvasm.syntax import tree
from tests.paravirt.cases import OPS
from tests.simulator.compare_ops import cases, instance, unsettled

EQUIVALENT: Final[tuple[tuple[str, str, str], ...]] = (
    ("SSM_PSR_IC_AND_SRLZ_D", r"srlz\.d ->", "what a guest changes by the hypervisor's hand is serialized by that"),
    (
        "SSM_PSR_I",
        r".*\b(?:st1|ld1) ",
        "a call more, which unmasks by itself and delivers what there is: it costs time",
    ),
    ("TTAG", r".*extr\.u .*, 8, 24", "a region's id has 24 bits, and the bits above are 0"),
    ("SSM_PSR_I", r".*cmp\.ne\.unc (p[0-9]+), p0 = r0, r[0-9]+ ;; -> ;;", "one predicate for both: the same call more"),
    ("MOV_TO_RR", r".*mov .*= r0\b", "0 is no value for a region register: native faults, whatever else is wrong"),
)
"""Why a mutant means the same, whatever the state, by the op and how the mutant begins."""

REASONS: Final[tuple[tuple[str, str, str], ...]] = (
    ("MOV_FROM_ITC", r".*st8 \[|.*0xfffffffffff04d58", "the last time counts once the guest has moved and moved again"),
    ("MOV_FROM_RR", r".*mov pr", "where a fault ends the run, r8 and r9 are not compared: calls use them"),
)
"""Why a mutant that means something else is not found, in the same way."""

OWN: Final = ("native", "native-poison", "xen", "trap")
"""Instances with templates of their own; hvm has none."""

_STEPS: Final = 2000
_MORE: Final = 20
"""How many times more states are tried where groups are not looked at, which is slow."""

_OTHERS: Final = {
    "r": ("r27", "r11"),
    "p": ("p11", "p12"),
    "ar.": ("ar.ccv", "ar.lc"),
    "cr.": ("cr.iha", "cr.ifa"),
    "psr.": ("psr.pk", "psr.up"),
}
_REGISTER: Final = re.compile(r"\b(?:[rp](?=[0-9])[0-9]+|(?:ar|cr|psr)\.[a-z][a-z0-9]*)\b")
_NUMBER: Final = re.compile(r"\b(?:0x[0-9a-f]+|[0-9]+)\b")
_BANKED: Final = range(16, 32)
_NEIGHBOURS: Final = frozenset(["r", "p", "ar"])
_UNAT: Final = Register("ar", 36)
_REGION: Final = 61
_FREE: Final = "r12"  # which is no NaT
_SERIALIZED: Final = {"psr.ic": "cover", "psr.dt": "ld8 r7 = [r7]"}
"""What needs a bit serialized."""

_COPYING: Final = """\
movl r4 = changed
movl r5 = other ;;
ld8 r6 = [r5], 8 ;;
ld8 r5 = [r5]
st8 [r4] = r6, 8 ;;
st8 [r4] = r5"""
"""Puts a bundle in the place of another."""


def _code(label: str, number: int) -> str:
    """A bundle that sets r7."""
    return f"{label}:\n{{ .mii\nnop.m 0\nadds r7 = {number}, r0\nnop.i 0 ;;\n}}"


_CHANGING: Final = f"{_COPYING} ;;\nfc.i r4 ;;\nsync.i ;;"
_HERE: Final = f"{_code('changed', 1)}\nbr.cond.sptk.few b6\n;;\n{_code('other', 2)}"
_EXECUTED: Final = f"""\
movl r6 = again ;;
mov b6 = r6 ;;
br.cond.sptk.few changed ;;
again:
movl r6 = end ;;
mov b6 = r6
{_COPYING}"""
"""Code that is executed, then changed, and is to be executed again: that needs its lines flushed."""

_CHANGED: Final = f";;\n{_code('changed', 1)}\nbr.cond.sptk.few end\n;;\n{_code('other', 2)}"
"""Code that is changed, and needs instructions fetched again."""


class Mutant(Struct, frozen=True):
    """What an op becomes, with one thing wrong in a line."""

    kind: str
    at: int
    told: str
    lines: tuple[str, ...]


class Context(Struct, frozen=True):
    """Instructions before an op and behind it, in its first and last group; the code stands at an address.

    `ahead` is code before the entry, and `regions` are what region registers hold, by number.
    """

    before: tuple[str, ...] = ()
    behind: tuple[str, ...] = ()
    ahead: str = ""
    address: int = CODE
    regions: tuple[tuple[int, int], ...] = ()

    def around(self, lines: Sequence[str]) -> str:
        """A program with an op's lines in it."""
        inner = "\n".join(f"\t{line}" for line in (*self.before, *lines, *self.behind))
        return f"{self.ahead}\nentry:\n{inner}\n\t;;\nend:\n\tnop 0\n"

    def begun(self, scenario: Scenario) -> Scenario:
        """A state, with the regions that the code needs."""
        regions = {f"rr[{number}]": value for number, value in self.regions}
        return replace(scenario, registers={**scenario.registers, **regions}) if regions else scenario


PLAIN: Final = Context()


def mutants(lines: Sequence[str], *, banked: bool) -> Iterator[Mutant]:
    """All mutants of an expansion; with `banked`, registers are none of those that there are two banks of."""

    def made(kind: str, at: int, text: str) -> Mutant:
        told = f"{lines[at].strip()} -> {text.strip() or 'nothing'}"
        return Mutant(kind, at, told, (*lines[:at], text, *lines[at + 1 :]))

    for at, line in enumerate(lines):
        body = line.replace(";;", "").strip()
        stop = " ;;" if ";;" in line else ""
        if stop:
            yield made("stop", at, line.replace(";;", ""))
        if not body or body.startswith("."):
            continue
        yield made("instruction", at, stop)
        for found in _REGISTER.finditer(line):
            word = found[0]
            first, second = _OTHERS[word[0] if word[1].isdigit() else f"{word.partition('.')[0]}."]
            other = second if first == word or (banked and first[0] == "r") else first
            yield made("register", at, line[: found.start()] + other + line[found.end() :])
        for found in _NUMBER.finditer(line):
            value = int(found[0], 0)
            wrong = value + 8 if value >= 1 << 32 else 0 if value == 1 else value + 1  # 1 is often a truth
            yield made("constant", at, line[: found.start()] + f"{wrong:#x}" + line[found.end() :])


# ------------------------------------------------------------------------ what cannot make a difference


def _instructions(lines: Sequence[str]) -> list[Line]:
    return list(expansion_of(list(lines)).instructions())


def violations(text: str) -> int:
    """How many dependencies are violated in a straight program, whatever its predicates.

    Spills of one group are among them: which bits of ar.unat they write, only `.mem.offset` says.
    """
    checker = Dependencies()
    found = 0
    lines = [line for line in text.split("\n") if not line.rstrip().endswith(":")]
    for number, line in enumerate(_instructions(lines)):
        if isinstance(line.syntax, tree.Stop):
            checker.stop()
        elif line.resolved is not None:
            found += sum(each.kind in ("RAW", "WAW") for each in checker.instruction(line.resolved, number))
            if line.resolved.mnemonic.startswith("break"):  # the hypervisor is there between: a group ends
                checker.stop()
    return found


def _name(resource: object) -> str:
    return resource.text if isinstance(resource, Register) else str(resource)


def _taken(instruction: Instruction, taking: Mapping[int, Call]) -> tuple[Register, ...]:
    """The registers that a call reads, by the number of its `break`."""
    number = instruction.operands[0] if instruction.mnemonic.startswith("break") else None
    return taking[number].takes if isinstance(number, int) and number in taking else ()


def equivalent(
    mutant: Mutant, right: Sequence[str], around: Sequence[Context], nobodys: set[str], taking: Mapping[int, Call]
) -> str:
    """Why a mutant is as good as what it was made of; nothing if it is not.

    `nobodys` are registers that nobody may go by behind the op, `taking` the calls of the instance.
    """
    if mutant.kind == "stop":
        matters = any(violations(each.around(mutant.lines)) > violations(each.around(right)) for each in around)
        return "" if matters else "no dependency is between the groups, nor with a neighbour"
    lines = _instructions(right)
    line = next((each for each in lines if each.number == mutant.at + 1 and each.resolved is not None), None)
    if line is None or line.resolved is None:
        return ""
    later = [each.resolved for each in lines if each.number > mutant.at + 1 and each.resolved is not None]
    changed = next((each.resolved for each in _instructions([mutant.lines[mutant.at]]) if each.resolved), None)
    written = {_name(each) for each in (*line.resolved.writes, *(changed.writes if changed is not None else ()))}
    read = {_name(each) for one in later for each in (*one.reads, *_taken(one, taking))}
    if written and written <= nobodys and not written & read:
        return "a clobber's last value is nobody's"
    return ""


def has_same_effect(mutant: Mutant, right: Sequence[str], name: str) -> bool:
    """Whether a mutant that no state tells apart has another call for the same: clauses and operands.

    A clause may do otherwise by the form that it is for (`itc.d`, `itc.i`): then a state tells.
    `fc` and `fc.i` are one clause: both flush a line from all caches.
    """
    calls = [_call(lines[mutant.at], name) for lines in (right, mutant.lines)]
    return calls[0] is not None and calls[0] == calls[1]


def _call(line: str, name: str) -> list[object] | None:
    """What the environment of an instance does for the call that a line is; None for any other line."""
    found = re.fullmatch(r"\s*(\(p[0-9]+\))?\s*break\S*\s+(0x[0-9a-f]+)\s*(?:;;)?\s*", line)
    path = shipped_description(name)
    if found is None or path is None:
        return None
    effects = read_description(path).value.calls
    called = [each for each, number in instance(name).constants.items() if number == int(found[2], 16)]
    text = next((effects[each] for each in called if each in effects), None)
    if text is None:
        return None
    (segment,) = image_of_text(f"{text}\n").segments
    data = bytes(segment.data)
    bundles = [Bundle.of(data[at : at + SIZE]) for at in range(0, len(data), SIZE)]
    done = [decode(bits, unit) for bundle in bundles for _, unit, bits in bundle.instructions()]
    return [found[1], *((clauses()[each.form.id], each.operands) for each in done if each is not None)]


def contexts(op: Op, arguments: Sequence[str], name: str) -> list[Context]:
    """An op alone; and with neighbours that write what the instance's expansion touches, and native's does not.

    Before it they write that, behind it they write and read it: nothing of it is in the op's contract.
    """
    native = _touched(instance("native").expand(op, arguments).lines)
    mine = _touched(instance(name).expand(op, arguments).lines)
    given = {word for word, each in zip(arguments, op.parameters, strict=True) if each.use != "clobber"}
    clobbers = {word for word, each in zip(arguments, op.parameters, strict=True) if each.use == "clobber"}
    before, behind = [], []
    for each in sorted(mine - native, key=str):
        if each.text in given or (op.name.startswith("BSW") and each.file == "r" and each.number in _BANKED):
            continue
        if each.file == "r" and each.number:
            before.append(f"adds {each.text} = 1, {_FREE}")
            behind.append(f"adds {each.text} = 2, {_FREE if each.text in clobbers else each.text}")
        elif each.file == "p" and each.number:
            before.append(f"cmp.eq {each.text}, p0 = {_FREE}, {_FREE}")
            behind.append(f"cmp.eq {each.text}, p0 = {_FREE}, {_FREE}")
        elif each == _UNAT:
            before.append(f"mov ar.unat = {_FREE}")
            behind.append(f"mov ar.unat = {_FREE}")
    found = [PLAIN, Context(before=tuple(before)), Context(behind=tuple(behind))]
    if op.name in ("FC", "FC_I"):
        found.append(_flushing(op, arguments))
    if op.name in ("THASH", "TTAG") and "r0" in arguments:
        region = 1 << _REGION  # the code is elsewhere, so that region 0 can have an id that tells in a tag
        found.append(Context(address=region | CODE, regions=((0, 0x12345 << 8 | 14 << 2), (1, 1 << 8 | 14 << 2))))
    if "srlz" in op.replaces:
        users = tuple(user for bit, user in _SERIALIZED.items() if bit in op.replaces)
        found += [Context(behind=users), Context(behind=(";;", *users))]
    if "srlz.i" in op.replaces:
        found.append(Context(tuple(_CHANGING.split("\n")), tuple(_CHANGED.split("\n"))))
    lines = instance(name).expand(op, arguments).lines
    least = violations(PLAIN.around(lines))
    return [each for each in found if violations(each.around(lines)) == least]


def _flushing(op: Op, arguments: Sequence[str]) -> Context:
    """Code that is changed at the address that an op is given, and executed again."""
    uses = zip(arguments, op.parameters, strict=True)
    address = next(word for word, each in uses if each.use == "in" and each.kind == "general")
    before, behind = _EXECUTED.split("\n"), (";;", "sync.i ;;", "srlz.i ;;", "br.cond.sptk.few changed")
    if address == "r0":
        return Context((*before, ";;"), behind, ahead=_HERE, address=0)
    return Context((*before, f"movl {address} = changed ;;"), behind, ahead=_HERE)


def _touched(lines: Sequence[str]) -> set[Register]:
    found = [each.resolved for each in _instructions(lines) if each.resolved is not None]
    return {
        each
        for one in found
        for each in (*one.reads, *one.writes)
        if isinstance(each, Register) and each.file in _NEIGHBOURS
    }


# ----------------------------------------------------------------------------------------- looking


class Trial:
    """An op of an instance, with arguments: the states to try its mutants from."""

    def __init__(self, op: Op, name: str, arguments: Sequence[str], number: int, seed: str) -> None:
        self.op, self.name, self.arguments = op, name, arguments
        self.instance = instance(name)
        self.right = self.instance.expand(op, arguments).lines
        self.unsettled = unsettled(op, arguments)
        self.contexts = contexts(op, arguments, name)
        self._number = number
        self._seed = f"{seed} {op.name} {' '.join(arguments)}"
        self._comparisons: dict[Context, RandomComparison] = {}

    def variant(self, lines: Sequence[str], context: Context, *, checks_groups: bool) -> Variant:
        """A variant of lines. Raises PvasmError for what no assembler takes."""
        image = image_of_variant(context.around(lines), self.op.name, None, address=context.address)
        return Variant(self.instance, image, checks_groups=checks_groups)

    def comparison(self, context: Context) -> RandomComparison:
        """What is right in a context, native first."""
        held = self._comparisons.get(context)
        if held is None:
            lines = instance("native").expand(self.op, self.arguments).lines
            image = image_of_variant(context.around(lines), self.op.name, None, address=context.address)
            right = self.variant(self.right, context, checks_groups=False)
            native = Variant(instance("native"), image)
            held = RandomComparison([native, right], "entry", ["end"], self.unsettled, self._seed, _STEPS)
            self._comparisons[context] = held
        return held

    def finds(self, mutant: Mutant) -> bool:
        """Whether a mutant does otherwise than native, from one of the states."""
        if mutant.kind != "stop" and self._finds(mutant, PLAIN, checks_groups=False):
            return True
        return any(self._finds(mutant, each, checks_groups=True) for each in self.contexts)

    def is_sound(self) -> bool:
        """Whether nothing is found where nothing is wrong."""
        right = Mutant("none", 0, "", tuple(self.right))
        return not any(self._finds(right, each, checks_groups=True) for each in self.contexts)

    def _finds(self, mutant: Mutant, context: Context, *, checks_groups: bool) -> bool:
        held = self.comparison(context)
        made = self.variant(mutant.lines, context, checks_groups=checks_groups)
        more = 1 if checks_groups else _MORE
        for at in range(self._number * more):
            scenario, outcome = held.begun(at)
            if context.regions:
                scenario = context.begun(scenario)
                outcome = ran(held.variants[0], scenario)
            own = held.own_moments(scenario)
            if any(compare([held.variants[0], made], scenario, self.unsettled, own, outcome).differences.values()):
                return True
        return False

    def is_encoded_the_same(self, mutant: Mutant) -> bool:
        """Whether a mutant is the same bits, wherever it is."""
        return all(
            self.variant(mutant.lines, each, checks_groups=False).runs_like(
                self.variant(self.right, each, checks_groups=False)
            )
            for each in self.contexts
        )

    def all_mutants(self) -> list[Mutant]:
        """Those that an assembler takes."""
        found = []
        for mutant in mutants(self.right, banked=self.op.name.startswith("BSW")):
            try:
                self.variant(mutant.lines, PLAIN, checks_groups=False)
            except PvasmError:
                continue
            found.append(mutant)
        return found


class Found(Struct):
    """How many mutants of each kind were found, mean the same, or are left; what is told of the latter two."""

    counts: Counter[tuple[str, str]]
    is_sound: bool
    same: list[tuple[Mutant, str]]
    left: list[Mutant]


def survivors(op: Op, name: str, arguments: Sequence[str], number: int, seed: str, most: int | None = None) -> Found:
    """What is found of an op's mutants: all, or `most` of them by chance."""
    trial = Trial(op, name, arguments, number, seed)
    tried = trial.all_mutants()
    if most is not None and len(tried) > most:
        tried = Random(f"{seed} {op.name}").sample(tried, most)
    made = Found(Counter(), trial.is_sound(), [], [])
    for mutant in tried:
        reason = equivalent(mutant, trial.right, trial.contexts, trial.unsettled, trial.instance.calls)
        reason = reason or trial.is_encoded_the_same(mutant) * "it is encoded the same"
        if reason:
            made.counts[mutant.kind, "same"] += 1
            made.same.append((mutant, reason))
        elif trial.finds(mutant):
            made.counts[mutant.kind, "found"] += 1
        elif reason := has_same_effect(mutant, trial.right, name) * "it calls for the same" or reason_of(
            op, mutant, EQUIVALENT
        ):
            made.counts[mutant.kind, "same"] += 1
            made.same.append((mutant, reason))
        else:
            made.counts[mutant.kind, "left"] += 1
            made.left.append(mutant)
    return made


def reason_of(op: Op, mutant: Mutant, reasons: Sequence[tuple[str, str, str]] = REASONS) -> str:
    """Why a mutant is not found; nothing if there is no reason."""
    return next((why for name, told, why in reasons if name == op.name and re.match(told, mutant.told)), "")


def has_own(op: Op, name: str) -> bool:
    """Whether an instance has a template of its own for an op: native's are the catalog's."""
    return name == "native" or instance(name).definitions[op.name].template is not None


def arguments_of(op: Op, name: str, number: int, seed: str) -> list[tuple[str, ...]]:
    """Arguments that an instance takes: first those that are nothing special, then others by chance."""
    taken = [arguments for arguments, _ in cases(op, [name])]
    plain = [each for each in taken if not {"p0", "r0", "r8", "r9"} & set(each) and len(set(each)) == len(each)]
    others = [each for each in taken if each not in plain[:1]]
    return [*plain[:1], *Random(f"{seed} {op.name}").sample(others, min(number - len(plain[:1]), len(others)))]


def main(words: Sequence[str]) -> int:
    """Counts for what is asked for, and tells what was not found."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("ops", nargs="*", metavar="OP")
    parser.add_argument("--instances", default=",".join(OWN))
    parser.add_argument("--states", type=int, default=40)
    parser.add_argument("--cases", type=int, default=1)
    parser.add_argument("--seed", default="0")
    options = parser.parse_args(words)
    total: Counter[tuple[str, str]] = Counter()
    sound = True
    for name in options.instances.split(","):
        of_instance: Counter[tuple[str, str]] = Counter()
        for op in OPS:
            if (options.ops and op.name not in options.ops) or not has_own(op, name):
                continue
            for arguments in arguments_of(op, name, options.cases, options.seed):
                found = survivors(op, name, arguments, options.states, options.seed)
                of_instance += found.counts
                sound &= found.is_sound
                told = f"{name} {op.name}({', '.join(arguments)})"
                if not found.is_sound:
                    print(f"WRONG: {told}: a difference is found where nothing has been changed")
                for mutant, reason in found.same:
                    print(f"same: {told}: {mutant.kind}: {mutant.told}: {reason}")
                for mutant in found.left:
                    why = reason_of(op, mutant)
                    sound &= bool(why)
                    print(f"left: {told}: {mutant.kind}: {mutant.told}: {why or 'WHY?'}")
                sys.stdout.flush()
        print(f"{name}: {_summary(of_instance)}", flush=True)
        total += of_instance
    for (kind, by), count in sorted(total.items()):
        print(f"{kind}: {count} {by}")
    print(f"{_summary(total)}; {sum(os.times()[:2]):.0f} s of CPU")
    return int(not sound)


def _summary(counts: Counter[tuple[str, str]]) -> str:
    found, same, left = (sum(n for (_, by), n in counts.items() if by == word) for word in ("found", "same", "left"))
    share = 100 * found / (found + left) if found + left else 100
    return f"{found + same + left} mutants: {found} found, {left} left ({share:.2f} %), {same} mean the same"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
