"""What the C preprocessor tells of its macros (`gcc -E -dD`, `-dM`): the values of constants that ops are made of.

After the preprocessor has run, a constant of the catalog that the source defines (PSR_DEFAULT_BITS) is gone from the
text, but in the expansions of ops it must still be what the source says.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from pvasm.errors import PvasmError
from pvasm.syntax.document import Place
from pvasm.syntax.preprocess import CppMacro, Preprocessor

_LINE = re.compile(
    r"^[ \t]*#[ \t]*(?:define[ \t]+(?P<name>\w+)(?P<parameters>\([^()\n]*\))?[ \t]*(?P<body>[^\n]*)"
    r"|undef[ \t]+(?P<gone>\w+))",
    re.MULTILINE,
)
_LONGEST = 1 << 14  # characters of a value


def defined_constants(text: str, names: Iterable[str], path: str) -> dict[str, str]:
    """The values that a text's `#define` lines leave some names with, other macros expanded; only those that have one.

    The last definition counts. Raises PvasmError, with `path`, for a value that cannot be worked out.
    """
    macros = _macros(text, path) if "define" in text else {}
    preprocessor = Preprocessor(macros)
    return {name: _value(macros[name], preprocessor) for name in names if name in macros}


def _macros(text: str, path: str) -> dict[str, CppMacro]:
    """The macros that are defined at the end of a text."""
    found: dict[str, CppMacro] = {}
    for line in _LINE.finditer(text):
        name = line["name"]
        if name is None:
            found.pop(line["gone"], None)
            continue
        words = line["parameters"]
        parameters = None if words is None else tuple(filter(None, map(str.strip, words[1:-1].split(","))))
        found[name] = CppMacro(name, parameters, line["body"].strip(), Place(path, 1, 1))
    return found


def _value(macro: CppMacro, preprocessor: Preprocessor) -> str:
    """What a constant stands for. Raises PvasmError if that is nothing, or too much."""
    if macro.parameters is not None:
        raise PvasmError(f"{macro.name} is defined as a macro with parameters: it must be a constant", macro.place.path)
    try:
        value = preprocessor.expand(macro.name, macro.place).strip()
    except PvasmError as error:
        raise PvasmError(f"{macro.name} is defined by other macros: {error.message}", macro.place.path) from error
    if len(value) > _LONGEST:
        message = f"{macro.name} is defined as a text of more than {_LONGEST} characters"
        raise PvasmError(message, macro.place.path)
    return value
