"""pvasm on each other Python that it declares and this machine has: the same is printed, without a warning.

It is installed from a wheel that is made of what the Dockerfile copies.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pvasm import __version__

ROOT = Path(__file__).parent.parent
THIS = f"{sys.version_info.major}.{sys.version_info.minor}"
DECLARED = re.findall(r"Programming Language :: Python :: (3\.\d+)", (ROOT / "pyproject.toml").read_text())

# What is run, and the status that it ends with.
COMMANDS = (
    (("check", "sample_S/broken", "--no-cache", "--output-format", "json", "--extension", "--select", "PV"), 1),
    (("expand", "sample_S/exit.S", "-i", "xen", "-o", "-"), 0),
    (("instance", "show", "xen", "--op", "ITC_D"), 0),
    (("test", "sample_S/scenarios"), 0),
)


def found(version: str) -> str | None:
    """A Python of this version: on PATH, or where pyenv keeps those that it has made."""
    kept = sorted((Path.home() / ".pyenv/versions").glob(f"{version}.*/bin/python"))
    for path in (shutil.which(f"python{version}"), *map(str, kept)):
        asked = [str(path), "-c", "import sys, ensurepip; print('%d.%d' % sys.version_info[:2])"]
        if path and subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip() == version:
            return path
    return None


def output(python: str, words: tuple[str, ...], folder: Path) -> tuple[int, str, str]:
    command = [python, "-W", "error", "-m", "pvasm", *words]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout.replace(str(folder), ""), done.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel of what .dockerignore lets the Dockerfile copy."""
    folder = tmp_path_factory.mktemp("wheel")
    (folder / "source").mkdir()
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        name, target = line.removeprefix("!"), folder / "source" / line.removeprefix("!")
        if line.startswith("!") and (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, target, ignore=shutil.ignore_patterns("__pycache__"))
        elif line.startswith("!"):
            shutil.copyfile(ROOT / name, target)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", str(folder), str(folder / "source")]
    subprocess.run(command, check=True)
    (made,) = folder.glob(f"pvasm-{__version__}-*.whl")
    return made


@pytest.mark.slow
@pytest.mark.parametrize("version", [each for each in DECLARED if each != THIS])
def test_the_same_is_printed(version: str, wheel: Path, tmp_path: Path) -> None:
    base = found(version)
    if base is None:
        pytest.skip(f"there is no Python {version}")
    subprocess.run([base, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    python = str(tmp_path / "venv/bin/python")
    pip = [sys.executable, "-m", "pip", "--python", python]
    subprocess.run([*pip, "install", "--quiet", "--no-compile", wheel], check=True)
    (tmp_path / "sample_S").symlink_to(ROOT / "sample_S")
    for words, status in COMMANDS:
        expected = output(sys.executable, words, tmp_path)
        assert (expected[0], expected[2]) == (status, "")
        assert output(python, words, tmp_path) == expected


def test_this_python_is_one_of_them() -> None:
    assert THIS in DECLARED
