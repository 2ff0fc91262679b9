"""What an expansion does to registers: its lines, run with values that stand for what registers hold.

A value is what a register held at the start, a constant, or something made on the way, each with an offset. That is
enough to see that a register is saved (in another, or in memory) and put back. The lines run one after the other, as a
hypervisor's calls see them. Where a predicate that a compare has made decides, both paths are followed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct, field
from msgspec.structs import replace

from pvasm.isa.instruction import Instruction
from pvasm.isa.operands import MemoryOperand, Symbolic
from pvasm.isa.operands import Value as Operand
from pvasm.isa.registers import Register
from pvasm.isa.resources import CONSTANTS, Resource, whole
from pvasm.paravirt.cells import is_cell, register_effects, register_of
from pvasm.paravirt.expansion import Line
from pvasm.paravirt.interface import Call
from pvasm.syntax import tree

_WORD: Final = (1 << 64) - 1
_MAX_PATHS: Final = 64
_MAX_VISITS: Final = 3  # of a line on a path: enough to see what a loop changes


class Made(Struct, frozen=True):
    """Something that a line has made: the line, and how many things were made before on the path."""

    line: int
    number: int


class Value(Struct, frozen=True):
    """What a register holds: `base` (a register's value at the start, or something made; None for 0) plus `offset`.

    Of a predicate, the offset tells whether it is negated; `Value(None, 1)` is true.
    """

    base: Resource | Made | None
    offset: int = 0


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


class _Snapshot(Struct, frozen=True):
    """What `mov r1 = pr` and `mov r1 = psr` keep: several values in one register."""

    cells: tuple[tuple[Resource, Value], ...]


# ------------------------------------------------------------------------------------------ running


class _State(Struct):
    """One path through the lines, so far."""

    outcome: Outcome
    at: int = 0
    made: int = 0
    memory: dict[Value, tuple[Value | _Snapshot, int]] = field(default_factory=dict)
    kept: dict[Resource, _Snapshot] = field(default_factory=dict)
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
        if holds:
            return self._execute(state, line, line.resolved)
        _pass(state, line, line.resolved)
        return None

    def _holds(self, state: _State, predicate: Register, line: Line) -> bool | None:
        """Whether a predicate is true; None if that is not known yet."""
        if predicate.number == 0:
            return True
        value = _value(state, predicate)
        if value.base is None:
            return bool(value.offset)
        if not isinstance(value.base, Made):
            state.outcome.uses.setdefault(value.base, line.number)
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

    def _execute(self, state: _State, line: Line, resolved: Instruction) -> _State | None:
        mnemonic = resolved.mnemonic
        if mnemonic.startswith("break"):
            self._break(state, line, resolved)
        elif mnemonic.startswith(("br.", "brl.")) or mnemonic == "rfi":
            return self._branch(state, line, resolved)
        elif not (
            _copy(state, line, resolved) or _move_memory(state, line, resolved) or _compare(state, line, resolved)
        ):
            _other(state, line, resolved)
        return None

    def _break(self, state: _State, line: Line, resolved: Instruction) -> None:
        number = resolved.operands[0]
        if not isinstance(number, int):
            state.outcome.opaque = True
            return
        state.outcome.acts.append(Act(line.number, line.text, number))
        call = self.calls.get(number, Call())
        values = tuple(_use(state, register, line) for register in call.takes)
        state.outcome.observed.append(Observed(line.number, f"break {number}", values))
        for register in call.gives:
            _set(state, register, _make(state, line), line)

    def _branch(self, state: _State, line: Line, resolved: Instruction) -> _State | None:
        if ".call" in resolved.mnemonic:
            _other(state, line, resolved)
            state.outcome.opaque = True
            return None
        target = self._target(resolved, state.at - 1)
        if resolved.mnemonic.startswith(("br.cond", "brl.cond")):
            self._jump(state, target)
            return None
        if resolved.mnemonic.startswith(("br.ret", "br.ia", "rfi")):
            _other(state, line, resolved)
            self._jump(state, None)
            return None
        _other(state, line, resolved)  # of a counted or a rotating loop
        other = state.copy()
        self._jump(other, target)
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


def _pass(state: _State, line: Line, resolved: Instruction) -> None:
    """What an instruction does whose qualifying predicate is false: some clear their targets (SDM vol. 3, cmp)."""
    if resolved.clears_when_false:
        for output in resolved.outputs:
            if isinstance(output, Register) and output.file == "p":
                _set(state, output, Value(None, 0), line)


def _value(state: _State, cell: Resource) -> Value:
    """What a register holds."""
    if cell in CONSTANTS:
        return Value(None, 1 if cell == Register("p", 0) else 0)
    return state.outcome.cells.get(cell, Value(cell))


def _make(state: _State, line: Line) -> Value:
    state.made += 1
    return Value(Made(line.number, state.made))


def _set(state: _State, cell: Resource, value: Value | _Snapshot, line: Line) -> None:
    if cell in CONSTANTS or not is_cell(cell):
        return
    state.kept.pop(cell, None)
    if isinstance(value, _Snapshot):
        state.kept[cell] = value
        value = _make(state, line)
    state.outcome.cells[cell] = value
    state.outcome.writers[cell] = line.number


def _use(state: _State, cell: Resource, line: Line) -> Value:
    """A register's value, used for more than to be copied."""
    value = _value(state, cell)
    if value.base is not None and not isinstance(value.base, Made):
        state.outcome.uses.setdefault(value.base, line.number)
    return value


def _observe(state: _State, line: Line, what: str, cells: Sequence[Register]) -> None:
    state.outcome.observed.append(Observed(line.number, what, tuple(_use(state, cell, line) for cell in cells)))


# The formats of what adds a constant to a register (SDM vol. 3, adds, addl), and of movl.
_ADDS: Final = frozenset({"A4", "A5"})
_LONG_MOVE: Final = "X2"
_MOVES: Final = frozenset({"mov", "mov.m", "mov.i"})


def _copy(state: _State, line: Line, resolved: Instruction) -> bool:
    """Runs a move or an addition of a constant; false for anything else."""
    out = resolved.operands[0] if resolved.operands else None
    return isinstance(out, Register) and any(run(state, line, resolved, out) for run in _COPIES)


def _add_constant(state: _State, line: Line, resolved: Instruction, out: Register) -> bool:
    """`adds r1 = 8, r2`: a copy, where the constant is 0, so that what is kept in the register is, too."""
    operands = resolved.operands
    if resolved.form.format not in _ADDS or not isinstance(operands[1], int) or not isinstance(operands[2], Register):
        return False
    base = _saved(state, operands[2])
    if isinstance(base, Value):
        base = Value(base.base, base.offset + operands[1] & _WORD)
    elif operands[1] != 0:
        base = _make(state, line)
    _set(state, out, base, line)
    return True


def _set_constant(state: _State, line: Line, resolved: Instruction, out: Register) -> bool:
    """`movl r1 = 0x123`."""
    operands = resolved.operands
    if resolved.form.format != _LONG_MOVE or not isinstance(operands[1], int):
        return False
    _set(state, out, Value(None, operands[1]), line)
    return True


def _add_registers(state: _State, line: Line, resolved: Instruction, out: Register) -> bool:
    """`add r1 = r2, r3`, where one of the two holds a constant."""
    operands = resolved.operands
    if resolved.mnemonic != "add" or len(operands) != 3:
        return False
    left, right = (_value(state, each) for each in operands[1:] if isinstance(each, Register))
    if left.base is not None and right.base is not None:
        return False
    _set(state, out, Value(left.base or right.base, left.offset + right.offset & _WORD), line)
    return True


def _copy_float(state: _State, line: Line, resolved: Instruction, out: Register) -> bool:
    """`fmerge.s f1 = f2, f2`: what `mov f1 = f2` is."""
    operands = resolved.operands
    if resolved.mnemonic != "fmerge.s" or operands[1] != operands[2] or not isinstance(operands[1], Register):
        return False
    _set(state, out, _value(state, operands[1]), line)
    for cell in resolved.writes - {out}:
        _set(state, cell, _make(state, line), line)
    return True


def _move_register(state: _State, line: Line, resolved: Instruction, out: Register) -> bool:
    source = resolved.operands[1] if resolved.mnemonic in _MOVES else None
    if not isinstance(source, Register):
        return False
    _move(state, line, resolved, out, source)
    return True


_COPIES: Final = (_add_constant, _set_constant, _add_registers, _copy_float, _move_register)


def _move(state: _State, line: Line, resolved: Instruction, out: Register, source: Register) -> None:
    """Runs a move between register files. Several predicates, or fields of the psr, are kept in one register."""
    parts, targets = whole(source), resolved.writes
    if parts == {source} and targets <= {out}:
        _set(state, out, _saved(state, source), line)
    elif parts != {source}:
        _set(state, out, _Snapshot(tuple((part, _value(state, part)) for part in parts)), line)
    else:
        kept = _saved(state, source)
        values = dict(kept.cells) if isinstance(kept, _Snapshot) else {}
        if not values:
            _observe(state, line, "mov", [source])
        for target in targets:
            _set(state, target, values.get(target) or _make(state, line), line)


def _saved(state: _State, register: Register) -> Value | _Snapshot:
    return state.kept.get(register) or _value(state, register)


def _move_memory(state: _State, line: Line, resolved: Instruction) -> bool:
    """Runs a load or a store; false for anything else."""
    mnemonic, operands = resolved.mnemonic, resolved.operands
    is_load = mnemonic.startswith("ld") and isinstance(operands[1], MemoryOperand)
    is_store = mnemonic.startswith("st") and isinstance(operands[0], MemoryOperand)
    if not (is_load or is_store):
        return False
    base = register_of(operands[1] if is_load else operands[0])
    data = operands[0] if is_load else operands[1]
    if base is None or not isinstance(data, Register):
        return False
    address = _value(state, base)
    is_whole = mnemonic.startswith(_WHOLE)
    if is_load:
        _load(state, line, mnemonic, base, data, is_whole)
    else:
        _store(state, line, mnemonic, base, data, is_whole)
    if len(operands) > 2:
        _step_base(state, line, base, address, operands[2])
    return True


# What loads and stores all of a register.
_WHOLE: Final = ("ld8", "st8", "ldf.fill", "stf.spill")


def _load(state: _State, line: Line, mnemonic: str, base: Register, data: Register, is_whole: bool) -> None:
    address = _value(state, base)
    _observe(state, line, "address", [base])
    found = state.memory.get(address) if is_whole else None
    if found is not None:
        state.pending.pop(address, None)
    _set(state, data, found[0] if found is not None else _make(state, line), line)
    if ".fill" in mnemonic:
        _use(state, Register("ar", 36), line)
        state.outcome.filled.add(_value(state, data))


def _step_base(state: _State, line: Line, base: Register, address: Value, step: Operand) -> None:
    """Adds to the base what a load or a store adds to it (SDM vol. 3, ld: base update)."""
    if isinstance(step, int):
        _set(state, base, Value(address.base, address.offset + step & _WORD), line)
    elif isinstance(step, Register):
        amount = _use(state, step, line)
        moved = Value(address.base, address.offset + amount.offset & _WORD)
        _set(state, base, moved if amount.base is None else _make(state, line), line)


def _store(state: _State, line: Line, mnemonic: str, base: Register, data: Register, is_whole: bool) -> None:
    outcome = state.outcome
    outcome.acts.append(Act(line.number, line.text, None))
    address = _use(state, base, line)
    value = _saved(state, data)
    plain = _value(state, data)
    outcome.observed.append(Observed(line.number, f"store {mnemonic}", (address, plain)))
    start = plain.base
    if is_whole:
        state.memory[address] = (value, line.number)
        if start is not None and not isinstance(start, Made):
            state.pending[address] = (start, line.number)
    else:
        state.memory.pop(address, None)
        _use(state, data, line)
    if mnemonic.startswith("st8.spill"):
        if start is not None and not isinstance(start, Made):
            outcome.spilled.add(start)
        _set(state, Register("ar", 36), _make(state, line), line)


def _compare(state: _State, line: Line, resolved: Instruction) -> bool:
    """Runs a compare or a test; false for anything else."""
    outputs = [output for output in resolved.outputs if isinstance(output, Register) and output.file == "p"]
    if len(outputs) != 2 or len(resolved.outputs) != 2:
        return False
    sources = [register for register in map(register_of, resolved.inputs) if register is not None]
    _observe(state, line, resolved.mnemonic, sources)
    words = resolved.mnemonic.split(".")
    if "and" in words or "or" in words or "andcm" in words:
        for output in outputs:
            _set(state, output, _make(state, line), line)
        return True
    result = _make(state, line)
    if words[:2] == ["cmp", "eq"] and len(sources) == 2 and _value(state, sources[0]) == _value(state, sources[1]):
        result = Value(None, 1)
    _set(state, outputs[0], result, line)
    _set(state, outputs[1], replace(result, offset=1 - result.offset), line)
    return True


def _other(state: _State, line: Line, resolved: Instruction) -> None:
    """Runs an instruction of which no more is known than what it reads and writes."""
    reads, writes = register_effects(resolved)
    predicate = Register("p", resolved.predicate or 0)
    brackets = [value for value in resolved.outputs if not isinstance(value, Register)]
    named = [register for register in map(register_of, (*brackets, *resolved.inputs)) if register is not None]
    _observe(state, line, resolved.mnemonic, named)
    for cell in sorted(reads - set(named) - {predicate}, key=str):
        _use(state, cell, line)
    for cell in sorted(writes, key=str):
        _set(state, cell, _make(state, line), line)
