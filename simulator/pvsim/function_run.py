"""Runs a function of an image as if it were called, and tells what it did."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from math import copysign, frexp, isinf, isnan
from typing import Final

from pvasm.asm.image import Image, Segment
from pvasm.errors import PvasmError
from pvasm.isa.bundle import SIZE, Bundle
from pvasm.isa.encoding import decode
from pvasm.isa.registers import APPLICATION, PSR_FIELDS, PSR_MASKS, REGISTERS, Register
from pvasm.isa.resources import term, width_of_cell
from pvasm.regex import regex
from pvasm.suggestions import near
from pvsim.address_map import AddressMap
from pvsim.machine.float_values import BIAS, INFINITY, NATVAL, QUIET_BIT, SIGN
from pvsim.machine.instruction_fetch import UNIMPLEMENTED
from pvsim.machine.interruptions import EXECUTE, FAULTS, GENERAL_CODES, MANUAL_NAMES, Interruption, Vector
from pvsim.machine.machine import Machine
from pvsim.machine.memory import PAGE
from pvsim.memory_map import END_BUNDLE
from pvsim.modes import FPSR, MODES
from pvsim.settable_registers import FILES, is_reserved, name_of, putting
from pvsim.strict_groups import StrictGroups

RETURN: Final = 0x8000
"""Where the function returns to: a bundle with a `break`."""

STUBS: Final = range(RETURN + SIZE, 0x1_0000)
"""Where functions that return at once are, in the place of those of other files."""

STACK: Final = 0x7FFF_0000
"""The stack pointer: the stack grows down from here."""

BACKING_STORE: Final = 0x6000_0000
"""Where registers of frames that do not fit are kept, upwards from here."""

_ARGUMENTS: Final = 8
_SLICE: Final = 100_000
"""So many instructions are executed before it is looked how much memory they have written."""
_MOST_MEMORY: Final = 1 << 30
_MOST_WORDS_TOLD: Final = 1 << 14
_STACKED: Final = 32
_LAST_SLOT: Final = 2
_NAMED_AT_MOST: Final = 8
_STATUS: Final = [(f"psr.{name}", low, width) for name, (low, width) in PSR_FIELDS.items() if name != "ri"]
"""The fields that are told of: all but ri, which is part of where it stopped."""
_GENERAL_WORDS: Final = {code: f"{name.replace('_', ' ')} fault" for name, code in GENERAL_CODES.items()}


_CONSTANTS: Final = frozenset([("r", 0), ("f", 0), ("f", 1), ("p", 0)])
_PENDING: Final = "it tells of interrupts, of which none is pending"
_READ_ONLY: Final = {
    "ar.bsp": "ar.bsp follows ar.bspstore: set that",
    **{f"cr.{name}": f"cr.{name} cannot be set: {_PENDING}" for name in ("ivr", "eoi", "irr0", "irr1", "irr2", "irr3")},
}
_ELSEWHERE: Final = {
    "ip": "--entry says where to begin",
    "pr": "predicates are set one by one: p6=1",
    "pr.rot": "predicates are set one by one: p16=1",
    "cfm": "the frame has 8 registers from r32 on, and those that --reg names",
    "psr.l": "psr is set field by field: psr.ic=0",
    "psr.um": "psr is set field by field: psr.ac=1",
}
_INPUT: Final = regex(r"in(?P<number>[0-9]|[1-8][0-9]|9[0-5])")
_OF_FRAME: Final = regex(r"(?:in|loc|out)[0-9]+")
_INDEXED: Final = regex(r"(?:rr|pkr|dbr|ibr|pmc|pmd|cpuid|dtr|itr|dahr)\[[0-9]+\]")
_MARKER: Final = ("sof", "sol", "sor", "rrb_gr", "rrb_fr", "rrb_pr")


def bits_of_real(text: str) -> int | None:
    """The 82 bits that a floating-point register has of a real number, an infinity, or a NaN; None for what is none."""
    try:
        value = float(text)
    except ValueError:
        return None
    if isinf(value) or isnan(value):
        magnitude = INFINITY | (QUIET_BIT if isnan(value) else 0)
    else:
        fraction, power = frexp(abs(value))
        magnitude = BIAS - 1 + power << 64 | int(fraction * 2**64) if value else 0
    return (SIGN if copysign(1, value) < 0 else 0) | magnitude


def _registers_near(name: str) -> str:
    """What to say of a name of no register: which there are of the kind, or what may be meant."""
    if name in _ELSEWHERE:
        return f": {_ELSEWHERE[name]}"
    known = [each for each, one in REGISTERS.items() if one.file in FILES]
    if _OF_FRAME.fullmatch(name):
        return ": the code makes its frame itself; what it is given is in in0 to in7, r32 to r39"
    if _INDEXED.fullmatch(name):
        return ": a scenario sets it (--scenario)"
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


def _address_named(label: str) -> int | None:
    """The address that is written in the place of a label, where code has no names; None if it is none."""
    try:
        return int(label, 0)
    except ValueError:
        return None


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
        name = "where the program begins" if label is None else f"--entry {label}"
        if label is not None:
            known = label.removesuffix("#")
            address = image.symbols[known] if known in image.symbols else _address_named(label)
            if address is None:
                raise PvasmError(f"--entry: there is no label {label}{_labels_near(known, code, image)}")
        else:
            address = image.symbols.get("_start", code[0].address) if image.entry is None else image.entry
        if label is None and address == image.entry == 0:  # as ELF says that there is none
            raise PvasmError("says nowhere where to begin: --entry names a label or an address", image.path)
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
        register = self.register(name)
        own = name_of(register)
        if own in _READ_ONLY:
            raise PvasmError(f"--reg: {_READ_ONLY[own]}")
        width = width_of_cell(register)
        if not -(1 << (width - 1)) <= value < 1 << width:
            raise PvasmError(f"--reg: {value:#x} is more than {name} holds, {width} bit{'s' * (width > 1)}")
        value &= (1 << width) - 1
        if register.file in ("ar", "cr"):
            from pvasm.isa.semantics.moves import refused_value

            wrong = refused_value(register, value)
            if wrong is not None:
                raise PvasmError(f"--reg: {name} cannot be {value:#x}: {wrong}")
        putting(register)(self.machine, value)
        self.before = self._state()

    def set_nat(self, name: str) -> None:
        """Makes a general register Not a Thing, and gives a floating-point register NaTVal. Raises PvasmError."""
        register = self.register(name)
        if register.file == "f":
            self.set_register(name, NATVAL)
            return
        if register.file != "r":
            raise PvasmError(f"--reg: {name} has no NaT")
        self.set_register(name, 0)
        self.machine.nat[register.number] = 1
        self.before = self._state()

    @staticmethod
    def register(name: str) -> Register:
        """The register of a name, `in0` among them. Raises PvasmError for one that cannot be set."""
        given = _INPUT.fullmatch(name)
        register = Register("r", _STACKED + int(given["number"])) if given else REGISTERS.get(name)
        if register is None or register.file not in FILES:
            raise PvasmError(f"--reg: there is no register `{name}' to set{_registers_near(name)}")
        if is_reserved(register):
            raise PvasmError(f"--reg: {name} is reserved: there is nothing to set")
        if (register.file, register.number) in _CONSTANTS:
            raise PvasmError(f"--reg: {name} has always the same value, and cannot be set")
        return register

    def _set_status(self, name: str, value: int) -> None:
        """Gives a field of the processor status register a value."""
        low, width = PSR_FIELDS.get(name.removeprefix("psr."), (0, 0))
        if not width:
            raise PvasmError(f"--reg: there is no field {name}{near(name, [f'psr.{each}' for each in PSR_FIELDS])}")
        if not 0 <= value < 1 << width:
            raise PvasmError(f"--reg: {value:#x} is more than the {width} bit{'s' * (width > 1)} of {name}")
        if name == "psr.ri":
            if value > _LAST_SLOT:
                raise PvasmError(f"--reg: psr.ri is a slot of a bundle, from 0 to {_LAST_SLOT}")
            self.machine.ip = self.machine.ip & ~3 | value
            return
        if name == "psr.is" and value:
            raise PvasmError("--reg: psr.is=1 is for the IA-32 instruction set, which is not simulated")
        kept = self.machine.psr & ~((1 << width) - 1 << low)
        self.machine.set_psr(kept | value << low)
        self.before = self._state()

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
            if end > 1 << 64:
                raise PvasmError(f"--mem: there are no {len(data)} bytes from {address:#x} on")
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

    def text_at(self, address: int, most: int) -> str:
        """The text in memory from an address on, up to a 0. Raises PvasmError where there is no memory.

        A text that has no end within `most` bytes ends in dots.
        """
        self.check_text(address)
        text, zero, _ = self.machine.memory.read(self.map.physical(address), most).partition(b"\0")
        return text.decode("utf-8", "replace") + ("" if zero else "...")

    def check_text(self, address: int) -> None:
        """Raises PvasmError for an address where there is no memory."""
        if self.machine.psr & PSR_MASKS["psr.dt"]:
            if not self.map.is_mapped(address):
                raise PvasmError(f"--text: no page is mapped at {address:#x}: --map {address:#x} maps one")
        elif not 0 <= address < 1 << self.machine.configuration.physical_bits:
            said = "addresses are physical, unless --mode is user or sys"
            raise PvasmError(f"--text: there is no memory at {address:#x}: {said}")

    # --------------------------------------------------------------------------------------- running

    def finish(self, most: int) -> bool:
        """Runs on until `most` instructions have been executed; whether the function returned.

        Raises PvasmError for a dependency violation, if it is to be strict.
        """
        machine = self.machine
        while self.groups is not None and self.stopped is None and not self.is_full and machine.instructions < most:
            self._check_group()
            self.stopped = machine.run(1)
        while self.stopped is None and not self.is_full and machine.instructions < most:
            self.stopped = machine.run(min(_SLICE, most - machine.instructions))
        return self.has_returned

    @property
    def is_full(self) -> bool:
        """Whether it has written more memory than a run gets."""
        return len(self.machine.memory.pages) * PAGE > _MOST_MEMORY

    @property
    def has_returned(self) -> bool:
        """Whether the function has returned to its caller."""
        stopped = self.stopped
        return stopped is not None and stopped.vector == Vector.BREAK_INSTRUCTION and self.machine.ip & ~15 == RETURN

    def trace(self, most: int) -> Iterator[str]:
        """Runs an instruction at a time; a line for each but nops."""
        machine = self.machine
        before, memory = self._state(), {number: bytes(page) for number, page in machine.memory.pages.items()}
        while machine.instructions < most and self.stopped is None and not self.is_full:
            self._check_group()
            ip, text = machine.ip, self._text(machine.ip)
            self.stopped = machine.run(1)
            if ip & ~15 == RETURN:
                return
            after = self._state()
            changes = [*self._changes(before, after), *self._memory_changes(memory)]
            before = after
            if text.startswith("nop") and self.stopped is None and not changes:
                continue  # most of them fill bundles, and nobody wrote them
            told = [f"{name} = {value}" for name, value in changes]
            if self.stopped is not None:
                told.append(_manual_name(self.stopped))
            changed = ", ".join(told)
            memory.update((number, bytes(machine.memory.pages[number])) for number in self._changed_pages(memory))
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
        after = self._state()
        if self.has_returned:  # to a frame of the caller's, of which the function knows nothing
            after["cfm"] = self.before["cfm"]
        for name, value in self._changes(self.before, after):
            yield f"{name} = {value}"
        words = self._memory_changes(self.memory_before)
        yield from (f"{place} = {data}" for place, data in islice(words, _MOST_WORDS_TOLD))
        if next(words, None) is not None:
            yield "and more words of memory"
        machine = self.machine
        for note in machine.notes:
            yield f"note: {note.told(self._where)}"
        counts = (machine.instructions, machine.groups, machine.bundles)
        yield f"{self._reason()}; instructions {counts[0]}, groups {counts[1]}, bundles {counts[2]}"

    def _reason(self) -> str:
        stopped = self.stopped
        if stopped is None and self.is_full:
            return f"more than {_MOST_MEMORY >> 20} MiB of memory are written, at {self._where(self.machine.ip)}"
        if stopped is None:
            return f"not at an end after {self.machine.instructions} instructions, at {self._where(self.machine.ip)}"
        if self.machine.ip & ~15 == RETURN:
            return "returned"
        ip = self.machine.ip
        if not any(each.address <= ip < each.address + len(each.data) for each in self.image.segments):
            before = self.machine.last_executed
            origin = f" from {self._where(before)}" if before else ""
            return f"there is no code at {ip & ~15:#x}, where control went{origin}"
        what = _manual_name(stopped)
        if stopped.vector == Vector.BREAK_INSTRUCTION:  # what it is, the number says
            return f"{what} at {self._where(ip)}"
        reached = "" if stopped.address in (None, ip, ip & ~15) else f", address {stopped.address:#x}"
        return f"{what} at {self._where(ip)}{reached}, isr {self.machine.isr_of(stopped):#x}"

    def _state(self) -> dict[str, list[int]]:
        machine = self.machine
        return {
            **{file: list(getattr(machine, attribute)) for file, attribute in FILES.items()},
            "nat": list(machine.nat),
            "psr": [machine.psr],
            "cfm": [getattr(machine, name) for name in _MARKER],
            "rr": list(machine.rr),
            **{file: list(values) for file, values in machine.files.items()},
        }

    def _changes(self, before: dict[str, list[int]], after: dict[str, list[int]]) -> Iterator[tuple[str, str]]:
        for file in FILES:
            if before[file] == after[file] and (file != "r" or before["nat"] == after["nat"]):
                continue
            for number, (old, new) in enumerate(zip(before[file], after[file], strict=True)):
                nat = file == "r" and after["nat"][number]
                if old != new or (file == "r" and before["nat"][number] != after["nat"][number]):
                    register = Register(file, number)
                    yield name_of(register), "NaT" if nat else f"{int(new):#x}"
        for name, old, new in zip(_MARKER, before["cfm"], after["cfm"], strict=True):
            if old != new:
                yield f"cfm.{name.replace('_', '.')}", f"{new:#x}"
        status_before, status = before["psr"][0], after["psr"][0]
        for name, low, width in _STATUS if status_before != status else ():
            if (status_before ^ status) >> low & (1 << width) - 1:
                yield name, f"{status >> low & (1 << width) - 1:#x}"
        for file in ("rr", *self.machine.files):
            for number, (old, new) in enumerate(zip(before[file], after[file], strict=True)):
                if old != new:
                    yield f"{file}[{number}]", f"{new:#x}"

    def _changed_pages(self, before: dict[int, bytes]) -> list[int]:
        """The pages of memory that are no longer what they were."""
        zeros = bytes(PAGE)
        return [
            number for number, page in sorted(self.machine.memory.pages.items()) if before.get(number, zeros) != page
        ]

    def _memory_changes(self, before: dict[int, bytes]) -> Iterator[tuple[str, str]]:
        """Where memory has changed, by its address, and the 8 bytes that are there now."""
        for number in self._changed_pages(before):
            old, page = before.get(number, bytes(PAGE)), self.machine.memory.pages[number]
            start = self.map.virtual(number * PAGE)
            for at in range(0, PAGE, 8):
                if old[at : at + 8] != page[at : at + 8]:
                    yield f"[{start + at:#x}]", page[at : at + 8].hex()


def _manual_name(stopped: Interruption) -> str:
    """What the manual calls an interruption."""
    code = stopped.code
    if stopped.vector == Vector.GENERAL_EXCEPTION:
        if stopped.address is not None and code & 0xF0 == GENERAL_CODES["reserved_register_field"]:
            return "unimplemented data address fault"
        return _GENERAL_WORDS.get(code & 0xF0, f"{stopped} fault")
    of_code = "instruction" if code & EXECUTE else "data"
    if stopped.vector == Vector.NAT_CONSUMPTION:
        is_register = code & 0xF0 == FAULTS["register_nat_consumption"][1]
        return "register NaT consumption fault" if is_register else f"{of_code} NaT page consumption fault"
    if stopped.vector == Vector.DEBUG:
        return f"{of_code} debug fault"
    if stopped.vector == Vector.LOWER_PRIVILEGE_TRANSFER_TRAP and code & UNIMPLEMENTED:
        return "unimplemented instruction address trap"
    if stopped.vector == Vector.BREAK_INSTRUCTION and stopped.immediate is not None:
        return f"break {stopped.immediate:#x}"
    named = f"{stopped} fault".replace("tlb", "TLB").replace("vhpt", "VHPT")
    return MANUAL_NAMES.get(stopped.vector, named)
