"""Instances for people and for programs: which there are, what one of them is, what it makes of an op."""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from msgspec import Struct, structs

from pvasm.isa.registers import REGISTERS
from pvasm.paravirt.arguments import DUE
from pvasm.paravirt.cases import Case, Condition, Outline
from pvasm.paravirt.instance import Definition, Instance
from pvasm.paravirt.machine_vector import MachineVector
from pvasm.paravirt.measure import Size
from pvasm.paravirt.origins import Origin, named_calls, own_ops
from pvasm.report.plain_text import counted, printable
from pvasm.terminal import columns

_WIDEST: Final = 100  # characters
_NARROWEST: Final = 40
_WIDEST_NAME: Final = 44  # beside which its value stands
_UNDERNEATH: Final = {
    "hardware": "bare hardware, or what looks like it",
    "xen": "the Xen hypervisor",
    "trap": "a hypervisor that emulates the instructions that trap",
}
_PLATFORM: Final = "platform set-up, delivery of interrupts, DMA, I/O"


def _width() -> int:
    """How wide lines are: as the terminal, if there is one, within bounds."""
    return max(_NARROWEST, min(columns(), _WIDEST)) if sys.stdout.isatty() else _WIDEST


class Shown(Struct):
    """An instance with what there is to show of it: what it makes of each op, and which file has the op.

    `table_origins` are the instances whose files say what a member of a table is. `vector` is the machine vector above
    it, None for one that nothing is known of; `vectors` are those that there are for its environment.
    """

    instance: Instance
    expansions: Sequence[Outline]
    origins: Mapping[str, Origin]
    table_origins: Mapping[tuple[str, str], str]
    vector: MachineVector | None
    vectors: Sequence[str]


# ------------------------------------------------------------------------------------------ list


def render_list(instances: Iterable[Instance]) -> str:
    """A line an instance, under a line that says what the columns are."""
    rows = [("name", "environment", "machine vector", "extends", "own ops", "description")]
    for each in instances:
        vector, extends = each.machine_vector or "-", each.extends or "-"
        rows.append((each.name, each.environment, vector, extends, str(len(own_ops(each))), each.description))
    offset = len(next(_columns(rows))) - len(rows[0][-1])
    wrapped = [line for row in rows for line in _wrapped(row, _width() - offset)]
    return "".join(f"{line}\n" for line in _columns(wrapped))


def _wrapped(row: tuple[str, ...], width: int) -> Iterator[tuple[str, ...]]:
    """A row as several, where its last column is too wide for one."""
    first, *more = textwrap.wrap(row[-1], max(width, 16), break_on_hyphens=False) or [""]
    yield (*row[:-1], first)
    yield from ((*[""] * (len(row) - 1), each) for each in more)


def render_list_json(instances: Iterable[Instance]) -> str:
    """A JSON object an instance, a line each."""
    return "".join(f"{json.dumps({**_summary(each), 'own_ops': own_ops(each)})}\n" for each in instances)


