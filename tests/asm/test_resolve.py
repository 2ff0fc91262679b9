"""What instructions come to: pseudo-ops, classes, names, what they read and write, and what is said of wrong ones."""

from __future__ import annotations

import pytest

from pvasm.asm.resolve import resolve
from pvasm.asm.scope import OperandError, Scope
from pvasm.asm.sensitivity import mnemonic_sensitivity, sensitivity
from pvasm.isa.instruction import Instruction
from pvasm.isa.mnemonics import is_mnemonic
from pvasm.isa.operands import Symbolic, Unknown
from pvasm.isa.registers import Register
from pvasm.syntax.tree import Assignment, Directive, Name, Number
from tests.isa.assembly import instruction


def _resolve(text: str, scope: Scope | None = None) -> Instruction:
    return resolve(instruction(text), scope or Scope())


@pytest.mark.parametrize(
    ("written", "mnemonic", "shown"),
    [
        ("mov r8=r9", "adds", "mov r8=r9"),
        ("mov r8=5", "addl", "mov r8=5"),
        ("add r8=-1,r9", "adds", "adds r8=-1,r9"),
        ("cmp.ne p6,p7=r8,r9", "cmp.eq", "cmp.eq p7,p6=r8,r9"),
        ("cmp.leu p6=5,r9", "cmp.ltu", "cmp.ltu p6,p0=4,r9"),
        ("shl r8=r9,3", "dep.z", "shl r8=r9,3"),
        ("tbit.nz p6,p7=r8,1", "tbit.z", "tbit.z p7,p6=r8,1"),
        ("mov ar.lc=r8", "mov.i", "mov.i ar.lc=r8"),
        ("mov ar.rsc=0", "mov.m", "mov.m ar.rsc=0"),
        ("br 0x40", "br.cond.sptk.few", "br.few 0x40"),
        ("(p6) br.many b6", "br.cond.sptk.many", "br.cond.sptk.many b6"),
        ("fmpy.s1 f8=f9,f10", "fma.s1", "fmpy.s1 f8=f9,f10"),
        ("fcvt.xuf f8=f9", "fma.s0", "fnorm.s0 f8=f9"),
        ("ssm psr.ic | psr.i", "ssm", "ssm 0x6000"),
        ("mov pr=r8", "mov", "mov pr=r8,0xfffffffffffffffe"),
        ("alloc r32=2,3,4,8", "alloc", "alloc r32=ar.pfs,9,5,8"),
        ("mux1 r8=r9,@rev", "mux1", "mux1 r8=r9,@rev"),
        ("cmpxchg8.acq r8=[r9],r10", "cmpxchg8.acq", "cmpxchg8.acq r8=[r9],r10,ar.ccv"),
        ("movl r8=-1", "movl", "movl r8=0xffffffffffffffff"),
    ],
)
def test_pseudo_ops_and_defaults(written: str, mnemonic: str, shown: str) -> None:
    resolved = _resolve(written)
    assert (resolved.mnemonic, resolved.text) == (mnemonic, shown)


def test_the_assembler_chooses_the_unit_of_a_nop() -> None:
    nop = _resolve("nop 0")
    units = [one.text for one in (nop, *nop.alternatives)]
    assert units == ["nop.m 0x0", "nop.i 0x0", "nop.b 0x0", "nop.f 0x0", "nop.x 0x0"]


def test_the_assembler_chooses_the_unit_of_a_move_of_a_register_that_both_have() -> None:
    for text, units in (("mov ar48=r9", "MI"), ("mov r9=ar127", "IM"), ("mov ar.lc=r9", "I"), ("mov r9=ar.itc", "M")):
        move = _resolve(text)
        assert "".join(one.form.unit for one in (move, *move.alternatives)) == units


