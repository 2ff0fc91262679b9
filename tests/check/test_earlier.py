"""A text that is checked again after an edit: what is taken over is what reading it afresh would give."""

from __future__ import annotations

import gc
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from pvasm.asm.rereading import FrameState, Rereading, Run
from pvasm.check import groups
from pvasm.check.checker import Checker
from pvasm.check.code import Code
from pvasm.check.diagnostic import Diagnostic
from pvasm.check.earlier import Earlier
from pvasm.check.groups import find_violations
from pvasm.check.settings import Settings
from pvasm.check.subject import Subject
from pvasm.check.unknown_names import _Met
from pvasm.data import samples_directory
from pvasm.expand import expand
from pvasm.expand.program import Node
from pvasm.headers import included
from pvasm.syntax.document import Document
from pvasm.text import let_be_read, let_stand_in

# Lines that matter to those behind them, and lines to which others do; %d is one of few numbers.
LINES = (
    *(
        "\tmov r8=cr.ifa",
        "foo%d:",
        "x%d:",
        "\tmovl r5=foo%d",
        "#define A%d foo1",
        "#define A%d r9",
        "#define A%d cr.ifa",
        "#define A%d loc1",
        "#define A%d",
        "#define P(a, b) a##b",
        "\tmov r5=P(A, %d)",
        "\tmov r5=P(r, %d)",
        "#undef A%d",
    ),
    *(
        "#ifdef CONFIG_X%d",
        "#else",
        "#endif",
        ".macro m%d a\n mov r2=\\a\n.endm",
        ".macro x%d\n\tcover\n.endm",
        "\tm%d r5",
    ),
    *("\talloc r3=ar.pfs,2,3,4,0", "\talloc r3=ar.pfs,0,%d,4,8", "\tMOV_FROM_IFA(r16)", "\t;;", "\tcover", "\tx%d"),
    *(
        "(p6)\tbr.cond.sptk foo%d",
        ".set x%d, 5",
        ".set x%d, r5",
        "x%d = r7",
        "\t// hi",
        "/* ",
        "*/ ",
        "\\",
        "\tmov r4=x%d",
    ),
    *(
        "\tRSM_PSR_I(p0, r18, r19)",
        ".if x%d",
        ".endif",
        "\tssm psr.i",
        "\tbr.ret.sptk rp",
        "{ .mii",
        "}",
        "\tadd r8=r8,A%d",
    ),
    *(
        ".rept 3",
        ".endr",
        ".section .gate.text",
        "\tmov out0=loc%d",
        ".regstk 2,3,1,0",
        "\tmov r9=in%d",
        "\tmov loc%d=r3",
    ),
    *("\tRFI", "\tthash r5=r6\n;;\n\tttag r7=r8", "\tcmp.eq p6,p7=r0,r%d", "// pvasm: ignore[PV001]", "\tmov r7=A%d"),
    *(
        "// pvasm: user-level begin",
        "\tmov r3=cr.ifx",
        "\tmov r8=cr.x%d",
        ".altmacro",
        ".purgem x%d",
        ".end",
        ".rotr x%d[4]",
    ),
)
CHARACTERS = 'r1,=;()[]#/ \n\t.p:{}x\\*"'


def line(chosen: random.Random) -> str:
    return chosen.choice(LINES).replace("%d", str(chosen.randint(0, 3))) + "\n"


def edited(text: str, chosen: random.Random) -> str:
    """The text with one change: a line inserted, deleted, doubled, moved; a character."""
    lines = text.splitlines(keepends=True)
    if not lines:
        return line(chosen)
    at, kind = chosen.randrange(len(lines)), chosen.random()
    if kind < 0.45:
        lines.insert(at, line(chosen))
    elif kind < 0.6:
        del lines[at : at + chosen.choice((1, 1, 1, 6))]
    elif kind < 0.7:
        lines.insert(chosen.randrange(len(lines) + 1), lines[at])
    elif kind < 0.8:
        other = chosen.randrange(len(lines))
        lines[at], lines[other] = lines[other], lines[at]
    else:
        column = chosen.randrange(len(lines[at]))
        put = chosen.choice(("", chosen.choice(CHARACTERS)))
        lines[at] = lines[at][:column] + put + lines[at][column + chosen.randint(0, 1) :]
    return "".join(lines)


