"""PV301 and PV302: calls, conventions, helpers, groups; each with the whole message."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import pytest

from tests.check.checking import check

FRAME = "\talloc loc0 = ar.pfs, 1, 4, 1, 0 ;;\n"
CALL = "\tbr.call.sptk.many rp = f ;;\n"
RETURN = "\tbr.ret.sptk.many rp\n"


def op(register: str) -> str:
    return f"\tITC_D(p0, r18, {register}) ;;\n"


def told(text: str) -> list[str]:
    """What PV3xx finds: code, line and message, without what it advises, which is always the same."""
    found = check(text, "PV3")
    assert all("; give it another register" in each.message for each in found)
    return [f"{each.code} {each.line}: {each.message.partition('; give it')[0]}" for each in found]


def why(text: str) -> list[str]:
    """The reasons alone."""
    return [message.partition("which is live: ")[2] for message in told(text)]


def test_locals_and_inputs_are_alive_across_calls() -> None:
    """M11."""
    assert told(f"{FRAME}{op('loc1')}{CALL}\tmov r8 = loc1\n") == [
        "PV301 2: ITC_D clobbers loc1, which is live: read at line 4"
    ]
    assert why(f"{FRAME}{op('in0')}{CALL}\tmov r8 = r32\n") == ["read at line 4"]
    assert why(f"{FRAME}{op('r34')}{CALL}\tmov r8 = loc1\n") == ["read at line 4"]
    assert why(f"\t.regstk 1, 4, 1, 0\n{op('loc1')}{CALL}\tmov r8 = loc1\n") == ["read at line 4"]
    assert why(f"{FRAME}{op('loc1')}\tbr.call.sptk.many rp = b6 ;;\n\tmov r8 = loc1\n") == ["read at line 4"]


def test_outputs_are_what_is_calleds() -> None:
    """M11: and so is what stands behind them, and any stacked register where the frame is not known."""
    assert told(f"{FRAME}{op('out0')}{CALL}\tmov r8 = out0\n") == []
    assert told(f"{FRAME}{op('r40')}{CALL}\tmov r8 = r40\n") == []
    assert told(f"\t.proc g\ng:\n{op('r34')}{CALL}\tmov r8 = r34\n") == []
    assert told(f"{FRAME}{RETURN}\t.endp\n\t.proc g\ng:\n{op('r34')}{CALL}\tmov r8 = r34\n") == []


@pytest.mark.parametrize(
    ("register", "reason"),
    [
        ("r12", "the stack pointer (sp)"),
        ("sp", "the stack pointer (sp)"),
        ("r13", "the thread pointer (tp)"),
        ("gp", "the global pointer (gp)"),
        ("r4", "preserved by the software conventions, and not saved"),
    ],
)
@pytest.mark.parametrize("after", ["", "\tRFI\n", "\tbr.cond.sptk elsewhere\n", "\tbr.cond.sptk b6\n"])
def test_what_has_one_purpose_or_is_the_callers(register: str, reason: str, after: str) -> None:
    """M12."""
    assert why(op(register) + after) == [reason]
    assert why(f"\tSAVE_ALL\n{op(register)}{after}") == []
    assert why(f"{op(register)}\tRESTORE_ALL\n{after}") == []
    assert why(f"\tmov r14 = {register} ;;\n{op(register)}{after}") == []
    assert why(f"\tmov {register} = r14 ;;\n{op(register)}{after}") == []
    assert why(f"{op(register)}\tmov {register} = r14 ;;\n{after}") == []


def test_a_preserved_register_must_be_put_back() -> None:
    """M12."""
    assert told(f"\t.proc g\ng:\n{op('r4')}{RETURN}") == [
        "PV301 3: ITC_D clobbers r4, which is live: preserved by the software conventions, and not put back"
    ]
    assert why(f"\tmov r14 = r4 ;;\n{op('r4')}{RETURN}") == ["preserved by the software conventions, and not put back"]
    assert why(f"\tmov r14 = r4 ;;\n{op('r4')}\tmov r4 = r14\n{RETURN}") == []
    assert why(f"\tst8.spill [r14] = r4 ;;\n{op('r4')}\tld8.fill r4 = [r14]\n{RETURN}") == []
    # A convention of its own.
    assert why(f"\tmov r4 = 1 ;;\n{op('r4')}{RETURN}") == []
    assert why(f"\tSSM_PSR_I(p0, p2, r14) ;;\n{RETURN}") == ["preserved by the software conventions, and not put back"]
    assert why(f"\tmov r31 = pr\n\tSSM_PSR_I(p0, p2, r14) ;;\n\tmov pr = r31, -1\n{RETURN}") == []
    # The stack pointer stays one when it is moved.
    assert why(f"\tadds sp = -16, sp ;;\n{op('sp')}{CALL}\tmov sp = r14\n") == ["the stack pointer (sp)"]


def test_a_result_is_live_at_a_return() -> None:
    """M12: if the function has put it there, and nothing else reads it."""
    assert told(f"\tmov r8 = 1 ;;\n{op('r8')}{RETURN}") == [
        "PV301 2: ITC_D clobbers r8, which is live: the result, set at line 1"
    ]
    assert why(f"\tld8 r9 = [r32] ;;\n{op('r9')}{RETURN}") == ["the result, set at line 1"]
    assert why(f"{op('r8')}{RETURN}") == []
    # What is written for another effect: the frame, a counter, an interrupt that is taken, an address that moves on.
    for text in ("alloc r8 = ar.pfs, 1, 0, 0, 0", "fetchadd4.acq r8 = [r9], 1", "mov r8 = cr.ivr", "ld8 r8 = [r9], 8"):
        assert why(f"\t{text} ;;\n{op('r8')}{RETURN}") == [], text
    assert why(f"{CALL}{op('r8')}{RETURN}") == []
    assert why(f"\tld8 r8 = [r32] ;;\n\tmov ar.k6 = r8 ;;\n{op('r8')}{RETURN}") == []
    assert why(f"\tmov r8 = 1 ;;\n{op('r8')}\tmov r8 = 2\n{RETURN}") == []
    assert why(f"\tmov r14 = 1 ;;\n{op('r14')}{RETURN}") == []


def test_an_argument_is_live_at_a_call() -> None:
    """M12."""
    assert told(f"{FRAME}\tmov out0 = r9 ;;\n{op('out0')}{CALL}") == [
        "PV301 3: ITC_D clobbers out0, which is live: an argument, set at line 2"
    ]
    assert why(f"{FRAME}{op('out0')}{CALL}") == []
    assert why(f"{FRAME}\tmov out0 = r9 ;;\n\tadd r8 = out0, r9 ;;\n{op('out0')}{CALL}") == []
    assert why(f"{FRAME}\tmov out0 = r9 ;;\n{op('out0')}\tmov out0 = r8 ;;\n{CALL}") == []
    # An argument of another call.
    assert why(f"{FRAME}\tmov out0 = r9 ;;\n(p6)\tbr.cond.sptk 1f\n{CALL}1:\n{op('out0')}{CALL}") == []


def test_what_was_interrupted() -> None:
    """A handler's registers are those of the interrupted code until they are saved, but for bank 0."""
    asks = "\tmov r16 = cr.ifa ;;\n"
    assert why(f"{asks}{op('r14')}\trfi ;;\n") == ["what was interrupted has its value in it, not saved"]
    assert why(f"\tMOV_FROM_IFA(r16) ;;\n{op('r9')}\tRFI\n") == ["what was interrupted has its value in it, not saved"]
    assert why(f"{asks}{op('r17')}\trfi ;;\n") == []
    assert why(f"{op('r14')}\trfi ;;\n") == []
    assert why(f"{asks}\tst8.spill [r17] = r14 ;;\n{op('r14')}\trfi ;;\n") == []
    assert why(f"{asks}\tSAVE_MIN\n{op('r14')}\trfi ;;\n") == []
    # The rfi of a mode switch comes back.
    assert why(f"{asks}\tmovl r17 = 1f ;;\n{op('r4')}\trfi ;;\n1:\tmov r4 = r14\n{RETURN}") == []


