"""Checking objects: no sensitive instruction is left in an ELF file or in a member of an archive, C's code included.

What an instruction is, and which rule reports it, is the account of sources (`exposure.py`); this file knows where code
of an object stands, and where it runs.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from fnmatch import fnmatchcase
from functools import cache
from typing import Final

from msgspec import Struct

from pvasm.asm.sensitivity import class_of
from pvasm.check.code_levels import user_level_names
from pvasm.check.decoded import DecodedExposures
from pvasm.check.diagnostic import Diagnostic
from pvasm.check.exposure import CODES, Exposure, code_of, described
from pvasm.check.rule import Rule
from pvasm.check.settings import AnswerSettings
from pvasm.errors import PvasmError
from pvasm.objects.archive import ARCHIVE_MAGIC, all_members
from pvasm.objects.elf_file import MAGIC, ElfFile, Section, elf_file_of
from pvasm.objects.instruction_lines import InstructionLines
from pvasm.objects.object_code import CodeBundle, Slot, bundles_of, run_from
from pvasm.objects.object_extents import Extent, Extents, code_sections, extents_of
from pvasm.paravirt.catalog import Catalog
from pvasm.paravirt.patterns import Patterns
from pvasm.patch.linux_records import has_linux_records, linux_sites
from pvasm.patch.object_records import read_sites
from pvasm.patch.records import NATIVE, RECORDS

MOST_FINDINGS: Final = 100_000
"""That are told of an object: each takes a hundred times the memory of its instruction."""


class ObjectAnswer(Struct):
    """What is found in a file, what of it cannot be read, and what is left out on purpose."""

    diagnostics: list[Diagnostic]
    errors: list[PvasmError]
    notes: list[PvasmError]
    files: int = 0


class ObjectCheck:
    """Checks files with these rules and settings: those about what is exposed, which are all that objects show."""

    def __init__(self, rules: Sequence[Rule], settings: AnswerSettings, catalog: Catalog) -> None:
        self.severities = {rule.code: rule.severity for rule in rules if rule.code in CODES}
        self.exposures = DecodedExposures(Patterns(catalog))
        self.is_user = user_level_names(settings.user_level)
        bare = settings.bare_files
        self.is_bare_file: Callable[[str], bool] = cache(lambda path: bare is not None and bare.match(path))
        globs = bare.globs if bare is not None else ()
        self.is_bare_name: Callable[[str], bool] = cache(lambda name: any(fnmatchcase(name, each) for each in globs))

    def check(self, data: bytes, path: str) -> ObjectAnswer:
        """What is found in an ELF file, or in the members of an archive. What is wrong with one stops no other."""
        answer = ObjectAnswer([], [], [])
        try:
            if not data.startswith(ARCHIVE_MAGIC):
                self._check_file(data, path, answer)
                return answer
            others = 0
            for name, content in all_members(data, path):
                if bytes(content[: len(MAGIC)]) != MAGIC:
                    others += 1
                    continue
                try:
                    self._check_file(bytes(content), f"{path}({name})", answer)
                except PvasmError as error:
                    answer.errors.append(error)
            if others:
                answer.notes.append(PvasmError(f"{others} of its members are no ELF files: not checked", path))
        except PvasmError as error:
            answer.errors.append(error)
        return answer

    def _check_file(self, data: bytes, path: str, answer: ObjectAnswer) -> None:
        file = elf_file_of(data, path)
        answer.files += 1
        if self.severities and not self.is_bare_file(path):
            answer.diagnostics += _FileCheck(self, file, answer).found()


class _FileCheck:
    """One ELF file under check."""

    def __init__(self, check: ObjectCheck, file: ElfFile, answer: ObjectAnswer) -> None:
        self.check = check
        self.file = file
        self.answer = answer
        self.extents = extents_of(file)
        self.lines = InstructionLines(file)
        if self.lines.problem is not None:
            error = self.lines.problem
            answer.notes.append(PvasmError(f"lines of sources are not known: {error.message}", error.path))
        self.is_recorded = recorded_sites(file)
        self.replacement_for = guest_replacements(file)

    def found(self) -> Iterator[Diagnostic]:
        """The diagnostics, in the order of the file."""
        for section in code_sections(self.file):
            if not self.check.is_bare_name(section.name):
                for diagnostic in self._in_section(section):
                    if len(self.answer.diagnostics) >= MOST_FINDINGS:
                        raise PvasmError(f"more than {MOST_FINDINGS} findings: the others are not told", self.file.path)
                    yield diagnostic

    def _in_section(self, section: Section) -> Iterator[Diagnostic]:
        extents = self.extents.get(section.index, _NO_EXTENTS) if self.file.sections else _NO_EXTENTS
        is_user_section = self.check.is_user(section.name)
        entered: Extent | None = None  # where `epc` has raised the level, as in source: to the function's end, if any
        for bundle in bundles_of(section):
            marked = [each for each in bundle.slots if each.instruction is not None and class_of(each.instruction.form)]
            if not marked:
                continue
            extent = extents.at(bundle.offset) or _NAMELESS
            if extent.is_data or any(map(self.check.is_bare_name, extent.names)):
                continue
            at_user_level = is_user_section or any(map(self.check.is_user, extent.names))
            for slot in marked:
                if at_user_level and entered is not extent:
                    if slot.instruction is not None and slot.instruction.mnemonic == "epc":
                        entered = extent
                    continue
                if not self.is_recorded(section.index, bundle.offset + slot.slot):
                    yield from self._of_slot(section, bundle, slot, extent)

    def _of_slot(self, section: Section, bundle: CodeBundle, slot: Slot, extent: Extent) -> Iterator[Diagnostic]:
        exposure = self.check.exposures.exposure(run_from(section, bundle, slot.slot))
        if exposure is None or self._is_left(exposure, section.index, bundle.offset + slot.slot):
            return
        severity = self.check.severities.get(code_of(exposure))
        if severity is None:
            return
        source = self.lines.at(section.index, bundle.offset + slot.slot)
        if source is not None and self.check.is_bare_file(source[0]):
            return
        path, line = source or (self.file.path, 0)
        column = 1 if source else 0
        place = _place(section, bundle, slot, extent)
        details = (f"in {self.file.path}: {place}",) if source else ()
        yield Diagnostic(
            *(path, line, column, line, column, code_of(exposure), severity, described(exposure)),
            *(exposure.text, exposure.text, 1, None, details, "", place, _address(section, bundle, slot)),
        )

    def _is_left(self, exposure: Exposure, section: int, offset: int) -> bool:
        """Whether it stands in a guest's replacement, and is what an op that stands for it becomes for that guest."""
        instance = self.replacement_for(section, offset)
        return instance is not None and any(use.op.name in _left_bare(instance) for use in exposure.uses)


