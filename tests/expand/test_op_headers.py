"""M13: headers that define ops themselves, by every route through the C preprocessor; it is what gcc makes of them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.cli.command import Done, pvasm
from tests.oracle import require_tool

INST = "#define RFI rfi\n#define MOV_FROM_IFA(reg) \\\n\tmov reg = cr.ifa\n#define KEPT 7\n"
SOURCE = "#include <asm/native/inst.h>\n\tMOV_FROM_IFA(r16)\n\t;;\n\tadds r17 = KEPT, r16\n\tRFI\n"
SAID = "defines ops itself ({}), so its code stands where the instance's is due: {} (docs/adopting.md)"
NAME = "asm/native/inst.h"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    header = tmp_path / "include" / NAME
    header.parent.mkdir(parents=True)
    header.write_text(INST)
    (tmp_path / "a.S").write_text(SOURCE)
    return tmp_path


def gcc(tree: Path, *options: str) -> bytes:
    command = [require_tool("gcc"), "-E", *options]
    return subprocess.run(command, cwd=tree, capture_output=True, check=True).stdout


def code(text: str) -> str:
    """Text without line markers and empty lines."""
    return "\n".join(" ".join(line.split()) for line in text.splitlines() if line.strip() and line[0] != "#")


def routes(tree: Path, source: str, *options: str) -> list[Done]:
    """The source by expand (of text without and with definitions), cc and check."""
    return [
        pvasm("expand", "-i", "xen", "-", cwd=tree, stdin=gcc(tree, "-Iinclude", *options, source)),
        pvasm("expand", "-i", "xen", "-", cwd=tree, stdin=gcc(tree, "-dD", "-Iinclude", *options, source)),
        pvasm("cc", "-i", "xen", "--", "gcc", "-E", "-Iinclude", *options, source, cwd=tree),
        pvasm("check", "--no-config", "--cpp", "-I", "include", *options, source, cwd=tree),
    ]


def test_each_route_names_header_and_ops(tree: Path) -> None:
    plain, with_defines, cc, check = routes(tree, "a.S")
    first = "preprocess with -I DIR first, made by `pvasm header --op-header asm/native/inst.h --output-dir DIR'"
    said = SAID.format("RFI, MOV_FROM_IFA", first)
    assert plain.errors == f"pvasm: error: <stdin>: include/asm/native/inst.h {said}\n"
    assert with_defines.errors == plain.errors
    said = SAID.format("{}", "--op-header asm/native/inst.h takes them away")
    assert "RFI" in cc.errors
    assert cc.errors.startswith("a.S: error: include/asm/native/inst.h defines ops itself (")
    assert check.errors.startswith("pvasm: error: a.S: include/asm/native/inst.h defines ops itself (")
    assert check.errors.endswith(said.partition("{}")[2] + "\n")
    assert [each.status for each in (plain, with_defines, cc, check)] == [2, 2, 1, 2]
    assert "rfi" not in plain.output + with_defines.output + cc.output


@pytest.mark.parametrize(
    ("header", "source"),
    [
        ("#define \\\nRFI rfi\n", "\tRFI\n"),
        ("# define\tRFI\trfi /* it */\n", "\tRFI // RFI\n"),
        ('#include "b.h"\n', "\tRFI\n"),
        ("#ifndef RFI\n#define RFI rfi\n#endif\n", "#define LEAVE RFI\n\tLEAVE\n"),
        ("#undef RFI\n#define RFI rfi\n", "\tRFI\n#undef RFI\n"),
    ],
)
def test_however_it_is_defined(header: str, source: str, tree: Path) -> None:
    (tree / "include/h.h").write_text(header)
    (tree / "include/b.h").write_text("#define RFI rfi\n")
    (tree / "b.S").write_text(f"#include <h.h>\n{source}")
    for done in routes(tree, "b.S"):
        assert "defines ops itself (RFI)" in done.errors
        assert "rfi" not in done.output


@pytest.mark.parametrize(
    ("header", "source"),
    [
        ("#ifdef NO\n#define RFI rfi\n#endif\n", "\tRFI\n"),
        ("#define RFI rfi\n", "\tnop 0 // RFI\n"),
        ("#define RFI rfi\n#undef RFI\n", "\tRFI\n"),
        ("#define RFI rfi\n", "#undef RFI\n\tRFI\n"),
        ("#define RFI_ADDRESS 4\n", "\tRFI\n"),
    ],
)
def test_what_takes_no_ops_place_is_no_error(header: str, source: str, tree: Path) -> None:
    (tree / "include/h.h").write_text(header)
    (tree / "b.S").write_text(f"#include <h.h>\n{source}")
    for done in routes(tree, "b.S"):
        assert (done.status, done.errors) == (0, "")


def test_the_source_and_the_command_may_define_ops_too(tree: Path) -> None:
    (tree / "b.S").write_text("#define RFI rfi\n\tRFI\n")
    for done in routes(tree, "b.S"):
        assert "b.S defines ops itself (RFI)" in done.errors
        assert "leave these definitions out" in done.errors
    (tree / "c.S").write_text("\tRFI\n")
    for done in routes(tree, "c.S", "-DRFI=rfi")[1:]:
        assert "<command-line> defines ops itself (RFI)" in done.errors


@pytest.mark.parametrize("instance", ["native", "hvm"])
def test_bare_hardware_has_the_same_code(instance: str, tree: Path) -> None:
    done = pvasm("expand", "-i", instance, "-", cwd=tree, stdin=gcc(tree, "-Iinclude", "a.S"))
    assert (done.status, code(done.output)) == (0, "mov r16 = cr.ifa\n;;\nadds r17 = 7, r16\nrfi")


def test_an_op_header_is_put_out_of_the_way(tree: Path) -> None:
    """Its other macros stay; neither line markers nor dependency files name what is temporary."""
    written = pvasm("header", "--op-header", NAME, "--output-dir", "over", cwd=tree)
    assert (written.status, written.output) == (0, "over/asm/native/inst.h\n")
    text = gcc(tree, "-Iover", "-Iinclude", "a.S")
    plain = pvasm("expand", "-i", "xen", "-", cwd=tree, stdin=text)
    assert (plain.status, plain.errors) == (0, "")
    assert "break.m 0x1" in plain.output
    assert "adds r17 = 7, r16" in plain.output
    options = ["-E", "-MD", "-MP", "-MF", "a.d", "-Iinclude", "a.S"]
    cc = pvasm("cc", "-i", "xen", "--op-header", NAME, "--", "gcc", *options, cwd=tree)
    assert (cc.status, cc.errors) == (0, "")
    assert code(cc.output) == code(plain.output)
    assert "/tmp" not in cc.output
    rule = (tree / "a.d").read_text()
    assert "op-headers" not in rule
    assert "include/asm/native/inst.h:\n" in rule
    check = pvasm("check", "--op-header", NAME, "-I", "include", "a.S", cwd=tree)
    assert (check.status, check.output, check.errors) == (0, "nothing found in 1 file\n", "")


def test_the_configuration_says_it_for_all(tree: Path) -> None:
    (tree / "pvasm.toml").write_text(f'cpp = true\ninclude-dirs = ["include"]\nop-headers = ["{NAME}"]\n')
    assert pvasm("check", "a.S", cwd=tree).status == 0
    cc = pvasm("cc", "-i", "xen", "--", "gcc", "-E", "-Iinclude", "a.S", cwd=tree)
    assert (cc.status, "break.m 0x1" in cc.output) == (0, True)
    assert pvasm("header", "--output-dir", "over", cwd=tree).output == "over/asm/native/inst.h\n"


def test_a_header_beside_its_includer_is_found_before(tree: Path) -> None:
    (tree / "inst.h").write_text(INST)
    (tree / "b.S").write_text('#include "inst.h"\n\tRFI\n')
    done = pvasm("check", "--op-header", "inst.h", "b.S", cwd=tree)
    assert "--op-header finds it where it is included by <inst.h>, not beside the file that includes it" in done.errors
    assert done.status == 2


@pytest.mark.parametrize("name", ["/etc/x.h", "../x.h", "a/../../x.h", "a b.h", 'x"y.h', "", "a//b.h", "a/"])
def test_names_stay_below_the_folder(name: str, tree: Path) -> None:
    for command in (["check", "a.S"], ["header", "--output-dir", "over"]):
        done = pvasm(command[0], f"--op-header={name}", *command[1:], cwd=tree)
        assert done.status == 2
        assert "is not valid: the name as in #include <...> is due" in done.errors
    assert not (tree / "over").exists()
