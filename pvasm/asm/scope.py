"""What names mean at a point of a source file."""

from __future__ import annotations

from collections.abc import Callable, Container
from typing import Final

from msgspec import Struct

from pvasm.errors import PvasmError
from pvasm.isa.operands import WORDS, IndexedRegister, MemoryOperand, Symbolic, Unknown, Value, ones_of, signed64
from pvasm.isa.registers import FIRST_STACKED, INDEXED, PSR_MASKS, REGISTERS, Register
from pvasm.regex import regex
from pvasm.syntax.parser import parse_expression
from pvasm.syntax.tokens import SETTING, symbol_name
from pvasm.syntax.tree import (
    Assignment,
    Binary,
    Call,
    Directive,
    Expression,
    Index,
    Instruction,
    Memory,
    Name,
    Number,
    String,
    Unary,
)

OperandMacro = Expression | Callable[[Expression], Value]
"""What a cpp macro in operand position stands for: an expression, or a function of the `Name` or `Call` invoking it."""

_WORD: Final = (1 << 64) - 1
_NUMERIC_LABEL: Final = regex(r"\d++[fb]")
_ROTATING: Final = {".rotr": Register("r", 32), ".rotf": Register("f", 32), ".rotp": Register("p", 16)}
_DEEPEST_MACRO: Final = 32
# GNU as knows this file in capitals too, and no other.
_FILES_IN_CAPITALS: Final = {"CPUID": "cpuid"}


# The number of a rotating register that follows an unknown number of others.
_BEYOND: Final = 1 << 16


class OperandError(PvasmError):
    """An instruction that there is not, or an operand that it cannot take.

    `start` and `end` are offsets in the statement, as in the syntax tree. It is not `certain` where a name that is not
    known may stand for something that makes it right, for several operands, say.
    """

    def __init__(self, message: str, start: int, end: int, *, certain: bool = True) -> None:
        super().__init__(message)
        self.start = start
        self.end = end
        self.certain = certain


class NoFormError(OperandError):
    """A mnemonic or completer that there is not, whatever the operands."""


