"""The parser and the instruction table on real code: what GNU as makes of it is the truth."""

from __future__ import annotations

from collections.abc import Iterator

from pvasm.syntax import tree
from pvasm.syntax.document import Document, read_document
from pvasm.text import read_text
from tests.corpus.build import Corpus, CorpusFile
from tests.corpus.compare_with_objdump import PARSER, compare


def documents(corpus: Corpus) -> Iterator[tuple[CorpusFile, Document]]:
    for file in corpus.files:
        yield file, read_document(PARSER, read_text(file.preprocessed), str(file.preprocessed))


def test_everything_parses(corpus: Corpus) -> None:
    for file, document in documents(corpus):
        assert document.preprocessed
        assert not document.problems
        assert not [document.source(s) for s in document.statements if isinstance(s.syntax, tree.Unparsed)], file.name


def test_everything_parses_before_the_preprocessor_too(corpus: Corpus) -> None:
    for file in corpus.files:
        document = read_document(PARSER, read_text(file.raw), str(file.raw))
        unparsed = [s for s in document.statements if isinstance(s.syntax, tree.Unparsed) and not s.in_define]
        assert not [document.source(s) for s in unparsed], file.name
        assert not document.problems


def test_instructions_are_those_that_objdump_shows(corpus: Corpus) -> None:
    """In order, with completers, registers, predicates and immediates; but for nops that the assembler added."""
    total = 0
    for file, document in documents(corpus):
        answer = compare(document, file.instructions)
        assert answer.differences == [], file.name
        total += answer.same
    assert total > 5000
