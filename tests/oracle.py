"""Outside programs that tests compare with: GNU as, objdump, gcc."""

from __future__ import annotations

import os
import shutil

import pytest


def require_tool(name: str) -> str:
    """The path of a program. Where it is missing the test is skipped, with a line that says so; in CI it fails."""
    path = shutil.which(name)
    if path is not None:
        return path
    reason = f"{name} is not installed"
    if os.environ.get("CI") == "true":
        pytest.fail(f"{reason}, and in CI no oracle may be missing")
    pytest.skip(reason)
