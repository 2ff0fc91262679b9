"""What is not known on the command line, or is not there: one line that says so, and what may be meant.

Section 4 of the cases (friction); F marks what was found later.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from pvasm import exit_status
from tests.cli.command import pvasm
from tests.oracle import require_tool

WRONG = {
    "chekc": "there is no command `chekc': did you mean `check'? (`pvasm --help' tells more)",
    "check --slect PV001": "there is no option `--slect': did you mean `--select'? (`pvasm check --help' tells more)",
    "check --selct=PV001": "there is no option `--selct': did you mean `--select'? (`pvasm check --help' tells more)",
    "check --output-format jsn": "there is no choice for --output-format `jsn': did you mean `json'? "
    "(`pvasm check --help' tells more)",
    "instance lst": "there is no command `lst': did you mean `list'? (`pvasm instance --help' tells more)",
    "help chekc": "there is no command `chekc': did you mean `check'? (`pvasm --help' tells more)",
    "check --zzz": "there is no option `--zzz' (`pvasm check --help' tells more)",
    "hlep": "there is no command `hlep': did you mean `help'? (`pvasm --help' tells more)",
    "--verson": "there is no option `--verson': did you mean `--version'? (`pvasm --help' tells more)",
    "expand --isntance xen a.S": "there is no option `--isntance': did you mean `--instance'? "
    "(`pvasm expand --help' tells more)",
    "cc --instnace xen -- gcc -c": "there is no option `--instnace': did you mean `--instance'? "
    "(`pvasm cc --help' tells more)",
    "instance --fmt json": "there is no option `--fmt' (`pvasm instance --help' tells more)",
    "chekc --slect": "there is no command `chekc': did you mean `check'? (`pvasm --help' tells more)",
    "expand -i xen": "the following arguments are required: FILE (`pvasm expand --help' tells more)",
    "frob": "there is no command `frob': there are init, parse, check, explain, report, expand, cc, header, tables, "
    "import, instance, disasm, diff, patch, simulate, compare, scenario, test, serve, lsp, completion, help, man "
    "(`pvasm --help' tells more)",
}


@pytest.mark.parametrize("words", WRONG)
def test_a_slip_of_the_finger(words: str) -> None:
    done = pvasm(*words.split())
    assert (done.status, done.output, done.error_lines) == (2, "", [f"pvasm: error: {WRONG[words]}"])


@pytest.mark.parametrize("command", ["check", "expand", "cc", "instance"])
def test_help(command: str) -> None:
    said = pvasm("help", command)
    assert said == pvasm(command, "--help")
    assert said.output.startswith(f"usage: pvasm {command}")
    assert pvasm("help") == pvasm("--help")
    assert pvasm("help", "help").output.startswith("usage: pvasm help [-h] [COMMAND ...]\n")
    assert pvasm("help", "instance", "show") == pvasm("instance", "show", "--help")


@pytest.mark.parametrize("command", exit_status.COMMANDS)
def test_every_help_tells_what_it_does_and_the_exit_statuses(command: str) -> None:
    """F: `parse --help' had no description, and only that of `check' told the exit statuses."""
    said = " ".join(pvasm(*command.split(), "--help").output.split())
    usage, _, _ = said.partition(" options: ")
    assert usage.startswith(f"usage: pvasm {command} ")
    assert re.search(r"\.( positional arguments: |$)", usage)
    assert said.endswith(exit_status.told(command) or "nothing")
    for status in (0, exit_status.CANNOT_RUN, exit_status.INTERRUPTED, exit_status.PIPE_CLOSED):
        assert re.search(rf"(Exit status:|;) {status} ", said)


def test_the_commands_of_the_account_are_those_that_there_are() -> None:
    listed = set(re.findall(r"^    ([a-z]+) ", pvasm("--help").output, re.M))
    groups = {"instance", "scenario"}
    below = {
        f"{group} {name}"
        for group in groups
        for name in re.findall(r"^    ([a-z]+) ", pvasm(group, "--help").output, re.M)
    }
    assert set(exit_status.COMMANDS) == listed - groups | below


# ------------------------------------------------------------------------------------------ codes

