"""The parser and the instruction table on real code: what GNU as makes of it is the truth."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from pvasm.ia64 import OperandError, Resolved, Scope, Symbolic, is_mnemonic
from pvasm.ia64.encoding import encode
from pvasm.ia64.resolve import resolve
from pvasm.syntax import tree
from pvasm.syntax.document import Document, read_document
from pvasm.syntax.parser import Parser
from pvasm.text import read_text
from tests.corpus.build import Corpus, CorpusFile, Instruction

PARSER = Parser(is_mnemonic)
DATA = (".fill", ".skip", ".space", ".org", "data", "string")
SECTIONS = {".text": ".text", ".data": ".data", ".bss": ".bss"}
NOP = re.compile(r"nop\.[mifbx] 0x0")


class Ours(NamedTuple):
    """One instruction as pvasm resolves it, and where it stands."""

    section: str
    resolved: Resolved
    place: str
    after_data: bool  # data stands before it, which objdump shows as instructions too


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


def assembled(document: Document) -> Iterator[Ours]:
    """The instructions of a preprocessed file, each in its section, with pseudo-ops resolved."""
    scope = Scope()
    sections = [".text"]
    before = ".text"
    data_in: set[str] = set()
    for statement in document.statements:
        syntax = statement.syntax
        if statement.macro is not None:
            continue
        if isinstance(syntax, tree.Assignment):
            scope.assign(syntax)
        elif isinstance(syntax, tree.Directive):
            scope.directive(syntax)
            name = syntax.arguments[0].strip('"') if syntax.arguments else ""
            if syntax.name in SECTIONS or syntax.name == ".section":
                before, sections[-1] = sections[-1], SECTIONS.get(syntax.name, name)
            elif syntax.name.startswith(DATA):
                data_in.add(sections[-1])
            elif syntax.name == ".previous":
                before, sections[-1] = sections[-1], before
            elif syntax.name == ".pushsection":
                sections.append(name)
            elif syntax.name == ".popsection":
                sections.pop()
        elif isinstance(syntax, tree.Instruction):
            place = f"{':'.join(map(str, document.place(statement.start)))}: {document.source(statement)}"
            if syntax.mnemonic.startswith("alloc"):
                scope.allocate(syntax)
            try:
                yield Ours(sections[-1], resolve(syntax, scope), place, sections[-1] in data_in)
            except OperandError as error:
                raise AssertionError(f"{place}: {error}") from error
            data_in.discard(sections[-1])


def read_back(truth: Instruction) -> Resolved:
    """What objdump says of an instruction, resolved: targets are a name, for it prints an address, `1f0 <label>`."""
    text = re.sub(r"\b([0-9a-f]+) <[^>]*>", "there", truth.text)
    text = re.sub(r"((?:^|,|=)(?:brl?|chk|brp|fchkf)\S* (?:.*[,=])?)([0-9a-f]+)$", r"\g<1>there", text)
    (syntax,) = PARSER.chunk(text)
    assert isinstance(syntax, tree.Instruction), truth.text
    return resolve(syntax, Scope())


def bits_of(truth: Instruction) -> int:
    return truth.bits | (truth.long_bits or 0) << 41


def agree(ours: Resolved, truth: Instruction) -> bool:
    """Whether both are the same instruction, as far as no symbol is involved."""
    if ours.predicate != int(truth.predicate[1:]):
        return False
    symbolic = any(isinstance(value, Symbolic) for value in ours.operands)
    if not symbolic and not truth.relocated:
        return any(encode(choice) == bits_of(truth) for choice in (ours, *ours.alternatives))
    theirs = read_back(truth)
    pairs = zip(ours.operands, theirs.operands, strict=False)
    return theirs.mnemonic == ours.mnemonic and all(isinstance(a, Symbolic) or a == b for a, b in pairs)


def test_instructions_are_those_that_objdump_shows(corpus: Corpus) -> None:
    """In order, with completers, registers, predicates and immediates; but for nops that the assembler added."""
    total = 0
    for file, document in documents(corpus):
        ours = list(assembled(document))
        sections = dict.fromkeys(instruction.section for instruction in file.instructions)
        for section in sections:
            truth = [instruction for instruction in file.instructions if instruction.section == section]
            position = 0
            for mine in (mine for mine in ours if mine.section == section):
                while not agree(mine.resolved, truth[position]):
                    added = mine.after_data or NOP.fullmatch(truth[position].text)
                    assert added, f"{mine.place}: {mine.resolved} {truth[position]}"
                    position += 1
                position += 1
                total += 1
            assert all(NOP.fullmatch(rest.text) for rest in truth[position:]), (file.name, section)
        assert {mine.section for mine in ours} == set(sections)
    assert total > 5000
