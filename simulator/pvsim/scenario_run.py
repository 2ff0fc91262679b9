"""Runs a variant from a scenario, in its environment, and tells what its kernel can observe afterwards."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Final

from msgspec import Struct, field

from pvasm.asm.image import Image
from pvasm.errors import PvasmError
from pvasm.isa.bundle import SIZE
from pvasm.isa.registers import APPLICATION, CONTROL, PSR_FIELDS, Register
from pvasm.paravirt.instance import Instance
from pvasm.paravirt.loading import load_instance
from pvasm.suggestions import near
from pvasm.text import read_text
from pvsim.address_map import AddressMap
from pvsim.environments.choice import environment_of
from pvsim.environments.environment import Environment
from pvsim.environments.shared_page import PLACE
from pvsim.function_run import BACKING_STORE, RETURN, STACK
from pvsim.machine.configuration import Configuration
from pvsim.machine.interruptions import Interruption, Vector
from pvsim.machine.machine import Machine
from pvsim.machine.memory import PAGE, Device, Memory
from pvsim.machine.translation_cache import Translation
from pvsim.memory_map import END_BUNDLE
from pvsim.modes import FPSR, MODES
from pvsim.scenario import (
    COUNTS as COUNTS_OF_FILES,
)
from pvsim.scenario import (
    MEMORY_BITS,
    Expected,
    Scenario,
    ScenarioError,
    Steps,
    Value,
    bytes_of,
    check_register,
    check_room,
    cut,
    in_bank,
    number_of,
    own_name,
    put_nat,
    put_page,
    put_register,
    width_of,
)
from pvsim.scenario_contradictions import Range, check_apart, check_pages
from pvsim.source_image import image_of_variant
from pvsim.strict_groups import StrictGroups

VECTORS: Final = 0x0200_0000
"""Where the interruption vectors are, unless a scenario names its own."""

CODE: Final = 0x00C0_0000
"""Where a variant's code is: no number that is likely to be anything else, and within reach of what returns at once."""

COUNTS: Final = 0x0210_0000
"""Where interrupts are counted, 8 bytes a vector."""

VIOLATION: Final = "dependency violation: "
"""How an end begins where registers are used too early."""

RETURNED: Final = "return"
"""How an end is told where the code returns to what called it."""

REFUSED: Final = "refused: "
"""How an end begins where the environment does not take what the guest does."""

NO_END: Final = "instructions without an end"
"""How an end is told that is none."""

INTERRUPTION: Final = "interruption: "
"""How an end begins that is an interruption."""

_EXTERNAL: Final = Vector.EXTERNAL_INTERRUPT.name.lower()
MEMORY: Final = "memory at "
"""How the items begin that are words of memory."""

_AS_BEGUN: Final = "what it was"
_WORD: Final = (1 << 64) - 1
_TABLE: Final = 0x8000
_TAGS_FROM: Final = 24
"""Runs are on a model whose tags are those that Xen's guests make for themselves: so that these can be compared."""

_VECTOR: Final = 0x100
_BANK: Final = 1 << PSR_FIELDS["bn"][0]
_NOT_TOLD: Final = frozenset(["iipa", "iib0", "iib1", "ivr", "eoi", "lid"])
"""Control registers that say where code is, to the bundle, or are no state."""

_INDEXED_FILES: Final = ("pkr", "dbr", "ibr", "pmc")
_PLACES: Final = frozenset(["iip", "iva"])
"""Those that are addresses of code."""

_KEPT: Final = {"iha": ~0b11, "itir": 0xFFFF_FFFC}
"""What control registers keep: a virtual one that is a word of memory keeps the rest as well, which is nobody's."""

