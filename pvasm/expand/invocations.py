"""Where a document invokes ops: as statements, as arguments of other macros, and one after another.

GNU as takes mnemonics in any case, so `COVER` that stays assembles as the bare instruction. Therefore every name of an
op is accounted for: as an invocation, as something else that it clearly is (a label, a symbol, a parameter), or as
`Hidden`, which is an error.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping
from functools import cached_property
from itertools import islice, pairwise

from msgspec import Struct
from msgspec.structs import replace

from pvasm.expand.definitions import Definitions
from pvasm.paravirt.catalog import Op
from pvasm.regex import regex
from pvasm.syntax import tree
from pvasm.syntax.document import Document
from pvasm.syntax.tokens import BUNDLE_TEMPLATES, SPLIT_WORD

BLANKS = " \t\r\n\f\v"  # no other character is one, for the C preprocessor and for GNU as

_TOKEN = regex(
    r"""
      (?P<blank>(?:[ \t\r\n\f\v]|\\[ \t\r]*\n)++|/\*(?s:.*?)(?:\*/|\Z)|//[^\n]*)
    | (?P<name>[A-Za-z_.$\\\udc80-\udcff][\w.$\\\udc80-\udcff]*)
    | (?P<number>\d[\w.$]*)
    | (?P<string>"(?:\\[^\n]|[^"\\\n])*"|'(?:\\[^\n]|[^'\\\n])'?)
    | (?P<other>(?s:.))
    """,
    re.VERBOSE,
)
# What can be an op's name, and whether a parenthesis follows.
_OP_NAME = regex(r"(?P<name>[A-Z](?<![\w.$].)[A-Z0-9_]*+)(?![\w.$])(?P<call>[ \t\r\n]*\()?")
_COMMENT = regex(r"/\*(?s:.*?)(?:\*/|\Z)|//[^\n]*")
_JOINED = regex(r"\\[ \t\r]*\n")
# What is pasted on belongs to it: else a long run of pieces would be read anew from each of them.
_BROKEN_NAME = regex(r"(?<![\w.$\\])[A-Za-z_][\w.$]*+(?:(?:\\[ \t\r]*+\n)++[\w.$]++)++(?:\\(?![ \t\r]*\n))?")
_BLANKS = regex(r"[ \t\r\n\f\v]+")


# Directives whose arguments are symbols, sections, values or text, and never code.
_NO_CODE = frozenset(
    {f".{name}" for name in ("global", "globl", "weak", "weakref", "hidden", "internal", "protected", "local")}
    | {f".{name}" for name in ("symver", "set", "equ", "equiv", "eqv", "comm", "common", "lcomm", "extern", "alias")}
    | {f".{name}" for name in ("secalias", "proc", "endp", "type", "size", "section", "pushsection", "file", "ident")}
    | {f".{name}" for name in ("purgem", "ifdef", "ifndef", "ifnotdef", "byte", "short", "word", "long", "quad")}
    | {f".{width}byte" for width in (2, 4, 8)}
)
_ENDS = frozenset((";", ",", "{", "}"))
_LONGEST_BUNDLE = 200  # tokens

_NO_PLACE = "stands where no instruction can stand; an op is a statement of its own"
_AMONG_WORDS = "is one word among others, and would stay as it is; an op is a statement of its own: write `;' between"
_HEAD = "is followed by what is no argument of it; an op is a statement of its own: write {signature}, and `;' after it"
_IN_DIRECTIVE = "would stay as it is in the arguments of {directive}; an op is a statement of its own"
_BROKEN = "is written over several lines; write it on one"


class Given(Struct, frozen=True):
    """An argument of an invocation: its text on one line, without comments, and its span in the document.

    The span of nothing is that of what stands after it: a comma, or the parenthesis.
    """

    text: str
    offset: int
    end: int


class Word(Struct, frozen=True):
    """One of the arguments that GNU as reads, separated by blanks or commas: its number from 0, or its `NAME=`."""

    number: int
    keyword: str | None


class Bundle(Struct, frozen=True):
    """The explicit bundle around an invocation: its template, if it names one, and the invocation's slot in it."""

    template: str | None
    slot: int
    is_last: bool


