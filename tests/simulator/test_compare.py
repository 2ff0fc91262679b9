"""`pvasm compare`, `pvasm scenario`, `pvasm test` and `pvasm simulate --scenario`: variants in their environments."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml
from jsonschema import Draft202012Validator
from pvsim.comparison import Difference, differences
from pvsim.environments.environment import Hardware
from pvsim.scenario_run import Outcome

from tests.cli.command import pvasm
from tests.slow import few

SAMPLES = Path(__file__).resolve().parents[2] / "sample_S"
IVT = ("-I", str(SAMPLES / "include"), "--stub-missing")

NAMES = ("elsewhere", "other")

SOURCE = """\
	.global entry
entry:
	MOV_FROM_IFA(r16)
	;;
	THASH(p0, r17, r16, r20)
	;;
	mov r21 = r16
	br.ret.sptk b0
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "a.S"
    path.write_text(SOURCE)
    return path


@pytest.mark.parametrize("entry", [*few(("dtlb_miss", "alt_dtlb_miss", "break_fault"), "dtlb_miss")])
def test_variants_of_the_samples_do_the_same(entry: str) -> None:
    done = pvasm("compare", SAMPLES / "ivt.S", *IVT, "--entry", entry, "--random", "20", "--seed", "3")
    assert (done.status, done.errors) == (0, "")
    assert done.output.endswith("The same in all of them: native, xen, trap.\n")


def test_a_fault_of_the_samples_reaches_c(tmp_path: Path) -> None:
    """What page_fault hands to C is cr.isr and cr.ifa as they were: reading them is illegal once they are collected."""
    scenario = tmp_path / "s.yaml"
    scenario.write_text(
        "entry: page_fault\nstub_missing: true\nstop: [handle_fault]\npages: [{at: 0, to: 0, size: 28}]\n"
        "registers: {psr.ic: 0, psr.bn: 0, ar.k6: 0x400000, cr.ifa: 0x123456, cr.isr: 0x400000000, cr.iip: 0x8000,\n"
        "            cr.ipsr: 0x101308026000, r29: 0x8000, r30: 0x8000}\n"
        "expect: {end: handle_fault, registers: {r33: 0x400000000, r34: 0x123456}}\n"
    )
    for instance in ("native", "xen", "trap"):
        done = pvasm("simulate", SAMPLES / "ivt.S", "-I", IVT[1], "-i", instance, "--scenario", scenario)
        assert (done.status, done.errors) == (0, ""), done.output
        assert done.output.endswith("It ended at handle_fault.\n")


@pytest.mark.slow
def test_what_is_left_bare_goes_wrong_where_it_does_not_fault(tmp_path: Path) -> None:
    bare = tmp_path / "a.S"
    bare.write_text(SOURCE.replace("THASH(p0, r17, r16, r20)", "thash r17 = r16"))
    smallest = tmp_path / "least.yaml"
    done = pvasm("compare", bare, "--entry", "entry", "--random", "10", "-o", smallest)
    assert done.status == 1
    lines = done.output.splitlines()
    assert "xen: different in 10 of 10, first in number 0." in lines
    assert "trap: different in 10 of 10, first in number 0." in lines
    told = [line for line in lines if line.startswith("  r17: ")]
    assert len(told) == 2
    assert f"  the way there in trap: {bare}:5" in lines
    # What was written is a scenario in which they differ, and has little in it.
    again = pvasm("compare", bare, "--scenario", smallest)
    assert again.status == 1
    assert len(yaml.safe_load(smallest.read_text())["registers"]) <= 3


def test_what_a_handler_of_interrupts_leaves_in_bank_0_is_no_difference(source: Path) -> None:
    """The interruption that ends the run comes after an external interrupt, and shows bank 0."""
    source.write_text("entry:\n\tmovl r3 = 0xdeadbeef000\n\t;;\n\tmov b6 = r3\n\tbr.cond.sptk b6\n")
    done = pvasm("compare", source, "--entry", "entry", "--random", "20")
    assert (done.status, done.errors) == (0, "")


STUBBED = """\
entry:
	MOV_FROM_IFA(r16)
	;;
	movl r17 = elsewhere
	br.cond.sptk other
"""


