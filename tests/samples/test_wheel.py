"""A wheel, installed in an empty environment away from the checkout, has all that it needs with it."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]


def run(*command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    return subprocess.run([str(word) for word in command], cwd=cwd, env=environment, capture_output=True, text=True)


def fetched(done: subprocess.CompletedProcess[str]) -> None:
    """Skip (in CI: fail) when a step that may need the package index did not work."""
    if done.returncode == 0:
        return
    reason = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1]
    if os.environ.get("CI") != "true" and "No matching distribution found" in done.stderr + done.stdout:
        pytest.skip(f"the package index cannot be reached: {reason}")
    pytest.fail(done.stdout + done.stderr)


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The scripts folder of a virtual environment with the wheel and nothing else of ours."""
    folder = tmp_path_factory.mktemp("wheel")
    fetched(run(sys.executable, "-m", "build", "--wheel", "--outdir", folder / "dist", CHECKOUT, cwd=folder))
    (wheel,) = (folder / "dist").glob("pvasm-*.whl")
    venv.create(folder / "empty", with_pip=False)
    scripts = folder / "empty" / "bin"
    install: list[str | Path] = [
        "--python",
        scripts / "python",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        wheel,
    ]
    fetched(run(sys.executable, "-m", "pip", *install, cwd=folder))
    return scripts


def sample(environment: Path, name: str) -> Path:
    """A sample as the wheel brought it, in the environment."""
    code = "from pvasm.data import samples_directory; print(samples_directory())"
    found = run(environment / "python", "-c", code, cwd=environment)
    assert found.returncode == 0, found.stderr
    path = Path(found.stdout.strip())
    assert CHECKOUT not in path.parents
    return path / name


@pytest.mark.slow
def test_the_command_says_its_version(environment: Path) -> None:
    done = run(environment / "pvasm", "--version", cwd=environment)
    assert done.returncode == 0, done.stderr
    assert "pvasm" in done.stdout


@pytest.mark.slow
def test_it_brings_what_builds_include(environment: Path) -> None:
    done = run(environment / "pvasm", "--integration-dir", cwd=environment)
    assert (done.returncode, done.stderr) == (0, "")
    folder = Path(done.stdout.removesuffix("\n"))
    assert CHECKOUT not in folder.parents
    assert {path.name for path in folder.iterdir()} == {path.name for path in (CHECKOUT / "integration").iterdir()}


@pytest.mark.slow
def test_it_brings_the_templates_of_reports(environment: Path, tmp_path: Path) -> None:
    done = run(
        environment / "pvasm", "report", sample(environment, "switch_to.S"), "-o", tmp_path / "r", cwd=environment
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "r").read_text().startswith("<!DOCTYPE html>")


@pytest.mark.slow
def test_it_checks_a_sample(environment: Path) -> None:
    whole = run(environment / "pvasm", "check", sample(environment, "switch_to.S"), cwd=environment)
    assert (whole.returncode, whole.stderr) == (0, "")
    broken = run(environment / "pvasm", "check", sample(environment, "broken/switch_to.S"), cwd=environment)
    assert (broken.returncode, broken.stderr) == (1, "")
    assert "PV002" in broken.stdout


@pytest.mark.slow
def test_it_expands_a_sample(environment: Path, tmp_path: Path) -> None:
    target = tmp_path / "variant.S"
    arguments: list[str | Path] = ["expand", sample(environment, "switch_to.S"), "--instance", "xen", "-o", target]
    done = run(environment / "pvasm", *arguments, cwd=environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert "MOV_TO_KR(" not in target.read_text()
