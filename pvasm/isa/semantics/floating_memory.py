"""Loads and stores of floating-point registers, and moves between them and general ones (SDM vol. 3, chapter 2)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from msgspec import Struct

from pvasm.isa.semantics.checks import R, W, consumes
from pvasm.isa.semantics.floating_registers import NATVAL, check, is_natval, source, write, write_all
from pvasm.isa.semantics.memory import (
    ADVANCE,
    IS_ADVANCED,
    LOAD_PAIR,
    LOAD_SPECULATIVE,
    LOADS,
    SPECULATIVE,
    STORES,
    check_base,
    kind_of,
    put,
    update_base,
)
from pvasm.isa.semantics.memory_formats import (
    from_double,
    from_extended,
    from_integer,
    from_single,
    from_spilled,
    to_double,
    to_extended,
    to_integer,
    to_single,
    to_spilled,
)
from pvasm.isa.semantics.operation import Operation, Word, clause
from pvasm.isa.semantics.programs import call
from pvasm.isa.semantics.terms import FALSE, WORD, Term, choose, const, joined

CHECK_PAIR: Final = call("check_pair", may_fault=True)
"""The targets of a pair of loads have to be an odd and an even one after renaming: where one alone is renamed, or it is
left open which they are, that is known then."""


class _Format(Struct, frozen=True):
    """How a number lies in memory: its bytes, and the way from and to a register."""

    size: int
    load: Callable[[Term], Term]
    store: Callable[[Term], Term]


_FORMATS: Final = {
    "s": _Format(4, from_single, to_single),
    "d": _Format(8, from_double, to_double),
    "8": _Format(8, from_integer, to_integer),
    "e": _Format(10, from_extended, to_extended),
    "spill": _Format(16, from_spilled, to_spilled),
}
_FIRST_ROTATING: Final = 32


def _format(op: Operation) -> _Format:
    """Of `ldfs` and `ldfps` the single, and so on; `fill` and `spill` have one of their own."""
    name = op.mnemonic.partition(".")[0]
    return _FORMATS[name[-1] if name not in ("ldf", "stf") else "spill"]


# ------------------------------------------------------------------------------------------- loads


@clause("M6.ldf", "M7.ldf", "M8.ldf", "M6.ldf.fill", "M7.ldf.fill", "M8.ldf.fill")
def ldf(op: Operation) -> None:
    """SDM 3:2, ldf: from memory, exactly. What `.s` cannot do makes the register NaTVal."""
    check_base(op)
    if check(op, "f1", access=_access(op)):
        _load(op, ["f1"])


@clause("M11.ldfp", "M12.ldfps", "M12.ldfpd", "M12.ldfp8")
def ldfp(op: Operation) -> None:
    """SDM 3:2, ldfp: two values from memory to two registers, of which one is odd and one even."""
    first, second = op.register("f1"), op.register("f2")
    if not op.is_open and (first < _FIRST_ROTATING) == (second < _FIRST_ROTATING):
        if not (first ^ second) & 1:
            op.fault("illegal_operation")
            return
    else:
        op.call(CHECK_PAIR, first, second)
    check_base(op)
    if check(op, "f1", access=_access(op)) and check(op, "f2", access=_access(op)):
        _load(op, ["f1", "f2"])


def _access(op: Operation) -> int:
    """What cr.isr says of a load."""
    return R | SPECULATIVE if "s" in kind_of(op) else R


def _load(op: Operation, targets: list[str]) -> None:
    """Reads a number for each target; the type of the load says what if it has been read already, or cannot be."""
    kind, form = kind_of(op), _format(op)
    size = form.size * len(targets)
    first, address = op.register("f1"), op.r3.value
    if "s" not in kind:
        consumes(op, op.r3, access=R)
    if kind in ("", "c"):
        missed = const(1, 1)
        if kind == "c":
            missed = ~op.call(IS_ADVANCED, "fr", first, "clr" if "clr" in op.words else "nc")[0]
        with op.when(missed):
            found = op.call(LOAD_PAIR, address, form.size) if len(targets) == 2 else op.call(LOADS[form.size], address)
            if "nc" in op.words:
                op.call(ADVANCE, "fr", first, address, size)
            numbers = [form.load(value.bits(0, 8 * form.size)) for value in found]
            write_all(op, dict(zip(targets, numbers, strict=True)))
    else:
        nat = op.r3.nat if "s" in kind else FALSE
        both, deferred = op.call(LOAD_SPECULATIVE, nat, address, size, len(targets), kind, "fr", first)
        parts = [form.load(both.bits(64 * at, 8 * form.size)) for at in range(len(targets))]
        write_all(op, {name: choose(deferred, NATVAL, part) for name, part in zip(targets, parts, strict=True)})
    update_base(op)


# ------------------------------------------------------------------------------------------ stores


@clause("M9.stf", "M10.stf")
def stf(op: Operation) -> None:
    """SDM 3:2, stf: to memory, not rounded; NaTVal cannot be stored."""
    _store(op, lambda value: is_natval(value))


@clause("M9.stf.spill", "M10.stf.spill")
def stf_spill(op: Operation) -> None:
    """SDM 3:2, stf.spill: all of the register to 16 bytes of memory, NaTVal or not."""
    _store(op, lambda value: FALSE)


def _store(op: Operation, is_refused: Callable[[Term], Term]) -> None:
    check_base(op)
    if not check(op, None, "f2", access=W):
        return
    value, form = source(op, "f2"), _format(op)
    consumes(op, op.r3, Word(value, is_refused(value)), access=W)
    op.call(STORES[form.size], op.r3.value, form.store(value))
    update_base(op)


# ------------------------------------------------------------- between general and floating registers


@clause("M18.setf")
def setf(op: Operation) -> None:
    """SDM 3:2, setf: a general register's bits as a floating-point register; of a NaT, NaTVal."""
    if check(op, "f1"):
        word = op.r2
        write(op, "f1", choose(word.nat, NATVAL, _SETF[op.words[0]](word.value)))


_SETF: Final[dict[str, Callable[[Term], Term]]] = {
    "sig": from_integer,
    "exp": lambda value: joined([const(1 << 63), value.bits(0, 18)]),
    "s": lambda value: from_single(value.bits(0, 32)),
    "d": from_double,
}


@clause("M19.getf")
def getf(op: Operation) -> None:
    """SDM 3:2, getf: a floating-point register's bits to a general register; of NaTVal, a NaT."""
    op.check_target("r1")
    if check(op, None, "f2"):
        value = source(op, "f2")
        put(op, "r1", Word(_GETF[op.words[0]](value).extended(WORD), is_natval(value)))


_GETF: Final[dict[str, Callable[[Term], Term]]] = {
    "sig": to_integer,
    "exp": lambda value: value.bits(64, 18),
    "s": to_single,
    "d": to_double,
}
