"""A survey as a configuration with comments: a `pvasm.toml`, or the table `[tool.pvasm]` of a `pyproject.toml`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from pvasm.adopt.survey import Survey
from pvasm.config import own_table, parsed
from pvasm.errors import PvasmError
from pvasm.regex import regex

BASELINE = "pvasm-baseline.json"

_HEAD = regex(r"[ \t]*+\[{1,2}+[ \t]*+(?P<name>[^\]#\n]++)\]")
_OWN = regex(r"tool[ \t]*+\.[ \t]*+[\"']?pvasm[\"']?[ \t]*+(?:\.|$)")
_LONGEST = 100  # characters of a list on one line


def settings_text(found: Survey, undecided: Sequence[str] = ()) -> str:
    """The configuration, without the head of a table. `undecided` are files that may be for bare hardware alone."""
    return "".join(f"{line}\n" for line in _lines(found, undecided))


def _lines(found: Survey, undecided: Sequence[str]) -> Iterator[str]:
    yield f"# `pvasm check' of {found.what}, as `pvasm init' saw it; yours from here on."
    yield "# docs/configuration.md tells of every key."
    yield ""
    yield "# What a check is about that names no path."
    if found.others:
        yield f"# Left out: other architectures' sources, or in folders that do not say whose ({found.others})."
    yield from _listed("paths", found.paths)
    yield ""
    yield "# Compiled once, for bare hardware: nothing is asked of these. Take out what a guest runs, too."
    yield from _listed("bare-hardware", dict(found.bare_hardware), found.bare_hardware)
    if undecided:
        yield "# These have sensitive instructions and no op: what no guest runs belongs above, the rest wants ops."
        # A name that is not UTF-8 no TOML file can hold; here it need be known again, and that is all.
        yield from (f"#   {_quoted(each.encode('utf-8', 'replace').decode())}," for each in undecided)
    yield ""
    if found.op_headers:
        yield "# These headers make ops plain instructions, or an instance's: --cpp and `pvasm cc' undo that."
        yield from _listed("op-headers", [each.name for each in found.op_headers])
    else:
        yield "# Headers that define ops themselves, as #include <...> names them: none was found."
        yield '# op-headers = ["asm/native/inst.h"]'
    yield ""
    yield "# What the compiler is given, for --cpp; `--build DIR' takes it from a build instead, file by file."
    yield from _listed("include-dirs", found.include_dirs, [(each, "made by the build") for each in found.made_later])
    yield from _listed("defines", found.defines)
    yield from _listed("includes", found.includes)
    made = " once the headers are there that the build makes (make prepare)" if found.made_later else ""
    yield f"# cpp = true  # run the C preprocessor in every check{made}"
    yield ""
    yield "# Which instances there are, by name or file: all that travel with pvasm, unless this says so."
    yield '# instances = ["native", "xen"]'
    yield "# Ask for the ops that Linux does not have, too (fc, ttag, ptc.ga, ...)."
    yield "# extension = true"
    yield "# Sections and symbols of code that runs at user level, but for Linux's signal trampoline, which is known."
    yield '# user-level = [".text.user"]'
    yield ""
    yield f"# Findings that are to stay for now: `pvasm check --write-baseline {BASELINE}' writes them down."
    yield f'# baseline = "{BASELINE}"'


def _listed(key: str, values: Iterable[str], remarks: Iterable[tuple[str, str]] = ()) -> Iterator[str]:
    """A key with a list; commented out where there is nothing in it."""
    said = dict(remarks)
    words = [_quoted(each) for each in values]
    line = f"{key} = [{', '.join(words)}]"
    if not words:
        yield f"# {key} = []"
    elif not said and len(line) <= _LONGEST:
        yield line
    else:
        yield f"{key} = ["
        for value, word in zip(values, words, strict=True):
            yield f"    {word}," + (f"  # {said[value]}" if value in said else "")
        yield "]"


def _quoted(value: str) -> str:
    """A string, as TOML has it. Raises PvasmError for a name that no TOML file can hold."""
    if any("\ud800" <= each <= "\udfff" for each in value):
        raise PvasmError("a name that is not UTF-8 cannot stand in a configuration: rename it", value)
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


# ------------------------------------------------------------------------------------- pyproject.toml


def with_table(text: str, path: str, settings: str, *, replaces: bool) -> str:
    """A `pyproject.toml` with our table in it, at its end, or in the place of one that is there.

    Everything else stays as it stands. Raises PvasmError for what is no TOML, for a table that there is if nothing
    `replaces` it, and for one that stands in no lines of its own.
    """
    before = parsed(text, path)
    own = own_table(before)
    if own is not None and not replaces:
        raise PvasmError("has a table [tool.pvasm] already: --force writes another in its place", path)
    lines = text.splitlines(keepends=True)
    kept = "".join(_without_own(lines) if own is not None else lines).rstrip("\r\n")
    made = f"[tool.pvasm]\n{settings}"
    if "\r\n" in text:
        made = made.replace("\n", "\r\n")
        made = f"{kept}\r\n\r\n{made}" if kept else made
    else:
        made = f"{kept}\n\n{made}" if kept else made
    try:
        is_in_its_own_lines = _others(parsed(made, path)) == _others(before)
    except PvasmError:  # it is declared twice now
        is_in_its_own_lines = False
    if not is_in_its_own_lines:
        raise PvasmError("its table [tool.pvasm] is not in lines of its own: take it out first", path)
    return made


def _without_own(lines: Iterable[str]) -> Iterator[str]:
    inside = False
    for line in lines:
        head = _HEAD.match(line)
        if head is not None:
            inside = _OWN.match(head["name"].strip()) is not None
        if not inside:
            yield line


def _others(table: dict[str, Any]) -> dict[str, Any]:
    """All but our own table; an empty table of tools is none."""
    tools = {name: value for name, value in table.get("tool", {}).items() if name != "pvasm"}
    return {**{name: value for name, value in table.items() if name != "tool"}, **({"tool": tools} if tools else {})}