def test_what_other_files_define_is_given_by_options_or_the_scenario(source: Path) -> None:
    source.write_text(STUBBED)
    asked = ("a.S", "--entry", "entry", "--instances", "native,xen")
    missing = pvasm("compare", *asked, cwd=source.parent)
    told = [f"give --stub {name}=ADDR, or --stub {name} for a function that returns at once" for name in NAMES]
    assert missing.status == 2
    assert [line.split("': ")[1] for line in missing.error_lines] == told
    scenario = source.with_name("s.yaml")
    scenario.write_text("entry: entry\nfile: a.S\nregisters: {psr.ic: 0}\nstubs: {elsewhere: 0x1234, other: 0x8010}\n")
    for options in (("--stub", "elsewhere=0x1234", "--stub", "other"), ("--scenario", "s.yaml", "--stub", "other")):
        done = pvasm("compare", *asked, *options, cwd=source.parent)
        assert (done.status, done.errors) == (0, "")
        assert "Same" in done.output.title()
    done = pvasm("simulate", "a.S", "--scenario", "s.yaml", "--stub", "other", cwd=source.parent)
    assert "r17 = 0x1234\n" in done.output
    assert done.output.endswith("It ended at return.\n")
    wrong = pvasm("compare", *asked, "--stub", "entry=5", "--stub-missing", cwd=source.parent)
    assert wrong.errors == "pvasm: error: a.S: entry is defined here: a stub is for a symbol of another file\n"


def test_a_fault_is_the_guests_as_it_is_native(source: Path) -> None:
    """A Register NaT Consumption fault, and one of a page that there is not."""
    source.write_text("entry:\n\tMOV_TO_IFA(r20, r21)\n\t;;\n\tld8 r22 = [r20]\n\tbr.ret.sptk b0\n")
    scenario = source.with_name("s.yaml")
    for registers, nat, end in (
        ("{psr.ic: 0}", "[r20]", "interruption: nat consumption"),
        ("{psr.ic: 0, r20: 0x2000000000000000}", "[]", "interruption: data nested tlb"),
    ):
        text = f"entry: entry\nfile: a.S\nregisters: {registers}\nnat: {nat}\nexpect: {{end: '{end}'}}\n"
        scenario.write_text(text)
        done = pvasm("test", "s.yaml", cwd=source.parent)
        assert (done.status, done.errors) == (0, ""), done.output


def test_a_scenario_is_begun_and_tried(source: Path) -> None:
    done = pvasm("scenario", "new", "a.S", "--entry", "entry", "-o", "s.yaml", cwd=source.parent)
    assert (done.status, done.output, done.errors) == (0, "", "")
    text = (source.parent / "s.yaml").read_text()
    made = yaml.safe_load(text)
    assert (made["entry"], made["file"], made["registers"]["cr.ifa"]) == ("entry", "a.S", 0)
    schema = json.loads(pvasm("scenario", "schema").output)
    assert Draft202012Validator(schema).is_valid(made)
    assert made["registers"]["psr.ic"] == 0  # cr.ifa is illegal to read while interruptions are collected
    assert "stub_missing: true\n" in text
    done = pvasm("test", "s.yaml", cwd=source.parent)
    assert (done.status, done.errors) == (0, ""), done.output
    again = pvasm("scenario", "new", "a.S", "--entry", "entry", "-o", "s.yaml", cwd=source.parent)
    assert (again.status, again.errors) == (2, "pvasm: error: s.yaml: exists already\n")

    scenario = "entry: entry\nfile: a.S\nregisters: {psr.ic: 0, cr.ifa: 0x1230}\nexpect: {registers: {r16: 0x1231}}\n"
    (source.parent / "s.yaml").write_text(scenario)
    done = pvasm("test", ".", "--junit", "j.xml", cwd=source.parent)
    assert done.status == 1
    assert done.output.splitlines() == [
        line
        for instance in ("native", "xen", "trap")
        for line in (f"FAILED ./s.yaml {instance}", "       r16 is 0x1230, and not 0x1231")
    ] + ["3 runs, 3 failed."]
    suite = ElementTree.parse(source.parent / "j.xml").getroot()
    assert (suite.get("tests"), suite.get("failures")) == ("3", "3")

    for target, wrong in {
        "none/j.xml": "none/j.xml: cannot write it: there is no folder none",
        "s.yaml": "s.yaml: the results' file would overwrite what it is made of: name another file",
    }.items():  # told before anything is run
        done = pvasm("test", ".", "--junit", target, cwd=source.parent)
        assert (done.status, done.output, done.errors) == (2, "", f"pvasm: error: {wrong}\n")

    (source.parent / "s.yaml").write_text(scenario.replace("0x1231", "0x1230"))
    done = pvasm("test", ".", cwd=source.parent)
    assert (done.status, done.output.splitlines()[-1]) == (0, "3 runs, 0 failed.")


