"""Which op the code of an object came from, where records of alternatives or lines of sources tell it.

At a site it is the op that the site's native code is the native code of, whoever's code stands there. Linux's own
records have a number, which is a member of `pv_cpu_ops` or the like. Of other code the line of the source may name one.
"""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Iterator
from functools import cached_property
from typing import Final

from msgspec import Struct

from pvasm.check.decoded import DecodedExposures
from pvasm.errors import PvasmError
from pvasm.objects.elf_file import ElfFile
from pvasm.objects.function_code import Detour, Origins
from pvasm.objects.instruction_lines import InstructionLines
from pvasm.objects.object_code import bundles_of, run_from
from pvasm.paravirt.patterns import Patterns
from pvasm.patch.linux_records import has_linux_records, linux_sites
from pvasm.patch.object_records import SiteRecords, read_sites
from pvasm.patch.patching import StandingCode
from pvasm.patch.records import NATIVE, RECORDS, REPLACEMENTS, Place
from pvasm.regex import regex
from pvasm.text import read_text

_WORD: Final = regex(r"\w+")


class _Span(Struct, frozen=True):
    """Some code, to an offset in its section, that an op is the origin of."""

    end: int
    name: str


class OpOrigins(Origins):
    """The ops of a file."""

    def __init__(self, file: ElfFile, patterns: Patterns) -> None:
        """Raises PvasmError for records that cannot be right."""
        self.file = file
        self.patterns = patterns
        self.catalog = patterns.catalog
        self.spans: dict[Place, _Span] = {}
        self.detours: dict[Place, Detour] = {}
        self.texts: dict[str, list[str]] = {}
        if file.section_named(RECORDS) is not None:
            self._read_sites(read_sites(file))
        if has_linux_records(file):
            self._read_linux_sites()
        self.places = sorted(self.spans)

    def of(self, section: int, offset: int) -> str:
        """The op, and where: its site, or its line."""
        at = bisect_right(self.places, Place(section, offset)) - 1
        if at >= 0 and self.places[at].section == section:
            span = self.spans[self.places[at]]
            if offset < span.end:
                return span.name
        source = self.lines.at(section, offset)
        if source is None:
            return ""
        path, line = source
        names = [word for word in _WORD.findall(self._line(path, line)) if word in self.catalog.ops]
        return f"{', '.join(dict.fromkeys(names))} ({path}:{line})" if names else ""

    def detour(self, section: int, offset: int) -> Detour | None:
        """The code that a branch at a site leads to."""
        return self.detours.get(Place(section, offset))

    def is_apart(self, section: int) -> bool:
        """Replacements are read where they are run."""
        return bool(self.spans) and self.file.sections[section].name == REPLACEMENTS

    @cached_property
    def lines(self) -> InstructionLines:
        """The lines of sources."""
        return InstructionLines(self.file)

    def _line(self, path: str, line: int) -> str:
        """A line of a source; nothing if it is not there any more."""
        if path not in self.texts:
            try:
                self.texts[path] = read_text(path).split("\n") if os.path.isfile(path) else []
            except PvasmError:
                self.texts[path] = []
        return self.texts[path][line - 1] if line <= len(self.texts[path]) else ""

    def _read_sites(self, sites: list[SiteRecords]) -> None:
        standing = StandingCode(self.file)
        exposures = DecodedExposures(self.patterns)
        copies = sorted({each.replacement for site in sites for each in site.records.values()})
        taken: set[int] = set()  # what is between two copies is run in the place of one site, if of any
        for site in sites:
            ops = ", ".join(dict.fromkeys(self._ops(site, exposures))) or "code"
            name = f"{ops} at {standing.said(site.place)}"
            self.spans[site.place] = _Span(site.place.offset + site.length, name)
            record = standing.record_at(site)
            if record is None or not record.is_branch:
                continue
            start = standing.target_of(record.replacement)
            following = bisect_right(copies, start) if start is not None else 0
            if start is not None and following not in taken:
                taken.add(following)
                is_within = following < len(copies) and copies[following].section == start.section
                end = copies[following].offset if is_within else len(self.file.sections[start.section].data)
                self.detours[site.place] = Detour(site.length, start.section, start.offset, end)
                self.spans[start] = _Span(end, name)

    def _ops(self, site: SiteRecords, exposures: DecodedExposures) -> Iterator[str]:
        """The ops that native code of a site is the code of."""
        native = site.records[NATIVE]
        section = self.file.sections[native.replacement.section]
        start = native.replacement.offset
        for bundle in bundles_of(section, start, start + native.replacement_length):
            for slot in bundle.slots:
                exposure = exposures.exposure(run_from(section, bundle, slot.slot)) if slot.instruction else None
                if exposure is not None:
                    yield from [use.op.name for use in exposure.uses[:1]]

    def _read_linux_sites(self) -> None:
        names = {
            facts.type: (member, facts.by_register is not None)
            for table in self.catalog.tables.values()
            for member, facts in table.sites.items()
        }
        for site in linux_sites(self.file):
            known = max((each for each in names if each <= site.type), default=None)
            member, by_register = names[known] if known is not None else ("", False)
            told = member if known == site.type else f"{member} {site.type - (known or 0)}" if by_register else "code"
            place = Place(site.within.index, site.start)
            self.spans[place] = _Span(site.end, f"{told} at {site.within.name}+{site.start:#x}")
