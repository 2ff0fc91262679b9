"""`pvasm check --fix` and `--diff`, as a person uses them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.cli.command import pvasm
from tests.oracle import require_tool

BARE = "f:\tmov r16 = cr.ifa ;;\t// the address\n\tthash r17 = r16 ;;\n\trfi ;;\n"
MENDED = "f:\tMOV_FROM_IFA(r16) ;;\t// the address\n\tTHASH(p0, r17, r16, r18) ;;\n\tRFI ;;\n"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "a.S"
    path.write_text(BARE)
    return path


def test_a_file_is_mended_in_its_place(source: Path) -> None:
    mode = source.stat().st_mode
    done = pvasm("check", "--fix", source)
    assert (done.status, done.output) == (0, "3 fixed, nothing found in 1 file\n")
    assert source.read_text() == MENDED
    assert source.stat().st_mode == mode


def test_a_second_time_nothing_is_written(source: Path) -> None:
    pvasm("check", "--fix", source)
    before = source.stat()
    done = pvasm("check", "--fix", source)
    assert (done.status, done.output) == (0, "nothing found in 1 file\n")
    assert (source.stat().st_mtime_ns, source.stat().st_ino) == (before.st_mtime_ns, before.st_ino)


def test_a_diff_is_a_patch_and_changes_nothing(source: Path) -> None:
    done = pvasm("check", "--diff", "a.S", cwd=source.parent)
    assert done.status == 1
    assert source.read_text() == BARE
    subprocess.run([require_tool("git"), "apply", "-"], input=done.output, text=True, cwd=source.parent, check=True)
    assert source.read_text() == MENDED
    assert pvasm("check", "--diff", "a.S", cwd=source.parent).output == ""


# Names that git and patch read quoted, or with a tab behind them; and what ends a line elsewhere, but not in a patch.
NAMES = ["a b.S", " a.S", 'a"b.S', "a\\b.S", "a\tb.S", "a\nb.S", "a\x01.S", "\x7f.S", "ü.S"]
ODD_LINES = ["\f", "\v", "\x1c", "\x85", "\u2028", "\r", "\r\n", "\n\f\n", "\r\r\n"]


@pytest.mark.parametrize("tool", [["git", "apply"], ["patch", "-p1", "-s"]], ids=["git", "patch"])
@pytest.mark.parametrize("line_end", ["\n", ""])
def test_a_patch_can_be_applied_whatever_names_and_lines_are(tmp_path: Path, tool: list[str], line_end: str) -> None:
    files = dict.fromkeys(NAMES, "\tmov r16 = cr.ifa\n\t;;\n\trfi")
    for number, odd in enumerate(ODD_LINES):
        files[f"{number}.S"] = f"\tmov r16 = cr.ifa // {odd}\n\t;;{odd}\n\trfi\t// {odd} x"
    for name, text in files.items():
        (tmp_path / name).write_bytes(f"{text}{line_end}".encode())
    diff = pvasm("check", "--diff", ".", cwd=tmp_path).output
    subprocess.run([require_tool(tool[0]), *tool[1:]], input=os.fsencode(diff), cwd=tmp_path, check=True)
    for name, text in files.items():
        mended = text.replace("mov r16 = cr.ifa", "MOV_FROM_IFA(r16)").replace("\trfi", "\tRFI")
        assert (tmp_path / name).read_bytes() == f"{mended}{line_end}".encode(), name
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(files)


@pytest.mark.parametrize("line_end", ["\r\n", "\n"])
@pytest.mark.parametrize("last", ["", "\r\n"])
def test_the_bytes_around_stay(tmp_path: Path, line_end: str, last: str) -> None:
    path = tmp_path / "a.S"
    text = f"\tmov r16 = cr.ifa \t/* \xe9 */{line_end}  ;;{line_end}\trfi{last}"
    path.write_bytes(text.encode("latin-1"))
    pvasm("check", "--fix", path)
    expected = text.replace("mov r16 = cr.ifa", "MOV_FROM_IFA(r16)").replace("rfi", "RFI")
    assert path.read_bytes() == expected.encode("latin-1")


def test_what_is_suppressed_or_ignored_stays(tmp_path: Path) -> None:
    path = tmp_path / "a.S"
    text = "\tmov r16 = cr.ifa ;;\t// pvasm: ignore[PV002] on purpose\n\trfi ;;\n"
    path.write_text(text)
    assert pvasm("check", "--fix", path, "--ignore", "PV002").status == 0
    assert path.read_text() == text
    (tmp_path / "pvasm.toml").write_text('[per-file-ignores]\n"a.S" = ["PV002"]\n')
    pvasm("check", "--fix", path)
    assert path.read_text() == text
    (tmp_path / "pvasm.toml").unlink()
    assert pvasm("check", "--fix", path).status == 0
    assert path.read_text() == text.replace("\trfi", "\tRFI")


def test_what_is_left_is_told_with_the_reason(tmp_path: Path) -> None:
    path = tmp_path / "a.S"
    path.write_text("\titc.d r18 ;;\n\tbr.cond.sptk elsewhere\n(p6)\trfi ;;\n")
    done = pvasm("check", "--fix", path)
    assert done.status == 1
    assert "not fixed: no general register is known to be free for ITC_D" in done.output
    assert "not fixed: RFI takes no predicate: branch around it" in done.output


def test_pairs_become_one_op(tmp_path: Path) -> None:
    path = tmp_path / "a.S"
    path.write_text(
        "f:\tssm psr.ic\n\t;;\n\tsrlz.d\t// collect again\n\tmov r14 = 0\n\tmov r15 = 0 ;;\n"
        "\titc.i r18 ;;\n\titc.d r18 ;;\n\tssm psr.ic ;;\n\tmov r14 = 0\n\tbr.ret.sptk rp\n"
    )
    done = pvasm("check", "--fix", path)
    text = path.read_text()
    assert "SSM_PSR_IC_AND_SRLZ_D(r14, r15)\n\t// collect again\n" in text.replace("\t\t//", "\t//")
    assert "\titc.i" not in text  # two groups: two ops
    assert "ITC_I(p0, r18, r14) ;;\n\tITC_D(p0, r18, r14) ;;" in text
    assert "\tssm psr.ic ;;" in text  # no srlz.d after it
    assert "SSM_PSR_IC_AND_SRLZ_D replaces" in done.output


def test_the_layout_stays(tmp_path: Path) -> None:
    path = tmp_path / "a.S"
    path.write_text(
        "f:\titc.i r18\n(p7)\titc.d r18 ;;\n(p6)\tmov cr.itir = r20 ;;\n(p6) mov r16 = cr.ipsr ;;\n\tbr.ret.sptk rp\n"
    )
    pvasm("check", "--fix", path)
    lines = path.read_text().splitlines()
    assert lines[0] == "f:\tITC_I_AND_D(p0, p7, r18, r14)"
    assert lines[1:4] == [" ;;", "\tMOV_TO_ITIR(p6, r20, r14) ;;", "MOV_FROM_IPSR(p6, r16) ;;"]


def test_the_macros_of_headers_are_known(tmp_path: Path) -> None:
    (tmp_path / "include").mkdir()
    (tmp_path / "include" / "m.h").write_text("#define CLEAR mov r14 = 0\n")
    path = tmp_path / "a.S"
    path.write_text("#include <m.h>\n\titc.d r18 ;;\n\tCLEAR ;;\n\tbr.cond.sptk elsewhere\n")
    assert pvasm("check", "--diff", path).output == ""
    assert "+\tITC_D(p0, r18, r14) ;;" in pvasm("check", "--diff", "-I", tmp_path / "include", path).output


def test_the_configuration_says_where_headers_are(tmp_path: Path) -> None:
    (tmp_path / "include").mkdir()
    (tmp_path / "include" / "m.h").write_text("#define CLEAR mov r14 = 0\n")
    (tmp_path / "pvasm.toml").write_text("include-dirs = ['include']\n")
    (tmp_path / "a.S").write_text("#include <m.h>\n\titc.d r18 ;;\n\tCLEAR ;;\n\tbr.cond.sptk elsewhere\n")
    assert "+\tITC_D(p0, r18, r14) ;;" in pvasm("check", "--diff", "a.S", cwd=tmp_path).output


def test_standard_input_has_no_place() -> None:
    assert pvasm("check", "--fix", "-", stdin=BARE.encode()).status == 2
    done = pvasm("check", "--diff", "-", stdin=BARE.encode())
    assert (done.status, done.output.count("\n+\t")) == (1, 2)


def test_what_cannot_be_written_stays_whole(source: Path) -> None:
    if os.geteuid() == 0:
        source.unlink()
        (source.parent / "real").mkdir()
        source.symlink_to(source.parent / "real")
        assert pvasm("check", "--fix", source).status in (0, 2)
        return
    source.chmod(0o444)
    done = pvasm("check", "--fix", source)
    assert done.status == 2
    assert "cannot be written" in done.errors
    assert source.read_text() == BARE


def test_a_folder_is_mended_whole(tmp_path: Path) -> None:
    for name in ("a.S", "b.S"):
        (tmp_path / name).write_text(BARE)
    (tmp_path / "linux.h").write_text("struct s { int rfi; };\n")
    assert "6 fixed" in pvasm("check", "--fix", tmp_path).output
    assert (tmp_path / "b.S").read_text() == MENDED
    assert (tmp_path / "linux.h").read_text() == "struct s { int rfi; };\n"


@pytest.mark.parametrize(
    ("code", "fixed"),
    [
        ("\tssm 0x2000 ;; srlz.d\n", "\tSSM_PSR_IC_AND_SRLZ_D(r14, r15)\n"),
        ("\tssm psr.ic ;; srlz.d // now\n", "\tSSM_PSR_IC_AND_SRLZ_D(r14, r15) // now\n"),
        ("\tssm 0x2000\n\t;;\n\tsrlz.d\n", "\tSSM_PSR_IC_AND_SRLZ_D(r14, r15)\n"),
    ],
)
def test_no_blank_is_left_at_the_end_of_a_line(code: str, fixed: str, tmp_path: Path) -> None:
    """Section 4 of the cases: `ssm 0x2000 ;; srlz.d' left one."""
    (tmp_path / "a.S").write_text(f"{code}\tbr.ret.sptk rp\n")
    assert pvasm("check", "--no-config", "--fix", "a.S", cwd=tmp_path).status == 0
    assert (tmp_path / "a.S").read_text() == f"{fixed}\tbr.ret.sptk rp\n"
