"""What GNU as in explicit mode (`as -x`) says of dependencies, and what we say of the same text."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from msgspec.structs import replace

from pvasm.check.groups import find_violations
from pvasm.check.subject import Subject
from pvasm.ia64 import OperandError, Register, Resource, Scope, Value, is_mnemonic
from pvasm.ia64.annotations import annotate, arguments_of
from pvasm.ia64.dependencies import Dependencies, Violation
from pvasm.ia64.hazards import ends_group
from pvasm.ia64.registers import REGISTERS
from pvasm.ia64.resolve import resolve
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
    r"(?: when entry is at label '.*?')?(?:, specific resource number is (\d+))?$",
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
    """How as says it: whether it is certain, and what it says must stand between."""

    certain: bool
    needs: frozenset[str]


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
    for line, certainty, kind, name, semantics, number in _WARNING.findall(messages):
        said = (int(line), kind, resource_name(name, number or None))
        before = found.get(said, Heard(False, frozenset()))
        needs = before.needs | {_NEEDS.get(semantics, "srlz.d")}
        found[said] = Heard(before.certain or certainty == "violates", needs)
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


def _renewed(lines: list[str], first: int, second: int) -> bool:
    """Whether the predicate of the first line's instruction is written by it or after it.

    What as then knows of that predicate holds of the new value, and it takes it for the old one.
    """
    predicate = re.search(r"\((p\d+)\)", lines[first])
    return predicate is not None and any(
        re.search(rf"\b{predicate[1]}\b[^()]*=|br\.[cw](top|exit)", line) for line in lines[first:second]
    )


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
            yield Compared(said, "as", told, any(re.match(each, told) for each in AS_IS_BROADER))
            continue
        for violation in ours[said]:
            told = f"{kind} {name} | {lines[violation.first].strip()} | {lines[line].strip()}"
            if said in theirs:
                yield Compared(said, "both", told, True)
                break
            explained = any(re.match(each, told) for each in AS_OVERLOOKS) or _renewed(lines, violation.first, line)
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
