r"""Writing an instance as a header: the same macros, for builds that have the C preprocessor and GNU as alone.

What an op becomes is a `#define` where that is enough, and a `.macro` where it is not: where it depends on which
registers the arguments are, or where the instance does not take all. In a `.macro`, GNU as itself compares registers
(`.if \reg == r8`), by whatever name they are given: aliases, names that the source has assigned, stacked ones.

No expansion that the C preprocessor sees has a comma: an op may stand in the argument of another macro, which hands it
on to a third. So a `.macro` is called by the text of the call, `pvasm "pvasm_THASH p6, r8, r9, r10"`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations
from typing import Final

from msgspec import Struct

from pvasm.errors import PvasmError
from pvasm.isa.registers import FIRST_ROTATING
from pvasm.paravirt.arguments import Kind, RegisterNotKnownError
from pvasm.paravirt.c_tables import offset_symbols
from pvasm.paravirt.catalog import Block, Catalog, Op
from pvasm.paravirt.decision_paths import Question
from pvasm.paravirt.decisions import MOST_ENDS, Choice, Decision, Lines, ends
from pvasm.paravirt.instance import Definition, Instance
from pvasm.regex import regex

# The `.macro`s of a header that are not about one op: what calls another, and what checks the kinds of arguments.
CALL: Final = "pvasm"
CHECKS: Final[dict[Kind, str]] = {
    "general": "pvasm_general",
    "predicate": "pvasm_predicate",
    "kernel-register": "pvasm_number",
}
OP_PREFIX: Final = "pvasm_"
TEXT: Final = "PVASM_TEXT"
KERNEL_REGISTER: Final = "PVASM_KR_"
INSTANCE, ENVIRONMENT, DEFINES = "PVASM_INSTANCE", "PVASM_ENVIRONMENT", "PVASM_DEFINES"

# The registers of a kind: the file, how many do not depend on the frame, and all.
_FILES: Final[dict[Kind, tuple[str, int, int]]] = {
    "general": ("r", FIRST_ROTATING["r"], 128),
    "predicate": ("p", FIRST_ROTATING["p"], 64),
}
_TRIAL: Final[dict[Kind, str]] = {"general": "r20", "predicate": "p6", "kernel-register": "0"}

_CPP_NAME = regex(r"[A-Za-z_$][\w$]*")
_WORD = regex(r"[A-Za-z_$][\w$]*")
_HOLE = regex(r"\x01([^\x01\x02]*)\x02")
_PASTED = regex(r"[\w$]\x01|\x02[\w$]")
_NUMBER = ".number"

_UNDEFINING = """\
/*
 * Made by `pvasm header', for sources that are expanded after the C preprocessor: include it after all other headers.
 * The names of ops and blocks, and of symbols that instances rename, pass as they are, whatever headers made of them.
 */
