"""One source for several instances: native code where ops stand, with records of what takes its place.

The text is the native variant, with labels at the ends of sites (`sites.py`). At its end come the replacements and the
records (`records.py`). A replacement that does not fit in the room of its site, or that goes to places by their
distance, stands elsewhere: a bundle that branches there replaces the first of the site, and a branch behind it leads
back.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Container, Iterator, Mapping, Sequence
from typing import Final, Literal

from msgspec import Struct, field

from pvasm.asm.layout import CodePlaces, PlacedBundle, code_places
from pvasm.asm.reading import assembly_parser
from pvasm.errors import PvasmError
from pvasm.expand.expander import ExpandErrors, Reading, expansion_edits, with_renames
from pvasm.expand.renames import rename_edits
from pvasm.expand.variants import refusals
from pvasm.isa.bundle import SIZE, TEMPLATES
from pvasm.isa.control_transfer import passing
from pvasm.isa.registers import REGISTERS
from pvasm.paravirt.instance import Instance
from pvasm.patch.linux_code import LinuxTypes
from pvasm.patch.linux_writing import LinuxCode, LinuxRecords
from pvasm.patch.records import BRANCH, COPY, NAMES, NATIVE, RECORDS, REPLACEMENTS, RecordKind, filling_text, written
from pvasm.patch.sides import Side, renamed_text
from pvasm.patch.sites import KEPT, NUMBERED, PREFIX, Shift, Site, Sites, find_sites, is_passed
from pvasm.syntax import tree
from pvasm.syntax.document import Document, read_document
from pvasm.text import Edit, apply_edits

Room = Literal["slots", "exact"]
"""How much room a site has: that of the native code, or as much as the longest replacement takes."""

ROOMS: Final[tuple[Room, ...]] = ("slots", "exact")

_BRANCH: Final = "br.cond.sptk.few"
_SHORT_BUNDLE: Final = ".mfb ; nop.m 0 ; nop.f 0"
_LONG_BRANCH: Final = "brl.cond.sptk.few"


class Counts(Struct):
    """What a single binary is made of: bundles of the native variant and of the code that replaces it, sites, Linux's
    records by section, and replacements in their place and elsewhere, by instance.
    """

    native_bundles: int
    bundles: int
    sites: int
    linux: Counter[str] = field(default_factory=Counter)
    in_place: Counter[str] = field(default_factory=Counter)
    elsewhere: Counter[str] = field(default_factory=Counter)

    @property
    def added(self) -> int:
        """The bundles that native code has more than the native variant."""
        return self.bundles - self.native_bundles


class SingleBinary(Struct, frozen=True):
    """The source of a single binary for instances, the native one first, and what it is made of."""

    instances: list[str]
    text: str
    counts: Counts


def single_binary(
    readings: Mapping[str, Reading],
    instances: Sequence[Instance],
    room: Room = "slots",
    *,
    long_branches: bool = False,
    records: RecordKind = "pvasm",
) -> SingleBinary:
    """The source that holds the code of several instances, the first of which is the one for bare hardware.

    `long_branches` has `brl` lead to replacements that stand elsewhere, and back. With `records` of Linux's kind there
    are those where their numbers stand for the very code that all instances have. `readings` are by instance those of
    what it sees of the source, which must be the same code. Raises PvasmError, with its place, for code that differs
    without an op and for ops where no site can be; ExpandErrors as `expand` does.
    """
    types = LinuxTypes(instances) if records == "linux" else None
    return _Maker(readings, instances, room, long_branches, types).made()


def renamed_by(instance: Instance, native: Instance) -> dict[str, str]:
    """The native names by an instance's own, of what both rename."""
    return {own: native.renames.get(name, name) for name, own in instance.renames.items()}


class _Copy(Struct):
    """Code of a site for instances: its text, labels, and size in bytes; what goes to places by their distance."""

    text: str
    label: str
    size: int = 0
    is_relative: bool = False
    predicates: tuple[str, ...] = ()


