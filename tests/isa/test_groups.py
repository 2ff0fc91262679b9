"""Dependency violations: as -x is the truth, on real code, on real code spoilt, and on groups made from the table.

What differs, and why, stands in `dependency_oracle.py`.
"""

from __future__ import annotations

import random
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pvasm.asm.resolve import resolve
from pvasm.asm.scope import OperandError, Scope
from pvasm.isa.dependencies import Dependencies, Violation
from pvasm.text import read_text
from tests.corpus.build import Corpus
from tests.isa.assembly import instances, instruction
from tests.isa.dependency_oracle import differences, we_say, without_markers
from tests.oracle import require_tool
from tests.work import Bounded


def test_real_code(corpus: Corpus, tmp_path: Path) -> None:
    for file in corpus.files:
        text = without_markers(read_text(file.preprocessed))
        assert differences(text, we_say(text), tmp_path) == [], file.name


# --------------------------------------------------------------------------------- real code, spoilt


def fewer_stops(text: str, rng: random.Random) -> str:
    share = rng.choice((0.1, 0.3, 1.0))
    return re.sub(";;", lambda stop: " " if rng.random() < share else stop[0], text)


def other_registers(text: str, rng: random.Random) -> str:
    generals = ("r2", "r3", "r14", "r15", "r16", "r17", "r18", "r19")
    text = re.sub(
        r"(?<![\w.])r(1[4-9]|2\d|[23])\b", lambda at: rng.choice(generals) if rng.random() < 0.3 else at[0], text
    )
    predicates = ("p6", "p7", "p8", "p14")
    return re.sub(
        r"(?<![\w.])p([6-9]|1[0-5])\b", lambda at: rng.choice(predicates) if rng.random() < 0.3 else at[0], text
    )


def moved_lines(text: str, rng: random.Random) -> str:
    lines = text.split("\n")
    for _ in range(60):
        one = rng.randrange(len(lines))
        other = max(0, min(len(lines) - 1, one + rng.randint(-4, 4)))
        if not re.search(r"[:{}]|^\s*\.|EXPORT", f"{lines[one]}\n{lines[other]}", re.MULTILINE):
            lines[one], lines[other] = lines[other], lines[one]
    return "\n".join(lines)


def accepted(text: str, folder: Path) -> str:
    """The text without the lines that as refuses, so that it can tell of the others."""
    source = folder / "try.s"
    while True:
        source.write_text(text)
        command = [require_tool("ia64-linux-gnu-as"), "-x", str(source), "-o", str(folder / "try.o")]
        said = subprocess.run(command, capture_output=True, text=True, check=False).stderr
        refused = {int(line) for line in re.findall(r":(\d+): Error", said)}
        if not refused:
            return text
        text = "\n".join("" if number in refused else line for number, line in enumerate(text.split("\n"), 1))


@pytest.mark.slow
@pytest.mark.parametrize("spoil", [fewer_stops, other_registers, moved_lines])
def test_spoilt_code(spoil: Callable[[str, random.Random], str], corpus: Corpus, tmp_path: Path) -> None:
    rng = random.Random(spoil.__name__)
    told = 0
    for file in corpus.files:
        text = accepted(spoil(without_markers(read_text(file.preprocessed)), rng), tmp_path)
        assert differences(text, we_say(text), tmp_path) == [], file.name
        told += len(we_say(text))
    assert told > 50


# ------------------------------------------------------------------------------- groups from the table

_NAMES = {
    "r": ("2", "3", "8", "9", "16", "40"),
    "f": ("2", "3", "8", "40"),
    "b": ("0", "6"),
    "p": ("1", "6", "7", "16", "63"),
}
# Not in a group: what depends on more than the text (which unit the assembler takes), what it warns of anyway, the
# registers that are reserved, what as takes for any status field when it names none, and fcmp.unc with a status field,
# which as does not know for unconditional, and compares with one target, of which it learns less than of others.
_LEFT_OUT = re.compile(
    r"(nop|hint|break|chk\.s) |hint\.b|br\.ia|vmsw|mov pr|fcmp.*unc|(cmp4?|tbit|tnat|tf|fclass)\.\S* p\d+="
    r"|.*\b(ar\d+|cr127)"
)


