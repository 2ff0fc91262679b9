"""From statements to an image, without an assembler: sections, labels, data, and instructions in bundles.

Sections stand one after the other in the order in which they begin. Instructions go into bundles as GNU as puts them
there in explicit mode (`packing.py`), so that each is at the same place.
"""

from __future__ import annotations

import re
import struct
from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import reduce
from typing import Final

from msgspec import Struct, field

from pvasm.asm.elaborate import Fork, Step, Visitor, elaborate
from pvasm.asm.image import Image, Segment
from pvasm.asm.packing import MOST, Packed, Placed, nops, packed
from pvasm.asm.resolve import resolve
from pvasm.asm.scope import OperandError, Scope
from pvasm.errors import PvasmError, UndefinedSymbols
from pvasm.isa.bundle import SIZE, SLOT_BITS, TEMPLATES, Bundle
from pvasm.isa.encoding import EncodingError, encode, padding_bundle
from pvasm.isa.instruction import Instruction, instruction_of
from pvasm.isa.operands import Symbolic, signed64
from pvasm.regex import regex
from pvasm.syntax import tree
from pvasm.syntax.document import Document
from pvasm.syntax.parser import parse_expression
from pvasm.syntax.path_conditions import Conditions
from pvasm.syntax.sections import SECTION_DIRECTIVES, Sections
from pvasm.syntax.tokens import SETTING

_WORD: Final = (1 << 64) - 1
_MOST_BYTES: Final = 1 << 28
_PREPROCESS: Final = ": preprocess the source (-I, -D)"
_LARGEST_FILL: Final = 8
_WORD_SIZE: Final = 8
_SECTION_ALIGNMENT: Final = 16
_MARK_OF_REAL: Final = regex(r"^([-+]?)0[rRfFdD]")
_ESCAPE_IN_STRING: Final = regex(r"\\([0-9]{1,3}|x[0-9a-fA-F]*|.)")
_LOCAL: Final = regex(r"\d+[bf]")

# Data directives: bytes an element. The assembler aligns most of them, but for those with `.ua` after their names; a
# label before one stays where it is.
_UNALIGNED: Final = {f".{size}byte": size for size in (1, 2, 4, 8)}
_SIZES: Final = {
    **{f"data{size}": size for size in (1, 2, 4, 8, 16)},
    ".byte": 1,
    ".short": 2,
    ".hword": 2,
    ".word": 2,
    ".int": 4,
    ".long": 4,
    ".quad": 8,
    ".octa": 16,
    **_UNALIGNED,
}
_FLOATS: Final = {"real4": ("f", 4), "real8": ("d", 8), ".float": ("f", 4), ".single": ("f", 4), ".double": ("d", 8)}
_STRINGS: Final = {"string": b"", "stringz": b"\0", ".ascii": b"", ".asciz": b"\0", ".string": b"\0"}
_ALIGNED: Final = (".align", ".balign")
_SKIPS: Final = (".skip", ".space", ".zero")
_GLOBAL: Final = (".global", ".globl")
_COMMON: Final = (".comm", ".lcomm", ".common")
# What adds nothing to code, but ends the bundle before it, with a stop.
_ENDING: Final = frozenset((".endp", ".ident", ".proc"))
# What says something about code and adds nothing to it.
_NO_CODE: Final = frozenset(
    (
        ".alias",
        ".auto",
        ".body",
        ".default",
        ".entry",
        ".estate",
        ".explicit",
        ".file",
        ".hidden",
        ".internal",
        ".line",
        ".ln",
        ".loc",
        ".local",
        ".lsb",
        ".mem.offset",
        ".msb",
        ".pred.rel",
        ".pred.rel.clear",
        ".pred.rel.imply",
        ".pred.rel.mutex",
        ".pred.safe_across_calls",
        ".print",
        ".prologue",
        ".protected",
        ".psr",
        ".radix",
        ".reg.val",
        ".regstk",
        ".rotf",
        ".rotp",
        ".rotr",
        ".secalias",
        ".serialize.data",
        ".serialize.instruction",
        ".size",
        ".symver",
        ".type",
        ".version",
        ".warning",
    )
)
_UNWINDING: Final = regex(
    r"\.(save|fframe|vframe|vframesp|vframepsp|spill|spillreg|spillsp|spillpsp|restore|restorereg|altrp|unwabi"
    r"|label_state|copy_state|handlerdata|personality|unwentry|savesp|savepsp|save\.\w+|spill\.\w+|spillreg\.p"
    r"|spillsp\.p|spillpsp\.p|restorereg\.p|cfi_\w+)"
)


def adds_nothing(directive: str) -> bool:
    """Whether a directive says something about code and adds nothing to it."""
    known = directive in _NO_CODE or directive in _ENDING or directive in _COMMON
    return known or _UNWINDING.fullmatch(directive) is not None


