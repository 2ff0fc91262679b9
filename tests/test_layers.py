"""Files import from their own layer of the architecture and those below, and never in a circle (docs/hacking.md)."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import pvasm
from pvasm.cache import ABOVE
from tests.syntax_trees import nodes

ROOT = Path(pvasm.__file__).parent.parent
LAYERS = {
    "cli": 8,
    "commands": 8,
    "start": 8,
    "client": 8,
    "server": 8,
    "__main__": 8,
    "report": 7,
    "lsp": 7,
    "check": 6,
    "adopt": 6,
    "fix": 6,
    "header": 6,
    "tables": 6,
    "cc": 6,
    "patch": 6,
    "expand": 5,
    "paravirt": 4,
    "asm": 3,
    "objects": 3,
    "isa": 2,
    "syntax": 2,
}
GROUND = 1  # of what is not listed
SIMULATOR = 6  # all of pvsim

# Names that several files have, since tools or Python want them so.
COMMON = {"__init__.py", "__main__.py", "conftest.py"}


PACKAGES = {"pvasm": ROOT, "pvsim": ROOT / "simulator"}


def name_of(path: Path, root: Path) -> str:
    """The dotted name of a module."""
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path, root): path for package, root in PACKAGES.items() for path in (root / package).rglob("*.py")}


def _imports(path: Path) -> Iterator[str]:
    for node in nodes(path):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in MODULES)
        elif isinstance(node, ast.ImportFrom) and node.module in MODULES:
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                yield name if name in MODULES else node.module


@cache
def imports(module: str) -> set[str]:
    """The modules of our own that a file imports, wherever in it: in functions, and for types alone, too."""
    return set(_imports(MODULES[module])) - {module, *PACKAGES}


def whole_graph() -> dict[str, set[str]]:
    return {module: imports(module) for module in MODULES}


def layer(module: str) -> int:
    if module.partition(".")[0] == "pvsim":
        return SIMULATOR
    return LAYERS.get(module.split(".")[1], GROUND) if "." in module else GROUND


def circle(graph: Mapping[str, set[str]]) -> list[str]:
    """A circle of modules, if there is one."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


@pytest.mark.parametrize("module", sorted(MODULES))
def test_a_file_imports_from_no_layer_above(module: str) -> None:
    above = [name for name in imports(module) if layer(name) > layer(module)]
    assert not above


def test_the_instruction_set_knows_no_assembler_text() -> None:
    assert not [
        (name, other)
        for name in MODULES
        if name.startswith("pvasm.isa.")
        for other in imports(name)
        if ".syntax." in other
    ]


def test_no_files_import_each_other_in_a_circle() -> None:
    assert circle(whole_graph()) == []


def test_no_answer_depends_on_what_its_key_leaves_out() -> None:
    """The cache knows results by the files that they were made by: all that the checker reaches."""
    reached: set[str] = set()
    waiting = {name for name in MODULES if name.startswith("pvasm.check.")}
    while waiting:
        name = waiting.pop()
        reached.add(name)
        waiting |= imports(name) - reached
    assert len(reached) > 100
    assert not {name for name in reached if not ABOVE.isdisjoint(name.split("."))}


def test_a_circle_would_be_found() -> None:
    assert set(circle({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}})) == {"a", "b", "c"}
    assert "pvasm.paravirt.kept" in imports("pvasm.paravirt.loading")  # in a function
    assert "pvasm.check.subject" in imports("pvasm.check.rule")  # for types alone


def test_file_names_are_unique() -> None:
    names = Counter((name.partition(".")[0], path.name) for name, path in MODULES.items())
    assert not [name for name, number in names.items() if number > 1 and name[1] not in COMMON]


def test_help_reads_no_instructions() -> None:
    """The list of commands asks each module for its options, and none of them for what it works with."""
    own = "('pvasm.isa', 'pvasm.asm', 'pvasm.syntax', 'pvasm.objects', 'pvasm.patch', 'pvasm.paravirt', 'pvsim')"
    probe = (
        "import sys, pvasm.cli; sys.argv = ['pvasm', '--help']\n"
        "try: pvasm.cli.main()\n"
        f"finally: print(*(m for m in sys.modules if m.startswith({own})), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=False)
    assert done.stdout.startswith("usage: pvasm ")
    assert done.stderr.strip() == ""


HEAVY = ("lark", "jinja2", "yaml", "elftools", "difflib", "subprocess")


def test_a_start_imports_nothing_heavy() -> None:
    probe = (
        f"import sys, pvasm.cli, pvasm.check.check_files; sys.exit(' '.join(m for m in {HEAVY} if m in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == ""


def test_an_expansion_imports_little(tmp_path: Path) -> None:
    """Neither what reads YAML and templates, nor what is for checks, for several processes, or for old Pythons."""
    (tmp_path / "a.S").write_text("\tCOVER\n")
    others = ("inspect", "typing_extensions", "uuid", "decimal", "gettext", "hashlib", "json", "shutil")
    unwanted = (*HEAVY, *others, "pvasm.check", "pvasm.asm.resolve")
    probe = (
        "import sys, os; sys.argv = ['pvasm', 'expand', '-i', 'xen', 'a.S']; from pvasm.start import run\n"
        f"os._exit = lambda status: sys.exit(' '.join(m for m in {unwanted} if m in sys.modules))\n"
        "run()"
    )
    command = [sys.executable, "-c", probe]
    for _ in range(2):  # the first makes what is kept
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stderr.strip() == ""


def test_what_a_start_leaves_out_is_as_it_was() -> None:
    """Only msgspec and argparse have seen others in the places of modules that a start does not import."""
    probe = (
        "from pvasm.lean_imports import import_leanly\n"
        "import_leanly()\n"
        "import sys\n"
        "assert {'msgspec', 'argparse'} <= sys.modules.keys()\n"
        "assert sys.modules.keys().isdisjoint({'uuid', 'decimal', 'datetime', 'textwrap', 'gettext'})\n"
        "assert sys.modules.keys().isdisjoint({'msgspec.inspect', 'msgspec._json_schema'})\n"
        "import datetime, decimal, gettext, textwrap, uuid\n"
        "uuid.uuid4(), decimal.Decimal('1.5'), gettext.find, textwrap.fill('x'), datetime.__file__\n"
        "from pvasm.paravirt.schema import catalog_schema\n"
        "assert catalog_schema()\n"
        "import msgspec.inspect\n"
        "assert msgspec.json.schema(int) == {'type': 'integer'}\n"
        "assert msgspec.json.schema_components([int])[0] == ({'type': 'integer'},)\n"
        "assert type(msgspec.inspect.type_info(int)) is msgspec.inspect.IntType\n"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == ""
