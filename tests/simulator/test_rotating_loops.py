"""Loops that rotate registers, run as one block that goes round, against the same instruction by instruction."""

from __future__ import annotations

import random
from typing import Any

import pytest
from pvsim import Interruption, Machine, image_of_text, load_image

LOOPS = {
    "copies": "(p16) ld8 r32=[r14],8\n(p18) st8 [r15]=r34,8\n br.ctop.sptk.few top\n",
    "sums": "(p16) add r32=r33,r10\n(p17) xor r36=r33,r37\n(p16) fma.d.s0 f32=f33,f9,f34\n;;\n br.ctop.sptk.few top\n",
    "predicates": " cmp.eq p16,p17=r32,r35\n(p18) adds r32=1,r33\n(p20) adds r12=1,r12\n;;\n br.ctop.dptk.many top\n",
    "while": " cmp.ltu p17,p0=r12,r13\n adds r12=1,r12\n(p17) adds r33=3,r34\n;;\n(p17) br.wtop.sptk.few top\n",
    "faults": "(p16) ld8 r32=[r14],4\n adds r34=1,r35\n br.ctop.sptk.few top\n",
    "not rotating": " adds r32=1,r33\n;;\n br.cloop.sptk.few top\n",
}


def machine(name: str, seed: int) -> Machine:
    """A machine with random contents, at the top of a loop."""
    choose = random.Random(seed)
    made = Machine()
    load_image(made, image_of_text(f"top:\n{LOOPS[name]} adds r11=1,r11\n ;;\n break.m 0x1ff0 ;;\n"))
    made.ip = 0x10000
    made.sof, made.sol, made.sor = 32, 16, choose.choice((0, 8, 16))
    made.psr = 1 << 13 | 1 << 44
    made.gr[1:] = [choose.getrandbits(64) for _ in range(127)]
    made.fr[2:] = [choose.getrandbits(64) | choose.randrange(0xFF00, 0x10100) << 64 | 1 << 63 for _ in range(126)]
    made.gr[12], made.gr[13] = 0, choose.randrange(100)
    made.gr[14], made.gr[15] = 0x20000 - choose.choice((0, 64)), 0x30000 - choose.choice((0, 64))
    made.memory.write(0x1F000, choose.randbytes(0x2000))
    made.ar[65], made.ar[66] = choose.randrange(100), choose.randrange(6)
    made.set_prs(choose.getrandbits(64) | 1)
    return made


def held(made: Machine, stop: Interruption | None) -> tuple[Any, ...]:
    """What a machine holds, and has counted."""
    pages = {page: bytes(each) for page, each in made.memory.pages.items() if page != 0x10}
    counted = made.instructions, made.groups, made.bundles
    registers = [list(map(int, each)) for each in (made.gr, made.nat, made.fr, made.pr, made.br, made.ar)]
    return str(stop), made.ip, made.psr, made.cfm, counted, registers, pages


@pytest.mark.parametrize("name", LOOPS)
@pytest.mark.parametrize("most", [10_000, 97, 30])
def test_as_step_by_step(name: str, most: int) -> None:
    """Whole, in parts of which none ends where a turn does, and until a fault."""
    for seed in range(12):
        whole, steps = machine(name, seed), machine(name, seed)
        stops = []
        for made, size in ((whole, most), (steps, 1)):
            stop = None
            while stop is None and made.instructions < 2_000:
                stop = made.run(min(size, 2_000 - made.instructions))
            stops.append(stop)
        assert held(whole, stops[0]) == held(steps, stops[1]), (name, seed)
