"""Breaks the samples where they use an op: the bare instruction takes its place. Does that go wrong, and is it found?

    python -m tests.simulator.seeded_breakages [FILE ...] [--instances trap,xen] [--states N] [--seed K]

A breakage is one op of sample_S, written as what it replaces. Its variant is compared with native's (which has that
instruction there in any case) from states in which the code goes far: tasks, page tables and frames as it has them. The
hypervisor emulates an instruction that faults; then nothing is wrong but the time that it takes, and compare's costs
tell of it. What does not fault does something else. For that, compare has to find a difference and name the line.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from random import Random
from typing import Final

from msgspec import Struct
from msgspec.structs import replace
from pvsim.comparison import compare, parting
from pvsim.random_scenario import random_scenario
from pvsim.scenario import Scenario, Value, Words
from pvsim.scenario_run import Outcome, Variant
from pvsim.stubs import Stubs
from pvsim.variants_of_file import variants_of_files

from tests.paravirt.cases import CATALOG

SAMPLES: Final = Path(__file__).parents[2] / "sample_S"
FILES: Final = ("ivt.S", "exit.S", "fsys.S", "switch_to.S")
_COMMENT: Final = re.compile(r"//[^\n]*|/\*.*?\*/|\"[^\"\n]*\"", re.S)
_OP: Final = re.compile(rf"\b({'|'.join(sorted(CATALOG.ops, key=len, reverse=True))})\b(\s*\(([^()]*)\))?")

TASK, NEXT, CPU, POINTER, CLOCK = 0x3400_0000, 0x3500_0000, 0x3200_0000, 0x3300_0000, 0x3600_0000
PGD, PMD, PTES, OF_PTES = 0x3100_0000, 0x3100_4000, 0x3100_8000, 0x3100_C000
ADDRESS, HASHED = 0x1234_5678, 0x3002_4688
STACK: Final = TASK + 0x7000
USER: Final = 0x1013_0802_6000  # psr of a program: level 3, interrupts on
PRESENT: Final = 0x567_07E1

_VECTORS: Final = (
    *("vhpt_miss", "itlb_miss", "dtlb_miss", "alt_itlb_miss", "alt_dtlb_miss", "nested_dtlb_miss", "dirty_bit"),
    *("iaccess_bit", "break_fault", "external_interrupt", "page_fault"),
)
ENTRIES: Final[dict[str, tuple[str, ...]]] = {
    "ivt.S": _VECTORS,
    "exit.S": ("__paravirt_leave_syscall", "__paravirt_leave_kernel"),
    "fsys.S": ("fsys_process_id", "fsys_clock", "fsys_processor", "paravirt_fsys_bubble_down"),
    "switch_to.S": ("__paravirt_switch_to",),
}
STOPS: Final = {"exit.S": ("do_pending_work",), "ivt.S": ("handle_fault", "handle_interrupt", "enter_syscall")}
DEFINES: Final = {"exit.S": ("SAMPLE_ACCOUNT_TIME=1",)}


class Breakage(Struct, frozen=True):
    """An op of a file, by its place in the text, and the line that it is in; the lines where its macro is used."""

    file: str
    op: str
    start: int
    end: int
    line: int
    bare: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line} {self.op} -> {self.bare}"

    def text(self) -> str:
        """The file with it."""
        text = (SAMPLES / self.file).read_text()
        return f"{text[: self.start]}{self.bare}{text[self.end :]}"


def breakages(file: str) -> Iterator[Breakage]:
    """Those of a file: one for each op that it names outside of comments."""
    text = (SAMPLES / file).read_text()
    plain = _COMMENT.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), text)
    for found in _OP.finditer(plain):
        op = CATALOG.ops[found[1]]
        given = [word.strip() for word in (found[3] or "").split(",")] if op.parentheses else []
        names = dict(zip((each.name for each in op.parameters), given, strict=True))
        words = re.split(r"([a-z_]\w*)", op.replaces.replace("PSR_DEFAULT_BITS", "psr.ac").strip())
        joined = "; ".join(part.strip() for part in "".join(names.get(each, each) for each in words).splitlines())
        end = found.end() if op.parentheses else found.end(1)
        yield Breakage(file, op.name, found.start(), end, text.count("\n", 0, found.start()) + 1, joined)


def states(file: str, entry: str, number: int, seed: int) -> Iterator[Scenario]:
    """States from which the code at an entry goes far."""
    for each in range(number):
        random = Random(f"{seed} {entry} {each}")
        made = random_scenario(random, entry, steps=3000)
        is_users = file in ("ivt.S", "fsys.S")  # the register stack
        status = random.choice((USER & ~(3 << 32), USER, USER))
        address = ADDRESS if not entry.startswith("alt") else 7 << 61 | ADDRESS
        own: dict[str, Value] = {
            "ar.k3": CPU,
            "ar.k6": TASK,
            "ar.k7": PGD,
            "ar.rsc": 12 if is_users else 3,
            "ar.bspstore": 0x6000_0000 if is_users else TASK + 0x1000,
            "ar.pfs": 3 << 62,
            "ar.fpsr": 0x9804C0270033F,
            "ar.itc": 0x1000_0000 + each,
            "cr.ifa": address,
            "cr.iha": HASHED,
            "cr.itir": 0x38,
            "cr.pta": 0x3000_0050,
            "cr.ipsr": status,
            "cr.isr": random.choice((0, 1 << 32, 1 << 34)),
            "cr.iip": 0x8000,
            "cr.ifs": 1 << 63,
            "cr.iim": random.choice((0x80000, 0x80001, 5)),
            "cr.dcr": 0,
            "rr[0]": 14 << 2,  # pages of 16 KiB
            "psr.ac": 0,
            "psr.ic": int(file != "ivt.S"),
            "psr.bn": int(file != "ivt.S"),
            "psr.i": int(file == "fsys.S"),
            "b0": 0x8000,
            "b6": 0x8000,
            "r12": STACK,
            "r13": TASK,
            "r16": TASK if file == "fsys.S" else ADDRESS,
            "r29": 0x8000,
            "r30": 0x8000,
            "r32": NEXT if file == "switch_to.S" else POINTER,
        }
        entries = random.choice((PRESENT, PRESENT, 0))
        frame = STACK + 16
        words: dict[str, Words] = {
            f"{PGD:#x}": PMD,
            f"{PMD + 8 * (ADDRESS >> 25):#x}": PTES,
            f"{PMD + 8 * (HASHED >> 25):#x}": OF_PTES,
            f"{PTES + 8 * (ADDRESS >> 14 & 2047):#x}": entries,
            f"{OF_PTES + 8 * (HASHED >> 14 & 2047):#x}": HASHED >> 14 << 14 | 0x7E1,
            f"{HASHED:#x}": entries,
            f"{TASK + 8:#x}": random.choice((0, 0, 1, 2)) | 4711 << 32,
            f"{NEXT:#x}": [NEXT + 0x7000, 0, NEXT],
            f"{NEXT + 0x7000 + 16:#x}": [0, 3 << 62, 5, 0, 0x8000, 0x8000, 0, NEXT + 0x1000],
            f"{CPU:#x}": 3,
            f"{CLOCK:#x}": [2, 0, 1000, 1 << 63],
            f"{frame:#x}": [status, 0x8000, 1 << 63, 12, 3 << 62, 0, random.getrandbits(64) | 1, 0x8000, 0],
            f"{frame + 9 * 8:#x}": [0x6000_0000, 0, 0, *(random.getrandbits(64) for _ in range(28))],
        }
        registers = {**made.registers, **own}
        stop = list(STOPS.get(file, ()))
        yield replace(made, registers=registers, words=words, nat=[], interrupts=[], stop=stop)


class Answer(Struct):
    """What came of a breakage for an instance.

    `same text`: the instance has that instruction there, too; `emulated`: it faults, and the hypervisor does what it
    does on bare hardware; `line` and `other line`: compare finds a difference, and names the line or another; `unseen`.
    """

    kind: str
    told: str = ""


def lines_of(breakage: Breakage) -> set[int]:
    """The lines that compare may name: its own, or those that use the macro it stands in."""
    text = (SAMPLES / breakage.file).read_text()
    logical = list(re.finditer(r"(?:[^\n]*\\\n)*[^\n]*\n", text))
    held = next(each for each in logical if each.start() <= breakage.start < each.end())
    lines = {breakage.line}
    names = re.findall(r"^#\s*define\s+(\w+)", held[0])
    bodies = {each[1]: each[0] for found in logical if (each := re.match(r"#\s*define\s+(\w+).*", found[0], re.S))}
    for _ in bodies:
        names += [
            name
            for name, body in bodies.items()
            if name not in names and any(re.search(rf"\b{n}\b", body) for n in names)
        ]
    inside = re.search(r"\.macro\s+(\w+)(?:(?!\.endm).)*\Z", text[: breakage.start], re.S)
    names += [inside[1]] if inside else []
    for name in names:
        lines |= {number for number, line in enumerate(text.splitlines(), 1) if re.search(rf"\b{name}\b", line)}
    return lines


def made(file: str, path: Path, instances: Sequence[str]) -> tuple[list[Variant], set[str]]:
    """The variants of a file of the samples, which stands at a path."""
    return variants_of_files(
        [str(path)],
        ["native", *instances],
        include_directories=[str(SAMPLES / "include")],
        defines=DEFINES.get(file, ()),
        stubs=Stubs({"clock_page": CLOCK}, missing=True),
    )


def code(variant: Variant) -> list[bytes]:
    """What a variant consists of."""
    return [bytes(each.data) for each in variant.image.segments]


def emulated(outcome: Outcome) -> int:
    """How many instructions the hypervisor has emulated."""
    return outcome.environment.costs.of_kind("emulated")


class Tries:
    """States of a file in which its variants, as they are, agree."""

    def __init__(self, file: str, instances: Sequence[str], number: int, seed: int) -> None:
        self.file, self.instances = file, instances
        self.number, self.seed = number, seed
        self.whole, self.unsettled = made(file, SAMPLES / file, instances)

    @cached_property
    def states(self) -> list[tuple[Scenario, dict[str, int]]]:
        """Each with the number of instructions that are emulated in it, by instance."""
        kept = []
        for entry in ENTRIES[self.file]:
            for state in states(self.file, entry, self.number, self.seed):
                compared = compare(self.whole, state, self.unsettled)
                if not any(compared.differences.values()):
                    kept.append((state, {name: emulated(each) for name, each in compared.outcomes.items()}))
        return kept

    def answers(self, breakage: Breakage) -> dict[str, Answer]:
        """What comes of a breakage, by instance."""
        allowed = lines_of(breakage)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / self.file
            path.write_text(breakage.text())
            (native, *variants), unsettled = made(self.file, path, self.instances)
        found: dict[str, Answer] = {}
        left: list[Variant] = []
        for variant, unbroken in zip(variants, self.whole[1:], strict=True):
            if code(variant) == code(unbroken):
                found[variant.instance.name] = Answer("same text")
            else:
                left.append(variant)
        for state, emulated_before in self.states if left else ():
            if not left:
                break
            compared = compare([native, *left], state, unsettled)
            for variant in list(left):
                name = variant.instance.name
                if not compared.differences[name]:
                    if name not in found and emulated(compared.outcomes[name]) > emulated_before[name]:
                        found[name] = Answer("emulated")
                    continue
                parted = parting(native, variant, state, unsettled)
                told = f"{state.entry}: {compared.differences[name][0]}"
                if parted is not None:
                    told += f"; they part at line {parted.place[1]}"
                if parted is not None and parted.place[1] in allowed:
                    found[name] = Answer("line", told)
                    left.remove(variant)
                else:
                    found[name] = Answer("other line", told)
        return {**{name: Answer("unseen") for name in self.instances}, **found}


def main() -> None:
    """Breaks, compares, and tells of each breakage, and of all."""
    parser = argparse.ArgumentParser(description="Breaks the samples op by op, and counts what compare finds.")
    parser.add_argument("files", nargs="*", default=list(FILES))
    parser.add_argument("--instances", default="trap,xen")
    parser.add_argument("--states", type=int, default=6)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    instances = options.instances.split(",")
    counts: dict[str, Counter[str]] = {name: Counter() for name in instances}
    for file in options.files:
        tries = Tries(file, instances, options.states, options.seed)
        print(f"{file}: {len(tries.states)} states in which the variants of the file, as it is, agree")
        for breakage in breakages(file):
            for name, answer in tries.answers(breakage).items():
                counts[name][answer.kind] += 1
                print(f"{name:5} {answer.kind:10} {breakage}  {answer.told}")
            sys.stdout.flush()
    for name, counted in counts.items():
        print(name, dict(counted))


if __name__ == "__main__":
    main()
