"""The register stack and renaming: frames, rotation, the backing store (SDM vol. 1, 4.1; vol. 2, 6).

`gr[32:128]` are all 96 physical stacked registers: first those of the current frame, as instructions name them, then
the others in the order in which frames would grow into them. So registers below the frame are at the end: the `dirty`
ones, that memory does not have yet, and below these the `clean` ones, that it has too.
"""

from __future__ import annotations

from typing import Any, Final, Literal

from pvasm.isa.registers import APPLICATION, FIRST_ROTATING, FIRST_STACKED
from pvsim.machine.branching import Branching
from pvsim.machine.configuration import Configuration
from pvsim.machine.interruptions import Interruption, fault
from pvsim.machine.memory import Memory

PHYSICAL: Final = 96
_BSP: Final = APPLICATION["bsp"]
_BSPSTORE: Final = APPLICATION["bspstore"]
_RNAT: Final = APPLICATION["rnat"]
_RSC: Final = APPLICATION["rsc"]
_COLLECTION: Final = 63
"""The slot of each 64 in the backing store that holds the NaT bits of the registers below it."""
_BIG_ENDIAN: Final = 1 << 4


def slot(address: int) -> int:
    """Which of the 64 words that share a NaT collection an address of the backing store is."""
    return address >> 3 & 63