class Invocation(Struct, frozen=True, kw_only=True):
    """An invocation of an op, from `start` to `end` in the document's text.

    `predicate` is the offset of a predicate before it, if there is one. `in_argument` names the macro or directive in
    whose argument it stands; `word` tells which argument, where GNU as reads them. `after_call` is true if it stands
    right after another invocation, `followed` if something stands right after it.

    One that the C preprocessor puts together stands where the statement does of which that makes it: `made` is the
    statement as it is then, and `as_made` the invocation in it.
    """

    name: str
    arguments: tuple[Given, ...] = ()
    parenthesised: bool = False
    start: int
    end: int
    statement: int
    predicate: int | None = None
    in_argument: str | None = None
    word: Word | None = None
    after_call: bool = False
    followed: bool = False
    bundle: Bundle | None = None
    made: Document | None = None
    as_made: Invocation | None = None

    @property
    def given(self) -> tuple[Given, ...]:
        """The arguments; `NAME()` has none."""
        return () if len(self.arguments) == 1 and not self.arguments[0].text else self.arguments


class Hidden(Struct, frozen=True):
    """An op's name where it would be left as it is: in an operand, in text that could not be parsed, among words.

    Or, if it `is_ambiguous`, the name of a macro that makes one op or another.
    """

    name: str
    start: int
    end: int
    statement: int
    message: str
    is_ambiguous: bool = False


def find_written(
    document: Document, ops: Mapping[str, Op], definitions: Definitions
) -> tuple[list[Invocation], list[Hidden]]:
    """The invocations of `ops` written in a document, and their names where no invocation can stand; both in order.

    An invocation in which a name is hidden is none. Where the document has a macro of its own with the name of an op of
    the extension, that is meant.
    """
    own = {name for name in definitions.cpp_macros | definitions.gas_macros.keys() if name in ops}
    if any(ops[name].extension for name in own):
        ops = {name: op for name, op in ops.items() if not (op.extension and name in own)}
    by_statement: dict[int, list[re.Match[str]]] = {}
    for name in _OP_NAME.finditer(document.text):
        at = statement_at(document, name.start()) if name["name"] in ops else None
        if at is not None:
            by_statement.setdefault(at, []).append(name)
    found: list[Invocation] = []
    hidden: list[Hidden] = [] if document.preprocessed else list(_broken(document, ops))
    for index, matches in by_statement.items():
        invocations = list(_Finder(document, index, ops, definitions).invocations())
        known = {invocation.start for invocation in invocations}
        found += invocations
        hidden += _hidden(document, index, [name for name in matches if name.start() not in known], ops, definitions)
    hidden.sort(key=lambda name: name.start)
    places = [name.start for name in hidden]
    whole = [each for each in found if bisect_left(places, each.start) == bisect_left(places, each.end)]
    return sorted(whole, key=lambda invocation: invocation.start), hidden


def is_well_formed(found: Invocation, ops: Mapping[str, Op]) -> bool:
    """Whether an invocation has as many arguments as the op, in parentheses."""
    number = len(ops[found.name].parameters)
    return len(found.given) == number and (found.parenthesised or not number) and found.predicate is None


# ------------------------------------------------------------------------- names that would be left


def _hidden(
    document: Document,
    index: int,
    matches: list[re.Match[str]],
    ops: Mapping[str, Op],
    definitions: Definitions,
) -> Iterator[Hidden]:
    """Those of the names of ops in a statement, which are no invocations, that are nothing else that is fine."""
    statement = document.statements[index]
    parameters = definitions.parameters(statement) if statement.in_define else ()
    before: dict[int, _Token | None] = {}  # the token before each name
    if matches:
        tokens = _tokens(document.text, statement.start, statement.end)
        before = {token.start: last for last, token in pairwise([None, *tokens]) if token and token.kind == "name"}
    for found in matches:
        if found.start() in before and found["name"] not in parameters:
            message = _message(document, statement, found, before[found.start()], ops)
            if message is not None:
                yield Hidden(found["name"], found.start(), found.end("name"), index, message)


