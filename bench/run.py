"""How fast `pvasm check`, `pvasm expand` and simulated code are: `make bench` prints the tables.

The yardstick is what a kernel build does for one instance, file by file: the C preprocessor, a sed script that turns
thirty sensitive and privileged instructions into errors, the assembler. It knows nothing of conditions, comments or
strings, and sees one configuration at a time; pvasm reads the raw files. Both get the 28 files of the test corpus.

The synthetic files are the same files over and over, so they show how time and memory grow, and not how fast a file of
so many different lines would be.

The yardstick for `pvasm expand` is the C preprocessor alone, once for each file and instance, as a build runs it; what
is expanded are the files of the corpus with ops in the place of the instructions that have one (`pvasm check --fix`).

Times are wall times: the median of several runs, after one that is not counted (so all files are in the page cache).
Growth is measured in processor time, which is less at the mercy of what else the machine does.
"""

from __future__ import annotations

import argparse
import itertools
import os
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import simulated

from pvasm.paravirt.shipped import instance_names
from pvasm.text import encode, read_text
from tests.corpus.build import Corpus, CorpusError, corpus
from tests.fix.fixing import mended

SYNTHETIC = (20_000, 110_000, 200_000)  # lines of the synthetic files: two steps of one length

# What is checked: what the kernel's way looks for as well; and all that is on by default, for two instances.
CHECKS = {
    "instructions alone": ("--select", "PV001,PV002,PV003,PV901"),
    "all rules, two instances": ("--instance", "native", "--instance", "xen"),
}

EXPANDED = ("ivt", "entry", "fsys")  # files of the corpus

GENERAL = r"[a-z][a-z0-9_]*"
CONTROL = ("ifa", "itir", "isr", "iha", "iim", "iip", "ipsr", "ivr")
SENSITIVE = (  # thirty extended regular expressions
    *(rf"mov[ \t]+{GENERAL}[ \t]*=[ \t]*cr\.{name}" for name in CONTROL),
    *(rf"mov[ \t]+cr\.{name}[ \t]*=[ \t]*{GENERAL}" for name in ("ifa", "itir", "iha", "ipsr", "ifs", "iip")),
    rf"mov[ \t]+{GENERAL}[ \t]*=[ \t]*psr",
    rf"mov(\.m)?[ \t]+{GENERAL}[ \t]*=[ \t]*ar\.itc",
    rf"mov[ \t]+ar\.eflag[ \t]*=[ \t]*{GENERAL}",
    rf"mov[ \t]+ar\.k[0-7][ \t]*=[ \t]*{GENERAL}",
    rf"mov[ \t]+{GENERAL}[ \t]*=[ \t]*cpuid\[",
    rf"mov[ \t]+{GENERAL}[ \t]*=[ \t]*pmd\[",
    rf"thash[ \t]+{GENERAL}",
    rf"ttag[ \t]+{GENERAL}",
    rf"fc(\.i)?[ \t]+{GENERAL}",
    r"itc\.[id][ \t]",
    r"ssm[ \t]+(psr|0x)",
    r"rsm[ \t]+(psr|0x)",
    r"bsw\.0",
    r"bsw\.1",
    r"cover",
    r"rfi",
)


@dataclass(frozen=True, slots=True)
class Run:
    """One process, from start to end."""

    seconds: float
    cpu_seconds: float
    peak_kib: int


