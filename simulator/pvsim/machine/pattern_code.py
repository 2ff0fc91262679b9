"""Patterns that are executed often become Python functions: of a machine, and of what is bound in the pattern.

A pattern is what many instructions do (`shared_programs.py`), wherever they stand; a block is what stands at an
address. So this is for programs that run once, of instructions of which others are like them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from pvasm.isa.registers import FIRST_STACKED
from pvasm.isa.semantics.operation import CHECK_TARGET
from pvasm.isa.semantics.programs import CALLS, Assign, Call, Effect, every_effect, terms_of
from pvasm.isa.semantics.shared_programs import Bound
from pvasm.isa.semantics.terms import Cell, Term, mask
from pvsim.machine import direct
from pvsim.machine.decoding import Decoded
from pvsim.machine.functions import FUNCTIONS
from pvsim.machine.python_code import BlockWriter, cells_of
from pvsim.machine.state import State

_COMPILED_AT: Final = 10  # how often a pattern is executed as it is before it is worth compiling

_Bound = tuple[int, ...]


def execute(machine: State, code: Decoded) -> bool:
    """Does what `direct.execute` does with what an instruction shares with others."""
    shared = code.shared
    function = shared.function
    if function is not None:
        return function(machine, code.bound)
    shared.uses += 1
    if shared.uses >= _COMPILED_AT or not shared.effects:
        shared.function = function_of(shared.effects)
    return direct.execute(machine, shared.effects, code.bound)


def function_of(effects: tuple[Effect, ...]) -> Callable[[State, _Bound], bool]:
    """The function that a pattern is."""
    made: dict[str, Callable[[State, _Bound], bool]] = {}
    exec(compile(_PatternWriter(effects).source(), "<pattern>", "exec"), FUNCTIONS, made)
    return made["pattern"]


class _PatternWriter(BlockWriter):
    """Writes the source of one pattern."""

    def __init__(self, effects: tuple[Effect, ...]) -> None:
        super().__init__((), 0, 0)
        self.effects = effects
        self.depth = 1
        self.bound: dict[int, str] = {}  # what is bound, by its places: the names that it has
        self.before: dict[tuple[str, str], str] = {}  # what cells hold before the first is assigned

    def source(self) -> str:
        """The whole function."""
        assigned: set[str] = set()
        for effect in every_effect(self.effects):
            for term in terms_of(effect):
                self._count(term)
                if assigned:
                    self._keep_old(term, assigned)
            if isinstance(effect, Assign):
                assigned.add(effect.cell.file)
        self._effects(self.effects)
        head = ["def pattern(m, b):"]
        head += [f" {name} = b[{at}]" for at, name in self.bound.items()]
        leaves = any(isinstance(each, Call) and CALLS[each.name].leaves for each in every_effect(self.effects))
        head += [" left = False"] if leaves else []
        head += [f" {name} = {_place(*key)}" for key, name in self.before.items()]
        return "\n".join([*head, *self.lines, f" return {'left' if leaves else False}", ""])

    def _keep_old(self, term: Term, assigned: set[str]) -> None:
        """Has a term read what cells held that may be assigned before: which is which, is known when it runs."""
        for cell in cells_of(term):
            if cell.file in assigned:
                self.before.setdefault(self._key(cell), f"o{len(self.before)}")

    def _assign(self, effect: Assign) -> None:
        file, number = self._key(effect.cell)
        value = self._value(effect.value)
        self._line(f"m.{file}[{number}] = {value}" if file in direct.LISTS else f"m.set_{file}({value})")

    def _call(self, effect: Call) -> None:
        arguments = [self._argument(each) for each in effect.arguments]
        names = []
        for result in effect.results:
            number: Any = result.arguments[0]
            name = self.results[number] = f"r{number}"
            names.append(name)
        text = f"m.{effect.name}({', '.join(arguments)})"
        if effect.name == CHECK_TARGET:
            text = f"if not 0 < {arguments[0]} < {FIRST_STACKED}: {text}"  # static ones but r0 are always there
        self._line(f"{', '.join(names)} = {text}" if names else text)
        if CALLS[effect.name].leaves:
            self._line("left = True")

    def _argument(self, given: Term | int | str) -> str:
        if isinstance(given, Term):
            return self._value(given)
        return self._bound(given.at) if given.__class__ is Bound else repr(given)

    def _cell(self, cell: Cell) -> str:
        key = self._key(cell)
        return self.before.get(key) or _place(*key)

    def _text(self, term: Term) -> str:
        if term.operator == "operand":
            at: Any = term.arguments[0]
            return f"({self._bound(at)} & {mask(term.width)})"
        text = super()._text(term)
        return f"+{text}" if term.operator in _OF_BOOLEANS else text

    def _key(self, cell: Cell) -> tuple[str, str]:
        """A cell's file, and its number in the function: which, where it is left open, is not to be asked here."""
        number: Any = cell.number
        return cell.file, self._bound(number.at) if number.__class__ is Bound else str(number)

    def _bound(self, at: int) -> str:
        """The name of what is bound in a place."""
        return self.bound.setdefault(at, f"b{at}")


_OF_BOOLEANS: Final = frozenset(["eq", "ltu", "lts", "function"])
"""Operators of which Python makes True and False: registers hold ints."""


def _place(file: str, number: str) -> str:
    if file == "ip":
        return "(m.ip & -16)"
    return f"m.{file}[{number}]" if file in direct.LISTS else f"m.{file}"
