"""Whether a template keeps its op's contract: what its expansions read and write, for all sorts of arguments.

The contract follows from the catalog. An expansion reads its inputs, and what the instructions read that the op
replaces; it writes its outputs, its clobbers, and what these instructions write. Everything else it leaves as it was.
Where its predicate is false, nothing but clobbers changes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from pvasm.ia64 import OperandError, Resolved, Resource
from pvasm.ia64.registers import REGISTERS
from pvasm.paravirt.arguments import RegisterNotKnownError
from pvasm.paravirt.catalog import Op
from pvasm.paravirt.choices import choices, named_registers, plain_choice
from pvasm.paravirt.effects import Budget, Made, Outcome, Value, run
from pvasm.paravirt.expansion import flaw, read_lines
from pvasm.paravirt.instance import Instance
from pvasm.paravirt.overlaps import overlaps
from pvasm.paravirt.stops import missing_stops
from pvasm.paravirt.template import Template
from pvasm.paravirt.trial import BANK_SWITCH, BANKED, Breach, Expansion, Kind, Native, call_number, effects_of
from pvasm.syntax import tree

_MOST_CHOICES: Final = 400
_MOST_STEPS: Final = 40_000  # of all expansions of a template, if nothing else is said
_MOST_WORK: Final = 40_000  # of rendering it


# ----------------------------------------------------------------------------------------- templates


def breaches(instance: Instance, op: Op, budget: Budget | None = None) -> Iterator[Breach]:
    """How the template of an op breaks the contract; each way once, with the plainest arguments that show it.

    Arguments are tried as long as `budget` lasts.
    Raises PvasmError, with the place, for a template that fails, or yields what is no instruction.
    """
    template = instance.definitions[op.name].template
    if template is None:
        return
    undeclared = [Breach("undeclared", op, line, message) for line, message in template.undeclared()]
    if undeclared:
        yield from undeclared
        return
    found: dict[tuple[Kind, int | None, str], Breach] = {}
    for breach in _Template(instance, op, template).breaches(budget or Budget(_MOST_STEPS)):
        found.setdefault((breach.kind, breach.line, breach.subject), breach)
    # Of what is wrong anyway, it need not be said that it is wrong in this way, too.
    unused = {breach.subject for breach in found.values() if breach.kind == "unused"}
    lines = {breach.line for breach in found.values() if breach.kind not in ("stop", "overlap")}
    for breach in found.values():
        follows = breach.kind == "lost" and breach.subject in unused
        if not follows and not (breach.kind in ("stop", "overlap") and breach.line in lines):
            yield breach


class _Template:
    """A template, tried with all sorts of arguments."""

    def __init__(self, instance: Instance, op: Op, template: Template) -> None:
        self.instance = instance
        self.op = op
        self.template = template
        self.definition = instance.definitions[op.name]
        self.kernel_registers = list(instance.catalog.kernel_registers)
        self.work = 0

    def breaches(self, budget: Budget) -> Iterator[Breach]:
        first, special = self._plain()
        if problem := flaw(first.text, self.instance.catalog.ops):
            raise self.template.error(problem)
        expansions = []
        references: dict[str, _Trial] = {}  # the plainest, for each kernel register
        for arguments in choices(
            self.op, self.definition, first.arguments, special, self.kernel_registers, _MOST_CHOICES
        ):
            if self.work > _MOST_WORK or budget.left <= 0:
                break
            expansion = self._expand(arguments)
            expansions.append(expansion)
            trial = _Trial(self.instance, expansion, budget)
            plain = references.setdefault(expansion.kernel_register, trial)
            overlap = overlaps(plain.expansion, plain.runs, expansion, trial.runs)
            if overlap is not None:
                yield overlap  # the cause of whatever else is wrong with these arguments
            else:
                yield from trial.breaches()
        yield from _unused(expansions)

    def _plain(self) -> tuple[Expansion, set[str]]:
        """An expansion with arguments that are nothing special, and the registers that are special.

        These are what the template names, what its expansions name whatever the arguments, and what its calls use.
        """
        special = named_registers(self.template.source)
        while True:
            tried = []
            for skip in (0, 4):
                arguments = plain_choice(self.op, self.definition, special, self.kernel_registers, skip)
                if arguments is None:
                    raise self.template.error("no registers are left to try it with")
                tried.append(self._expand(arguments))
            named = set.intersection(*(named_registers("\n".join(expansion.text)) for expansion in tried))
            if named <= special:
                break
            special |= named
        for line in tried[0].lines:
            number = call_number(line)
            found = None if number is None else self.instance.calls.get(number)
            if found is not None:
                special |= {f"r{register.number}" for register in (*found.takes, *found.gives)}
        return tried[0], special

    def _expand(self, arguments: tuple[str, ...]) -> Expansion:
        op = self.op
        try:
            placed = self.instance.placed(op, arguments)
        except RegisterNotKnownError as error:  # by a word of the template: the arguments are registers
            raise self.template.error(f"{error.text} is no register, and cannot be told from one") from None
        self.work += placed.work + 1
        try:
            lines = read_lines(placed.lines)
        except OperandError as error:
            raise self.template.error(error.message, error.start) from None
        given = {parameter.name: text for parameter, text in zip(op.parameters, arguments, strict=True)}
        native = Native(read_lines([(1, self.instance.catalog.replaced(op, given))]))
        return Expansion(op, arguments, placed.lines, lines, native)


# ------------------------------------------------------------------------------------ one expansion


class _Trial:
    """An expansion, run for each truth of its predicates."""

    def __init__(self, instance: Instance, expansion: Expansion, budget: Budget) -> None:
        self.calls = instance.calls
        self.expansion = expansion
        self.runs = [
            (truths, run(expansion.lines, truths, instance.calls, budget)) for truths in expansion.assumptions()
        ]

    def breaches(self) -> Iterator[Breach]:
        """What is wrong with it."""
        expansion = self.expansion
        if not expansion.lines:
            yield from self._nothing()
            return
        found = [*self._unknown_mnemonics(), *self._unknown_calls()]
        for truths, outcomes in self.runs:
            executed = expansion.native.executed(truths)
            for outcome in outcomes:
                found += _Way(expansion, outcome, executed).breaches()
            if len(executed) == len(expansion.native.instructions):
                found += self._lost(outcomes)
        yield from found
        yield from missing_stops(expansion, self.calls)

    def _nothing(self) -> Iterator[Breach]:
        """What is wrong with an expansion that is empty: it can do nothing with what the op is given."""
        names = [parameter.name for parameter in self.expansion.op.parameters if parameter.use != "clobber"]
        if names:
            yield self.expansion.breach("empty", None, f"becomes nothing, though it has {', '.join(names)}")
        else:
            yield from missing_stops(self.expansion, self.calls)

    def _unknown_mnemonics(self) -> Iterator[Breach]:
        """Words in small letters that stand where an instruction does: one in capitals is a macro, with any effect."""
        for line in self.expansion.lines:
            if isinstance(line.syntax, tree.MacroCall) and line.syntax.name.islower():
                yield self.expansion.breach("undeclared", line.number, f"there is no instruction `{line.syntax.name}'")

    def _unknown_calls(self) -> Iterator[Breach]:
        if self.calls:
            for line in self.expansion.lines:
                number = call_number(line)
                if number is not None and number not in self.calls:
                    message = (
                        f"`{line.text}' is no call that the instance knows: say under calls what it reads and writes"
                    )
                    yield self.expansion.breach("call", line.number, message)

    def _lost(self, outcomes: Sequence[Outcome]) -> Iterator[Breach]:
        """The inputs whose values are used on no way."""
        expansion = self.expansion
        if any(outcome.opaque or not outcome.complete for outcome in outcomes):
            return
        _, native_writes = effects_of(expansion.native.instructions)
        clobbers = set(expansion.registers("clobber"))
        for register in dict.fromkeys(expansion.registers("in", "general")):
            if register.number == 0 or not outcomes:
                continue
            kept = any(
                value.base == register and cell in native_writes - clobbers
                for outcome in outcomes
                for cell, value in outcome.cells.items()
            )
            if not kept and not any(register in outcome.uses for outcome in outcomes):
                inputs = (parameter.name for parameter in expansion.op.parameters if parameter.use == "in")
                name = next(name for name in inputs if REGISTERS.get(expansion.given[name]) == register)
                message = f"nothing uses the value of {expansion.name(register)}"
                yield expansion.breach("lost", None, message, name)


class _Way:
    """One way through an expansion, where `executed` of the op's own instructions would be executed."""

    def __init__(self, expansion: Expansion, outcome: Outcome, executed: Sequence[Resolved]) -> None:
        self.expansion = expansion
        self.outcome = outcome
        self.executed = executed
        reads, _ = effects_of(expansion.native.instructions)
        _, self.writes = effects_of(executed)
        self.clobbers: set[Resource] = set(expansion.registers("clobber"))
        self.outputs: set[Resource] = set(expansion.registers("out"))
        self.readable = reads | set(expansion.registers("in"))

    def breaches(self) -> Iterator[Breach]:
        yield from self._read()
        if not self.executed:
            yield from self._unexecuted()
        if self.outcome.complete:
            yield from self._written()
            if self.executed and not self.outcome.opaque:
                yield from self._unwritten()
                yield from self._bank()

    def _read(self) -> Iterator[Breach]:
        expansion = self.expansion
        for cell, line in self.outcome.uses.items():
            if cell not in self.readable:
                own = cell in self.outputs | self.clobbers
                what = (
                    f"reads {expansion.name(cell)} before it has written it" if own else f"reads {expansion.name(cell)}"
                )
                yield expansion.breach("read", line, what if own else f"{what}, which it was not given")

    def _unexecuted(self) -> Iterator[Breach]:
        for act in self.outcome.acts:
            what = "calls the hypervisor" if act.call is not None else "stores"
            yield self.expansion.breach("unexecuted", act.line, f"`{act.text}' {what} though the predicate is false")

    def _written(self) -> Iterator[Breach]:
        expansion, outcome = self.expansion, self.outcome
        for cell, value in outcome.cells.items():
            line = outcome.writers[cell]
            is_output = cell in self.outputs & self.writes
            if value == Value(cell) or (cell in self.clobbers and not is_output):
                continue
            if cell not in self.writes:
                if cell in self.outputs:
                    message = f"writes {expansion.name(cell)} though the predicate is false"
                    yield expansion.breach("unexecuted", line, message)
                else:
                    kept = _is_saved(outcome, cell)
                    rest = " and does not put back its old value" if kept else ", which it was not given"
                    yield expansion.breach("written", line, f"writes {expansion.name(cell)}{rest}")
            elif not isinstance(value.base, Made | None) and value.base not in self.readable and value.base != cell:
                message = f"gives {expansion.name(cell)} the old value of {expansion.name(value.base)}"
                yield expansion.breach("read", line, message)

    def _unwritten(self) -> Iterator[Breach]:
        expansion, outcome = self.expansion, self.outcome
        for cell in self.outputs & self.writes:
            if outcome.cells.get(cell, Value(cell)) == Value(cell):
                way = _way(outcome, expansion)
                if cell in outcome.writers:
                    message = f"puts the old value of {expansion.name(cell)} back, and not what the op yields{way}"
                    yield expansion.breach("unwritten", outcome.writers[cell], message)
                else:
                    message = f"does not write {expansion.name(cell)}{way}"
                    yield expansion.breach("unwritten", None, message)

    def _bank(self) -> Iterator[Breach]:
        """A bank that is switched away from is saved, one that is switched to is filled, with the NaT bits."""
        expansion, outcome = self.expansion, self.outcome
        if BANK_SWITCH not in self.writes or BANK_SWITCH in outcome.cells:
            return
        switches = [each.mnemonic for each in self.executed]
        for register in sorted(BANKED):
            if switches == ["bsw.0"] and register not in outcome.spilled:
                yield expansion.breach(
                    "bank", None, f"does not save {register.text} of bank 1 with its NaT bit (st8.spill)"
                )
                return
            value = outcome.cells.get(register)
            if switches == ["bsw.1"] and value not in outcome.filled:
                line = outcome.writers.get(register)
                yield expansion.breach(
                    "bank", line, f"does not fill {register.text} of bank 1 with its NaT bit (ld8.fill)"
                )
                return


