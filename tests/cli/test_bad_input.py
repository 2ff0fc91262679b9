"""Bad input: one clear line on standard error, exit status 2, no traceback, nothing half-written."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pvasm.paravirt.shipped import instance_names
from tests.cli.command import pvasm
from tests.oracle import require_tool

GOOD = "x:\tMOV_FROM_IFA(r16)\n"

FILES = {
    "good.S": GOOD.encode(),
    "nul.S": b"nop 0\nfc r3\0\n",
    "binary.S": bytes(range(256)) * 4,
    "long.S": b"nop 0\n" + b"nop 0; " * 1_500_000,
    "comment.S": b"nop 0\n  /* never closed\nfc r3\n",
    "string.S": b'nop 0\n.string "abc\nnop 0\n',
    "if.S": b"#if X\nnop 0\n",
    "endif.S": b"nop 0\n#endif\n",
    "recursive.S": b'#include "recursive.S"\n',
    "missing.S": b'\n#include "nowhere.h"\n',
}
# The command, what its one line of complaint starts with, and words in it. {} is the folder of the files.
CASES = [
    ("check {}/nothing.S", "{}/nothing.S: ", "no such file"),
    ("check {}/empty", "{}/empty: ", "no assembly"),
    ("check {}/nul.S", "{}/nul.S:2:6: ", "NUL"),
    ("check {}/binary.S", "{}/binary.S:1:1: ", "binary"),
    ("check {}/long.S", "{}/long.S:2:1: ", "longer than"),
    ("check {}/comment.S", "{}/comment.S:2:3: ", "unterminated comment"),
    ("check {}/string.S", "{}/string.S:2:9: ", "unterminated string"),
    ("check {}/if.S", "{}/if.S:1:1: ", "#endif"),
    ("check {}/endif.S", "{}/endif.S:2:1: ", "#endif without #if"),
    ("check --cpp {}/recursive.S", "{}/recursive.S:1:", "nested"),
    ("check --cpp {}/missing.S", "{}/missing.S:2:", "nowhere.h"),
    ("check --instance nobody {}/good.S", "unknown instance nobody", ", ".join(instance_names())),
    ("check --instance ixen {}/good.S", "unknown instance ixen", "xen"),
    ("check --instance {}/nobody.yaml {}/good.S", "{}/nobody.yaml: ", "no such file"),
    ("check {}/headers", "{}/headers: ", "no assembly"),
    ("check --select PV9999 {}/good.S", "unknown code", "begin with PV9 are PV900, PV901"),
    ("check --select PV001 --ignore PV001 {}/good.S", "these settings", "no code"),
    ("check --select , {}/good.S", "these settings", "no code"),
    ("check --ignore X {}/good.S", "unknown code", "`pvasm explain' lists them all"),
    ("parse {}/nothing.S", "{}/nothing.S: ", "no such file"),
    ("parse {}/empty", "{}/empty: ", "is a folder, not a file"),
    ("parse {}/nul.S", "{}/nul.S:2:6: ", "NUL"),
    ("expand {}/nothing.S -i native", "{}/nothing.S: ", "no such file"),
    ("expand {}/good.S -i nobody", "unknown instance nobody", ", ".join(instance_names())),
    ("expand {}/comment.S -i native", "{}/comment.S:2:3: ", "unterminated comment"),
    ("expand {}/good.S -i native -o {}/no/such", "{}/no/such: ", "folder does not exist"),
    ("expand {}/good.S -i native -o {}/empty", "{}/empty: ", "folder of that name"),
    ("expand {}/good.S -i native --output-dir {}/good.S", "{}/good.S/native: ", "cannot be made"),
    ("expand {}/good.S -i all -o {}/out.S", f"{len(instance_names())} instances", "--output-dir"),
    ("expand {}/good.S {}/if.S -i native -o {}/out.S", "2 files", "--output-dir"),
    ("expand {}/good.S -i native -o {}/good.S", "{}/good.S: ", "overwrite the source"),
    ("expand - -i native --output-dir {}/out", "standard input", "-o"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bad")
    (path / "empty").mkdir()
    (path / "headers").mkdir()
    (path / "headers" / "c.h").write_text("int cover;\nstatic int f(void) { return 1; }\n")
    for name, content in FILES.items():
        (path / name).write_bytes(content)
    return path


@pytest.mark.parametrize(("command", "start", "words"), CASES, ids=[case[0] for case in CASES])
def test_one_clear_line(folder: Path, command: str, start: str, words: str) -> None:
    if "--cpp" in command:
        require_tool("gcc")
    before = sorted(os.walk(folder))
    done = pvasm(*command.format(*[folder] * 9).split())
    assert done.status == 2
    (line,) = [each for each in done.error_lines if not each.startswith("pvasm: note: headers are missing: ")]
    assert line.startswith(f"pvasm: error: {start.format(folder)}")
    assert words in line
    assert sorted(os.walk(folder)) == before


@pytest.mark.parametrize("arguments", [[], ["chekc"], ["check", "--bogus"], ["expand"], ["expand", "x.S"], ["parse"]])
def test_bad_usage(arguments: list[str]) -> None:
    done = pvasm(*arguments)
    assert done.status == 2
    (line,) = done.error_lines
    assert line.startswith("pvasm: error: ")


INSTANCES = [
    ("name: [", "did not find", ":2:1: "),
    ("- 1\n", "", ":1:1: "),
    ("name: mine\ndescription: d\nextends: native\nopps: {}\n", "opps", ":4:1: "),
    ("name: mine\ndescription: 5\nextends: native\n", "description", ":2:"),
    ("name: mine\ndescription: d\nextends: nobody\n", "nobody", ":3:"),
    ("name: mine\ndescription: d\nextends: native\nops: {MOV_FROM_IFFA: {template: x}}\n", "MOV_FROM_IFA", ":4:"),
    ("name: mine\ndescription: d\nextends: native\nops:\n  RFI:\n    template: '{{ oops'\n", "RFI", ":6:"),
    ("name: mine\ndescription: d\nextends: native\nops:\n  RFI:\n    template: '{{ oops }}'\n", "oops", ":6:"),
    ("name: mine\ndescription: d\nenvironment: xen\ndefines: X\n", "no definition", ":"),
    (
        "name: mine\ndescription: d\nextends: native\nops:\n  RFI:\n    template: |\n      {% for i in range(99999) %}"
        "{% for j in range(99999) %}{% endfor %}{% endfor %}\n",
        "RFI",
        ":",
    ),
    (
        "name: mine\ndescription: d\nextends: native\nops:\n  RFI:\n    template: \"{{ 'x' * 999999999 }}\"\n",
        "RFI",
        ":",
    ),
    ("a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\nd: [*c, *c]\n", "", ":"),
]


@pytest.mark.parametrize(("text", "word", "place"), INSTANCES)
def test_a_bad_instance_is_one_line_with_its_place(tmp_path: Path, text: str, word: str, place: str) -> None:
    instance = tmp_path / "mine.yaml"
    instance.write_text(text)
    source = tmp_path / "a.S"
    source.write_text("RFI\n")
    done = pvasm("expand", source, "-i", instance, "-o", tmp_path / "out.S")
    assert done.status == 2
    (line,) = done.error_lines
    assert line.startswith(f"pvasm: error: {instance}{place}")
    assert word in line
    assert not (tmp_path / "out.S").exists()


def test_every_wrong_argument_is_told_and_nothing_is_written(tmp_path: Path) -> None:
    source = tmp_path / "a.S"
    source.write_text("nop 0\n\tMOV_FROM_IFA(r1, r2)\n\tMOV_FROM_IFA(p6)\n\tMOV_TO_KR(NOBODY, r1, r2, r3)\n")
    done = pvasm("expand", source, tmp_path / "a.S", "-i", "all", "--output-dir", tmp_path / "out")
    assert done.status == 2
    assert [line.split(": ")[2] for line in done.error_lines[:3]] == [
        f"{source}:2:2",
        f"{source}:3:15",
        f"{source}:4:12",
    ]
    assert not (tmp_path / "out").exists()


def test_one_bad_file_does_not_hide_what_is_in_the_others(tmp_path: Path) -> None:
    (tmp_path / "a.S").write_bytes(b"\0")
    (tmp_path / "b.S").write_text("fc r3\n")
    done = pvasm("check", tmp_path)
    assert done.status == 2
    assert "b.S:1:1: PV001" in done.output
    assert "1 error in 1 file; 1 problem kept pvasm from checking everything" in done.output


def test_latin_1_crlf_and_no_line_end_are_no_errors(tmp_path: Path) -> None:
    content = b"// caf\xe9\r\n\tMOV_FROM_IFA(r16) // \xff\r\n\tnop 0"
    (tmp_path / "a.S").write_bytes(content)
    assert pvasm("check", tmp_path / "a.S").status == 0
    assert pvasm("expand", tmp_path / "a.S", "-i", "native", "-o", tmp_path / "b.S").status == 0
    assert (tmp_path / "b.S").read_bytes() == content.replace(b"MOV_FROM_IFA(r16)", b"mov r16 = cr.ifa")


def test_closed_standard_streams(tmp_path: Path) -> None:
    (tmp_path / "a.S").write_text("fc r3\n")
    for command, status in (
        ("check a.S >&-", 2),
        ("check - <&-", 2),
        ("check none.S 2>&-", 2),
        ("check none.S 2>/dev/full", 2),
    ):
        done = subprocess.run(
            f"{sys.executable} -m pvasm {command}",
            shell=True,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == status, command
        assert "Traceback" not in done.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read anything")
def test_an_unreadable_file(tmp_path: Path) -> None:
    (tmp_path / "a.S").write_text("nop 0\n")
    (tmp_path / "a.S").chmod(0)
    done = pvasm("check", tmp_path / "a.S")
    assert done.status == 2
    assert "Permission denied" in done.errors


def test_wrong_settings_are_told_once_for_all_files(tmp_path: Path) -> None:
    for number in range(20):
        (tmp_path / f"{number}.S").write_text("\tnop 0\n" * 20_000)
    (tmp_path / "bad.yaml").write_text("name: bad\n")
    for options in (["--instance", "nobody"], ["--instance", str(tmp_path / "bad.yaml")], ["--select", "PV7"]):
        done = pvasm("check", tmp_path, "--jobs", "2", *options)
        assert done.status == 2
        assert len(done.error_lines) == 1