def texts(seed: int) -> Iterator[str]:
    """A text of such lines, or a part of a sample; then what a few edits make of it, one after the other."""
    chosen = random.Random(seed)
    if chosen.random() < 0.6:
        text = "".join(line(chosen) for _ in range(chosen.randint(10, 60)))
    else:
        sample = chosen.choice(sorted(Path(samples_directory()).rglob("*.S"))).read_text()
        start = chosen.randrange(len(sample))
        text = sample[start : start + 6_000]
    for _ in range(8):
        yield text
        for _ in range(chosen.choice((1, 1, 2))):
            text = edited(text, chosen)


def facts(subject: Subject) -> dict[str, object]:
    """What is known of the code of a subject."""
    code = subject.of(Code)
    search, program = code.search, code.program
    return {
        "steps": [_plain(step) if isinstance(step, Node) else step for step in program.steps],
        "refusals": [(each.start, each.end, str(each.error), each.made, each.conditions) for each in program.refusals],
        "ops": program.ops_used,
        "names": [_shown(met) for met in (*code.names._registers, *code.names._instructions)],
        "exposed": (search.found, search.by_statement, search.gaps, search.reread, search.kept, search.covered),
        "groups": [
            repr(replace(violation, first=_plain(violation.first), second=_plain(violation.second)))
            for violation in find_violations(subject)
        ],
    }


def _plain(node: Node) -> Node:
    """A step without what is remembered of it."""
    return replace(node, content=None)


def _shown(met: _Met) -> tuple[object, ...]:
    step, source = met.step, met.step.source
    place = step.syntax, step.statement, step.conditions, step.macro, step.made
    return met.name, met.start, met.end, met.is_likely, *place, source.text, [*source.starts], [*source.origins]


@pytest.mark.parametrize("seed", [*range(6), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(6, 150))])
def test_what_is_taken_over_is_what_is_there(seed: int) -> None:
    for settings in (Settings(), Settings(instances=("native", "xen"))):
        checker, earlier = Checker(settings), Earlier()
        for number, text in enumerate(texts(seed)):
            headers = included("a.S", text, ())
            earlier.stretches.turn()
            again = facts(checker.subject(text, "a.S", headers, earlier=earlier))
            assert again == facts(checker.subject(text, "a.S", headers)), f"version {number}\n{text}"


def reported(text: str, earlier: Earlier | None) -> list[Diagnostic]:
    """What is reported of a text, with the edits that fix it."""
    checker = Checker(Settings(use_cache=False, fixes=True, instances=("native", "xen", "trap")))
    checker.earlier = earlier
    let_stand_in("a.S", text.encode())
    try:
        return checker.check("a.S").diagnostics
    finally:
        let_be_read("a.S")


@pytest.mark.parametrize("seed", [*range(4), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(4, 80))])
def test_what_is_reported_is_what_is_found(seed: int) -> None:
    earlier = Earlier()
    for number, text in enumerate(texts(seed)):
        earlier.stretches.turn()
        assert reported(text, earlier) == reported(text, None), f"version {number}\n{text}"


def test_edits_are_not_tried_again_because_of_what_stands_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[str] = []

    def counted(document: Document, *given: Any, **named: Any) -> str:
        tried.append(document.text)
        return expand(document, *given, **named)

    monkeypatch.setattr("pvasm.check.accepted_edits.expand", counted)
    earlier = Earlier()
    text = "\tmov r8 = cr.ifa ;;\n" + BODY
    first = reported(text + "\tadd r9 = r8, r0\n", earlier)
    assert tried
    tried.clear()
    assert reported(text + "\tadd r9 = r8, r2\n", earlier) == first
    assert not tried
    reported(text.replace("cr.ifa", "cr.itir") + "\tadd r9 = r8, r2\n", earlier)
    assert tried


def test_how_much_macros_may_make_is_asked_again() -> None:
    """It goes by the length of the text: what was within it may be beyond in a shorter one."""
    macro = f"#define M(a) {' ;; '.join(['add r8 = a, r9'] * 8)}\n"
    uses = "\tM(r10)\n" * 3_000
    checker, earlier = Checker(Settings()), Earlier()
    told = []
    for comment in ("/* " + "x" * 20_000 + " */\n", "\n"):
        text = macro + uses + comment + BODY
        again = facts(checker.subject(text, "a.S", earlier=earlier))
        assert again == facts(checker.subject(text, "a.S"))
        told.append(bool(again["exposed"][2]))  # type: ignore[index]
    assert told == [False, True]


