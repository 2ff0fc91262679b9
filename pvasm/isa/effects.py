"""What instructions read and write, as plans: worked out once for each spelling, filled in with each one's operands.

A plan also tells the *way* in which a register is written or read, where the dependency rules mind it (SDM vol. 1,
3.4, and vol. 3, 5.3): a branch may read a predicate in the group of the compare that writes it, two `cmp.or` may write
the same predicate. `dependencies.py` has those rules.
"""

from __future__ import annotations

from typing import Final, Literal

from msgspec import Struct, field

from pvasm.isa.operands import IndexedRegister, MemoryOperand, Value
from pvasm.isa.registers import Register
from pvasm.isa.resources import CONSTANTS, Resource, disabled_set, masked_psr, modified_set, named, whole
from pvasm.isa.table import Form, OperandSpec, Spelling

WriteWay = Literal[
    "",
    "early",  # what a branch of the same group reads already: predicates of integer compares, moves to b and ar.pfs
    "and",  # parallel compares: both predicates only cleared,
    "or",  # or only set,
    "and, mixed",  # or, of a .or.andcm, one set
    "or, mixed",  # and one cleared
    "check",  # a check load's target: the advanced load before it wrote the same
    "frame",  # alloc's CFM, which what follows in the group sees
    "flags",  # floating-point status flags and psr.mfl, which only ever are set
    "move",  # a move to a control register, or an indexed one
    "user",  # the user mask, by sum and its like
    "system",  # the system mask, by ssm and its like
    "insert",  # itc, itr
    "purge",  # ptc, ptr
    "service",  # reading cr.ivr
]
"""How a register or resource is written; empty for any other way."""

ReadWay = Literal["", "branch", "move", "psr", "insert", "purge", "rfi"]
"""What reads: a branch, a move from a register (`psr`: from the psr), itc or itr, ptc or ptr, rfi; empty for others."""

Flow = Literal["", "branch", "call", "always"]
"""A branch (or return) that may be passed, a call, or one that never is: rfi, br.ia."""

FILES: Final = frozenset({"RR", "PKR", "DBR", "IBR", "PMC", "PMD", "MSR"})
"""The indexed register files that can be written."""

# Accesses to memory and to the ALAT need no stop between them (SDM vol. 1, 3.4 and 4.4.7).
_UNORDERED: Final[frozenset[Resource]] = frozenset({"mem", "ALAT"})
_DIRECT: Final = frozenset({"r", "f", "p", "b"})


class Plan(Struct, frozen=True, eq=False, kw_only=True):
    """What a spelling reads, writes and does; numbers are places in the operands.

    Read are the general, floating and branch registers at `reads`, those that address memory or index a file at
    `bases`, registers of other files, which may stand for several resources, at `others_read`, and `named_reads`
    implicitly. `reads_as` is the way of all but the bases. For writes it is the same, each with its way; `mask_way` is
    that of the psr fields that the last operand's bits name, empty if it is no such mask. `floats` are the
    floating-point registers, the first `float_outputs` of them written. What is *ordered* needs stops.

    `file` is the indexed file that is used, in capitals, by the register at `file_at`. A plan that `marks` leaves its
    writes to those that follow: a branch does not, as it either is passed or is the last (SDM vol. 1, 3.4). `compares`
    is true for a compare or test of two targets, `unconditional` where targets at `predicates` are written whatever
    its own predicate is, `value` for what sets a general register to a number, `rotates` for what renames rotating
    registers. `acts` sums up whether it does anything besides reading and writing.
    """

    reads: tuple[int, ...]
    bases: tuple[int, ...]
    others_read: tuple[int, ...]
    named_reads: frozenset[Resource]
    ordered_reads: frozenset[Resource]
    reads_as: ReadWay
    writes: tuple[tuple[int, WriteWay], ...]
    others_written: tuple[tuple[int, WriteWay], ...]
    named_writes: frozenset[Resource]
    ordered_writes: tuple[tuple[Resource, WriteWay], ...]
    writes_others: bool
    mask_way: WriteWay
    floats: tuple[int, ...]
    float_outputs: int
    file: str
    file_at: int
    spills: bool
    first: bool
    last: bool
    flow: Flow
    marks: bool
    predicates: tuple[int, ...]
    compares: bool
    parallel: str
    unconditional: bool
    rotates: bool
    serializes: str
    value: str
    acts: bool


_PLANS: dict[Spelling, Plan] = {}


def plan_of(spelling: Spelling) -> Plan:
    """The plan of a spelling; the same object every time."""
    plan = _PLANS.get(spelling)
    if plan is None:
        plan = _PLANS[spelling] = _plan(spelling)
    return plan


