"""The back end that carries programs out as they are: for code that runs a few times, which is not worth compiling."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from pvasm.isa.semantics.programs import CALLS, Assign, Call, Effect, If
from pvasm.isa.semantics.terms import OPERATORS, Cell, Term, mask
from pvsim.machine.functions import FUNCTIONS
from pvsim.machine.state import State


def execute(machine: State, effects: tuple[Effect, ...]) -> bool:
    """Does what an instruction does; `machine.ip` is its address. Whether it has said where control goes.

    Raises Interruption where it ends in one.
    """
    run = _Run(machine)
    run.effects(effects)
    return run.has_left


class _Run:
    """One instruction being executed."""

    __slots__ = ("has_left", "machine", "old", "values")

    def __init__(self, machine: State) -> None:
        self.machine = machine
        self.has_left = False
        self.old: dict[Cell, int] = {}  # what cells held that have been assigned since
        self.values: dict[int, int] = {}  # of terms that have been computed, and of results, by identity

    def effects(self, effects: tuple[Effect, ...]) -> None:
        machine = self.machine
        value = self.value
        for effect in effects:
            kind = effect.__class__
            if kind is Assign:
                assert isinstance(effect, Assign)
                new = value(effect.value)
                cell = effect.cell
                if cell not in self.old:
                    self.old[cell] = _HELD[cell.file](machine, cell)
                _assign(machine, cell, new)
            elif kind is If:
                assert isinstance(effect, If)
                self.effects(effect.then if value(effect.condition) else effect.otherwise)
            else:
                assert isinstance(effect, Call)
                given = [value(each) if isinstance(each, Term) else each for each in effect.arguments]
                made = getattr(machine, effect.name)(*given)
                self.has_left = self.has_left or CALLS[effect.name].leaves
                results = effect.results
                if len(results) == 1:
                    self.values[id(results[0])] = made
                else:
                    for result, one in zip(results, made or (), strict=True):
                        self.values[id(result)] = one

    def value(self, term: Term) -> int:
        """What a term is now."""
        operator = term.operator
        if operator == "const":
            return term.arguments[0]  # type: ignore[return-value]  # of a constant it is an int
        if operator == "read":
            cell: Any = term.arguments[0]
            found = self.old.get(cell) if self.old else None
            return found if found is not None else _HELD[cell.file](self.machine, cell)
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
}

_LISTS: Final = frozenset(["gr", "nat", "pr", "br", "fr", "ar", "cr"])

_HELD: Final[dict[str, Callable[[Any, Cell], int]]] = {
    "gr": lambda m, cell: m.gr[cell.number],
    "nat": lambda m, cell: m.nat[cell.number],
    "pr": lambda m, cell: m.pr[cell.number],
    "br": lambda m, cell: m.br[cell.number],
    "fr": lambda m, cell: m.fr[cell.number],
    "ar": lambda m, cell: m.ar[cell.number],
    "cr": lambda m, cell: m.cr[cell.number],
    "prs": lambda m, cell: m.prs,
    "psr": lambda m, cell: m.psr,
    "cfm": lambda m, cell: m.cfm,
    "ip": lambda m, cell: m.ip & ~15,
}


def _assign(machine: State, cell: Cell, value: int) -> None:
    if cell.file in _LISTS:
        getattr(machine, cell.file)[cell.number] = value
    else:
        getattr(machine, f"set_{cell.file}")(value)
