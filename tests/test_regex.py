"""Regular expressions take time linear in the text, whatever the text: each is tried with texts made from itself."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
import sys
from collections import Counter, defaultdict
from fnmatch import translate
from functools import cache
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest

import pvasm
from pvasm import kept_patterns, regex
from pvasm.expand.renames import STRING_OR_COMMENT
from pvasm.header.interpret import _ARGUMENT, _END, _INNER
from pvasm.paravirt import yaml_nodes
from tests.adversary import MOST_TEXTS, slow
from tests.slow import examples
from tests.syntax_trees import nodes

ROOT = Path(pvasm.__file__).parent
MODULES = sorted(path for path in ROOT.rglob("*.py") if path.name != "regex.py")
METHODS = {"match", "fullmatch", "search", "sub", "subn", "split", "finditer", "findall"}

# How patterns are used that no name of a module holds.
UNNAMED = {"pvasm.syntax.lines": {"match"}}


def _import_all() -> None:
    for module in pkgutil.walk_packages(pvasm.__path__, "pvasm."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)


def _module(path: Path) -> str:
    return ".".join(("pvasm", *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__")


@cache
def _uses(path: Path) -> dict[str, set[str]]:
    """The names in a module of which methods of patterns are used, and which."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for node in nodes(path):
        if isinstance(node, ast.Attribute) and node.attr in METHODS:
            if isinstance(node.value, ast.Name):
                found[node.value.id].add(node.attr)
            elif isinstance(node.value, ast.Attribute):
                found[node.value.attr].add(node.attr)
    return found


class _Pattern(NamedTuple):
    """A pattern, and where it stands: modules, and its name in each."""

    pattern: re.Pattern[str]
    holders: list[tuple[Path, str]]

    def methods(self) -> set[str]:
        """Those that are called of it; where none is seen, as the pattern is handed on: `fullmatch` and `match`."""
        if not self.holders:
            return set().union(*UNNAMED.values())
        return set().union(*(_uses(path).get(name, ()) for path, name in self.holders)) or {"match", "fullmatch"}


def _named() -> dict[str, _Pattern]:
    """All patterns that modules hold, by a name of each."""
    _import_all()
    holders: defaultdict[int, list[tuple[Path, str]]] = defaultdict(list)
    for path in MODULES:
        for name, value in vars(sys.modules.get(_module(path), pvasm)).items():
            if isinstance(value, re.Pattern):
                holders[id(value)].append((path, name))
    found: dict[str, _Pattern] = {}
    for number, pattern in enumerate(regex.REGISTERED):
        held = holders[id(pattern)]
        known = f"{_module(held[0][0])}.{held[0][1]}" if held else f"unnamed {number}"
        found[known] = _Pattern(pattern, held)
    return found


PATTERNS = _named()


@pytest.mark.parametrize("name", PATTERNS)
def test_is_linear(name: str) -> None:
    assert slow(PATTERNS[name].pattern, PATTERNS[name].methods(), examples(MOST_TEXTS)) is None


