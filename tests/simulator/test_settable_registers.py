"""What `simulate --reg` and scenarios say of values that registers do not hold is what a `mov` of them does."""

from __future__ import annotations

import random
from functools import cache

import pytest
from pvsim import Machine, image_of_text, load_image
from pvsim.function_run import FunctionRun
from pvsim.machine.interruptions import GENERAL_CODES
from pvsim.scenario import NOT_SET
from pvsim.settable_registers import is_reserved, name_of, putting

from pvasm.asm.image import Image
from pvasm.isa.registers import REGISTERS, Register
from pvasm.isa.semantics.moves import refused_value

MOVED = sorted(
    {
        name_of(register): register
        for register in REGISTERS.values()
        if register.file in ("ar", "cr") and not is_reserved(register) and name_of(register) not in NOT_SET
    }.items()
)
_FAULT = GENERAL_CODES["reserved_register_field"]


@cache
def _move(name: str) -> Image:
    return image_of_text(f"mov {name} = r2")


def _moved(register: Register, value: int) -> Machine | None:
    """A processor after a `mov` of a value to a register; None if it takes the value for reserved."""
    machine = Machine()
    load_image(machine, _move(name_of(register)))
    machine.ip, machine.gr[2] = 0x10000, value
    machine.set_psr(0)
    stop = machine.run(3)  # the bundle: some moves are in its second slot
    if stop is None:
        return machine
    assert stop.code & 0xFFFF == _FAULT, (name_of(register), hex(value), stop)
    return None


@pytest.mark.parametrize(("name", "register"), MOVED, ids=[name for name, _ in MOVED])
def test_what_is_refused(name: str, register: Register) -> None:
    """Reserved fields fault, and are told so; what is ignored is told of, and does not fault."""
    chance = random.Random(name)
    values = [1 << bit for bit in range(64)]
    values += [chance.getrandbits(64) & chance.getrandbits(64) & chance.getrandbits(64) for _ in range(200)]
    for value in values:
        said = refused_value(register, value)
        if _moved(register, value) is None:
            assert said is not None, hex(value)
        elif said is not None:
            assert said.endswith("of it are ignored"), (hex(value), said)


def test_what_is_put_counts() -> None:
    """A counter goes on from there, and the frame has a stacked register that is set."""
    image = image_of_text("f: mov.m r8 = ar.ruc ;; mov.m r9 = ar.itc ;; add r10 = r40, r0 ;; br.ret.sptk b0")
    run = FunctionRun(image, "f")
    for name, value in (("ar.ruc", 0x1000), ("ar.itc", 0x2000), ("r40", 7)):
        run.set_register(name, value)
    assert run.finish(100)
    assert (run.machine.gr[8] & ~0xF, run.machine.gr[9] & ~0xF, run.machine.gr[10]) == (0x1000, 0x2000, 7)
    assert putting(REGISTERS["sp"]) is putting(REGISTERS["r12"])
