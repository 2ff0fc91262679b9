"""Devices: words of memory that say something else each time, and remember what they were told."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pvsim import Device, Machine, image_of_text, load_image
from pvsim.scenario import DeviceWord, Scenario
from pvsim.scenario_file import written

from tests.cli.command import pvasm

AT = 0x3_0010

POLLED = """\
	mov ar.lc = 9
	movl r14 = 0x30010
	movl r15 = 0x30018
	;;
top:	ld4 r8 = [r14]
	ld8 r9 = [r15]
	;;
	add r10 = r10, r8
	st2 [r14] = r8
	add r11 = r11, r9
	br.cloop.sptk.few top
	;;
	break.m 0
"""


def test_a_device_says_the_next_and_the_last_again_and_again() -> None:
    machine = Machine()
    load_image(machine, image_of_text(POLLED))
    device = machine.memory.devices[AT] = Device([1, 1 << 32 | 20, 300])
    machine.memory.write(AT + 8, (5).to_bytes(8, "little"))
    machine.ip = 0x10000
    machine.run(1000)
    assert machine.gr[10] == 1 + 20 + 8 * 300  # of the second, the four bytes that are loaded
    assert machine.gr[11] == 10 * 5  # a word beside it is memory
    assert device.loads == 10
    assert device.stored == [number.to_bytes(2, "little") for number in (1, 20, *[300] * 8)]
    assert machine.memory.read(AT, 8) == bytes(8)


def test_a_big_endian_program_sees_the_bytes_the_other_way_round() -> None:
    machine = Machine()
    load_image(machine, image_of_text("sum psr.be\n;;\nld4 r8=[r14]\n;;\nxchg4 r9=[r14],r15\n;;\nbreak.m 0\n"))
    device = machine.memory.devices[AT] = Device([0x11223344, 0x55667788])
    machine.ip, machine.gr[14], machine.gr[15] = 0x10000, AT, 0x01020304
    machine.run(1000)
    assert (machine.gr[8], machine.gr[9]) == (0x44332211, 0x88776655)
    assert device.stored == [bytes([1, 2, 3, 4])]


SOURCE = """\
entry:
	ld8 r8 = [r14]
	;;
	cmp.ne p6, p7 = r0, r8
(p7)	br.cond.dptk entry
	;;
	MOV_FROM_IFA(r9)
	;;
	st8 [r14] = r9
	br.ret.sptk b0
	.data
status:	data8 0
"""
SCENARIO = "entry: entry\nfile: a.S\nregisters: {psr.ic: 0, cr.ifa: 0x1234, r14: %s}\ndevices: [%s]\n"


def test_code_polls_a_device_in_each_environment(tmp_path: Path) -> None:
    (tmp_path / "a.S").write_text(SOURCE)
    scenario = tmp_path / "s.yaml"
    for at in ("0x30010", "status"):
        scenario.write_text(SCENARIO % (at, f"{{at: {at}, reads: [0, 0, 0x55]}}"))
        done = pvasm("compare", "a.S", "--scenario", "s.yaml", cwd=tmp_path)
        assert (done.status, done.output, done.errors) == (0, "native ended at return\nThe same.\n", "")
        done = pvasm("simulate", "a.S", "-i", "xen", "--scenario", "s.yaml", cwd=tmp_path)
        shown = ".data+0x0" if at == "status" else at
        assert f"loads of the device at {shown} = 0x3\nstores to the device at {shown} = 0x1234\n" in done.output
        assert "r8 = 0x55\n" in done.output
    bare = SOURCE.replace("(p7)\tbr", "(p7)\tld8 r8 = [r14]\n(p7)\tbr")  # reads once more each time
    (tmp_path / "b.S").write_text(f"#ifdef __IA64_ASM_PARAVIRTUALIZED_XEN\n{bare}#else\n{SOURCE}#endif\n")
    scenario.write_text(SCENARIO % ("status", "{at: status, reads: [0, 0x55]}"))
    done = pvasm("compare", "b.S", "--scenario", "s.yaml", "--instances", "native,xen", cwd=tmp_path)
    assert (done.status, done.errors) == (1, "")
    assert "  loads of the device at .data+0x0: 0x2 and 0x3\n" in done.output


@pytest.mark.parametrize(
    ("devices", "message"),
    [
        ("{at: 0x30010, reads: []}", "s.yaml:4:11: devices.0: reads: what does a load take? At least one number"),
        ("{at: 0x30010}", "devices.0: the key reads is missing"),
        ("{at: 0x30010, reads: [1 << 3]}", "s.yaml:4:33: devices.0.reads.0: expected an integer, got text"),
        ("{at: 0x30010, reads: [0x10000000000000000]}", "is more than a word holds, 64 bits"),
        (
            "{at: 0x30010, reads: [1]}, {at: 0x30010, reads: [2]}",
            "s.yaml:4:38: devices.1: the device at 0x30010 overlaps the device at 0x30010",
        ),
        ("{at: nowhere, reads: [1]}", "`nowhere': nowhere is neither a label nor a name of the stubs"),
        (
            "{at: 0x30010, reads: [1]}]\nmemory: {0x30008: 00112233445566778899aa}\nstop: [",
            "s.yaml:5:10: memory.0x30008: 0x30008 (11 bytes) overlaps the device at 0x30010",
        ),
    ],
)
def test_a_device_that_cannot_be(devices: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "a.S").write_text(SOURCE)
    (tmp_path / "s.yaml").write_text(SCENARIO % ("0x30010", devices))
    done = pvasm("compare", "a.S", "--scenario", "s.yaml", cwd=tmp_path)
    assert (done.status, done.output) == (2, "")
    assert message in done.errors
    assert len(done.error_lines) == 1


NAMES = st.text(min_size=1, max_size=8) | st.sampled_from(
    ["no", "True", "a: b", "x #y", "- z", "{", "task + 0x10", "1e3"]
)


@given(st.dictionaries(NAMES, NAMES, max_size=3), st.lists(NAMES, max_size=3), NAMES)
def test_what_is_written_is_read_back(words: dict[str, str], stop: list[str], at: str) -> None:
    """Whatever names there are: of files, labels and symbols."""
    made = Scenario(entry="entry", words={**words}, stop=stop, devices=[DeviceWord(at, [1, 0x20])])
    held = yaml.safe_load(written(made))
    assert held.get("words", {}) == words
    assert held.get("stop", []) == stop
    assert held["devices"] == [{"at": at, "reads": [1, 0x20]}]