_ZEROS: Final = bytes(PAGE)
_GENERAL: Final = [f"r{number}" for number in range(1, 128)]
_BANK_1: Final = [f"bank1.r{number}" for number in range(16, 32)]
_BANK_0: Final = "bank0.r"
_STACKS: Final = ("r12", "sp", "ar.bspstore", "ar18")
_PREDICATES: Final = [f"p{number}" for number in range(1, 64)]
_APPLICATION: Final = [
    (f"ar.{name}", number)
    for name, number in APPLICATION.items()
    if name not in ("itc", "ruc", "bspstore", "rnat", "rsc", "pfs")
]
_STATUS: Final = [
    (f"psr.{name}", low, (1 << width) - 1)
    for name, (low, width) in PSR_FIELDS.items()
    if name not in ("ri", "si", "mc")
]
_CONTROL: Final = [
    (f"cr.{name}", number, _KEPT.get(name, -1), name in _PLACES)
    for name, number in CONTROL.items()
    if name not in _NOT_TOLD
]


_ITEMS: Final = frozenset(
    [
        *_GENERAL,
        *(f"bank{bank}.r{number}" for bank in range(2) for number in range(16, 32)),
        *_PREDICATES,
        *(f"b{number}" for number in range(8)),
        *(f"f{number}" for number in range(2, 128)),
        *(name for name, _ in _APPLICATION),
        *("ar.rsc", "ar.pfs", "ar.bspstore"),
        *(name for name, *_ in (*_STATUS, *_CONTROL)),
        *(f"rr[{number}]" for number in range(8)),
        *(f"{file}[{number}]" for file in _INDEXED_FILES for number in range(COUNTS_OF_FILES[file])),
    ]
)


def is_register_item(name: str) -> bool:
    """Whether that is a register, or a field of one, that `observed` tells of, by the name that it has there."""
    return name in _ITEMS


class Variant(Struct, dict=True):
    """A source's image for an instance, and what makes the environment that it runs in (see `Environment`).

    Where it `checks_groups`, a run ends where an instruction uses a register too early after another (`StrictGroups`).
    """

    instance: Instance
    image: Image
    environment: Callable[[Instance, Configuration], Environment] = environment_of
    checks_groups: bool = False

    @cached_property
    def handlers(self) -> Image:
        """The vectors of a kernel in small, for the instance."""
        path = Path(__file__).with_name("interrupt_handlers.S")
        text = f".set COUNT, {COUNTS:#x}\n{read_text(str(path))}"
        return image_of_variant(text, path.name, self.instance, address=VECTORS)

    def runs_like(self, other: Variant) -> bool:
        """Whether both are the same code in the same environment: a run of one is a run of the other."""
        mine, theirs = self.instance, other.instance
        return (
            self.environment == other.environment
            and (mine.environment, mine.environment_file) == (theirs.environment, theirs.environment_file)
            and (mine.calls, mine.constants, mine.renames) == (theirs.calls, theirs.constants, theirs.renames)
            and self.checks_groups == other.checks_groups
            and self._segments == other._segments
            and self.image.symbols == other.image.symbols
        )

    @cached_property
    def _segments(self) -> list[tuple[str, int, bytes]]:
        return [(each.name, each.address, bytes(each.data)) for each in self.image.segments]

    @cached_property
    def named(self) -> dict[str, str]:
        """Of names that the instance gives to symbols of the source, those that native gives to them."""
        native = load_instance("native").renames
        return {new: native.get(old, old) for old, new in self.instance.renames.items()}

    @cached_property
    def in_use(self) -> frozenset[str]:
        """Registers that calls take something in, or give it in: ops put it there, and what was there back."""
        registers = {each.text for call in self.instance.calls.values() for each in (*call.takes, *call.gives)}
        return frozenset(registers | {f"bank1.{name}" for name in registers})

    @cached_property
    def vector_pages(self) -> dict[int, bytes]:
        """The same as pages of memory; where a vector ends the run, the `break` stands."""
        memory = Memory()
        for segment in self.handlers.segments:
            memory.write(segment.address, bytes(segment.data))
        for address in _ENDS_OF_VECTORS:
            memory.write(address, END_BUNDLE)
        return {number: bytes(page) for number, page in memory.pages.items()}


class Place(str):
    """A place in a variant, by a name that is the same for all; `number` is the address."""

    __slots__ = ("number",)
    number: int

    @staticmethod
    def of(name: str, number: int) -> Place:
        """The place with a name, at an address."""
        made = Place(name)
        made.number = number
        return made


