"""Whether a template keeps its op's contract: what its expansions read and write, for all sorts of arguments.

The contract follows from the catalog. An expansion reads its inputs, and what the instructions read that the op
replaces; it writes its outputs, its clobbers, and what these instructions write. Everything else it leaves as it was.
Where its predicate is false, nothing but clobbers changes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from pvasm.asm.nearest import no_such_instruction, no_such_register, unknown_registers
from pvasm.asm.scope import OperandError
from pvasm.isa.instruction import Instruction
from pvasm.isa.registers import REGISTERS, Register
from pvasm.isa.resources import Resource
from pvasm.isa.semantics.data_flow import Value
from pvasm.paravirt.arguments import RegisterNotKnownError
from pvasm.paravirt.catalog import Op
from pvasm.paravirt.choices import choices, named_registers, plain_choice
from pvasm.paravirt.expansion import expansion_of
from pvasm.paravirt.instance import Instance
from pvasm.paravirt.overlaps import overlaps
from pvasm.paravirt.stops import missing_stops
from pvasm.paravirt.template import Template
from pvasm.paravirt.trial import BANK_SWITCH, BANKED, Kind, Native, Trial, Violation, call_number, effects_of
from pvasm.paravirt.trial_run import Budget, Made, Outcome, run
from pvasm.regex import made_regex
from pvasm.syntax import tree

_MOST_CHOICES: Final = 400
_MOST_STEPS: Final = 40_000  # of all expansions of a template, if nothing else is said
_NATIVE_STEPS: Final = 100  # of what an op replaces, which is a few lines
_MOST_WORK: Final = 40_000  # of rendering it


# ----------------------------------------------------------------------------------------- templates


def violations(instance: Instance, op: Op, budget: Budget | None = None) -> Iterator[Violation]:
    """How the template of an op breaks the contract; each way once, with the plainest arguments that show it.

    Arguments are tried as long as `budget` lasts.
    Raises PvasmError, with the place, for a template that fails, or yields what is no instruction.
    """
    template = instance.definitions[op.name].template
    if template is None:
        return
    undeclared = [Violation("undeclared", op, line, message) for line, message in template.undeclared()]
    if undeclared:
        yield from undeclared
        return
    found: dict[tuple[Kind, int | None, str], Violation] = {}
    for violation in _Template(instance, op, template).violations(budget or Budget(_MOST_STEPS)):
        found.setdefault((violation.kind, violation.line, violation.subject), violation)
    # Of what is wrong anyway, it need not be said that it is wrong in this way, too.
    unused = {violation.subject for violation in found.values() if violation.kind == "unused"}
    lines = {violation.line for violation in found.values() if violation.kind not in ("stop", "overlap")}
    for violation in found.values():
        follows = violation.kind == "lost" and violation.subject in unused
        if not follows and not (violation.kind in ("stop", "overlap") and violation.line in lines):
            yield violation


class _Template:
    """A template, tried with all sorts of arguments."""

    def __init__(self, instance: Instance, op: Op, template: Template) -> None:
        self.instance = instance
        self.op = op
        self.template = template
        self.definition = instance.definitions[op.name]
        self.kernel_registers = list(instance.catalog.kernel_registers)
        self.work = 0

    def violations(self, budget: Budget) -> Iterator[Violation]:
        first, special = self._plain()
        if problem := first.expansion.flaw(self.instance.catalog.ops):
            raise self.template.error(problem)
        trials = []
        references: dict[str, _TrialCheck] = {}  # the plainest, for each kernel register
        for arguments in choices(
            self.op, self.definition, first.arguments, special, self.kernel_registers, _MOST_CHOICES
        ):
            if self.work > _MOST_WORK or budget.left <= 0:
                break
            trial = self._tried(arguments)
            trials.append(trial)
            check = _TrialCheck(self.instance, trial, budget)
            plain = references.setdefault(trial.kernel_register, check)
            overlap = overlaps(plain.trial, plain.runs, trial, check.runs)
            if overlap is not None:
                yield overlap  # the cause of whatever else is wrong with these arguments
            else:
                yield from check.violations()
        yield from _unused(trials)

    def _plain(self) -> tuple[Trial, set[str]]:
        """An expansion with arguments that are nothing special, and the registers that are special.

        These are what the template names, what its expansions name whatever the arguments, and what its calls use.
        """
        special = named_registers(self.template.source)
        while True:
            tried = []
            for skip in (0, 4):
                arguments = plain_choice(self.op, self.definition, special, self.kernel_registers, skip)
                if arguments is None:
                    raise self.template.error("no registers are left to try it with: `not_among' takes too many")
                tried.append(self._tried(arguments))
            named = set.intersection(*(named_registers("\n".join(trial.text)) for trial in tried))
            if named <= special:
                break
            special |= named
        for line in tried[0].lines:
            number = call_number(line)
            found = None if number is None else self.instance.calls.get(number)
            if found is not None:
                special |= {f"r{register.number}" for register in (*found.takes, *found.gives)}
        return tried[0], special

    def _tried(self, arguments: tuple[str, ...]) -> Trial:
        op = self.op
        try:
            expansion = self.instance.expand(op, arguments)
        except RegisterNotKnownError as error:  # by a word of the template: the arguments are registers
            raise self.template.error(f"{error.text} is no register, and cannot be told from one") from None
        self.work += expansion.work + 1
        try:
            lines = expansion.instructions()
        except OperandError as error:
            raise self.template.error(error.message, error.start) from None
        given = {parameter.name: text for parameter, text in zip(op.parameters, arguments, strict=True)}
        native = Native(expansion_of([self.instance.catalog.replaced(op, given)]).instructions())
        return Trial(op, arguments, expansion, lines, native)


# ------------------------------------------------------------------------------------ one expansion


class _TrialCheck:
    """A trial, run for each truth of its predicates."""

    def __init__(self, instance: Instance, trial: Trial, budget: Budget) -> None:
        self.calls = instance.calls
        self.trial = trial
        self.runs = [(truths, run(trial.lines, truths, instance.calls, budget)) for truths in trial.assumptions()]

    def violations(self) -> Iterator[Violation]:
        """What is wrong with it."""
        trial = self.trial
        if not trial.lines:
            yield from self._nothing()
            return
        found = [*self._unknown_mnemonics(), *self._unknown_calls()]
        for truths, outcomes in self.runs:
            executed = trial.native.executed(truths)
            for outcome in outcomes:
                found += _PathCheck(trial, outcome, executed).violations()
            if len(executed) == len(trial.native.instructions):
                found += self._lost(outcomes)
        yield from found
        yield from missing_stops(trial, self.calls)

    def _nothing(self) -> Iterator[Violation]:
        """What is wrong with an expansion that is empty: it can do nothing with what the op is given."""
        names = [parameter.name for parameter in self.trial.op.parameters if parameter.use != "clobber"]
        if names:
            yield self.trial.violation("empty", None, f"becomes nothing, though it has {', '.join(names)}")
        else:
            yield from missing_stops(self.trial, self.calls)

    def _unknown_mnemonics(self) -> Iterator[Violation]:
        """Words in small letters that stand where an instruction does: one in capitals is a macro, with any effect."""
        for line in self.trial.lines:
            if isinstance(line.syntax, tree.MacroCall) and line.syntax.name.islower():
                yield self.trial.violation("undeclared", line.number, no_such_instruction(line.syntax.name))
            elif isinstance(line.syntax, tree.Instruction):
                for name in unknown_registers(line.syntax):
                    yield self.trial.violation("undeclared", line.number, no_such_register(name.text))

    def _unknown_calls(self) -> Iterator[Violation]:
        if self.calls:
            for line in self.trial.lines:
                number = call_number(line)
                if number is not None and number not in self.calls:
                    message = (
                        f"`{line.text}' is no call that the instance knows: say under calls what it reads and writes"
                    )
                    yield self.trial.violation("call", line.number, message)

    def _lost(self, outcomes: Sequence[Outcome]) -> Iterator[Violation]:
        """The inputs whose values are used on no path."""
        trial = self.trial
        if any(outcome.opaque or not outcome.complete for outcome in outcomes):
            return
        _, native_writes = effects_of(trial.native.instructions)
        clobbers = set(trial.registers("clobber"))
        for register in dict.fromkeys(trial.registers("in", "general")):
            if register.number == 0 or not outcomes:
                continue
            kept = any(
                value.base == register and cell in native_writes - clobbers
                for outcome in outcomes
                for cell, value in outcome.cells.items()
            )
            if not kept and not any(register in outcome.uses for outcome in outcomes) and self._is_due(register):
                inputs = (parameter.name for parameter in trial.op.parameters if parameter.use == "in")
                name = next(name for name in inputs if REGISTERS.get(trial.given[name]) == register)
                message = f"nothing uses the value of {trial.name(register)}"
                yield trial.violation("lost", None, message, name)

    def _is_due(self, register: Register) -> bool:
        """Whether what the op replaces does anything with a register's value; what is written to cr.eoi is ignored."""
        truths: dict[Register, bool] = dict.fromkeys(self.trial.registers("in", "predicate"), True)
        outcomes = run(self.trial.native.lines, truths, {}, Budget(_NATIVE_STEPS))
        return any(
            register in outcome.uses or any(value.base == register for value in outcome.cells.values())
            for outcome in outcomes
        )