def test_a_kernel_boots_in_each_environment() -> None:
    """Entry, vectors, the shared page, a timer interrupt, 100 system calls of three tasks that take turns."""
    done = pvasm("test", SAMPLES / "guest", SAMPLES / "scenarios")
    assert (done.status, done.errors) == (0, ""), done.output
    assert done.output.splitlines()[-1] == "6 runs, 0 failed."
    words = ("simulate", SAMPLES / "guest/guest.S", "-I", SAMPLES / "guest", "--scenario", SAMPLES / "guest/boot.yaml")
    told = pvasm(*words, "-i", "xen").output
    assert "1 call HYPER_SET_ITM, 1 call hypercall 0x600" in told
    assert "100 reflected break_instruction, 1 reflected external_interrupt" in told
    native = pvasm(*words).output
    console = [line for line in native.splitlines() if line.startswith("memory at 0x30000")]
    assert console == [line for line in told.splitlines() if line.startswith("memory at 0x30000")]
    assert console[0] == f"memory at 0x3000000 = {int.from_bytes(b'TABCABCA', 'little'):#x}"


def test_a_scenario_is_replayed(source: Path) -> None:
    scenario = SAMPLES / "scenarios" / "dtlb_miss.yaml"
    done = pvasm("simulate", SAMPLES / "ivt.S", "-I", SAMPLES / "include", "-i", "xen", "--scenario", scenario)
    lines = done.output.splitlines()
    assert (done.status, lines[-1]) == (0, "It ended at return.")
    assert "psr.cpl = 0x3" in lines
    assert any("1 call HYPER_ITC_D, 1 call HYPER_RFI, 1 call HYPER_THASH" in line for line in lines)


KERNEL = """\
	.global handler
handler:
	MOV_FROM_IFA(r16)
	movl r17 = table
	;;
	ld8 r18 = [r17], 8
	ld8 r19 = [r17]
	;;
	mov b6 = r18
	br.call.sptk b7 = b6
	st8 [r19] = r8
	br.ret.sptk b0
"""
FUNCTION = """\
	.global function
function:
	thash r9 = r16 ;;
	add r8 = COUNT, r16
	br.ret.sptk b7
"""
SEVERAL = """\
entry: handler
file: [kernel.S, function.S]
stubs: {table: 0x30000000, COUNT: 0x10, structure: 0x31000000}
registers: {psr.ic: 0, cr.ifa: structure + COUNT, r20: function}
words:
  table: [function, structure + 1 << 3]
  structure - 8: 5
ignored: [r9]
expect:
  end: return
  registers: {r8: structure + 0x20, r18: function, r19: 0x188000008}
  words: {"structure - 8": [5, 0]}
"""


def test_several_files_and_words_by_symbol(tmp_path: Path) -> None:
    """Values and addresses are expressions of the assembler's; labels are where each variant has them."""
    (tmp_path / "kernel.S").write_text(KERNEL)
    (tmp_path / "function.S").write_text(FUNCTION)
    scenario = SEVERAL.replace("structure + 1 << 3", "structure + 8").replace("0x188000008", "structure + 8")
    (tmp_path / "s.yaml").write_text(f"{scenario}  memory: {{structure + 8: '20000031'}}\n")
    done = pvasm("test", "s.yaml", cwd=tmp_path)
    assert (done.status, done.errors) == (0, ""), done.output
    words = ("kernel.S", "function.S", "--scenario", "s.yaml")
    done = pvasm("compare", *words, cwd=tmp_path)
    assert (done.status, done.output.splitlines()[-1], done.errors) == (0, "The same.", "")
    done = pvasm("simulate", *words, "-i", "xen", cwd=tmp_path)
    assert (done.status, done.errors) == (0, "")
    assert "memory at 0x31000008 = 0x31000020" in done.output

    (tmp_path / "s.yaml").write_text(scenario.replace("ignored: [r9]\n", ""))  # a bare thash is no longer left out
    done = pvasm("compare", *words, "-o", "least.yaml", cwd=tmp_path)
    assert done.status == 1
    assert "  the way there in trap: function.S:3" in done.output.splitlines()
    assert pvasm("test", "least.yaml", cwd=tmp_path).status == 1

    (tmp_path / "s.yaml").write_text(scenario.replace("[5, 0]", "[5, 1]"))
    done = pvasm("test", "s.yaml", cwd=tmp_path)
    wrong = "memory at structure - 8 is 05000000000000000000000000000000, and not 05000000000000000100000000000000"
    assert wrong in done.output
    (tmp_path / "s.yaml").write_text(scenario.replace("COUNT: 0x10,", ""))
    done = pvasm("test", "s.yaml", cwd=tmp_path)
    assert (done.status, done.errors) == (2, "pvasm: error: ./function.S:4:2: nothing defines `COUNT'\n")


