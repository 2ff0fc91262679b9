"""What directives tell the assembler of dependencies: the mode, serialization, predicates, values, spills.

GNU as's manual has them under "IA-64 Dependent Features"; what they do to its dependency checks (`as -x`) they do to
ours. In automatic mode (`.auto`) the assembler itself puts in the stops and serializations that are missing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from pvasm.isa.dependencies import Dependencies, Relation
from pvasm.isa.operands import Value
from pvasm.isa.registers import Register

_Values = Sequence[Value | None]
_Meaning = Callable[[Dependencies, Sequence[str], _Values], bool]


def arguments_of(name: str, arguments: tuple[str, ...]) -> tuple[str, ...]:
    """A directive's arguments as as takes them: no comma need follow the relation of `.pred.rel "mutex" p6, p7`."""
    if name != ".pred.rel" or not arguments:
        return arguments
    first = arguments[0].strip()
    end = first.find('"', 1) + 1 if first[:1] == '"' else len(first.partition(" ")[0].partition("\t")[0])
    predicate = first[end:].strip()
    return (first[:end], predicate, *arguments[1:]) if predicate else arguments


def annotate(dependencies: Dependencies, name: str, arguments: Sequence[str], values: _Values) -> bool:
    """Has `dependencies` take note of a directive, if it is one of `ANNOTATIONS`.

    `values` are those of its `arguments_of`, None where one is no expression. False where predicates are named that are
    not known, so that there may be relations between predicates of which nothing is known.
    """
    meaning = ANNOTATIONS.get(name)
    return meaning is None or meaning(dependencies, arguments, values)


def _mode(automatic: bool) -> _Meaning:
    def change(dependencies: Dependencies, _: Sequence[str], __: _Values) -> bool:
        dependencies.change_mode(automatic=automatic)
        return True

    return change


def _serialize(dependencies: Dependencies, _: Sequence[str], __: _Values) -> bool:
    dependencies.serialize("srlz.d")
    return True


def _serialize_instruction(dependencies: Dependencies, _: Sequence[str], __: _Values) -> bool:
    dependencies.serialize("srlz.i")
    return True


def _offset(dependencies: Dependencies, _: Sequence[str], values: _Values) -> bool:
    if values and isinstance(values[0], int):
        dependencies.spill_offset(values[0])
    return True


def _stacked(dependencies: Dependencies, _: Sequence[str], values: _Values) -> bool:
    if len(values) == 4 and isinstance(values[3], int):
        dependencies.rotating = values[3]
    return True


def _value(dependencies: Dependencies, _: Sequence[str], values: _Values) -> bool:
    if len(values) == 2 and isinstance(values[0], Register) and isinstance(values[1], int):
        dependencies.value(values[0], values[1])
    return True


def _relation(kind: Relation) -> _Meaning:
    def relate(dependencies: Dependencies, arguments: Sequence[str], values: _Values) -> bool:
        predicates = _predicates(arguments, values)
        if predicates is not None:
            dependencies.relation(kind, predicates)
        return predicates is not None

    return relate


def _safe_across_calls(dependencies: Dependencies, arguments: Sequence[str], values: _Values) -> bool:
    _relation("safe_across_calls")(dependencies, arguments, values)
    return True


_RELATIONS: Final[dict[str, _Meaning]] = {
    "mutex": _relation("mutex"),
    "imply": _relation("imply"),
    "clear": _relation("clear"),
}


def _named_relation(dependencies: Dependencies, arguments: Sequence[str], values: _Values) -> bool:
    """`.pred.rel "mutex", p6, p7`, also with `@mutex`."""
    meaning = _RELATIONS.get(arguments[0].strip(' "@')) if arguments else None
    return meaning is None or meaning(dependencies, arguments[1:], values[1:])


def _predicates(arguments: Sequence[str], values: _Values) -> tuple[int, ...] | None:
    """The numbers of `p6`, `p1-p5`, `pKernel`; None if one is not known."""
    numbers: list[int] = []
    for word, value in zip(arguments, values, strict=True):
        low, dash, high = (part.strip() for part in word.partition("-"))
        if isinstance(value, Register) and value.file == "p":
            numbers.append(value.number)
        elif dash and all(part[:1] == "p" and part[1:].isdecimal() for part in (low, high)):
            numbers += range(int(low[1:]), min(int(high[1:]), 63) + 1)
        elif word.strip():
            return None
    return tuple(numbers)


ANNOTATIONS: Final[dict[str, _Meaning]] = {
    ".auto": _mode(True),
    ".explicit": _mode(False),
    ".default": _mode(False),  # gcc calls as with -x
    ".serialize.data": _serialize,
    ".serialize.instruction": _serialize_instruction,
    ".mem.offset": _offset,
    ".regstk": _stacked,
    ".reg.val": _value,
    ".pred.rel": _named_relation,
    **{f".pred.rel.{kind}": meaning for kind, meaning in _RELATIONS.items()},
    ".pred.safe_across_calls": _safe_across_calls,
}
"""The directives that say something of dependencies, by name."""
