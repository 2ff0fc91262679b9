"""Reading a header's macros: those of the C preprocessor, and the assembler's."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from pvasm.errors import PvasmError
from pvasm.expand.definitions import Definitions
from pvasm.expand.header_documents import read_header
from pvasm.headers import Header, included
from pvasm.regex import regex
from pvasm.syntax import tree
from pvasm.syntax.cpp import PREDEFINED, plain
from pvasm.syntax.document import Document, Place
from pvasm.syntax.macros import Macro, body_ends, read_macro
from pvasm.syntax.preprocess import CppMacro
from pvasm.text import read_text, shown_name

_NAME = regex(r"[A-Za-z_$][\w$]*")
_DEFINITION = regex(r"(?P<name>[A-Za-z_$][\w$]*)(?:=(?P<value>.*))?", re.DOTALL)
_COMMAND_LINE: Final = Place("<command line>", 1, 1)


class GasMacro(Struct, frozen=True):
    """A `.macro`: its parameters, and the statements of its body, each with its place.

    `is_ambiguous` where there are several of its name.
    """

    macro: Macro
    body: tuple[tuple[str, Place], ...]
    place: Place
    is_ambiguous: bool = False


class HeaderMacros(Struct, frozen=True):
    """What a header and those that it includes define. `own` are the names of `#define`s of the header itself."""

    path: str
    cpp: Mapping[str, CppMacro]
    gas: Mapping[str, GasMacro]
    own: frozenset[str]


def read_macros(
    path: str, directories: Sequence[str] = (), definitions: Sequence[str] = (), before: Sequence[str] = ()
) -> HeaderMacros:
    """The macros of a header, of those `before` it, and of those that these include.

    What they include is looked for beside them and in `directories`. `definitions` are those of a command line, `NAME`
    or `NAME=VALUE`; they hold instead of the header's, and decide its conditionals: a name that nothing defines is not
    defined. Raises PvasmError for a header that cannot be read, or is neither in the folder of the one that is named
    nor in `directories`, for conditionals or comments that do not close, and a definition that is none.
    """
    given = dict(map(_definition, definitions))
    headers: dict[str, Header] = {}
    for file in (path, *before):
        name, text = shown_name(file), read_text(file)
        headers.setdefault(os.path.realpath(name), (name, text))
        outside: list[str] = []
        folder = os.path.dirname(file) or "."
        for header in included(file, text, directories, within=(folder,), outside=outside) if name == file else ():
            headers.setdefault(os.path.realpath(header[0]), header)
        for path_outside in outside:
            message = f"includes {path_outside}, which is outside of its folder: name the header's folder with -I"
            raise PvasmError(message, name)
    documents = [read_header(header) for header in headers.values()]
    for document in documents:
        for problem in document.problems:
            raise document.error(problem)
    known = _known(documents, given)
    _refuse_unfollowed(documents[0], Definitions(documents[0], known))
    cpp: dict[str, CppMacro] = {}
    gas: dict[str, GasMacro] = {}
    for document in documents:
        found = Definitions(document, known)
        for define in found.defines:
            place = document.place(define.body_start)
            macro = CppMacro(define.name, define.parameters, define.body, place)
            cpp[define.name] = _with_others(macro, cpp.get(define.name))
        for assembler_macro in _gas_macros(document, found):
            word = assembler_macro.macro.name
            other = gas.get(word)
            gas[word] = assembler_macro if other is None else replace(other, is_ambiguous=True)
    cpp.update((word, CppMacro(word, None, value, _COMMAND_LINE)) for word, value in given.items())
    own = Definitions(documents[0], known).cpp_macros
    return HeaderMacros(shown_name(path), cpp, gas, own)


def _refuse_unfollowed(document: Document, definitions: Definitions) -> None:
    """Raises PvasmError, with its place, for what changes what names stand for in a way that is not followed."""
    defined = {define.name: define.body_start for define in reversed(document.defines)}
    for statement in document.statements:
        if not definitions.is_compiled(statement):
            continue
        message = None
        match statement.syntax:
            case tree.Assignment(name=name) if statement.macro is None:
                message = f"the assignment to {name} is not followed: write a #define"
            case tree.Directive(name=".set" | ".equ" | ".equiv" | ".eqv" as name, arguments=(word, *_)) if (
                statement.macro is None and not word.startswith(".L")
            ):
                message = f"{name} is not followed: write a #define"
            case tree.CppDirective(name="undef", text=text):
                name = text.split(maxsplit=1)[0] if text else ""
                if defined.get(name, statement.start) < statement.start:
                    message = f"#undef {name} after its #define is not followed"
        if message is None and statement.macro and "\\@" in document.source(statement):
            message = "`\\@' is not followed: write a numeric label (1:, 1b)"
        if message:
            raise PvasmError(message, *document.place(statement.start))


def _definition(text: str) -> tuple[str, str]:
    """The name and the value in an option `-D`."""
    found = _DEFINITION.fullmatch(text)
    if found is None:
        raise PvasmError(f"-D {text}: NAME or NAME=VALUE is due")
    return found["name"], "1" if found["value"] is None else found["value"]


def _known(documents: Sequence[Document], given: Mapping[str, str]) -> dict[str, bool]:
    """Which names are defined, as far as conditionals ask: those that the headers define themselves may be or not."""
    defined = {define.name for document in documents for define in document.defines}
    asked = {
        word
        for document in documents
        for statement in document.statements
        for condition in statement.conditions
        for expression in (condition.expression, *condition.earlier)
        for word in _NAME.findall(expression)
    }
    return {
        **dict.fromkeys(asked - defined, False),
        **dict.fromkeys(PREDEFINED, True),
        **dict.fromkeys(given, True),
    }


def _with_others(macro: CppMacro, before: CppMacro | None) -> CppMacro:
    """A macro, where there may be another of its name."""
    if before is None or (before.parameters, before.body.split()) == (macro.parameters, macro.body.split()):
        return macro
    return replace(macro, is_ambiguous=True)


def _gas_macros(document: Document, definitions: Definitions) -> Iterator[GasMacro]:
    """The `.macro`s of a document that may be compiled."""
    statements = document.statements
    ends = body_ends(statements)
    for index, end in ends.items():
        statement = statements[index]
        directive = statement.syntax
        if not isinstance(directive, tree.Directive) or directive.name != ".macro" or statement.in_define:
            continue
        macro = read_macro(directive, index, end) if definitions.is_compiled(statement) else None
        if macro is None:
            continue
        place = document.place(statement.start)
        if end == len(statements):
            raise PvasmError(f"the .macro {macro.name} has no .endm", *place)
        body = [
            each
            for each in statements[macro.first : macro.end]
            if definitions.is_compiled(each) and not isinstance(each.syntax, tree.CppDirective)
        ]
        texts = tuple((plain(document.source(each)), document.place(each.start)) for each in body)
        yield GasMacro(macro, texts, place)
