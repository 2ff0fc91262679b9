"""Objects are checked: what objdump shows of each is the truth."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace

from pvasm.check.checker import Checker
from pvasm.check.diagnostic import Diagnostic
from pvasm.check.exposure import CODES
from pvasm.check.object_files import ObjectCheck
from pvasm.check.rule import all_rules
from pvasm.check.settings import AnswerSettings, BareFiles, Settings
from pvasm.paravirt.loading import load_catalog
from tests.cli.command import pvasm
from tests.corpus import build as corpus_build
from tests.oracle import require_tool

# Of the manual (SDM 2, 11.7 and 3:2), by objdump's text, without a look at pvasm's table: what faults above level 0,
# what does otherwise without a fault, and what depends on the level.
PRIVILEGED = re.compile(
    r"(mov(\.m|\.i)? (cr\.\w+|psr\.l|rr\[|pkr\[|dbr\[|ibr\[|pmc\[|pmd\[|dtr\[|itr\[|dahr\[|ar\.k[0-7]|ar\.itc|ar\.ruc"
    r"|msr\[)\S*=\S+"
    r"|mov(\.m|\.i)? r\d+=(cr\.\w+|psr|rr\[\w+\]|pkr\[\w+\]|dbr\[\w+\]|ibr\[\w+\]|pmc\[\w+\]|msr\[\w+\])$"
    r"|(ssm|rsm|bsw\.[01]|rfi|itc\.[id]|itr\.[id]|ptc\.(l|g|ga|e)|ptr\.[id]|tpa|tak|halt|halt\.mf|vmsw\.[01])\b)"
)
SENSITIVE = re.compile(
    r"(cover|thash|ttag|fc|fc\.i)\b|mov r\d+=(cpuid\[|pmd\[)|mov(\.m)? (r\d+=ar\.(itc|ruc)|ar\.eflag=)"
)


def check(data: bytes, path: str = "a.o", *codes: str, settings: AnswerSettings = AnswerSettings()) -> list[Diagnostic]:  # noqa: B008
    """What is found in an object by the rules of these codes; by all about instructions, if none."""
    rules = [rule for code, rule in all_rules().items() if code in (codes or CODES)]
    answer = ObjectCheck(rules, settings, load_catalog()).check(data, path)
    assert not answer.errors
    return answer.diagnostics


PLACE = re.compile(r"(?P<section>\S+)\+(?P<offset>0x[0-9a-f]+), slot (?P<slot>\d)\)?$")
Where = tuple[str, int, int]


def where(diagnostic: Diagnostic) -> Where:
    """Section, offset of the bundle, slot."""
    found = PLACE.search(diagnostic.place.rpartition("(")[2])
    assert found is not None, diagnostic.place
    return found["section"], int(found["offset"], 16), int(found["slot"])


def expected_code(text: str) -> str | None:
    """What the manual makes of an instruction as objdump prints it: with an op or without, PV002 or PV003."""
    if PRIVILEGED.match(text):
        return "privileged"
    return "PV001" if SENSITIVE.match(text) else None


def kinds(diagnostics: Iterable[Diagnostic]) -> dict[Where, str]:
    return {where(each): "privileged" if each.code in ("PV002", "PV003") else each.code for each in diagnostics}


@pytest.fixture(scope="module")
def corpus() -> corpus_build.Corpus:
    if reason := corpus_build.available():
        pytest.skip(reason)
    return corpus_build.corpus()


# The signal trampoline's `cover`: at user level, where no hypervisor minds it (docs/configuration.md).
AT_USER_LEVEL = {("gate", ".text", 0x30, 2)}


def test_exactly_what_objdump_shows_of_the_corpus(corpus: corpus_build.Corpus) -> None:
    """Issue 12, acceptance 6: each instruction, with its kind, its file and line; none besides."""
    number = 0
    for file in corpus.files:
        data = file.object.read_bytes()
        found = check(data, "a.o", "PV001", "PV002", "PV003")
        truth = {
            (each.section, each.address, each.slot): (kind, each.source, each.line)
            for each in file.instructions
            if (kind := expected_code(each.text)) is not None
            and (file.name, each.section, each.address, each.slot) not in AT_USER_LEVEL
        }
        lines = {where(each): (each.path, each.line) for each in found}
        assert {at: (kind, *lines[at]) for at, kind in kinds(found).items()} == truth, file.name
        assert len(found) == len(truth)
        number += len(found)
    assert len(corpus.files) == 28
    assert number > 300


# ------------------------------------------------------------------------------- places and settings

SOURCE = """\
 .text
 thash r8=r9
 .global entry#
 .proc entry#
