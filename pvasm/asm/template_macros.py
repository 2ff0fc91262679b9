r"""Macros of C that make inline assembly, or parts of its templates: what the C preprocessor makes of them.

    #define GET(reg)          "mov r8 = " #reg "\n"
    #define FUNCTION(code)    asm (".align 32\\n" code)
    FUNCTION(GET(psr) "fc r8\\n")

Of a file's own macros alone is anything known: what headers define shows where they are read.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from pvasm.regex import regex
from pvasm.syntax.c_tokens import Kind, Token

ASM: Final = frozenset(("asm", "__asm", "__asm__"))
VARIADIC: Final = "__VA_ARGS__"

_PARAMETERS: Final = regex(r"\((?P<names>[^()]*+)\)")
_PARAMETER: Final = regex(r"(?P<name>[A-Za-z_]\w*)|(?P<others>\.\.\.)")
_OPERATOR: Final = regex(r"(?P<operator>##?)(?:\\[ \t\r]*+\n|\s)*+\Z")
_MOST_TOKENS: Final = 1 << 14  # of a call's arguments
_LEAST_SCANS: Final = 1 << 19  # of tokens, in all: calls in the arguments of calls are looked at again
_LEAST_MADE: Final = 1 << 18  # characters that a file's macros make, in all
_A_TOKEN: Final = 16  # as many scans and characters more for each of a file
_MARKS: Final = frozenset(
    ("define", "undef", "function", "end")
)  # where something begins and ends, which is no token of C's
_MOST_DEEP: Final = 64
_MOST_DEFINITIONS: Final = 8  # of a name that are tried


class Word(Struct, frozen=True, gc=False):
    """A token that the preprocessor has made, from where in the C text; `given` says that it is none of a macro's body.

    What a macro makes stands for the whole invocation; a token of the text for itself, as an argument too.
    """

    text: str
    kind: Kind
    start: int
    end: int
    is_spaced: bool = True
    given: bool = True


class _BodyWord(Struct, frozen=True, gc=False):
    """A token of a macro's body: `operator` is `#` or `##` before it, `is_pasted` says that `##` stands behind it."""

    text: str
    kind: Kind
    is_spaced: bool
    operator: str
    is_pasted: bool


class _Arm(Struct, frozen=True, gc=False):
    """An arm of an `#if`, within another: which `#if` it is, and which of its arms."""

    around: _Arm | None
    number: int
    arm: int


class TextMacro(Struct):
    """A definition: the parameters, None for one without parentheses, whether the last takes all that is left."""

    parameters: list[str] | None
    is_variadic: bool
    body: list[_BodyWord]


class _Change(Struct, frozen=True):
    """A definition of a name, or None for its `#undef`: where it stands, and in which arm."""

    start: int
    arm: _Arm | None
    macro: TextMacro | None


