"""Reading a catalog's YAML file: what must be in it, and what is wrong where."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast, get_args

from msgspec import Struct, field

from pvasm.paravirt import yaml_nodes
from pvasm.paravirt.arguments import DUE, Kind, Use
from pvasm.paravirt.c_tables import C_NAME, Member, Table, flaw_of_type
from pvasm.paravirt.call_convention import CallSite, Convention, NumberedRegister
from pvasm.paravirt.catalog import Block, Catalog, Intrinsic, Op, Parameter
from pvasm.paravirt.yaml_nodes import Node, fault
from pvasm.regex import regex
from pvasm.suggestions import near

_OP_NAME = regex(r"[A-Z][A-Z0-9_]*")
_PARAMETER_NAME = regex(r"[a-z][a-z0-9_]*")
_WORD = regex(r"(?<![\w.])[A-Za-z_]\w*(?![\w.])")


class OpEntry(Struct, forbid_unknown_fields=True):
    """One op as the file has it."""

    parameters: dict[str, str]
    replaces: str
    class_: str = field(name="class")
    doc: str
    parentheses: bool = True
    extension: bool = False


class _TableEntry(Struct, forbid_unknown_fields=True):
    """One C table as the file has it."""

    members: dict[str, str]
    may_be_null: list[str] = []
    calls: dict[str, str] = {}
    not_c_if: str | None = None
    convention: Convention | None = None
    sites: dict[str, CallSite] = {}
    registers: dict[str, NumberedRegister] = {}


class _BlockEntry(Struct, forbid_unknown_fields=True):
    """One block as the file has it."""

    parameters: list[str]
    otherwise: str
    doc: str


class _IntrinsicEntry(Struct, forbid_unknown_fields=True):
    """One intrinsic of C as the file has it."""

    native: str
    ops: list[str] = []


class CatalogFile(Struct, forbid_unknown_fields=True):
    """The file as a whole."""

    ops: dict[str, Any]
    constants: dict[str, str] = {}
    operand_macros: dict[str, str] = {}
    kernel_registers: dict[str, int] = {}
    extension: bool = False
    tables: dict[str, _TableEntry] = {}
    machine_vector: dict[str, str | None] = {}
    blocks: dict[str, _BlockEntry] = {}
    intrinsics: dict[str, _IntrinsicEntry] = {}
    intrinsic_layers: list[str] = []


def read_catalog(path: Path) -> Catalog:
    """The catalog in a file. Raises PvasmError with the place and the YAML path of what is wrong."""
    name = str(path)
    root = yaml_nodes.read_yaml(path)
    file = yaml_nodes.convert(root, CatalogFile, name, "")
    for word, number in file.kernel_registers.items():
        if not 0 <= number <= 7:
            message = f"{number} is no kernel register's number (0 to 7)"
            raise fault(message, name, root.value["kernel_registers"].keys[word], f"kernel_registers.{word}")
    ops: dict[str, Op] = {}
    for op_name, node in root.value["ops"].value.items():
        place = root.value["ops"].keys[op_name]
        where = f"ops.{op_name}"
        if not _OP_NAME.fullmatch(op_name):
            raise fault("an op's name is of capital letters, digits and _", name, place, where)
        entry = yaml_nodes.convert(node, OpEntry, name, where)
        parameters = _parameters(node.value["parameters"], name, f"{where}.parameters")
        _check_pattern(parameters, node.value["replaces"], name, f"{where}.replaces")
        ops[op_name] = Op(
            op_name,
            parameters,
            entry.replaces,
            entry.class_,
            entry.doc,
            entry.parentheses,
            entry.extension or file.extension,
            place[0],
        )
    for block, block_entry in file.blocks.items():
        for word in (block, *block_entry.parameters):
            if not (_OP_NAME if word == block else _PARAMETER_NAME).fullmatch(word) or word in ops:
                place = root.value["blocks"].keys[block]
                raise fault(f"{word!r} is no name for a block or its parameter", name, place, f"blocks.{block}")
    registers = {word: int(number) for word, number in file.kernel_registers.items()}
    tables = {
        table: _table(table, entry, root.value["tables"].value[table], name) for table, entry in file.tables.items()
    }
    for member, function in file.machine_vector.items():
        if not C_NAME.fullmatch(member) or (function is not None and not C_NAME.fullmatch(function)):
            place = root.value["machine_vector"].keys[member]
            raise fault("a member and its function have names as in C", name, place, f"machine_vector.{member}")
    blocks = {
        block: Block(block, tuple(entry.parameters), entry.otherwise, entry.doc) for block, entry in file.blocks.items()
    }
    vector, layers = file.machine_vector, tuple(file.intrinsic_layers)
    intrinsics = _intrinsics(file, root, name, ops)
    return Catalog(
        *(name, ops, file.constants, file.operand_macros, registers, tables, blocks, vector),
        intrinsics=intrinsics,
        intrinsic_layers=layers,
    )


def _intrinsics(file: CatalogFile, root: Node, name: str, ops: Mapping[str, Op]) -> dict[str, Intrinsic]:
    """The intrinsics of C. Raises PvasmError for one that stands for an op which there is not."""
    found: dict[str, Intrinsic] = {}
    for word, entry in file.intrinsics.items():
        for op in entry.ops:
            if op not in ops:
                message = f"there is no op {op}{near(op, ops)}"
                raise fault(message, name, root.value["intrinsics"].keys[word], f"intrinsics.{word}.ops")
        found[word] = Intrinsic(word, entry.native, tuple(entry.ops))
    return found


def _table(table: str, entry: _TableEntry, node: Node, name: str) -> Table:
    """A C table as the file has it. Raises PvasmError, with the place, for what is no C, and for a stranger."""
    path = f"tables.{table}"
    if not C_NAME.fullmatch(table) or not entry.members:
        message = "a table has a name as in C, and members"
        raise fault(message, name, (node.line, node.column), path)
    for member, type_ in entry.members.items():
        problem = flaw_of_type(type_) if C_NAME.fullmatch(member) else "a member has a name as in C"
        if problem is not None:
            raise fault(problem, name, node.value["members"].keys[member], f"{path}.members.{member}")
    for key, words in (("may_be_null", entry.may_be_null), ("calls", entry.calls), ("sites", entry.sites)):
        for word in words:
            if word not in entry.members:
                message = f"{table} has no member {word}{near(word, entry.members)}"
                raise fault(message, name, node.keys[key], f"{path}.{key}")
    names = [("calls", call) for call in entry.calls.values()]
    for key, word in [*names, *([("not_c_if", entry.not_c_if)] if entry.not_c_if is not None else [])]:
        if not C_NAME.fullmatch(word):
            raise fault(f"{word!r} is no name in C", name, node.keys[key], f"{path}.{key}")
    flaw = None if entry.convention is None else entry.convention.flaw()
    if flaw is not None:
        raise fault(flaw, name, node.keys["convention"], f"{path}.convention")
    members = {}
    for member, type_ in entry.members.items():
        otherwise = f"paravirt_{member}" if type_.endswith(")") else None
        members[member] = Member(member, type_, member in entry.may_be_null, entry.calls.get(member, otherwise))
    return Table(table, members, entry.not_c_if, entry.convention, entry.sites, entry.registers)


def _parameters(node: Node, name: str, path: str) -> tuple[Parameter, ...]:
    parameters = []
    for word, value in node.value.items():
        place = node.keys[word]
        if not _PARAMETER_NAME.fullmatch(word):
            raise fault("a parameter's name is of small letters, digits and _", name, place, f"{path}.{word}")
        kind, _, use = value.value.partition(" ")
        if (kind, use) not in DUE:
            kinds, uses = get_args(Kind), get_args(Use)
            message = f"{value.value!r} is no `kind use`{near(value.value, (' '.join(pair) for pair in DUE))}: "
            message += f"kinds are {', '.join(kinds)}, uses are {', '.join(uses)}"
            raise fault(message, name, (value.line, value.column), f"{path}.{word}")
        parameters.append(Parameter(word, cast(Kind, kind), cast(Use, use)))
    return tuple(parameters)


def _check_pattern(parameters: tuple[Parameter, ...], node: Node, name: str, path: str) -> None:
    """A pattern names every parameter that is read or written, and no clobber."""
    words = set(_WORD.findall(node.value))
    for parameter in parameters:
        if (parameter.name in words) is (parameter.use == "clobber"):
            message = "names the clobber" if parameter.use == "clobber" else "does not name the parameter"
            raise fault(f"{message} {parameter.name}", name, (node.line, node.column), path)
