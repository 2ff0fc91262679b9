"""Texts that make a regular expression take long, if any do, made from the pattern; and what a match costs."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from random import Random
from re import _constants, _parser
from types import FrameType
from typing import Any, NamedTuple

SIZES = (1024, 2048, 4096, 8192)
# Eight times the text takes 8 times as long if the match is linear, and 64 times if it is quadratic.
MOST = 24
_TOO_LONG = 1.0  # seconds of CPU time, for a text of at most 8 kB: a quadratic match takes a tenth of that
_CONCLUSIVE = 0.1  # seconds of CPU time: of less a clock that ticks slowly tells nothing
MOST_TEXTS = 240
_OFTEN = 40  # a repetition that may go on for so long counts as one that may go on for ever
_EXAMPLES = 4
_ALPHABET = "a0A_ \t\n\r./*\\\"'#(),;:=-\0\xe9"
_ENDS = ("", "\0", "\n", "a")

Use = Callable[[str], object]


class Slow(NamedTuple):
    """A text, `head`, `pump` again and again, `tail`, for which the time taken is not linear; `ratio` as measured."""

    use: str
    head: str
    pump: str
    tail: str
    ratio: float


# ------------------------------------------------------------------------------------- texts from a pattern


class _Texts:
    """Texts that parts of a pattern match: random ones, of characters that the pattern names or that are common."""

    def __init__(self, pattern: re.Pattern[str]) -> None:
        self.random = Random(1)
        self.flags = pattern.flags
        self.groups: dict[int, str] = {}
        self.tree = _parser.parse(pattern.pattern, pattern.flags)
        self.alphabet = "".join(dict.fromkeys([*self._literals(self.tree), *_ALPHABET]))

    def _literals(self, items: Any) -> Iterator[str]:
        for item in _leaves(items):
            operator, argument = item
            if operator in (_constants.LITERAL, _constants.NOT_LITERAL):
                yield chr(argument)
            elif operator is _constants.RANGE:
                yield from (chr(argument[0]), chr(argument[1]))

    def characters(self, item: tuple[Any, Any]) -> str:
        """Those of the alphabet that an item of one character matches."""
        operator, argument = item
        if operator is _constants.LITERAL:
            return chr(argument)
        if operator is _constants.ANY:
            return "".join(each for each in self.alphabet if each != "\n" or self.flags & re.DOTALL)
        parsed = _parser.SubPattern(self.tree.state, [item])
        matches = re._compiler.compile(parsed, self.flags & ~re.VERBOSE).match  # type: ignore[attr-defined]
        return "".join(each for each in self.alphabet if matches(each)) or "\0"

    def text(self, items: Any, *, long: bool = False) -> str:
        """A text that the items match, but for what they ask of its neighbours."""
        return "".join(self._item(item, long) for item in items)

    def _item(self, item: tuple[Any, Any], long: bool) -> str:
        operator, argument = item
        if operator in _ONE_CHARACTER:
            return self.random.choice(self.characters(item))
        if operator in _REPEATS:
            least, most, body = argument
            count = min(most, max(least, self.random.choice((0, 1, 1, 2)) + (2 if long else 0)))
            return "".join(self.text(body) for _ in range(count))
        if operator is _constants.SUBPATTERN:
            made = self.text(argument[3])
            self.groups[argument[0] or 0] = made
            return made
        if operator is _constants.BRANCH:
            return self.text(self.random.choice(argument[1]))
        if operator is _constants.ATOMIC_GROUP:
            return self.text(argument)
        if operator is _constants.GROUPREF:
            return self.groups.get(argument, "")
        return ""

    def repeats(self, items: Any, head: str = "") -> Iterator[tuple[str, Any]]:
        """The repetitions that may go on, with a text that leads to each."""
        for number, (operator, argument) in enumerate(items):
            before = head + self.text(items[:number])
            if operator in _REPEATS and argument[1] >= _OFTEN:
                yield before, argument[2]
            for part in _parts(operator, argument):
                yield from self.repeats(part, before)


_REPEATS = (_constants.MAX_REPEAT, _constants.MIN_REPEAT, _constants.POSSESSIVE_REPEAT)
_ONE_CHARACTER = (_constants.LITERAL, _constants.NOT_LITERAL, _constants.IN, _constants.ANY)


def _parts(operator: Any, argument: Any) -> list[Any]:
    """The sequences of items in an item."""
    if operator in _REPEATS:
        return [argument[2]]
    if operator is _constants.SUBPATTERN:
        return [argument[3]]
    if operator is _constants.BRANCH:
        return list(argument[1])
    if operator is _constants.ATOMIC_GROUP:
        return [argument]
    if operator in (_constants.ASSERT, _constants.ASSERT_NOT):
        return [argument[1]]
    if operator is _constants.GROUPREF_EXISTS:
        return [part for part in argument[1:] if part is not None]
    return []


def _leaves(items: Any) -> Iterator[tuple[Any, Any]]:
    for operator, argument in items:
        if operator is _constants.IN:
            yield from argument
        yield operator, argument
        for part in _parts(operator, argument):
            yield from _leaves(part)


def texts(pattern: re.Pattern[str], most: int = MOST_TEXTS) -> list[tuple[str, str, str]]:
    """What to begin with, to repeat and to end with, for each repetition of a pattern and for the whole of it.

    At most so many, chosen from all.
    """
    made = _Texts(pattern)
    found: dict[tuple[str, str], None] = {}
    for _ in range(_EXAMPLES):
        for head, body in made.repeats(made.tree):
            pumps = [made.text(body), made.text(body, long=True)]
            if len(body) == 1 and body[0][0] in _ONE_CHARACTER:
                pumps = list(made.characters(body[0]))
            for pump in pumps:
                found.update({(head, pump): None, ("", head + pump): None, ("", head): None})
        whole = made.text(made.tree)
        found.update({("", whole): None, ("", whole[: made.random.randint(0, len(whole))]): None})
    everything = [(head, pump, tail) for head, pump in found if pump for tail in _ENDS]
    return made.random.sample(everything, min(len(everything), most))


# ------------------------------------------------------------------------------------- what a match costs


class _TooLongError(Exception):
    pass


def _stop(number: int, frame: FrameType | None) -> None:
    raise _TooLongError


def _ratio(clock: Callable[[], float], use: Use, short: str, long: str, runs: int) -> tuple[float, float]:
    """How much longer the long text takes than the short one, by the least of a few measurements of each.

    Also how long the runs of the long one took together.
    """

    def cost(text: str, times: int) -> float:
        start = clock()
        for _ in range(times):
            use(text)
        return (clock() - start) / times

    longer = min(cost(long, runs) for _ in range(2))
    shorter = min(cost(short, runs * 4) for _ in range(2))
    return longer / max(shorter, 1e-7), longer * runs


def ratio(use: Use, make: Callable[[int], str], sizes: Sequence[int] = SIZES) -> float:
    """How much longer a text of the last of four sizes, 8 kB, takes than one of the first, 1 kB.

    That is 8 times if the use is linear, and infinite if it takes more than seconds.

    A glance at a clock tells most that are linear. What is seen to take longer is measured in CPU time, by more and
    more runs, as clocks of CPU time may tick slowly; texts grow step by step, so that this ends soon where none does.
    """
    before = signal.signal(signal.SIGVTALRM, _stop)
    try:
        for size in sizes[:-1]:
            signal.setitimer(signal.ITIMER_VIRTUAL, _TOO_LONG)
            use(make(size))
        short, long = make(sizes[0]), make(sizes[-1])
        signal.setitimer(signal.ITIMER_VIRTUAL, 4 * _TOO_LONG)
        measured, _ = _ratio(time.perf_counter, use, short, long, 1)
        runs, seconds = 4, 0.0
        while measured > MOST and seconds < _CONCLUSIVE:
            signal.setitimer(signal.ITIMER_VIRTUAL, 10 * _TOO_LONG)
            found, seconds = _ratio(time.process_time, use, short, long, runs)
            measured = min(measured, found)
            runs *= 4
        return measured
    except _TooLongError:
        return float("inf")
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def uses(pattern: re.Pattern[str], methods: set[str]) -> Iterator[tuple[str, Use]]:
    """The ways to use a pattern that `methods` names. To search from each place on is what most of them do."""
    if "match" in methods:
        yield "match", pattern.match
    if "fullmatch" in methods:
        yield "fullmatch", pattern.fullmatch
    if methods - {"match", "fullmatch"}:
        yield "search", lambda text: sum(1 for _ in pattern.finditer(text))


def slow(pattern: re.Pattern[str], methods: set[str], most: int = MOST_TEXTS) -> Slow | None:
    """A text of 1, 2, 4 and 8 kB for which the pattern takes more than linear time; None if none is found."""
    for name, use in uses(pattern, methods):
        for head, pump, tail in texts(pattern, most):

            def make(size: int, head: str = head, pump: str = pump, tail: str = tail) -> str:
                return head + pump * (size // len(pump) + 1) + tail

            measured = ratio(use, make)
            if measured > MOST:
                return Slow(name, head, pump, tail, measured)
    return None
