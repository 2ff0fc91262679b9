"""External interrupts: what is pending, in service and masked, and the interval timer (SDM vol. 2, 5.8)."""

from __future__ import annotations

from typing import Final

from pvasm.isa.registers import CONTROL
from pvsim.machine.configuration import Configuration
from pvsim.machine.interruptions import Interruption, Vector
from pvsim.machine.memory import Memory
from pvsim.machine.notes import LostMessage
from pvsim.machine.system import System

_ITM, _LID, _TPR, _IRR, _ITV = (CONTROL[name] for name in ("itm", "lid", "tpr", "irr0", "itv"))
_MASKED_AT_RESET: Final = tuple(CONTROL[name] for name in ("itv", "pmv", "cmcv", "lrr0", "lrr1"))
_MASK: Final = 1 << 16  # of itv and its like: m
_MMI: Final = 1 << 16  # of tpr
_WORD: Final = (1 << 64) - 1
_I: Final = 1 << 14  # of psr
_VM: Final = 1 << 46  # of psr

EXTINT: Final = 0
NMI: Final = 2
SPURIOUS: Final = 15
VECTORS: Final = frozenset([EXTINT, NMI, *range(16, 256)])
"""The vectors that interrupts have (SDM vol. 2, 5.8.1)."""
NEVER: Final = 1 << 80
BLOCK: Final = 0xFEE0_0000
"""The processor interrupt block, of a MiB for messages between processors and another (SDM vol. 2, 5.8.4)."""
BLOCK_BITS: Final = 21
_MESSAGE: Final = 8  # bytes
_NO_MESSAGE: Final = 1 << 20  # of an address: the upper MiB
_DELIVERED: Final = {1: -1, 2: -1, 3: -1, 4: NMI, 5: -1, 6: -1, 7: EXTINT}
"""The vector of a message by its mode, which INT alone has in itself; PMI (2) and INIT (5) are for firmware."""


def _priority(vector: int) -> int:
    """Higher for what comes first: NMI, then ExtINT, then by number (SDM vol. 2, table 5-7)."""
    return {NMI: 257, EXTINT: 256}.get(vector, vector)


