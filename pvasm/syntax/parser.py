"""From chunks to statements: the grammar, applied once to each shape of statement.

An LALR parse depends on the types of the tokens alone. So each distinct sequence of types is parsed once; its tree
is kept, and filled with the words of every chunk of that shape. Equal chunks share the result.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from pvasm.syntax import alike, lalr, tree
from pvasm.syntax.lalr import Malformed, Node
from pvasm.syntax.tokens import Tokens, symbol_name, tokenize, whole_words

# A longer instruction or condition is no parser's business: it bounds the depth of the trees as well.
_MAX_TOKENS = 400

_WORDS = {
    "EQUALS": "`='",
    "COMMA": "`,'",
    "COLON": "`:'",
    "LPAR": "`('",
    "RPAR": "`)'",
    "LSQB": "`['",
    "RSQB": "`]'",
    "NAME": "a name",
    "INT": "a number",
    "MNEMONIC": "an instruction",
    "$END": "the end of the statement",
}
_EXPRESSION_STARTS = frozenset({"NAME", "INT", "LPAR", "MINUS"})

# What a chunk says: its labels and tags, then its statement.
Parsed = tuple[tree.Syntax, ...]


@cache
def _shape(key: str, start: str) -> Node | Malformed:
    return lalr.parse(key, start)


class _Filler:
    """Fills a shape with the words of one chunk."""

    __slots__ = ("ends", "is_whole", "starts", "text")

    def __init__(self, text: str, tokens: Tokens) -> None:
        self.text = text
        self.is_whole = "\\" not in text  # no end of a line splits a word
        self.starts = tokens.starts
        self.ends = tokens.ends

    def word(self, index: int) -> str:
        word = self.text[self.starts[index] : self.ends[index]]
        return word if self.is_whole else whole_words(word)

    def expression(self, node: Node) -> tree.Expression:
        return _EXPRESSIONS[node[0]](self, node[1])

    def name(self, children: tuple[Any, ...]) -> tree.Expression:
        index = children[0]
        return tree.Name(self.word(index), self.starts[index], self.ends[index])

    def symbol(self, children: tuple[Any, ...]) -> tree.Expression:
        index, hash_index = children[0], children[1]
        return tree.Name(self.word(index), self.starts[index], self.ends[hash_index], is_symbol=True)

    def integer(self, children: tuple[Any, ...]) -> tree.Expression:
        index = children[0]
        word = self.word(index)
        return tree.Number(word, integer_value(word), self.starts[index], self.ends[index])

    def other_number(self, children: tuple[Any, ...]) -> tree.Expression:
        index = children[0]
        return tree.Number(self.word(index), None, self.starts[index], self.ends[index])

    def string(self, children: tuple[Any, ...]) -> tree.Expression:
        index = children[0]
        return tree.String(self.word(index), self.starts[index], self.ends[index])

    def parenthesised(self, children: tuple[Any, ...]) -> tree.Expression:
        return self.expression(children[1])

    def unary(self, children: tuple[Any, ...]) -> tree.Expression:
        operator, operand = children[0], self.expression(children[1])
        return tree.Unary(self.word(operator), operand, self.starts[operator], operand.end)

    def binary(self, children: tuple[Any, ...]) -> tree.Expression:
        left, right = self.expression(children[0]), self.expression(children[2])
        return tree.Binary(self.word(children[1]), left, right, left.start, right.end)

    def choice(self, children: tuple[Any, ...]) -> tree.Expression:
        arguments = tuple(self.expression(child) for child in children[::2])
        return tree.Call("?:", arguments, arguments[0].start, arguments[-1].end)

    def defined(self, children: tuple[Any, ...]) -> tree.Expression:
        function, name = children[0], self.name(children[1:])
        return tree.Call(self.word(function), (name,), self.starts[function], name.end)

    def call(self, children: tuple[Any, ...]) -> tree.Expression:
        function = children[0]
        arguments = tuple(self.expression(child) for child in children[2][1][::2])
        return tree.Call(self.word(function), arguments, self.starts[function], self.ends[children[-1]])

    def index(self, children: tuple[Any, ...]) -> tree.Expression:
        file = children[0]
        return tree.Index(self.word(file), self.expression(children[2]), self.starts[file], self.ends[children[3]])

    def memory(self, children: tuple[Any, ...]) -> tree.Expression:
        return tree.Memory(self.expression(children[1]), self.starts[children[0]], self.ends[children[2]])

    def operands(self, node: Node) -> tuple[tree.Expression, ...]:
        return tuple([_EXPRESSIONS[child[0]](self, child[1]) for child in node[1][::2]])


_EXPRESSIONS: dict[str, Callable[[_Filler, tuple[Any, ...]], tree.Expression]] = {
    name: getattr(_Filler, name)
    for name in (
        [
            "name",
            "symbol",
            "integer",
            "other_number",
            "string",
            "parenthesised",
            "unary",
            "binary",
            "choice",
            "defined",
            "call",
            "index",
            "memory",
        ]
    )
}

_CHARACTERS = {"n": 10, "t": 9, "r": 13, "b": 8, "f": 12, "v": 11, "0": 0, "a": 7}


def integer_value(word: str) -> int | None:
    """The value of an integer or character constant as GNU as reads it; None if it has none (`09`)."""
    if word[0] == "'":
        character = word[1:2]
        if character == "\\":
            return _CHARACTERS.get(word[2], ord(word[2]))
        return ord(character)
    digits = word.rstrip("uUlL")
    try:
        if digits[:2] in ("0x", "0X"):
            return int(digits[2:], 16)
        if digits[:2] in ("0b", "0B"):
            return int(digits[2:], 2)
        return int(digits, 8 if digits[0] == "0" else 10)
    except ValueError:
        return None


def _due(expected: frozenset[str]) -> str:
    """What the grammar would have accepted, for a person."""
    if expected >= _EXPRESSION_STARTS:
        return "an operand"
    words = sorted(_WORDS[terminal] for terminal in expected if terminal in _WORDS)
    return " or ".join(words) if 0 < len(words) <= 3 else "an operator or the end of the statement"


def _unparsed(chunk: str, tokens: Tokens, malformed: Malformed) -> tree.Unparsed:
    if malformed.at < len(tokens.starts):
        at = tokens.starts[malformed.at]
        found = f"`{chunk[at : tokens.ends[malformed.at]]}'"
    else:
        at, found = len(chunk), "the end of the statement"
    return tree.Unparsed(f"{found} where {_due(malformed.expected)} is due", at, 0, len(chunk))


_MOST_CHUNKS = 1 << 16  # that are kept: a process may read many files


class Parser:
    """Parses chunks; `is_mnemonic` tells whether a lower-case word (completers included) names an instruction."""

    def __init__(self, is_mnemonic: Callable[[str], bool]) -> None:
        self._is_mnemonic = is_mnemonic
        self._chunks: dict[str, Parsed] = {}
        # By what chunks that are alike have alike: the first of them, and from the second on what makes others of it.
        self._likes: dict[str, tuple[str, Parsed] | alike.Like | None] = {}

    def chunk(self, text: str) -> Parsed:
        """The labels, tags and statement of a chunk. Never fails: what is no statement is one `Unparsed`."""
        parsed = self._chunks.get(text)
        if parsed is None:
            if len(self._chunks) >= _MOST_CHUNKS:
                self._chunks.clear()
            parsed = self._chunks[text] = self._parsed(text)
        return parsed

    @property
    def chunks(self) -> Mapping[str, Parsed]:
        """The chunks that have been parsed and are kept, by their texts."""
        return self._chunks

    def _parsed(self, text: str) -> Parsed:
        pieces = alike.split(text)
        likeness = alike.likeness_of(pieces) if len(pieces) > 1 else None
        if likeness is None:
            return self._parse(text)
        if likeness in self._likes:
            like = self._likes[likeness]
            if isinstance(like, tuple):
                like = self._likes[likeness] = alike.like_of(*like, integer_value)
            return self._parse(text) if like is None else (like.of(pieces),)
        if len(self._likes) >= _MOST_CHUNKS:
            self._likes.clear()
        parsed = self._parse(text)
        self._likes[likeness] = (text, parsed)
        return parsed

    def _parse(self, chunk: str) -> Parsed:
        tokens = tokenize(chunk, self._is_mnemonic)
        if len(tokens.key) > _MAX_TOKENS:
            return (tree.Unparsed(f"a statement of more than {_MAX_TOKENS} words", 0, 0, len(chunk)),)
        shape = _shape(tokens.key, "statement")
        if isinstance(shape, Malformed):
            return (_unparsed(chunk, tokens, shape),)
        filler = _Filler(chunk, tokens)
        parsed: list[tree.Syntax] = []
        for node in shape[1]:
            if node[0] == "prefix":
                parsed.append(_prefix(filler, node[1][0]))
            else:
                _STATEMENTS[node[0]](filler, node[1], chunk, tokens, parsed)
        return tuple(parsed)


def _prefix(filler: _Filler, node: Node) -> tree.Syntax:
    """A label or a tag."""
    children = node[1]
    kind, named, start = (tree.Label, 0, -1) if node[0] == "label" else (tree.Tag, 1, filler.starts[children[0]])
    name = children[named]
    first, last = (name[1][0], name[1][3]) if name.__class__ is tuple else (name, name)
    begin = filler.starts[first]
    text = filler.text[begin : filler.ends[last]]
    if kind is tree.Label:
        text = symbol_name(text)
    return kind(text, begin if start < 0 else start, filler.ends[children[-1]])


def _leading(
    filler: _Filler, children: tuple[Any, ...], parsed: list[tree.Syntax]
) -> tuple[tree.Expression | None, int, tuple[Any, ...]]:
    """The predicate, where the statement starts, and the rest; labels after a predicate are statements of their own."""
    predicate: tree.Expression | None = None
    start = -1
    for position, child in enumerate(children):
        if child.__class__ is tuple and child[0] == "predicate":
            predicate = filler.expression(child[1][1])
            start = filler.starts[child[1][0]]
        elif child.__class__ is tuple:
            parsed.append(_prefix(filler, child))
        else:
            return predicate, start if start >= 0 else filler.starts[child], children[position:]
    raise AssertionError("a statement without a head")


def _instruction(
    filler: _Filler, children: tuple[Any, ...], chunk: str, tokens: Tokens, parsed: list[tree.Syntax]
) -> None:
    predicate, start, (head, operands) = _leading(filler, children, parsed)
    outputs: tuple[tree.Expression, ...] = ()
    inputs: tuple[tree.Expression, ...] = ()
    has_equals = False
    for child in operands[1]:
        if child.__class__ is tuple:
            inputs = filler.operands(child)
        else:
            outputs, inputs, has_equals = inputs, (), True
    parsed.append(
        tree.Instruction(
            predicate,
            filler.word(head).lower(),
            outputs,
            inputs,
            has_equals,
            filler.starts[head],
            start,
            len(chunk),
        )
    )


def _assignment(
    filler: _Filler, children: tuple[Any, ...], chunk: str, tokens: Tokens, parsed: list[tree.Syntax]
) -> None:
    name, operator, value = children
    parsed.append(
        tree.Assignment(
            symbol_name(filler.word(name)),
            filler.word(operator),
            filler.expression(value),
            filler.starts[name],
            len(chunk),
        )
    )


def _directive(
    filler: _Filler, children: tuple[Any, ...], chunk: str, tokens: Tokens, parsed: list[tree.Syntax]
) -> None:
    head = children[0]
    arguments, _ = _arguments(chunk, tokens, tokens.arguments, "([", ")]")
    parsed.append(
        tree.Directive(
            filler.word(head).lower(), tuple(argument.text for argument in arguments), filler.starts[head], len(chunk)
        )
    )


def _template(
    filler: _Filler, children: tuple[Any, ...], chunk: str, tokens: Tokens, parsed: list[tree.Syntax]
) -> None:
    head = children[0]
    parsed.append(tree.Template(filler.word(head)[1:].lower(), filler.starts[head], filler.ends[head]))


def _macro_call(
    filler: _Filler, children: tuple[Any, ...], chunk: str, tokens: Tokens, parsed: list[tree.Syntax]
) -> None:
    predicate, start, rest = _leading(filler, children, parsed)
    head = rest[0]
    name = filler.word(head)
    first = tokens.arguments
    parenthesised = first < len(tokens.starts) and chunk[tokens.starts[first]] == "("
    if parenthesised:
        arguments, after = _arguments(chunk, tokens, first + 1, "(", ")")
        if after == len(tokens.starts):
            parsed.append(
                tree.Unparsed(f"the parenthesis after {name} is not closed", tokens.starts[first], start, len(chunk))
            )
            return
        call_end = tokens.ends[after]
    else:
        arguments, _ = _arguments(chunk, tokens, first, "(", ")")
        call_end = len(chunk)
    parsed.append(
        tree.MacroCall(
            predicate,
            name,
            arguments,
            parenthesised,
            filler.starts[head],
            call_end,
            chunk[call_end:].strip(),
            start,
            len(chunk),
        )
    )


_STATEMENTS: dict[str, Callable[[_Filler, tuple[Any, ...], str, Tokens, list[tree.Syntax]], None]] = {
    "instruction": _instruction,
    "assignment": _assignment,
    "directive": _directive,
    "template": _template,
    "macro_call": _macro_call,
}


def _arguments(
    chunk: str, tokens: Tokens, first: int, opening: str, closing: str
) -> tuple[tuple[tree.Argument, ...], int]:
    """The arguments from token `first` on, split at top-level commas.

    And the token that closes them, or their number.
    """
    arguments: list[tree.Argument] = []
    depth = 0
    starts, ends = tokens.starts, tokens.ends
    argument_first = index = first
    total = len(starts)

    def add(end: int) -> None:
        if end > argument_first:
            start, stop = starts[argument_first], ends[end - 1]
        else:
            start = stop = ends[end - 1] if end else 0
        arguments.append(tree.Argument(chunk[start:stop], start, stop))

    while index < total:
        character = chunk[starts[index] : ends[index]]
        if character in opening:
            depth += 1
        elif character in closing:
            if depth == 0:
                break
            depth -= 1
        elif character == "," and depth == 0:
            add(index)
            argument_first = index + 1
        index += 1
    if index > first:
        add(index)
    return tuple(arguments), index


def parse_expression(text: str) -> tree.Expression | None:
    """The expression that `text` is, as an operand would be, or None if it is none."""
    return _parse_whole(text, "expression")


def parse_condition(text: str) -> tree.Expression | None:
    """The expression of a `#if`, or None if it is none that the C preprocessor would take."""
    return _parse_whole(text, "condition")


def _parse_whole(text: str, start: str) -> tree.Expression | None:
    tokens = _all_tokens(text)
    if len(tokens.key) > _MAX_TOKENS:
        return None
    shape = _shape(tokens.key, start)
    if isinstance(shape, Malformed):
        return None
    return _Filler(text, tokens).expression(shape)


def _is_none(word: str) -> bool:
    return False


def _all_tokens(text: str) -> Tokens:
    """The tokens of `text`, none of them taken for a head."""
    tokens = tokenize(f"={text}", _is_none)
    return Tokens(
        tokens.key[1:],
        [start - 1 for start in tokens.starts[1:]],
        [end - 1 for end in tokens.ends[1:]],
        tokens.arguments,
    )
