"""Linux 6.1's own way into the kernel and out again, in each environment, with ivt.S, entry.S and fsys.S in one image.

The files are those of docs/adopting.md, unchanged, with its commands. What the kernel has in C is written here
(linux_tasks/kernel.S: each function uses up what the conventions allow), and so are the programs (linux_tasks/user.S).
Tasks, page tables and clocks are words of memory, at offsets that the headers say. Vectors are the kernel's own: a
program is interrupted as on hardware, and goes on with all that it had.
"""

from __future__ import annotations

import random
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest
from msgspec.structs import replace
from pvsim.comparison import differences, elsewhere, ran
from pvsim.scenario import Expected, Interrupt, Page, Scenario
from pvsim.scenario_run import Outcome, Variant
from pvsim.stubs import Stubs
from pvsim.variants_of_file import variants_of_files

from tests.cli.command import pvasm
from tests.corpus.test_adopting import blocks, corpus, tree

__all__ = ["corpus", "tree"]

pytestmark = pytest.mark.slow
SOURCES: Final = Path(__file__).with_name("linux_tasks")
FILES: Final = ("ivt", "entry", "fsys")
INSTANCES: Final = ("native", "xen", "trap")

TASK_ROOM: Final = 0x8000  # IA64_STK_OFFSET: a task, then its backing store, and its stack down from the end
TASK, PGD, PMD, PTES = 0x3000_0000, 0x3100_0000, 0x3100_4000, 0x3100_8000
SIGNAL, PID, CLOCK, JITTER, RESULT = 0x3200_0000, 0x3200_1000, 0x3200_2000, 0x3200_3000, 0x3300_0000
GRANULE: Final = 24
IDENTITY: Final = 7 << 61  # region 7 has all memory
ONE, TWO = IDENTITY | TASK, IDENTITY | TASK + (4 << GRANULE)
FPSR: Final = 0x9804C0270033F
USER: Final = 3 << 62  # of ar.pfs
SIGNALLED, RESCHEDULED, TRACED = 1 << 0, 1 << 1, 1 << 2  # of a task's flags

_chance = random.Random(11)
REGISTERS: Final[dict[str, int]] = {
    **{f"r{number}": _chance.getrandbits(64) for number in (*range(2, 12), *range(13, 36))},
    **{f"b{number}": _chance.getrandbits(64) for number in range(1, 8)},
    **{f"p{number}": _chance.getrandbits(1) for number in range(1, 64)},
    **{f"f{number}": 0x1003E << 64 | _chance.getrandbits(64) for number in range(2, 32)},
    **{name: _chance.getrandbits(64) for name in ("ar.ccv", "ar.unat", "ar.csd", "ar.ssd")},
    "ar.lc": 5,
}
"""A program's, of which each is to be what it was when it goes on."""

PRESERVED: Final = {
    name: value
    for name, value in REGISTERS.items()
    if re.fullmatch(r"r[4-7]|b[1-5]|f[2-5]|f1[2-9]|f[23]\d|p[1-5]|p1[6-9]|p[2-6]\d|ar\.(lc|unat)", name)
}
"""Those that a function preserves."""


@pytest.fixture(scope="module")
def folder(tree: Path) -> Path:
    """The tree with ivt.s, entry.s and fsys.s as docs/adopting.md makes them."""
    flags = blocks("sh")[0]
    made = "gcc -E -dD -Iover $FLAGS arch/ia64/kernel/$f.S > $f.s"
    script = f"set -e\n{flags}\nfor f in {' '.join(FILES)}; do\n  {made}\ndone\n"
    assert made.replace("$f", "ivt") in blocks("sh")[-1]
    assert pvasm("header", "--output-dir", "over", cwd=tree).status == 0
    subprocess.run(["sh", "-c", script], cwd=tree, check=True)
    for each in SOURCES.iterdir():
        shutil.copy(each, tree)
    return tree


@pytest.fixture(scope="module")
def offsets(folder: Path) -> dict[str, int]:
    """What the generated header says: where a structure has what."""
    text = (folder / "include/generated/asm-offsets.h").read_text()
    return {name: int(value) for name, value in re.findall(r"^#define (\w+) (\d+)$", text, re.M)}