@dataclass(frozen=True, slots=True)
class Bench:
    """What is measured, with what, and where there is room for scratch files."""

    corpus: Corpus
    scratch: Path
    runs: int

    def kernel_and_checks(self) -> tuple[float, dict[str, tuple[float, float]]]:
        """Median seconds for all files: the kernel's way; and the checks of CHECKS, with an empty and a filled cache.

        All take turns, so that whatever else the machine does slows all of them.
        """
        script = self._kernel_way()
        caches = {name: self._fresh_cache() for name in CHECKS}
        turns = [
            [
                seconds_of_shell(script),
                *(
                    check(self._raw_files(), cache, options).seconds
                    for name, options in CHECKS.items()
                    for cache in (self._fresh_cache(), caches[name])
                ),
            ]
            for _ in range(1 + self.runs)
        ]
        kernel, *checks = (statistics.median(column) for column in zip(*turns[1:], strict=True))
        return kernel, {name: (checks[2 * at], checks[2 * at + 1]) for at, name in enumerate(CHECKS)}

    def _kernel_way(self) -> str:
        """A shell script that runs one program after the other, as make would."""
        script = self.scratch / "sensitive.sed"
        script.write_text("".join(map(sed_command, SENSITIVE)))
        text, checked, binary = (str(self.scratch / name) for name in ("text.s", "checked.s", "binary.o"))
        commands = []
        for file in self.corpus.files:
            commands += [
                shlex.join(["gcc", "-E", *self.corpus.cpp_flags, str(file.raw), "-o", text]),
                shlex.join(["sed", "-E", "-f", str(script), text]) + f" > {shlex.quote(checked)}",
                shlex.join(["ia64-linux-gnu-as", "-x", "-o", binary, checked]),
            ]
        return "\n".join(commands)

    def check_synthetic(self) -> list[tuple[int, Run]]:
        """Of each synthetic file: how many lines, and the medians of a check without a cache. The files take turns."""
        paths = [self.scratch / f"synthetic-{lines}.S" for lines in SYNTHETIC]
        raw = self._raw_files()
        counts = [concatenate(raw, lines, path) for lines, path in zip(SYNTHETIC, paths, strict=True)]
        turns = [[check([path], self._fresh_cache()) for path in paths] for _ in range(1 + self.runs)]
        return [(lines, median_run(runs)) for lines, runs in zip(counts, zip(*turns[1:], strict=True), strict=True)]

    def expand_and_preprocess(self) -> tuple[int, dict[str, float]]:
        """How many lines some files have; and median seconds for their variants for all instances, by how it is done.

        The first is the C preprocessor, which only has to read them. All take turns.
        """
        files = [self._with_ops(name) for name in EXPANDED]
        folder = self.scratch / "variants"
        beside = [f"-iquote{file.raw.parent}" for file in self.corpus.files if file.name == EXPANDED[0]]
        names = instance_names()
        text = str(self.scratch / "text.s")
        preprocess = [["gcc", "-E", *self.corpus.cpp_flags, *beside, str(file), "-o", text] for file in files]
        expand = [pvasm(), "expand", "--output-dir", str(folder)]
        ways = {
            f"`gcc -E`, {len(files) * len(names)} runs": preprocess * len(names),
            "`pvasm expand --instance all`, one run": [[*expand, "--instance", "all", *map(str, files)]],
            f"`pvasm expand`, {len(files) * len(names)} runs": [
                [*expand, "--instance", name, str(file)] for name in names for file in files
            ],
            f"`pvasm expand --server`, {len(files) * len(names)} runs": [
                [*expand, "--server", "--instance", name, str(file)] for name in names for file in files
            ],
        }
        os.environ["XDG_RUNTIME_DIR"] = str(self.scratch)
        subprocess.run([*expand, "--server", "--instance", names[0], str(files[0])], check=True, capture_output=True)
        while not any(path.is_socket() for path in (self.scratch / "pvasm").iterdir()):
            time.sleep(0.1)
        turns = []
        for _ in range(1 + self.runs):
            shutil.rmtree(folder, ignore_errors=True)
            turns.append([seconds_of_all(commands) for commands in ways.values()])
        subprocess.run([pvasm(), "serve", "--stop"], check=True)
        medians = (statistics.median(column) for column in zip(*turns[1:], strict=True))
        return sum(file.read_bytes().count(b"\n") for file in files), dict(zip(ways, medians, strict=True))

    def _with_ops(self, name: str) -> Path:
        """A file of the corpus, in which every instruction that has an op, and can be it, is the op."""
        (file,) = (file for file in self.corpus.files if file.name == name)
        directories = [flag.removeprefix("-I") for flag in self.corpus.include_flags if flag.startswith("-I")]
        path = self.scratch / f"{name}.S"
        path.write_bytes(encode(mended(read_text(file.raw), str(file.raw), directories).text))
        return path

    def _raw_files(self) -> list[Path]:
        return [file.raw for file in self.corpus.files]

    def _fresh_cache(self) -> Path:
        return Path(tempfile.mkdtemp(dir=self.scratch, prefix="cache-"))


def median_run(runs: Iterable[Run]) -> Run:
    """The median of each figure."""
    timed = list(runs)
    return Run(
        statistics.median(run.seconds for run in timed),
        statistics.median(run.cpu_seconds for run in timed),
        statistics.median_high(run.peak_kib for run in timed),
    )


def sed_command(pattern: str) -> str:
    """Turn an instruction, where it stands as a word, into an error with its first letters."""
    return f's/(^|[ \\t;)]){pattern}($|[^a-z0-9_])/\\1.error "{pattern.split("[")[0]}"/\n'