def test_unknown_code_says_nothing_of_conventions() -> None:
    assert told(f"\t.macro m\n{op('sp')}\t.endm\n") == []
    assert told("#define M ITC_D(p0, r18, sp)\n\tSAVE\n\tM\n") == []
    assert len(told("#define M ITC_D(p0, r18, sp)\n\tM\n")) == 1


LEAF = "h:\tadd r8 = r19, r20\n"


@pytest.mark.parametrize(
    ("before", "call", "back"),
    [
        ("", "br.call.sptk.many rp = h", "br.ret.sptk.many rp"),
        ("", "br.call.sptk.many b6 = h", "br.ret.sptk.many b6"),
        ("\tmovl r3 = h ;;\n\tmov b6 = r3 ;;\n", "br.call.sptk.many b7 = b6", "br.cond.sptk.many b7"),
        ("\tmovl r3 = h ;;\n\tmov b6 = r3 ;;\n", "br.call.sptk.many b7 = b6", "br b7"),
        ("\tmovl r3 = h ;;\n\tmov r2 = r3 ;;\n\tmov b7 = r2 ;;\n", "br.call.sptk.many b6 = b7", "br.ret.sptk.many b6"),
        ("(p6)\tmovl r3 = h\n(p7)\tmovl r3 = h2 ;;\n", "brl.call.sptk.many rp = h", "br.ret.sptk.many rp"),
    ],
)
def test_helpers_of_the_same_file(before: str, call: str, back: str) -> None:
    """Through the helper, and out of it again."""
    rest = f"{RETURN}h2:\n\tnop 0\n"
    lines = before.count("\n")
    reads = f"{before}{op('r19')}\t{call} ;;\n{rest}{LEAF}\t{back}\n"
    assert why(reads) == [f"read at line {lines + 6}"]
    passes = f"{before}{op('r21')}\t{call} ;;\n\tmov r8 = r21\n{rest}{LEAF}\t{back}\n"
    assert why(passes) == [f"read at line {lines + 3}"]
    overwrites = passes.replace("h:\tadd r8", "h:\tadd r21")
    assert why(overwrites) == []
    inside = f"{before}\t{call} ;;\n\tmov r9 = r19\n{rest}h:\n{op('r19')}\t{back}\n"
    assert why(inside) == [f"read at line {lines + 2}"]
    # What it calls is not known.
    assert why(passes.replace("h:\tadd", "k:\tadd")) == []


