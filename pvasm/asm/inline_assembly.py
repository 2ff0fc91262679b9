"""The inline assembly of C as assembly: what stands in `asm` statements, under the conditions that it stands under.

What is made has the templates' instructions, a statement for each call of certain functions, the conditionals of the
preprocessor and the comments that speak to pvasm; and of each of its characters is known where in the C text it stands.
So whoever reads assembly reads C, too.

An operand of the compiler's (`%0`, `%[name]`) becomes a name that is nothing: any register, or any number. Where it is
a part of a register's name (`ar%1`, `"cr." #name`), one of these registers stands for it that matters most.
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterator, Sequence
from typing import Final

from msgspec import Struct

from pvasm.asm.template_macros import ASM, TemplateMacros, Word
from pvasm.regex import regex
from pvasm.syntax.c_tokens import Token, tokens_of

_COMMENT_MARK: Final = "pvasm:"
_OPERAND: Final = regex(r"%[A-Za-z]?(?:[0-9]+|\[[^\]\n]*+\]?)|%=")
_ESCAPE: Final = regex(r"\\(?:x(?P<hexadecimal>[0-9A-Fa-f]++)|(?P<octal>[0-7]{1,3})|(?P<one>(?s:.)))")
_BLANKS: Final = {"t": " ", "v": " ", "f": " ", "r": " ", "n": "\n", "a": " ", "b": " ", "e": " "}
# What is made of registers whose number an operand is, where they are read and where they are written: of the control
# registers most have an op, of the application registers few matter.
_NUMBERED: Final = {"cr": ("20", "20"), "ar": ("44", "6")}  # cr.ifa; ar.itc, ar.k6
_TEMPLATE_ENDS: Final = frozenset((":", "::", ")", ",", ";", "{", "}"))
_UNKNOWN: Final = "\0"  # in a template: a part that is not known


class InlineAssembly(Struct):
    """Assembly that was made of C; `starts` and `ends` say of each character which part of the C text it stands for.

    `holds_code` tells whether there is anything but conditionals and comments, `is_cut_short` that macros made too much
    for all to be looked at.
    """

    text: str
    starts: list[int]
    ends: list[int]
    holds_code: bool = False
    is_cut_short: bool = False

    def span(self, start: int, end: int) -> tuple[int, int]:
        """The part of the C text that a part of what was made stands for."""
        if not self.starts:
            return 0, 0
        last = len(self.starts) - 1
        first = self.starts[min(start, last)]
        return first, self.ends[min(end, last + 1) - 1] if end > start else first


def inline_assembly(text: str, calls: Collection[str] = (), definitions: Sequence[str] = ()) -> InlineAssembly:
    """The inline assembly of a C file or header, with the calls of some functions.

    In the bodies of functions and macros whose names begin as `definitions` do, these calls are left out.
    Raises PvasmError where there is nothing that reads C.
    """
    making = _Making(text)
    search = _Search(text, tokens_of(text), calls, tuple(definitions))
    for part in search.parts():
        making.add(part)
    made = making.done()
    made.is_cut_short = search.macros.is_exhausted
    return made


class _Piece(Struct, frozen=True, gc=False):
    """A character of a template, or a part of it that is not known, and where it stands; `given` as of its word."""

    character: str
    start: int
    end: int
    given: bool = True


class _Part(Struct, frozen=True):
    """What is to be made: lines as they are (conditionals, comments, calls), or the pieces of a template."""

    start: int
    end: int
    is_line: bool = False
    pieces: tuple[_Piece, ...] = ()
    suffix: str = ""


class _Search:
    """Finds in tokens what there is to make."""

    def __init__(
        self, text: str, tokens: Sequence[Token], calls: Collection[str], definitions: tuple[str, ...]
    ) -> None:
        self.text = text
        self.tokens = tokens
        self.calls = calls
        self.definitions = definitions
        self.macros = TemplateMacros(text, tokens)
        self.within: list[bool] = []  # of each definition that is open, whether calls are left out
        self.parameters: list[frozenset[str] | None] = []  # and the parameters, if it is a macro's
        self.invoked = 0  # the number of the first token behind the last invocation that was expanded

    def parts(self) -> Iterator[_Part]:
        """The parts, in order."""
        at = 0
        while at < len(self.tokens):
            token = self.tokens[at]
            at += 1
            match token.kind:
                case "conditional":
                    yield _Part(token.start, token.end, is_line=True)
                case "comment":
                    if _COMMENT_MARK in self._text(token):
                        yield _Part(token.start, token.end)
                case "define" | "function":
                    word = self._text(token)
                    self.within.append(word.startswith(self.definitions) if self.definitions else False)
                    around = self.parameters[-1] if self.parameters else None  # a macro may define functions
                    self.parameters.append(self.macros.parameters_of(token) if token.kind == "define" else around)
                case "end":
                    if self.within:
                        self.within.pop()
                        self.parameters.pop()
                case "name":
                    at = yield from self._named(at, token)
                case _:
                    pass

    def _named(self, at: int, token: Token) -> Generator[_Part, None, int]:
        """What a name stands for whose next token has this number; the number of the first token behind."""
        word = self._text(token)
        if word in ASM:
            found = yield from self._template(at, token)
            return max(at, found)
        if word in self.calls and not any(self.within) and self._is(at, "("):
            yield _Part(token.start, token.end, suffix="()")
        if at > self.invoked and self.macros.makes_assembly(word):
            return (yield from self._invocation(at - 1))
        return at

    @property
    def in_macro(self) -> bool:
        """Whether the body of a macro is being read."""
        return any(each is not None for each in self.parameters)

    def _text(self, token: Token) -> str:
        return self.text[token.start : token.end]

    def _is(self, at: int, text: str) -> bool:
        return at < len(self.tokens) and self._text(self.tokens[at]) == text

    # ------------------------------------------------------------------------------------ templates

    def _template(self, at: int, asm: Token) -> Generator[_Part, None, int]:
        """The template of an `asm` whose next token has this number; returns the number of the first token behind."""
        while at < len(self.tokens) and self.tokens[at].kind in (
            "name",
            "comment",
        ):  # `volatile', whatever its spelling
            at += 1
        if not self._is(at, "("):
            return at
        start = at = at + 1
        depth = 0
        while at < len(self.tokens):
            token = self.tokens[at]
            word = self._text(token)
            if (depth == 0 and word in _TEMPLATE_ENDS) or token.kind in ("define", "function", "end"):
                break
            depth += (word == "(") - (word == ")")
            at += 1
        if not asm.declares:
            words = self.macros.words_of(self.tokens[start:at])
            hidden = (self.parameters[-1] if self.parameters else None) or frozenset()
            if any(self.macros.is_macro(each.text) for each in words if each.kind == "name"):
                made: list[list[Word]] = []
                for _ in self.macros.at(None if self.in_macro else asm.start):
                    made.append(self.macros.expanded(words, hidden=hidden))
                    if made[-1] not in made[:-1]:
                        yield from self._parts(made[-1])
            else:
                yield from self._parts(words)
        return at

    def _invocation(self, at: int) -> Generator[_Part, None, int]:
        """What a macro whose name a token is makes, as far as it is of its arguments; the number of the first behind.

        What stands in its body is told where it does, and an `asm` in the arguments there.
        """
        behind = at + 1
        made: list[list[Word]] = []
        for _ in self.macros.at(None if self.in_macro else self.tokens[at].start):
            words, end = self.macros.invocation(self.tokens, at)
            self.invoked = max(self.invoked, end)
            number = len(words) if words in made else 0
            made.append(words)
            while number < len(words):
                word = words[number]
                number += 1
                if word.kind != "name" or word.text not in ASM or word.given:
                    continue
                start = number
                while start < len(words) and words[start].kind == "name":
                    start += 1
                if start == len(words):  # the macro is another word for `asm`
                    behind = max(behind, (yield from self._template(end, self.tokens[at])))
                    break
                if words[start].text != "(":
                    continue
                number = _template_end(words, start + 1)
                yield from self._parts(words[start + 1 : number], of_arguments=True)
        return behind

    def _parts(self, words: Sequence[Word], *, of_arguments: bool = False) -> Iterator[_Part]:
        """The parts of a template; `of_arguments`: of its statements those alone that arguments are a part of."""
        pieces: list[_Piece] = []
        for word in words:
            match word.kind:
                case "string":
                    pieces += _pieces_of(self.text, word)
                case "conditional":
                    yield from self._made(pieces, of_arguments=of_arguments)
                    pieces = []
                    yield _Part(word.start, word.end, is_line=True)
                case "comment":
                    if _COMMENT_MARK in word.text:
                        yield from self._made(pieces, of_arguments=of_arguments)
                        pieces = []
                        yield _Part(word.start, word.end)
                case _:
                    pieces.append(_Piece(_UNKNOWN, word.start, word.end, word.given))
        yield from self._made(pieces, of_arguments=of_arguments)

    def _made(self, pieces: Sequence[_Piece], *, of_arguments: bool) -> Iterator[_Part]:
        clean = list(_without_comments(pieces))
        if of_arguments:
            clean = [piece for each in _statements(clean) if _is_of_arguments(each) for piece in each]
        if clean:
            found = tuple(piece for each in _statements(clean) for piece in _named(each))
            yield _Part(clean[0].start, max(each.end for each in clean), pieces=found)


def _template_end(words: Sequence[Word], at: int) -> int:
    """The number of the word that ends the template which begins at one."""
    depth = 0
    while at < len(words) and not (depth == 0 and words[at].text in _TEMPLATE_ENDS):
        depth += (words[at].text == "(") - (words[at].text == ")")
        at += 1
    return at


def _pieces_of(text: str, word: Word) -> Iterator[_Piece]:
    """The characters of a string literal: each has its place in the text, if the literal stands there."""
    if text.startswith(word.text, word.start):
        yield from _unescaped(text, word.start, word.end)
    else:
        for each in _unescaped(word.text, 0, len(word.text)):
            yield _Piece(each.character, word.start, word.end, word.given)


def _statements(pieces: Sequence[_Piece]) -> Iterator[list[_Piece]]:
    """The pieces statement by statement, each with what ends it."""
    statement: list[_Piece] = []
    for piece in pieces:
        statement.append(piece)
        if piece.character in ("\n", ";"):
            yield statement
            statement = []
    if statement:
        yield statement


def _is_of_arguments(statement: Sequence[_Piece]) -> bool:
    """Whether an argument is a part of a statement, and it was not taken for one that matters in the macro's body."""
    word = ""
    for piece in statement:
        if piece.given and piece.character != _UNKNOWN:
            return word.removesuffix(".") not in _NUMBERED
        word = word + piece.character if piece.character.isalnum() or piece.character in "._" else ""
    return False


