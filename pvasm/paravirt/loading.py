"""Where catalogs and instances come from: from what is kept of those that travel with pvasm, or from YAML files."""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING

import msgspec

from pvasm import data
from pvasm.compiled import compiled
from pvasm.errors import PvasmError
from pvasm.paravirt.catalog import Catalog
from pvasm.paravirt.instance import Instance
from pvasm.paravirt.shipped import instance_names, is_path, shipped_instance
from pvasm.text import version

if TYPE_CHECKING:
    from collections.abc import Hashable
    from pathlib import Path


def load_catalog(path: Path | None = None) -> Catalog:
    """The catalog in a YAML file; without `path`, the one that travels with pvasm (read once).

    Raises PvasmError with the place and the YAML path of what is wrong.
    """
    return _shipped() if path is None else _read(path)


def _read(path: Path | str) -> Catalog:
    from pathlib import Path

    from pvasm.paravirt.catalog_file import read_catalog

    return read_catalog(Path(path))


@cache
def _shipped() -> Catalog:
    path = data.instance_file("ops")
    made_by = (
        *("paravirt/loading.py", "paravirt/catalog.py", "paravirt/catalog_file.py", "paravirt/c_tables.py"),
        "paravirt/yaml_nodes.py",
    )
    kept = compiled(path, lambda text: msgspec.to_builtins(_read(path)), made_by=made_by)
    return msgspec.structs.replace(msgspec.convert(kept, Catalog), path=path)


@cache
def load_extended_catalog() -> Catalog:
    """The catalog that travels with pvasm, where an op of the extension is asked for as any other; read once."""
    return msgspec.structs.replace(_shipped(), asks_for_extension=True)


def unknown_instance(name: str) -> str:
    """What to say of a name that no instance has."""
    from pvasm.suggestions import near

    if os.path.isfile(f"{name}.yaml"):
        return f"unknown instance {name}; for the file that is here write {name}.yaml"
    known = instance_names()
    return f"unknown instance {name}{near(name, known)}; known are {', '.join(known)}"


_read_ahead: dict[str, Instance] = {}


def read_ahead() -> None:
    """Reads the instances that travel with pvasm, for what forks of this process do: theirs alone, as ours are."""
    _read_ahead.update({name: load_instance(name) for name in instance_names()})


def load_instance(name_or_path: str, catalog: Catalog | None = None) -> Instance:
    """The instance of a name, or in a YAML file (a path has a `/` in it or ends with `.yaml` or `.yml`).

    Raises PvasmError for an unknown name (listing the known ones); and, with the place and the YAML path, for a file
    that is not a complete instance of the catalog, or that has the name of an instance that travels with pvasm.
    """
    catalog = catalog or load_catalog()
    path = name_or_path if is_path(name_or_path) else shipped_instance(name_or_path)
    if path is None:
        raise PvasmError(unknown_instance(name_or_path))
    is_own = catalog.ops is load_catalog().ops
    if path is not name_or_path and is_own:
        if name_or_path in _read_ahead:
            return _read_ahead[name_or_path]
        from pvasm.paravirt.kept import load_kept

        return load_kept(name_or_path, catalog)
    from pathlib import Path

    from pvasm.paravirt.instance_file import read_instance

    instance = read_instance(Path(path), catalog)
    if is_own:
        from pvasm.paravirt.kept import take_over

        take_over(instance)
    instance.compile_templates()
    return instance


# By the catalogs that they are made of, which they hold; each with what told its files from what they were.
_current: dict[tuple[str, int], tuple[Instance, list[Hashable]]] = {}


def current_instance(name_or_path: str, catalog: Catalog) -> Instance:
    """The instance as `load_instance` has it; read once, as long as its files are what they were.

    Raises PvasmError as that does.
    """
    found, before = _current.get((name_or_path, id(catalog)), (None, []))
    if found is None or (is_path(name_or_path) and before != _versions(found)):
        found = load_instance(name_or_path, catalog)
        _current[name_or_path, id(catalog)] = found, _versions(found)
    return found


def _versions(instance: Instance) -> list[Hashable]:
    return [version(file) for file in instance.files]
