"""What an expansion does to registers: its lines, run with values that stand for what registers hold.

A value is what a register held at the start, a constant, or something made on the way, each with an offset. That is
enough to see that a register is saved (in another, or in memory) and put back. What an instruction does with values its
clause says (`isa/semantics/data_flow.py`). The lines run one after the other, as a hypervisor's calls see them. Where a
predicate that a compare has made decides, both paths are followed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final

from msgspec import Struct, field

from pvasm.isa.instruction import Instruction
from pvasm.isa.operands import Symbolic
from pvasm.isa.registers import APPLICATION, Register
from pvasm.isa.resources import CONSTANTS, Resource, width_of_cell
from pvasm.isa.semantics.branches import BRANCH
from pvasm.isa.semantics.cell_resources import FIELDS, STATUS, register_of_cell
from pvasm.isa.semantics.data_flow import (
    Derived,
    Flow,
    Piece,
    Value,
    Word,
    bits,
    constant,
    derived,
    joined,
    known,
    program_without_faults,
    sources,
    whole,
    width_of,
)
from pvasm.isa.semantics.frames import PRESERVE_FRAME
from pvasm.isa.semantics.memory import (
    COMPARE_EXCHANGE,
    COMPARE_EXCHANGE_PAIR,
    EXCHANGE,
    FETCH_ADD,
    LOADS,
    STORE_PAIR,
    STORES,
)
from pvasm.isa.semantics.programs import CALLS, Effect
from pvasm.isa.semantics.programs import Call as MachineCall
from pvasm.isa.semantics.system import BREAK
from pvasm.isa.semantics.terms import WORD, Cell
from pvasm.paravirt.cells import is_cell, register_effects, register_of
from pvasm.paravirt.expansion import Line
from pvasm.paravirt.interface import Call
from pvasm.syntax import tree

_MAX_PATHS: Final = 64
_MAX_VISITS: Final = 3  # of a line on a path: enough to see what a loop changes


class Made(Struct, frozen=True):
    """Something that a line has made, of so many bits: the line, and how many things were made before on the path."""

    line: int
    number: int
    width: int = WORD


class Observed(Struct, frozen=True):
    """Values that mattered beyond being copied: the line that used them, in what way, and which they were."""

    line: int
    what: str
    values: tuple[Value, ...]


class Act(Struct, frozen=True):
    """Something done that is seen outside of registers: a store, or a call of the hypervisor by its number."""

    line: int
    text: str
    call: int | None


class Outcome(Struct):
    """What one path through an expansion did.

    `cells` are the values of the registers that were written, `writers` the lines that wrote them last, `uses` the
    registers whose values at the start were used for more than copying, with the first line that did. `spilled` are
    the registers whose values at the start were stored by `st8.spill`, `filled` what `ld8.fill` has loaded.
    `decisions` tells the compares' results on this path. `complete` is false for a path that leaves the expansion by a
    branch or goes round a loop for long; `opaque` says that something of unknown effect was met.
    """

    cells: dict[Resource, Value]
    writers: dict[Resource, int]
    uses: dict[Resource, int]
    observed: list[Observed]
    acts: list[Act]
    spilled: set[Resource]
    filled: set[Value]
    decisions: dict[Resource | Made, bool]
    complete: bool = True
    opaque: bool = False


Runs = Sequence[tuple[Mapping[Register, bool], list[Outcome]]]
"""For truths of the predicates that an expansion is given, what its paths do."""


# ------------------------------------------------------------------------------------------ running


class _State(Struct):
    """One path through the lines, so far."""

    outcome: Outcome
    at: int = 0
    made: int = 0
    memory: dict[tuple[Value, int], Word] = field(default_factory=dict)  # by address, and how many bytes there are
    kept: dict[Resource, Word] = field(default_factory=dict)  # of registers that hold parts of several values
    pending: dict[Value, tuple[Resource, int]] = field(default_factory=dict)  # stored, and not loaded again so far
    visits: dict[int, int] = field(default_factory=dict)

    def copy(self) -> _State:
        old = self.outcome
        outcome = Outcome(
            dict(old.cells),
            dict(old.writers),
            dict(old.uses),
            list(old.observed),
            list(old.acts),
            set(old.spilled),
            set(old.filled),
            dict(old.decisions),
            old.complete,
            old.opaque,
        )
        return _State(
            outcome,
            self.at,
            self.made,
            dict(self.memory),
            dict(self.kept),
            dict(self.pending),
            dict(self.visits),
        )


class Budget:
    """How many more lines may be run, however many expansions they are of."""

    def __init__(self, steps: int) -> None:
        self.left = steps


def run(
    lines: Sequence[Line], assumed: Mapping[Register, bool], calls: Mapping[int, Call], budget: Budget
) -> list[Outcome]:
    """What the paths through an expansion do, where the predicates `assumed` are as they say at the start.

    `calls` are the hypervisor's. Paths are followed as long as there are not too many, and `budget` lasts.
    """
    machine = _Machine(lines, calls)
    decisions: dict[Resource | Made, bool] = {**assumed}  # type: ignore[dict-item]
    first = Outcome({}, {}, {}, [], [], set(), set(), decisions)
    pending = [_State(first)]
    outcomes: list[Outcome] = []
    while pending and len(outcomes) < _MAX_PATHS and budget.left > 0:
        state = pending.pop()
        while 0 <= state.at < len(lines) and budget.left > 0:
            budget.left -= 1
            other = machine.step(state)
            if other is not None and len(pending) < _MAX_PATHS:
                budget.left -= len(other.visits)  # a copy takes time, too
                pending.append(other)
        if state.at < len(lines):
            state.outcome.complete = False
        for register, line in state.pending.values():
            state.outcome.uses.setdefault(register, line)
        outcomes.append(state.outcome)
    return outcomes


class _Machine:
    """Runs the statements of one expansion."""

    def __init__(self, lines: Sequence[Line], calls: Mapping[int, Call]) -> None:
        self.lines = lines
        self.calls = calls
        self.labels = [(line.syntax.name, at) for at, line in enumerate(lines) if isinstance(line.syntax, tree.Label)]

    def step(self, state: _State) -> _State | None:
        """Runs one statement; returns the other path where a predicate is not known."""
        at = state.at
        line = self.lines[at]
        state.at += 1
        if line.resolved is None:
            if isinstance(line.syntax, tree.MacroCall | tree.Unparsed):
                state.outcome.opaque = True
            return None
        visits = state.visits[at] = state.visits.get(at, 0) + 1
        if visits > _MAX_VISITS:
            self._jump(state, None)
            return None
        predicate = Register("p", line.resolved.predicate or 0)
        holds = self._holds(state, predicate, line)
        if holds is None:
            return self._decide(state, predicate, at)
        return self._execute(state, line, line.resolved, holds)

    def _holds(self, state: _State, predicate: Register, line: Line) -> bool | None:
        """Whether a predicate is true; None if that is not known yet."""
        if predicate.number == 0:
            return True
        value = _value(state, predicate)
        if value.base is None:
            return bool(value.offset)
        _use(state, value, line)
        known = state.outcome.decisions.get(value.base)
        return None if known is None else known is not bool(value.offset)

    def _decide(self, state: _State, predicate: Register, at: int) -> _State:
        """Has the statement at `at` run again with a predicate that is known, one path here and one in a copy."""
        key = _value(state, predicate).base
        assert key is not None
        state.at = at
        state.visits[at] -= 1
        other = state.copy()
        state.outcome.decisions[key], other.outcome.decisions[key] = True, False
        return other

    def _execute(self, state: _State, line: Line, resolved: Instruction, holds: bool) -> _State | None:
        """Runs an instruction; returns the other path where it is not known whether a branch is taken."""
        execution = _Execution(state, line, resolved, self.calls)
        execution.run(holds)
        if execution.leaves_frame:
            state.outcome.opaque = True
            return None
        if execution.branch is None:
            return None
        call, is_certain = execution.branch
        target = self._target(resolved, state.at - 1) if call == BRANCH else None
        other = None if is_certain else state.copy()
        self._jump(other or state, target)
        return other

    def _jump(self, state: _State, target: int | None) -> None:
        if target is None:
            state.outcome.complete = False
            state.at = len(self.lines)
        else:
            state.at = target

    def _target(self, resolved: Instruction, at: int) -> int | None:
        """Where in the expansion a branch goes to; None for one that leaves it."""
        value = resolved.operands[-1] if resolved.operands else None
        if not (isinstance(value, Symbolic) and isinstance(value.expression, tree.Name)):
            return None
        name = value.expression.text
        if name[:-1].isdecimal() and name[-1] in "fb":
            places = [place for label, place in self.labels if label == name[:-1]]
            if name[-1] == "f":
                return next((place for place in places if place > at), None)
            return next((place for place in reversed(places) if place < at), None)
        return next((place for label, place in self.labels if label == name), None)


def _value(state: _State, cell: Resource) -> Value:
    """What a register holds."""
    if cell in CONSTANTS:
        return Value(None, 1 if cell == Register("p", 0) else 0)
    return state.outcome.cells.get(cell, Value(cell))


def _make(state: _State, line: Line, width: int = WORD) -> Value:
    state.made += 1
    return Value(Made(line.number, state.made, width))


def _set(state: _State, cell: Resource, value: Value, line: Line) -> None:
    if cell in CONSTANTS or not is_cell(cell):
        return
    state.kept.pop(cell, None)
    state.outcome.cells[cell] = value
    state.outcome.writers[cell] = line.number


def _use(state: _State, value: Value, line: Line) -> None:
    """Notes that a value is used, for more than to be copied."""
    if isinstance(value.base, Register):
        state.outcome.uses.setdefault(value.base, line.number)


# ---------------------------------------------------------------------------------- one instruction

_UNAT: Final = Register("ar", APPLICATION["unat"])
_WHOLE: Final = (8, 16)  # bytes of an access that takes all of a register
_LOADS: Final = {call: size for size, call in LOADS.items()}
_STORES: Final = {call: size for size, call in STORES.items()}
_STORING: Final = frozenset([STORE_PAIR, EXCHANGE, COMPARE_EXCHANGE, COMPARE_EXCHANGE_PAIR, FETCH_ADD])


class _Facts(Struct, frozen=True, eq=False):
    """What is always so of an instruction: its program, what it reads and writes, the registers that it names as
    sources, in order.
    """

    program: tuple[Effect, ...]
    reads: frozenset[Resource]
    writes: frozenset[Resource]
    sorted_writes: tuple[Resource, ...]
    sources: tuple[Register, ...]


@lru_cache(maxsize=4096)
def _facts(resolved: Instruction) -> _Facts:
    reads, writes = register_effects(resolved)
    inside = [value for value in resolved.outputs if not isinstance(value, Register)]
    named = [register_of(value) for value in (*inside, *resolved.inputs)]
    registers = tuple(register for register in named if register is not None)
    return _Facts(program_without_faults(resolved), reads, writes, tuple(sorted(writes, key=str)), registers)


class _Execution:
    """An instruction being run.

    `branch` is where control may leave, if so: the call of the machine that says it, and whether it does for certain.
    """

    def __init__(self, state: _State, line: Line, resolved: Instruction, calls: Mapping[int, Call]) -> None:
        self.state = state
        self.line = line
        self.resolved = resolved
        self.calls = calls
        self.branch: tuple[str, bool] | None = None
        self.leaves_frame = False
        self.facts = _facts(resolved)
        self.reads, self.writes = self.facts.reads, self.facts.writes
        self.made: dict[Derived, Value] = {}
        self.given: dict[Resource, Word] = {}
        self.has_used = False

    def run(self, holds: bool) -> None:
        """Runs it, its qualifying predicate true or false."""
        state, line = self.state, self.line
        values = tuple([_value(state, register) for register in self.facts.sources])
        flow = Flow(self._held, self._call)
        flow.run(self.facts.program, self.resolved.predicate or 0, holds)
        for cell, word in flow.assigned.items():
            self._assign(cell, word)
        if holds:
            for resource in self.facts.sorted_writes:
                if resource in self.given:
                    continue  # the others the machine writes beside it
                width = width_of_cell(resource)
                self.given[resource] = whole(_make(state, line, width), width)
        for resource, word in self.given.items():
            self._put(resource, word)
        if self.has_used:
            state.outcome.observed.append(Observed(line.number, self.resolved.mnemonic, values))

    # ---------------------------------------------------------------------------------- what it reads

    def _held(self, cell: Cell) -> Word:
        """What a cell of the processor holds."""
        if cell in FIELDS and (cell != STATUS or Register("ar", cell.number) in self.reads):
            return self._fields(FIELDS[cell], cell.width)
        register = register_of_cell(cell)
        if register is None or register not in self.reads:
            return derived(cell.width)  # what an instruction reads beside what it is about
        return self._content(register)

    def _content(self, resource: Resource) -> Word:
        kept = self.state.kept.get(resource)
        return whole(_value(self.state, resource), width_of_cell(resource)) if kept is None else kept

    def _fields(self, fields: Mapping[Resource, tuple[int, int]], width: int) -> Word:
        parts: list[Word] = []
        at = 0
        for resource, (low, size) in fields.items():
            if low > at:
                parts.append(constant(0, low - at))
            parts.append(self._content(resource))
            at = low + size
        return joined([*parts, constant(0, width - at)] if width > at else parts)

    def _used(self, *words: Word) -> None:
        """Notes that words are used, for more than to be copied."""
        for word in words:
            self.has_used = True
            for value in sources(word):
                _use(self.state, value, self.line)

    def _settled(self, word: Word) -> Word:
        """A word to be kept: what it is made of in ways that are not followed is something new."""
        found = []
        for piece in word:
            value, base = piece.value, piece.value.base
            if isinstance(base, Derived):
                if base not in self.made:
                    self._used((piece,))
                    self.made[base] = _make(self.state, self.line, piece.width)
                value = Value(self.made[base].base, value.offset)
            found.append(Piece(piece.width, value, piece.low))
        return tuple(found)

    # ------------------------------------------------------------------------- what it asks the machine

    def _call(self, call: MachineCall, given: Sequence[Word | int | str], is_certain: bool) -> Sequence[Word]:
        name = call.name
        words = [each for each in given if isinstance(each, tuple)]
        if name == BREAK:
            self._break()
            return ()
        if name in _LOADS:
            return (self._load(words[0], _LOADS[name]),)
        if name in _STORES:
            self._store(words[0], words[1], _STORES[name])
            return ()
        self._used(*words)
        if name in _STORING:
            self._act(None)
            self._overwrite(words[0])
        elif name == PRESERVE_FRAME:
            self.leaves_frame = True
        elif CALLS[name].leaves:
            self.branch = name, is_certain
        return self._results(call, words)

    def _results(self, call: MachineCall, words: Sequence[Word]) -> Sequence[Word]:
        """What comes back: something new, or what a register holds that the machine keeps account of."""
        moved = [each for each in self.resolved.inputs if isinstance(each, Register) and each.file in ("ar", "cr")]
        if len(moved) == 1 and not words and len(call.results) == 1:
            return (whole(_value(self.state, moved[0]), call.results[0].width),)
        return [whole(_make(self.state, self.line, each.width), each.width) for each in call.results]

    def _break(self) -> None:
        state, line, number = self.state, self.line, self.resolved.operands[0]
        if not isinstance(number, int):
            state.outcome.opaque = True
            return
        self._act(number)
        call = self.calls.get(number, Call())
        values = tuple(_value(state, register) for register in call.takes)
        for value in values:
            _use(state, value, line)
        state.outcome.observed.append(Observed(line.number, f"break {number}", values))
        for register in call.gives:
            _set(state, register, _make(state, line), line)

    def _act(self, number: int | None) -> None:
        self.state.outcome.acts.append(Act(self.line.number, self.line.text, number))

    def _load(self, address: Word, size: int) -> Word:
        self._used(address)
        place = self._place(address)
        found = None if place is None else self.state.memory.get((place, size))
        if found is None or place is None:
            return whole(_make(self.state, self.line, 8 * size), 8 * size)
        self.state.pending.pop(place, None)
        return found

    def _store(self, address: Word, data: Word, size: int) -> None:
        state = self.state
        self._act(None)
        self._used(address)
        place = self._overwrite(address)
        base = data[0].value.base
        if isinstance(base, Register) and _UNAT in self.writes:
            state.outcome.spilled.add(base)
        if place is None or size not in _WHOLE:
            self._used(data)
            return
        state.memory[place, size] = self._settled(data)
        if isinstance(base, Register):
            state.pending[place] = base, self.line.number
        self.has_used = True

    def _overwrite(self, address: Word) -> Value | None:
        """Forgets what memory holds at an address, which is returned if it is one value."""
        place = self._place(address)
        if place is not None:
            for size in LOADS:
                self.state.memory.pop((place, size), None)
        return place

    def _place(self, address: Word) -> Value | None:
        piece, *others = self._settled(address)
        return None if others else piece.value

    # --------------------------------------------------------------------------------- what it writes

    def _assign(self, cell: Cell, word: Word) -> None:
        """Notes what a cell is given: a register as a whole, or the fields that it stands for."""
        if cell.file == "nat":
            target = Register("r", cell.number)
            if _UNAT in self.reads and target in self.given and known(word) is None:
                self._used(word)
                self.state.outcome.filled.add(self._settled(self.given[target])[0].value)
            return
        register = register_of_cell(cell)
        for resource, (low, size) in FIELDS.get(cell, {}).items():
            part = bits(word, low, size)
            if resource in self.writes or part != self._content(resource):
                self.given[resource] = part
        if register is None or register not in self.writes:
            return
        if cell in FIELDS and all(self.given[resource] == _start(resource) for resource in FIELDS[cell]):
            word = _start(register)
        self.given[register] = _as_kept(word) if register.file in ("ar", "cr") else word

    def _put(self, resource: Resource, word: Word) -> None:
        """Gives a register what has been found for it."""
        word = self._settled(word)
        piece, *others = word
        if not others and _is_whole(piece):
            _set(self.state, resource, piece.value, self.line)
            return
        _set(self.state, resource, _make(self.state, self.line, width_of(word)), self.line)
        if is_cell(resource) and resource not in CONSTANTS:
            self.state.kept[resource] = word


def _start(resource: Resource) -> Word:
    """What a register holds at the start."""
    return whole(Value(resource), width_of_cell(resource))


def _is_whole(piece: Piece) -> bool:
    """Whether a piece is all of its value."""
    base = piece.value.base
    if base is None:
        return True
    return piece.low == 0 and piece.width == (base.width if isinstance(base, Made) else width_of_cell(base))


def _as_kept(word: Word) -> Word:
    """What a control or application register holds that is given a word.

    Which bits it ignores, and which it makes others of by the privilege level, is its own affair: put back, what it
    held is what it held.
    """
    found: set[Value] = set()
    at = 0
    for piece in word:
        base = piece.value.base
        if isinstance(base, Derived):
            found.update(value for value in base.sources if not str(value.base).startswith("psr."))
        elif base is not None:
            found.add(piece.value if piece.low == at else Value(None))
        at += piece.width
    only = found.pop() if len(found) == 1 else None
    return word if only is None or only.base is None else whole(only, at)
