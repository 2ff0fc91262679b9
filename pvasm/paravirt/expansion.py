"""What a template yielded, looked at as assembly: whether it can take an op's place wherever that stands."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from functools import cache

from pvasm.ia64 import is_mnemonic
from pvasm.syntax import tree
from pvasm.syntax.document import read_document
from pvasm.syntax.parser import Parser

# Directives that make the assembler read other lines than those that follow, or the same lines again.
_STEERING = re.compile(r"\.(?:if\w*|else\w*|endif|macro|endm|rept|irpc?|endr|exitm|purgem|include|end|(?:no)?altmacro)")
_STRING = re.compile(r'"(?:\\[^\n]|[^"\\\n])*"')
_WORD = re.compile(r"(?<![\w.$\\])[A-Za-z_][\w.$]*")


@cache
def _parser() -> Parser:
    return Parser(is_mnemonic)


def flaw(lines: Sequence[str], ops: Collection[str]) -> str | None:
    """Why some lines cannot be an expansion, or None: what is no statement, steers the assembler, or is an op."""
    for line in lines:
        if line.endswith("\\"):
            return f"`{line[-40:]}' ends with a backslash"
        names = [word for word in _WORD.findall(_STRING.sub("", line)) if word in ops]
        if names:
            return f"`{line[:40]}' names the op {names[0]}, which would be left as it is"
    document = read_document(_parser(), "\n".join(lines), preprocessed=True)
    if document.problems:
        problem = document.problems[0]
        return f"`{document.line_text(problem.offset)[0][:40]}': {problem.message}"
    depth = 0
    for statement in document.statements:
        reason = _refused(statement.syntax)
        if reason:
            return f"`{document.source(statement)[:40]}': {reason}"
        depth += isinstance(statement.syntax, tree.BundleOpen) - isinstance(statement.syntax, tree.BundleClose)
        if not 0 <= depth <= 1:
            break
    return "the braces do not match" if depth else None


def _refused(syntax: tree.Syntax) -> str | None:
    """Why a statement cannot stand in an expansion."""
    match syntax:
        case tree.Unparsed(reason=reason):
            return reason
        case tree.CppDirective():
            return "a line marker"
        case tree.Directive(name=name) if _STEERING.fullmatch(name):
            return f"{name} would steer the assembler beyond the op"
    return None