"""


class _Made(Struct, frozen=True):
    """What an op is in a header: its `#define`, the `.macro` behind that, if any, and the kinds that this checks."""

    define: Sequence[str]
    macro: Sequence[str] = ()
    checks: frozenset[Kind] = frozenset()


def instance_header(instance: Instance) -> str:
    """The header with the macros of an instance. The same instance makes the same text, wherever it stands.

    Raises PvasmError, with the place, for a template that is wrong, and for what a header cannot do.
    """
    catalog = instance.catalog
    made = [_made(instance, op) for op in catalog.ops.values()]
    guard = f"PVASM_HEADER_{instance.name.upper().replace('-', '_')}"
    sections = [
        [
            f"/* The macros of the instance {instance.name}, made by `pvasm header': what is changed here is lost. */",
            "#if defined(__ASSEMBLER__) || defined(__ASSEMBLY__)",
            f"#ifndef {guard}",
            f"#define {guard}",
            f"#ifdef {INSTANCE}",
            '#error "the headers of two instances are included"',
            "#endif",
        ],
        [
            f"#define {INSTANCE} {instance.name}",
            f"#define {ENVIRONMENT} {instance.environment}",
            f"#define {DEFINES} {instance.defines}",
        ],
        [f"#define {name} {value}" for name, value in offset_symbols(catalog.tables)],
        [f"#undef {name}" for name in (*catalog.ops, *instance.blocks, *_renames(instance))],
        list(_helpers(catalog, made)),
        *(each.macro for each in made),
        [line for each in made for line in each.define],
        [line for block in catalog.blocks.values() for line in _block(instance, block)],
        [f"#define {old} {new}" for old, new in _renames(instance).items()],
        ["#endif", "#endif"],
    ]
    return "\n".join("".join(f"{line}\n" for line in section) for section in sections if section)


def undefining_header(catalog: Catalog, renamed: Iterable[str]) -> str:
    """The header for sources that are expanded after the C preprocessor: it undoes what others make of the names.

    `renamed` are the symbols that instances rename.
    """
    names = [*catalog.ops, *catalog.blocks, *sorted({name for name in renamed if _CPP_NAME.fullmatch(name)})]
    lines = [f"#undef {name}" for name in names]
    for block in catalog.blocks.values():
        lines += [f"#ifndef {block.kept}", f"#define {block.name} {block.otherwise}", "#endif"]
    return _UNDEFINING + "".join(f"{line}\n" for line in lines)


# ------------------------------------------------------------------------------------------------ ops


def _made(instance: Instance, op: Op) -> _Made:
    """What an op of an instance is in a header."""
    definition = instance.definitions[op.name]
    decision = _simpler(_decision(instance, op), definition, ())
    if isinstance(decision, Lines) and not definition.apart and not definition.not_among:
        define = _plain(op, decision.lines)
        if define is not None:
            return _Made(define)
    return _macro(instance, op, definition, decision)


def _decision(instance: Instance, op: Op) -> Decision:
    """What the op becomes, depending on which registers its arguments are.

    Raises PvasmError, with the place, for a template that is wrong, or does what a header cannot do.
    """
    catalog = instance.catalog
    template, decision = instance.template(op), instance.decision(op)
    trial = {parameter.name: _TRIAL[parameter.kind] for parameter in op.parameters}
    trial.update((f"{name}{_NUMBER}", "0") for name in list(trial))
    if decision is None:
        arguments = [trial[parameter.name] for parameter in op.parameters]
        if all(parameter.kind != "kernel-register" for parameter in op.parameters):
            with contextlib.suppress(RegisterNotKnownError):
                instance.expand(op, arguments)  # what is wrong with the template itself, it says better
        message = "a header cannot do this: it can print arguments, and compare them with registers,"
        raise template.error(f"{message} in at most {MOST_ENDS} ways")
    for _, end in ends(decision):
        made = end.filled(lambda name: trial.get(name, catalog.constants.get(name, "0")))
        if problem := made.flaw(catalog.ops):
            raise template.error(problem)
    return decision


def _simpler(decision: Decision, definition: Definition, answers: tuple[tuple[Question, bool], ...]) -> Decision:
    """A tree without questions whose answer does not matter, or follows from what the definition forbids."""
    if isinstance(decision, Lines):
        return decision
    question = decision.question
    if _is_forbidden(question, definition, answers):
        return _simpler(decision.no, definition, answers)
    yes = _simpler(decision.yes, definition, (*answers, (question, True)))
    no = _simpler(decision.no, definition, (*answers, (question, False)))
    return yes if yes == no else Choice(question, yes, no)


def _is_forbidden(question: Question, definition: Definition, answers: Sequence[tuple[Question, bool]]) -> bool:
    """Whether the definition forbids arguments for which the answer would be yes."""
    parameter, other = question
    if other.removeprefix("%") in definition.not_among.get(parameter, ()):
        return True
    same = {parameter, other} | {asked.parameter for asked, said in answers if said and asked.other == other}
    return any(len(same.intersection(group)) > 1 for group in definition.apart)


def _plain(op: Op, lines: Sequence[str]) -> Sequence[str] | None:
    """The `#define` of an op that is the same for all arguments; None if it needs a `.macro`."""
    names = {parameter.name for parameter in op.parameters}
    for line in lines:
        holes = set(_HOLE.findall(line))
        words = set(_WORD.findall(_HOLE.sub(" ", line)))
        if not holes <= names or words & names or "," in line or _PASTED.search(line):
            return None
    body = [_HOLE.sub(r"\1", line) for line in lines]
    if body and not body[0].startswith(";"):
        # A predicate before the op would be that of the first instruction alone, or be lost: so it is an error.
        body[0] = f"; {body[0]}"
    return _define(op.signature, body)


def _define(signature: str, body: Sequence[str]) -> list[str]:
    """A `#define`, with each line of its body on a line of its own."""
    if len(body) < 2:
        return [" ".join((f"#define {signature}", *body))]
    lines = [f"#define {signature} \\"]
    for line, following in zip(body, [*body[1:], None], strict=True):
        if following is None:
            lines.append(f"\t{line}")
        else:
            separator = "" if line.endswith(";") or following.startswith(";") else " ;"
            lines.append(f"\t{line}{separator} \\")
    return lines


def _macro(instance: Instance, op: Op, definition: Definition, decision: Decision) -> _Made:
    """An op that is a `.macro`, which the `#define` calls."""
    asked, holes = set[str](), set[str]()
    for answers, end in ends(decision):
        asked.update(word for question, _ in answers for word in question)
        holes.update(hole for line in end.lines for hole in _HOLE.findall(line))
    asked.update(word for group in definition.apart for word in group)
    asked.update(definition.not_among, (hole.removesuffix(_NUMBER) for hole in holes if hole.endswith(_NUMBER)))
    constants = [name for name in instance.catalog.constants if name in holes]
    if len(constants) > 1:
        message = f"{op.name} has several constants of the catalog ({', '.join(constants)}); a header can do with one"
        raise PvasmError(message, instance.path)
    name = f"{OP_PREFIX}{op.name}"
    parameters = [f"{parameter.name}:req" for parameter in op.parameters]
    parameters += [f"{constant.lower()}:vararg" for constant in constants]
    body = [f"\t.macro {name} {', '.join(parameters)}".rstrip()]
    for constant in constants:
        body += _default(op, constant, instance.catalog.constants[constant])
    checked = [parameter for parameter in op.parameters if parameter.name in asked]
    body += [f"\t{CHECKS[each.kind]} {op.name}, {each.name}, \\{each.name}" for each in checked]
    body += _refusals(op, definition)
    body += _choice(decision, "\t")
    body.append("\t.endm")
    given = [
        f"{KERNEL_REGISTER}##{each.name}" if f"{each.name}{_NUMBER}" in holes else each.name for each in op.parameters
    ]
    call = f"{name} {', '.join((*given, *constants))}".rstrip()
    define = f"#define {op.signature} {CALL} {TEXT}({call})"
    return _Made([define], body, frozenset(each.kind for each in checked))


def _default(op: Op, constant: str, value: str) -> Iterator[str]:
    """Where the source defines no such constant, its name arrives: then it is the catalog's."""
    names = [f"\\{parameter.name}" for parameter in op.parameters]
    yield f'\t.ifc "\\{constant.lower()}", "{constant}"'
    yield f"\t{OP_PREFIX}{op.name} {', '.join((*names, value))}"
    yield "\t.exitm"
    yield "\t.endif"


