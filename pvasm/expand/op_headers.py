"""Headers that define ops themselves: after the C preprocessor, their code stands where an instance's is due.

Linux 6.1's `asm/native/inst.h` makes `RFI` an `rfi` before anybody can expand it. What can be seen of
such a header in preprocessed text is an error. An overlay, found before the header, includes the header and then takes
the ops away again, so that they pass the C preprocessor as they are.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Sequence

from msgspec import Struct

from pvasm.errors import PvasmError
from pvasm.paravirt.catalog import Catalog
from pvasm.paravirt.instance import Instance
from pvasm.regex import regex
from pvasm.text import read_text

# A line marker with its flags, a definition, the end of one, or other text.
_LINE = regex(
    r"^(?:[ \t]*+#(?:[ \t]*+line)?[ \t]++\d++[ \t]++\"(?P<file>(?:\\.|[^\"\\\n])*+)\"(?P<flags>[ \t\d]*+)"
    r"|[ \t]*+#[ \t]*+define(?:[ \t]|\\\n)++(?P<name>\w++)|[ \t]*+#[ \t]*+undef(?:[ \t]|\\\n)++(?P<gone>\w++)"
    r"|(?P<code>[ \t]*+[^#\s]))",
    re.MULTILINE,
)
_COMMENT = regex(r"/\*(?s:.*?)(?:\*/|\Z)|//[^\n]*+")
_NAMED = regex(r"^[ \t]*+#[ \t]*+(?:define(?:[ \t]|\\\n)++\w++|(?:undef|ifn?def)[^\n]*+)", re.MULTILINE)
_DIRECTIVE = regex(r"^[ \t]*+#[^\n]*+", re.MULTILINE)
_WORD = regex(r"\b[A-Z][A-Z0-9_]++\b")
_MOST_FILES = 2_000
_SHOWN = 6  # ops in a message

Read = Callable[[str], str]
"""Reads a file; raises PvasmError where it cannot."""


class OpHeader(Struct, frozen=True):
    """A header whose definitions of ops the C preprocessor has put in their place; or the source, or its command."""

    path: str
    ops: tuple[str, ...]

    def error(self, path: str, op_headers: Collection[str] | None = None) -> PvasmError:
        """The error, for the text of the file at `path`, with what would be right.

        `op_headers` are those known to whoever runs the preprocessor; None if it has been run already.
        """
        more = f" and {len(self.ops) - _SHOWN} more" if len(self.ops) > _SHOWN else ""
        ops = f"{', '.join(self.ops[:_SHOWN])}{more}"
        said = f"{self.path} defines ops itself ({ops}), so its code stands where the instance's is due"
        return PvasmError(f"{said}: {self._remedy(path, op_headers)} (docs/adopting.md)", path)

    def _remedy(self, path: str, op_headers: Collection[str] | None) -> str:
        if self.path == path or self.path.startswith("<") or self.path.endswith((".S", ".sx")):
            return "leave these definitions out"
        name = f"/{self.path}".rpartition("/include/")[2].removeprefix("/")
        if op_headers is None:
            return f"preprocess with -I DIR first, made by `pvasm header --op-header {name} --output-dir DIR'"
        known = next((each for each in op_headers if f"/{self.path}".endswith(f"/{each}")), None)
        if known is not None:
            return f"--op-header finds it where it is included by <{known}>, not beside the file that includes it"
        return f"--op-header {name} takes them away"


def is_bare_hardware(instance: Instance) -> bool:
    """Whether a header's own ops are as good as the instance's: each op is the instructions that it replaces."""
    catalog = instance.catalog
    return instance.environment == "hardware" and all(
        definition.template is None or definition.template.source == catalog.template(catalog.ops[name])
        for name, definition in instance.definitions.items()
    )


def find_op_headers(
    text: str, ops: Collection[str], read: Read = read_text, defines: Iterable[str] = (), source: str = ""
) -> list[OpHeader]:
    """The headers whose definitions of `ops` have been used in preprocessed text, in order.

    Line markers name the files that were read, and these are read again with `read`: what cannot be read is no matter,
    but for the source, which may then use any op. Definitions in the text itself (`gcc -E -dD`) count in their place.
    `defines` are what the command itself defined (`-D`); `source` is the file that it is all about, or else the first
    that the text names. An op that stands in the text, whatever a header says, has not been replaced.
    """
    if not any(found["file"] for found in _LINE.finditer(text)):
        return []
    look = _Look(frozenset(ops), read, source)
    for define in defines:
        name = define.partition("=")[0].partition("(")[0]
        if name in ops:
            look.define(name, True, "<command-line>")
    for found in _LINE.finditer(text):
        look.line(found)
    return look.found(text)


class _Look:
    """Goes through preprocessed text with an eye on who defines ops."""

    def __init__(self, ops: frozenset[str], read: Read, source: str) -> None:
        self.ops = ops
        self.read = read
        self.source = source
        self.here = "<command-line>"
        self.open: list[str] = []
        self.used_in: dict[str, frozenset[str]] = {}  # the ops that a file uses
        self.directives: dict[str, dict[str, bool]] = {}  # the last that a file says of an op: whether it is defined
        self.defined: dict[str, str] = {}  # by which file an op is defined here
        self.in_force: dict[str, str] = {}  # by which file it was, where there was code
        self.has_changed = False
        self.is_exact = False  # definitions stand in the text

    def line(self, found: re.Match[str]) -> None:
        """Takes note of a line."""
        if found["file"] is not None:
            self.marker(found["file"], found["flags"].split())
        elif found["code"] is not None:
            if self.has_changed:
                self.has_changed = False
                self.in_force.update(self.defined)
        else:
            name = found["name"] or found["gone"]
            if not self.is_exact:
                self.is_exact = True
                self.defined.clear()
                self.in_force.clear()
            if name in self.ops:
                self.define(name, found["name"] is not None)

    def marker(self, file: str, flags: Sequence[str]) -> None:
        """A file begins, or another goes on."""
        self.here = file
        if "2" in flags and self.open:
            self.close()
        elif not file.startswith("<built-in") and not file.startswith("<command") and ("1" in flags or not self.open):
            self.source = self.source or file
            self.open.append(file)
            self.look_into(file)

    def close(self) -> None:
        """A file has ended: what it says of ops holds from here on, where the text itself does not tell."""
        file = self.open.pop()
        if not self.is_exact:
            for name, is_defined in self.directives.get(file, {}).items():
                self.define(name, is_defined, file)

    def define(self, name: str, is_defined: bool, file: str | None = None) -> None:
        """An op is defined here, or not any more."""
        self.has_changed = True
        if is_defined:
            self.defined[name] = file or self.here
        else:
            self.defined.pop(name, None)

    def look_into(self, file: str) -> None:
        """Finds out what a file says of ops."""
        if file in self.used_in or len(self.used_in) > _MOST_FILES:
            return
        try:
            text = _COMMENT.sub(" ", self.read(file))
        except PvasmError:
            self.used_in[file] = self.ops if file == self.source else frozenset()
            return
        self.used_in[file] = self.ops.intersection(_WORD.findall(_NAMED.sub("", text)))
        said: dict[str, bool] = {}
        for found in _LINE.finditer(text):
            name = found["name"] or found["gone"]
            if name in self.ops:
                said[name] = found["name"] is not None
        self.directives[file] = said

    def found(self, text: str) -> list[OpHeader]:
        """The headers whose definitions have been used."""
        while self.open:
            self.close()
        self.in_force.update(self.defined)
        plain = _DIRECTIVE.sub("", text) if self.is_exact else text
        left = set(_WORD.findall(plain)) if self.in_force else set()
        headers: dict[str, list[str]] = {}
        for name, file in self.in_force.items():
            if name not in left and any(
                name in used for other, used in self.used_in.items() if other != file or other == self.source
            ):
                headers.setdefault(file, []).append(name)
        return [OpHeader(file, tuple(names)) for file, names in headers.items()]


# ------------------------------------------------------------------------------------------- overlays


def overlay(name: str, catalog: Catalog) -> str:
    """The header to be found before the one of that name: it includes that, and takes the ops away.

    What else the header defines stays, constants included. A block is what the sources call it otherwise, unless its
    symbol (`PVASM_BLOCK_NAME`) says that an instance replaces it.
    """
    lines = ["/* Made by pvasm: the header itself, without the ops that it defines. */", f"#include_next <{name}>"]
    lines += [f"#undef {each}" for each in (*catalog.ops, *catalog.blocks)]
    for block in catalog.blocks.values():
        lines += [f"#ifndef {block.kept}", f"#define {block.name} {block.otherwise}", "#endif"]
    return "".join(f"{line}\n" for line in lines)


def overlays(names: Iterable[str], catalog: Catalog) -> dict[str, str]:
    """The overlay of each header, by its name."""
    return {name: overlay(name, catalog) for name in dict.fromkeys(names)}
