"""The instruction table: reads the text files in `instructions/`, a row only when its mnemonic is first asked for.

`instructions/README.md` explains the columns.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cache, lru_cache
from itertools import pairwise, product
from typing import Final

from msgspec import Struct

from pvasm.isa.operands import Kind, Value
from pvasm.isa.registers import REGISTERS, Register, registers_noun
from pvasm.regex import regex

_FOLDER: Final = os.path.join(os.path.dirname(__file__), "instructions")
_UNITS: Final = ("a", "i", "m", "f", "b", "x")


_SCALE: Final = regex(r"x\d+")


def _lines(name: str) -> Iterator[str]:
    with open(os.path.join(_FOLDER, f"{name}.txt"), encoding="ascii") as file:
        for line in file:
            if line[0] not in "#\n":
                yield line


# ------------------------------------------------------------------------------------------ shapes


class OperandSpec(Struct, frozen=True):
    """One operand of a row as the row writes it.

    `form` says what the operand looks like: a `kind` of register or integer, a `literal` register (`ar.pfs`, `%r0`),
    `memory` (`[r3]`), or `indexed` (`rr[r3]`, where `file` is `rr`). `optional` operands may be left out.
    """

    text: str
    form: str
    kind: Kind | None = None
    literal: Register | None = None
    file: str = ""
    optional: bool = False

    @property
    def shape(self) -> str:
        """The class of value that fits: a register file, `i` for an integer, `[]` for memory, `rr[]` for rr[r3]."""
        if self.literal is not None:
            return self.literal.file
        if self.form == "kind":
            assert self.kind is not None
            return self.kind.shape
        return f"{self.file}[]"

    @property
    def numbers(self) -> frozenset[int]:
        """The numbers of the registers of a file that the operand may be; empty for what is no register."""
        if self.literal is not None:
            return frozenset({self.literal.number})
        return self.kind.numbers if self.kind is not None and self.form == "kind" else frozenset()

    @property
    def noun(self) -> str:
        """What the operand must be, in words."""
        if self.numbers:
            return registers_noun(self.shape, self.numbers)
        if self.form == "kind":
            assert self.kind is not None
            return self.kind.noun
        return (
            "a memory operand, [r3]"
            if self.form == "memory"
            else f"a register of the file {self.file}, {self.file}[r3]"
        )

    def accepts(self, value: Value) -> bool:
        """Whether a value, of the right shape, is one that the operand can be."""
        if self.literal is not None and value.__class__ is Register:
            return self.literal == value
        return self.kind is None or self.kind.accepts(value)


class Form(Struct, frozen=True, eq=False):
    """A row: one instruction form of the architecture.

    `id` is its name for good, which no other row has: format, mnemonic without completers and, of rows that would be
    alike, the word of its mark `id=`: `A1.add`, `A1.add.one`, `M42.mov.rr`. `mnemonic` is as in the table, with its
    completer sets in angle brackets. `fixed` are the encoding fields that the row fixes, `reads` and `writes` the
    implicit resources by their names in the table. `clears_when_false` instructions write their predicates even when
    their own qualifying predicate is false. An operand of a form that `leaves_operand`
    is neither read nor written. `unwritten` forms have a pseudo-op of their own name, the only way to write them. A
    form that `sizes_frame` has a frame's size among its operands, and no part of it may be larger. `constants` are the
    marks that say for which sources the result is the same whatever they hold (`constant_results.py`).
    """

    id: str
    format: str
    mnemonic: str
    outputs: tuple[OperandSpec, ...]
    inputs: tuple[OperandSpec, ...]
    has_equals: bool
    fixed: dict[str, int]
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    privileged: bool
    sensitive: bool
    level_dependent: bool
    first_in_group: bool
    last_in_group: bool
    slot_2: bool
    unpredicated: bool
    clears_when_false: bool
    leaves_operand: bool
    unwritten: bool
    sizes_frame: bool
    constants: frozenset[str]

    @property
    def unit(self) -> str:
        """`A`, `I`, `M`, `F`, `B` or `X`: the kind of execution unit; an A instruction goes in an I or an M slot."""
        return self.format[0]

    @property
    def operands(self) -> tuple[OperandSpec, ...]:
        """Outputs, then inputs."""
        return self.outputs + self.inputs

    @property
    def has_target(self) -> bool:
        """Whether an operand is the address of a bundle, which its bits have as a distance."""
        return _has_target(self)


class Spelling(Struct, frozen=True, eq=False):
    """A form with its completers chosen: `mnemonic` is the canonical one, `fields` all fixed encoding fields."""

    form: Form
    mnemonic: str
    fields: dict[str, int]


PlanItem = int | Register | tuple[int, tuple[tuple[int, int], ...]]
"""Where an operand of the real form comes from: an operand as written (its index), a register, or an integer
`constant + sum(sign * operand)`, given as (constant, ((sign, index), ...))."""


class Candidate(Struct, frozen=True, eq=False):
    """A way to read a mnemonic: the operands as written, and how the real form's operands come from them.

    `plan` is None when they are the same. A pseudo-op has no `spelling` of its own but the mnemonics of its `reals`:
    the assembler may choose among them, and the first is what stands for the instruction.
    """

    outputs: tuple[OperandSpec, ...]
    inputs: tuple[OperandSpec, ...]
    has_equals: bool
    plan: tuple[PlanItem, ...] | None
    spelling: Spelling | None
    reals: tuple[str, ...] = ()

    @property
    def operands(self) -> tuple[OperandSpec, ...]:
        """Outputs, then inputs."""
        return self.outputs + self.inputs

    @property
    def sorts(self) -> tuple[str, ...]:
        """What class of value fits each operand."""
        return tuple(spec.shape for spec in self.operands)


class Shown(Struct, frozen=True, eq=False):
    """A pseudo-op that disassemblers prefer: its mnemonic, operands and plan, by the real form's canonical mnemonic."""

    mnemonic: str
    candidate: Candidate
    only_unpredicated: bool