class _Maker:
    def __init__(
        self,
        readings: Mapping[str, Reading],
        instances: Sequence[Instance],
        room: Room,
        long_branches: bool,
        types: LinuxTypes | None,
    ) -> None:
        self.instances = instances
        self.room = room
        self.long_branches = long_branches
        self.types = types
        native = instances[0]
        if native.name != NATIVE:
            raise PvasmError(f"the first instance must be {NATIVE}, whose code stands at the sites; not {native.name}")
        self.reading = readings[native.name]
        self.document: Document = self.reading.document
        errors = [each for instance in instances for each in refusals(readings[instance.name], [instance])]
        if errors:
            raise ExpandErrors(errors)
        if PREFIX in self.document.text:
            at = self.document.text.index(PREFIX)
            raise PvasmError(f"names that begin with {PREFIX} are for records", *self.document.place(at))
        self.sides = dict(zip([each.name for each in instances], self._sides(readings), strict=True))
        self.edits = self.sides[NATIVE].edits
        self.numbered: list[int] = []  # where numbered labels are gone to
        self.starts = [each.start for each in self.document.statements]
        self.bundle_of: dict[str, str] = {}  # where a bundle begins, by the label in it
        self.copies: list[dict[str, _Copy]] = []  # by site and instance, the native one first
        self.linux = LinuxRecords()
        self._find(())

    def _find(self, barred: Container[int]) -> None:
        """Finds the sites, and what Linux's records are for; statements that are barred are not for slots."""
        spans = sorted({*self._spans()})
        typed = {each: found for each in spans if (found := self._typed(*each)) is not None}
        slots = {
            first: each for (first, last), each in typed.items() if first not in barred and self._is_slot(first, each)
        }
        alone = [each for each in typed if each[0] not in slots and self.room == "exact"]
        self.found: Sites = find_sites(
            self.document, self.edits, [each for each in spans if each[0] not in slots], alone
        )
        self.aliases = {at: f"{PREFIX}at_{number}" for number, at in enumerate(sorted({*self.found.targets.values()}))}
        self.numbered = sorted(self.found.targets)
        self.copies = [self._copies(number, site) for number, site in enumerate(self.found.sites)]
        self._measure()
        within = {at for site in self.found.sites for at in range(site.first, site.last + 1)}
        self.linux = LinuxRecords(slots={at: each for at, each in slots.items() if at not in within})
        if self.types is None:
            return
        own = {each.syntax.name for each in self.document.statements if isinstance(each.syntax, tree.Label)}
        self.linux.branches = {at: each for at, each in self._branches(self.types, own) if at not in within}
        renames = self.instances[0].renames
        functions = sorted({renames.get(name, name) for name in own} & self.types.names.keys())
        self.linux.others = {name: self.types.names[name] for name in functions}
        for number, (site, copies) in enumerate(zip(self.found.sites, self.copies, strict=True)):
            found = self._typed(site.first, site.last)
            if found is not None and not any(self._is_elsewhere(number, each) for each in copies.values()):
                self.linux.bundles[number] = found.type

    def made(self) -> SingleBinary:
        """The text, and what it is made of."""
        barred: set[int] = set()
        while True:
            edits = self._native()
            text = apply_edits(self.document.text, edits)
            variant = self._read(text)
            places = code_places(variant)
            misfits = self.linux.misfits(places)
            if not misfits:
                break
            barred |= misfits
            self._find(barred)
        self._check_places(places)
        if self.found.sites:
            self._copy_bundles(variant, places, Shift(edits))
        plain = self._places(apply_edits(self.document.text, self.edits))
        counts = Counts(len(plain.bundles), len(places.bundles), len(self.found.sites), self.linux.counts())
        for number, copies in enumerate(self.copies):
            for name, copy in copies.items():
                if name != NATIVE and number not in self.linux.bundles:
                    (counts.elsewhere if self._is_elsewhere(number, copy) else counts.in_place)[name] += 1
        tail = [*self._tail(), *self.linux.written(places, self.bundle_of)]
        return SingleBinary([each.name for each in self.instances], text + "".join(tail), counts)

    # ------------------------------------------------------------------------------- Linux's records

    def _typed(self, first: int, last: int) -> LinuxCode | None:
        """The number of Linux's that stands for what some statements are for all instances; None if there is none.

        Its code begins a group: where an instance begins one, one must end before the statements.
        """
        if self.types is None:
            return None
        statements = self.document.statements
        whole = Site(first, last, statements[first].start, statements[last].end, 1, None)
        texts = [self._text(whole, instance).removeprefix("nop.m 0 ").strip() for instance in self.instances]
        if any(text.startswith(";;") for text in texts) and not self._is_stop(first - 1, -1):
            return None
        texts = [text.removeprefix(";;").strip() for text in texts]
        type_ = self.types.of_code([_with_stop(text) for text in texts])
        return None if type_ is None else LinuxCode(type_, texts)

    def _is_slot(self, at: int, code: LinuxCode) -> bool:
        """Whether a statement is one instruction for each instance, which ends no group but where one ends anyway."""
        if not isinstance(self.document.statements[at].syntax, tree.MacroCall):
            return False
        if any(text.endswith(";;") for text in code.texts) and not self._is_stop(at + 1, 1):
            return False
        return all(len(self._read(f"\t{text.removesuffix(';;')}\n").statements) == 1 for text in code.texts)

    def _is_stop(self, at: int, step: int) -> bool:
        """Whether a group ends at a statement, what has no place of its own aside."""
        statements = self.document.statements
        while 0 <= at < len(statements) and is_passed(statements[at].syntax):
            if isinstance(statements[at].syntax, tree.Stop):
                return True
            at += step
        return False

    def _branches(self, types: LinuxTypes, own: Container[str]) -> Iterator[tuple[int, int]]:
        """The branches to functions of a table that another file has, not among its `own`, with their numbers."""
        native = self.instances[0].renames
        statements = self.document.statements
        for at, statement in enumerate(statements):
            syntax = statement.syntax
            if isinstance(syntax, tree.Instruction) and passing(syntax.mnemonic).transfer in ("branch", "call"):
                for operand in syntax.inputs:
                    name = operand.text.removesuffix("#") if isinstance(operand, tree.Name) else ""
                    type_ = types.branches.get(native.get(name, name))
                    if type_ is not None and name not in own:
                        yield at, type_

    def _check_places(self, places: CodePlaces) -> None:
        """Notes the slots of tags. Raises PvasmError if a site is not where it should be, a fault of our own."""
        for number, site in enumerate(self.found.sites):
            name = f"{PREFIX}{number}"
            start, end = (places.labels[label] for label in (name, f"{name}_end"))
            length = (end[1] & -SIZE) - (start[1] & -SIZE)
            if start[0] != end[0] or length != self._length(number):
                message = f"what stands here takes {length} bytes, not {self._length(number)}"
                raise PvasmError(message, *self.document.place(site.start))
            for label, (_, offset) in ((name, start), (f"{name}_end", end)):
                slot = offset % SIZE
                self.bundle_of[label] = f"{label} - {slot}" if slot else label

    # ------------------------------------------------------------------------------------ what differs

    def _sides(self, readings: Mapping[str, Reading]) -> Iterator[Side]:
        """What each instance sees of the source."""
        native = self.instances[0]
        for instance in self.instances:
            reading = readings[instance.name]
            renamed = renamed_by(instance, native) if instance is not native else {}
            side = Side(self.document, reading.document, renamed, (NATIVE, instance.name))
            renames = list(rename_edits(reading.document, reading.definitions(native), native.renames))
            side.edits = sorted(with_renames(expansion_edits(reading, instance), renames))
            yield side

    def _spans(self) -> Iterator[tuple[int, int]]:
        """The statements in which the code of an instance is not the native code."""
        native = self._by_statement(self.sides[NATIVE])
        for side in self.sides.values():
            yield from side.spans
            own = self._by_statement(side)
            for span in native.keys() | own.keys():
                if side.same[span[0]] >= 0 and native.get(span) != own.get(span):
                    yield span

    def _by_statement(self, side: Side) -> dict[tuple[int, int], list[list[str]]]:
        """What the edits of a side make, word by word, by the native document's statements in their places."""
        own_of = {own: mine for mine, own in enumerate(side.same) if own >= 0}
        starts = [each.start for each in side.document.statements]
        found: dict[tuple[int, int], list[list[str]]] = {}
        for edit in side.edits:
            first, last = (max(bisect_right(starts, at) - 1, 0) for at in (edit.start, max(edit.end - 1, edit.start)))
            if first in own_of and last in own_of:
                found.setdefault((own_of[first], own_of[last]), []).append(edit.replacement.split())
        return found

    # ---------------------------------------------------------------------------------------- copies

    def _copies(self, number: int, site: Site) -> dict[str, _Copy]:
        """The code of a site for native and for each instance for which it is another."""
        made: dict[str, _Copy] = {}
        by_text: dict[tuple[str, ...], _Copy] = {}
        for instance in self.instances:
            text = self._text(site, instance)
            words = tuple(text.split())
            copy = by_text.get(words)
            if copy is None:
                copy = by_text[words] = _Copy(text, f"{PREFIX}{number}_{len(by_text)}")
                self._look(copy)
            if instance.name == NATIVE or words != tuple(made[NATIVE].text.split()):
                made[instance.name] = copy
        return made

    def _text(self, site: Site, instance: Instance) -> str:
        """The code of a site for an instance, without what says something of the function around it."""
        side = self.sides[instance.name]
        start, end = side.range_of(site.first, site.last)
        edits = side.edits[bisect_left(side.edits, (start,)) : bisect_left(side.edits, (end,))]
        within = with_renames(edits, self._adjustments(site, side))
        shifted = [Edit(each.start - start, each.end - start, each.replacement) for each in within]
        lines = apply_edits(side.document.text[start:end], shifted).split("\n")
        text = renamed_text("\n".join(line for line in lines if line.strip()).lstrip(), side.renamed)
        # A stop before the first instruction would be in the bundle before, which is another's.
        text = f"nop.m 0 {text}" if not text or text.startswith(";;") else text
        return _with_stop(text) if site.ends_group else text

    def _adjustments(self, site: Site, side: Side) -> Iterator[Edit]:
        """What a copy has otherwise: names of its own for numbered labels, and no directives but for dependencies."""
        for statement in side.statements_of(site.first, site.last):
            syntax = statement.syntax
            is_dropped = isinstance(syntax, tree.Directive) and not KEPT.fullmatch(syntax.name)
            if is_dropped or isinstance(syntax, tree.CppDirective):
                yield Edit(statement.start, statement.end, "")
        for target in self.numbered[bisect_left(self.numbered, site.start) : bisect_left(self.numbered, site.end)]:
            found = NUMBERED.match(self.document.text, target)
            start = side.offset_of(bisect_right(self.starts, target) - 1, target)
            if found is not None and start is not None:
                yield Edit(start, start + len(found[0]), self.aliases[self.found.targets[target]])

    def _look(self, copy: _Copy) -> None:
        """Notes how a copy ends, and whether it goes to places by their distance."""
        document = read_document(assembly_parser(), copy.text, self.document.path, preprocessed=True)
        labels = {each.syntax.name for each in document.statements if isinstance(each.syntax, tree.Label)}
        code = [each.syntax for each in document.statements if isinstance(each.syntax, tree.Instruction)]
        copy.is_relative = any(_goes_out(each, labels) for each in code)
        copy.predicates = tuple(sorted({str(each.predicate) for each in code if each.predicate is not None}))

    def _measure(self) -> None:
        """Finds the sizes of copies; those of native code are as long as it is in its place."""
        text = "".join(f"{self._copy(site, copy)}\n" for site, copy in self._each_copy())
        places = self._places(text)
        for _, copy in self._each_copy():
            copy.size = places.labels[f"{copy.label}_end"][1] - places.labels[f"{copy.label}_code"][1]
        for site, copies in zip(self.found.sites, self.copies, strict=True):
            copies[NATIVE].size = site.bundles * SIZE

    def _each_copy(self) -> Iterator[tuple[Site, _Copy]]:
        for site, copies in zip(self.found.sites, self.copies, strict=True):
            for copy in {copy.label: copy for copy in copies.values()}.values():
                yield site, copy

    def _read(self, text: str) -> Document:
        return read_document(assembly_parser(), text, self.document.path, preprocessed=True)

    def _places(self, text: str) -> CodePlaces:
        return code_places(self._read(text))

    def _copy_bundles(self, variant: Document, places: CodePlaces, shift: Shift) -> None:
        """Has copies of native code have the very bundles of their sites, whose templates depend on what follows."""
        starts = {places.labels[f"{PREFIX}{number}"]: number for number in range(len(self.found.sites))}
        at = {(section, offset & -SIZE): number for (section, offset), number in starts.items()}
        for index, bundle in enumerate(places.bundles):
            number = at.get((bundle.section, bundle.offset))
            if number is not None:
                own = places.bundles[index : index + self.found.sites[number].bundles]
                lines = (self._bundle_text(variant, each, shift) for each in own)
                self.copies[number][NATIVE].text = "\n\t".join(lines)

    def _bundle_text(self, variant: Document, bundle: PlacedBundle, shift: Shift) -> str:
        """A bundle of the native variant in braces, as it stands there."""
        template = TEMPLATES[bundle.template]
        by_slot = dict(zip(bundle.slots, bundle.statements, strict=True))
        parts = [f"{{ .{template.units.lower()}"]
        for slot, unit in enumerate(template.units):
            if slot in by_slot:
                parts.append(self._named(variant, by_slot[slot], shift))
            elif not (unit in "LX" and "L" in template.units and any(each in by_slot for each in (1, 2))):
                parts.append(f"nop.{unit.lower()} 0")
            if slot in template.stops:
                parts[-1] += " ;;"
        return f"{' ; '.join(parts)} }}".replace(";; ;", ";;")

    def _named(self, variant: Document, at: int, shift: Shift) -> str:
        """A statement of the native variant, with names of its own for numbered labels."""
        statement = variant.statements[at]
        text = variant.text[statement.start : statement.end]
        found = [
            Edit(each.start(), each.end(), self.aliases[self.found.targets[origin]])
            for each in NUMBERED.finditer(text)
            if (origin := shift.back(statement.start + each.start())) in self.found.targets
        ]
        return " ".join(apply_edits(text, found).split())

    # ------------------------------------------------------------------------------------------ text

    def _length(self, number: int) -> int:
        """The room of a site in bytes."""
        copies = self.copies[number]
        fitting = [each.size for each in copies.values() if self.room == "exact" and not each.is_relative]
        return max([copies[NATIVE].size, *fitting])

    def _is_elsewhere(self, number: int, copy: _Copy) -> bool:
        return copy is not self.copies[number][NATIVE] and (copy.is_relative or copy.size > self._length(number))

    def _native(self) -> list[Edit]:
        """The edits that make the native variant, with the labels of sites.

        Where bundles begin anyway, they are tags: to the assembler, control may come to a label from anywhere, and
        predicates that excluded each other may both be true there.
        """
        edits = [*self.edits]
        for number, site in enumerate(self.found.sites):
            room = filling_text(self._length(number) - self.copies[number][NATIVE].size)
            if room:
                edits.append(Edit(site.end, site.end, f" ; {' ; '.join(room)} ; "))
            start, end = (
                (None, None) if site.is_alone else (self._instruction(site.first), self._instruction(site.last + 1))
            )
            name = f"{PREFIX}{number}"
            edits.append(
                Edit(site.start, site.start, f"{name}:; ") if start is None else Edit(start, start, f"[{name}:] ; ")
            )
            edits.append(
                Edit(site.end, site.end, f" ; {name}_end:; ") if end is None else Edit(end, end, f"[{name}_end:] ; ")
            )
        statements = self.document.statements
        edits += (Edit(statements[at].start, statements[at].start, f"[{name}:] ; ") for at, name in self.linux.tags())
        edits += (Edit(statements[at].end, statements[at].end, f" {name}:") for at, name in self.aliases.items())
        return _together(edits)

    def _instruction(self, at: int) -> int | None:
        """Where the instruction begins that follows before any label, from a statement on; None if there is none."""
        for statement in self.document.statements[at:]:
            syntax = statement.syntax
            if isinstance(syntax, tree.Instruction | tree.MacroCall):
                return statement.start
            if not is_passed(syntax):
                return None
        return None

    def _tail(self) -> Iterator[str]:
        """The replacements, and the records of them."""
        if len(self.linux.bundles) == len(self.copies) and self.types is not None:
            return  # Linux's records tell it all
        yield f'\n\t.section {REPLACEMENTS}, "ax", "progbits"\n'
        for number, (site, copies) in enumerate(zip(self.found.sites, self.copies, strict=True)):
            if number in self.linux.bundles:
                continue
            for copy in {copy.label: copy for copy in copies.values()}.values():
                yield from self._replacement(number, site, copy)
        yield f'\t.section {NAMES}, "aMS", "progbits", 1\n'
        labels = {each.name: f"{PREFIX}name_{number}" for number, each in enumerate(self.instances)}
        yield from (f'{label}:\tstringz "{name}"\n' for name, label in labels.items())
        yield f'\t.section {RECORDS}, "a", "progbits"\n\t.align 4\n'
        for number, copies in enumerate(self.copies):
            for name, copy in copies.items() if number not in self.linux.bundles else ():
                is_elsewhere = self._is_elsewhere(number, copy)
                code = f"{copy.label}_branch" if is_elsewhere else copy.label
                ends = self.bundle_of[f"{PREFIX}{number}"], self.bundle_of[f"{PREFIX}{number}_end"]
                flags = COPY if name == NATIVE else BRANCH if is_elsewhere else 0
                yield written(*ends, labels[name], f"{code}_code", f"{code}_end", flags)

    def _replacement(self, number: int, site: Site, copy: _Copy) -> Iterator[str]:
        code = self._copy(site, copy)
        # Control does not come from one copy to the next, which the assembler sees by a branch.
        if not self._is_elsewhere(number, copy):
            yield f"{code}\t{{ {_SHORT_BUNDLE} ; {_BRANCH} {copy.label}_code ;; }}\n"
            return
        others, branch = (".mlx ; nop.m 0", _LONG_BRANCH) if self.long_branches else (_SHORT_BUNDLE, _BRANCH)
        yield f"{copy.label}_branch_code: {{ {others} ; {branch} {copy.label}_code ;; }}\n"
        yield f"{copy.label}_branch_end:\n{code}\t{branch} {self.bundle_of[f'{PREFIX}{number}_end']} ;;\n"

    def _copy(self, site: Site, copy: _Copy) -> str:
        """The code of a copy, between labels."""
        path, line, _ = self.document.place(site.start)
        quoted = path.replace("\\", "\\\\").replace('"', '\\"')
        inputs, local, outputs = site.frame or (0, 96, 0)
        head = f'# {line} "{quoted}"\n\t.regstk {inputs}, {local}, {outputs}, 0\n'
        # What is known of predicates where the site is, is not known here; the variant itself has been looked at.
        apart = f'\t.pred.rel "mutex", {", ".join(copy.predicates)}\n' if len(copy.predicates) > 1 else ""
        return f"{head}{copy.label}_code:\n{apart}\t{copy.text}\n{copy.label}_end:\n"


