"""Reading instance files: what must be in one, what it takes over from others, and what is wrong where."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal, get_args

from msgspec import Struct

from pvasm.errors import PvasmError
from pvasm.isa.mnemonics import is_mnemonic
from pvasm.paravirt import yaml_nodes
from pvasm.paravirt.arguments import operand
from pvasm.paravirt.catalog import Catalog, Op
from pvasm.paravirt.instance import Definition, Entry, Environment, Instance
from pvasm.paravirt.interface import Call, Tables, read_calls, read_tables
from pvasm.paravirt.shipped import ALL, CATALOG, INSTANCE_NAME, instance_names, is_instance_name, shipped_instance
from pvasm.paravirt.template import Template
from pvasm.paravirt.yaml_nodes import Node, fault
from pvasm.regex import made_regex, regex
from pvasm.suggestions import near

_FILE = regex(r"(?:\./)?(?P<name>[^/]+\.ya?ml)")
ENVIRONMENT_FILE = regex(r"(?:\./)?(?P<name>[A-Za-z0-9_][A-Za-z0-9_.+-]*\.ya?ml)")  # stands in headers, too
MOST_ENTRIES: Final = 255
_SYMBOL = regex(r"[A-Za-z_]\w*")
_RENAMED = regex(r"[A-Za-z_][\w.$]*")
_CONSTANT = regex(r"[A-Z][A-Z0-9_]*")
_RANGE = regex(r"r(\d{1,3})-r(\d{1,3})")
_MAX_EXTENDS = 8
_OF_ONES_OWN = (
    "; for a hypervisor of your own write `trap' if it emulates what faults, with calls of your own "
    "(see docs/instances.md), `xen' if it has Xen's calls, `hardware' if nothing differs from a real machine, "
    "or FILE.yaml beside this file that describes it (see docs/environments.md)"
)


class OpDefinition(Struct, forbid_unknown_fields=True):
    """What the file says of one op."""

    template: str
    apart: list[list[str]] = []
    not_among: dict[str, list[str]] = {}


class _Poison(Struct, forbid_unknown_fields=True):
    """What every op leaves in its clobbers; None for what comes."""

    general: int | None = None
    predicate: bool | None = None


class BlockDefinition(Struct, forbid_unknown_fields=True):
    """What the file says of one block."""

    template: str


class EntryDefinition(Struct, forbid_unknown_fields=True):
    """What the file says of where a kernel begins."""

    label: str
    type: int
    hook: str


class InstanceFile(Struct, forbid_unknown_fields=True):
    """The file as a whole."""

    name: str
    description: str
    environment: str | None = None
    defines: str | None = None
    extends: str | None = None
    otherwise: Literal["replaces"] | None = None
    machine_vector: str | None = None
    entry: EntryDefinition | None = None
    poison: _Poison | None = None
    constants: dict[str, int | str] = {}
    renames: dict[str, str] = {}
    calls: dict[str, Any] = {}
    tables: dict[str, dict[str, int | str | None]] = {}
    ops: dict[str, Any] = {}
    blocks: dict[str, Any] = {}
    bare: dict[str, str] = {}


def read_model(path: str) -> InstanceFile:
    """What an instance's file itself says, without what it extends. Raises PvasmError as `load_instance` does."""
    model: InstanceFile = _read(Path(path)).model
    return model


def _check_name(file: _File) -> None:
    """Raises PvasmError for the name of an instance that travels with pvasm, unless the file is that instance's."""
    path = _shipped(file.model.name)
    if file.model.name in (ALL, CATALOG, *instance_names()) and not (path is not None and _are_one(path, file.path)):
        node = file.root.value["name"]
        raise fault(f"the name {file.model.name} is taken", str(file.path), (node.line, node.column), "name")


def _shipped(name: str) -> Path | None:
    """The file of the instance of that name that travels with pvasm, if there is one."""
    path = shipped_instance(name)
    return None if path is None else Path(path)


def _beside(path: Path, name_or_file: str) -> Path | None:
    """The file of an instance, by its name or file name, that stands in the same folder as another, if there is one."""
    file = _FILE.fullmatch(name_or_file)
    if file is None and not is_instance_name(name_or_file):
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
    `own` are those that the file itself defines. `bare` says of ops why a sensitive instruction may stay in them;
    `base_environment` is the environment of the instance that it extends, None for none.
    """

    instance: Instance
    root: Node
    errors: Sequence[PvasmError]
    missing: Sequence[str]
    own: Sequence[str]
    bare: Mapping[str, str]
    base_environment: str | None

    @property
    def place_of_ops(self) -> tuple[int, int]:
        """The line and column of the file's ops; its first, if there are none."""
        return self.root.keys.get("ops", (self.root.line, self.root.column))

    @property
    def place_of_base(self) -> tuple[int, int]:
        """The line and column of what says where definitions come from that are not the file's own."""
        keys = self.root.keys
        return keys.get("extends") or keys.get("otherwise") or self.place_of_ops


