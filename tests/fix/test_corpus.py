"""Real files (Linux 6.1's entry, fsys, gate and ivt) without their ops, mended, and compared with what they were."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from pvasm.check.engine import Selection, run
from pvasm.expand import expand
from pvasm.paravirt.loading import load_instance
from pvasm.paravirt.shipped import instance_names
from pvasm.syntax.document import read_document
from pvasm.text import read_text
from tests.check.test_groups import in_a_group
from tests.corpus.build import Corpus, CorpusFile
from tests.expand.test_corpus import CATALOG, WITH_OPS, corpus, preprocessed, sections
from tests.fix.fixing import CODES, PARSER, mended, subject
from tests.isa.dependency_oracle import by_the_checker, differences, without_markers
from tests.paravirt.assembler import assemble
from tests.slow import few

__all__ = ["corpus"]

# What stays: where no register is certain to be free. Mostly between the saving of the interrupted context and the
# call of a C function, where a register that the code before has used may, for all that the file tells, be an argument.
MOST_LEFT = {"entry": 2, "fsys": 2, "gate": 1, "ivt": 16}


def directories(corpus: Corpus) -> list[str]:
    return [flag.removeprefix("-I") for flag in corpus.include_flags if flag.startswith("-I")]


def native(text: str, path: Path) -> str:
    """The variant for bare hardware: every op is its instruction."""
    return expand(read_document(PARSER, text, str(path)), CATALOG, load_instance("native", CATALOG))


@cache
def converted(corpus: Corpus, name: str) -> tuple[CorpusFile, str, str, list[str]]:
    """A file, its text without ops, what mending makes of that, and why what is left is left."""
    file = next(file for file in corpus.files if file.name == name)
    plain = native(read_text(file.raw), file.raw)
    fixed = mended(plain, str(file.raw), directories(corpus))
    left = run(fixed.subject, Selection(CODES).rules())
    return file, plain, fixed.text, [" ".join(d.details) for d in left]


@pytest.mark.slow
@pytest.mark.parametrize("name", WITH_OPS)
def test_every_instruction_that_has_an_op_becomes_it_or_is_told_why_not(name: str, corpus: Corpus) -> None:
    _, plain, _, left = converted(corpus, name)
    assert all(reason.startswith("not fixed: ") for reason in left)
    assert len(left) <= MOST_LEFT[name]
    assert len(run(subject(plain), Selection(CODES).rules())) > 2 * len(left)


@pytest.mark.parametrize("name", [*few(WITH_OPS, "fsys")])
def test_the_native_variant_has_the_bytes_of_the_original(name: str, corpus: Corpus, tmp_path: Path) -> None:
    file, _, text, _ = converted(corpus, name)
    output, _ = assemble(preprocessed(corpus, file.raw, native(text, file.raw)), tmp_path)
    got = sections(output)
    assert got == sections(assemble(read_text(file.preprocessed), tmp_path)[0])


@pytest.mark.parametrize("name", [*few(WITH_OPS, "fsys")])
def test_so_it_has_if_ops_pass_through_the_preprocessor(name: str, corpus: Corpus, tmp_path: Path) -> None:
    file, _, text, _ = converted(corpus, name)
    header = tmp_path / "asm" / "native" / "inst.h"
    header.parent.mkdir(parents=True)
    header.write_text("#define DO_SAVE_MIN IA64_NATIVE_DO_SAVE_MIN\n")
    after = preprocessed(corpus, file.raw, text, f"-I{tmp_path}")
    document = read_document(PARSER, after, preprocessed=True)
    output, _ = assemble(expand(document, CATALOG, load_instance("native", CATALOG)), tmp_path)
    got = sections(output)
    assert got == sections(assemble(read_text(file.preprocessed), tmp_path)[0])


@pytest.mark.parametrize("name", WITH_OPS)
def test_a_second_time_changes_nothing(name: str, corpus: Corpus) -> None:
    file, _, text, _ = converted(corpus, name)
    assert mended(text, str(file.raw), directories(corpus)).text == text


@pytest.mark.slow
@pytest.mark.parametrize("name", WITH_OPS)
def test_what_it_gives_away_is_not_needed(name: str, corpus: Corpus) -> None:
    file, _, text, _ = converted(corpus, name)
    found = run(subject(text, str(file.raw), directories(corpus)), Selection(("PV1", "PV2", "PV3", "PV4")).rules())
    assert [d for d in found if d.severity == "error"] == []


@pytest.mark.parametrize("instance", instance_names())
@pytest.mark.parametrize("name", [*few(WITH_OPS, "fsys")])
def test_the_variants_have_no_register_violation(name: str, instance: str, corpus: Corpus, tmp_path: Path) -> None:
    file, _, text, _ = converted(corpus, name)
    variant = expand(read_document(PARSER, text, str(file.raw)), CATALOG, load_instance(instance, CATALOG))
    plain = without_markers(preprocessed(corpus, file.raw, variant))
    found = by_the_checker(plain)
    assert differences(plain, found, tmp_path) == []
    assert in_a_group(plain) == 0


@pytest.mark.parametrize("name", WITH_OPS)
def test_the_files_as_they_are_need_little(name: str, corpus: Corpus, tmp_path: Path) -> None:
    file = next(file for file in corpus.files if file.name == name)
    fixed = mended(read_text(file.raw), str(file.raw), directories(corpus))
    assert not [d for d in run(fixed.subject, Selection(CODES).rules()) if "not fixed" not in " ".join(d.details)]
    output, _ = assemble(preprocessed(corpus, file.raw, native(fixed.text, file.raw)), tmp_path)
    got = sections(output)
    assert got == sections(assemble(read_text(file.preprocessed), tmp_path)[0])
