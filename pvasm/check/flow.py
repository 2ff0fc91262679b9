"""Where control goes in a program, over branches, calls and returns, and what each step does to registers.

A label is known if it stands in the file. What a branch register holds is known where every path leads from a `movl`
of a label. Whatever is not known leaves the graph (`Exit`); who asks decides what that means.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Literal

from msgspec import Struct

from pvasm.check.assumptions import Assumptions
from pvasm.check.code import Code
from pvasm.check.path_predicates import PathPredicates
from pvasm.check.register_uses import Uses, mnemonics, uses_of
from pvasm.check.subject import Subject
from pvasm.expand.program import Graph, Node
from pvasm.isa.control_transfer import Transfer, passing
from pvasm.isa.conventions import BANKED, Frame, is_renamed
from pvasm.isa.copies import copied
from pvasm.isa.effects import plan_of
from pvasm.isa.hazards import ends_group
from pvasm.isa.registers import Register
from pvasm.regex import regex
from pvasm.syntax.tokens import symbol_name

_STEPS_A_NODE = 12  # in all searches of a graph together; real code takes four
_MIN_STEPS = 400_000
_MAX_TARGETS = 8  # labels of one name
_MAX_TRACED = 400  # nodes, in the search for what a branch register holds
_MAX_MOVES = 3  # from register to register

_PASSED = frozenset({"instruction", "op", "stop"})  # what no control can begin at

# How control leaves a path: to code that is not in the graph, or whose registers are others.
Exit = Literal["return", "rfi", "call", "elsewhere"]

_LABEL = regex(r'(?<![\w.$@])(?:\d+[fb]\b|[A-Za-z_.$][\w.$]*)|"[^"\n]*+"')


class Flow:
    """The control flow of a document, with ops as such, in the code that concerns the instances in question.

    `steps_left` is how many nodes all searches together may still look at.
    """

    def __init__(self, subject: Subject) -> None:
        graph: Graph = subject.of(Code).program.graph(subject.known)
        self.graph = graph
        self.nodes = graph.nodes
        self.next = graph.next
        self.steps_left = max(_MIN_STEPS, _STEPS_A_NODE * len(graph.nodes))
        self._callees: dict[int, list[int]] = {}
        self._returns: dict[tuple[int, Register], frozenset[int]] = {}
        self._functions: dict[int, Function] = {}

    @cached_property
    def conditions(self) -> Assumptions:
        """What paths may assume of cpp conditions."""
        return Assumptions(self.graph)

    @cached_property
    def predicates(self) -> PathPredicates:
        """What paths tell of predicates."""
        return PathPredicates(self.nodes, self.uses)

    @cached_property
    def uses(self) -> list[Uses]:
        """What each node does to registers."""
        return list(map(uses_of, self.nodes))

    @cached_property
    def banks(self) -> list[Sequence[int]]:
        """The register banks that each node switches to."""
        return list(map(_banks, self.nodes))

    @cached_property
    def _hiding(self) -> list[tuple[bool, bool]]:
        """Whether each node switches the register bank, and whether it moves the frame."""
        return [(bool(switched), _moves_frame(node)) for node, switched in zip(self.nodes, self.banks, strict=True)]

    def hides(self, index: int, register: Register) -> bool:
        """Whether, after a node, the register's name means another register."""
        switches, moves = self._hiding[index]
        return (switches and register in BANKED) or (moves and is_renamed(register))

    # ---------------------------------------------------------------------------------------- labels

    @cached_property
    def _labels(self) -> dict[str, list[int]]:
        labels: dict[str, list[int]] = {}
        for index, node in enumerate(self.nodes):
            if node.kind == "label":
                labels.setdefault(node.name, []).append(index)
        return labels

    def targets(self, index: int) -> list[int]:
        """The labels that a branch may go to; none if they are not in the graph, or it is not known which are meant."""
        return self._meant(self.nodes[index].target, index)

    def _meant(self, name: str, index: int) -> list[int]:
        """The labels that a name may mean at a node."""
        if not (name[:-1].isdecimal() and name[-1] in "fb"):
            places = self._labels.get(name, [])
            return places if len(places) <= _MAX_TARGETS else []
        places = self._labels.get(name[:-1], [])
        at = bisect_left(places, index)
        return self._nearest(places[at:] if name[-1] == "f" else reversed(places[:at]), index)

    def _nearest(self, places: Iterable[int], index: int) -> list[int]:
        """Of numeric labels, the nearest first, those that a node may mean."""
        node = self.nodes[index]
        found: list[int] = []
        for place in places:
            label = self.nodes[place]
            if label.macro != node.macro:
                continue
            if self._begin(place) != self._begin(index):
                if found:
                    return found  # one in each arm of a conditional, as a rule
                if node.macro is not None:
                    break  # in another body: what stands around the macro's invocation is not known
            found.append(place)
            if label.conditions == node.conditions[: len(label.conditions)]:
                return found  # there whenever the branch is
            if len(found) > _MAX_TARGETS:
                break
        return []

    def labels_named(self, index: int) -> list[int]:
        """The labels that a node names, but as the target of a branch: in the table of exceptions, for a register."""
        node = self.nodes[index]
        if node.kind == "directive":
            text = node.arguments[-1] if any("ex_table" in each for each in node.arguments[:1]) else ""
        else:
            text = node.text if node.kind == "instruction" and not node.target else ""
        return (
            [label for word in _LABEL.findall(text) for label in self._meant(symbol_name(word), index)] if text else []
        )

    # ------------------------------------------------------------------------------- where control goes

    @cached_property
    def transfer(self) -> list[Transfer]:
        """How each node passes control on; empty for what is no instruction."""
        return ["" if node.resolved is None else passing(node.resolved.mnemonic).transfer for node in self.nodes]

    @cached_property
    def after(self) -> list[tuple[list[int], Exit | None]]:
        """For each node, those that control may go to after it, and how it may leave the graph there.

        After a call that is the node behind it; where it goes meanwhile, `callees` says.
        """
        return [self._find_after(node, index) for index, node in enumerate(self.nodes)]

    def _find_after(self, node: Node, index: int) -> tuple[list[int], Exit | None]:
        following = self.next[index]
        if node.kind == "op":
            is_rfi = any(passing(each).transfer == "rfi" for each in mnemonics(node))
            return ([], "rfi") if is_rfi else (following, None if following else "elsewhere")
        if node.kind == "end" or (not following and node.kind != "instruction"):
            return [], "elsewhere"
        transfer = self.transfer[index]
        if transfer in ("", "break"):
            return following, None if following else "elsewhere"
        if transfer == "call":
            return following, "call"
        if transfer == "loop" or (transfer == "check" and following):
            falls = following
        else:
            falls = following if node.resolved is not None and node.resolved.predicate != 0 else []
        if transfer in ("return", "rfi"):
            return falls, "return" if transfer == "return" else "rfi"
        targets = self.targets(index) if node.target else []
        return falls + targets, None if targets else "elsewhere"

    @cached_property
    def before(self) -> list[list[int]]:
        """For each node, those from which control may come, but by a call or a return."""
        before: list[list[int]] = [[] for _ in self.nodes]
        for index, (following, _) in enumerate(self.after):
            for after in following:
                before[after].append(index)
        return before

    def is_jump(self, one: int, other: int) -> bool:
        """Whether control that goes from one node to the other has taken a branch; that ends the instruction group.

        (SDM vol. 1, 3.3, instruction groups.)
        """
        node = self.nodes[one]
        if other not in self.next[one]:
            return True
        is_always = node.resolved is not None and node.resolved.predicate == 0
        return is_always and self.transfer[one] in ("branch", "foreign")

    def ends_group(self, one: int, other: int) -> bool:
        """Whether an instruction group ends where control goes from one node to the other: by a jump, or at that."""
        node = self.nodes[other]
        is_end = node.kind == "stop" or (node.kind == "directive" and ends_group(node.name))
        return is_end or self.is_jump(one, other)

    # ------------------------------------------------------------------------------- calls and returns

    def link(self, index: int) -> Register | None:
        """The branch register that a call leaves its return address in, or that a return or branch goes by."""
        resolved = self.nodes[index].resolved
        if resolved is None or not self.transfer[index]:
            return None
        first = resolved.operands[0] if resolved.operands else None
        return first if isinstance(first, Register) and first.file == "b" else None

    def callees(self, index: int) -> list[int]:
        """The labels that a call, or a branch by a register, may go to; none if that is not known."""
        known = self._callees.get(index)
        if known is None:
            known = self._callees[index] = self._find_callees(index)
        return known

    def _find_callees(self, index: int) -> list[int]:
        node = self.nodes[index]
        if node.target:
            return self.targets(index)
        by = [each for each in node.resolved.inputs if isinstance(each, Register)] if node.resolved is not None else []
        return sorted(self._labels_in(index, by[-1], _MAX_MOVES) or ()) if by and by[-1].file == "b" else []

    def _labels_in(self, index: int, register: Register, moves: int) -> set[int] | None:
        """The labels whose addresses a register may hold where a node begins; None if it may be something else."""
        found: set[int] = set()
        waiting = [index]
        seen: set[int] = set()
        while waiting:
            at = waiting.pop()
            before = self.before[at]
            if not before and self._is_dead(at):
                continue
            if not before or len(seen) > _MAX_TRACED or self.steps_left <= 0:
                return None
            for each in before:
                if each in seen:
                    continue
                seen.add(each)
                self.steps_left -= 1
                uses = self.uses[each]
                if uses.writes_unknown:
                    return None
                if register in uses.writes:
                    values = self._labels_moved(each, moves)
                    if values is None:
                        return None
                    found |= values
                if register not in uses.sure:
                    waiting.append(each)
        return found

    def _is_dead(self, index: int) -> bool:
        """Whether a node that no other leads to is never reached: it follows a branch that is always taken."""
        return index > 0 and self.nodes[index].kind in _PASSED

    def is_only_named(self, label: int) -> bool:
        """Whether nothing that is known leads to a label but what takes its address: an rfi, a fault, a jump."""
        waiting = [label]
        seen = {label}
        while waiting:
            at = waiting.pop()
            if at != label and not self.before[at] and not self._is_dead(at):
                return False
            for each in self.before[at]:
                if self.nodes[each].kind not in _PASSED:
                    return False
                if each not in seen:
                    seen.add(each)
                    waiting.append(each)
        return True

    def _labels_moved(self, index: int, moves: int) -> set[int] | None:
        """The labels whose addresses a node may leave in the register that it writes."""
        node = self.nodes[index]
        source = node.text.partition("=")[2].strip()
        if node.resolved is None or not source:
            return None
        if _LABEL.fullmatch(source) and self._meant(symbol_name(source), index):
            return set(self._meant(symbol_name(source), index))
        register = copied(node.resolved)
        return self._labels_in(index, register, moves - 1) if register is not None and moves else None

    def returns(self, entry: int, link: Register) -> frozenset[int]:
        """The nodes by which control returns, through a branch register, to who called a label.

        Only those that are reached without another write of that register.
        """
        known = self._returns.get((entry, link))
        if known is None:
            known = self._returns[entry, link] = frozenset(self._find_returns(entry, link))
        return known

    def _find_returns(self, entry: int, link: Register) -> Iterator[int]:
        waiting = [entry]
        seen = {entry}
        while waiting and self.steps_left > 0:
            index = waiting.pop()
            self.steps_left -= 1
            uses = self.uses[index]
            transfer = self.transfer[index]
            if transfer in ("return", "branch") and self.link(index) == link:
                yield index
            if link in uses.writes or uses.writes_unknown:
                continue
            for after in self.after[index][0]:
                if after not in seen:
                    seen.add(after)
                    waiting.append(after)

    @cached_property
    def return_sites(self) -> dict[int, list[int]]:
        """For a node that returns, the calls of this file from which control may have come."""
        sites: dict[int, list[int]] = {}
        for index in range(len(self.nodes)):
            link = self.link(index) if self.transfer[index] == "call" else None
            if link is not None:
                for entry in self.callees(index):
                    for place in self.returns(entry, link):
                        sites.setdefault(place, []).append(index)
        return sites

    # --------------------------------------------------------------------------------------- functions

    def function(self, index: int) -> Function:
        """What is known of the function that a node stands in."""
        begins = self._landmarks[self.nodes[index].macro].begins
        place = bisect_right(begins, index)
        first = self._begin(index)
        known = self._functions.get(first)
        if known is None:
            end = begins[place] if place < len(begins) else len(self.nodes)
            known = self._functions[first] = Function(self, first, end, self.nodes[index].macro)
        return known

    def is_after_bsw_0(self, index: int) -> bool:
        """Whether the last switch of the register bank before a node, in its function, is to bank 0."""
        switches = self._landmarks[self.nodes[index].macro].switches
        place = bisect_left(switches, index)
        return place > 0 and 0 in self.banks[switches[place - 1]]

    def frame(self, index: int) -> Frame | None:
        """The register stack frame at an op; None where its function has not said before what that is."""
        frames = self._landmarks[self.nodes[index].macro].frames
        place = bisect_left(frames, index)
        return self.nodes[index].frame if place and frames[place - 1] >= self._begin(index) else None

    def _begin(self, index: int) -> int:
        """Where the function, or the macro's body, begins that a node stands in."""
        begins = self._landmarks[self.nodes[index].macro].begins
        place = bisect_right(begins, index)
        return begins[place - 1] if place else 0

    @cached_property
    def _landmarks(self) -> dict[str | None, _Landmarks]:
        """The landmarks of each piece of code: the file's own, and the bodies of macros."""
        macro: str | None = None
        landmarks = _Landmarks([], [], [])
        found: dict[str | None, _Landmarks] = {None: landmarks}
        for index, node in enumerate(self.nodes):
            if node.macro != macro:
                macro = node.macro
                landmarks = found.setdefault(macro, _Landmarks([], [], []))
            begins = node.kind == "end" if node.macro is not None else node.name == ".proc"
            if begins:
                landmarks.begins.append(index)
            if begins or node.kind == "opaque" or self.banks[index]:
                landmarks.switches.append(index)
            if node.name == ".regstk" or (node.resolved is not None and node.resolved.form.sizes_frame):
                landmarks.frames.append(index)
        return found