class _Data(Struct):
    """Bytes that stand in a section: given, or the values of expressions, `size` bytes each."""

    offset: int
    origin: int
    size: int
    values: tuple[tree.Expression, ...] = ()
    given: bytes = b""


class _Code(Struct):
    """A bundle: where, its template, and what is in which slot."""

    offset: int
    template: int
    slots: tuple[int, ...]
    instructions: list[Placed]


class _Section(Struct):
    """A section as it grows: up to `size`, and from `start` on where it has an image."""

    name: str
    size: int = 0
    start: int = 0
    alignment: int = _SECTION_ALIGNMENT
    data: list[_Data] = field(default_factory=list)
    code: list[_Code] = field(default_factory=list)
    padding: list[tuple[int, int]] = field(default_factory=list)
    address: int = 0


def lay_out(
    document: Document,
    headers: Sequence[Document] = (),
    *,
    address: int = 0x10000,
    start: int = 0,
    known: Mapping[str, bool] | None = None,
    stubs: Mapping[str, int] | None = None,
    tells_lines: bool = True,
) -> Image:
    """The image of a document's code from an address on; with the lines that it came from, unless nobody asks.

    The first section begins there, and what is in it `start` bytes behind: `.org` counts from where it begins.
    `stubs` are the addresses of symbols that are defined elsewhere. Raises PvasmError, with its place, for what is no
    statement, an instruction that there is not or that fits no bundle, and a directive that is not known;
    UndefinedSymbols for all symbols that nothing defines.
    """
    placing = _placed(document, headers, start, known or {})
    return linked([placing], address, {} if stubs is None else stubs, tells_lines=tells_lines)


def lay_out_together(
    documents: Sequence[Document], *, address: int = 0x10000, stubs: Mapping[str, int] | None = None
) -> Image:
    """One image of several documents' code, one behind the other: what one makes global, the others can name.

    Raises as `lay_out` does, and PvasmError for a symbol that two of them define for the others.
    """
    placings = [_placed(document, (), 0, {}) for document in documents]
    return linked(placings, address, {} if stubs is None else stubs, tells_lines=True)


class PlacedBundle(Struct, frozen=True):
    """A bundle of a document's code: its section, its offset in it, its template by number, and the statements whose
    instructions it holds, with their slots (L of a long one); other slots hold nops.
    """

    section: str
    offset: int
    template: int
    statements: tuple[int, ...]
    slots: tuple[int, ...]


class CodePlaces:
    """Where the code of a document stands in its sections, before these have addresses.

    `bundles` are in order of sections and offsets, `labels` are (section, offset) by name.
    """

    def __init__(self, placing: Placing) -> None:
        self._placing = placing
        self._first = {statement: number for number, (statement, _, _) in reversed([*enumerate(placing.places)])}
        self.bundles: list[PlacedBundle] = []
        for section in placing.made.values():
            for code in section.code:
                statements = tuple([placing.places[each.origin][0] for each in code.instructions])
                self.bundles.append(PlacedBundle(section.name, code.offset, code.template, statements, code.slots))
        self.labels = {name: (section.name, offset) for name, (section, offset) in placing.labels.items()}
        self.sizes = {name: section.size for name, section in placing.made.items()}

    def numbered_label(self, name: str, statement: int) -> int | None:
        """The statement of the label that `1b` or `1f` means at a statement; None if there is none."""
        places = self._placing.numbered.get(name[:-1], ())
        origin = self._first.get(statement, 0)
        before, behind = ([at for at, _, _ in places if (at > origin) == is_behind] for is_behind in (False, True))
        found = before[-1:] if name[-1] == "b" else behind[:1]
        return self._placing.places[found[0]][0] if found else None


def code_places(document: Document, visitors: Sequence[Visitor] = ()) -> CodePlaces:
    """Where a document's code stands in its sections; symbols need no value for that.

    `visitors` look on as the code is read. Raises PvasmError as `lay_out` does.
    """
    return CodePlaces(_placed(document, (), 0, {}, visitors))


def _placed(
    document: Document,
    headers: Sequence[Document],
    start: int,
    known: Mapping[str, bool],
    visitors: Sequence[Visitor] = (),
) -> Placing:
    placing = Placing(document, start)
    elaborate(document, headers, placing.scope, known, (), [*visitors, placing], every_turn=True)
    placing.finish()
    return placing


