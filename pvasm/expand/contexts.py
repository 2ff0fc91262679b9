"""What words mean where a document invokes ops: one account for all who ask what an invocation becomes."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

from pvasm.expand.definitions import Definitions
from pvasm.paravirt.catalog import Catalog
from pvasm.paravirt.expansion import Context
from pvasm.paravirt.instance import Instance
from pvasm.regex import regex
from pvasm.syntax import tree
from pvasm.syntax.document import Document

MARKER = regex(r"#(?:line)?[ \t]+\d+[ \t]+\"")
"""The start of a line marker."""


class Contexts:
    """The contexts of a document's invocations, for an instance.

    `constants` are values of constants of the catalog that hold instead of the catalog's own, and the document's.
    """

    def __init__(
        self, definitions: Definitions, catalog: Catalog, instance: Instance, constants: Mapping[str, str] | None = None
    ) -> None:
        self.definitions = definitions
        self.catalog = catalog
        self.instance = instance
        self._given = constants or {}
        self._by_registers: dict[int, Context] = {}

    @property
    def document(self) -> Document:
        """The document."""
        return self.definitions.document

    @cached_property
    def constants(self) -> Mapping[str, str]:
        """The values of constants of the catalog that do not have the catalog's own.

        Raises PvasmError where a text after the C preprocessor changes one between ops.
        """
        names = sorted(self.catalog.constants)
        # What the file defines itself is what the C preprocessor will put there.
        own = {name: name for name in names if name in self.definitions.cpp_macros}
        document = self.document
        if document.preprocessed and MARKER.match(document.text):  # the lines that `gcc -E -dD` leaves in
            from pvasm.expand.preprocessed import defined_constants

            own = defined_constants(document.text, names, document.path, self.instance.users_of_constants())
        return {**own, **self._given}

    def at(self, statement: tree.Statement) -> Context:
        """What words mean in a statement. Raises PvasmError as `constants` does."""
        registers = self.definitions.registers(statement)
        context = self._by_registers.get(id(registers))
        if context is None or context.registers is not registers:
            context = self._by_registers[id(registers)] = Context(registers, self.constants)
        return context
