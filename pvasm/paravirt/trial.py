"""An op tried with some arguments: what its template makes of it, and what may be said against that."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import product
from typing import Final, Literal

from msgspec import Struct

from pvasm.isa.instruction import Instruction
from pvasm.isa.registers import REGISTERS, Register
from pvasm.isa.resources import Resource
from pvasm.paravirt.catalog import Op
from pvasm.paravirt.cells import register_effects
from pvasm.paravirt.expansion import Expansion, Line

Kind = Literal[
    "undeclared",  # a name in the template that nothing declares, or a mnemonic that there is not
    "unused",  # a parameter that no expansion names
    "lost",  # an input whose value nothing uses
    "written",  # a register that is not the template's to write
    "read",  # a register that is not the template's to read
    "call",  # a call of which nothing is known
    "unwritten",  # an output that keeps its old value
    "unexecuted",  # something that happens though the op's predicate is false
    "bank",  # a register of a bank that is not saved, or not filled
    "empty",  # no expansion
    "stop",  # a stop that is missing
    "overlap",  # equal arguments that get in each other's way
]

BANKED: Final = frozenset(Register("r", number) for number in range(16, 32))
BANK_SWITCH: Final = "psr.bn"


class Violation(Struct, frozen=True):
    """A way in which a template does not keep its op's contract.

    `line` is the template's, None for all of it: then `subject` is the parameter or register that it is about. `choice`
    are the arguments, as a person reads them, and `lines` what the op becomes with them.
    """

    kind: Kind
    op: Op
    line: int | None
    message: str
    choice: str = ""
    lines: tuple[str, ...] = ()
    subject: str = ""


class Native(Struct):
    """What the instructions do that the op replaces, with some arguments."""

    lines: list[Line]

    @property
    def instructions(self) -> list[Instruction]:
        """The instructions without the stops between them."""
        return [line.resolved for line in self.lines if line.resolved is not None]

    def executed(self, truths: Mapping[Register, bool]) -> list[Instruction]:
        """The instructions whose predicates are true."""
        return [each for each in self.instructions if not each.predicate or truths.get(Register("p", each.predicate))]


def effects_of(instructions: Sequence[Instruction]) -> tuple[set[Resource], set[Resource]]:
    """The registers that instructions read and write. A switch of register banks is about all that are banked."""
    reads: set[Resource] = set()
    writes: set[Resource] = set()
    for each in instructions:
        read, written = register_effects(each)
        reads |= read
        writes |= written
    if BANK_SWITCH in writes and len(instructions) == 1:
        reads |= BANKED
        writes |= BANKED
    return reads, writes


class Trial(Struct, dict=True):
    """An op with some arguments: what its template makes of it, and what the contract asks."""

    op: Op
    arguments: tuple[str, ...]
    expansion: Expansion
    lines: list[Line]
    native: Native

    @cached_property
    def given(self) -> dict[str, str]:
        """The arguments by parameter."""
        return {parameter.name: text for parameter, text in zip(self.op.parameters, self.arguments, strict=True)}

    def registers(self, use: str, kind: str | None = None) -> list[Register]:
        """The arguments of a use (and kind), those that are registers."""
        return [
            REGISTERS[self.given[parameter.name]]
            for parameter in self.op.parameters
            if parameter.use == use and parameter.kind != "kernel-register" and kind in (None, parameter.kind)
        ]

    @cached_property
    def kernel_register(self) -> str:
        """The name of the kernel register that is given; empty if none is."""
        kinds = {parameter.name: parameter.kind for parameter in self.op.parameters}
        return next((text for name, text in self.given.items() if kinds[name] == "kernel-register"), "")

    @cached_property
    def choice(self) -> str:
        """The arguments in words."""
        return ", ".join(f"{name} = {text}" for name, text in self.given.items())

    @cached_property
    def text(self) -> tuple[str, ...]:
        """The lines that the template yields."""
        return self.expansion.lines

    @cached_property
    def shape(self) -> list[tuple[int, str]]:
        """What is equal for trials that differ in their registers alone."""
        return [(line.number, line.resolved.mnemonic if line.resolved else "") for line in self.lines]

    def assumptions(self) -> Iterator[dict[Register, bool]]:
        """The truths of the predicates that are given."""
        registers = sorted({register for register in self.registers("in", "predicate") if register.number})
        for truths in product((True, False), repeat=len(registers)):
            yield dict(zip(registers, truths, strict=True))

    def name(self, cell: Resource) -> str:
        """A register in words: with the parameter that it is the argument of."""
        text = cell if isinstance(cell, str) else cell.text
        names = [name for name, word in self.given.items() if REGISTERS.get(word) == cell]
        return f"{' and '.join(names)} ({text})" if names else text

    def violation(self, kind: Kind, line: int | None, message: str, subject: str = "") -> Violation:
        """A violation that this trial shows."""
        return Violation(kind, self.op, line, message, self.choice, self.text, subject)


def call_number(line: Line) -> int | None:
    """The number of a `break`; None for any other statement."""
    resolved = line.resolved
    if resolved is None or not resolved.mnemonic.startswith("break"):
        return None
    return resolved.operands[0] if isinstance(resolved.operands[0], int) else None
