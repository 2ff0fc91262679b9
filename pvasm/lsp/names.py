"""Names in an open file: where they are defined, where they are used, and other names for them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from pvasm.errors import PvasmError
from pvasm.expand.invocations import words_of
from pvasm.isa.mnemonics import is_mnemonic
from pvasm.isa.registers import INDEXED, REGISTERS
from pvasm.lsp.directives import DIRECTIVES
from pvasm.lsp.open_document import Occurrence, OpenDocument
from pvasm.paravirt.arguments import operand
from pvasm.paravirt.loading import load_instance
from pvasm.paravirt.shipped import instance_names
from pvasm.regex import regex
from pvasm.syntax import tree
from pvasm.syntax.document import Define, Document
from pvasm.syntax.sections import named_section
from pvasm.syntax.tokens import SETTING
from pvasm.text import line_and_column

_LOCAL = regex(r"(\d+)([bf])")
_SYMBOL = regex(r"[A-Za-z_.$][\w.$]*")
_ENTRY = regex(r"\w*ENTRY\w*")  # what Linux's macros that begin a function are called
_GLOBAL = frozenset((".global", ".globl", ".weak"))
_MADE_BY_CPP = frozenset(("defined", "__LINE__", "__FILE__", "__DATE__", "__TIME__", "__COUNTER__"))


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
    found = _name_at(document, offset)
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
        yield from ((each, (start, end)) for start, end in _gas_macros(each) if each.text[start:end].lower() == name)
    for index in dict.fromkeys(document.code.labels.get(found.word, ())):
        yield own, _word_in(own, own.statements[index], found.word)
    yield from ((own, (start, end)) for word, start, end in _values(own) if word == found.word)
    if found.word not in document.code.labels:
        yield from ((own, span) for span in _entries(own, found.word))


def _values(document: Document) -> Iterator[tuple[str, int, int]]:
    """The symbols that a file gives a value (`name = 5`, `.set name, 5`), with their spans."""
    for statement in document.statements:
        syntax = statement.syntax
        if isinstance(syntax, tree.Assignment):
            yield syntax.name, statement.start, statement.start + len(syntax.name)
        elif isinstance(syntax, tree.Directive) and syntax.name in SETTING and syntax.arguments:
            name = syntax.arguments[0].strip()
            start, end = _word_in(document, statement, name)
            yield name, start, end


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
    found = _name_at(document, offset)
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
    return [(each.start, each.end) for each in _uses(document, found.word)]


def _name_at(document: OpenDocument, offset: int) -> Occurrence | None:
    """What is named at an offset; None for a word of the assembler's own."""
    found = document.occurrence_at(offset)
    return None if found is None or _is_own_word(document.document, found) else found


def _uses(document: OpenDocument, word: str) -> list[Occurrence]:
    """Where a word stands as a name."""
    own = document.document
    return [each for each in document.occurrences.get(word, ()) if not _is_own_word(own, each)]


def _is_own_word(document: Document, found: Occurrence) -> bool:
    """Whether a word is the assembler's own, whatever has its name (`@function`, `@progbits`, `@fptr(...)`)."""
    return document.text[found.start - 1 : found.start] == "@"


def _users(document: OpenDocument, number: str, label: tuple[int, int]) -> Iterator[tuple[int, int]]:
    for direction in "bf":
        for each in document.occurrences.get(number + direction, ()):
            if _local_label(document.document, number, direction, each) == label:
                yield each.start, each.end


def highlights(document: OpenDocument, offset: int) -> list[tuple[int, int]]:
    """Where that stands in the file which stands at an offset: a register by each of its names, any other word."""
    found = document.occurrence_at(offset)
    if found is None:
        return []
    named = references(document, offset)
    if named and found.word not in REGISTERS:
        return named
    register = REGISTERS.get(found.word)
    words = [found.word] if register is None else [name for name, each in REGISTERS.items() if each == register]
    return sorted((each.start, each.end) for word in words for each in document.occurrences.get(word, ()))


# ------------------------------------------------------------------------------------------ rename


def renamed(document: OpenDocument, offset: int, name: str) -> list[tuple[int, int]]:
    """The spans that give way to `name`, for what is named at an offset to be called so.

    Raises CannotRenameError for what is no label or macro of this file alone, and for a name that is taken or none.
    """
    spans = renamable(document, offset)
    if not _SYMBOL.fullmatch(name) or not any(each.isalnum() or each == "_" for each in name):
        raise CannotRenameError(f"{name!r} is no name: letters, digits, `_', `.' and `$', and no digit first")
    own = document.document
    if all(own.text[start:end] == name for start, end in spans):
        return []
    subject = document.subject
    taken = (
        bool(_uses(document, name))
        or name in _sections(document)
        or f"\\{name}" in document.occurrences
        or name.lower() in REGISTERS
        or name in INDEXED
        or operand(name).frame is not None  # a register, once an `alloc` has said which
        or is_mnemonic(name.lower())
        or name.lower() in DIRECTIVES
        or name in subject.catalog.ops
        or name in subject.known
        or name in _MADE_BY_CPP
        or name.lower() in {own.text[start:end].lower() for start, end in _gas_macros(own)}
        or any(True for _ in defines_of(document, name))
        or any(True for _ in _headers_with(document, name))
    )
    if taken:
        raise CannotRenameError(f"{name} means something already")
    return spans


