"""Command lines are read as gcc reads them."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from pvasm.cc.command_line import PLAIN, WITH_CPP, read_command
from tests.oracle import require_tool

# gcc tells which options take the next word, but not those for the linker and for certain languages.
MORE = [
    *("-I", "-D", "-U", "-L", "-l", "-T", "-u", "-z", "-B", "-e", "-h", "-R", "-A", "-F", "-Xassembler", "-Xlinker"),
    *("-Xpreprocessor", "-Tbss", "-Tdata", "-Ttext", "-wrapper", "-aux-info", "--entry", "--force-link", "--undefine"),
    *("--for-linker", "--for-assembler", "--sysroot", "--prefix", "--library-directory"),
]
JOINED = ["-ofoo", "-Ifoo", "-DX=1", "-UX", "-MFfoo", "-MTfoo", "-lfoo", "-Tfoo", "-includeplain.h", "--output=foo"]
WITHOUT = [
    "-c",
    "-MD",
    "-MMD",
    "-MP",
    "-MG",
    "-pipe",
    "-g",
    "-O2",
    "-Wall",
    "-save-temps",
    "-r",
    "-n",
    "-Wp,-MD,x",
    "-H",
]


@pytest.fixture(scope="module")
def gcc() -> str:
    return require_tool("gcc")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("folder")
    for name in ("one.S", "two.S", "plain.h"):
        (folder / name).touch()
    return folder


def inputs_for_gcc(gcc: str, arguments: list[str], folder: Path) -> int | None:
    """How many inputs gcc would preprocess; None if it does not take the command."""
    done = subprocess.run([gcc, "-###", *arguments], cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        return None
    return sum(re.match(r' .*/cc1"? ', line) is not None for line in done.stderr.splitlines())


def inputs_for_us(arguments: list[str]) -> list[str]:
    return [word.value for word in read_command(["gcc", *arguments]).inputs]


def separate_options(gcc: str) -> list[str]:
    """The options that gcc says take the next word."""
    listing = subprocess.run([gcc, "--help=separate"], capture_output=True, text=True, check=True).stdout
    return re.findall(r"^  (-[\w-]+)(?=[ <=])", listing, re.MULTILINE)


def test_no_option_loses_its_argument(gcc: str, folder: Path) -> None:
    options = sorted({*separate_options(gcc), *MORE})
    taken = []
    for option in options:
        arguments = ["-c", option, "one.S", "two.S"]
        expected = inputs_for_gcc(gcc, arguments, folder)
        if expected is not None:
            assert len(inputs_for_us(arguments)) == expected, option
            taken += [option] if expected == 1 else []
    assert len(taken) > 45


def test_no_option_takes_what_is_not_its_own(gcc: str, folder: Path) -> None:
    for option in (*JOINED, *WITHOUT):
        arguments = ["-c", option, "one.S", *([] if option.startswith(("-o", "--output")) else ["two.S"])]
        expected = inputs_for_gcc(gcc, arguments, folder)
        assert expected is not None, option
        assert len(inputs_for_us(arguments)) == expected, option


@pytest.mark.parametrize(
    "text",
    [
        "-c one.S two.S",
        "-c 'one.S' \"tw\"o.S",
        "-c on\\e.S\n\n\t two.S\n",
        "-c -D 'A B' one.S -DX=\\\"a\\\" two.S",
        "'-c' one.S ''",
    ],
)
def test_response_files(text: str, gcc: str, folder: Path) -> None:
    (folder / "response").write_text(text)
    for name in ("response", "outer"):
        path = str(folder / name)
        (folder / "outer").write_text(f"@{folder}/response")
        expected = inputs_for_gcc(gcc, [f"@{path}"], folder)
        if expected is not None:
            assert len(inputs_for_us([f"@{path}"])) == expected


def test_a_response_file_that_names_itself_comes_to_an_end(folder: Path) -> None:
    path = folder / "endless"
    path.write_text(f"one.S @{path}")
    assert inputs_for_us([f"@{path}"])[-1] == f"@{path}"


def test_a_response_file_that_is_none_is_an_input() -> None:
    assert inputs_for_us(["@no/such/file"]) == ["@no/such/file"]


def test_languages() -> None:
    command = read_command(
        [
            "gcc",
            "a.S",
            "b.s",
            "c.sx",
            "d.c",
            "e.lds.S",
            "-x",
            "assembler",
            "f.c",
            "-",
            "-xassembler-with-cpp",
            "g",
            "-x",
            "none",
            "h.s",
            "-",
        ]
    )
    languages: dict[str, str | None] = {}
    for word in command.inputs:
        languages.setdefault(word.value, word.language)
    assert languages == {
        "a.S": WITH_CPP,
        "b.s": PLAIN,
        "c.sx": WITH_CPP,
        "d.c": None,
        "e.lds.S": None,
        "f.c": PLAIN,
        "-": PLAIN,
        "g": WITH_CPP,
        "h.s": PLAIN,
    }