class ExternalInterrupts(System):
    """The interrupts of one processor, and calls of programs about them.

    `attend_at` is how many instructions have been executed when something has to be looked at before the next.
    `guest_waits` says that the guest's highest pending interrupt is unmasked on the virtual processor.
    """

    def __init__(self, memory: Memory | None = None, configuration: Configuration | None = None) -> None:
        super().__init__(memory, configuration)
        self.in_service: set[int] = set()
        self.guest_waits = False
        self.attend_at = NEVER
        self._timer_at = NEVER
        for number in _MASKED_AT_RESET:
            self.cr[number] = _MASK

    # --------------------------------------------------------------------------------- from outside

    def raise_interrupt(self, vector: int) -> None:
        """An interrupt comes, and is pending until it is read from cr.ivr.

        Raises ValueError for a vector that interrupts do not have: they have 0 (ExtINT), 2 (NMI) and 16 to 255.
        """
        if vector not in VECTORS:
            raise ValueError(f"no interrupt has the vector {vector}: there are 0, 2 and 16 to 255")
        self.cr[_IRR + vector // 64] |= 1 << vector % 64
        self.attend_at = 0

    def raise_guest_interrupt(self) -> None:
        """A Virtual External Interrupt comes before the next instruction that is executed with psr.vm 1.

        Which interrupt of the guest is pending, and whether the guest masks it, a virtual machine monitor keeps in
        memory, and tells firmware (SDM vol. 2, 8.3, vector 0x3400); of that, a bare machine has what comes of it.
        Raises ValueError on a machine without virtualization.
        """
        if not self.configuration.has_virtualization:
            raise ValueError("a machine without virtualization has no guest")
        self.guest_waits = True
        self.attend_at = 0

    def receive_message(self, address: int, data: bytes) -> None:
        """A store to the processor interrupt block: a message to the processor with an id and eid, this one or none.

        SDM vol. 2, 5.8.4.1: the address says to whom, the data what is delivered, and how.
        """
        word = int.from_bytes(data, "little")
        identifier, extension = address >> 12 & 0xFF, address >> 4 & 0xFF
        vector = _DELIVERED.get(word >> 8 & 7, word & 0xFF)
        if address & _NO_MESSAGE or vector not in VECTORS or len(data) != _MESSAGE:
            self.note(LostMessage(self.ip, f"{word:#x} in {len(data)} bytes is no interrupt that is modelled"))
        elif identifier << 8 | extension != self.cr[_LID] >> 16 & 0xFFFF:
            self.note(LostMessage(self.ip, f"there is no processor {identifier:#x}, {extension:#x}"))
        else:
            self.raise_interrupt(vector)

    # ------------------------------------------------------------------------------- what is to come

    @property
    def pending(self) -> int | None:
        """The vector of the highest interrupt that is pending and not masked, None where there is none."""
        waiting = sum(word << 64 * at for at, word in enumerate(self.cr[_IRR : _IRR + 4]))
        if not waiting:
            return None
        if waiting >> NMI & 1:
            first = NMI
        elif waiting & 1:
            first = EXTINT
        else:
            first = waiting.bit_length() - 1
        served = max(map(_priority, self.in_service), default=-1)
        return first if _priority(first) > served and not self._is_masked(first) else None

    def _is_masked(self, vector: int) -> bool:
        """Whether cr.tpr masks a vector: mmi all but NMI, mic those of its class and of lower ones."""
        task = self.cr[_TPR]
        if vector == NMI:
            return False
        return bool(task & _MMI) or (vector != EXTINT and vector >> 4 <= task >> 4 & 15)

    def attend(self) -> Interruption | None:
        """What comes between two instructions: an External Interrupt, where one is due, or else the guest's."""
        if self.instructions >= self._timer_at:
            self._timer_at = NEVER
            vector = self.cr[_ITV] & 0xFF
            if not self.cr[_ITV] & _MASK and vector in VECTORS:
                self.raise_interrupt(vector)
        self.attend_at = self._timer_at
        if self.psr & _I and self.pending is not None:
            self.attend_at = 0
            return Interruption(Vector.EXTERNAL_INTERRUPT)
        if self.psr & _VM and self.guest_waits:
            self.guest_waits = False
            return Interruption(Vector.VIRTUAL_EXTERNAL_INTERRUPT)
        return None

    # ------------------------------------------------------------------------------- calls of programs

    def read_ivr(self) -> int:
        """The vector of the highest pending interrupt, which is in service then; 15, a spurious one, if there is none.

        SDM vol. 2, 5.8.3.2.
        """
        vector = self.pending
        if vector is None:
            return SPURIOUS
        self.cr[_IRR + vector // 64] &= ~(1 << vector % 64)
        self.in_service.add(vector)
        return vector

    def end_of_interrupt(self) -> None:
        """The highest interrupt that is in service is done with (SDM vol. 2, 5.8.3.4)."""
        if self.in_service:
            self.in_service.remove(max(self.in_service, key=_priority))
        self.attend_at = 0

    def observe_control(self, number: int) -> None:
        """A control register that has a say in which interrupts come, and when, has been written."""
        if number == _ITM:
            self.set_timer()
        self.attend_at = 0

    def write_itc(self, value: int) -> None:
        """Sets ar.itc."""
        super().write_itc(value)
        self.set_timer()
        self.attend_at = 0

    @property
    def has_timer(self) -> bool:
        """Whether an interrupt of the interval timer is to come."""
        return self._timer_at != NEVER

    def set_timer(self) -> None:
        """Finds out when ar.itc will be what cr.itm is."""
        ticks, each = self.cr[_ITM] - self.read_itc() & _WORD, self.configuration.ticks_per_instruction
        if each:
            self._timer_at = self.instructions - -ticks // each
        else:
            self._timer_at = NEVER if ticks else self.instructions

    def set_psr(self, word: int) -> None:
        """Sets the processor status register."""
        if word & ~self.psr & (_I | _VM):
            self.attend_at = 0
        super().set_psr(word)