def read_instance(path: Path, catalog: Catalog) -> Instance:
    """The instance in a file. Raises PvasmError, with the place, for the first thing that is wrong with it."""
    draft = read_draft(path, catalog)
    for error in draft.errors:
        raise error
    if draft.missing:
        raise fault(undefined(draft.missing), str(path), draft.place_of_ops, "ops")
    return draft.instance


def undefined(missing: Iterable[str]) -> str:
    """What is said of ops that an instance does not define."""
    return f"no definition of {', '.join(missing)}: give templates, or say `extends' or `otherwise'"


def read_draft(path: Path, catalog: Catalog) -> Draft:
    """What an instance file says, even if it says not all, or something wrong of single ops.

    An op that is missing, or that something is wrong with, is what it replaces. Raises PvasmError for a file that makes
    no sense as a whole, and for one that it extends and that is wrong.
    """
    chain = _chain(path)
    own = chain[0]
    _refuse_constants_of_the_catalog(own, catalog)
    constants = _constants(chain)
    errors: list[PvasmError] = []
    definitions = _definitions_of_all(chain, catalog, constants, errors)
    own_ops = _own_ops(own, catalog)
    missing = [name for name in catalog.ops if name not in definitions and name not in own_ops]
    return Draft(
        instance=_instance(chain, catalog, constants, definitions, is_whole=not errors and not missing),
        root=own.root,
        errors=errors,
        missing=missing,
        own=own_ops,
        bare={name: reason for file in reversed(chain) for name, reason in _bare(file, catalog)},
        base_environment=_base_environment(chain),
    )


def _own_ops(file: _File, catalog: Catalog) -> list[str]:
    """The ops of the catalog that a file itself defines, or tries to."""
    node = file.root.value.get("ops")
    return [name for name in (node and node.value) or () if name in catalog.ops]


def _instance(
    chain: Sequence[_File],
    catalog: Catalog,
    constants: dict[str, Any],
    definitions: Mapping[str, Definition],
    *,
    is_whole: bool,
) -> Instance:
    """What a file and those that it extends come to; only of one that is whole, all keys must be there."""
    own = chain[0]
    environment = _plain_name(_inherited(chain, "environment", needed=is_whole) or "hardware")
    return Instance(
        name=own.model.name,
        description=own.model.description,
        path=str(own.path),
        environment=environment,
        environment_file=_environment_file(chain),
        environment_from=_environment_from(chain),
        defines=_inherited(chain, "defines", needed=True) if is_whole else "",
        extends=own.model.extends,
        constants=constants,
        definitions={name: definitions.get(name) or Definition(None) for name in catalog.ops},
        catalog=catalog,
        files=tuple(str(file.path) for file in chain),
        renames={name: new for file in reversed(chain) for name, new in file.model.renames.items()},
        calls=_calls(chain, environment),
        tables=_tables(chain, catalog),
        blocks={name: template for file in reversed(chain) for name, template in _blocks(file, catalog, constants)},
        machine_vector=_inherited(chain, "machine_vector", needed=False),
        entry=next((Entry(each.label, each.type, each.hook) for file in chain if (each := file.model.entry)), None),
    )


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
        if len(chain) > _MAX_EXTENDS or any(_are_one(base, other.path) for other in chain):
            raise fault("goes in a circle, or too far", str(file.path), place, "extends")
        chain.append(_read(base))
    return chain


def _plain_name(environment: str) -> str:
    """An environment by its name, or by that of its file without the folder."""
    file = ENVIRONMENT_FILE.fullmatch(environment)
    return environment if file is None else file["name"]


def _are_one(one: Path, other: Path) -> bool:
    """Whether two paths are of one file; there need not be one yet, for a text that stands in for it."""
    try:
        return one.samefile(other)
    except OSError:
        return one == other


def _base_environment(chain: Sequence[_File]) -> str | None:
    found = _inherited(chain[1:], "environment", needed=False)
    return None if found is None else _plain_name(found)


