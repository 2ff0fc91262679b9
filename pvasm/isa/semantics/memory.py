"""Loads, stores, semaphores and lfetch of general registers (SDM vol. 3, chapter 2; vol. 1, 4.4).

Memory itself is the machine's: translation, alignment, the order of bytes, what is deferred, the ALAT.
"""

from __future__ import annotations

from typing import Final

from pvasm.isa.semantics.checks import NON_ACCESS, R, W, consumes
from pvasm.isa.semantics.operation import Operation, Word, clause
from pvasm.isa.semantics.programs import call
from pvasm.isa.semantics.terms import FALSE, WORD, Cell, Term, const

LOADS: Final = {
    size: call(f"load{size}", 8 * size, may_fault=True, reads="<access> mem") for size in (1, 2, 4, 8, 10, 16)
}
"""Reads so many bytes at an address."""
STORES: Final = {
    size: call(f"store{size}", may_fault=True, reads="<access>", writes="mem ALAT") for size in (1, 2, 4, 8, 10, 16)
}
"""Writes so many bytes: address, value."""
LOAD_PAIR: Final = call("load_pair", WORD, WORD, may_fault=True, reads="<access> mem")
"""Reads two values that lie side by side, at once: address, size of each; the one at the lower address first."""
LOAD_PAIR_OF_WORDS: Final = call("load_pair_of_words", WORD, WORD, may_fault=True, reads="<access> mem")
"""The same of 8 bytes each, for `ld16`: always aligned, and only where memory is cached."""
STORE_PAIR: Final = call("store_pair", may_fault=True, reads="<access>", writes="mem ALAT")
"""Writes two values of 8 bytes at once: address, the one for the lower address, the other."""
EXCHANGE: Final = call("exchange", WORD, may_fault=True, reads="<access> mem", writes="mem ALAT")
"""Writes a value, and gives what was there: address, size, value."""
COMPARE_EXCHANGE: Final = call("compare_exchange", WORD, may_fault=True, reads="<access> mem", writes="mem ALAT")
"""Writes a value where memory holds what is expected; what it held: address, size, expected, value."""
COMPARE_EXCHANGE_PAIR: Final = call(
    "compare_exchange_pair", WORD, may_fault=True, reads="<access> mem", writes="mem ALAT"
)
"""Writes 16 bytes where 8 of them are what is expected; what these were: address, expected, two values."""
FETCH_ADD: Final = call("fetch_add", WORD, may_fault=True, reads="<access> mem", writes="mem ALAT")
"""Adds to a value; what it was: address, size, how much."""
LOAD_SPECULATIVE: Final = call(
    "load_speculative", 128, 1, may_fault=True, reads="<access> mem cr.dcr?s,sa psr.ed?s,sa", writes="ALAT?a,sa"
)
"""Of `.s`, `.a` and `.sa`: whether the address is a NaT, the address, the size, how many values that is (two lie in the
halves of the result, the first at the right), the type, and the first target's file and number. What was read, and
whether it has been deferred."""
IS_ADVANCED: Final = call("is_advanced", 1, reads="ALAT", writes="ALAT?clr")
"""Whether the ALAT has a register, by file and number, and whether its entry is to go: `clr` or `nc`."""
ADVANCE: Final = call("advance", writes="ALAT")
"""The ALAT notes a load: file and number of the target, address, size."""
FORGET: Final = call("forget_advanced", writes="ALAT")
"""The ALAT loses the entry of a register: file and number."""
PREFETCH: Final = call("prefetch", may_fault=True, reads="<prefetch>")
"""The faults of an access that reads nothing: address, and what cr.isr says of it."""

SPECULATIVE: Final = 1 << 36  # of cr.isr
_LFETCH: Final = 4  # of cr.isr's code
_AHEAD: Final = ("s", "a", "sa")
_KINDS: Final = (*_AHEAD, "c")


def kind_of(op: Operation) -> str:
    """The type of a load that speculates or checks: `s a sa c`; of others nothing."""
    return next((word for word in op.words if word in _KINDS), "")


