"""Global symbols of a file that is compiled once for each instance: they must not have the same name twice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from pvasm.check.code import Code
from pvasm.check.subject import Subject
from pvasm.paravirt.environments import build_names, known_macros
from pvasm.paravirt.instance import Instance
from pvasm.syntax.document import Document
from pvasm.syntax.tokens import symbol_name

_GLOBAL = frozenset((".global", ".globl"))


class SharedSymbol(NamedTuple):
    """A global symbol with the same name in several instances: where it is defined, what it is called, in which."""

    start: int
    end: int
    name: str
    instances: tuple[str, ...]


class _Symbols:
    """The global symbols that an instance's variant of a document defines, by their names in the object file.

    Of each there is the span to report. `uses_ops` says whether the variant consists of ops in part.
    """

    def __init__(self, subject: Subject, instance: Instance) -> None:
        self.instance = instance
        made_global: set[str] = set()
        made_weak: set[str] = set()
        labels: dict[str, tuple[int, int]] = {}
        self.uses_ops = False
        for node in subject.of(Code).program.graph(known_macros([instance]), instance).nodes:
            self.uses_ops = self.uses_ops or node.op is not None
            if node.macro is not None:
                continue
            if node.kind == "label":
                labels.setdefault(node.name, (node.start, node.end))
            elif node.kind == "directive" and node.name in _GLOBAL:
                made_global.update(map(symbol_name, node.arguments))
            elif node.kind == "directive" and node.name == ".weak":
                made_weak.update(map(symbol_name, node.arguments))
        self.defined = {
            instance.renames.get(name, name): span
            for name, span in labels.items()
            if name in made_global and name not in made_weak
        }


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
    if not subject.of(Code).program.ops_used:
        return
    using = [symbols for instance in instances if (symbols := _Symbols(subject, instance)).uses_ops]
    found = []
    for name in dict.fromkeys(name for symbols in using for name in symbols.defined):
        sharing = [symbols for symbols in using if name in symbols.defined]
        builds = {symbols.instance.defines for symbols in sharing}
        # Which of the guests a tree is compiled for, nobody may have said; bare hardware it is.
        if len(builds) > 1 and (is_told or any(each.instance.environment == "hardware" for each in sharing)):
            first = min(symbols.defined[name] for symbols in sharing)
            found.append(SharedSymbol(*first, name, tuple(symbols.instance.name for symbols in sharing)))
    yield from sorted(found)


def _tells_instances_apart(document: Document, instances: Sequence[Instance]) -> bool:
    """Whether a document is clearly compiled for several: it has a condition on one, or a name that all change."""
    text = document.text
    plain = {name for instance in instances if instance.environment == "hardware" for name in instance.renames}
    guests = {name for instance in instances if instance.environment != "hardware" for name in instance.renames}
    return any(instance.defines in text for instance in instances) or any(name in text for name in plain & guests)
