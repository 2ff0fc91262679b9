"""`pvasm simulate`: what it prints, and its exit status."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.cli.command import pvasm
from tests.oracle import require_tool

SUM = """\
sum:
 add r8=r32,r33 ;;
 shl r8=r8,4
 cmp.eq p6,p7=r8,r0 ;;
 (p6) br.cond.spnt sum
 mov r40=r8 ;;
 break.m 7
"""


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = Path("t.s")
    path.write_text(SUM)
    return path


def test_what_changed_and_why_it_stopped_is_told(source: Path) -> None:
    done = pvasm("simulate", source, "--reg", "r32=5", "--reg", "r33=7", "--reg", "r40=0")
    assert done.output.splitlines() == [
        "r8 = 0xc0",
        "r40 = 0xc0",
        "p7 = 0x1",
        "break 0x7 at sum+0x30 (t.s:7); instructions 10, groups 3, bundles 4",
    ]
    assert done.status == 1


def test_a_trace_has_a_line_for_each_instruction(source: Path) -> None:
    done = pvasm("simulate", source, "--reg", "r32=5", "--reg", "r40=1", "--trace")
    lines = [line.split(maxsplit=2) for line in done.output.splitlines()[:3]]
    assert lines == [
        ["sum", "(t.s:2)", "add r8=r32,r33                           r8 = 0x5"],
        ["sum", "(t.s:3)", "shl r8=r8,4                              r8 = 0x50"],
        ["sum+0x10", "(t.s:4)", "cmp.eq p6,p7=r8,r0                       p7 = 0x1"],
    ]


def test_what_writes_beyond_the_frame_stops_there(source: Path) -> None:
    done = pvasm("simulate", source, "--reg", "r32=5")
    assert done.output.splitlines()[-1].startswith("illegal operation fault at sum+0x30 (t.s:6)")


def test_an_endless_loop_is_ended(source: Path) -> None:
    done = pvasm("simulate", source, "--max-steps", "1000")
    assert done.output.splitlines()[-1].startswith("not at an end after 1000 instructions, at sum")
    assert done.status == 1


PHYSICAL = ": addresses are physical, unless --mode is user or sys"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--entry", "sun"], "--entry: there is no label sun (did you mean sum?)"),
        (["--reg", "r128=1"], "--reg: there is no register `r128' to set: there are r0 to r127"),
        (["--reg", "r8"], "--reg: 'r8' has not the form NAME=VALUE"),
        (["--reg", "r8=x"], "--reg: 'x' is neither a number nor a symbol of the code"),
        (["--reg", "p6=2"], "--reg: 0x2 is more than p6 holds, 1 bit"),
        (["--mem", "0x100=0g"], "--mem: '0g' is no row of hexadecimal bytes"),
        (["--mem=-1=00"], "--mem: -1 is no address: those are from 0 to 0xffffffffffffffff"),
        (["--mem", "0x8000000000000000=00"], f"--mem: there is no memory at 0x8000000000000000{PHYSICAL}"),
        (["--reg", "r0=1"], "--reg: r0 has always the same value, and cannot be set"),
        (["--reg", "f1=1"], "--reg: f1 has always the same value, and cannot be set"),
        (["--reg", "p0=1"], "--reg: p0 has always the same value, and cannot be set"),
        (["--stub", "x=-1"], "--stub: -1 is no address: those are from 0 to 0xffffffffffffffff"),
        (["--stub", "x=y"], "--stub: 'y' is no number"),
        (["-I", "nowhere"], "-I: there is no folder nowhere"),
        (["--entry", "zz"], "--entry: there is no label zz: there are sum"),
        (["--reg", "lc=1"], "--reg: there is no register `lc' to set (did you mean ar.lc?)"),
        (["--reg", "f8=1.5"], "--reg: f8 is set by its 82 bits; of 1.5 they are 0xffffc000000000000000"),
        (["--reg", "f8=-0.0"], "--reg: f8 is set by its 82 bits; of -0.0 they are 0x200000000000000000000"),
        (["--reg", "f8=inf"], "--reg: f8 is set by its 82 bits; of inf they are 0x1ffff8000000000000000"),
        (["--reg", "f8=nan"], "--reg: f8 is set by its 82 bits; of nan they are 0x1ffffc000000000000000"),
        (["--reg", "r8=1.5"], "--reg: '1.5' is no whole number"),
        (["--reg", "ar.bsp=8"], "--reg: ar.bsp follows ar.bspstore: set that"),
        (["--mem", "0x100="], "--mem: '0x100=' has not the form ADDR=HEX"),
        (["--mem", "0x7fff=1122"], "--mem: the function returns to 0x8000: nothing else may be there"),
        (["--mem", "0x4000000000000000=00"], f"--mem: there is no memory at 0x4000000000000000{PHYSICAL}"),
        (
            ["--mode", "user", "--mem", "0x2000000000000000=00"],
            "--mem: no page is mapped at 0x2000000000000000: --map 0x2000000000000000 maps one",
        ),
        (
            ["--mode", "user", "--mem", "0xffffffff=0011"],
            "--mem: no page is mapped at 0x100000000: --map 0x100000000 maps one",
        ),
        (
            ["--map", "0xfffffffffff04000"],
            "--map 0xfffffffffff04000: addresses are physical: use --mode user or --mode sys",
        ),
        (
            ["--mode", "sys", "--map", "0x1fffffffffffffff"],
            "--map: there is no room for 0x1fffffffffffffff beside the other addresses of its region",
        ),
        (["--reg", "psr.id=2"], "--reg: 0x2 is more than the 1 bit of psr.id"),
        (["--reg", "psr.icc=0"], "--reg: there is no field psr.icc (did you mean psr.ic?)"),
        (["--reg", "psr=0"], "--reg: psr is set field by field: psr.ic=0"),
        (["--mode", "sys", "--map", "here"], "--map: 'here' is neither a number nor a symbol of the code"),
        (["--stub", "=5"], "--stub: '=5' has not the form NAME[=ADDR]"),
        (["--hex"], "--hex: it is for --batch: leave it out, or give --batch FILE"),
        (["--dw", "4096"], "--dw: it is for --batch: leave it out, or give --batch FILE"),
        (
            ["--max-steps", "1000000001"],
            "argument --max-steps: '1000000001' is no number from 1 to 1000000000 (`pvasm simulate --help' tells more)",
        ),
    ],
)
def test_what_makes_no_sense_is_an_error(source: Path, options: list[str], message: str) -> None:
    done = pvasm("simulate", source, *options)
    assert (done.status, done.errors.strip()) == (2, f"pvasm: error: {message}")


def test_standard_input_is_read(source: Path) -> None:
    done = pvasm("simulate", "-", stdin=b" mov r8=7 ;;\n break.m 1\n")
    assert done.output.splitlines()[0] == "r8 = 0x7"


def test_where_control_leaves_the_code_is_told(source: Path) -> None:
    source.write_text(" nop.m 0 ;;\n")
    done = pvasm("simulate", source)
    assert done.output.startswith("there is no code at 0x10010, where control went from 0x10000 (t.s:1); ")


def test_a_symbol_of_another_file_may_be_given(source: Path) -> None:
    source.write_text(" movl r8=elsewhere ;;\n break.m 1\n")
    missing = pvasm("simulate", source)
    assert (missing.status, missing.error_lines) == (
        2,
        [
            "pvasm: error: t.s:1:2: nothing defines `elsewhere': give --stub elsewhere=ADDR, "
            "or --stub elsewhere for a function that returns at once"
        ],
    )
    done = pvasm("simulate", source, "--stub", "elsewhere=0x1234")
    assert done.output.splitlines()[0] == "r8 = 0x1234"


def test_all_symbols_of_other_files_are_told_of_at_once(source: Path) -> None:
    source.write_text(" br.call.sptk b0=f ;;\n movl r8=x\n br.call.sptk b0=f ;;\n break.m 1\n")
    missing = pvasm("simulate", source)
    assert [line.partition(": give")[0] for line in missing.error_lines] == [
        "pvasm: error: t.s:1:2: nothing defines `f'",
        "pvasm: error: t.s:2:2: nothing defines `x'",
    ]
    assert missing.status == 2
    for mode in ("sysphys", "user"):
        done = pvasm("simulate", source, "--stub", "f", "--stub", "x=7", "--mode", mode)
        assert (done.status, done.output.splitlines()[0]) == (1, "r8 = 0x7")
        assert done.output.splitlines()[-1].startswith("break 0x1 at 0x10030 (t.s:4); instructions 14,")


@pytest.mark.parametrize(
    ("name", "text", "options", "message"),
    [
        ("t.s", "", (), "t.s: there is no code in this file"),
        ("t.o", "hello\n", (), "t.o: no ELF file"),
        ("t.s", "f: nop 0\n.data\nd: data8 1\n", ("--entry", "d"), "t.s: --entry d is 0x10010: there is no code"),
        ("", "", (), "'': no such file or folder"),
    ],
)
def test_where_there_is_no_code_is_told(
    source: Path, name: str, text: str, options: tuple[str, ...], message: str
) -> None:
    if name:
        Path(name).write_text(text)
    done = pvasm("simulate", name, *options)
    assert (done.status, done.errors.strip()) == (2, f"pvasm: error: {message}")


@pytest.mark.parametrize(
    ("mode", "address", "reason"),
    [
        ("sysphys", "0x20001", "unaligned data reference fault at f (t.s:1), address 0x20001, isr 0x400000000"),
        ("sysphys", "-8", "unimplemented data address fault at f (t.s:1), address 0xfffffffffffffff8, isr 0x400000030"),
        ("user", "-8", "alternate data TLB fault at f (t.s:1), address 0xfffffffffffffff8, isr 0x400000000"),
        (
            "sys",
            "0x2000000000000000",
            "alternate data TLB fault at f (t.s:1), address 0x2000000000000000, isr 0x400000000",
        ),
    ],
)
def test_the_address_of_a_fault_is_told(source: Path, mode: str, address: str, reason: str) -> None:
    """The last: a region that nothing is in is not another name of region 0."""
    source.write_text("f: ld8 r8=[r32] ;;\n br.ret.sptk b0\n")
    done = pvasm("simulate", source, "--mode", mode, "--reg", f"r32={address}")
    assert (done.status, done.errors) == (1, "")
    assert done.output.splitlines()[-1] == f"{reason}; instructions 0, groups 0, bundles 0"


def test_a_local_label_has_no_stub(source: Path) -> None:
    source.write_text(" br.cond.sptk 1f ;;\n")
    done = pvasm("simulate", source)
    assert (done.status, done.error_lines) == (2, ["pvasm: error: t.s:1:2: nothing defines `1f'"])


def test_what_no_file_defines_returns_at_once(source: Path) -> None:
    source.write_text(
        "f: mov r31=b0\n br.call.sptk b0=one ;;\n br.call.sptk b0=two ;;\n mov b0=r31 ;;\n br.ret.sptk b0\n"
    )
    done = pvasm("simulate", source, "--stub-missing")
    assert (done.status, done.errors) == (0, "")
    assert done.output.splitlines()[-1].startswith("returned; ")


def test_what_a_file_defines_takes_no_stub(source: Path) -> None:
    done = pvasm("simulate", source, "--stub", "sum")
    message = "t.s: sum is defined here: a stub is for a symbol of another file"
    assert (done.status, done.error_lines) == (2, [f"pvasm: error: {message}"])


def test_names_do_not_reach_the_terminal_as_they_are(source: Path) -> None:
    """A line marker has a path, and quotes a label, with escape codes and line ends."""
    source.write_bytes(b'# 1 "\\033[2J\\007\\nx"\n"\x1b[2J": nop 0 ;;\n mov r8=1\n break.m 1\n')
    done = pvasm("simulate", source, "--trace")
    assert (done.status, done.errors) == (1, "")
    assert not set(done.output) & {"\x1b", "\x07"}
    assert [line.split()[0] for line in done.output.splitlines()] == ["?[2J", "?[2J+0x10", "r8", "break"]


def test_a_program_begins_at_a_bundle(source: Path) -> None:
    source.write_text(" .global _start\n_start: break.m 1 ;;\n")
    subprocess.run([require_tool("ia64-linux-gnu-as"), "-x", "-o", "t.o", source], check=True)
    subprocess.run([require_tool("ia64-linux-gnu-ld"), "-o", "t", "t.o"], check=True)
    data = bytearray(Path("t").read_bytes())
    entry = int.from_bytes(data[24:32], "little")
    for wrong, reason in ((entry + 4, "bundles are at multiples of 16"), (entry + 0x1000, "there is no code")):
        data[24:32] = wrong.to_bytes(8, "little")
        Path("t").write_bytes(data)
        done = pvasm("simulate", "t", "--mode", "user")
        message = f"t: where the program begins is {wrong:#x}: {reason}"
        assert (done.status, done.error_lines) == (2, [f"pvasm: error: {message}"])


def test_the_backing_store_is_where_it_is_said_to_be(source: Path) -> None:
    source.write_text(" mov r8=ar.bsp ;;\n break.m 1\n")
    done = pvasm("simulate", source, "--reg", "ar.bspstore=0x30000")
    assert (done.status, done.output.splitlines()[0]) == (1, "r8 = 0x30000")


def test_raw_source_is_preprocessed_and_ops_are_expanded(source: Path) -> None:
    raw = Path("t.S")
    raw.write_text("#ifdef WIDE\n#define N 2\n#else\n#define N 1\n#endif\n mov r8=N ;;\n break.m N\n")
    assert pvasm("simulate", raw, "-D", "WIDE").output.splitlines()[0] == "r8 = 0x2"
    assert pvasm("simulate", raw).output.splitlines()[0] == "r8 = 0x1"


def test_ops_that_a_header_defines_are_refused_as_expand_refuses_them(source: Path) -> None:
    """M13: the header's native code would be run for Xen."""
    Path("inst.h").write_text("#define THASH(p, r, a, c, d) (p) mov r = a\n")
    Path("t.S").write_text('#include "inst.h"\n THASH(p0, r8, r9, r10, r11) ;;\n break.m 1\n')
    done = pvasm("simulate", "t.S", "-i", "xen", "-I", ".")
    assert done.status == 2
    (line,) = done.error_lines
    assert line.startswith("pvasm: error: ")
    assert "inst.h" in line
    assert "THASH" in line
    assert pvasm("simulate", "t.S", "-i", "native", "-I", ".", "--reg", "r9=5").output.startswith("r8 = 0x5\n")


