"""Ops in odd places: GNU as takes the single binary, native code is as alone, and each variant is what it is alone."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from pvasm.asm.layout import code_places
from pvasm.asm.reading import assembly_parser
from pvasm.errors import PvasmError
from pvasm.isa.bundle import SIZE, Bundle
from pvasm.objects.elf_file import elf_file_of
from pvasm.patch.object_changes import original
from pvasm.patch.patching import patched, sites_of
from pvasm.patch.single_binary import ROOMS
from pvasm.syntax.document import read_document
from tests.oracle import require_tool
from tests.patch.made import alone, assembled, code_of, single, unlike
from tests.slow import one_of

NAMES = ("native", "xen", "trap")
OP = "\tMOV_FROM_IFA(r16)\n"
OTHER = "\tMOV_FROM_ITIR(r17)\n"

PLACES = {
    "first and last of a file": f"\t.text\n{OP}",
    "without a newline at the end": f"\t.text\n{OP}".rstrip(),
    "last of functions, without a stop": f"\t.proc f#\nf:{OP}\t.endp f#\n\t.proc g#\ng:{OP}\t.endp g#\n",
    "last of a section": f"\tmov r3 = r4\n{OP}\tmov r4 = r5\n\t.data\n\tdata8 1\n",
    "before a change of place": f"{OP}\t.org 0x40\n{OP}\tmov r3 = r4\n\t.skip 16\n{OP}\t.align 32\n",
    "beside .comm": f"{OP}\t.comm there, 8, 8\n\taddl r3 = @ltoff(there), gp\n\t;;\n",
    "beside .ident": f'{OP}\t.ident "here"\n\tmov r3 = r4\n\t;;\n{OP}',
    "a branch to what follows": f"\tcmp.eq p6, p7 = r3, r4\n{OP}(p6)\tbr.cond.spnt x\n\t;;\n{OTHER}"
    f"(p7)\tbr.cond.spnt x\nx:\t;;\n{OP}\tbr.few 1f\n\t;;\n1:\tnop 0\n",
    "tags of branches": f"f:{OP}\tmov b6 = r3, e\n\t;;\n{OP}\tbrp.exit.imp f, e\n\t;;\n\tadds r3 = 1, r4\n{OP}"
    "e:\tbr.few f\n\t;;\n",
    "tags of exceptions": f"[.Lx:]{OP}[.Ly:]\tmov r3 = r4\n[.Lz:]{OTHER}\t;;\n\t.data\n\tdata8 .Lx, .Ly, .Lz\n",
    "without stops between labels": f"{OP}\tmov r3 = r4\na:\tmov r5 = r6\nb: c:{OTHER}"
    "d:\tmov r7 = r8\ne:\n\t;;\n\tbr.few a\n",
    "rotating names": f"\talloc r2 = ar.pfs, 8, 0, 0, 8\n\t.rotr x[4], y[4]\n\t;;\n{OP}\tmov x[0] = r3\n\t;;\n",
    "names that change": f"\t.set w, 5\n{OP}\tadds r3 = w, r4\n\t;;\n\t.set w, 6\n{OP}\tadds r3 = w, r4\n\t;;\n",
    "unwinding": f"\t.proc f\nf:\t.prologue 12, r35\n{OP}\t.fframe 16\n\tadds r12 = -16, r12\n\t;;\n{OP}\t;;\n"
    f"\t.savesp pr, 16\n\tst8 [r12] = r3\n{OP}\t.body\n\tbr.ret.sptk.many b0\n{OP}\t.endp f\n",
    # By all the names that GNU as has for loops (its read.c).
    **{f"in {name}": f"\t{name} 2\n{OP}\t;;\n\tmov r3 = r4\n\t.endr\n" for name in (".rept", ".rep")},
    **{
        f"in {name}": f"\t{name} x, {values}\n\tMOV_FROM_IFA(r1\\x)\n\t;;\n\t.endr\n"
        for name, values in ((".irp", "6,7"), (".irep", "6,7"), (".irpc", "67"), (".irepc", "67"))
    },
    "in loops and macros": f"\t.macro m r\n\t.rep 2\n\tMOV_FROM_IFA(\\r)\n\t;;\n\t.endr\n\t.endm\n\t.irep x, r3, r4\n"
    f"\tm \\x\n\t.endr\n{OP}",
    "a group of sections": f'\t.section .text.f, "axG", "progbits", f, comdat\nf:{OP}\tbr.ret.sptk.many b0\n'
    f"\t.text\n{OP}",
}
ADDING = {"tags of branches", "tags of exceptions", "rotating names", "names that change"}


@pytest.mark.parametrize("place", one_of(2, PLACES))
def test_places(place: str, tmp_path: Path) -> None:
    source = tmp_path / "place.s"
    source.write_text(PLACES[place])
    apart = {name: assembled(alone(source, name), tmp_path / f"{name}.o") for name in NAMES}
    for room in ROOMS:
        made = single(source, NAMES, room)
        data = assembled(made.text, tmp_path / "single.o")
        assert unlike(data, apart["native"], "native") is None
        if room == "slots" and place not in ADDING:
            file, plain = elf_file_of(data, "single"), elf_file_of(apart["native"], "native")
            assert code_of(file) == code_of(plain)
            for section in plain.sections:
                if "unwind" in section.name:
                    other = file.section_named(section.name)
                    assert other is not None
                    assert bytes(other.data) == bytes(section.data)
        for name in NAMES[1:]:
            for_instance = patched(data, "single.o", name)
            assert unlike(for_instance, apart[name], name) is None, (room, name)
            assert patched(for_instance, "single.o", "native") == data


def test_automatic_mode_is_refused(tmp_path: Path) -> None:
    (tmp_path / "auto.s").write_text(f"\t.auto\n{OP}")
    with pytest.raises(PvasmError, match=r"auto\.s:1:2: \.auto lets the assembler add stops where it likes"):
        single(tmp_path / "auto.s", NAMES)


BETWEEN = (
    ".endp f",
    ".proc g",
    '.ident "x"',
    ".comm there, 8, 8",
    ".body",
    ".size f, 16",
    ".global f",
    ".type f, @function",
)


@pytest.mark.parametrize("directive", BETWEEN)
@pytest.mark.parametrize("before", ["\tmov r3 = r4\n", "\tmov r3 = r4 ;;\n", "\tmov r3 = r4\n" * 3])
def test_what_ends_bundles(directive: str, before: str, tmp_path: Path) -> None:
    """Layouts have the templates that GNU as chooses around directives."""
    text = f"\t.text\n\t.global f\n\t.proc f\nf:\t.prologue\n{before}\t{directive}\n\tmov r5 = r6\n"
    done = subprocess.run(
        [require_tool("ia64-linux-gnu-as"), "-x", "-o", str(tmp_path / "a.o")],
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    section = elf_file_of((tmp_path / "a.o").read_bytes(), "a.o").section_named(".text")
    assert section is not None
    wanted = [Bundle.of(bytes(section.data[at : at + SIZE])).template for at in range(0, section.size, SIZE)]
    places = code_places(read_document(assembly_parser(), text, "a.s", preprocessed=True))
    assert [each.template for each in places.bundles] == wanted


TWO = "f:\tbr.call.sptk.many b0 = one\n\t;;\n\tMOV_FROM_IFA(r16)\n\tbr.call.sptk.many b0 = two\n\t;;\n"


@pytest.mark.parametrize("tool", [("ia64-linux-gnu-strip", "-g"), ("ia64-linux-gnu-ld", "-r")])
def test_objects_that_lost_what_was_behind_them(tool: tuple[str, ...], tmp_path: Path) -> None:
    """strip and ld -r keep the code of an instance and not the rest: another's comes, and native code."""
    source = tmp_path / "two.s"
    source.write_text(TWO)
    apart = {
        name: assembled(alone(source, name), tmp_path / f"{name}.o") for name in ("native", "xen", "native-poison")
    }
    data = assembled(single(source, tuple(apart)).text, tmp_path / "single.o")
    (tmp_path / "patched.o").write_bytes(patched(data, "single.o", "xen"))
    command, option = tool
    subprocess.run([require_tool(command), option, "-o", "lost.o", "patched.o"], cwd=tmp_path, check=True)
    lost = (tmp_path / "lost.o").read_bytes()
    assert original(lost, "lost.o") == lost
    assert set(sites_of(lost, "lost.o").states) == {"xen"}
    for name, other in apart.items():
        assert unlike(patched(lost, "lost.o", name), other, name) is None, name