Kernel = tuple[list[Variant], set[str]]


@pytest.fixture(scope="module")
def kernel(folder: Path) -> Kernel:
    """The image of all files, by instance."""
    return image(folder)


def image(folder: Path) -> Kernel:
    """The image of the files in a folder, by instance, and what is not settled in it."""
    files = [*(f"{name}.s" for name in FILES), "kernel.S", "user.S"]
    return variants_of_files(
        [str(folder / name) for name in files],
        INSTANCES,
        include_directories=[str(folder / "include/generated")],
        stubs=Stubs({"fsyscall_gtod_data": CLOCK, "itc_jitter_data": JITTER, "two": TWO, "ptes": PTES}, missing=True),
    )


def outcomes(kernel: Kernel, scenario: Scenario) -> tuple[dict[str, Outcome], dict[str, list[str]]]:
    """What becomes of a scenario in each environment, and what is wrong with that."""
    variants, unsettled = kernel
    found = {variant.instance.name: ran(variant, scenario) for variant in variants}
    left_out = {*unsettled, *elsewhere(scenario)}
    for name, outcome in found.items():
        print(f"{scenario.entry:24}{name:8}{outcome.environment.costs.instructions:8} instructions")
    return found, {
        name: [*outcome.unexpected, *map(str, differences(found["native"], outcome, left_out))]
        for name, outcome in found.items()
    }


def check(kernel: Kernel, scenario: Scenario, least: int) -> dict[str, Outcome]:
    """All agree, and end as the scenario expects, after no fewer than so many instructions."""
    found, wrong = outcomes(kernel, scenario)
    assert wrong == {name: [] for name in INSTANCES}
    assert all(each.environment.costs.instructions >= least for each in found.values())
    return found


def delivered(outcomes: Mapping[str, Outcome]) -> dict[str, int]:
    """How often native was interrupted, by the names of vectors."""
    return {name: count for (_, name), count in outcomes["native"].environment.costs.events.items()}


def words(outcome: Outcome, address: int, count: int = 1) -> tuple[int, ...]:
    """Words of memory at the end."""
    data = outcome.environment.processor.memory.read(address, 8 * count)
    return tuple(int.from_bytes(data[at : at + 8], "little") for at in range(0, len(data), 8))


def of_program(
    entry: str,
    offsets: Mapping[str, int],
    given: Mapping[str, int] = {},
    kept: Mapping[str, int] = REGISTERS,
    **more: Any,
) -> Scenario:
    """A program's state: its task is at TASK, and uses the user's stack; the kernel's vectors are in use."""
    registers = {**REGISTERS, "psr.i": 1, "ar.k6": TASK, **given}
    wanted = {**kept, **{name: value for name, value in registers.items() if name in kept}, **more.pop("wanted", {})}
    own = {f"{TASK + offsets['IA64_TASK_THREAD_ON_USTACK_OFFSET']:#x}": 1, **more.pop("words", {})}
    return Scenario(
        entry=entry,
        mode="user",
        vectors="ia64_ivt",
        steps=5000,
        registers={**registers},
        words=own,
        expect=Expected(end=more.pop("end", "user_done"), registers={**wanted, "psr.cpl": 3, "psr.i": 1, "psr.ic": 1}),
        stop=["user_done"],
        **more,
    )


FLAGS: Final = {
    "no work": 0,
    "a signal": SIGNALLED,
    "another task wanted": RESCHEDULED,
    "traced": TRACED,
    "all": SIGNALLED | RESCHEDULED | TRACED,
}


@pytest.mark.parametrize("flags", FLAGS)
def test_a_system_call(kernel: Kernel, offsets: dict[str, int], flags: str) -> None:
    """break_fault, the call, ia64_leave_syscall: twice, a result and an error; all work on the way out."""
    at = TASK + offsets["IA64_TASK_SIZE"] + offsets["TI_FLAGS"]
    kept = {name: value for name, value in PRESERVED.items() if name not in ("r4", "r5", "r6", "r7")}
    wanted = {"r4": 42, "r5": 0, "r6": 22, "r7": (1 << 64) - 1, "r12": 0x7FFF_0000, "r13": REGISTERS["r13"]}
    scenario = of_program(
        "user_calls", offsets, {"ar.pfs": USER}, kept, wanted=wanted, end="return", words={f"{at:#x}": FLAGS[flags]}
    )
    found = check(kernel, scenario, 850)
    assert delivered(found) == {"break_instruction": 2}
    assert words(found["xen"], at)[0] & RESCHEDULED == 0