CHANGES_ITSELF = """\
f:
 mov r9=ip ;;
 add r9=g-f,r9
 mov r3=b0 ;;
 br.call.sptk.few b0=g ;;
 st8 [r9]=r0 ;;
 br.call.sptk.few b0=g ;;
 mov b0=r3 ;;
 br.ret.sptk.few b0
 .align 32
g:
 add r8=1,r8
 br.ret.sptk.few b0
"""


def test_code_that_was_changed_without_the_sequence_is_noted(source: Path) -> None:
    source.write_text(CHANGES_ITSELF)
    done = pvasm("simulate", source, "--reg", "r8=0")
    lines = done.output.splitlines()
    assert "r8 = 0x2" in lines, "the code as it was runs on"
    (note,) = (line for line in lines if line.startswith("note: "))
    assert note == (
        "note: g (t.s:12): the code has been changed by the store at f+0x30 (t.s:6), without fc.i, sync.i and srlz.i "
        "behind it"
    )


MODES = """\
 mov r9=psr.um
 sum 4 ;;
 ld8 r8=[r32]
 br.ret.sptk.few b0
"""


@pytest.mark.parametrize(
    ("mode", "end"),
    [
        ("user", "alternate data TLB fault"),
        ("sys", "alternate data TLB fault"),
        ("userphys", "returned"),
        ("sysphys", "returned"),
    ],
)
def test_modes_differ_in_what_addresses_are(source: Path, mode: str, end: str) -> None:
    """Where they are virtual, the first 4 GiB are mapped."""
    source.write_text(MODES)
    far = pvasm("simulate", source, "--mode", mode, "--reg", "r32=0x100000000")
    near = pvasm("simulate", source, "--mode", mode, "--reg", "r32=0x40000", "--mem", "0x40000=07")
    assert far.output.splitlines()[-1].startswith(end)
    assert near.output.splitlines()[-1].startswith("returned")
    assert near.output.splitlines()[0] == "r8 = 0x7"


