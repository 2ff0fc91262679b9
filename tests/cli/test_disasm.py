"""`pvasm disasm`: what it prints, and its exit status."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.cli.command import pvasm
from tests.oracle import require_tool

SOURCE = """\
	.global irq
	.proc irq
irq:
	mov r16=cr.ifa ;;
	thash r17=r16
	ssm psr.ic ;;
	srlz.d
	br.call.sptk.many b0=handle ;;
	.endp irq
	.data
	data8 irq
"""


@pytest.fixture
def irq(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("irq.s").write_text(SOURCE)
    command = [require_tool("ia64-linux-gnu-as"), "-x", "-g", "-o", "irq.o", "irq.s"]
    subprocess.run(command, check=True)
    return Path("irq.o")


def test_code_is_shown_with_lines_and_what_replaces_it(irq: Path) -> None:
    done = pvasm("disasm", irq)
    assert (done.status, done.errors) == (0, "")
    lines = done.output.splitlines()
    assert "\tmov r16=cr.ifa ;;\t// privileged: MOV_FROM_IFA(r16)" in lines
    assert "\tthash r17=r16\t// sensitive: THASH(p0, r17, r16, clob)" in lines
    assert "// irq.s:5" in lines
    assert "\tbr.call.sptk.many b0=handle#" in " ".join(lines)
    assert (
        "// debugging information is left out: .debug_line, .debug_info, .debug_abbrev, .debug_aranges, .debug_str"
        in (lines)
    )
    ssm = next(line for line in lines if "ssm" in line)
    assert "privileged: SSM_PSR_IC_AND_SRLZ_D(" in ssm


def test_lines_may_be_left_out_and_addresses_told(irq: Path) -> None:
    done = pvasm("disasm", irq, "--no-lines", "--address", "--section", ".text")
    assert "irq.s" not in done.output
    assert "\t// 0x10\n" in done.output
    assert ".data" not in done.output


def test_a_file_is_written_whole(irq: Path) -> None:
    assert pvasm("disasm", irq, "-o", "again.s").output == ""
    assert Path("again.s").read_text() == pvasm("disasm", irq).output
    done = pvasm("disasm", irq, "-o", irq)
    assert (done.status, done.error_lines) == (
        2,
        ["pvasm: error: irq.o: the assembly would overwrite what it is made of: name another file"],
    )


def test_debugging_information_is_shown_where_it_is_named(irq: Path) -> None:
    done = pvasm("disasm", irq, "--section", ".debug_line")
    assert '\t.section .debug_line,"",@progbits' in done.output
    assert "\tdata8.ua .text+0x0\n" in done.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["irq.s"], "irq.s: no ELF file"),
        (["nothing.o"], "nothing.o: no such file or folder"),
        (["irq.o", "--section", ".txt"], "irq.o: there is no section .txt (did you mean .text?)"),
        (["irq.o", "--symbol", "irk"], "irq.o: there is no symbol irk (did you mean irq?)"),
        (["short.o"], "short.o: cut off: the first section header is at "),
        (["lib.a"], "lib.a: an archive without members"),
        (["full.a"], "full.a: an archive of irq.o, a-name-of-more-than-fifteen.o: name one of them, as full.a(irq.o)"),
        (["full.a(irk.o)"], "full.a: there is no member irk.o (did you mean irq.o?)"),
        (["half.a(irq.o)"], "half.a: cut off: the member at 0x"),
        (["bad.a(irq.o)"], "bad.a: damaged: there is no header of a member at 0x8"),
    ],
)
def test_what_cannot_be_shown_is_an_error(irq: Path, arguments: list[str], message: str) -> None:
    Path("short.o").write_bytes(irq.read_bytes()[:200])
    Path("lib.a").write_bytes(b"!<arch>\n")
    archive(irq)
    Path("half.a").write_bytes(Path("full.a").read_bytes()[:1000])
    Path("bad.a").write_bytes(b"!<arch>\n" + b"x" * 100)
    done = pvasm("disasm", *arguments)
    assert done.status == 2
    (line,) = done.error_lines
    assert line.startswith(f"pvasm: error: {message}")


def archive(irq: Path) -> None:
    Path("a-name-of-more-than-fifteen.o").write_bytes(irq.read_bytes())
    command = [require_tool("ia64-linux-gnu-ar"), "rc", "full.a", str(irq), "a-name-of-more-than-fifteen.o"]
    subprocess.run(command, check=True)


def test_a_member_of_an_archive_is_shown_and_run(irq: Path) -> None:
    archive(irq)
    for name in ("irq.o", "a-name-of-more-than-fifteen.o"):
        done = pvasm("disasm", f"full.a({name})")
        assert done.output.splitlines()[1:] == pvasm("disasm", irq).output.splitlines()[1:]
    assert " at irq (irq.s:4), isr 0x0; " in pvasm("simulate", "full.a(irq.o)", "--stub", "handle=0x9000").output


def test_damaged_lines_are_told_of_and_the_code_is_shown(irq: Path) -> None:
    data = bytearray(irq.read_bytes())
    at = data.index(b"irq.s\0") - 20
    data[at : at + 20] = b"\xff" * 20
    Path("damaged.o").write_bytes(data)
    done = pvasm("disasm", "damaged.o")
    assert done.status == 0
    assert done.error_lines[0].startswith(
        "pvasm: warning: damaged.o: lines of sources are left out: damaged: .debug_line"
    )
    assert "mov r16=cr.ifa" in done.output


def test_standard_input_is_read(irq: Path) -> None:
    done = pvasm("disasm", "-", stdin=irq.read_bytes())
    assert done.output.startswith("// <stdin>: relocatable\n")


def test_simulate_runs_an_object(irq: Path) -> None:
    Path("sum.s").write_text("\t.global sum\nsum:\tadd r8=r32,r33\n\tbr.ret.sptk b0 ;;\n")
    subprocess.run([require_tool("ia64-linux-gnu-as"), "-x", "-g", "-o", "sum.o", "sum.s"], check=True)
    done = pvasm("simulate", "sum.o", "--entry", "sum", "--reg", "r32=2", "--reg", "r33=3", "--trace")
    assert (done.status, done.errors) == (0, "")
    assert done.output.splitlines()[0].split() == ["sum", "(sum.s:2)", "add", "r8=r32,r33", "r8", "=", "0x5"]
    missing = pvasm("simulate", irq)
    (line,) = missing.error_lines
    assert (missing.status, line) == (
        2,
        "pvasm: error: irq.o: nothing defines `handle' (.text+0x22): give --stub handle=ADDR, "
        "or --stub handle for a function that returns at once",
    )
    assert pvasm("simulate", irq, "--stub", "handle=0x9000").status == 1
    for options in (["-i", "xen"], ["-D", "X"], ["-I", "."]):
        done = pvasm("simulate", irq, *options)
        assert done.error_lines == ["pvasm: error: irq.o: is an object file: an instance, -I and -D are for sources"]


def test_several_files_are_shown_one_behind_the_other(irq: Path) -> None:
    first = pvasm("disasm", irq)
    both = pvasm("disasm", irq, irq)
    assert (both.status, both.output) == (0, f"{first.output}\n{first.output}")
    one = pvasm("disasm", "nowhere.o", irq)
    assert (one.status, one.output) == (2, f"\n{first.output}")
    assert one.errors == "pvasm: error: nowhere.o: no such file or folder\n"
    refused = pvasm("disasm", irq, irq, "-o", "x.s")
    assert (refused.status, refused.errors) == (
        2,
        f"pvasm: error: {irq}: -o takes one file: what two define does not go into one source\n",
    )
