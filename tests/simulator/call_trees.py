"""Programs that call each other at random: frames of all sizes, rotation, NaTs, more registers than there are.

Each function fills its locals with values made of its argument, or with NaTs, rotates some of them, calls others, and
then folds all it has in its result. So a register that is lost anywhere changes the result at the end.
"""

from __future__ import annotations

from typing import Final

from hypothesis import strategies as st
from msgspec import Struct

FIRST: Final = 32
KEPT: Final = 4
"""Locals that do not rotate, the last ones: what is folded, the argument, the link, and ar.pfs."""


class Function(Struct, frozen=True):
    """One function: how many of its locals rotate (in eights) and how many more there are, its outs, what it calls.

    `calls` are steps forward in the list of functions. Of `nats` each bit makes a local a NaT; `turns` is how often
    registers rotate.
    """

    rotating: int
    plain: int
    outs: int
    calls: tuple[int, ...]
    nats: int
    turns: int


FUNCTIONS: Final = st.lists(
    st.builds(
        Function,
        rotating=st.sampled_from([0, 0, 1, 2, 5]),
        plain=st.sampled_from([0, 1, 3, 20, 40]),
        outs=st.sampled_from([1, 1, 2, 8]),
        calls=st.sampled_from([(1,), (1,), (1,), (1, 2), (2, 1), (1, 1)]),
        nats=st.integers(0, 2**40 - 1),
        turns=st.integers(0, 3),
    ),
    min_size=1,
    max_size=6,
)
"""Lists of functions, of which the first is called. A frame has 89 registers at most: two of them fill the machine."""


def source(functions: list[Function], prefix: str, before_calls: str = "") -> str:
    """The functions, `{prefix}0` and so on; `before_calls` is what each does before it calls another."""
    return "\n".join(_function(functions, number, prefix, before_calls) for number in range(len(functions)))


def _function(functions: list[Function], number: int, prefix: str, before_calls: str) -> str:
    function = functions[number]
    first_kept = FIRST + 8 * function.rotating + function.plain
    folded, seed, link, pfs = range(first_kept, first_kept + KEPT)
    out = first_kept + KEPT
    lines = [
        f"{prefix}{number}:",
        f" alloc r{pfs}=ar.pfs,1,{8 * function.rotating + function.plain + KEPT - 1},{function.outs},"
        f"{8 * function.rotating} ;;",
        f" mov r{link}=b0",
        f" adds r{seed}={number + 1},r32",
        f" mov r{folded}=0 ;;",
        " movl r2=1<<60 ;;",  # no such address: a load that speculates gives a NaT
    ]
    for register in range(FIRST, first_kept):
        is_nat = function.nats >> (register - FIRST) % 40 & 1
        lines.append(f" ld8.s r{register}=[r2]" if is_nat else f" adds r{register}={37 * register - 8000},r{seed}")
    lines.append(" ;;")
    if function.rotating and function.turns:
        lines += [
            f" mov ar.lc={function.turns - 1}",
            " mov ar.ec=1 ;;",
            f"{prefix}{number}_turn:",
            f" {{ .mib\n nop.m 0\n nop.i 0\n br.ctop.sptk.few {prefix}{number}_turn ;;\n }}",
        ]
    for call, step in enumerate(function.calls):
        if number + step < len(functions):
            lines += [
                before_calls,
                *(f" adds r{out + place}={100 * call + place},r{seed}" for place in range(function.outs)),
                f" br.call.sptk.many b0={prefix}{number + step} ;;",
                f" xor r{folded}=r{folded},r8 ;;",
            ]
    for register in range(FIRST, first_kept):
        lines += [
            f" tnat.z p6,p7=r{register}",
            f" shrp r{folded}=r{folded},r{folded},7 ;;",
            f"(p6) xor r{folded}=r{folded},r{register}",
            f"(p7) adds r{folded}={register},r{folded} ;;",
        ]
    lines += [
        f" xor r8=r{folded},r{seed}",
        f" mov b0=r{link}",
        f" mov ar.pfs=r{pfs} ;;",
        " br.ret.sptk.many b0 ;;",
    ]
    return "\n".join(lines)
