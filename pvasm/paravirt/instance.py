"""Instances: one set of definitions of all ops, for one environment."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any, Literal, NamedTuple, cast, get_args

from msgspec import Struct, field

from pvasm import data
from pvasm.errors import PvasmError
from pvasm.paravirt import yaml_nodes
from pvasm.paravirt.arguments import Operand, RegisterNotKnownError, TemplateArgument, named, operand, same_register
from pvasm.paravirt.catalog import Catalog, Op, load_catalog
from pvasm.paravirt.environments import ALL, CATALOG, instance_names, is_path
from pvasm.paravirt.expansion import flaw
from pvasm.paravirt.interface import Call, Tables, read_calls, read_tables
from pvasm.paravirt.template import Placed, Template
from pvasm.paravirt.yaml_nodes import Node, fault, near

Environment = Literal["hardware", "xen", "trap"]


_NAME = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*")
_FILE = re.compile(r"(?:\./)?(?P<name>[^/]+\.ya?ml)")
_SYMBOL = re.compile(r"[A-Za-z_]\w*")
_RENAMED = re.compile(r"[A-Za-z_][\w.$]*")
_CONSTANT = re.compile(r"[A-Z][A-Z0-9_]*")
_RANGE = re.compile(r"r(\d{1,3})-r(\d{1,3})")
_MAX_EXTENDS = 8
_ALWAYS = re.compile(r"\(p0\)[ \t]*")  # p0 is always true: an instruction need not say so


class Definition(Struct, frozen=True):
    """What an instance makes of an op.

    `template` None means what the catalog says the op replaces. `apart` are groups of parameters that must be different
    registers, `not_among` the registers that a parameter must not be.
    """

    template: Template | None
    apart: tuple[tuple[str, ...], ...] = ()
    not_among: Mapping[str, frozenset[str]] = field(default_factory=dict)


class Conflict(NamedTuple):
    """An argument, by its place from 0, that an instance does not take, by one of the keys of its definition of the op.

    The message is `message`, the instance, `rest`.
    """

    key: Literal["apart", "not_among"]
    place: int
    message: str
    rest: str


# What an expansion depends on: the op, its arguments, the registers that they are known to be, and constants that hold
# instead of the catalog's.
_Expanding = tuple[str, tuple[str, ...], tuple[str | None, ...], tuple[tuple[str, str], ...]]
_NO_NAMES: Mapping[str, str] = {}


class Instance(Struct):
    """A set of definitions of all ops of a catalog.

    `defines` is the C preprocessor symbol that is defined when compiling for it, `environment` what it runs on.
    `renames` are symbols of the source that have another name in its variants. `files` are those that it was read from:
    its own first, then those that it extends.
    """

    name: str
    description: str
    path: str
    environment: Environment
    defines: str
    extends: str | None
    constants: Mapping[str, Any]
    definitions: Mapping[str, Definition]
    catalog: Catalog
    files: tuple[str, ...] = ()
    renames: Mapping[str, str] = field(default_factory=dict)
    calls: Mapping[int, Call] = field(default_factory=dict)
    tables: Tables = field(default_factory=dict)
    _lines: dict[_Expanding, tuple[str, ...]] = field(default_factory=dict)

    def lines(
        self,
        op: Op,
        arguments: Sequence[str],
        constants: Mapping[str, str] | None = None,
        names: Mapping[str, str] = _NO_NAMES,
    ) -> tuple[str, ...]:
        """The assembly lines that `op` with these arguments (one a parameter) is in this instance; there may be none.

        `constants` are values for constants of the catalog that hold instead of the catalog's own; `names` tells which
        registers some names stand for.
        Stops stand at the ends of lines or on their own. Raises RegisterNotKnownError where they depend on which
        register an argument is and its text does not tell, PvasmError for a template that fails.
        """
        meant = tuple(map(names.get, arguments)) if names else ()
        key = (op.name, tuple(arguments), meant, tuple(constants.items()) if constants else ())
        lines = self._lines.get(key)
        if lines is None:
            made = self._expanded(op, arguments, {**self.catalog.constants, **(constants or {})}, names)
            lines = self._lines[key] = tuple(_ALWAYS.sub("", line) for line in made)
        return lines

    def _expanded(
        self, op: Op, arguments: Sequence[str], constants: Mapping[str, str], names: Mapping[str, str]
    ) -> tuple[str, ...]:
        given = {parameter.name: text for parameter, text in zip(op.parameters, arguments, strict=True)}
        template = self.definitions[op.name].template
        if template is None:
            return (self.catalog.replaced(op, given, constants),)
        lines = template.render(self._values(given, constants, names))
        if problem := flaw(lines, self.catalog.ops):
            raise template.error(problem)
        return lines

    def placed(self, op: Op, arguments: Sequence[str]) -> Placed:
        """The lines that `op`'s template yields for registers, each with the line of the template that it comes from.

        They are not looked at as assembly. Raises PvasmError for a template that fails.
        """
        template = self.definitions[op.name].template
        assert template is not None
        given = {parameter.name: text for parameter, text in zip(op.parameters, arguments, strict=True)}
        return template.render_placed(self._values(given, self.catalog.constants, _NO_NAMES))

    def _values(
        self, given: Mapping[str, str], constants: Mapping[str, str], names: Mapping[str, str]
    ) -> dict[str, Any]:
        """What the names in a template stand for."""
        registers = self.catalog.kernel_registers
        values: dict[str, Any] = {**constants, **self.constants}
        values.update((name, TemplateArgument(named(text, names), registers)) for name, text in given.items())
        return values

    def conflicts(self, op: Op, arguments: Sequence[str], names: Mapping[str, str] = _NO_NAMES) -> Iterator[Conflict]:
        """The arguments that this instance does not take together, and why.

        `names` tells which registers some names stand for. Raises RegisterNotKnownError, after all that are known,
        where it depends on which general register an argument is. A predicate's name that nothing explains (Linux's
        `pUStk`) counts as a register of its own.
        """
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
                    yield Conflict("apart", places[second], both, f"; both are {right.text}")
        for name, forbidden in definition.not_among.items():
            answers = {same_register(given[name], operand(register)) for register in forbidden}
            if True in answers:
                yield Conflict("not_among", places[name], f"{name} must not be {given[name].text}", "")
            elif None in answers and name in general:
                unknown.append(given[name])
        if unknown:
            raise RegisterNotKnownError(unknown[0].text)

    def compile_templates(self) -> None:
        """Compiles every template. Raises PvasmError for the first that is wrong, with its place."""
        for definition in self.definitions.values():
            if definition.template is not None:
                definition.template.compile()


class _OpDefinition(Struct, forbid_unknown_fields=True):
    """What the file says of one op."""

    template: str
    apart: list[list[str]] = []
    not_among: dict[str, list[str]] = {}


class _InstanceFile(Struct, forbid_unknown_fields=True):
    """The file as a whole."""

    name: str
    description: str
    environment: str | None = None
    defines: str | None = None
    extends: str | None = None
    otherwise: Literal["replaces"] | None = None
    constants: dict[str, int | str] = {}
    renames: dict[str, str] = {}
    calls: dict[str, Any] = {}
    tables: dict[str, dict[str, int | str | None]] = {}
    ops: dict[str, Any] = {}


def read_model(path: str) -> _InstanceFile:
    """What an instance's file itself says, without what it extends. Raises PvasmError as `load_instance` does."""
    model: _InstanceFile = _read(Path(path)).model
    return model


