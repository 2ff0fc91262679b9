"""Real files (Linux 6.1's), converted to ops by --fix, by all four routes to an object: the same bytes.

The routes: expand the source, then the C preprocessor; the C preprocessor, then expand; `pvasm cc`; a header of the
instance and the C preprocessor alone.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from pvasm.cc.compile_with import compile_with
from pvasm.errors import PvasmError
from pvasm.expand import expand
from pvasm.header.write import instance_header, undefining_header
from pvasm.paravirt.loading import load_instance
from pvasm.paravirt.shipped import instance_names
from pvasm.syntax.document import read_document
from pvasm.text import read_text
from tests.cc.compiler import make_compiler
from tests.corpus.build import Corpus, CorpusFile
from tests.expand.test_corpus import WITH_OPS, corpus, preprocessed, sections
from tests.fix.fixing import PARSER
from tests.fix.test_corpus import converted
from tests.paravirt.assembler import assemble
from tests.paravirt.cases import CATALOG
from tests.slow import few

__all__ = ["corpus"]


def variant(text: str, instance: str, *, is_preprocessed: bool) -> str:
    document = read_document(PARSER, text, "t.S", preprocessed=is_preprocessed)
    return expand(document, CATALOG, load_instance(instance), line_markers=True)


def with_header(folder: Path, text: str) -> str:
    """The flag that puts a header in the place of the one that has the kernel's ops."""
    header = folder / "asm" / "native" / "inst.h"
    header.parent.mkdir(parents=True, exist_ok=True)
    header.write_text(text)
    return f"-I{folder}"


def source_first(corpus: Corpus, file: CorpusFile, text: str, instance: str, folder: Path) -> str:
    plain = preprocessed(corpus, file.raw, variant(text, instance, is_preprocessed=False))
    return sections(assemble(plain, folder)[0])


def preprocessor_first(corpus: Corpus, file: CorpusFile, text: str, instance: str, folder: Path) -> str:
    flag = with_header(folder, undefining_header(CATALOG, load_instance(instance).renames))
    plain = preprocessed(corpus, file.raw, text, "-dD", flag)
    return sections(assemble(variant(plain, instance, is_preprocessed=True), folder)[0])


def compiler(corpus: Corpus, file: CorpusFile, text: str, instance: str, folder: Path) -> str:
    flag = with_header(folder, undefining_header(CATALOG, load_instance(instance).renames))
    source = folder / file.raw.name
    source.write_text(text)
    errors: list[PvasmError] = []
    flags = [flag, *corpus.include_flags, "-iquote", str(file.raw.parent), "-undef", "-nostdinc"]
    output = folder / "cc.o"
    command = [make_compiler(folder), *flags, "-c", str(source), "-o", str(output)]
    assert compile_with(instance, command, errors.append) == 0
    assert errors == []
    return sections(output)


def header(corpus: Corpus, file: CorpusFile, text: str, instance: str, folder: Path) -> str:
    flag = with_header(folder, instance_header(load_instance(instance)))
    return sections(assemble(preprocessed(corpus, file.raw, text, flag), folder)[0])


ROUTES = (source_first, preprocessor_first, compiler, header)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.__name__)
@pytest.mark.parametrize("name", [*few(WITH_OPS, "fsys")])
def test_the_native_variant_has_the_bytes_of_the_original(
    name: str, route: object, corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_ALL", "C")
    file, _, text, _ = converted(corpus, name)
    (tmp_path / "plain").mkdir()
    original = sections(assemble(read_text(file.preprocessed), tmp_path / "plain")[0])
    assert callable(route)
    got = route(corpus, file, text, "native", tmp_path)
    assert got == original


@pytest.mark.parametrize("instance", [name for name in instance_names() if name != "native"])
@pytest.mark.parametrize("name", [*few(WITH_OPS, "fsys")])
def test_any_variant_has_the_same_bytes_by_the_routes_that_see_the_headers(
    name: str, instance: str, corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Headers (minstate.h) have ops as well; to expand the source alone leaves those to the kernel's own macros."""
    monkeypatch.setenv("LC_ALL", "C")
    file, _, text, _ = converted(corpus, name)
    first, second, third = (route(corpus, file, text, instance, tmp_path) for route in ROUTES[1:])
    assert first == second
    assert third == second
