"""Machine vectors: the functions of a platform, which lie above an instance's tables and ops, and where they work."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from pvasm import data
from pvasm.paravirt import yaml_nodes
from pvasm.paravirt.c_tables import C_NAME, KEYWORDS
from pvasm.paravirt.catalog import Catalog
from pvasm.paravirt.yaml_nodes import fault
from pvasm.suggestions import near


class MachineVectorFile(Struct, forbid_unknown_fields=True):
    """A machine vector's file as a whole."""

    name: str
    description: str
    environments: list[str]
    members: dict[str, str]


class MachineVector(Struct, frozen=True):
    """A machine vector: the functions of its own, by member, and the environments that they work in."""

    name: str
    description: str
    environments: tuple[str, ...]
    members: Mapping[str, str]

    def server(self, member: str, catalog: Catalog) -> str | None:
        """The function that serves a member: its own, or what Linux has for every platform; None for none."""
        return self.members.get(member, catalog.machine_vector[member])


def machine_vector_names() -> list[str]:
    """The machine vectors that travel with pvasm."""
    names = os.listdir(os.path.dirname(data.machine_vector_file("dig")))
    return sorted(name.removesuffix(".yaml") for name in names if name.endswith(".yaml"))


def load_machine_vector(name: str, catalog: Catalog) -> MachineVector | None:
    """The machine vector of a name; None for one that does not travel with pvasm.

    Raises PvasmError, with the place, for a file that is wrong.
    """
    if name not in machine_vector_names():
        return None
    return read_machine_vector(Path(data.machine_vector_file(name)), catalog)


def machine_vectors_for(environment: str, catalog: Catalog) -> list[str]:
    """The machine vectors that travel with pvasm and work in an environment."""
    vectors = (load_machine_vector(name, catalog) for name in machine_vector_names())
    return [each.name for each in vectors if each is not None and environment in each.environments]


def read_machine_vector(path: Path, catalog: Catalog) -> MachineVector:
    """The machine vector in a file. Raises PvasmError, with the place, for what is wrong in it."""
    name = str(path)
    root = yaml_nodes.read_yaml(path)
    file = yaml_nodes.convert(root, MachineVectorFile, name, "")
    if file.name != path.stem:
        node = root.value["name"]
        raise fault(f"the file is called {path.stem}", name, (node.line, node.column), "name")
    members = root.value["members"]
    for member, function in file.members.items():
        if member not in catalog.machine_vector:
            message = f"no such member in the catalog{near(member, catalog.machine_vector)}"
            raise fault(message, name, members.keys[member], f"members.{member}")
        if not C_NAME.fullmatch(function) or function in KEYWORDS:
            raise fault(f"{function!r} is no C function's name", name, members.keys[member], f"members.{member}")
    return MachineVector(file.name, file.description, tuple(file.environments), file.members)
