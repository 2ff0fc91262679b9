"""How the register stack reaches its backing store (SDM vol. 2, 6.5 and 6.7): as virtual memory, if psr.rt says so."""

from __future__ import annotations

from typing import Final

from pvasm.isa.registers import APPLICATION
from pvsim.machine.data_access import DataAccess
from pvsim.machine.interruptions import READ, REGISTER_STACK, WRITE, Interruption, Vector
from pvsim.machine.register_stack import RegisterStack
from pvsim.machine.translation import unimplemented

_RSC: Final = APPLICATION["rsc"]
_LEVEL_AT: Final = 2  # of ar.rsc: pl
_WORD: Final = 8
_UNCACHED: Final = 1 << 63  # of a physical address
_OFFSET: Final = (1 << 61) - 1
_DB, _RT, _DD = 1 << 24, 1 << 27, 1 << 39  # of psr


class BackingStore(DataAccess, RegisterStack):
    """Loads and stores of the register stack, each of eight bytes that are aligned."""

    def load_rse(self, address: int) -> int:
        """A word of the backing store. Raises Interruption, of which cr.isr says that it is the register stack's."""
        physical = self._place(address, READ | REGISTER_STACK)
        return int.from_bytes(self.memory.read(physical, _WORD), self.rse_order)

    def store_rse(self, address: int, value: int) -> None:
        """Stores a word into the backing store. Raises Interruption, as `load_rse` does."""
        physical = self._place(address, WRITE | REGISTER_STACK)
        self.write_bytes(physical, value.to_bytes(_WORD, self.rse_order))

    def _place(self, address: int, access: int) -> int:
        """The physical address of a word, which is reached at the level of ar.rsc.pl."""
        level = self.ar[_RSC] >> _LEVEL_AT & 3
        if not self.psr & _RT:
            if (address & ~_UNCACHED) >> self.configuration.physical_bits:
                raise unimplemented(address, access)
            physical = address & ~_UNCACHED
        else:
            for interruption in self.page_conditions(address, access, level):
                raise interruption
            physical = self.found_translation(address, access).physical(address & _OFFSET)
        if self.psr & (_DB | _DD) == _DB and self.is_watched(address, _WORD, access, level):
            raise Interruption(Vector.DEBUG, access, address)
        return physical
