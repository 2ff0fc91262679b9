"""Compares and tests: a relation, or a bit, sets a pair of predicates (SDM vol. 3, cmp, cmp4, tbit, tnat, tf)."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Final

from pvasm.isa.semantics.operation import Operation, clause, minds_predicate
from pvasm.isa.semantics.programs import call
from pvasm.isa.semantics.terms import FALSE, TRUE, Cell, Term, bits_from, read


def set_pair(op: Operation, relation: Callable[[], tuple[Term, Term]]) -> None:
    """Sets the predicates p1 and p2 of a compare by its type.

    `relation` gives whether the relation holds, and whether it is known: 1 if a source is a NaT. SDM vol. 3, table
    "Comparison Types"; both predicates the same is an Illegal Operation fault.
    """
    kind = _type(op.words)
    with op.when(op.qualified):
        _check_pair(op)
        holds, nat = relation()
        if kind in ("", "unc"):
            op.p1 = holds & ~nat
            op.p2 = ~holds & ~nat
        elif kind == "and":
            with op.when(nat | ~holds):
                op.p1 = FALSE
                op.p2 = FALSE
        else:
            with op.when(holds & ~nat):
                op.p1 = TRUE
                op.p2 = TRUE if kind == "or" else FALSE
    if kind == "unc":
        with op.when(~op.qualified):
            _check_pair(op)
            op.p1 = FALSE
            op.p2 = FALSE


@cache
def _type(words: tuple[str, ...]) -> str:
    """The type of a compare with these completers."""
    return ".".join(word for word in words if word in _TYPES)


def _check_pair(op: Operation) -> None:
    if op.register("p1") == op.register("p2"):
        op.fault("illegal_operation")


FEATURE: Final = call("feature", 1, reads="CPUID")
"""A bit of cpuid[4], from 32 on."""

_TYPES: Final = frozenset(["unc", "and", "or", "andcm"])

_RELATIONS: Final[dict[str, Callable[[Term, Term], Term]]] = {
    "eq": lambda a, b: a.equals(b),
    "ne": lambda a, b: a.differs(b),
    "lt": lambda a, b: a.less(b),
    "le": lambda a, b: ~b.less(a),
    "gt": lambda a, b: b.less(a),
    "ge": lambda a, b: ~a.less(b),
    "ltu": lambda a, b: a.below(b),
}


@clause(
    *(f"A6.cmp{w}.{relation}" for w in ("", "4") for relation in ("lt", "ltu", "eq", "eq.parallel", "ne")),
    *(f"A7.cmp{w}.{relation}" for w in ("", "4") for relation in ("gt", "le", "ge", "lt")),
    *(f"A8.cmp{w}.{relation}" for w in ("", "4") for relation in ("lt", "ltu", "eq", "eq.parallel", "ne")),
)
@minds_predicate
def compare(op: Operation) -> None:
    """SDM 3:2, cmp and cmp4: predicates tell whether a relation holds, of 64 bits, or of the low 32."""
    width = 32 if op.mnemonic.startswith("cmp4") else 64

    def relation() -> tuple[Term, Term]:
        left = op.r2 if "r2" in op else op.imm8 if "imm8" in op else op.general(0)
        right = op.r3
        holds = _RELATIONS[op.words[0]](left.value.bits(0, width), right.value.bits(0, width))
        return holds, left.nat | right.nat

    set_pair(op, relation)


def _tested(op: Operation, bit: Term) -> Term:
    """Whether a bit is what `.z` or `.nz` asks for."""
    return bit if op.words[0] == "nz" else ~bit


@clause("I16.tbit.z", "I16.tbit")
@minds_predicate
def tbit(op: Operation) -> None:
    """SDM 3:2, tbit: predicates tell a bit of a register."""
    set_pair(op, lambda: (_tested(op, bits_from(op.r3.value, op.open_number("pos6"), 1)), op.r3.nat))


@clause("I17.tnat.z", "I17.tnat")
@minds_predicate
def tnat(op: Operation) -> None:
    """SDM 3:2, tnat: predicates tell whether a register is a NaT, which is no reason not to know."""
    set_pair(op, lambda: (_tested(op, op.r3.nat), FALSE))


@clause("I30.tf.z", "I30.tf")
@minds_predicate
def tf(op: Operation) -> None:
    """SDM 3:2, tf: predicates tell whether there is a feature, a bit of cpuid[4]."""
    set_pair(op, lambda: (_tested(op, op.call(FEATURE, op.number("imm5"))[0]), FALSE))


# -------------------------------------------------------------------------- predicates as one word


@clause("I25.mov.pr")
def mov_from_pr(op: Operation) -> None:
    """SDM 3:2, mov pr: all predicates to a general register, p0 at the right, as if none were rotated."""
    op.r1 = read(Cell("prs"))