@pytest.mark.parametrize("flags", ["no work", "a signal", "another task wanted"])
def test_an_interrupt(kernel: Kernel, offsets: dict[str, int], flags: str) -> None:
    """interrupt, ia64_handle_irq, ia64_leave_kernel: the program goes on with each register as it was."""
    at = TASK + offsets["IA64_TASK_SIZE"] + offsets["TI_FLAGS"]
    scenario = of_program(
        "user_waits",
        offsets,
        {"r14": 0},
        wanted={"r14": 40},
        interrupts=[Interrupt(64, 20)],
        words={f"{at:#x}": FLAGS[flags]},
    )
    found = check(kernel, scenario, 550)
    assert delivered(found) == {"external_interrupt": 1}
    assert {words(each, symbol(kernel, name, "interrupts"))[0] for name, each in found.items()} == {64}


def symbol(kernel: Kernel, instance: str, name: str) -> int:
    """The address of a label of kernel.S."""
    (variant,) = (each for each in kernel[0] if each.instance.name == instance)
    return variant.image.symbols[name]


def test_an_interrupt_of_the_kernel(kernel: Kernel, offsets: dict[str, int]) -> None:
    """The same on the kernel's own stack; what is saved of ar.rsc has the level at which the kernel runs."""
    frame = TASK + TASK_ROOM - 0x100 - offsets["IA64_PT_REGS_SIZE"]
    saved = f"memory at {frame + offsets['IA64_PT_REGS_AR_RSC_OFFSET']:#x}"
    own = {
        "r13": ONE,
        "r12": ONE + TASK_ROOM - 0x100,
        "ar.bspstore": ONE + 0x1080,
        "ar.rsc": 3,
        "ar.k6": ONE,
        "ar.k4": 48,
    }
    registers = {**REGISTERS, **own, "r14": 0, "psr.i": 1}
    scenario = Scenario(
        entry="kernel_waits",
        vectors="ia64_ivt",
        steps=5000,
        registers={**registers},
        pages=[STACKS],
        interrupts=[Interrupt(64, 20)],
        stop=["kernel_done"],
        expect=Expected(end="kernel_done", registers={**REGISTERS, "r14": 40, "r12": own["r12"], "r13": ONE}),
    )
    found, wrong = outcomes(kernel, scenario)
    assert wrong == {"native": [], "xen": [f"{saved}: 0x3 and 0xb"], "trap": [f"{saved}: 0x3 and 0xb"]}
    assert words(found["native"], TASK + TASK_ROOM - 0x100) == (0,)
    check(kernel, replace(scenario, ignored=[saved]), 390)


STACKS: Final = Page(ONE, TASK, GRANULE, kinds="d", level=0, rights="rw", register=1)
"""The translation register that the kernel has for the stacks of the task that runs."""

TABLES: Final = {f"{PGD + (1 << 11):#x}": PMD, f"{PMD:#x}": PTES}
"""Of region 1; its last level is empty."""

WALKED: Final = {"rr[1]": 1 << 8 | 14 << 2 | 1, "cr.pta": (1 << 61) - (1 << 36) | 36 << 2 | 1, "ar.k7": PGD}
"""The walker searches a table of 64 GiB at each region's end."""