# ------------------------------------------------------------------------------------ completers


class CompleterSet(Struct, frozen=True):
    """One line of `completers.txt`: the field(s) and, for each completer, its value or the completer it stands for."""

    fields: tuple[str, ...]
    values: dict[str, int]
    words: dict[str, str]

    @property
    def completers(self) -> list[str]:
        """The completers, with their dots; the empty string is no completer."""
        return list(self.values or self.words)


def _completer_sets() -> dict[str, CompleterSet]:
    sets: dict[str, CompleterSet] = {}
    for line in _lines("completers"):
        name, target, *pairs = line.split()
        split = [pair.split("=") for pair in pairs]
        words = {left.strip("-"): right.strip("-") for left, right in split} if target == "-" else {}
        values = {} if target == "-" else {left.strip("-"): int(right, 16) for left, right in split}
        sets[name] = CompleterSet(tuple(target.split(":")), values, words)
    return sets


COMPLETERS: Final = _completer_sets()


def _stems(mnemonic: str) -> list[str]:
    """The texts before the first dot that a mnemonic of the table can have."""
    if "<" not in mnemonic:
        return [mnemonic.partition(".")[0]]
    stems = [""]
    for literal, name in _PARTS.findall(mnemonic):
        stems = [stem + literal.partition(".")[0] for stem in stems]
        if "." in literal:
            break
        if name:
            words = [word for word in COMPLETERS[name].completers if not word.startswith(".")]
            if not any(words):
                break
            stems = [stem + word for stem in stems for word in words]
    return stems


_PARTS: Final = regex(r"([^<>]*)(?:<(\w+)>)?")
_Rows = dict[str, list[str]]