entry:
 mov r8=cr.ifa ;;
 .size entry#,16
 .endp entry#
 .section .gate.text,"ax"
 .global gate#
 .proc gate#
gate:
 cover ;;
 epc ;;
 mov r9=psr ;;
 .endp gate#
other:
 cover ;;
 .section .init.text,"ax"
 ttag r8=r9 ;;
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """An object with and without lines of sources, linked, and in an archive with the same name twice."""
    folder = tmp_path_factory.mktemp("objects")
    (folder / "a.s").write_text(SOURCE)
    (folder / "notes.txt").write_text("no object")

    def run(tool: str, *words: str) -> None:
        subprocess.run([require_tool(f"ia64-linux-gnu-{tool}"), *words], cwd=folder, check=True, capture_output=True)

    run("as", "-o", "plain.o", "a.s")
    run("as", "-g", "-o", "lines.o", "a.s")
    run("ld", "-e", "entry", "-o", "linked", "lines.o")
    run("ar", "rc", "lib.a", "plain.o", "notes.txt")
    run("ar", "q", "lib.a", "plain.o")
    run("strip", "-o", "stripped", "linked")
    return {name: (folder / name).read_bytes() for name in ("plain.o", "lines.o", "linked", "lib.a", "stripped")}


def shown(diagnostics: Sequence[Diagnostic]) -> list[tuple[str, int, str, str]]:
    return [(each.path, each.line, each.code, each.place) for each in diagnostics]


def test_places_are_symbols_and_offsets(made: dict[str, bytes]) -> None:
    assert shown(check(made["plain.o"])) == [
        ("a.o", 0, "PV001", ".text+0x0, slot 0"),
        ("a.o", 0, "PV002", "entry (.text+0x10, slot 0)"),
        ("a.o", 0, "PV002", "gate+0x20 (.gate.text+0x20, slot 0)"),  # behind `epc`, as in source
        ("a.o", 0, "PV001", ".init.text+0x0, slot 0"),
    ]


def test_places_are_lines_where_the_object_tells_them(made: dict[str, bytes]) -> None:
    found = check(made["lines.o"])
    assert [(each.path, each.line) for each in found] == [("a.s", 2), ("a.s", 6), ("a.s", 15), ("a.s", 20)]
    assert [each.details for each in found][1] == ("in a.o: entry (.text+0x10, slot 0)",)
    assert [SOURCE.split("\n")[each.line - 1].split(" ;;")[0].strip() for each in found] == [
        each.instruction for each in found
    ]


def test_a_program_and_a_stripped_one(made: dict[str, bytes]) -> None:
    linked = check(made["linked"])
    assert [(each.path, each.line, each.code) for each in linked] == [
        (each.path, each.line, each.code) for each in check(made["lines.o"])
    ]
    # Without symbols nothing ends what `epc` has begun: rather one too many than one too few.
    assert [each.code for each in check(made["stripped"])] == ["PV001", "PV002", "PV002", "PV001", "PV001"]


def test_every_member_of_an_archive(made: dict[str, bytes]) -> None:
    """Two members have one name, and one is no object: that is said."""
    answer = ObjectCheck([all_rules()[code] for code in CODES], AnswerSettings(), load_catalog()).check(
        made["lib.a"], "lib.a"
    )
    assert answer.errors == []
    assert [str(note) for note in answer.notes] == ["lib.a: 1 of its members are no ELF files: not checked"]
    assert [each.path for each in answer.diagnostics] == ["lib.a(plain.o)"] * 8
    assert answer.files == 2


@pytest.mark.parametrize(
    ("settings", "left"),
    [
        (AnswerSettings(user_level=("ent*",)), [".text", ".gate.text", ".init.text"]),
        (AnswerSettings(user_level=(".text", ".init.text")), [".gate.text"]),
        (AnswerSettings(bare_files=BareFiles(".", (".init.text",))), [".text", ".text", ".gate.text"]),
        (AnswerSettings(bare_files=BareFiles(".", ("entry", "gate"))), [".text", ".init.text"]),
        (AnswerSettings(bare_files=BareFiles(".", ("a.s",))), []),  # by the line of the source
        (AnswerSettings(bare_files=BareFiles(".", ("a.o",))), []),
    ],
    ids=[
        "symbol at user level",
        "sections at user level",
        "bare section",
        "bare symbols",
        "bare source",
        "bare object",
    ],
)
def test_settings_of_sources_hold(made: dict[str, bytes], settings: AnswerSettings, left: list[str]) -> None:
    assert [where(each)[0] for each in check(made["lines.o"], settings=settings)] == left


