"""Names in an open file: where they are defined, where they are used, and other names for them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from pvasm.errors import PvasmError
from pvasm.isa.mnemonics import is_mnemonic
from pvasm.isa.registers import REGISTERS
from pvasm.lsp.open_document import Occurrence, OpenDocument
from pvasm.paravirt.loading import load_instance
from pvasm.paravirt.shipped import instance_names
from pvasm.regex import regex
from pvasm.syntax import tree
from pvasm.syntax.document import Define, Document
from pvasm.text import line_and_column

_LOCAL = regex(r"(\d+)([bf])")
_SYMBOL = regex(r"[A-Za-z_.$][\w.$]*")
_ENTRY = regex(r"\w*ENTRY\w*")  # what Linux's macros that begin a function are called
_GLOBAL = frozenset((".global", ".globl", ".weak"))


class Target(NamedTuple):
    """A place in a file: the line and the column from 1, and how many characters stand there."""

    path: str
    line: int
    column: int
    length: int


class CannotRenameError(PvasmError):
    """Why a name cannot be another."""


# ------------------------------------------------------------------------------------- definitions


def definitions(document: OpenDocument, offset: int) -> list[Target]:
    """Where that is defined which stands at an offset: a label, a macro, or an op (catalog, then instances)."""
    found = document.occurrence_at(offset)
    if found is None:
        return []
    op = document.subject.catalog.ops.get(found.word)
    if op is not None:
        return list(op_definitions(document, op.name))
    return [_target(path, span) for path, span in _defined(document, found)]


def op_definitions(document: OpenDocument, name: str) -> Iterator[Target]:
    """Where an op stands in the catalog, and its template in the file of each instance that has one."""
    catalog = document.subject.catalog
    yield Target(catalog.path, catalog.ops[name].line, 1, len(name))
    seen: set[tuple[str, int]] = set()
    for each in dict.fromkeys((*instance_names(), *document.subject.instance_names)):
        instance = load_instance(each, catalog)
        template = instance.definitions[name].template
        if template is None:
            continue
        line, column = template.place()
        if (template.file, line) not in seen:
            seen.add((template.file, line))
            yield Target(template.file, line, column, 1)


def defines_of(document: OpenDocument, name: str) -> Iterator[tuple[Document, Define]]:
    """The `#define`s of a name, in the file and in the headers that it includes."""
    for each in (document.document, *document.subject.headers):
        for define in each.defines:
            if define.name == name:
                yield each, define


def _defined(document: OpenDocument, found: Occurrence) -> Iterator[tuple[Document, tuple[int, int]]]:
    """The documents and the spans in which what a word means is defined."""
    own = document.document
    local = _LOCAL.fullmatch(found.word)
    if local is not None:
        label = _local_label(own, local[1], local[2], found)
        if label is not None:
            yield own, label
        return
    for each, define in defines_of(document, found.word):
        yield each, _named(each, define.name, define.body_start)
    name = found.word.lower()
    for each in (own, *document.subject.headers):
        for statement in each.statements:
            if isinstance(statement.syntax, tree.Directive) and statement.syntax.name == ".macro":
                span = _macro_name(each, statement)
                if each.text[span[0] : span[1]].lower() == name:
                    yield each, span
    for index in dict.fromkeys(document.code.labels.get(found.word, ())):
        yield own, _word_in(own, own.statements[index], found.word)
    if found.word not in document.code.labels:
        yield from ((own, span) for span in _entries(own, found.word))


def _entries(document: Document, name: str) -> Iterator[tuple[int, int]]:
    """Where a macro of a header that is not there begins a function, as Linux's are called: `GLOBAL_ENTRY(name)`."""
    for statement in document.statements:
        syntax = statement.syntax
        if isinstance(syntax, tree.MacroCall) and _ENTRY.fullmatch(syntax.name):
            for argument in syntax.arguments:
                if argument.text == name:
                    yield statement.origin + argument.start, statement.origin + argument.end


def _local_label(document: Document, number: str, direction: str, found: Occurrence) -> tuple[int, int] | None:
    """The label that `1b` or `1f` names: the last one before, or the next."""
    statements = document.statements
    macro = statements[found.statement].macro
    order = range(found.statement, -1, -1) if direction == "b" else range(found.statement, len(statements))
    for index in order:
        statement = statements[index]
        if isinstance(statement.syntax, tree.Label) and (statement.syntax.name, statement.macro) == (number, macro):
            return statement.start, statement.start + len(number)
    return None


def _named(document: Document, name: str, before: int) -> tuple[int, int]:
    """Where a name stands last before an offset."""
    at = document.text.rfind(name, 0, before)
    return at, at + len(name)


def _macro_name(document: Document, statement: tree.Statement) -> tuple[int, int]:
    """Where the name of a `.macro` stands."""
    start = statement.start + len(".macro")
    found = _SYMBOL.search(document.text, start, statement.end)
    return (start, start) if found is None else found.span()


