"""A guest in miniature: runs the instructions that the xen and trap instances use, one after the other.

Just enough of the machine to see what an expansion does: general registers with NaT bits, predicates, ar.unat, the
shared page, what a hypervisor's call does to r8, and what it answers where an instruction faults. Each run checks that
no group reads or writes a register that it has written before.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

PAGE = 0xFFFFFFFFFFF04000
MASK = (1 << 64) - 1
BYTES = {"1": 1, "4": 4, "8": 8}

_LINE = re.compile(r"(?:\((?P<qp>p\d+)\)\s*)?(?P<mnemonic>[a-z][\w.]*)\s*(?P<operands>.*)")


@dataclass
class Guest:
    """The guest's state.

    `results` are what calls leave in r8, `calls` their numbers, with r8 and r9 then; `special` are the registers other
    than general ones that a plain `mov` reads.
    """

    registers: dict[str, int] = field(default_factory=dict)
    nats: set[str] = field(default_factory=set)
    predicates: dict[str, bool] = field(default_factory=dict)
    unat: int = 0
    itc: int = 1000
    special: dict[str, int] = field(default_factory=dict)
    memory: dict[int, int] = field(default_factory=dict)  # a byte an address
    results: dict[int, int] = field(default_factory=dict)
    calls: list[tuple[int, int, int]] = field(default_factory=list)
    user_mask: set[str] = field(default_factory=set)
    written: set[str] = field(default_factory=set)

    def load(self, address: int, size: int) -> int:
        return int.from_bytes(bytes(self.memory.get(address + i, 0) for i in range(size)), "little")

    def store(self, address: int, value: int, size: int) -> None:
        for i, byte in enumerate((value & MASK).to_bytes(8, "little")[:size]):
            self.memory[address + i] = byte

    def read(self, name: str) -> int:
        """The value of a general register."""
        return 0 if name == "r0" else self.registers[name]

    def run(self, lines: Iterable[str]) -> Guest:
        for line in lines:
            for part in re.split(r"(;;|;)", line):
                if part == ";;":
                    self.written.clear()
                elif part.strip() not in ("", ";"):
                    self._step(part.strip())
        return self

    def _read(self, name: str) -> int:
        assert name not in self.written, f"{name} is read in the group that writes it"
        if name == "r0":
            return 0
        if re.fullmatch(r"r\d+", name):
            return self.registers.get(name, 0)
        return int(name, 0) & MASK

    def _write(self, name: str, value: int, *, nat: bool = False) -> None:
        assert name not in self.written, f"{name} is written twice in a group"
        assert name != "r0"
        self.written.add(name)
        self.registers[name] = value & MASK
        (self.nats.add if nat else self.nats.discard)(name)

    def _step(self, line: str) -> None:
        if line.startswith("."):
            return
        found = _LINE.fullmatch(line)
        assert found, line
        mnemonic = found["mnemonic"]
        outputs, _, inputs = (found["operands"] if "=" in found["operands"] else f"={found['operands']}").partition("=")
        out = [word.strip() for word in outputs.split(",") if word.strip()]
        given = [word.strip() for word in inputs.split(",") if word.strip()]
        qualifying = found["qp"] or "p0"
        assert qualifying not in self.written
        holds = qualifying == "p0" or self.predicates.get(qualifying, False)
        if mnemonic.startswith("cmp"):
            self._compare(mnemonic, out, given, holds)
        elif holds:
            self._execute(mnemonic.split("."), out, given)

    def _compare(self, mnemonic: str, out: list[str], given: list[str], holds: bool) -> None:
        left, right = (self._read(word) for word in given)
        truth = {"geu": left >= right, "eq": left == right, "ne": left != right}[mnemonic.split(".")[1]]
        for name, value in zip(out, (truth, not truth), strict=True):
            if name != "p0" and (holds or mnemonic.endswith(".unc")):
                self.predicates[name] = holds and value
                self.written.add(name)

    def _execute(self, mnemonic: list[str], out: list[str], given: list[str]) -> None:
        match mnemonic:
            case ["mov"] if out == ["ar.unat"]:
                assert "ar.unat written" not in self.written
                self.unat = self._read(given[0])
                self.written.add("ar.unat")
            case ["mov"] if given == ["ar.unat"]:
                assert not self.written & {"ar.unat", "unat bit"}
                self._write(out[0], self.unat)
            case ["mov"] if given == ["ar.itc"]:
                self._write(out[0], self.itc)
            case ["mov"] if given[0] in self.special:
                self._write(out[0], self.special[given[0]])
            case ["mov" | "movl"]:
                self._write(out[0], self._read(given[0]), nat=given[0] in self.nats)
            case ["add" | "adds" | "sub" | "shl" | "shr" | "shladd" | "shrp" | "extr" | "dep", *_]:
                result = _computed(".".join(mnemonic), [self._read(word) for word in given])
                self._write(out[0], result, nat=any(word in self.nats for word in given))
            case ["break"] | ["break", "m"]:
                # Interruptions are precise: what the group did so far has happened.
                number = int(given[0], 0)
                self.calls.append((number, self.registers.get("r8", 0), self.registers.get("r9", 0)))
                if number in self.results:
                    self._write("r8", self.results[number]) if "r8" not in self.written else self._result(number)
            case ["sum"]:
                self.user_mask.add(given[0])
            case ["srlz", _]:
                pass
            case [load, *rest] if load.startswith("ld"):
                address = self._consume(given[0].strip("[]"))
                nat = False
                if rest == ["fill"]:
                    assert "ar.unat" not in self.written
                    nat = bool(self.unat >> (address >> 3 & 63) & 1)
                self._write(out[0], self.load(address, BYTES[load[2]]), nat=nat)
                self._increment(given[0], given[1:])
            case [store, *rest] if store.startswith("st"):
                address, source = self._consume(out[0].strip("[]")), given[0]
                if rest == ["spill"]:
                    bit = 1 << (address >> 3 & 63)
                    self.unat = self.unat | bit if source in self.nats else self.unat & ~bit
                    self.written.add("unat bit")
                else:
                    assert source not in self.nats, "a NaT is consumed"
                self.store(address, self._read(source), BYTES[store[2]])
                self._increment(out[0], given[1:])
            case _:
                raise AssertionError(mnemonic)

    def _consume(self, name: str) -> int:
        assert name not in self.nats, "a NaT is consumed"
        return self._read(name)

    def _result(self, number: int) -> None:
        self.registers["r8"] = self.results[number]

    def _increment(self, address: str, increment: list[str]) -> None:
        if increment:
            name = address.strip("[]")
            self._write(name, self._read(name) + int(increment[0], 0))


def _computed(mnemonic: str, given: list[int]) -> int:
    """What an instruction makes of its inputs (SDM vol. 3), before it is cut to 64 bits."""
    match mnemonic, given:
        case "add" | "adds", [left, right]:
            return left + right
        case "sub", [left, right]:
            return left - right
        case "shl", [value, count]:
            return value << count if count < 64 else 0
        case "shr.u", [value, count]:
            return value >> count
        case "shladd", [value, count, more]:
            return (value << count) + more
        case "shrp", [high, low, count]:
            return (high << 64 | low) >> count
        case "extr.u", [value, position, length]:
            return value >> position & (1 << length) - 1
        case "dep", [part, value, position, length]:
            mask = (1 << length) - 1
            return value & ~(mask << position) | (part & mask) << position
    raise AssertionError(mnemonic)