def guest_replacements(file: ElfFile) -> Callable[[int, int], str | None]:
    """What tells for whom the replacement at a place is, by its section and offset; None where there is none.

    What does not fit in a site stands behind its replacement, up to the next one. Raises PvasmError for records that
    cannot be right.
    """
    sites = read_sites(file) if file.section_named(RECORDS) is not None else ()
    starts = sorted(
        (record.replacement.section, record.replacement.offset, name)
        for site in sites
        for name, record in site.records.items()
    )
    sections = {site.place.section for site in sites}

    def instance_at(section: int, offset: int) -> str | None:
        place = bisect_right(starts, (section, offset, "\U0010ffff")) - 1
        return starts[place][2] if place >= 0 and starts[place][0] == section and section not in sections else None

    return instance_at


@cache
def _left_bare(name: str) -> frozenset[str]:
    """The ops in which an instance leaves what they replace; none of one that pvasm does not know."""
    from pvasm.paravirt.bare import bare_instructions
    from pvasm.paravirt.loading import load_catalog, load_instance
    from pvasm.paravirt.shipped import instance_names

    if name not in instance_names():
        return frozenset()
    instance = load_instance(name, load_catalog())
    left = {op for op, definition in instance.definitions.items() if definition.template is None}
    return frozenset(left | {each.op for each in bare_instructions(instance)})


def recorded_sites(file: ElfFile) -> Callable[[int, int], bool]:
    """What tells, of the number of a section and an offset with the slot in the low bits, whether native code is right.

    It is at a site that has a replacement for another instance, in the replacement for bare hardware, and at a site of
    Linux's records. Raises PvasmError for records that cannot be right.
    """
    found: list[tuple[int, int, int]] = []
    for site in read_sites(file) if file.section_named(RECORDS) is not None else ():
        native = site.records.get(NATIVE)
        if any(name != NATIVE for name in site.records):
            found.append((site.place.section, site.place.offset, site.place.offset + site.length))
        if native is not None:
            start = native.replacement
            found.append((start.section, start.offset, start.offset + native.replacement_length))
    for other in linux_sites(file) if has_linux_records(file) else ():
        found.append((other.within.index, other.start, other.end))
    found.sort()

    def is_recorded(section: int, offset: int) -> bool:
        place = bisect_right(found, (section, offset, 1 << 64)) - 1
        return place >= 0 and found[place][0] == section and offset < found[place][2]

    return is_recorded


_NO_EXTENTS: Final = Extents(())
_NAMELESS: Final = Extent(0)


def _address(section: Section, bundle: CodeBundle, slot: Slot) -> int:
    """What sorts places of a file."""
    return section.index << 48 | bundle.offset + slot.slot


def _place(section: Section, bundle: CodeBundle, slot: Slot, extent: Extent) -> str:
    """Where an instruction is: its symbol, and the section with the offset of the bundle and the slot."""
    where = f"{section.name}+{bundle.offset:#x}, slot {slot.slot}"
    if not extent.names:
        return where
    offset = bundle.offset - extent.start
    return f"{extent.names[0]}{f'+{offset:#x}' if offset else ''} ({where})"
