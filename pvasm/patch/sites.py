"""Where code differs between instances, in whole bundles: the sites of a single binary.

GNU as puts instructions in bundles, and a bundle is what can be replaced. So a site is made of the bundles that an op's
native instructions stand in, with what else stands in these. Labels at its ends cost nothing there, since a bundle
begins at each anyway. Where what else stands there cannot be taken along, the site is the op alone, between labels that
make a bundle begin: then nops may be added, and the rest of the file is looked at again.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Final

from msgspec import Struct

from pvasm.asm.elaborate import Step, Visitor
from pvasm.asm.layout import CodePlaces, PlacedBundle, adds_nothing, code_places
from pvasm.asm.reading import assembly_parser
from pvasm.asm.scope import Scope
from pvasm.errors import PvasmError
from pvasm.isa.bundle import TEMPLATES
from pvasm.regex import regex
from pvasm.syntax import tree
from pvasm.syntax.document import Document, read_document
from pvasm.syntax.macros import LOOPS
from pvasm.syntax.tokens import SETTING
from pvasm.text import Edit, apply_edits

PREFIX: Final = ".Lpv_"
"""What the names of all labels begin with that a single binary has of its own."""

KEPT: Final = regex(r"\.(?:pred\.rel(?:\.\w+)?|mem\.offset|reg\.val|pred\.safe_across_calls)")
NUMBERED: Final = regex(r"\d+[bf]")
_MEANING: Final = frozenset(
    (".alias", ".auto", ".default", ".explicit", ".lsb", ".msb", ".radix", ".regstk", ".rotf", ".rotp", ".rotr")
)
"""Directives that say how instructions behind them are meant, which a copy would not know."""
_PLACES: Final = frozenset((".", "ip"))  # names whose value is where they stand
_LAST_SLOT: Final = 2


def is_passed(syntax: tree.Syntax) -> bool:
    """Whether a statement has no place of its own: it says something of instructions, or ends a group or a bundle."""
    if isinstance(syntax, tree.Directive):
        return bool(KEPT.fullmatch(syntax.name)) or (adds_nothing(syntax.name) and syntax.name not in _MEANING)
    return isinstance(syntax, tree.Stop | tree.BundleOpen | tree.BundleClose | tree.Template | tree.CppDirective)


class Site(Struct, frozen=True):
    """Where code differs: the statements of the document from `first` to `last`, with what opens and closes bundles.

    `end` is where its last ends, the stop behind it included, and `start` where its first begins: offsets in the
    document. `bundles` are how many the native code has. `frame` is that of the registers' names there (inputs, locals,
    outputs). `is_alone` says that bundles do not begin at its ends anyway, so that labels must make them begin there;
    `ends_group` that its last bundle ends with a stop, as it does without one where no instruction follows.
    """

    first: int
    last: int
    start: int
    end: int
    bundles: int
    frame: tuple[int, int, int] | None
    is_alone: bool = False
    ends_group: bool = False


class Sites(Struct, frozen=True):
    """The sites of a document, in order; and the numbered labels that their statements go to.

    `targets` has by the offset of `1f` in the document the statement of the label that it means.
    """

    sites: list[Site]
    targets: dict[int, int]


def find_sites(
    document: Document,
    edits: Sequence[Edit],
    spans: Iterable[tuple[int, int]],
    alone: Iterable[tuple[int, int]] = (),
) -> Sites:
    """The sites of a document, whose native variant `edits` make, for the statements in which instances differ.

    A span has its first and its last statement. Those that are `alone` are sites by themselves.

    Raises PvasmError, with its place, for a span that can be none, and as `code_places` does.
    """
    return _Search(document, edits, spans, alone).found()


class Shift:
    """From offsets in what edits made to those in what they were made in."""

    def __init__(self, edits: Iterable[Edit]) -> None:
        self.edits = sorted(edits)
        growth = [len(each.replacement) - (each.end - each.start) for each in self.edits]
        self.shifts = [*accumulate(growth, initial=0)]
        self.starts = [each.start + shift for each, shift in zip(self.edits, self.shifts, strict=False)]

    def back(self, offset: int) -> int:
        """The offset before the edits; of what an edit made, where that begins."""
        at = bisect_right(self.starts, offset) - 1
        if at < 0:
            return offset
        if offset < self.starts[at] + len(self.edits[at].replacement):
            return self.edits[at].start
        return offset - self.shifts[at + 1]


class _Names(Visitor):
    """Notes what registers' names are at each statement: the frame, and whether `.rotr` and its like name any."""

    def __init__(self) -> None:
        self.frames: dict[int, tuple[int, int, int] | None] = {}
        self.rotating: set[str] = set()

    def step(self, step: Step, scope: Scope) -> None:
        self.frames.setdefault(step.statement, scope.frame)
        self.rotating.update(scope.rotating)