class Placing(Visitor):
    """Gives everything its place in its section."""

    def __init__(self, document: Document, start: int) -> None:
        self.document = document
        self.start = start
        self.scope = Scope()
        self.sections = Sections()
        self.made: dict[str, _Section] = {}
        self.labels: dict[str, tuple[_Section, int]] = {}
        self.numbered: dict[str, list[tuple[int, _Section, int]]] = {}  # `1:`, each with the statement's number
        self.places: list[tuple[int, _Section, int]] = []  # of each statement of interest: statement, section, offset
        self.assigned: dict[int, int] = {}  # by identity of the expression: the number of the assignment
        self.values: dict[str, tuple[tree.Expression, int]] = {}
        self.waiting: list[Placed] = []  # instructions that are in no bundle yet
        self.between: list[Placed] = []  # and those between braces
        self.tags: list[tuple[str, int]] = []  # that stand before the next instruction, each with its number
        self.tagged: dict[int, list[tuple[str, int]]] = {}  # by the origin of the instruction
        self.template: str | None = None  # that is named before the next instruction
        self.labels_before: list[int] = []  # that stand before it, by the numbers of their statements
        self.names: dict[int, str] = {}  # of labels, by the numbers of their statements
        self.weak: set[str] = set()  # names that are 0 if nothing defines them
        self.exported: dict[str, int] = {}  # names that are global, each with the statement that says so
        self.explicit = False
        self.opened: int | None = None  # the statement of the brace that is open

    @property
    def section(self) -> _Section:
        """The section that is filled."""
        name = self.sections.current
        found = self.made.get(name)
        if found is None:
            start = 0 if self.made else self.start
            found = self.made[name] = _Section(name, start, start)
        return found

    # ----------------------------------------------------------------------------------- what is read

    def fork(self, fork: Fork) -> None:
        """Alternatives have no place in an image: which is compiled must be known."""
        if fork.condition is not None or fork.name != "endif":
            raise self._error(fork.statement, f"which arm of a conditional is assembled is not known here{_PREPROCESS}")

    def gap(self, reason: str, statement: int, conditions: Conditions) -> None:
        """What is not followed cannot be laid out."""
        raise self._error(statement, reason or f"what this stands for is not known{_PREPROCESS}")

    def unfinished(self, statement: int) -> None:
        """GNU as refuses it."""
        raise self._error(statement, "an .if that has no .endif")

    def step(self, step: Step, scope: Scope) -> None:
        """Places a statement."""
        if step.macro is not None:
            return
        syntax = step.syntax
        if syntax.__class__ is tree.Stop:
            self.stop()
            return
        number = self.number(step.statement)
        match syntax:
            case tree.Instruction():
                self._instruction(step, syntax, scope, number)
            case tree.Label(name=name):
                self.label(name, number)
            case tree.Tag(name=name):
                self.tags.append((name, number))
            case tree.BundleOpen():
                self.explicit, self.template, self.opened = True, None, step.statement
            case tree.BundleClose():
                self._close(step.statement)
            case tree.Template(name=name):
                self.template = name
            case tree.Directive():
                self._directive(syntax, scope, number, step.statement)
            case tree.Assignment(name=name, value=value) if value is not None:
                self._assign(name, value, number)
            case tree.CppDirective():
                pass
            case tree.MacroCall(name=name):
                raise self._error(step.statement, f"`{name}' is no instruction and no macro that is defined")
            case tree.Unparsed(reason=reason):
                raise self._error(step.statement, reason)

    def finish(self) -> None:
        """Ends what is open. Raises PvasmError for a bundle that is not closed."""
        if self.explicit and self.opened is not None:
            raise self._error(self.opened, "`{' without `}'")
        self._flush()

    def _error(self, statement: int, message: str) -> PvasmError:
        return PvasmError(message, *self.document.place(self.document.statements[statement].start))

    def number(self, statement: int) -> int:
        """A number for a statement that is read, later than all before it."""
        section = self.section
        self.places.append((statement, section, section.size))
        return len(self.places) - 1

    def _instruction(self, step: Step, syntax: tree.Instruction, scope: Scope, number: int) -> None:
        try:
            resolved = resolve(syntax, scope)
        except OperandError as error:
            raise self._error(step.statement, error.message) from None
        if resolved.predicate is None:
            raise self._error(step.statement, f"which predicate this is under is not known{_PREPROCESS}")
        self.put(resolved, number)

    def stop(self) -> None:
        """Ends the group behind the last instruction."""
        if self.between or self.waiting:
            (self.between or self.waiting)[-1].stop = True

    def put(self, resolved: Instruction, number: int) -> None:
        """Places an instruction whose predicate is known."""
        new = Placed(resolved, number, False, tuple(self.labels_before), self.template)
        self.labels_before.clear()
        self.template = None
        if self.tags:
            self.tagged[number], self.tags = self.tags, []
        if self.explicit:
            self.between.append(new)
            return
        if resolved.form.first_in_group and self.waiting:
            self.waiting[-1].stop = True
        self.waiting.append(new)
        if len(self.waiting) > MOST:
            self._bundle()

    def label(self, name: str, number: int) -> None:
        """Places a label. Raises PvasmError for one that stands elsewhere already."""
        section = self.section
        if name.isdigit():
            self.numbered.setdefault(name, []).append((number, section, section.size))
        elif name in self.labels:
            if self._is_here(name):
                return  # the same place again, which is no mistake to the assembler either
            raise self._error(self.places[number][0], f"`{name}' is defined twice")
        else:
            self.labels[name] = section, section.size
        self.names[number] = name
        self.labels_before.append(number)

    def _is_here(self, name: str) -> bool:
        """Whether a label stands where the next one would."""
        if self.waiting or self.between or self.labels_before:
            return any(self.names[number] == name for number in self.labels_before)
        return self.labels[name] == (self.section, self.section.size)

    def _place_labels(self, labels: Iterable[int]) -> None:
        """Gives labels their place: here."""
        section = self.section
        place = section, section.size
        for number in labels:
            self.places[number] = (self.places[number][0], *place)
            name = self.names[number]
            if name.isdigit():
                same = self.numbered[name]
                same[bisect_left(same, number, key=lambda entry: entry[0])] = (number, *place)
            else:
                self.labels[name] = place

    def _tag(self, name: str, number: int, offset: int) -> None:
        """Gives a tag its place: a bundle, with the slot in the low bits."""
        place = self.section, offset
        if name.isdigit():
            insort(self.numbered.setdefault(name, []), (number, *place), key=lambda entry: entry[0])
        else:
            self.labels[name] = place

    def _close(self, statement: int) -> None:
        if not self.explicit:
            raise self._error(statement, "`}' without `{'")
        while self.waiting:
            self._bundle(self.between)
        self._bind()
        self.explicit, self.template = False, None

    def _flush(self) -> None:
        """Puts all instructions that wait in bundles: with what is no instruction, a group ends."""
        section = self.section
        if self.waiting:
            self.waiting[-1].stop = True
        elif section.code and section.code[-1].offset + SIZE == section.size:
            section.code[-1].template |= 1
        while self.waiting:
            self._bundle()
        self._bind()
        self._place_labels(self.labels_before)
        self.labels_before.clear()

    def _bind(self) -> None:
        """Makes a bundle of what stands between braces."""
        if not self.between:
            return
        instructions, self.between = self.between, []
        how = packed(instructions, explicit=True)
        self._check_fit(instructions, how)
        self._put_bundle(instructions, how)

    def _bundle(self, following: Sequence[Placed] = ()) -> None:
        """Makes a bundle of the first instructions that wait; `following` are those between the next braces."""
        how = packed(self.waiting[:MOST], explicit=False, following=following)
        count = len(how.slots)
        if not count:
            self._check_fit(self.waiting, how)
        instructions, self.waiting = self.waiting[:count], self.waiting[count:]
        self._put_bundle(instructions, how)

    def _check_fit(self, instructions: Sequence[Placed], how: Packed) -> None:
        if how.misfit is not None:
            wrong = instructions[how.misfit.place]
            text = f"`{wrong.instruction.text}' {how.misfit.reason}"
            raise self._error(self.places[wrong.origin][0], text)

    def _put_bundle(self, instructions: list[Placed], how: Packed) -> None:
        section = self.section
        self._align(section, SIZE)
        for each, slot in zip(instructions, how.slots, strict=True):
            self.places[each.origin] = (self.places[each.origin][0], section, section.size)
            if each.labels:
                self._place_labels(each.labels)
            for name, number in self.tagged.pop(each.origin, ()):
                self._tag(name, number, section.size + slot)
        section.code.append(_Code(section.size, how.template, how.slots, instructions))
        section.size += SIZE

    @staticmethod
    def _align(section: _Section, to: int) -> None:
        section.size += -section.size % to
        section.alignment = max(section.alignment, to)

    # ------------------------------------------------------------------------------------ directives

    def _assign(self, name: str, value: tree.Expression, number: int) -> None:
        self.assigned[id(value)] = number
        self.values[name] = (value, number)

    def _directive(self, directive: tree.Directive, scope: Scope, number: int, statement: int) -> None:
        name, arguments = directive.name, directive.arguments
        base = name.removesuffix(".ua")
        if name in SECTION_DIRECTIVES:
            self._flush()
            self.sections.turn(name, arguments)
            return
        if name == ".weak":
            self.weak.update(text.strip() for text in arguments)
            return
        if name in _GLOBAL:
            self.exported.update((text.strip().removesuffix("#"), statement) for text in arguments)
            return
        if name in SETTING and len(arguments) == 2:
            value = parse_expression(arguments[1])
            if value is not None:
                self._assign(arguments[0].strip().removesuffix("#"), value, number)
            return
        if name in _ENDING:
            self._flush()
            return
        if name in _NO_CODE or _UNWINDING.fullmatch(name):
            return
        if base.startswith((".x", "x")) and base.lstrip(".")[1:] in {**_SIZES, **_STRINGS}:
            self._elsewhere(base.lstrip(".")[1:], arguments, number, statement)
            return
        if base not in _COMMON:  # room elsewhere, which leaves the code here alone
            self._flush()
        section = self.section
        self.places[number] = (statement, section, section.size)
        if base in _SIZES:
            if name == base and name not in _UNALIGNED:
                self._align(section, _SIZES[base])
                self.places[number] = (statement, section, section.size)
            self._values(section, _SIZES[base], arguments, number, statement)
        elif base in _STRINGS:
            for text in arguments:
                self._put(section, number, _bytes_of(text) + _STRINGS[base])
        elif base in _FLOATS:
            letter, size = _FLOATS[base]
            if name == base and name[0] != ".":
                self._align(section, size)
            for text in arguments:
                self._put(section, number, struct.pack(f"<{letter}", self._real(text, statement)))
        elif base in (*_ALIGNED, ".p2align", *_SKIPS, ".org", ".fill", *_COMMON):
            self._room(base, arguments, scope, section, number)
        else:
            raise self._error(statement, f"{name} is not known here")

    def _values(self, section: _Section, size: int, arguments: Sequence[str], number: int, statement: int) -> None:
        values = [parse_expression(text.strip()) for text in arguments]
        wrong = next((text for text, value in zip(arguments, values, strict=True) if value is None), None)
        if wrong is not None:
            raise self._error(statement, f"`{wrong.strip()}' is no expression")
        known = tuple(value for value in values if value is not None)
        section.data.append(_Data(section.size, number, size, known))
        section.size += size * len(known)

    @staticmethod
    def _put(section: _Section, number: int, data: bytes) -> None:
        section.data.append(_Data(section.size, number, 1, (), data))
        section.size += len(data)

    def _elsewhere(self, base: str, arguments: Sequence[str], number: int, statement: int) -> None:
        """`.xdata4 "section", ...`: in another section."""
        name = arguments[0].strip(' "') if arguments else ""
        section = self.made.setdefault(name, _Section(name))
        if base in _SIZES:
            self._values(section, _SIZES[base], arguments[1:], number, statement)
        else:
            for text in arguments[1:]:
                self._put(section, number, _bytes_of(text) + _STRINGS[base])

    def _pad(self, section: _Section, start: int, value: int | None) -> None:
        """Fills what an alignment has left free: with a value, or, as control may come there, with bundles of nops."""
        if value is None:
            section.padding.append((start + -start % SIZE, section.size))
        elif value & 255:
            data = bytes([value & 255]) * (section.size - start)
            section.data.append(_Data(start, len(self.places) - 1, 1, (), data))

    def _room(self, name: str, arguments: Sequence[str], scope: Scope, section: _Section, number: int) -> None:
        """Room without values, or up to a place."""
        statement = self.places[number][0]
        if name in _COMMON:
            symbol, room, *alignment = (text.strip() for text in arguments)
            common = self.made.setdefault(".bss", _Section(".bss"))
            self._align(common, self._count(alignment[0], scope, statement) if alignment else 16)
            self.labels.setdefault(symbol, (common, common.size))
            common.size += self._count(room, scope, statement)
            return
        counts = [self._count(text, scope, statement) for text in arguments if text.strip()]
        if not counts:
            raise self._error(statement, f"{name} wants a number")
        if min(counts) < 0 and name != ".fill":
            raise self._error(statement, f"{name} of {min(counts)}")
        if name in _ALIGNED or name == ".p2align":
            to = 1 << min(counts[0], 64) if name == ".p2align" else counts[0]
            if to > _MOST_BYTES:
                raise self._error(statement, f"{to:#x} is too large: at most {_MOST_BYTES:#x}")
            if to & (to - 1) or not to:
                raise self._error(statement, f"{to} is no power of two")
            before = section.size
            self._align(section, to)
            self._pad(section, before, counts[1] if len(counts) > 1 else None)
            return
        if name == ".fill":
            repeat, size, value = [*counts, 1, 0][:3] if len(counts) == 1 else [*counts, 0][:3]
            if min(repeat, size) < 0 or repeat * size > _MOST_BYTES:
                raise self._error(statement, f".fill of {repeat} times {size} bytes")
            size = min(size, _LARGEST_FILL)  # as GNU as has it
            data = (value & (1 << 8 * size) - 1).to_bytes(size, "little") * repeat
            section.data.append(_Data(section.size, number, 1, (), data))
            section.size += len(data)
        elif name == ".org":
            if counts[0] < section.size:
                raise self._error(statement, f".org goes back, from {section.size:#x} to {counts[0]:#x}")
            section.size = counts[0]
        else:
            if len(counts) > 1 and counts[1]:
                data = bytes([counts[1] & 255]) * min(counts[0], _MOST_BYTES)
                section.data.append(_Data(section.size, number, 1, (), data))
            section.size += counts[0]
        if section.size > _MOST_BYTES:
            raise self._error(statement, f"the section {section.name} is larger than {_MOST_BYTES:#x} bytes")

    def _count(self, text: str, scope: Scope, statement: int) -> int:
        """A number that must be known here: labels before it count, as offsets in one section."""
        expression = parse_expression(text.strip())
        value: object = None
        if expression is not None:
            value = evaluated(expression, scope, self._offset)
        if not isinstance(value, int):
            raise self._error(statement, f"what `{text.strip()}' is, is not known here")
        return signed64(value)

    def _offset(self, name: str) -> int | None:
        if name == ".":
            return self.section.size
        found = self.labels.get(name)
        return found[1] if found is not None else None

    def _real(self, text: str, statement: int) -> float:
        try:
            return float(_MARK_OF_REAL.sub(r"\1", text.strip()))
        except ValueError:
            raise self._error(statement, f"`{text.strip()}' is no number") from None


