"""The source of Python files as trees, read once for all tests."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path


@cache
def nodes(path: Path) -> list[ast.AST]:
    """All nodes of a file's tree."""
    return list(ast.walk(ast.parse(path.read_text())))
