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
_MOST_FOLDERS = 12  # of headers, of a tree that is no Linux


class OpHeader(Struct, frozen=True):
    """A header that defines ops itself: its name as in `#include <...>`, and how many."""

    name: str
    ops: int


class Survey(Struct, frozen=True):
    """What was seen. Paths are relative to the folder of the survey; `what` is what the tree is, for people.

    `bare_hardware` has the files that are compiled once, each with the reason; `made_later` are those of `include_dirs`
    that a build makes.
    """

    what: str
    paths: tuple[str, ...]
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
            paths=(linux_tree.ARCHITECTURE,),
            include_dirs=dirs,
            made_later=later,
            defines=linux_tree.DEFINES,
            includes=linux_tree.includes(folder),
            op_headers=_op_headers(folder, dirs[:1], ops),
            bare_hardware=linux_tree.bare_hardware(folder),
        )
    errors: list[PvasmError] = []
    files = _files(folder, errors)
    if not any(not is_header(path) for path in files):
        if errors:
            raise errors[0]  # it may be in there
        said = "no assembly is below it (.S, .s, .sx)"
        raise PvasmError(f"{said}: run `pvasm init' at the top of the tree, or name that folder", folder)
    dirs = _folders_of_headers(folder, files)
    return Survey("a tree with assembly", paths=(".",), include_dirs=dirs, op_headers=_op_headers(folder, dirs, ops))


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
    """The headers in these folders that define ops themselves, but for names that `op-headers` does not take."""
    found: dict[str, int] = {}
    for place in include_dirs:
        every = _files(os.path.join(folder, place))
        headers = [path for path in every if is_header(path) and flaw_of_header_name(path) is None]
        for path, text in _texts(os.path.join(folder, place), headers):
            number = len({each["name"] for each in _DEFINES.finditer(text)}.intersection(ops))
            if number:
                found.setdefault(path, number)
    return tuple(OpHeader(name, number) for name, number in sorted(found.items()))


def _folders_of_headers(folder: str, files: Collection[str]) -> tuple[str, ...]:
    """The folders that headers are included from by `<...>`: those that most names lead to come first."""
    headers = [path for path in files if is_header(path)]
    wanted = {found["name"] for _, text in _texts(folder, files) for found in _INCLUDES.finditer(text)}
    giving: dict[str, set[str]] = {}
    for name in wanted:
        for path in headers:
            if path == name or path.endswith(f"/{name}"):
                giving.setdefault(path[: -len(name)].rstrip("/") or ".", set()).add(name)
    chosen: list[str] = []
    while giving and len(chosen) < _MOST_FOLDERS:
        best = max(sorted(giving), key=lambda each: len(giving[each]))
        names = giving.pop(best)
        chosen.append(best)
        giving = {each: left for each, has in giving.items() if (left := has - names)}
    return tuple(chosen)