def _bytes_of(text: str) -> bytes:
    """The bytes of a quoted string, escapes as the assembler has them."""
    inner = text.strip()[1:-1]

    def byte(found: re.Match[str]) -> str:
        word = found[1]
        if word[0].isdigit():  # 8 and 9 count as well: \8 is 8, \18 is 16
            return chr(reduce(lambda value, digit: value * 8 + int(digit), word, 0) & 255)
        if word[0] == "x":
            return chr(int(word[1:] or "0", 16) & 255)
        return _ESCAPES.get(word, word)

    made = _ESCAPE_IN_STRING.sub(byte, inner)
    return b"".join(bytes([ord(each)]) if ord(each) < 256 else each.encode() for each in made)


_MOST_ASKED: Final = 64
_ESCAPES: Final = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}


def evaluated(expression: tree.Expression, scope: Scope, symbol: Callable[[str], int | None]) -> object:
    """What an expression is once its symbols are numbers; something that is no int where it is not known."""

    def replaced(node: tree.Expression) -> tree.Expression:
        match node:
            case tree.Name(text=text):
                value = symbol(text)
                return node if value is None else tree.Number(str(value), value & _WORD, node.start, node.end)
            case tree.Unary(operator=operator, operand=operand):
                return tree.Unary(operator, replaced(operand), node.start, node.end)
            case tree.Binary(operator=operator, left=left, right=right):
                return tree.Binary(operator, replaced(left), replaced(right), node.start, node.end)
        return node

    try:
        return scope.evaluate(replaced(expression))
    except OperandError:
        return None