_PRIVILEGED = """
    rfi; bsw.0; bsw.1; ssm psr.i; rsm psr.i; mov psr.l=r8; mov r8=psr; mov r8=cr.ifa; mov cr.ifa=r8; mov ar.k0=r8;
    mov ar.k7=r8; mov ar.itc=r8; mov rr[r8]=r9; mov r8=rr[r9]; mov pkr[r8]=r9; mov ibr[r8]=r9; mov r8=dbr[r9];
    mov pmc[r8]=r9; mov r8=pmc[r9]; mov pmd[r8]=r9; itc.i r8; itc.d r8; itr.i itr[r8]=r9; itr.d dtr[r8]=r9; ptc.l r8,r9;
    ptc.g r8,r9; ptc.ga r8,r9; ptc.e r8; ptr.i r8,r9; ptr.d r8,r9; tpa r8=r9; tak r8=r9; vmsw.0; vmsw.1; mov ar.k3=0
"""
_SENSITIVE = """
    thash r8=r9; ttag r8=r9; cover; fc r8; fc.i r8; mov r8=cpuid[r9]; mov r8=pmd[r9]; mov r8=ar.itc; mov ar.eflag=r8
"""
_LEVEL_DEPENDENT = """
    probe.r r8=r9,r10; probe.w r8=r9,0; probe.rw.fault r8,3; epc; sum psr.be; rum psr.be; mov psr.um=r8; mov r8=psr.um;
    mov ar.rsc=r8; mov ar.rsc=3; mov r8=ar.k0; mov r8=ar.k7
"""
_FREE = """
    mov r8=r9; mov ar.lc=r8; mov r8=ar.pfs; mov r8=ar.rsc; mov ar.ccv=r8; mov r8=b0; mov pr=r8,-1; ld8 r8=[r9];
    break.m 0x1000; srlz.i; sync.i; mf; flushrs; alloc r8=ar.pfs,0,0,0,0; invala; clrrrb; br.ret.sptk b0; mov r8=ip
"""


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (_PRIVILEGED, "privileged"),
        (_SENSITIVE, "sensitive"),
        (_LEVEL_DEPENDENT, "level-dependent"),
        (_FREE, None),
    ],
)
def test_sensitivity(texts: str, expected: str | None) -> None:
    for text in texts.split(";"):
        assert sensitivity(instruction(text.strip()), Scope()) == expected, text
        assert sensitivity(instruction(text.strip()), Scope(lenient=True)) == expected, text
        one = _resolve(text.strip())
        marks = {"privileged": one.privileged, "sensitive": one.sensitive, "level-dependent": one.level_dependent}
        assert [mark for mark, holds in marks.items() if holds] == ([expected] if expected else [])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mov X=cr.ifa", "privileged"),
        ("mov cr.ifa=X", "privileged"),
        ("mov.m X=ar.itc", "sensitive"),
        ("mov X=ar.itc", "sensitive"),
        ("mov X=Y", None),
        ("mov r8=X", None),
        ("mov X=r8", None),
        ("ssm MASK", "privileged"),
        ("fc X", "sensitive"),
    ],
)
def test_sensitivity_where_an_operand_may_be_anything(text: str, expected: str | None) -> None:
    assert sensitivity(instruction(text), Scope(lenient=True)) == expected


@pytest.mark.parametrize(
    ("mnemonic", "expected"),
    [
        ("fc", "sensitive"),
        ("fc.x", "sensitive"),
        ("rfi", "privileged"),
        ("itc.q", "privileged"),
        ("mov", None),
        ("add", None),
    ],
)
def test_sensitivity_of_a_mnemonic_alone(mnemonic: str, expected: str | None) -> None:
    assert mnemonic_sensitivity(mnemonic) == expected


def test_reads_and_writes() -> None:
    load = _resolve("(p6) ld8.fill r8=[r9],16")
    assert {Register("p", 6), Register("r", 9), Register("ar", 36), "mem", "psr.dt"} <= load.reads
    assert load.writes == {Register("r", 8), Register("r", 9)}
    assert _resolve("mov r8=r0").reads == frozenset()
    assert _resolve("mov r0=r8").writes == frozenset()
    assert _resolve("ssm psr.ic").writes == {"psr.ic"}
    assert {Register("ar", 64), Register("b", 0), "CFM"} <= _resolve("br.call.sptk b0=x").writes
    assert _resolve("mov pr=r8,0xc000").writes == {Register("p", 14), Register("p", 15)}
    assert Register("p", 63) in _resolve("mov pr=r8,0x10000").writes
    assert {"fpsr.sf1.controls", "fpsr.traps"} <= _resolve("fma.s1 f8=f9,f10,f11").reads
    assert _resolve("mov rr[r8]=r9").reads >= {Register("r", 8), Register("r", 9)}