def _unescaped(text: str, start: int, end: int) -> Iterator[_Piece]:
    """The characters that a string literal stands for; those of an operand of the compiler's are one piece."""
    at = text.index('"', start, end) + 1
    stop = end - 1 if end - at >= 1 and text[end - 1] == '"' else end
    while at < stop:
        character = text[at]
        if character == "%":
            operand = _OPERAND.match(text, at, stop)
            if operand is not None:
                yield _Piece(_UNKNOWN, at, operand.end())
                at = operand.end()
                continue
            if text[at + 1 : at + 2] in ("%", "{", "|", "}"):
                at += 1
                character = text[at]
        elif character == "\\":
            escape = _ESCAPE.match(text, at, stop)
            if escape is not None:
                made = _escaped(escape["hexadecimal"], escape["octal"], escape["one"])
                if made:
                    yield _Piece(made, at, escape.end())
                at = escape.end()
                continue
        yield _Piece(character, at, at + 1)
        at += 1


def _escaped(hexadecimal: str | None, octal: str | None, one: str | None) -> str:
    """The character of an escape (C11 6.4.4.4); nothing for a line that goes on."""
    if one is not None:
        return "" if one == "\n" else _BLANKS.get(one, one)
    number = int(hexadecimal[-8:], 16) if hexadecimal else int(octal or "0", 8)
    made = chr(number & 0x7F)
    return made if made.isprintable() or made == "\n" else " "