def with_absolute_target(resolved: Instruction, address: int) -> Instruction:
    """An instruction whose target, if it is written as a number, is how far it is from its own bundle."""
    operands = tuple(
        value + address if isinstance(value, int) and spec.kind is not None and spec.kind.is_target else value
        for spec, value in zip(resolved.form.operands, resolved.operands, strict=True)
    )
    return instruction_of(resolved.spelling, operands, resolved.predicate)


class _Undefined(Exception):  # noqa: N818  (the error is made of all of them)
    """Something has no value, for nothing defines a symbol of it."""


class _LinkageTable(Struct):
    """The linkage table of an image, from `address` on, where gp points to: what is kept in it, and where."""

    address: int
    entries: dict[tuple[str, int], int] = field(default_factory=dict)
    contents: list[int] = field(default_factory=list)

    def entry(self, kind: str, value: int) -> int:
        """The address of an entry: a word, or a function descriptor (entry point and gp)."""
        known = self.entries.get((kind, value))
        if known is None:
            known = self.entries[kind, value] = self.address + 8 * len(self.contents)
            self.contents += [value] if kind == "word" else [value, self.address]
        return known


def linked(placings: Sequence[Placing], address: int, stubs: Mapping[str, int], *, tells_lines: bool) -> Image:
    """The image of what has been placed. Raises UndefinedSymbols, or PvasmError for what is out of reach."""
    for placing in placings:
        for section in placing.made.values():
            address += -address % section.alignment
            section.address = address
            address += section.size
    table = _LinkageTable(address + -address % SIZE)
    linkings = [_Linking(placing, table, stubs) for placing in placings]
    owners = _owners(linkings) if len(linkings) > 1 else {}
    for linking in linkings:
        linking.others = {name: owner for name, owner in owners.items() if name not in linking.defined()}
    image = Image(symbols=dict(stubs), path=placings[0].document.path, gp=table.address)
    undefined: dict[str, PvasmError] = {}
    for linking in linkings:
        label = f" of {linking.placing.document.path}" if len(linkings) > 1 else ""
        image.segments += linking.segments(label)
        image.lines += linking.lines() if tells_lines else ()
        image.warnings += linking.warnings
        undefined |= {name: error for name, error in linking.undefined.items() if name not in undefined}
    for linking in reversed(linkings):  # of local names that several have, the first one's counts
        image.symbols.update(linking.labels())
    image.symbols.update((name, owner.value_of(name)) for name, owner in owners.items())
    if undefined:
        raise UndefinedSymbols(undefined)
    if table.contents:
        words = bytearray(struct.pack(f"<{len(table.contents)}Q", *table.contents))
        image.segments.append(Segment(".got", table.address, words))
    image.lines.sort()
    return image


