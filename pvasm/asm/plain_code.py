"""An image of code that is nothing but instructions, stops and labels, line by line: what most generated programs are.

There is nothing in it that a document tells of, or that `elaborate.py` follows; and of instructions that differ in
nothing but registers and numbers (`alike.py`) it is known which rows they may be, and which bits each word adds to the
instruction's. Whatever else there is, is left to `read_document` and `lay_out`, and so is all that is wrong: they say
where.
"""

from __future__ import annotations

from functools import cache
from typing import Final

from msgspec import Struct

from pvasm.asm.image import Image, Segment
from pvasm.asm.layout import with_absolute_target
from pvasm.asm.open_encoding import Way, ways_of
from pvasm.asm.packing import MOST, Placed, nops, number_of, packed_numbers
from pvasm.asm.resolve import resolve
from pvasm.asm.scope import Scope
from pvasm.errors import PvasmError
from pvasm.isa.bundle import SIZE, SLOT_BITS, TEMPLATES, Bundle
from pvasm.isa.encoding import EncodingError, encode
from pvasm.isa.table import Form
from pvasm.regex import regex
from pvasm.syntax import alike, tree
from pvasm.syntax.parser import Parser

_LINE: Final = regex(r"[ \t]*+([A-Za-z_(][\w.,:=()\[\]@ \t-]*+)?(;;)?[ \t]*+")
_ALLOCATES: Final = "alloc"
_OF_FRAMES: Final = regex(r"\b(?:in|loc|out)[0-9]")  # names that mean other registers behind an alloc
_TEXT: Final = ".text"


class _NotPlain(Exception):  # noqa: N818 (nothing is wrong)
    """A closer look has to be taken."""


def lay_out_plain(parser: Parser, text: str, *, address: int, start: int) -> Image | None:
    """The image of code from an address on, as `lay_out` makes it, but for its lines; None for what is not so plain."""
    if (address | start) % SIZE or (_ALLOCATES in text and _OF_FRAMES.search(text)):
        return None
    code = _Code(address, start)
    scope = Scope()
    try:
        for line in text.split("\n"):
            found = _LINE.fullmatch(line)
            if found is None:
                return None
            chunk, stop = found.groups()
            if chunk:
                _put(code, parser, scope, chunk.rstrip())
            if stop:
                code.stop()
        return code.image()
    except (PvasmError, EncodingError, _NotPlain):  # what is wrong is to be told with its place
        return None


def _put(code: _Code, parser: Parser, scope: Scope, chunk: str) -> None:
    """Places what stands in a line. Raises PvasmError for what is wrong, _NotPlain for what is not plain."""
    pieces = alike.split(chunk)
    likeness = alike.likeness_of(pieces) if len(pieces) > 1 else None
    if likeness is not None:
        ways = _KNOWN.get(likeness)
        if ways is None:
            if len(_KNOWN) >= _MOST_KNOWN:
                _KNOWN.clear()
            ways = _KNOWN[likeness] = [(each, _place_of(each.form, ())) for each in ways_of(parser, chunk)]
        words = pieces[1::2]
        for way, place in ways:
            bits = way.encoded(words)
            if bits is not None:
                code.put(place, bits)
                return
    parsed = parser.chunk(chunk)
    if len(parsed) != 1:
        raise _NotPlain
    (syntax,) = parsed
    if isinstance(syntax, tree.Label):
        code.label(syntax.name)
        return
    if not isinstance(syntax, tree.Instruction):
        raise _NotPlain
    resolved = resolve(syntax, scope)
    if resolved.predicate is None:
        raise _NotPlain
    code.put(_place_of(resolved.form, tuple([each.form for each in resolved.alternatives])), Placed(resolved, 0))


_KNOWN: Final[dict[str, list[tuple[Way, _Place]]]] = {}
_MOST_KNOWN: Final = 1 << 14


# ----------------------------------------------------------------------------------------- bundles


class _Place(Struct, frozen=True):
    """What matters to the place of an instruction: whether it begins a group, and its number as it is, with a stop
    behind it, with a label before it, and with both.
    """

    first_in_group: bool
    numbers: tuple[int, ...]


@cache
def _place_of(form: Form, others: tuple[Form, ...]) -> _Place:
    numbers = [number_of(form, others, stop, label, None) for label in (False, True) for stop in (False, True)]
    return _Place(form.first_in_group, tuple(numbers))


_STOP, _LABEL = 1, 2  # of the numbers of a place


class _Waiting(Struct):
    """An instruction that is in no bundle yet: its place and which of the numbers there counts, its bits, or what they
    are made of when labels have their places, and the labels before it.
    """

    place: _Place
    number: int
    what: int | Placed
    labels: list[str]


