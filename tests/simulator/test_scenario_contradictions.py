"""Scenarios that contradict themselves, or the code: one line, with the place in the file and what is wrong."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
from pvsim.comparison import ran
from pvsim.scenario_reading import read_scenario
from pvsim.scenario_run import CODE, Outcome, ScenarioRun, Variant
from pvsim.source_image import image_of_variant
from pvsim.stubs import StubDefinedError

from pvasm.errors import PvasmError
from pvasm.paravirt.loading import load_instance
from tests.cli.command import pvasm

SOURCE = """\
entry:
	mov r8 = 5
	;;
other:
also:
	br.ret.sptk b0
	.data
	.align 8
held:
	data8 1, 2
"""


@cache
def variant() -> Variant:
    """The code that the scenarios are for."""
    return Variant(load_instance("native"), image_of_variant(SOURCE, "a.S", None, address=CODE))


def run(path: Path, text: str) -> Outcome:
    """What comes of a scenario of the code, which begins at `entry`."""
    path.write_text(f"entry: entry\nfile: a.S\n{text}")
    file = read_scenario(path)
    with file.placed():
        return ran(variant(), file.scenario)


WRONG = {
    # two things about one register
    "registers: {r12: 5, sp: 6}": "3:21: registers.sp: sp stands twice in registers: it is r12",
    "registers: {cr1: 5, cr.itm: 6}": "3:21: registers.cr.itm: cr.itm stands twice in registers: it is cr1",
    "registers: {'rr[01]': 0x138, 'rr[1]': 0x138}": "3:30: registers.rr[1]: rr[1] stands twice in registers: it is "
    "rr[01]",
    "registers: {bank1.r16: 6, r16: 5}": "3:27: registers.r16: r16 stands twice in registers: it is bank1.r16",
    "registers: {psr.bn: 0, r16: 5, bank0.r16: 6}": "3:32: registers.bank0.r16: bank0.r16 stands twice in registers: "
    "it is r16",
    "nat: [sp, r12]": "3:11: nat.1: r12 stands twice in nat: it is sp",
    "expect: {registers: {gp: 1, r1: 1}}": "3:29: expect.registers.r1: r1 stands twice in expect.registers: it is gp",
    # what no register holds, or no scenario says
    "registers: {psr.is: 1}": "3:13: registers.psr.is: it is 0 to begin with: IA-32 code is not run here",
    "registers: {psr.ri: 3}": "3:13: registers.psr.ri: it is 0 to begin with: code begins with the first instruction "
    "of a bundle",
    "registers: {cr.pta: 4}": "3:13: registers.cr.pta: 0x4 has reserved fields of cr.pta: no processor lets that be "
    "written",
    "registers: {cr.itv: 0x100000}": None,
    "registers: {'rr[1]': 2}": "3:13: registers.rr[1]: 0x2 has reserved fields of rr[1]: no processor lets that be "
    "written",
    "registers: {ar.pfs: 0x80}": "3:13: registers.ar.pfs: 0x80 has reserved fields of ar.pfs: no processor lets that "
    "be written",
    "registers: {ar.rsc: -1}": "3:13: registers.ar.rsc: -0x1 has reserved fields of ar.rsc: no processor lets that be "
    "written",
    "registers: {cr.irr0: 1}": "3:13: registers.cr.irr0: there is no register cr.irr0 to set: what is pending "
    "`interrupts` says, and what is in service `in_service`",
    "registers: {ar17: 8}": "3:13: registers.ar17: there is no register ar17 to set: it follows ar.bspstore",
    "registers: {cr3: 8}": "3:13: registers.cr3: there is no register cr3 to set (did you mean cr73?)",
    "registers: {cr.iva: 0x8000}": "3:13: registers.cr.iva: `vectors' names the label that it points to",
    "mode: sys\nregisters: {psr.cpl: 3}": "4:13: registers.psr.cpl: the mode sys is that of level 0",
    "mode: user\nregisters: {psr.cpl: 3}": None,
    "registers: {p6: entry}": "3:13: registers.p6: 0xc00000 is more than p6 holds, 1 bit",
    "registers: {p6: 1 + 1}": "3:13: registers.p6: 0x2 is more than p6 holds, 1 bit",
    # expressions
    "registers: {r3: 1/0}": "3:13: registers.r3: `1/0': a division by 0",
    "registers: {r3: 5 % (entry - entry)}": "3:13: registers.r3: `5 % (entry - entry)': a division by 0",
    "registers: {r3: 1 << 64}": "3:13: registers.r3: `1 << 64': a shift by more than 63 bits",
    "registers: {r3: 1 << 63}": None,
    "registers: {r3: 8 >> -1}": "3:13: registers.r3: `8 >> -1': a shift by more than 63 bits",
    "registers: {r3: 0x10000000000000000 + 1}": "3:13: registers.r3: `0x10000000000000000 + 1': 0x10000000000000000 "
    "has more than 64 bits",
    "words: {0x30000: r4}": "3:9: words.0x30000: `r4': r4 is neither a label nor a name of the stubs",
    "words: {nowhere + 8: 5}": "3:9: words.nowhere + 8: `nowhere + 8': nowhere is neither a label nor a name of the "
    "stubs",
    # memory
    "words: {0x30000: [1, 2], 0x30008: 3}": "3:26: words.0x30008: 0x30008 (8 bytes) overlaps 0x30000 (16 bytes)",
    "words: {0x30000: 1}\nmemory: {0x30007: 1a}": "3:9: words.0x30000: 0x30000 (8 bytes) overlaps 0x30007 (1 bytes)",
    "words: {held: 1, held + 4: 3}": "3:18: words.held + 4: held + 4 (8 bytes) overlaps held (8 bytes)",
    "words: {held: [3, 4]}": None,
    "words: {entry: 1}": "3:9: words.entry: entry (8 bytes) overlaps the code of .text",
    "words: {0x8008: 1}": "3:9: words.0x8008: 0x8008 (8 bytes) overlaps the bundle that b0 returns to",
    "words: {0x2000100: 1}": "3:9: words.0x2000100: 0x2000100 (8 bytes) overlaps the simulator's own interruption "
    "vectors",
    "words: {0x2100000: 1}": "3:9: words.0x2100000: 0x2100000 (8 bytes) overlaps what the simulator counts interrupts "
    "in",
    "words: {0x30000: []}": "3:9: words.0x30000: what is there? Nothing is said",
    "memory: {0x30000: ''}": "3:10: memory.0x30000: what is there? Nothing is said",
    "words: {0x1000000000000: 1}": "3:9: words.0x1000000000000: there is no memory at 0x1000000000000: addresses have "
    "48 bits",
    "registers: {sp: entry + 16}": "3:13: registers.sp: a stack that begins there overlaps the code of .text",
    "registers: {ar.bspstore: entry}": "3:13: registers.ar.bspstore: a stack that begins there overlaps the code of "
    ".text",
    "devices: [{at: 0x30004, reads: [1]}]": "3:11: devices.0: a device is a word of 8 bytes, and 0x30004 is no "
    "multiple of 8",
    "devices: [{at: held, reads: [1]}]\nwords: {held: 1}": "4:9: words.held: held (8 bytes) overlaps the device at "
    "held",
    # translations
    "pages: [{at: 0x2000000000001000, to: 0, size: 14}]": "3:9: pages.0: at: a page of 1 << 14 bytes does not begin "
    "at 0x2000000000001000",
    "pages: [{at: 0x2000000000000000, to: 0, size: 11}]": "3:9: pages.0: no page has the size 1 << 11: exponents are "
    "12, 13, 14, 16, 18, 20, 22, 24, 26, 28, 30, 32",
    "pages: [{at: 0, to: 0x4000}]": "3:9: pages.0: the code's own page has 0x0 at 0x0",
    "pages: [{at: 0, to: 0, size: 28}]": None,
    "pages: [{at: 0x2000000000000000, to: 0, register: 0}]": "3:9: pages.0: dtr[0] has the page of the code: the "
    "first that is free is 1",
    "pages: [{at: 0x2000000000000000, to: 0, register: 3}, {at: 0x4000000000000000, to: 0, register: 3}]": "3:55: "
    "pages.1: dtr[3] has pages.0 already",
    "pages: [{at: 0x2000000000000000, to: 0}, {at: 0x2000000000001000, to: 0, size: 12}]": "3:42: pages.1: it overlaps "
    "pages.0: two pages for one address",
    "registers: {'rr[2]': 0x138}\npages: [{at: 0x2000000000000000, to: 0}, {at: 0x4000000000000000, to: 0}]": "4:42: "
    "pages.1: it overlaps pages.0: two pages for one address",
    "pages: [{at: 0x2000000000000000, to: 0, kinds: d}, {at: 0x2000000000000000, to: 0, kinds: i}]": None,
    # where and when
    "stop: [nope]": "3:8: stop.0: a.S: there is no label nope",
    "stop: [held]": "3:8: stop.0: a.S: held is 0xc00020: no bundle of code begins there",
    "stop: [entry]": "3:8: stop.0: entry is where the run begins: nothing would be executed",
    "stop: [other, other]": "3:15: stop.1: other stands twice in stop",
    "stop: [also]": None,
    "vectors: nope": "3:1: vectors: a.S: there is no label nope",
    "vectors: other": "3:1: vectors: a.S: other is at 0xc00010, and a table begins at a multiple of 0x8000",
    "interrupts: [{vector: 32, after: 7}]\nsteps: 7": "3:14: interrupts.0: it comes after 7 instructions, and the run "
    "ends after 7 (steps)",
    "interrupts: [{vector: 32}, {vector: 32}]": "3:28: interrupts.1: 32 after 0 stands twice in interrupts",
    "in_service: [32, 32]": "3:18: in_service.1: 32 stands twice in in_service",
    "instances: [xen, xen]": "3:18: instances.1: xen stands twice in instances",
    "stubs: {a: b}": "3:9: stubs.a: b is neither an address nor `returns', for a function that does so at once",
    "stubs: {a: -1}": "3:9: stubs.a: -0x1 is no address: those are from 0 to 0xffffffffffffffff",
    # what is expected, and what is not compared
    "expect: {end: retrun}": "3:10: expect.end: no run ends at retrun (did you mean return?): a label has to stand in "
    "`stop'",
    "expect: {end: other}": "3:10: expect.end: no run ends at other: a label has to stand in `stop'",
    "expect: {end: 5 instructions without an end}": "3:10: expect.end: there are 100000 steps: `100000 instructions "
    "without an end'",
    "vectors: other\nexpect: {end: 'interruption: debug'}": "4:10: expect.end: interruptions are taken at the "
    "`vectors', and end nothing",
    "expect: {end: 'interruption: debugg'}": "3:10: expect.end: no run ends at interruption: debugg (did you mean "
    "interruption: debug?): a label has to stand in `stop'",
    "expect: {registers: {ar.itc: 0}}": "3:22: expect.registers.ar.itc: that is not looked at",
    "expect: {registers: {r8: nope}}": "3:22: expect.registers.r8: `nope': nope is neither a label nor a name of the "
    "stubs",
    "expect: {words: {0x10: [1, 2], 0x18: 3}}": "3:32: expect.words.0x18: 0x18 (8 bytes) overlaps 0x10 (16 bytes)",
    "ignored: [r8]\nexpect: {registers: {r8: 5}}": "4:22: expect.registers.r8: r8 is among what is `ignored'",
    "ignored: [r300]": "3:11: ignored.0: compare has no item r300 (did you mean r30?)",
    "ignored: [sp]": "3:11: ignored.0: compare has no item sp: it calls it r12",
    "ignored: [memory at 0x12]": "3:11: ignored.0: compare has no item memory at 0x12: words are at multiples of 8, in "
    "hexadecimal: memory at 0x1f8",
    "ignored: [memory at .dta+0x8]": "3:11: ignored.0: there is no section .dta (did you mean .data?)",
    "ignored: [memory at 0x18, memory at .data+0x8, psr.ic, 'rr[1]', 'pkr[3]', 'dtr[8]', in service 0x20, timer]": None,
}
"""What a scenario says, and what is wrong with that, with line and column; None where nothing is."""


@pytest.mark.parametrize("text", WRONG)
def test_a_contradiction_is_told_with_its_place(tmp_path: Path, text: str) -> None:
    path, wanted = tmp_path / "s.yaml", WRONG[text]
    if wanted is None:
        assert run(path, text).end in ("return", "also")
        return
    with pytest.raises(PvasmError) as caught:
        run(path, text)
    assert str(caught.value) == f"{path}:{wanted}"


def test_an_entry_that_there_is_not(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text("file: a.S\nentry: entri\n")
    file = read_scenario(path)
    with pytest.raises(PvasmError) as caught, file.placed():
        ScenarioRun(variant(), file.scenario)
    assert str(caught.value) == f"{path}:2:1: entry: a.S: there is no label entri (did you mean entry?)"


def test_a_stub_of_what_is_defined(tmp_path: Path) -> None:
    """Of the scenario, with its place; one of an option's has none."""
    path = tmp_path / "s.yaml"
    path.write_text("entry: entry\nstubs: {entry: 8}\n")
    file = read_scenario(path)
    with pytest.raises(PvasmError) as caught, file.placed():
        raise StubDefinedError("entry", "a.S")
    said = "a.S: entry is defined here: a stub is for a symbol of another file"
    assert str(caught.value) == f"{path}:2:9: stubs.entry: {said}"
    with pytest.raises(StubDefinedError), file.placed():
        raise StubDefinedError("other", "a.S")


