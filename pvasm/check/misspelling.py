"""Names that are nearly an op's: a slip of the finger that leaves a statement which no instance knows."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from pvasm.asm.nearest import distance
from pvasm.check.subject import Subject
from pvasm.isa.mnemonics import is_mnemonic
from pvasm.isa.registers import REGISTERS
from pvasm.paravirt.catalog import Op
from pvasm.regex import regex
from pvasm.syntax import tree
from pvasm.syntax.macros import read_macro

_NAME = regex(r"[A-Za-z]\w{2,60}")
_MOST_NAMES = 5000  # different ones that are looked at in a document
# Names shorter than this must have all letters of the op, or its letters and one more: BSW_2 is no misspelt BSW_1.
_LONG = 7
_VERY_LONG = 12  # from this length on, two slips are as sure a sign as one


class Misspelling(Struct, frozen=True):
    """A name with its span, and the op that is meant."""

    start: int
    end: int
    name: str
    op: Op


def find_misspellings(subject: Subject) -> Iterator[Misspelling]:
    """The invocations, with as many arguments as some op takes, of what is nearly the op's name, in order.

    What the document, or a header of its that is known, defines under its name is no misspelling.
    """
    document = subject.document
    ops = subject.catalog.ops
    defined = {define.name for each in (document, *subject.headers) for define in each.defines}
    for each in (document, *subject.headers):
        for index, statement in enumerate(each.statements):
            if isinstance(statement.syntax, tree.Directive) and statement.syntax.name == ".macro":
                macro = read_macro(statement.syntax, index, len(each.statements))
                defined.update(() if macro is None else (macro.name,))
    parameters = {define.name: define.parameters or () for define in document.defines}
    nearest: dict[tuple[str, int], Op | None] = {}
    for statement in document.statements:
        syntax = statement.syntax
        if not isinstance(syntax, tree.MacroCall) or syntax.name in ops or not _NAME.fullmatch(syntax.name):
            continue
        name = syntax.name
        if name in defined or statement.macro in ops or not subject.concerns(statement.conditions):
            continue
        if statement.in_define and name in parameters.get(statement.macro or "", ()):
            continue
        number = 0 if [each.text for each in syntax.arguments] == [""] else len(syntax.arguments)
        if (name, number) not in nearest:
            if len(nearest) >= _MOST_NAMES:
                continue
            candidates = [op for op in ops.values() if len(op.parameters) == number and not _is_short(op)]
            nearest[name, number] = None if is_mnemonic(name.lower()) else _nearest(name, candidates)
        op = nearest[name, number]
        if op is not None and (syntax.parenthesised or not op.parameters):
            start = statement.origin + syntax.name_start
            yield Misspelling(start, start + len(name), name, op)


def _is_short(op: Op) -> bool:
    """Whether an op's name is such that many a macro's is near it, and means something else."""
    return op.extension and len(op.name) < _LONG


def _nearest(name: str, candidates: list[Op]) -> Op | None:
    """The op that a name is a misspelling of, if it surely is one."""
    word = name.upper()
    registers = {each for each in word.lower().split("_") if f"cr.{each}" in REGISTERS or f"ar.{each}" in REGISTERS}
    best: tuple[int, Op] | None = None
    for op in candidates:
        if registers - set(op.name.lower().split("_")):
            continue  # MOV_FROM_IVA is about another register than MOV_FROM_IFA
        slips = _slips(word, op.name)
        if slips is not None and (best is None or slips < best[0]):
            best = slips, op
    return best[1] if best is not None else None


def _slips(word: str, name: str) -> int | None:
    """How many slips make `word` of an op's name; None if it is likely to be another name."""
    if abs(len(word) - len(name)) > 2:
        return None
    if word.replace("_", "") == name.replace("_", ""):
        return 0
    words = sorted(name.split("_"))
    if len(words) > 2 and sorted(word.split("_")) == words:
        return 1
    third = len(name) // 3
    if not (word.startswith(name[:third]) or word.endswith(name[-third:]) or name[third : 2 * third] in word):
        return None
    slips = distance(word, name)
    if len(name) < _LONG:
        return slips if slips == 1 and len(word) > 3 and _same_letters(word, name) else None
    return slips if slips <= 1 + (len(name) >= _VERY_LONG) else None


def _same_letters(word: str, name: str) -> bool:
    """Whether one has all letters of the other."""
    shorter, longer = sorted((word, name), key=len)
    rest = list(longer)
    for letter in shorter:
        if letter not in rest:
            return False
        rest.remove(letter)
    return True