class _PathCheck:
    """One path through a trial, where `executed` of the op's own instructions would be executed."""

    def __init__(self, trial: Trial, outcome: Outcome, executed: Sequence[Instruction]) -> None:
        self.trial = trial
        self.outcome = outcome
        self.executed = executed
        reads, _ = effects_of(trial.native.instructions)
        _, self.writes = effects_of(executed)
        self.clobbers: set[Resource] = set(trial.registers("clobber"))
        self.outputs: set[Resource] = set(trial.registers("out"))
        self.readable = reads | set(trial.registers("in"))

    def violations(self) -> Iterator[Violation]:
        yield from self._read()
        if not self.executed:
            yield from self._unexecuted()
        if self.outcome.complete:
            yield from self._written()
            if self.executed and not self.outcome.opaque:
                yield from self._unwritten()
                yield from self._bank()

    def _read(self) -> Iterator[Violation]:
        trial = self.trial
        for cell, line in self.outcome.uses.items():
            if cell not in self.readable:
                own = cell in self.outputs | self.clobbers
                rest = " before it has written it" if own else ", which it was not given: take it from a parameter"
                yield trial.violation("read", line, f"reads {trial.name(cell)}{rest}")

    def _unexecuted(self) -> Iterator[Violation]:
        for act in self.outcome.acts:
            what = "calls the hypervisor" if act.call is not None else "stores"
            message = f"`{act.text}' {what} though the predicate is false: predicate it, too"
            yield self.trial.violation("unexecuted", act.line, message)

    def _written(self) -> Iterator[Violation]:
        trial, outcome = self.trial, self.outcome
        for cell, value in outcome.cells.items():
            line = outcome.writers[cell]
            is_output = cell in self.outputs & self.writes
            if value == Value(cell) or (cell in self.clobbers and not is_output):
                continue
            if cell not in self.writes:
                if cell in self.outputs:
                    message = f"writes {trial.name(cell)} though the predicate is false: predicate it, too"
                    yield trial.violation("unexecuted", line, message)
                else:
                    kept = _is_saved(outcome, cell)
                    rest = f", which it was not given: {_KEEP}" if not kept else " and does not put back its old value"
                    yield trial.violation("written", line, f"writes {trial.name(cell)}{rest}")
            elif not isinstance(value.base, Made | None) and value.base not in self.readable and value.base != cell:
                message = f"gives {trial.name(cell)} the old value of {trial.name(value.base)}"
                yield trial.violation("read", line, f"{message}, which is not what the op is about")

    def _unwritten(self) -> Iterator[Violation]:
        trial, outcome = self.trial, self.outcome
        for cell in self.outputs & self.writes:
            if outcome.cells.get(cell, Value(cell)) == Value(cell):
                path = _on_path(outcome, trial)
                if cell in outcome.writers:
                    message = f"puts the old value of {trial.name(cell)} back, and not what the op yields{path}"
                    yield trial.violation("unwritten", outcome.writers[cell], message)
                else:
                    message = f"does not write {trial.name(cell)}{path}"
                    yield trial.violation("unwritten", None, message)

    def _bank(self) -> Iterator[Violation]:
        """A bank that is switched away from is saved, one that is switched to is filled, with the NaT bits."""
        trial, outcome = self.trial, self.outcome
        if BANK_SWITCH not in self.writes or BANK_SWITCH in outcome.cells:
            return
        switches = [each.mnemonic for each in self.executed]
        for register in sorted(BANKED):
            if switches == ["bsw.0"] and register not in outcome.spilled:
                yield trial.violation(
                    "bank", None, f"does not save {register.text} of bank 1 with its NaT bit (st8.spill)"
                )
                return
            value = outcome.cells.get(register)
            if switches == ["bsw.1"] and value not in outcome.filled:
                line = outcome.writers.get(register)
                message = f"does not fill {register.text} of bank 1 with its NaT bit (ld8.fill)"
                yield trial.violation("bank", line, message)
                return