def _index() -> tuple[_Rows, _Rows, frozenset[str]]:
    """The lines of the rows and of the pseudo-ops by stem, and the stems of all that is not free of marks."""
    rows: _Rows = {}
    pseudo: _Rows = {}
    marked: set[str] = set()
    for unit in _UNITS:
        for line in _lines(unit):
            stems = _stems(line.split("|", 2)[1].strip())
            for stem in stems:
                rows.setdefault(stem, []).append(line)
            if "privileged" in line or "sensitive" in line or "level" in line:
                marked.update(stems)
    for line in _lines("pseudo"):
        mnemonic, _, real, _ = line.split("|", 3)
        stems = _stems(mnemonic.strip())
        for stem in stems:
            pseudo.setdefault(stem, []).append(line)
        if not marked.isdisjoint(_stems(real.strip())):
            marked.update(stems)
    return rows, pseudo, frozenset(marked)


_ROWS, _PSEUDO, MARKED_STEMS = _index()

STEMS: Final = frozenset(_ROWS) | frozenset(_PSEUDO)
"""Every mnemonic up to its first dot."""


# ----------------------------------------------------------------------------------- lazy tables


_FORMATS: dict[str, dict[str, tuple[int, int, int]]] = {}
_KINDS: dict[str, Kind] = {}
_GROUPS: dict[str, list[str]] = {}


def formats() -> dict[str, dict[str, tuple[int, int, int]]]:
    """For each format its fields, each as (word, low bit, width); word 1 is the L slot of a long instruction."""
    if not _FORMATS:
        for line in _lines("formats"):
            name, *fields = line.split()
            _FORMATS[name] = places = {}
            for text in fields:
                field, _, bits = text.partition(":")
                high, _, low = bits.lstrip("L").partition("-")
                last = int(low or high)
                places[field] = (int(bits[0] == "L"), last, int(high) - last + 1)
    return _FORMATS


def _widths() -> dict[str, int]:
    return {field: width for fields in formats().values() for field, (_, _, width) in fields.items()}


def kinds() -> dict[str, Kind]:
    """The operand kinds by name."""
    if not _KINDS:
        widths = _widths()
        for line in _lines("operands"):
            name, places, *encoding = line.split()
            fields = () if places == "-" else tuple(places.split(":"))
            _KINDS[name] = _kind(name, fields, encoding, {**widths, "r3.2": 2})
    return _KINDS