@pytest.fixture(scope="module")
def rows() -> list[str]:
    """Instructions of every row."""
    found: dict[object, list[str]] = {}
    for text in instances(random.Random(7)):
        own = re.sub(r"\b(start|here)\b", "1b", text)
        try:
            resolved = resolve(instruction(own), Scope())
        except OperandError:
            continue
        if not _LEFT_OUT.match(own) and not ("sf" in resolved.fields and not re.search(r"\.s[0-3]\b", own)):
            found.setdefault(resolved.form, []).append(own)
    rng = random.Random(8)
    return [text for texts in found.values() for text in rng.sample(texts, min(6, len(texts)))]


def with_few_registers(text: str, rng: random.Random) -> str:
    """The instruction with registers of a handful, and perhaps a predicate."""
    for attempt in range(100):
        kept = "(?!r0)" if attempt > 50 else ""  # a compare with zero has no other form
        found = re.sub(rf"(?<![\w.]){kept}([rfbp])\d+\b", lambda name: name[1] + rng.choice(_NAMES[name[1]]), text)
        try:
            resolved = resolve(instruction(found), Scope())
        except OperandError:
            continue
        if len(set(resolved.outputs)) == len(resolved.outputs):
            break
    else:
        return "nop.m 0"
    free = resolved.form.unpredicated or rng.random() < 0.6
    return found if free else f"(p{rng.choice(_NAMES['p'])}) {found}"


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_groups_of_any_instructions(seed: int, rows: list[str], tmp_path: Path) -> None:
    """Three in a group, and what their writes mean for the group after it; then the line ends."""
    rng = random.Random(seed)
    lines = ["1:"]
    for text in rng.sample(rows, len(rows)):
        others = [with_few_registers(rng.choice(rows), rng) for _ in range(4)]
        lines += [with_few_registers(text, rng), *others[:2], ";;", *others[2:], ";;", "br.few 1b ;;"]
    text = accepted("\n".join(lines) + "\n", tmp_path)
    assert differences(text, we_say(text), tmp_path) == []
    assert len(we_say(text)) > 300


_PLAIN = (
    *("add r{r}=r{r},r{r}", "ld8 r{r}=[r{r}],8", "st8 [r{r}]=r{r}", "mov b6=r{r}", "mov r{r}=b6", "mov r{r}=pr"),
    *(
        "cmp.eq p{p},p{q}=r2,r3",
        "cmp.eq.unc p{p},p{q}=r2,r3",
        "cmp.eq.or p{p},p{q}=r2,r3",
        "cmp.eq.and p{p},p{q}=r2,r3",
    ),
    *("cmp.eq.or.andcm p{p},p{q}=r2,r3", "tbit.nz p{p},p{q}=r2,3", "fcmp.eq p{p},p{q}=f2,f3", "frcpa f6,p{p}=f2,f3"),
    *("br.cond.sptk 1b", "br.cond.sptk 1b", "br.call.sptk b6=1b", "br.call.sptk b0=b6", "br.ret.sptk b0"),
)
_ALONE = (
    *(
        ";;",
        ";;",
        ";;",
        "2:",
        '.pred.rel "mutex",p{p},p{q}',
        '.pred.rel "mutex",p{p},p{q},p33',
        '.pred.rel "clear",p{p}',
    ),
    *(
        ".pred.safe_across_calls p1-p7",
        "br.ctop.sptk 1b ;;",
        "br.cloop.sptk 1b",
        "clrrrb",
        "mov ar.lc=r{r}",
        "alloc r{r}=ar.pfs,0,8,0,8",
    ),
    *(".mem.offset 0,0\nst8.spill [r{r}]=r3", ".mem.offset 8,0\nst8.spill [r{r}]=r3", "ld8.fill r{r}=[r2]"),
)