def test_psr_is_told_if_it_has_changed(source: Path) -> None:
    source.write_text(MODES)
    done = pvasm("simulate", source, "--reg", "r32=0")
    assert done.output.splitlines()[0] == "psr.up = 0x1"
    source.write_text(" nop.m 0\n br.ret.sptk.few b0\n")
    assert "psr" not in pvasm("simulate", source).output


def test_user_code_may_not_do_what_the_system_may(source: Path) -> None:
    source.write_text(" rsm 0x4000 ;;\n br.ret.sptk.few b0\n")
    assert pvasm("simulate", source, "--mode", "user").output.startswith(
        "privileged operation fault at 0x10000 (t.s:1)"
    )
    assert pvasm("simulate", source, "--mode", "sys").status == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            " add r8=r9,r10\n add r11=r8,r8 ;;\n",
            "t.s:2: `add r11=r8,r8' reads r8, which `add r8=r9,r10' at 0x10000 (t.s:1) has written in the same group: "
            "a stop, ;;, is needed between them",
        ),
        (
            " cmp.eq p6,p7=r0,r0 ;;\n(p6) mov r8=1\n(p6) mov r8=2 ;;\n",
            "t.s:3: `(p06) mov r8=2' writes r8, which `(p06) mov r8=1' at 0x10000 (t.s:2) has written in the "
            "same group: a stop, ;;, is needed between them",
        ),
        (
            " cmp.eq p6,p7=r0,r0\n(p6) mov r8=1 ;;\n",
            "t.s:2: `(p06) mov r8=1' reads p6, which `cmp.eq p6,p7=r0,r0' at 0x10000 (t.s:1) has written in the "
            "same group: a stop, ;;, is needed between them",
        ),
        (
            " fcmp.eq p6,p7=f0,f0\n(p6) br.ret.sptk.few b0 ;;\n",
            "t.s:2: `(p06) br.ret.sptk.few b0' reads p6, which `fcmp.eq.s0 p6,p7=f0,f0' at 0x10000 (t.s:1) has written",
        ),
        (" mov ar.lc=r8\n mov r9=ar.lc ;;\n", "t.s:2: `mov.i r9=ar.lc' reads AR[LC]"),
    ],
)
def test_a_violation_in_a_group_is_an_error_where_it_is_asked_for(source: Path, text: str, message: str) -> None:
    source.write_text(f"{text} br.ret.sptk.few b0\n")
    done = pvasm("simulate", source, "--strict")
    assert (done.status, done.errors.startswith(f"pvasm: error: {message}")) == (2, True), done.errors
    assert pvasm("simulate", source).status == 0
    assert pvasm("simulate", source, "--strict", "--trace").errors == done.errors


