"""What an instance sees of a source, beside what native sees: the same code, but for regions of conditionals.

`#ifdef __IA64_ASM_PARAVIRTUALIZED_NATIVE` makes code that is for one instance alone; where names alone differ, renames
explain it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from typing import Final

from pvasm.errors import PvasmError
from pvasm.patch.sites import is_passed
from pvasm.regex import regex
from pvasm.syntax import tree
from pvasm.syntax.document import Document
from pvasm.text import Edit

_Key = tuple[str, str | None, int | None]
"""What tells a statement: its text, and the file and the line that it comes from."""

_WORD: Final = regex(r"[\w.$]++")
_NUMBERED: Final = regex(r"(?<![\w.$])\d++[bf](?![\w.$])")


def renamed_text(text: str, renamed: Mapping[str, str]) -> str:
    """A text with other names for some."""
    return _WORD.sub(lambda word: renamed.get(word[0], word[0]), text) if renamed else text


class Side:
    """The document that an instance sees, its edits, and where in it the statements of the native one are.

    `spans` are ranges of statements (first, last) of the native document where the two have other code, each in one
    with an instruction at least.
    """

    def __init__(self, native: Document, other: Document, renamed: Mapping[str, str], names: tuple[str, str]) -> None:
        self.native = native
        self.document = other
        self.renamed = renamed
        self.names = names
        self.edits: list[Edit] = []
        self.spans: list[tuple[int, int]] = []
        count = len(native.statements)
        self.low = list(range(count))
        self.high = list(range(1, count + 1))
        self.same = list(range(count))  # by statement the other's; -1 for one that it has not
        if other is not native:
            self._align()

    def range_of(self, first: int, last: int) -> tuple[int, int]:
        """Where the other document has what stands from one statement to another: offsets, equal if it has nothing."""
        low, high = self.low[first], self.high[last]
        statements = self.document.statements
        if low >= high:
            return 0, 0
        return statements[low].start, statements[high - 1].end

    def statements_of(self, first: int, last: int) -> Sequence[tree.Statement]:
        """The other's statements from one to another of the native document."""
        return self.document.statements[self.low[first] : self.high[last]]

    def offset_of(self, statement: int, offset: int) -> int | None:
        """Where the other document has an offset of a statement; None if it has not that statement."""
        same = self.same[statement]
        if same < 0:
            return None
        return offset - self.native.statements[statement].origin + self.document.statements[same].origin

    # ---------------------------------------------------------------------------------------- aligning

    def _align(self) -> None:
        """Finds which statements are the same. Raises PvasmError where what differs is no code."""
        ours, theirs = list(_keys(self.native, {})), list(_keys(self.document, self.renamed))
        self.same = [-1] * len(self.low)
        regions: list[tuple[list[int], list[int], int, int]] = []
        for tag, a, b, c, d in _alignment([key for key, _ in ours], [key for key, _ in theirs]):
            mine, its = ([number for _, number in each] for each in (ours[a:b], theirs[c:d]))
            if tag == "equal":
                for number, same in zip(mine, its, strict=True):
                    self.same[number] = same
            else:
                at = ours[a][1] if a < len(ours) else len(self.low)
                regions.append((mine, its, at, theirs[c - 1][1] + 1 if c else 0))
        end = 0
        for number, same in enumerate(self.same):
            self.low[number], self.high[number] = (same, same + 1) if same >= 0 else (end, end)
            end = self.high[number]
        for mine, its, at, place in regions:
            self._region(mine, its, at, (its[0], its[-1] + 1) if its else (place, place))

    def _region(self, mine: Sequence[int], its: Sequence[int], at: int, there: tuple[int, int]) -> None:
        """Notes where the two differ: from the statement `at` on, in `mine` and `its`."""
        for document, numbers in ((self.native, mine), (self.document, its)):
            for number in numbers:
                if not _is_code(document.statements[number]) or (
                    document is self.document and _NUMBERED.search(document.source(document.statements[number]))
                ):
                    raise self._error(document, number)
        statements = self.native.statements
        low, high = there
        if any(_is_instruction(statements[number]) for number in mine):
            self.low[mine[0]], self.high[mine[-1]] = low, high
            self.spans.append((mine[0], mine[-1]))
            return
        behind = _next(statements, range(mine[-1] + 1 if mine else at, len(statements)))
        before = _next(statements, range(at - 1, -1, -1))
        if behind is not None:
            self.low[at] = low
            self.spans.append((at, behind))
        elif before is not None:
            last = mine[-1] if mine else at - 1
            self.high[last] = high
            self.spans.append((before, last))
        else:
            raise self._error(*((self.native, mine[0]) if mine else (self.document, its[0])))

    def _error(self, document: Document, number: int) -> PvasmError:
        statement = document.statements[number]
        here, there = self.names if document is self.native else self.names[::-1]
        message = f"`{document.source(statement)}' is for {here} and not for {there}: it needs an op"
        return PvasmError(message, *document.place(statement.start))


def _alignment(ours: Sequence[_Key], theirs: Sequence[_Key]) -> Iterator[tuple[str, int, int, int, int]]:
    """What is equal and what is not, as SequenceMatcher says it, which is quadratic where many are alike."""
    pairs = list(zip(ours, theirs, strict=False))
    head = next((at for at, (mine, other) in enumerate(pairs) if mine != other), len(pairs))
    ends = zip(reversed(ours[head:]), reversed(theirs[head:]), strict=False)
    tail = next((at for at, (mine, other) in enumerate(ends) if mine != other), min(len(ours), len(theirs)) - head)
    mine_end, other_end = len(ours) - tail, len(theirs) - tail
    if head:
        yield "equal", 0, head, 0, head
    matcher = SequenceMatcher(None, ours[head:mine_end], theirs[head:other_end], autojunk=False)
    for tag, a, b, c, d in matcher.get_opcodes():
        yield tag, a + head, b + head, c + head, d + head
    if tail:
        yield "equal", mine_end, len(ours), other_end, len(theirs)


def _keys(document: Document, renamed: Mapping[str, str]) -> Iterator[tuple[_Key, int]]:
    """What tells each statement that is no directive of the preprocessor, and its number."""
    for number, statement in enumerate(document.statements):
        if not isinstance(statement.syntax, tree.CppDirective):
            place = document.place(statement.start)
            yield (renamed_text(document.source(statement), renamed), place.path, place.line), number


def _next(statements: Sequence[tree.Statement], numbers: Iterable[int]) -> int | None:
    """The first instruction among statements, if nothing stands before it that has a place."""
    for number in numbers:
        if _is_instruction(statements[number]):
            return number
        if not is_passed(statements[number].syntax):
            return None
    return None


def _is_instruction(statement: tree.Statement) -> bool:
    return isinstance(statement.syntax, tree.Instruction | tree.MacroCall)


def _is_code(statement: tree.Statement) -> bool:
    return _is_instruction(statement) or is_passed(statement.syntax)
