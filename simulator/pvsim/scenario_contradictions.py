"""What of a scenario contradicts the code that it is for, or itself once symbols have addresses."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from msgspec import Struct

from pvsim.machine.translation_cache import Translation
from pvsim.scenario import Page, ScenarioError, Steps

_OFFSET: Final = (1 << 61) - 1
_REGION: Final = 61


class Range(Struct, frozen=True):
    """Bytes of memory from `first` to before `end`: what they are, and the way to that in a scenario.

    There is no such way to what the simulator has there itself, or the code.
    """

    first: int
    end: int
    told: str
    steps: Steps = ()


def check_apart(ranges: Sequence[Range]) -> None:
    """Raises ScenarioError where a part of memory has two things in it, of which the scenario says one.

    The place is that of the later one, as they are given.
    """
    ordered = sorted(range(len(ranges)), key=lambda at: (ranges[at].first, ranges[at].end))
    widest = ordered[0] if ordered else 0
    for at in ordered[1:]:
        if ranges[at].first < ranges[widest].end:
            other, mine = (
                ranges[each] for each in sorted((at, widest), key=lambda each: (bool(ranges[each].steps), each))
            )
            if mine.steps:
                raise ScenarioError(f"{mine.told} overlaps {other.told}", mine.steps)
        widest = max(widest, at, key=lambda each: ranges[each].end)


def check_pages(pages: Sequence[Page], regions: Sequence[int], own: Sequence[Translation]) -> None:
    """Raises ScenarioError for translations that cannot be there together.

    `regions` are the region registers, `own` the pages that the first translation registers have for the code.
    """
    taken: dict[tuple[str, int], int] = {}
    spans: dict[tuple[str, int], list[tuple[int, int, int]]] = {}
    for at, page in enumerate(pages):
        region = regions[page.at >> _REGION] >> 8
        start = page.at & _OFFSET
        for each in own:
            if each.meets(start, page.size, region) and each.physical(start) != page.to:
                raise ScenarioError(f"the code's own page has {page.at:#x} at {each.physical(start):#x}", ("pages", at))
        for kind in page.kinds:
            if page.register is not None:
                if page.register < len(own):
                    said = f"{kind}tr[{page.register}] has the page of the code: the first that is free is {len(own)}"
                    raise ScenarioError(said, ("pages", at))
                other = taken.setdefault((kind, page.register), at)
                if other != at:
                    raise ScenarioError(f"{kind}tr[{page.register}] has pages.{other} already", ("pages", at))
            spans.setdefault((kind, region), []).append((start, start + (1 << page.size), at))
    for span in spans.values():
        for (_, end, one), (start, _, other) in pairwise(sorted(span)):
            if start < end:
                first, second = sorted((one, other))
                raise ScenarioError(f"it overlaps pages.{first}: two pages for one address", ("pages", second))