def test_long_expressions_are_cut(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    for text, said in {
        "1 + " * 100_000 + "1": "is no number and no expression of at most 200 characters",
        "(" * 90 + "1" + ")" * 90: None,
        "entry + " * 20 + "nowhere": "nowhere is neither a label nor a name of the stubs",
        "-" * 199 + "1": None,
    }.items():
        if said is None:
            assert run(path, f"registers: {{r3: '{text}'}}").end == "return"
            continue
        with pytest.raises(PvasmError) as caught:
            run(path, f"registers: {{r3: '{text}'}}")
        message = caught.value.message
        assert said in message
        assert len(message) < 200


def test_what_is_expected_of_registers_by_any_name(tmp_path: Path) -> None:
    """Negative numbers, other names, a bank that is not there, registers beyond the frame."""
    path = tmp_path / "s.yaml"
    wrong = {
        "registers: {r9: -1}\nexpect: {registers: {r9: -1, sp: 0x7fff0000, ret0: 5}}": [],
        "expect: {registers: {sp: 1, ret0: -1}}": [
            "sp is 0x7fff0000, and not 0x1",
            "ret0 is 0x5, and not 0xffffffffffffffff",
        ],
        "registers: {bank0.r17: 3}\nexpect: {registers: {bank0.r17: 3, bank1.r17: 0}}": [],
        "registers: {psr.bn: 0, bank1.r17: 3}\nexpect: {registers: {bank1.r17: 4, bank0.r17: 0}}": [
            "bank1.r17 is 0x3, and not 0x4"
        ],
        "expect: {registers: {r40: 0}}": ["r40 is in no frame (0 registers), and not 0x0"],
    }
    for text, unexpected in wrong.items():
        assert run(path, text).unexpected == unexpected


def test_another_name_of_a_register_is_the_same_register(tmp_path: Path) -> None:
    """The timer is set by cr1 as by cr.itm; sp may be Not a Thing."""
    path = tmp_path / "s.yaml"
    for name in ("cr.itm", "cr1"):
        assert run(path, f"registers: {{{name}: 0x1234}}").observed["timer"] == 0x1234
    assert run(path, "nat: [sp]").observed["r12"] == "NaT"


def test_the_command_ends_with_2_and_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "a.S").write_text(SOURCE)
    scenario = tmp_path / "s.yaml"
    for text, said in {
        "stop: [nope]\n": "3:8: stop.0: {}a.S: there is no label nope\n",
        "words: {entry: 1}\n": "3:9: words.entry: entry (8 bytes) overlaps the code of .text\n",
        "stubs: {entry: 8}\n": "3:9: stubs.entry: {}a.S: entry is defined here: a stub is for a symbol of another "
        "file\n",
        "registers: {r3: 1/0}\n": "3:13: registers.r3: `1/0': a division by 0\n",
    }.items():
        scenario.write_text(f"entry: entry\nfile: a.S\n{text}")
        for words, folder in (
            (("test", "s.yaml"), "./"),
            (("compare", "a.S", "--scenario", "s.yaml"), ""),
            (("simulate", "a.S", "--scenario", "s.yaml"), ""),
        ):
            done = pvasm(*words, cwd=tmp_path)
            assert (done.status, done.errors) == (2, f"pvasm: error: s.yaml:{said.format(folder)}")
    for key, said in {
        "include: [nope]": "3:11: include.0: there is no folder nope",
        "define: ['1=2']": "3:10: define.0: '1=2' is no macro: NAME or NAME=VALUE is due",
        "instances: [native, nope]": "3:21: instances.1: unknown instance nope; known are hvm, native, native-poison, "
        "trap, xen",
    }.items():
        scenario.write_text(f"entry: entry\nfile: a.S\n{key}\n")
        done = pvasm("test", "s.yaml", cwd=tmp_path)
        assert (done.status, done.errors) == (2, f"pvasm: error: s.yaml:{said}\n")


def test_options_that_a_scenario_leaves_nothing_to_say(tmp_path: Path) -> None:
    """The entry may be another; what is random, and the end, are the scenario's."""
    (tmp_path / "a.S").write_text(SOURCE)
    (tmp_path / "s.yaml").write_text("entry: nope\n")
    asked = ("compare", "a.S", "--scenario", "s.yaml")
    for option, value in (("--stop", "other"), ("--seed", "3"), ("--max-steps", "7")):
        done = pvasm(*asked, option, value, cwd=tmp_path)
        said = f"{option}: a scenario says itself where it ends, and nothing in it is random"
        assert (done.status, done.errors) == (2, f"pvasm: error: {said}\n")
    done = pvasm(*asked, "--entry", "entry", cwd=tmp_path)
    assert (done.status, done.output) == (0, "native ended at return\nThe same.\n")
