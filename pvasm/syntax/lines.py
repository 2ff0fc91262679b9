"""A file's text, cut into the pieces that statements are: the first of the lexer's two steps.

One compiled regular expression walks over comments, strings, separators and runs of plain text. What lies between
two separators is a *chunk*: the text of the labels and the statement that stand there, whose tokens the second step
(pvasm/syntax/tokens.py) finds, once for each distinct text.
"""

from __future__ import annotations

import re

from msgspec import Struct

from pvasm.regex import regex

CHUNK, STOP, BUNDLE_OPEN, BUNDLE_CLOSE, CPP, PROBLEM = "chunk", "stop", "{", "}", "cpp", "problem"

# How far the closing parenthesis of a macro invocation that spans lines is looked for.
_MAX_CALL_LINES = 40
_MAX_CALL_CHARACTERS = 4096
_MAX_GIVEN_UP = 100  # how often in vain, before a file is taken for one that never closes them


class Piece(Struct, gc=False):
    """A piece of the text from `start` to `end`; `message` is what is wrong, for a PROBLEM."""

    kind: str
    start: int
    end: int
    message: str = ""


def _compile(*, preprocessed: bool, in_define: bool) -> re.Pattern[str]:
    """The pattern of one piece; the names of its groups tell which."""
    # Translation phase 2 of the C preprocessor joins lines; after it, a backslash is a character like any other.
    continuation = r"(?!)" if preprocessed else r"\\[ \t\r]*\n"
    backslash = r"\\" if preprocessed else r"\\(?![ \t\r]*\n)"
    line_comment = r"//[^\n]*" if preprocessed else r"//(?:\\[ \t\r]*\n|[^\n])*+"
    directive = r"(?!)" if in_define else r"^[ \t\r\f\v\ufeff]*+(?:/\*(?:[^*\n]++|\*(?!/))*+\*/[ \t]*+)*+\#"
    run = rf"(?:[^\s;{{}}\"'/\\\ufeff]|{backslash}|/(?![/*]))(?:[^\n;{{}}\"'/\\]++|{backslash}|/(?![/*]))*+"
    return regex(
        rf"""
          (?P<cpp>{directive})
        | (?P<blank>[ \t\r\f\v\ufeff]+)
        | (?P<newline>\n)
        | (?P<run>{run})
        | (?P<stop>;;)
        | (?P<separator>;)
        | (?P<open>\{{)
        | (?P<close>\}})
        | (?P<comment>{line_comment}|/\*(?s:.*?)\*/)
        | (?P<string>"(?:\\[^\n]|[^"\\\n])*+")
        | (?P<character>'(?:\\[^\n]|[^\\\n'])?'?)
        | (?P<continuation>{continuation})
        | (?P<endless_comment>/\*(?s:.*))
        | (?P<endless_string>"[^\n]*)
        | (?P<odd>(?s:.))
        """,
        re.VERBOSE | re.MULTILINE,
    )


_PATTERNS = {
    (preprocessed, in_define): _compile(preprocessed=preprocessed, in_define=in_define)
    for preprocessed, in_define in ((False, False), (False, True), (True, False))
}
LEXEMES = {False: _PATTERNS[False, True], True: _PATTERNS[True, False]}  # of raw, preprocessed text: comments as well

# A directive's logical line: continuation lines joined, block comments part of it.
_CPP_LINE = regex(
    r"""(?:
          [^\n\\/"']++
        | \\[ \t\r]*\n
        | \\
        | /\*(?s:.*?)(?:\*/|\Z)
        | //(?:\\[ \t\r]*\n|[^\n])*
        | "(?:\\[^\n]|[^"\\\n])*"?
        | [/']
        )*+""",
    re.VERBOSE,
)
_LINE = regex(r"[^\n]*")
_CONDITIONAL = regex(r"[^#]*#[ \t]*(?P<name>if|el|endif)")


