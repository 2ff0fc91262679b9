"""What rules look at: one document, and what there is to know about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from msgspec import Struct

from pvasm.check.settings import BareFiles
from pvasm.regex import regex
from pvasm.syntax import tree
from pvasm.syntax.cpp import Known, reachable
from pvasm.syntax.document import Document

if TYPE_CHECKING:
    from pvasm.asm.scope import Scope
    from pvasm.check.earlier import Earlier
    from pvasm.expand.definitions import Definitions
    from pvasm.paravirt.catalog import Catalog
    from pvasm.paravirt.instance import Instance
    from pvasm.paravirt.patterns import Patterns


Analysis = TypeVar("Analysis")


class Subject(Struct, dict=True):
    """A document under the eyes of the rules.

    `known` says which macros are known to be defined or not: code that cannot be compiled so is nobody's concern.
    `instance_names` are the instances in question, by name or file. `named` tells a file that somebody said is assembly
    from a header found in a folder, which may hold C as well. `included` are the paths and texts of headers that the
    document includes, for their macros. With `fixing`, rules say how to fix what they find, even if that takes long.
    Without `follows_flow`, no rule asks how one instruction follows another.
    `user_level` are globs of sections and symbols of code that runs at user level, `bare_files` are files that are
    compiled once, for bare hardware. `sources` are the texts, by path, that the document was made of by the C
    preprocessor, where they have comments for pvasm. `is_c` says that the document was made of C. `earlier` is what
    is known of earlier versions of the text.
    """

    document: Document
    catalog: Catalog
    known: Known
    instance_names: tuple[str, ...] = ()
    named: bool = True
    included: tuple[tuple[str, str], ...] = ()
    fixing: bool = False
    follows_flow: bool = True
    user_level: tuple[str, ...] = ()
    bare_files: BareFiles | None = None
    sources: Mapping[str, str] | None = None
    is_c: bool = False
    earlier: Earlier | None = None

    @property
    def intrinsics(self) -> Mapping[str, str] | None:
        """In C, the intrinsics by the ops that they stand for; None in assembly."""
        if not self.is_c:
            return None
        return {op: each.name for each in self.catalog.intrinsics.values() for op in each.ops}

    def bare_hardware(self, path: str) -> bool:
        """Whether a file is compiled once, for bare hardware: then nothing is asked of its code."""
        if self.bare_files is None:
            return False
        answer = self._bare.get(path)
        if answer is None:
            answer = self._bare[path] = self.bare_files.match(path)
        return answer

    @cached_property
    def _bare(self) -> dict[str, bool]:
        return {}

    def of(self, analysis: Callable[[Subject], Analysis]) -> Analysis:
        """The analysis of this subject, by its class (or the function that makes it); made once."""
        if analysis not in self._analyses:
            self._analyses[analysis] = analysis(self)
        return self._analyses[analysis]  # type: ignore[no-any-return]

    def forget(self) -> None:
        """Nobody asks any more: the analyses, which know the subject, are freed at once."""
        self._analyses.clear()

    @cached_property
    def _analyses(self) -> dict[Callable[[Subject], Any], Any]:
        return {}

    def concerns(self, conditions: tuple[tree.Condition, ...]) -> bool:
        """Whether code under these conditions is compiled for any instance in question."""
        answer = self._concerns.get(conditions)
        if answer is None:
            answer = self._concerns[conditions] = reachable(conditions, self.known)
        return answer

    @cached_property
    def _concerns(self) -> dict[tuple[tree.Condition, ...], bool]:
        return {(): True}

    def concerns_guests(self, conditions: tuple[tree.Condition, ...]) -> bool:
        """Whether code under these conditions is compiled for an instance in question, and not for bare hardware alone.

        Code for bare hardware alone may use what it likes, whether bare hardware is in question or not.
        """
        answer = self._concerns_guests.get(conditions)
        if answer is None:
            answer = self.concerns(conditions) and reachable(conditions, self._guests_know)
            self._concerns_guests[conditions] = answer
        return answer

    @cached_property
    def _concerns_guests(self) -> dict[tuple[tree.Condition, ...], bool]:
        return {(): True}

    @cached_property
    def _guests_know(self) -> Known:
        from pvasm.paravirt.environments import known_macros

        return known_macros()

    def holds_assembly(self) -> bool:
        """Whether a header is about assembly at all: an op, or a whole instruction, stands in it."""
        from pvasm.expand.assembly_text import is_whole_instruction

        ops = self.catalog.ops
        for statement in self.document.statements:
            syntax = statement.syntax
            if isinstance(syntax, tree.MacroCall):
                if syntax.name in ops and self.concerns(statement.conditions):
                    return True
            elif (
                isinstance(syntax, tree.Instruction)
                and is_whole_instruction(syntax)
                and not _may_be_c(self.document.source(statement))
                and self.concerns(statement.conditions)
            ):
                return True
        return False

    @cached_property
    def holds_c(self) -> bool:
        """Whether C stands in a header beside assembly: then what stands outside of macros may be either."""
        return not self.named and any(
            not statement.in_define
            and (
                isinstance(statement.syntax, tree.Unparsed)
                or (isinstance(statement.syntax, tree.MacroCall) and statement.syntax.name in _C_WORDS)
            )
            and self.concerns(statement.conditions)
            for statement in self.document.statements
        )

    @cached_property
    def instances(self) -> list[Instance]:
        """The instances in question."""
        from pvasm.paravirt.loading import current_instance

        return [current_instance(name, self.catalog) for name in self.instance_names]

    @property
    def build_symbols(self) -> frozenset[str]:
        """The C preprocessor symbols by which the instances in question are told apart."""
        from pvasm.paravirt.environments import instance_summaries

        shipped = {each.name: each.defines for each in instance_summaries()}
        if shipped.keys() >= set(self.instance_names):  # without loading them
            return frozenset(shipped[name] for name in self.instance_names)
        return frozenset(instance.defines for instance in self.instances)

    @cached_property
    def may_name_an_op(self) -> bool:
        """Whether the name of an op stands in the text, or may: one that cpp puts together, or joins over lines."""
        document = self.document
        return self.names_an_op or (
            not document.preprocessed
            and (
                _BROKEN_WORD.search(document.text) is not None
                or any("##" in define.body for define in document.defines)
            )
        )

    @cached_property
    def names_an_op(self) -> bool:
        """Whether the name of an op stands anywhere in the text."""
        ops = self.catalog.ops
        return any(word[0] in ops for word in _OP_NAME.finditer(self.document.text))

    @cached_property
    def headers(self) -> list[Document]:
        """The headers that the document includes."""
        if not self.included:
            return []
        from pvasm.expand.header_documents import read_header

        return [read_header(header) for header in self.included]

    def definitions(self, known: Known) -> Definitions:
        """The document's definitions, where `known` says which macros are defined; made once."""
        from pvasm.expand.definitions import Definitions

        key = frozenset(known.items())
        found = self._definitions.get(key)
        if found is None:
            found = self._definitions[key] = Definitions(self.document, known, self.headers, self.catalog.ops)
        return found

    @cached_property
    def _definitions(self) -> dict[frozenset[tuple[str, bool]], Definitions]:
        return {}

    @property
    def patterns(self) -> Patterns:
        """The catalog's patterns; read once, however many files are checked."""
        from pvasm.paravirt.patterns import Patterns

        found = _PATTERNS.get(id(self.catalog))
        if found is None:
            found = _PATTERNS[id(self.catalog)] = Patterns(self.catalog)
        return found

    def scope(self) -> Scope:
        """What names mean at the start of the document: what the catalog says of them."""
        from pvasm.asm.scope import Scope

        return Scope(lenient=True, operand_macros=dict(self.patterns.operand_macros))

    @cached_property
    def names_kept(self) -> frozenset[str]:
        """The names that no macro of the document changes: the ops', and those that the catalog explains in operands.

        An op of the extension is not meant where the document defines its name itself.
        """
        own = {define.name for define in self.document.defines} if self.document.defines else set()
        ops = (name for name, op in self.catalog.ops.items() if not (op.extension and name in own))
        return frozenset((*ops, *self.patterns.operand_macros))


_OP_NAME = regex(r"[A-Z](?<!\w.)[A-Z0-9_]++\b")
_BROKEN_WORD = regex(r"\\(?<=\w\\)[ \t\r]*\n\w")

# By the catalogs that they are made of, which they hold.
_PATTERNS: dict[int, Patterns] = {}


# What a statement of C begins with, and no macro is called.
_C_WORDS = frozenset(
    {
        *("char", "const", "do", "else", "enum", "extern", "for", "if", "inline", "int", "long", "register", "return"),
        *("short", "signed", "static", "struct", "switch", "typedef", "union", "unsigned", "void", "volatile", "while"),
    }
)


def _may_be_c(text: str) -> bool:
    """Whether an instruction could as well be a call in C: `fc (x)`."""
    return text.endswith(")") and "=" not in text
