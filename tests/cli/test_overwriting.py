"""Nothing that is read is written over, and no instance is called sound that is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from pvasm.paravirt.loading import load_instance
from tests.cli.command import pvasm
from tests.oracle import require_tool

MINE = "name: mine\ndescription: d\nextends: native\n"
SOURCE = "\tMOV_TO_IFA(r8, r9)\n"


@pytest.mark.parametrize("flags", [["-c"], ["-E"], ["-c", "-MD"]])
@pytest.mark.parametrize("output", ["a.S", "./a.S"])
def test_a_compiler_does_not_write_over_its_source(flags: list[str], output: str, tmp_path: Path) -> None:
    (tmp_path / "a.S").write_text(SOURCE)
    done = pvasm("cc", "-i", "xen", "--", require_tool("gcc"), *flags, "a.S", "-o", output, cwd=tmp_path)
    assert done.status != 0
    assert (tmp_path / "a.S").read_text() == SOURCE


def test_a_header_is_not_written_over_its_instance(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(MINE)
    done = pvasm("header", "-i", "mine.yaml", "-o", "./mine.yaml", cwd=tmp_path)
    assert (done.status, "would overwrite" in done.errors) == (2, True)
    assert (tmp_path / "mine.yaml").read_text() == MINE
    assert pvasm("header", "-i", "xen", "-i", "native").status == 2


def test_an_instance_is_not_written_over_its_header(tmp_path: Path) -> None:
    text = pvasm("header", "-i", "native").output
    (tmp_path / "x.h").write_text(text)
    done = pvasm("import", "x.h", "--extends", "native", "-o", "x.h", cwd=tmp_path)
    assert (done.status, "would overwrite" in done.errors) == (2, True)
    assert (tmp_path / "x.h").read_text() == text


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("MOV_FROM_IIP(r28, r3)", "DO_SAVE_MIN: MOV_FROM_IIP takes 1 argument, not 2"),
        ("movv r3 = r4", "there is no instruction `movv'"),
        ("DO_SAVE_MIN(a, b, c, d)", "names the op DO_SAVE_MIN"),
    ],
)
def test_a_block_that_is_wrong_is_not_complete(line: str, message: str, tmp_path: Path) -> None:
    block = f"blocks:\n  DO_SAVE_MIN:\n    template: |\n      {{{{ cover }}}}\n      {line}\n"
    (tmp_path / "mine.yaml").write_text(MINE + block)
    for command in (("check",), ("instance", "validate")):
        done = pvasm(*command, "mine.yaml", cwd=tmp_path)
        assert (done.status, done.errors.startswith("pvasm: error: mine.yaml:7:1:")) == (2, True)
        assert message in done.errors


@pytest.mark.parametrize("old", ["r8", "p6", "mov", "in0", "b0"])
def test_registers_and_instructions_are_not_renamed(old: str, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(f"{MINE}renames:\n  {old}: other\n")
    done = pvasm("instance", "validate", "mine.yaml", cwd=tmp_path)
    assert (done.status, f"'{old}' is a register or an instruction" in done.errors) == (2, True)


def test_a_file_that_is_here_is_pointed_at(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(MINE)
    assert "write mine.yaml" in pvasm("instance", "show", "mine", cwd=tmp_path).errors


def test_check_knows_the_short_option(tmp_path: Path) -> None:
    (tmp_path / "a.S").write_text(SOURCE)
    assert pvasm("check", "-i", "xen", "a.S", cwd=tmp_path).status == 0


def test_what_is_worked_out_is_kept_where_it_can_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pvasm import compiled

    source = tmp_path / "bundled" / "x.txt"
    source.parent.mkdir()
    source.write_text("text")
    (source.parent / "__pycache__").write_text("no folder: nothing can be kept here, by whoever")
    monkeypatch.setenv("PVASM_CACHE_DIR", str(tmp_path / "cache"))
    made: list[str] = []

    def make(text: str) -> list[str]:
        made.append(text)
        return made

    for _ in range(3):
        assert compiled.compiled(str(source), make, made_by=()) == ["text"]
    assert made == ["text"]
    source.write_text("other")
    compiled.compiled(str(source), make, made_by=())
    assert made == ["text", "other"]
    assert len(list((tmp_path / "cache" / "compiled").iterdir())) == 1
    assert load_instance("xen").code == load_instance("xen").code


def test_a_program_that_is_no_compiler_makes_nothing_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "a.S").write_text("\tnop\n")
    gcc = require_tool("gcc")
    done = pvasm("cc", "-i", "xen", "--", "env", gcc, "-c", "a.S", "-o", "a.o", cwd=tmp_path)
    assert (done.status, "is no compiler that pvasm knows" in done.errors) == (2, True)
    assert not (tmp_path / "a.o").exists()


def test_temporary_files_that_are_kept_are_not_the_source(tmp_path: Path) -> None:
    (tmp_path / "a.s").write_text("// mine\n\tnop\n")
    gcc = require_tool("gcc")
    assert pvasm("cc", "-i", "native", "--", gcc, "-save-temps", "-c", "a.s", cwd=tmp_path).status == 0
    assert (tmp_path / "a.s").read_text() == "// mine\n\tnop\n"