def renamable(document: OpenDocument, offset: int) -> list[tuple[int, int]]:
    """The spans of what may be called otherwise. Raises CannotRenameError as `renamed` does."""
    found = _name_at(document, offset)
    if found is None or not _SYMBOL.fullmatch(found.word):
        raise CannotRenameError("there is no name here that can be another")
    word, own = found.word, document.document
    if word in document.subject.catalog.ops:
        raise CannotRenameError(f"{word} is an op: the catalog names it")
    defined = list(_defined(document, found))
    if any(each is not own for each, _ in defined):
        raise CannotRenameError(f"{word} is defined in a header")
    if not defined:
        raise CannotRenameError(f"{word} is no label or macro of this file")
    if any(own.text[start:end].lower() != word.lower() for _, (start, end) in defined):
        raise CannotRenameError(f"{word} is a name that a macro puts together: it does not stand in the file as such")
    for statement in own.statements:
        syntax = statement.syntax
        if isinstance(syntax, tree.Directive) and syntax.name in _GLOBAL and word in _symbols(syntax.arguments):
            raise CannotRenameError(f"{word} is global: other files may name it")
        if isinstance(syntax, tree.MacroCall) and "GLOBAL" in syntax.name and word in _texts(syntax):
            raise CannotRenameError(f"{word} is global: other files may name it")
    if word in _sections(document):
        raise CannotRenameError(
            f"{word} is a section's name: GNU as takes both for one, and linker scripts may name it"
        )
    if f"\\{word}" in document.occurrences:
        raise CannotRenameError(f"{word} is a parameter of a macro as well, as \\{word}")
    for header in _headers_with(document, word):
        raise CannotRenameError(f"{word} stands in {header.path}, too")
    macros = {own.text[start:end].lower() for start, end in _gas_macros(own)}
    # GNU as takes the names of its macros in any case.
    words = (
        [each for each in document.occurrences if each.lower() == word.lower()] if word.lower() in macros else [word]
    )
    return sorted((each.start, each.end) for each_word in words for each in _uses(document, each_word))


def _sections(document: OpenDocument) -> set[str]:
    """The names of the sections that a file or its headers name, in quotes or without."""
    return {
        name
        for each in (document.document, *document.subject.headers)
        for statement in each.statements
        if isinstance(statement.syntax, tree.Directive)
        and (name := named_section(statement.syntax.name, statement.syntax.arguments)) is not None
    }


def _headers_with(document: OpenDocument, word: str) -> Iterator[Document]:
    """The headers of a file in which a word stands, but for comments and strings."""
    for header in document.subject.headers:
        if word in header.text and any(each == word for each, *_ in words_of(header, 0, len(header.text))):
            yield header


def _gas_macros(document: Document) -> Iterator[tuple[int, int]]:
    """Where the names of a file's `.macro`s stand."""
    for statement in document.statements:
        if isinstance(statement.syntax, tree.Directive) and statement.syntax.name == ".macro":
            start, end = _macro_name(document, statement)
            if end > start:
                yield start, end


def _symbols(arguments: Sequence[str]) -> set[str]:
    return {each.strip().rstrip("#") for each in arguments}


def _texts(call: tree.MacroCall) -> set[str]:
    return {each.text for each in call.arguments}


# ----------------------------------------------------------------------------------------- symbols


class Symbol(NamedTuple):
    """A name that a file defines: what it is, and its span."""

    name: str
    kind: Literal["label", "macro", "value"]
    start: int
    end: int


def symbols(document: OpenDocument) -> list[Symbol]:
    """The labels, macros and values that a file defines, in order; local labels left out."""
    own = document.document
    found = [Symbol(each.name, "macro", *_named(own, each.name, each.body_start)) for each in own.defines]
    found += (Symbol(own.text[start:end], "macro", start, end) for start, end in _gas_macros(own))
    found += (Symbol(name, "value", start, end) for name, start, end in _values(own))
    for statement in own.statements:
        syntax = statement.syntax
        if isinstance(syntax, tree.Label) and not syntax.name.isdigit() and statement.macro is None:
            found.append(Symbol(syntax.name, "label", statement.start, statement.start + len(syntax.name)))
        elif isinstance(syntax, tree.MacroCall) and _ENTRY.fullmatch(syntax.name) and syntax.arguments:
            argument = syntax.arguments[0]
            if _SYMBOL.fullmatch(argument.text):
                span = statement.origin + argument.start, statement.origin + argument.end
                found.append(Symbol(argument.text, "label", *span))
    return sorted(found, key=lambda each: each.start)