def test_a_page_fault(kernel: Kernel, offsets: dict[str, int]) -> None:
    """vhpt_miss and page_not_present find no page, page_fault lets C put one into the table, and it is reached."""
    first, second = 1 << 61 | 0x12340, 1 << 61 | 0x16340
    scenario = of_program(
        "user_reaches",
        offsets,
        {"r14": first, "r17": 0x4000, **WALKED},
        {name: value for name, value in REGISTERS.items() if name != "r16"},
        wanted={"r14": second, "r16": 0},
        words=TABLES | {f"{PTES:#x}": [0] * 8},
    )
    found = check(kernel, scenario, 1150)
    assert delivered(found) == {"vhpt_translation": 2, "page_not_present": 1}
    for name, outcome in found.items():
        assert words(outcome, PTES + 8 * 4, 2) == (0x401_07E1, 0x401_47E1)
        assert words(outcome, 0x401_0000 + (first & 0x3FFF)) == (REGISTERS["r15"],)
        held = outcome.observed["translations of data"]
        assert isinstance(held, str)
        assert "0x14000 to 0x18000 of region 0x1: 0x40147e1" in held
        assert words(outcome, symbol(kernel, name, "faults"), 2) == (2, second)


def test_an_illegal_operation(folder: Path, kernel: Kernel, offsets: dict[str, int]) -> None:
    """dispatch_illegal_op_fault: all the same, once the r24 that it gives away (PV301) is a register that it may."""
    scenario = of_program(
        "user_errs",
        offsets,
        {"r14": 5},
        {name: value for name, value in REGISTERS.items() if name != "r16"},
        wanted={"r16": 6},
    )
    _, wrong = outcomes(kernel, scenario)
    frame = TASK + TASK_ROOM - offsets["IA64_PT_REGS_SIZE"] + offsets["IA64_PT_REGS_R24_OFFSET"]
    assert wrong["native"] == wrong["trap"] == []
    assert wrong["xen"] == [
        f"r24 is 0x1, and not {REGISTERS['r24']:#x}",
        f"memory at {frame:#x}: {REGISTERS['r24']:#x} and 0x1",
    ]
    text = (folder / "ivt.s").read_text()
    start = text.index("dispatch_illegal_op_fault:")
    mended = text[:start] + text[start:].replace("AND_SRLZ_I(r3, r24)", "AND_SRLZ_I(r3, r14)", 1)
    assert mended != text
    other = folder / "mended"
    shutil.copytree(folder, other, ignore=lambda parent, names: [each for each in names if each in ("arch", "mended")])
    (other / "ivt.s").write_text(mended)
    found = check(image(other), scenario, 510)
    assert delivered(found) == {"general_exception": 1}


def test_tasks_take_turns(kernel: Kernel, offsets: dict[str, int]) -> None:
    """ia64_switch_to, there and back: stacks, preserved registers, and the stack's translation register."""
    stack = TWO + TASK_ROOM - 0x1000
    saved = (stack & ~IDENTITY) + 16

    def at(field: str) -> str:
        return f"{saved + offsets[f'IA64_SWITCH_STACK_{field}_OFFSET']:#x}"

    own = {
        "r13": ONE,
        "r12": ONE + TASK_ROOM - 0x100,
        "ar.bspstore": ONE + 0x1080,
        "ar.rsc": 3,
        "ar.k6": ONE,
        "ar.k4": 48,
    }
    scenario = Scenario(
        entry="one_runs",
        vectors="ia64_ivt",
        steps=5000,
        registers={**PRESERVED, **own},
        pages=[STACKS],
        words={
            f"{(TWO & ~IDENTITY) + offsets['IA64_TASK_THREAD_KSP_OFFSET']:#x}": stack,
            at("B0"): "two_begins",
            at("AR_BSPSTORE"): TWO + 0x1080,
            at("AR_FPSR"): FPSR,
        },
        stop=["one_is_back"],
        expect=Expected(
            end="one_is_back",
            registers={
                **PRESERVED,
                **{name: own[name] for name in ("r13", "r12", "ar.k6", "ar.k4")},
                "r14": 0x12_3456_7890,
                "r8": TWO,
            },
        ),
    )
    found = check(kernel, scenario, 440)
    for name, outcome in found.items():
        assert words(outcome, symbol(kernel, name, "seen"), 2) == (TWO, stack + offsets["IA64_SWITCH_STACK_SIZE"])
        mapped = outcome.observed["dtr[1]"]
        assert isinstance(mapped, str)
        assert mapped.startswith(f"{TASK:#x} to {TASK + (1 << GRANULE):#x} of region 0x7: ")


