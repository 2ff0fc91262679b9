"""Which op stands for an instruction: the catalog's `replaces` patterns, matched against source."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property

from msgspec import Struct, field

from pvasm.asm.reading import assembly_parser
from pvasm.asm.scope import OperandError, OperandMacro, Scope
from pvasm.isa.operands import MemoryOperand, Symbolic, Unknown, Value
from pvasm.isa.registers import Register
from pvasm.paravirt.catalog import Catalog, Op, Parameter
from pvasm.syntax import tree
from pvasm.syntax.document import read_document
from pvasm.syntax.parser import parse_expression

_FILES = {"general": "r", "predicate": "p"}
_DUE = {
    "general": ("a", "general register"),
    "predicate": ("a", "predicate register"),
    "kernel-register": ("a", "kernel register name"),
}


class Use(Struct, frozen=True):
    """An op that stands for an instruction in the source.

    `arguments` are the texts of the arguments that the source gives, by parameter; the others are to be chosen.
    `covers` is how many of the pattern's instructions, of which there are `length`, stand in the source one after
    the other. `predicate_lost` is set where the source has a predicate that the op has no parameter for.
    """

    op: Op
    arguments: Mapping[str, str]
    covers: int
    length: int
    predicate_lost: bool

    @property
    def is_complete(self) -> bool:
        """Whether all that the op stands for is in the source."""
        return self.covers == self.length

    @property
    def call(self) -> str:
        """The op as it would be written, with the names of the parameters that are to be chosen."""
        if not self.op.parentheses:
            return self.op.name
        return f"{self.op.name}({', '.join(self.arguments.get(p.name, p.name) for p in self.op.parameters)})"

    @property
    def choices(self) -> list[str]:
        """What is to be chosen, in words: `clob is a general register to clobber`."""
        names: dict[tuple[str, str], list[str]] = {}
        for parameter in self.op.parameters:
            if parameter.name not in self.arguments:
                names.setdefault((parameter.kind, parameter.use), []).append(parameter.name)
        return [_choice(kind, use, several) for (kind, use), several in names.items()]


def _choice(kind: str, use: str, names: Sequence[str]) -> str:
    article, noun = _DUE[kind]
    purpose = " to clobber" if use == "clobber" else ""
    if len(names) == 1:
        return f"{names[0]} is {article} {noun}{purpose}"
    return f"{', '.join(names[:-1])} and {names[-1]} are {noun}s{purpose}"


class _Pattern(Struct):
    """An op and the instructions that it replaces."""

    op: Op
    instructions: list[tree.Instruction]
    source: str
    parameters: dict[str, Parameter] = field(default_factory=dict)


class Patterns(Struct, dict=True):
    """The patterns of a catalog, ready to be matched."""

    catalog: Catalog

    @cached_property
    def operand_macros(self) -> dict[str, OperandMacro]:
        """What the catalog says of names in operands: its constants, and its macros (`IA64_KR(x)` is an `ar.k`)."""
        macros: dict[str, OperandMacro] = {}
        for name, text in self.catalog.constants.items():
            expression = parse_expression(text)
            if expression is not None:
                macros[name] = expression
        for name in self.catalog.operand_macros:
            macros[name] = self._register_of(name)
        return macros

    def _register_of(self, macro: str) -> Callable[[tree.Expression], Value]:
        kernel_registers = self.catalog.kernel_registers

        def value(expression: tree.Expression) -> Value:
            match expression:
                case tree.Call(arguments=(tree.Name(text=name),)) if name in kernel_registers:
                    return Register("ar", kernel_registers[name])
            # Some kernel register, whichever: all that matters of them is the same.
            return Register("ar", 0)

        return value

    @cached_property
    def _by_mnemonic(self) -> dict[str, list[_Pattern]]:
        found: dict[str, list[_Pattern]] = {}
        for op in self.catalog.ops.values():
            document = read_document(assembly_parser(), op.replaces, preprocessed=True)
            instructions = [s.syntax for s in document.statements if isinstance(s.syntax, tree.Instruction)]
            pattern = _Pattern(op, instructions, op.replaces, {p.name: p for p in op.parameters})
            found.setdefault(_stem(instructions[0].mnemonic), []).append(pattern)
        return found

    @cached_property
    def _scope(self) -> Scope:
        return Scope(lenient=True, operand_macros=self.operand_macros)

    def of_mnemonic(self, mnemonic: str) -> tuple[Use, ...]:
        """The ops whose first instruction has this mnemonic, whatever its operands."""
        patterns = self._asked_for(mnemonic)
        return tuple(Use(pattern.op, {}, 1, len(pattern.instructions), False) for pattern in patterns)

    def _asked_for(self, mnemonic: str) -> Iterator[_Pattern]:
        """The patterns that begin with a mnemonic, of the ops that are asked for."""
        patterns = self._by_mnemonic.get(_stem(mnemonic), ())
        return (pattern for pattern in patterns if self.catalog.asks_for(pattern.op))

    def in_extension(self, instruction: tree.Instruction, source: str, scope: Scope) -> str:
        """The name of the op of the extension that stands for an instruction, if it is not asked for; else nothing."""
        for pattern in self._by_mnemonic.get(_stem(instruction.mnemonic), ()):
            if not self.catalog.asks_for(pattern.op) and len(pattern.instructions) == 1:
                matcher = _Matcher(self, pattern, scope, source, {})
                if matcher.instruction(pattern.instructions[0], instruction):
                    return pattern.op.name
        return ""

    def uses(self, run: Sequence[tree.Instruction], sources: Sequence[str], scope: Scope) -> list[Use]:
        """The ops that stand for the first instruction of `run`, the best first.

        `run` are the instruction and those after it, and `sources` the texts that their offsets count in. Best is
        what covers the most of the source, then what needs the least that is not there.
        """
        found: list[tuple[tuple[int, int, int], Use]] = []
        for order, pattern in enumerate(self._asked_for(run[0].mnemonic)):
            arguments: dict[str, str] = {}
            covers = 0
            lost = False
            for wanted, actual, source in zip(pattern.instructions, run, sources, strict=False):
                matcher = _Matcher(self, pattern, scope, source, dict(arguments))
                if not matcher.instruction(wanted, actual):
                    break
                arguments = matcher.arguments
                lost = lost or matcher.predicate_lost
                covers += 1
            if covers == 0:
                continue
            for parameter in pattern.parameters.values():
                if parameter.kind == "predicate" and parameter.use == "in" and covers == len(pattern.instructions):
                    arguments.setdefault(parameter.name, "p0")
            length = len(pattern.instructions)
            found.append(((length - covers, -covers, order), Use(pattern.op, arguments, covers, length, lost)))
        return [use for _, use in sorted(found, key=lambda item: item[0])]


def _stem(mnemonic: str) -> str:
    """The mnemonic without the unit that `mov` may name."""
    return "mov" if mnemonic in ("mov.m", "mov.i") else mnemonic


class _Matcher:
    """Matches one instruction with one of a pattern, and collects what its parameters stand for."""

    def __init__(
        self, patterns: Patterns, pattern: _Pattern, scope: Scope, source: str, arguments: dict[str, str]
    ) -> None:
        self.patterns = patterns
        self.pattern = pattern
        self.scope = scope
        self.source = source
        self.arguments = arguments
        self.predicate_lost = False

    def instruction(self, wanted: tree.Instruction, actual: tree.Instruction) -> bool:
        if _stem(wanted.mnemonic) != _stem(actual.mnemonic):
            return False
        if len(wanted.outputs) != len(actual.outputs) or len(wanted.inputs) != len(actual.inputs):
            return False
        pairs = zip(wanted.outputs + wanted.inputs, actual.outputs + actual.inputs, strict=True)
        if not all(self.operand(left, right) for left, right in pairs):
            return False
        if wanted.predicate is not None:
            predicate = actual.predicate
            if predicate is None:
                return self.bind(wanted.predicate, "p0")
            return self.operand(wanted.predicate, predicate)
        if actual.predicate is not None:
            try:
                self.predicate_lost = self.scope.evaluate(actual.predicate) != Register("p", 0)
            except OperandError:
                return False
        return True

    def bind(self, parameter: tree.Expression, text: str) -> bool:
        assert isinstance(parameter, tree.Name)
        return self.arguments.setdefault(parameter.text, text) == text

    def operand(self, wanted: tree.Expression, actual: tree.Expression) -> bool:
        text = self.source[actual.start : actual.end]
        try:
            value = self.scope.evaluate(actual)
        except OperandError:
            return False
        if isinstance(wanted, tree.Name) and wanted.text in self.pattern.parameters:
            file = _FILES[self.pattern.parameters[wanted.text].kind]
            return _may_be(value, file) and self.bind(wanted, text)
        if isinstance(wanted, tree.Index):
            is_same_file = isinstance(actual, tree.Index) and actual.file == wanted.file
            return isinstance(actual, tree.Index) and is_same_file and self.operand(wanted.index, actual.index)
        if isinstance(wanted, tree.Call) and wanted.function in self.patterns.catalog.operand_macros:
            return self._kernel_register(wanted, actual, value)
        due = self.patterns._scope.evaluate(wanted)
        return due == value and not isinstance(due, Unknown | Symbolic | MemoryOperand)

    def _kernel_register(self, wanted: tree.Call, actual: tree.Expression, value: Value) -> bool:
        """`IA64_KR(name)`: written so, or as the register itself."""
        match actual:
            case tree.Call(function=wanted.function, arguments=(tree.Name(text=name),)):
                return self.bind(wanted.arguments[0], name)
        if not (isinstance(value, Register) and value.file == "ar" and value.number < 8):
            return False
        names = {number: name for name, number in self.patterns.catalog.kernel_registers.items()}
        return value.number in names and self.bind(wanted.arguments[0], names[value.number])


def _may_be(value: Value, file: str) -> bool:
    if isinstance(value, Register):
        return value.file == file
    return isinstance(value, Unknown) and value.file in (None, file)