class Scope(Struct):
    """What names mean, from the statements before.

    `lenient` is for raw source, before the C preprocessor: a name that nothing explains may then be anything, unless
    it is one of the `labels`. Otherwise it is a symbol. `operand_macros` explains cpp macros in operand position, and
    `macro_values` keeps what was found of them. `files` are other names of indexed register files. `rotating` has the
    first register that a name of `.rotr` or its like stands for, and how many it stands for, if that is known. `frame`
    is (inputs, locals, outputs) of the last `alloc` or `.regstk`. With `frame_is_certain` it is the assembler's for
    sure, None being that there is none: then `beyond_frame` tells of the first stacked register evaluated that is not
    in it, which the assembler refuses. Who wants to know sets it to None before. `frame_asked` counts how often the
    frame was asked for.
    """

    lenient: bool = False
    operand_macros: dict[str, OperandMacro] = {}
    names: dict[str, Value] = {}
    rotating: dict[str, tuple[Register, int | None]] = {}
    frame: tuple[int, int, int] | None = None
    frame_is_certain: bool = False
    beyond_frame: OperandError | None = None
    frame_asked: int = 0
    macro_values: dict[str, Value] = {}
    files: dict[str, str] = {}
    labels: Container[str] = ()

    def define_operand(self, name: str, meaning: OperandMacro) -> None:
        """Let a cpp macro stand for something else from here on."""
        self.operand_macros[name] = meaning
        if self.macro_values:
            self.macro_values.clear()

    def assign(self, assignment: Assignment) -> None:
        """Let the name stand for the value from here on."""
        self.macro_values.clear()
        if isinstance(assignment.value, Name) and assignment.value.text in INDEXED:
            self.files[assignment.name] = assignment.value.text
        if assignment.value is not None:
            try:
                self.names[assignment.name] = self.evaluate(assignment.value)
            except OperandError:
                self.names[assignment.name] = Unknown()

    def directive(self, directive: Directive) -> None:
        """Take note of a directive, if it `matters_later`."""
        if directive.name == ".regstk":
            inputs, local, outputs, *_ = (*map(self._count, directive.arguments), None, None, None)
            known = inputs is not None and local is not None and outputs is not None
            self.frame = (inputs, local, outputs) if known else None  # type: ignore[assignment]
        elif directive.name in _ROTATING:
            self._rotate(_ROTATING[directive.name], directive.arguments)
        elif directive.name in SETTING and len(directive.arguments) == 2:
            name, text = directive.arguments
            self.assign(Assignment(symbol_name(name), "=", parse_expression(text), directive.start, directive.end))

    def _rotate(self, first: Register, arguments: tuple[str, ...]) -> None:
        """Lay out the names of a `.rotr` from its first register on."""
        self.macro_values.clear()
        for argument in arguments:
            name, _, rest = argument.partition("[")
            count = self._count(rest.rpartition("]")[0])
            self.rotating[symbol_name(name)] = first, count
            first = Register(first.file, _BEYOND if count is None else first.number + count)

    def _count(self, text: str) -> int | None:
        """The number that a directive's argument is, None where it is not known."""
        try:
            return int(text, 10 if text[:1] != "0" else 8)
        except ValueError:
            expression = parse_expression(text)
        if expression is None:
            return None
        try:
            value = self.evaluate(expression)
        except OperandError:
            return None
        return value if isinstance(value, int) else None

    def allocate(self, instruction: Instruction) -> None:
        """Take note of an `alloc`, which says what `loc0` and `out0` are."""
        sizes = [self.evaluate(operand) for operand in instruction.inputs[-4:]]
        inputs, local, outputs = [*sizes, None, None, None][:3]
        known = isinstance(inputs, int) and isinstance(local, int) and isinstance(outputs, int)
        self.frame = (inputs, local, outputs) if known else None  # type: ignore[assignment]

    def evaluate(self, expression: Expression) -> Value:
        """The operand's value here.

        Integers are 64 bits wide, as GNU as has them. Raises `OperandError` for what cannot be a value at all.
        """
        if type(expression) is Name and not expression.is_symbol and expression.text not in self.names:
            register = REGISTERS.get(expression.text)
            if register is not None:
                return register
        return _EVALUATORS[type(expression)](self, expression, 0)


def _of_assembler(scope: Scope, name: Name) -> Value | None:
    """What a name means to the assembler; None for a symbol that nothing has been assigned to."""
    text = name.text
    fixed = REGISTERS.get(text)
    if fixed is not None and not name.is_symbol:
        return fixed  # GNU as lets no assignment change what a register's name means
    if text in scope.names:
        return scope.names[text]
    if not name.is_symbol:
        if text in PSR_MASKS:
            return PSR_MASKS[text]
        if text in WORDS:
            return WORDS[text]
        return _stacked(scope, name)
    return None


def _name(scope: Scope, name: Name, depth: int) -> Value:
    text = name.text
    found = _of_assembler(scope, name)
    if found is not None:
        return found
    macro = _macro(scope, text, name, depth)
    if macro is not None:
        return macro
    if not scope.lenient or name.is_symbol or text in scope.labels or _NUMERIC_LABEL.fullmatch(text):
        return Symbolic(name)
    file, dot, _ = text.partition(".")
    return Unknown(file if dot and file in ("ar", "cr") else None)  # `cr.\\x`, `cr.a` in a macro's body


def matters_later(directive: Directive) -> bool:
    """Whether a directive changes what names mean: `.regstk`, `.rotr` and its like, `.set` and its like."""
    return directive.name in SETTING or directive.name == ".regstk" or directive.name in _ROTATING


