"""Chunks that differ in nothing but which registers and numbers they name: the syntax tree of one does for all.

Which tokens a chunk has, and so how it is parsed, does not depend on the digits of a name such as `r12`, nor on which
number stands where. So the tree of a chunk is that of one alike in all else, with other words in some of its leaves,
and other offsets behind them.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from itertools import accumulate
from typing import Final

from msgspec import Struct

from pvasm.regex import regex
from pvasm.syntax import tree

# Words that are a name or a number whatever digits they have. What stands around them begins and ends them for sure.
_OPEN: Final = regex(r"(?<=[ \t(\[,=\-])([rfpb][0-9]{1,3}|0x[0-9a-fA-F]{1,16}|0|[1-9][0-9]{0,19})(?=[ \t)\],=]|\Z)")
_LEFT_OUT: Final = "\0"


def split(text: str) -> list[str]:
    """What stands between such words, and the words, by turns."""
    return _OPEN.split(text)


def likeness_of(pieces: list[str]) -> str | None:
    """What chunks that are alike have alike, of the pieces of one; None for one that may not be told from others."""
    kept = _LEFT_OUT.join(pieces[::2])
    sorts = "".join([word[0] if word[0] in "rfpb" else "0" for word in pieces[1::2]])
    return sorts + kept if kept.count(_LEFT_OUT) == len(sorts) else None


class Like(Struct, frozen=True):
    """An instruction with leaves that are left open: it makes those of chunks that are alike."""

    instruction: tree.Instruction
    predicate: _Part | None
    operands: tuple[_Part, ...]
    outputs: int
    mnemonic: tuple[int, int]
    """The number of words left open before the mnemonic, and how far behind the last of them it begins."""

    def of(self, pieces: list[str]) -> tree.Instruction:
        """The instruction that such a chunk is, of its pieces."""
        like = self.instruction
        words = pieces[1::2]
        places = list(accumulate(map(len, pieces)))
        length = places[-1]
        ends = [0, *places[1::2]]
        operands = tuple([make(words, ends, at, node, given) for make, at, node, given in self.operands])
        predicate = None
        if self.predicate is not None:
            make, at, node, given = self.predicate
            predicate = make(words, ends, at, node, given)
        before, behind = self.mnemonic
        return tree.Instruction(
            predicate,
            like.mnemonic,
            operands[: self.outputs],
            operands[self.outputs :],
            like.has_equals,
            ends[before] + behind,
            like.start,
            length,
        )


_Make = Callable[[list[str], list[int], int, tree.Expression, int], tree.Expression]
_Part = tuple[_Make, int, tree.Expression, int]
"""How an operand is made of the words and where each ends: the number of its word, or of those before it; what it is in
the tree that there is; and where that word, or the last of those before, ended there.
"""


def like_of(text: str, parsed: tuple[tree.Syntax, ...], value_of: Callable[[str], int | None]) -> Like | None:
    """What makes the trees of chunks alike, from the tree of one; None where it is no instruction with such leaves.

    `value_of` says which number a word is.
    """
    if len(parsed) != 1:
        return None
    (syntax,) = parsed
    if not isinstance(syntax, tree.Instruction):
        return None
    spans = [found.span() for found in _OPEN.finditer(text)]
    ends = [0, *[end for _, end in spans]]
    makers = _makers(value_of)
    used: list[int] = []

    def before(offset: int) -> int:
        return bisect_right(ends, offset) - 1

    def part(node: tree.Expression) -> _Part | None:
        leaf = node
        if isinstance(node, tree.Memory):
            leaf = node.address
        elif isinstance(node, tree.Unary):
            leaf = node.operand
        if (leaf.start, leaf.end) in spans:
            number = spans.index((leaf.start, leaf.end))
            used.append(number)
            make = makers.get((node.__class__, leaf.__class__))
            return None if make is None else (make, number, node, leaf.end)
        kept = _KEPT.get(node.__class__)
        at = before(node.start)
        return None if kept is None or leaf.__class__ not in _KEPT else (kept, at, node, ends[at])

    predicate = None if syntax.predicate is None else part(syntax.predicate)
    operands = [part(each) for each in syntax.outputs + syntax.inputs]
    is_whole = (predicate is None) == (syntax.predicate is None) and None not in operands
    if not is_whole or sorted(used) != [*range(len(spans))] or before(syntax.start):
        return None
    at = before(syntax.mnemonic_start)
    found = tuple(each for each in operands if each is not None)
    return Like(syntax, predicate, found, len(syntax.outputs), (at, syntax.mnemonic_start - ends[at]))


def number_of_word(part: _Part) -> int | None:
    """Which of the words left open an operand is made of; None if of none."""
    make, at, node, _ = part
    return None if make is _KEPT.get(node.__class__) else at


# ------------------------------------------------------------------------------- operands, by what they are


def _kept_name(words: list[str], ends: list[int], at: int, node: tree.Expression, given: int) -> tree.Expression:
    assert isinstance(node, tree.Name)
    by = ends[at] - given
    return tree.Name(node.text, node.start + by, node.end + by, node.is_symbol)


def _kept_number(words: list[str], ends: list[int], at: int, node: tree.Expression, given: int) -> tree.Expression:
    assert isinstance(node, tree.Number)
    by = ends[at] - given
    return tree.Number(node.text, node.value, node.start + by, node.end + by)


def _kept_memory(words: list[str], ends: list[int], at: int, node: tree.Expression, given: int) -> tree.Expression:
    assert isinstance(node, tree.Memory)
    address = _KEPT[node.address.__class__](words, ends, at, node.address, given)
    by = ends[at] - given
    return tree.Memory(address, node.start + by, node.end + by)


_KEPT: Final[dict[type, _Make]] = {
    tree.Name: _kept_name,
    tree.Number: _kept_number,
    tree.Memory: _kept_memory,
}


def _name(words: list[str], ends: list[int], at: int, node: tree.Expression, given: int) -> tree.Expression:
    word, end = words[at], ends[at + 1]
    return tree.Name(word, end - len(word), end)


def _memory(words: list[str], ends: list[int], at: int, node: tree.Expression, given: int) -> tree.Expression:
    assert isinstance(node, tree.Memory)
    word, end = words[at], ends[at + 1]
    start = end - len(word)
    return tree.Memory(tree.Name(word, start, end), start - node.address.start + node.start, end + node.end - given)


def _makers(value_of: Callable[[str], int | None]) -> dict[tuple[type, type], _Make]:
    """How each operand is made whose word is left open, by what it is and what its leaf is."""

    def number(words: list[str], ends: list[int], at: int, node: tree.Expression, given: int) -> tree.Expression:
        word, end = words[at], ends[at + 1]
        return tree.Number(word, value_of(word), end - len(word), end)

    def signed(words: list[str], ends: list[int], at: int, node: tree.Expression, given: int) -> tree.Expression:
        assert isinstance(node, tree.Unary)
        operand = number(words, ends, at, node.operand, given)
        return tree.Unary(node.operator, operand, operand.start - node.operand.start + node.start, operand.end)

    return {
        (tree.Name, tree.Name): _name,
        (tree.Number, tree.Number): number,
        (tree.Memory, tree.Name): _memory,
        (tree.Unary, tree.Number): signed,
    }