Content = tuple[str, str, int, bytes]
"""What a scenario says of memory: `memory` or `words`, the address as it is written and as a number, the bytes."""


class Outcome(Struct):
    """How a run ended: where (`return`, a label, a vector, or that there was no end); what there is to observe then.

    `in_use` are registers that an op may have put other things into, where it has not been carried out to its end.
    `unexpected` is what the scenario expects and this has not. `places` are those (file and line) of the instructions
    of a dependency violation.
    """

    end: str
    observed: dict[str, int | str]
    environment: Environment
    in_use: frozenset[str] = frozenset()
    unexpected: list[str] = field(default_factory=list)
    places: str = ""

    @property
    def told_end(self) -> str:
        """How it ended, with the places of it in the source, if these are known."""
        return f"{self.end}: {self.places}" if self.places else self.end

    @property
    def was_interrupted(self) -> bool:
        """Whether an external interrupt was taken on the way."""
        return any(name == _EXTERNAL for _, name in self.environment.costs.events)


def held(observed: Mapping[str, int | str], item: str) -> int | str:
    """What was observed of an item: where there is nothing of it, it is 0; a word of memory, what it was."""
    value = observed.get(item)
    if value is None:
        return _AS_BEGUN if item.startswith(MEMORY) else 0
    return value


def address_of(variant: Variant, name: str) -> int:
    """The address of a label, by the name that the source has for it. Raises PvasmError for one that there is not."""
    symbols = variant.image.symbols
    address = symbols.get(variant.instance.renames.get(name, name), symbols.get(name))
    if address is None:
        raise PvasmError(f"there is no label {name}{near(name, symbols)}", variant.image.path)
    is_code = any(
        each.executable and each.address <= address < each.address + len(each.data) for each in variant.image.segments
    )
    if not is_code or address % SIZE:
        raise PvasmError(f"{name} is {address:#x}: no bundle of code begins there", variant.image.path)
    return address