def _environment_file(chain: Sequence[_File]) -> str | None:
    """The file that describes the environment of an instance, None where it has a name.

    It stands in the folder of the instance, and so does what it may be a link to: raises PvasmError, with the place,
    for one that does not.
    """
    file = next((each for each in chain if each.model.environment is not None), None)
    found = None if file is None else ENVIRONMENT_FILE.fullmatch(file.model.environment)
    if file is None or found is None:
        return None
    path = file.path.with_name(found["name"])
    node = file.root.value["environment"]
    place = (node.line, node.column)
    if not path.is_file():
        raise fault(f"there is no file {found['name']} beside this one", str(file.path), place, "environment")
    if path.resolve().parent != file.path.resolve().parent:
        raise fault(f"{found['name']} is a link to another folder", str(file.path), place, "environment")
    return str(path)


def _environment_from(chain: Sequence[_File]) -> str | None:
    """The instance whose environment another has that extends it and says nothing of one."""
    file = next((each for each in chain if each.model.environment is not None), chain[0])
    return None if file is chain[0] else file.model.name


def _calls(chain: Sequence[_File], environment: str) -> dict[int, Call]:
    """The calls of an instance: its own, and those of the shipped one that is called as its environment."""
    files = list(reversed(chain))
    shipped = _shipped(environment)
    if shipped is not None and not any(_are_one(shipped, file.path) for file in files):
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


def _inherited(chain: Sequence[_File], key: str, *, needed: bool) -> Any:
    """What the first file that says it says of a key; None if none does. Raises PvasmError if it is needed."""
    found = next((value for file in chain if (value := getattr(file.model, key)) is not None), None)
    if found is None and needed:
        own = chain[0]
        raise fault(f"the key {key} is missing", str(own.path), (own.root.line, own.root.column), "")
    return found


def _constants(files: Sequence[_File]) -> dict[str, Any]:
    """The constants of a file and those that it extends, the nearest first.

    As read, not as converted: an integer that knows how it was written prints so.
    """
    constants: dict[str, Any] = {}
    for file in reversed(files):
        constants.update({} if "constants" not in file.root.value else file.root.value["constants"].plain())
    return constants


def _refuse_constants_of_the_catalog(file: _File, catalog: Catalog) -> None:
    for word in file.model.constants:
        if word in catalog.constants:
            message = f"{word} is a constant of the catalog: what it stands for, the sources say"
            raise fault(message, str(file.path), file.root.value["constants"].keys[word], f"constants.{word}")


def _definitions_of_all(
    chain: Sequence[_File], catalog: Catalog, constants: Mapping[str, Any], errors: list[PvasmError]
) -> dict[str, Definition]:
    """The definitions that a file, the first, and those that it extends come to; what is wrong in it goes to `errors`.

    Raises PvasmError for what is wrong in one that it extends.
    """
    definitions: dict[str, Definition] = {}
    for file in reversed(chain):
        if file.model.otherwise == "replaces":
            definitions = {name: Definition(None) for name in catalog.ops} | definitions
        definitions.update(_definitions(file, catalog, constants, errors if file is chain[0] else None))
    poisoning = next((file for file in chain if file.model.poison is not None), None)
    if poisoning is None:
        return definitions
    return {name: _poisoned(catalog.ops[name], given, poisoning, catalog) for name, given in definitions.items()}


def _read(path: Path) -> _File:
    name = str(path)
    root = yaml_nodes.read_yaml(path)
    model = yaml_nodes.convert(root, InstanceFile, name, "")

    def check(key: str, pattern: re.Pattern[str], due: str) -> None:
        value = getattr(model, key)
        if value is not None and not pattern.fullmatch(value):
            node = root.value[key]
            raise fault(f"{value!r} is not {due}", name, (node.line, node.column), key)

    check("name", INSTANCE_NAME, "a name of small letters, digits and -")
    check("defines", _SYMBOL, "a C preprocessor symbol")
    environments = get_args(Environment)
    check("machine_vector", _SYMBOL, "a machine vector's name")
    known = made_regex("|".join((*environments, ENVIRONMENT_FILE.pattern)))
    check("environment", known, f"an environment: {', '.join(environments)}{_OF_ONES_OWN}")
    for constant in model.constants:
        if not _CONSTANT.fullmatch(constant):
            message = "a constant's name is of capital letters, digits and _"
            raise fault(message, name, root.value["constants"].keys[constant], f"constants.{constant}")
    _check_renames(model.renames, root, name)
    _check_entry(model.entry, root, name)
    return _File(path, root, model)


