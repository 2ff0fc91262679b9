"""Programs that many instructions share: those that differ in nothing but registers and immediates.

A clause asks little of an operand's number: whether it is r0 or p0, whether it is beyond the static registers, whether
two are the same. So its program is one for all instructions of a spelling that give the same answers, with operands
left open, which are bound to an instruction's own when it is executed.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from functools import cache
from typing import Any, Final

from msgspec import Struct

from pvasm.isa.instruction import Instruction
from pvasm.isa.operands import IndexedRegister, MemoryOperand, Value, number_of
from pvasm.isa.registers import Register
from pvasm.isa.semantics.operation import Operation, Word, held, staged
from pvasm.isa.semantics.programs import Effect
from pvasm.isa.semantics.terms import WORD, Term
from pvasm.isa.table import OperandSpec, Spelling

Pattern = tuple[tuple[Effect, ...], tuple[int, ...]]
"""A program, and what is bound in it: the numbers of operands, as they are in order, of the predicate, and the slot."""

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

    def __init__(self, spelling: Spelling, bound: tuple[int, ...], asked: _Questions) -> None:
        form = spelling.form
        operands = tuple([_opened(spec, at, bound, asked) for at, spec in enumerate(form.operands)])
        at = len(operands)
        super().__init__(form, spelling.mnemonic, operands, Bound(at, bound[at], asked), bound[at + 1])
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


def _opened(spec: OperandSpec, at: int, bound: tuple[int, ...], asked: _Questions) -> Value:
    """An operand of a form, left open if that is a register that instructions of a spelling may differ in."""
    number = bound[at]
    if spec.literal is not None:
        return spec.literal
    if spec.form == "kind" and spec.shape == "i":
        return number
    if spec.form == "kind":
        return Register(spec.shape, Bound(at, number, asked) if spec.shape in _LEFT_OPEN else number)
    register = Register("r", Bound(at, number, asked))
    return MemoryOperand(register) if spec.form == "memory" else IndexedRegister(spec.file, register)


class _Alike(Struct):
    """Instructions that differ in nothing but operands that are left open: what clauses have asked of these, and their
    programs, by the answers.
    """

    asked: _Questions
    made: dict[tuple[int, ...], tuple[Effect, ...]]

    def answers(self, bound: tuple[int, ...]) -> tuple[Any, ...]:
        """What is so of an instruction."""
        return tuple([ask(bound[at], other) if ask else bound[at] == bound[other] for ask, at, other in self.asked])


_ALIKE: Final[dict[Any, _Alike]] = {}
"""By the spelling, and the numbers of the operands that are not left open."""

_MOST_MADE: Final = 1 << 15
_MADE: Final[list[_Alike]] = []  # for each program


def pattern_of(instruction: Instruction, slot: int) -> Pattern:
    """What an instruction does in a slot, and what is bound in that. KeyError for a form without a clause.

    Of a form that its qualifying predicate turns off, it is what it does where that is 1.
    """
    numbers = tuple(map(number_of, instruction.operands))
    return pattern_of_numbers(instruction.spelling, numbers, instruction.predicate or 0, slot)


def pattern_of_numbers(spelling: Spelling, numbers: tuple[int, ...], predicate: int, slot: int) -> Pattern:
    """The same of an instruction that is told by numbers, as `decoded_numbers` does."""
    told = _told(spelling)
    known = (spelling, *[numbers[at] for at in told]) if told else spelling
    bound = *numbers, predicate, slot
    alike = _ALIKE.get(known)
    if alike is None:
        alike = _ALIKE[known] = _Alike({}, {})
    answers = alike.answers(bound)
    made = alike.made.get(answers)
    if made is None:
        if len(_MADE) >= _MOST_MADE:
            for each in _MADE:
                each.made.clear()
            _MADE.clear()
        made = staged(_Open(spelling, bound, alike.asked))
        alike.made[alike.answers(bound)] = made  # which may be more than before
        _MADE.append(alike)
    return made, bound


@cache
def _told(spelling: Spelling) -> tuple[int, ...]:
    """The operands of a form that are registers, and not left open."""
    specs = enumerate(spelling.form.operands)
    return tuple(at for at, spec in specs if spec.form == "kind" and spec.shape not in (*_LEFT_OPEN, "i"))