def size_of(op: Operation) -> int:
    """The bytes that an integer load, store or semaphore is about."""
    digits = op.mnemonic.partition(".")[0].lstrip("abcdefghijklmnopqrstuvwxyz")
    return int(digits)


# ------------------------------------------------------------------------------------------- bases


def is_updating(op: Operation) -> bool:
    """Whether an instruction adds to its base."""
    return any(name in op for name in ("imm9a", "imm9b", "eight", "sixteen")) or (
        "r2" in op and op.form.mnemonic.startswith(("ld", "lfetch"))
    )


def check_base(op: Operation) -> None:
    """A base that is added to is a target, and so has to be one that may be written."""
    if is_updating(op):
        op.check_target("r3")


def update_base(op: Operation) -> None:
    """Adds to the base what the instruction says, after the access: a NaT if one of both is."""
    if not is_updating(op):
        return
    amount = next(op[name] for name in ("imm9a", "imm9b", "eight", "sixteen", "r2") if name in op)
    put(op, "r3", op.r3 + amount)


def put(op: Operation, name: str, word: Word) -> None:
    """Writes a general register that has been checked."""
    number = op.register(name)
    op.assign(Cell("gr", number), word.value)
    op.assign(Cell("nat", number), word.nat)


def _check_targets(op: Operation) -> bool:
    """Says the faults of the registers that a load writes; False where both are the same, which ends it all."""
    if is_updating(op) and op.register("r1") == op.register("r3"):
        op.fault("illegal_operation")
        return False
    op.check_target("r1")
    check_base(op)
    return True


# ------------------------------------------------------------------------------------------- loads


@clause("M1.ld", "M2.ld", "M3.ld")
def ld(op: Operation) -> None:
    """SDM 3:2, ld: from memory, zero extended. What `.s` cannot do is deferred; `.c` reads if the ALAT has no entry."""
    if not _check_targets(op):
        return
    kind, size, target = kind_of(op), size_of(op), op.register("r1")
    if "s" not in kind:
        consumes(op, op.r3, access=R)
    address = op.r3.value
    if kind in _AHEAD:
        nat = op.r3.nat if "s" in kind else FALSE
        value, deferred = op.call(LOAD_SPECULATIVE, nat, address, size, 1, kind, "gr", target)
        put(op, "r1", Word(value.bits(0, WORD), deferred))
    elif kind == "c":
        with op.when(~_is_checked(op, "gr", target)):
            put(op, "r1", Word(op.call(LOADS[size], address)[0].extended(WORD)))
            if "nc" in op.words:
                op.call(ADVANCE, "gr", target, address, size)
    else:
        put(op, "r1", Word(op.call(LOADS[size], address)[0].extended(WORD)))
    update_base(op)


def _is_checked(op: Operation, file: str, number: int) -> Term:
    return op.call(IS_ADVANCED, file, number, "clr" if "clr" in op.words else "nc")[0]


@clause("M1.ld8.fill", "M2.ld8.fill", "M3.ld8.fill")
def ld8_fill(op: Operation) -> None:
    """SDM 3:2, ld8.fill: 8 bytes, with the NaT bit that ar.unat has at the place of bits 8 to 3 of the address."""
    if not _check_targets(op):
        return
    consumes(op, op.r3, access=R)
    (value,) = op.call(LOADS[8], op.r3.value)
    put(op, "r1", Word(value, (op.ar("unat") >> _place(op)).bit(0)))
    update_base(op)


def _place(op: Operation) -> Term:
    """Where in ar.unat the NaT bit of a register belongs that is spilled here."""
    return op.r3.value.bits(3, 6).extended(WORD)


@clause("M1.ld16", "M1.ld16.acq")
def ld16(op: Operation) -> None:
    """SDM 3:2, ld16: the value at the lower address to r1, the other to ar.csd."""
    op.check_target("r1")
    consumes(op, op.r3, access=R)
    low, high = op.call(LOAD_PAIR_OF_WORDS, op.r3.value)
    put(op, "r1", Word(low))
    op.set_ar("csd", high)