def _check_entry(entry: EntryDefinition | None, root: Node, name: str) -> None:
    """Raises PvasmError for what is no label, and for a number that no table of hooks has."""
    if entry is None:
        return
    nodes = root.value["entry"].value
    for key in ("label", "hook"):
        if not _SYMBOL.fullmatch(getattr(entry, key)):
            node = nodes[key]
            raise fault(f"{getattr(entry, key)!r} is no symbol", name, (node.line, node.column), f"entry.{key}")
    if entry.label == entry.hook:
        node = nodes["hook"]
        raise fault(f"{entry.hook} is the entry's label already", name, (node.line, node.column), "entry.hook")
    if not 0 <= entry.type <= MOST_ENTRIES:
        node = nodes["type"]
        message = f"a hypervisor's type is a number from 0 to {MOST_ENTRIES}: the place of its hook in a table"
        raise fault(message, name, (node.line, node.column), "entry.type")


def _check_renames(renames: Mapping[str, str], root: Node, name: str) -> None:
    """Raises PvasmError for what is no symbol. Two may become one: a branch's target, say, has a name of its own."""
    for old, new in renames.items():
        for word in (old, new):
            place = root.value["renames"].keys[old]
            if not _RENAMED.fullmatch(word):
                raise fault(f"{word!r} is not a symbol", name, place, f"renames.{old}")
            if operand(word).kind != "unknown" or is_mnemonic(word):
                raise fault(f"{word!r} is a register or an instruction, and no symbol", name, place, f"renames.{old}")


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
    entry = yaml_nodes.convert(node, OpDefinition, name, path)
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


def _poisoned(op: Op, definition: Definition, file: _File, catalog: Catalog) -> Definition:
    """The definition with what `file` says that an op leaves in its clobbers; outputs must not be among these."""
    poison = file.model.poison
    node = file.root.value["poison"]
    lines = []
    clobbers = [parameter for parameter in op.parameters if parameter.use == "clobber"]
    for clobber in clobbers:
        if clobber.kind == "general" and poison.general is not None:
            written = getattr(node.value["general"].value, "text", str(poison.general))
            lines.append(f"movl {{{{ {clobber.name} }}}} = {written} ;;")
        elif clobber.kind == "predicate" and poison.predicate is not None:
            relation = "eq" if poison.predicate else "ne"
            lines.append(f"cmp.{relation} {{{{ {clobber.name} }}}}, p0 = r0, r0 ;;")
    if not lines:
        return definition
    template = definition.template
    if template is None:
        parameters = [parameter.name for parameter in op.parameters]
        place = Node(catalog.template(op), node.line, node.column, {})
        template = Template(place, str(file.path), "poison", [*parameters, *catalog.constants])
    apart = [
        (output.name, clobber.name)
        for output in op.parameters
        for clobber in clobbers
        if output.use == "out" and output.kind == clobber.kind and (output.name, clobber.name) not in definition.apart
    ]
    # Two clobbers may be one register, so each has a group of its own.
    return Definition(
        template.followed_by("\n".join([";;", *lines])), (*definition.apart, *apart), definition.not_among
    )


def _blocks(file: _File, catalog: Catalog, constants: Mapping[str, Any]) -> Iterator[tuple[str, Template]]:
    """The blocks that a file replaces. Raises PvasmError for one that is not in the catalog."""
    node = file.root.value.get("blocks")
    for word, entry in {} if node is None else node.value.items():
        path = f"blocks.{word}"
        block = catalog.blocks.get(word)
        if block is None:
            message = f"no such block in the catalog{near(word, catalog.blocks)}"
            raise fault(message, str(file.path), node.keys[word], path)
        yaml_nodes.convert(entry, BlockDefinition, str(file.path), path)
        names = [*block.parameters, *constants, *catalog.constants]
        yield word, Template(entry.value["template"], str(file.path), f"{path}.template", names)


def _bare(file: _File, catalog: Catalog) -> Iterator[tuple[str, str]]:
    """Why sensitive instructions stay in ops, as a file says it. Raises PvasmError for an unknown op, or no reason."""
    for name, reason in file.model.bare.items():
        place = file.root.value["bare"].keys[name]
        if name not in catalog.ops:
            message = f"no such op in the catalog{near(name, catalog.ops)}"
            raise fault(message, str(file.path), place, f"bare.{name}")
        if not reason.strip():
            raise fault("say why the instruction may stay", str(file.path), place, f"bare.{name}")
        yield name, reason


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
