"""Functions of Linux that nobody here wrote, on random inputs, against what they are for."""

from __future__ import annotations

import random

import pytest
from pvsim.function_run import FunctionRun

from pvasm.asm.layout import lay_out
from pvasm.asm.reading import assembly_parser
from pvasm.syntax.document import read_document
from pvasm.text import read_text
from tests.corpus.build import Corpus

SOURCE, TARGET, ROOM = 0x20000, 0x30000, 0x400


def called(corpus: Corpus, file: str, entry: str, *arguments: int, memory: bytes = b"") -> FunctionRun:
    """A function that has been called, with bytes at SOURCE."""
    (found,) = [each for each in corpus.files if each.name == file]
    document = read_document(assembly_parser(), read_text(found.preprocessed), str(found.preprocessed))
    run = FunctionRun(lay_out(document), entry)
    for number, value in enumerate(arguments):
        run.set_register(f"r{32 + number}", value)
    run.set_memory(SOURCE, memory)
    assert run.finish(1_000_000), list(run.told())[-1]
    return run


@pytest.mark.parametrize("seed", range(8))
def test_strlen(corpus: Corpus, seed: int) -> None:
    chance = random.Random(seed)
    at, size = chance.randrange(64), chance.randrange(200)
    text = bytes(at) + bytes(chance.randrange(1, 256) for _ in range(size)) + b"\0tail"
    assert called(corpus, "strlen", "strlen", SOURCE + at, memory=text).machine.gr[8] == size


@pytest.mark.parametrize("name", ["memcpy", "memcpy_mck"])
@pytest.mark.parametrize("seed", range(8))
def test_memcpy(corpus: Corpus, name: str, seed: int) -> None:
    chance = random.Random(seed)
    source, target, size = chance.randrange(32), chance.randrange(32), chance.randrange(400)
    data = chance.randbytes(ROOM)
    run = called(corpus, name, "memcpy", TARGET + target, SOURCE + source, size, memory=data)
    expected = bytes(target) + data[source : source + size] + bytes(ROOM - size - target)
    assert run.machine.memory.read(TARGET, ROOM) == expected


@pytest.mark.parametrize("seed", range(8))
def test_memset(corpus: Corpus, seed: int) -> None:
    chance = random.Random(seed)
    at, size, value = chance.randrange(32), chance.randrange(500), chance.randrange(256)
    run = called(corpus, "memset", "memset", SOURCE + at, value, size, memory=b"\xa5" * ROOM)
    expected = b"\xa5" * at + bytes([value]) * size + b"\xa5" * (ROOM - size - at)
    assert run.machine.memory.read(SOURCE, ROOM) == expected


@pytest.mark.parametrize("seed", range(8))
def test_division(corpus: Corpus, seed: int) -> None:
    chance = random.Random(seed)
    dividend, divisor = chance.randrange(-(1 << 63), 1 << 63), chance.randrange(1, 1 << chance.randrange(1, 63))
    run = called(corpus, "idiv64", "__divdi3", dividend, divisor)
    quotient = abs(dividend) // divisor * (1 if dividend >= 0 else -1)
    assert run.machine.gr[8] == quotient % (1 << 64)
