"""From an instruction to the op that stands for it: which registers it may clobber, and what to edit.

An op's clobbers are chosen from registers that are certain not to be needed any more where the instruction stands, and
that nothing else in its group touches. Where there is none, the instruction stays, and is told why.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence

from msgspec import Struct

from pvasm.check.exposure import Exposure
from pvasm.check.flow import Flow
from pvasm.check.free_registers import FreeRegisters
from pvasm.check.subject import Subject
from pvasm.isa.conventions import GENERAL_SCRATCH, PREDICATE_SCRATCH
from pvasm.isa.registers import Register
from pvasm.paravirt.arguments import RegisterNotKnownError
from pvasm.paravirt.catalog import Op, Parameter
from pvasm.paravirt.instance import Instance
from pvasm.paravirt.patterns import Use
from pvasm.regex import regex
from pvasm.syntax import tree
from pvasm.text import Edit

_MAX_GROUP = 64  # nodes
_COMMENT = regex(r"/\*(?s:.*?)(?:\*/|\Z)|//[^\n]*")


class Conversion(Struct, frozen=True):
    """The edits that put an op in the place of an instruction; or, if there are none, the reason."""

    edits: tuple[Edit, ...]
    reason: str


class _CannotError(Exception):
    """An instruction that stays; the message says why."""


class Converter:
    """Converts the exposed instructions of one document."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.document = subject.document
        self.starts = [statement.start for statement in self.document.statements]
        self.flow = subject.of(Flow)
        self.free = subject.of(FreeRegisters)
        self.given: dict[int, set[Register]] = {}  # what ops chosen before clobber, by their nodes
        self.nodes = {
            node.start: index
            for index, node in enumerate(self.flow.nodes)
            if node.kind == "instruction" and not node.inlined
        }

    def convert(self, exposure: Exposure) -> Conversion:
        """What to do about an exposed instruction."""
        if exposure.part_of is not None:
            return Conversion((), "")
        try:
            return Conversion(tuple(self._edits(exposure)), "")
        except _CannotError as error:
            return Conversion((), str(error))

    def _edits(self, exposure: Exposure) -> Iterator[Edit]:
        if exposure.is_made or not exposure.certain:
            raise _CannotError("it does not stand here as a statement")
        at = bisect_left(self.starts, exposure.start)
        if at >= len(self.starts) or self.starts[at] != exposure.start:
            raise _CannotError("it is an argument of a macro: write the op there")
        reasons = []
        for use in exposure.uses:
            try:
                covered = self._covered(use, at)
                call = self._call(use, exposure.start)
            except _CannotError as error:
                reasons.append(str(error))
                continue
            statements = self.document.statements
            first = statements[at]
            inside = _COMMENT.findall(self.document.text[first.start : first.end])
            if any(comment.startswith("//") for comment in inside):
                raise _CannotError("a comment stands inside it: write it on one line")
            yield Edit(first.start, first.end, self._indented(first, " ".join([call, *inside])))
            yield from self._joined([self._removal(statements[index]) for index in covered])
            return
        raise _CannotError(reasons[0] if reasons else "no op replaces it")

    # ------------------------------------------------------------------------- what the op stands for

    def _covered(self, use: Use, at: int) -> list[int]:
        """The statements after the first that the op stands for as well: instructions, and the stops between them."""
        if not use.is_complete:
            raise _CannotError(f"{use.op.name} replaces `{use.op.replaces}', and only a part of it stands here")
        if use.predicate_lost:
            raise _CannotError(f"{use.op.name} takes no predicate: branch around it")
        statements = self.document.statements
        first = statements[at]
        covered = []
        # The pattern's words: instructions, and the stops between and after them.
        index = at
        pieces = _pieces(use.op)
        for place, piece in enumerate(pieces):
            if place == 0:
                continue
            index += 1
            is_last = place == len(pieces) - 1
            statement = statements[index] if index < len(statements) else None
            fits = (
                statement is not None
                and statement.conditions == first.conditions
                and (statement.macro, statement.in_define) == (first.macro, first.in_define)
                and isinstance(statement.syntax, tree.Stop if piece == ";;" else tree.Instruction)
            )
            if not fits:
                where = "after it" if is_last and piece == ";;" else "in it"
                raise _CannotError(f"{use.op.name} replaces `{use.op.replaces}': the stops {where} are others here")
            if not (is_last and piece == ";;"):  # the stop at the end may stay
                covered.append(index)
        return covered

    def _indented(self, first: tree.Statement, call: str) -> str:
        """The op where the instruction stood, if its predicate stood at the start of the line and a tab behind that."""
        text = self.document.text
        syntax = first.syntax
        assert isinstance(syntax, tree.Instruction)
        if syntax.predicate is None or text[first.start - 1 : first.start] not in ("", "\n"):
            return call
        blanks = text[first.start : first.origin + syntax.mnemonic_start].rpartition(")")[2]
        return f"{blanks}{call}" if blanks.startswith("\t") and not blanks.strip() else call

    def _joined(self, removals: list[Edit]) -> Iterator[Edit]:
        """Removals with but blanks between them as one; at the end of a line, with the blanks before it."""
        text = self.document.text
        joined: list[Edit] = []
        for edit in removals:
            if joined and text[joined[-1].end - 1] != "\n" and not text[joined[-1].end : edit.start].strip(" \t"):
                joined[-1] = Edit(joined[-1].start, edit.end, "")
            else:
                joined.append(edit)
        for start, end, _ in joined:
            line = text.rfind("\n", 0, start) + 1
            if text[line:start].rstrip(" \t")[-1:] in ("", ";", "{", ":"):  # then a `;' behind it parts nothing
                behind = _SEPARATOR.match(text, end)
                end = behind.end() if behind else end
            line_end = text.find("\n", end)
            if text[start - 1 : start] in ("", "\n") or text[end : line_end if line_end >= 0 else None].strip(" \t\r"):
                yield Edit(start, end, "")
                continue
            while text[start - 1] in " \t":
                start -= 1
            while text[end : end + 1] in (" ", "\t"):
                end += 1
            yield Edit(start, end, "")

    def _removal(self, statement: tree.Statement) -> Edit:
        """Takes a statement away; the whole line, if nothing else stands on it."""
        text = self.document.text
        start, end = statement.start, statement.end
        line = text.rfind("\n", 0, start) + 1
        newline = text.find("\n", end)
        if newline >= 0 and not text[line:start].strip(" \t") and not text[end:newline].strip(" \t\r"):
            return Edit(line, newline + 1, "")
        while start > line and end < len(text) and text[end] in " \t":  # at a line's start, they indent what follows
            end += 1
        return Edit(start, end, "")

    # ------------------------------------------------------------------------------- its arguments

    def _call(self, use: Use, start: int) -> str:
        """The op with its arguments, as it is to be written."""
        op = use.op
        chosen = dict(use.arguments)
        missing = [parameter for parameter in op.parameters if parameter.name not in chosen]
        if missing:
            index = self.nodes.get(start)
            if index is None:
                raise _CannotError("it is not known which registers are free here")
            self._choose(op, missing, chosen, index)
        for instance in self.subject.instances:
            arguments = [chosen[parameter.name] for parameter in op.parameters]
            try:
                problems = [
                    f"{each.message} in instance {instance.name}{each.rest}"
                    for each in instance.conflicts(op, arguments)
                ]
            except RegisterNotKnownError as error:
                problems = [f"in instance {instance.name} it matters which register {error.text} is"]
            if problems:
                raise _CannotError(problems[0])
        if not op.parentheses:
            return op.name
        return f"{op.name}({', '.join(chosen[parameter.name] for parameter in op.parameters)})"

    def _choose(self, op: Op, missing: Sequence[Parameter], chosen: dict[str, str], index: int) -> None:
        """Chooses the registers to clobber."""
        taken = set(chosen.values())
        busy = self._busy(index)
        given: set[Register] = set()
        for parameter in missing:
            found: Register | None = None
            reasons: dict[str, list[tuple[Register, int | None]]] = {}  # with the node that is the reason
            for candidate in GENERAL_SCRATCH if parameter.kind == "general" else PREDICATE_SCRATCH:
                # A predicate is read for the last time by what overwrites it: it may be its own clobber.
                is_own = parameter.kind == "predicate" and candidate.text in taken
                if candidate in given or (candidate.text in taken and not is_own):
                    continue
                reason, node = (
                    ("something else in its group uses it" if candidate in busy and not is_own else None),
                    None,
                )
                kept = self.free.reason_to_keep(index, candidate) if reason is None else None
                if kept is not None:
                    reason, node = kept
                if reason is None and not self._accepted(op, parameter, candidate, chosen):
                    reason = "an instance does not take it"
                if reason is None:
                    found = candidate
                    break
                reasons.setdefault(reason, []).append((candidate, node))
            if found is None:
                kind = "general register" if parameter.kind == "general" else "predicate"
                raise _CannotError(f"no {kind} is known to be free for {op.name}: {self._most(reasons)}")
            given.add(found)
            chosen[parameter.name] = found.text
        self.given[index] = given

    def _most(self, reasons: dict[str, list[tuple[Register, int | None]]]) -> str:
        """The reason that keeps most registers, with the first of them and the line."""
        if not reasons:
            return "there is none"
        most = max(reasons, key=lambda reason: len(reasons[reason]))
        register, node = reasons[most][0]
        line = "" if node is None else f" (line {self.document.place(self.flow.nodes[node].start).line})"
        number = len(reasons[most])
        others = f" and {number - 1} more" if number > 1 else ""
        return f"{register.text}{others}: {most}{line}"

    def _accepted(self, op: Op, parameter: Parameter, candidate: Register, chosen: dict[str, str]) -> bool:
        """Whether every instance takes the register, beside what is chosen already."""
        return all(_takes(instance, op, parameter, candidate, chosen) for instance in self.subject.instances)

    def _busy(self, index: int) -> set[Register]:
        """What the other instructions of a node's group use, and what ops chosen before in it clobber."""
        nodes = self.flow.nodes
        own = self.flow.uses[index]
        busy = {register for register in own.reads | own.writes if register.file == "r"}
        for step in (-1, 1):
            at = index + step
            while 0 <= at < len(nodes) and abs(at - index) < _MAX_GROUP and nodes[at].kind != "stop":
                if nodes[at].macro == nodes[index].macro:
                    uses = self.flow.uses[at]
                    busy |= uses.reads | uses.writes | self.given.get(at, set())
                at += step
        return busy


def _takes(instance: Instance, op: Op, parameter: Parameter, candidate: Register, chosen: dict[str, str]) -> bool:
    definition = instance.definitions[op.name]
    if candidate.text in definition.not_among.get(parameter.name, ()):
        return False
    others = {name for group in definition.apart if parameter.name in group for name in group}
    return all(chosen.get(name) != candidate.text for name in others - {parameter.name})


_SEPARATOR = regex(r"[ \t]*;(?!;)[ \t]*")


def _pieces(op: Op) -> list[str]:
    """The instructions of an op's pattern, and the stops between and after them."""
    pieces = []
    for number, group in enumerate(op.replaces.split(";;")):
        if number:
            pieces.append(";;")
        pieces += [piece.strip() for piece in group.split(";") if piece.strip()]
    return pieces
