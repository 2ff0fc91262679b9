"""Reading assembly: the one parser that knows the mnemonics, and what names mean at the start of a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Final

from pvasm.ia64.mnemonics import is_mnemonic
from pvasm.regex import regex
from pvasm.syntax.document import Define, Document
from pvasm.syntax.macros import bind_define, parameters_replaced
from pvasm.syntax.parser import Parser, parse_expression

if TYPE_CHECKING:
    from pvasm.ia64.scope import OperandMacro, Scope

_DEEPEST_MACRO: Final = 6  # of macros in macros


@cache
def assembly_parser() -> Parser:
    """The parser of IA-64 assembly. What it has parsed once, in whatever file, it knows."""
    return Parser(is_mnemonic)


def scope_of(documents: Sequence[Document], operand_macros: Mapping[str, OperandMacro]) -> Scope:
    """What names mean at the start of some code: by the catalog, and by the documents' `#define`s where they agree.

    The documents are a source file and the headers that it includes.
    """
    bodies: dict[str, set[str]] = {}
    functions: dict[str, list[Define]] = {}
    for define in (define for document in documents for define in document.defines):
        if define.parameters is None:
            bodies.setdefault(define.name, set()).add(define.body)
        else:
            functions.setdefault(define.name, []).append(define)
    agreed = {name: next(iter(meanings)) for name, meanings in bodies.items() if len(meanings) == 1}
    macros: dict[str, OperandMacro] = {}
    for name, body in agreed.items():
        if "(" in body and body[0].isalpha():
            body = _called(body, agreed, functions)
        expression = parse_expression(body)
        if expression is not None:
            macros[name] = expression
    from pvasm.ia64.scope import Scope

    return Scope(lenient=True, operand_macros={**macros, **operand_macros})


def _called(body: str, names: Mapping[str, str], functions: Mapping[str, Sequence[Define]]) -> str:
    """A macro's body that invokes another, such as `PASTE(p, NUMBER)`, with what that stands for in its place."""
    for _ in range(_DEEPEST_MACRO):
        found = _INVOCATION.fullmatch(body)
        defines = functions.get(found["name"], ()) if found else ()
        if found is None or len(defines) != 1 or defines[0].parameters is None:
            break
        given = [names.get(word.strip(), word.strip()) for word in found["arguments"].split(",")]
        body = parameters_replaced(defines[0].body, bind_define(defines[0].parameters, given)).strip()
    return body


_INVOCATION = regex(r"(?P<name>\w+)\((?P<arguments>[^()]*)\)")
