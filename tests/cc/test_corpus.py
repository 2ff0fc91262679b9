"""Real files (Linux 6.1's) through `pvasm cc` for bare hardware: the objects that the kernel's own build makes."""

from __future__ import annotations

from pathlib import Path

import pytest

from pvasm.cc.compile_with import compile_with
from pvasm.errors import PvasmError
from tests.cc.compiler import added, run
from tests.corpus.build import Corpus, CorpusFile
from tests.expand.test_corpus import WITH_OPS, sections


def compiled(file: CorpusFile, corpus: Corpus, compiler: str, folder: Path, *flags: str) -> str:
    """All sections of a file's object, made through `pvasm cc` in this process."""
    errors: list[PvasmError] = []
    output = folder / f"{file.name}.o"
    flags = (*flags, *corpus.include_flags, "-undef", "-nostdinc")
    command = [compiler, *flags, "-Wp,-MMD," + str(folder / "rule.d"), "-c", str(file.raw), "-o", str(output)]
    assert compile_with("native", command, errors.append) == 0
    assert errors == []
    rule = (folder / "rule.d").read_text().replace("\\\n", "").split()
    assert rule[:2] == [f"{file.name}.o:", str(file.raw)]
    assert rule[-2:] == added("native")
    return sections(output)


@pytest.mark.slow
def test_the_objects_are_those_of_a_plain_build(
    corpus: Corpus, compiler: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_ALL", "C")
    for file in corpus.files:
        plain = tmp_path / "plain.o"
        command = [compiler, "-x", "assembler", "-c", str(file.preprocessed), "-o", str(plain)]
        assert run(command, file.preprocessed.parent).status == 0
        assert compiled(file, corpus, compiler, tmp_path) == sections(plain), file.name


@pytest.mark.parametrize("name", WITH_OPS)
def test_so_they_are_where_ops_pass_through_the_preprocessor(
    name: str, corpus: Corpus, compiler: str, tmp_path: Path
) -> None:
    file = next(file for file in corpus.files if file.name == name)
    header = tmp_path / "asm" / "native" / "inst.h"
    header.parent.mkdir(parents=True)
    header.write_text("#define DO_SAVE_MIN IA64_NATIVE_DO_SAVE_MIN\n")
    got = compiled(file, corpus, compiler, tmp_path, f"-I{tmp_path}")
    command = [compiler, "-x", "assembler", "-c", str(file.preprocessed), "-o", str(tmp_path / "plain.o")]
    assert run(command, tmp_path).status == 0
    assert got == sections(tmp_path / "plain.o")