def _refusals(op: Op, definition: Definition) -> Iterator[str]:
    """What refuses arguments that the instance does not take."""
    pairs = dict.fromkeys(pair for group in definition.apart for pair in combinations(group, 2))
    for first, second in pairs:
        yield f"\t.if \\{first} == \\{second}"
        message = f"{first} and {second} must be different registers; both are \\{second}"
        yield f'\t.error "{op.name}: {message}"'
        yield "\t.endif"
    for parameter, registers in definition.not_among.items():
        ordered = sorted(registers, key=lambda register: (register[0], int(register[1:])))
        yield "\t.if " + " || ".join(f"(\\{parameter} == {register})" for register in ordered)
        yield f'\t.error "{op.name}: {parameter} must not be \\{parameter}"'
        yield "\t.endif"


def _choice(decision: Decision, indent: str, directive: str = ".if") -> Iterator[str]:
    """The lines of a tree, in a `.macro`."""
    if isinstance(decision, Lines):
        yield from (f"{indent}{_in_macro(line)}" for line in decision.lines)
        return
    parameter, other = decision.question
    against = other.removeprefix("%") if other.startswith("%") else f"\\{other}"
    yield f"{indent}{directive} \\{parameter} == {against}"
    yield from _choice(decision.yes, f"{indent}\t")
    if isinstance(decision.no, Choice):
        yield from _choice(decision.no, indent, ".elseif")
        return
    if decision.no.lines:
        yield f"{indent}.else"
        yield from _choice(decision.no, f"{indent}\t")
    yield f"{indent}.endif"