def statement_at(document: Document, offset: int) -> int | None:
    """The index of the statement that an offset stands in; None in a comment."""
    at = bisect_right(document.statements, offset, key=lambda statement: statement.start) - 1
    return at if at >= 0 and offset < document.statements[at].end else None


def _message(
    document: Document, statement: tree.Statement, found: re.Match[str], before: _Token | None, ops: Mapping[str, Op]
) -> str | None:
    """Why an op's name, after the token `before` of its statement, cannot stand where it does; None if it can."""
    start = found.start()
    match statement.syntax:
        case tree.Unparsed():
            return _NO_PLACE
        case tree.MacroCall() if before and before.kind == "#" and document.text[before.start - 1] == "#":
            return None  # pasted to another word
        case tree.MacroCall(name=name, call_end=end) if not found["call"]:
            return _NO_PLACE if name in ops and start < statement.origin + end else _AMONG_WORDS
        case tree.Instruction(mnemonic_start=head) if statement.origin + head == start:
            return _HEAD.format(signature=ops[found["name"]].signature)
        case tree.Directive(name=".macro"):
            is_default = before and (before.kind == "=" or (before.kind != "," and before.end == start))
            return _IN_DIRECTIVE.format(directive=".macro") if is_default else None
        case tree.Directive(name=name) if name[0] == "." and name not in _NO_CODE:
            return _IN_DIRECTIVE.format(directive=name)
        case tree.Label() | tree.Tag() if found["call"]:
            return _NO_PLACE
        case tree.Directive() | tree.CppDirective() | tree.Label() | tree.Tag():
            return None
        case tree.MacroCall():
            return _NO_PLACE
    return _NO_PLACE if found["call"] else None


def _broken(document: Document, ops: Mapping[str, Op]) -> Iterator[Hidden]:
    """The names of ops over several lines, which the C preprocessor joins."""
    for found in _BROKEN_NAME.finditer(document.text) if SPLIT_WORD.search(document.text) else ():
        name = _JOINED.sub("", found[0])
        at = statement_at(document, found.start())
        if name in ops and at is not None:
            yield Hidden(name, *found.span(), at, _BROKEN)


# ----------------------------------------------------------------------------------- invocations


class _Token(Struct, frozen=True):
    """A word or a character; `kind` is `name`, `number`, `string`, or the character."""

    kind: str
    start: int
    end: int


def _tokens(text: str, start: int, end: int) -> list[_Token]:
    """The tokens between two offsets, without blanks and comments."""
    return [
        _Token(found[0] if found.lastgroup == "other" else found.lastgroup or "", *found.span())
        for found in _TOKEN.finditer(text, start, end)
        if found.lastgroup != "blank"
    ]


def words_of(document: Document, start: int, end: int) -> Iterator[tuple[str, int, int]]:
    """The names and numbers between two offsets, with their spans, but for those in comments and strings."""
    for token in _tokens(document.text, start, end):
        if token.kind in ("name", "number"):
            yield document.text[token.start : token.end], token.start, token.end


