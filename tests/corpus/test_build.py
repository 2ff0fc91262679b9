"""The corpus itself: complete, and right about each instruction."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tests.corpus import build
from tests.corpus.build import Corpus, CorpusError, CorpusFile, Instruction, available

NOP_BITS = {"M": 0x1 << 27, "I": 0x1 << 27, "F": 0x1 << 27, "B": 0x2 << 37}  # SDM 3:4, "nop" of each unit, immediate 0


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    in_ci = os.environ.get("CI") == "true"
    if reason := available():
        (pytest.fail if in_ci else pytest.skip)(reason)
    try:
        return build.corpus()
    except CorpusError as error:
        (pytest.fail if in_ci else pytest.skip)(str(error))


def named(corpus: Corpus, name: str) -> CorpusFile:
    return next(file for file in corpus.files if file.name == name)


def unit_of(instruction: Instruction) -> str:
    return instruction.template[instruction.slot]


def test_it_has_every_assembly_file(corpus: Corpus) -> None:
    assert len(corpus.files) == 28
    for file in corpus.files:
        assert file.raw.name == f"{file.name}.S"
        assert file.raw.is_file()
        assert file.preprocessed.is_file()
        assert file.object.is_file()
        assert file.instructions


def test_slots_and_bits_agree_with_what_the_manual_says_of_nop(corpus: Corpus) -> None:
    nops = [i for file in corpus.files for i in file.instructions if re.fullmatch(r"nop\.[mifb] 0x0", i.text)]
    assert {unit_of(nop) for nop in nops} == set("MIFB")
    for nop in nops:
        assert nop.bits == NOP_BITS[unit_of(nop)] | int(nop.predicate[1:])
        assert nop.text[4] == unit_of(nop).lower()


def test_a_long_instruction_has_the_bits_of_two_slots(corpus: Corpus) -> None:
    moves = [i for i in named(corpus, "head").instructions if i.mnemonic == "movl" and not i.relocated]
    assert moves
    for move in moves:
        assert move.long_bits is not None
        extension, bits = move.long_bits, move.bits
        value = (  # SDM 3:4, format X2
            (bits >> 36 & 1) << 63
            | extension << 22
            | (bits >> 21 & 1) << 21
            | (bits >> 22 & 0x1F) << 16
            | (bits >> 27 & 0x1FF) << 7
            | (bits >> 13 & 0x7F)
        )
        assert int(move.text.partition("=")[2], 0) == value


def test_each_instruction_knows_the_line_it_is_from(corpus: Corpus) -> None:
    for file in corpus.files:
        for instruction in file.instructions:
            assert instruction.source is not None
            if instruction.in_own_text:
                lines = (corpus.root / "built" / instruction.source).read_text(errors="replace").splitlines()
                assert instruction.mnemonic in lines[instruction.line - 1]


def test_a_build_that_fails_leaves_nothing_half_made(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tree").symlink_to(corpus.root / "tree")
    done: list[str] = []

    def interrupted(tree: Path, source: Path, built: Path) -> build._File:
        if len(done) == 3:
            raise KeyboardInterrupt
        done.append(source.name)
        (built / source.name).touch()
        return build._File(source.stem, "", [])

    monkeypatch.setattr(build, "_build_file", interrupted)
    with pytest.raises(KeyboardInterrupt):
        build._build(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["tree"]
