"""Global symbols of a file that is compiled once for each instance: they must not have the same name twice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from pvasm.check.op_uses import invocations_of
from pvasm.check.subject import Subject
from pvasm.expand.definitions import Definitions
from pvasm.paravirt.environments import build_names, known_macros
from pvasm.paravirt.instance import Instance
from pvasm.regex import regex
from pvasm.syntax import tree
from pvasm.syntax.document import Define, Document
from pvasm.syntax.macros import bind_define, parameters_replaced

_GLOBAL = frozenset((".global", ".globl"))
_DEEPEST = 8  # names that stand for names
_INVOCATION = regex(r"(?P<name>\w+)[ \t]*\((?P<arguments>[^()]*)\)")
_LONGEST = 400  # characters of what a name stands for


class SharedSymbol(NamedTuple):
    """A global symbol with the same name in several instances: where it is defined, what it is called, in which."""

    start: int
    end: int
    name: str
    instances: tuple[str, ...]


class _Macro(NamedTuple):
    """What a macro does with its arguments, by number: those that become global, those that it puts a label for."""

    makes_global: frozenset[int]
    labels: frozenset[int]


# Those of Linux, where no definition of them is in sight (asm/asmmacro.h).
_KNOWN = {
    "GLOBAL_ENTRY": _Macro(frozenset((0,)), frozenset((0,))),
    "ENTRY": _Macro(frozenset(), frozenset((0,))),
    "ENTRY_MIN_ALIGN": _Macro(frozenset(), frozenset((0,))),
}


class _Symbols:
    """The symbols of a document: the statements that make each global, or weak, and the labels."""

    def __init__(self, document: Document, headers: Sequence[Document]) -> None:
        self.made_global: dict[str, list[tree.Statement]] = {}
        self.made_weak: set[str] = set()
        self.labels: dict[str, list[tuple[tree.Statement, int, int]]] = {}  # with the span of the name
        macros = _macros([*headers, document])
        for statement in document.statements:
            if statement.macro is not None:
                continue
            match statement.syntax:
                case tree.Directive(name=name, arguments=arguments) if name in _GLOBAL:
                    for argument in arguments:
                        self.made_global.setdefault(_symbol(argument), []).append(statement)
                case tree.Directive(name=".weak", arguments=arguments):
                    self.made_weak.update(map(_symbol, arguments))
                case tree.Label(name=name):
                    start = statement.start
                    self.labels.setdefault(name, []).append((statement, start, start + len(name)))
                case tree.MacroCall(name=name, arguments=arguments) if name in macros:
                    macro = macros[name]
                    for number, each in enumerate(arguments):
                        if number in macro.makes_global:
                            self.made_global.setdefault(each.text, []).append(statement)
                        if number in macro.labels:
                            start = statement.origin + each.start
                            self.labels.setdefault(each.text, []).append((statement, start, start + len(each.text)))


def find_shared_symbols(subject: Subject) -> Iterator[SharedSymbol]:
    """The global symbols of a document that uses ops whose variants cannot be linked together, in order.

    Instances that are told apart by the same C preprocessor symbol are alternatives, and not linked together.
    """
    instances = subject.instances
    if subject.document.preprocessed or len({instance.defines for instance in instances}) < 2:
        return
    is_told = list(subject.instance_names) != build_names() or subject.known != known_macros()
    if not is_told and not _tells_instances_apart(subject.document, instances):
        return  # nobody has said that it is compiled for these instances
    views = [_View(subject, instance) for instance in instances]
    statements = subject.document.statements
    using = [
        view
        for view in views
        if any(view.definitions.is_compiled(statements[each.statement]) for each in subject.of(invocations_of).known)
    ]
    if len({view.instance.defines for view in using}) < 2:
        return
    symbols = _Symbols(subject.document, subject.headers)
    found = []
    for name, statements_of in symbols.made_global.items():
        if name in symbols.made_weak:
            continue
        users: dict[str, list[_View]] = {}
        first: dict[str, tuple[int, int]] = {}
        for view in using:
            places = [
                (start, end)
                for statement, start, end in symbols.labels.get(name, ())
                if view.definitions.is_compiled(statement)
            ]
            if places and any(map(view.definitions.is_compiled, statements_of)):
                final = view.final_name(name)
                users.setdefault(final, []).append(view)
                first[final] = min(first.get(final, places[0]), places[0])
        for final, sharing in users.items():
            builds = {view.instance.defines for view in sharing}
            # Which of the guests a tree is compiled for, nobody may have said; bare hardware it is.
            if len(builds) > 1 and (is_told or any(view.instance.environment == "hardware" for view in sharing)):
                found.append(SharedSymbol(*first[final], final, tuple(view.instance.name for view in sharing)))
    yield from sorted(found)


def _tells_instances_apart(document: Document, instances: Sequence[Instance]) -> bool:
    """Whether a document is clearly compiled for several: it has a condition on one, or a name that all change."""
    text = document.text
    plain = {name for instance in instances if instance.environment == "hardware" for name in instance.renames}
    guests = {name for instance in instances if instance.environment != "hardware" for name in instance.renames}
    return any(instance.defines in text for instance in instances) or any(name in text for name in plain & guests)


class _View:
    """What an instance makes of a document's names."""

    def __init__(self, subject: Subject, instance: Instance) -> None:
        known = known_macros([instance])
        self.instance = instance
        self.definitions = Definitions(subject.document, known)
        of_headers = [each for header in subject.headers for each in Definitions(header, known).defines]
        self.defines: Mapping[str, Define] = {
            define.name: define for define in (*of_headers, *self.definitions.defines)
        }

    def final_name(self, name: str) -> str:
        """What a symbol is called in the object file: by the C preprocessor, and by the instance."""
        for _ in range(_DEEPEST):
            call = _INVOCATION.fullmatch(name)
            define = self.defines.get(call["name"] if call else name)
            if define is None or (define.parameters is None) is (call is not None) or len(define.body) > _LONGEST:
                break
            name = define.body
            if call is not None and define.parameters is not None:
                given = [word.strip() for word in call["arguments"].split(",")]
                name = parameters_replaced(define.body, bind_define(define.parameters, given))
            name = name.strip()
            if len(name) > _LONGEST:
                break
        return self.instance.renames.get(name, name)


