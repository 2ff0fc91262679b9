"""Instances: one set of definitions of all ops, for one environment."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any, Literal

from msgspec import Struct, field
from msgspec.structs import replace

from pvasm.paravirt.arguments import Operand, RegisterNotKnownError, TemplateArgument, named, operand, same_register
from pvasm.paravirt.catalog import Block, Catalog, Op
from pvasm.paravirt.decisions import Choice, Decision, decide, replaced_template
from pvasm.paravirt.expansion import PLAIN, Context, Expansion, expansion_of
from pvasm.paravirt.interface import Call, Tables
from pvasm.paravirt.template import Template
from pvasm.regex import regex

Environment = Literal["hardware", "xen", "trap"]
"""The environments that travel with pvasm."""

_HARMLESS = regex(r"[\w\\]+")  # an argument that can make nothing of a line but an operand
_ALWAYS = regex(r"\(p0\)[ \t]*")  # p0 is always true: an instruction need not say so


class Definition(Struct, frozen=True):
    """What an instance makes of an op.

    `template` None means what the catalog says the op replaces. `apart` are groups of parameters that must be different
    registers, `not_among` the registers that a parameter must not be.
    """

    template: Template | None
    apart: tuple[tuple[str, ...], ...] = ()
    not_among: Mapping[str, frozenset[str]] = field(default_factory=dict)


class Conflict(Struct, frozen=True):
    """An argument, by its place from 0, that an instance does not take, by one of the keys of its definition of the op.

    The message is `message`, the instance, `rest`.
    """

    key: Literal["apart", "not_among"]
    place: int
    message: str
    rest: str


class _Conflicts(Struct, frozen=True):
    """The arguments that do not go together, and the text of one of which it is not known."""

    found: Sequence[Conflict]
    unknown: str | None


# What that depends on: the op, its arguments, and the registers that they are known to be.
_Judged = tuple[str, tuple[str, ...], tuple[str | None, ...]]
# What an expansion depends on: the op, its arguments, the registers that they are known to be, and constants that hold
# instead of the catalog's.
_Expanding = tuple[str, tuple[str, ...], tuple[str | None, ...], tuple[tuple[str, str], ...]]


class Entry(Struct, frozen=True):
    """Where a hypervisor enters a kernel: the label, the number that says which one it is, and its set-up hook."""

    label: str
    type: int
    hook: str


class Instance(Struct):
    """A set of definitions of all ops of a catalog.

    `defines` is the C preprocessor symbol that is defined when compiling for it, `environment` what it runs on: an
    `Environment`, or the name of a file, whose path `environment_file` is, that describes a hypervisor. Where another
    instance's file says so, which this one extends, that is `environment_from`.
    `machine_vector` names the platform code above it (None: whatever the platform has), `entry` is where a kernel that
    is one binary for several instances begins for this one.
    `renames` are symbols of the source that have another name in its variants, `blocks` the macros of the source that
    it replaces whole. `files` are those that it was read from: its own first, then those that it extends. `decisions`
    are those of the templates that have been worked out beforehand, by op. Instances of the same `code`, if it is not
    None, have the same variants.
    """

    name: str
    description: str
    path: str
    environment: str
    defines: str
    extends: str | None
    constants: Mapping[str, Any]
    definitions: Mapping[str, Definition]
    catalog: Catalog
    files: tuple[str, ...] = ()
    renames: Mapping[str, str] = field(default_factory=dict)
    calls: Mapping[int, Call] = field(default_factory=dict)
    tables: Tables = field(default_factory=dict)
    blocks: Mapping[str, Template] = field(default_factory=dict)
    machine_vector: str | None = None
    entry: Entry | None = None
    decisions: Mapping[str, Decision] = field(default_factory=dict)
    code: str | None = None
    environment_file: str | None = None
    environment_from: str | None = None
    _expansions: dict[_Expanding, Expansion] = field(default_factory=dict)
    _conflicts: dict[_Judged, _Conflicts] = field(default_factory=dict)

    def expand(self, op: Op, arguments: Sequence[str], context: Context = PLAIN) -> Expansion:
        """What `op` with these arguments (one a parameter) is in this instance, where words mean what `context` says.

        The same is made once. Raises RegisterNotKnownError where it depends on which register an argument is and
        neither its text nor the context tells, PvasmError for a template that fails.
        """
        names, constants = context.registers, context.constants
        if names:
            arguments = [
                names.get(text, text) if parameter.kind == "kernel-register" else text
                for parameter, text in zip(op.parameters, arguments, strict=True)
            ]
        meant = tuple(map(names.get, arguments)) if names else ()
        key = (op.name, tuple(arguments), meant, tuple(constants.items()) if constants else ())
        expansion = self._expansions.get(key)
        if expansion is None:
            made = self._expanded(op, arguments, context)
            if any("(p0)" in line for line in made.lines):
                made = replace(made, lines=tuple(_ALWAYS.sub("", line) for line in made.lines))
            expansion = self._expansions[key] = made
        return expansion

    def _expanded(self, op: Op, arguments: Sequence[str], context: Context) -> Expansion:
        given = {parameter.name: text for parameter, text in zip(op.parameters, arguments, strict=True)}
        constants = {**self.catalog.constants, **context.constants}
        template = self.definitions[op.name].template
        if template is None:
            return expansion_of([self.catalog.replaced(op, given, constants)])
        decision = self.decisions.get(op.name)
        if decision is None:
            made = Expansion(*template.render(self._values(given, constants, context.registers)))
            is_safe = False
        else:
            made = self._decided(decision, given, constants, context.registers)
            # Ends were looked at when the decisions were made.
            is_safe = all(map(_HARMLESS.fullmatch, arguments)) and self.catalog.ops.keys().isdisjoint(arguments)
        if not is_safe:
            self._refuse_flaws(template, made, self.catalog.ops)
        return made

    def _decided(
        self, decision: Decision, given: Mapping[str, str], constants: Mapping[str, str], names: Mapping[str, str]
    ) -> Expansion:
        """The end of a tree of decisions that some arguments lead to."""
        registers = self.catalog.kernel_registers
        values = {name: TemplateArgument(named(text, names), registers) for name, text in given.items()}
        while isinstance(decision, Choice):
            parameter, other = decision.question
            is_same = values[parameter] == values.get(other, other.removeprefix("%"))
            decision = decision.yes if is_same else decision.no

        def fill(hole: str) -> str:
            name, _, number = hole.partition(".")
            if not number:
                return given[name] if name in given else constants[name]  # an argument may be empty
            try:
                return str(values[name].number)
            except ValueError:  # no kernel register: whoever asks has not looked at its kind
                raise RegisterNotKnownError(given[name]) from None

        return decision.filled(fill)

    def template(self, op: Op) -> Template:
        """The template of an op; without one of its own, that of what it replaces."""
        return self.definitions[op.name].template or replaced_template(self.catalog, op)

    def decision(self, op: Op) -> Decision | None:
        """The decisions of an op's template; None where it can only be rendered.

        Raises PvasmError for a template that cannot be compiled.
        """
        return self.decisions.get(op.name) or decide(self.template(op), op, self.catalog, self.constants)

    def users_of_constants(self) -> frozenset[str]:
        """The ops in whose lines a constant of the catalog may stand, and the blocks: any op may stand in one."""
        names = self.catalog.constants
        sources = {
            name: self.catalog.ops[name].replaces if definition.template is None else definition.template.source
            for name, definition in self.definitions.items()
        }
        return frozenset(op for op, text in sources.items() if any(name in text for name in names)).union(self.blocks)

    def _refuse_flaws(self, template: Template, made: Expansion, ops: Collection[str]) -> None:
        """Raises PvasmError if what a template yielded cannot be an expansion."""
        if problem := made.flaw(ops):
            raise template.error(problem)

    def expand_block(self, block: Block, arguments: Sequence[str], context: Context) -> Expansion:
        """What a block with these arguments is in this instance; ops may stand in it.

        Raises PvasmError for a template that fails.
        """
        template = self.blocks[block.name]
        values: dict[str, Any] = {**self.catalog.constants, **context.constants, **self.constants}
        made = Expansion(*template.render({**values, **dict(zip(block.parameters, arguments, strict=True))}))
        self._refuse_flaws(template, made, self.blocks)
        return made

    def _values(
        self, given: Mapping[str, str], constants: Mapping[str, str], names: Mapping[str, str]
    ) -> dict[str, Any]:
        """What the names in a template stand for."""
        registers = self.catalog.kernel_registers
        values: dict[str, Any] = {**constants, **self.constants}
        values.update((name, TemplateArgument(named(text, names), registers)) for name, text in given.items())
        return values

    def conflicts(self, op: Op, arguments: Sequence[str], context: Context = PLAIN) -> Iterator[Conflict]:
        """The arguments that this instance does not take together, and why.

        Raises RegisterNotKnownError, after all that are known, where it depends on which general register an argument
        is. A predicate's name that nothing explains (Linux's `pUStk`) counts as a register of its own.
        """
        names = context.registers
        key = (op.name, tuple(arguments), tuple(map(names.get, arguments)) if names else ())
        known = self._conflicts.get(key)
        if known is None:
            known = self._conflicts[key] = self._find_conflicts(op, arguments, names)
        yield from known.found
        if known.unknown is not None:
            raise RegisterNotKnownError(known.unknown)

    def _find_conflicts(self, op: Op, arguments: Sequence[str], names: Mapping[str, str]) -> _Conflicts:
        found: list[Conflict] = []
        definition = self.definitions[op.name]
        given = {p.name: named(text, names) for p, text in zip(op.parameters, arguments, strict=True)}
        places = {name: index for index, name in enumerate(given)}
        general = {parameter.name for parameter in op.parameters if parameter.kind == "general"}
        unknown: list[Operand] = []
        for group in definition.apart:
            for first, second in combinations(group, 2):
                left, right = given[first], given[second]
                same = same_register(left, right)
                if same is None and first in general:
                    unknown.append(left if left.register is None else right)
                elif same:
                    both = f"{first} and {second} must be different registers"
                    found.append(Conflict("apart", places[second], both, f"; both are {right.text}"))
        for name, forbidden in definition.not_among.items():
            answers = {same_register(given[name], operand(register)) for register in forbidden}
            if True in answers:
                found.append(Conflict("not_among", places[name], f"{name} must not be {given[name].text}", ""))
            elif None in answers and name in general:
                unknown.append(given[name])
        return _Conflicts(found, unknown[0].text if unknown else None)

    def compile_templates(self) -> None:
        """Compiles every template without decisions. Raises PvasmError for the first that is wrong, with its place."""
        for name, definition in self.definitions.items():
            if definition.template is not None and name not in self.decisions:
                definition.template.compile()
        for template in self.blocks.values():
            template.compile()