class _Finder:
    """Finds the invocations in one statement."""

    def __init__(self, document: Document, index: int, ops: Mapping[str, Op], definitions: Definitions) -> None:
        self.document = document
        self.text = document.text
        self.index = index
        self.statement = document.statements[index]
        self.definitions = definitions
        parameters = definitions.parameters(self.statement) if self.statement.in_define else ()
        self.ops = {name for name in ops if name not in parameters} if parameters else ops

    def invocations(self) -> Iterator[Invocation]:
        syntax = self.statement.syntax
        if isinstance(syntax, tree.MacroCall):
            yield from self.of_call(syntax)
        elif isinstance(syntax, tree.Directive):
            yield from self.of_directive(syntax)

    def of_call(self, call: tree.MacroCall) -> Iterator[Invocation]:
        """The invocations in a macro invocation: itself, in its arguments, and after it."""
        origin = self.statement.origin
        end = origin + call.call_end
        if call.name in self.ops:
            start = origin + call.name_start
            after_name = start + len(call.name)
            # Read anew: what the parser takes for a blank may be none.
            tokens = _tokens(self.text, after_name, end)
            given = _arguments(self.text, tokens[1:-1] if call.parenthesised else tokens, end)
            yield Invocation(
                name=call.name,
                arguments=tuple(given) if call.arguments or call.parenthesised else (),
                parenthesised=call.parenthesised,
                start=start,
                end=end if call.parenthesised or call.arguments else after_name,
                statement=self.index,
                predicate=None if call.predicate is None else origin + call.start,
                followed=bool(call.tail),
                bundle=self.bundle,
            )
        elif call.parenthesised:
            for argument in call.arguments:
                yield from self.of_text(origin + argument.start, origin + argument.end, call.name)
        else:
            yield from self.of_words(_tokens(self.text, origin + call.name_start + len(call.name), end), call.name)
        if call.tail:
            yield from self.of_text(end, self.statement.end, None)

    def of_directive(self, directive: tree.Directive) -> Iterator[Invocation]:
        """The invocations in the arguments of a directive that makes code of them."""
        tokens = _tokens(self.text, self.statement.start + len(directive.name), self.statement.end)
        if directive.name in (".irp", ".irep"):
            yield from self.of_words(tokens[1:], directive.name)
        elif directive.name == ".macro":
            yield from self.of_defaults(tokens)
        elif directive.name in self.definitions.gas_macros:
            yield from self.of_words(tokens, directive.name)

    # ---------------------------------------------------- arguments as the C preprocessor reads them

    def of_text(self, start: int, end: int, macro: str | None) -> Iterator[Invocation]:
        """The invocations in a piece of a statement: an argument of `macro`, or what stands after an invocation."""
        yield from _Walk(self, _tokens(self.text, start, end), macro).invocations()

    @cached_property
    def bundle(self) -> Bundle | None:
        """The explicit bundle that the statement stands in."""
        return bundle_around(self.document, self.index)

    def at_head(
        self, tokens: list[_Token], at: int, last: int, around: tuple[int, str | None], predicate: int | None
    ) -> Invocation | None:
        """The invocation that a statement's head in a piece of text is, up to the token `last`.

        `around` is the macro in whose argument it stands, and the token that closes that.
        """
        name = self.text[tokens[at].start : tokens[at].end]
        is_last = last + 1 >= min(around[0], len(tokens))
        followed = not is_last and tokens[last + 1].kind not in _ENDS
        is_call = last > at
        if name not in self.ops or (followed and not is_call):
            return None
        end = tokens[min(last, len(tokens) - 1)].end
        return Invocation(
            name=name,
            arguments=tuple(_arguments(self.text, tokens[at + 2 : last], end)) if is_call else (),
            parenthesised=is_call,
            start=tokens[at].start,
            end=end,
            statement=self.index,
            predicate=predicate,
            in_argument=around[1],
            followed=followed,
        )

    # --------------------------------------------------------------- arguments as GNU as reads them

    def of_words(self, tokens: list[_Token], macro: str) -> Iterator[Invocation]:
        """The invocations among arguments that are separated by blanks or commas."""
        closings = _closings(tokens)
        at = number = 0
        while at < len(tokens):
            if tokens[at].kind == ",":
                at += 1
                continue
            keyword = None
            if tokens[at].kind == "name" and at + 2 < len(tokens) and tokens[at + 1].kind == "=":
                keyword = self.text[tokens[at].start : tokens[at].end]
                at += 2
            last = _call_end(tokens, closings, at) if tokens[at].kind == "name" else at
            end = _word_end(tokens, closings, at)
            if end <= last + 1:
                found = self.as_word(tokens, at, last, macro, Word(number, keyword))
                if found is not None:
                    yield found
            at = max(end, last + 1)
            number += 1

    def of_defaults(self, tokens: list[_Token]) -> Iterator[Invocation]:
        """The invocations among the defaults of a `.macro`'s parameters."""
        closings = _closings(tokens)
        for at in range(1, len(tokens)):
            if tokens[at - 1].kind == "=" and tokens[at].kind == "name":
                last = _call_end(tokens, closings, at)
                if _word_end(tokens, closings, at) <= last + 1:
                    found = self.as_word(tokens, at, last, ".macro", Word(0, None))
                    if found is not None:
                        yield found

    def as_word(self, tokens: list[_Token], at: int, last: int, macro: str, word: Word) -> Invocation | None:
        """The invocation that the tokens from `at` to `last` are, if they are one."""
        name = self.text[tokens[at].start : tokens[at].end]
        if name not in self.ops or last >= len(tokens):
            return None
        end = tokens[last].end
        return Invocation(
            name=name,
            arguments=tuple(_arguments(self.text, tokens[at + 2 : last], end)) if last > at else (),
            parenthesised=last > at,
            start=tokens[at].start,
            end=end,
            statement=self.index,
            in_argument=macro,
            word=word,
        )