def _word_in(document: Document, statement: tree.Statement, word: str) -> tuple[int, int]:
    """Where a word stands in a statement; the statement, if it does not."""
    at = document.text.find(word, statement.start, statement.end)
    return (statement.start, statement.end) if at < 0 else (at, at + len(word))


def _target(document: Document, span: tuple[int, int]) -> Target:
    line, column = line_and_column(document.line_starts, span[0])
    return Target(document.path, line, column, span[1] - span[0])


# -------------------------------------------------------------------------------------- references


def references(document: OpenDocument, offset: int) -> list[tuple[int, int]]:
    """Where that is named which is named at an offset, in the file: the spans, in order, that one among them."""
    found = document.occurrence_at(offset)
    if found is None:
        return []
    own = document.document
    local = _LOCAL.fullmatch(found.word)
    label = _local_label(own, local[1], local[2], found) if local is not None else None
    if label is None and found.word.isdigit() and isinstance(own.statements[found.statement].syntax, tree.Label):
        label = found.start, found.end
    if label is not None:
        return sorted({label, *_users(document, own.text[label[0] : label[1]], label)})
    if not _SYMBOL.fullmatch(found.word):
        return []
    return [(each.start, each.end) for each in document.occurrences.get(found.word, ())]


def _users(document: OpenDocument, number: str, label: tuple[int, int]) -> Iterator[tuple[int, int]]:
    for direction in "bf":
        for each in document.occurrences.get(number + direction, ()):
            if _local_label(document.document, number, direction, each) == label:
                yield each.start, each.end


# ------------------------------------------------------------------------------------------ rename


def renamed(document: OpenDocument, offset: int, name: str) -> list[tuple[int, int]]:
    """The spans that give way to `name`, for what is named at an offset to be called so.

    Raises CannotRenameError for what is no label or macro of this file alone, and for a name that is taken or none.
    """
    spans = renamable(document, offset)
    if not _SYMBOL.fullmatch(name):
        raise CannotRenameError(f"{name!r} is no name: letters, digits, `_', `.' and `$', and no digit first")
    taken = (
        name in document.occurrences
        or name.lower() in REGISTERS
        or is_mnemonic(name.lower())
        or name in document.subject.catalog.ops
        or any(True for _ in defines_of(document, name))
    )
    if taken:
        raise CannotRenameError(f"{name} means something already")
    return spans


def renamable(document: OpenDocument, offset: int) -> list[tuple[int, int]]:
    """The spans of what may be called otherwise. Raises CannotRenameError as `renamed` does."""
    found = document.occurrence_at(offset)
    if found is None or not _SYMBOL.fullmatch(found.word):
        raise CannotRenameError("there is no name here that can be another")
    if found.word in document.subject.catalog.ops:
        raise CannotRenameError(f"{found.word} is an op: the catalog names it")
    own = document.document
    if any(each is not own for each, _ in _defined(document, found)):
        raise CannotRenameError(f"{found.word} is defined in a header")
    if not any(True for _ in _defined(document, found)):
        raise CannotRenameError(f"{found.word} is no label or macro of this file")
    for statement in own.statements:
        syntax = statement.syntax
        if isinstance(syntax, tree.Directive) and syntax.name in _GLOBAL and found.word in _symbols(syntax.arguments):
            raise CannotRenameError(f"{found.word} is global: other files may name it")
        if isinstance(syntax, tree.MacroCall) and "GLOBAL" in syntax.name and found.word in _texts(syntax):
            raise CannotRenameError(f"{found.word} is global: other files may name it")
    return [(each.start, each.end) for each in document.occurrences.get(found.word, ())]


def _symbols(arguments: Sequence[str]) -> set[str]:
    return {each.strip().rstrip("#") for each in arguments}


def _texts(call: tree.MacroCall) -> set[str]:
    return {each.text for each in call.arguments}


# ----------------------------------------------------------------------------------------- symbols


class Symbol(NamedTuple):
    """A name that a file defines: what it is (`label`, `macro`), and its span."""

    name: str
    kind: str
    start: int
    end: int


def symbols(document: OpenDocument) -> list[Symbol]:
    """The labels and macros that a file defines, in order; local labels left out."""
    own = document.document
    found = [Symbol(each.name, "macro", *_named(own, each.name, each.body_start)) for each in own.defines]
    for statement in own.statements:
        syntax = statement.syntax
        if isinstance(syntax, tree.Directive) and syntax.name == ".macro":
            start, end = _macro_name(own, statement)
            if end > start:
                found.append(Symbol(own.text[start:end], "macro", start, end))
        elif isinstance(syntax, tree.Label) and not syntax.name.isdigit() and statement.macro is None:
            found.append(Symbol(syntax.name, "label", statement.start, statement.start + len(syntax.name)))
        elif isinstance(syntax, tree.MacroCall) and _ENTRY.fullmatch(syntax.name) and syntax.arguments:
            argument = syntax.arguments[0]
            if _SYMBOL.fullmatch(argument.text):
                span = statement.origin + argument.start, statement.origin + argument.end
                found.append(Symbol(argument.text, "label", *span))
    return sorted(found, key=lambda each: each.start)
