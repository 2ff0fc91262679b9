"""Programs that many instructions share: those that differ in nothing but registers and immediates.

A clause asks little of an operand's number: whether it is r0 or p0, whether it is beyond the static registers, whether
two are the same. So its program is one for all instructions of a spelling that give the same answers, with operands
left open, which are bound to an instruction's own when it is executed.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, Final

from pvasm.isa.instruction import Instruction
from pvasm.isa.operands import IndexedRegister, MemoryOperand, Value
from pvasm.isa.registers import Register
from pvasm.isa.semantics.operation import Operation, Word, held, staged
from pvasm.isa.semantics.programs import Effect
from pvasm.isa.semantics.terms import WORD, Term

Pattern = tuple[tuple[Effect, ...], tuple[int, ...]]
"""A program, and what is bound in it: the numbers of registers, and immediates, by their places."""

_Question = tuple[Callable[[int, int], Any] | None, int, int]
"""A function of what is in a place and of a number; without one, whether it is what is in another place."""

_NO_INDEX: Final = 1 << 200
"""What C code sees, which does not ask: no list has such a place."""

_Questions = dict[_Question, None]


def _itself(value: int, other: int) -> int:
    return value


def _compares(function: Callable[[int, int], bool]) -> Callable[[Bound, int], bool]:
    def compare(self: Bound, other: int) -> bool:
        if other.__class__ is Bound:
            return function(self.value, other.value)
        self.asked[function, self.at, other] = None
        return function(self.number, other)

    return compare


def _computes(function: Callable[..., Any]) -> Callable[..., Any]:
    def compute(self: Bound, *others: Any) -> Any:
        return function(self.value, *(each.value if each.__class__ is Bound else each for each in others))

    return compute


class Bound(int):
    """The number of a register that is left open: `at` is its place. What a clause asks of it is noted."""

    at: int
    number: int
    asked: _Questions

    def __new__(cls, at: int, number: int, asked: _Questions) -> Bound:
        """Makes one; it is no int of C code, which would not ask."""
        made = super().__new__(cls, _NO_INDEX)
        made.at = at
        made.number = number
        made.asked = asked
        return made

    @property
    def value(self) -> int:
        """Which it is."""
        self.asked[_itself, self.at, 0] = None
        return self.number

    def __hash__(self) -> int:
        return -3 - self.at

    def __eq__(self, other: object) -> bool:
        if other.__class__ is not Bound:
            return _is(self, other)  # type: ignore[arg-type]
        assert isinstance(other, Bound)
        if self.at == other.at:
            return True
        self.asked[None, self.at, other.at] = None
        return self.number == other.number

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __bool__(self) -> bool:
        return self != 0

    __lt__, __le__ = _compares(operator.lt), _compares(operator.le)
    __gt__, __ge__ = _compares(operator.gt), _compares(operator.ge)


_is: Final = _compares(operator.eq)

for _name in (
    *("add", "sub", "mul", "and", "or", "xor", "lshift", "rshift", "mod", "floordiv", "divmod", "pow", "truediv"),
    *("neg", "pos", "invert", "abs", "index", "int", "str", "repr", "format", "float"),
):
    for _method in (f"__{_name}__", f"__r{_name}__"):
        if hasattr(int, _method):
            setattr(Bound, _method, _computes(getattr(int, _method)))


class _Open(Operation):
    """An instruction whose operands are left open, but for what its clause asks of them."""

    is_open = True

    def __init__(self, instruction: Instruction, slot: int, bound: list[int], asked: _Questions) -> None:
        *operands, predicate = _opened(instruction, bound, asked)
        super().__init__(instruction.form, instruction.mnemonic, tuple(operands), predicate.number, slot)
        self.__dict__["asked"] = asked
        self.__dict__["places"] = {name: place for place, name in enumerate(self._operands)}

    @property
    def qualified(self) -> Term:
        """Whether the qualifying predicate is 1. The machine holds p0 as well."""
        return held("pr", self.predicate)

    @property
    def slot(self) -> int:  # type: ignore[override]
        """Where it is in its bundle."""
        self.__dict__["asked"][_itself, len(self._operands) + 1, 0] = None
        found: int = self.__dict__["slot"]
        return found

    def number(self, name: str) -> int:
        """An immediate operand."""
        self.__dict__["asked"][_itself, self.__dict__["places"][name], 0] = None
        return super().number(name)

    def open_number(self, name: str) -> Term:
        """The number that an operand is, for the program to ask."""
        return Term("operand", (self.__dict__["places"][name],), WORD)

    def __getitem__(self, name: str) -> Word:
        """What an operand is worth."""
        if self._operands[name].__class__ is int:
            return Word(Term("operand", (self.__dict__["places"][name],), WORD))
        return super().__getitem__(name)

    def general(self, number: int) -> Word:
        """A general register. The machine holds r0 as well, so that it need not be told from others."""
        return Word(held("gr", number), held("nat", number)) if number.__class__ is Bound else super().general(number)


_LEFT_OPEN: Final = frozenset("rpf")


def _opened(instruction: Instruction, bound: list[int], asked: _Questions) -> list[Any]:
    """The operands and the qualifying predicate, left open."""

    def opened(value: Value, at: int) -> Any:
        if value.__class__ is MemoryOperand:
            return MemoryOperand(opened(value.base, at))
        if value.__class__ is IndexedRegister:
            return IndexedRegister(value.file, opened(value.index, at))
        if value.__class__ is Register and value.file in _LEFT_OPEN:
            return Register(value.file, Bound(at, bound[at], asked))
        return value

    given = *instruction.operands, Register("p", instruction.predicate or 0)
    return [opened(value, at) for at, value in enumerate(given)]


_ASKED: Final[dict[Any, _Questions]] = {}
"""What clauses have asked, by the spelling of the instruction and the operands that are not left open."""

_MADE: Final[dict[tuple[Any, ...], tuple[Effect, ...]]] = {}
"""Programs, by that and the answers."""

_MOST_MADE: Final = 1 << 15


def pattern_of(instruction: Instruction, slot: int) -> Pattern:
    """What an instruction does in a slot, and what is bound in that. KeyError for a form without a clause.

    Of a form that its qualifying predicate turns off, it is what it does where that is 1.
    """
    bound: list[Any] = []
    known: Any = instruction.spelling
    for value in instruction.operands:
        kind = value.__class__
        if kind is Register:
            file, number = value  # type: ignore[misc]
            bound.append(number)
            if file not in _LEFT_OPEN:
                known = known, value
        elif kind is int:
            bound.append(value)
        elif kind is MemoryOperand:
            bound.append(value.base.number)  # type: ignore[union-attr]
        else:
            known = known, value.file  # type: ignore[union-attr]
            bound.append(value.index.number)  # type: ignore[union-attr]
    bound += instruction.predicate or 0, slot
    asked = _ASKED.get(known)
    if asked is None:
        asked = _ASKED[known] = {}
    key = known, *[ask(bound[at], other) if ask else bound[at] == bound[other] for ask, at, other in asked]
    made = _MADE.get(key)
    if made is None:
        if len(_MADE) >= _MOST_MADE:
            _MADE.clear()
        before = len(asked)
        made = staged(_Open(instruction, slot, bound, asked))
        if len(asked) > before:
            key = known, *[ask(bound[at], other) if ask else bound[at] == bound[other] for ask, at, other in asked]
        _MADE[key] = made
    return made, tuple(bound)
