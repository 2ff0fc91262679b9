"""The instructions of preprocessed files, as pvasm reads them, against those that objdump shows of what GNU as makes.

`python -m tests.corpus.compare_with_objdump FILE.s...` prints a line for each file, and a line for the first
instruction of a section that is not the same. The exit status is 1 if there is one, or as refuses a file.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from pvasm.asm.elaborate import Step, Visitor, elaborate
from pvasm.asm.resolve import resolve
from pvasm.asm.scope import OperandError, Scope
from pvasm.isa import instruction as isa
from pvasm.isa.encoding import encode
from pvasm.isa.mnemonics import is_mnemonic
from pvasm.isa.operands import Symbolic
from pvasm.syntax import tree
from pvasm.syntax.document import Document, read_document
from pvasm.syntax.parser import Parser
from pvasm.syntax.path_conditions import Conditions
from pvasm.text import read_text
from tests.corpus.build import CorpusError, Instruction, _disassemble, _run

PARSER = Parser(is_mnemonic)
DATA = (".fill", ".skip", ".space", ".org", "data", "string")
SECTIONS = {".text": ".text", ".data": ".data", ".bss": ".bss"}
NOP = re.compile(r"nop\.[mifbx] 0x0")


class Ours(NamedTuple):
    """One instruction as pvasm resolves it, and where it stands."""

    section: str
    resolved: isa.Instruction
    place: str
    after_data: bool  # data stands before it, which objdump shows as instructions too


class _Assembly(Visitor):
    """The instructions of a document, each in its section, with pseudo-ops resolved; and what was not understood."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.instructions: list[Ours] = []
        self.not_understood: list[str] = []
        self._sections = [".text"]
        self._before = ".text"
        self.data_in: set[str] = set()

    def step(self, step: Step, scope: Scope) -> None:
        if step.macro is not None:
            return
        if isinstance(step.syntax, tree.Directive):
            self._directive(step.syntax)
        elif isinstance(step.syntax, tree.Instruction):
            self._instruction(step, step.syntax, scope)
        elif isinstance(step.syntax, tree.Unparsed):
            self.not_understood.append(f"{self._place(step.statement)}: {step.text}: no statement")

    def gap(self, reason: str, statement: int, conditions: Conditions) -> None:
        self.not_understood.append(f"{self._place(statement)}: {reason}")

    def _place(self, statement: int) -> str:
        return ":".join(map(str, self.document.place(self.document.statements[statement].start)))

    def _instruction(self, step: Step, syntax: tree.Instruction, scope: Scope) -> None:
        place = f"{self._place(step.statement)}: {step.text}"
        section = self._sections[-1]
        try:
            self.instructions.append(Ours(section, resolve(syntax, scope), place, section in self.data_in))
        except OperandError as error:
            self.not_understood.append(f"{place}: {error}")
        self.data_in.discard(section)

    def _directive(self, syntax: tree.Directive) -> None:
        sections = self._sections
        name = syntax.arguments[0].strip('"') if syntax.arguments else ""
        if syntax.name in SECTIONS or syntax.name == ".section":
            self._before, sections[-1] = sections[-1], SECTIONS.get(syntax.name, name)
        elif syntax.name.startswith(DATA):
            self.data_in.add(sections[-1])
        elif syntax.name == ".previous":
            self._before, sections[-1] = sections[-1], self._before
        elif syntax.name == ".pushsection":
            sections.append(name)
        elif syntax.name == ".popsection":
            sections.pop()


def read_back(truth: Instruction) -> isa.Instruction:
    """What objdump says of an instruction, resolved: targets are a name, for it prints an address, `1f0 <label>`."""
    text = re.sub(r"\b([0-9a-f]+) <[^>]*>", "there", truth.text)
    text = re.sub(r"((?:^|,|=)(?:brl?|chk|brp|fchkf)\S* (?:.*[,=])?)([0-9a-f]+)$", r"\g<1>there", text)
    (syntax,) = PARSER.chunk(text)
    assert isinstance(syntax, tree.Instruction), truth.text
    return resolve(syntax, Scope())


def bits_of(truth: Instruction) -> int:
    return truth.bits | (truth.long_bits or 0) << 41


def agree(ours: isa.Instruction, truth: Instruction) -> bool:
    """Whether both are the same instruction, as far as no symbol is involved."""
    if ours.predicate != int(truth.predicate[1:]):
        return False
    symbolic = any(isinstance(value, Symbolic) for value in ours.operands)
    if not symbolic and not truth.relocated:
        return any(encode(choice) == bits_of(truth) for choice in (ours, *ours.alternatives))
    theirs = read_back(truth)
    return any(_is_written_so(choice, theirs) for choice in (ours, *ours.alternatives))


def _is_written_so(ours: isa.Instruction, theirs: isa.Instruction) -> bool:
    pairs = zip(ours.operands, theirs.operands, strict=False)
    return theirs.mnemonic == ours.mnemonic and all(isinstance(a, Symbolic) or a == b for a, b in pairs)


class Answer(NamedTuple):
    """How many instructions are the same, and a line for whatever is not."""

    same: int
    differences: list[str]


def compare(document: Document, truth: Sequence[Instruction]) -> Answer:
    """In order, with completers, registers, predicates and immediates; but for nops that the assembler added."""
    assembly = _Assembly(document)
    elaborate(document, (), Scope(), {}, (), (assembly,))
    ours, differences, same = assembly.instructions, list(assembly.not_understood), 0
    for section in dict.fromkeys([*(mine.section for mine in ours), *(theirs.section for theirs in truth)]):
        shown = [theirs for theirs in truth if theirs.section == section]
        position = 0
        for mine in (mine for mine in ours if mine.section == section):
            while position < len(shown) and not agree(mine.resolved, shown[position]) and _added(mine, shown[position]):
                position += 1
            if position == len(shown) or not agree(mine.resolved, shown[position]):
                other = shown[position].text if position < len(shown) else "the section's end"
                differences.append(f"{mine.place}: objdump shows {other}")
                break
            position += 1
            same += 1
        else:
            rest = [theirs for theirs in shown[position:] if not NOP.fullmatch(theirs.text)]
            if rest and not _ends_in_data(section, assembly):
                differences.append(f"{section}: objdump shows {rest[0].text} after the last instruction")
    return Answer(same, differences)


def _added(mine: Ours, theirs: Instruction) -> bool:
    return mine.after_data or NOP.fullmatch(theirs.text) is not None


def _ends_in_data(section: str, assembly: _Assembly) -> bool:
    return section in assembly.data_in


def disassembled(path: Path, folder: Path) -> list[Instruction]:
    """What as makes of a preprocessed file. Raises CorpusError if it refuses it."""
    _run("ia64-linux-gnu-as", "-x", "-o", folder / "out.o", path.resolve())
    return _disassemble(folder, "out.o")


def main(arguments: Sequence[str]) -> int:
    """Compare the files. Exit status 1 if one differs, or as refuses it."""
    wrong = False
    for name in arguments:
        path = Path(name)
        with tempfile.TemporaryDirectory() as folder:
            try:
                truth = disassembled(path, Path(folder))
            except CorpusError as error:
                print(f"{path}: {error}")
                wrong = True
                continue
        answer = compare(read_document(PARSER, read_text(path), str(path), preprocessed=True), truth)
        print(f"{path}: {answer.same} instructions are the same, {len(answer.differences)} differences")
        for difference in answer.differences:
            print(f"  {difference}")
        wrong |= bool(answer.differences)
    return int(wrong)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