def test_slips_with_several_files(source: Path) -> None:
    for words, error in {
        (
            "simulate",
            source,
            "b.S",
        ): "b.S: several files are for --scenario: give one, or a scenario that begins in them",
        ("compare", source, source, "--entry", "entry"): f"{source}: is named twice",
    }.items():
        done = pvasm(*words)
        assert (done.status, done.errors) == (2, f"pvasm: error: {error}\n")


@pytest.mark.parametrize(
    ("wanted", "found", "is_same"),
    [
        (0x104, 0x8000_0000_0000_0104, True),
        (0x104 | 5 << 52, 2 << 62 | 5 << 52 | 0x104, True),
        (0x104, 0x8000_0000_0000_0105, False),  # another frame
        (0x104, 0x4000_0000_0000_0104, False),  # a level that is not the guest's
        (0x8000_0000_0000_0104, 0x104, False),  # the v of cr.ifs is missing
        (0, 0x8000_0000_0000_0000, False),  # no frame
        (0x384, 0x8000_0000_0000_0384, False),  # more locals than registers
        (1 << 40 | 0x104, 2 << 62 | 1 << 40 | 0x104, False),  # bits that ar.pfs has not
    ],
)
def test_a_level_in_what_is_saved_of_ar_pfs_is_no_difference(wanted: int, found: int, is_same: bool) -> None:
    """A kernel at level 2 reads that from ar.pfs once it has called something, and saves it."""
    guest = Hardware()
    guest.level = 2
    native, other = (Outcome("return", {"memory at 0x8": value}, guest) for value in (wanted, found))
    assert differences(native, other) == ([] if is_same else [Difference("memory at 0x8", wanted, found)])


WRONG = {
    "entry: no\nfile: a.S\n": "a.S: there is no label no",
    "entry: entry\nfile: a.S\nregisters: {r200: 1}\n": "s.yaml:3:13: registers.r200: there is no register r200 to set",
    "entry: entry\nfile: a.S\nregisters: {p6: 2}\n": "s.yaml:3:13: registers.p6: 0x2 is more than p6 holds, 1 bit",
    "entry: entry\nfile: a.S\nnat: [r0]\n": "s.yaml:3:7: nat.0: r0 cannot be Not a Thing",
    "entry: entry\nfile: a.S\nmode: usr\n": "s.yaml:3:1: mode: there is no mode usr (did you mean user?)",
    "entry: entry\nfile: a.S\nmemory: {x: '00'}\n": "s.yaml:3:10: memory.x: `x': x is neither a label "
    "nor a name of the stubs",
    "entry: entry\nfile: a.S\nmemory: {'x+': '00'}\n": "s.yaml:3:10: memory.x+: `x+' is no number and no expression",
    "entry: entry\nfile: a.S\nwords: {8: [1, 0x10000000000000000]}\n": "s.yaml:3:9: words.8: 0x10000000000000000 is "
    "more than a word holds, 64 bits",
    "entry: entry\nfile: a.S\nwords: {0xfffffffffffffff8: [1, 2]}\n": "s.yaml:3:9: words.0xfffffffffffffff8: "
    "0xfffffffffffffff8 is no address of 16 bytes",
    "entry: entry\nfile: a.S\nregisters: {r16: 1 +}\n": "s.yaml:3:13: registers.r16: `1 +' is no number and no "
    "expression",
    "entry: entry\nfile: a.S\nmemory: {0x10: 0011}\n": "s.yaml:3:16: memory.0x10: bytes that are all digits",
    "entry: entry\nfile: a.S\ninterrupts: [{vector: 5}]\n": "s.yaml:3:14: interrupts.0: no interrupt has the vector 5",
    "entry: entry\nfile: a.S\nregister: {}\n": "s.yaml:3:1: unknown key register (did you mean registers?)",
    "entry: entry\n": "s.yaml: the key file is missing: which source is it about?",
    "entry: entry\nfile: /etc/passwd\n": "s.yaml: /etc/passwd is neither below the folder that pvasm was started in",
}


@pytest.mark.parametrize("text", WRONG)
def test_what_is_wrong_with_a_scenario_is_told_with_its_place(source: Path, text: str) -> None:
    (source.parent / "s.yaml").write_text(text)
    done = pvasm("test", "s.yaml", cwd=source.parent)
    assert done.status == 2
    assert WRONG[text] in done.errors
    assert "Traceback" not in done.errors


