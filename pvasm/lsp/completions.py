"""What may stand at a place: ops, instructions and macros where a statement begins, registers and names elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, Literal, NamedTuple

from pvasm.isa.mnemonics import stems
from pvasm.isa.registers import INDEXED, REGISTERS
from pvasm.isa.table import mnemonics
from pvasm.lsp.names import symbols
from pvasm.lsp.open_document import OpenDocument
from pvasm.paravirt.catalog import Catalog, Op
from pvasm.paravirt.schema import instance_schema
from pvasm.regex import regex

Kind = Literal["op", "instruction", "register", "label", "macro", "key"]

_WORD: Final = regex(r"[\w.$\[\]]*\Z")
# What stands before the head of a statement: labels, tags, a predicate, stops, braces, the end of another statement.
_BEFORE_HEAD: Final = regex(r"[^;{}]*[;{}]|[ \t]*+(?:[\w.$]++:|\[[\w.$]++:\])|[ \t]*+\([ \t]*+[\w.$]++[ \t]*+\)")


class Proposal(NamedTuple):
    """A word that may stand at a place: what it is, a line about it, and what is written for it.

    `snippet` has `${1:name}` where something else is to be written.
    """

    word: str
    kind: Kind
    detail: str
    snippet: str | None = None


def completions(document: OpenDocument, offset: int) -> tuple[list[Proposal], int]:
    """What may stand at an offset, and where the word begins that is being written there."""
    text = document.text
    line = text[text.rfind("\n", 0, offset) + 1 : offset]
    word = _WORD.search(line)
    assert word is not None
    start = offset - len(word[0])
    if _begins_statement(line[: word.start()]):
        return [*_heads(document.subject.catalog), *_names(document)], start
    return [*_registers(), *_names(document)], start


def _begins_statement(before: str) -> bool:
    """Whether nothing of a statement stands in what is before a word of its line."""
    while found := _BEFORE_HEAD.match(before):
        before = before[found.end() :]
    return not before.strip()


def _heads(catalog: Catalog) -> Iterator[Proposal]:
    for op in catalog.ops.values():
        yield Proposal(op.name, "op", op.doc.partition("\n")[0], _snippet(op))
    yield from _instructions()


def _snippet(op: Op) -> str:
    if not op.parentheses:
        return op.name
    return f"{op.name}({', '.join(f'${{{number}:{each.name}}}' for number, each in enumerate(op.parameters, 1))})"


@lru_cache(maxsize=1)
def _instructions() -> tuple[Proposal, ...]:
    found = []
    for stem in sorted(stems()):
        for mnemonic in sorted(mnemonics(stem)):
            found.append(Proposal(mnemonic, "instruction", "instruction"))
    return tuple(found)


@lru_cache(maxsize=1)
def _registers() -> tuple[Proposal, ...]:
    found = [Proposal(name, "register", "register") for name in REGISTERS]
    return (*found, *(Proposal(f"{name}[", "register", "indexed registers") for name in INDEXED))


def _names(document: OpenDocument) -> Iterator[Proposal]:
    seen: set[str] = set()
    for each in symbols(document):
        if each.name not in seen:
            seen.add(each.name)
            yield Proposal(each.name, "macro" if each.kind == "macro" else "label", f"{each.kind} of this file")
    for header in document.subject.headers:
        for define in header.defines:
            if define.name not in seen:
                seen.add(define.name)
                yield Proposal(define.name, "macro", f"macro of {header.path}")


# ---------------------------------------------------------------------------------- instance files


def instance_completions(text: str, catalog: Catalog, offset: int) -> tuple[list[Proposal], int]:
    """The keys that may stand at an offset of an instance file, and where the word begins that is written there."""
    start = text.rfind("\n", 0, offset) + 1
    line = text[start:offset]
    indentation = len(line) - len(line.lstrip(" "))
    if ":" in line or (line.strip() and not line.strip().replace("_", "a").isalnum()):
        return [], offset
    return list(_keys(_around(text[:start], indentation), catalog)), start + indentation


def _around(before: str, indentation: int) -> list[str]:
    """The keys around a line, from without to within."""
    found: list[str] = []
    for line in reversed(before.split("\n")):
        depth = len(line) - len(line.lstrip(" "))
        if line.strip() and not line.lstrip().startswith("#") and depth < indentation:
            found.append(line.strip().partition(":")[0])
            indentation = depth
        if not indentation:
            break
    return found[::-1]


def _keys(around: Sequence[str], catalog: Catalog) -> Iterator[Proposal]:
    if list(around) == ["ops"]:
        for op in catalog.ops.values():
            yield Proposal(op.name, "op", op.doc.partition("\n")[0], f"{op.name}:")
        return
    schema = instance_schema(catalog)
    for key in around:
        schema = _properties(schema).get(key, {})
    for key, about in _properties(schema).items():
        yield Proposal(key, "key", str(about.get("description", "")).partition("\n")[0], f"{key}: ")


def _properties(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The keys that a schema knows, in any of its alternatives."""
    found = dict(schema.get("properties", {}))
    for each in schema.get("anyOf", ()):
        found |= _properties(each)
    return found