def _without_comments(pieces: Sequence[_Piece]) -> Iterator[_Piece]:
    """The pieces without the assembler's comments: `//` and `/* */`, and lines that begin with `#`."""
    at, is_fresh, is_quoted = 0, True, False
    while at < len(pieces):
        piece = pieces[at]
        two = piece.character + pieces[at + 1].character if at + 1 < len(pieces) else ""
        if piece.character == "\n":
            is_fresh, is_quoted = True, False
        elif not is_quoted and (two == "//" or (is_fresh and piece.character == "#")):
            while at < len(pieces) and pieces[at].character != "\n":
                at += 1
            continue
        elif not is_quoted and two == "/*":
            at += 2
            while at + 1 < len(pieces) and (pieces[at].character, pieces[at + 1].character) != ("*", "/"):
                at += 1
            at += 2
            yield _Piece(" ", piece.start, piece.end)
            continue
        elif piece.character == '"':
            is_quoted = not is_quoted
        if not piece.character.isspace() and piece.character != ";":
            is_fresh = False
        elif piece.character == ";":
            is_fresh = True
        yield piece
        at += 1


def _named(statement: Sequence[_Piece]) -> Iterator[_Piece]:
    """A statement's pieces with names."""
    word = ""
    writes = any(piece.character == "=" for piece in statement)
    number = 0
    for at, piece in enumerate(statement):
        if piece.character == "=":
            writes = False
        if piece.character != _UNKNOWN:
            word = word + piece.character if piece.character.isalnum() or piece.character in "._" else ""
            is_last = at + 1 < len(statement) and statement[at + 1].character == _UNKNOWN
            if not (is_last and word in _DOTTED):  # `cr.' and a number that is not known: `cr20'
                yield piece
            continue
        numbers = _NUMBERED.get(word.removesuffix("."))
        number += 1
        # A name of its own for each, so that none is taken for another.
        made = numbers[writes] if numbers is not None else f"{'' if word else '_'}_{number}"
        for character in made:
            yield _Piece(character, piece.start, piece.end)
        word = ""


