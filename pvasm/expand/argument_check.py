"""What is wrong with an invocation of an op: its form, its arguments one by one, and its arguments together.

What an instance makes of the op decides which arguments go together, and whether it matters which registers they are.
The expander refuses what is found here; the checker tells of it, for all instances at once.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Literal

from msgspec import Struct

from pvasm.errors import PvasmError
from pvasm.expand.contexts import Contexts
from pvasm.expand.definitions import Binding
from pvasm.expand.invocations import Invocation
from pvasm.paravirt.arguments import Operand, RegisterNotKnownError, mismatch, named, operand
from pvasm.paravirt.catalog import Op
from pvasm.paravirt.expansion import Context
from pvasm.syntax import tree

AFTER_CPP = "expand after the C preprocessor has run"
_NOT_IN_MACRO = "in a .macro it cannot be known: write the registers out, or use a #define in place of the .macro"

# The form of the invocation; the kind of an argument; two arguments that must be apart; a register that is forbidden;
# a register that must be known and is not.
Fault = Literal["form", "kind", "apart", "not_among", "not_known"]
OF_INSTANCE: frozenset[Fault] = frozenset(
    ("apart", "not_among", "not_known")
)  # what one instance minds, another need not


class Problem(Struct, frozen=True):
    """Something that is wrong with an invocation.

    `offset` is its place, `argument` the index of the argument that it is about, if it is about one. The message is
    `message`, the instances that mind (for what not all need mind), `rest`.
    """

    fault: Fault
    offset: int
    argument: int | None
    message: str
    rest: str = ""

    def said(self, *instances: str) -> str:
        """The message, with the names of the instances; without any, it holds for all."""
        if not instances or self.fault not in OF_INSTANCE:
            return f"{self.message}{self.rest}"
        *others, last = instances
        names = f"instances {', '.join(others)} and {last}" if others else f"instance {last}"
        return f"{self.message} in {names}{self.rest}"


class ArgumentCheck:
    """Judges the invocations of one document for one instance."""

    def __init__(self, contexts: Contexts) -> None:
        self.contexts = contexts
        self.document = contexts.document
        self.catalog = contexts.catalog
        self.instance = contexts.instance
        self.definitions = contexts.definitions

    def question(self, found: Invocation) -> Hashable | None:
        """All that it depends on whether something is wrong with an invocation; None for one that macros are about."""
        statement = self.document.statements[found.statement]
        if statement.macro is not None or found.made is not None or found.predicate is not None or self._basis is None:
            return None
        texts = tuple([argument.text for argument in found.given])
        meant = tuple(map(self.definitions.registers(statement).get, texts))
        return self._basis, found.name, texts, found.parenthesised, meant

    @cached_property
    def _basis(self) -> Hashable | None:
        """What that depends on in all of the document; None where no op can be expanded in it."""
        try:
            constants = tuple(self.contexts.constants.items())
        except PvasmError:
            return None
        return self.instance.name, self.document.preprocessed, self.definitions.redefined_register, constants

    def problems(self, found: Invocation) -> Iterator[Problem]:
        """What is wrong with an invocation, as far as can be told without expanding it."""
        op = self.catalog.ops[found.name]
        register = self.definitions.redefined_register
        if register is not None and not self.document.preprocessed:
            message = f"{op.name}: a #define in this file makes something else of the register {register}, which would"
            yield Problem("form", found.start, None, f"{message} change what the op becomes; {AFTER_CPP}")
            return
        if found.predicate is not None:
            hint = (
                f"it takes its predicate as an argument: {op.signature}" if takes_predicate(op) else "branch around it"
            )
            yield Problem("form", found.predicate, None, f"{op.name} cannot stand under a predicate; {hint}")
        if op.parameters and not found.parenthesised:
            told = self._whole(op, found)
            yield Problem("form", found.start, None, f"{op.name} needs its arguments in parentheses: {told}")
            return
        if len(found.given) != len(op.parameters):
            number = f"{len(op.parameters)} argument{'s' * (len(op.parameters) != 1)}"
            message = f"{op.name} takes {number}, not {len(found.given)}: {op.signature}"
            yield Problem("form", found.start, None, message)
            return
        statement = self.document.statements[found.statement]
        texts = [argument.text for argument in found.given]
        if statement.in_define:
            for index in self._misleading(statement, texts):
                message = (
                    f"{op.name}: {texts[index]} is a parameter here, and called as a register: give it another name"
                )
                yield Problem("kind", found.given[index].offset, index, message)
                return
        registers = self.definitions.registers(statement)
        wrong = list(self._mismatches(op, found, texts, registers, in_macro=statement.macro is not None))
        yield from wrong
        if not wrong:
            yield from self._together(op, found, texts, registers)

    def _whole(self, op: Op, found: Invocation) -> str:
        """How an op is invoked of which the name alone stands there."""
        statement = self.document.statements[found.statement]
        define = self.definitions.define_before(found.start) if statement.in_define else None
        if define is not None and define.parameters is None and define.body == op.name:
            parameters = op.signature.removeprefix(op.name)
            return f"write `#define {define.name}{parameters} {op.signature}' in its place"
        if found.word is not None and not found.arguments:
            return f"{op.signature}; what {found.in_argument} makes of the name alone is not expanded"
        return op.signature

    def _misleading(self, statement: tree.Statement, texts: Sequence[str]) -> Iterator[int]:
        """The arguments, by number, that are parameters of the macro around them, and are called as registers are."""
        parameters = self.definitions.parameters(statement)
        for index, text in enumerate(texts):
            if text in parameters and (operand(text).kind != "unknown" or text in self.catalog.kernel_registers):
                yield index

    def _mismatches(
        self,
        op: Op,
        found: Invocation,
        texts: Sequence[str],
        registers: Mapping[str, str],
        *,
        in_macro: bool,
        where: str = "",
    ) -> Iterator[Problem]:
        """The arguments, meaning `texts`, that are of the wrong kind."""
        known = self.catalog.kernel_registers
        for index, (parameter, text) in enumerate(zip(op.parameters, texts, strict=True)):
            if in_macro and parameter.kind == "kernel-register" and operand(text).kind == "unknown":
                continue  # the name may be a parameter of the macro
            problem = mismatch(text, parameter.kind, parameter.use, known, registers)
            if problem:
                message = f"{op.name}, parameter {parameter.name}: {problem}{where}"
                yield Problem("kind", found.given[index].offset, index, message)

    def _together(
        self, op: Op, found: Invocation, texts: Sequence[str], registers: Mapping[str, str]
    ) -> Iterator[Problem]:
        """The arguments that the instance does not take together; in a macro's body, wherever the macro is invoked."""
        statement = self.document.statements[found.statement]
        bindings = self.definitions.bindings(statement, texts)
        for binding in bindings or [Binding({}, found.start)]:
            meant = [binding.meanings.get(text, text) for text in texts]
            where = ""
            if binding.meanings:
                line = self.document.place(binding.offset).line
                where = f" where {statement.macro} is invoked on line {line}"
                wrong = list(self._mismatches(op, found, meant, registers, in_macro=True, where=where))
                yield from wrong
                if wrong:
                    continue
            try:
                for conflict in self.instance.conflicts(op, meant, Context(registers)):
                    offset = found.given[conflict.place].offset
                    message, rest = f"{op.name}: {conflict.message}", f"{conflict.rest}{where}"
                    yield Problem(conflict.key, offset, conflict.place, message, rest)
            except RegisterNotKnownError as error:
                yield self.not_known(found, error, meant)
                return

    def not_known(self, found: Invocation, error: RegisterNotKnownError, texts: Sequence[str] = ()) -> Problem:
        """What to say where it matters which register an argument is. `texts` is what the arguments mean."""
        statement = self.document.statements[found.statement]
        way_out = _NOT_IN_MACRO if statement.macro is not None and not statement.in_define else AFTER_CPP
        if operand(error.text).frame is not None:
            way_out = "write it by its number, as r32"
        rest = f" it matters which register {error.text} is, and its name does not tell; {way_out}"
        words = list(texts or (argument.text for argument in found.given))
        index = words.index(error.text) if error.text in words else None
        return Problem("not_known", found.start, index, f"{found.name}:", rest)

    def unknown_to_template(self, found: Invocation) -> Problem | None:
        """Whether the op's template asks which register an argument is whose text does not tell, and which one."""
        op = self.catalog.ops[found.name]
        texts = [argument.text for argument in found.given]
        statement = self.document.statements[found.statement]
        registers = self.definitions.registers(statement)
        if all(self._is_known(named(text, registers)) for text in texts):
            return None
        try:
            self.instance.expand(op, texts, self.contexts.at(statement))
        except RegisterNotKnownError as error:
            return self.not_known(found, error)
        except PvasmError:
            pass  # what is wrong with a template, or a constant, is no fault of those that use it
        return None

    def _is_known(self, given: Operand) -> bool:
        return given.register is not None or given.text in self.catalog.kernel_registers


def takes_predicate(op: Op) -> bool:
    """Whether an op takes the predicate that it stands under as an argument."""
    return any(parameter.kind == "predicate" and parameter.use == "in" for parameter in op.parameters)
