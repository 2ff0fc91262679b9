"""Where the files that travel with pvasm are: grammars, instances, samples, and what builds include.

In a wheel they stand inside the package; in a checkout (an editable install) at its top level. Nothing else knows.
"""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@cache
def _root() -> str:
    package = os.path.dirname(os.path.realpath(__file__))
    bundled = os.path.join(package, "_bundled")
    return bundled if os.path.isdir(bundled) else os.path.dirname(package)


def folders() -> list[str]:
    """The folders that a run's answers depend on: the package, the grammars and the instances."""
    root = _root()
    return [os.path.dirname(os.path.realpath(__file__)), f"{root}/grammars", f"{root}/instances"]


def grammar_file(name: str) -> str:
    """The path of the grammar called `name` (such as `ia64.lark`)."""
    return f"{_root()}/grammars/{name}"


def instance_file(name: str) -> str:
    """The path of the YAML file of an instance that travels with pvasm, or of the catalog, `ops`."""
    return f"{_root()}/instances/{name}.yaml"


def machine_vector_file(name: str) -> str:
    """The path of the YAML file of a machine vector that travels with pvasm."""
    return f"{_root()}/instances/machvecs/{name}.yaml"


def integration_directory() -> str:
    """The folder of the files that a build with make, ninja or CMake includes."""
    return f"{_root()}/integration"


def samples_directory() -> Path:
    """The folder of sample assembly files."""
    from pathlib import Path

    return Path(_root(), "sample_S")


def cache_folder() -> str | None:
    """The folder of what may be kept for later runs.

    `$PVASM_CACHE_DIR`, or `pvasm` in `$XDG_CACHE_HOME` or `~/.cache`; None where none of these is said.
    """
    named = os.environ.get("PVASM_CACHE_DIR")
    if named:
        return named
    base = os.environ.get("XDG_CACHE_HOME")
    if base and os.path.isabs(base):
        return os.path.join(base, "pvasm")
    home = os.environ.get("HOME")
    return os.path.join(home, ".cache", "pvasm") if home else None