def split(text: str, start: int, end: int, *, preprocessed: bool = False, in_define: bool = False) -> list[Piece]:
    """The pieces of `text` from `start` to `end`, in order; blanks and comments around chunks are in none.

    In the body of a `#define` (`in_define`), a line's end is a blank. A chunk goes on over separators while a
    parenthesis is open, since a macro invocation may; if none closes it nearby, the chunk ends where it would have
    without.
    """
    pieces: list[Piece] = []
    append = pieces.append
    match = _PATTERNS[preprocessed, in_define].match
    position = start
    chunk_start = chunk_end = -1  # the chunk being collected, if chunk_start >= 0
    depth = 0  # open parentheses in it
    resume: _Resume | None = None  # where to go back to if none closes
    given_up = -1  # the separator at which going on has been tried in vain last
    times_given_up = 0
    fresh = not in_define  # whether nothing but blanks and comments stands before on the line

    while True:
        found = match(text, position, end) if position < end else None
        kind = found.lastgroup if found else "end"
        next_position = found.end() if found else end
        if kind == "cpp" and not (fresh or preprocessed):  # the line before goes on in this one
            kind, position = "run", next_position - 1
        if kind == "run" and text[position] == "#" and chunk_start < 0 and not in_define:
            if fresh:  # behind a comment that began on an earlier line
                kind, next_position = "cpp", position + 1
            else:  # a comment of the assembler's, behind a separator
                line = _LINE.match(text, position, end)
                assert line is not None
                position = line.end()
                continue
        if kind in ("run", "string", "character", "odd"):
            if chunk_start < 0:
                chunk_start = position
            chunk_end = next_position
            fresh = False
            if kind == "run":
                opened = text.count("(", position, next_position)
                closed = text.count(")", position, next_position)
                if opened or closed:
                    depth += opened - closed
                    if depth <= 0:
                        resume = None
        elif kind in ("blank", "continuation"):
            pass
        elif kind == "comment":
            if not fresh and not in_define and chunk_start < 0:
                fresh = text.find("\n", position, next_position) >= 0
        elif kind == "endless_string":
            append(Piece(PROBLEM, position, next_position, "unterminated string"))
            if chunk_start < 0:
                chunk_start = position
            chunk_end = next_position
        elif kind == "endless_comment":
            append(Piece(PROBLEM, position, position + 2, "unterminated comment"))
        else:  # a separator of some kind, a directive, or the end
            if kind == "newline":
                fresh = not in_define
            if depth > 0 and chunk_start >= 0 and position != given_up and times_given_up < _MAX_GIVEN_UP:
                if resume is None:
                    resume = _Resume(position, chunk_end, len(pieces))
                if resume.goes_on(kind, text, position):
                    position = next_position
                else:
                    position = given_up = resume.position
                    chunk_end = resume.chunk_end
                    del pieces[resume.pieces :]
                    times_given_up += 1
                    resume = None
                continue
            if chunk_start >= 0:
                while text[chunk_end - 1] in " \t\r\f\v":
                    chunk_end -= 1
                append(Piece(CHUNK, chunk_start, chunk_end))
                chunk_start = -1
            depth = 0
            resume = None
            if found is None:
                return pieces
            fresh = kind in ("newline", "cpp") and not in_define
            if kind == "stop":
                append(Piece(STOP, position, next_position))
            elif kind == "open":
                append(Piece(BUNDLE_OPEN, position, next_position))
            elif kind == "close":
                append(Piece(BUNDLE_CLOSE, position, next_position))
            elif kind == "cpp":
                line = (_LINE if preprocessed else _CPP_LINE).match(text, next_position, end)
                assert line is not None
                append(Piece(CPP, next_position - 1, line.end()))
                next_position = line.end()
        position = next_position


class _Resume:
    """Where an open parenthesis made a chunk go on over a separator, to go back to if none closes it nearby."""

    __slots__ = ("chunk_end", "conditionals", "lines", "pieces", "position")

    def __init__(self, position: int, chunk_end: int, pieces: int) -> None:
        self.position = position
        self.chunk_end = chunk_end
        self.pieces = pieces
        self.lines = 0
        self.conditionals = 0  # open ones, begun since

    def goes_on(self, kind: str | None, text: str, position: int) -> bool:
        """Whether to look further, over a separator of this kind."""
        if kind == "end" or position - self.position > _MAX_CALL_CHARACTERS:
            return False
        if kind == "newline":
            self.lines += 1
            return self.lines < _MAX_CALL_LINES
        if kind != "cpp":
            return True
        # The C preprocessor takes whole conditionals among a macro's arguments.
        found = _CONDITIONAL.match(text, position)
        if found is None:
            return False
        self.conditionals += {"if": 1, "el": 0, "endif": -1}[found["name"]]
        return self.conditionals >= (1 if found["name"] == "el" else 0)
