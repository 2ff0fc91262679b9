"""What GNU as in explicit mode (`as -x`) says of dependencies, and what we say of the same text."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from msgspec.structs import replace

from pvasm.asm.annotations import annotate, arguments_of
from pvasm.asm.resolve import resolve
from pvasm.asm.scope import OperandError, Scope
from pvasm.check.groups import find_violations
from pvasm.check.subject import Subject
from pvasm.isa.dependencies import Dependencies, Violation
from pvasm.isa.hazards import ends_group
from pvasm.isa.mnemonics import is_mnemonic
from pvasm.isa.operands import Value
from pvasm.isa.registers import REGISTERS, Register
from pvasm.isa.resources import Resource
from pvasm.paravirt.environments import known_macros
from pvasm.paravirt.loading import load_catalog
from pvasm.syntax import tree
from pvasm.syntax.document import Document, read_document
from pvasm.syntax.parser import Parser, parse_expression
from tests.oracle import require_tool

Said = tuple[int, str, str]
"""A line, `RAW`, `WAW` or `WAR`, and the register."""

_PARSER = Parser(is_mnemonic)
_WARNING = re.compile(
    r"^(?:.*):(\d+): Warning: Use of '.*?' (may violate|violates) (RAW|WAW|WAR) dependency '(.*?)' \((\w+)\)"
    r"(?: when entry is at label '.*?')?(?:, specific resource number is (\d+))?\n"
    r"(?:.*: Warning: Only the first path encountering the conflict is reported\n)?"
    r".*:(\d+): Warning: This is the location of the conflicting usage$",
    re.MULTILINE,
)
_RANGES = {
    "GR%": "r",
    "FR%": "f",
    "PR%": "p",
    "BR%": "b",
    "AR%": "ar",
    "AR[K%]": "ar",
    "CR[IRR%]": "cr",
    "CR[LRR%]": "cr",
    "CR[IIB%]": "cr",
    "DAHR%": "dahr",
}


def resource_name(name: str, number: str | None) -> str:
    """as's name of a resource as one of ours: `GR%, % in 1 - 127` with its number, `AR[LC]`, `PSR.ic`, `RR#`."""
    stem = name.partition(",")[0]
    file = _RANGES.get(stem)
    if file is not None and number is not None:
        return Register(file, int(number)).text
    register = re.fullmatch(r"(AR|CR)\[(\w+)\](?:\{%\})?", stem)
    if register:
        return REGISTERS[f"{register[1]}.{register[2]}".lower()].text
    if stem == "PR63":
        return "p63"
    if stem.startswith("AR[FPSR]."):
        return f"fpsr.{stem.partition('.')[2]}"
    return stem.lower() if stem.startswith("PSR") else stem.rstrip("#*")


def name_of(resource: Resource) -> str:
    return resource.text if isinstance(resource, Register) else resource


class Heard(NamedTuple):
    """How as says it: whether it is certain, what it says must stand between, and the lines of the first of the two."""

    certain: bool
    needs: frozenset[str]
    firsts: frozenset[int]


_NEEDS = {
    "implied": "stop",
    "impliedf": "stop",
    "stop": "stop",
    "instr": "srlz.i",
}  # anything else: a data serialization


def as_says(text: str, folder: Path) -> dict[Said, Heard]:
    """What as warns of, by the lines of the text itself (it must have no line markers)."""
    source = folder / "in.s"
    source.write_text(text)
    command = [require_tool("ia64-linux-gnu-as"), "-x", str(source), "-o", str(folder / "out.o")]
    messages = subprocess.run(command, capture_output=True, text=True, check=False).stderr
    errors = re.findall(r":(\d+): Error: (.*)", messages)
    assert not errors, [(text.split("\n")[int(line) - 1], said) for line, said in errors[:5]]
    found: dict[Said, Heard] = {}
    warnings = _WARNING.findall(messages)
    assert len(warnings) == messages.count("Warning: Use of "), messages
    for line, certainty, kind, name, semantics, number, first in warnings:
        said = (int(line), kind, resource_name(name, number or None))
        before = found.get(said, Heard(False, frozenset(), frozenset()))
        needs = before.needs | {_NEEDS.get(semantics, "srlz.d")}
        found[said] = Heard(before.certain or certainty == "violates", needs, before.firsts | {int(first)})
    return found


def without_markers(text: str) -> str:
    """The text without line markers, and with a line for every statement, so that a line tells which one is meant."""
    text = re.sub(r"^[ \t]*#.*$", "", text, flags=re.MULTILINE)
    return re.sub(r"(?<!;);(?!;)", "\n", text)