def logic(length: int, rng: random.Random) -> str:
    """A line of instructions under predicates, with what makes and ends knowledge of predicates."""
    lines = ["1:"]
    for _ in range(length):
        first, second = rng.sample(("1", "6", "7", "16", "63"), 2)
        names = {"p": first, "q": second, "r": rng.choice(("8", "9", "10", "40"))}
        if rng.random() < 0.25:
            lines.append(rng.choice(_ALONE).format(**names))
        else:
            plain = rng.choice(_PLAIN).format(**names)
            predicate = "" if rng.random() < 0.3 or ".unc" in plain else f"(p{rng.choice('167')}) "
            lines.append(predicate + plain)
            if plain.startswith("br.ret") and not predicate:
                lines.append('.pred.rel "clear",p1-p63')  # as goes on to believe what it knew
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("seed", range(6))
def test_what_is_known_of_predicates(seed: int, tmp_path: Path) -> None:
    text = accepted(logic(1500, random.Random(seed)), tmp_path)
    assert differences(text, we_say(text), tmp_path) == []


_TELLING = (
    *(".auto", ".explicit", ".explicit", ".default", ".serialize.data", ".serialize.instruction", ";;", ";;", "srlz.d"),
    *("srlz.i", "srlz.i ;;", ".reg.val r2, 1<<61", ".reg.val r3, 2<<61", ".reg.val r4, ~0", ".reg.val r3, 0x10"),
    *("mov rr[r{r}]=r9", "mov r9=rr[r{r}]", "mov pkr[r{r}]=r9", "mov ibr[r{r}]=r9", "mov r9=ibr[r{r}]", "ld8 r8=[r9]"),
    *("mov cr.pta=r9", "thash r8=r9", "rsm psr.dt", "ssm psr.ic", "mov r8=psr", "mov cr.ifa=r9", "ptc.e r9", "fc r9"),
    *("mov r{r}=0x20", "movl r{r}=2<<61", "mov r8=r9", "(p6) mov r9=r8", "cmp.eq p6,p7=r8,r9", "(p7) mov r9=r10"),
    *('.pred.rel "mutex",p6,p7', ".mem.offset 8,0\nst8.spill [r10]=r{r},8", "st8.spill [r10]=r{r},8", "1:"),
)


@pytest.mark.parametrize("seed", range(4))
def test_what_directives_tell(seed: int, tmp_path: Path) -> None:
    """F1, F2. Modes, serialization and values, among instructions of which they tell."""
    rng = random.Random(seed)
    text = "".join(f"{rng.choice(_TELLING).format(r=rng.choice('234'))}\n" for _ in range(3000))
    found = differences(text, we_say(text), tmp_path)
    # Of several writes before, as may mean another register of the file than the nearest write's.
    assert [each for each in found if not each.startswith("certainty differs")] == []
    assert len(we_say(text)) > 300


# ------------------------------------------------------------------------------------------- examples


def test_an_implied_predicate(tmp_path: Path) -> None:
    """p1 implies p6, so what stands under p1 is not executed when the branch under p6 is passed."""
    text = "1:\n(p6) cmp.eq.unc p1,p2=r3,r4 ;;\n(p1) mov r2=r3\n(p6) br.cond.sptk 1b\nmov r2=r4 ;;\n"
    assert differences(text, we_say(text), tmp_path) == []
    assert we_say(text) == {}
    assert we_say(text.replace("(p6) br", "(p7) br")).keys() == {(5, "WAW", "r2")}


def test_what_stood_under_the_old_value_of_a_predicate() -> None:
    """After the compare, p6 and p7 exclude each other, but the compare itself stands under another p6."""
    assert we_say("(p6) cmp.eq.unc p6,p7=r2,r3\n(p7) mov r4=r5\n").keys() == {(2, "RAW", "p7")}


_WRITERS = (
    *("mov cr.ifa=r2", "rsm psr.dt", "ssm psr.ic", "mov psr.l=r2", "itc.d r2", "itr.i itr[r2]=r3", "ptc.l r2,r3"),
    *("mov rr[r2]=r3", "mov pkr[r2]=r3", "mov dbr[r2]=r3", "mov cr.tpr=r2", "mov cr.lid=r2", "mov cr.pta=r2"),
)
_READERS = (
    *("mov r4=cr.ifa", "itc.d r5", "ld8 r4=[r5]", "mov r4=psr", "mov r4=cr.isr", "mov r4=rr[r2]", "thash r4=r5", "rfi"),
    *(
        "probe.r r4=r5,0",
        "mov r4=cr.tpr",
        "mov r4=cr.ivr",
        "ssm psr.i",
        "mov cr.lid=r5",
        "mov r4=cr.lid",
        "ld8.s r4=[r5]",
    ),
)