class _Walk:
    """Goes over the tokens of a piece of text as the C preprocessor reads it: statements, in arguments of macros."""

    def __init__(self, finder: _Finder, tokens: list[_Token], macro: str | None) -> None:
        self.finder = finder
        self.tokens = tokens
        self.closings = _closings(tokens)
        self.macros = [(len(tokens), macro)]  # those whose arguments we are in, with the tokens that close them
        self.bundle: int | None = None  # the brace that is open
        self.predicate: int | None = None
        self.at_head = True  # of a statement
        self.after_call = macro is None

    def invocations(self) -> Iterator[Invocation]:
        """The invocations, in order."""
        at = 0
        while at < len(self.tokens):
            token = self.tokens[at]
            if at == self.macros[-1][0]:
                self.macros.pop()
                self.begin(after_call=True)
            elif self.separates(token):
                self.bundle = {"{": at, "}": None}.get(token.kind, self.bundle)
                self.begin(after_call=False)
            elif self.at_head and token.kind == "name" and not self.skipped(at):
                found, at = self.name(at)
                if found is not None:
                    yield found
            elif self.at_head:
                at = self.before_name(at)
            at += 1

    def begin(self, *, after_call: bool) -> None:
        """A statement begins here."""
        self.at_head, self.after_call, self.predicate = True, after_call, None

    def separates(self, token: _Token) -> bool:
        """Whether a token stands between statements."""
        return token.kind in (";", "{", "}") or (token.kind == "," and self.macros[-1][1] is not None)

    def skipped(self, at: int) -> int:
        """How many tokens stand here that may be before a statement: a label's, a tag's."""
        return _prefix(self.finder.text, self.tokens, at)

    def before_name(self, at: int) -> int:
        """Passes what stands at the head of a statement, and is no name; the last token of it."""
        skipped = self.skipped(at)
        if skipped:
            self.after_call = False
            return at + skipped - 1
        if self.tokens[at].kind == "(":
            self.predicate = self.tokens[at].start
            return self.closings[at]
        self.at_head = False
        return at

    def name(self, at: int) -> tuple[Invocation | None, int]:
        """Passes the name at the head of a statement: an op's invocation, if it is one, and the last token passed."""
        token, last = self.tokens[at], _call_end(self.tokens, self.closings, at)
        found = self.finder.at_head(self.tokens, at, last, self.macros[-1], self.predicate)
        self.predicate = None
        if found is not None:
            inside = _bundle_in(self.finder.text, self.tokens, self.bundle, at, last)
            found = replace(found, after_call=self.after_call, bundle=inside or self.finder.bundle)
            self.at_head = self.after_call = last > at
            return found, last
        self.at_head = last > at
        if last > at:  # the arguments of another macro
            self.macros.append((last, self.finder.text[token.start : token.end]))
            self.after_call = False
            return None, at + 1
        return None, at


def _prefix(text: str, tokens: list[_Token], at: int) -> int:
    """The number of tokens of the label, tag or template at a statement's head; 0 if there is none."""
    kinds = [token.kind for token in tokens[at : at + 4]]
    if kinds[0] in ("name", "number") and kinds[1:2] == [":"]:
        return 3 if kinds[2:3] == [":"] else 2
    if kinds in (["[", "name", ":", "]"], ["[", "number", ":", "]"]):
        return 4
    return int(_template(text, tokens[at]) is not None)