def feed(document: Document, dependencies: Dependencies) -> Iterator[Violation]:
    """The violations in a preprocessed document; an index is the offset of an instruction."""
    scope = Scope()
    for statement in document.statements:
        syntax = statement.syntax
        if isinstance(syntax, tree.Stop):
            dependencies.stop()
        elif isinstance(syntax, tree.Label):
            dependencies.label()
        elif isinstance(syntax, tree.Assignment):
            scope.assign(syntax)
        elif isinstance(syntax, tree.Directive):
            scope.directive(syntax)
            _direct(syntax, scope, dependencies)
        elif isinstance(syntax, tree.Instruction):
            if syntax.mnemonic.startswith("alloc"):
                scope.allocate(syntax)
            try:
                resolved = resolve(syntax, scope)
            except OperandError as error:
                raise AssertionError(f"{document.source(statement)}: {error}") from error
            yield from dependencies.instruction(resolved, statement.start)


def _direct(directive: tree.Directive, scope: Scope, dependencies: Dependencies) -> None:
    if ends_group(directive.name):
        dependencies.stop()
    arguments = arguments_of(directive.name, tuple(directive.arguments))
    values = [_value(argument, scope) for argument in arguments]
    assert annotate(dependencies, directive.name, arguments, values), directive


def _value(argument: str, scope: Scope) -> Value | None:
    expression = parse_expression(argument)
    try:
        return None if expression is None else scope.evaluate(expression)
    except OperandError:
        return None


def we_say(text: str) -> dict[Said, list[Violation]]:
    """What we find in the text, by its lines; the indexes of violations are lines too."""
    document = read_document(_PARSER, text, "in.s", preprocessed=True)
    found: dict[Said, list[Violation]] = {}
    for violation in feed(document, Dependencies()):
        first, second = (document.place(offset).line for offset in (violation.first, violation.second))
        said = (second, violation.kind, name_of(violation.resource))
        found.setdefault(said, []).append(replace(violation, first=first, second=second))
    return found


def by_the_checker(text: str) -> dict[Said, list[Violation]]:
    """What the checker finds in a preprocessed text, of every resource, in a group and before a serialization."""
    document = read_document(_PARSER, text, "in.s", preprocessed=True)
    subject = Subject(document, load_catalog(), known_macros(), ("native",))
    found: dict[Said, list[Violation]] = {}
    for each in subject.of(find_violations):
        if isinstance(each.violation, Violation):
            first, second = (document.place(node.start).line for node in (each.first, each.second))
            said = (second, each.violation.kind, name_of(each.violation.resource))
            found.setdefault(said, []).append(replace(each.violation, first=first, second=second))
    return found


# ---------------------------------------------------------------------------------------- differences

# What as says that we do not: the hazard, the register and the second instruction.
AS_IS_BROADER = (
    r"RAW psr\.si \| .*mov",  # as lets every move from an application register read it, the manual those of ar.itc
    r"RAW psr\.vm \| .*mov",  # so it is of psr.vm
    r"RAW ar\.pfs \| .*br\.ia",  # no branch like the others
    r"WAR p63 ",  # for as, it outlasts the group
    r"\w+ cr\.(tpr|lid) \| (mov cr\.lid|mov r\d+=cr\.lid|ssm|mov psr\.l)",  # srlz.i does as well, as everywhere else
)

# Besides: as keeps what it knew of predicates over `br.ret`, `rfi` and `mov pr=`; we forget it there.
#
# What we say and as does not: the hazard, the register, the first and the second instruction.
AS_OVERLOOKS = (
    r"RAW ar\.unat \| .*st8\.spill.* \| .*mov",  # after .mem.offset: the move reads the bit of that spill too
    r"RAW (r\d+) \| .* \| .*itr\.[id] [id]tr\[\1\]",  # the index is read
    r"RAW (r\d+) \| .* \| .*lfetch\S* \[\1\]$",  # so is an address without an increment
    r"RAW (r\d+) \| .*ld\d\.c\.\S+ .*\[\1\]\s*,",  # a check load's base is no target of the load
    r"RAW psr\.ic \| .* \| .*(itc|itr|cover)",  # SDM vol. 3, table 5-2 has them among the readers
    r"WAW ar\.pfs \| .*mov.* \| .*mov",  # the table has only calls before moves
    r"[RW]AW (f\d+|psr\.mf[lh]) \| .*ldfp",  # the second target of a pair
    r"WAW (f\d+) \| .* \| .*ldfp\S+ f\d+\s*,\s*\1\s*=|WAW psr\.mf[lh] \| .* \| .*ldfp",
    r".*(fpcmp|fcmp\.(un)?ord|mpy4|mpyshl4|clz|dahr|lfetch\.count)",  # it knows no resources of these
    r"\w+ fpsr\.\S+ \| .*f\w+\.[sd]\.s\d",  # nor the status field of those that round to a precision
    r"RAW CFM \| br\.",  # the last of the rotating general registers rotates, too
    r"RAW p\d+ \| .* \| \(p\d+\) (rum|nop|hint|break)",  # nor the predicate of these
    r"[RW]AW p63 \| .*\.unc",  # .unc compares write p63 unconditionally, as they do any other
    r"RAW cr\.iva |RAW IT[CR] \| .* \| .*epc",  # the manual asks for srlz.i; as makes do with srlz.d
    r"RAW psr\.(cpl|vm) \| .* \| .*(msr\[|mov r\d+\s*=\s*psr$)",  # privileged moves like the others
    r"\w+ cr\.(tpr|lid) \| .* \| (mov cr\.lid|mov r\d+=cr\.lid|ssm|mov psr\.l)",  # srlz.d is of use after a stop alone
    r"RAW DTR \| .*itr\.d.* \| .*itc\.d",  # as itc.i after itr.i, which it tells of
)