class _Places(Struct):
    """Where among the operands registers are read and written, as `Plan` has it."""

    reads: list[int] = field(default_factory=list)
    bases: list[int] = field(default_factory=list)
    others_read: list[int] = field(default_factory=list)
    writes: list[tuple[int, WriteWay]] = field(default_factory=list)
    others_written: list[tuple[int, WriteWay]] = field(default_factory=list)
    file: str = ""
    file_at: int = 0

    def add_bracketed(self, place: int, spec: OperandSpec, updates_base: bool) -> None:
        """Takes note of the register in an operand's brackets."""
        self.bases.append(place)
        if spec.form == "indexed":
            self.file, self.file_at = spec.file.upper(), place
        elif updates_base:
            self.writes.append((place, ""))

    def add_written(self, place: int, spec: OperandSpec, way: WriteWay) -> None:
        """Takes note of an output."""
        (self.writes if spec.shape in _DIRECT else self.others_written).append((place, way))

    def add_read(self, place: int, spec: OperandSpec) -> None:
        """Takes note of an input."""
        (self.reads if spec.shape in _DIRECT else self.others_read).append(place)


def _places(spelling: Spelling) -> _Places:
    form = spelling.form
    places = _Places()
    for place, spec in enumerate(form.operands):
        if spec.form in ("memory", "indexed"):
            places.add_bracketed(place, spec, "<base>" in form.writes)
        elif not _is_register(spec):
            continue
        elif place < len(form.outputs):
            places.add_written(place, spec, _write_way(spelling, spec, place))
        elif not form.leaves_operand:
            places.add_read(place, spec)
    return places


def _plan(spelling: Spelling) -> Plan:
    form = spelling.form
    places = _places(spelling)
    floats = tuple(place for place, spec in enumerate(form.operands) if spec.shape == "f" and not form.leaves_operand)
    float_outputs = sum(place < len(form.outputs) for place in floats)
    predicates = tuple(place for place, spec in enumerate(form.outputs) if spec.shape == "p")
    named_reads = frozenset(named(form.reads, spelling.fields))
    named_writes = dict.fromkeys(named(form.writes, spelling.fields))
    flow = _flow(form)
    rotates = "CFM" in form.writes and flow != "call"
    serializes = form.mnemonic if form.mnemonic in ("srlz.d", "srlz.i") else ""
    value = _VALUES.get(form.format, "")
    return Plan(
        reads=tuple(places.reads),
        bases=tuple(places.bases),
        others_read=tuple(places.others_read),
        named_reads=named_reads,
        ordered_reads=named_reads - _UNORDERED,
        reads_as=_read_way(form),
        writes=tuple(places.writes),
        others_written=tuple(places.others_written),
        named_writes=frozenset(named_writes),
        ordered_writes=tuple((each, _named_way(form, each)) for each in named_writes if each not in _UNORDERED),
        writes_others=bool(places.others_written or named_writes or _mask_way(form) or float_outputs),
        mask_way=_mask_way(form),
        floats=floats,
        float_outputs=float_outputs,
        file=places.file,
        file_at=places.file_at,
        spills=form.mnemonic.startswith(("st8.spill", "ld8.fill")),
        first=form.first_in_group,
        last=form.last_in_group,
        flow=flow,
        marks=flow == "",
        predicates=predicates,
        compares=predicates == (0, 1),
        parallel=_parallel(spelling),
        unconditional=form.clears_when_false or ".unc" in spelling.mnemonic,
        rotates=rotates,
        serializes=serializes,
        value=value,
        acts=bool(flow or predicates or places.others_written or rotates or serializes or value),
    )


def _mask_way(form: Form) -> WriteWay:
    """How the fields of the psr are written that the last operand's bits name; empty without any."""
    if "<psr>" not in form.writes:
        return ""
    return "user" if _stem(form) in ("sum", "rum") else "system"


def _stem(form: Form) -> str:
    return form.mnemonic.partition("<")[0].partition(".")[0]


def _is_register(spec: OperandSpec) -> bool:
    return spec.form == "literal" or (spec.kind is not None and spec.kind.shape != "i")


def _parallel(spelling: Spelling) -> str:
    """`and`, `or` or `or.andcm` for a parallel compare or test, empty for others."""
    if any(spec.shape == "p" for spec in spelling.form.outputs):
        for words in ("or.andcm", "or", "and"):
            if spelling.mnemonic.endswith(f".{words}"):
                return words
    return ""


_PARALLEL_WAYS: Final[dict[str, tuple[WriteWay, WriteWay]]] = {
    "or.andcm": ("or, mixed", "and, mixed"),
    "or": ("or", "or"),
    "and": ("and", "and"),
}