def _template(text: str, token: _Token) -> str | None:
    """The bundle template that a token names, without its dot."""
    word = text[token.start : token.end].lower()
    return word[1:] if word[:1] == "." and word[1:] in BUNDLE_TEMPLATES else None


def _closings(tokens: list[_Token]) -> dict[int, int]:
    """The index of the parenthesis that closes each; the number of tokens where none does."""
    found: dict[int, int] = {}
    opened: list[int] = []
    for index, token in enumerate(tokens):
        if token.kind == "(":
            opened.append(index)
        elif token.kind == ")" and opened:
            found[opened.pop()] = index
    return {**found, **dict.fromkeys(opened, len(tokens))}


def _call_end(tokens: list[_Token], closings: Mapping[int, int], at: int) -> int:
    """The index of the last token of `NAME` or `NAME(...)` at `at`; beyond the last where a parenthesis is open."""
    return closings.get(at + 1, at) if at + 1 < len(tokens) else at


def _word_end(tokens: list[_Token], closings: Mapping[int, int], at: int) -> int:
    """The index after the tokens that stand together from `at` on, with all between parentheses."""
    while True:
        at = closings.get(at, at) + 1
        if at >= len(tokens) or tokens[at].kind == "," or tokens[at].start > tokens[at - 1].end:
            return min(at, len(tokens))


def _arguments(text: str, tokens: list[_Token], end: int) -> Iterator[Given]:
    """The arguments that some tokens are, split at the commas outside parentheses."""
    depth = 0
    first: int | None = None
    last = end
    for token in tokens:
        depth += (token.kind == "(") - (token.kind == ")")
        if token.kind == "," and depth == 0:
            yield _one(text, first, last) if first is not None else Given("", token.start, token.end)
            first = None
        else:
            first = token.start if first is None else first
            last = token.end
    yield _one(text, first, last) if first is not None else Given("", end - 1, end)


def _one(text: str, start: int, end: int) -> Given:
    return Given(argument_text(text[start:end]), start, end)


def argument_text(text: str) -> str:
    """An argument's text on one line, without comments."""
    if text.isalnum():
        return text
    return _BLANKS.sub(" ", _COMMENT.sub(" ", _JOINED.sub("", text))).strip(" ")


# --------------------------------------------------------------------------------------- bundles


def bundle_around(document: Document, index: int) -> Bundle | None:
    """The explicit bundle that a statement stands in."""
    statements = document.statements
    here = statements[index]
    template, slot = None, 0
    for at in range(index - 1, -1, -1):
        before = statements[at]
        if (before.macro, before.in_define) != (here.macro, here.in_define):
            return None
        match before.syntax:
            case tree.BundleClose():
                return None
            case tree.BundleOpen():
                return Bundle(template, slot, _closes(document, index))
            case tree.Template(name=name):
                template = name
            case tree.Instruction() | tree.MacroCall():
                slot += 1
        if slot > 3:
            return None  # no bundle is so long: a brace is missing
    return None


def _closes(document: Document, index: int) -> bool:
    """Whether nothing but stops stands between a statement and a closing brace."""
    statements = document.statements
    after = next(
        (at for at in range(index + 1, len(statements)) if not isinstance(statements[at].syntax, tree.Stop)), -1
    )
    return after >= 0 and isinstance(statements[after].syntax, tree.BundleClose)


def _bundle_in(text: str, tokens: list[_Token], opening: int | None, at: int, last: int) -> Bundle | None:
    """The bundle after the brace `opening` of a piece of text, for the invocation from token `at` to `last`."""
    if opening is None or at - opening > _LONGEST_BUNDLE:
        return None
    inside = tokens[opening + 1 : at]
    templates = [name for name in (_template(text, token) for token in inside) if name is not None]
    slot = sum(
        token.kind == ";" != before.kind and _template(text, before) is None for before, token in pairwise(inside)
    )
    rest = (token.kind for token in islice(tokens, last + 1, last + 4) if token.kind != ";")
    return Bundle(templates[0] if templates else None, slot, next(rest, "") == "}")