def test_data_in_code_is_no_code(tmp_path: Path) -> None:
    """objdump shows the words of a symbol that is an object as words."""
    text = " .text\n thash r8=r9 ;;\n .type table#,@object\n .size table#,16\ntable: data8 0,0\n"
    (tmp_path / "a.s").write_text(text)
    subprocess.run([require_tool("ia64-linux-gnu-as"), "-o", "a.o", "a.s"], cwd=tmp_path, check=True)
    data = (tmp_path / "a.o").read_bytes()
    start = data.index(bytes(16), 64)
    code = data[64:80]
    assert len(check(data)) == 1
    both = data[:start] + code + data[start + 16 :]
    assert len(check(both)) == 1


def test_what_is_wrong_with_one_member_stops_no_other(made: dict[str, bytes]) -> None:
    data = bytearray(made["lib.a"])
    data[data.index(b"\x7fELF") + 18] = 3  # the machine
    rules = [all_rules()[code] for code in CODES]
    answer = ObjectCheck(rules, AnswerSettings(), load_catalog()).check(bytes(data), "lib.a")
    assert [str(error) for error in answer.errors] == ["lib.a(plain.o): not for IA-64: the machine is 386"]
    assert len(answer.diagnostics) == 4


SINGLE_BINARY = """\
\t.text
\t.global f
\t.proc f
f:
\tMOV_FROM_IFA(r16)
\t;;
\tTHASH(p0, r17, r16, r18)
\t;;
\tmov r20 = cr.ivr
\t;;
\t.endp f
\tttag r8 = r9
\t;;
"""


def test_native_code_at_a_recorded_site_is_right(tmp_path: Path) -> None:
    """`mov r20 = cr.ivr` stands bare beside ops: it is left in the guest's replacement, and that is told."""
    (tmp_path / "a.S").write_text(SINGLE_BINARY)
    assert pvasm("expand", "a.S", "--single-binary", "native,xen", "-o", "a.s", cwd=tmp_path).status == 0
    subprocess.run([require_tool("ia64-linux-gnu-as"), "-o", "a.o", "a.s"], cwd=tmp_path, check=True)
    data = (tmp_path / "a.o").read_bytes()
    found = {(where(each)[0], each.instruction) for each in check(data)}
    assert found >= {(".text", "ttag r8=r9")}
    assert not {each for each in found if each[1] in ("mov r16=cr.ifa", "thash r17=r16")}
    # Without the records all of it is bare.
    renamed = data.replace(b".pv_alternatives", b".no_alternatives")
    bare = {(where(each)[0], each.instruction) for each in check(renamed)}
    assert bare >= {(".text", "mov r16=cr.ifa"), (".text", "thash r17=r16"), (".text", "ttag r8=r9")}


def test_what_a_guest_leaves_is_right_in_its_replacement(tmp_path: Path) -> None:
    """`trap` leaves what faults beside what it replaces, Xen's `MOV_FROM_ITC` reads ar.itc: so their ops are."""
    ops = ("THASH(p0, r17, r16, r18)", "ITC_D(p7, r18, r19)", "MOV_FROM_ITC(p8, p9, r2, r3)", "MOV_FROM_ISR(r22)")
    (tmp_path / "a.S").write_text("\t.text\nf:\n" + "".join(f"\t{op}\n\t;;\n" for op in ops))
    for room in ("slots", "exact"):
        options = ("--single-binary", "native,xen,trap", "--room", room, "-o", "a.s")
        assert pvasm("expand", "a.S", *options, cwd=tmp_path).status == 0
        subprocess.run([require_tool("ia64-linux-gnu-as"), "-o", "a.o", "a.s"], cwd=tmp_path, check=True)
        assert check((tmp_path / "a.o").read_bytes()) == []
    # What stands bare beside ops is told still: Xen leaves no mov = cr.ivr.
    (tmp_path / "a.S").write_text("\t.text\nf:\tMOV_FROM_IFA(r16)\n\tmov r20 = cr.ivr\n\t;;\n")
    assert pvasm("expand", "a.S", "--single-binary", "native,xen", "-o", "a.s", cwd=tmp_path).status == 0
    subprocess.run([require_tool("ia64-linux-gnu-as"), "-o", "a.o", "a.s"], cwd=tmp_path, check=True)
    assert "mov r20=cr.ivr" in {each.instruction for each in check((tmp_path / "a.o").read_bytes())}


