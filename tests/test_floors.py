"""The house stands: a room imports only rooms of its own floor and below (docs/hacking.md)."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import pvasm

ROOT = Path(pvasm.__file__).parent
FLOORS = {
    "cli": 8,
    "commands": 8,
    "__main__": 8,
    "start": 8,
    "report": 7,
    "check": 6,
    "fix": 6,
    "header": 6,
    "cc": 6,
    "expand": 5,
    "paravirt": 4,
    "ia64": 3,
    "syntax": 2,
}
MODULES = sorted(path.relative_to(ROOT) for path in ROOT.rglob("*.py"))


def floor(parts: tuple[str, ...]) -> int:
    """The floor of a module; what is not listed is on the ground."""
    return FLOORS.get(parts[0].removesuffix(".py"), 1) if parts else 1


def imports(path: Path) -> Iterator[tuple[str, ...]]:
    """The modules of our own that a file imports, wherever in it."""
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            if name.startswith("pvasm."):
                yield tuple(name.split(".")[1:])


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_a_room_imports_no_room_above_it(module: Path) -> None:
    for imported in imports(module):
        assert floor(imported) <= floor(module.parts), ".".join(imported)


HEAVY = ("lark", "jinja2", "yaml", "difflib", "subprocess")


def test_a_start_imports_nothing_heavy() -> None:
    import subprocess
    import sys

    probe = f"import sys, pvasm.cli, pvasm.check.run; sys.exit(' '.join(m for m in {HEAVY} if m in sys.modules))"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == ""
