"""`--build`: what a build has written of its commands gives each source its flags, and nothing of it is run."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pvasm.cc.build_records import read_build
from pvasm.errors import PvasmError
from tests.cli.command import pvasm
from tests.oracle import require_tool
from tests.slow import examples

SOURCE = (
    "#include <asm/a.h>\n#if !defined(WORD) || defined(GONE) || defined(__linux__) == 0\n#error flags\n#endif\n\tA\n"
)
FLAGS = """-nostdinc -isystem inc -includefirst.h -DGONE -UGONE -D'WORD="a b"' -D"CALL(x)=\\#x" -c -o a.o"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    files = {
        "kernel/a.S": SOURCE,
        "kernel/b.S": "#include <asm/a.h>\n\tA\n",
        "build/inc/asm/a.h": "#define A mov r1 = cr.ifa\n",
        "build/first.h": "",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def database(tree: Path, *commands: str, file: str = "../kernel/a.S") -> None:
    entries = [{"directory": str(tree / "build"), "file": file, "command": each} for each in commands]
    (tree / "build/compile_commands.json").write_text(json.dumps([{"directory": "/", "file": "x.c"}, *entries]))


def kbuild(tree: Path, command: str, prefix: str = "savedcmd_") -> None:
    (tree / "build/k").mkdir(exist_ok=True)
    escaped = command.replace("$", "$$").replace("\\#", "$(pound)")
    (tree / "build/k/.a.o.cmd").write_text(f"{prefix}k/a.o := {escaped}\n\nsource_k/a.o := ../kernel/a.S\n")


def findings(tree: Path, *arguments: str) -> tuple[int, list[str], list[str]]:
    require_tool("gcc")
    done = pvasm("check", "--no-config", "--no-cache", "--output-format", "gcc", *arguments, cwd=tree)
    return done.status, [line for line in done.output.splitlines() if "[PV" in line], done.error_lines


@pytest.mark.parametrize("record", ["database", "kbuild", "old kbuild", "pvasm in kbuild"])
def test_each_source_has_the_flags_that_it_is_built_with(record: str, tree: Path) -> None:
    command = f"ia64-linux-gcc -Wp,-MMD,k/.a.o.d {FLAGS} ../kernel/a.S"
    if record == "database":
        database(tree, command)
    elif record == "pvasm in kbuild":
        kbuild(tree, f"pvasm cc -i xen -- ccache ia64-linux-gnu-as -x {FLAGS} ../kernel/a.S ; echo $HOME")
    else:
        kbuild(tree, command, "savedcmd_" if record == "kbuild" else "cmd_")
    status, found, said = findings(tree, "--build", "build", "kernel")
    assert (status, len(found)) == (2, 1), said
    assert found[0].startswith("kernel/a.S:5:2: error: ")
    assert said[0] == (
        "pvasm: note: kernel/b.S: the build does not tell of this file: the flags are the other settings'"
    )
    assert re.match(r"pvasm: error: kernel/b.S:1:\d+: asm/a.h: no such file or folder", said[1])
    status, found, said = findings(tree, "--build", "build", "-I", "build/inc", "kernel")
    assert (status, len(found), len(said)) == (1, 2, 1)


def test_the_build_beats_the_configuration_and_the_command_line_both(tree: Path) -> None:
    database(tree, f"gcc {FLAGS} -DLEVEL=2 ../kernel/a.S")
    (tree / "kernel/a.S").write_text("#if LEVEL == 2\n\tcover\n#elif LEVEL == 3\n\trfi\n#endif\n")
    (tree / "pvasm.toml").write_text('defines = ["LEVEL=1"]\nincludes = ["gone.h"]\n')
    told = pvasm("check", "--no-cache", "--build", "build", "kernel/a.S", cwd=tree)
    assert "pvasm.toml:2: includes: 'gone.h'" in told.errors  # a file that is not built would want it
    (tree / "pvasm.toml").write_text('defines = ["LEVEL=1"]\n')
    assert "COVER" in pvasm("check", "--no-cache", "--build", "build", "kernel/a.S", cwd=tree).output
    assert "RFI" in pvasm("check", "--no-cache", "--build", "build", "-DLEVEL=3", "kernel/a.S", cwd=tree).output


def test_cc_and_single_binaries_have_them_too(tree: Path) -> None:
    program = require_tool("ia64-linux-gnu-as")
    database(tree, f"gcc {FLAGS} -D__IA64_ASM_PARAVIRTUALIZED_NATIVE ../kernel/a.S")
    (tree / "kernel/a.S").write_text(SOURCE.replace("\tA\n", "\tMOV_FROM_IFA(r1) ;;\n"))
    for command in (
        ["cc", "-i", "xen", "--build", "build", "--", program, "-x", "-c", "-o", "a.o", "kernel/a.S"],
        ["expand", "--single-binary", "native,xen", "--build", "build", "-o", "a.s", "kernel/a.S"],
    ):
        assert pvasm(*[each for each in command if each not in ("--build", "build")], cwd=tree).status != 0
        done = pvasm(*command, cwd=tree)
        assert (done.status, done.errors) == (0, "")
    text = pvasm("expand", "-i", "xen", "--build", "build", "kernel/a.S", cwd=tree)
    assert (text.status, text.errors) == (0, "")
    assert (
        text.output == pvasm("cc", "-i", "xen", "--build", "build", "--", program, "-E", "kernel/a.S", cwd=tree).output
    )
    assert "ld8 r1 = [r1]" in text.output
    several = pvasm("expand", "-i", "all", "-i", "xen", "--build", "build", "kernel/a.S", cwd=tree)
    assert several.error_lines == ["pvasm: error: --build has flags for each file alone: give one, and one --instance"]
    code = subprocess.run(["ia64-linux-gnu-objdump", "-d", "a.o"], cwd=tree, capture_output=True, text=True, check=True)
    assert "ld8 r1=[r1]" in code.stdout
    none = pvasm("cc", "-i", "xen", "--build", "build", "--", program, "-o", "a.o", "kernel/b.S", cwd=tree)
    assert (none.status, none.errors) == (
        2,
        "pvasm: error: kernel/b.S: the build in build does not tell of this file\n",
    )


