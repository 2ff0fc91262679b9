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
    yield from changed_lines(one.lines, other.lines, one.origins, other.origins)


def changed_lines(
    left: Sequence[str], right: Sequence[str], ours: Sequence[str] = (), theirs: Sequence[str] = ()
) -> Iterator[str]:
    """What is different between two texts, with some lines around it. It takes time in proportion to them.

    `ours` and `theirs` are what the lines came from, if that is known: differences are told apart by it.
    """
    from difflib import SequenceMatcher

    start = 0
    while start < min(len(left), len(right)) and left[start] == right[start]:
        start += 1
    end = 0
    while end < min(len(left), len(right)) - start and left[-1 - end] == right[-1 - end]:
        end += 1
    last, other_last = len(left) - end, len(right) - end
    if max(last, other_last) - start > _MOST_COMPARED:
        yield from (f"- {line}" for line in left[start:last])
        yield from (f"+ {line}" for line in right[start:other_last])
        return
    before = max(0, start - _CONTEXT)
    one, other = left[before : last + _CONTEXT], right[before : other_last + _CONTEXT]
    for group in SequenceMatcher(None, one, other).get_grouped_opcodes(_CONTEXT):
        yield "  ..."
        for tag, low, high, other_low, other_high in group:
            if tag == "equal":
                yield from (f"  {line}" for line in one[low:high])
                continue
            gone, new = range(before + low, before + high), range(before + other_low, before + other_high)
            changed = [("-", left[at], ours[at] if ours else "") for at in gone]
            changed += [("+", right[at], theirs[at] if theirs else "") for at in new]
            beside = _beside(ours, gone) if not gone else _beside(theirs, new) if not new else ""
            yield from _by_origin(changed, beside)


def _beside(origins: Sequence[str], place: range) -> str:
    """What the lines came from between which the other side has more."""
    around = origins[max(place.start - 1, 0) : place.start + 1]
    return next(filter(None, around), "")


def _by_origin(lines: Sequence[tuple[str, str, str]], beside: str) -> Iterator[str]:
    """Lines that are gone or new, with their signs and what they came from; those of one origin stand together.

    `beside` is what they came from where they do not tell.
    """
    known = {sign: dict.fromkeys(each[2] for each in lines if each[0] == sign and each[2]) for sign in "-+"}
    if len(known["-"]) <= 1 or list(known["-"]) != list(known["+"]):
        # One side alone tells, or they do not tell the same: all that is told is said of them all.
        told = dict.fromkeys((*known["-"], *known["+"])) or dict.fromkeys(filter(None, [beside]))
        yield from (f"  [{each}]" for each in ([", ".join(told)] if told else []))
        yield from (f"{sign} {line}" for sign, line, _ in lines)
        return
    origin = {"-": "", "+": ""}
    by_origin: dict[str, list[str]] = {each: [] for each in known["-"]}
    for sign, line, own in lines:  # what has no origin of its own belongs to the one before, at first to the next
        origin[sign] = own or origin[sign] or next(iter(known[sign]))
        by_origin[origin[sign]].append(f"{sign} {line}")
    for each, told_lines in by_origin.items():
        yield f"  [{each}]"
        yield from told_lines