def test_kept_patterns_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is kept of a pattern makes the pattern that `re` makes: compared with its flags and its code."""
    monkeypatch.setattr(kept_patterns, "_codes", {})
    monkeypatch.setattr(kept_patterns, "_added", [])
    sources = {each._source for each in regex.REGISTERED}  # type: ignore[attr-defined]
    for is_kept in (False, True):
        for source, flags in sources:
            assert kept_patterns._compile(source, flags) == re.compile(source, flags), is_kept
        kept = msgspec.json.encode(kept_patterns._codes)
        monkeypatch.setattr(kept_patterns, "_codes", msgspec.json.decode(kept, type=dict[str, kept_patterns._Code]))
    assert len(kept_patterns._added) == len(sources)


def test_the_list_is_whole() -> None:
    """A pattern that is made elsewhere would be tried by nobody."""
    for path in MODULES:
        for node in nodes(path):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "re":
                assert node.attr not in METHODS | {"compile", "template"}, f"{path}:{node.lineno}"
            if isinstance(node, ast.ImportFrom):
                assert node.module not in ("re", "regex"), f"{path}:{node.lineno}"


def test_patterns_are_kept_once() -> None:
    """What is called again and again would make the list grow without end: that is for `made_regex`."""
    for path in MODULES:
        for function in nodes(path):
            if isinstance(function, ast.FunctionDef) and (_module(path) not in UNNAMED):
                calls = [node for node in ast.walk(function) if isinstance(node, ast.Call)]
                assert not [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "regex"]


# Patterns made of names that are read, by the module that calls `made_regex`: an example of each call.
NAMES = f"(?<![\\w.$])(?P<name>{'|'.join(('aa', 'aab', 'ivt'))})(?![\\w.$])"
MADE: dict[str, list[tuple[str, set[str]]]] = {
    "pvasm.check.source_places": [
        (r"(?<!\w)mov\s*+r8\s*+=\s*+ar\s*+\.\s*+itc(?!\w)", {"finditer"}),
    ],
    "pvasm.config": [
        (r"(?<![\w-])select(?![\w-])", {"search"}),
        (translate("*a*aa*[ab]?*"), {"match"}),
        (translate("a/*/*a*/**"), {"match"}),
    ],
    "pvasm.expand.blocks": [(f"{STRING_OR_COMMENT}|{NAMES}", {"finditer"})],
    "pvasm.expand.renames": [(f"{STRING_OR_COMMENT}|{NAMES}", {"finditer"}), (NAMES, {"finditer"})],
    "pvasm.header.interpret": [
        (r"(?<!\w)COVER(?!\w)", {"search"}),
        (rf"(?<!\w)KR\(\s*{_ARGUMENT}({_INNER}){_END}\s*\)", {"sub"}),
    ],
    "pvasm.paravirt.contract": [(r"(?<![\w.])r18(?![\w.])", {"sub", "search"})],
    "pvasm.paravirt.instance_file": [("native|xen|trap", {"fullmatch"})],
    "pvasm.paravirt.yaml_nodes": [(yaml_nodes._CONTROL, {"search"})],
}


@pytest.mark.parametrize("module", MADE)
def test_what_is_made_is_linear(module: str) -> None:
    for pattern, methods in MADE[module]:
        assert slow(re.compile(pattern), methods, examples(MOST_TEXTS)) is None


def test_the_examples_are_whole() -> None:
    """Each call of `made_regex` has an example above."""
    calls = Counter(
        _module(path)
        for path in MODULES
        for node in nodes(path)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "made_regex"
    )
    assert calls == {module: len(examples) for module, examples in MADE.items()}


BAD = [
    (r"(a|a)*b", {"match"}),
    (r"(?:a*)*b", {"match"}),
    # case S2: the gap before the name of a `#define`, in which blanks and comments can be told apart in two ways
    (r"(?:[ \t]|/\*(?s:.*?)\*/|\\[ \t\r]*\n)*(?P<name>[A-Za-z]\w*)", {"match"}),
    (r"#(?:[ \t]*(?:/\*.*?\*/[ \t]*)*)*\(", {"match"}),
    (r"[ \t]*(?:x|[ \t\r]*$)", {"match"}),
    (r"/\*(?s:.*?)\*/", {"sub"}),  # unterminated comments
    (r"[ \t]*;", {"search"}),
    (r"(\w+)\(", {"finditer"}),
]
GOOD = [
    (r"(?:a|b)*c", {"match"}),
    (r"(?:[ \t]++|/\*(?s:.*?)\*/)*+\w", {"match"}),
    (r"/\*(?s:.*?)(?:\*/|\Z)", {"sub"}),
    (r"[ \t]*+;", {"match"}),
    (r"(?<!\w)(\w++)\(", {"finditer"}),
]


@pytest.mark.slow
@pytest.mark.parametrize(("pattern", "methods"), BAD)
def test_the_oracle_finds_what_is_slow(pattern: str, methods: set[str]) -> None:
    assert slow(re.compile(pattern, re.MULTILINE), methods) is not None


@pytest.mark.parametrize(("pattern", "methods"), GOOD)
def test_the_oracle_passes_what_is_linear(pattern: str, methods: set[str]) -> None:
    assert slow(re.compile(pattern, re.MULTILINE), methods, examples(MOST_TEXTS)) is None
