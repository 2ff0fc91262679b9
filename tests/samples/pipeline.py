"""The steps from a sample to an object file, each as a person would do it in a shell."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from pvasm.data import samples_directory
from pvasm.paravirt.environments import instance_summaries
from tests.cli.fork_server import Ended, run
from tests.oracle import require_tool

SAMPLES = samples_directory()
CLEAN = sorted(SAMPLES.glob("*.S"))
BROKEN = sorted((SAMPLES / "broken").glob("*.S"))
INCLUDE = SAMPLES / "include"
REFERENCE = Path(__file__).with_name("native_reference.h")

SYMBOLS = {summary.name: summary.defines for summary in instance_summaries()}

OP = re.compile(
    r"\b(?:MOV_(?:FROM|TO)_\w+|ITC_\w+|THASH|SSM_PSR_\w+|RSM_PSR_\w+|BSW_[01]|COVER|RFI)\b",
)


@dataclass(frozen=True, slots=True)
class Assembled:
    """What the assembler made, and what it had to say."""

    object: Path
    status: int
    messages: str


def pvasm(*arguments: str | Path, stdin: bytes = b"") -> Ended:
    """Run the tool in a process of its own."""
    return run([str(each) for each in arguments], Path.cwd(), stdin, os.environ)


def expand(source: Path, instance: str, target: Path, *options: str) -> Path:
    """`target`, which is `source` expanded for an instance."""
    done = pvasm("expand", source, "--instance", instance, "-o", target, *options)
    assert done.status == 0, done.errors.decode()
    return target


def preprocess(source: Path, target: Path, *options: str) -> Path:
    """`target`, which is `source` after the C preprocessor."""
    language = ["-x", "assembler-with-cpp", "-undef", "-D__ASSEMBLY__"]
    command = [require_tool("gcc"), "-E", *language, f"-I{INCLUDE}", *options, str(source), "-o", str(target)]
    subprocess.run(command, check=True)
    return target


def assemble(source: Path, target: Path) -> Assembled:
    """Assemble in explicit mode: every dependency violation within an instruction group is reported."""
    command = [require_tool("ia64-linux-gnu-as"), "-x", "-o", str(target), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return Assembled(target, done.returncode, done.stderr)


def build(source: Path, instance: str, folder: Path, *options: str) -> Assembled:
    """All three steps: expand, preprocess, assemble; `options` are those of `pvasm expand`."""
    name = f"{source.stem}-{instance}"
    variant = expand(source, instance, folder / f"{name}.S", *options)
    text = preprocess(variant, folder / f"{name}.s", f"-D{SYMBOLS[instance]}")
    return assemble(text, folder / f"{name}.o")


def build_reference(source: Path, folder: Path) -> Assembled:
    """The sample with its ops defined as instructions by the preprocessor: pvasm has no part in it."""
    name = f"{source.stem}-reference"
    text = preprocess(source, folder / f"{name}.s", f"-D{SYMBOLS['native']}", "-include", str(REFERENCE))
    return assemble(text, folder / f"{name}.o")


def contents(binary: Path) -> str:
    """All sections of an object file with their bytes, in text form."""
    command = [require_tool("ia64-linux-gnu-objdump"), "-s", str(binary)]
    dump = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return dump[dump.index("Contents of section") :]