class TemplateMacros:
    """The macros that a file defines, as far as inline assembly is made with them.

    `is_exhausted` says that macros made too much for all to be known.
    """

    def __init__(self, text: str, tokens: Sequence[Token]) -> None:
        self.text = text
        self.is_exhausted = False
        self._changes: dict[str, list[_Change]] = {}
        self._parameters: dict[int, frozenset[str]] = {}  # of definitions, by where they stand
        self._arms: list[_Arm | None] = [None]
        self._arm_starts = [-1]  # where each begins
        self._place: int | None = None
        self._in_arms: dict[int, int] = {}  # of the place, by the numbers of the `#if`s
        self._found: dict[str, list[TextMacro]] = {}  # what counts at the place
        self._definition = 0  # which of several is tried
        self._most = 1  # how many there are of a name that was met
        self._left = _LEAST_MADE + _A_TOKEN * len(tokens)
        self._scans = _LEAST_SCANS + _A_TOKEN * len(tokens)
        start = None
        for number, token in enumerate(tokens):
            if token.kind == "define":
                start = number
            elif token.kind == "undef":
                self._changes.setdefault(self._of(token), []).append(_Change(token.start, self._arms[-1], None))
            elif token.kind == "conditional":
                self._turn(token)
            elif token.kind == "end" and start is not None:
                self._define(tokens[start], tokens[start + 1 : number])
                start = None
        self._makers = self._find_makers()

    def _of(self, token: Token) -> str:
        return self.text[token.start : token.end]

    def words_of(self, tokens: Sequence[Token]) -> list[Word]:
        """Tokens of the text as words."""
        found: list[Word] = []
        last = -1
        for each in tokens:
            if each.kind in _MARKS:
                continue
            found.append(Word(self.text[each.start : each.end], each.kind, each.start, each.end, each.start != last))
            last = each.end
        return found

    def parameters_of(self, definition: Token) -> frozenset[str]:
        """The parameters of a definition, by its name's token."""
        return self._parameters.get(definition.start, frozenset())

    def is_macro(self, name: str) -> bool:
        """Whether a name is a macro's somewhere in the file."""
        return name in self._changes

    def makes_assembly(self, name: str) -> bool:
        """Whether the invocation of a name makes `asm`."""
        return name in self._makers

    def _define(self, name: Token, body: Sequence[Token]) -> None:
        found = _PARAMETERS.match(self.text, name.end)
        parameters: list[str] | None = None
        is_variadic = False
        if found is not None:
            words = list(_PARAMETER.finditer(found["names"]))
            is_variadic = bool(words) and words[-1]["others"] is not None
            parameters = [each["name"] for each in words if each["name"] is not None]
            if is_variadic and len(parameters) == found["names"].count(","):  # not GNU's `arguments...`
                parameters.append(VARIADIC)
        made: list[_BodyWord] = []
        last = name.end
        for word in self.words_of([each for each in body if each.kind != "comment"]):
            between = _OPERATOR.search(self.text[last : word.start][-64:])
            operator = between["operator"] if between is not None else ""
            if operator == "##" and made:
                made[-1] = _BodyWord(made[-1].text, made[-1].kind, made[-1].is_spaced, made[-1].operator, True)
            made.append(_BodyWord(word.text, word.kind, word.start != last, operator, False))
            last = word.end
        self._parameters[name.start] = frozenset(parameters or ())
        change = _Change(name.start, self._arms[-1], TextMacro(parameters, is_variadic, made))
        self._changes.setdefault(self._of(name), []).append(change)

    def _turn(self, conditional: Token) -> None:
        """An arm of an `#if` begins, or the last one ends."""
        word = self._of(conditional).replace("#", " ").split(None, 1)[0]
        arm = self._arms[-1]
        if word.startswith("if"):
            arm = _Arm(arm, conditional.start, 0)
        elif arm is not None:
            arm = arm.around if word.startswith("endif") else _Arm(arm.around, arm.number, arm.arm + 1)
        self._arms.append(arm)
        self._arm_starts.append(conditional.start)

    def _find_makers(self) -> frozenset[str]:
        """The macros in whose bodies is an `asm`, or another of these macros."""
        named_in: dict[str, list[str]] = {}
        for name, changes in self._changes.items():
            macros = [each.macro for each in changes if each.macro is not None]
            for word in {each.text for macro in macros for each in macro.body if each.kind == "name"}:
                named_in.setdefault(word, []).append(name)
        found: set[str] = set()
        waiting = [*ASM]
        while waiting:
            for name in named_in.get(waiting.pop(), ()):
                if name not in found:
                    found.add(name)
                    waiting.append(name)
        return frozenset(found)

    # --------------------------------------------------------------------------------- what they make

    def at(self, place: int | None) -> Iterator[None]:
        """Lets definitions count that do at a place of the text; of a name that has several, one after another.

        Without a place, all count: so in a macro's body, which may be used anywhere.
        """
        if place != self._place:
            self._place = place
            self._found.clear()
            arm = self._arms[bisect_right(self._arm_starts, place) - 1] if place is not None else None
            self._in_arms = {each.number: each.arm for each in self._around(arm)}
        self._definition, self._most = 0, 1
        while self._definition < self._most:
            yield
            self._definition += 1
        self._definition = 0

    def _around(self, arm: _Arm | None) -> Iterator[_Arm]:
        """An arm, and those that it is within."""
        while arm is not None and self._scan():
            yield arm
            arm = arm.around

    def _counting(self, name: str) -> list[TextMacro]:
        """The definitions of a name that may count at the place, the nearest first."""
        found: list[TextMacro] = []
        changes = self._changes[name]
        if self._place is None:
            return [each.macro for each in changes if each.macro is not None][:_MOST_DEFINITIONS]
        for number in range(bisect_right(changes, self._place, key=lambda each: each.start) - 1, -1, -1):
            change = changes[number]
            if not self._scan():
                break
            arms = list(self._around(change.arm))
            if any(self._in_arms.get(each.number, each.arm) != each.arm for each in arms):
                continue
            if change.macro is not None:
                found.append(change.macro)
            if all(each.number in self._in_arms for each in arms) or len(found) >= _MOST_DEFINITIONS:
                break  # what was before does not count any more
        return found

    def invocation(self, tokens: Sequence[Token], number: int) -> tuple[list[Word], int]:
        """What the macro that a token names makes there of its arguments, and the number of the token behind it.

        Nothing is made where parentheses are missing.
        """
        macro = self._macro(self._of(tokens[number]))
        end = number + 1
        if macro is not None and macro.parameters is not None:
            depth = 0
            for place in range(end, min(len(tokens), end + _MOST_TOKENS)):
                word = self._of(tokens[place])
                if not self._scan() or (place == end and word != "(") or tokens[place].kind in ("define", "end"):
                    break
                depth += (word == "(") - (word == ")")
                if depth == 0:
                    end = place + 1
                    break
            else:
                self.is_exhausted = self.is_exhausted or len(tokens) > end + _MOST_TOKENS
        return self.expanded(self.words_of(tokens[number:end]), given=False), end

    def expanded(
        self, words: Sequence[Word], *, hidden: frozenset[str] = frozenset(), given: bool = True
    ) -> list[Word]:
        """The words with what macros make in their place, but for those of the names that are hidden.

        Unless it is `given`, what stands in a macro's body, as opposed to its arguments, is marked as such.
        """
        return list(self._expanded(words, hidden, given, 0))

    def _macro(self, name: str) -> TextMacro | None:
        if name not in self._changes:
            return None
        if name not in self._found:
            self._found[name] = self._counting(name)
        found = self._found[name]
        self._most = max(self._most, len(found))
        return found[min(self._definition, len(found) - 1)] if found else None

    def _scan(self) -> bool:
        """Whether one more word may be looked at."""
        self._scans -= 1
        self.is_exhausted = self.is_exhausted or self._scans < 0
        return self._scans >= 0

    def _expanded(self, words: Sequence[Word], hidden: frozenset[str], given: bool, depth: int) -> Iterator[Word]:
        at = 0
        while at < len(words):
            word = words[at]
            at += 1
            macro = self._macro(word.text) if word.kind == "name" and word.text not in hidden else None
            arguments: list[Sequence[Word]] | None = []
            end = at
            if macro is not None and macro.parameters is not None:
                arguments, end = self._arguments(words, at, macro)
            if macro is None or arguments is None:
                yield word
                continue
            if depth >= _MOST_DEEP or self._left < 0:
                self.is_exhausted = True
                yield Word("?", "other", word.start, words[end - 1].end)
                return
            place = Word("", "other", word.start, words[end - 1].end, word.is_spaced, word.given and given)
            wide = [list(self._expanded(each, hidden, True, depth + 1)) for each in arguments]
            made = self._substituted(macro, arguments, wide, place)
            yield from self._expanded(made, hidden | {word.text}, True, depth + 1)
            at = end

    def _arguments(self, words: Sequence[Word], at: int, macro: TextMacro) -> tuple[list[Sequence[Word]] | None, int]:
        """The arguments in the parentheses that stand at a word, and the number behind; None where there are none."""
        if at >= len(words) or words[at].text != "(":
            return None, at
        most = len(macro.parameters or ())
        depth, start = 1, at + 1
        found: list[Sequence[Word]] = []
        for place in range(at + 1, min(len(words), at + _MOST_TOKENS)):
            if not self._scan():
                break
            text = words[place].text
            depth += (text == "(") - (text == ")")
            is_last = macro.is_variadic and len(found) + 1 >= most
            if depth == 0 or (depth == 1 and text == "," and not is_last):
                found.append(words[start:place])
                start = place + 1
            if depth == 0:
                return found, place + 1
        return None, at

    def _substituted(
        self, macro: TextMacro, arguments: Sequence[Sequence[Word]], wide: Sequence[Sequence[Word]], place: Word
    ) -> list[Word]:
        """A macro's body with its arguments, which are expanded but beside `#` and `##` (C11 6.10.3.1)."""
        parameters = macro.parameters or []
        made: list[Word] = []
        for each in macro.body:
            words: list[Word]
            number = parameters.index(each.text) if each.text in parameters else None
            if number is None:
                words = [Word(each.text, each.kind, place.start, place.end, each.is_spaced, place.given)]
            elif number >= len(arguments):  # `...' may be left out
                words = []
            elif each.operator == "#":
                given = any(word.given for word in arguments[number])
                words = [Word(_stringified(arguments[number]), "string", place.start, place.end, each.is_spaced, given)]
            else:
                words = list(arguments[number] if each.is_pasted or each.operator == "##" else wide[number])
                words[:1] = [replace(word, is_spaced=each.is_spaced) for word in words[:1]]
            self._left -= sum(len(word.text) for word in words)
            if self._left < 0:
                self.is_exhausted = True
                break
            if each.operator == "##" and made and words:
                words[:1] = _pasted(made.pop(), words[0], place)
            made += words
        return made


def _pasted(left: Word, right: Word, place: Word) -> list[Word]:
    """What `##` makes of two words: one, if that is a name or a number."""
    text = left.text + right.text
    if not text.replace("_", "0").isalnum():
        return [left, right]
    kind: Kind = "name" if text.isidentifier() else "other"
    return [Word(text, kind, place.start, place.end, left.is_spaced, left.given or right.given)]


def _stringified(words: Sequence[Word]) -> str:
    """What `#` makes of an argument: a string literal (C11 6.10.3.2)."""
    texts = [
        (" " if number and word.is_spaced else "") + word.text
        for number, word in enumerate(word for word in words if word.kind not in ("comment", "conditional"))
    ]
    return '"' + "".join(texts).replace("\\", "\\\\").replace('"', '\\"') + '"'
