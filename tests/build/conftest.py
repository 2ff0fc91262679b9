"""Folders to build in."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.build.workshop import Workshop, make_tools


@pytest.fixture(scope="session")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tools(tmp_path_factory.mktemp("tools"))


@pytest.fixture
def workshop(tmp_path: Path, tools: Path) -> Workshop:
    return Workshop(tmp_path, tools)
