"""Terms: what instructions compute, as data that back ends compile, prove or follow.

A term is a value of some bits: a constant, what a cell of the processor's state holds, or an operator over terms. All
values are unsigned; an operator that reads two's complement says so. Operators over constants are computed when the
term is made, so that a clause may treat an immediate operand as any other value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Final

from msgspec import Struct

WORD: Final = 64


class Cell(Struct, frozen=True):
    """A part of the processor's state that is read and written as a whole.

    `file` is one of `WIDTHS`; `number` is the register's, as instructions name it: stacked and rotating registers are
    renamed when the cell is touched (SDM vol. 1, 4.1 and 4.5).
    """

    file: str
    number: int = 0

    @property
    def width(self) -> int:
        """How many bits it holds."""
        return WIDTHS[self.file]


WIDTHS: Final = {
    "gr": 64,
    "nat": 1,  # of a general register
    "fr": 82,  # sign, 17 bits of exponent, 64 of significand (SDM vol. 1, 5.1)
    "pr": 1,
    "prs": 64,  # all predicates as one word, p0 at the right, as `mov r1=pr` has them: rotation undone
    "br": 64,
    "ar": 64,
    "cr": 64,
    "psr": 64,
    "cfm": 38,
    "ip": 64,  # the bundle's address
}
"""The cells' files, and how many bits each of their cells has."""


class Term(Struct, frozen=True, eq=False):
    """A value of `width` bits: `operator` over `arguments`.

    Leaves are `const` (an int), `read` (a cell), `result` (an effect's, by number) and `symbol` (a constant that only a
    linker knows, by its text; code that runs has none); `operand` in a program that several instructions share
    (`shared_programs.py`), an immediate of the one that is executed, by its place. Terms have no equality and no
    truth of their own: when the code runs, not now, is when it is known what they are.
    """

    operator: str
    arguments: tuple[Term | Cell | int | str, ...]
    width: int

    def __bool__(self) -> bool:
        raise TypeError("a term is no condition of a clause: what it is is known when the instruction runs")

    @property
    def constant(self) -> int | None:
        """What it is, if that is known now."""
        return self.arguments[0] if self.operator == "const" else None  # type: ignore[return-value]  # an int

    # Arithmetic is modulo 2**width. Where one side is an int, it is a constant of the other's width.

    def __add__(self, other: Term | int) -> Term:
        return binary("add", self, other)

    def __sub__(self, other: Term | int) -> Term:
        return binary("sub", self, other)

    def __mul__(self, other: Term | int) -> Term:
        return binary("mul", self, other)

    def __and__(self, other: Term | int) -> Term:
        return binary("and", self, other)

    def __or__(self, other: Term | int) -> Term:
        return binary("or", self, other)

    def __xor__(self, other: Term | int) -> Term:
        return binary("xor", self, other)

    def __invert__(self) -> Term:
        return binary("xor", self, mask(self.width))

    def __neg__(self) -> Term:
        return const(0, self.width) - self

    def __lshift__(self, other: Term | int) -> Term:
        """Shifted left; by the width or more, 0."""
        return binary("shl", self, other)

    def __rshift__(self, other: Term | int) -> Term:
        """Shifted right, zeros from the left; by the width or more, 0."""
        return binary("shr", self, other)

    def shifted_right_signed(self, other: Term | int) -> Term:
        """Shifted right, the sign from the left; by the width or more, all sign."""
        return binary("sar", self, other)

    # Comparisons: 1 bit.

    def equals(self, other: Term | int) -> Term:
        """Whether both are the same."""
        return binary("eq", self, other)

    def differs(self, other: Term | int) -> Term:
        """Whether they are not the same."""
        return ~self.equals(other)

    def below(self, other: Term | int) -> Term:
        """Whether it is less, as unsigned numbers."""
        return binary("ltu", self, other)

    def less(self, other: Term | int) -> Term:
        """Whether it is less, as two's complement."""
        return binary("lts", self, other)

    # Parts.

    def bits(self, low: int, width: int) -> Term:
        """`width` bits, of which the lowest is bit `low`."""
        if not (low >= 0 and width > 0 and low + width <= self.width):
            raise ValueError(f"bits {low} to {low + width - 1} of {self.width}")
        if width == self.width:
            return self
        if self.constant is not None:
            return const(self.constant >> low, width)
        return Term("bits", (self, low), width)

    def bit(self, number: int) -> Term:
        """One bit."""
        return self.bits(number, 1)

    @property
    def sign(self) -> Term:
        """The leftmost bit."""
        return self.bit(self.width - 1)

    def extended(self, width: int) -> Term:
        """As wide as that, zeros at the left."""
        if width == self.width:
            return self
        return const(self.constant, width) if self.constant is not None else Term("zext", (self,), width)

    def sign_extended(self, width: int) -> Term:
        """As wide as that, with the sign at the left."""
        if width == self.width:
            return self
        if self.constant is not None:
            return const(signed(self.constant, self.width), width)
        return Term("sext", (self,), width)

    def lanes(self, width: int) -> list[Term]:
        """Its parts of that width, from the right."""
        return [self.bits(low, width) for low in range(0, self.width, width)]


