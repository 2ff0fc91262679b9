"""Where the files that travel with pvasm are: grammars, instances and samples.

In a wheel they stand inside the package; in a checkout (an editable install) at its top level. Nothing else knows.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path


@cache
def _root() -> Path:
    package = Path(__file__).resolve().parent
    bundled = package / "_bundled"
    return bundled if bundled.is_dir() else package.parent


def grammar_file(name: str) -> Path:
    """The grammar called `name` (such as `ia64.lark`)."""
    return _root() / "grammars" / name


def instances_directory() -> Path:
    """The folder of `ops.yaml` and of one YAML file an instance."""
    return _root() / "instances"


def samples_directory() -> Path:
    """The folder of sample assembly files."""
    return _root() / "sample_S"
