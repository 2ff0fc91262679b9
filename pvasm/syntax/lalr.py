"""The grammar's LALR(1) tables, and the small automaton that runs them.

Lark reads grammars/ia64.lark and computes the tables; they are kept (pvasm/compiled.py), so that a run need not
even import Lark. What the automaton makes of a key is the tree that Lark would: tests compare the two.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from msgspec import Struct

from pvasm import data
from pvasm.compiled import compiled
from pvasm.syntax.tokens import TERMINALS

Node = tuple[str, tuple[Any, ...]]
"""A node of a tree: its name in the grammar, and its children: nodes, and the indexes of tokens."""

_STARTS = ("statement", "condition", "expression")
_END = "$END"


class Malformed(Struct, frozen=True):
    """A key that the grammar does not know.

    The token (by index) it stops at, and the terminals that it would go on with.
    """

    at: int
    expected: frozenset[str]


class _Rule(Struct, frozen=True):
    """What a reduction does: takes `length` children, makes a node of them under `name`.

    `inline` children go into the parent's instead; with `lone`, a single child stands for itself.
    """

    origin: str
    length: int
    name: str
    inline: bool
    lone: bool


class _Tables(Struct, frozen=True):
    """For each state what to do at each symbol: go on to a state (0 and up), or reduce by rule `-1 - action`.

    `lone` are the actions that reduce a single child, which stands for itself.
    """

    starts: dict[str, int]
    ends: dict[str, int]
    rules: list[_Rule]
    states: list[dict[str, int]]
    lone: frozenset[int]


def _make(grammar: str) -> Any:
    """The tables of a grammar, as JSON holds them."""
    from lark import Lark
    from lark.grammar import Rule
    from lark.lexer import Lexer, TerminalDef

    class NoLexer(Lexer):
        def __init__(self, lexer_conf: object) -> None:
            pass

        def lex(self, lexer_state: Any, parser_state: Any) -> Any:
            raise NotImplementedError

    lark = Lark(grammar, parser="lalr", lexer=NoLexer, start=list(_STARTS))
    # This is what Lark's generator of stand-alone parsers writes into them.
    serialized, memo = lark.memo_serialize([TerminalDef, Rule])
    table = serialized["parser"]["parser"]
    letters = {name: letter for letter, name in TERMINALS.items()}
    symbols = {int(number): letters.get(name, name) for number, name in table["tokens"].items()}
    rules: list[list[Any]] = []
    numbers: dict[int, int] = {}

    def action(kind: int, argument: Any) -> int:
        if kind == 0:
            return int(argument)
        memo_id = argument["@"]
        if memo_id not in numbers:
            numbers[memo_id] = len(rules)
            rule = memo[memo_id]
            origin, alias = rule["origin"]["name"], rule["alias"]
            lone = bool(rule["options"]["expand1"]) and alias is None
            rules.append([origin, len(rule["expansion"]), alias or origin, origin.startswith("_"), lone])
        return -1 - numbers[memo_id]

    count = 1 + max(int(number) for number in table["states"])
    states: list[dict[str, int]] = [{} for _ in range(count)]
    for number, actions in table["states"].items():
        states[int(number)] = {symbols[int(symbol)]: action(*what) for symbol, what in actions.items()}
    return {"starts": table["start_states"], "ends": table["end_states"], "rules": rules, "states": states}


@cache
def _tables() -> _Tables:
    found = compiled(data.grammar_file("ia64.lark"), _make, made_by=("syntax/lalr.py", "syntax/tokens.py"))
    rules = [_Rule(*rule) for rule in found["rules"]]
    lone = frozenset(-1 - at for at, rule in enumerate(rules) if rule.lone and rule.length == 1 and not rule.inline)
    return _Tables(found["starts"], found["ends"], rules, found["states"], lone)


def parse(key: str, start: str) -> Node | Malformed:
    """The tree of a sequence of token types (letters of TERMINALS) from a start rule of the grammar."""
    tables = _tables()
    rules, states, lone = tables.rules, tables.states, tables.lone
    path, end = [tables.starts[start]], tables.ends[start]
    values: list[Any] = []
    for index, letter in enumerate(key):
        while True:
            action = states[path[-1]].get(letter)
            if action is None:
                return Malformed(index, _accepted(path, end))
            if action >= 0:
                path.append(action)
                values.append(index)
                break
            if action in lone and values[-1].__class__ is not list:
                path[-1] = _behind_lone(path[-2], path[-1], letter)
            else:
                _reduce(rules[-1 - action], states, path, values)
    while path[-1] != end:
        action = states[path[-1]].get(_END)
        if action is None or action >= 0:
            return Malformed(len(key), _accepted(path, end))
        _reduce(rules[-1 - action], states, path, values)
    return values[-1]  # type: ignore[no-any-return]


@cache
def _behind_lone(before: int, state: int, letter: str) -> int:
    """The state behind all that a single child is reduced to at a letter, such as an operand, a sum, an expression.

    The child stays what it is, so that nothing is to be done but to know where that ends.
    """
    tables = _tables()
    rules, states, lone = tables.rules, tables.states, tables.lone
    action = states[state].get(letter)
    while action in lone:
        state = states[before][rules[-1 - action].origin]
        action = states[state].get(letter)
    return state


def _reduce(rule: _Rule, states: list[dict[str, int]], path: list[int], values: list[Any]) -> None:
    length, name = rule.length, rule.name
    children: list[Any] = []
    if length:
        for value in values[-length:]:
            if value.__class__ is list:  # of an inlined rule
                children += value
            else:
                children.append(value)
        del path[-length:]
        del values[-length:]
    path.append(states[path[-1]][rule.origin])
    values.append(
        children if rule.inline else children[0] if rule.lone and len(children) == 1 else (name, tuple(children))
    )


def _accepted(path: list[int], end: int) -> frozenset[str]:
    """The terminals that can come next: those at which, some reductions later, the automaton goes on or ends."""
    tables = _tables()
    rules, states = tables.rules, tables.states

    def accepts(letter: str) -> bool:
        tried = path.copy()
        while letter != _END or tried[-1] != end:
            action = states[tried[-1]].get(letter)
            if action is None:
                return False
            if action >= 0:
                return True
            rule = rules[-1 - action]
            if rule.length:
                del tried[-rule.length :]
            tried.append(states[tried[-1]][rule.origin])
        return True

    return frozenset(TERMINALS.get(letter, letter) for letter in (*TERMINALS, _END) if accepts(letter))