# ------------------------------------------------------------------------------------------ stores


@clause("M4.st", "M5.st")
def st(op: Operation) -> None:
    """SDM 3:2, st: a register's low bytes to memory."""
    check_base(op)
    consumes(op, op.r3, op.r2, access=W)
    size = size_of(op)
    op.call(STORES[size], op.r3.value, op.r2.value.bits(0, 8 * size))
    update_base(op)


@clause("M4.st8.spill", "M5.st8.spill")
def st8_spill(op: Operation) -> None:
    """SDM 3:2, st8.spill: 8 bytes; the NaT bit goes to ar.unat, to the place of bits 8 to 3 of the address."""
    check_base(op)
    consumes(op, op.r3, access=W)
    op.call(STORES[8], op.r3.value, op.r2.value)
    place = _place(op)
    op.set_ar("unat", op.ar("unat") & ~(const(1) << place) | op.r2.nat.extended(WORD) << place)
    update_base(op)


@clause("M4.st16", "M4.st16.rel")
def st16(op: Operation) -> None:
    """SDM 3:2, st16: r2 at the lower address, ar.csd at the other."""
    consumes(op, op.r3, op.r2, access=W)
    op.call(STORE_PAIR, op.r3.value, op.r2.value, op.ar("csd"))


# -------------------------------------------------------------------------------------- semaphores


@clause("M16.xchg")
def xchg(op: Operation) -> None:
    """SDM 3:2, xchg: memory gets a register's low bytes; the target gets what memory held, zero extended."""
    op.check_target("r1")
    consumes(op, op.r3, op.r2, access=R | W)
    (held,) = op.call(EXCHANGE, op.r3.value, size_of(op), op.r2.value)
    put(op, "r1", Word(held))


@clause("M16.cmpxchg")
def cmpxchg(op: Operation) -> None:
    """SDM 3:2, cmpxchg: what memory holds, zero extended, is compared with all of ar.ccv."""
    op.check_target("r1")
    consumes(op, op.r3, op.r2, access=R | W)
    (held,) = op.call(COMPARE_EXCHANGE, op.r3.value, size_of(op), op.ar("ccv"), op.r2.value)
    put(op, "r1", Word(held))


@clause("M16.cmp8xchg16")
def cmp8xchg16(op: Operation) -> None:
    """SDM 3:2, cmp8xchg16: compares 8 bytes, and writes the 16 that they are in: r2 and ar.csd."""
    op.check_target("r1")
    consumes(op, op.r3, op.r2, access=R | W)
    (held,) = op.call(COMPARE_EXCHANGE_PAIR, op.r3.value, op.ar("ccv"), op.r2.value, op.ar("csd"))
    put(op, "r1", Word(held))


@clause("M17.fetchadd4", "M17.fetchadd8")
def fetchadd(op: Operation) -> None:
    """SDM 3:2, fetchadd: an immediate is added to memory; the target gets what memory held, zero extended."""
    op.check_target("r1")
    consumes(op, op.r3, access=R | W)
    (held,) = op.call(FETCH_ADD, op.r3.value, 8 if op.form.mnemonic.startswith("fetchadd8") else 4, op.inc3.value)
    put(op, "r1", Word(held))


# -------------------------------------------------------------------------------------- prefetches


@clause("M13.lfetch", "M14.lfetch", "M15.lfetch")
def lfetch(op: Operation) -> None:
    """SDM 3:2, lfetch: a hint that a line will be wanted; only `.fault` has faults, and only while psr.ed is 0."""
    check_base(op)
    if "fault" in op.words:
        access = R | NON_ACCESS | _LFETCH
        with op.when(~op.psr(_ED)):
            consumes(op, op.r3, access=access)
            op.call(PREFETCH, op.r3.value, access)
    update_base(op)


_ED: Final = 43


@clause("M52.lfetch.count")
def lfetch_count(op: Operation) -> None:
    """SDM 3:2, lfetch: a hint that several lines will be wanted."""