class _Landmarks(Struct, frozen=True):
    """Where functions begin, and where the register bank is, or may be, switched (functions begin with either).

    `frames` are where a register stack frame is made or told of.
    """

    begins: list[int]
    switches: list[int]
    frames: list[int]


class Function:
    """The code between the beginning of a function and the next one's.

    `entries` are the labels whose addresses it takes, other than by a branch. `reads_unknown` are the files of which
    something before its `.endp` may read registers that are not known.
    """

    def __init__(self, flow: Flow, first: int, end: int, macro: str | None) -> None:
        self._flow = flow
        banked = False
        switches = False
        is_inside = True
        self.entries: list[int] = []
        self.reads_unknown: set[str] = set()
        for index in range(first, end):
            node = flow.nodes[index]
            if node.macro != macro or node.kind == "end":
                continue
            self.entries += flow.labels_named(index)
            is_inside = is_inside and node.name != ".endp"
            self.reads_unknown.update(flow.uses[index].reads_unknown if is_inside else "")
            if not BANKED.isdisjoint(flow.uses[index].writes):
                banked = True
                switches = switches or is_fill(node)
            if node.kind == "opaque" or flow.banks[index] or flow.transfer[index] in ("call", "return"):
                switches = True
        # Whoever overwrites r16-r31 and returns from the interruption without having saved them is in bank 0.
        self.is_in_bank_0 = banked and not switches

    @cached_property
    def has_only_named_entry(self) -> bool:
        """Whether nothing that is known leads to one of its entries but what takes the address."""
        return any(map(self._flow.is_only_named, self.entries))


def _banks(node: Node) -> Sequence[int]:
    """The register banks that a node switches to."""
    if node.op is None:
        bank = None if node.resolved is None else passing(node.resolved.mnemonic).bank
        return () if bank is None else (bank,)
    found = (passing(each).bank for each in mnemonics(node))
    return [bank for bank in found if bank is not None]


def _moves_frame(node: Node) -> bool:
    if node.op is None:
        return node.resolved is not None and passing(node.resolved.mnemonic).moves_frame
    return any(passing(each).moves_frame for each in mnemonics(node))


def is_fill(node: Node) -> bool:
    """Whether a node loads a register with its NaT bit, as what puts back saved registers does."""
    return node.resolved is not None and plan_of(node.resolved.spelling).spills and bool(node.resolved.outputs)