@pytest.mark.parametrize(
    "text",
    [
        " cmp.eq p6,p7=r0,r0 ;;\n(p6) mov r8=1\n(p7) mov r8=2 ;;\n",  # of which one alone is executed
        " cmp.eq p6,p7=r0,r0\n(p6) br.cond.sptk.few over ;;\n nop.m 0 ;;\nover:\n",  # a branch reads it at once
        " mov r8=1\n br.cond.sptk.few over\n nop.m 0 ;;\nover: mov r8=2 ;;\n",  # and ends the group if it is taken
        " cmp.ne.or p6,p0=r0,r0\n cmp.eq.or p6,p0=r0,r0 ;;\n",  # both set it
        " ld8 r8=[r32],8 ;;\n st8 [r32]=r8\n mov r8=r0 ;;\n",  # read, then written
    ],
)
def test_what_is_no_violation_when_it_runs_is_none(source: Path, text: str) -> None:
    source.write_text(f"{text} br.ret.sptk.few b0\n")
    done = pvasm("simulate", source, "--strict", "--reg", "r32=0x40000")
    assert (done.status, done.errors) == (0, "")


@pytest.mark.parametrize("mode", ["user", "sys"])
def test_an_op_of_xen_finds_its_page_where_it_is_mapped(mode: str, tmp_path: Path) -> None:
    """The word of the shared page that has cr.ifa (domain: 0xfffffffffff04000 + 0x8a0)."""
    (tmp_path / "t.S").write_text("foo:\n\tMOV_FROM_IFA(r8) ;;\n\tbr.ret.sptk b0\n")
    options = [
        "-i",
        "xen",
        "--mode",
        mode,
        "--map",
        "0xfffffffffff04000",
        "--mem",
        "0xfffffffffff048a0=1122334455667788",
    ]
    done = pvasm("simulate", *options, "t.S", cwd=tmp_path)
    assert done.status == 0, done.errors
    assert done.output.splitlines()[0] == "r8 = 0x8877665544332211"