WRONG = {
    "gcc -D'X Y' ../kernel/a.S": "-D: 'X Y' is no macro: NAME or NAME=VALUE is due",
    "gcc -include /etc/passwd ../kernel/a.S": (
        "-include /etc/passwd: is neither below the build, nor where the command looks for headers"
    ),
    "gcc -imacros ../../../../../../../../../etc/passwd ../kernel/a.S": (
        "-include ../../../../../../../../../etc/passwd: is neither below the build, "
        "nor where the command looks for headers"
    ),
    "gcc -DX='a": "a command that no shell would take: No closing quotation",
    "gcc -I '' ../kernel/a.S": "an empty path, or one with a NUL, means nothing",
}


@pytest.mark.parametrize("command", WRONG)
def test_what_is_no_flag_is_an_error_with_its_place(command: str, tree: Path) -> None:
    database(tree, command)
    status, _, said = findings(tree, "--build", "build", "kernel/a.S")
    assert (status, said) == (2, [f"pvasm: error: build/compile_commands.json:1: {WRONG[command]}"])


def test_nothing_is_run_and_no_file_of_options_is_read(tree: Path) -> None:
    (tree / "build/options").write_text("-DFROM_FILE")
    database(tree, "gcc -D`touch${IFS}evil` -D$(touch evil) @options -wrapper ./evil -B. ../kernel/a.S; touch evil")
    with pytest.raises(PvasmError, match="no macro"):
        read_build(str(tree / "build"))
    database(tree, "gcc -DX='`touch evil`' -I'$(touch evil)' @options -wrapper ./evil -B. ../kernel/a.S; touch evil")
    (flags,) = read_build(str(tree / "build")).values()
    assert "X=`touch evil`" in flags.defines
    assert not [each for each in flags.options if "FROM_FILE" in each or "wrapper" in each]
    _, _, told = findings(tree, "--build", "build", "kernel/a.S")
    said = "@options of the command for ../kernel/a.S is not read: what it has of -I, -D and -include, give as well"
    assert told[0] == f"pvasm: note: build/compile_commands.json:1: {said}"
    assert not list(tree.rglob("evil"))
    assert not Path("evil").exists()
    database(tree, "gcc @options -c ../kernel/a.S")
    assert (
        findings(tree, "--build", "build", "kernel/a.S")[2][0] == f"pvasm: note: build/compile_commands.json:1: {said}"
    )


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "tells of no build: neither compile_commands.json nor Kbuild's .*.o.cmd files of assembly are in it"),
        ("[", "is no compilation database: Input data was truncated"),
        *(
            (
                f'[{{"file": "x.c"}},\n{{"file": "a.S"{more}}}]',
                "2: says nothing of how a.S is compiled: `command' or `arguments' is due",
            )
            for more in ("", ', "command": ""', ', "command": null', ', "arguments": []')
        ),
        ('[{"file": 1}]', "is no compilation database: Expected `str`, got `int` - at `$[0].file`"),
        ("[" * 100_000, "is no compilation database"),
    ],
)
def test_what_tells_of_no_build(content: str | None, said: str, tree: Path) -> None:
    if content is not None:
        (tree / "build/compile_commands.json").write_text(content)
    status, _, told = findings(tree, "--build", "build", "kernel/a.S")
    assert status == 2
    assert len(told) == 1
    assert said in told[0]
    shutil.rmtree(tree / "build")
    assert findings(tree, "--build", "build", "kernel/a.S")[2] == [
        "pvasm: error: build: --build: no such file or folder"
    ]


def test_records_of_another_folder_do_not_count(tree: Path) -> None:
    """A `.cmd` file names what its paths are relative to: that is the folder that was named, or below it."""
    kbuild(tree, f"gcc {FLAGS} ../kernel/a.S")
    with pytest.raises(PvasmError, match="tells of no build"):
        read_build(str(tree / "build/k"))
    (tree / "build/k/.a.o.cmd").write_text("cmd_/etc/a.o := gcc -I/etc ../kernel/a.S\n")
    with pytest.raises(PvasmError, match="tells of no build"):
        read_build(str(tree / "build"))


WORDS = st.text(st.characters(codec="utf-8"), max_size=12) | st.sampled_from(
    [
        "-I",
        "-Iinc",
        "-D",
        "-DX",
        "-UX",
        "-include",
        "-isystem",
        "--",
        "@x",
        "-x",
        "pvasm",
        "a.S",
        "'",
        "$(pound)",
        ";",
        "\0",
    ]
)
COMMANDS = st.lists(WORDS, max_size=8).map(" ".join)
ENTRIES = st.lists(
    st.fixed_dictionaries(
        {"file": WORDS | st.just("a.S"), "directory": WORDS},
        optional={"command": COMMANDS, "arguments": st.lists(WORDS, max_size=6)},
    ),
    max_size=4,
)


@settings(max_examples=examples(150), suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(ENTRIES, COMMANDS)
def test_whatever_is_in_a_record_is_an_error_at_most(tmp_path: Path, entries: object, command: str) -> None:
    (tmp_path / "compile_commands.json").write_text(json.dumps(entries))
    (tmp_path / ".a.o.cmd").write_text(f"cmd_a.o := {command}\n")
    try:
        found = read_build(str(tmp_path))
    except PvasmError:
        return
    for flags in found.values():
        assert not [each for each in flags.options if "\0" in each]
