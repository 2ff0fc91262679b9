"""The explicit bundles of a document, and what does not fit in them."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from pvasm.asm.elaborate import Fork
from pvasm.asm.reading import assembly_parser
from pvasm.asm.slots import Slotted, first_misfit
from pvasm.check.code import Code
from pvasm.check.finding import Finding
from pvasm.check.subject import Subject
from pvasm.expand.program import Node
from pvasm.isa.hazards import ends_group
from pvasm.isa.instruction import Instruction
from pvasm.isa.operands import Unknown
from pvasm.isa.table import candidates, real_candidates
from pvasm.syntax import tree


def bundle_misfits(subject: Subject) -> Iterator[Finding]:
    """A finding for each explicit bundle that the assembler refuses, as far as all that stands in it is known.

    A bundle with an op, with what is not known or with arms of an `#if` in it is left alone.
    """
    steps = subject.of(Code).program.steps
    if not any(isinstance(step, Node) and step.kind == "bundle" for step in steps):
        return
    reader = _Reader(subject)
    for step in steps:
        if isinstance(step, Fork):
            reader.give_up()
        elif subject.concerns(step.conditions):
            reader.step(step)
    reader.end()
    yield from sorted(reader.found.values(), key=lambda finding: finding.start)


class _Reader:
    """Reads steps in their order, and keeps those of the bundle that is open."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.found: dict[tuple[int, int], Finding] = {}
        self.is_automatic = False  # the assembler puts in the stops, and takes no notice of those written
        self._clear(is_open=False)

    def _clear(self, *, is_open: bool) -> None:
        self.is_open = is_open
        self.is_known = True
        self.template: str | None = None
        self.has_label = False
        self.nodes: list[Node] = []
        self.instructions: list[Slotted] = []

    def give_up(self) -> None:
        """What is in the open bundle is not known."""
        self.is_known = False
        self.template = None

    def step(self, node: Node) -> None:
        """Takes note of a step."""
        match node.kind:
            case "bundle":
                self._bundle(node)
            case "instruction" if node.resolved is not None:
                self._instruction(node, node.resolved)
            case "stop":
                if self.instructions and not self.is_automatic:
                    self.instructions[-1] = replace(self.instructions[-1], stop=True)
            case "label":
                self.has_label = True
            case "directive" | "section":
                self._directive(node)
            case "end":
                self._clear(is_open=False)
            case _:
                self.give_up()

    def end(self) -> None:
        """The text ends."""
        if self.is_open:
            self._unclosed("the end of the file")

    def _bundle(self, node: Node) -> None:
        if node.name == "{":
            template = self.template
            if not self.is_open:
                self._clear(is_open=True)
            self.template = template
        elif node.name == "}":
            if self.is_open:
                self._judge()
            self._clear(is_open=False)
        else:
            self.template = node.name

    def _instruction(self, node: Node, resolved: Instruction) -> None:
        template, label = self.template, self.has_label
        self.template, self.has_label = None, False
        if not self.is_open and template is None:
            return
        self.nodes.append(node)
        self.instructions.append(
            Slotted(
                _units(node, resolved),
                resolved.form.first_in_group,
                resolved.form.last_in_group,
                resolved.form.slot_2,
                label=label,
                template=template,
            )
        )
        if not self.is_open:  # a template without braces
            self._judge()
            self._clear(is_open=False)

    def _directive(self, node: Node) -> None:
        if node.name in _MODES:
            self.is_automatic = node.name == ".auto"
        elif node.kind == "section" or ends_group(node.name):
            if self.is_open and self.instructions:
                self._unclosed(node.name)
            self._clear(is_open=False)

    def _judge(self) -> None:
        misfit = first_misfit(self.instructions, explicit=self.is_open) if self.is_known else None
        if misfit is not None:
            node = self.nodes[misfit.place]
            self._tell(node, f"`{' '.join(node.text.split())}' {misfit.reason}")

    def _unclosed(self, before: str) -> None:
        if self.is_known and self.instructions:
            node = self.nodes[0]
            self._tell(node, f"the bundle that begins here is still open at {before}: `}}' is missing")

    def _tell(self, node: Node, message: str) -> None:
        self.found.setdefault((node.start, node.end), Finding(node.start, node.end, message))


_MODES = frozenset({".auto", ".explicit", ".default"})


def _units(node: Node, resolved: Instruction) -> frozenset[str]:
    """The units that an instruction may be of: all that the assembler may choose from."""
    if not any(isinstance(operand, Unknown) for operand in resolved.operands):
        return frozenset({resolved.form.unit, *(other.form.unit for other in resolved.alternatives)})
    (syntax,) = assembly_parser().chunk(node.text)
    if not isinstance(syntax, tree.Instruction):
        return frozenset("AMIFBX")
    mnemonic = syntax.mnemonic
    names = [mnemonic, *(name for candidate in candidates(mnemonic) for name in candidate.reals)]
    forms = [each.spelling.form for name in names for each in real_candidates(name) if each.spelling is not None]
    return frozenset({resolved.form.unit, *(form.unit for form in forms)})