def of_call(entry: str, words: Mapping[str, int], result: Mapping[str, int], given: Mapping[str, int] = {}) -> Scenario:
    """A light-weight system call of a program, as the gate page has it: r16 is the task, b6 where it returns to."""
    frame = {name: REGISTERS[name] for name in ("r32", "r33", "r34", "r35")}
    registers = {**REGISTERS, "r10": 0, "r15": 1041, "r16": TASK, "b6": 0x8000, "ar.pfs": USER | len(frame), **given}
    kept = {**PRESERVED, **frame, "r11": 0, "r13": 0, "r15": 0, "b6": 0}
    return Scenario(
        entry=entry,
        vectors="ia64_ivt",
        steps=5000,
        registers={**registers},
        words={**words},
        expect=Expected(
            end="return", registers={**{name: registers[name] for name in kept}, "psr.cpl": 3, "r10": 0, **result}
        ),
    )


def test_the_number_of_a_process(kernel: Kernel, offsets: dict[str, int]) -> None:
    """fsys_getpid, by the task's signal and pid; with work to do it is left to the heavy-weight call."""
    level = 2
    numbers = PID + offsets["IA64_PID_UPID_OFFSET"] + (level << offsets["IA64_UPID_SHIFT"])
    held = {
        f"{TASK + offsets['IA64_TASK_SIGNAL_OFFSET']:#x}": SIGNAL,
        f"{SIGNAL + offsets['IA64_SIGNAL_PIDS_TGID_OFFSET']:#x}": PID,
        f"{PID + offsets['IA64_PID_LEVEL_OFFSET']:#x}": level,
        f"{numbers:#x}": 4711,
    }
    check(kernel, of_call("fsys_getpid", held, {"r8": 4711}), 25)


LAST, NOW, MASK, MULTIPLIER, SHIFT = 100_000, 900_000, (1 << 28) - 1, 768, 8
SECONDS: Final = 1_600_000_000


@pytest.mark.parametrize("later", [0, 50_000], ids=["no jitter", "another processor's time is later"])
@pytest.mark.parametrize("entry", ["fsys_gettimeofday", "fsys_clock_gettime"])
def test_the_time(kernel: Kernel, offsets: dict[str, int], entry: str, later: int) -> None:
    """The clock's cycles since it was last read, as nanoseconds, on top of what there was then."""
    fraction = CLOCK + offsets["IA64_GTOD_WALL_TIME_OFFSET"] + offsets["IA64_TIME_SN_SPEC_SNSEC_OFFSET"]
    assert fraction == CLOCK + offsets["IA64_CLKSRC_MASK_OFFSET"], "in the corpus' made-up header, two fields are one"
    held = {
        f"{CLOCK + offsets['IA64_GTOD_SEQ_OFFSET']:#x}": 6,
        f"{CLOCK + offsets['IA64_GTOD_WALL_TIME_OFFSET']:#x}": SECONDS,
        f"{fraction:#x}": MASK,
        f"{CLOCK + offsets['IA64_CLKSRC_MULT_OFFSET']:#x}": SHIFT << 32 | MULTIPLIER,
        f"{CLOCK + offsets['IA64_CLKSRC_CYCLE_LAST_OFFSET']:#x}": LAST,
        f"{JITTER:#x}": bool(later),
        f"{JITTER + offsets['IA64_ITC_LASTCYCLE_OFFSET']:#x}": NOW + later,
    }
    is_clock = entry == "fsys_clock_gettime"
    arguments = {"r32": 0, "r33": RESULT} if is_clock else {"r32": RESULT, "r33": 0}
    scenario = of_call(entry, held, {**arguments, "r8": 0}, {**arguments, "ar.itc": NOW})
    found = check(kernel, scenario, 95)
    nanoseconds = (MASK + (NOW + later - LAST) * MULTIPLIER) >> SHIFT
    for outcome in found.values():
        assert words(outcome, RESULT, 2) == (SECONDS, nanoseconds if is_clock else nanoseconds // 1000)
