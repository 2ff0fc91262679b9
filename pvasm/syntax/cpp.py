"""The C preprocessor: what its conditionals say of the code inside them, and running it.

In raw source every arm of every `#if` is read. Whether an arm can be compiled at all, given what is known of some
macros (an instance's symbol is defined, another's is not), is a question with three answers: yes, no, and it
depends.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

from pvasm import text as source_text
from pvasm.errors import PvasmError
from pvasm.syntax import tree
from pvasm.syntax.parser import parse_condition

# What is known of macros: True it is defined, False it is not; a macro that is not listed may be either.
Known = Mapping[str, bool]

# What is defined for IA-64 assembly, whoever preprocesses it.
PREDEFINED = ("__ia64__", "__ASSEMBLY__", "__ASSEMBLER__")

_COMMENT = re.compile(r"/\*(?s:.*?)\*/|//[^\n]*|\\[ \t\r]*\n")


def plain(text: str) -> str:
    """A directive's text without comments and line continuations."""
    return _COMMENT.sub(" ", text).strip() if "/" in text or "\\" in text else text.strip()


def reachable(conditions: Sequence[tree.Condition], known: Known) -> bool:
    """Whether code under `conditions` can be compiled at all, given what is known."""
    return all(arm_taken(condition, known) is not False for condition in conditions)


def arm_taken(condition: tree.Condition, known: Known) -> bool | None:
    """Whether an arm of a conditional is taken; None if that depends on what is not known."""
    taken = _holds(condition.expression, known)
    for earlier in condition.earlier:
        if taken is False:
            break
        before = _holds(earlier, known)
        taken = False if before is True else (taken if before is False else None)
    return taken


def _holds(expression: str, known: Known) -> bool | None:
    parsed = _condition(expression)
    value = None if parsed is None else _evaluate(parsed, known)
    return None if value is None else value != 0


@lru_cache(maxsize=4096)
def _condition(expression: str) -> tree.Expression | None:
    return parse_condition(expression)


def _truth(condition: bool) -> int:
    return 1 if condition else 0


def _quotient(a: int, b: int) -> int | None:
    """Division as C has it, towards zero."""
    if b == 0:
        return None
    return abs(a) // abs(b) if (a < 0) == (b < 0) else -(abs(a) // abs(b))


def _remainder(a: int, b: int) -> int | None:
    quotient = _quotient(a, b)
    return None if quotient is None else a - b * quotient


_ARITHMETIC: dict[str, Callable[[int, int], int | None]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": _quotient,
    "%": _remainder,
    "<<": lambda a, b: a << b if 0 <= b < 64 else None,
    ">>": lambda a, b: a >> b if 0 <= b < 64 else None,
    "|": lambda a, b: a | b,
    "&": lambda a, b: a & b,
    "^": lambda a, b: a ^ b,
    "==": lambda a, b: _truth(a == b),
    "!=": lambda a, b: _truth(a != b),
    "<": lambda a, b: _truth(a < b),
    "<=": lambda a, b: _truth(a <= b),
    ">": lambda a, b: _truth(a > b),
    ">=": lambda a, b: _truth(a >= b),
}
_UNARY: dict[str, Callable[[int], int]] = {
    "-": lambda a: -a,
    "+": lambda a: a,
    "~": lambda a: ~a,
    "!": lambda a: _truth(a == 0),
}
_LIMIT = 1 << 63


def _bounded(value: int | None) -> int | None:
    """The value if intmax_t holds it. What overflows, or is unsigned, follows other rules: it is left open."""
    return value if value is not None and -_LIMIT <= value < _LIMIT else None


