"""Cases M10, M11, M12, F2 and F10 in other clothes: under predicates, in macros, loops and arms, by other names."""

from __future__ import annotations

import pytest

from tests.check.checking import check

FRAME = "alloc loc0 = ar.pfs, 1, 4, 2, 0 ;;\n"
CALL = "br.call.sptk.many rp = bar ;;\n"
USE = "add r4 = r2, r0 ;;\n"


def told(text: str, *codes: str) -> list[str]:
    """Code and line of what is found."""
    return [f"{found.code} {found.line}" for found in check(text, *codes)]


LOADS = {
    "under a predicate": (f"(p6) ld8.mov r2 = [r3], sym#\n(p6) {USE}", ["PV201 2"]),
    "its address": ("add r3 = r5, r6\nld8.mov r2 = [r3], sym# ;;\n", ["PV201 2"]),
    "twice": ("ld8.mov r2 = [r3], sym#\nld8.mov r2 = [r4], sym# ;;\n", ["PV202 2"]),
    "by a #define": (f"#define LDM(d, a, s) ld8.mov d = [a], s#\nLDM(r2, r3, sym)\n{USE}", ["PV201 3"]),
    "by a .macro": (f".macro ldm d, a, s\nld8.mov \\d = [\\a], \\s\n.endm\nldm r2, r3, sym\n{USE}", ["PV201 5"]),
    "by .irp": (".irp s, a, b\nld8.mov r2 = [r3], \\s\n.endr\n", ["PV202 1"]),
    "of a quoted name": (f'ld8.mov r2 = [r3], "s y"\n{USE}', ["PV201 2"]),
    "of a label": (f"ld8.mov r2 = [r3], 1f\n{USE}1:\n", ["PV201 2"]),
    "of what a header may explain": (f"ld8.mov r2 = [r3], SYM(foo)\n{USE}", ["PV201 2"]),
    "of an expression": (f"ld8.mov r2 = [r3], sym + 8\n{USE}", ["PV201 2"]),
    "in capitals": (f"LD8.MOV r2 = [r3], sym\n{USE}", ["PV201 2"]),
    "in one arm": (f"#ifdef A\nld8.mov r2 = [r3], sym\n#endif\n{USE}", ["PV201 4"]),
    "in both arms, stopped in one": (
        f"#ifdef A\nld8.mov r2 = [r3], sym ;;\n#else\nld8.mov r2 = [r3], sym\n#endif\n{USE}",
        ["PV201 6"],
    ),
    "reads what an op clobbers": ("ITC_I(p0, r18, r19) ;;\nld8.mov r2 = [r19], sym# ;;\n", ["PV301 1"]),
    "writes what an op clobbers": ("ITC_I(p0, r18, r19) ;;\nld8.mov r19 = [r3], sym# ;;\nadd r2 = r19, r0 ;;\n", []),
}


@pytest.mark.parametrize("name", LOADS)
def test_a_load_that_the_linker_may_make_a_move(name: str) -> None:
    """M10."""
    text, due = LOADS[name]
    assert told(text, "PV201", "PV202", "PV301") == due


OP = "ITC_D(p0, r18, loc1) ;;\n"
READ = "mov r8 = loc1\n"
CALLS = {
    "under a predicate": (f"{FRAME}{OP}(p6) {CALL}{READ}", ["PV301 2"]),
    "brl": (f"{FRAME}{OP}brl.call.sptk.many rp = bar ;;\n{READ}", ["PV301 2"]),
    "by a #define": (f"#define CALL(f) br.call.sptk.many rp = f ;;\n{FRAME}{OP}CALL(bar)\n{READ}", ["PV301 3"]),
    "by a .macro": (
        f".macro call f\nbr.call.sptk.many rp = \\f\n;;\n.endm\n{FRAME}{OP}call bar\n{READ}",
        ["PV301 6"],
    ),
    "in an arm": (f"{FRAME}{OP}#ifdef A\n{CALL}#endif\n{READ}", ["PV301 2"]),
    "in a loop": (f"{FRAME}1: {READ}{OP}{CALL}br.cloop.sptk 1b\n", ["PV301 3"]),
    "of a function of the file": (
        f"{FRAME}{OP}{CALL}{READ}br.ret.sptk.many rp\nbar: mov r9 = r10\nbr.ret.sptk.many rp\n",
        ["PV301 2"],
    ),
    "with a #define's name": (
        f"#define tmp loc1\n{FRAME}ITC_D(p0, r18, tmp) ;;\n{CALL}mov r8 = tmp\n",
        ["PV301 3"],
    ),
    "with the assembler's name": (f"{FRAME}tmp = loc1\nITC_D(p0, r18, tmp) ;;\n{CALL}mov r8 = tmp\n", ["PV301 3"]),
    "with a .set": (f"{FRAME}.set tmp, loc1\nITC_D(p0, r18, tmp) ;;\n{CALL}mov r8 = r34\n", ["PV301 3"]),
    "of a preserved predicate": (f"MOV_FROM_ITC(p0, p17, r8, r9) ;;\n{CALL}(p17) mov r8 = r0\n", ["PV301 1"]),
    "of a scratch predicate": (f"MOV_FROM_ITC(p0, p6, r8, r9) ;;\n{CALL}(p6) mov r8 = r0\n", []),
    "written in between": (f"{FRAME}{OP}{CALL}mov loc1 = r9 ;;\n{READ}", []),
    "no call but a break": (f"{FRAME}{OP}break 0x100000 ;;\n{READ}", ["PV301 2"]),
}