def _symbol(argument: str) -> str:
    """The symbol that a directive's argument is: `#` at its end marks it as one."""
    return argument.strip().removesuffix("#")


def _macros(documents: Sequence[Document]) -> dict[str, _Macro]:
    """The macros of the documents that make symbols of their arguments; one may use those before it."""
    defines = {define.name: define for document in documents for define in document.defines}
    found = {name: macro for name, macro in _KNOWN.items() if name not in defines}
    for document in documents:
        for statement in document.statements:
            define = defines.get(statement.macro or "") if statement.in_define else None
            if define is None or not define.parameters:
                continue
            made, labels = _made(statement.syntax, found)
            numbers = {parameter: number for number, parameter in enumerate(define.parameters)}
            more = [frozenset(numbers[word] for word in words if word in numbers) for words in (made, labels)]
            if any(more):
                before = found.get(define.name, _Macro(frozenset(), frozenset()))
                found[define.name] = _Macro(before.makes_global | more[0], before.labels | more[1])
    return found


def _made(syntax: tree.Syntax, macros: Mapping[str, _Macro]) -> tuple[list[str], list[str]]:
    """The words that a statement makes global, and those that it puts labels for."""
    match syntax:
        case tree.Directive(name=name, arguments=arguments) if name in _GLOBAL:
            return [_symbol(argument) for argument in arguments], []
        case tree.Label(name=name):
            return [], [name]
        case tree.MacroCall(name=name, arguments=arguments) if name in macros:
            macro = macros[name]
            words = [argument.text for argument in arguments]
            return (
                [word for number, word in enumerate(words) if number in macro.makes_global],
                [word for number, word in enumerate(words) if number in macro.labels],
            )
    return [], []