def _with_stop(text: str) -> str:
    """Code with a stop at its end, which costs no room."""
    open_text = text.removesuffix("}").rstrip()
    closing = " }" if open_text != text else ""
    return text if open_text.endswith(";;") else f"{open_text} ;;{closing}"


def _together(edits: Sequence[Edit]) -> list[Edit]:
    """Edits with those that put in something at one place as one, in their order."""
    made: list[Edit] = []
    for edit in sorted(edits, key=lambda each: (each.start, each.end)):
        if made and made[-1].start == made[-1].end == edit.start == edit.end:
            made[-1] = Edit(edit.start, edit.end, made[-1].replacement + edit.replacement)
        else:
            made.append(edit)
    return made


def _goes_out(instruction: tree.Instruction, labels: set[str]) -> bool:
    """Whether an instruction goes to a place, or names one, by its distance; but for labels of its own code."""
    if passing(instruction.mnemonic).transfer in ("", "rfi", "break") and not instruction.mnemonic.startswith("brp"):
        return False
    operands = [each for each in (*instruction.outputs, *instruction.inputs) if isinstance(each, tree.Name)]
    return any(each.text not in REGISTERS and each.text[:-1] not in labels for each in operands) or len(operands) < len(
        (*instruction.outputs, *instruction.inputs)
    )