def test_fields_of_psr_are_set(tmp_path: Path) -> None:
    """Without collection, cr.ifa may be read: as handlers run."""
    (tmp_path / "t.S").write_text("foo:\n\tMOV_TO_IFA(r32, r14) ;;\n\tMOV_FROM_IFA(r8) ;;\n\tbr.ret.sptk b0\n")
    options = ["-i", "native", "--reg", "r32=0x1234"]
    done = pvasm("simulate", *options, "--reg", "psr.ic=0", "t.S", cwd=tmp_path)
    assert done.status == 0, done.errors
    assert done.output.splitlines()[:2] == ["r8 = 0x1234", "cr.ifa = 0x1234"]
    done = pvasm("simulate", *options, "t.S", cwd=tmp_path)
    assert done.output.startswith("illegal operation fault at foo (t.S:2)")


def test_what_an_op_of_xen_writes_is_told_at_its_address(tmp_path: Path) -> None:
    (tmp_path / "t.S").write_text("foo:\n\tMOV_TO_IFA(r32, r14) ;;\n\tbr.ret.sptk b0\n")
    options = ["-i", "xen", "--mode", "sys", "--map", "0xfffffffffff04000", "--reg", "r32=0x1234"]
    done = pvasm("simulate", *options, "t.S", cwd=tmp_path)
    assert "[0xfffffffffff048a0] = 3412000000000000" in done.output.splitlines()


