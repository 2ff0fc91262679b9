"""What GNU as makes of text, and what is the same in two objects."""

from __future__ import annotations

import subprocess
from pathlib import Path

from pvasm.objects.elf_file import ElfFile, Relocation, Section, read_elf_file
from pvasm.objects.relocations import type_of
from tests.oracle import require_tool

MADE = ("SHT_NULL", "SHT_SYMTAB", "SHT_STRTAB", "SHT_RELA", "SHT_GROUP")


def assembled(text: str, folder: Path, name: str = "again") -> ElfFile:
    """The object that GNU as makes of a text."""
    source, made = folder / f"{name}.s", folder / f"{name}.o"
    source.write_text(text)
    command = [require_tool("ia64-linux-gnu-as"), "-o", str(made), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "Error" not in done.stderr, done.stderr
    assert done.returncode == 0, done.stderr
    return read_elf_file(made)


def is_compared(section: Section) -> bool:
    """Whether a section is one that the disassembly is to give again."""
    return section.kind not in MADE and not section.name.startswith(".debug_") and section.size > 0


def sections_of(file: ElfFile) -> dict[str, tuple[object, ...]]:
    """The sections: by name and how many of the name were before, all that is in them."""
    found: dict[str, tuple[object, ...]] = {}
    for each in file.sections:
        if is_compared(each):
            linked = file.sections[each.link].name if each.flags & 0x80 else ""
            group = file.groups.get(each.index)
            said = (each.kind, each.flags, each.size, each.alignment, each.entry_size, linked, group, bytes(each.data))
            found[f"{each.name} {sum(name.startswith(f'{each.name} ') for name in found)}"] = said
    return found


def symbols_of(file: ElfFile) -> list[tuple[object, ...]]:
    """The symbols but for sections: where they are and what."""
    found = []
    for each in file.symbols:
        if each.name and each.kind != "section" and not each.name.startswith(".L"):
            section = file.sections[each.section].name if each.is_defined else each.section
            found.append((each.name, section, each.value, each.size, each.binding, each.kind, each.visibility))
    return sorted(found, key=str)


def relocations_of(file: ElfFile) -> dict[str, list[tuple[object, ...]]]:
    """The relocations by section: offset, type, and what for: a global symbol, or a place in a section."""
    found: dict[str, list[tuple[object, ...]]] = {}
    for index, relocations in file.relocations.items():
        section = file.sections[index]
        if is_compared(section):
            said = [(each.offset, type_of(each.kind).name, *_place(file, each)) for each in relocations]
            found.setdefault(section.name, []).extend(sorted(said, key=str))
    return found


def _place(file: ElfFile, relocation: Relocation) -> tuple[object, ...]:
    symbol = relocation.symbol
    if symbol.is_defined and symbol.binding == "local":
        return file.sections[symbol.section].name, symbol.value + relocation.addend
    return symbol.name, relocation.addend


# Each operator where an instruction takes it, and in data.
EVERY_OPERATOR = (
    """\
 .explicit
 .text
f: adds r8=sym,r9 ;;
"""
    + "".join(
        f" {text} ;;\n"
        for text in (
            "addl r8=sym,r1",
            "movl r8=sym",
            "addl r8=@gprel(sym),r1",
            "movl r8=@gprel(sym)",
            "addl r8=@ltoff(sym),r1",
            "movl r8=@ltoff(sym)",
            "addl r8=@ltoffx(sym),r1",
            "ld8.mov r9=[r8],sym",
            "(p6) ld8.mov r9=[r8],sym+8",
            "addl r8=@pltoff(sym),r1",
            "movl r8=@pltoff(sym)",
            "movl r8=@fptr(sym)",
            "brl.call.sptk b0=sym",
            "br.call.sptk b0=sym",
            "(p6) br.call.sptk b0=sym-32",
            "chk.s.m r8,sym",
            "chk.s.i r8,sym",
            "chk.a.clr f8,sym",
            "fchkf.s0 sym",
            "addl r8=@ltoff(@fptr(sym)),r1",
            "movl r8=@ltoff(@fptr(sym))",
            "addl r8=@pcrel(sym),r0",
            "movl r8=@pcrel(sym)",
            "adds r8=@tprel(sym),r13",
            "addl r8=@tprel(sym),r1",
            "movl r8=@tprel(sym)",
            "addl r8=@ltoff(@tprel(sym)),r1",
            "addl r8=@ltoff(@dtpmod(sym)),r1",
            "adds r8=@dtprel(sym),r13",
            "addl r8=@dtprel(sym),r1",
            "movl r8=@dtprel(sym)",
            "addl r8=@ltoff(@dtprel(sym)),r1",
            "br.cond.sptk sym+16",
            "br.cloop.sptk sym",
        )
    )
    + """\
 .data
 data4 sym, @gprel(sym), @fptr(sym), @pcrel(sym), @ltoff(@fptr(sym)), @segrel(sym), @secrel(sym), @ltv(sym), \
@dtprel(sym)
 data8 sym, @gprel(sym), @fptr(sym), @pcrel(sym), @ltoff(@fptr(sym)), @segrel(sym), @secrel(sym), @ltv(sym), \
@dtprel(sym), @pltoff(sym), @tprel(sym), @dtpmod(sym)
 data16 @iplt(sym)
 .msb
 data8 sym, @fptr(sym), @segrel(sym)
 data4 sym, @pcrel(sym)
 .lsb
"""
)

# Symbols and sections of all kinds.
SYMBOLS = """
 .explicit
 .file "a.c"
 .text
 .global two#
 .weak one#
 .hidden two#
 .protected three#
 .global three#
one: two:
{ .mii
 nop.m 1
 nop.i 2
 nop.i 3 ;;
}
 .type three#,@function
 .size three#,16
r8: add: three: "a b":
{ .mlx
 nop.m 0
 movl r8=r8# ;;
}
{ .mii
 nop.m 0
[inner:]
 add r9=r8,r8 ;;
 nop.i 0 ;;
}
{ .mlx
 nop.m 0
 movl r9="a b"+4 ;;
}
 .skip 64
last:
{ .bbb
 brp.loop.imp one,last
 nop.b 0
 br.cond.sptk.few last ;;
}
behind:
 .data
 data1 1
odd: data8.ua odd+1, behind, behind-8
 .type odd#,@object
 .size odd#,3
 stringz "a \\"quoted\\" text\\n\\tof \\\\ lines"
 .skip 40
 data2 1, 2
 .bss
 .skip 9
room: .skip 100
 .comm many#,24,8
 .lcomm few#,8,8
 .global fixed#
fixed = 0x1234
 .weak absent#
 .section .rodata.str,"aMS",@progbits,1
.Ltext: stringz "merged"
 .section .tdata,"awT",@progbits
own: data8 5
 .section .sdata,"aws",@progbits
near: data4 1
 .section .twice,"a",@progbits
 data4 1
 .section .twice,"a",@progbits,unique,1
 data4 2
 .section .text.in,"axG",@progbits,whole,comdat
 .proc grouped#
grouped: br.ret.sptk b0 ;;
 .endp grouped#
 .section .init_array,"aw",@init_array
 data8 @fptr(grouped#)
 .section .note.x,"",@note
 data4 1
 .section .other,"a",@0x6fff4700
 data4 @secrel(near), @pcrel(own), 0
 .section "quoted name","a"
 data1 7
 .section .IA_64.unwind,"ao",@unwind,.text
 data8 @segrel(one), @segrel(three#)
"""

# Instructions of each kind that a check tells of, in functions, at user level and without a symbol.
SENSITIVE = """
 .text
 thash r8=r9
 .global entry#
 .proc entry#
entry:
 mov r8=cr.ifa
 fc r9
 (p6) mov r10=ar.itc ;;
 mov rr[r9]=r10
 probe.r r11=r9,3
 rfi ;;
 .endp entry#
 .section .gate.text,"ax"
 .proc gate#
gate:
 cover ;;
 epc ;;
 mov r9=psr ;;
 .endp gate#
 cover ;;
"""

# A program that returns: r9 and r10 are `value`, r20 is 42, r8 is 84, `room` is the address of `twice`.
PROGRAM = """
 .explicit
 .global start#
 .proc start#
start:
 alloc r35=ar.pfs,0,4,1,0
 mov r34=b0
 addl r14=@ltoff(value#),r1 ;;
 ld8 r14=[r14]
 addl r15=@gprel(value#),r1
 movl r16=value# ;;
 ld8 r8=[r14]
 ld8 r9=[r15]
 ld8 r10=[r16]
 addl r17=@ltoff(@fptr(twice#)),r1 ;;
 ld8 r17=[r17] ;;
 ld8 r18=[r17]
 mov r36=21 ;;
 mov b6=r18 ;;
 br.call.sptk b0=b6 ;;
 mov r20=r8
 mov r36=r20
 br.call.sptk b0=twice# ;;
 addl r21=@ltoffx(table#),r1 ;;
 ld8.mov r21=[r21],table# ;;
 ld8 r22=[r21],8 ;;
 ld8 r23=[r21] ;;
 ld8 r22=[r22] ;;
 add r23=r23,r21
 movl r24=room# ;;
 st8 [r24]=r22 ;;
 mov ar.pfs=r35
 mov b0=r34 ;;
 br.ret.sptk b0 ;;
 .endp start#
 .proc twice#
twice:
 alloc r33=ar.pfs,1,1,0,0 ;;
 shladd r8=r32,1,r0
 br.ret.sptk b0 ;;
 .endp twice#
 .data
value: data8 0x1234
table: data8 @fptr(twice#), @pcrel(value#)
room: data8 0
"""