class ScenarioRun:
    """One variant and one scenario."""

    def __init__(self, variant: Variant, scenario: Scenario) -> None:
        """Raises PvasmError for a label that there is not, and for what has no room."""
        self.variant, self.scenario = variant, scenario
        own = () if "r1" in scenario.registers else (variant.image.gp,)
        self._numbers = frozenset(scenario.registers.values()).difference(own)
        model = Configuration(ticks_per_instruction=scenario.ticks, alat_entries=None, tags_from=_TAGS_FROM)
        self.environment = variant.environment(variant.instance, model)
        self._ends: dict[int, str] = {RETURN: RETURNED}
        processor = self.environment.processor
        self._map = AddressMap(variant.image)
        self._map.install(processor)
        for segment in variant.image.segments:
            processor.memory.write(self._map.physical(segment.address), bytes(segment.data))
        self._put_state(processor)
        self._put_ends(processor)
        self._begun = {number: bytes(page) for number, page in processor.memory.pages.items()}
        self.environment.stops = set(self._ends)
        self.environment.begin()

    def _label(self, name: str, steps: Steps) -> int:
        try:
            return address_of(self.variant, name)
        except PvasmError as error:
            raise ScenarioError(str(error), steps) from None

    def _put_state(self, processor: Machine) -> None:
        given = self.scenario
        processor.set_psr(MODES[given.mode])
        processor.ip = self._label(given.entry, ("entry",))
        processor.br[0] = RETURN
        processor.gr[1], processor.gr[12] = self.variant.image.gp, STACK
        processor.ar[APPLICATION["fpsr"]] = FPSR
        processor.ar[APPLICATION["rsc"]] = 3 << 2  # a level that is the same wherever the kernel runs
        processor.ar[APPLICATION["pfs"]] = 3 << 62
        processor.sof = 8
        processor.write_bspstore(BACKING_STORE)
        # The bank is what names the others.
        for name in sorted(given.registers, key=lambda each: each != "psr.bn"):
            put_register(processor, name, self._of_register(name, given.registers[name]))
        for vector in given.in_service:
            processor.in_service.add(vector)
        for name in given.nat:
            put_nat(processor, name)
        check_pages(given.pages, processor.rr, [*processor.translation_registers["d"].values()])
        for page in given.pages:
            put_page(processor, page)
        self._put_memory(processor)

    def _put_memory(self, processor: Machine) -> None:
        given, physical = self.scenario, self._map.physical
        contents = list(self.contents(given))
        fixed = list(self._fixed())
        check_apart([*fixed, *self._ranges(contents)])
        for name in _STACKS:
            if name in given.registers:
                place = physical(processor.read_bspstore() if name.startswith("ar") else processor.gr[12])
                check_apart([*fixed, Range(place, place + 1, "a stack that begins there", ("registers", name))])
        for number, device in enumerate(given.devices):
            at = physical(self.number(device.at, ("devices", number)))
            processor.memory.devices[at] = Device(device.reads)
        for _, _, at, data in contents:
            processor.memory.write(physical(at), data)
        self._check_expected()

    def _check_expected(self) -> None:
        """Raises ScenarioError for what is wrong with it, or `ignored`: before the run, and not behind it."""
        sections = {each.name for each in self.variant.image.segments}
        for number, item in enumerate(self.scenario.ignored):
            section, plus, _ = item.removeprefix(MEMORY).rpartition("+")
            if item.startswith(MEMORY) and plus and section not in sections:
                raise ScenarioError(f"there is no section {cut(section)}{near(section, sections)}", ("ignored", number))
        expected = self.scenario.expect
        contents = self.contents(expected, ("expect",))
        check_apart(
            [
                Range(at, at + len(data), f"{cut(address)} ({len(data)} bytes)", ("expect", key, address))
                for key, address, at, data in contents
            ]
        )
        for name, value in expected.registers.items():
            self.number(value, ("expect", "registers", name))

    def _of_register(self, name: str, value: Value) -> int:
        """What a register is given. Raises ScenarioError for more than it holds."""
        if isinstance(value, int):
            return value
        steps = ("registers", name)
        found = self.number(value, steps)
        try:
            check_register(name, found)
        except PvasmError as error:
            raise ScenarioError(error.message, steps) from None
        return found

    def _fixed(self) -> Iterator[Range]:
        """The parts of memory that a scenario may say nothing of."""
        for segment in self.variant.image.segments:
            if segment.executable:
                first = self._map.physical(segment.address)
                yield Range(first, first + len(segment.data), f"the code of {segment.name}")
        yield Range(RETURN, RETURN + SIZE, "the bundle that b0 returns to")
        if self.scenario.vectors is None:
            yield Range(VECTORS, VECTORS + _TABLE, "the simulator's own interruption vectors")
            yield Range(COUNTS, COUNTS + 8 * 256, "what the simulator counts interrupts in")

    def _ranges(self, contents: Sequence[Content]) -> Iterator[Range]:
        """The parts of memory that the scenario says something of."""
        for number, device in enumerate(self.scenario.devices):
            steps: Steps = ("devices", number)
            first = self._map.physical(self.number(device.at, steps))
            if first % 8:
                raise ScenarioError(f"a device is a word of 8 bytes, and {first:#x} is no multiple of 8", steps)
            at = device.at if isinstance(device.at, str) else hex(device.at)
            yield Range(first, first + 8, f"the device at {cut(at)}", steps)
        for key, address, place, data in contents:
            first = self._map.physical(place)
            if first + len(data) > 1 << MEMORY_BITS:
                said = f"there is no memory at {cut(address)}: addresses have {MEMORY_BITS} bits"
                raise ScenarioError(said, (key, address))
            yield Range(first, first + len(data), f"{cut(address)} ({len(data)} bytes)", (key, address))

    def contents(self, given: Scenario | Expected, way: Steps = ()) -> Iterator[Content]:
        """What memory holds: by key and address, as they are written, and the address as a number.

        Raises ScenarioError for unknown symbols, and what has no room.
        """
        for key, entries in (("memory", given.memory), ("words", given.words)):
            for address, value in entries.items():
                steps = (*way, key, address)
                at = self.number(address, steps)
                if isinstance(value, str) and key == "memory":
                    data = bytes_of(value)
                else:
                    values = value if isinstance(value, list) else [value]
                    data = b"".join((self.number(each, steps) & _WORD).to_bytes(8, "little") for each in values)
                try:
                    check_room(at, len(data), address)
                except PvasmError as error:
                    raise ScenarioError(error.message, steps) from None
                yield key, address, at, data

    def number(self, value: Value, steps: Steps) -> int:
        """What a value of the scenario is in this variant. Raises ScenarioError for a symbol that there is not."""
        try:
            return number_of(value, self._symbol)
        except PvasmError as error:
            raise ScenarioError(error.message, steps) from None

    def _symbol(self, name: str) -> int | None:
        symbols = self.variant.image.symbols
        known = symbols.get(self.variant.instance.renames.get(name, name), symbols.get(name))
        return self.scenario.elsewhere.addresses.get(name) if known is None else known

    def _put_ends(self, processor: Machine) -> None:
        """The vectors, and where the run is to end: a `break` stands there."""
        given = self.scenario
        if given.vectors is not None:
            table = self._label(given.vectors, ("vectors",))
            if table % _TABLE:
                said = f"{given.vectors} is at {table:#x}, and a table begins at a multiple of {_TABLE:#x}"
                raise ScenarioError(f"{self.variant.image.path}: {said}", ("vectors",))
            processor.cr[CONTROL["iva"]] = table
        else:
            processor.cr[CONTROL["iva"]] = VECTORS
            self._ends |= _ENDS_OF_VECTORS
            for number, page in self.variant.vector_pages.items():
                processor.memory.pages[number] = bytearray(page)
        named: dict[int, str] = {}
        for number, name in enumerate(given.stop):
            named.setdefault(self._label(name, ("stop", number)), name)
        self._ends |= named
        for address in (RETURN, *named):
            processor.memory.write(self._map.physical(address), END_BUNDLE)

    # ------------------------------------------------------------------------------------- running

    def outcome(self) -> Outcome:
        """Runs to the end. Raises RefusedError for what the environment does not take."""
        for _ in self.steps():
            pass
        in_use = self.variant.in_use if self.end.startswith(INTERRUPTION) else frozenset()
        observed = self.observed()
        unexpected = list(self._unexpected(observed))
        return Outcome(self.end, observed, self.environment, in_use, unexpected, self._places)

    def _unexpected(self, observed: dict[str, int | str]) -> Iterator[str]:
        """What the scenario expects and this has not."""
        expected = self.scenario.expect
        if expected.end is not None and self.end != expected.end:
            yield f"it ended at {self.end}, and not at {expected.end}"
        bank = self.environment.processor.psr >> PSR_FIELDS["bn"][0] & 1
        for name, value in expected.registers.items():
            item = in_bank(own_name(name), bank)
            found = self._end_of(item, observed)
            wanted = self._address(self.number(value, ("expect", "registers", name)) & (1 << width_of(name)) - 1)
            if found != wanted:
                yield f"{name} is {_told(found)}, and not {_told(wanted)}"
        for _, address, at, data in self.contents(expected, ("expect",)):
            held = self.environment.processor.memory.read(self._map.physical(at), len(data))
            if held != data:
                yield f"memory at {address} is {held.hex()}, and not {data.hex()}"

    def _end_of(self, item: str, observed: dict[str, int | str]) -> int | str:
        """What a register is at the end; one of a bank that is not there, too."""
        processor = self.environment.processor
        if item.startswith(_BANK_0):  # where bank 1 is there, `observed` leaves bank 0 out
            number = int(item.removeprefix(_BANK_0)) - 16
            return "NaT" if processor.other_bank_nat[number] else self._address(processor.other_bank[number])
        if item in _GENERAL[31 + processor.sof :]:
            return f"in no frame ({processor.sof} registers)"
        return observed.get(item, 0)

    end = ""
    """Where the run ended, once it has."""

    _places = ""

    @property
    def map(self) -> AddressMap:
        """Where addresses are in the machine's memory."""
        return self._map

    def steps(self, most: int | None = None) -> Iterator[int]:
        """Runs on, and stops where an interrupt is to come, and after so many instructions, if that is given.

        What comes is how many have been executed.
        """
        machine, given = self.environment.machine, self.scenario
        waiting = sorted(given.interrupts, key=lambda each: each.after)
        groups = StrictGroups(machine, serializes=True) if self.variant.checks_groups else None
        most = most if groups is None else 1
        spent, stop = 0, None  # an interruption without an instruction counts as one, so that there is an end
        while stop is None and spent < given.steps:
            while waiting and waiting[0].after <= machine.instructions:
                self.environment.processor.raise_interrupt(waiting.pop(0).vector)
            if groups is not None and (violated := _violated(groups)) is not None:
                self.end, *addresses = violated
                lines = dict.fromkeys(filter(None, map(self.variant.image.line_of, addresses)))
                self._places = " and ".join(f"{path}:{line}" for path, line in lines)
                return
            left = given.steps - spent
            if waiting:
                left = min(left, waiting[0].after - machine.instructions)
            left = left if most is None else min(left, most)
            stop = self.environment.run(left)
            spent += left
            yield machine.instructions
        if stop is None:
            self.end = f"{given.steps} {NO_END}"
        else:
            self.end = self._ends[machine.ip & ~15]

    # ----------------------------------------------------------------------------------- observing

    def observed(self) -> dict[str, int | str]:
        """What the kernel can observe, item by item: registers, status, translations, memory that has changed.

        `held` tells of an item that is not among them.
        """
        processor = self.environment.processor
        parts = (self._registers(processor), self._system(processor), self._memory(processor), self._devices(processor))
        return dict(itertools.chain.from_iterable(parts))

    def _registers(self, processor: Machine) -> Iterator[tuple[str, int | str]]:
        address = self._address
        for name, value, is_nat in zip(
            _GENERAL[: 31 + processor.sof], processor.gr[1:], processor.nat[1:], strict=False
        ):
            yield name, "NaT" if is_nat else address(value)
        if not processor.psr & _BANK:  # while bank 1 is there, bank 0 has what an interruption's handler left in it
            for name, value, is_nat in zip(_BANK_1, processor.other_bank, processor.other_bank_nat, strict=True):
                yield name, "NaT" if is_nat else address(value)
        yield from zip(_PREDICATES, processor.pr[1:], strict=True)
        for number in range(8):
            yield f"b{number}", address(processor.br[number])
        for number in range(2, 128):
            if processor.fr[number]:
                yield f"f{number}", processor.fr[number]
        for name, number in _APPLICATION:
            yield name, processor.ar[number]
        for name in ("rsc", "pfs"):
            yield f"ar.{name}", self._level_free(name, processor.ar[APPLICATION[name]])
        yield "ar.bspstore", processor.read_bspstore()
        yield "cfm", processor.cfm

    def _level_free(self, name: str, value: int) -> int:
        """An application register; the privilege level in it as the kernel would have it on bare hardware."""
        low = {"rsc": 2, "pfs": 62}.get(name)
        if low is None or value >> low & 3 == 3:
            return value
        return value & ~(3 << low)

    def _address(self, value: int) -> int | str:
        """A value; an address of the variant's code as its label, one of its data by its section: variants have both
        at other places.
        """
        if value in self._numbers:  # it was in a register to begin with, and is the same for all variants
            return value
        if value == self.variant.image.gp:
            return "gp"
        for segment in self.variant.image.segments:
            if segment.address <= value < segment.address + len(segment.data):
                if not segment.executable:
                    return Place.of(f"{segment.name}+{value - segment.address:#x}", value)
                # Where a call at a function's end returns to is behind it: so it is the bundle before that tells.
                name = self.variant.image.symbol_of(max((value & ~15) - 16, segment.address))
                label = segment.name if name is None else self._label_at(name.partition("+")[0])
                into = value & SIZE - 1  # no place of code: what stands there, or is reckoned from there
                return Place.of(f"code of {label}" + (f", {into} bytes into a bundle" if into else ""), value)
        return value

    def _label_at(self, name: str) -> str:
        """The name of a label for all instances: of those that are at one place, the same one."""
        return max(self.variant.named.get(each, each) for each in self._labels[self.variant.image.symbols[name]])

    @cached_property
    def _labels(self) -> dict[int, list[str]]:
        """The labels by where they are."""
        found: dict[int, list[str]] = {}
        for name, address in self.variant.image.symbols.items():
            found.setdefault(address, []).append(name)
        return found

    def _system(self, processor: Machine) -> Iterator[tuple[str, int | str]]:
        status = processor.psr
        for name, low, mask in _STATUS:
            yield name, status >> low & mask
        for name, number, kept, is_place in _CONTROL:
            told = self.environment.observed(name)
            value = (processor.cr[number] if told is None else told) & kept
            yield name, self._address(value) if is_place else value
        yield "timer", self.environment.observed("timer") or 0
        for number, value in enumerate(processor.rr):
            yield f"rr[{number}]", value
        for file in _INDEXED_FILES:
            for number, value in enumerate(processor.files[file]):
                if value:
                    yield f"{file}[{number}]", value
        for kind in "di":
            for number, page in processor.translation_registers[kind].items():
                yield f"{kind}tr[{number}]", _shown(page)
            pages = sorted(map(_shown, processor.translation_caches[kind]))
            yield f"translations of {'data' if kind == 'd' else 'instructions'}", ", ".join(pages)
        for vector in sorted(processor.in_service):
            yield f"in service {vector:#x}", 1

    def _devices(self, processor: Machine) -> Iterator[tuple[str, int | str]]:
        """How often each was read, and what it was told."""
        for at, device in processor.memory.devices.items():
            place = self._address(self._map.virtual(at))
            shown = place if isinstance(place, str) else hex(place)
            yield f"loads of the device at {shown}", device.loads
            if device.stored:
                told = (hex(int.from_bytes(each, "little")) for each in device.stored)
                yield f"stores to the device at {shown}", ", ".join(told)

    def _memory(self, processor: Machine) -> Iterator[tuple[str, int | str]]:
        """Words that are no longer what they were."""
        for number, page in sorted(processor.memory.pages.items()):
            first = number * PAGE
            begun = self._begun.get(number, _ZEROS)
            if page == begun or first >= PLACE:
                continue
            for at in range(0, PAGE, 8):
                word = page[at : at + 8]
                if word != begun[at : at + 8]:
                    place = self._address(self._map.virtual(first + at))
                    value = int.from_bytes(word, "little")
                    yield f"{MEMORY}{place if isinstance(place, str) else hex(place)}", self._address(value)