def test_an_endless_loop_and_a_wild_jump_have_an_end(source: Path) -> None:
    source.write_text("entry:\n1:\tbr.sptk.many 1b\n;;\nwild:\n\tbr.sptk.many b6\n")
    ends = {"entry": "100 instructions without an end", "wild": "interruption: alternate instruction tlb"}
    for entry, end in ends.items():
        scenario = (
            f"entry: {entry}\nfile: a.S\nsteps: 100\nregisters: {{b6: 0x4000000000000000}}\nexpect: {{end: '{end}'}}\n"
        )
        (source.parent / "s.yaml").write_text(scenario)
        done = pvasm("test", "s.yaml", cwd=source.parent)
        assert (done.status, done.errors) == (0, ""), done.output


def test_a_bank_that_is_there_is_switched_to_by_nobody(source: Path) -> None:
    """BSW_1 in bank 1 does nothing on bare hardware; a guest's bank 1 comes from its page, and is another one."""
    source.write_text("entry:\n\tmov r3 = r12\n\tbr.sptk.few 1f\n1:\tBSW_1(r3, r14)\n\t;;\n\tbr.ret.sptk b0\n")
    done = pvasm("compare", source, "--entry", "entry", "--random", "40")
    assert (done.status, done.errors) == (0, "")


def test_the_status_of_simulate_says_whether_code_came_to_an_end(source: Path) -> None:
    """As its help has it; an end that the scenario expects is one."""
    source.write_text("entry:\n1:\tbr.sptk.many 1b\n\t;;\nwild:\n\tbr.sptk.many b6\n\t;;\nback:\n\tbr.ret.sptk b0\n")
    ends = {
        "entry": ("100 instructions without an end", 1),
        "wild": ("interruption: alternate instruction tlb", 1),
        "back": ("return", 0),
    }
    for entry, (end, status) in ends.items():
        text = f"entry: {entry}\nsteps: 100\nregisters: {{b6: 0x4000000000000000}}\n"
        for more, wanted in (("", status), (f"expect: {{end: '{end}'}}\n", 0)):
            source.with_name("s.yaml").write_text(text + more)
            done = pvasm("simulate", "a.S", "--scenario", "s.yaml", cwd=source.parent)
            assert (done.status, done.errors) == (wanted, "")
            assert done.output.endswith(f"It ended at {end}.\n")


def test_where_there_is_no_end_nothing_is_compared(source: Path) -> None:
    """Variants of different lengths are somewhere else then; that is said, and is no success where it is always so."""
    source.write_text(
        "entry:\n\tMOV_FROM_IFA(r16)\n\t;;\n1:\tadds r8 = 1, r8\n(p6)\tbr.sptk.few 1b\n\tbr.ret.sptk b0\n"
    )
    asked = ("compare", source, "--entry", "entry", "--random", "10", "--max-steps", "1000")
    done = pvasm(*asked)
    assert (done.status, done.errors) == (0, "")
    times = int(done.output.split(" 1000 instructions without an end\n")[0].split()[-1])
    said = "native has no end there, or does what no kernel may (a general exception, bsw)"
    assert 0 < times < 10
    assert f"\nNot compared: {times} of 10; {said}.\nThe same" in done.output
    source.write_text(source.read_text().replace("(p6)", ""))
    done = pvasm(*asked)
    assert (done.status, done.errors) == (2, f"pvasm: error: nothing was compared: {said}\n")


def test_what_is_reckoned_from_a_place_of_code_is_no_place(source: Path) -> None:
    """Where a bare thash gives another hash, a number beside a label is another one, too."""
    source.write_text(
        "entry:\n\tMOV_FROM_IFA(r20)\n\t;;\n\tthash r21 = r20\n\tmovl r30 = entry\n\t;;\n\textr.u r21 = r21, 56, 4\n"
        "\t;;\n\tadd r30 = r21, r30\n\tmov r21 = r0\n\tbr.ret.sptk b0\n"
    )
    done = pvasm("compare", source, "--entry", "entry", "--random", "10", "--instances", "native,xen")
    assert (done.status, done.errors) == (1, "")
    assert " bytes into a bundle" in next(line for line in done.output.splitlines() if line.startswith("  r30: "))


def test_an_output_takes_the_place_of_nothing_that_was_read(source: Path) -> None:
    scenario = source.with_name("s.yaml")
    scenario.write_text("entry: entry\n")
    asked = ("compare", "a.S", "--scenario", "s.yaml", "-o")
    for name in ("a.S", "./s.yaml"):
        done = pvasm(*asked, name, cwd=source.parent)
        assert (done.status, done.output) == (2, "")
        assert done.errors == f"pvasm: error: {name}: -o: this file is what is compared: write to another\n"
    done = pvasm(*asked, "none/x.yaml", cwd=source.parent)
    assert (done.status, done.errors) == (2, "pvasm: error: -o: there is no folder none\n")
    assert (source.read_text(), scenario.read_text()) == (SOURCE, "entry: entry\n")