def load_instance(name_or_path: str, catalog: Catalog | None = None) -> Instance:
    """The instance of a name, or in a YAML file (a path has a `/` in it or ends with `.yaml` or `.yml`).

    Raises PvasmError for an unknown name (listing the known ones); and, with the place and the YAML path, for a file
    that is not a complete instance of the catalog, or that has the name of an instance that travels with pvasm.
    """
    catalog = catalog or load_catalog()
    if not is_path(name_or_path):
        path = _shipped(name_or_path)
        if path is None:
            known = instance_names()
            message = f"unknown instance {name_or_path}{near(name_or_path, known)}; known are {', '.join(known)}"
            raise PvasmError(message)
        return _load(path, catalog)
    instance = _load(Path(name_or_path), catalog)
    instance.compile_templates()
    return instance


def _check_name(file: _File) -> None:
    """Raises PvasmError for the name of an instance that travels with pvasm, unless the file is that instance's."""
    path = _shipped(file.model.name)
    if file.model.name in (ALL, *instance_names()) and not (path is not None and path.samefile(file.path)):
        node = file.root.value["name"]
        raise fault(f"the name {file.model.name} is taken", str(file.path), (node.line, node.column), "name")


def _shipped(name: str) -> Path | None:
    if not _NAME.fullmatch(name) or name == CATALOG:
        return None
    path = Path(data.instance_file(name))
    return path if path.is_file() else None


