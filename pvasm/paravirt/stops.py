"""Where an expansion's groups run together with the groups around it, and where there is no expansion at all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from pvasm.ia64 import Resource
from pvasm.paravirt.cells import register_effects
from pvasm.paravirt.expansion import Line
from pvasm.paravirt.interface import Call
from pvasm.paravirt.trial import Breach, Trial, call_number, effects_of
from pvasm.syntax import tree


def missing_stops(trial: Trial, calls: Mapping[int, Call]) -> Iterator[Breach]:
    """Where an expansion's groups run together with the groups around it."""
    native, lines = trial.native, trial.lines
    if [line.text for line in lines] == [line.text for line in native.lines]:
        return
    stops = [at for at, line in enumerate(lines) if isinstance(line.syntax, tree.Stop)]
    own = [line for line in native.lines if line.resolved is not None or isinstance(line.syntax, tree.Stop)]
    ends = isinstance(own[-1].syntax, tree.Stop)
    last = native.instructions[-1]
    final = next((line for line in reversed(lines) if line.resolved or isinstance(line.syntax, tree.Stop)), None)
    number = final.number if final is not None else None
    is_ended = final is not None and (
        isinstance(final.syntax, tree.Stop) or (final.resolved is not None and final.resolved.form.last_in_group)
    )
    if (ends or last.form.last_in_group) and not is_ended:
        why = f"`{last.text}' is the last of its group" if not ends else "the instructions it replaces do"
        yield trial.breach("stop", number, f"does not end with a stop; {why}")
    elif not stops and any(isinstance(line.syntax, tree.Stop) for line in own[:-1]):
        yield trial.breach("stop", number, "has no stop; the instructions it replaces have one between them")
    if any(isinstance(line.syntax, tree.Label) for line in lines):
        return  # which groups follow one another is not plain to see
    reads, writes = effects_of(native.instructions)
    reads |= set(trial.registers("in"))
    first = _group_effects(lines[: stops[0]] if stops else lines, calls)
    for line, read, written in first:
        strange = (written - writes) or (read - reads)
        if strange:
            verb = "writes" if written - writes else "reads"
            cell = trial.name(min(strange, key=str))
            message = f"`{line.text}' {verb} {cell} in the group of the instructions before the op: start with a stop"
            yield trial.breach("stop", line.number, message)
            break
    for line, _, written in _group_effects(lines[stops[-1] + 1 :] if stops else (), calls):
        if written - writes:
            cell = trial.name(min(written - writes, key=str))
            message = f"`{line.text}' writes {cell} in the group of the instructions after the op: end with a stop"
            yield trial.breach("stop", line.number, message)
            break


def _group_effects(
    lines: Sequence[Line], calls: Mapping[int, Call]
) -> Iterator[tuple[Line, set[Resource], set[Resource]]]:
    """For each instruction of a group, the registers that it reads from outside of the group, and those it writes."""
    before: set[Resource] = set()
    for line in lines:
        if line.resolved is not None:
            reads, writes = register_effects(line.resolved)
            number = call_number(line)
            call = Call() if number is None else calls.get(number, Call())
            yield line, {*reads, *call.takes} - before, {*writes, *call.gives}
            before |= {*writes, *call.gives}
