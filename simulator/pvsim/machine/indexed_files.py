"""The register files that an instruction reaches by an index in a register (SDM vol. 2, 3.3)."""

from __future__ import annotations

from pvsim.machine.interruptions import fault
from pvsim.machine.state import State

_GENERIC_COUNTERS = range(4, 64)
_PM = 1 << 6
_SP = 1 << 20


class IndexedFiles(State):
    """Calls of programs about indexed files."""

    def check_indexed(self, file: str, index: int) -> None:
        """Raises Interruption for a register that a file has not."""
        if file != "rr" and index & 0xFF >= self.configuration.counts[file]:
            raise fault("reserved_register_field")

    def check_indexed_value(self, file: str, index: int, value: int) -> None:
        """Raises Interruption for a value that the register does not take."""
        model = self.configuration
        if file == "rr":
            reserved = 0b10 | -1 << 8 + model.region_id_bits
            refused = value & reserved or value >> 2 & 0x3F not in model.page_sizes
        else:
            refused = file == "pkr" and value & (0xF0 | -1 << 8 + model.key_bits)
        if refused:
            raise fault("reserved_register_field")

    def read_indexed(self, file: str, index: int) -> int:
        """A register's value."""
        if file == "rr":
            return self.rr[index >> 61]
        number = index & 0xFF
        if file == "pmd" and self._hides_counter(number):
            return 0
        return self.files[file][number]

    def write_indexed(self, file: str, index: int, value: int) -> None:
        """Sets a register. A key that another valid protection key register has leaves that one (SDM 3:2, mov)."""
        if file == "rr":
            self.rr[index >> 61] = value
        else:
            registers = self.files[file]
            if file == "pkr":
                for other, held in enumerate(registers):
                    if held & 1 and held >> 8 == value >> 8:
                        registers[other] = held & ~1
            registers[index & 0xFF] = value
        self.reach_changed("di")  # regions, keys and debug registers have a say in it

    def _hides_counter(self, number: int) -> bool:
        """Whether a performance counter reads as 0 at the level that code has now."""
        if not self.psr >> 32 & 3:
            return False
        return bool(self.psr & _SP or (number in _GENERIC_COUNTERS and self.files["pmc"][number] & _PM))