def above(address: int, registers: int) -> int:
    """The address so many registers further up, collections left out: never that of a collection."""
    return address + 8 * (registers + (slot(address) + registers) // 63)


def below(address: int, registers: int) -> int:
    """The address so many registers further down, from one that is not of a collection."""
    return address - 8 * (registers + (62 - slot(address) + registers) // 63)


def registers_between(low: int, high: int) -> int:
    """How many registers lie between two addresses of the backing store; collections are not counted."""
    return (high - low) // 8 - ((high >> 9) - (low >> 9))


def _turn(registers: list[Any], first: int, count: int, by: int) -> None:
    """Moves what registers hold down by so many, in a circle."""
    by = by % count if count else 0
    if by:
        part = registers[first : first + count]
        registers[first : first + count] = part[by:] + part[:by]


class RegisterStack(Branching):
    """Calls of programs: the register stack and renaming: frames, rotation, the backing store.

    `dirty` is below 0 while the current frame lacks so many of its registers, from its bottom up. There are no eager
    loads and stores: rsc.mode makes no difference to them.
    """

    def __init__(self, memory: Memory | None = None, configuration: Configuration | None = None) -> None:
        super().__init__(memory, configuration)
        self.dirty = 0
        self.clean = 0
        self.bottom = 0
        """The number of the first physical stacked register of the frame (RSE.BOF), from 0."""

    # ----------------------------------------------------------------------------------- frames

    def new_frame(self, sof: int, sol: int, sor: int) -> None:
        """Gives the current frame other sizes. Raises Interruption for a store that faults."""
        self._spill(PHYSICAL - sof)
        self.clean = min(self.clean, PHYSICAL - sof - max(self.dirty, 0))
        self.sof, self.sol, self.sor = sof, sol, sor

    def preserve_frame(self) -> None:
        """A call: the locals are below the frame, which is the outs."""
        outs = self.sof - self.sol
        self._move_up(self.sol)
        self.sof = outs

    def cover(self) -> None:
        """All of the frame is below it, and it is empty."""
        self._move_up(self.sof)
        self.sof = 0

    def _move_up(self, registers: int) -> None:
        """Moves the bottom of the frame up: registers that it leaves are dirty. Nothing is renamed or local then."""
        self._rename(0, 0, 0)
        _turn(self.gr, FIRST_STACKED, PHYSICAL, registers)
        _turn(self.nat, FIRST_STACKED, PHYSICAL, registers)
        self.bottom = (self.bottom + registers) % PHYSICAL
        self.ar[_BSP] = above(self.ar[_BSP], registers) & _WORD
        self.dirty += registers
        self.sol = self.sor = 0

    def restore_frame(self, sof: int, registers: int, marker: int) -> None:
        """Makes a frame of so many registers below the current one, and what is above them; `marker` says the rest.

        A frame that the physical registers have no room for is empty (SDM vol. 2, 6.5.5); so is what is no frame.
        """
        self._rename(0, 0, 0)
        _turn(self.gr, FIRST_STACKED, PHYSICAL, -registers)
        _turn(self.nat, FIRST_STACKED, PHYSICAL, -registers)
        self.bottom = (self.bottom - registers) % PHYSICAL
        self.ar[_BSP] = below(self.ar[_BSP], registers) & _WORD
        self.dirty -= registers
        sol, sor = marker >> 7 & 127, (marker >> 14 & 15) * 8
        if sof + max(self.dirty, 0) > PHYSICAL or max(sol, sor) > sof:
            sof = sol = sor = marker = 0
        self.sof, self.sol, self.sor = sof, sol, sor
        self._rename(marker >> 18 & 127, marker >> 25 & 127, marker >> 32 & 63)
        if self.dirty >= 0:
            self.clean = min(self.clean, PHYSICAL - sof - self.dirty)

    # --------------------------------------------------------------------------------- rotation

    def rotate(self) -> None:
        """Rotating registers move one up (SDM vol. 1, 4.5.1)."""
        sor = self.sor
        if sor:
            gr, nat, last = self.gr, self.nat, FIRST_STACKED + sor - 1
            gr.insert(FIRST_STACKED, gr.pop(last))
            nat.insert(FIRST_STACKED, nat.pop(last))
        self.fr.insert(FIRST_ROTATING["f"], self.fr.pop())
        self.pr.insert(FIRST_ROTATING["p"], self.pr.pop())
        self.rrb_gr = (self.rrb_gr or sor) - 1 if sor else 0
        self.rrb_fr = (self.rrb_fr or 96) - 1
        self.rrb_pr = (self.rrb_pr or 48) - 1

    def clear_renaming(self, is_of_predicates: int) -> None:
        """Registers have their own names again, or predicates have."""
        if is_of_predicates:
            self._rename(self.rrb_gr, self.rrb_fr, 0)
        else:
            self._rename(0, 0, 0)

    def _rename(self, gr: int, fr: int, pr: int) -> None:
        """Sets the bases of renaming: what has a name is what the base says then."""
        _turn(self.gr, FIRST_STACKED, self.sor, gr - self.rrb_gr)
        _turn(self.nat, FIRST_STACKED, self.sor, gr - self.rrb_gr)
        _turn(self.fr, FIRST_ROTATING["f"], 96, fr - self.rrb_fr)
        _turn(self.pr, FIRST_ROTATING["p"], 48, pr - self.rrb_pr)
        self.rrb_gr, self.rrb_fr, self.rrb_pr = gr, fr, pr

    def physical(self, number: int) -> int:
        """Which register a general register is, whatever it is called now: stacked ones are 32 to 127."""
        at = number - FIRST_STACKED
        if at < 0:
            return number
        if at < self.sor:
            at = (at + self.rrb_gr) % self.sor
        return FIRST_STACKED + (self.bottom + at) % PHYSICAL

    # ---------------------------------------------------------------------------- backing store

    def flush_registers(self) -> None:
        """Spills all dirty registers. Raises Interruption for a store that faults."""
        self._spill(0)
        if self.dirty == 0:
            self._finish_collection()

    def _spill(self, most: int) -> None:
        """Stores the lowest dirty registers, until there are no more than `most`, and collections when they are due."""
        ar, gr, nat = self.ar, self.gr, self.nat
        while self.dirty > most:
            if ar[_BSPSTORE] >> 3 & 63 == _COLLECTION:
                self._finish_collection()
            address = ar[_BSPSTORE]
            register = 128 - self.dirty
            self.store_rse(address, gr[register])
            bit = 1 << (address >> 3 & 63)
            ar[_RNAT] = ar[_RNAT] | bit if nat[register] else ar[_RNAT] & ~bit
            ar[_BSPSTORE] = address + 8 & _WORD
            self.dirty -= 1
            self.clean += 1

    def _finish_collection(self) -> None:
        """Stores the collection, if bspstore is where one is."""
        address = self.ar[_BSPSTORE]
        if slot(address) == _COLLECTION:
            self.store_rse(address, self.ar[_RNAT])
            self.ar[_BSPSTORE] = address + 8 & _WORD

    def _take_back(self) -> None:
        """Makes the register below bspstore dirty, or one of the frame: a clean one as it is, another from memory.

        A collection on the way is loaded, for the bits of the registers below it.
        """
        address = self.ar[_BSPSTORE] - 8 & _WORD
        if slot(address) == _COLLECTION:
            self.ar[_RNAT] = self.load_rse(address) & ~(1 << 63)
            self.ar[_BSPSTORE] = address
            address -= 8
        if self.clean:
            self.clean -= 1
        elif -self.dirty <= self.sof:
            register = self._below_bspstore()
            self.gr[register] = self.load_rse(address)
            self.nat[register] = self.ar[_RNAT] >> slot(address) & 1
        self.ar[_BSPSTORE] = address
        self.dirty += 1

    def _below_bspstore(self) -> int:
        """The number of the register whose place in memory is just below bspstore."""
        if self.dirty >= 0:
            return 127 - self.dirty
        at = -self.dirty - 1
        return FIRST_STACKED + ((at - self.rrb_gr) % self.sor if at < self.sor else at)

    def load_frame(self, origin: int | None = None) -> None:
        """Loads the registers that the current frame lacks.

        Raises Interruption for a load that faults, which is one of the instruction that control goes to: `origin` is
        what has sent it there.
        """
        if self.dirty >= 0 or not self.loads_frame:
            return
        try:
            while self.dirty < 0:
                self._take_back()
        except Interruption as interruption:
            interruption.origin = origin
            raise
        self.clean = min(self.clean, PHYSICAL - self.sof - self.dirty)

    @property
    def is_incomplete(self) -> bool:
        """Whether the current frame lacks registers that are being loaded (RSE.CFLE)."""
        return self.dirty < 0 and self.loads_frame

    def load_registers(self, size: int) -> None:
        """Makes `size` bytes below bsp dirty. Raises Interruption for more registers than there are, and for loads."""
        bsp = self.ar[_BSP]
        end = bsp - (size & ~7)
        wanted = registers_between(end, bsp)
        if wanted > PHYSICAL - self.sof:
            raise fault("illegal_operation")
        while self.dirty < wanted:
            self._take_back()
        if slot(end) == _COLLECTION and end & _WORD == self.ar[_BSPSTORE] - 8 & _WORD:
            self.ar[_RNAT] = self.load_rse(end & _WORD) & ~(1 << 63)
        self.ar[_BSPSTORE] = end & _WORD
        self.dirty = wanted
        self.clean = 0

    def read_bsp(self) -> int:
        """Where in memory r32 of the frame belongs."""
        return self.ar[_BSP]

    def read_bspstore(self) -> int:
        """Where in memory the next register is spilled to."""
        return self.ar[_BSPSTORE]

    def write_bspstore(self, value: int) -> None:
        """Changes the backing store: dirty registers are spilled there, clean ones are lost (SDM vol. 2, 6.5.3)."""
        self.ar[_BSPSTORE] = value & _WORD & ~7
        self.ar[_BSP] = above(self.ar[_BSPSTORE], max(self.dirty, 0)) & _WORD
        self.clean = 0

    def read_rnat(self) -> int:
        """The NaT bits of registers that have been spilled, whose collection is not stored yet."""
        return self.ar[_RNAT]

    def write_rnat(self, value: int) -> None:
        """Bit 63 is ignored."""
        self.ar[_RNAT] = value & _WORD >> 1

    def enter_ia32(self) -> None:
        """Raises Interruption: with psr.di a Disabled Instruction Set Transition, else what is no instruction here."""
        is_disabled = self.psr >> 22 & 1 and self.ar[_BSP] == self.ar[_BSPSTORE]
        raise fault("disabled_isa_transition" if is_disabled else "illegal_operation")

    def load_rse(self, address: int) -> int:
        """A word of the backing store."""
        return int.from_bytes(self.memory.read(address, 8), self.rse_order)

    def store_rse(self, address: int, value: int) -> None:
        """Stores a word into the backing store."""
        self.memory.write(address, value.to_bytes(8, self.rse_order))

    @property
    def rse_order(self) -> Literal["big", "little"]:
        """The order of bytes in the backing store: ar.rsc.be."""
        return "big" if self.ar[_RSC] & _BIG_ENDIAN else "little"


_WORD: Final = (1 << 64) - 1