def test_what_earlier_texts_were_is_let_go() -> None:
    """A file is edited thousands of times: of what was read of it, nothing piles up."""
    text = "#define M(a) " + " ;; ".join(["add r8 = a, r9"] * 100) + "\n\tM(r10)\n" + BODY
    earlier = Earlier()
    kept = []
    for number in range(12):
        text = f"\tadd r{number + 20} = r2, r3\n{text}"
        earlier.stretches.turn()
        Checker(Settings()).subject(text, "a.S", earlier=earlier).of(Code)
        gc.collect()
        kept.append(len(gc.get_objects()))
    assert kept[-1] - kept[5] < 600  # a body has more tokens than that


def test_whether_a_header_holds_c_is_asked_again() -> None:
    settings = Settings()
    earlier = Earlier()
    told = []
    for declaration in ("", "int cover(struct s *p);\n"):
        text = "\tmov r8 = cr.ifa\n\tcover\n" + BODY + declaration
        again = facts(Checker(settings).subject(text, "a.h", earlier=earlier))
        assert again == facts(Checker(settings).subject(text, "a.h"))
        told.append(again["exposed"])
    assert told[0] != told[1]


BODY = "\tadd r2 = r3, r4 ;;\n" * 40


@pytest.mark.parametrize(
    ("before", "after", "read"),
    [
        ("\tadd r8 = r9, r10\n", "\tadd r8 = r9, r11\n", 17),  # with those near it
        ("\tadd r8 = r9, r10\n", "\n\n", 16),
        ("", "\tMOV_FROM_IFA(r16)\n", 19),  # the line behind it begins alike
        ("", "\t.set x, 5\n", 89),  # the names behind it may mean something else
        ("", "\talloc r3 = ar.pfs, 2, 3, 4, 0\n", 89),
        ("", "#define X\n", 17),
        ("", "#define r3\n", 161),
        ("", "#ifdef X\n\tadd r2 = r4, r4 ;;\n#endif\n", 20),
        ("", "#ifdef X\n", 89),  # all behind it stands under a condition
        ("\talloc r3 = ar.pfs, 2, 3, 4, 0\n", "\talloc r3 = ar.pfs, 2, 3, 4, 0\n\tsome\n", 89),
        ("#define X r3\n", "#define X r4\n", 18),
        ("#define X r3\n\tadd r2 = X, X ;;\n", "#define X r4\n\tadd r2 = X, X ;;\n", 92),
        ("", "foo:\n", 17),
        (
            "\tmovl r2 = foo ;;\n" * 2,
            "\tmovl r2 = foo ;;\n\tmovl r2 = foo ;;\nfoo:\n",
            165,
        ),  # what is no label may be anything
    ],
)
def test_how_many_statements_are_read_again(
    before: str, after: str, read: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    repeated: list[int] = []
    run = Rereading.run

    def counted(self: Rereading, index: int, frame: FrameState) -> Run | None:
        found = run(self, index, frame)
        repeated.append(found.end - found.start if found is not None else 0)
        return found

    checker, earlier = Checker(Settings()), Earlier()
    checker.subject(BODY + before + BODY, "a.S", earlier=earlier).of(Code)
    monkeypatch.setattr(Rereading, "run", counted)
    checker.subject(BODY + after + BODY, "a.S", earlier=earlier).of(Code)
    statements = len(earlier.reading.document.statements) if earlier.reading else 0
    assert statements - sum(repeated) == read


def test_groups_are_not_walked_through_again(monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[int] = []
    walk = groups._Walk._step

    def counted(self: groups._Walk, index: int, states: list[groups._State]) -> object:
        steps.append(index)
        return walk(self, index, states)

    monkeypatch.setattr(groups._Walk, "_step", counted)
    checker, earlier = Checker(Settings()), Earlier()
    for text in (BODY * 3, BODY + "\tadd r2 = r3, r5 ;;\n" + BODY * 2):
        steps.clear()
        earlier.stretches.turn()
        checker.subject(text, "a.S", earlier=earlier).of(find_violations)
    assert 0 < len(steps) < 60  # of 241
