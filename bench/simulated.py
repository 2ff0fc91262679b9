"""How fast simulated code is: `make bench` prints the table, `python bench/simulated.py` this one alone.

The yardstick is an iteration of an empty loop of the Python that runs it. Loops are compiled before they are measured.
Programs of a batch are run by the command, from its start to its end; no two are alike, so that nearly all of what they
do is done for the first time. All is processor time: a batch from a file has as many processes as there are cores.
"""

from __future__ import annotations

import json
import random
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from pvsim import Machine, image_of_text, load_image
from pvsim.function_run import FunctionRun

from pvasm.asm.layout import lay_out
from pvasm.asm.reading import assembly_parser
from pvasm.syntax.document import read_document
from pvasm.text import read_text
from tests.corpus.build import Corpus, corpus

SOURCE, TARGET, SIZE = 0x100_0000, 0x200_0000, 1 << 18
INSTRUCTIONS = 1_000_000  # that are measured of a loop

LOOPS = {
    "integer loop": " add r8=r8,r9\n xor r10=r11,r8 ;;\n shl r12=r10,3\n cmp.lt p6,p7=r8,r10 ;;\n(p6) adds r13=1,r13\n",
    "8-byte copy loop": " ld8 r8=[r14],8 ;;\n st8 [r15]=r8,8\n",
    "fma loop": " fma.d.s0 f8=f9,f10,f8\n",
}
PROGRAMS, LENGTH = 600, 30

# Of a program of a batch: what each instruction may be, `r` and so on being any register.
TEMPLATES = {
    "integer": (
        *("add r=r,r", "sub r=r,r", "and r=r,r", "xor r=r,r", "shladd r=r,2,r", "adds r=I,r", "shl r=r,C", "sxt2 r=r"),
        *("cmp.eq p,p0=r,r", "cmp.ltu p,p0=r,r", "cmp4.lt.unc p,p0=r,r", "tbit.nz p,p0=r,C", "(p) add r=r,r"),
        *("(p) dep r=r,r,8,8", "padd2 r=r,r", "pmpyshr2 r=r,r,7", "unpack1.l r=r,r", "extr.u r=r,C,1", "mov b6=r"),
        *("mov r=b6", "mov ar.ccv=r", "mov r=pr"),
    ),
    "floating-point": (
        *("fma.s0 f=f,f,f", "fmpy.d.s0 f=f,f", "fnma.s.s1 f=f,f,f", "fma.s2 f=f,f1,f0", "fcmp.lt.s1 p,p0=f,f"),
        *("xma.l f=f,f,f", "setf.sig f=r", "getf.sig r=f", "fmerge.s f=f,f", "fcvt.fx.s0 f=f", "fmax.s0 f=f,f"),
        *("fclass.m p,p0=f,0x1c3", "fpma.s0 f=f,f,f", "(p) fmpy.s1 f=f,f", "frcpa.s1 f,p=f,f", "fpmin.s0 f=f,f"),
    ),
    "memory": (
        *("ld8 r=[r31]", "st8 [r31]=r", "ld4.s r=[r31]", "ld2.a r=[r31]", "st1 [r31]=r", "ld8.fill r=[r31]"),
        *("xchg8 r=[r31],r", "fetchadd4.acq r=[r31],4", "cmpxchg8.rel r=[r31],r,ar.ccv", "ldfd f=[r31]"),
        *("stfe [r31]=f", "ldf8 f=[r31]", "(p) ld1 r=[r31]", "lfetch [r31]", "st8.spill [r31]=r", "ld8.c.nc r=[r31]"),
    ),
}


def main() -> int:
    """Measure, and print."""
    scratch = Path(tempfile.mkdtemp(prefix="pvasm-bench-"))
    try:
        print(table(corpus(), scratch, 5))
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return 0


