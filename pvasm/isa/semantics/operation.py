"""An instruction as its clause sees it: operands by the names of the table, and effects to say what it does.

A clause is a function of an `Operation`, registered for the ids of the forms that it is the meaning of. It runs once
when an instruction is decoded: what it does with operands that are numbers it does then, what it does with values
becomes the instruction's program.

    @clause("A1.add")
    def add(op: Operation) -> None:
        op.r1 = op.r2 + op.r3
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from functools import cache
from typing import Final

from pvasm.isa.operands import IndexedRegister, MemoryOperand, Symbolic, Value
from pvasm.isa.registers import APPLICATION, CONTROL, FIRST_STACKED, Register
from pvasm.isa.semantics.programs import CALLS, Assign, Call, Effect, If, call
from pvasm.isa.semantics.terms import FALSE, TRUE, WIDTHS, Cell, Term, const, read, symbol
from pvasm.isa.table import Form

FAULT: Final = call("fault", may_fault=True, leaves=True)
CHECK_TARGET: Final = call("check_target_register", may_fault=True)


class Word:
    """The value of a general register, and whether it is Not a Thing (SDM vol. 1, 5.3).

    A result of several is a NaT if any of them is.
    """

    __slots__ = ("nat", "value")

    def __init__(self, value: Term, nat: Term = FALSE) -> None:
        self.value = value
        self.nat = nat

    def _with(self, other: Word | Term | int, make: Callable[[Term, Term | int], Term]) -> Word:
        if isinstance(other, Word):
            return Word(make(self.value, other.value), self.nat | other.nat)
        return Word(make(self.value, other), self.nat)

    def __add__(self, other: Word | Term | int) -> Word:
        return self._with(other, lambda a, b: a + b)

    def __sub__(self, other: Word | Term | int) -> Word:
        return self._with(other, lambda a, b: a - b)

    def __and__(self, other: Word | Term | int) -> Word:
        return self._with(other, lambda a, b: a & b)

    def __or__(self, other: Word | Term | int) -> Word:
        return self._with(other, lambda a, b: a | b)

    def __xor__(self, other: Word | Term | int) -> Word:
        return self._with(other, lambda a, b: a ^ b)

    def __lshift__(self, other: Word | Term | int) -> Word:
        return self._with(other, lambda a, b: a << b)

    def __rshift__(self, other: Word | Term | int) -> Word:
        return self._with(other, lambda a, b: a >> b)

    def __invert__(self) -> Word:
        return Word(~self.value, self.nat)

    def shifted_right_signed(self, other: Word | Term | int) -> Word:
        """Shifted right, the sign from the left."""
        return self._with(other, lambda a, b: a.shifted_right_signed(b))

    def made(self, make: Callable[[Term], Term]) -> Word:
        """Another value made of this one: a NaT if this is."""
        return Word(make(self.value), self.nat)


def combined(first: Word, second: Word, make: Callable[[Term, Term], Term]) -> Word:
    """A value made of two: a NaT if one of them is."""
    return Word(make(first.value, second.value), first.nat | second.nat)


class Operation:
    """An instruction of the table, as its clause sees it, and the program that grows.

    `op.r2` is the value of the operand `r2` of the row, a register or an immediate (also `op["r2"]`); `op.r1 = ...`
    writes it. `words` are the completers of the mnemonic, in order: of `ld8.c.clr.acq` they are `c clr acq`.
    `slot` is where in its bundle it is.
    """

    form: Form
    mnemonic: str
    predicate: int
    words: tuple[str, ...]
    slot: int

    is_open = False
    """Whether which registers its operands are is left open: better not asked for, where the program can find out."""

    def __init__(self, form: Form, mnemonic: str, operands: tuple[Value, ...], predicate: int, slot: int = 2) -> None:
        attributes = self.__dict__
        attributes["form"] = form
        attributes["mnemonic"] = mnemonic
        attributes["predicate"] = predicate
        attributes["slot"] = slot
        attributes["words"] = _words(mnemonic)
        attributes["_operands"] = dict(zip(_names(form), operands, strict=True))
        attributes["_effects"] = []
        attributes["_results"] = 0

    _operands: dict[str, Value]
    _effects: list[Effect]
    _results: int

    # ---------------------------------------------------------------------------------- operands

    def __contains__(self, name: str) -> bool:
        """Whether the row has an operand of that name: `"imm9b" in op`."""
        return name in self._operands

    def register(self, name: str) -> int:
        """The number of a register operand; of `[r3]` and `rr[r3]` that of the base or index."""
        value = self._operands[name]
        if isinstance(value, MemoryOperand):
            value = value.base
        elif isinstance(value, IndexedRegister):
            value = value.index
        if not isinstance(value, Register):
            raise TypeError(f"{name} of {self.form.id} is no register")
        return value.number

    def open_number(self, name: str) -> Term:
        """The number of a register operand, or an immediate one, for the program to look at."""
        return const(self.number(name) if isinstance(self._operands[name], int) else self.register(name))

    def number(self, name: str) -> int:
        """An immediate operand, as the table has it: signed where its kind is."""
        value = self._operands[name]
        if not isinstance(value, int):
            raise TypeError(f"{name} of {self.form.id} is no number")
        return value

    def __getitem__(self, name: str) -> Word:
        """What an operand is worth: an immediate as a constant of 64 bits, a register what it holds."""
        value = self._operands[name]
        if isinstance(value, int):
            return Word(const(value))
        if isinstance(value, Symbolic):
            return Word(symbol(str(value.expression)))
        number = self.register(name)
        if isinstance(value, Register) and value.file != "r":
            return Word(held(_FILES[value.file], number))
        return self.general(number)

    def __setitem__(self, name: str, value: Word | Term) -> None:
        """Writes a register operand. A general register is checked before."""
        register = self._operands[name]
        if not isinstance(register, Register):
            raise TypeError(f"{name} of {self.form.id} is no register")
        if register.file == "r":
            word = value if isinstance(value, Word) else Word(value)
            number = register.number
            self.check_target(name)
            self.assign(_cell("gr", number), word.value)
            self.assign(_cell("nat", number), word.nat)
            return
        term = value.value if isinstance(value, Word) else value
        if register.file != "p" or register.number:  # a write to p0 is lost
            self.assign(_cell(_FILES[register.file], register.number), term)

    def __getattr__(self, name: str) -> Word:
        try:
            word = self[name]
        except KeyError:
            raise AttributeError(f"{self.form.id} has no operand {name}") from None
        self.__dict__[name] = word  # which it is as long as the instruction lasts
        return word

    def __setattr__(self, name: str, value: Word | Term) -> None:
        self[name] = value

    @property
    def qualified(self) -> Term:
        """Whether the qualifying predicate is 1."""
        return TRUE if self.predicate == 0 else held("pr", self.predicate)

    def general(self, number: int) -> Word:
        """A general register. r0 is 0."""
        return _general(number)

    # ----------------------------------------------------------------------------------- effects

    def assign(self, cell: Cell, value: Term) -> None:
        """Gives a cell a value of its width. Raises ValueError for any other width."""
        if value.width != WIDTHS[cell.file]:
            raise ValueError(f"{self.form.id}: {value.width} bits for {cell.file}, which has {cell.width}")
        self._effects.append(Assign(cell, value))

    def call(self, name: str, *arguments: Term | int | str) -> tuple[Term, ...]:
        """Asks the machine for something; what comes back."""
        widths = CALLS[name].results
        if not widths:
            self._effects.append(Call(name, arguments))
            return ()
        first = self._results
        results = tuple([Term("result", (number,), width) for number, width in enumerate(widths, first)])
        self.__dict__["_results"] = first + len(results)
        self._effects.append(Call(name, arguments, results))
        return results

    def when(self, condition: Term) -> AbstractContextManager[None]:
        """What is said within is done only if a value of one bit is 1."""
        return _When(self, condition)

    def check_target(self, name: str) -> None:
        """A target outside of the frame, or r0, is an Illegal Operation fault (SDM vol. 3, check_target_register)."""
        number = self.register(name)
        if self.is_open or number == 0 or number >= FIRST_STACKED:
            self.call(CHECK_TARGET, number)

    def fault(self, name: str, *arguments: Term | int) -> None:
        """Ends the instruction in a fault, by its name in the machine."""
        self.call(FAULT, name, *arguments)

    def ar(self, name: str) -> Term:
        """An application register, by its name: `pfs`."""
        return read(Cell("ar", APPLICATION[name]))

    def set_ar(self, name: str, value: Term) -> None:
        """Writes an application register, by its name."""
        self.assign(Cell("ar", APPLICATION[name]), value)

    def cr(self, name: str) -> Term:
        """A control register, by its name: `ifs`."""
        return read(Cell("cr", CONTROL[name]))

    def set_cr(self, name: str, value: Term) -> None:
        """Writes a control register, by its name."""
        self.assign(Cell("cr", CONTROL[name]), value)

    def psr(self, low: int, width: int = 1) -> Term:
        """Bits of the processor status register."""
        return read(Cell("psr")).bits(low, width)

    def effects(self) -> tuple[Effect, ...]:
        """What has been said so far."""
        return tuple(self._effects)


class _When:
    """Gathers what is said of an operation while a condition holds."""

    __slots__ = ("_before", "_condition", "_operation")

    def __init__(self, operation: Operation, condition: Term) -> None:
        self._operation = operation
        self._condition = condition
        self._before: list[Effect] = []

    def __enter__(self) -> None:
        if self._condition.constant != 1:
            attributes = self._operation.__dict__
            self._before = attributes["_effects"]
            attributes["_effects"] = []

    def __exit__(self, *raised: object) -> None:
        known = self._condition.constant
        if known == 1:
            return
        attributes = self._operation.__dict__
        inner = tuple(attributes["_effects"])
        attributes["_effects"] = self._before
        if inner and known is None:
            self._before.append(If(self._condition, inner))


@cache
def _words(mnemonic: str) -> tuple[str, ...]:
    """The completers of a mnemonic."""
    return tuple(mnemonic.split(".")[1:])


@cache
def _cell(file: str, number: int) -> Cell:
    return Cell(file, number)


@cache
def held(file: str, number: int) -> Term:
    """What a cell of a file holds."""
    return read(_cell(file, number))


@cache
def _general(number: int) -> Word:
    return Word(held("gr", number), held("nat", number)) if number else Word(const(0))


_FILES: Final = {"r": "gr", "f": "fr", "p": "pr", "b": "br", "ar": "ar", "cr": "cr", "ip": "ip", "pr": "prs"}


@cache
def _names(form: Form) -> tuple[str, ...]:
    """The names of a form's operands."""
    return tuple(_name(spec.text) for spec in form.operands)