# ------------------------------------------------------------------------- what a newcomer types

FRAME = """\
f:	alloc r34=ar.pfs,2,2,1,0
	add r8=r32,r33
	add r9=r9,r9
	mov r10=ar.itc ;;
	st8 [r14]=r8,8
	mov b6=r11
	mov pkr[r14]=r11 ;;
	br.ret.sptk.many b0
table:	data8 5
"""


@pytest.fixture
def frame(source: Path) -> Path:
    source.write_text(FRAME)
    return source


def test_arguments_have_the_names_of_the_conventions(frame: Path) -> None:
    done = pvasm(
        "simulate", frame, "--reg", "in0=40", "--reg", "in1=0b10", "--reg", "r14=0x20000", "--mode", "userphys"
    )
    assert done.output.splitlines()[0] == "r8 = 0x2a"


@pytest.mark.parametrize(
    ("value", "found"),
    [("table", 0x10040), ("table#", 0x10040), ("table + 8", 0x10048), ("f+(3<<4)", 0x10030), ("010", 8), ("1_0", 10)],
)
def test_values_are_numbers_or_expressions_with_symbols(frame: Path, value: str, found: int) -> None:
    done = pvasm("simulate", frame, "--reg", f"r32={value}", "--reg", "r33=0", "--reg", "r14=0x20000")
    assert (done.output.splitlines()[0], done.errors) == (f"r8 = {found:#x}", "")


def test_places_are_named_by_symbols(frame: Path) -> None:
    options = ("--mem", "table=68690a686f00", "--text", "table", "--reg", "r14=0x20000", "--entry", "f#")
    assert pvasm("simulate", frame, *options).output.splitlines()[-2:] == ["table: hi", "table: ho"]


def test_an_entry_may_be_an_address(frame: Path) -> None:
    by_name = pvasm("simulate", frame, "--reg", "r14=0x20000")
    assert pvasm("simulate", frame, "--reg", "r14=0x20000", "--entry", "0x10000").output == by_name.output
    wrong = pvasm("simulate", frame, "--entry", "0x10008")
    assert (wrong.status, wrong.errors) == (
        2,
        "pvasm: error: t.s: --entry 0x10008 is 0x10008: bundles are at multiples of 16\n",
    )


def test_a_register_is_not_a_thing(frame: Path) -> None:
    options = ("--reg", "r9=NaT", "--reg", "r11=nat", "--reg", "f8=NaTVal", "--reg", "r14=0x20000")
    done = pvasm("simulate", frame, *options)
    assert done.output.splitlines()[-1].startswith(
        "register NaT consumption fault at f+0x10 (t.s:6), isr 0x40000000010; instructions 5,"
    )


def test_a_trace_tells_of_memory_the_frame_and_status(frame: Path) -> None:
    done = pvasm("simulate", frame, "--reg", "r14=0x20000", "--reg", "r32=7", "--reg", "r11=NaT", "--trace")
    lines = [" ".join(each.split()[2:]) for each in done.output.splitlines()[:6]]
    assert lines == [
        "alloc r34=ar.pfs,5,4,0 cfm.sof = 0x5, cfm.sol = 0x4",
        "add r8=r32,r33 r8 = 0x7",
        "add r9=r9,r9",
        "mov.m r10=ar.itc r10 = 0x3",
        "st8 [r14]=r8,8 r14 = 0x20008, [0x20000] = 0700000000000000",
        "mov b6=r11 register NaT consumption fault",
    ]


def test_registers_of_other_files_are_told_of(frame: Path) -> None:
    done = pvasm("simulate", frame, "--reg", "r14=0x20000", "--reg", "r11=0x101")
    assert "pkr[8] = 0x101" in done.output.splitlines()


