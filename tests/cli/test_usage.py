"""What is not known on the command line: one line that says so, and what may be meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.command import pvasm

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
    "frob": "there is no command `frob': there are parse, check, explain, expand, cc, header, import, instance "
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
