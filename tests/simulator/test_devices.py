"""Devices: words of memory that say something else each time, and remember what they were told."""

from __future__ import annotations

from pvsim import Device, Machine, image_of_text, load_image

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
