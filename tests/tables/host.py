"""Compiling what `pvasm tables` writes with the host's gcc, which has Linux/IA64's sizes (LP64)."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from pvasm.paravirt.instance import Instance
from tests.oracle import require_tool
from tests.tables.linux_tables import TABLES, Fact

STRICT = ("-Wall", "-Wextra", "-Werror", "-std=gnu99", "-ffreestanding")
INSTANCES = ("native", "native-poison", "hvm", "xen", "trap")


def compile_c(folder: Path, *names: str, flags: Sequence[str] = STRICT, output: str | None = None) -> None:
    """Compiles sources of a folder, to objects or to a program. Fails with what gcc says."""
    goal = ["-c"] if output is None else ["-o", output]
    command = [require_tool("gcc"), *flags, *goal, *names]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def run(folder: Path, program: str) -> list[str]:
    """The lines that a program prints, which ends well."""
    done = subprocess.run([folder / program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def functions() -> Iterator[tuple[str, str, Fact]]:
    """The tables' members that are functions, by table and name."""
    for table, members in TABLES.items():
        for name, fact in members.items():
            if fact.parameters is not None:
                yield table, name, fact


def stubs(instance: Instance) -> str:
    """The kernel's side: a function for each name in an instance's tables, which prints itself and its arguments.

    One that gives a value gives the number of its place. Symbols of data are there as well.
    """
    lines = []
    for number, (table, name, fact) in enumerate(functions()):
        symbol = instance.tables[table].get(name)
        if symbol is None:
            continue
        given = ", ".join(f"{type_} a{place}" for place, type_ in enumerate(fact.parameters or ())) or "void"
        words = "".join(" %lu" for _ in fact.parameters or ())
        values = "".join(f", (unsigned long)a{place}" for place, _ in enumerate(fact.parameters or ()))
        gives = "" if fact.result == "void" else f" return ({fact.result}){number + 1}ul;"
        lines.append(f'{fact.result} {symbol}({given})\n{{ printf("{symbol}{words}\\n"{values});{gives} }}')
    for table, members in TABLES.items():
        for name, fact in members.items():
            symbol = instance.tables[table].get(name)
            if fact.parameters is None and table != "pv_info":
                lines.append(f"{'unsigned long' if fact.result == 'unsigned long *' else 'char'} {symbol}[8];")
    return "".join(f"{line}\n" for line in lines)


def calls() -> str:
    """A function that calls every member by the kernel's name for that, and prints the values that come of it."""
    lines = []
    for _, _, fact in functions():
        given = ", ".join(f"({type_}){10 + place}ul" for place, type_ in enumerate(fact.parameters or ()))
        call = f"{fact.called}({given})"
        lines.append(f"{call};" if fact.result == "void" else f'printf("gives %lu\\n", (unsigned long){call});')
    return "static void call_all(void)\n{\n" + "".join(f"\t{line}\n" for line in lines) + "}\n"


def printed(instance: Instance) -> list[str]:
    """What `call_all` prints where an instance's tables are installed."""
    lines = []
    for number, (table, name, fact) in enumerate(functions()):
        symbol = instance.tables[table].get(name)
        if symbol is not None:
            lines.append(" ".join([str(symbol), *(str(10 + place) for place, _ in enumerate(fact.parameters or ()))]))
        if fact.result != "void":
            lines.append(f"gives {0 if symbol is None else number + 1}")
    return lines
