"""Dependency files: rules in the syntax of make, as the C preprocessor writes them, for make and ninja to read."""

from __future__ import annotations

from collections.abc import Sequence

from pvasm.errors import PvasmError
from pvasm.regex import regex

_BLANK = regex(r"(?<!\\)(\\*+)([ \t])")
_SPECIAL = regex(r"[#:]")
_NEXT = " \\\n "  # between two names: each has a line of its own

# The first rule's line, its continuations included: everything up to a line break with no backslash before it.
_RULE = regex(r"(?:\\\r?\n|[^\n])*")
# The names in it, and the colon after the targets. A colon that belongs to a name has a backslash before it, or no
# blank after it.
_NAME = regex(r"(?:\\[^\r\n]|\$\$|:(?=[^\s\\])|[^\s\\:]|\\(?=[^\s]))++")
_AFTER_TARGETS = regex(r":(?=\s|\\\r?\n|$)")


def quoted(name: str) -> str:
    """A file's name as make reads it.

    Raises PvasmError for a name with a line break in it, which make has no way to write.
    """
    if "\n" in name or "\r" in name:
        raise PvasmError("a file name with a line break cannot stand in a dependency file: rename it", name)
    dollars = _SPECIAL.sub(r"\\\g<0>", name.replace("$", "$$"))
    # Backslashes before a blank count double; others stand for themselves.
    return _BLANK.sub(r"\1\1\\\2", dollars)


def rule(targets: Sequence[str], prerequisites: Sequence[str], phony: bool, *, sources: int = 1) -> str:
    """The rule that says that `targets` depend on `prerequisites`, each named once; the text of a dependency file.

    With `phony`, each prerequisite but the first `sources` is a target of its own without prerequisites, so that make
    goes on when the file is gone. Raises PvasmError for a name that make cannot read.
    """
    names = [quoted(name) for name in dict.fromkeys(prerequisites)]
    heads = " ".join(quoted(name) for name in dict.fromkeys(targets))
    return f"{heads}:{''.join(f' {name}' if not at else _NEXT + name for at, name in enumerate(names))}\n" + (
        _phony(names[sources:]) if phony else ""
    )


def extended(text: str, prerequisites: Sequence[str], phony: bool) -> str:
    """A dependency file's text with more prerequisites in its first rule, but for those that it has already.

    With `phony` each of them is also a target of its own. A text without a rule stays as it is. Raises PvasmError for a
    name that make cannot read.
    """
    start = len(text) - len(text.lstrip())
    found = _RULE.match(text, start)
    colon = _AFTER_TARGETS.search(text, start, found.end()) if found else None
    if found is None or colon is None:
        return text
    there = set(_NAME.findall(text, colon.end(), found.end()))
    names = [name for name in dict.fromkeys(map(quoted, prerequisites)) if name not in there]
    head = text[: found.end()].rstrip()
    rest = text[found.end() :] or "\n"
    end = "" if rest.endswith("\n") else "\n"
    return head + "".join(_NEXT + name for name in names) + rest + (end + _phony(names) if phony and names else "")


def with_first(text: str, prerequisite: str) -> str:
    """A dependency file's text with this prerequisite of its first rule, which has it somewhere, before all others.

    A text without a rule stays as it is. Raises PvasmError for a name that make cannot read.
    """
    start = len(text) - len(text.lstrip())
    found = _RULE.match(text, start)
    colon = _AFTER_TARGETS.search(text, start, found.end()) if found else None
    if found is None or colon is None:
        return text
    first = quoted(prerequisite)
    names = _NAME.findall(text, colon.end(), found.end())
    others = [name for name in names if name != first]
    return text[: colon.end()] + "".join([f" {first}", *(_NEXT + name for name in others)]) + text[found.end() :]


def _phony(names: Sequence[str]) -> str:
    return "".join(f"{name}:\n" for name in names)