def test_what_is_not_a_use_in_a_helper() -> None:
    saves = f"{op('r19')}\tbr.call.sptk.many rp = h ;;\n{RETURN}h:\tst8.spill [r20] = r19\n{RETURN}"
    assert why(saves) == []
    preserved = f"\tmov loc1 = r4\n{op('r4')}{CALL}\tmov r4 = loc1\n{RETURN}f:\tmov loc1 = r4\n{RETURN}"
    assert why(preserved) == []
    # It does not come back: its link is another.
    lost = f"{op('r21')}\tbr.call.sptk.many rp = h ;;\n\tmov r8 = r21\n{RETURN}h:\tmov rp = r20 ;;\n{RETURN}"
    assert why(lost) == []


def test_all_predicates_are_saved_for_those_that_matter() -> None:
    save = f"\tSSM_PSR_I(p0, p6, r14) ;;\n\tmov r15 = pr\n{RETURN}"
    assert why(save) == []
    assert why(f"\tmov r16 = cr.isr ;;\n{save}") == ["read at line 3"]


def test_a_taken_branch_ends_a_group() -> None:
    """F10."""
    taken = "\tITC_D(p0, r18, r19)\n{}\tbr.cond.sptk 1f\n\tbr.ret.sptk rp\n1:\tmov r8 = r19 ;;\n"
    assert told(taken.format("(p6)")) == ["PV301 1: ITC_D clobbers r19, which is live: read at line 4"]
    assert told(taken.format("")) == ["PV301 1: ITC_D clobbers r19, which is live: read at line 4"]
    next_line = "\tITC_D(p0, r18, r19)\n{}\tbr.cond.sptk 1f\n1:\tmov r8 = r19 ;;\n"
    assert told(next_line.format("")) == ["PV301 1: ITC_D clobbers r19, which is live: read at line 3"]
    assert told(next_line.format("(p6)")) == [
        "PV302 1: ITC_D clobbers r19, which is live: read at line 3, in the same instruction group"
    ]
    passed = "\tITC_D(p0, r18, r19)\n(p6)\tbr.cond.sptk 1f\n\tmov r8 = r19 ;;\n1:\n"
    assert [message[:5] for message in told(passed)] == ["PV302"]
    # The way around is shorter, but the other stays in the group.
    both = "\tITC_D(p0, r18, r19)\n(p6)\tbr.cond.sptk 1f\n\tnop 0\n\tnop 0\n\tnop 0\n1:\tmov r8 = r19 ;;\n"
    assert [message[:5] for message in told(both)] == ["PV302"]