@pytest.mark.parametrize("name", CALLS)
def test_what_outlives_a_call(name: str) -> None:
    """M11."""
    text, due = CALLS[name]
    assert told(text, "PV301") == due


CONVENTIONS = {
    "by a #define": ("#define SP r12\nITC_D(p0, r18, SP)\n", ["PV301 2"]),
    "by a .macro": (".macro itc_d a, b\nITC_D(p0, \\a, \\b)\n.endm\nitc_d r18, r13\n", ["PV301 4"]),
    "by .irp": (".irp x, r14, r12\nITC_D(p0, r18, \\x) ;;\n.endr\n", ["PV301 1"]),
    "in one arm": ("#ifdef A\n#define C r12\n#else\n#define C r14\n#endif\nITC_D(p0, r18, C)\n", ["PV301 6"]),
    "two registers of an op": ("RSM_PSR_I(p0, r12, r13)\n", ["PV301 1", "PV301 1"]),
    "a preserved predicate": ("f: MOV_FROM_ITC(p0, p2, r8, r9) ;;\nbr.ret.sptk.many rp\n", ["PV301 1"]),
    "a scratch predicate": ("f: MOV_FROM_ITC(p0, p6, r8, r9) ;;\nbr.ret.sptk.many rp\n", []),
    "saved in one arm": (
        "f:\n#ifdef A\nmov r9 = r5 ;;\n#endif\nITC_D(p0, r18, r5) ;;\n#ifdef A\nmov r5 = r9\n#endif\n"
        "br.ret.sptk.many rp\n",
        ["PV301 5"],
    ),
    "a result by its other name": ("f: mov ret0 = r9 ;;\nITC_D(p0, r18, r8) ;;\nbr.ret.sptk.many rp\n", ["PV301 2"]),
    "a result at a return under a predicate": (
        "f: mov r9 = r10 ;;\nITC_D(p0, r18, r9) ;;\n(p6) br.ret.sptk.many rp\nmov r9 = r0\nbr.ret.sptk.many rp\n",
        ["PV301 2"],
    ),
    "an argument that a macro sets": (
        f"#define G(a) mov out1 = a ;; ITC_D(p0, r18, out1) ;; br.call.sptk.many rp = g\n{FRAME}G(r9)\n",
        ["PV301 3"],
    ),
    "what may be an argument of a tail call": ("f: mov r8 = r9 ;;\nITC_D(p0, r18, r8) ;;\nbr.sptk.many g\n", []),
}


@pytest.mark.parametrize("name", CONVENTIONS)
def test_what_conventions_say_is_live(name: str) -> None:
    """M12."""
    text, due = CONVENTIONS[name]
    assert told(text, "PV301") == due