def table(real: Corpus, scratch: Path, runs: int) -> str:
    """The table, in Markdown: medians of some runs, which take turns."""
    ways: dict[str, Callable[[], float]] = {
        **{f"{name}, instructions": _loop(text) for name, text in LOOPS.items()},
        "`memcpy` of Linux, instructions": _memcpy(real),
        **{
            f"`--batch`, programs of {LENGTH} {name} instructions": _batch(scratch, name, templates)
            for name, templates in {**TEMPLATES, "mixed": tuple(chain(*TEMPLATES.values()))}.items()
        },
    }
    turns = [[_empty_loop(), *(way() for way in ways.values())] for _ in range(1 + runs)]
    empty, *each = (statistics.median(column) for column in zip(*turns[1:], strict=True))
    rows = [
        "| simulated | a second on one core | iterations of an empty loop, each |",
        "| --- | ---: | ---: |",
        *(
            f"| {name} | {1 / seconds:,.0f} | {seconds / empty:,.1f} |"
            for name, seconds in zip(ways, each, strict=True)
        ),
    ]
    return "\n".join(rows)


def _empty_loop() -> float:
    """Seconds of an iteration."""
    start = time.process_time()
    for _ in range(INSTRUCTIONS):
        pass
    return (time.process_time() - start) / INSTRUCTIONS


def _loop(text: str) -> Callable[[], float]:
    """What measures the seconds of an instruction of a loop, which copies no more than there is room for."""
    image = image_of_text(f"top:\n{text} br.cloop.sptk.few top\n")
    machine = Machine()
    load_image(machine, image)
    machine.memory.write(SOURCE, random.Random(1).randbytes(SIZE))

    def seconds() -> float:
        machine.ip = image.symbols["top"]
        machine.gr[14], machine.gr[15], machine.gr[9] = SOURCE, TARGET, 3
        machine.fr[9] = machine.fr[10] = 0xFFFE << 64 | 3 << 62
        machine.ar[65] = SIZE // 8 if "ld8" in text else INSTRUCTIONS
        before = machine.instructions
        start = time.process_time()
        machine.run(INSTRUCTIONS)
        return (time.process_time() - start) / (machine.instructions - before)

    return seconds


def _memcpy(real: Corpus) -> Callable[[], float]:
    (found,) = [each for each in real.files if each.name == "memcpy"]
    document = read_document(assembly_parser(), read_text(found.preprocessed), str(found.preprocessed))
    image = lay_out(document)
    machine = Machine()

    def seconds() -> float:
        run = FunctionRun(image, "memcpy")
        run.machine._blocks, run.machine._decoded = machine._blocks, machine._decoded  # what has been compiled
        for number, value in enumerate((TARGET, SOURCE, SIZE)):
            run.set_register(f"r{32 + number}", value)
        run.set_memory(SOURCE, random.Random(1).randbytes(SIZE))
        start = time.process_time()
        assert run.finish(INSTRUCTIONS)
        return (time.process_time() - start) / run.machine.instructions

    return seconds


def _batch(scratch: Path, name: str, templates: Sequence[str]) -> Callable[[], float]:
    path = scratch / f"programs-{name}.jsonl"
    rng = random.Random(1)
    path.write_text("".join(f"{json.dumps(_program(rng, templates))}\n" for _ in range(PROGRAMS)))
    command = [str(Path(sys.executable).parent / "pvasm"), "simulate", "--batch", str(path)]

    def seconds() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(command, capture_output=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert done.stdout.count(b'"end": "end"') == PROGRAMS, done.stdout[:400]
        return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / PROGRAMS

    return seconds


def _program(rng: random.Random, templates: Sequence[str]) -> dict[str, Any]:
    """A program with a whole state to begin with."""
    kinds = {
        "r": lambda: f"r{rng.choice([*range(1, 20), *range(32, 96)])}",
        "f": lambda: f"f{rng.randrange(2, 100)}",
        "p": lambda: f"p{rng.randrange(1, 64)}",
        "I": lambda: str(rng.randrange(-8192, 8192)),
        "C": lambda: str(rng.randrange(1, 63)),
    }
    lines = [re.sub(r"\b[rfpIC]\b", lambda found: kinds[found[0]](), rng.choice(templates)) for _ in range(LENGTH)]
    return {
        "asm": "".join(f" {line} ;;\n" for line in lines),
        "gr": {number: rng.getrandbits(64) for number in (*range(1, 30), *range(32, 128))} | {31: 0x200_0100},
        "fr": {number: [0, 0xFFFF, 1 << 63 | rng.getrandbits(63)] for number in range(2, 128)},
        "pr": rng.getrandbits(64) | 1,
        "mem": [[0x200_0000, rng.randbytes(4096).hex()]],
    }


if __name__ == "__main__":
    sys.exit(main())