CODES = {
    "PV99": "those that begin with PV9 are PV900, PV901, PV902, PV910, PV911",
    "PV3O1": "those that begin with PV3 are PV301, PV302",
    "PV777": "there are PV0, PV1, PV2, PV3, PV4, PV5, PV6, PV9 (`pvasm explain' lists them all)",
    "P001": "(did you mean PV001?) (`pvasm explain' lists them all)",
    "X": "(`pvasm explain' lists them all)",
}


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("command", ["check --select", "check --ignore", "check --extend-select", "explain"])
def test_a_code_that_there_is_not(code: str, command: str, tmp_path: Path) -> None:
    (tmp_path / "a.S").write_text("\tnop 0\n")
    words = [*command.split(), code, *(["a.S"] if "check" in command else [])]
    done = pvasm(*words, cwd=tmp_path)
    assert (done.status, done.output) == (2, "")
    (line,) = done.error_lines
    assert line in {f"pvasm: error: unknown code '{code}'{joint}{CODES[code]}" for joint in (": ", " ")}


def test_a_code_of_the_configuration_that_there_is_not(tmp_path: Path) -> None:
    (tmp_path / "a.S").write_text("\tnop 0\n")
    (tmp_path / "pvasm.toml").write_text('cpp = false\nignore = ["PV99"]\n')
    done = pvasm("check", "a.S", cwd=tmp_path)
    assert done.error_lines == [f"pvasm: error: pvasm.toml:2: ignore: unknown code 'PV99': {CODES['PV99']}"]


# ------------------------------------------------------------------------------------ no such file

NO_SUCH_FILE = [
    "check gone",
    "check --diff gone",
    "check --fix gone",
    "check --config gone a.S",
    "check --baseline gone a.S",
    "check --instance ./gone.yaml a.S",
    "parse gone",
    "expand -i xen gone",
    "expand -i ./gone.yaml a.S",
    "cc -i ./gone.yaml gcc -c a.S",
    "header -i ./gone.yaml",
    "tables -i ./gone.yaml",
    "tables -i xen --check-symbols gone",
    "import gone",
    "import a.S -include gone",
    "instance show ./gone.yaml",
    "instance validate gone.yaml",
    "instance diff xen ./gone.yaml",
]


@pytest.mark.parametrize("command", NO_SUCH_FILE)
def test_every_command_says_no_such_file_in_the_same_words(command: str, tmp_path: Path) -> None:
    (tmp_path / "a.S").write_text("\tnop 0\n")
    done = pvasm(*command.split(), cwd=tmp_path)
    name = "gone.yaml" if ".yaml" in command else "gone"
    assert (done.status, done.error_lines) == (2, [f"pvasm: error: {name}: no such file or folder"])


@pytest.mark.parametrize(
    "command", ["parse .", "expand -i xen .", "import .", "instance show ./", "check --config . a.S"]
)
def test_a_folder_is_no_file(command: str, tmp_path: Path) -> None:
    (tmp_path / "a.S").write_text("\tnop 0\n")
    done = pvasm(*command.split(), cwd=tmp_path)
    assert (done.status, done.error_lines) == (2, ["pvasm: error: .: is a folder, not a file"])


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        ("/", "a folder of that name exists"),
        ("sub", "a folder of that name exists"),
        ("sub/", "a folder of that name exists"),
        ("gone/", "that is the name of a folder"),
        ("gone/x", "the folder does not exist"),
        ("a.S/x", "a part of the path is no folder"),
    ],
)
@pytest.mark.parametrize("command", ["expand -i xen a.S", "header -i xen", "instance new mine --from xen"])
def test_an_output_that_is_no_file(command: str, output: str, reason: str, tmp_path: Path) -> None:
    """F: of `-o /` it was said that the folder does not exist."""
    (tmp_path / "a.S").write_text("\tnop 0\n")
    (tmp_path / "sub").mkdir()
    done = pvasm(*command.split(), "-o", output, cwd=tmp_path)
    (line,) = done.error_lines
    exists = "exists already; remove it, or name another file with -o"
    assert line in (f"pvasm: error: {output}: cannot be written: {reason}", f"pvasm: error: {output}: {exists}")
    assert done.status == 2


# ------------------------------------------------------------------- what a configuration names

MISSING = {
    'paths = ["a.S",\n  "gone"]\n': "2: paths: 'gone': no such file or folder",
    'cpp = true\nincludes = ["gone.h"]\n': "2: includes: 'gone.h': no such file or folder",
    '\ninstances = ["xem"]\n': "2: instances: 'xem': unknown instance xem (did you mean xen?); known are "
    "hvm, native, native-poison, trap, xen",
    'instances = ["xen",\n"./mine.yaml"]\n': "2: instances: 'mine.yaml': no such file or folder",
    'baseline = "known.json"\n': "1: baseline: 'known.json': no such file or folder",
}