def _macro(scope: Scope, text: str, expression: Name | Call, depth: int) -> Value | None:
    meaning = scope.operand_macros.get(text)
    if meaning is None:
        return None
    if callable(meaning):
        return meaning(expression)
    known = scope.macro_values.get(text)
    if known is None:
        # While its own meaning is looked for, a name is not known: so no macro goes in a circle.
        scope.macro_values[text] = Unknown()
        asked = scope.frame_asked
        known = _EVALUATORS[type(meaning)](scope, meaning, depth + 1) if depth < _DEEPEST_MACRO else Unknown()
        if scope.frame_asked == asked:
            scope.macro_values[text] = known
        else:  # it is another in another frame
            del scope.macro_values[text]
    return known


# The stacked registers by the beginnings of their names: the part of the frame, and what it is called.
_STACKED: Final = {"in": (0, "input"), "loc": (1, "local"), "out": (2, "output")}
_STACKED_REGISTERS: Final = 96


def _stacked(scope: Scope, name: Name) -> Value | None:
    """`in0`, `loc3`, `out1`: a stacked register, by the frame."""
    text = name.text
    stem = text.rstrip("0123456789")
    digits = text[len(stem) :]
    if not digits or stem not in _STACKED or (len(digits) > 1 and digits[0] == "0"):
        return None
    number = int(digits)
    part, noun = _STACKED[stem]
    scope.frame_asked += 1
    if scope.frame_is_certain and scope.beyond_frame is None and number < _STACKED_REGISTERS:
        count = 0 if scope.frame is None else scope.frame[part]
        if number >= count:
            has = f"the frame has {count or 'no'} {noun} register{'s' * (count != 1)}"
            has = "no alloc or .regstk stands before" if scope.frame is None else has
            scope.beyond_frame = OperandError(f"`{text}' is beyond the frame: {has}", name.start, name.end)
    if scope.frame is None and part:
        return Unknown("r")
    base = 0 if scope.frame is None else sum(scope.frame[:part])
    return Register("r", FIRST_STACKED + base + number) if base + number < _STACKED_REGISTERS else None


def _number(scope: Scope, number: Number, depth: int) -> Value:
    if number.value is None:
        return Symbolic(number)
    if number.value > _WORD:
        raise OperandError(f"an integer has at most 64 bits: {number.text}", number.start, number.end)
    return number.value


def _string(scope: Scope, string: String, depth: int) -> Value:
    """A name in quotes is the same to GNU as, a register as well; to the C preprocessor it is none."""
    if "\\" in string.text:
        return Unknown()  # an argument of a .macro may be in it
    found = _of_assembler(scope, Name(symbol_name(string.text), string.start, string.end))
    return Symbolic(string) if found is None else found


def _memory(scope: Scope, memory: Memory, depth: int) -> Value:
    return MemoryOperand(_general(scope, memory.address, depth, "the address in brackets"))


def _general(scope: Scope, expression: Expression, depth: int, what: str) -> Register | Unknown:
    base = _EVALUATORS[type(expression)](scope, expression, depth)
    if (isinstance(base, Register) and base.file == "r") or (isinstance(base, Unknown) and base.file in (None, "r")):
        return base
    raise OperandError(f"{what} must be a general register", expression.start, expression.end)


def _index(scope: Scope, index: Index, depth: int) -> Value:
    rotating = scope.rotating.get(index.file)
    if rotating is not None:
        first, count = rotating
        number = _EVALUATORS[type(index.index)](scope, index.index, depth)
        if not isinstance(number, int):
            return Unknown(first.file)
        if count is not None and number >= count:
            said = f"the index of {index.file}[] must be less than {count}, not {signed64(number)}"
            raise OperandError(said, index.start, index.end)
        return Register(first.file, first.number + number) if first.number < _BEYOND else Unknown(first.file)
    file = scope.files.get(index.file) or _FILES_IN_CAPITALS.get(index.file, index.file)
    if file in INDEXED:
        return IndexedRegister(file, _general(scope, index.index, depth, f"the index of {index.file}[]"))
    if scope.lenient:
        return Unknown()
    raise OperandError(f"`{index.file}' is no register file and no rotating register's name", index.start, index.end)


