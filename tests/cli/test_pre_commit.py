"""The hooks of .pre-commit-hooks.yaml, run by the real pre-commit in a scratch repository.

The environment that pre-commit would make for them is the one that the tests run in: the hooks' own entries, found by
way of PATH.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.oracle import require_tool

CHECKOUT = Path(__file__).resolve().parents[2]
MANIFEST = CHECKOUT / ".pre-commit-hooks.yaml"
GOOD, BAD = "x:\tMOV_FROM_IFA(r16)\n", "x:\tmov r16 = cr.ifa\n"


def hooks() -> dict[str, dict[str, Any]]:
    return {hook["id"]: hook for hook in yaml.safe_load(MANIFEST.read_text())}


class Repository:
    """A git repository with one hook."""

    def __init__(self, folder: Path, hook: str) -> None:
        require_tool("git")
        self.folder = folder / "repository"
        self.folder.mkdir()
        (folder / "pvasm").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m pvasm "$@"\n')
        (folder / "pvasm").chmod(0o755)
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "PRE_COMMIT"))},
            "PATH": f"{folder}:{os.environ['PATH']}",
            "HOME": str(folder),
            "PRE_COMMIT_HOME": str(folder / "pre-commit"),
            "PVASM_CACHE_DIR": str(folder / "cache"),
            "GIT_CONFIG_NOSYSTEM": "1",
            **{
                f"GIT_{who}_{what}": "x@example.invalid"
                for who in ("AUTHOR", "COMMITTER")
                for what in ("NAME", "EMAIL")
            },
        }
        local = {"repo": "local", "hooks": [{**hooks()[hook], "language": "system"}]}
        (self.folder / ".pre-commit-config.yaml").write_text(yaml.safe_dump({"repos": [local]}))
        self.run("git", "init", "--quiet")
        self.run(sys.executable, "-m", "pre_commit", "install")

    def run(self, *command: str, ok: bool = True) -> str:
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
            check=False,
        )
        assert (done.returncode == 0) is ok, done.stdout
        return done.stdout

    def commit(self, *, ok: bool = True, **files: str) -> str:
        """What the hook says of a commit of these files (`a_S` for `a.S`); `ok` tells whether it lets them pass."""
        for name, content in files.items():
            (self.folder / name.replace("_", ".")).write_text(content)
        self.run("git", "add", "--all")
        return self.run("git", "commit", "--message", "x", ok=ok)


def test_pre_commit_accepts_the_manifest() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pre_commit", "validate-manifest", str(MANIFEST)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert set(hooks()) == {"pvasm-check", "pvasm-fix"}


def test_a_bad_file_is_not_committed(tmp_path: Path) -> None:
    repository = Repository(tmp_path, "pvasm-check")
    assert "Passed" in repository.commit(good_S=GOOD)
    said = repository.commit(bad_S=BAD, ok=False)
    assert "bad.S:1:4: PV002 error" in said
    assert "good.S" not in said  # it has not changed
    (repository.folder / "bad.S").unlink()
    assert "Skipped" in repository.commit(notes_txt=BAD)  # nothing for the hook


@pytest.mark.slow
def test_a_bad_file_is_mended(tmp_path: Path) -> None:
    repository = Repository(tmp_path, "pvasm-fix")
    assert "files were modified by this hook" in repository.commit(bad_S=BAD, ok=False)
    assert (repository.folder / "bad.S").read_text() == GOOD
    assert "Passed" in repository.commit()