def test_a_message_names_the_statement() -> None:
    """F10: not the line of the expansion, which may hold several."""
    (found,) = (
        f
        for f in check("\tITC_I_AND_D(p6, p7, r18, r17)\n\tnop 0 ;;\n", "PV204", instances=("trap",))
        if "itc.i" in f.message
    )
    place, _, due = found.message.partition(": ")
    assert place == "`(p6) itc.i r18' must be the last of its group; `(p7) itc.d r18' stands after it"
    assert due == "a stop (;;) is due between"
    assert [line.split(maxsplit=2)[2] for line in found.details] == ["(p6) itc.i r18", "(p7) itc.d r18"]


def test_idle_sources_are_no_reads() -> None:
    """F7."""
    for text in ("xor r17 = r17, r17", "sub r17 = r17, r17", "and r17 = 0, r17", "andcm r17 = r17, r17"):
        assert told(f"{op('r17')}\t{text} ;;\n\tmov r8 = r17\n") == [], text
        assert why(f"{op('r17')}(p6)\t{text} ;;\n\tmov r8 = r17\n") == ["read at line 3"], text
    for text in ("and r17 = r17, r17", "shladd r17 = r17, 1, r17", "add r17 = r17, r17", "xor r17 = r17, r16"):
        assert why(f"{op('r17')}\t{text} ;;\n") == ["read at line 2"], text


def _arms(count: int) -> str:
    """A group that goes on over many conditionals."""
    return "".join(
        f"#if A{number}\n\tMOV_TO_IFA(r16, r18)\n#else\n\tMOV_TO_IIP(r16, r19)\n#endif\n" for number in range(count)
    )


def _steps(text: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """How much is done to check a text: instructions fed, states copied, nodes visited; and how much is told."""
    from pvasm.check.assumptions import Assumptions
    from pvasm.isa.dependencies import Dependencies

    counted = dict.fromkeys(("instruction", "copy", "entered"), 0)
    for kind, name in ((Dependencies, "instruction"), (Dependencies, "copy"), (Assumptions, "entered")):
        original = getattr(kind, name)

        def counting(*arguments: object, original: object = original, name: str = name) -> object:
            counted[name] += 1
            return original(*arguments)  # type: ignore[operator]

        monkeypatch.setattr(kind, name, counting)
    found = check(text, "PV2", "PV3")
    monkeypatch.undo()
    yield from (counted["instruction"], counted["copy"])
    yield sum(len(line) for each in found for line in (*each.details, each.message))


@pytest.mark.parametrize("numbers", [(100, 200), pytest.param((200, 400, 800), marks=pytest.mark.slow)])
def test_arms_without_a_stop_take_linear_steps(numbers: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """S9."""
    counts = [list(_steps(_arms(number), monkeypatch)) for number in numbers]
    for small, large in pairwise(counts):
        assert all(new <= 2.2 * old for old, new in zip(small, large, strict=True)), counts
