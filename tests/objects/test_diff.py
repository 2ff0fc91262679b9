"""Two objects compared: code that the assembler lays out otherwise is the same, any other instruction is not."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pvasm.objects.elf_file import elf_file_of, read_elf_file
from pvasm.objects.function_code import functions_of
from pvasm.patch.patching import patched
from pvasm.patch.single_binary import ROOMS, Room
from pvasm.patch.source import CppSettings, single_binary_of_file
from pvasm.report.object_diff import changed_lines, object_difference, render
from tests.cli.command import pvasm
from tests.corpus import build as corpus_build
from tests.objects.assembling import assembled
from tests.oracle import require_tool
from tests.patch.made import object_of

ONE = """
 .explicit
 .text
 .global first#
 .proc first#
first:
 mov r8=cr.ivr ;;
 cmp.eq p6,p7=r8,r0
(p6) br.cond.sptk 1f ;;
 addl r9=@ltoff(data#),gp
 adds r10=8,r8 ;;
1: br.call.sptk b0=second# ;;
 .endp first#
 .proc second#
second:
 br.ret.sptk b0 ;;
 .endp second#
 .data
data: data8 1
"""
# The same, with other places: in front of it is code, and nops and bundles are otherwise.
SHIFTED = ONE.replace(" .global first#", "zeroth: nop 0\n nop 0 ;;\n .align 32\n .global first#").replace(
    " adds r10", " nop.m 0\n nop.i 0\n adds r10"
)


def compared(left: str, right: str, folder: Path) -> str:
    sides = [(name, functions_of(assembled(text, folder, name))) for name, text in (("a", left), ("b", right))]
    return render(object_difference(sides[0], sides[1]))


def test_layout_is_no_difference(tmp_path: Path) -> None:
    assert compared(ONE, ONE, tmp_path) == "2 functions: the same\n"
    assert compared(ONE, SHIFTED, tmp_path) == (
        "--- a\n+++ b\n\nzeroth  in b alone (0 instructions)\n\n1 of 3 functions differ\n"
    )


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("mov r8=cr.ivr", "mov r8=cr.tpr", ["- mov r8=cr.ivr ;;", "+ mov r8=cr.tpr ;;"]),
        ("(p6) br.cond", "(p7) br.cond", ["- (p06) br.cond.sptk.few .L1 ;;", "+ (p07) br.cond.sptk.few .L1 ;;"]),
        ("@ltoff(data#)", "@ltoff(data#+8)", ["- addl r9=@ltoff(data),r1", "+ addl r9=@ltoff(data+0x8),r1"]),
        ("b0=second#", "b0=third#", ["- br.call.sptk.few b0=second ;;", "+ br.call.sptk.few b0=third ;;"]),
        (" adds r10=8,r8 ;;", " adds r10=8,r8", ["- adds r10=8,r8 ;;", "+ adds r10=8,r8"]),
        ("1: br.call", " br.call.sptk b0=second# ;;\n1: br.call", ["+ br.call.sptk.few b0=second ;;"]),
    ],
)
def test_a_difference_is_told(tmp_path: Path, old: str, new: str, said: list[str]) -> None:
    text = compared(ONE, ONE.replace(old, new), tmp_path)
    assert [line for line in text.splitlines() if line[:2] in ("- ", "+ ")] == said
    assert "first  " in text
    assert text.endswith("1 of 2 functions differ\n")


def test_a_function_that_moved_to_another_section(tmp_path: Path) -> None:
    text = compared(ONE, ONE.replace(" .proc second#", ' .section .init.text,"ax"\n .proc second#'), tmp_path)
    assert "- in .text\n+ in .init.text\n" in text


def lines_by_objdump(path: Path) -> list[str]:
    """The instructions of an object in order, without nops, by their mnemonics alone, as objdump shows them."""
    command = [require_tool("ia64-linux-gnu-objdump"), "-d", "--no-show-raw-insn", str(path)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = []
    for line in said.splitlines():
        _, colon, text = line.partition(":\t")
        words = text.replace(";;", "").split()
        words = [word for word in words if not (word.startswith("[") and word.endswith("]") and len(word) == 5)]
        if colon and words and not (words[0].startswith("nop.") and words[1] == "0x0"):
            found.append(words[words[0].startswith("(p")])
    return found


def test_each_instruction_of_the_corpus_is_in_some_function() -> None:
    if reason := corpus_build.available():
        pytest.skip(reason)
    for each in corpus_build.corpus().files[:10]:
        functions = functions_of(read_elf_file(each.object))
        ours = [line for function in functions for line in function.lines if not line.endswith(":")]
        mnemonics = [line.split()[1 if line.startswith("(p") else 0] for line in ours]
        assert sorted(mnemonics) == sorted(lines_by_objdump(each.object)), each.name


def test_of_two_variants_of_the_corpus_those_differ_that_were_changed() -> None:
    if reason := corpus_build.available():
        pytest.skip(reason)
    ivt = next(each for each in corpus_build.corpus().files if each.name == "ivt")
    data = bytearray(ivt.object.read_bytes())
    sound = elf_file_of(bytes(data), "a.o")
    section = next(each for each in sound.sections if each.name == ".text..ivt")
    start = section.offset + 0x20
    data[start : start + 16] = data[section.offset : section.offset + 16]  # a bundle of the first handler
    left, right = ("a.o", functions_of(sound)), ("b.o", functions_of(elf_file_of(bytes(data), "b.o")))
    assert [each.name for each in object_difference(left, right).functions] == ["vhpt_miss"]


def test_the_command_line(tmp_path: Path) -> None:
    for name, text in (("a", ONE), ("b", ONE.replace("cr.ivr", "cr.tpr"))):
        assembled(text, tmp_path, name)
    (tmp_path / "cut.o").write_bytes((tmp_path / "a.o").read_bytes()[:90])
    same = pvasm("diff", "a.o", "a.o", cwd=tmp_path)
    assert (same.status, same.output) == (0, "2 functions: the same\n")
    other = pvasm("diff", "a.o", "b.o", cwd=tmp_path)
    assert (other.status, other.output.splitlines()[:2]) == (1, ["--- a.o", "+++ b.o"])
    assert pvasm("diff", "a.o", "b.o", "--symbol", "second", cwd=tmp_path).output == "1 function: the same\n"
    for words, error in {
        ("a.o", "cut.o"): "cut.o: cut off: ",
        ("a.o", "a.s"): "a.s: no ELF file",
        ("a.o", "none.o"): "none.o: no such file",
        ("a.o", "b.o", "--symbol", "frist"): "there is no function frist in either (did you mean first?)",
    }.items():
        done = pvasm("diff", *words, cwd=tmp_path)
        assert (done.status, done.output) == (2, "")
        assert done.errors.startswith(f"pvasm: error: {error}"), done.errors


@given(st.lists(st.sampled_from("abcd"), max_size=12), st.lists(st.sampled_from("abcd"), max_size=12))
def test_what_is_told_leads_from_one_to_the_other(left: list[str], right: list[str]) -> None:
    """Of the lines told, those of the left and of the right stand in each, in order, and make up the difference."""
    told = [line for line in changed_lines(left, right) if not line.startswith("  ...")]
    gone = [line[2:] for line in told if line[0] == "-"]
    new = [line[2:] for line in told if line[0] == "+"]
    assert len(left) - len(gone) == len(right) - len(new)
    assert (left == right) == (told == [])
    rest = iter(left)
    assert all(any(line == each for each in rest) for line in gone)
    rest = iter(right)
    assert all(any(line == each for each in rest) for line in new)


def test_long_functions_take_no_longer(tmp_path: Path) -> None:
    """What is different in the middle is shown as it is where comparing it would take long."""
    left, right = [f"a{n}" for n in range(5000)], [f"b{n}" for n in range(5000)]
    assert len(list(changed_lines(["x", *left], ["x", *right]))) == 10_000


def test_functions_have_their_instructions(tmp_path: Path) -> None:
    file = assembled(ONE, tmp_path)
    assert [each.name for each in functions_of(file)] == ["first", "second"]
    assert [each.instructions for each in functions_of(file)] == [6, 1]


def _told_by_op(text: str) -> list[tuple[str, str]]:
    """The lines that are gone or new, each with the op that is named above it."""
    found, op = [], ""
    for line in text.splitlines():
        if line.startswith("  ["):
            op = line.strip(" []")
        elif line.startswith(("- ", "+ ")):
            found.append((op, line))
        elif line.startswith("  "):
            op = ""
    return found


OPS = """
	.text
	.global entry
	.proc entry
entry:
	.regstk 2, 0, 0, 0
	adds r27 = 1, r28 ;;
	MOV_FROM_IFA(r19)
	;;
	adds r29 = 1, r19
	.align 16
	RSM_PSR_I(p0, r18, r21)
	;;
	br.ret.sptk.many b0 ;;
	.endp entry
"""


@pytest.mark.parametrize(
    "room", [pytest.param(each, marks=pytest.mark.slow if each == "exact" else ()) for each in ROOMS]
)
def test_what_differs_is_told_op_by_op(room: Room, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the records of both, of one of them, and by lines of sources; each line stands below the op that it is of."""
    monkeypatch.chdir(tmp_path)
    Path("ops.s").write_text(OPS)
    single = single_binary_of_file("ops.s", ("native", "xen"), room, CppSettings()).text
    data = object_of(single, tmp_path / "single.o")[0]
    Path("xen.o").write_bytes(patched(data, "single.o", "xen"))
    for name in ("native", "xen"):
        assert pvasm("expand", "ops.s", "-i", name, "--line-markers", "-o", f"{name}.s").status == 0
        for options, end in ((), "alone"), (("-g",), "lines"):
            command = [require_tool("ia64-linux-gnu-as"), "-x", *options, "-o", f"{name}-{end}.o", f"{name}.s"]
            subprocess.run(command, check=True)
        # With an instance's code in place, or elsewhere, an object is what the instance is alone.
        mine = "single.o" if name == "native" else "xen.o"
        assert pvasm("diff", mine, f"{name}-alone.o").output == "1 function: the same\n"
    listed = pvasm("patch", "single.o", "--list").output
    sites = {f"at {line.partition(':')[0]}" for line in listed.splitlines()}
    assert len(sites) == 2
    changed = _told_by_op(pvasm("diff", "native-alone.o", "xen-alone.o").output)
    assert {op for op, _ in changed} == {""}
    wanted = sorted(line for _, line in changed)
    assert len(wanted) > 4
    ends = {"single.o": ("xen.o", "xen-alone.o"), "native-alone.o": ("xen.o",), "native-lines.o": ("xen-lines.o",)}
    for left, others in ends.items():
        for right in others:
            told = _told_by_op(pvasm("diff", left, right).output)
            assert sorted(line for _, line in told) == wanted, (left, right)
            by_op = {op.split(" ")[0]: [line for each, line in told if each == op] for op, _ in told}
            assert by_op.keys() == {"MOV_FROM_IFA", "RSM_PSR_I"}, (left, right)
            assert "- mov r19=cr.ifa ;;" in by_op["MOV_FROM_IFA"]
            assert [line for line in by_op["RSM_PSR_I"] if line[0] == "-"] == ["- rsm 0x4000 ;;"]
            places = {op.split(" ", 1)[1] for op, _ in told}
            assert places == ({"(ops.s:8)", "(ops.s:12)"} if "lines" in left else sites), (left, right)