_KEEP = "keep its value in a clobber, and put it back"


def _is_saved(outcome: Outcome, cell: Resource) -> bool:
    """Whether the old value of a register is still in another."""
    return any(value == Value(cell) and other != cell for other, value in outcome.cells.items())


def _on_path(outcome: Outcome, trial: Trial) -> str:
    """On which path, in words, if compares decide about it."""
    lines = sorted({key.line for key in outcome.decisions if isinstance(key, Made)})
    texts = [line.text for line in trial.lines if line.number in lines and line.resolved is not None]
    return f" on a path that `{texts[0]}' decides about" if texts else ""


def _unused(trials: Sequence[Trial]) -> Iterator[Violation]:
    """The parameters in and out that no expansion depends on."""
    if not trials or not any(trial.lines for trial in trials):
        return
    plain = trials[0]
    for place, parameter in enumerate(plain.op.parameters):
        if parameter.use == "clobber":
            continue
        if parameter.kind == "kernel-register":
            used = any(
                other.text != plain.text
                for other in trials
                if all(
                    (left != right) is (at == place)
                    for at, (left, right) in enumerate(zip(plain.arguments, other.arguments, strict=True))
                )
            )
        else:
            word = made_regex(rf"(?<![\w.]){plain.arguments[place]}(?![\w.])")
            used = any(
                word.search("\n".join(trial.text))
                for trial in trials
                if trial.arguments[place] == plain.arguments[place]
                and trial.arguments.count(plain.arguments[place]) == 1
            )
        if not used:
            message = f"does not use its parameter {parameter.name}: is it forgotten, or misspelt?"
            yield plain.violation("unused", None, message, parameter.name)
