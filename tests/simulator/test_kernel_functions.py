"""Functions of Linux, as `kernel_functions.py` calls them: a few inputs each, and more in CI."""

from __future__ import annotations

import itertools
import random
import subprocess
import tempfile
from pathlib import Path

import pytest

from pvasm.asm.image import Image, Segment
from tests.corpus.build import Corpus
from tests.oracle import require_tool
from tests.simulator.kernel_functions import (
    DIVISIONS,
    KERNEL,
    PAGE,
    PAGES,
    SUBJECTS,
    USER,
    Call,
    KernelCode,
    exact_division,
    failures,
    reached,
)

_EDGES = [0, 1, 2, 3, *(1 << bits for bits in (15, 16, 31, 32, 52, 53, 62, 63))]


@pytest.mark.parametrize("name", SUBJECTS)
def test_random_inputs(corpus: Corpus, name: str) -> None:
    assert failures(corpus, name, 10, 0) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", SUBJECTS)
def test_more_random_inputs(corpus: Corpus, name: str) -> None:
    assert failures(corpus, name, 30, 1000) == []


@pytest.mark.parametrize("name", DIVISIONS)
def test_division_of_edge_values(corpus: Corpus, name: str) -> None:
    """0, powers of two and their neighbours, of both signs: each by each, but none by 0."""
    bits = int(name[-2:])
    code = DIVISIONS[name].code(corpus)
    numbers = sorted({(sign * (each + by)) % (1 << bits) for each in _EDGES for by in (-1, 0, 1) for sign in (1, -1)})
    chance = random.Random(name)
    pairs = [(dividend, divisor) for dividend, divisor in itertools.product(numbers, numbers) if divisor]
    for dividend, divisor in chance.sample(pairs, 150):
        signed, remainder = not name.startswith("u"), "mod" in name
        result = exact_division(dividend, divisor, bits, signed=signed, remainder=remainder)
        entry = f"__{name[:-2]}{'si3' if bits == 32 else 'di3'}"
        code.check(Call(entry, [dividend, divisor], result, width=bits), chance)


def test_faults_go_to_their_fix_ups(corpus: Corpus) -> None:
    """A quarter of the inputs and more have a page that is not there: each way out of copy_user is taken."""
    code = SUBJECTS["copy_from_user"].code(corpus)
    taken = set()
    for seed in range(60):
        chance = random.Random(seed)
        call = SUBJECTS["copy_from_user"].made(chance)
        if reached(call.arguments[1], call.arguments[2], call.absent) < call.arguments[2]:
            taken.add(call.result)
    assert len(taken) > 15
    assert len(code.fix_ups) == 38


# ----------------------------------------------------------------------- what the assembler makes

_WITHOUT_RELOCATIONS = ("strlen", "memset", "memcpy", "memcpy_mck", "clear_page", "copy_page", "copy_page_mck")
_CODE = range(0x10000, 0x14000)


def object_code(corpus: Corpus, name: str) -> KernelCode:
    """The code of a file as GNU as has it in its object, which nothing has to be filled in of."""
    (file,) = [each for each in corpus.files if each.name == name]
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder) / "text"
        copy = [require_tool("ia64-linux-gnu-objcopy"), "-O", "binary", "-j", ".text", str(file.object), str(raw)]
        subprocess.run(copy, check=True)
        text = raw.read_bytes()
    listed = subprocess.run(
        [require_tool("ia64-linux-gnu-nm"), str(file.object)], capture_output=True, text=True, check=True
    ).stdout
    symbols = {name: _CODE[0] + int(at, 16) for at, kind, name in map(str.split, listed.splitlines()) if kind == "T"}
    return KernelCode(Image([Segment(".text", _CODE[0], bytearray(text), True)], symbols))


@pytest.mark.parametrize("name", [*_WITHOUT_RELOCATIONS, "do_csum", "xor", "div32", "div64"])
def test_the_object_of_the_assembler_leaves_the_same_state(corpus: Corpus, name: str) -> None:
    """Bundles lie elsewhere, so what holds an address of code may differ; nothing else does."""
    subject = SUBJECTS[name]
    ours, theirs = KernelCode(subject.code(corpus).image), object_code(corpus, subject.files[0])
    for seed in range(12):
        states = []
        for code in (ours, theirs):
            chance = random.Random(seed)
            code.check(subject.made(chance), chance)
            machine = code.machine
            registers = [each if each not in _CODE else None for each in (*machine.gr[2:], *machine.br)]
            memory = [machine.memory.read(base, PAGES * PAGE) for base in (USER, KERNEL)]
            states.append((registers, machine.nat, machine.fr, machine.pr, machine.cfm, machine.psr, memory))
        assert states[0] == states[1]