@pytest.mark.parametrize("text", MISSING)
@pytest.mark.parametrize("below", ["", "sub"])
def test_what_a_configuration_names_and_is_not_there_has_its_line(text: str, below: str, tmp_path: Path) -> None:
    (tmp_path / "a.S").write_text("\tnop 0\n")
    (tmp_path / "sub").mkdir()
    (tmp_path / "pvasm.toml").write_text(text)
    done = pvasm("check", cwd=tmp_path / below)
    at = tmp_path / "pvasm.toml" if below else "pvasm.toml"
    assert (done.status, done.error_lines) == (2, [f"pvasm: error: {at}:{MISSING[text]}"])


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ('paths = ["gone"]\n', "a.S"),
        ('includes = ["gone.h"]\n', "a.S"),  # without --cpp
        ('cpp = true\nincludes = ["gone.h"]\n', "--no-cpp a.S"),
        ('instances = ["xem"]\n', "--instance xen a.S"),
        ('baseline = "gone.json"\n', "--write-baseline gone.json a.S"),
        ('cpp = true\ninclude-dirs = ["gone"]\n', "a.S"),  # as for gcc
    ],
)
def test_what_is_not_wanted_need_not_be_there(text: str, options: str, tmp_path: Path) -> None:
    if "cpp = true" in text:
        require_tool("gcc")
    (tmp_path / "a.S").write_text("\tnop 0\n")
    (tmp_path / "pvasm.toml").write_text(text)
    done = pvasm("check", *options.split(), cwd=tmp_path)
    assert (done.status, done.error_lines) == (0, [])


# ------------------------------------------------------------------------------- which files are read


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("a.S", "made/b.S", "kept/c.S", "kept/d.S", "sub/made/e.S"):
        path = tmp_path / "top" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\trfi\n")
    (tmp_path / ".git").mkdir()
    (tmp_path / ".gitignore").write_text("made/\n/top/kept/*\n!/top/kept/c.S\n")
    return tmp_path


def files(tree: Path, *arguments: str) -> list[str]:
    output = pvasm("check", "--output-format", "gcc", *arguments, cwd=tree).output
    return sorted(line.split(":")[0] for line in output.splitlines())


def test_what_git_ignores_is_not_searched(tree: Path) -> None:
    assert files(tree, "top") == ["top/a.S", "top/kept/c.S"]
    assert files(tree / "top", ".") == ["a.S", "kept/c.S"]  # what holds above the folder holds in it
    assert len(files(tree, "top", "--no-gitignore")) == 5
    (tree / "pvasm.toml").write_text("respect-gitignore = false\n")
    assert len(files(tree, "top")) == 5


def test_a_folder_that_is_all_left_out_says_by_what(tree: Path) -> None:
    """It said that there is no assembly, to whoever sees it there."""
    (tree / "top/.gitignore").write_text("*.S\n")
    (tree / "top/b.h").write_text("int x;\n")
    said = "pvasm: error: top: git ignores all assembly in this folder: --no-gitignore has it checked"
    assert pvasm("check", "top", cwd=tree).error_lines == [said]
    said = "git ignores all assembly below it: take it out of .gitignore, or write a pvasm.toml with"
    assert pvasm("init", "top", cwd=tree).error_lines == [f"pvasm: error: top: {said} `respect-gitignore = false'"]
    (tree / "top/.gitignore").unlink()
    (tree / "pvasm.toml").write_text('exclude = ["*.S"]\n')
    said = "pvasm: error: top: `exclude' leaves out all assembly in this folder, or git ignores it"
    assert pvasm("check", "top", cwd=tree).error_lines == [said]
    (tree / "none").mkdir()
    said = "pvasm: error: none: no assembly in this folder (.S, .s, .sx, or headers)"
    assert pvasm("check", "none", cwd=tree).error_lines == [said]


def test_the_nearest_gitignore_decides(tree: Path) -> None:
    (tree / "top/sub/.gitignore").write_text("!made/\n")
    assert files(tree, "top") == ["top/a.S", "top/kept/c.S", "top/sub/made/e.S"]
    (tree / "top/sub/.gitignore").unlink()
    (tree / "top/.gitignore").write_bytes(b"\xff[\n*.S\n")
    assert files(tree, "top") == []


def test_a_file_that_is_named_is_read(tree: Path) -> None:
    assert files(tree, "top/made/b.S") == ["top/made/b.S"]