class _Unsuitable(Exception):  # noqa: N818  (it is no error)
    """Why what stands beside an op cannot be taken along."""


class _Search:
    """The search for the sites of one document."""

    def __init__(
        self,
        document: Document,
        edits: Sequence[Edit],
        spans: Iterable[tuple[int, int]],
        alone: Iterable[tuple[int, int]],
    ) -> None:
        self.document = document
        self.edits = edits
        self.starts = [each.start for each in document.statements]
        self.edited = {at for each in edits for at in self._between(each.start, each.end)}
        self.spans = sorted(set(spans))
        self.alone = set(alone)  # spans that are sites by themselves
        self.own: list[int] = []  # the document's statement by that of the variant
        self.variant_of: dict[int, int] = {}  # the first of the variant by that of the document
        self.targets: dict[int, int] = {}
        self.looped = self._looped()
        self.changing = {name for name, number in Counter(self._assigned()).items() if number > 1}

    def found(self) -> Sites:
        """The sites; each round makes more spans stand alone, or is the last."""
        for first, last in self.spans:
            self._check_span(first, last)
        for at, statement in enumerate(self.document.statements if self.spans else ()):
            if isinstance(statement.syntax, tree.Directive) and statement.syntax.name == ".auto":
                raise self._error(at, ".auto lets the assembler add stops where it likes: sites need .explicit (as -x)")
        while True:
            sites, refused = self._round()
            if not refused:
                return Sites(sites, self.targets)
            self.alone |= refused

    def _round(self) -> tuple[list[Site], set[tuple[int, int]]]:
        """The sites as they are with some spans alone, and the spans that must be so, too."""
        cuts = [Edit(at, at, f" ; {PREFIX}cut_{number}:; ") for number, at in enumerate(sorted(self._cuts()))]
        edits = sorted([*self.edits, *cuts])
        text = apply_edits(self.document.text, edits)
        variant = read_document(assembly_parser(), text, self.document.path, preprocessed=True)
        names = _Names()
        places = code_places(variant, [names])
        shift = Shift(edits)
        self.own = own = [self._at(shift.back(each.start)) for each in variant.statements]
        self.variant_of = {mine: at for at, mine in reversed([*enumerate(own)])}
        bundles = [sorted({own[each] for each in bundle.statements}) for bundle in places.bundles]
        sites, refused = [], set()
        self.targets = {}
        for first, last, spans, among in self._ranges(bundles):
            try:
                sites.append(self._site(first, last, spans, places.bundles[among.start : among.stop], places, names))
            except _Unsuitable as reason:
                if spans <= self.alone:
                    raise self._error(min(spans)[0], f"{reason} stands within what an instance replaces") from None
                refused |= spans
        return sites, refused

    def _cuts(self) -> set[int]:
        """The offsets where bundles must begin."""
        return {at for first, last in self.alone for at in (self._start(first), self._end(last))}

    def _ranges(self, bundles: Sequence[Sequence[int]]) -> list[tuple[int, int, set[tuple[int, int]], range]]:
        """The statements whose bundles hold spans: the first, the last, the spans among them, and the bundles."""
        holding: dict[int, list[int]] = {}
        for number, statements in enumerate(bundles):
            for at in statements:
                holding.setdefault(at, []).append(number)
        found: list[tuple[int, int, set[tuple[int, int]], range]] = []
        for span in self.spans:
            within = [number for at in range(span[0], span[1] + 1) for number in holding.get(at, ())]
            if not within:
                continue  # the assembler skips it
            low, high = min(within), max(within)
            first, last = span
            while True:
                inside = [at for number in range(low, high + 1) for at in bundles[number]]
                first, last = min(first, *inside), max(last, *inside)
                around = [number for at in inside for number in holding[at]]
                if (min(around), max(around)) == (low, high):
                    break
                low, high = min(around), max(around)
            spans = {span}
            while found and found[-1][1] >= first:
                before = found.pop()
                first, last, spans = min(first, before[0]), max(last, before[1]), spans | before[2]
                low, high = min(low, before[3].start), max(high, before[3].stop - 1)
            found.append((first, last, spans, range(low, high + 1)))
        return found

    def _site(
        self,
        first: int,
        last: int,
        spans: set[tuple[int, int]],
        bundles: Sequence[PlacedBundle],
        places: CodePlaces,
        names: _Names,
    ) -> Site:
        """Raises _Unsuitable for what cannot be taken along."""
        for at in range(first, last + 1):
            if at not in self.edited:
                self._check(at, places, names)
        frame = names.frames.get(self.variant_of.get(first, -1))
        return Site(
            self._opened(first),
            self._closed(last),
            self._start(first),
            self._end(last),
            len(bundles),
            frame,
            bool(spans & self.alone),
            _LAST_SLOT in TEMPLATES[bundles[-1].template].stops,
        )

    def _check(self, at: int, places: CodePlaces, names: _Names) -> None:
        """Raises _Unsuitable for a statement that cannot stand in a copy."""
        statement = self.document.statements[at]
        syntax = statement.syntax
        if isinstance(syntax, tree.Instruction):
            if _has_tag(syntax):
                raise _Unsuitable(f"`{self.document.source(statement)}'")
            for each in _names([syntax.predicate, *syntax.outputs, *syntax.inputs]):
                self._check_name(each, at, places, names)
        elif not is_passed(syntax):
            raise _Unsuitable(f"`{self.document.source(statement)}'")

    def _check_name(self, name: tree.Name, at: int, places: CodePlaces, names: _Names) -> None:
        statement = self.document.statements[at]
        if name.text in _PLACES or name.text in self.changing or name.text in names.rotating:
            raise _Unsuitable(f"`{self.document.source(statement)}'")
        if NUMBERED.fullmatch(name.text):
            label = places.numbered_label(name.text, self.variant_of[at])
            target = -1 if label is None else self.own[label]
            if target < 0 or not isinstance(self.document.statements[target].syntax, tree.Label):
                raise _Unsuitable(f"`{self.document.source(statement)}'")  # a macro makes the label
            self.targets[statement.origin + name.start] = target

    def _check_span(self, first: int, last: int) -> None:
        """Raises PvasmError for a span that stands where no site can be."""
        for at in range(first, last + 1):
            statement = self.document.statements[at]
            if statement.macro is not None:
                raise self._error(
                    at, f"stands in the body of the macro {statement.macro}: no site can be there; write it out"
                )
            if at in self.looped:
                raise self._error(at, "stands in a loop of the assembler's: no site can be there; write it out")

    def _assigned(self) -> Iterator[str]:
        """The names that are given values, as often as they are; where that may be once more, twice."""
        for at, statement in enumerate(self.document.statements):
            syntax, name = statement.syntax, ""
            if isinstance(syntax, tree.Assignment):
                name = syntax.name
            elif isinstance(syntax, tree.Directive) and syntax.name in SETTING and syntax.arguments:
                name = syntax.arguments[0].strip().removesuffix("#")
            if name:
                yield from [name] * (2 if at in self.looped or statement.macro is not None else 1)

    def _looped(self) -> set[int]:
        """The statements between `.rept` or its like and `.endr`."""
        found, depth = set(), 0
        for at, statement in enumerate(self.document.statements):
            name = statement.syntax.name if isinstance(statement.syntax, tree.Directive) else ""
            depth += (name in LOOPS) - (name == ".endr" and depth > 0)
            if depth:
                found.add(at)
        return found

    # ------------------------------------------------------------------------------------- statements

    def _between(self, start: int, end: int) -> range:
        """The statements from one offset up to another."""
        first = self._at(start)
        return range(first, max(self._at(max(start, end - 1)), first) + 1) if self.starts else range(0)

    def _at(self, offset: int) -> int:
        """The statement at an offset, or the last before it."""
        return max(bisect_right(self.starts, offset) - 1, 0)

    def _opened(self, first: int) -> int:
        """The first statement of a site: what opens its bundle is of it."""
        statements = self.document.statements
        while first and isinstance(statements[first - 1].syntax, tree.BundleOpen | tree.Template):
            first -= 1
        return first

    def _closed(self, last: int) -> int:
        """The last statement of a site: the stop behind it is of it, and what closes the bundle."""
        statements = self.document.statements
        while last + 1 < len(statements) and isinstance(statements[last + 1].syntax, tree.Stop | tree.BundleClose):
            last += 1
        return last

    def _start(self, first: int) -> int:
        return self.document.statements[self._opened(first)].start

    def _end(self, last: int) -> int:
        return self.document.statements[self._closed(last)].end

    def _error(self, at: int, message: str) -> PvasmError:
        statement = self.document.statements[at]
        return PvasmError(f"{message}", *self.document.place(statement.start))


def _has_tag(instruction: tree.Instruction) -> bool:
    """Whether an instruction tells of a branch elsewhere by a distance that the assembler must know (brp, mov b6 =)."""
    if len(instruction.inputs) < 2:
        return False
    base = instruction.mnemonic.partition(".")[0]
    return base == "brp" or (
        base == "mov" and not any(isinstance(each, tree.Name) and each.text == "pr" for each in instruction.outputs)
    )


def _names(expressions: Iterable[tree.Expression | None]) -> Iterator[tree.Name]:
    """The names in expressions."""
    for each in expressions:
        match each:
            case tree.Name():
                yield each
            case tree.Unary(operand=operand):
                yield from _names([operand])
            case tree.Binary(left=left, right=right):
                yield from _names([left, right])
            case tree.Call(arguments=arguments):
                yield from _names(arguments)
            case tree.Index(index=index):
                yield from _names([index])
            case tree.Memory(address=address):
                yield from _names([address])
