"""The back end that carries programs out as they are: for code that runs a few times, which is not worth compiling."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from pvasm.isa.semantics.programs import CALLS, Assign, Call, Effect, If
from pvasm.isa.semantics.shared_programs import Bound
from pvasm.isa.semantics.terms import OPERATORS, Term, mask
from pvsim.machine.functions import FUNCTIONS
from pvsim.machine.state import State


def execute(machine: State, effects: tuple[Effect, ...], bound: tuple[int, ...] = ()) -> bool:
    """Does what an instruction does; `machine.ip` is its address. Whether it has said where control goes.

    `bound` are the numbers of registers and the immediates that a pattern leaves open. Raises Interruption where it
    ends in one.
    """
    if not effects:
        return False
    run = _Run(machine, bound)
    run.effects(effects)
    return run.has_left


class _Run:
    """One instruction being executed."""

    __slots__ = ("bound", "has_left", "machine", "old", "values")

    def __init__(self, machine: State, bound: tuple[int, ...]) -> None:
        self.machine = machine
        self.bound = bound
        self.has_left = False
        self.old: dict[tuple[str, int], int] = {}  # what cells held that have been assigned since
        self.values: dict[int, int] = {}  # of terms that have been computed, and of results, by identity

    def effects(self, effects: tuple[Effect, ...]) -> None:
        machine = self.machine
        value = self.value
        for effect in effects:
            kind = effect.__class__
            if kind is Assign:
                assert isinstance(effect, Assign)
                new = value(effect.value)
                file, number = effect.cell.file, effect.cell.number
                if number.__class__ is Bound:
                    number = self.bound[number.at]
                if (file, number) not in self.old:
                    self.old[file, number] = _HELD[file](machine, number)
                _assign(machine, file, number, new)
            elif kind is If:
                assert isinstance(effect, If)
                self.effects(effect.then if value(effect.condition) else effect.otherwise)
            else:
                assert isinstance(effect, Call)
                given = [self.argument(each) for each in effect.arguments]
                made = getattr(machine, effect.name)(*given)
                self.has_left = self.has_left or CALLS[effect.name].leaves
                results = effect.results
                if len(results) == 1:
                    self.values[id(results[0])] = made
                else:
                    for result, one in zip(results, made or (), strict=True):
                        self.values[id(result)] = one

    def argument(self, given: Any) -> Any:
        """What is passed to the machine."""
        if given.__class__ is Term:
            return self.value(given)
        return self.bound[given.at] if given.__class__ is Bound else given

    def value(self, term: Term) -> int:
        """What a term is now."""
        operator = term.operator
        if operator == "const":
            return term.arguments[0]  # type: ignore[return-value]  # of a constant it is an int
        if operator == "read":
            cell: Any = term.arguments[0]
            file, number = cell.file, cell.number
            if number.__class__ is Bound:
                number = self.bound[number.at]
            found = self.old.get((file, number)) if self.old else None
            return found if found is not None else _HELD[file](self.machine, number)
        known = self.values.get(id(term))
        if known is None:
            known = self.values[id(term)] = int(_VALUES[operator](self, term))
        return known


def _binary(operator: str) -> Callable[[_Run, Any], int]:
    work = OPERATORS[operator]

    def value(run: _Run, term: Any) -> int:
        left, right = term.arguments
        made: int = work(run.value(left), run.value(right), left.width) & (1 << term.width) - 1
        return made

    return value


def _bits(run: _Run, term: Any) -> int:
    value, low = term.arguments
    part: int = run.value(value) >> low & mask(term.width)
    return part


def _sign_extended(run: _Run, term: Any) -> int:
    (inner,) = term.arguments
    half = 1 << (inner.width - 1)
    extended: int = (run.value(inner) ^ half) - half & mask(term.width)
    return extended


def _joined(run: _Run, term: Any) -> int:
    whole = low = 0
    for part in term.arguments:
        whole |= run.value(part) << low
        low += part.width
    return whole


def _chosen(run: _Run, term: Any) -> int:
    condition, then, otherwise = term.arguments
    return run.value(then) if run.value(condition) else run.value(otherwise)


def _function(run: _Run, term: Any) -> int:
    name, *given = term.arguments
    return int(FUNCTIONS[name](*map(run.value, given)))


_VALUES: Final[dict[str, Callable[[_Run, Any], int]]] = {
    **{operator: _binary(operator) for operator in OPERATORS},
    "bits": _bits,
    "zext": lambda run, term: run.value(term.arguments[0]),
    "sext": _sign_extended,
    "join": _joined,
    "choose": _chosen,
    "function": _function,
    "operand": lambda run, term: run.bound[term.arguments[0]] & mask(term.width),
}

LISTS: Final = frozenset(["gr", "nat", "pr", "br", "fr", "ar", "cr"])

_HELD: Final[dict[str, Callable[[Any, int], int]]] = {
    "gr": lambda m, number: m.gr[number],
    "nat": lambda m, number: m.nat[number],
    "pr": lambda m, number: m.pr[number],
    "br": lambda m, number: m.br[number],
    "fr": lambda m, number: m.fr[number],
    "ar": lambda m, number: m.ar[number],
    "cr": lambda m, number: m.cr[number],
    "prs": lambda m, number: m.prs,
    "psr": lambda m, number: m.psr,
    "cfm": lambda m, number: m.cfm,
    "ip": lambda m, number: m.ip & ~15,
}


def _assign(machine: State, file: str, number: int, value: int) -> None:
    if file in LISTS:
        getattr(machine, file)[number] = value
    else:
        getattr(machine, f"set_{file}")(value)
