"""What a document itself says of the names in it: macros, their parameters, names that stand for registers."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Collection, Container, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from msgspec import Struct

from pvasm.isa.registers import REGISTERS
from pvasm.paravirt.arguments import operand
from pvasm.syntax import tree
from pvasm.syntax.cpp import Known, arm_taken, reachable
from pvasm.syntax.document import Define, Document
from pvasm.syntax.macros import Macro, parameter_name, read_macro
from pvasm.syntax.tokens import SETTING

if TYPE_CHECKING:
    from pvasm.expand.macro_code import MacroCode

_DEEPEST = 8  # names that stand for names


class Binding(Struct, frozen=True):
    """What the parameters of a macro, as written in its body, stand for at one invocation; and where that stands."""

    meanings: Mapping[str, str]
    offset: int


class Definitions:
    """The definitions in a document that count where `known` says which cpp symbols are defined.

    What `headers`, the documents that it includes, say of names that stand for registers counts as well. `kept` are
    names that stay, whatever the document defines: those of ops.
    """

    def __init__(
        self,
        document: Document,
        known: Known,
        headers: Sequence[Document] = (),
        kept: Container[str] = frozenset(),
    ) -> None:
        self.document = document
        self.known = known
        self.headers = headers
        self.kept = kept
        self._body_starts = [define.body_start for define in document.defines]
        self._is_compiled: dict[tuple[tree.Condition, ...], bool] = {(): True}
        self._by_conditions: dict[tuple[tree.Condition, ...], dict[str, str]] = {}
        self._bound: dict[tuple[int, tuple[str, ...]], list[Binding]] = {}

    def is_compiled(self, statement: tree.Statement) -> bool:
        """Whether a statement stands in code that is compiled, or may be."""
        conditions = statement.conditions
        answer = self._is_compiled.get(conditions)
        if answer is None:
            answer = self._is_compiled[conditions] = reachable(conditions, self.known)
        return answer

    @cached_property
    def _compiled(self) -> list[tree.Statement]:
        """The directives in code that may be compiled."""
        return [statement for _, statement in self.document.directives if self.is_compiled(statement)]

    @cached_property
    def defines(self) -> list[Define]:
        """Each `#define` that may be compiled."""
        found = []
        for statement in self._compiled:
            if isinstance(statement.syntax, tree.CppDirective) and statement.syntax.name == "define":
                define = self.define_before(statement.end)
                if define is not None and define.body_start >= statement.start:
                    found.append(define)
        return found

    @cached_property
    def cpp_macros(self) -> frozenset[str]:
        """The names that a `#define` defines."""
        return frozenset(define.name for define in self.defines)

    @cached_property
    def redefined_register(self) -> str | None:
        """A register's name that a `#define` makes something else of; None if there is none."""
        return next(
            (
                define.name
                for define in self.defines
                if define.name in REGISTERS and REGISTERS.get(define.body) != REGISTERS[define.name]
            ),
            None,
        )

    @cached_property
    def gas_macros(self) -> dict[str, list[Macro]]:
        """Each `.macro` by its name; there are several of a name where `#if` chooses."""
        found: dict[str, list[Macro]] = {}
        count = len(self.document.statements)
        for index, statement in self.document.directives:
            if isinstance(statement.syntax, tree.Directive) and statement.syntax.name == ".macro":
                macro = read_macro(statement.syntax, index, count)
                if macro is not None:
                    found.setdefault(macro.name, []).append(macro)
        return found

    # -------------------------------------------------------------------------------- parameters

    def define_before(self, offset: int) -> Define | None:
        """The last `#define` whose body starts before an offset."""
        at = bisect_right(self._body_starts, offset) - 1
        return self.document.defines[at] if at >= 0 else None

    def parameters(self, statement: tree.Statement) -> Sequence[str]:
        """The names of the parameters of the macro in whose body a statement stands, as they are written there."""
        if statement.in_define:
            define = self.define_before(statement.start)
            return [] if define is None else [parameter_name(each) for each in define.parameters or ()]
        macros = [] if statement.macro is None else self.gas_macros.get(statement.macro, [])
        return [f"\\{parameter.name}" for parameter in macros[0].parameters] if len(macros) == 1 else []

    def bindings(self, statement: tree.Statement, words: Collection[str]) -> list[Binding]:
        """What the parameters stand for at each invocation of the macro in whose body a statement stands.

        One that says nothing if none of `words` is a parameter, and none if the document does not invoke the macro.
        Where the macros of the document come to more than is followed, there are no more.
        """
        parameters = self.parameters(statement)
        if not set(words) & set(parameters):
            return [Binding({}, statement.start)]
        key = statement.start, tuple(words)
        if key not in self._bound:  # asked again for each instance
            self._bound[key] = self._bindings(statement, words)
        return self._bound[key]

    def _bindings(self, statement: tree.Statement, words: Collection[str]) -> list[Binding]:
        if statement.in_define:
            define = self.define_before(statement.start)
            invocations = self.code.invocations.get(define.body_start if define else statement.macro, ())
            prefix = ""
        else:
            invocations = self.code.invocations.get((statement.macro or "").lower(), ())
            prefix = "\\"
        found: dict[tuple[str, ...], Binding] = {}  # one for each way to invoke it that matters
        for meanings, index in invocations:
            meant = ((name, meanings.get(name.removeprefix(prefix))) for name in words if name)
            known = {name: meaning for name, meaning in meant if meaning is not None}
            start = self.document.statements[index].start
            found.setdefault(tuple(known.get(name, name) for name in words), Binding(known, start))
        return list(found.values())

    @cached_property
    def code(self) -> MacroCode:
        """What the macros of the document make of its statements."""
        from pvasm.expand.macro_code import read_macro_code

        return read_macro_code(self.document, self.headers, self.known, self.kept)

    # --------------------------------------------------------------------------------- registers

    @cached_property
    def _meanings(self) -> list[tuple[str, str | None, tuple[tree.Condition, ...]]]:
        """What each definition says that a name stands for (None: no register), and the conditions around it."""
        of_headers = [define for header in self.headers for define in Definitions(header, self.known).defines]
        meanings: list[tuple[str, str | None, tuple[tree.Condition, ...]]] = [
            (define.name, None if define.parameters is not None else define.body, ()) for define in of_headers
        ]
        depth = 0  # of the assembler's own conditionals
        for statement in self._compiled:
            conditions = statement.conditions
            match statement.syntax:
                case tree.CppDirective(name="define"):
                    define = self.define_before(statement.end)
                    if define is not None and define.body_start >= statement.start:
                        body = None if define.parameters is not None else define.body
                        meanings.append((define.name, body, conditions))
                case tree.CppDirective(name="undef", text=text):
                    meanings.append((text.split(maxsplit=1)[0] if text else "", None, conditions))
                case tree.Assignment(name=name, value=tree.Name(text=text)):
                    meanings.append((name, None if depth or statement.macro else text, conditions))
                case tree.Assignment(name=name):
                    meanings.append((name, None, conditions))
                case tree.Directive(name=directive, arguments=(name, text)) if directive in SETTING:
                    meanings.append((name, None if depth or statement.macro else text, conditions))
                case tree.Directive(name=name) if name.startswith(".if"):
                    depth += 1
                case tree.Directive(name=".endif"):
                    depth = max(depth - 1, 0)
        return meanings

    def _registers(self, around: tuple[tree.Condition, ...]) -> dict[str, str]:
        """The registers that names stand for under some conditions, where one definition says so, and surely holds."""
        known = self._by_conditions.get(around)
        if known is None:
            known = self._by_conditions[around] = self._registers_under(around)
        return known

    @cached_property
    def _once(self) -> tuple[dict[str, str], dict[tuple[tree.Condition, ...], dict[str, str]]]:
        """What names stand for that are defined once: those that surely are, and the others by their conditions."""
        times = Counter(name for name, _, _ in self._meanings)
        sure: dict[str, str] = {}
        others: dict[tuple[tree.Condition, ...], dict[str, str]] = {}
        for name, text, conditions in self._meanings:
            if text is not None and times[name] == 1:
                is_sure = all(arm_taken(each, self.known) for each in conditions)
                (sure if is_sure else others.setdefault(conditions, {}))[name] = text
        return sure, others

    def _registers_under(self, around: tuple[tree.Condition, ...]) -> dict[str, str]:
        sure, others = self._once
        within = [found for end in range(1, len(around) + 1) if (found := others.get(around[:end]))]
        if around and not within:
            return self._registers(())
        once = dict(sure)
        for more in within:
            once.update(more)
        found = {}
        for name in once:
            text = name
            for _ in range(_DEEPEST):
                text = once.get(text, text)
            # Another name may be that of a kernel register.
            if text in REGISTERS or operand(text).frame is not None or (text != name and text.isidentifier()):
                found[name] = text
        return found

    def registers(self, statement: tree.Statement) -> Mapping[str, str]:
        """The registers that names stand for in a statement; and the other names, which may be kernel registers'."""
        hidden = self.parameters(statement) if statement.in_define else ()
        registers = self._registers(statement.conditions)
        if not any(name in registers for name in hidden):
            return registers
        return {name: register for name, register in registers.items() if name not in hidden}
