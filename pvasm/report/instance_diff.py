"""Two instances beside one another: what one of them says and the other does not, or says otherwise."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from msgspec import Struct

from pvasm.paravirt.cases import Outline
from pvasm.paravirt.instance import Instance
from pvasm.report.instances import demands, expansion_lines, expansion_object, sizes
from pvasm.report.plain_text import counted

_MOST_CONTEXT: Final = 1_000  # lines: all of an expansion, as these are short


class Difference(Struct):
    """What is different between two instances.

    `single` are keys with a value each, `named` those with a value for each of some names; None stands for what one of
    the two does not say. `ops` are the expansions of those that differ, of `asked` ops.
    """

    left: Instance
    right: Instance
    single: Mapping[str, tuple[Any, Any]]
    named: Mapping[str, Mapping[str, tuple[Any, Any]]]
    ops: Sequence[tuple[Outline, Outline]]
    asked: int

    @property
    def is_empty(self) -> bool:
        """Whether there is none."""
        return not (self.single or self.named or self.ops)


def difference(
    left: Instance, right: Instance, expansions: Sequence[tuple[Outline, Outline]], *, ops_alone: bool
) -> Difference:
    """What is different in what two instances do: not their names, descriptions and files.

    `expansions` are those to compare, op by op; with `ops_alone`, nothing else is compared.
    """
    single: dict[str, tuple[Any, Any]] = {}
    named: dict[str, Mapping[str, tuple[Any, Any]]] = {}
    if not ops_alone:
        for key in ("environment", "defines", "machine_vector", "entry"):
            if getattr(left, key) != getattr(right, key):
                single[key] = getattr(left, key), getattr(right, key)
        for key in _NAMED:
            one, other = _values(left, key), _values(right, key)
            names = dict.fromkeys((*one, *other))
            if found := {name: (one.get(name), other.get(name)) for name in names if one.get(name) != other.get(name)}:
                named[key] = found
    ops = [(one, other) for one, other in expansions if one.meaning != other.meaning]
    return Difference(left, right, single, named, ops, len(expansions))


_NAMED: Final = ("constants", "calls", "renames", "tables", "blocks")


def _values(instance: Instance, key: str) -> dict[str, Any]:
    """What an instance says under a key, by name."""
    match key:
        case "calls":
            return {f"{number:#x}": _call(call.takes, call.gives) for number, call in instance.calls.items()}
        case "tables":
            return {
                f"{table}.{member}": value
                for table, members in instance.tables.items()
                for member, value in members.items()
            }
        case "blocks":
            return {name: template.source.rstrip("\n") for name, template in instance.blocks.items()}
    return dict(getattr(instance, key))


def _call(takes: Sequence[Any], gives: Sequence[Any]) -> str:
    words = [("takes", takes), ("gives", gives)]
    said = [f"{word} {' '.join(each.text for each in registers)}" for word, registers in words if registers]
    return ", ".join(said) or "takes nothing"


# ------------------------------------------------------------------------------------------ text


def render(found: Difference) -> str:
    """The differences as a unified diff of what there is to read of the instances; nothing, if there are none."""
    if found.is_empty:
        return ""
    lines = [f"--- {found.left.name}", f"+++ {found.right.name}"]
    for key, (one, other) in found.single.items():
        lines += ["", *_both(key, one, other)]
    for key, values in found.named.items():
        lines += ["", key]
        for name, (one, other) in values.items():
            lines += _both(name, one, other)
    for left, right in found.ops:
        lines += ["", *_op(found, left, right)]
    lines += ["", f"{len(found.ops)} of {counted(found.asked, 'op')} differ"]
    return "".join(f"{line}\n" for line in lines)


def _both(name: str, one: Any, other: Any) -> Iterator[str]:
    for sign, value in (("-", one), ("+", other)):
        if value is not None:
            first, *rest = str(getattr(value, "text", value)).rstrip("\n").split("\n")
            yield f"{sign} {name}: {first}".rstrip()
            yield from (f"{sign}   {line}" for line in rest)


def _op(found: Difference, left: Outline, right: Outline) -> Iterator[str]:
    """An op: its sizes, and the lines of one that are gone in the other, and those that have come."""
    import difflib

    yield f"{left.op.signature}  {found.left.name}: {sizes(left)}, {found.right.name}: {sizes(right)}"
    before, after = ([*demands(each.definition), *expansion_lines(each)] for each in (left, right))
    diff = difflib.unified_diff(before, after, n=_MOST_CONTEXT, lineterm="")
    yield from (f"{line[0]} {line[1:]}".rstrip() for line in list(diff)[3:])


# ------------------------------------------------------------------------------------------ JSON


def render_json(found: Difference) -> str:
    """The differences as a JSON object, on one line; `null` stands for what an instance does not say."""
    return (
        json.dumps(
            {
                "left": found.left.name,
                "right": found.right.name,
                "keys": found.single,
                **{key: found.named.get(key, {}) for key in _NAMED},
                "ops": [
                    {"name": left.op.name, "left": expansion_object(left), "right": expansion_object(right)}
                    for left, right in found.ops
                ],
            }
        )
        + "\n"
    )
