"""What one processor holds: its registers, and memory."""

from __future__ import annotations

from typing import Final

from pvsim.machine.configuration import Configuration
from pvsim.machine.memory import Memory
from pvsim.machine.notes import Note

_PAGES_OF_16K: Final = 14 << 2
_MOST_NOTES: Final = 1000


class State:
    """The state of one processor and its memory; the machine's parts are classes on top of it.

    Registers are as instructions name them now: `gr[33]` is r33 of the frame. `nat` are the NaT bits of `gr`, `fr` the
    82 bits of each floating-point register (sign, 17 of exponent, 64 of significand). `sof sol sor` and the three bases
    of renaming are the fields of the current frame marker, `sor` in registers.
    """

    def __init__(self, memory: Memory | None = None, configuration: Configuration | None = None) -> None:
        self.memory = memory or Memory()
        self.configuration = configuration or Configuration()
        self.ip = 0
        self.psr = 0
        self.gr = [0] * 128
        self.nat = [0] * 128
        self.fr = [0, 0xFFFF << 64 | 1 << 63] + [0] * 126
        self.pr = [1] + [0] * 63
        self.br = [0] * 8
        self.ar = [0] * 128
        self.cr = [0] * 128
        self.other_bank, self.other_bank_nat = [0] * 16, [0] * 16
        self.rr = [_PAGES_OF_16K] * 8
        self.files = {name: [0] * count for name, count in self.configuration.counts.items()}
        """The indexed files but `rr`, by name."""
        self.files["cpuid"][:] = self.configuration.cpuid
        self.itc_offset = 0
        """What ar.itc is more than the ticks of all instructions."""
        self.ruc_offset = 0
        """The same of ar.ruc."""
        self.sof = 96
        self.sol = self.sor = self.rrb_gr = self.rrb_fr = self.rrb_pr = 0
        self.instructions = 0
        """How many have been executed, those that a predicate turned off among them."""
        self.groups = self.bundles = 0
        """How many groups have ended, and how many bundles have been begun."""

        self.notes: dict[Note, None] = {}
        """What a program does that hardware need not do the way that the machine does it; the oldest first."""

    def note(self, note: Note) -> None:
        """Notes something, once."""
        if len(self.notes) < _MOST_NOTES:
            self.notes[note] = None

    def reach_changed(self, kinds: str) -> None:
        """What may be reached, or where it is, has changed, of data (`d`), of instructions (`i`), or of both.

        Whoever keeps anything by address forgets it then.
        """

    @property
    def cfm(self) -> int:
        """The current frame marker as a word (SDM vol. 1, table 4-1)."""
        sizes = self.sof | self.sol << 7 | self.sor // 8 << 14
        return sizes | self.rrb_gr << 18 | self.rrb_fr << 25 | self.rrb_pr << 32

    @property
    def prs(self) -> int:
        """The predicates as one word, p0 at the right, rotation undone."""
        word = 0
        for number, value in enumerate(self.pr):
            at = number if number < 16 else 16 + (number - 16 + self.rrb_pr) % 48
            word |= value << at
        return word

    def set_prs(self, word: int) -> None:
        """Sets the predicates from one word; p0 stays 1."""
        for number in range(1, 64):
            at = number if number < 16 else 16 + (number - 16 + self.rrb_pr) % 48
            self.pr[number] = word >> at & 1

    def set_psr(self, word: int) -> None:
        """Sets the processor status register."""
        self.psr = word
