"""Where code runs: at user level (F5), in files for bare hardware alone, or in the kernel."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pvasm.check.code_levels import regions_of_text
from tests.check.checking import check
from tests.cli.command import pvasm
from tests.work import Bounded

GATE = """\t.section .gate.text, "ax"
GLOBAL_ENTRY(__kernel_syscall_via_epc)
\tcover
\tepc
\t;;
\tmov r16 = psr
END(__kernel_syscall_via_epc)
GLOBAL_ENTRY(again)
\tcover
\t;;
END(again)
\t.previous
\tcover
"""


def lines(path: Path, *options: str, code: str = "PV0") -> list[int]:
    """The lines of a file with findings."""
    done = pvasm("check", *options, "--select", code, "--output-format", "gcc", path.name, cwd=path.parent)
    assert done.errors == ""
    return [int(number) for number in re.findall(r"^[^:\n]+:(\d+):", done.output, re.M)]


def kernel_lines(text: str) -> list[int]:
    """The lines that are marked to be reported."""
    return [number for number, line in enumerate(text.splitlines(), start=1) if "// <-" in line]


TEXTS = [
    "\t.pushsection .gate.text\n\tcover\n\t.popsection\n\tcover // <-\n",
    '\t.section ".gate.text"\n\tcover\n\t.text\n\tcover // <-\n\t.previous\n\tcover\n',
    "#ifdef X\n\t.section .gate.text\n\tcover\n#else\n\tcover // <-\n#endif\n",
    "GLOBAL_ENTRY(__kernel_sigtramp)\n\tcover\nback:\tcover\nEND(__kernel_sigtramp)\n\tcover // <-\n",
    "\t.proc ia64_sigtramp\nia64_sigtramp:\n\tcover\n\t.endp ia64_sigtramp\n\tcover // <-\n",
    "\tcover // <-\n__kernel_sigtramp:\n\tcover\n\t.proc next\nnext:\n\tcover // <-\n\t.endp\n",
    "// pvasm: user-level begin\n\tcover\n/* pvasm: user-level end: the rest is the kernel's */\n\tcover // <-\n",
    '\tcover // <-\n\t.string "pvasm: user-level begin"\n\tcover // <-\n',
    "\t.section .gate.text\n\tLOCAL(cover)\n\t.text\n\tLOCAL(cover) // <-\n",
    "\t.section .gate.text.more\n\tcover // <-\n",
]


@pytest.mark.parametrize("options", [(), ("--cpp",)], ids=["raw", "cpp"])
@pytest.mark.parametrize("text", TEXTS)
def test_known_names_and_comments(text: str, options: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "g.S").write_text(text)
    assert lines(tmp_path / "g.S", *options, "-DNOTHING" if options else "--no-config") == kernel_lines(text)


def test_epc_enters_the_kernel_up_to_the_end_of_the_function(tmp_path: Path) -> None:
    (tmp_path / "g.S").write_text(GATE)
    assert lines(tmp_path / "g.S") == [6, 13]


def test_settings_name_sections_and_symbols(tmp_path: Path) -> None:
    (tmp_path / "pvasm.toml").write_text('user-level = [".vdso.*", "vdso_*"]\n')
    text = "\t.section .vdso.text\n\tcover\n\t.text\nENTRY(vdso_a)\n\tcover\nEND(vdso_a)\n"
    text += "ENTRY(a)\n\tcover // <-\nEND(a)\n"
    (tmp_path / "g.S").write_text(text)
    assert lines(tmp_path / "g.S") == kernel_lines(text)


def test_nothing_is_fixed_at_user_level(tmp_path: Path) -> None:
    (tmp_path / "g.S").write_text(GATE)
    pvasm("check", "--fix", "g.S", cwd=tmp_path)
    assert (tmp_path / "g.S").read_text() == GATE[: GATE.rindex("cover")] + "COVER\n"


@pytest.mark.parametrize("options", [(), ("--cpp",)], ids=["raw", "cpp"])
def test_an_op_at_user_level_is_said_with_the_reason(options: tuple[str, ...], tmp_path: Path) -> None:
    text = "\t.section .gate.text\n\tCOVER // <-\n\t.text\n\tCOVER\n"
    (tmp_path / "g.S").write_text(text)
    done = pvasm("check", *options, "g.S", cwd=tmp_path)
    said = "g.S:2:2: PV407 error: COVER in code that runs at user level (section .gate.text): write the instruction"
    assert done.output.splitlines()[0] == said
    assert lines(tmp_path / "g.S", *options, code="PV407") == [2]


def test_a_region_that_never_ends_is_said_and_counts_for_nothing(tmp_path: Path) -> None:
    (tmp_path / "g.S").write_text("\tcover\n// pvasm: user-level begin\n\tcover\n")
    done = pvasm("check", "g.S", cwd=tmp_path)
    assert (
        "g.S:2:4: PV406 error: user level begins here and never ends: `pvasm: user-level end' is due behind it"
        in done.output
    )
    assert lines(tmp_path / "g.S") == [1, 3]


def test_regions_of_a_text() -> None:
    text = "// pvasm: user-level begin\nx\n// pvasm: user-level end\n// pvasm: user-level end\n"
    problems = [each.problem for each in regions_of_text(text, preprocessed=False)]
    assert problems == ["", "user level ends here and has not begun: `pvasm: user-level begin' is due before"]


# ------------------------------------------------------------------------------------- bare hardware


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "pvasm.toml").write_text('bare-hardware = ["head.S", "boot"]\n')
    (tmp_path / "boot").mkdir()
    for name in ("head.S", "boot/a.S", "ivt.S"):
        (tmp_path / name).write_text("\tthash r8 = r9\n\trfi\n\tptc.l r2, r3\n")
    return tmp_path


@pytest.mark.parametrize("options", [(), ("--cpp",)], ids=["raw", "cpp"])
def test_nothing_is_asked_of_files_for_bare_hardware(options: tuple[str, ...], tree: Path) -> None:
    done = pvasm("check", *options, "--output-format", "gcc", "head.S", "boot", "ivt.S", cwd=tree)
    assert {line.split(":")[0] for line in done.output.splitlines() if ": error:" in line} == {"ivt.S"}


def test_nothing_is_fixed_in_them(tree: Path) -> None:
    before = (tree / "head.S").read_text()
    pvasm("check", "--fix", ".", cwd=tree)
    assert (tree / "head.S").read_text() == (tree / "boot/a.S").read_text() == before
    assert (tree / "ivt.S").read_text() != before


def test_the_cache_tells_settings_apart(tree: Path) -> None:
    """M18: an answer for other settings is none for these."""
    kept = str(tree / "cache")
    for _ in range(2):
        assert "PV002" not in pvasm("check", "head.S", cwd=tree, PVASM_CACHE_DIR=kept).output
        assert "PV002" in pvasm("check", "--no-config", "head.S", cwd=tree, PVASM_CACHE_DIR=kept).output


@pytest.mark.parametrize(
    "text",
    [
        "__kernel_sigtramp:\n\tcover\n.global k\nk:\tthash r8=r9\n",
        "__kernel_sigtramp:\n\tcover\n.data\n.text\n\tthash r8=r9\n",
        "__kernel_sigtramp:\n1:\tcover\n.Lx:\tcover\nother:\n\tthash r8=r9\n",
    ],
)
def test_a_symbol_without_an_end_goes_as_far_as_the_next(text: str) -> None:
    assert [each.instruction for each in check(text, "PV001")] == ["thash r8=r9"]


@pytest.mark.parametrize(
    "text",
    [
        "#ifdef A\n\t.section .gate.text\n#endif\n\tnop 0\n#ifdef A\n\tcover\n#else\n\tcover // <-\n#endif\n",
        "#ifndef A\n\t.section .gate.text\n#endif\n#ifdef A\n\tcover // <-\n#endif\n#ifndef A\n\tcover\n#endif\n",
        "#ifdef A\n\t.section .gate.text\n#else\n\t.text\n#endif\n#if defined(A)\n\tcover\n#endif\n\tcover // <-\n",
        "#ifdef A\n#ifdef B\n\t.section .gate.text\n#endif\n#endif\n#ifdef B\n#ifdef A\n\tcover\n#endif\n"
        "\tcover // <-\n#endif\n",
        "#ifdef A\n\t.section .gate.text\n#endif\n#ifdef A\n\tcover\n\t.text\n#endif\n\tcover // <-\n",
        "#ifdef A\n\t.section .gate.text\n#endif\n#if A > 1\n\tcover\n#endif\n\tcover // <-\n",
    ],
)
def test_conditions_that_hold_together(text: str) -> None:
    """What an arm does to the section counts where the same condition is asked again."""
    found = check(text, "PV001")
    assert [each.line for each in found] == kernel_lines(text)


@pytest.mark.slow
def test_many_conditionals_take_linear_steps() -> None:
    """Ways to compile are told apart as long as they are few."""
    for number in (200, 400):
        arms = "".join(f"#ifdef A{n}\n\t.section .gate.text\n\tnop 0\n#endif\n" for n in range(number))
        with Bounded(number * 6_000):
            check(f"{arms}\tcover\n", "PV001")
