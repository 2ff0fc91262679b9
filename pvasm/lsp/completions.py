"""What may stand at a place: ops, instructions, macros and directives where a statement begins, registers and names
elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, Literal, NamedTuple

from pvasm.expand.invocations import words_of
from pvasm.isa.mnemonics import stems
from pvasm.isa.register_purposes import about_register
from pvasm.isa.registers import INDEXED, REGISTERS
from pvasm.isa.table import mnemonics
from pvasm.lsp.comments import in_code
from pvasm.lsp.directives import DIRECTIVES
from pvasm.lsp.names import symbols
from pvasm.lsp.open_document import OpenDocument
from pvasm.paravirt.catalog import Catalog, Op
from pvasm.paravirt.schema import instance_schema
from pvasm.paravirt.shipped import instance_names
from pvasm.regex import regex
from pvasm.syntax import tree
from pvasm.syntax.tokens import BUNDLE_TEMPLATES

Kind = Literal["op", "instruction", "register", "label", "macro", "value", "directive", "key", "instance"]

# A directive of the C preprocessor, and what stands behind the name that it defines.
_CPP: Final = regex(r"[ \t]*#[ \t]*(?P<name>\w*)(?:(?<=define)[ \t]+\w+(?:\([^()]*\))?[ \t](?P<body>.*))?")
_EXTENDS: Final = regex(r"extends:[ \t]+(?=[\w-]*\Z)")
_WORD: Final = regex(r"[\w.$\[\]]*\Z")
# What stands before the head of a statement: the end of another, stops, braces, labels, tags, a predicate, comments.
_BEFORE_HEAD: Final = regex(
    r"[^;{}]*[;{}]|[ \t]*+(?:[\w.$]++:|\[[\w.$]++:\])|[ \t]*+\([ \t]*+[\w.$]++[ \t]*+\)|[ \t]*+/\*(?:[^*]|\*(?!/))*+\*/"
)


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
    before = line[: word.start()]
    if not in_code(document, offset):
        return [], start
    directive = _CPP.match(before)
    if directive is not None and directive["body"] is None:
        return list(_names(document)) if directive["name"] else [], start
    before = directive["body"] if directive is not None else before
    if before.rstrip().endswith("{") and word[0].startswith("."):
        return [Proposal(f".{each}", "directive", "template of a bundle") for each in BUNDLE_TEMPLATES], start
    if before.endswith("\\"):
        return list(_parameters(document, offset)), start
    if _begins_statement(before):
        return [*_heads(document.subject.catalog), *_directives(), *_names(document)], start
    return [*_registers(), *_names(document)], start


def _begins_statement(before: str) -> bool:
    """Whether nothing of a statement stands in what is before a word of its line."""
    while found := _BEFORE_HEAD.match(before):
        before = before[found.end() :]
    return not before.strip()


@lru_cache(maxsize=1)
def _directives() -> tuple[Proposal, ...]:
    return tuple(Proposal(name, "directive", about) for name, about in DIRECTIVES.items())


def _parameters(document: OpenDocument, offset: int) -> Iterator[Proposal]:
    """The parameters of the `.macro` that an offset is in the body of."""
    for statement in reversed(document.document.statements):
        syntax = statement.syntax
        if statement.start < offset and isinstance(syntax, tree.Directive):
            if syntax.name == ".endm":
                return
            if syntax.name == ".macro":
                words = [word for word, *_ in words_of(document.document, statement.start, statement.end)]
                yield from (Proposal(word, "macro", f"parameter of {words[1]}") for word in words[2:])
                return


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
    found = [Proposal(name, "register", about_register(register)) for name, register in REGISTERS.items()]
    return (*found, *(Proposal(f"{name}[", "register", "indexed registers") for name in INDEXED))


def _names(document: OpenDocument) -> Iterator[Proposal]:
    seen: set[str] = set()
    for each in symbols(document):
        if each.name not in seen:
            seen.add(each.name)
            yield Proposal(each.name, each.kind, f"{each.kind} of this file")
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
    extended = _EXTENDS.match(line)
    if extended is not None:
        return [Proposal(name, "instance", "instance") for name in instance_names()], start + extended.end()
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
