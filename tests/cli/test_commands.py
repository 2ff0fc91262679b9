"""The commands: what they print, their exit status, and the cache behind `check`."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from pvasm.paravirt.shipped import instance_names
from tests.cli.command import pvasm

TEXT = "// head\n(p6)\tmov r16=cr.ifa\t// remark\n\tptc.l r2,r3\n"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "a.S"
    path.write_text(TEXT)
    return path


def test_check_text(source: Path) -> None:
    done = pvasm("check", source)
    assert done.status == 1
    first, line, marks, second, *_, count = done.output.splitlines()
    assert first.startswith(f"{source}:2:1: PV002 error: ")
    assert line == "    (p6)\tmov r16=cr.ifa\t// remark"
    assert marks == "    ^~~~~~~~~~~~~~~~~~~"
    assert second.startswith(f"{source}:3:2: PV003 note: ")
    assert count == "1 error, 1 note in 1 file"


def test_check_json(source: Path) -> None:
    done = pvasm("check", source, "--output-format", "json")
    first, second = (json.loads(line) for line in done.output.splitlines())
    assert list(first) == [
        "version",
        "path",
        "line",
        "column",
        "end_line",
        "end_column",
        "code",
        "severity",
        "message",
        "instruction",
        "instance",
        "details",
        "url",
        "related",
        "fix",
    ]
    assert (first["path"], first["line"], first["column"], first["end_line"], first["end_column"]) == (
        str(source),
        2,
        1,
        2,
        20,
    )
    assert (first["code"], first["severity"], first["instruction"]) == ("PV002", "error", "(p6)\tmov r16=cr.ifa")
    assert (second["code"], second["severity"]) == ("PV003", "note")


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["--ignore", "PV002"], 0),
        (["--select", "PV003"], 0),
        (["--select", "PV001,PV002"], 1),
        (["--select", "pv002"], 1),
        (["--select", "PV0", "--ignore", "PV002,PV003"], 0),
    ],
)
def test_exit_status_follows_the_selection(source: Path, arguments: list[str], status: int) -> None:
    assert pvasm("check", source, *arguments).status == status


def test_check_standard_input() -> None:
    done = pvasm("check", "-", stdin=b"fc r3\n")
    assert done.status == 1
    assert done.output.startswith("<stdin>:1:1: PV001 error: ")


def test_check_a_folder(tmp_path: Path) -> None:
    for name, text in {
        "a.S": "fc r1\n",
        "deep/b.s": "fc r2\n",
        "asm.h": "#define GO(r) fc r\n",
        "c.h": "struct x { int cover : 1; };\nstatic inline void f(void) { fc (x); }\n",
        "mixed.h": "#define GO(r) fc r\n struct x { int cover; };\n static int f(void) { cover; return cover; }\n",
        "pure.h": "WRAP(fc r9)\n mov r1 = r2\n cover\n",
        "vmlinux.lds.S": "SECTIONS { *(.text) }\n",
        "notes.txt": "fc r3\n",
        ".git/d.S": "fc r4\n",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    done = pvasm("check", cwd=tmp_path)
    assert [line.split(":")[0] for line in done.output.splitlines() if ": PV" in line] == [
        "a.S",
        "asm.h",
        "mixed.h",
        "pure.h",
        "pure.h",
        "deep/b.s",
    ]
    assert done.output.splitlines()[-1] == "6 errors in 5 files"


def test_what_is_left_out_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "a.S").write_text("fc r1\n")
    os.mkfifo(tmp_path / "pipe.S")
    (tmp_path / ".#a.S").symlink_to("user@host.123")
    (tmp_path / "b.S").symlink_to("a.S")
    (tmp_path / "loop").symlink_to(tmp_path)
    done = pvasm("check", tmp_path, tmp_path / "a.S", cwd=tmp_path)
    assert done.errors == ""
    assert done.output.splitlines()[-1] == "1 error in 1 file"


def test_a_header_included_twice_is_reported_once(tmp_path: Path) -> None:
    (tmp_path / "code.h").write_text("fc r1\n")
    (tmp_path / "a.S").write_text('#include "code.h"\n#include "code.h"\nfc r2\n')
    (tmp_path / "b.S").write_text('#include "code.h"\n')
    done = pvasm("check", "--cpp", ".", cwd=tmp_path)
    assert [line.split(": ")[0] for line in done.output.splitlines() if "PV001" in line] == ["a.S:3:1", "code.h:1:1"]


def test_a_file_whose_name_starts_with_a_dash(tmp_path: Path) -> None:
    (tmp_path / "-x.S").write_text("fc r1\n")
    assert pvasm("check", "--cpp", "--", "-x.S", cwd=tmp_path).status == 1


def test_check_after_the_preprocessor(tmp_path: Path) -> None:
    (tmp_path / "inc").mkdir()
    (tmp_path / "inc" / "m.h").write_text("#define GO(r) fc r\n")
    (tmp_path / "a.S").write_text('#include "m.h"\n\n#ifdef WANTED\nGO(r3)\n#endif\n')
    assert pvasm("check", "a.S", cwd=tmp_path).status == 0
    done = pvasm("check", "a.S", "-I", "inc", "-DWANTED", cwd=tmp_path)
    assert done.status == 1
    assert done.output.startswith("a.S:4:1: PV001 error: ")
    assert pvasm("check", "a.S", "--cpp", "-I", "inc", cwd=tmp_path).status == 0


def test_the_cache_gives_the_same_answer(source: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"

    def run(*arguments: str) -> tuple[int, str]:
        done = pvasm("check", source, *arguments, PVASM_CACHE_DIR=str(cache))
        assert done.errors == ""
        return done.status, done.output

    cold = run()
    entries = [path for path in cache.rglob("*") if path.is_file()]
    assert len(entries) == 1
    assert run() == cold
    assert run("--ignore", "PV002")[0] == 0  # other settings, another answer
    entries[0].write_bytes(entries[0].read_bytes()[:-5])  # cut short
    assert run() == cold
    source.write_text("nop 0\n")
    assert run()[0] == 0


def test_the_cache_knows_what_an_instance_file_says(tmp_path: Path) -> None:
    def status() -> int:
        return pvasm("check", tmp_path / "a.S", "--instance", mine, PVASM_CACHE_DIR=str(tmp_path / "cache")).status

    (tmp_path / "a.S").write_text("#ifdef MINE\n fc r3\n#endif\n")
    mine = tmp_path / "mine.yaml"
    mine.write_text("name: mine\ndescription: d\nextends: xen\ndefines: MINE\n")
    assert status() == 1
    mine.write_text("name: mine\ndescription: d\nextends: xen\ndefines: OTHER\n")
    assert status() == 1  # MINE is not known to be undefined
    mine.write_text("name: mine\ndescription: d\nextends: native\n")
    (tmp_path / "a.S").write_text("#ifndef __IA64_ASM_PARAVIRTUALIZED_NATIVE\n fc r3\n#endif\n")
    assert status() == 0
    mine.write_text("name: mine\ndescription: d\nextends: xen\n")
    assert status() == 1
    mine.unlink()
    assert status() == 2


def test_no_home_and_no_cache_are_no_trouble(source: Path) -> None:
    done = pvasm("check", source, HOME="/dev/null", XDG_CACHE_HOME="", PVASM_CACHE_DIR="")
    assert done.status == 1
    assert done.errors == ""


def test_expand_to_a_file_and_to_a_pipe(tmp_path: Path) -> None:
    (tmp_path / "a.S").write_text("\tMOV_FROM_IFA(r16)\n")
    done = pvasm("expand", "a.S", "--instance", "native", "-o", "b.S", cwd=tmp_path)
    assert (done.status, done.output, done.errors) == (0, "", "")
    assert (tmp_path / "b.S").read_text() == "\tmov r16 = cr.ifa\n"
    piped = pvasm("expand", "-", "-i", "native", stdin=b"\tMOV_FROM_IFA(r16)\n")
    assert piped.output == "\tmov r16 = cr.ifa\n"


def test_expand_for_all_instances(tmp_path: Path) -> None:
    (tmp_path / "a.S").write_text("\tMOV_FROM_IFA(r16)\n")
    done = pvasm("expand", "a.S", "-i", "all", "--output-dir", "out", cwd=tmp_path)
    assert done.output.splitlines() == [f"out/{name}/a.S" for name in instance_names()]
    assert (tmp_path / "out/native/a.S").read_text() == "\tmov r16 = cr.ifa\n"
    assert "ld8 r16" in (tmp_path / "out/xen/a.S").read_text()


def test_parse_tree_and_json(source: Path) -> None:
    tree = pvasm("parse", source)
    assert tree.status == 0
    assert tree.output.splitlines()[0].split() == ["2:1", "instruction", "(p6)", "mov", "r16=cr.ifa"]
    done = pvasm("parse", source, "--format", "json")
    first = json.loads(done.output.splitlines()[0])
    assert (first["kind"], first["mnemonic"], first["line"]) == ("instruction", "mov", 2)
    assert first["inputs"] == [{"kind": "name", "text": "cr.ifa", "is_symbol": False}]


def test_parse_says_what_an_instruction_is_and_what_is_wrong_with_one(tmp_path: Path) -> None:
    (tmp_path / "a.s").write_text("x = r9\n(p6) mov x = cr20\nadd r1 = r2, f3\n")
    done = pvasm("parse", tmp_path / "a.s", "--format", "json")
    _, good, bad = (json.loads(line) for line in done.output.splitlines())
    assert (good["row"], good["canonical"], good["sensitivity"]) == ("M33", "(p06) mov r9=cr.ifa", "privileged")
    assert bad["problem"] == "operand 3 of `add' must be a general register; `f3' is a floating-point register"
    assert bad["problem"] in pvasm("parse", tmp_path / "a.s").output


def test_version_and_help() -> None:
    assert pvasm("--version").output.startswith("pvasm ")
    for command in ("parse", "check", "explain", "expand"):
        assert command in pvasm("--help").output
        assert pvasm(command, "--help").status == 0