_LABEL = re.compile(r"\s*[\w.$]+:(?!:)|\s*\[[^\]]*:\]")


def _qualifier(line: str) -> str:
    """The predicate that the instruction of a line is under, `p6`; empty if there is none."""
    predicate = re.search(r"\((p\d+)\)", line)
    return predicate[1] if predicate else ""


def _sets(line: str, predicate: str) -> bool:
    """Whether the instruction of a line names the predicate as a target, or rotates it."""
    return re.search(rf"\b{predicate}\b[^()]*=|br\.[cw](top|exit)", line) is not None


def _may_set(line: str, predicate: str) -> bool:
    """Besides, whether it sets all predicates."""
    return _sets(line, predicate) or re.search(r"\bmov\s+pr\b.*=|\bclrrrb", line) is not None


def _renewed(lines: list[str], first: int, second: int) -> bool:
    """Whether the predicate of the first line's instruction is written by it or after it.

    What as then knows of that predicate holds of the new value, and it takes it for the old one.
    """
    predicate = _qualifier(lines[first])
    return bool(predicate) and any(_sets(line, predicate) for line in lines[first:second])


def _implied_by(line: str, predicate: str) -> str:
    """What the predicate implies from a line on: `.pred.rel.imply p1,p3`, `(p3) cmp.eq.unc p1,p2=r8,r9`; or empty."""
    told = re.match(rf"\s*\.pred\.rel\.imply\s+{predicate}\s*,\s*(p\d+)\s*$", line)
    if told:
        return told[1]
    return _qualifier(line) if re.search(rf"\.unc\s[^=]*\b{predicate}\b[^=]*=", line) else ""


def _branched_away_before_rfi(lines: list[str], first: int, second: int) -> bool:
    """Whether the second instruction is under a predicate that implied another before an `rfi`, and code that is
    under that one branched away between the two.

    As takes both for false, and goes on to do so after the `rfi`, where control does not come from there.
    """
    predicate = _qualifier(lines[second])
    rfi = next((at for at in range(first - 1, 0, -1) if re.match(r"\s*rfi\b", lines[at])), 0)
    branched: set[str] = set()
    for at in range(second - 1 if predicate and rfi else 0, 0, -1):
        line = lines[at]
        if _LABEL.match(line):
            return False
        implied = _implied_by(line, predicate)
        if at < rfi and implied in branched:
            # An `or` compare makes the implied one false never.
            after = lines[at + 1 : second]
            return not any(_may_set(each, implied) and not re.search(r"\.or\s", each) for each in after)
        if at < rfi and re.search(r"\)\s*br\.cond\b", line):
            branched.add(_qualifier(line))
        # An `and` compare makes the implying one true never.
        if _may_set(line, predicate) and not re.search(r"\.and\s", line):
            return False
    return False


_COMPARE = re.compile(
    r"\s*(?P<under>\((?!p0\))p\d+\)\s*)?(?:cmp4?|fcmp|fclass|tbit|tnat|tf)\b(?P<completers>\S*)"
    r"\s+(?P<one>p\d+)\s*,\s*(?P<other>p\d+)\s*="
)
_TOLD_EXCLUDED = re.compile(r"\s*\.pred\.rel(?:\.mutex|\s+\"mutex\"\s*,)(?P<predicates>[^/]*)")
_RETURN = re.compile(r"\s*(?:rfi|br\.ret)\b")  # under no predicate