def _columns(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Rows with their columns under one another; the last column is as wide as it is."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(f"{word:<{width}}" for word, width in zip(row, widths, strict=True)).rstrip()


# ---------------------------------------------------------------------------------- one instance


def render(shown: Shown) -> str:
    """All that there is to say of an instance, but for the lines of its ops."""
    sections = [_head(shown.instance), _layers(shown), _vector(shown), _tables(shown), _names(shown.instance)]
    sections += [_constants(shown.instance), _blocks(shown.instance), _ops(shown)]
    return "\n".join("".join(f"{line}\n" for line in section) for section in sections if section)


def _head(instance: Instance) -> list[str]:
    rows = [
        ("file", printable(instance.files[0])),
        *(("", printable(file)) for file in instance.files[1:]),
        ("extends", instance.extends or "nothing"),
        ("environment", instance.environment),
        ("defines", instance.defines),
        ("machine vector", instance.machine_vector or "what the platform has"),
        ("entry", _entry(instance)),
    ]
    return [f"{instance.name}: {instance.description}", *(f"  {line}" for line in _columns(rows))]


def _entry(instance: Instance) -> str:
    entry = instance.entry
    if entry is None:
        return "none that is told of"
    return f"{entry.label}, hypervisor type {entry.type}, set up by {entry.hook}"


def _layers(shown: Shown) -> list[str]:
    instance = shown.instance
    vector = instance.machine_vector or "what the platform has"
    members = [value for table in instance.tables.values() for value in table.values()]
    null = sum(value is None for value in members)
    tables = f"{counted(len(members) - null, 'member')} of {counted(len(instance.tables), 'table')}"
    plain = [each for each in shown.expansions if each.op.name not in shown.origins]
    poisoned = sum(each.definition.template is not None for each in plain)
    ops = f"{counted(len(shown.origins), 'op')} by templates"
    ops += f", {len(plain)} as the instructions themselves" if plain else ""
    ops += f", {poisoned} with poison" if poisoned else ""
    rows = [
        ("machine vector", f"{vector}: {_PLATFORM}"),
        ("pv_ops, C", f"{tables}{f', {null} null: nothing to do' if null else ''}"),
        ("pv_ops, assembly", ops),
        ("", f"{counted(len(instance.renames), 'symbol')} renamed, {counted(len(instance.blocks), 'block')} replaced"),
        ("underneath", _UNDERNEATH.get(instance.environment, f"what {instance.environment} describes")),
    ]
    return ["Which layer supplies what, from the top", *(f"  {line}" for line in _columns(rows))]


def _vector(shown: Shown) -> list[str]:
    """The members of the machine vector: the platform's functions, and Linux's where it has none."""
    name, vector, catalog = shown.instance.machine_vector, shown.vector, shown.instance.catalog
    if name is None:
        known = f": {', '.join(shown.vectors)}" if shown.vectors else ""
        return [f"Machine vector: what the platform has{known}"]
    if vector is None:
        return [f"Machine vector {name}: no file tells of its members"]
    rows = []
    for member in catalog.machine_vector:
        function = vector.server(member, catalog)
        by = "" if member in vector.members else ", Linux's own"
        rows.append((member, "= null: nothing serves it" if function is None else f"= {function}{by}"))
    return [f"Machine vector {name}: {vector.description}", *(f"  {line}" for line in _pairs(rows))]


def _tables(shown: Shown) -> list[str]:
    instance = shown.instance
    rows = []
    for table in instance.catalog.tables.values():
        values = instance.tables.get(table.name, {})
        for name, member in table.members.items():
            value = values.get(name)
            said = "= null: does nothing" if member.may_be_null else "is not set"
            origin = shown.table_origins.get((table.name, name), instance.name)
            by = "" if origin == instance.name or value is None else f", {origin}'s"
            rows.append((f"{table.name}.{name}", said if value is None else f"= {_written(value)}{by}"))
    return ["C tables", *(f"  {line}" for line in _pairs(rows))] if rows else []


def _names(instance: Instance) -> list[str]:
    rows = [(old, f"-> {new}") for old, new in instance.renames.items()]
    return ["Symbols of the sources", *(f"  {line}" for line in _pairs(rows))] if rows else []


def _pairs(rows: Sequence[tuple[str, str]]) -> Iterator[str]:
    """Pairs beside one another; on two lines, where one is too wide for that."""
    wide = max((len(first) for first, _ in rows if len(first) <= _WIDEST_NAME), default=0)
    for first, second in rows:
        if len(first) <= wide and wide + len(second) <= _width() - 4:
            yield f"{first:<{wide}}  {second}"
        else:
            yield from (first, f"    {second}")


def _constants(instance: Instance) -> list[str]:
    """The constants; of those that are the number of a call, what it takes and gives."""
    calls = named_calls(instance)
    rows = []
    for name, value in instance.constants.items():
        entry = calls.get(name)
        words = [f"{key} {' '.join(registers)}" for key, registers in (entry or {}).items() if registers]
        rows.append((name, f"= {_written(value)}", "" if entry is None else ", ".join(("a call", *words))))
    return ["Constants", *(f"  {line}" for line in _columns(rows))] if rows else []


def _written(value: Any) -> str:
    return str(getattr(value, "text", value))


def _blocks(instance: Instance) -> list[str]:
    lines = []
    for name, template in instance.blocks.items():
        lines += [f"  {name}({', '.join(instance.catalog.blocks[name].parameters)})"]
        lines += [f"      {line}" for line in template.source.rstrip("\n").split("\n")]
    return ["Blocks replaced", *lines] if lines else []


def _ops(shown: Shown) -> list[str]:
    rows = []
    for each in shown.expansions:
        extension = ", extension" if each.op.extension else ""
        rows.append((each.op.signature, sizes(each), f"{_by(shown, each)}{extension}"))
    told = "Ops, with instructions/groups [the fewest, where arguments are in place]"
    return [told, *(f"  {line}" for line in _columns(rows))]


def _by(shown: Shown, expansion: Outline) -> str:
    """Where an op's definition comes from."""
    origin = shown.origins.get(expansion.op.name)
    if origin is not None:
        return "its own" if origin.instance == shown.instance.name else f"{origin.instance}'s"
    return "the instruction itself" + (", and poison" if expansion.definition.template is not None else "")


def sizes(expansion: Outline) -> str:
    """The size with arguments that are nothing special; in brackets the least, if that is another."""
    least = "" if expansion.least == expansion.plain else f" [{_size(expansion.least)}]"
    return f"{_size(expansion.plain)}{least}"


def _size(size: Size) -> str:
    return f"{size.instructions}/{size.groups}"


# ---------------------------------------------------------------------------------------- one op


def render_op(shown: Shown, expansion: Outline) -> str:
    """An op: its contract, and what it becomes in each case."""
    op = expansion.op
    rows = [(parameter.name, DUE[parameter.kind, parameter.use]) for parameter in op.parameters]
    rows += [("replaces", op.replaces)]
    lines = [
        f"{op.signature}{' (extension)' if op.extension else ''}",
        *textwrap.wrap(op.doc, _width(), initial_indent="  ", subsequent_indent="  "),
        *(f"  {line}" for line in _columns(rows)),
        "",
        f"  {shown.instance.name} ({_by(shown, expansion)})",
        *(f"    {line}" for line in demands(expansion.definition)),
        *(f"    {line}" for line in expansion_lines(expansion)),
    ]
    return "".join(f"{line}\n" for line in lines)


def demands(definition: Definition) -> list[str]:
    """What an instance asks of an op's arguments beside their kinds."""
    found = [f"{', '.join(group[:-1])} and {group[-1]} must be different registers" for group in definition.apart]
    for name, registers in definition.not_among.items():
        found.append(f"{name} must not be {', '.join(_ranges(registers))}")
    return found


def expansion_lines(expansion: Outline) -> list[str]:
    """What an op becomes, case by case, with the size of each; the template, where that alone tells."""
    if not expansion.cases:
        lines = expansion.template.rstrip("\n").split("\n")
        return [f"the template ({_words(expansion.plain)}):", *(f"    {line}" for line in lines)]
    found = []
    for case in expansion.cases:
        found += [
            f"{_where(case, expansion)} ({_words(case.size)}):",
            *(f"    {line}" for line in case.lines or ["nothing"]),
        ]
    return found


def _words(size: Size) -> str:
    return f"{counted(size.instructions, 'instruction')}, {counted(size.groups, 'group')}"


def _where(case: Case, expansion: Outline) -> str:
    if not case.conditions:
        return "otherwise" if len(expansion.cases) > 1 else "always"
    return "where " + ", or ".join(" and ".join(map(_question, condition)) for condition in case.conditions)


def _question(question: tuple[str, str]) -> str:
    parameter, other = question
    return f"{parameter} is {other[1:]}" if other.startswith("%") else f"{parameter} is the same as {other}"


def _ranges(registers: Iterable[str]) -> list[str]:
    """Registers in order, those that follow one another as a range: `r16-r31`."""
    found: list[list[str]] = []
    for word in sorted(registers, key=lambda word: (REGISTERS[word].file, REGISTERS[word].number)):
        last = found[-1][-1] if found else ""
        if last[:1] == word[:1] == "r" and int(last[1:]) + 1 == int(word[1:]):
            found[-1].append(word)
        else:
            found.append([word])
    return [each[0] if len(each) == 1 else f"{each[0]}-{each[-1]}" for each in found]


# ------------------------------------------------------------------------------------------ JSON


def render_json(shown: Shown) -> str:
    """An instance as a JSON object, on one line."""
    instance = shown.instance
    members = {
        table.name: {member: instance.tables.get(table.name, {}).get(member) for member in table.members}
        for table in instance.catalog.tables.values()
    }
    calls = [
        {"number": number, "takes": [each.text for each in call.takes], "gives": [each.text for each in call.gives]}
        for number, call in instance.calls.items()
    ]
    everything = {
        **_summary(instance),
        "files": list(instance.files),
        "constants": dict(instance.constants),
        "calls": calls,
        "renames": dict(instance.renames),
        "tables": members,
        "table_origins": {f"{table}.{member}": origin for (table, member), origin in shown.table_origins.items()},
        "machine_vector_members": _vector_object(shown),
        "blocks": {name: template.source for name, template in instance.blocks.items()},
        "ops": [_op(shown, each) for each in shown.expansions],
    }
    return json.dumps(everything) + "\n"


def _vector_object(shown: Shown) -> dict[str, Any] | None:
    """The members of the machine vector: the function, and whether it is the platform's own; None if not known."""
    vector, catalog = shown.vector, shown.instance.catalog
    if vector is None:
        return None
    return {
        member: {"function": vector.server(member, catalog), "own": member in vector.members}
        for member in catalog.machine_vector
    }


def render_op_json(shown: Shown, expansion: Outline) -> str:
    """What an instance makes of an op as a JSON object, on one line."""
    return json.dumps({"instance": shown.instance.name, **_op(shown, expansion)}) + "\n"


def _summary(instance: Instance) -> dict[str, Any]:
    return {
        "name": instance.name,
        "description": instance.description,
        "environment": instance.environment,
        "defines": instance.defines,
        "machine_vector": instance.machine_vector,
        "entry": None if instance.entry is None else structs.asdict(instance.entry),
        "extends": instance.extends,
    }


def _op(shown: Shown, expansion: Outline) -> dict[str, Any]:
    op, definition = expansion.op, expansion.definition
    origin = shown.origins.get(op.name)
    return {
        "name": op.name,
        "signature": op.signature,
        "doc": op.doc,
        "class": op.group,
        "extension": op.extension,
        "parameters": [{"name": each.name, "kind": each.kind, "use": each.use} for each in op.parameters],
        "replaces": op.replaces,
        "defined_by": origin.instance if origin else None,
        "apart": [list(group) for group in definition.apart],
        "not_among": {name: sorted(registers) for name, registers in definition.not_among.items()},
        **expansion_object(expansion),
    }


def expansion_object(expansion: Outline) -> dict[str, Any]:
    """What an op becomes: its sizes and cases; without cases, the template tells."""
    return {
        "instructions": expansion.plain.instructions,
        "groups": expansion.plain.groups,
        "cases": [
            {
                "where": [_condition(condition) for condition in case.conditions],
                "lines": list(case.lines),
                "instructions": case.size.instructions,
                "groups": case.size.groups,
            }
            for case in expansion.cases
        ],
        "template": expansion.template,
    }


def _condition(condition: Condition) -> list[list[str]]:
    """The pairs of names that must be the same register."""
    return [[question.parameter, question.other.removeprefix("%")] for question in condition]
