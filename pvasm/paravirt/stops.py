"""Where an expansion's groups run together with the groups around it, and where there is no expansion at all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice

from pvasm.isa.resources import Resource
from pvasm.paravirt.cells import register_effects
from pvasm.paravirt.expansion import Line
from pvasm.paravirt.interface import Call
from pvasm.paravirt.trial import Trial, Violation, call_number, effects_of
from pvasm.syntax import tree


def missing_stops(trial: Trial, calls: Mapping[int, Call]) -> Iterator[Violation]:
    """Where an expansion's groups run together with the groups around it."""
    lines = trial.lines
    if [line.text for line in lines] == [line.text for line in trial.native.lines]:
        return
    stops = [at for at, line in enumerate(lines) if _is_stop(line)]
    yield from _in_order(trial, has_stop=bool(stops))
    if any(isinstance(line.syntax, tree.Label) for line in lines):
        return  # which groups follow one another is not plain to see
    reads, writes = effects_of(trial.native.instructions)
    reads |= set(trial.registers("in"))
    first = lines[: stops[0]] if stops else lines
    last = lines[stops[-1] + 1 :] if stops else ()
    yield from islice(_strange(trial, _group_effects(first, calls), reads, writes), 1)
    yield from islice(_strange(trial, _group_effects(last, calls), None, writes), 1)


def _is_stop(line: Line) -> bool:
    return isinstance(line.syntax, tree.Stop)


def _in_order(trial: Trial, *, has_stop: bool) -> Iterator[Violation]:
    """The stops that the instructions have that the op replaces, and the expansion has not."""
    native = trial.native
    own = [line for line in native.lines if line.resolved is not None or _is_stop(line)]
    final = next((line for line in reversed(trial.lines) if line.resolved is not None or _is_stop(line)), None)
    number = None if final is None else final.number
    last = native.instructions[-1]
    must_end = _is_stop(own[-1]) or last.form.last_in_group
    if must_end and not (final is not None and _ends_group(final)):
        why = "the instructions it replaces do" if _is_stop(own[-1]) else f"`{last.text}' is the last of its group"
        yield trial.violation("stop", number, f"does not end with a stop; {why}")
    elif not has_stop and any(map(_is_stop, own[:-1])):
        yield trial.violation("stop", number, "has no stop; the instructions it replaces have one between them")


def _ends_group(line: Line) -> bool:
    return _is_stop(line) or (line.resolved is not None and line.resolved.form.last_in_group)


def _strange(
    trial: Trial,
    group: Iterable[tuple[Line, set[Resource], set[Resource]]],
    reads: set[Resource] | None,
    writes: set[Resource],
) -> Iterator[Violation]:
    """The instructions of a group that do what those that the op replaces do not, with the instructions around it.

    The group runs together with that before the op, where what is read matters; with None for `reads`, with that after.
    """
    where = "before the op: start with a stop" if reads is not None else "after the op: end with a stop"
    for line, read, written in group:
        strange = (written - writes) or (set() if reads is None else read - reads)
        if strange:
            verb = "writes" if written - writes else "reads"
            cell = trial.name(min(strange, key=str))
            message = f"`{line.text}' {verb} {cell} in the group of the instructions {where}"
            yield trial.violation("stop", line.number, message)


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