def mask(width: int) -> int:
    """That many ones."""
    return (1 << width) - 1


def signed(value: int, width: int) -> int:
    """A number of `width` bits, read as two's complement."""
    return value - (1 << width) if value >> (width - 1) else value


def const(value: int, width: int = WORD) -> Term:
    """A constant; of a negative number its two's complement."""
    return _const(value & (1 << width) - 1, width)


@lru_cache(maxsize=4096)
def _const(value: int, width: int) -> Term:
    return Term("const", (value,), width)


def read(cell: Cell) -> Term:
    """What a cell holds when the instruction begins."""
    return Term("read", (cell,), cell.width)


def symbol(text: str) -> Term:
    """A constant that a linker fills in."""
    return Term("symbol", (text,), WORD)


def binary(operator: str, left: Term, right: Term | int) -> Term:
    """An operator over two values of the same width.

    Raises ValueError for widths that differ: a clause that mixes them has to say how.
    """
    if isinstance(right, int):
        right = const(right, left.width)
    if left.width != right.width:
        raise ValueError(f"{operator} of {left.width} and {right.width} bits")
    width = 1 if operator in COMPARISONS else left.width
    if left.operator == "const" or right.operator == "const":
        simpler = _simplified(operator, left, right, width)
        if simpler is not None:
            return simpler
    return Term(operator, (left, right), width)


def _simplified(operator: str, left: Term, right: Term, width: int) -> Term | None:
    """What an operator comes to where a side is a constant that says so."""
    a = left.constant if left.operator == "const" else None
    b = right.constant if right.operator == "const" else None
    if a is not None and b is not None:
        return const(OPERATORS[operator](a, b, left.width), width)
    if b == 0 and operator in _NOTHING_AT_ZERO:
        return left
    if a == 0 and operator in ("add", "or", "xor"):
        return right
    if operator == "and" and 0 in (a, b):
        return const(0, width)
    if operator == "and" and b == mask(width):
        return left
    return None


_NOTHING_AT_ZERO: Final = frozenset(["add", "sub", "or", "xor", "shl", "shr", "sar"])

COMPARISONS: Final = frozenset(["eq", "ltu", "lts"])

OPERATORS: Final[dict[str, Callable[[int, int, int], int]]] = {
    "add": lambda a, b, width: a + b,
    "sub": lambda a, b, width: a - b,
    "mul": lambda a, b, width: a * b,
    "and": lambda a, b, width: a & b,
    "or": lambda a, b, width: a | b,
    "xor": lambda a, b, width: a ^ b,
    "shl": lambda a, b, width: a << b if b < width else 0,
    "shr": lambda a, b, width: a >> b if b < width else 0,
    "sar": lambda a, b, width: signed(a, width) >> min(b, width - 1),
    "eq": lambda a, b, width: int(a == b),
    "ltu": lambda a, b, width: int(a < b),
    "lts": lambda a, b, width: int(signed(a, width) < signed(b, width)),
}
"""What each operator over two values of `width` bits is; the low bits of the result count."""


def choose(condition: Term, then: Term, otherwise: Term | int) -> Term:
    """One of two values of the same width, by a value of one bit."""
    if isinstance(otherwise, int):
        otherwise = const(otherwise, then.width)
    if condition.width != 1 or then.width != otherwise.width:
        raise ValueError(f"choice of {then.width} and {otherwise.width} bits by {condition.width}")
    if condition.constant is not None:
        return then if condition.constant else otherwise
    return Term("choose", (condition, then, otherwise), then.width)


def bits_from(value: Term, low: Term, width: int) -> Term:
    """`width` bits of a value from one on that is known when the instruction runs, or before."""
    if low.constant is not None:
        return value.bits(low.constant, width)
    return (value >> low.extended(value.width)).bits(0, width)


def joined(parts: Iterable[Term]) -> Term:
    """Parts side by side, the first at the right."""
    given = list(parts)
    width = sum(part.width for part in given)
    if len(given) == 1:
        return given[0]
    values = [part.constant for part in given]
    if all(value is not None for value in values):
        whole = low = 0
        for part, value in zip(given, values, strict=True):
            assert value is not None
            whole |= value << low
            low += part.width
        return const(whole, width)
    return Term("join", tuple(given), width)


def function(name: str, arguments: Iterable[Term], width: int) -> Term:
    """A named function of values, without effects, that back ends have or ask the reference for (`functions.py`)."""
    return Term("function", (name, *arguments), width)


TRUE: Final = const(1, 1)
FALSE: Final = const(0, 1)