def test_time_begins_where_it_is_said_to(frame: Path) -> None:
    done = pvasm("simulate", frame, "--reg", "ar.itc=1000", "--reg", "r14=0x20000")
    assert "r10 = 0x3eb" in done.output.splitlines()


def test_a_slot_to_begin_at_may_be_given(source: Path) -> None:
    source.write_text("f:\tadd r8=1,r8\n\tadd r8=1,r8\n\tadd r8=1,r8 ;;\n\tbr.ret.sptk.many b0\n")
    assert pvasm("simulate", source, "--reg", "psr.ri=2").output.splitlines()[0] == "r8 = 0x1"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["r32=1", "in0=2"], "in0 is given twice, as r32"),
        (["psr.ic=1", "psr.ic=0"], "psr.ic is given twice"),
        (["loc0=1"], "there is no register `loc0' to set: the code makes its frame itself; what it is given is in "
         "in0 to in7, r32 to r39"),
        (["pr=1"], "there is no register `pr' to set: predicates are set one by one: p6=1"),
        (["ip=1"], "there is no register `ip' to set: --entry says where to begin"),
        (["rr[1]=1"], "there is no register `rr[1]' to set: a scenario sets it (--scenario)"),
        (["b6=NaT"], "b6 has no NaT"),
        (["r0=NaT"], "r0 has always the same value, and cannot be set"),
        (["ar.rsc=-1"], "ar.rsc cannot be 0xffffffffffffffff: bits 0xffffffffc000ffe0 of it are reserved"),
        (["ar.ec=64"], "ar.ec cannot be 0x40: bits 0xffffffffffffffc0 of it are ignored"),
        (["ar.fpsr=0x100"], "ar.fpsr cannot be 0x100: 1 is no precision of a status field"),
        (["ar.fpsr=0x1000"], "ar.fpsr cannot be 0x1000: bits 0xfc00000000001000 of it are reserved"),
        (["ar.pfs=127"], "ar.pfs cannot be 0x7f: its fields do not fit each other"),
        (["cr.ipsr=1"], "cr.ipsr cannot be 0x1: bits 0xffff8000f0011fc1 of it are reserved"),
        (["cr.pta=0x10"], "cr.pta cannot be 0x10: the size of a table is from 15 to 61"),
        (["ar8=1"], "ar8 is reserved: there is nothing to set"),
        (["cr3=1"], "cr3 is reserved: there is nothing to set"),
        (["cr.ivr=1"], "cr.ivr cannot be set: it tells of interrupts, of which none is pending"),
        (["psr.ri=3"], "psr.ri is a slot of a bundle, from 0 to 2"),
        (["psr.is=1"], "psr.is=1 is for the IA-32 instruction set, which is not simulated"),
        (["r8=fine"], "'fine' is neither a number nor a symbol of the code"),
        (["r8=sum+x"], "`sum+x': x is neither a label nor a name of the stubs"),
        (["r8=su"], "'su' is neither a number nor a symbol of the code (did you mean sum?)"),
        (["r8=1/0"], "`1/0': a division by 0"),
        (["r8=" + "(" * 5000], "`" + "(" * 60 + "...' is no number and no expression of at most 200 characters"),
    ],
)  # fmt: skip
def test_what_a_register_cannot_hold_is_an_error(source: Path, options: list[str], message: str) -> None:
    done = pvasm("simulate", source, *(word for each in options for word in ("--reg", each)))
    assert (done.status, done.errors, done.output) == (2, f"pvasm: error: --reg: {message}\n", "")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--text", "somewhere"], "--text: 'somewhere' is neither a number nor a symbol of the code"),
        (["--text", "-1"], "--text: -1 is no address: those are from 0 to 0xffffffffffffffff"),
        (["--text", "0x4000000000000000"], f"--text: there is no memory at 0x4000000000000000{PHYSICAL}"),
        (
            ["--mode", "user", "--text", "0x4000000000000000"],
            "--text: no page is mapped at 0x4000000000000000: --map 0x4000000000000000 maps one",
        ),
        (
            ["--mode", "sys", "--map", "0xfffffffffff04000", "--mem", "0xffffffffffffffff=0011"],
            "--mem: there are no 2 bytes from 0xffffffffffffffff on",
        ),
    ],
)
def test_nothing_runs_before_all_options_are_read(source: Path, options: list[str], message: str) -> None:
    done = pvasm("simulate", source, *options)
    assert (done.status, done.errors, done.output) == (2, f"pvasm: error: {message}\n", "")