def _excluded_before_return(lines: list[str], first: int, second: int) -> bool:
    """Whether the two are under predicates of which at most one was true before an `rfi` or a `br.ret`, and nothing
    has set them since but compares, under a predicate, that set both.

    As goes on to take that for known behind it, where control does not come from there; behind any other branch that
    is always taken it forgets it.
    """
    pair = {_qualifier(lines[first]), _qualifier(lines[second])}
    returned = False
    for at in range(second - 1 if len(pair) == 2 and "" not in pair else 0, 0, -1):
        line = lines[at]
        if _LABEL.match(line):
            return False
        if _RETURN.match(line):
            returned |= at < first
            continue
        told, compare = _TOLD_EXCLUDED.match(line), _COMPARE.match(line)
        if told is not None and pair <= set(re.findall(r"p\d+", told["predicates"])):
            return returned
        if compare is not None and pair == {compare["one"], compare["other"]} and at < first:
            if re.search(r"\.(or|and)", compare["completers"]):
                return False
            if compare["under"] is None or ".unc" in compare["completers"]:
                return returned
        elif any(_may_set(line, predicate) for predicate in pair):
            return False
    return False


def _excluded_by_fcmp_unc(lines: list[str], first: int, second: int) -> bool:
    """Whether the two are under the two predicates of one `fcmp` with `.unc` that is under a predicate and names its
    status field, as `(p8) fcmp.ge.unc.s1 p6,p7=f8,f9`, and nothing has set them since.

    At most one of them is true, whatever p8 is. To tell this, as asks whether the instruction's name ends in `.unc`,
    and it ends in `.s1`.
    """
    pair = {_qualifier(lines[first]), _qualifier(lines[second])}
    for at in range(second - 1, 0, -1):
        line = lines[at]
        if _LABEL.match(line):
            return False
        compare = re.search(r"\(p(?!0\))\d+\)\s*fcmp\.\w+\.unc\.s[0-3]\s+(p\d+)\s*,\s*(p\d+)\s*=", line)
        if compare and at < first and compare[1] != compare[2]:
            return pair == {compare[1], compare[2]}
        if any(_may_set(line, predicate) for predicate in pair):
            return False
    return False


AS_MISTAKES_PREDICATES = (_renewed, _branched_away_before_rfi, _excluded_before_return)
"""Why as does not say what we do: what it takes for known of the predicates of two instructions, given by lines."""


class Compared(NamedTuple):
    """What one of the two says, or both: `by` is `both`, `as` or `pvasm`; and what it says, with the instructions.

    `expected` is true for both, and for a difference that the lists above explain.
    """

    said: Said
    by: Literal["both", "as", "pvasm"]
    told: str
    expected: bool


def compared(text: str, ours: Mapping[Said, Sequence[Violation]], theirs: Mapping[Said, Heard]) -> Iterator[Compared]:
    """What we found in a text beside what as says of it, by lines."""
    lines = ["", *text.split("\n")]
    for said in sorted(theirs.keys() | ours.keys()):
        line, kind, name = said
        if said not in ours:
            told = f"{kind} {name} | {lines[line].strip()}"
            explained = any(re.match(each, told) for each in AS_IS_BROADER)
            explained |= all(_excluded_by_fcmp_unc(lines, first, line) for first in theirs[said].firsts)
            yield Compared(said, "as", told, explained)
            continue
        for violation in ours[said]:
            told = f"{kind} {name} | {lines[violation.first].strip()} | {lines[line].strip()}"
            if said in theirs:
                yield Compared(said, "both", told, True)
                break
            explained = any(re.match(each, told) for each in AS_OVERLOOKS)
            explained |= any(mistakes(lines, violation.first, line) for mistakes in AS_MISTAKES_PREDICATES)
            yield Compared(said, "pvasm", told, explained)


def differences(text: str, ours: Mapping[Said, Sequence[Violation]], folder: Path) -> list[str]:
    """Where what we found in a text and what as says of it do not agree, but for what the lists above explain."""
    theirs = as_says(text, folder)
    found = []
    for each in compared(text, ours, theirs):
        if not each.expected:
            found.append(f"{each.by} alone, line {each.said[0]}: {each.told}")
    for said in sorted(theirs.keys() & ours.keys()):
        heard = theirs[said]
        # Of several spills before, as may mean another than the nearest.
        if said[2] != "ar.unat" and heard.certain != any(violation.certain for violation in ours[said]):
            found.append(f"certainty differs: {said}")
        if heard.needs.isdisjoint(violation.needs for violation in ours[said]):
            found.append(f"what must stand between differs: {said} {heard.needs}")
    return found
