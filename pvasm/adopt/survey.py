"""What can be seen of a tree without asking anybody: what to check, where headers are, which of them define ops."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator

from msgspec import Struct

from pvasm.adopt import linux_tree
from pvasm.cpp_options import flaw_of_header_name
from pvasm.errors import PvasmError
from pvasm.regex import regex
from pvasm.sources import find_sources, is_header
from pvasm.text import read_text

_DEFINES = regex(r"^[ \t]*+(?:#[ \t]*+define|\.macro)[ \t]++(?P<name>[A-Z][A-Z0-9_]*+)\b", re.MULTILINE)
_INCLUDES = regex(r"^[ \t]*+#[ \t]*+include[ \t]*+<(?P<name>[^>\n]++)>", re.MULTILINE)
_WORD = regex(r"\b[A-Z][A-Z0-9_]++\b")
# What trees of several architectures call the folders of each.
_OUR_FOLDER = regex(r"(?:asm-)?(?:ia-?64|ipf|itanium)", re.IGNORECASE)
_ANOTHERS_FOLDER = regex(
    r"(?:asm-)?(?:aarch64|alpha|amd64|arc|arm(?:32|64|v\d\w*+)?|avr32|blackfin|cris|frv|h8300|hexagon|hppa|i[3-6]86|loongarch(?:64)?"
    r"|m32r|m68k|microblaze|mips(?:32|64)?|nios2|openrisc|or1k|parisc|pc98|powerpc(?:32|64)?|ppc(?:32|64)?|riscv(?:32|64)?"
    r"|s390x?|sh|sh4|sh64|sparc(?:32|64)?|sun4[uv]|tile|v850|vax|x64|x86|x86[_-](?:32|64)|xtensa)",
    re.IGNORECASE,
)
_LINKED = regex(r"asm-ia64")
_MOST_FOLDERS = 12  # of headers, of a tree that is no Linux


class OpHeader(Struct, frozen=True):
    """A header that defines ops itself: its name as in `#include <...>`, and how many."""

    name: str
    ops: int


class Survey(Struct, frozen=True):
    """What was seen. Paths are relative to the folder of the survey; `what` is what the tree is, for people.

    `bare_hardware` has the files that are compiled once, each with the reason; `made_later` are those of `include_dirs`
    that a build makes. `others` counts the sources that are other architectures', or do not say whose they are.
    """

    what: str
    paths: tuple[str, ...]
    others: int = 0
    include_dirs: tuple[str, ...] = ()
    made_later: tuple[str, ...] = ()
    defines: tuple[str, ...] = ()
    includes: tuple[str, ...] = ()
    op_headers: tuple[OpHeader, ...] = ()
    bare_hardware: tuple[tuple[str, str], ...] = ()


def survey(folder: str, ops: Collection[str]) -> Survey:
    """What there is to see of the tree in a folder. Raises PvasmError for what is no folder or shows no assembly."""
    if not os.path.isdir(folder):
        raise PvasmError("no such folder" if not os.path.exists(folder) else "is no folder", folder)
    if linux_tree.is_linux(folder):
        dirs, later = linux_tree.include_dirs(folder)
        return Survey(
            what=linux_tree.named(folder),
            paths=linux_tree.paths(folder),
            include_dirs=dirs,
            made_later=later,
            defines=linux_tree.DEFINES,
            includes=linux_tree.includes(folder),
            op_headers=_op_headers(folder, dirs[:1], ops),
            bare_hardware=linux_tree.bare_hardware(folder),
        )
    errors: list[PvasmError] = []
    files = _files(folder, errors)
    if all(map(is_header, files)):
        if errors:
            raise errors[0]  # it may be in there
        if not all(is_header(source.path) for source in find_sources([folder], [], [])):
            said = "git ignores all assembly below it: take it out of .gitignore"
            raise PvasmError(f"{said}, or write a pvasm.toml with `respect-gitignore = false'", folder)
        said = "no assembly is below it (.S, .s, .sx)"
        raise PvasmError(f"{said}: run `pvasm init' at the top of the tree, or name that folder", folder)
    anothers = [path for path in files if _is_anothers(path)]
    ours = [path for path in files if _our_folder(path) is not None]
    if all(map(is_header, anothers)) or all(map(is_header, ours)):
        dirs = _folders_of_headers(folder, files, files)
        return Survey("a tree with assembly", (".",), include_dirs=dirs, op_headers=_op_headers(folder, dirs, ops))
    dirs = _folders_of_headers(folder, ours, set(files).difference(anothers))
    return Survey(
        what="a tree of several architectures",
        paths=_folders_with_assembly(folder, ours),
        others=sum(not is_header(path) for path in files) - sum(not is_header(path) for path in ours),
        include_dirs=dirs,
        op_headers=_op_headers(folder, dirs, ops),
    )


def _our_folder(path: str) -> str | None:
    """The outermost folder of IA-64 that a file is in, if that is in none of another architecture."""
    parts = path.split("/")[:-1]
    for number, name in enumerate(parts, start=1):
        if _OUR_FOLDER.fullmatch(name):
            return "/".join(parts[:number])
        if _ANOTHERS_FOLDER.fullmatch(name):
            return None
    return None


def _folders_with_assembly(folder: str, ours: Collection[str]) -> tuple[str, ...]:
    """The folders of IA-64 with sources, and those whose headers hold assembly: of others a check would complain."""
    from pvasm.check.checker import Checker
    from pvasm.check.settings import Settings

    checker = Checker(Settings())
    found: set[str] = set()
    for path in sorted(ours, key=is_header):
        own = _our_folder(path)
        if own is None or own in found:
            continue
        if not is_header(path) or checker.subject_of(os.path.join(folder, path)) is not None:
            found.add(own)
    return tuple(sorted(found))


def _is_anothers(path: str) -> bool:
    """Whether a file is in a folder of another architecture."""
    return _our_folder(path) is None and any(map(_ANOTHERS_FOLDER.fullmatch, path.split("/")[:-1]))


def names_ops(text: str, ops: Collection[str]) -> bool:
    """Whether the name of an op stands anywhere in a text."""
    return not {found[0] for found in _WORD.finditer(text)}.isdisjoint(ops)


def _files(folder: str, errors: list[PvasmError] | None = None) -> list[str]:
    """The sources and headers below a folder, relative to it; what git ignores and links that lead out are left out.

    What cannot be read is added to `errors`.
    """
    found = find_sources([folder], [] if errors is None else errors, [], respect_gitignore=True)
    return [os.path.relpath(source.path, folder) for source in found]


def _texts(folder: str, paths: Collection[str]) -> Iterator[tuple[str, str]]:
    for path in paths:
        try:
            yield path, read_text(os.path.join(folder, path))
        except PvasmError:
            continue  # whoever checks the tree tells of it


def _op_headers(folder: str, include_dirs: Collection[str], ops: Collection[str]) -> tuple[OpHeader, ...]:
    """The headers in these folders that define ops themselves, but for other architectures', and for names that
    `op-headers` does not take.
    """
    found: dict[str, int] = {}
    for place in include_dirs:
        every = _files(os.path.join(folder, place))
        headers = [path for path in every if is_header(path) and not _is_anothers(os.path.join(place, path))]
        for path, text in _texts(os.path.join(folder, place), headers):
            number = len({each["name"] for each in _DEFINES.finditer(text)}.intersection(ops))
            name = _as_included(path)
            if number and flaw_of_header_name(name) is None:
                found.setdefault(name, number)
    return tuple(OpHeader(name, number) for name, number in sorted(found.items()))


def _as_included(path: str) -> str:
    """A header's path as sources name it: builds make a link `asm` to a folder `asm-ia64`."""
    return "/".join("asm" if _LINKED.fullmatch(part) else part for part in path.split("/"))


def _folders_of_headers(folder: str, sources: Collection[str], files: Collection[str]) -> tuple[str, ...]:
    """The folders that the sources include headers from by `<...>`: those that most names lead to come first."""
    headers = sorted(filter(is_header, files))
    wanted = {found["name"] for _, text in _texts(folder, sources) for found in _INCLUDES.finditer(text)}
    giving: dict[str, set[str]] = {}
    for path in headers:
        parts = _as_included(path).split("/")
        for at in range(len(parts)):
            if (name := "/".join(parts[at:])) in wanted:
                giving.setdefault("/".join(path.split("/")[:at]) or ".", set()).add(name)
    chosen: list[str] = []
    while giving and len(chosen) < _MOST_FOLDERS:
        best = max(sorted(giving), key=lambda each: len(giving[each]))
        names = giving.pop(best)
        chosen.append(best)
        giving = {each: left for each, has in giving.items() if (left := has - names)}
    return tuple(chosen)
