"""What stands around the code: versions, the GitHub Action, the Dockerfile, CI's own script."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest
import yaml

from pvasm import __version__
from pvasm.data import samples_directory
from tests.oracle import require_tool

ROOT = Path(__file__).parent.parent


def tool(name: str) -> str:
    """A program of a package for developers: beside Python, or on PATH."""
    beside = Path(sys.executable).with_name(name)
    return str(beside) if beside.exists() else require_tool(name)


def run(*command: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


def test_the_changelog_has_the_version_that_this_is() -> None:
    text = (ROOT / "CHANGELOG.md").read_text()
    headings = re.findall(r"^## \[(.+?)\](?: - (\d{4}-\d\d-\d\d))?$", text, re.MULTILINE)
    assert headings[0] == ("Unreleased", "")
    numbers = [tuple(map(int, name.split("."))) for name, _ in headings[1:]]
    dates = [date for _, date in headings[1:]]
    assert numbers == sorted(numbers, reverse=True)
    assert all(dates)
    assert dates == sorted(dates, reverse=True)
    number, _, development = __version__.partition(".dev")
    current = tuple(map(int, number.split(".")))
    assert current > numbers[0] if development else current == numbers[0]
    kinds = set(re.findall(r"^### (.*)$", text, re.MULTILINE))
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def action() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text())
    return loaded


def scripts() -> dict[str, str]:
    """The action's own scripts by the names of its steps."""
    return {step["name"]: step["run"] for step in action()["runs"]["steps"] if "run" in step}


def test_releases_md_finds_the_commit_of_each_version() -> None:
    """By the commit that the changelog names, or by the message that the document has git look for."""
    if run("git", "rev-parse", "--is-shallow-repository", cwd=ROOT).stdout.strip() != "false":
        pytest.skip("needs the history")
    told = (ROOT / "docs/releases.md").read_text()
    (pattern,) = re.findall(r"--grep='(.+?)'", told)
    found = run("git", "log", "--format=%H %s", f"--grep={pattern}", cwd=ROOT).stdout
    messages = {message: commit for commit, _, message in (line.partition(" ") for line in found.splitlines())}
    sections = re.split(r"^## \[", (ROOT / "CHANGELOG.md").read_text(), flags=re.MULTILINE)[2:]
    for section in sections:
        number = section.partition("]")[0]
        if number == __version__:
            continue  # it is being made
        named = re.search(r"^Commit `(\w+)`\.$", section, re.MULTILINE)
        commit = messages.get(f"Version {number}") if named is None else named[1]
        assert commit is not None, f"{number}: no commit is named, and no message begins with its number"
        text = run("git", "show", f"{commit}:pvasm/__init__.py", cwd=ROOT).stdout
        assert f'__version__ = "{number}"' in text
        if named is not None:
            assert f"git rev-parse {commit} " in told


def test_the_action_and_its_scripts_are_what_their_linters_take(tmp_path: Path) -> None:
    done = run(tool("check-jsonschema"), "--builtin-schema", "vendor.github-actions", ROOT / "action.yml")
    assert done.returncode == 0, done.stdout
    for name, text in scripts().items():
        (tmp_path / f"{name}.sh").write_text(f"#!/bin/bash\n{text}")
    done = run(tool("shellcheck"), *tmp_path.iterdir(), ROOT / ".ci/run")
    assert done.returncode == 0, done.stdout


class Job:
    """The action's step `Check`, as a runner would run it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "pvasm/bin").mkdir(parents=True)
        (folder / "pvasm/bin/pvasm").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m pvasm "$@"\n')
        (folder / "pvasm/bin/pvasm").chmod(0o755)
        shutil.copytree(samples_directory(), folder / "sample_S")

    def check(self, **given: str) -> tuple[int, str, dict[str, str]]:
        """The step's status, what it prints, and its outputs."""
        inputs = {name: each["default"] for name, each in action()["inputs"].items()} | given
        (step,) = (step for step in action()["runs"]["steps"] if step.get("id") == "check")
        told = {name: inputs[re.findall(r"inputs\.([\w-]+)", value)[0]] for name, value in step["env"].items()}
        output = self.folder / "output"
        output.write_text("")
        environment = os.environ | told | {"RUNNER_TEMP": str(self.folder), "GITHUB_OUTPUT": str(output)}
        shell = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]  # as runners have it
        done = run(*shell, cwd=self.folder, env=environment)
        outputs = dict(line.split("=", 1) for line in output.read_text().splitlines())
        return done.returncode, done.stdout, outputs


def test_the_action_checks_and_writes_sarif(tmp_path: Path) -> None:
    job = Job(tmp_path)
    status, _, outputs = job.check(paths="sample_S/broken/fsys.S", options="--select PV0")
    assert (status, outputs) == (1, {"sarif-file": "pvasm.sarif", "status": "1"})
    (found,) = json.loads((tmp_path / "pvasm.sarif").read_text())["runs"]
    assert {result["ruleId"] for result in found["results"]} >= {"PV001"}
    status, _, outputs = job.check(paths="sample_S/fsys.S sample_S/exit.S")
    assert (status, outputs["status"]) == (0, "0")
    status, _, outputs = job.check(paths="sample_S/fsys.S", **{"sarif-file": "to come/p q.sarif"})
    assert (status, outputs["sarif-file"]) == (0, "to come/p q.sarif")
    assert json.loads((tmp_path / "to come/p q.sarif").read_text())["runs"][0]["results"] == []
    status, text, _ = job.check(paths="sample_S/broken/fsys.S", format="github")
    assert status == 1
    assert "::error file=sample_S/broken/fsys.S,line=18" in text
    assert job.check(paths="gone.S")[2]["status"] == "2"
    assert job.check(paths="sample_S/fsys.S", format="html")[0] == 2


def test_the_inputs_of_the_action_are_words_and_no_shell(tmp_path: Path) -> None:
    status, _, _ = Job(tmp_path).check(paths="$(touch${IFS}a) ; `touch b` *", options="--ignore PV9;touch c")
    assert status == 2
    assert not {path.name for path in tmp_path.iterdir()} & {"a", "b", "c"}


def test_the_dockerfile_is_what_hadolint_takes_and_ends_without_rights() -> None:
    done = run(tool("hadolint"), ROOT / "Dockerfile")
    assert (done.returncode, done.stdout) == (0, "")
    assert re.findall(r"^USER (.*)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)[-1] != "root"


def test_every_package_that_is_imported_is_declared() -> None:
    """What another package brings along may be gone with its next version."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = [need for name in ("completion", "lsp", "watch") for need in project["optional-dependencies"][name]]
    declared = {re.split(r"[^\w-]", need)[0].replace("_", "-").lower() for need in (*project["dependencies"], *extras)}
    imported: set[str] = set()
    for path in (*(ROOT / "pvasm").rglob("*.py"), *(ROOT / "simulator").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported.update(alias.name.split(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module is not None:
                imported.add(node.module.split(".")[0])
    others = imported - set(sys.stdlib_module_names) - {"pvasm", "pvsim"}
    distributions = packages_distributions()
    assert {distributions[name][0].replace("_", "-").lower() for name in others} | {"pygls"} == declared | {
        "lsprotocol"
    }
    told = (ROOT / "docs/dependencies.md").read_text()
    assert [name for name in declared if not re.search(rf"^\| .*\b{name}\b.* \|", told, re.MULTILINE)] == []