# ----------------------------------------------------------------------------------- no assembly


PROSE = "This is a text.\nNothing to see, here: move along.\n\n- and so on\n"


C_TEXT = '#include <a.h>\n#define A 1\nint f(void)\n{\n\tasm volatile("mov %0 = cr.ifa" : "=r"(x));\n\treturn x;\n}\n'


@pytest.mark.parametrize("text", [PROSE, C_TEXT], ids=["prose", "C"])
@pytest.mark.parametrize("command", ["expand -i xen", "parse"])
def test_so_it_is_for_the_other_commands_that_read_assembly(command: str, text: str, tmp_path: Path) -> None:
    """F: `expand` copied C as if it were assembly."""
    (tmp_path / "c.c").write_text(text)
    done = pvasm(*command.split(), "c.c", cwd=tmp_path)
    message = "pvasm: error: c.c: not assembly: no instruction, directive or op stands in it"
    assert (done.status, done.output, done.error_lines) == (2, "", [message])


@pytest.mark.parametrize("text", [PROSE, C_TEXT], ids=["prose", "C"])
def test_a_text_that_is_no_assembly(text: str, tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text(text)
    (tmp_path / "a.S").write_text("\tnop 0\n")
    done = pvasm("check", "t.txt", "a.S", cwd=tmp_path)
    message = "pvasm: error: t.txt: not assembly: no instruction, directive or op stands in it"
    assert (done.status, done.error_lines) == (2, [message])


@pytest.mark.parametrize(
    "text", ["", "\n", "\tnop 0\n", "COVER\n", "\t.text\n", "x = 1\n", "#include <a.h>\n", "// a\n"]
)
def test_what_may_be_assembly_is_read_whatever_its_name(text: str, tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text(text)
    assert pvasm("check", "t.txt", cwd=tmp_path).status == 0


def test_a_source_of_macros_alone_is_assembly(tmp_path: Path) -> None:
    (tmp_path / "a.S").write_text("SAVE_ALL\nFOO(r8)\n")
    assert pvasm("check", "a.S", cwd=tmp_path).status == 0


@pytest.mark.parametrize(
    "words",
    [
        "check a.S --output-format gcc b.S",
        "check --output-format=gcc a.S -Inone --no-cpp b.S",
        "check a.S --output-format gcc -- b.S",
        "check a.S --no-cpp -I none b.S --output-format gcc",
        "check - --output-format gcc a.S b.S",
    ],
)
def test_options_may_stand_between_files(words: str, tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / f"{name}.S").write_text("\trfi\n")
    done = pvasm(*words.split(), cwd=tmp_path, stdin=b"\trfi\n" if "-" in words.split() else b"")
    found = [line.split(":")[0] for line in done.output.splitlines()]
    assert (done.status, done.errors, found[-2:]) == (1, "", ["a.S", "b.S"]), done


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("check a.S --select", "argument --select: expected one argument (`pvasm check --help' tells more)"),
        (
            "check a.S --select --no-cpp b.S",
            "argument --select: expected one argument (`pvasm check --help' tells more)",
        ),
        ("check a.S -Z b.S", "there is no option `-Z' (`pvasm check --help' tells more)"),
        ("check a.S -- --no-cpp b.S", "--no-cpp: no such file or folder"),
        ("explain PV301 -v PV302", "there is no option `-v' (`pvasm explain --help' tells more)"),
        ("init a --force b", "there is no place for b: too many arguments (`pvasm init --help' tells more)"),
    ],
)
def test_options_between_files_that_are_wrong(words: str, said: str, tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / f"{name}.S").write_text("\tnop 0\n")
    done = pvasm(*words.split(), cwd=tmp_path)
    assert (done.status, done.error_lines) == (2, [f"pvasm: error: {said}"])


@pytest.mark.parametrize(
    "words", ["check a.S", "check a.S --output-format json", "explain --all", "expand -i xen a.S -o -", "man check"]
)
def test_a_full_disk_behind_standard_output_is_told(words: str, tmp_path: Path) -> None:
    (tmp_path / "a.S").write_text("\trfi\n" if words.startswith("check") else "\tRFI\n")
    command = [sys.executable, "-m", "pvasm", *words.split()]
    with open("/dev/full", "wb") as full:
        done = subprocess.run(command, cwd=tmp_path, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    said = "pvasm: error: standard output: cannot be written: no space left on the device: make room there\n"
    assert (done.returncode, done.stderr) == (2, said)