def test_records_that_cannot_be_right_are_an_error(tmp_path: Path) -> None:
    text = ' .text\n thash r8=r9 ;;\n .section .pv_alternatives,"a"\n data4 0,0,0,0,0,0\n'
    (tmp_path / "a.s").write_text(text)
    subprocess.run([require_tool("ia64-linux-gnu-as"), "-o", "a.o", "a.s"], cwd=tmp_path, check=True)
    done = pvasm("check", "a.o", cwd=tmp_path)
    assert done.status == 2
    assert done.error_lines[0].startswith("pvasm: error: a.o: record 0 of .pv_alternatives: ")


# ------------------------------------------------------------------------------------ command line


def test_the_command_line(made: dict[str, bytes], tmp_path: Path) -> None:
    for name, data in made.items():
        (tmp_path / name).write_bytes(data)
    done = pvasm("check", "plain.o", cwd=tmp_path)
    assert done.status == 1
    assert done.output.startswith(
        "plain.o:.text+0x0, slot 0: PV001 error: sensitive instruction used directly: use THASH(p0, r8, r9, clob)"
    )
    assert done.output.endswith("4 errors in 1 file\n")
    again = pvasm("check", "plain.o", cwd=tmp_path)  # from the cache
    assert again.output == done.output
    member = pvasm("check", "lib.a(plain.o)", "--output-format", "json", cwd=tmp_path)
    first = json.loads(member.output.splitlines()[0])
    assert (first["path"], first["line"], first["place"]) == ("lib.a(plain.o)", 0, ".text+0x0, slot 0")
    assert pvasm("check", "plain.o", "--output-format", "gcc", cwd=tmp_path).output.startswith(
        "plain.o:.text+0x0, slot 0: error: sensitive instruction"
    )
    assert pvasm("check", "plain.o", "--output-format", "github", cwd=tmp_path).output.startswith(
        "::error file=plain.o,title=PV001::.text+0x0, slot 0: sensitive instruction"
    )
    log = json.loads(pvasm("check", "plain.o", "lines.o", "--output-format", "sarif", cwd=tmp_path).output)
    places = [each["locations"][0] for each in log["runs"][0]["results"]]
    assert places[0]["logicalLocations"] == [{"fullyQualifiedName": ".text+0x0, slot 0"}]
    assert "region" not in places[0]["physicalLocation"]
    assert places[-1]["physicalLocation"]["region"]["startLine"] == 20
    assert "no assembly in this folder" in pvasm("check", ".", cwd=tmp_path).errors  # objects are named
    assert pvasm("check", "plain.o", "--fix", cwd=tmp_path).output.endswith("4 errors in 1 file\n")
    assert (tmp_path / "plain.o").read_bytes() == made["plain.o"]
    (tmp_path / "cut.o").write_bytes(made["plain.o"][:100])
    cut = pvasm("check", "cut.o", cwd=tmp_path)
    assert (cut.status, len(cut.error_lines)) == (2, 1)
    assert cut.error_lines[0].startswith("pvasm: error: cut.o: cut off: ")


@pytest.mark.parametrize("command", ["check", "disasm", "diff a.o", "patch --list", "disasm thin.a(a.o) -o"])
def test_a_thin_archive_has_no_objects(command: str, made: dict[str, bytes], tmp_path: Path) -> None:
    """Linux's `built-in.a` is one: it is told from assembly, and by every command alike."""
    (tmp_path / "a.o").write_bytes(made["plain.o"])
    ar = [require_tool("ia64-linux-gnu-ar"), "rcT", "thin.a", "a.o"]
    subprocess.run(ar, cwd=tmp_path, check=True, capture_output=True)
    name = "made.s" if command.endswith("-o") else "thin.a"
    done = pvasm(*command.split(), name, cwd=tmp_path)
    message = "thin.a: a thin archive, which has names of objects alone: name these objects"
    assert (done.status, done.error_lines) == (2, [f"pvasm: error: {message}"])
    assert not (tmp_path / "made.s").exists()


def test_processes_find_the_same(made: dict[str, bytes], tmp_path: Path) -> None:
    for number in range(12):
        (tmp_path / f"{number:02}.o").write_bytes(made["lines.o"])
    names = sorted(each.name for each in tmp_path.glob("*.o"))
    one, two = (pvasm("check", "--no-cache", "-j", jobs, *names, cwd=tmp_path) for jobs in ("1", "2"))
    assert one == two
    assert one.output.count(" PV0") == 4 * 12


def test_the_cache_knows_settings(made: dict[str, bytes], tmp_path: Path) -> None:
    path = tmp_path / "a.o"
    path.write_bytes(made["plain.o"])
    settings = Settings()
    assert len(Checker(settings).check(str(path)).diagnostics) == 4
    assert len(Checker(replace(settings, user_level=(".text",))).check(str(path)).diagnostics) == 2