def _kind(name: str, fields: tuple[str, ...], words: list[str], widths: dict[str, int]) -> Kind:
    if words[0] == "register":
        first, _, last = words[2].partition("-")
        return Kind(name, words[1], fields, low=int(first), high=int(last), excluded=_excluded(words))
    if words[0] == "one":
        pairs = [word.split("=") for word in words[2:]]
        return Kind(name, "i", fields, choices={int(value): int(bits) for value, bits in pairs})
    is_target = words[0] == "target"
    if is_target:
        words = ["signed", "x16", "low", "hex", "symbol"]
    arguments = dict(pairwise(words))
    scale = next((int(word[1:]) for word in words if _SCALE.fullmatch(word)), 1)
    span = 1 << sum(widths[field] for field in fields) if fields else 1 << 16
    signed = "signed" in words or "signed32" in words
    low, high = (-(span // 2), span // 2 - 1) if signed else (0, span - 1)
    offset, sign = 0, 1
    if "from" in words:
        offset = -int(arguments["from"])
        low, high = low - offset, high - offset
    if "below" in words:
        offset, sign = int(arguments["below"]), -1
        low, high = offset - high, offset - low
    limits = next((word.split("..") for word in words if ".." in word), None)
    if limits:
        low, high = int(limits[0]), int(limits[1])
    return Kind(
        name,
        "i",
        fields,
        low=low * scale,
        high=high * scale,
        offset=offset,
        sign=sign,
        scale=scale,
        drops_low_bits="low" in words,
        either_sign="either" in words,
        width32="signed32" in words,
        hexadecimal="hex" in words,
        is_target=is_target,
        is_class="class" in words,
        takes_symbols="symbol" in words,
        excluded=_excluded(words),
    )


def _excluded(words: list[str]) -> range:
    """The values that `but N` or `but LOW-HIGH` takes out of a kind's range."""
    if "but" not in words:
        return range(0)
    low, _, high = words[words.index("but") + 1].partition("-")
    return range(int(low), int(high or low) + 1)


def groups() -> dict[str, list[str]]:
    """The groups of resources by their names in angle brackets."""
    if not _GROUPS:
        for line in _lines("resources"):
            name, *resources = line.split()
            _GROUPS[name] = resources
    return _GROUPS


# ------------------------------------------------------------------------------------------- rows


def _operand(text: str) -> OperandSpec:
    optional = text.endswith("?")
    text = text.rstrip("?")
    if text.startswith("%"):
        return OperandSpec(text, "literal", literal=REGISTERS[text[1:]], optional=optional)
    if text.endswith("]"):
        file, _, index = text[:-1].partition("[")
        return OperandSpec(text, "indexed" if file else "memory", kind=kinds()[index], file=file, optional=optional)
    kind = kinds().get(text)
    if kind is not None:
        return OperandSpec(text, "kind", kind=kind, optional=optional)
    return OperandSpec(text, "literal", literal=REGISTERS[text], optional=optional)


def _operands(text: str) -> tuple[tuple[OperandSpec, ...], tuple[OperandSpec, ...], bool]:
    left, equals, right = text.partition("=")
    sides = [tuple(_operand(part.strip()) for part in side.split(",") if part.strip()) for side in (left, right)]
    return (sides[0], sides[1], True) if equals else ((), sides[0], False)


_Sets = tuple[tuple[str, CompleterSet | None], ...]


@cache
def _pattern(mnemonic: str) -> list[tuple[str, str]]:
    return [(literal, name) for literal, name in _PARTS.findall(mnemonic) if literal or name]


def _choices(mnemonic: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Each spelling of a table's mnemonic, with the completer that each of its sets took."""
    parts = _pattern(mnemonic)
    options = [
        [(literal + word, name, word) for word in (COMPLETERS[name].completers if name else [""])]
        for literal, name in parts
    ]
    for chosen in product(*options):
        yield "".join([text for text, _, _ in chosen]), {name: word for _, name, word in chosen if name}


def _field_values(taken: dict[str, str], form: str) -> dict[str, int]:
    values: dict[str, int] = {}
    for name, word in taken.items():
        completers = COMPLETERS[name]
        value = completers.values[word]
        for field in reversed(completers.fields):
            width = formats()[form][field][2]
            values[field] = value & ((1 << width) - 1)
            value >>= width
    return values


def _canonical(mnemonic: str, taken: dict[str, str]) -> str:
    """The mnemonic with, for each completer, the first of its set with the same value."""
    text = ""
    for literal, name in _pattern(mnemonic):
        text += literal
        if name:
            text += _first_words(name)[taken[name]]
    return text


@cache
def _first_words(name: str) -> dict[str, str]:
    """For each completer of a set, the first that has the same value."""
    values = COMPLETERS[name].values
    first: dict[int, str] = {}
    for word, value in values.items():
        first.setdefault(value, word)
    return {word: first[value] for word, value in values.items()}


CONSTANT_MARKS: Final = frozenset({"same", "zero1", "zero2", "ones1"})

_FORMS: dict[str, Form] = {}


def _form(line: str) -> Form:
    """The row of a line; the same object every time."""
    form = _FORMS.get(line)
    if form is None:
        columns = [column.strip() for column in line.split("|")]
        columns += [""] * (7 - len(columns))
        outputs, inputs, has_equals = _operands(columns[2])
        marks = columns[6].split()
        form = _FORMS[line] = Form(
            _identity(columns[0], columns[1], marks),
            columns[0],
            columns[1],
            outputs,
            inputs,
            has_equals,
            {name: int(value, 16) for name, value in (pair.split("=") for pair in columns[3].split())},
            tuple(columns[4].replace("-", "").split()),
            tuple(columns[5].replace("-", "").split()),
            privileged="privileged" in marks,
            sensitive="sensitive" in marks,
            level_dependent="level" in marks,
            first_in_group="first" in marks,
            last_in_group="last" in marks,
            slot_2="slot2" in marks,
            unpredicated="nopred" in marks,
            clears_when_false="clears" in marks,
            leaves_operand="unread" in marks,
            unwritten="unwritten" in marks,
            sizes_frame="frame" in marks,
            constants=CONSTANT_MARKS.intersection(marks),
        )
    return form


def _identity(format_: str, mnemonic: str, marks: list[str]) -> str:
    """The id of a row."""
    apart = [mark.removeprefix("id=") for mark in marks if mark.startswith("id=")]
    plain = "".join(literal for literal, _ in _pattern(mnemonic))
    return ".".join([format_, plain, *apart])


_Mnemonics = dict[str, list[Candidate]]
_REAL: dict[str, _Mnemonics] = {}
_ALL: dict[str, _Mnemonics] = {}
_SHOWN: dict[str, list[Shown]] = {}


def _variants(candidate: Candidate) -> Iterator[Candidate]:
    """The candidate, and the one in which the optional operands are left out."""
    operands = candidate.operands
    plan = candidate.plan or tuple(range(len(operands)))
    optional = [index for index, spec in enumerate(operands) if spec.optional]
    yield candidate
    if optional:
        absent = set(optional)
        kept = [index for index in range(len(operands)) if index not in absent]
        place: dict[int, PlanItem] = {index: new for new, index in enumerate(kept)}
        place.update((index, _omitted(operands[index])) for index in absent)
        split = len(candidate.outputs)
        yield Candidate(
            tuple(spec for index, spec in enumerate(candidate.outputs) if index not in absent),
            tuple(spec for index, spec in enumerate(candidate.inputs, split) if index not in absent),
            candidate.has_equals,
            tuple(place[item] if isinstance(item, int) else _moved(item, place) for item in plan),
            candidate.spelling,
            candidate.reals,
        )


def _omitted(spec: OperandSpec) -> PlanItem:
    """What an operand is when it is not written: the register it names, p0, or 0."""
    if spec.literal is not None:
        return spec.literal
    return Register("p", 0) if spec.shape == "p" else (0, ())


def _moved(item: PlanItem, place: dict[int, PlanItem]) -> PlanItem:
    if not isinstance(item, tuple) or isinstance(item, Register):
        return item
    constant, terms = item
    moved = []
    for sign, index in terms:
        new = place[index]
        assert isinstance(new, int)
        moved.append((sign, new))
    return constant, tuple(moved)


def _real(stem: str) -> _Mnemonics:
    """The candidates of each mnemonic with this stem that a row of the architecture's own gives."""
    found = _REAL.get(stem)
    if found is None:
        found = _REAL[stem] = {}
        for line in _ROWS.get(stem, ()):
            form = _form(line)
            for mnemonic, taken in _choices(form.mnemonic):
                if mnemonic.partition(".")[0] != stem:
                    continue
                fields = {**form.fixed, **_field_values(taken, form.format)}
                spelling = Spelling(form, _canonical(form.mnemonic, taken), fields)
                candidate = Candidate(form.outputs, form.inputs, form.has_equals, None, spelling)
                found.setdefault(mnemonic, []).extend(_variants(candidate))
    return found


_TERM: Final = regex(r"([+-]?)(?:(?<!\s)\s+)?+([\w.]+)")


def _plan_item(text: str, names: dict[str, int]) -> PlanItem:
    if text in names:
        return names[text]
    if text.startswith("%"):
        return REGISTERS[text[1:]]
    if text in REGISTERS:
        return REGISTERS[text]
    constant = 0
    terms: list[tuple[int, int]] = []
    for sign, term in _TERM.findall(text):
        factor = -1 if sign == "-" else 1
        if term in names:
            terms.append((factor, names[term]))
        else:
            constant += factor * int(term)
    return constant, tuple(terms)


def _pseudo(line: str, stem: str) -> Iterator[tuple[str, Candidate, str]]:
    mnemonic, operands, real, real_operands, marks = (*(part.strip() for part in line.split("|")), "")[:5]
    outputs, inputs, has_equals = _operands(operands)
    names = {spec.text: index for index, spec in enumerate(outputs + inputs) if spec.literal is None}
    left, _, right = real_operands.partition("=")
    plan = tuple(_plan_item(part.strip(), names) for side in (left, right) for part in side.split(",") if part.strip())
    for spelt, taken in _choices(mnemonic):
        if spelt.partition(".")[0] != stem:
            continue
        text = real
        for name, word in taken.items():
            text = text.replace(f"<{name}>", COMPLETERS[name].words.get(word, word))
        yield spelt, Candidate(outputs, inputs, has_equals, plan, None, tuple(text.split())), marks


def real_candidates(mnemonic: str) -> list[Candidate]:
    """The ways to read the mnemonic that are rows of the architecture's own, with all operands written."""
    return [item for item in _real(mnemonic.partition(".")[0]).get(mnemonic, ()) if item.plan is None]


def shown(mnemonic: str) -> list[Shown]:
    """The pseudo-ops that disassemblers prefer to the real form with this canonical mnemonic, where they fit."""
    if not _SHOWN:
        for stem, lines in _PSEUDO.items():
            for line in lines:
                if "shown" in line:
                    for spelt, candidate, marks in _pseudo(line, stem):
                        only = marks == "shown0"
                        for real in candidate.reals:
                            _SHOWN.setdefault(real, []).append(Shown(spelt, candidate, only))
    return _SHOWN.get(mnemonic, [])


def mnemonics(stem: str) -> dict[str, list[Candidate]]:
    """Every mnemonic with this stem, and every way to read it, the preferred first; empty for what is no stem."""
    found = _ALL.get(stem)
    if found is None:
        if stem not in STEMS:
            return {}
        found = _ALL[stem] = {}
        for spelt, real in _real(stem).items():
            written = [item for item in real if item.spelling is None or not item.spelling.form.unwritten]
            if written:
                found[spelt] = written
        for line in _PSEUDO.get(stem, ()):
            for spelt, candidate, _ in _pseudo(line, stem):
                found.setdefault(spelt, []).extend(_variants(candidate))
    return found


@lru_cache(maxsize=4096)
def candidates(mnemonic: str) -> list[Candidate]:
    """Every way to read the mnemonic (lower case, with its completers), the preferred first; empty if there is none."""
    return mnemonics(mnemonic.partition(".")[0]).get(mnemonic, [])


# -------------------------------------------------------------------------------------- by their bits


def all_forms() -> list[Form]:
    """Every row of the architecture's own, in the table's order."""
    lines = {line: None for rows in _ROWS.values() for line in rows}
    return [_form(line) for line in lines]


@cache
def _has_target(form: Form) -> bool:
    return any(spec.kind is not None and spec.kind.is_target for spec in form.operands)


@cache
def completer_fields(form: Form) -> tuple[str, ...]:
    """The fields that hold the completers of a form, in their order."""
    return tuple(field for _, name in _pattern(form.mnemonic) if name for field in COMPLETERS[name].fields)


@cache
def spelling_of(form: Form, codes: tuple[int, ...]) -> Spelling | None:
    """The form with the completers that its `completer_fields` stand for; None where a value stands for none."""
    text = ""
    chosen = dict(form.fixed)
    given = dict(zip(completer_fields(form), codes, strict=True))
    for literal, name in _pattern(form.mnemonic):
        text += literal
        if name:
            completers = COMPLETERS[name]
            value = 0
            for field in completers.fields:
                value = value << formats()[form.format][field][2] | given[field]
                chosen[field] = given[field]
            word = next((word for word, code in completers.values.items() if code == value), None)
            if word is None:
                return None
            text += word
    return Spelling(form, text, chosen)
