"""An image of code that is nothing but instructions, stops and labels, line by line: what most generated programs are.

There is nothing in it that a document tells of, or that `elaborate.py` follows; and of instructions that differ in
nothing but registers and numbers (`alike.py`) it is known which rows they may be. Whatever else there is, is left to
`read_document` and `lay_out`, and so is all that is wrong: they say where.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from msgspec import Struct

from pvasm.asm.image import Image
from pvasm.asm.layout import Placing, linked
from pvasm.asm.resolve import Rows, literal_value, rows_of_shapes
from pvasm.asm.resolve import resolve as resolve_syntax
from pvasm.errors import PvasmError
from pvasm.isa.instruction import Instruction, instruction_of
from pvasm.isa.operands import MemoryOperand, Value, shape_of
from pvasm.isa.registers import REGISTERS
from pvasm.regex import regex
from pvasm.syntax import alike, tree
from pvasm.syntax.document import Document
from pvasm.syntax.parser import Parser, integer_value

_LINE: Final = regex(r"[ \t]*+([A-Za-z_(][\w.,:=()\[\]@ \t-]*+)?(;;)?[ \t]*+")
_ALLOCATES: Final = "alloc"  # after which some names mean other registers
_WORD: Final = (1 << 64) - 1


def lay_out_plain(parser: Parser, text: str, *, address: int, start: int) -> Image | None:
    """The image of code from an address on, as `lay_out` makes it, but for its lines; None for what is not so plain."""
    if _ALLOCATES in text:
        return None
    placing = Placing(Document("", text, True, [tree.Statement(tree.Stop(0, 0), 0)]), start)
    try:
        for line in text.split("\n"):
            found = _LINE.fullmatch(line)
            if found is None:
                return None
            chunk, stop = found.groups()
            if chunk and not _put(placing, parser, chunk.rstrip()):
                return None
            if stop:
                placing.stop()
        placing.finish()
        return linked([placing], address, {}, tells_lines=False)
    except PvasmError:  # it is to be told with its place
        return None


def _put(placing: Placing, parser: Parser, chunk: str) -> bool:
    """Places what stands in a line; whether it is plain. Raises PvasmError for what is wrong."""
    pieces = alike.split(chunk)
    likeness = alike.likeness_of(pieces) if len(pieces) > 1 else None
    if likeness is not None:
        known = _KNOWN.get(likeness)
        if known is None and likeness not in _KNOWN:
            if len(_KNOWN) >= _MOST_KNOWN:
                _KNOWN.clear()
            known = _KNOWN[likeness] = _open_instruction(parser, chunk)
        resolved = None if known is None else known.resolved(pieces[1::2])
        if resolved is not None:
            placing.put(resolved, placing.number(0))
            return True
    parsed = parser.chunk(chunk)
    if len(parsed) != 1:
        return False
    (syntax,) = parsed
    if isinstance(syntax, tree.Label):
        placing.label(syntax.name, placing.number(0))
        return True
    if not isinstance(syntax, tree.Instruction):
        return False
    resolved = resolve_syntax(syntax, placing.scope)
    if resolved.predicate is None:
        return False
    placing.put(resolved, placing.number(0))
    return True


class _Open(Struct, frozen=True):
    """What instructions are that are alike: what each operand is made of, and the rows that such operands allow."""

    predicate: tuple[_Make, int] | None
    operands: tuple[tuple[_Make, Any], ...]
    rows: Rows

    def resolved(self, words: list[str]) -> Instruction | None:
        """The instruction with these words; None where that takes a closer look."""
        predicate = 0
        if self.predicate is not None:
            make, at = self.predicate
            register: Any = make(words, at)
            if register is None:
                return None
            predicate = register.number
        values = tuple([make(words, at) for make, at in self.operands])
        if None in values:
            return None
        for candidate, spelling, operands in self.rows.matching(values):  # type: ignore[arg-type]  # none is None
            if predicate and spelling.form.unpredicated:
                return None
            return instruction_of(spelling, operands, predicate, candidate.reals[1:])
        return None


_Make = Callable[[list[str], Any], Value | None]
"""What an operand is, of the words left open: by the number of its word, or as it is."""

_KNOWN: Final[dict[str, _Open | None]] = {}
_MOST_KNOWN: Final = 1 << 16


def _open_instruction(parser: Parser, chunk: str) -> _Open | None:
    """What instructions are that are like one; None where that depends on more than their registers and numbers."""
    like = alike.like_of(chunk, parser.chunk(chunk), integer_value)
    if like is None:
        return None
    words = alike.split(chunk)[1::2]
    made: list[tuple[_Make, Any]] = []
    values: list[Value] = []
    for part in (*(() if like.predicate is None else (like.predicate,)), *like.operands):
        node = part[2]
        number = alike.number_of_word(part)
        make: _Make = _itself if number is None else _MAKERS[node.__class__]
        at: Any = literal_value(node) if number is None else number
        made.append((make, at))
        value = literal_value(node)
        if value is None or make(words, at) != value:
            return None
        values.append(value)
    predicate = None
    if like.predicate is not None:
        predicate = made.pop(0)
        if shape_of(values.pop(0)) != "p":
            return None
    return _Open(predicate, tuple(made), rows_of_shapes(like.instruction, tuple(map(shape_of, values))))


def _itself(words: list[str], value: Value | None) -> Value | None:
    return value


def _register(words: list[str], at: int) -> Value | None:
    return REGISTERS.get(words[at])


def _number(words: list[str], at: int) -> Value | None:
    value = integer_value(words[at])
    return None if value is None or value > _WORD else value


def _based(words: list[str], at: int) -> Value | None:
    register = REGISTERS.get(words[at])
    return None if register is None or register.file != "r" else MemoryOperand(register)


def _negative(words: list[str], at: int) -> Value | None:
    value = _number(words, at)
    return -value & _WORD if isinstance(value, int) else None


_MAKERS: Final[dict[type, _Make]] = {
    tree.Name: _register,
    tree.Number: _number,
    tree.Memory: _based,
    tree.Unary: _negative,
}
