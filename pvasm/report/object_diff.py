"""Two objects beside one another: the functions that one of them has, and those whose code differs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from msgspec import Struct

from pvasm.objects.function_code import FunctionCode
from pvasm.report.plain_text import counted, printable

_MOST_COMPARED: Final = 2_000  # lines of a function between what is alike at its ends: more are shown as they are
_CONTEXT: Final = 3


class FunctionDifference(Struct):
    """A function that is not the same in both; None where one of them has it not."""

    name: str
    left: FunctionCode | None
    right: FunctionCode | None


class ObjectDifference(Struct):
    """What is different between the code of two files; `asked` functions have been compared."""

    left: str
    right: str
    functions: Sequence[FunctionDifference]
    asked: int

    @property
    def is_empty(self) -> bool:
        """Whether there is none."""
        return not self.functions


def object_difference(
    left: tuple[str, Sequence[FunctionCode]], right: tuple[str, Sequence[FunctionCode]], names: Sequence[str] = ()
) -> ObjectDifference:
    """What is different between two files, which are named and have these functions; of `names` alone, if there are.

    Of several functions with one name the first is compared with the first, the second with the second.
    """
    ours, theirs = _by_name(left[1], names), _by_name(right[1], names)
    keys = list(dict.fromkeys((*ours, *theirs)))
    found = [
        FunctionDifference(key[0], one, other)
        for key in keys
        if not _is_same(one := ours.get(key), other := theirs.get(key))
    ]
    return ObjectDifference(left[0], right[0], found, len(keys))


def _by_name(functions: Sequence[FunctionCode], names: Sequence[str]) -> dict[tuple[str, int], FunctionCode]:
    counts: dict[str, int] = {}
    found: dict[tuple[str, int], FunctionCode] = {}
    for each in functions:
        if not names or each.name in names:
            number = counts[each.name] = counts.get(each.name, 0) + 1
            found[each.name, number] = each
    return found


def _is_same(one: FunctionCode | None, other: FunctionCode | None) -> bool:
    return one is not None and other is not None and (one.section, one.lines) == (other.section, other.lines)


def render(found: ObjectDifference) -> str:
    """The difference as text; where there is none, a line that says so."""
    lines: list[str] = []
    if not found.is_empty:
        lines += [f"--- {printable(found.left)}", f"+++ {printable(found.right)}", ""]
    for each in found.functions:
        lines += [printable(line) for line in _told(each, found)]
        lines.append("")
    number = len(found.functions)
    same = f"{counted(found.asked, 'function')}: the same"
    lines.append(f"{number} of {found.asked} functions differ" if number else same)
    return "".join(f"{line}\n" for line in lines)


def _told(each: FunctionDifference, found: ObjectDifference) -> Iterator[str]:
    one, other = each.left, each.right
    if one is None or other is None:
        there, path = (one, found.left) if one is not None else (other, found.right)
        assert there is not None
        yield f"{each.name}  in {path} alone ({counted(there.instructions, 'instruction')})"
        return
    yield f"{each.name}  {counted(one.instructions, 'instruction')}, {counted(other.instructions, 'instruction')}"
    if one.section != other.section:
        yield f"- in {one.section}"
        yield f"+ in {other.section}"
    yield from changed_lines(one.lines, other.lines)


def changed_lines(left: Sequence[str], right: Sequence[str]) -> Iterator[str]:
    """What is different between two texts, with some lines around it. It takes time in proportion to them."""
    from difflib import unified_diff

    start = 0
    while start < min(len(left), len(right)) and left[start] == right[start]:
        start += 1
    end = 0
    while end < min(len(left), len(right)) - start and left[-1 - end] == right[-1 - end]:
        end += 1
    ours, theirs = left[start : len(left) - end], right[start : len(right) - end]
    if max(len(ours), len(theirs)) > _MOST_COMPARED:
        yield from (f"- {line}" for line in ours)
        yield from (f"+ {line}" for line in theirs)
        return
    before, after = left[max(0, start - _CONTEXT) : start], left[len(left) - end : len(left) - end + _CONTEXT]
    one, other = [*before, *ours, *after], [*before, *theirs, *after]
    hunks = list(unified_diff(one, other, lineterm="", n=_CONTEXT))[2:]
    for line in hunks:
        yield "  ..." if line.startswith("@@") else f"{line[0]} {line[1:]}"
