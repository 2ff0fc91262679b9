"""Code that a program changes: what runs after which sequence, and what is noted (SDM vol. 2, 4.4.3)."""

from __future__ import annotations

import pytest
from pvsim.machine.machine import Machine
from pvsim.machine.notes import StaleCode

from tests.simulator.code import START, assembled, loaded, run

NEW = "{ .mib\n mov r8=2\n nop.i 0\n br.ret.sptk.few b7 ;; }"
FULL = ("fc.i r9", "sync.i", "srlz.i")

# Calls a function, stores another bundle in its place, does what a sequence says, and calls it again.
PROGRAM = """
 br.call.sptk.few b7=changed ;;
 mov r20=r8
 st8 [r9]=r10,8 ;;
 st8 [r9]=r11,-8 ;;
{sequence}
 br.call.sptk.few b7=changed ;;
 mov r21=r8
 br.cond.sptk.few done ;;
 .balign 64
changed:
 {{ .mib
 mov r8=1
 nop.i 0
 br.ret.sptk.few b7 ;; }}
 .balign 64
done:
"""


def changing(sequence: tuple[str, ...]) -> Machine:
    """A machine about to run the program."""
    source = PROGRAM.format(sequence="".join(f" {line} ;;\n" for line in sequence))
    machine = loaded(source)
    code = assembled(source)
    new = assembled(NEW)[:16]
    old = assembled(NEW.replace("r8=2", "r8=1"))[:16]
    machine.gr[9] = START + code.index(old)
    machine.gr[10], machine.gr[11] = (int.from_bytes(new[at : at + 8], "little") for at in (0, 8))
    return machine


def stale(machine: Machine) -> list[StaleCode]:
    """The notes."""
    return [note for note in machine.notes if isinstance(note, StaleCode)]


def test_changed_code_runs_after_the_sequence() -> None:
    machine = changing(FULL)
    run(machine)
    assert machine.gr[20:22] == [1, 2]
    assert not machine.notes


@pytest.mark.parametrize(
    "sequence",
    [(), FULL[:1], FULL[:2], FULL[1:], FULL[::2], ("sync.i", "fc.i r9", "srlz.i"), ("fc.i r9", "srlz.i", "sync.i")],
)
def test_without_the_sequence_the_old_code_runs_and_it_is_noted(sequence: tuple[str, ...]) -> None:
    """The note has the place of the last store, and that of the code."""
    machine = changing(sequence)
    place = machine.gr[9]
    run(machine)
    assert machine.gr[20:22] == [1, 1]
    (note,) = stale(machine)
    assert note.fetch == place
    assert START < note.store < place
    assert note.told().startswith(
        f"{place:#x}: the code has been changed by the store at {note.store:#x}, without fc.i"
    )


def test_a_return_from_an_interruption_serializes_too() -> None:
    machine = changing(("fc.i r9", "sync.i", "mov cr.iip=r12", "mov cr.ipsr=r0", "rfi"))
    machine.gr[12] = _behind_rfi(machine)
    run(machine)
    assert machine.gr[20:22] == [1, 2]
    assert not machine.notes


def _behind_rfi(machine: Machine) -> int:
    """The bundle behind the one that has rfi."""
    found = [at for at in range(START, START + 0x200, 16) if _has_rfi(machine.memory.read(at, 16))]
    return found[0] + 16


def _has_rfi(data: bytes) -> bool:
    word = int.from_bytes(data, "little")
    return any((word >> 5 + 41 * slot & (1 << 41) - 1) == 0x8 << 27 for slot in range(3))


def test_code_that_was_never_run_is_noted_as_well() -> None:
    """Code that is copied to where nothing ran, and called there: a processor may have fetched what was there."""
    copy = """
     ld8 r12=[r9],8 ;;
     st8 [r10]=r12,8 ;;
     ld8 r12=[r9],-8 ;;
     st8 [r10]=r12,-8 ;;
     {sequence}
     mov b6=r10 ;;
     br.call.sptk.few b7=b6 ;;
     mov r20=r8 ;;
    """
    for sequence, noted in [("", 1), ("fc.i r10 ;;\n sync.i ;;\n srlz.i ;;", 0)]:
        machine = loaded(copy.format(sequence=sequence))
        machine.memory.write(START + 0x8000, assembled(NEW))
        machine.gr[9], machine.gr[10] = START + 0x8000, START + 0x4000
        run(machine)
        assert machine.gr[20] == 2
        assert [note.fetch for note in stale(machine)] == [START + 0x4000] * noted


def test_a_note_comes_once_and_data_beside_code_is_no_change() -> None:
    """A loop that stores to the page of its code, not to its lines, is as it was; one that forgets is noted once."""
    machine = loaded(".L:\n st8 [r9]=r8,8 ;;\n add r8=1,r8\n br.cloop.sptk.few .L ;;")
    machine.gr[9], machine.ar[65] = START + 0x200, 40
    run(machine)
    assert machine.gr[8] == 41
    assert not machine.notes
    machine = changing(())
    run(machine)
    machine.ip = START
    run(machine)
    assert len(stale(machine)) == 1


def test_a_line_is_32_bytes() -> None:
    """Two bundles: the one that was not stored to is flushed with the other, the next is not."""
    for offset, result in [(16, 2), (32, 1), (-16, 1)]:
        machine = changing((f"add r9={offset},r9", "fc.i r9", "sync.i", "srlz.i"))
        run(machine)
        assert machine.gr[21] == result


def test_code_that_is_loaded_from_outside_is_no_change() -> None:
    machine = changing(())
    run(machine)
    machine.notes.clear()
    machine.memory.write(START, assembled("mov r20=77 ;;"))
    machine.forget_code()
    machine.ip = START
    run(machine)
    assert machine.gr[20] == 77
    assert not machine.notes


def test_a_store_to_the_code_just_behind_it_is_noted() -> None:
    """The instructions were fetched with the store, and run as they were."""
    machine = loaded("{ .mmi\n st8 [r9]=r0\n add r8=5,r0\n nop.i 0 ;; }\n nop.i 0 ;;")
    machine.gr[9] = START
    run(machine)
    assert machine.gr[8] == 5
    assert stale(machine) == [StaleCode(START, START | 1)]


def test_a_store_to_code_that_is_done_with_is_not_noted() -> None:
    source = "nop.i 1 ;;\n nop.i 2 ;;\n nop.i 3 ;;\n nop.i 4 ;;\n st8 [r9]=r0 ;;\n"
    machine = loaded(source)
    machine.gr[9] = START
    run(machine)
    assert not machine.notes