class _Code:
    """Code as it grows, from `start` on: bundles as `Placing` makes them of nothing but instructions."""

    def __init__(self, address: int, start: int) -> None:
        self.address = address + start
        self.bundles: list[int] = []
        self.labels: dict[str, int] = {}
        self.labels_before: list[str] = []  # that stand before the next instruction
        self.waiting: list[_Waiting] = []
        self.later: list[tuple[int, Placed, int]] = []  # what has no bits yet: in which bundle, and in which slot

    def put(self, place: _Place, what: int | Placed) -> None:
        """Adds an instruction."""
        if place.first_in_group:
            self.stop()
        labels = self.labels_before
        if labels:
            self.labels_before = []
        self.waiting.append(_Waiting(place, _LABEL if labels else 0, what, labels))
        if len(self.waiting) > MOST:
            self._bundle()

    def stop(self) -> None:
        """Ends the group behind the last instruction."""
        if self.waiting:
            self.waiting[-1].number |= _STOP

    def label(self, name: str) -> None:
        """Adds a label. Raises _NotPlain for one of several with a name."""
        if name.isdigit() or name in self.labels:
            raise _NotPlain
        self.labels[name] = 0
        self.labels_before.append(name)

    def _bundle(self) -> None:
        """Makes a bundle of the first instructions that wait. Raises _NotPlain where none of them fits."""
        waiting = self.waiting
        frame = _frame(tuple([each.place.numbers[each.number] for each in waiting[:MOST]]))
        count = len(frame.slots)
        if not count:
            raise _NotPlain
        bits = frame.bits
        for each, slot in zip(waiting, frame.slots, strict=False):
            what = each.what
            if isinstance(what, int):
                bits |= _in_slot(what, slot, is_long=True) if frame.is_long and slot else what << _SHIFTS[slot]
            else:
                self.later.append((len(self.bundles), what, slot))
            for name in each.labels:
                self.labels[name] = self._here
        self.bundles.append(bits)
        del waiting[:count]

    @property
    def _here(self) -> int:
        return self.address + SIZE * len(self.bundles)

    def image(self) -> Image:
        """All of it. Raises EncodingError for what is out of reach, _NotPlain for names that are no labels here."""
        self.stop()
        while self.waiting:
            self._bundle()
        for name in self.labels_before:
            self.labels[name] = self._here
        for number, placed, slot in self.later:
            self.bundles[number] |= self._encoded(number, placed, slot)
        data = bytearray(b"".join([each.to_bytes(SIZE, "little") for each in self.bundles]))
        return Image([Segment(_TEXT, self.address, data, bool(data))], self.labels, gp=self._here, path="")

    def _encoded(self, number: int, placed: Placed, slot: int) -> int:
        """What an instruction adds to the bits of its bundle."""
        unit = TEMPLATES[self.bundles[number] & _TEMPLATE].units[slot]
        address = self.address + SIZE * number
        resolved = placed.for_slot(unit)
        if resolved.form.has_target:
            resolved = with_absolute_target(resolved, address)
        return _in_slot(encode(resolved, address, self._value), slot, is_long=unit == "L")

    def _value(self, expression: tree.Expression) -> int:
        value = self.labels.get(expression.text) if isinstance(expression, tree.Name) else None
        if value is None:
            raise _NotPlain
        return value


class _Frame(Struct, frozen=True):
    """A bundle around its instructions: its bits, and the slots that it has for them."""

    bits: int
    slots: tuple[int, ...]
    is_long: bool  # whether slot 1 is for a long instruction


@cache
def _frame(numbers: tuple[int, ...]) -> _Frame:
    """How a bundle takes the first of instructions with these numbers."""
    how = packed_numbers(numbers, False, ())
    is_long = TEMPLATES[how.template].units == "MLX"
    taken = {*how.slots, 2} if is_long and 1 in how.slots else set(how.slots)
    around = [0 if slot in taken else bits for slot, bits in enumerate(nops(how.template))]
    first, second, third = around
    bits = int.from_bytes(Bundle(how.template, (first, second, third)).to_bytes(), "little")
    return _Frame(bits, how.slots, is_long)


_TEMPLATE: Final = 31
_SHIFTS: Final = tuple(5 + SLOT_BITS * slot for slot in range(3))


def _in_slot(bits: int, slot: int, *, is_long: bool) -> int:
    """The bits of an instruction in its slot of a bundle; those of a long one in the slots L and X."""
    if not is_long:
        return bits << _SHIFTS[slot]
    own = bits & (1 << SLOT_BITS) - 1
    return bits >> SLOT_BITS << _SHIFTS[slot] | own << _SHIFTS[slot + 1]