@pytest.mark.parametrize(
    ("text", "message", "at"),
    [
        ("add r8=f3,r9", "operand 2 of `add' must be a general register", "f3"),
        ("adds r8=8192,r9", "operand 2 of `adds' must be an integer from -8192 to 8191, not 8192", "8192"),
        ("mov cr.ifa=5", "operand 2 of `mov' must be", "5"),
        ("ld8 r8=r9", "operand 2 of `ld8' must be a memory operand, [r3]", "r9"),
        ("ld8.bogus r8=[r9]", "`ld8' has no form with the completers `.bogus'", "ld8.bogus"),
        ("br.call b0=x", "`br' has no form with the completers `.call'", "br.call"),
        ("xor r8=r9", "`xor' takes 1 output and 2 inputs, not 1 and 1", "xor r8=r9"),
        ("(r6) mov r8=r9", "the qualifying predicate must be a predicate register", "r6"),
        ("(p6) cover", "`cover' cannot have a qualifying predicate", "p6"),
        ("alloc r8=ar.pfs,90,7,0,0", "a frame has at most 96 registers", "alloc r8=ar.pfs,90,7,0,0"),
        ("ssm r8", "operand 1 of `ssm' must be an integer from 0x0 to 0xffffff; `r8' is a general register", "r8"),
    ],
)
def test_what_is_said_of_wrong_instructions(text: str, message: str, at: str) -> None:
    with pytest.raises(OperandError) as raised:
        _resolve(text)
    assert message in raised.value.message
    assert text[raised.value.start : raised.value.end] == at


def test_a_name_is_a_symbol_when_the_source_is_preprocessed() -> None:
    operand = _resolve("movl r8=foo+8").inputs[0]
    assert isinstance(operand, Symbolic)
    with pytest.raises(OperandError, match="must be a general register"):
        _resolve("xor r8=r9,foo")


def test_a_name_may_be_anything_in_raw_source() -> None:
    scope = Scope(lenient=True)
    assert _resolve("xor r8=r9,FOO", scope).inputs[1] == Unknown()
    assert _resolve("mov cr.ifa=\\reg", scope).privileged
    assert not _resolve("mov r8=FOO", scope).sensitive
    assert _resolve("(pFOO) mov r8=r9", scope).predicate is None


def test_operand_macros_explain_names() -> None:
    scope = Scope(
        lenient=True,
        operand_macros={
            "KR": lambda use: Register("ar", 3),
            "BITS": Number("0x2000", 0x2000, 0, 6),
            "LOOP": Name("LOOP", 0, 4),
        },
    )
    assert _resolve("mov KR(x)=r8", scope).privileged
    assert _resolve("ssm BITS", scope).inputs == (0x2000,)
    assert _resolve("movl r8=LOOP", scope).inputs == (Unknown(),)


def test_assigned_rotating_and_stacked_names() -> None:
    scope = Scope()
    scope.assign(Assignment("t0", "=", Name("r10", 0, 3), 0, 8))
    scope.assign(Assignment("size", "=", Number("16", 16, 0, 2), 0, 8))
    scope.directive(Directive(".rotr", ("a[6+2]", "b[4]"), 0, 10))
    scope.directive(Directive(".rotp", ("p[4]",), 0, 10))
    scope.allocate(instruction("alloc r40=ar.pfs,2,3,4,0"))
    assert _resolve("add t0=size,t0", scope).text == "adds r10=16,r10"
    assert _resolve("(p[1]) xor a[1]=b[0],r9", scope).full_text == "(p17) xor r33=r40,r9"
    assert _resolve("xor in1=loc0,out0", scope).text == "xor r33=r34,r37"
    assert _resolve("alloc loc1=ar.pfs,8,7,0,0", scope).text == "alloc r41=ar.pfs,15,15,0"


def test_is_mnemonic() -> None:
    assert all(map(is_mnemonic, ("ld8.acq", "LD8", "br", "nop.m", "cmp4.eq", "st1", "mov")))
    assert not any(map(is_mnemonic, ("ld3", "foo", "movl2", "", ".proc")))