def _is_saved(outcome: Outcome, cell: Resource) -> bool:
    """Whether the old value of a register is still in another."""
    return any(value == Value(cell) and other != cell for other, value in outcome.cells.items())


def _way(outcome: Outcome, expansion: Expansion) -> str:
    """On which way, in words, if compares decide about it."""
    lines = sorted({key.line for key in outcome.decisions if isinstance(key, Made)})
    texts = [line.text for line in expansion.lines if line.number in lines and line.resolved is not None]
    return f" on a way that `{texts[0]}' decides about" if texts else ""


def _unused(expansions: Sequence[Expansion]) -> Iterator[Breach]:
    """The parameters in and out that no expansion depends on."""
    if not expansions or not any(expansion.lines for expansion in expansions):
        return
    plain = expansions[0]
    for place, parameter in enumerate(plain.op.parameters):
        if parameter.use == "clobber":
            continue
        if parameter.kind == "kernel-register":
            used = any(
                other.text != plain.text
                for other in expansions
                if all(
                    (left != right) is (at == place)
                    for at, (left, right) in enumerate(zip(plain.arguments, other.arguments, strict=True))
                )
            )
        else:
            word = re.compile(rf"(?<![\w.]){plain.arguments[place]}(?![\w.])")
            used = any(
                word.search("\n".join(expansion.text))
                for expansion in expansions
                if expansion.arguments[place] == plain.arguments[place]
                and expansion.arguments.count(plain.arguments[place]) == 1
            )
        if not used:
            yield plain.breach("unused", None, f"does not use its parameter {parameter.name}", parameter.name)