@pytest.mark.parametrize("between", [";;", "srlz.d ;;", ";; srlz.d", ";; srlz.d ;;", ";; srlz.i", ";; srlz.i ;;"])
def test_serialization(between: str, tmp_path: Path) -> None:
    """After a write of a system resource: each reader, with what as says is enough between."""
    text = "1:\n" + "".join(
        f"{first}\n{between}\n{second} ;;\nbr.few 1b ;;\n" for first in _WRITERS for second in _READERS
    )
    assert differences(text, we_say(text), tmp_path) == []
    serialized = "srlz" in between and between.startswith(";;") and between != ";; srlz.i"
    assert bool([line for line, _, name in we_say(text) if name != "psr.tb"]) == (not serialized)


def test_an_instruction_serialization_is_no_data_serialization() -> None:
    """The manual asks for srlz.i where instruction fetch is meant; as makes do with srlz.d."""
    for writer, reader in (("mov cr.iva=r2", "mov r3=cr.iva"), ("ptc.l r2,r3", "epc"), ("itr.i itr[r2]=r3", "vmsw.0")):
        assert we_say(f"{writer} ;;\nsrlz.d ;;\n{reader}\n")
        assert not we_say(f"{writer} ;;\nsrlz.i ;;\n{reader}\n")


def violations(dependencies: Dependencies, *texts: str) -> list[Violation]:
    found: list[Violation] = []
    for number, text in enumerate(texts):
        if text == ";;":
            dependencies.stop()
        else:
            found += dependencies.instruction(resolve(instruction(text), Scope(lenient=True)), number)
    return found


def test_a_copy_goes_its_own_way() -> None:
    one = Dependencies()
    assert not violations(one, "mov r2=r3", "(p6) mov b6=r7", "mov cr.ifa=r8")
    other = one.copy()
    one.stop()
    assert not violations(one, "mov r4=r2")
    assert [violation.resource for violation in violations(other, "mov r4=r2")] == [("r", 2)]
    other.barrier()
    assert not violations(other, "mov r4=r2", "mov r5=cr.ifa")


@given(st.integers(0, 1000), st.integers(0, 40))
def test_a_copy_knows_what_the_original_knows(seed: int, at: int) -> None:
    """Wherever the line is cut, what follows is told of a copy as of the original."""
    lines = [line for line in logic(40, random.Random(seed)).split("\n")[1:] if line and line[0] not in ".2a"]
    texts = [";;" if line == ";;" else line.removesuffix(";;").replace("1b", "x").strip() for line in lines]
    one = Dependencies()
    violations(one, *texts[:at])
    other = one.copy()
    assert violations(one, *texts[at:]) == violations(other, *texts[at:])


def test_what_is_not_known_violates_nothing() -> None:
    assert not violations(
        Dependencies(), "mov X=r3", "(P) mov Y=Z", "cmp.eq P1,P2=A,B", "mov cr.X=r1", "mov pr=A,B", "ssm MASK"
    )


@pytest.mark.slow
def test_a_hostile_group_takes_linear_time() -> None:
    """Thirty thousand instructions without a stop, under predicates that all exclude each other."""
    forms = [resolve(instruction(f"(p{number}) add r2=r3,r4"), Scope()) for number in range(1, 64)]
    forms += [
        resolve(instruction(f"(p{number}) cmp.eq.unc p{number + 1},p{number + 2}=r2,r3"), Scope())
        for number in range(1, 60)
    ]
    forms += [resolve(instruction(f"(p{number}) br.cond.sptk b0"), Scope()) for number in range(1, 64)]
    dependencies = Dependencies()
    for first in range(1, 63):
        for second in range(first + 1, 63):
            dependencies.relation("mutex", (first, second))
            dependencies.relation("imply", (first, second))
    rng = random.Random(0)
    with Bounded(3_000_000):
        for number in range(3_000):
            dependencies.instruction(rng.choice(forms), number)
            dependencies.label()