def _beside(path: Path, name_or_file: str) -> Path | None:
    """The file of an instance, by its name or file name, that stands in the same folder as another, if there is one."""
    file = _FILE.fullmatch(name_or_file)
    if file is None and (not _NAME.fullmatch(name_or_file) or name_or_file == CATALOG):
        return None
    beside = path.with_name(file["name"] if file else f"{name_or_file}.yaml")
    return beside if beside.is_file() else None


class _File(Struct):
    """An instance file as read, before what it extends is put under it."""

    path: Path
    root: Node
    model: Any


class Draft(Struct):
    """An instance file as far as it can be made sense of.

    `root` is the file's own. `errors` tell what is wrong with it, and `missing` are the ops that nothing defines;
    `own` are those that the file itself defines.
    """

    instance: Instance
    root: Node
    errors: Sequence[PvasmError]
    missing: Sequence[str]
    own: Sequence[str]

    @property
    def place_of_ops(self) -> tuple[int, int]:
        """The line and column of the file's ops; its first, if there are none."""
        return self.root.keys.get("ops", (self.root.line, self.root.column))


def _load(path: Path, catalog: Catalog) -> Instance:
    draft = read_draft(path, catalog)
    for error in draft.errors:
        raise error
    if draft.missing:
        raise fault(f"no definition of {', '.join(draft.missing)}", str(path), draft.place_of_ops, "ops")
    return draft.instance


def read_draft(path: Path, catalog: Catalog) -> Draft:
    """What an instance file says, even if it says not all, or something wrong of single ops.

    An op that is missing, or that something is wrong with, is what it replaces. Raises PvasmError for a file that makes
    no sense as a whole, and for one that it extends and that is wrong.
    """
    chain = _chain(path)
    own = chain[0]
    errors: list[PvasmError] = []
    constants: dict[str, Any] = {}
    for file in reversed(chain):
        # As read, not as converted: an integer that knows how it was written prints so.
        constants.update({} if "constants" not in file.root.value else file.root.value["constants"].plain())
    definitions: dict[str, Definition] = {}
    for file in reversed(chain):
        if file.model.otherwise == "replaces":
            definitions = {name: Definition(None) for name in catalog.ops} | definitions
        for name, definition in _definitions(file, catalog, constants, errors if file is own else None):
            definitions[name] = definition
    own_ops = [name for name in ("ops" in own.root.value and own.root.value["ops"].value) or () if name in catalog.ops]
    missing = [name for name in catalog.ops if name not in definitions and name not in own_ops]
    environment, defines = "", ""
    if not errors and not missing:
        environment, defines = _inherited(chain, "environment"), _inherited(chain, "defines")
    else:
        environment = next(filter(None, (file.model.environment for file in chain)), "hardware")
    instance = Instance(
        name=own.model.name,
        description=own.model.description,
        path=str(path),
        environment=cast(Environment, environment),
        defines=defines,
        extends=own.model.extends,
        constants=constants,
        definitions={name: definitions.get(name) or Definition(None) for name in catalog.ops},
        catalog=catalog,
        files=tuple(str(file.path) for file in chain),
        renames={name: new for file in reversed(chain) for name, new in file.model.renames.items()},
        calls=_calls(chain, environment),
        tables=_tables(chain, catalog),
    )
    return Draft(instance, own.root, errors, missing, own_ops)


def _chain(path: Path) -> list[_File]:
    """The file, and those that it extends, each before the one that it extends."""
    chain = [_read(path)]
    _check_name(chain[0])
    while (extends := chain[-1].model.extends) is not None:
        file = chain[-1]
        node = file.root.value["extends"]
        place = (node.line, node.column)
        base = _beside(file.path, extends) or _shipped(extends)
        if base is None:
            known = instance_names()
            message = f"unknown instance {extends}{near(extends, known)}; known are {', '.join(known)}, "
            message += "and files beside this one (name.yaml)"
            raise fault(message, str(file.path), place, "extends")
        if len(chain) > _MAX_EXTENDS or any(base.samefile(other.path) for other in chain):
            raise fault("goes in a circle, or too far", str(file.path), place, "extends")
        chain.append(_read(base))
    return chain


def _calls(chain: Sequence[_File], environment: str) -> dict[int, Call]:
    """The calls of an instance: its own, and those of the shipped one that is called as its environment."""
    files = list(reversed(chain))
    shipped = _shipped(environment)
    if shipped is not None and not any(shipped.samefile(file.path) for file in files):
        files.insert(0, _read(shipped))
    calls: dict[int, Call] = {}
    constants: dict[str, Any] = {}
    for file in files:
        constants.update({} if "constants" not in file.root.value else file.root.value["constants"].plain())
        calls.update(read_calls(file.root, constants, str(file.path)))
    return calls