_DOTTED: Final = frozenset(f"{name}." for name in _NUMBERED)


def _as_c(line: str) -> str:
    """A conditional of the preprocessor, where it is C that is compiled: with other names for what assembly defines."""
    for name in _ASSEMBLERS:
        line = line.replace(name, name.lower())
    return line


_ASSEMBLERS: Final = ("__ASSEMBLY__", "__ASSEMBLER__")


class _Making:
    """Assembly that is being made: lines begin where those of the C text do."""

    def __init__(self, text: str) -> None:
        self.source = text
        self.made: list[str] = []
        self.starts: list[int] = []
        self.ends: list[int] = []
        self.last = 0  # where in the source what was made last ends
        self.holds_code = False
        self.is_fresh = True  # whether what was made ends a line

    def add(self, part: _Part) -> None:
        """Makes a part, in a line of its own if it begins one in the source, and else in a statement of its own."""
        self._separate(part.start, is_line=part.is_line)
        self.holds_code = self.holds_code or bool(part.pieces or part.suffix)
        if not part.pieces:
            for offset, character in enumerate(_as_c(self.source[part.start : part.end]), start=part.start):
                self._put(character, offset, offset + 1)
            for character in part.suffix:
                self._put(character, part.end - 1, part.end)
        pending: _Piece | None = None
        for piece in part.pieces:
            if pending is not None:
                self._separate(piece.start)
                pending = None
            if piece.character == "\n":
                pending = piece
            else:
                self._put(piece.character, piece.start, piece.end)
        self.last = max(self.last, part.end)
        self.is_fresh = False
        if part.is_line:
            self._newline(part.end)

    def _separate(self, start: int, *, is_line: bool = False) -> None:
        """Ends the statement before what stands at a place of the source."""
        if self.is_fresh:
            return
        if is_line or self.source.find("\n", self.last, max(start, self.last)) >= 0:
            self._newline(start)
        else:
            self._put(" ", self.last, self.last)
            self._put(";", self.last, self.last)
            self._put(" ", self.last, self.last)

    def _newline(self, offset: int) -> None:
        self._put("\n", offset, offset)
        self.is_fresh = True

    def _put(self, character: str, start: int, end: int) -> None:
        self.made.append(character)
        self.starts.append(start)
        self.ends.append(end)
        self.last = max(self.last, end)
        self.is_fresh = False

    def done(self) -> InlineAssembly:
        """What was made."""
        if not self.is_fresh:
            self._newline(self.last)
        return InlineAssembly("".join(self.made), self.starts, self.ends, self.holds_code)
