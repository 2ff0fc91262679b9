"""What `pvasm expand --single-binary` and `pvasm patch` say, and what they refuse."""

from __future__ import annotations

import re
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from pvasm.errors import PvasmError
from pvasm.isa.bundle import SIZE, TEMPLATES, Bundle
from pvasm.objects.elf_file import elf_file_of
from pvasm.patch.patching import patched, sites_of
from pvasm.patch.records import RECORDS, WORDS
from tests.cli.command import Done, pvasm
from tests.oracle import require_tool
from tests.patch import mutilations
from tests.patch.made import SAMPLES, alone, assembled, single, unlike

EXIT = SAMPLES / "exit.S"


@pytest.fixture(scope="module")
def exit_object(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The single binary of exit.S."""
    return assembled(single(EXIT, ("native", "xen", "trap")).text, tmp_path_factory.mktemp("exit") / "exit.o")


def test_the_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    options = ("--single-binary", "native,xen,trap", "-I", str(SAMPLES / "include"))
    done = pvasm("expand", str(EXIT), *options, "-o", "exit.s")
    assert (done.status, done.output.splitlines(), done.errors) == (
        0,
        [
            "16 sites; 68 bundles of native code, 0 added",
            "xen: 4 replaced in their place, 12 by branches",
            "trap: 2 replaced in their place, 0 by branches",
        ],
        "",
    )
    assert pvasm("expand", str(EXIT), *options).output == Path("exit.s").read_text()
    assembled(Path("exit.s").read_text(), Path("exit.o"))
    assembled(alone(EXIT, "xen"), Path("alone.o"))
    assembled(alone(EXIT, "trap"), Path("trap.o"))
    done = pvasm("patch", "exit.o", "--instance", "xen", "-o", "xen.o", "--verify", "alone.o")
    assert (done.status, done.output) == (0, "16 sites, 16 with code of xen\n")
    lines = pvasm("patch", "xen.o", "--list").output.splitlines()
    assert len(lines) == 16
    assert all(line.startswith("ia64_native_leave_") and "bytes, xen code; xen " in line for line in lines)
    done = pvasm("patch", "exit.o", "--instance", "xen", "-o", "no.o", "--verify", "trap.o")
    assert (done.status, done.errors) == (1, "pvasm: note: trap.o: is the code of trap: compile one for xen\n")
    assert done.output.startswith(".pv_replacements+0x30: `")
    assert done.output.endswith("' in trap.o\n")
    assert not Path("no.o").exists()
    assert pvasm("patch", "xen.o", "-i", "native", "-o", "back.o").output == "16 sites, 0 with code of native\n"
    assert Path("back.o").read_bytes() == Path("exit.o").read_bytes()


WRONG = {
    "patch a.o": "nothing to do: --instance NAME -o FILE, or --list",
    "patch a.o -o b.o": "which code to put in its places is not said: --instance NAME",
    "patch a.o -i xen": "where to write is not said: -o FILE",
    "patch a.o -i xen -o a.o": "a.o: the patched file would overwrite what it is made of: name another file",
    "patch a.o -i xne -o b.o": "a.o: has no code for xne: it has that of native, trap, xen (did you mean xen?)",
    "patch plain.o -i xen -o b.o": "plain.o: has no records of alternatives, in a section "
    ".pv_alternatives: `pvasm expand --single-binary' makes some",
    "patch lib.a -i xen -o b.o": "lib.a: an archive: patch its members (ar x), or what is linked of them",
    "patch a.o -i xen -o -": "an object is not written to standard output: -o FILE",
    "patch text -i xen -o b.o": "text: no ELF file",
    "patch none -i xen -o b.o": "none: no such file or folder",
    "expand text --room exact -i xen": "--room is for --single-binary: a variant is preprocessed after it is written; "
    "with --build it is before",
    "expand text": "for which instance is not said: --instance NAME (pvasm instance list)",
    "expand text -i xen --single-binary native,xen": "--instance is not for --single-binary, which makes one file for "
    "all its instances",
    "expand text text2 --single-binary native,xen": "2 files: --single-binary makes one of one",
    "expand text --single-binary native": "a single binary is for two instances or more: --single-binary "
    "native,NAME[,...]",
    "expand text --single-binary xen,native": "the first instance must be native, whose code stands at the sites; "
    "not xen",
    "expand loop --single-binary native,xen": "loop:1:1: what this stands for is not known",
    "expand label --single-binary native,xen": "label:1:1: names that begin with .Lpv_ are for records",
    "expand differ --single-binary native,xen": "differ:4:1: `foo:' is for native and not for xen: it needs an op",
}


@pytest.mark.parametrize("words", WRONG)
def test_what_is_refused(words: str, exit_object: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.o").write_bytes(exit_object)
    assembled("\tnop 0\n", Path("plain.o"))
    Path("lib.a").write_bytes(b"!<arch>\n")
    Path("text").write_text("\tMOV_FROM_IFA(r16)\n")
    Path("loop").write_text(".rept x\n\tMOV_FROM_IFA(r16)\n.endr\n")
    Path("label").write_text(".Lpv_1:\n\tMOV_FROM_IFA(r16)\n")
    Path("differ").write_text("#ifdef __IA64_ASM_PARAVIRTUALIZED_NATIVE\n\tnop 0\n\tnop 0\nfoo:\n#endif\n\tnop 1\n")
    before = sorted(path.name for path in tmp_path.iterdir())
    done = pvasm(*words.split())
    assert (done.status, done.output, done.errors) == (2, "", f"pvasm: error: {WRONG[words]}\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == before
    assert Path("a.o").read_bytes() == exit_object


def _word(number: int, word: int, value: int) -> Callable[[bytearray, int], None]:
    def change(data: bytearray, start: int) -> None:
        struct.pack_into("<I", data, start + number * WORDS.size + 4 * word, value)

    return change


NO_BRANCH = "there is no branch at the end of the replacement, as the flags say"
DAMAGED = {
    "record 2 of .pv_alternatives: the site is 20 bytes at 0x30: no bundles": _word(2, 1, 20),
    "record 2 of .pv_alternatives: the site is 0 bytes at 0x30: no bundles": _word(2, 1, 0),
    "record 2 of .pv_alternatives: the site goes beyond the end of .text": _word(2, 1, 0x10000),
    "record 3 of .pv_alternatives: the flags are 0x8: a later version of records?": _word(3, 5, 8),
    f"record 0 of .pv_alternatives: {NO_BRANCH}": _word(0, 5, 4),
    f"record 1 of .pv_alternatives: {NO_BRANCH}": _word(1, 5, 5),
    "record 3 of .pv_alternatives: the site has 32 bytes here and 16 before": _word(3, 1, 32),
    "record 3 of .pv_alternatives: the replacement has 32 bytes, and the site 16": _word(3, 4, 32),
}


@pytest.mark.parametrize("message", DAMAGED)
def test_records_that_are_not_right(message: str, exit_object: bytes) -> None:
    data = bytearray(exit_object)
    section = elf_file_of(exit_object, "exit.o").section_named(RECORDS)
    assert section is not None
    DAMAGED[message](data, section.offset)
    with pytest.raises(PvasmError) as raised:
        patched(bytes(data), "exit.o", "xen")
    assert str(raised.value) == f"exit.o: {message}"


def test_code_that_something_else_changed(exit_object: bytes) -> None:
    data = bytearray(exit_object)
    file = elf_file_of(exit_object, "exit.o")
    site = sites_of(exit_object, "exit.o").sites[3].place
    data[file.sections[site.section].offset + site.offset + 9] ^= 0x40
    for instance in ("native", "xen", "trap"):
        with pytest.raises(PvasmError, match=r"what stands here is no instance's code"):
            patched(bytes(data), "exit.o", instance)


def test_verify_of_a_branch_that_is_none(exit_object: bytes, tmp_path: Path) -> None:
    """A record says that code stands elsewhere, and its bundle leads nowhere: nothing, nops, no code at all."""
    made = patched(exit_object, "exit.o", "xen")
    other = assembled(alone(EXIT, "xen"), tmp_path / "alone.o")
    file = elf_file_of(made, "xen.o")
    found = sites_of(made, "xen.o").sites
    site, record = next((each, each.records["xen"]) for each in found if each.records["xen"].is_branch)
    nops = Bundle(0x10, (1 << 27, 1 << 27, 2 << 37)).to_bytes()
    for bundle in (bytes(SIZE), nops, b"\xff" * SIZE):
        data = bytearray(made)
        for place in (site.place, record.replacement):
            at = file.sections[place.section].offset + place.offset
            data[at : at + SIZE] = bundle
        assert unlike(bytes(data), other, "xen") is not None


TWO = """\
start:
#ifdef __IA64_ASM_PARAVIRTUALIZED_XEN
\tmov r17 = r18
#endif
\tMOV_FROM_IFA(r16)
\tmovl r11 = one
\tadd r8 = r9, r10
\tbr.cond.sptk start ;;
"""


def verified(text: str, folder: Path, *assembler: str) -> Done:
    """What `--verify` says of a single binary of TWO for xen beside an object of a text."""
    (folder / "two.S").write_text(TWO)
    made = pvasm("expand", "--single-binary", "native,xen", "two.S", "-o", "two.s", cwd=folder)
    assert made.status == 0
    assembled((folder / "two.s").read_text(), folder / "two.o")
    (folder / "alone.s").write_text(text)
    command = [require_tool("ia64-linux-gnu-as"), *(assembler or ("-x",)), "-o", "alone.o", "alone.s"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return pvasm("patch", "two.o", "--instance", "xen", "--verify", "alone.o", cwd=folder)


def of_two(folder: Path, *options: str, instance: str = "xen") -> str:
    """The variant of TWO, by hand: the C preprocessor, then the expander."""
    (folder / "by_hand.S").write_text(TWO)
    command = [require_tool("gcc"), "-E", "-dD", *options, "by_hand.S"]
    text = subprocess.run(command, cwd=folder, check=True, capture_output=True).stdout
    done = pvasm("expand", "-i", instance, "-", cwd=folder, stdin=text)
    assert done.status == 0
    return done.output


XEN = "-D__IA64_ASM_PARAVIRTUALIZED_XEN"


def test_verify_says_what_may_be_wrong_with_the_object(tmp_path: Path) -> None:
    """The flags of a preprocessor that is run by hand are easily others: then code differs, and where it does is told,
    not the first branch over it."""
    assert verified(of_two(tmp_path, XEN), tmp_path).output == "1 sites, 1 with code of xen\n"
    without = verified(of_two(tmp_path), tmp_path)
    assert (without.status, without.errors) == (
        1,
        f"pvasm: note: alone.o: is it of the same source, preprocessed with {XEN}, and the same -I, -D and -include?\n",
    )
    assert "`mov r17=r18'" in without.output
    other = verified(of_two(tmp_path, instance="native"), tmp_path)
    assert (other.status, other.errors) == (1, "pvasm: note: alone.o: is the code of native: compile one for xen\n")


def test_verify_tells_of_a_stop_and_of_a_target_alone(tmp_path: Path) -> None:
    """The instructions read the same."""
    text = of_two(tmp_path, XEN)
    stopped = verified(text.replace("r9, r10\n", "r9, r10 ;;\n"), tmp_path)
    assert (stopped.status, stopped.output) == (1, "start+0x10: `add r8=r9,r10', and `add r8=r9,r10 ;;' in alone.o\n")
    assert stopped.errors == (
        "pvasm: note: alone.o: a group ends earlier in it: was it assembled in explicit mode (`as -x'), as the other?\n"
    )
    named = verified(text.replace("= one", "= two"), tmp_path)
    assert (named.status, named.output) == (
        1,
        ".pv_replacements+0x40: `movl r11=0x0 (to one)', and `movl r11=0x0 (to two)' in alone.o\n",
    )
    elsewhere = verified(text.replace("sptk start", "sptk there").replace("\tadd", "there:\tadd"), tmp_path)
    assert elsewhere.status == 1
    assert re.fullmatch(r"\S+: `br\.few \S+', and `br\.few \S+' in alone\.o\n", elsewhere.output)


def test_verify_of_an_empty_object(tmp_path: Path) -> None:
    done = verified("", tmp_path)
    said = "pvasm: error: alone.o: has no code to compare with: was there anything in its source?\n"
    assert (done.status, done.output, done.errors) == (2, "", said)


@pytest.mark.parametrize("change", ["another kind of relocation", "another place", "swapped", "lost"])
def test_verify_notices(change: str, exit_object: bytes, tmp_path: Path) -> None:
    """What is compiled for the instance alone is broken in one place each."""
    made = patched(exit_object, "exit.o", "xen")
    data = bytearray(assembled(alone(EXIT, "xen"), tmp_path / "alone.o"))
    assert unlike(made, bytes(data), "xen") is None
    file = elf_file_of(bytes(data), "alone.o")
    text = file.section_named(".text")
    table = file.section_named(".rela.text")
    assert text is not None
    assert table is not None
    if change in ("swapped", "lost"):
        slots = [Bundle.of(bytes(text.data[at : at + SIZE])) for at in range(0, text.size, SIZE)]
        at, bundle = next((at, each) for at, each in enumerate(slots) if TEMPLATES[each.template].units == "MMI")
        first, second, third = bundle.slots
        nop = 1 << 27
        wanted = (second, first, third) if change == "swapped" else (nop, second, third)
        start = text.offset + at * SIZE
        data[start : start + SIZE] = Bundle(bundle.template, wanted).to_bytes()
    else:
        word = table.offset + (8 if change == "another kind of relocation" else 16)
        (old,) = struct.unpack_from("<I", data, word)
        new = 0x2A if old != 0x2A else 0x32  # R_IA64_GPREL22, or LTOFF22
        struct.pack_into("<I", data, word, new if word == table.offset + 8 else old + SIZE)
    assert unlike(made, bytes(data), "xen") is not None


@pytest.mark.parametrize("count", [20, pytest.param(1000, marks=pytest.mark.slow)])
def test_mutilations(count: int, capsys: pytest.CaptureFixture[str]) -> None:
    """Refused, or right (`python -m tests.patch.mutilations`)."""
    assert mutilations.main(["--count", str(count)]) == 0
    refused = int(capsys.readouterr().out.split(": ")[1].split()[0])
    assert count * 0.4 < refused < count


def test_a_number_in_a_nop_counts(tmp_path: Path) -> None:
    """Some tools mark places so; only what fills bundles is nobody's."""
    source = tmp_path / "a.s"
    source.write_text("\tnop.m 5\n\tMOV_FROM_IFA(r16)\n\t;;\n")
    made = patched(assembled(single(source, ("native", "xen")).text, tmp_path / "single.o"), "single.o", "xen")
    apart = alone(source, "xen")
    assert unlike(made, assembled(apart, tmp_path / "xen.o"), "xen") is None
    assert unlike(made, assembled(apart.replace("nop.m 5", "nop.m 6"), tmp_path / "xen.o"), "xen") is not None
    assert unlike(made, assembled(apart.replace("nop.m 5", "nop.m 0"), tmp_path / "xen.o"), "xen") is not None
