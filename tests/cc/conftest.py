"""The stand-in compiler, once for all tests."""

from __future__ import annotations

import pytest

from tests.cc.compiler import make_compiler


@pytest.fixture(scope="session")
def compiler(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The path of a compiler that makes IA-64 objects."""
    return make_compiler(tmp_path_factory.mktemp("compiler"))
