"""The published schema of SARIF 2.1.0, out of the npm package @microsoft/jest-sarif (whose own tests it is for).

It stays in a cache folder beside the corpus; nothing of it belongs in this repository.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import tarfile
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.corpus.build import folder
from tests.oracle import require_tool

_PACKAGE = "@microsoft/jest-sarif@1.0.0-beta.0"
_MEMBER = "package/lib/schemas/sarif-2.1.0-rtm.5.json"
_SHA256 = "2d99159ae54a3eea97f81781cff48780548657c35949f4b7f25e99a2ba4de4f8"
_SECONDS = 60


@cache
def sarif_schema() -> dict[str, Any]:
    """The schema; the test is skipped where it cannot be had, but in CI that is a failure."""
    kept = folder().with_name("pvasm-schemas") / "sarif-2.1.0.json"
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        temporary = kept.with_name(f".{os.getpid()}.json")
        temporary.write_bytes(_fetched())
        temporary.replace(kept)
    content = kept.read_bytes()
    assert hashlib.sha256(content).hexdigest() == _SHA256
    schema: dict[str, Any] = json.loads(content)
    return schema


def _fetched() -> bytes:
    with tempfile.TemporaryDirectory() as scratch:
        command = [require_tool("npm"), "pack", "--silent", _PACKAGE]
        try:
            done = subprocess.run(command, cwd=scratch, capture_output=True, text=True, timeout=_SECONDS, check=False)
        except subprocess.TimeoutExpired:
            done = subprocess.CompletedProcess(command, 1, "", f"no answer in {_SECONDS} seconds")
        if done.returncode != 0:
            stop = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
            stop(f"the SARIF schema cannot be had: {done.stderr.strip()[-200:]}")
        with tarfile.open(Path(scratch, done.stdout.split()[-1])) as package:
            member = package.extractfile(_MEMBER)
            assert member is not None
            return member.read()