def _in_macro(line: str) -> str:
    """A line with the parameters of a `.macro` in its holes."""
    pieces = _HOLE.split(line)
    text = pieces[0]
    for hole, following in zip(pieces[1::2], pieces[2::2], strict=True):
        name = hole.removesuffix(_NUMBER)
        runs_on = following[:1].isalnum() or following[:1] in ("_", "$", ".")
        end = "\\()" if runs_on else ""
        text += f"\\{name.lower()}{end}{following}"
    return text


# ------------------------------------------------------------------------------------- all the rest


def _helpers(catalog: Catalog, made: Sequence[_Made]) -> Iterator[str]:
    """The macros that those of ops need."""
    if not any(each.macro for each in made):
        return
    checks = frozenset[Kind]().union(*(each.checks for each in made))
    yield f"#define {TEXT}(...) {TEXT}_(__VA_ARGS__)"
    yield f"#define {TEXT}_(...) #__VA_ARGS__"
    if "kernel-register" in checks:
        for name, number in catalog.kernel_registers.items():
            yield f"#define {KERNEL_REGISTER}{name} {number}"
    yield from ("", f"\t.macro {CALL} call", "\t\\call", "\t.endm")
    for kind, name in CHECKS.items():
        if kind in checks:
            yield from ("", *_check(kind, name))


def _check(kind: Kind, name: str) -> Iterator[str]:
    """The `.macro` that checks that an argument is of a kind.

    To compare it with every register takes the assembler a while: plain names are found among symbols instead.
    """
    head, complaint = f"\t.macro {name} op, parameter, given", '\t.error "\\op, parameter \\parameter: \\given is no'
    if kind == "kernel-register":
        yield from (
            head,
            "\t.if (\\given) < 0 || (\\given) > 7",
            f'{complaint} kernel register"',
            "\t.endif",
            "\t.endm",
        )
        return
    file, first, count = _FILES[kind]
    yield f"\t.irp register, {', '.join(f'{file}{number}' for number in range(first))}"
    yield f"\t.set .L{name}_\\register, 0"
    yield from ("\t.endr", head, f"\t.ifndef .L{name}_\\given", "\t.set .Lpvasm_given, \\given")
    yield f"\t.if !({' || '.join(f'(.Lpvasm_given == {file}{number})' for number in range(count))})"
    yield f'{complaint} {kind} register, as far as GNU as can tell here"'
    yield from ("\t.endif", "\t.endif", "\t.endm")


class _Text(str):
    """A block's argument in the body of a `#define`: it may be printed, and nothing else."""

    __slots__ = ()
    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        raise ValueError("a header cannot do this: a block's argument may be printed, and nothing else")

    __ne__ = __eq__

    def __bool__(self) -> bool:
        return self == ""


def _block(instance: Instance, block: Block) -> Sequence[str]:
    """The `#define` of a block: the instance's, or where that has none, what the source has otherwise."""
    template = instance.blocks.get(block.name)
    if template is None:
        return [f"#ifndef {block.name}", f"#define {block.name} {block.otherwise}", "#endif"]
    values = {**instance.catalog.constants, **instance.constants}
    values.update((name, _Text(f"\x01{name}\x02")) for name in block.parameters)
    lines = template.render(values).lines
    for line in lines:
        if set(_WORD.findall(_HOLE.sub(" ", line))) & set(block.parameters) or _PASTED.search(line):
            shown = _HOLE.sub(r"\1", line)
            raise template.error(f"`{shown[:40]}': in a header, the names of a block's parameters stand alone")
    body = [_HOLE.sub(r"\1", line) for line in lines]
    return _define(f"{block.name}({', '.join(block.parameters)})", body)


def _renames(instance: Instance) -> dict[str, str]:
    """The symbols that the instance renames.

    Raises PvasmError where the C preprocessor would rename a symbol twice, or cannot.
    """
    for old, new in instance.renames.items():
        if not _CPP_NAME.fullmatch(old):
            raise PvasmError(f"renames.{old}: a header can rename what is a name in C", instance.path)
        if new in instance.renames and new != old:
            raise PvasmError(f"renames.{old}: in a header, {new} would be renamed again", instance.path)
    return {old: new for old, new in instance.renames.items() if old != new}
