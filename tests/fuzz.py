"""A fuzzer: random assembly, headers and instance files, in which nothing but our own errors may be raised.

    make fuzz                       ten minutes, one process a core, from a seed that it says
    python -m tests.fuzz --minutes 5 --seed 1 --jobs 2 --keep DIR
    python -m tests.fuzz --replay KIND SEED NUMBER

Input number N of a seed is the same wherever it is tried. What raises something else is written to the folder of
`--keep`, with what was raised, and the exit status is 1.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import os
import random
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from pvasm.check.engine import Selection, run
from pvasm.check.instance_files import check_instance_file
from pvasm.check.rule import all_instance_rules
from pvasm.check.subject import Subject
from pvasm.data import samples_directory
from pvasm.errors import PvasmError
from pvasm.expand import ExpandErrors, expand
from pvasm.header.convert import ImportSettings, import_header
from pvasm.ia64.reading import assembly_parser
from pvasm.paravirt.environments import build_names, known_macros
from pvasm.paravirt.loading import load_catalog, load_instance
from pvasm.syntax.document import read_document
from pvasm.text import decode, encode

_CATALOG = load_catalog()
_KNOWN = known_macros()
_RULES = Selection(("PV",)).rules()
_INSTANCE_RULES = list(all_instance_rules().values())
_XEN = load_instance("xen", _CATALOG)
_LONGEST = 600  # characters of a piece of real text

_ASSEMBLY = [decode(path.read_bytes()) for path in sorted(samples_directory().rglob("*.[Sh]"))]
_INSTANCES = [decode(path.read_bytes()) for path in sorted((samples_directory().parent / "instances").glob("*.yaml"))]

_PIECES = [
    *";:{}()[],=#@$\\\"'&<>%.+-*/|^~!?0",
    *("\n", ";;", "/*", "*/", "//", "\r", "\t", "\0", "\udcff", "\\\n", "##", "\\@", "\\()", "...", "__VA_ARGS__"),
    *("#if X", "#ifdef X", "#elif", "#else", "#endif", "#undef A", "#define A(x) x", "#define A A", '#include "a.h"'),
    *(".macro m x, y=1", ".endm", " m r1", ".irp r, r1, r2", ".irpc c, ab", ".rept 3", ".endr", ".if X", ".else"),
    *(".ifc \\x,r1", ".endif", ".exitm", ".purgem m", ".altmacro", ".set x, r1", "x = ar.itc", ".rotr v[2]", ".auto"),
    *("mov r1=cr.ifa", "(p6)", "COVER", "RFI", "MOV_FROM_IFA(r16)", "SSM_PSR_I(p0, p8, r14)", "THASH(", "fc r3"),
    *("MOV_TO_KR(CURRENT, r1, r2, r3)", ".mib", "alloc r1=ar.pfs,1,2,3,0", "br.call.sptk b0=f", "br.ret.sptk rp"),
    *("/* pvasm: ignore[PV001] */", "// pvasm: user-level begin", ".section .text", '.pred.rel "mutex", p6, p7'),
    *(
        "{{ reg }}",
        "{% if reg == 'r8' %}",
        "{% endif %}",
        "{% for x in range(9) %}",
        "extends: xen",
        "ops:",
        "- ",
        "? ",
    ),
    *("template: |", "bare:", "!!python/name:os.system", "&a", "*a", "0x10000000000000000", "ld8.mov r1=[r2],x#"),
]


def _mutated(rng: random.Random, texts: list[str]) -> str:
    """A piece of real text with pieces cut out, put in, doubled and swapped."""
    text = rng.choice(texts)
    start = rng.randrange(len(text) + 1)
    source = text[start : start + rng.randrange(_LONGEST)]
    for _ in range(rng.randrange(10)):
        at = rng.randrange(len(source) + 1)
        end = min(len(source), at + rng.randrange(20))
        source = source[:at] + rng.choice(["", source[at:end] * 2, rng.choice(_PIECES)]) + source[end:]
    return source


def _soup(rng: random.Random) -> str:
    """Pieces side by side."""
    return "".join(rng.choice(_PIECES) + rng.choice(["", " ", "\n", "\n\t"]) for _ in range(rng.randrange(1, 40)))


def _text(rng: random.Random, texts: list[str]) -> str:
    return _soup(rng) if rng.random() < 0.3 else _mutated(rng, texts)


def _try_assembly(rng: random.Random, folder: Path) -> str:
    text = _text(rng, _ASSEMBLY)
    preprocessed = rng.random() < 0.2
    document = read_document(assembly_parser(), text, "a.S", preprocessed=preprocessed)
    assert document.text == text
    fixing = rng.random() < 0.1
    with contextlib.suppress(PvasmError, ExpandErrors):
        run(Subject(document, _CATALOG, _KNOWN, tuple(build_names()), fixing=fixing), _RULES)
        expand(document, _CATALOG, _XEN)
    return text


def _try_header(rng: random.Random, folder: Path) -> str:
    text = _text(rng, _ASSEMBLY)
    path = folder / "ops.h"
    path.write_bytes(encode(text))
    with contextlib.suppress(PvasmError):
        import_header(ImportSettings(str(path), "mine", "xen"), _CATALOG)
    return text


def _try_instance(rng: random.Random, folder: Path) -> str:
    text = _text(rng, _INSTANCES)
    if rng.random() < 0.7:
        text = f"name: mine\ndescription: a trial\nextends: xen\n{text}"
    path = folder / "mine.yaml"
    path.write_bytes(encode(text))
    with contextlib.suppress(PvasmError):
        check_instance_file(str(path), _INSTANCE_RULES)
    return text


KINDS: dict[str, Callable[[random.Random, Path], str]] = {
    "assembly": _try_assembly,
    "header": _try_header,
    "instance": _try_instance,
}
_WEIGHTS = [80, 10, 10]


def _kind(seed: int, number: int) -> str:
    return random.Random(f"{seed} {number} kind").choices(list(KINDS), _WEIGHTS)[0]


def attempt(kind: str, seed: int, number: int, folder: Path) -> str | None:
    """What an input raises that it may not; None if nothing."""
    try:
        KINDS[kind](random.Random(f"{seed} {number}"), folder)
    except Exception:
        return traceback.format_exc()
    return None


def _work(seed: int, first: int, step: int, until: float, keep: str) -> tuple[Counter[str], int]:
    """Tries every `step`th input from `first` on, until a time; how many of each kind, and how many failed."""
    tried: Counter[str] = Counter()
    failures = 0
    number = first
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        while time.monotonic() < until:
            kind = _kind(seed, number)
            raised = attempt(kind, seed, number, folder)
            tried[kind] += 1
            if raised is not None:
                failures += 1
                where = Path(keep) / f"{kind}-{seed}-{number}.txt"
                where.write_text(f"python -m tests.fuzz --replay {kind} {seed} {number}\n{raised}", errors="replace")
                print(f"{where}: {raised.strip().splitlines()[-1]}", flush=True)
            number += step
    return tried, failures


def main() -> int:
    """Runs the fuzzer; the exit status is 1 if something was raised."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--keep", default="fuzz-failures", help="the folder for what fails")
    parser.add_argument("--replay", nargs=3, metavar=("KIND", "SEED", "NUMBER"))
    options = parser.parse_args()
    if options.replay:
        kind, seed, number = options.replay
        with tempfile.TemporaryDirectory() as name:
            raised = attempt(kind, int(seed), int(number), Path(name))
        print(raised or "nothing was raised")
        return int(raised is not None)
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}, {options.jobs} processes, {options.minutes:g} minutes", flush=True)
    Path(options.keep).mkdir(exist_ok=True)
    until = time.monotonic() + 60 * options.minutes
    with multiprocessing.Pool(options.jobs) as pool:
        calls = [(seed, first, options.jobs, until, options.keep) for first in range(options.jobs)]
        found = pool.starmap(_work, calls)
    tried = sum((each for each, _ in found), Counter[str]())
    failures = sum(number for _, number in found)
    kinds = ", ".join(f"{number} of {kind}" for kind, number in sorted(tried.items()))
    print(f"{tried.total()} inputs ({kinds}): {failures} raised what they may not")
    return int(failures > 0)


if __name__ == "__main__":
    sys.exit(main())
