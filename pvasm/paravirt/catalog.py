"""The catalog: every op that an instance must define, with its parameters and the instructions that it replaces."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, cast, get_args

import msgspec
from msgspec import Struct, field

from pvasm import data
from pvasm.compiled import compiled
from pvasm.paravirt import yaml_nodes
from pvasm.paravirt.arguments import DUE, Kind, RegisterNotKnownError, Use
from pvasm.paravirt.yaml_nodes import Node, fault, near

_OP_NAME = re.compile(r"[A-Z][A-Z0-9_]*")
_PARAMETER_NAME = re.compile(r"[a-z][a-z0-9_]*")
_OPERAND_MACRO = re.compile(r"\b([A-Z][A-Z0-9_]*)\(\s*(\w+)\s*\)")
_WORD = re.compile(r"(?<![\w.])[A-Za-z_]\w*(?![\w.])")


class Parameter(Struct, frozen=True):
    """A parameter of an op: what kind of argument it takes, and what becomes of that."""

    name: str
    kind: Kind
    use: Use


class Op(Struct, frozen=True):
    """An op: a name that hand-written assembly uses instead of the instructions in `replaces`.

    `group` is what the op is about (`class` in YAML). `parentheses` is false for an op that is written without them.
    `extension` marks an op that Linux does not have. `line` is where it stands in the catalog's file.
    """

    name: str
    parameters: tuple[Parameter, ...]
    replaces: str
    group: str
    doc: str
    parentheses: bool
    extension: bool
    line: int

    @property
    def signature(self) -> str:
        """The op as it is written, with the names of its parameters: `MOV_FROM_IPSR(pred, reg)`."""
        if not self.parentheses:
            return self.name
        return f"{self.name}({', '.join(parameter.name for parameter in self.parameters)})"


class Catalog(Struct, frozen=True):
    """All ops by name, and what else their patterns speak of."""

    path: str
    ops: Mapping[str, Op]
    constants: Mapping[str, str]
    operand_macros: Mapping[str, str]
    kernel_registers: Mapping[str, int]

    def replaced(self, op: Op, arguments: Mapping[str, str], constants: Mapping[str, str] | None = None) -> str:
        """The instructions that `op` stands for, with these arguments, on one line.

        `constants` hold instead of the catalog's own.
        Raises RegisterNotKnownError where the number of a kernel register is needed and its name does not tell.
        """
        values = {**(self.constants if constants is None else constants), **arguments}
        text = _OPERAND_MACRO.sub(lambda found: self.operand(found[1], arguments.get(found[2], found[2])), op.replaces)
        return _WORD.sub(lambda found: values.get(found[0], found[0]), text)

    def operand(self, macro: str, argument: str) -> str:
        """What a macro in operand position stands for: `IA64_KR(CURRENT)` is `ar.k6`.

        Raises KeyError for a macro that is not in the catalog, RegisterNotKnownError for an argument that is no kernel
        register's name.
        """
        if argument not in self.kernel_registers:
            raise RegisterNotKnownError(argument)
        return self.operand_macros[macro].replace("{number}", str(self.kernel_registers[argument]))


class _OpEntry(Struct, forbid_unknown_fields=True):
    """One op as the file has it."""

    parameters: dict[str, str]
    replaces: str
    class_: str = field(name="class")
    doc: str
    parentheses: bool = True
    extension: bool = False


class _CatalogFile(Struct, forbid_unknown_fields=True):
    """The file as a whole."""

    ops: dict[str, Any]
    constants: dict[str, str] = {}
    operand_macros: dict[str, str] = {}
    kernel_registers: dict[str, int] = {}
    extension: bool = False


def load_catalog(path: Path | None = None) -> Catalog:
    """The catalog in a YAML file; without `path`, the one that travels with pvasm (read once).

    Raises PvasmError with the place and the YAML path of what is wrong.
    """
    return _shipped() if path is None else _load(path)


@cache
def _shipped() -> Catalog:
    path = data.instances_directory() / "ops.yaml"
    kept = compiled(str(path), lambda text: msgspec.to_builtins(_load(path)), made_by=(__file__, yaml_nodes.__file__))
    return msgspec.structs.replace(msgspec.convert(kept, Catalog), path=str(path))


def _load(path: Path) -> Catalog:
    name = str(path)
    root = yaml_nodes.read_yaml(path)
    file = yaml_nodes.convert(root, _CatalogFile, name, "")
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
        entry = yaml_nodes.convert(node, _OpEntry, name, where)
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
    registers = {word: int(number) for word, number in file.kernel_registers.items()}
    return Catalog(name, ops, file.constants, file.operand_macros, registers)


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
