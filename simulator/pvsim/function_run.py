"""Runs a function of an image as if it were called, and tells what it did."""

from __future__ import annotations

from collections.abc import Iterator
from math import copysign, frexp, isfinite
from typing import Final

from pvasm.asm.image import Image, Segment
from pvasm.errors import PvasmError
from pvasm.isa.bundle import SIZE, Bundle
from pvasm.isa.encoding import decode
from pvasm.isa.registers import APPLICATION, NAMES, PSR_FIELDS, PSR_MASKS, REGISTERS, Register
from pvasm.isa.resources import term, width_of_cell
from pvasm.suggestions import near
from pvsim.address_map import AddressMap
from pvsim.machine.float_values import BIAS, SIGN
from pvsim.machine.interruptions import GENERAL_CODES, Interruption, Vector
from pvsim.machine.machine import Machine
from pvsim.machine.memory import PAGE
from pvsim.memory_map import END_BUNDLE
from pvsim.modes import FPSR, MODES
from pvsim.strict_groups import StrictGroups

_ATTRIBUTES: Final = {"r": "gr", "f": "fr", "p": "pr", "b": "br", "ar": "ar", "cr": "cr"}

RETURN: Final = 0x8000
"""Where the function returns to: a bundle with a `break`."""

STUBS: Final = range(RETURN + SIZE, 0x1_0000)
"""Where functions that return at once are, in the place of those of other files."""

STACK: Final = 0x7FFF_0000
"""The stack pointer: the stack grows down from here."""

BACKING_STORE: Final = 0x6000_0000
"""Where registers of frames that do not fit are kept, upwards from here."""

_ARGUMENTS: Final = 8
_NAMED_AT_MOST: Final = 8
_PSR_FIELDS_TOLD: Final = ~(3 << 41)  # all but ri, which is part of where it stopped
_GENERAL_WORDS: Final = {code: f"{name.replace('_', ' ')} fault" for name, code in GENERAL_CODES.items()}


_CONSTANTS: Final = frozenset([("r", 0), ("f", 0), ("f", 1), ("p", 0)])


def bits_of_real(text: str) -> int | None:
    """The 82 bits that a floating-point register has of a real number; None for what is none, or not finite."""
    try:
        value = float(text)
    except ValueError:
        return None
    if not isfinite(value):
        return None
    fraction, power = frexp(abs(value))
    magnitude = BIAS - 1 + power << 64 | int(fraction * 2**64) if value else 0
    return (SIGN if copysign(1, value) < 0 else 0) | magnitude


def _registers_near(name: str) -> str:
    """What to say of a name of no register: which there are of the kind, or what may be meant."""
    known = [each for each, one in REGISTERS.items() if one.file in _ATTRIBUTES]
    kind = name.rstrip("0123456789")
    numbers = [int(each[len(kind) :]) for each in known if each.rstrip("0123456789") == kind and each != kind]
    if numbers and kind != name:
        return f": there are {kind}{min(numbers)} to {kind}{max(numbers)}"
    return f" (did you mean ar.{name}?)" if f"ar.{name}" in known else near(name, known)


def _labels_near(label: str, code: list[Segment], image: Image) -> str:
    """What to say of a label that there is not: what may be meant, or a few that there are."""
    labels = [
        name
        for name, address in image.symbols.items()
        if any(each.address <= address < each.address + len(each.data) for each in code)
    ]
    some = ", ".join(labels[:_NAMED_AT_MOST]) + ", ..." * (len(labels) > _NAMED_AT_MOST)
    return near(label, labels) or (f": there are {some}" if labels else "")


