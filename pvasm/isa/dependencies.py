"""Dependency violations: what the instructions of a group must not do to one another, nor those before a serialization.

Within a group no register is read or written after it was written, with the exceptions that `hazards.py` knows; what
is written by way of the system's registers is seen by others only after a serialization (SDM vol. 2, 3.2). What
counts as known of predicates, branches and labels is what GNU as takes for known in explicit mode (`as -x`).

Where the findings differ from those of as 2.40 it is for a reason; tests/isa/dependency_oracle.py has the list.
"""

from __future__ import annotations

from typing import Any, Final, Literal, NamedTuple

from msgspec import Struct

from pvasm.isa.effects import FILES, Plan, ReadWay, WriteWay, base_of, masked, plan_of, register_of
from pvasm.isa.hazards import LASTING, Needs, between_write_and_read, between_writes, may_read, may_write
from pvasm.isa.instruction import Instruction
from pvasm.isa.predicates import ALL, ROTATING, Relations, mask_of
from pvasm.isa.registers import FIRST_ROTATING, FIRST_STACKED, Register
from pvasm.isa.resources import CONSTANTS, Resource, disabled_set, modified_set, parts, whole

Hazard = Literal["RAW", "WAW", "WAR"]
Relation = Literal["mutex", "imply", "clear", "safe_across_calls"]


class Violation(Struct, frozen=True):
    """One instruction uses a register too early after another did.

    `first` and `second` are the indexes that the caller gave the two. `needs` is what must stand between them;
    `same_group` says that not even a stop does. It is `certain` if the second is executed whatever its predicate, and
    the register is just the same.
    """

    kind: Hazard
    resource: Resource
    first: int
    second: int
    certain: bool
    needs: Needs
    same_group: bool


class _Use(Struct, frozen=True):
    """A register as an instruction wrote it (or, for WAR, read it).

    `name` is the index that the caller gave it, `predicate` is -1 where it is not known. `time` counts instructions.
    `part` tells which register of an indexed file or which bit of ar.unat it is: None where that is not known, `_WHOLE`
    where there are no parts.
    """

    name: int
    predicate: int
    way: WriteWay
    group: int
    path: int
    time: int
    part: int | None


class _Step(NamedTuple):
    """The instruction that is looked at, and what was found of it."""

    plan: Plan
    operands: tuple[Any, ...]
    predicate: int
    name: int
    found: list[Violation]


_Uses = dict[Resource, list[_Use]]
_WHOLE: Final = -1
_UNTOLD: Final = -2  # which part, a name says that may be a macro's

# How many writes of one register are remembered, and branches under one predicate. Real groups have two or three; it
# bounds the time that hostile code takes.
_MOST: Final = 16

_P: Final = tuple(Register("p", number) for number in range(64))
_UNAT: Final = Register("ar", 36)
_ZERO: Final = Register("r", 0)  # whose value is known everywhere