def _violated(groups: StrictGroups) -> tuple[str, int, int] | None:
    """How a run ends whose next instruction uses a register too early, with both addresses; None if it goes on."""
    try:
        found = groups.violation()
    except Interruption:  # where code cannot be fetched there is none
        return None
    if found is None:
        return None
    violation, first, second = found
    needs = "stop" if violation.same_group else violation.needs
    resource = violation.resource.text if isinstance(violation.resource, Register) else violation.resource
    return f"{VIOLATION}{violation.kind} of {resource}, without {needs}", first, second


def _told(value: int | str) -> str:
    return value if isinstance(value, str) else hex(value)


def _vector_name(place: int) -> str:
    try:
        return f"{INTERRUPTION}{Vector(place).name.lower().replace('_', ' ')}"
    except ValueError:
        return f"vector {place:#x}"


_OWN: Final = Vector.EXTERNAL_INTERRUPT
_ENDS_OF_VECTORS: Final = {
    VECTORS + place: _vector_name(place) for place in (*range(0, _OWN, _VECTOR), *range(_OWN + 0x400, _TABLE, _VECTOR))
}

ENDS_OF_INTERRUPTIONS: Final = tuple(name for name in _ENDS_OF_VECTORS.values() if name.startswith(INTERRUPTION))
"""How ends are told that are interruptions, where a scenario has no vectors of its own."""


def _shown(page: Translation) -> str:
    return f"{page.start:#x} to {page.start + (1 << page.size):#x} of region {page.region:#x}: {page.entry:#x}" + (
        f" with key {page.key:#x}" if page.key else ""
    )