def _name(text: str) -> str:
    """The name of an operand in a clause: that of its field, whatever its range. `[r3]` is `r3`, `r3.2` too."""
    inner = text.partition("[")[2].rstrip("]") or text
    return inner if inner.startswith(("%", "ar.")) else inner.partition(".")[0]


# ------------------------------------------------------------------------------------- the registry

Clause = Callable[[Operation], None]

_CLAUSES: dict[str, Clause] = {}


def clause(*ids: str) -> Callable[[Clause], Clause]:
    """Registers the meaning of the forms with these ids. Raises ValueError for one that has a meaning already."""

    def register(function: Clause) -> Clause:
        for each in ids:
            if each in _CLAUSES:
                raise ValueError(f"{each} has a clause already")
            _CLAUSES[each] = function
        return function

    return register


def clauses() -> dict[str, Clause]:
    """The clause of each form that has one, by id."""
    return dict(_CLAUSES)


def program_of(
    form: Form, mnemonic: str, operands: Iterable[Value], predicate: int, slot: int = 2
) -> tuple[Effect, ...]:
    """What an instruction does in a slot of its bundle; KeyError for a form without a clause.

    Under a qualifying predicate all of it is: but for forms that write predicates even when it is 0, which say so.
    """
    return staged(Operation(form, mnemonic, tuple(operands), predicate, slot))


def staged(op: Operation) -> tuple[Effect, ...]:
    """What an instruction does, as its clause says it; with registers left open, where it is not turned off.

    KeyError for a form without a clause.
    """
    meaning = _CLAUSES[op.form.id]
    if op.is_open or op.predicate == 0 or not is_turned_off(op.form):
        meaning(op)
    else:
        with op.when(held("pr", op.predicate)):
            meaning(op)
    return op.effects()


def is_turned_off(form: Form) -> bool:
    """Whether instructions of a form do nothing at all while their qualifying predicate is 0."""
    return not (form.unpredicated or getattr(_CLAUSES[form.id], "minds_predicate", False))


def minds_predicate(function: Clause) -> Clause:
    """Says of a clause that it looks at the qualifying predicate itself (`op.qualified`)."""
    function.minds_predicate = True  # type: ignore[attr-defined]
    return function