def _write_way(spelling: Spelling, spec: OperandSpec, place: int) -> WriteWay:
    """How the operand, an output, is written."""
    form, shape = spelling.form, spec.shape
    if shape == "p":
        return _PARALLEL_WAYS.get(_parallel(spelling), ("" if form.unit == "F" else "early",) * 2)[place > 0]
    if shape in ("pr", "pr.rot"):
        return "early"
    if shape in ("b", "ar"):  # of the application registers in the I unit, a branch reads ar.pfs alone early
        return "early" if form.unit == "I" else ""
    if shape == "cr":
        return "move"
    if shape in ("psr.l", "psr.um"):
        return "system" if shape == "psr.l" else "user"
    return "check" if ".c." in spelling.mnemonic and shape in ("r", "f") else ""


_TRANSLATIONS: Final[dict[str, Literal["insert", "purge"]]] = {
    "itc": "insert",
    "itr": "insert",
    "ptc": "purge",
    "ptr": "purge",
}


def _named_way(form: Form, resource: Resource) -> WriteWay:
    """How an implicit resource is written."""
    stem = _stem(form)
    if stem == "alloc":
        return "frame" if resource == "CFM" else ""
    if isinstance(resource, str) and resource.endswith(".flags"):
        return "" if stem == "fclrf" else "flags"
    if resource == "InService":
        return "service" if form.outputs[0].shape == "r" else "move"
    if resource in FILES or (stem == "mov" and isinstance(resource, Register) and resource.file == "cr"):
        return "move"  # the second is what reading cr.ivr does to cr.irr0 to cr.irr3
    return _TRANSLATIONS.get(stem, "")


def _read_way(form: Form) -> ReadWay:
    stem = _stem(form)
    if form.format in ("B1", "B2", "B3", "B4", "B5", "B9", "X3", "X4"):
        return "branch"
    if stem == "rfi":
        return "rfi"
    if stem == "mov" and form.outputs[0].shape == "r":
        return "psr" if form.inputs[0].shape in ("psr", "psr.um") else "move"
    return _TRANSLATIONS.get(stem, "")


def _flow(form: Form) -> Flow:
    stem, _, kind = form.mnemonic.partition("<")[0].partition(".")
    if stem == "rfi" or (stem, kind) == ("br", "ia"):
        return "always"
    if stem in ("br", "brl") and kind in ("cond", "ret"):
        return "branch"
    return "call" if stem in ("br", "brl") and kind == "call" else ""


# By format, what sets a general register to a number (SDM vol. 3, addl, movl, dep).
_VALUES: Final = {"A5": "addl", "X2": "movl", "I13": "dep.z"}


# ------------------------------------------------------------------------------- as sets


def reads_of(plan: Plan, operands: tuple[Value, ...], predicate: int | None) -> frozenset[Resource]:
    """The resources read, the qualifying predicate included; constants and what is not known are left out."""
    found: set[Resource] = set(plan.named_reads)
    if predicate:
        found.add(Register("p", predicate))
    for place in plan.reads + plan.bases:
        register = register_of(operands[place])
        if register is not None:
            found.add(register)
    for place in plan.others_read:
        register = register_of(operands[place])
        if register is not None:
            found |= whole(register)
    for place in plan.floats:
        register = register_of(operands[place])
        if register is not None:
            found.add(disabled_set(register))
    return frozenset(found)


def writes_of(plan: Plan, operands: tuple[Value, ...]) -> frozenset[Resource]:
    """The resources written, in whatever way; constants and what is not known are left out."""
    found: set[Resource] = set(plan.named_writes)
    for place, _ in plan.writes:
        register = register_of(operands[place])
        if register is not None:
            found.add(register)
    for place, _ in plan.others_written:
        register = register_of(operands[place])
        if register is not None:
            found |= whole(register, operands)
    for place in plan.floats[: plan.float_outputs]:
        register = register_of(operands[place])
        if register is not None:
            found.add(modified_set(register))
    if plan.mask_way:
        found.update(masked(plan, operands))
    return frozenset(found)


def masked(plan: Plan, operands: tuple[Value, ...], certain: bool = False) -> list[str]:
    """The psr fields that the last operand names (if `certain`, those alone), for a plan that has a `mask_way`."""
    return masked_psr(operands[-1], plan.mask_way == "user", certain)


def base_of(value: Value) -> Value:
    """The register in the brackets of a memory operand or an indexed register; any other value itself."""
    if value.__class__ is Register:  # nearly all are
        return value
    if isinstance(value, MemoryOperand):
        return value.base
    return value.index if isinstance(value, IndexedRegister) else value


def register_of(value: Value) -> Register | None:
    """The register that an operand is, or has in its brackets; None for a constant, and where it is not known."""
    base = value if value.__class__ is Register else base_of(value)
    return base if isinstance(base, Register) and base not in CONSTANTS else None