def _owners(linkings: Sequence[_Linking]) -> dict[str, _Linking]:
    """By global symbol the file that defines it. Raises PvasmError for one that two of them define."""
    owners: dict[str, _Linking] = {}
    for is_weak in (False, True):  # what another defines goes before a weak one
        for linking in linkings:
            placing = linking.placing
            names = placing.weak if is_weak else placing.exported.keys() - placing.weak
            for name in sorted(linking.defined() & names):
                owner = owners.setdefault(name, linking)
                if owner is not linking and not is_weak:
                    place = placing.document.statements[placing.exported[name]].start
                    said = f"`{name}' is global here and in {owner.placing.document.path}"
                    raise PvasmError(said, *placing.document.place(place))
    return owners


class _Linking:
    """Gives values to what names the sections of a file, which have their addresses."""

    def __init__(self, placing: Placing, table: _LinkageTable, stubs: Mapping[str, int]) -> None:
        self.placing = placing
        self.table = table
        self.stubs = stubs
        self.others: dict[str, _Linking] = {}  # by symbol: the file that defines it for this one
        self.scope = Scope()
        self.known: dict[str, int] = {}  # what names are, of those that others define
        self.asked: list[str] = []  # names whose value is being found, each for the one before
        self.warnings: list[PvasmError] = []
        self.here: int | None = None  # what `.` is among the values of one directive
        self.undefined: dict[str, PvasmError] = {}  # by name: the error at its first place

    def defined(self) -> set[str]:
        """The names that the file defines."""
        return self.placing.labels.keys() | self.placing.values.keys()

    def labels(self) -> dict[str, int]:
        """The addresses of its labels."""
        return {name: section.address + at for name, (section, at) in self.placing.labels.items()}

    def segments(self, label: str) -> list[Segment]:
        """Its sections; `label` is behind their names. Raises PvasmError for what is out of reach."""
        made = []
        for section in self.placing.made.values():
            start = section.start
            data = bytearray(section.size - start)
            if section.code:
                for begin, end in section.padding:
                    data[begin - start : end - start] = padding_bundle() * ((end - begin) // SIZE)
            for each in section.data:
                raw = each.given or self._values(each, section.address + each.offset)
                data[each.offset - start : each.offset - start + len(raw)] = raw
            for code in section.code:
                data[code.offset - start : code.offset - start + SIZE] = self._bundle(section, code)
            made.append(Segment(f"{section.name}{label}", section.address + start, data, bool(section.code)))
        return made

    def lines(self) -> Iterator[tuple[int, str, int]]:
        """The line of each instruction, by its address and slot; a bundle begins with its first."""
        placing = self.placing
        document = placing.document
        for section in placing.made.values():
            for code in section.code:
                for placed, slot in zip(code.instructions, (0, *code.slots[1:]), strict=True):
                    place = document.place(document.statements[placing.places[placed.origin][0]].start)
                    yield section.address + code.offset + slot, place.path, place.line

    def _values(self, data: _Data, address: int) -> bytes:
        """The bytes of some values that stand at an address."""
        ones = (1 << 8 * data.size) - 1
        made = b""
        for value in data.values:
            self.here = address + len(made)
            known = self._known(value, data.origin)
            kept = known & ones
            written = signed64(known)
            if data.size < _WORD_SIZE and not -ones <= written <= ones:
                said = f"{written:#x} is cut to {kept:#x}, {8 * data.size} bits"
                self.warnings.append(self._error(data.origin, said))
            made += kept.to_bytes(data.size, "little")
        self.here = None
        return made

    def _bundle(self, section: _Section, code: _Code) -> bytes:
        template = TEMPLATES[code.template]
        address = section.address + code.offset
        slots = [*nops(code.template)]
        for placed, slot in zip(code.instructions, code.slots, strict=True):
            unit = template.units[slot]
            try:
                bits = self._encoded(placed, unit, address)
            except _Undefined:  # it is told of when all are known
                continue
            if unit == "L":
                slots[1], slots[2] = bits >> SLOT_BITS, bits & (1 << SLOT_BITS) - 1
            else:
                slots[slot] = bits
        first, second, third = slots
        return Bundle(code.template, (first, second, third)).to_bytes()

    def _encoded(self, placed: Placed, unit: str, address: int) -> int:
        resolved = placed.for_slot(unit)
        if resolved.form.has_target:
            resolved = with_absolute_target(resolved, address)
        try:
            return encode(resolved, address, lambda expression: self._value(expression, placed.origin))
        except EncodingError as error:
            raise self._error(placed.origin, str(error)) from None

    def _error(self, origin: int, message: str) -> PvasmError:
        return self.placing._error(self.placing.places[origin][0], message)

    # ------------------------------------------------------------------------------------ expressions

    def _value(self, expression: tree.Expression, origin: int) -> int:
        """What an expression is at a statement. Raises _Undefined when it has noted symbols that nothing defines."""
        origin = self.placing.assigned.get(id(expression), origin)
        if isinstance(expression, tree.Call):
            return self._operator(expression, origin)
        value = evaluated(expression, self.scope, lambda name: self._symbol(name, origin))
        if isinstance(value, int):
            return value
        if isinstance(value, Symbolic) and isinstance(value.expression, tree.Call):
            return self._operator(value.expression, origin)
        missing = [name for name in sorted(_names(expression)) if self._symbol(name, origin) is None]
        if not missing:
            raise self._error(origin, "what this is, is not known")
        for name in missing:
            self.undefined.setdefault(name, self._error(origin, f"nothing defines `{name}'"))
        raise _Undefined

    def _known(self, expression: tree.Expression, origin: int) -> int:
        """What an expression is; 0 where nothing defines a symbol of it, which is told of when all are known."""
        try:
            return self._value(expression, origin)
        except _Undefined:
            return 0

    def _operator(self, call: tree.Call, origin: int) -> int:
        """A relocation operator, as far as it means something in one image."""
        inner = call.arguments[0] if call.arguments else None
        if inner is None:
            raise self._error(origin, f"{call.function} wants an argument")
        value = self._value(inner, origin)
        _, section, offset = self.placing.places[origin]
        match call.function:
            case "@pcrel":
                return value - (section.address + offset if self.here is None else self.here)
            case "@gprel" | "@ltv" | "@segrel" | "@secrel":
                return value - (self.table.address if call.function == "@gprel" else 0)
            case "@fptr":
                return self.table.entry("descriptor", value)
            case "@ltoff" | "@ltoffx":
                return self.table.entry("word", value) - self.table.address
        raise self._error(origin, f"{call.function} means nothing in one image")

    def _symbol(self, name: str, origin: int) -> int | None:
        placing = self.placing
        _, section, offset = placing.places[origin]
        if name == ".":
            return section.address + offset if self.here is None else self.here
        if _LOCAL.fullmatch(name):
            return self._numbered(name, origin)
        found = placing.labels.get(name)
        if found is not None:
            return found[0].address + found[1]
        if name in placing.values:
            return self._assigned(name)
        if name in self.others:
            return self.others[name].value_of(name)
        return self.stubs.get(name, 0 if name in placing.weak else None)

    def value_of(self, name: str) -> int:
        """What a name is that this file defines."""
        found = self.placing.labels.get(name)
        return self._assigned(name) if found is None else found[0].address + found[1]

    def _assigned(self, name: str) -> int:
        """What a name is that an assignment defines. Raises PvasmError for one that is defined by itself."""
        if name in self.known:
            return self.known[name]
        value, where = self.placing.values[name]
        if name in self.asked:
            raise self._error(where, f"`{name}' is defined by itself")
        if len(self.asked) >= _MOST_ASKED:
            raise self._error(where, f"`{name}' is needed by {_MOST_ASKED} names, each for the one before")
        here, self.here = self.here, None
        self.asked.append(name)
        try:
            found = self.known[name] = self._value(value, where)
        finally:
            self.asked.pop()
            self.here = here
        return found

    def _numbered(self, name: str, origin: int) -> int | None:
        """`1b`, `1f`: the last before, the first behind."""
        places = self.placing.numbered.get(name[:-1], ())
        if name[-1] == "b":
            found = [place for place in places if place[0] <= origin][-1:]
        else:
            found = [place for place in places if place[0] > origin][:1]
        return found[0][1].address + found[0][2] if found else None


def _names(expression: tree.Expression) -> set[str]:
    match expression:
        case tree.Name(text=text):
            return {text}
        case tree.Unary(operand=operand):
            return _names(operand)
        case tree.Binary(left=left, right=right):
            return _names(left) | _names(right)
        case tree.Call(arguments=arguments):
            return set().union(*map(_names, arguments))
    return set()
