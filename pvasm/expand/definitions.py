"""What a document itself says of the names in it: macros, their parameters, names that stand for registers."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cached_property
from typing import NamedTuple

from pvasm.ia64.registers import REGISTERS
from pvasm.paravirt.arguments import operand
from pvasm.syntax import tree
from pvasm.syntax.cpp import Known, arm_taken, reachable
from pvasm.syntax.document import Define, Document
from pvasm.syntax.macros import Macro, bind, bind_define, read_macro

_DEEPEST = 8  # names that stand for names
_MOST_BINDINGS = 200_000  # looked at for a document: what the bodies of macros are given, op by op
_SETTING = frozenset({".set", ".equ", ".equiv", ".eqv"})


class Binding(NamedTuple):
    """What the parameters of a macro, as written in its body, stand for at one invocation; and where that stands."""

    meanings: Mapping[str, str]
    offset: int


class Definitions:
    """The definitions in a document that count where `known` says which cpp symbols are defined.

    What `headers`, the documents that it includes, say of names that stand for registers counts as well.
    """

    def __init__(self, document: Document, known: Known, headers: Sequence[Document] = ()) -> None:
        self.document = document
        self.known = known
        self.headers = headers
        self._body_starts = [define.body_start for define in document.defines]
        self._is_compiled: dict[tuple[tree.Condition, ...], bool] = {(): True}
        self._bindings_left = _MOST_BINDINGS
        self._by_conditions: dict[tuple[tree.Condition, ...], dict[str, str]] = {}
        self._bound: dict[tuple[int, tuple[str, ...]], list[Binding]] = {}

    def is_compiled(self, statement: tree.Statement) -> bool:
        """Whether a statement stands in code that is compiled, or may be."""
        conditions = statement.conditions
        answer = self._is_compiled.get(conditions)
        if answer is None:
            answer = self._is_compiled[conditions] = reachable(conditions, self.known)
        return answer

    def _compiled(self) -> Iterator[tree.Statement]:
        return (statement for statement in self.document.statements if self.is_compiled(statement))

    @cached_property
    def defines(self) -> list[Define]:
        """Each `#define` that may be compiled."""
        found = []
        for statement in self._compiled():
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
    def gas_macros(self) -> dict[str, list[Macro]]:
        """Each `.macro` by its name; there are several of a name where `#if` chooses."""
        found: dict[str, list[Macro]] = {}
        statements = self.document.statements
        for index, statement in enumerate(statements):
            if isinstance(statement.syntax, tree.Directive) and statement.syntax.name == ".macro":
                macro = read_macro(statement.syntax, index, len(statements))
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
            return [] if define is None else define.parameters or []
        macros = self.gas_macros.get(statement.macro or "", [])
        return [f"\\{parameter.name}" for parameter in macros[0].parameters] if len(macros) == 1 else []

    def bindings(self, statement: tree.Statement, words: Collection[str]) -> list[Binding]:
        """What the parameters stand for at each invocation of the macro in whose body a statement stands.

        One that says nothing if none of `words` is a parameter, and none if the document does not invoke the macro.
        What is itself a parameter, of the macro in whose body the invocation stands, is not told if it has the name of
        a register. Beyond a bound, for all of a document, there are no more.
        """
        parameters = self.parameters(statement)
        if not set(words) & set(parameters):
            return [Binding({}, statement.start)]
        key = statement.start, tuple(words)
        if key not in self._bound:  # asked again for each instance
            self._bound[key] = self._bindings(statement, words, parameters)
        return self._bound[key]

    def _bindings(self, statement: tree.Statement, words: Collection[str], parameters: Sequence[str]) -> list[Binding]:
        found: dict[tuple[str, ...], Binding] = {}  # one for each way to invoke it that matters
        for call, syntax in self._calls.get(statement.macro or "", ()):
            self._bindings_left -= 1
            if self._bindings_left < 0:
                break
            if statement.in_define:
                meanings = bind_define(parameters, [argument.text for argument in syntax.arguments])
            else:
                after_name = call.origin + syntax.name_start + len(syntax.name)
                text = self.document.text[after_name : call.origin + syntax.call_end].strip(" \t")
                (macro,) = self.gas_macros[syntax.name]
                meanings = {f"\\{name}": given for name, given in bind(macro, text).items()}
            unknown = [name for name in self.parameters(call) if name in REGISTERS] if call.in_define else ()
            known = {name: meanings[name] for name in words if meanings.get(name) and meanings[name] not in unknown}
            found.setdefault(tuple(known.get(name, name) for name in words), Binding(known, call.start))
        return list(found.values())

    @cached_property
    def _calls(self) -> dict[str, list[tuple[tree.Statement, tree.MacroCall]]]:
        """The invocations of each macro."""
        found: dict[str, list[tuple[tree.Statement, tree.MacroCall]]] = {}
        for statement in self._compiled():
            if isinstance(statement.syntax, tree.MacroCall):
                found.setdefault(statement.syntax.name, []).append((statement, statement.syntax))
        return found

    # --------------------------------------------------------------------------------- registers

    @cached_property
    def _meanings(self) -> list[tuple[str, str | None, tuple[tree.Condition, ...]]]:
        """What each definition says that a name stands for (None: no register), and the conditions around it."""
        of_headers = [define for header in self.headers for define in Definitions(header, self.known).defines]
        meanings: list[tuple[str, str | None, tuple[tree.Condition, ...]]] = [
            (define.name, None if define.parameters is not None else define.body, ()) for define in of_headers
        ]
        depth = 0  # of the assembler's own conditionals
        for statement in self._compiled():
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
                case tree.Directive(name=directive, arguments=(name, text)) if directive in _SETTING:
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

    def _registers_under(self, around: tuple[tree.Condition, ...]) -> dict[str, str]:
        times = Counter(name for name, _, _ in self._meanings)
        once = {
            name: text
            for name, text, conditions in self._meanings
            if text is not None
            and times[name] == 1
            and (around[: len(conditions)] == conditions or all(arm_taken(each, self.known) for each in conditions))
        }
        found = {}
        for name in once:
            text = name
            for _ in range(_DEEPEST):
                text = once.get(text, text)
            if text in REGISTERS or operand(text).frame is not None:
                found[name] = text
        return found

    def registers(self, statement: tree.Statement) -> Mapping[str, str]:
        """The registers that names stand for in a statement."""
        hidden = self.parameters(statement) if statement.in_define else ()
        registers = self._registers(statement.conditions)
        if not any(name in registers for name in hidden):
            return registers
        return {name: register for name, register in registers.items() if name not in hidden}