class FunctionRun:
    """A function of an image that is called, with registers and memory to be set before.

    Where addresses are virtual, the first 4 GiB are mapped one to one, for every privilege level, and the 4 GiB around
    each segment of the image that is elsewhere; no other address is, but for what `map_page` adds.
    """

    def __init__(self, image: Image, entry: str | None, mode: str = "sysphys", *, is_strict: bool = False) -> None:
        """`entry` is the label to begin at, `mode` one of `MODES`. Raises PvasmError for a label that there is not.

        Of a run that `is_strict`, groups are checked: a dependency violation in one is an error.
        """
        self.image = image
        self.machine = machine = Machine()
        self.map = AddressMap(image)
        self._load(MODES[mode])
        machine.memory.write(RETURN, END_BUNDLE)
        machine.ip = self._entry(entry)
        machine.psr = MODES[mode]
        level = machine.psr >> 32 & 3
        machine.ar[APPLICATION["rsc"]] = level << 2
        machine.br[0] = RETURN
        machine.gr[1] = image.gp
        machine.gr[12] = STACK
        machine.sof = _ARGUMENTS
        machine.write_bspstore(BACKING_STORE)
        machine.ar[APPLICATION["fpsr"]] = FPSR
        self.psr_before = machine.psr
        self.groups = StrictGroups(machine) if is_strict else None
        self.stopped: Interruption | None = None
        self.before = self._state()
        self.memory_before = {number: bytes(page) for number, page in machine.memory.pages.items()}

    def _load(self, psr: int) -> None:
        """Puts the image in memory. Raises PvasmError where its addresses are virtual, and psr takes them otherwise."""
        found = self.map.in_other_region
        if found is not None and not psr & PSR_MASKS["psr.it"]:
            said = f"{found.name} is at {found.address:#x}, a virtual address: use --mode user or --mode sys"
            raise PvasmError(said, self.image.path)
        for segment in self.image.segments:
            if segment.address < RETURN + SIZE and segment.address + len(segment.data) > RETURN:
                raise PvasmError(f"{segment.name} is at {RETURN:#x}, where the function returns to", self.image.path)
        self.map.install(self.machine)
        for segment in self.image.segments:
            self.machine.memory.write(self.map.physical(segment.address), bytes(segment.data))
        self.machine.forget_code()

    def _entry(self, label: str | None) -> int:
        image = self.image
        code = [each for each in image.segments if each.executable and each.address not in STUBS]
        if not code:
            raise PvasmError("there is no code in this file", image.path)
        if label is not None and label not in image.symbols:
            raise PvasmError(f"--entry: there is no label {label}{_labels_near(label, code, image)}")
        name = "where the program begins" if label is None else f"--entry {label}"
        if label is not None:
            address = image.symbols[label]
        else:
            address = image.symbols.get("_start", code[0].address) if image.entry is None else image.entry
        if not any(each.address <= address < each.address + len(each.data) for each in code):
            raise PvasmError(f"{name} is {address:#x}: there is no code", image.path)
        if address % SIZE:
            raise PvasmError(f"{name} is {address:#x}: bundles are at multiples of {SIZE}", image.path)
        return address

    # -------------------------------------------------------------------------------------- before

    def set_register(self, name: str, value: int) -> None:
        """Puts a value in a register, by its name. Raises PvasmError for a name or value that does not fit."""
        if name == "psr":
            raise PvasmError("--reg: psr is set field by field: psr.ic=0")
        if name.startswith("psr."):
            self._set_status(name, value)
            return
        register = REGISTERS.get(name)
        if name == "ar.bsp":
            raise PvasmError("--reg: ar.bsp follows ar.bspstore: set that")
        if register is None or register.file not in _ATTRIBUTES:
            raise PvasmError(f"--reg: there is no register `{name}' to set{_registers_near(name)}")
        if (register.file, register.number) in _CONSTANTS:
            raise PvasmError(f"--reg: {name} has always the same value, and cannot be set")
        width = width_of_cell(register)
        if not -(1 << (width - 1)) <= value < 1 << width:
            raise PvasmError(f"--reg: {value:#x} is more than {name} holds, {width} bit{'s' * (width > 1)}")
        if register.file == "r" and register.number >= 32:
            self.machine.sof = max(self.machine.sof, register.number - 31)
        if name == "ar.bspstore":
            self.machine.write_bspstore(value & (1 << width) - 1)
            self.before = self._state()
            return
        held: list[int] = getattr(self.machine, _ATTRIBUTES[register.file])
        held[register.number] = value & (1 << width) - 1
        self.before = self._state()

    def _set_status(self, name: str, value: int) -> None:
        """Gives a field of the processor status register a value."""
        low, width = PSR_FIELDS.get(name.removeprefix("psr."), (0, 0))
        if not width:
            from pvasm.suggestions import near

            raise PvasmError(f"--reg: there is no field {name}{near(name, [f'psr.{each}' for each in PSR_FIELDS])}")
        if not 0 <= value < 1 << width:
            raise PvasmError(f"--reg: {value:#x} is more than the {width} bit{'s' * (width > 1)} of {name}")
        kept = self.machine.psr & ~((1 << width) - 1 << low)
        self.machine.set_psr(kept | value << low)
        self.psr_before = self.machine.psr

    def map_page(self, address: int) -> None:
        """Maps the 4 GiB around an address, too, for every privilege level, to memory of their own.

        Raises PvasmError where addresses are physical, and for an address that there is no room for.
        """
        if not self.machine.psr & PSR_MASKS["psr.dt"]:
            raise PvasmError(f"--map {address:#x}: addresses are physical: use --mode user or --mode sys")
        try:
            self.map.extend(address, self.machine)
        except PvasmError as error:
            raise PvasmError(f"--map: {error.message}") from None

    def set_memory(self, address: int, data: bytes) -> None:
        """Puts bytes in memory. Raises PvasmError for an address that no code of this run can reach."""
        end = address + len(data)
        if self.machine.psr & PSR_MASKS["psr.dt"]:
            for each in (address, end - 1):
                if not self.map.is_mapped(each):
                    raise PvasmError(f"--mem: no page is mapped at {each:#x}: --map {each:#x} maps one")
        elif not 0 <= address <= end <= 1 << self.machine.configuration.physical_bits:
            said = "addresses are physical, unless --mode is user or sys"
            raise PvasmError(f"--mem: there is no memory at {address:#x}: {said}")
        if address < RETURN + SIZE and end > RETURN:
            raise PvasmError(f"--mem: the function returns to {RETURN:#x}: nothing else may be there")
        memory = self.machine.memory
        memory.write(self.map.physical(address), data)
        self.memory_before = {number: bytes(page) for number, page in memory.pages.items()}

    # --------------------------------------------------------------------------------------- running

    def finish(self, most: int) -> bool:
        """Runs on until `most` instructions have been executed; whether the function returned.

        Raises PvasmError for a dependency violation, if it is to be strict.
        """
        machine = self.machine
        while self.groups is not None and self.stopped is None and machine.instructions < most:
            self._check_group()
            self.stopped = machine.run(1)
        if self.stopped is None:
            self.stopped = self.machine.run(most - self.machine.instructions)
        stopped = self.stopped
        return stopped is not None and stopped.vector == Vector.BREAK_INSTRUCTION and self.machine.ip & ~15 == RETURN

    def trace(self, most: int) -> Iterator[str]:
        """Runs an instruction at a time; a line for each but nops."""
        machine = self.machine
        while machine.instructions < most and self.stopped is None:
            self._check_group()
            before, ip = self._state(), machine.ip
            self.stopped = machine.run(1)
            if ip & ~15 == RETURN:
                return
            text = self._text(ip)
            if text.startswith("nop"):  # most of them fill bundles, and nobody wrote them
                continue
            changed = ", ".join(f"{name} = {value}" for name, value in self._changes(before, self._state()))
            yield f"{self._where(ip):32} {text:40} {changed}".rstrip()

    def _check_group(self) -> None:
        """Raises PvasmError where the next instruction violates a dependency, if that is looked at."""
        if self.groups is None:
            return
        try:
            found = self.groups.violation()
        except Interruption:  # where code cannot be fetched there is none
            return
        if found is None:
            return
        violation, first, second = found
        does = "reads" if violation.kind == "RAW" else "writes"
        name = term(violation.resource)
        line = self.image.line_of(second)
        raise PvasmError(
            f"`{self._text(second)}' {does} {name}, which `{self._text(first)}' at {self._where(first)} has written in "
            "the same group: a stop, ;;, is needed between them",
            *(line or (None, None)),
        )

    def _text(self, ip: int) -> str:
        bundle = Bundle.of(self.machine.memory.read(self.map.physical(ip & ~15), SIZE))
        for slot, unit, bits in bundle.instructions():
            if slot == ip & 3:
                found = decode(bits, unit, ip & ~15)
                return found.full_text if found is not None else "(no instruction)"
        return "(no bundle)"

    def _where(self, ip: int) -> str:
        name = self.image.symbol_of(ip & ~15) or f"{ip & ~15:#x}"
        line = self.image.line_of(ip)
        return f"{name}" + (f" ({line[0]}:{line[1]})" if line else "")

    # ---------------------------------------------------------------------------------------- after

    def told(self) -> Iterator[str]:
        """What has changed, why it stopped, and how much was executed; a line each."""
        for name, value in self._changes(self.before, self._state()):
            yield f"{name} = {value}"
        psr = self.machine.psr
        if (psr ^ self.psr_before) & _PSR_FIELDS_TOLD:
            yield f"psr = {psr:#x}"
        yield from self._memory_changes()
        machine = self.machine
        for note in machine.notes:
            yield f"note: {note.told(self._where)}"
        counts = (machine.instructions, machine.groups, machine.bundles)
        yield f"{self._reason()}; instructions {counts[0]}, groups {counts[1]}, bundles {counts[2]}"

    def _reason(self) -> str:
        stopped = self.stopped
        if stopped is None:
            return f"not at an end after {self.machine.instructions} instructions, at {self._where(self.machine.ip)}"
        if self.machine.ip & ~15 == RETURN:
            return "returned"
        ip = self.machine.ip
        if not any(each.address <= ip < each.address + len(each.data) for each in self.image.segments):
            before = self.machine.last_executed
            origin = f" from {self._where(before)}" if before else ""
            return f"there is no code at {ip & ~15:#x}, where control went{origin}"
        what = str(stopped)
        if stopped.immediate is not None:
            what = f"break {stopped.immediate:#x}"
        elif stopped.vector == Vector.GENERAL_EXCEPTION:
            what = _GENERAL_WORDS.get(stopped.code & 0xF0, what)
            if stopped.address is not None and stopped.code & 0xF0 == GENERAL_CODES["reserved_register_field"]:
                what = "unimplemented data address fault"
        reached = "" if stopped.address in (None, ip, ip & ~15) else f", address {stopped.address:#x}"
        return f"{what} at {self._where(ip)}{reached}"

    def _state(self) -> dict[str, list[int]]:
        machine = self.machine
        return {
            **{file: list(getattr(machine, attribute)) for file, attribute in _ATTRIBUTES.items()},
            "nat": list(machine.nat),
        }

    def _changes(self, before: dict[str, list[int]], after: dict[str, list[int]]) -> Iterator[tuple[str, str]]:
        for file in _ATTRIBUTES:
            for number, (old, new) in enumerate(zip(before[file], after[file], strict=True)):
                nat = file == "r" and after["nat"][number]
                if old != new or (file == "r" and before["nat"][number] != after["nat"][number]):
                    register = Register(file, number)
                    yield NAMES.get(register) or register.text, "NaT" if nat else f"{int(new):#x}"

    def _memory_changes(self) -> Iterator[str]:
        for number, page in sorted(self.machine.memory.pages.items()):
            old = self.memory_before.get(number, bytes(PAGE))
            if old == page:
                continue
            for at in range(0, PAGE, 8):
                if old[at : at + 8] != page[at : at + 8]:
                    yield f"[{self.map.virtual(number * PAGE + at):#x}] = {page[at : at + 8].hex()}"
