"""Where control goes in a program, what each step does to a register, and what becomes of a register's value.

Two questions are asked of a register that an op overwrites. Is there a path on which it is read before it is written
again: then its old value was meant (`path_to_read`)? Is it certain that there is none, so that an op may have it
(`reason_to_keep`)? What is not known (a macro of a header, code elsewhere) is no answer to either: the first question
is answered only by what is there, the second is answered no.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Container, Iterator
from functools import cached_property
from typing import Literal, NamedTuple

from pvasm.expand.program import Graph, Node
from pvasm.ia64 import IndexedRegister, MemoryOperand, Register, Unknown
from pvasm.ia64.effects import plan_of
from pvasm.syntax import tree

_MAX_VISITED = 4_000  # nodes, in the search for one register
_STEPS_A_NODE = 12  # in all searches of a graph together; real code takes four
_MIN_STEPS = 400_000
_MAX_TARGETS = 8  # labels of one name
_MIN_VISITED = 100
_MAX_WORLDS = 20_000  # that are remembered
_MAX_ASSUMED = 16  # conditions, on one path

# How control leaves a path: to code that is not in the graph, or whose registers are others.
Exit = Literal["return", "rfi", "call", "elsewhere"]

_LABEL = re.compile(r"(?<![\w.$@])(?:\d+[fb]\b|[A-Za-z_.$][\w.$]*)")
_FIRST_STACKED = 32
_FIRST_BANKED, _LAST_BANKED = 16, 31


class Uses(NamedTuple):
    """What a step does to registers.

    `done` are those that it writes whenever it is executed (a parallel compare may leave its predicates alone), `sure`
    those that it writes whenever it is reached. `predicate` is the name of the one that it stands under
    (`p6`, or a name that the file does not explain), empty for none. `reads_unknown` names the register files of which
    it may read others as well, `writes_unknown` says that it may write others.
    """

    reads: frozenset[Register]
    writes: frozenset[Register]
    done: frozenset[Register]
    sure: frozenset[Register]
    predicate: str
    reads_unknown: str
    writes_unknown: bool


_NONE: frozenset[Register] = frozenset()
_NOTHING = Uses(_NONE, _NONE, _NONE, _NONE, "", "", False)
_ANYTHING = Uses(_NONE, _NONE, _NONE, _NONE, "", "rfpb", True)
_CONSTANTS = frozenset({Register("r", 0), Register("p", 0)})


class Flow:
    """The control flow of a graph in which ops stand as such."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.nodes = graph.nodes
        self.steps_left = max(_MIN_STEPS, _STEPS_A_NODE * len(graph.nodes))
        self.limit = _MAX_VISITED
        self._uses: dict[int, Uses] = {}
        self._after: dict[int, tuple[list[int], Exit | None]] = {}

    # ------------------------------------------------------------------------------- where control goes

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
        node = self.nodes[index]
        if not (name[:-1].isdecimal() and name[-1] in "fb"):
            places = self._labels.get(name, [])
            return places if len(places) <= _MAX_TARGETS else []
        places = self._labels.get(name[:-1], [])
        at = bisect_left(places, index)
        found: list[int] = []
        for place in places[at:] if name[-1] == "f" else reversed(places[:at]):
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
        return [label for word in _LABEL.findall(text) for label in self._meant(word, index)] if text else []

    def after(self, index: int) -> tuple[list[int], Exit | None]:
        """The nodes that control may go to after a node, and how it may leave the graph there."""
        known = self._after.get(index)
        if known is None:
            known = self._after[index] = self._find_after(self.nodes[index], index)
        return known

    def _find_after(self, node: Node, index: int) -> tuple[list[int], Exit | None]:
        following = node.next
        if node.kind == "op":
            assert node.op is not None
            return ([], "rfi") if "rfi" in node.op.replaces else (following, None)
        if node.kind == "end" or (not following and node.kind != "instruction"):
            return [], "elsewhere"
        if node.resolved is None:
            return following, None
        stem, _, completers = node.resolved.mnemonic.partition(".")
        falls = following if node.resolved.predicate != 0 else []
        if stem == "rfi":
            return falls, "rfi"
        if stem in ("br", "brl"):
            return self._after_branch(node, index, completers, falls)
        if stem in ("chk", "fchkf"):
            targets = self.targets(index)
            return following + targets, None if targets else "elsewhere"
        return following, (None if following else "elsewhere")

    def _after_branch(self, node: Node, index: int, completers: str, falls: list[int]) -> tuple[list[int], Exit | None]:
        kind = completers.partition(".")[0]
        if kind == "ret":
            return falls, "return"
        if kind == "call":
            return node.next, "call"
        if kind in ("cloop", "ctop", "cexit", "wtop", "wexit"):
            falls = node.next
        targets = self.targets(index) if node.target else []
        return falls + targets, None if targets else "elsewhere"

    # --------------------------------------------------------------------------- what a node does to registers

    def uses(self, index: int) -> Uses:
        """What a node does to registers."""
        known = self._uses.get(index)
        if known is None:
            known = self._uses[index] = _uses(self.nodes[index])
        return known

    # ------------------------------------------------------------------------------------ the searches

    def share(self, searches: int) -> None:
        """Says how many searches for a read there will be: each may then go as far as leaves time for all."""
        self.limit = min(_MAX_VISITED, max(_MIN_VISITED, self.steps_left // max(searches, 1)))

    def path_to_read(self, start: int, register: Register) -> list[int] | None:
        """The shortest way from a node (which overwrites the register) to one that reads the old value.

        The indexes of the nodes from the first after `start` to the one that reads; None where there is none that is
        known. Calls, returns, interruptions' ends, switches of the register bank and unknown code end a path.
        """
        worlds = self._worlds
        world = worlds.entered(frozenset(), self.nodes[start].conditions) or frozenset()
        first: list[_State] = [(node, frozenset(), world) for node in self.after(start)[0]]
        before: dict[_State, _State | None] = dict.fromkeys(first)
        waiting = deque(first)
        while waiting and len(before) < self.limit:
            state = waiting.popleft()
            index, under, met = state
            node = self.nodes[index]
            now = worlds.entered(met, node.conditions)
            if now is None:
                continue
            uses = self.uses(index)
            following, leaving = self.after(index)
            if f"!{uses.predicate}" in under and not uses.sure:
                following, leaving = node.next, None  # it is not executed
            elif register in uses.reads and not (uses.predicate and uses.predicate in under):
                return _way(before, state)
            elif register in uses.sure or uses.writes_unknown or _hides(node, register):
                continue
            else:
                rewritten = self._written_under(under, uses, register, index)
                if rewritten is None:
                    continue
                under = rewritten
            if leaving == "call" and not uses.predicate and not _survives_calls(register):
                continue
            for after in following:
                passed = self._passed(under, uses.predicate, after not in node.next) if len(following) > 1 else under
                if passed is None:
                    continue
                state_after = (after, passed, now)
                if state_after not in before:
                    before[state_after] = state
                    waiting.append(state_after)
        return None

    def _passed(self, under: frozenset[str], predicate: str, taken: bool) -> frozenset[str] | None:
        """What is known behind a branch under a predicate, taken or not; None if the register has been written then.

        `!p6` says that p6 is false.
        """
        if not predicate:
            return under
        other = self._partners.get(predicate)
        if (predicate if taken else other) in under:
            return None
        if other is None:
            return under
        return under | {f"!{other}" if taken else f"!{predicate}"}

    @cached_property
    def _partners(self) -> dict[str, str]:
        """Of each predicate of a pair of which one holds, the other."""
        return {one: other for first, second in self._complements for one, other in ((first, second), (second, first))}

    @cached_property
    def _worlds(self) -> Worlds:
        return Worlds(self.graph)

    def _written_under(
        self, under: frozenset[str], uses: Uses, register: Register, index: int
    ) -> frozenset[str] | None:
        """The predicates under which the register has been written again; None if one of them must hold."""
        if register in uses.done and uses.predicate:
            under |= {uses.predicate}
            if any({first, second} <= under for first, second in self._complements):
                return None
        if under:
            overwritten = {each.text for each in uses.writes if each.file == "p"}
            under -= {f"!{name}" for name in overwritten}
            # `(p6) cmp.unc p6, p7 = ...`: both are true only if p6 was.
            resolved = self.nodes[index].resolved
            implied = uses.predicate in under and resolved is not None and resolved.clears_when_false
            under = under | overwritten if implied else under - overwritten
        return under

    @cached_property
    def _complements(self) -> set[tuple[str, str]]:
        """Pairs of predicates of which one holds wherever both have been written: those that no instruction splits.

        Any instruction that writes one of them writes both, and one true, the other false.
        """
        pairs: set[tuple[str, str]] = set()
        apart: set[str] = set()
        for index, node in enumerate(self.nodes):
            if node.kind not in ("instruction", "op"):
                continue
            written = sorted(each.text for each in self.uses(index).writes if each.file == "p")
            if node.resolved is not None and len(written) == 2 and _is_complementary(node):
                pairs.add((written[0], written[1]))
            elif len(written) < 32:  # `mov pr =` puts back what was there
                apart.update(written)
        partners: dict[str, set[str]] = {}
        for first, second in pairs:
            partners.setdefault(first, set()).add(second)
            partners.setdefault(second, set()).add(first)
        return {
            pair for pair in pairs if not apart.intersection(pair) and all(len(partners[name]) == 1 for name in pair)
        }

    def reason_to_keep(self, start: int, register: Register) -> str | None:
        """Why the value of a register may still be needed after a node; None if it is certain that it is not.

        By the conventions of the architecture's software (scratch registers at returns), and within the function by
        what is there.
        """
        worlds = self._worlds
        world = worlds.entered(frozenset(), self.nodes[start].conditions) or frozenset()
        following, leaving = self.after(start)
        if leaving is not None and not self._is_dead_at(leaving, start, register):
            return _LEAVING[leaving]
        # Labels whose addresses are taken may be gone to from anywhere in the function: by a fault, or an rfi.
        waiting = deque([*following, *self._function(start).entries])
        seen = set(waiting)
        while waiting:
            if len(seen) > _MAX_VISITED or self.steps_left <= 0:
                return "too much code follows to be sure"
            index = waiting.popleft()
            self.steps_left -= 1
            node = self.nodes[index]
            if worlds.entered(world, node.conditions) is None:
                continue
            uses = self.uses(index)
            if register in uses.reads:
                return f"it is read by `{' '.join(node.text.split()) or node.name}'"
            if register.file in uses.reads_unknown:
                what = node.name or " ".join(node.text.split())
                return f"what `{what}' reads is not known" if what else "the end of a macro follows"
            if register in uses.sure:
                continue
            if _hides(node, register):
                return "the register bank is switched"
            following, leaving = self.after(index)
            if leaving is not None and not self._is_dead_at(leaving, start, register):
                return _LEAVING[leaving]
            if leaving == "call" and node.target:
                following = [*following, *self.targets(index)]
            for after in following:
                if after not in seen:
                    seen.add(after)
                    waiting.append(after)
        return None

    def _is_dead_at(self, leaving: Exit, start: int, register: Register) -> bool:
        """Whether a register's value is nobody's where control leaves."""
        number = register.number
        if leaving == "rfi":
            if not _is_banked(register) or any(not self._before[label] for label in self._function(start).entries):
                return False  # it may come back here: to where nothing else leads
            return self._function(start).is_in_bank_0 or self._is_after_bsw_0(start)
        if register.file == "p":
            is_scratch = 6 <= number <= 15
        else:
            is_scratch = register.file == "r" and (number in (2, 3) or 14 <= number <= 31)
        # What the code before has put there may be an argument or a result, by a convention of its own.
        return leaving in ("return", "call") and is_scratch and register not in self._put_there(start)

    def _put_there(self, start: int) -> Container[Register]:
        """The registers that the code which leads to a node has written; all of them, if that is not known."""
        known = self._arriving.get(start)
        if known is None:
            known = self._arriving[start] = self._find_put_there(start)
        return known

    def _find_put_there(self, start: int) -> Container[Register]:
        written: set[Register] = set()
        waiting = [start]
        seen = {start}
        while waiting:
            index = waiting.pop()
            self.steps_left -= 1
            if len(seen) > _MAX_VISITED or self.steps_left <= 0:
                return _EVERY_REGISTER
            if index != start:
                uses = self.uses(index)
                written |= uses.writes
                if uses.writes_unknown:
                    return _EVERY_REGISTER
            before = self._before[index]
            fresh = [each for each in before if each not in seen]
            seen.update(fresh)
            waiting += fresh
        return written

    @cached_property
    def _arriving(self) -> dict[int, Container[Register]]:
        return {}

    @cached_property
    def _before(self) -> list[list[int]]:
        """For each node, those from which control may come."""
        before: list[list[int]] = [[] for _ in self.nodes]
        for index in range(len(self.nodes)):
            for after in self.after(index)[0]:
                before[after].append(index)
        return before

    def _is_after_bsw_0(self, index: int) -> bool:
        """Whether the last switch of the register bank before a node, in its function, is to bank 0."""
        switches = self._landmarks[self.nodes[index].macro].switches
        place = bisect_left(switches, index)
        return place > 0 and "bsw.0" in _native(self.nodes[switches[place - 1]])

    def _begin(self, index: int) -> int:
        """Where the function, or the macro's body, begins that a node stands in."""
        begins = self._landmarks[self.nodes[index].macro].begins
        place = bisect_right(begins, index)
        return begins[place - 1] if place else 0

    def _function(self, index: int) -> _Function:
        """What is known of the function that a node stands in."""
        begins = self._landmarks[self.nodes[index].macro].begins
        place = bisect_right(begins, index)
        first = self._begin(index)
        known = self._functions.get(first)
        if known is None:
            end = begins[place] if place < len(begins) else len(self.nodes)
            known = self._functions[first] = _Function(self, first, end, self.nodes[index].macro)
        return known

    @cached_property
    def _landmarks(self) -> dict[str | None, _Landmarks]:
        """The landmarks of each piece of code: the file's own, and the bodies of macros."""
        found: dict[str | None, _Landmarks] = {None: _Landmarks([], [])}
        for index, node in enumerate(self.nodes):
            landmarks = found.setdefault(node.macro, _Landmarks([], []))
            begins = node.kind == "end" if node.macro is not None else node.name == ".proc"
            if begins:
                landmarks.begins.append(index)
            if begins or node.kind == "opaque" or "bsw" in _native(node):
                landmarks.switches.append(index)
        return found

    @cached_property
    def _functions(self) -> dict[int, _Function]:
        return {}


class _EveryRegister:
    """What holds all registers."""

    def __contains__(self, register: object) -> bool:
        return True


_EVERY_REGISTER = _EveryRegister()


class _Landmarks(NamedTuple):
    """Where functions begin, and where the register bank is, or may be, switched (functions begin with either)."""

    begins: list[int]
    switches: list[int]


class _Function:
    """The code between the beginning of a function and the next one's.

    `entries` are the labels whose addresses it takes, other than by a branch.
    """

    def __init__(self, flow: Flow, first: int, end: int, macro: str | None) -> None:
        banked = False
        switches = False
        self.entries: list[int] = []
        for index in range(first, end):
            node = flow.nodes[index]
            if node.macro != macro or node.kind == "end":
                continue
            self.entries += flow.labels_named(index)
            native = _native(node)
            if any(_is_banked(register) for register in flow.uses(index).writes):
                banked = True
                switches = switches or native.startswith("ld8.fill")
            if node.kind == "opaque" or native.startswith(("bsw", "br.call", "brl.call", "br.ret")):
                switches = True
        # Whoever overwrites r16-r31 and returns from the interruption without having saved them is in bank 0.
        self.is_in_bank_0 = banked and not switches


def _native(node: Node) -> str:
    """What the native instruction of a node is, or begins with: its mnemonic, or what the op replaces."""
    if node.op is not None:
        return node.op.replaces
    return node.resolved.mnemonic if node.resolved is not None else ""


_LEAVING: dict[Exit, str] = {
    "return": "the function's caller may rely on it",
    "rfi": "what was interrupted may rely on it",
    "call": "a function that is called may read it",
    "elsewhere": "code that is not in the file may read it",
}


Literals = frozenset[tuple[str, bool]]
_State = tuple[int, frozenset[str], Literals]
"""Where a search is: at a node, with the predicates under which the register has been written, in a world."""


_NAME = re.compile(r"[A-Za-z_]\w*")


class Worlds:
    """What is assumed of cpp conditions on a path: code that contradicts what the path has met is not on it.

    Only of those that several conditionals ask of.
    """

    def __init__(self, graph: Graph) -> None:
        nodes = graph.nodes
        askers: dict[str, set[int]] = {}
        for conditions in {node.conditions for node in nodes}:
            for condition in conditions:
                for expression, _ in _literals(condition):
                    askers.setdefault(expression, set()).add(condition.line)
        self.repeated = {
            expression
            for expression, lines in askers.items()
            if len(lines) > 1 and graph.changing.isdisjoint(_NAME.findall(expression))
        }
        self.known: dict[tuple[Literals, tuple[tree.Condition, ...]], Literals | None] = {}

    def entered(self, world: Literals, conditions: tuple[tree.Condition, ...]) -> Literals | None:
        """What is assumed after code under these conditions; None if that is not compiled in this world."""
        if not conditions:
            return world
        key = (world, conditions)
        if key not in self.known:
            if len(self.known) > _MAX_WORLDS:
                self.known.clear()
            self.known[key] = self._enter(world, conditions)
        return self.known[key]

    def _enter(self, world: Literals, conditions: tuple[tree.Condition, ...]) -> Literals | None:
        literals = {
            literal for condition in conditions for literal in _literals(condition) if literal[0] in self.repeated
        }
        if any((expression, not holds) in world for expression, holds in literals):
            return None
        return world | literals if len(world) < _MAX_ASSUMED else world


def _literals(condition: tree.Condition) -> Iterator[tuple[str, bool]]:
    """The expressions that a condition says something of, and what."""
    for expression, holds in ((condition.expression, True), *((each, False) for each in condition.earlier)):
        while expression.startswith("!") and (expression[1:].startswith("defined(") or expression[1:].isidentifier()):
            expression, holds = expression[1:], not holds
        if expression != "1":
            yield expression, holds


def _way(before: dict[_State, _State | None], state: _State) -> list[int]:
    way = []
    at: _State | None = state
    while at is not None:
        way.append(at[0])
        at = before[at]
    return way[::-1]


# ------------------------------------------------------------------------------------------ registers


def _uses(node: Node) -> Uses:
    if node.kind == "op":
        return _op_uses(node)
    if node.kind == "opaque" or node.kind == "end":
        return _ANYTHING
    resolved = node.resolved
    if resolved is None:
        return _NOTHING
    outputs = len(resolved.form.outputs)
    reads_unknown = "p" if resolved.predicate is None else ""
    writes_unknown = False
    for place, (spec, value) in enumerate(zip(resolved.form.operands, resolved.operands, strict=True)):
        if isinstance(value, Unknown):
            if place < outputs:
                writes_unknown = True
            elif spec.shape in ("r", "p", "f", "b"):
                reads_unknown += spec.shape
        elif (isinstance(value, MemoryOperand) and isinstance(value.base, Unknown)) or (
            isinstance(value, IndexedRegister) and isinstance(value.index, Unknown)
        ):
            reads_unknown += "r"
    writes = frozenset(each for each in resolved.writes if isinstance(each, Register))
    reads = frozenset(each for each in resolved.reads if isinstance(each, Register))
    plan = plan_of(resolved.spelling)
    done = writes
    if plan.parallel:
        done = frozenset(each for each in writes if each.file != "p")
    # A check load that hits leaves its target as the advanced load left it.
    checked = [resolved.operands[place] for place, way in plan.writes if way == "check"]
    if checked:
        targets = frozenset(each for each in checked if isinstance(each, Register))
        done, reads = done - targets, reads | targets
    if resolved.mnemonic.startswith("break") and resolved.operands[-1] != 0:
        reads_unknown += "rp"  # a hypervisor or a monitor takes arguments in registers
    is_sure = resolved.predicate == 0 or resolved.clears_when_false
    sure = done if is_sure else _NONE
    return Uses(reads, writes, done, sure, node.predicate, reads_unknown, writes_unknown)


def _op_uses(node: Node) -> Uses:
    """What an op does by its contract: a clobber may be overwritten or not."""
    assert node.op is not None
    reads: set[Register] = set()
    writes: set[Register] = set()
    outputs: set[Register] = set()
    sure: set[Register] = set()
    reads_unknown = ""
    writes_unknown = False
    predicates = [
        value.text if isinstance(value, Register) else text
        for parameter, value, text in zip(node.op.parameters, node.values, node.arguments, strict=True)
        if parameter.kind == "predicate" and parameter.use == "in"
    ]
    always = all(name == "p0" for name in predicates)
    for parameter, value in zip(node.op.parameters, node.values, strict=True):
        if parameter.kind == "kernel-register":
            continue
        if not isinstance(value, Register):
            reads_unknown += parameter.kind[0].replace("g", "r") if parameter.use == "in" else ""
            writes_unknown = writes_unknown or parameter.use != "in"
        elif parameter.use == "in":
            reads.add(value)
        else:
            writes.add(value)
            if parameter.use == "out":
                outputs.add(value)
                if always:
                    sure.add(value)
    predicate = predicates[0] if len(predicates) == 1 and not always else ""
    return Uses(
        frozenset(reads - _CONSTANTS),
        frozenset(writes - _CONSTANTS),
        frozenset(outputs - _CONSTANTS),
        frozenset(sure - _CONSTANTS),
        predicate,
        reads_unknown,
        writes_unknown,
    )


def _is_complementary(node: Node) -> bool:
    """Whether an instruction that writes two predicates makes one of them true: an unconditional compare or test."""
    assert node.resolved is not None
    plan = plan_of(node.resolved.spelling)
    return node.resolved.predicate == 0 and len(plan.predicates) == 2 and not plan.parallel


def _is_banked(register: Register) -> bool:
    return register.file == "r" and _FIRST_BANKED <= register.number <= _LAST_BANKED


def _hides(node: Node, register: Register) -> bool:
    """Whether, after a node, the register's name means another register."""
    native = _native(node)
    if "bsw" in native:
        return _is_banked(register)
    if native.startswith(("cover", "alloc", "clrrrb", "br.ctop", "br.cexit", "br.wtop", "br.wexit")):
        return register.number >= (_FIRST_STACKED if register.file == "r" else 16)
    return False


def _survives_calls(register: Register) -> bool:
    """Whether a call leaves the register as it was, by the software conventions (preserved and local registers)."""
    if register.file == "r":
        return 4 <= register.number <= 7
    return register.file == "p" and 1 <= register.number <= 5