def results_in(file: Path) -> list[tuple[str | None, str | None, list[str | None], str]]:
    """The cases of a JUnit file: run, instance, sources, what is wrong."""
    root = ElementTree.parse(file).getroot()
    assert (root.tag, root.get("name")) == ("testsuite", "pvasm compare")
    cases = root.findall("testcase")
    failed = sum(each.find("failure") is not None for each in cases)
    assert (root.get("tests"), root.get("failures")) == (str(len(cases)), str(failed))
    return [
        (
            each.get("classname"),
            each.get("name"),
            [prop.get("value") for prop in each.iter("property")],
            each.findtext("failure", ""),
        )
        for each in cases
    ]


def test_results_for_machines(source: Path) -> None:
    """Of random states and of a scenario; `pvasm report --results` reads them (tests/report)."""
    runs = source.with_name("runs.xml")
    asked = ("compare", "a.S", "--entry", "entry", "--random", "5", "--junit", "runs.xml")
    plain = pvasm(*asked[:-2], cwd=source.parent)
    done = pvasm(*asked, cwd=source.parent)
    assert (done.status, done.output, done.errors) == (0, plain.output, "")
    random = "a.S from entry"
    assert results_in(runs) == [(random, name, ["a.S"], "") for name in ("native", "xen", "trap")]
    source.write_text(SOURCE.replace("THASH(p0, r17, r16, r20)", "thash r17 = r16"))
    done = pvasm(*asked, "--instances", "native,xen", cwd=source.parent)
    native, (run, name, sources, wrong) = results_in(runs)
    assert (done.status, native, run, name, sources) == (1, (random, "native", ["a.S"], ""), random, "xen", ["a.S"])
    assert re.fullmatch(r"different in 5 of 5 states, first in number 0\nr17: 0x\w+ and 0x\w+", wrong)
    source.with_name("s.yaml").write_text("entry: entry\nregisters: {psr.ic: 0, cr.ifa: 0x5000}\n")
    done = pvasm("compare", "a.S", "--scenario", "s.yaml", "--junit", "runs.xml", cwd=source.parent)
    native, xen, trap = results_in(runs)
    assert (done.status, native) == (1, ("s.yaml", "native", ["a.S"], ""))
    assert [each[:3] for each in (xen, trap)] == [("s.yaml", "xen", ["a.S"]), ("s.yaml", "trap", ["a.S"])]
    assert xen[3].startswith("r17: ")


def test_where_nothing_was_compared_there_are_no_results(source: Path) -> None:
    source.with_name("s.yaml").write_text("entry: entry\nregisters: {psr.ic: 1}\n")
    done = pvasm("compare", "a.S", "--scenario", "s.yaml", "--junit", "runs.xml", cwd=source.parent)
    assert done.status == 2
    assert not source.with_name("runs.xml").exists()
    source.write_text("entry:\n\tmov r16 = 5\n\tadd r17 = r16, r0\n\tbr.ret.sptk b0\n")
    words = ("--entry", "entry", "--strict", "--random", "5", "--junit", "runs.xml")
    assert pvasm("compare", "a.S", *words, cwd=source.parent).status == 1
    violation = "a dependency violation in 5 of 5 states, a mistake of the source itself"
    assert [each[3] for each in results_in(source.with_name("runs.xml"))] == [violation, "", ""]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("a.S --junit a.S", "a.S: the results' file would overwrite what it is made of: name another file"),
        ("a.S --junit none/x.xml", "none/x.xml: cannot write it: there is no folder none"),
        ("- --junit x.xml", "--junit: standard input has no name that results could be of: name a file"),
        ("a.S --junit x.xml -o x.xml", "x.xml: -o: this file is to have the results (--junit): write to another"),
    ],
)
def test_where_results_cannot_go(words: str, said: str, source: Path) -> None:
    done = pvasm("compare", "--entry", "entry", *words.split(), cwd=source.parent, stdin=SOURCE.encode())
    assert (done.status, done.output, done.errors) == (2, "", f"pvasm: error: {said}\n")
    assert source.read_text() == SOURCE


def test_where_native_goes_wrong_nothing_is_said_to_be_the_same(source: Path) -> None:
    """A read of cr.ifa while interruptions are collected; a stop that is missing."""
    source.with_name("s.yaml").write_text("entry: entry\nregisters: {psr.ic: 1}\n")
    done = pvasm("compare", "a.S", "--scenario", "s.yaml", cwd=source.parent)
    assert (done.status, done.output) == (2, "native ended at interruption: general exception\n")
    said = "nothing was compared: it ended at interruption: general exception: that is a mistake of the source, or of "
    said += "the scenario"
    assert done.errors == f"pvasm: error: s.yaml: {said}\n"
    source.write_text("entry:\n\tmov r16 = 5\n\tadd r17 = r16, r0\n\tbr.ret.sptk b0\n")
    done = pvasm("compare", source, "--entry", "entry", "--strict", "--random", "5")
    assert (done.status, done.errors) == (1, "")
    last = "native: a dependency violation in 5 of 5, a mistake of the source itself."
    assert done.output.splitlines()[-1] == last