def _tables(chain: Sequence[_File], catalog: Catalog) -> Tables:
    """The tables of an instance: what a file says of a member holds instead of what the one that it extends says."""
    tables: dict[str, dict[str, int | str | None]] = {}
    for file in reversed(chain):
        for table, members in read_tables(file.root, catalog.tables, str(file.path)).items():
            tables.setdefault(table, {}).update(members)
    return tables


def _inherited(chain: Sequence[_File], key: str) -> str:
    for file in chain:
        value = getattr(file.model, key)
        if value is not None:
            return cast(str, value)
    own = chain[0]
    raise fault(f"the key {key} is missing", str(own.path), (own.root.line, own.root.column), "")


def _read(path: Path) -> _File:
    name = str(path)
    root = yaml_nodes.read_yaml(path)
    model = yaml_nodes.convert(root, _InstanceFile, name, "")

    def check(key: str, pattern: re.Pattern[str], due: str) -> None:
        value = getattr(model, key)
        if value is not None and not pattern.fullmatch(value):
            node = root.value[key]
            raise fault(f"{value!r} is not {due}", name, (node.line, node.column), key)

    check("name", _NAME, "a name of small letters, digits and -")
    check("defines", _SYMBOL, "a C preprocessor symbol")
    environments = get_args(Environment)
    check("environment", re.compile("|".join(environments)), f"an environment: {', '.join(environments)}")
    for constant in model.constants:
        if not _CONSTANT.fullmatch(constant):
            message = "a constant's name is of capital letters, digits and _"
            raise fault(message, name, root.value["constants"].keys[constant], f"constants.{constant}")
    _check_renames(model.renames, root, name)
    return _File(path, root, model)


def _check_renames(renames: Mapping[str, str], root: Node, name: str) -> None:
    """Raises PvasmError for what is no symbol. Two may become one: a branch's target, say, has a name of its own."""
    for old, new in renames.items():
        for word in (old, new):
            if not _RENAMED.fullmatch(word):
                raise fault(f"{word!r} is not a symbol", name, root.value["renames"].keys[old], f"renames.{old}")


def _definitions(
    file: _File, catalog: Catalog, constants: Mapping[str, Any], errors: list[PvasmError] | None
) -> Iterator[tuple[str, Definition]]:
    """The definitions that stand in one file. What is wrong with one goes to `errors`, or is raised if that is None."""
    ops = file.root.value.get("ops")
    for op_name, node in {} if ops is None else ops.value.items():
        try:
            yield op_name, _definition(file, op_name, node, catalog, constants)
        except PvasmError as error:
            if errors is None:
                raise
            errors.append(error)


def _definition(file: _File, op_name: str, node: Node, catalog: Catalog, constants: Mapping[str, Any]) -> Definition:
    """What a file says of one op."""
    name = str(file.path)
    path = f"ops.{op_name}"
    op = catalog.ops.get(op_name)
    if op is None:
        place = file.root.value["ops"].keys[op_name]
        raise fault(f"no such op in the catalog{near(op_name, catalog.ops)}", name, place, path)
    entry = yaml_nodes.convert(node, _OpDefinition, name, path)
    parameters = [parameter.name for parameter in op.parameters]
    for key, words in (
        ("apart", [word for group in entry.apart for word in group]),
        ("not_among", entry.not_among),
    ):
        for word in words:
            if word not in parameters:
                message = f"{op_name} has no parameter {word}{near(word, parameters)}"
                raise fault(message, name, node.keys[key], f"{path}.{key}")
    not_among = {}
    for word, registers in entry.not_among.items():
        try:
            not_among[word] = _registers(registers)
        except ValueError as error:
            raise fault(str(error), name, node.keys["not_among"], f"{path}.not_among.{word}") from None
    template = Template(node.value["template"], name, f"{path}.template", [*parameters, *constants, *catalog.constants])
    return Definition(template, tuple(tuple(group) for group in entry.apart), not_among)


def _registers(words: Sequence[str]) -> frozenset[str]:
    """The registers that `[r8, r16-r31]` lists. Raises ValueError for a word that is none."""
    registers: set[str] = set()
    for word in words:
        found = _RANGE.fullmatch(word)
        if found:
            first, last = int(found[1]), int(found[2])
            if not first <= last < 128:
                raise ValueError(f"{word} is an empty range, or goes beyond r127")
            registers.update(f"r{number}" for number in range(first, last + 1))
        elif (register := operand(word).register) is not None:
            registers.add(register)
        else:
            raise ValueError(f"{word} is no register, and no range such as r16-r31")
    return frozenset(registers)