class Dependencies:
    """One straight line of instructions as the assembler sees it, and the violations in it.

    Feed it what stands there, in order. It follows fall-through alone: what comes after a branch that is always taken
    starts anew. `rotating` is how many general registers rotate (`alloc` sets it; a caller sets it for `.regstk`).
    Where it is `automatic`, the assembler puts in the stops and serializations that are missing. If names
    `may_be_macros` that nobody has seen, nothing is said of what they choose in an indexed file; to the assembler they
    are symbols.
    """

    __slots__ = (
        "_branched",
        "_called",
        "_changed",
        "_data_serialized",
        "_direct",
        "_group",
        "_instruction_serialized",
        "_lasting",
        "_named",
        "_qualified",
        "_relations",
        "_safe",
        "_serializing",
        "_spill",
        "_time",
        "_values",
        "automatic",
        "may_be_macros",
        "rotating",
    )

    def __init__(self, *, automatic: bool = False, may_be_macros: bool = False) -> None:
        self.automatic = automatic
        self.may_be_macros = may_be_macros
        self.rotating = 0
        self._direct: _Uses = {}  # r f p b, written in this group
        self._named: _Uses = {}  # all else that was written in this group
        self._lasting: _Uses = {}  # what was written in a way that outlasts the group
        self._qualified: list[_Use] = []  # branches of this group under p63, which loop branches write
        self._relations = Relations()
        self._safe = 0  # the predicates that calls leave alone
        self._time = 0
        self._group = 0
        self._data_serialized = 0  # srlz.d has been executed for groups before this one,
        self._instruction_serialized = 0  # srlz.i for those before this one,
        self._serializing = 0  # and from the next stop on for those before this one
        self._changed: dict[int, int] = {}  # when a predicate was last written
        self._branched: dict[int, list[tuple[int, int]]] = {}  # between which times writes under it did not happen
        self._called: dict[int, int] = {}  # when a call under it ended the group of writes under it
        # The number in a general register, and on which path; None for one that a macro may tell.
        self._values: dict[Register, tuple[int | None, int]] = {}
        self._spill: int | None = None

    def copy(self) -> Dependencies:
        """The same state, to be carried on independently: for the arms of an `#if`."""
        new = Dependencies()
        for name in self.__slots__:
            setattr(new, name, getattr(self, name))
        new._direct, new._named, new._lasting = map(_copied, (self._direct, self._named, self._lasting))
        new._qualified, new._relations = self._qualified.copy(), self._relations.copy()
        new._changed, new._called, new._values = self._changed.copy(), self._called.copy(), self._values.copy()
        new._branched = {predicate: times.copy() for predicate, times in self._branched.items()}
        return new

    @property
    def carried(self) -> tuple[int, int, bool] | None:
        """All that later findings depend on, where that is no instruction so far; else None."""
        if self._direct or self._named or self._lasting or self._values or self._qualified or self._spill is not None:
            return None
        if self._branched or self._called or not self._relations.is_empty:
            return None
        return self.rotating, self._safe, self.automatic

    def carry(self, carried: tuple[int, int, bool]) -> None:
        """Takes over what another carries on (`carried`), where no instruction matters so far."""
        self.rotating, self._safe, self.automatic = carried

    # ------------------------------------------------------------------------- what is no instruction

    def stop(self) -> None:
        """The group ends here: a stop, or a directive that `hazards.ends_group`; ignored in automatic mode."""
        if not self.automatic:
            self._end_group()

    def _end_group(self) -> None:
        self._group += 1
        self._instruction_serialized = self._serializing
        if self._direct:
            self._direct.clear()
        if self._named:
            self._named.clear()
        if self._qualified:
            self._qualified.clear()

    def label(self) -> None:
        """The code may be entered here: what was known of predicates holds no more. The group goes on."""
        self._relations.path += 1

    def relation(self, kind: Relation, predicates: tuple[int, ...]) -> None:
        """`.pred.rel` (in an `imply`, the first implies the second) and `.pred.safe_across_calls`."""
        mask = mask_of(predicates)
        if kind == "mutex":
            self._relations.exclude(mask)
        elif kind == "imply":
            if len(predicates) == 2:
                self._relations.imply(*predicates)
        elif kind == "clear":
            mask = mask if predicates else ALL
            self._relations.forget_exclusion(mask)
            self._relations.forget_implication(mask, 0)
        else:
            self._safe = mask

    def change_mode(self, *, automatic: bool) -> None:
        """`.auto`, or `.explicit`: another mode ends the group."""
        if automatic != self.automatic:
            self._end_group()
        self.automatic = automatic

    def serialize(self, needs: Needs) -> None:
        """A serialization (`srlz.d` or `srlz.i`) in a group of its own; for `stop` the end of the group alone."""
        self._end_group()
        if needs == "srlz.d":
            self._data_serialized = self._group
        elif needs == "srlz.i":
            self._serializing = self._group
        if needs != "stop":
            self._end_group()

    def value(self, register: Register, number: int) -> None:
        """`.reg.val`: the number that is in a general register."""
        self._values[register] = (number & ALL, self._relations.path)

    def spill_offset(self, offset: int) -> None:
        """`.mem.offset`: where the next instruction spills or fills, in bytes, which tells its bit of ar.unat."""
        self._spill = offset >> 3 & 0x3F

    def barrier(self) -> None:
        """Something unknown stands here: what came before is of no account."""
        self._start_anew()
        self._values.clear()
        self._relations.forget(ALL)

    # ------------------------------------------------------------------------------------ instructions

    def instruction(self, resolved: Instruction, index: int) -> list[Violation]:
        """The violations between this instruction, called `index`, and earlier ones.

        Of each register there is one of a kind, with the nearest of the earlier instructions.
        """
        plan = plan_of(resolved.spelling)
        if plan.first:
            self._end_group()
        self._time += 1
        predicate = -1 if resolved.predicate is None else resolved.predicate
        operands: tuple[Any, ...] = resolved.operands
        found: list[Violation] = []
        step = _Step(plan, operands, predicate, index, found)
        direct = self._direct
        if direct:
            if predicate > 0 and _P[predicate] in direct:
                self._read(step, _P[predicate], direct, plan.reads_as)
            for place in plan.reads:
                if operands[place] in direct:
                    self._read(step, operands[place], direct, plan.reads_as)
            for place in plan.bases:
                base = base_of(operands[place])
                if base in direct:
                    self._read(step, base, direct, "")
            for place, way in plan.writes:
                register = base_of(operands[place])
                if register in direct:
                    self._write(step, register, direct, way)
        if plan.others_read:
            self._read_others(step)
        if self._named or self._lasting:
            self._read_named(step)
        others = self._others_written(step) if plan.writes_others else ()
        for resource, way in others:
            for uses in (direct, self._named, self._lasting):
                if resource in uses:
                    self._write(step, resource, uses, way)
        if plan.reads_as == "branch":
            self._check_loop(step)
        if found and self.automatic:
            for needs in {violation.needs for violation in found}:
                self.serialize(needs)
            found.clear()
        if plan.marks:
            self._remember(step, others)
        if plan.acts:
            self._act(step)
        self._spill = None
        if plan.last:
            self._end_group()
        return found

    def _remember(self, step: _Step, others: tuple[tuple[Resource, WriteWay], ...]) -> None:
        """Keep what the instruction writes, for those that follow."""
        plan, operands, predicate, index, _ = step
        group, path, time = self._group, self._relations.path, self._time
        direct = self._direct
        for place, way in plan.writes:
            register = base_of(operands[place])
            if register.__class__ is Register and register not in CONSTANTS:
                if self._values:
                    self._values.pop(register, None)
                _append(direct, register, _Use(index, predicate, way, group, path, time, _WHOLE))
        for resource, way in others:
            is_predicate = resource.__class__ is Register and resource[0] == "p"
            uses = self._lasting if way in LASTING else direct if is_predicate else self._named
            _append(uses, resource, _Use(index, predicate, way, group, path, time, self._part(step, resource)))

    # ------------------------------------------------------------------------------------- the checks

    def _read_others(self, step: _Step) -> None:
        """Check what is read by operands that may stand for several resources: ar.lc, cr.ifa, psr, pr."""
        for place in step.plan.others_read:
            register = step.operands[place]
            if register.__class__ is Register:
                resources = parts(register)
                for uses in (self._direct, self._named, self._lasting):
                    if uses:
                        self._read_any(step, resources, uses)

    def _read_named(self, step: _Step) -> None:
        """Check what is read implicitly."""
        plan, operands, _, _, _ = step
        for uses in (self._named, self._lasting):
            if uses and not plan.ordered_reads.isdisjoint(uses):
                self._read_any(step, plan.ordered_reads, uses)
            for place in plan.floats if uses else ():
                register = register_of(operands[place])
                if register is not None and disabled_set(register) in uses:
                    self._read(step, disabled_set(register), uses, plan.reads_as)
        if "CFM" in self._named and self._rotates(step):
            self._read(step, "CFM", self._named, "")

    def _read_any(self, step: _Step, resources: frozenset[Resource], uses: _Uses) -> None:
        for resource in uses:
            if resource in resources:
                # Of reading a pmd, pmc is something else than the register that is moved.
                way: ReadWay = "" if resource == "PMC" and step.plan.file == "PMD" else step.plan.reads_as
                self._read(step, resource, uses, way)

    def _read(self, step: _Step, resource: Resource, uses: _Uses, way: ReadWay) -> None:
        """Check one resource that is read against the writes of it."""
        for write in reversed(uses[resource]):
            if not may_read(resource, write.way, way):
                needs = between_write_and_read(resource, write.way, way)
                if self._meet(step, write, resource, needs):
                    self._report(step, "RAW", resource, write, needs)
                    return

    def _write(self, step: _Step, resource: Resource, uses: _Uses, way: WriteWay) -> None:
        """Check one resource that is written against the writes of it."""
        always = step.plan.unconditional and resource.__class__ is Register and resource[0] == "p"
        for write in reversed(uses[resource]):
            if not may_write(write.way, way):
                needs = between_writes(resource)
                if self._meet(step, write, resource, needs, always=always):
                    self._report(step, "WAW", resource, write, needs)
                    return

    def _check_loop(self, step: _Step) -> None:
        """A loop branch writes p63, which no branch before it in its group may read: the only WAR there is."""
        if step.plan.rotates and _P[63] in step.plan.named_writes:
            for read in self._qualified:
                if self._meet(step, read, _P[63], "stop"):
                    self._report(step, "WAR", _P[63], read, "stop")
                    break
        if step.predicate == 63:
            self._qualified.append(_Use(step.name, 63, "", self._group, self._relations.path, self._time, _WHOLE))
            del self._qualified[:-_MOST]

    def _meet(self, step: _Step, use: _Use, resource: Resource, needs: Needs, *, always: bool = False) -> bool:
        """Whether the instruction may be executed after that use of the resource, and too early.

        `always` says that it does something even if its predicate is false.
        """
        group, under = use.group, use.predicate
        if under > 0:
            if any(since < use.time < until for since, until in self._branched.get(under, ())):
                return False
            if self._called.get(under, -1) > use.time:
                group -= 1
        if needs == "stop":
            if group != self._group:
                return False
        elif self._instruction_serialized > group or (needs == "srlz.d" and self._data_serialized > group):
            return False
        predicate = step.predicate
        if predicate > 0:
            if self._relations.branched_away(predicate, use.path):
                return False
            # What is known of a predicate says nothing of writes under the value that it had before.
            as_then = under > 0 and self._changed.get(under, -1) < use.time
            if as_then and not always and self._relations.exclusive(under, predicate, use.path):
                return False
        part = self._part(step, resource, use.path)
        if _UNTOLD in (part, use.part):
            return False
        return part == use.part or part in (None, _WHOLE) or use.part in (None, _WHOLE)

    def _report(self, step: _Step, kind: Hazard, resource: Resource, use: _Use, needs: Needs) -> None:
        part = self._part(step, resource)
        if resource == "CFM" and kind == "RAW" and "CFM" not in step.plan.ordered_reads:
            part = None  # which registers rotate, only the frame tells
        certain = step.predicate == 0 and part is not None and part == use.part
        same_group = use.group == self._group
        step.found.append(Violation(kind, resource, use.name, step.name, certain, needs, same_group))

    # -------------------------------------------------------------------------- which part of a resource

    def _others_written(self, step: _Step) -> tuple[tuple[Resource, WriteWay], ...]:
        """What is written besides the general, floating, predicate and branch registers that operands name."""
        plan, operands, _, _, _ = step
        if not (plan.others_written or plan.mask_way or plan.float_outputs):
            return plan.ordered_writes
        found = list(plan.ordered_writes)
        for place, way in plan.others_written:
            register = operands[place]
            if register.__class__ is Register:
                found += [(resource, way) for resource in parts(register, operands)]
        if plan.mask_way:
            found += [(resource, plan.mask_way) for resource in masked(plan, operands, certain=True)]
        for place in plan.floats[: plan.float_outputs]:
            written = register_of(operands[place])
            if written is not None:
                found.append((modified_set(written), "flags"))
        return tuple(found)

    def _part(self, step: _Step, resource: Resource, path: int | None = None) -> int | None:
        """Which register of an indexed file, or bit of ar.unat, an instruction means, by what is known on a path."""
        plan = step.plan
        if resource == _UNAT and plan.spills:
            return self._spill
        if resource not in FILES:
            return _WHOLE
        if resource == "MSR" or not (resource == plan.file or (resource == "PMC" and plan.file == "PMD")):
            return None
        index = step.operands[plan.file_at]
        if base_of(index) == _ZERO:
            return 0
        register = register_of(index)
        value, since = self._values.get(register, (0, -1)) if register is not None else (0, -1)
        if since < (self._relations.path if path is None else path):
            return None
        if value is None:
            return _UNTOLD
        return value >> 61 & 7 if resource == "RR" else value & 0xFF

    def _rotates(self, step: _Step) -> bool:
        """Whether a register that the instruction names may rotate (SDM vol. 1, 4.5.1)."""
        ends = {"r": FIRST_ROTATING["r"] + self.rotating, "f": 128, "p": 64}
        for operand in step.operands:
            register = register_of(operand)
            if register is not None:
                first = FIRST_ROTATING.get(register.file)
                if first is not None and first <= register.number < ends[register.file]:
                    return True
        return step.predicate > 15

    # ------------------------------------------------------------------------ what is known afterwards

    def _act(self, step: _Step) -> None:
        """What the instruction means for those that follow: serialization, branches, predicates, known numbers."""
        plan, operands, predicate, _, _ = step
        if plan.serializes == "srlz.d":
            self._data_serialized = self._group
        elif plan.serializes == "srlz.i":
            self._serializing = self._group
        changed = _changed_predicates(plan, operands)
        self._note_changed(changed)
        flow = plan.flow
        taken = flow == "always" or (flow in ("branch", "call") and predicate == 0)
        if taken:
            self._start_anew()
        elif flow in ("branch", "call") and predicate > 0:
            self._pass_branch(predicate, is_call=flow == "call")
        relations = self._relations
        if plan.rotates:
            self._rotate(step)
        if taken and flow != "call":
            self._values.clear()
            relations.forget(ALL)
        elif plan.rotates:
            relations.forget(changed | ROTATING)
        elif flow == "call":
            unsafe = ALL & ~self._safe
            self._values.clear()
            relations.forget(unsafe)
            self._note_changed(unsafe)
        elif plan.compares:
            first, second = operands[0], operands[1]
            if first.__class__ is Register and second.__class__ is Register:
                qualified = None if predicate < 0 else predicate
                relations.compare(first.number, second.number, plan.parallel, qualified, plan.unconditional)
            else:
                relations.forget(ALL)
        elif changed:
            relations.forget(changed)
        elif plan.value:
            self._remember_value(plan, operands)

    def _note_changed(self, predicates: int) -> None:
        while predicates:
            lowest = predicates & -predicates
            self._changed[lowest.bit_length() - 1] = self._time
            predicates ^= lowest

    def _rotate(self, step: _Step) -> None:
        """The rotating registers are renamed; an `alloc` says how many there are."""
        for register in [each for each in self._values if 0 <= each.number - FIRST_STACKED < self.rotating]:
            del self._values[register]
        if step.plan.first:
            size = step.operands[-1]
            self.rotating = size if isinstance(size, int) else 0

    def _remember_value(self, plan: Plan, operands: tuple[Any, ...]) -> None:
        """Note the number that a general register is set to, if it is one."""
        register, number, *rest = operands
        if register.__class__ is not Register:
            return
        if not all(isinstance(each, int | Register) for each in operands):
            if self.may_be_macros:
                self._values[register] = (None, self._relations.path)
            return
        if plan.value == "addl" and rest[0] != _ZERO:
            return
        if plan.value == "dep.z":
            at, length = rest
            number = (number & (1 << length) - 1) << at
        self._values[register] = (number & ALL, self._relations.path)

    def _pass_branch(self, predicate: int, *, is_call: bool) -> None:
        """A branch or call under the predicate is passed: what comes next is executed only if the predicate was false.

        So writes under it did not happen, unless the predicate itself was written in between. After a call they may
        have, but their group has ended.
        """
        for source in self._relations.branch(predicate):
            self._ignore(source)
        if is_call:
            self._called[predicate] = self._time
        else:
            self._ignore(predicate)

    def _ignore(self, predicate: int) -> None:
        times = self._branched.setdefault(predicate, [])
        times.append((self._changed.get(predicate, -1), self._time))
        del times[:-_MOST]

    def _start_anew(self) -> None:
        """What follows is reached in other ways alone."""
        for uses in (self._direct, self._named, self._lasting):
            uses.clear()
        self._qualified.clear()
        self._branched.clear()
        self._called.clear()
        self._relations.path = 0


def _append(uses: _Uses, resource: Resource, use: _Use) -> None:
    known = uses.setdefault(resource, [])
    known.append(use)
    if len(known) > _MOST:
        del known[0]


def _copied(uses: _Uses) -> _Uses:
    return {resource: known.copy() for resource, known in uses.items()}


def _changed_predicates(plan: Plan, operands: tuple[Any, ...]) -> int:
    """The predicates that the operands say are written, as a mask; all of them if one is not known."""
    mask = 0
    for place in plan.predicates:
        register = operands[place]
        mask |= 1 << register.number if register.__class__ is Register else ALL
    for place, _ in plan.others_written:
        register = operands[place]
        if register.__class__ is Register and register.file in ("pr", "pr.rot"):
            mask |= mask_of(each.number for each in whole(register, operands) if isinstance(each, Register))
    return mask & ~1