def test_slips_of_the_command_line(source: Path) -> None:
    for words, error in {
        ("compare", source): "--entry: where does the code begin? Name a label",
        ("compare", source, "--entry", "entri"): f"{source}: there is no label entri (did you mean entry?)",
        ("compare", source, "--entry", "entry", "--instances", "xen,xen"): "--instances: xen is named twice",
        ("compare", source, "--entry", "entry", "--instances", "xen"): "--instances: at least two are compared, "
        "with a comma between: native,xen",
        ("test", source.parent): f"{source.parent}: there is no scenario (NAME.yaml) below this folder",
    }.items():
        done = pvasm(*words)
        assert (done.status, done.errors) == (2, f"pvasm: error: {error}\n")


def test_nothing_outside_of_the_tree_is_read(source: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A scenario's source includes no header from elsewhere, not by a link either."""
    secret = tmp_path_factory.mktemp("elsewhere") / "secret.h"
    secret.write_text("a secret\n")
    (source.parent / "h.h").symlink_to(secret)
    (source.parent / "s.yaml").write_text("entry: entry\nfile: a.S\n")
    for name in (str(secret), "h.h"):
        source.write_text(f'#include "{name}"\nentry: br.ret.sptk b0\n')
        done = pvasm("test", "s.yaml", cwd=source.parent)
        assert done.status == 2
        assert "outside of the folder that was named" in done.errors
        assert "a secret" not in done.errors + done.output


def test_a_trace_tells_of_each_instruction() -> None:
    scenario = SAMPLES / "scenarios" / "dtlb_miss.yaml"
    words = ("simulate", SAMPLES / "ivt.S", "-I", SAMPLES / "include", "-i", "xen", "--scenario", scenario)
    done = pvasm(*words, "--trace-format", "json")
    lines = [json.loads(line) for line in done.output.splitlines()]
    assert (done.status, done.errors) == (0, "")
    changed = [line for line in lines if "r17" in line["changed"]]
    assert "0x30024688" in [line["changed"]["r17"] for line in changed]  # where the table has the page
    assert any("call HYPER_RFI" in line["events"] for line in lines)
    assert {line["level"] for line in lines} == {2, 3}  # the handler, and then where the user returns to

    done = pvasm(*words, "--trace-format", "perfetto")
    trace = json.loads(done.output)["traceEvents"]
    slices = [event for event in trace if event["ph"] == "X"]
    assert sum(event["dur"] for event in slices) == len(lines)
    assert all(one["ts"] + one["dur"] == other["ts"] for one, other in pairwise(slices))
    assert [event["args"]["count"] for event in trace if event["ph"] == "C"][-1] > 0

    done = pvasm("simulate", SAMPLES / "ivt.S", "--trace-format", "json")
    assert (
        done.errors
        == "pvasm: error: --trace-format: it is for --scenario: without one, --trace tells of each instruction\n"
    )


def test_data_that_nobody_changed_is_the_same(source: Path) -> None:
    """Distances to code differ from variant to variant, in sections of any size; and a symbol has one name for all."""
    source.write_text(
        "__paravirt_leave_kernel:\n\tTHASH(p0, r17, r16, r20)\n\t;;\n1:\tmov b6 = r17\n\tmov r18 = ip\n"
        "\tbr.ret.sptk b0\n\t.data\n\t.align 8\n\tdata8 0\n\tdata4 1b - .\n"
    )
    done = pvasm("compare", source, "--entry", "__paravirt_leave_kernel", "--random", "5")
    assert (done.status, done.errors) == (0, ""), done.output


def test_an_instance_without_an_environment(source: Path) -> None:
    """One that extends another runs in its environment, which is said once; any other is no instance."""
    folder = source.parent
    (folder / "mine.yaml").write_text("name: mine\ndescription: A test\nextends: xen\n")
    (folder / "ours.yaml").write_text("name: ours\ndescription: A test\notherwise: replaces\ndefines: OURS\n")
    text = "entry: entry\nfile: a.S\nregisters: {psr.ic: 0}\ninstances: [native, mine.yaml]\n"
    for name in ("s.yaml", "t.yaml"):
        (folder / "scenarios").mkdir(exist_ok=True)
        (folder / "scenarios" / name).write_text(text.replace("a.S", "../a.S").replace("mine.yaml", "../mine.yaml"))
    said = "mine.yaml: names no environment: it runs in xen, as xen does (`environment' says which)\n"
    done = pvasm("test", "scenarios", cwd=folder)
    assert (done.status, done.errors) == (0, f"pvasm: note: scenarios/../{said}")
    asked = ("compare", "a.S", "--scenario", "scenarios/s.yaml", "--instances")
    done = pvasm(*asked, "native,mine.yaml", cwd=folder)
    assert (done.status, done.errors) == (0, f"pvasm: note: {said}")
    done = pvasm("simulate", "a.S", "--scenario", "scenarios/s.yaml", "-i", "mine.yaml", cwd=folder)
    assert (done.status, done.errors) == (0, f"pvasm: note: {said}")
    done = pvasm(*asked, "native,hvm,native-poison", cwd=folder)  # they run where native does, as everybody knows
    assert (done.status, done.errors) == (0, "")
    done = pvasm(*asked, "native,ours.yaml", cwd=folder)
    assert (done.status, done.errors) == (2, "pvasm: error: ours.yaml:1:1: the key environment is missing\n")


def test_a_dependency_violation_is_told_with_its_lines(source: Path) -> None:
    """Native's own, and one of a variant alone: an instruction that a template has is at the op's line."""
    source.write_text("entry:\n\tmov r16 = 5\n\t;;\n\tmov r17 = 6\n\tadd r18 = r16,\\\n r17\n\tbr.ret.sptk b0\n")
    done = pvasm("compare", "a.S", "--entry", "entry", "--strict", "--random", "2", cwd=source.parent)
    assert (done.status, done.errors) == (1, "")
    assert "dependency violation: RAW of r17, without stop: a.S:4 and a.S:5\n" in done.output
    source.write_text("entry:\n\tMOV_FROM_IFA(r16)\n\t;;\n\tmov r17 = r16\n\tbr.ret.sptk b0\n")
    extends = "extends: native\nops:\n  MOV_FROM_IFA:\n    template: |-\n      mov {{ reg }} = cr.ifa\n"
    extends += "      mov r9 = {{ reg }}\n"
    (source.parent / "mine.yaml").write_text(f"name: mine\ndescription: A test\nenvironment: hardware\n{extends}")
    scenario = source.with_name("s.yaml")
    scenario.write_text("entry: entry\nregisters: {psr.ic: 0}\n")
    asked = ("compare", "a.S", "--strict", "--scenario", "s.yaml", "--instances", "native,mine.yaml")
    done = pvasm(*asked, cwd=source.parent)
    assert (done.status, done.errors) == (1, "")
    said = "  where it ends: return and dependency violation: RAW of r16, without stop: a.S:2\n"
    assert said in done.output


def test_the_line_that_is_wrong_is_named_though_it_shows_later(source: Path) -> None:
    """r22 and r23 are clobbers elsewhere, and not compared: what is made of them is, and comes from the bare thash."""
    lines = (
        *(
            "MOV_FROM_IFA(r16)",
            "mov r23 = r0",
            ";;",
            "thash r22 = r16",
            ";;",
            "adds r23 = 8, r22",
            "mov r24 = r0",
            ";;",
        ),
        *("st8 [r15] = r23", ";;", "THASH(p0, r17, r16, r22)", ";;", "THASH(p0, r17, r16, r23)", "br.ret.sptk b0"),
    )
    source.write_text("entry:\n" + "".join(f"\t{line}\n" for line in lines))
    scenario = source.with_name("s.yaml")
    scenario.write_text(
        "entry: entry\nregisters: {psr.ic: 0, cr.ifa: 0x12345678, cr.pta: 0x30000050, r15: 0x3000000}\n"
    )
    asked = ("compare", "a.S", "--scenario", "s.yaml", "--instances", "native,xen")
    done = pvasm(*asked, cwd=source.parent)
    assert (done.status, done.errors) == (1, "")
    assert "  they part at a.S:5: memory at 0x3000000: " in done.output
    # A clobber that differs as it may is no reason: nothing that reads it shows.
    source.write_text(source.read_text().replace("adds r23 = 8, r22", "adds r23 = 8, r0\n\tadd r14 = r24, r22"))
    assert "  they part at a.S:5: r14: " in pvasm(*asked, cwd=source.parent).output
    source.write_text(source.read_text().replace("thash r22", "THASH(p0, r22, r16, r24) //"))
    done = pvasm(*asked, cwd=source.parent)
    assert "The same." in done.output, done.output
