"""What the C preprocessor tells of its macros (`gcc -E -dD`): the values of constants that ops are made of.

After the preprocessor has run, a constant of the catalog that the source defines (PSR_DEFAULT_BITS) is gone from the
text, but in the expansions of ops it must still be what the source says.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Container

from pvasm.errors import PvasmError
from pvasm.regex import regex
from pvasm.syntax.document import Place
from pvasm.syntax.preprocess import CppMacro, Preprocessor

# A definition, the end of one, any other line for the preprocessor, or what may be the name of an op.
_LINE = regex(
    r"^[ \t]*#[ \t]*(?:define[ \t]+(?P<name>\w+)(?P<parameters>\([^()\n]*\))?[ \t]*(?P<body>[^\n]*)"
    r"|undef[ \t]+(?P<gone>\w+)|[^\n]*)|(?<![\w.$])(?P<word>[A-Z][A-Z0-9_]*+)(?![\w.$])",
    re.MULTILINE,
)
_MOST_CHANGES = 1_000  # of definitions between ops
_LONGEST = 1 << 14  # characters of a value


def defined_constants(text: str, names: Collection[str], path: str, ops: Container[str]) -> dict[str, str]:
    """The values that some names have by a text's `#define` lines where `ops` stand in it, other macros expanded.

    Only those are there that have one. Raises PvasmError, with `path`, for a value that cannot be worked out, and for
    one that is not the same for all of these.
    """
    macros: dict[str, CppMacro] = {}
    values: dict[str, str] | None = None
    changes = 0
    has_changed = True
    for found in _LINE.finditer(text) if any(name in text for name in names) else ():
        if found["gone"] is not None:
            macros.pop(found["gone"], None)
            has_changed = True
        elif (name := found["name"]) is not None:
            words = found["parameters"]
            parameters = None if words is None else tuple(filter(None, map(str.strip, words[1:-1].split(","))))
            macros[name] = CppMacro(name, parameters, found["body"].strip(), Place(path, 1, 1))
            has_changed = True
        elif has_changed and found["word"] in ops:
            has_changed = False
            changes += 1
            preprocessor = Preprocessor(macros)
            here = {name: _value(macros[name], preprocessor) for name in names if name in macros}
            if changes > _MOST_CHANGES or here != (here if values is None else values):
                message = f"{' or '.join(names)} changes between ops, which cannot be seen after the C preprocessor"
                raise PvasmError(f"{message}: define it once, or expand the source itself", path)
            values = here
    return values or {}


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