def test_a_text_that_has_no_end_is_cut_where_it_is_told(source: Path) -> None:
    done = pvasm("simulate", source, "--text=0x20000", "--mem", "0x20000=" + "61" * (1 << 16))
    assert done.output.splitlines()[-1] == "0x20000: " + "a" * (1 << 16) + "..."


@pytest.mark.parametrize(
    ("value", "kept"),
    [("data1 70000", "0x11170 is cut to 0x70, 8 bits"), ("data2 -65536", "-0x10000 is cut to 0x0, 16 bits")],
)
def test_data_that_is_cut_is_told_of_as_the_assembler_does(source: Path, value: str, kept: str) -> None:
    source.write_text(f"f:\tbr.ret.sptk.many b0\n\t{value}, -1, 255, -255\n")
    done = pvasm("simulate", source)
    assert (done.status, done.errors) == (0, f"pvasm: warning: t.s:2:2: {kept}\n")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (".if 1\n nop 0\n", "1:1"),
        (" nop 0\n.if 0\n\n", "2:1"),
        (".if 0\n.if 1\n.endif\n nop 0\n", "1:1"),
        (".if 1\n.if 1\n.endif\n nop 0\n.else\n  .if 1\n nop 0\n.endif\n", "1:1"),
        (".if 1\n.else\n.if 1\n nop 0\n", "3:1"),
    ],
)
def test_a_conditional_without_an_end_is_an_error(source: Path, text: str, place: str) -> None:
    source.write_text(text)
    done = pvasm("simulate", source)
    assert (done.status, done.output) == (2, "")
    assert done.error_lines == [f"pvasm: error: t.s:{place}: an .if that has no .endif"]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("f: nop 0\n.if foo\n nop 1\n.endif\n nop 2\n", "2:1"),
        ("f: nop 0\n.macro m x\n.if \\x\n nop 1\n.endif\n.endm\n m bar\n nop 2\n", "7:2"),
        ("f: nop 0\n.ifdef foo\n nop 1\n.else\n nop 3\n.endif\n", "2:1"),
    ],
)
def test_a_conditional_that_cannot_be_decided_is_told_where_it_stands(source: Path, text: str, place: str) -> None:
    source.write_text(text)
    done = pvasm("simulate", source)
    said = "which arm of a conditional is assembled is not known here: preprocess the source (-I, -D)"
    assert (done.status, done.error_lines) == (2, [f"pvasm: error: t.s:{place}: {said}"])


@pytest.mark.parametrize("fill", ["-1,-1,0", "3,-1,1", "-1", "1<<28,2"])
def test_a_fill_of_no_size_is_an_error(source: Path, fill: str) -> None:
    source.write_text(f" .fill {fill}\n br.ret.sptk.many b0\n")
    done = pvasm("simulate", source)
    assert (done.status, done.errors[:28]) == (2, "pvasm: error: t.s:1:2: .fill")


def test_an_object_is_read_from_standard_input(source: Path) -> None:
    require_tool("ia64-linux-gnu-as")
    source.write_text("f:\tadd r8=1,r0\n\tbr.ret.sptk.many b0\n")
    subprocess.run(["ia64-linux-gnu-as", "-x", "-o", "t.o", source], check=True)
    done = pvasm("simulate", "-", stdin=Path("t.o").read_bytes())
    assert (done.status, done.output.splitlines()[0]) == (0, "r8 = 0x1")
    refused = pvasm("simulate", "-", "-D", "X", stdin=Path("t.o").read_bytes())
    assert refused.errors == "pvasm: error: <stdin>: is an object file: an instance, -I and -D are for sources\n"


def test_a_shared_object_begins_nowhere(source: Path) -> None:
    require_tool("ia64-linux-gnu-as")
    source.write_text("\t.global f\n\t.type f,@function\nf:\tadd r8=1,r0\n\tbr.ret.sptk.many b0\n")
    subprocess.run(["ia64-linux-gnu-as", "-x", "-o", "t.o", source], check=True)
    subprocess.run(["ia64-linux-gnu-ld", "-shared", "-o", "t.so", "t.o"], check=True)
    done = pvasm("simulate", "t.so")
    message = "pvasm: error: t.so: says nowhere where to begin: --entry names a label or an address\n"
    assert (done.status, done.errors) == (2, message)
    assert pvasm("simulate", "t.so", "--entry", "f").output.splitlines()[0] == "r8 = 0x1"