def _evaluate(node: tree.Expression, known: Known) -> int | None:
    """The value of a condition; None if it depends on what is not known."""
    match node:
        case tree.Number(value=value, text=text):
            return None if "u" in text.lower() else _bounded(value)
        case tree.Name(text=name):
            # A macro that is known to be defined has a value that is not known.
            return 0 if known.get(name) is False else None
        case tree.Call(function="defined", arguments=(tree.Name(text=name),)):
            is_defined = known.get(name)
            return None if is_defined is None else _truth(is_defined)
        case tree.Unary(operator=operator, operand=operand):
            value = _evaluate(operand, known)
            return None if value is None else _bounded(_UNARY[operator](value))
        case tree.Binary(operator=("&&" | "||") as operator, left=left, right=right):
            decisive = operator == "||"
            sides = [_evaluate(left, known), _evaluate(right, known)]
            if any(side is not None and (side != 0) is decisive for side in sides):
                return _truth(decisive)
            return None if None in sides else _truth(not decisive)
        case tree.Binary(operator=operator, left=left, right=right):
            a, b = _evaluate(left, known), _evaluate(right, known)
            if a is None or b is None or operator not in _ARITHMETIC:
                return None
            return _bounded(_ARITHMETIC[operator](a, b))
        case tree.Call(function="?:", arguments=(condition, yes, no)):
            chosen = _evaluate(condition, known)
            return None if chosen is None else _evaluate(yes if chosen else no, known)
    return None


# ------------------------------------------------------------------------------------- running it

_MESSAGE = re.compile(
    r"^(?P<path>[^:\n]+):(?P<line>\d+):(?:(?P<column>\d+):)? (?:fatal )?error: (?P<message>.*)$", re.M
)
_TIME_LIMIT = 60  # seconds


def preprocess(
    path: str,
    *,
    include_directories: Sequence[str] = (),
    defines: Sequence[str] = (),
    includes: Sequence[str] = (),
    flags: Sequence[str] = (),
    text: str | None = None,
) -> str:
    """The file's text after the C preprocessor (`$PVASM_CPP`, or `gcc -E`), with line markers.

    `text` is what to preprocess in place of the file's own (it then counts as standing in the file's folder).
    Predefined macros of the host are left out; `__ia64__`, `__ASSEMBLY__` and `__ASSEMBLER__` are defined. Raises
    PvasmError with the place of the preprocessor's first error, or if it cannot be run.
    """
    import subprocess
    import tempfile

    command = [
        *(os.environ.get("PVASM_CPP", "").split() or ["gcc", "-E"]),
        *("-undef", "-nostdinc", *(f"-D{name}" for name in PREDEFINED)),
        *(f"-I{directory}" for directory in include_directories),
        *(f"-D{define}" for define in defines),
        *(argument for name in includes for argument in ("-include", name)),
        *flags,
        *("-x", "assembler-with-cpp"),
    ]
    data = None if text is None else source_text.encode(text)
    if data is None:
        command.append(f"./{path}" if path.startswith("-") else path)
    else:
        command += ["-iquote", os.path.dirname(path) or ".", "-"]
    try:
        with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
            status = subprocess.run(
                command, input=data, stdout=output, stderr=errors, timeout=_TIME_LIMIT, check=False
            ).returncode
            output.seek(0)
            errors.seek(0)
            if status == 0:
                result = source_text.decode(output.read(source_text.MAX_FILE_BYTES))
            messages = source_text.decode(errors.read(1 << 16))
    except FileNotFoundError as error:
        raise PvasmError(f"the C preprocessor `{command[0]}' is not installed (needed for --cpp)", path) from error
    except subprocess.TimeoutExpired as error:
        raise PvasmError(f"the C preprocessor took more than {_TIME_LIMIT} seconds", path) from error
    except OSError as error:
        raise PvasmError(f"the C preprocessor cannot be run: {error.strerror}", path) from error
    if status != 0:
        found = _MESSAGE.search(messages)
        if found is None:
            lines = messages.strip().splitlines() or [f"exit status {status}"]
            raise PvasmError(f"the C preprocessor failed: {lines[0]}", path)
        place = path if found["path"] == "<stdin>" else found["path"]
        column = int(found["column"]) if found["column"] else None
        raise PvasmError(found["message"], place, int(found["line"]), column)
    return source_text.check_text(result, path)