def _call(scope: Scope, call: Call, depth: int) -> Value:
    if call.function.startswith("@"):
        return Symbolic(call)
    macro = _macro(scope, call.function, call, depth)
    if macro is not None:
        return macro
    return Unknown() if scope.lenient else Symbolic(call)


def _shift(value: int, by: int) -> int:
    return value << by if by < 64 else 0


def _quotient(left: int, right: int) -> int:
    quotient = abs(left) // abs(right)
    return quotient if (left < 0) == (right < 0) else -quotient


_UNARY: Final[dict[str, Callable[[int], int]]] = {
    "-": lambda value: -value,
    "+": lambda value: value,
    "~": lambda value: ~value,
    "!": lambda value: int(not value),
}

# GNU as: shifts are logical, comparisons are of signed values and -1 when true, `!` with two operands is or-not.
_BINARY: Final[dict[str, Callable[[int, int], int]]] = {
    "+": lambda left, right: left + right,
    "-": lambda left, right: left - right,
    "*": lambda left, right: left * right,
    "/": lambda left, right: _quotient(signed64(left), signed64(right)),
    "%": lambda left, right: signed64(left) - _quotient(signed64(left), signed64(right)) * signed64(right),
    "<<": _shift,
    ">>": lambda left, right: left >> right if right < 64 else 0,
    "|": lambda left, right: left | right,
    "&": lambda left, right: left & right,
    "^": lambda left, right: left ^ right,
    "!": lambda left, right: left | ~right,
    "==": lambda left, right: -(left == right),
    "!=": lambda left, right: -(left != right),
    "<>": lambda left, right: -(left != right),
    "<": lambda left, right: -(signed64(left) < signed64(right)),
    "<=": lambda left, right: -(signed64(left) <= signed64(right)),
    ">": lambda left, right: -(signed64(left) > signed64(right)),
    ">=": lambda left, right: -(signed64(left) >= signed64(right)),
    "&&": lambda left, right: int(bool(left and right)),
    "||": lambda left, right: int(bool(left or right)),
}


def _is_too_wide(expression: Expression) -> bool:
    """Whether it is a number of more than 64 bits, with a sign perhaps: 0 as a part of an expression (GNU as warns)."""
    while isinstance(expression, Unary) and expression.operator != "!":
        expression = expression.operand
    return isinstance(expression, Number) and expression.value is not None and expression.value > _WORD


def _unary(scope: Scope, unary: Unary, depth: int) -> Value:
    if unary.operator == "!" and _is_too_wide(unary.operand):
        return 0
    operand = _EVALUATORS[type(unary.operand)](scope, unary.operand, depth)
    if isinstance(operand, int):
        return _UNARY[unary.operator](operand) & _WORD
    return _open(scope, unary, operand)


def _binary(scope: Scope, binary: Binary, depth: int) -> Value:
    left, right = (
        0 if _is_too_wide(part) else _EVALUATORS[type(part)](scope, part, depth) for part in (binary.left, binary.right)
    )
    if isinstance(left, int) and isinstance(right, int):
        if right == 0 and binary.operator in ("/", "%"):
            right = 1  # GNU as warns, and divides by that
        return _BINARY[binary.operator](left, right) & _WORD
    value = _open(scope, binary, left, right)
    if binary.operator == "|" and isinstance(value, Unknown):
        return Unknown("i", ones_of(left) | ones_of(right))
    return value


def _open(scope: Scope, expression: Expression, *parts: Value) -> Value:
    """An expression with a part that is no integer: `foo + 8`, or in raw source anything but a register."""
    if any(isinstance(part, Unknown) for part in parts):
        return Unknown("i")
    for part in parts:
        if not isinstance(part, int | Symbolic):
            raise OperandError("a register cannot be part of an expression", expression.start, expression.end)
    return Symbolic(expression)


_EVALUATORS: Final[dict[type, Callable[..., Value]]] = {
    Name: _name,
    Number: _number,
    String: _string,
    Memory: _memory,
    Index: _index,
    Call: _call,
    Unary: _unary,
    Binary: _binary,
}
