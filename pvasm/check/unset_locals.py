"""Locals of a register stack frame that are read though nothing has set them since the `alloc` that made them.

An `alloc` at the head of a function leaves its locals undefined, whatever the caller passes by a convention of its own
in inputs and static registers (SDM vol. 1, 4.1). Frames with a rotating part are left out: who reads such registers
knows what rotates into them.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from functools import cached_property
from typing import Final

from msgspec import Struct

from pvasm.asm.reading import assembly_parser
from pvasm.check.flow import Flow
from pvasm.check.subject import Subject
from pvasm.expand.program import Node
from pvasm.isa.registers import FIRST_STACKED, Register
from pvasm.regex import regex
from pvasm.syntax import tree

_ANY: Final = -1  # all bits: any register may have been set
_WORD: Final = regex(r"[\w.$]+")
_LOCAL: Final = regex(r"\bloc\d+\b")


class UnsetLocal(Struct, frozen=True):
    """A node that reads a local which nothing has set."""

    node: Node
    local: str


class UnsetLocals:
    """The reads of unset locals in a document, in the order of its text."""

    def __init__(self, subject: Subject) -> None:
        self._flow = subject.of(Flow)
        self._text = subject.document.text
        self.found = list(self._find()) if _LOCAL.search(self._text) else []

    def _find(self) -> Iterator[UnsetLocal]:
        set_before = self._set_before()
        inputs = 0
        for index, node in enumerate(self._flow.nodes):
            if node.resolved is None:
                continue
            if node.resolved.mnemonic == "alloc":
                inputs = _inputs(node) or 0
            if set_before[index] == _ANY or node.inlined:
                continue
            for word in dict.fromkeys(_LOCAL.findall(node.text)):
                register = Register("r", FIRST_STACKED + inputs + int(word[3:]))
                if register in self._flow.uses[index].reads and not set_before[index] >> register.number & 1:
                    yield UnsetLocal(node, word)

    def _set_before(self) -> list[int]:
        """For each node the general registers that may have been set where it begins, as bits."""
        flow = self._flow
        states = [_ANY if self._may_be_entered(index) else 0 for index in range(len(flow.nodes))]
        waiting = deque(range(len(flow.nodes)))
        while waiting and flow.steps_left > 0:
            index = waiting.popleft()
            left = self._left(index, states[index])
            for after in flow.after[index][0]:
                new = _ANY if _ANY in (left, states[after]) else states[after] | left
                if new != states[after]:
                    states[after] = new
                    waiting.append(after)
        return states if not waiting else [_ANY] * len(states)

    def _left(self, index: int, before: int) -> int:
        """What may have been set behind a node."""
        flow, node = self._flow, self._flow.nodes[index]
        if node.resolved is not None and node.resolved.mnemonic == "alloc":
            return self._allocated(node, before)
        if before == _ANY:
            return _ANY
        uses = flow.uses[index]
        if uses.writes_unknown:
            return _ANY
        if flow.transfer[index] != "call" and flow.hides(index, Register("r", FIRST_STACKED)):
            return _ANY
        for register in uses.writes:
            before |= 1 << register.number if register.file == "r" else 0
        return before

    @staticmethod
    def _allocated(node: Node, before: int) -> int:
        """What may have been set behind an alloc: its locals are new, unless another stood before it."""
        assert node.resolved is not None
        target, _, _, local, rotating = node.resolved.operands
        inputs = _inputs(node)
        known = isinstance(local, int) and inputs is not None and isinstance(target, Register)
        if not known or rotating != 0 or before != _ANY or node.resolved.predicate != 0:
            return _ANY
        assert isinstance(local, int)
        assert inputs is not None
        assert isinstance(target, Register)
        locals_alone = ((1 << (local - inputs)) - 1) << (FIRST_STACKED + inputs)
        return (_ANY_KNOWN & ~locals_alone) | 1 << target.number

    def _may_be_entered(self, index: int) -> bool:
        """Whether control may come to a node in a way that is not known: a function, a label that data name."""
        node = self._flow.nodes[index]
        if not self._flow.before[index] or node.kind in ("opaque", "end"):
            return True
        if node.kind != "label":
            return False
        if node.name.isdecimal():
            names: tuple[str, ...] = (f"{node.name}b", f"{node.name}f")
            return sum(self._words[name] for name in names) > sum(self._branches[name] for name in names)
        return not node.name.startswith(".L") or self._words[node.name] > self._branches[node.name] + 1

    @cached_property
    def _words(self) -> Counter[str]:
        return Counter(_WORD.findall(self._text))

    @cached_property
    def _branches(self) -> Counter[str]:
        nodes = self._flow.nodes
        return Counter(node.target for index, node in enumerate(nodes) if node.target and self._flow.targets(index))


_ANY_KNOWN: Final = (1 << 128) - 1


def _inputs(node: Node) -> int | None:
    """How many inputs an alloc names; None if it is not written as a number."""
    (syntax,) = assembly_parser().chunk(node.text)
    if not isinstance(syntax, tree.Instruction) or len(syntax.inputs) < 4:
        return None
    count = syntax.inputs[-4]
    return count.value if isinstance(count, tree.Number) else None