WRITE = "mov cr.pta = r17 ;;\n"
LOAD = "ld8 r18 = [r25]\n"
SERIALIZED = {
    "by a .macro": (f".macro ser\n.serialize.data\n.endm\n{WRITE}ser\n{LOAD}", []),
    "by a #define": (f"#define SER .serialize.data\n{WRITE}SER\n{LOAD}", []),
    "with the write in a #define": (f"#define PTA(r) mov cr.pta = r ;; .serialize.data\nPTA(r17)\n{LOAD}", []),
    "in .irp": (f".irp r, r17, r18\nmov cr.pta = \\r ;;\n.serialize.data\n.endr\n{LOAD}", []),
    "in every arm": (f"{WRITE}#ifdef A\n.serialize.data\n#else\nsrlz.d ;;\n#endif\n{LOAD}", []),
    "in one arm alone": (f"{WRITE}#ifdef A\n.serialize.data\n#endif\n{LOAD}", ["PV205 5"]),
    "in capitals": (f"{WRITE}.SERIALIZE.DATA\n{LOAD}", []),
    "on the same line": ("mov cr.pta = r17 ;; .serialize.data ; ld8 r18 = [r25]\n", []),
    "with no stop before": ("mov cr.pta = r17\n.serialize.data\nld8 r18 = [r25]\n", []),
    "under a predicate": (f"(p6) {WRITE}.serialize.data\n(p6) {LOAD}", []),
    "a region register": (f"mov rr[r2] = r3 ;;\n.serialize.data\n{LOAD}", []),
    "behind the load": (f"{WRITE}{LOAD}.serialize.data\n", ["PV205 2"]),
    "in a macro that nobody invokes": (f"{WRITE}.macro ser\n.serialize.data\n.endm\n{LOAD}", ["PV205 5"]),
    "where the assembler skips it": (f"{WRITE}.if 0\n.serialize.data\n.endif\n{LOAD}", ["PV205 5"]),
}


@pytest.mark.parametrize("name", SERIALIZED)
def test_a_directive_that_serializes(name: str) -> None:
    """F2."""
    text, due = SERIALIZED[name]
    assert told(text, "PV2") == due


D = "ITC_D(p0, r18, r19)\n"
READ19 = "add r3 = r19, r0\n"
GROUPS = {
    "a branch": (f"{D}br.sptk 1f\n1: {READ19}", ["PV301 1"]),
    "a long branch": (f"{D}brl.sptk 1f\n1: {READ19}", ["PV301 1"]),
    "a call": (f"{D}br.call.sptk b0 = 1f\nnop 0\n1: {READ19}", ["PV301 1"]),
    "a loop": (f"1: {READ19}{D}br.cloop.sptk 1b\n", ["PV301 2"]),
    "a branch in a #define": (f"#define GO(l) br.sptk l\n{D}GO(1f)\n1: {READ19}", ["PV301 2"]),
    "a branch in a .macro": (f".macro go l\nbr.sptk \\l\n.endm\n{D}go 1f\n1: {READ19}", ["PV301 4"]),
    "a branch that may be taken": (f"{D}(p6) br.cond.sptk 1f\nnop 0 ;;\n1: {READ19}", ["PV301 1"]),
    "fall through from one": (f"{D}(p6) br.cond.sptk 1f\n{READ19}1:\n", ["PV302 1"]),
    "a check": (f"{D}chk.s r20, 1f\n{READ19}1:\n", ["PV302 1"]),
    "a break": (f"{D}break 0\n{READ19}", ["PV302 1"]),
    "a branch away": (f"{D}br.sptk.many b6\n{READ19}", []),
    "a branch in one arm": (f"{D}#ifdef A\nbr.sptk 1f\n#endif\n1: {READ19}", ["PV302 1"]),
}


@pytest.mark.parametrize("name", GROUPS)
def test_a_taken_branch_ends_a_group(name: str) -> None:
    """F10."""
    text, due = GROUPS[name]
    assert told(text, "PV3") == due


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mov r8=r9 ; add r10=r8,r0", "`add r10=r8,r0' reads r8, which `mov r8=r9' writes in the same group"),
        (
            "mov r8=r9;(p6)  add r10 = r8,r0 /* c */ ; nop 0",
            "`(p6) add r10 = r8,r0' reads r8, which `mov r8=r9' writes in the same group",
        ),
        (
            "#define TWO(a) mov a=r9 ; add r10=a,r0\nTWO(r8)",
            "`add r10=r8,r0' reads r8, which `mov r8=r9' writes in the same group",
        ),
        (
            ".irp x,1\nmov r8=r9 ; add r10=r8,r0 ;;\n.endr",
            "`add r10=r8,r0' reads r8, which `mov r8=r9' writes in the same group",
        ),
    ],
)
def test_a_message_names_the_instruction_and_not_the_line(text: str, message: str) -> None:
    """F10."""
    assert f"{message}; a stop (;;) is due between" in [found.message for found in check(text, "PV201")]
