"""S1, S6: nothing that a tree holds decides what is run. The marker is called PWNED."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from pvasm.errors import PvasmError
from pvasm.syntax.run_cpp import preprocess
from tests.cli.command import pvasm
from tests.oracle import require_tool
from tests.safety.conftest import BAD, Clone

RUN = "nop.S -wrapper sh,-c,id>PWNED"
INSTANCE = "name: mine\ndescription: Mine.\nextends: xen\n"


def evil(clone: Clone) -> None:
    """Files whose names are those of response files, wherever the preprocessor looks for these."""
    for folder in ("", "sub/"):
        clone.write(f"{folder}@evil.S", BAD)
        clone.write(f"{folder}evil.S", RUN)
        clone.write(f"{folder}nop.S", "\tnop 0\n")
    clone.write("other.S", "nop.S -o PWNED")  # for cc1, which gets the input's base name
    clone.write("sub/@other.S", BAD)
    clone.write("mine.yaml", INSTANCE)
    clone.write("@evil.yaml", INSTANCE)
    clone.write("evil.yaml", RUN)


COMMANDS = [
    "check --cpp .",
    "check --cpp @evil.S",
    "check --cpp ./@evil.S",
    "check --cpp sub/@evil.S",
    "check --cpp sub",
    "check --cpp -I @evil.S nop.S",
    "check --cpp -include @evil.S nop.S",
    "check --cpp -i @evil.yaml nop.S",
    "check --fix --cpp .",
    "check --diff -I . .",
    "expand -i xen @evil.S",
    "expand -i xen --output-dir out @evil.S sub/@evil.S",
    "cc -i xen -- gcc -E ./@evil.S",
    "cc -i xen -- gcc -c sub/@evil.S",
    "cc -i xen -- gcc -E sub/@other.S",
    "cc -i xen -- gcc -c sub/@other.S",
    "cc -i xen -- gcc -c -x assembler sub/@other.S",
    "check --cpp sub/@other.S",
    "cc -i xen -- gcc -S -x assembler-with-cpp sub/@evil.S",
    "cc -i ./@evil.yaml -- gcc -E nop.S",
    "header -i ./@evil.yaml",
    "tables -i ./@evil.yaml",
    "tables -i xen --check-symbols @evil.S",
    "diff @evil.S sub/@evil.S",
    "check @evil.c @evil.o @evil.h",
    "import @evil.S",
    "import -I @evil.S -include @evil.S sub/@evil.S",
    "instance validate @evil.yaml",
    "instance show ./@evil.yaml",
    "instance new other --from ./@evil.yaml",
    "instance diff ./@evil.yaml xen",
    "check --write-baseline known.json --cpp .",
]


@pytest.mark.parametrize("command", COMMANDS)
def test_no_name_is_a_response_file(clone: Clone, command: str) -> None:
    """S1"""
    require_tool("gcc")
    evil(clone)
    done = pvasm(*command.split(), cwd=clone.folder)
    clone.assert_nothing_got_out()
    assert "Traceback" not in done.errors


CONFIGURATIONS = [
    'includes = ["@evil.S"]',
    'include-dirs = ["@evil.S"]',
    'include-dirs = ["-wrapper", "sh,-c,id>PWNED"]',
    'defines = ["@evil.S"]',
    'defines = ["X", "-wrapper", "sh,-c,id>PWNED"]',
    'defines = ["X\\n-wrapper"]',
    'defines = ["-fplugin=./PWNED.so"]',
    'defines = ["-o", "PWNED"]',
    'includes = ["-oPWNED"]',
    'includes = ["-wrapper"]',
    'includes = ["-fplugin=x.so"]',
    'include-dirs = ["-oPWNED"]',
    'include-dirs = ["x\\n-wrapper"]',
    'defines = ["X=1 -wrapper sh,-c,id>PWNED"]',
    'paths = ["@evil.S", "-wrapper", "--write-baseline=PWNED"]',
    'baseline = "@evil.S"',
    'instances = ["@evil.yaml", "./-wrapper"]',
]


@pytest.mark.parametrize("shared", [False, True], ids=["pvasm.toml", "pyproject.toml"])
@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_no_configuration_runs_anything(clone: Clone, configuration: str, shared: bool) -> None:
    """S1"""
    require_tool("gcc")
    evil(clone)
    clone.write(
        "pyproject.toml" if shared else "pvasm.toml", ("[tool.pvasm]\n" * shared) + f"cpp = true\n{configuration}\n"
    )
    done = pvasm("check", cwd=clone.folder)
    clone.assert_nothing_got_out()
    assert "Traceback" not in done.errors
    assert done.status in (1, 2)


def test_the_oracle_would_run_it(clone: Clone) -> None:
    """What these tests try does work, where names are given to gcc: else they would show nothing."""
    gcc = require_tool("gcc")
    evil(clone)
    for name in ("@evil.S", "sub/@other.S"):
        subprocess.run([gcc, "-E", name], cwd=clone.folder, capture_output=True, check=False, timeout=60)
        assert (clone.folder / "PWNED").exists()
        (clone.folder / "PWNED").unlink()


@pytest.mark.parametrize("name", ["--write-baseline=new.S", "--fix", "-oPWNED.S", "--config=evil.S", "-I.S", "@x.S"])
def test_a_hooks_files_are_files(clone: Clone, name: str) -> None:
    """S6: a hook gives names as git has them; `--` ends its options."""
    clone.write(name, BAD)
    clone.write("a.S", BAD)
    done = pvasm("check", "--force-exclude", "--", *sorted(os.listdir(clone.folder)), cwd=clone.folder)
    assert done.status == 1 or not name.endswith(".S")
    assert f"{name}:1:" in done.output
    assert (clone.folder / "a.S").read_text() == BAD
    clone.assert_nothing_got_out()


@pytest.mark.parametrize("command", ["parse", "check", "expand -i xen", "import", "instance validate"])
def test_every_command_takes_files_after_the_options(clone: Clone, command: str) -> None:
    """S6"""
    clone.write("-h", "\tnop 0\n")
    done = pvasm(*command.split(), "--", "-h", cwd=clone.folder)
    assert "usage" not in done.output + done.errors
    assert "-h" in done.errors or done.status == 0


def test_a_name_with_a_line_break_makes_no_lines_of_its_own(clone: Clone) -> None:
    """S6: nobody writes lines that look like ours, or colours a terminal, by the names of files."""
    name = "a\npvasm: error: x\x1b[31m.S"
    clone.write(name, BAD)
    for command in ("check", "check --cpp", "expand -i xen", "parse", "import", "instance validate"):
        for each in (name, f"{name}x"):
            done = pvasm(*command.split(), "--", each, cwd=clone.folder)
            assert "\x1b" not in done.errors
            assert all(line.startswith("pvasm: error: a?pvasm") for line in done.error_lines), done.errors


@pytest.mark.parametrize(
    "name", ["it's.S", "a b.S", "back\\slash.S", "$(id>PWNED).S", "`id>PWNED`.S", ";id>PWNED.S", "<x>.S", "ä.S"]
)
def test_odd_names_are_preprocessed(clone: Clone, name: str) -> None:
    """S1: line markers still name the source, and a header beside it is found before one in the current folder."""
    require_tool("gcc")
    name = name.replace("/", "")
    clone.write(f"sub/{name}", '#include "h.h"\n\tREAD r16 = cr.ifa\n')
    clone.write("sub/h.h", "#define READ mov\n")
    clone.write("h.h", "#define READ nop\n")
    done = pvasm("check", "--cpp", "--", f"sub/{name}", cwd=clone.folder)
    assert done.output.startswith(f"sub/{name}:2:")
    assert done.status == 1
    clone.assert_nothing_got_out()


def test_what_is_included_first_is_looked_for_in_the_folders(clone: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    """As gcc does: `-I include -include linux/kconfig.h`."""
    require_tool("gcc")
    monkeypatch.chdir(clone.folder)
    clone.write("include/linux/kconfig.h", "#define WHICH 5\n")
    clone.write("a.S", "WHICH\n")
    assert "\n5\n" in preprocess("a.S", include_directories=["include"], includes=["linux/kconfig.h"])


@pytest.mark.parametrize("define", ["X", "X=1", "F(a, b)=a b", "X=", "_X=-wrapper @x"])
def test_a_define_is_one(define: str, tmp_path: Path) -> None:
    require_tool("gcc")
    (tmp_path / "a.S").write_text("1\n")
    assert "1" in preprocess(str(tmp_path / "a.S"), defines=[define])


@pytest.mark.parametrize("define", ["", "@x", "-X", "1", "X\n", "X=\n", "a b", "=1", " X"])
def test_what_is_no_define_is_refused(define: str, tmp_path: Path) -> None:
    (tmp_path / "a.S").write_text("1\n")
    with pytest.raises(PvasmError, match="NAME=VALUE"):
        preprocess(str(tmp_path / "a.S"), defines=[define])


@pytest.mark.slow
def test_the_preprocessor_has_limits(clone: Clone) -> None:
    """A header that never ends, and one that blows up: an error, and no process left."""
    require_tool("gcc")
    clone.write("zero.S", '#include "/dev/zero"\n')
    lines = ["#define A0 xxxxxxxxxxxxxxxx"] + [
        f"#define A{n} A{n - 1} A{n - 1} A{n - 1} A{n - 1}" for n in range(1, 16)
    ]
    clone.write("bomb.S", "\n".join([*lines, "A15", ""]))
    for name in ("zero.S", "bomb.S"):
        done = pvasm("check", "--cpp", name, cwd=clone.folder)
        assert done.status == 2
        assert len(done.error_lines) == 1