def seconds_of_shell(script: str) -> float:
    """Wall time of a shell script. Its assembler fails where something is found: that is how this check reports."""
    start = time.perf_counter()
    done = subprocess.run(["sh", "-c", script], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    seconds = time.perf_counter() - start
    if "Error: mov" not in done.stderr:
        sys.exit("bench: the yardstick found nothing, so it did not work")
    return seconds


def pvasm() -> str:
    """The command beside the Python that runs this."""
    return str(Path(sys.executable).parent / "pvasm")


def seconds_of_all(commands: Iterable[list[str]]) -> float:
    """Wall time of some commands, one after the other; all must go well."""
    start = time.perf_counter()
    for command in commands:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            sys.exit(f"bench: {command[0]} ended with status {done.returncode}\n{done.stderr}")
    return time.perf_counter() - start


def check(paths: Iterable[Path], cache: Path, options: Iterable[str] = ()) -> Run:
    """`pvasm check` of some files. It must end with something found (status 1) or nothing (0), and no complaint."""
    command = [pvasm(), "check", *options, *map(str, paths)]
    environment = {**os.environ, "XDG_CACHE_HOME": str(cache), "PVASM_CACHE_DIR": str(cache)}
    with tempfile.TemporaryFile() as complaints:
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=complaints, env=environment)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        complaints.seek(0)
        said = complaints.read().decode(errors="replace").strip()
    if process.returncode not in (0, 1) or said:  # a Python traceback ends with status 1, too
        sys.exit(f"bench: pvasm check ended with status {process.returncode}\n{said}")
    return Run(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss)


def concatenate(paths: Iterable[Path], at_least: int, target: Path) -> int:
    """Write whole files one behind the other, again and again, until there are enough lines; returns how many."""
    lines = 0
    with target.open("wb") as out:
        for path in itertools.cycle(list(paths)):
            if lines >= at_least:
                break
            content = path.read_bytes()
            out.write(content)
            lines += content.count(b"\n")
    return lines


def report(bench: Bench) -> str:
    """The tables, in Markdown."""
    kernel, checks = bench.kernel_and_checks()
    files = bench.check_synthetic()
    lines_expanded, ways = bench.expand_and_preprocess()
    yardstick = next(iter(ways.values()))
    first, second = (
        (longer.cpu_seconds - shorter.cpu_seconds) / (more - fewer)
        for (fewer, shorter), (more, longer) in itertools.pairwise(files)
    )
    total = sum(file.raw.read_bytes().count(b"\n") for file in bench.corpus.files)
    rows = [
        f"| {len(bench.corpus.files)} files, {total:,} lines | seconds | ratio |",
        "| --- | ---: | ---: |",
        f"| preprocessor, sed, assembler | {kernel:.2f} | 1.00 |",
        *(
            f"| `pvasm check`, {name}, {state} | {seconds:.2f} | {seconds / kernel:.2f} |"
            for name, both in checks.items()
            for state, seconds in zip(("cold", "warm"), both, strict=True)
        ),
        "",
        "| one file, all rules, no cache | seconds | processor seconds | lines a second | peak memory |",
        "| ---: | ---: | ---: | ---: | ---: |",
        *(
            f"| {lines:,} lines | {run.seconds:.2f} | {run.cpu_seconds:.2f} | {lines / run.seconds:,.0f} "
            f"| {run.peak_kib / 1024:.0f} MiB |"
            for lines, run in files
        ),
        "",
        f"| {len(EXPANDED)} files, {lines_expanded:,} lines, {len(instance_names())} instances | seconds | ratio |",
        "| --- | ---: | ---: |",
        *(f"| {name} | {seconds:.2f} | {seconds / yardstick:.2f} |" for name, seconds in ways.items()),
        "",
        simulated.table(bench.corpus, bench.scratch, bench.runs),
        "",
        f"Processor time for a line more to check, second step of length to first: {second / first:.2f} (1 is linear).",
        f"Each figure is the median of {bench.runs} runs.",
    ]
    return "\n".join(rows)


def main() -> int:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--runs", type=int, default=5, help="how many runs the median is of (5)")
    runs = parser.parse_args().runs
    try:
        ready = corpus()
    except CorpusError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    scratch = Path(tempfile.mkdtemp(prefix="pvasm-bench-"))
    # As it is where pvasm is installed: with the bytecode that Python keeps.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ["PYTHONPYCACHEPREFIX"] = str(scratch / "bytecode")
    try:
        print(report(Bench(ready, scratch, runs)))
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
