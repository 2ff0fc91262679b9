"""Scenarios: the state that code begins with, as the kernel sees it, whatever it runs on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Final, Literal, TypeVar, cast

from msgspec import Struct, field

from pvasm.asm.layout import evaluated
from pvasm.asm.scope import Scope
from pvasm.errors import PvasmError
from pvasm.isa.registers import CONTROL, PSR_FIELDS, REGISTERS
from pvasm.isa.resources import width_of_cell
from pvasm.paravirt.yaml_nodes import Node, convert, fault, read_yaml
from pvasm.regex import regex
from pvasm.suggestions import near
from pvasm.syntax.parser import parse_expression
from pvasm.syntax.tree import Expression
from pvsim.machine.configuration import Configuration
from pvsim.machine.external_interrupts import VECTORS
from pvsim.machine.machine import Machine
from pvsim.machine.translation_cache import Translation
from pvsim.modes import MODES
from pvsim.stubs import Stubs

_INDEXED: Final = regex(r"(rr|pkr|dbr|ibr|pmc|pmd|cpuid)\[([0-9]{1,2})\]")
_BANKED: Final = regex(r"bank([01])\.r(1[6-9]|2[0-9]|3[01])")
_FILES: Final = {"r": "gr", "f": "fr", "p": "pr", "b": "br", "ar": "ar", "cr": "cr"}
_OFFSET: Final = (1 << 61) - 1
_RIGHTS: Final = {"r": 0, "rx": 1, "rw": 2, "rwx": 3}
_NOT_SET: Final = frozenset(["r0", "f0", "f1", "p0", "ar.bsp"])  # constants, and what follows another
_COUNTS: Final = Configuration().counts
MEMORY_BITS: Final = 48
"""Addresses of memory have so many bits: beyond is a hypervisor's own."""

_WORD: Final = (1 << 64) - 1
_MOST_TICKS: Final = 1 << 32
_MOST_STEPS: Final = 1_000_000_000
_PRESENT: Final = 1 | 1 << 5 | 1 << 6  # accessed and dirty
_STACKED: Final = 32
_BANKED_FROM: Final = 16
PAGE_SIZES: Final = Configuration().page_sizes
_Value = TypeVar("_Value")


Value = int | str
"""A number, or an expression of the assembler's in which symbols stand: `task + 0x10`."""

Words = Value | list[Value]


class Page(Struct, forbid_unknown_fields=True, frozen=True, omit_defaults=True):
    """A translation that there is: `at` is a virtual address, `to` a physical one, `size` the exponent of its size.

    `register` is the translation register that it stands in, a cache if there is none; `level` is who may reach it.
    """

    at: int
    to: int
    size: int = 14
    kinds: str = "di"
    level: int = 3
    rights: str = "rwx"
    key: int = 0
    register: int | None = None


class Interrupt(Struct, forbid_unknown_fields=True, frozen=True, omit_defaults=True):
    """An external interrupt that comes when so many instructions have been executed."""

    vector: int
    after: int = 0


class DeviceWord(Struct, forbid_unknown_fields=True, frozen=True, omit_defaults=True):
    """A word of a device: each load at its address takes the next of what it `reads`, the last again and again."""

    at: Value
    reads: list[int]


class Expected(Struct, forbid_unknown_fields=True, frozen=True, omit_defaults=True):
    """What holds at the end: where it is (a label, or `return`), and what registers and memory have then."""

    end: str | None = None
    registers: dict[str, Value] = field(default_factory=dict)
    memory: dict[str, str] = field(default_factory=dict)
    words: dict[str, Words] = field(default_factory=dict)


class Scenario(Struct, forbid_unknown_fields=True, frozen=True, omit_defaults=True, kw_only=True):
    """How code begins, and where it ends.

    For `pvasm test`, `file` is the source, by its name from the scenario's folder on, or a list of those that make one
    image, with what they are compiled with (`include`, `define`), and `instances` are those that are tried; none are
    native and the guests' that travel with pvasm.

    `registers` are by name (`r32 bank1.r16 p6 b0 ar.lc cr.ifa psr.ic rr[5]`), `nat` those that are Not a Thing.
    `memory` has hexadecimal bytes by address, `words` words of 8 bytes, one or a list. Values of registers and words,
    and addresses, are numbers or expressions as the assembler has them, with labels of the source and names of
    `stubs`, which are symbols of other files, or whatever has a number; a stub that `returns` is a function which does
    so at once, and with `stub_missing` so is all that no file defines. `devices` are words that say something else each
    time, and keep what is stored. `in_service` are vectors of interrupts that
    have been read from cr.ivr, and not ended yet. `mode` is one of those of `simulate`. The run ends at the labels
    `stop`, where it returns to b0, at an interruption (unless `vectors` names a label to take them at), and after
    `steps`. ar.itc advances by `ticks` with each instruction: with 0 variants, which take different numbers of them,
    read the same time. What `ignored` names is not compared: items, as `compare` calls them.
    """

    entry: str
    file: str | list[str] | None = None
    instances: list[str] = field(default_factory=list)
    include: list[str] = field(default_factory=list)
    define: list[str] = field(default_factory=list)
    mode: str = "sys"
    registers: dict[str, Value] = field(default_factory=dict)
    nat: list[str] = field(default_factory=list)
    memory: dict[str, str] = field(default_factory=dict)
    words: dict[str, Words] = field(default_factory=dict)
    pages: list[Page] = field(default_factory=list)
    interrupts: list[Interrupt] = field(default_factory=list)
    devices: list[DeviceWord] = field(default_factory=list)
    in_service: list[int] = field(default_factory=list)
    stubs: dict[str, int | Literal["returns"]] = field(default_factory=dict)
    stub_missing: bool = False
    stop: list[str] = field(default_factory=list)
    vectors: str | None = None
    ticks: int = 0
    steps: int = 100_000
    ignored: list[str] = field(default_factory=list)
    expect: Expected = Expected()

    @property
    def elsewhere(self) -> Stubs:
        """What stands for the symbols of other files."""
        addresses = {name: value for name, value in self.stubs.items() if isinstance(value, int)}
        returning = tuple(name for name in self.stubs if name not in addresses)
        return Stubs(addresses, returning, self.stub_missing)

    @property
    def numbers(self) -> dict[str, int]:
        """The registers of a state in which all values are numbers, as they are in random ones: the same dictionary."""
        return cast("dict[str, int]", self.registers)

    @property
    def files(self) -> list[str]:
        """The sources, in order."""
        return [self.file] if isinstance(self.file, str) else self.file or []


def read_scenario(path: Path) -> Scenario:
    """The scenario in a file. Raises PvasmError, with the place, for what is none, or contradicts itself."""
    name = str(path)
    root = read_yaml(path)
    _check_quoted(root, name)
    found = convert(root, Scenario, name, "")
    parts: tuple[tuple[tuple[str, ...], Scenario | Expected], ...] = (((), found), (("expect",), found.expect))
    for steps, part in parts:
        for word, value in part.registers.items():
            _checked(root, (*steps, "registers", word), name, partial(_check_value_of, word, value))
        for word, text in part.memory.items():
            _checked(root, (*steps, "memory", word), name, partial(_check_memory, word, text))
        for word, words in part.words.items():
            _checked(root, (*steps, "words", word), name, partial(_check_words, word, words))
    _check_each(root, "nat", found.nat, _check_nat, name)
    _check_each(root, "pages", found.pages, _check_page, name)
    _check_each(root, "interrupts", found.interrupts, _check_interrupt, name)
    _check_each(root, "devices", found.devices, _check_device, name)
    _check_each(root, "in_service", found.in_service, _check_vector, name)
    for word, value in found.stubs.items():
        _checked(root, ("stubs", word), name, partial(_check_stub, value))
    if not 1 <= found.steps <= _MOST_STEPS:
        _checked(root, ("steps",), name, partial(_refuse, f"a number from 1 to {_MOST_STEPS}"))
    if not 0 <= found.ticks <= _MOST_TICKS:
        _checked(root, ("ticks",), name, partial(_refuse, f"a number from 0 to {_MOST_TICKS}"))
    if found.mode not in MODES:
        said = f"there is no mode {found.mode}{near(found.mode, MODES)}; there are {', '.join(MODES)}"
        _checked(root, ("mode",), name, partial(_refuse, said))
    return found


def _check_quoted(root: Node, name: str) -> None:
    """Raises PvasmError for bytes that YAML takes for a number, and drops the zeros of."""
    parts = [("memory", root)]
    if isinstance(root.value, dict) and "expect" in root.value:
        parts.append(("expect.memory", root.value["expect"]))
    for path, node in parts:
        memory = node.value.get("memory") if isinstance(node.value, dict) else None
        for address, each in memory.value.items() if memory is not None and isinstance(memory.value, dict) else ():
            if isinstance(each.value, int):
                said = "bytes that are all digits stand in quotes, or YAML reads a number"
                raise fault(said, name, (each.line, each.column), f"{path}.{address}")


def _check_each(root: Node, key: str, values: Sequence[_Value], check: Callable[[_Value], None], name: str) -> None:
    for at, value in enumerate(values):
        _checked(root, (key, at), name, partial(check, value))


def _refuse(said: str) -> None:
    raise PvasmError(said)


def _checked(root: Node, steps: tuple[str | int, ...], name: str, check: Callable[[], object]) -> None:
    """Raises what the check does, with the place of the value in the file."""
    try:
        check()
    except PvasmError as error:
        node, place = root, (1, 1)
        for step in steps:
            child = node.value[step]
            place = node.keys.get(str(step), (child.line, child.column))
            node = child
        raise fault(error.message, name, place, ".".join(map(str, steps))) from None


def check_register(name: str, value: int) -> None:
    """Raises PvasmError for a register that there is not, or that cannot hold a value."""
    width = _width(name)
    if not -(1 << width - 1) <= value < 1 << width:
        raise PvasmError(f"{value:#x} is more than {name} holds, {width} bit{'s' * (width > 1)}")


def _width(name: str) -> int:
    if name.startswith("psr."):
        field_of = PSR_FIELDS.get(name.removeprefix("psr."))
        if field_of is None:
            raise PvasmError(f"psr has no field {name}{near(name, [f'psr.{each}' for each in PSR_FIELDS])}")
        return field_of[1]
    indexed = _INDEXED.fullmatch(name)
    if indexed is not None and int(indexed[2]) >= _COUNTS[indexed[1]]:
        raise PvasmError(f"there are {indexed[1]}[0] to {indexed[1]}[{_COUNTS[indexed[1]] - 1}]")
    if indexed is not None or _BANKED.fullmatch(name):
        return 64
    register = REGISTERS.get(name)
    if register is None or register.file not in _FILES or name in _NOT_SET:
        known = [each for each, one in REGISTERS.items() if one.file in _FILES and each not in _NOT_SET]
        raise PvasmError(f"there is no register {name} to set{near(name, known)}")
    return width_of_cell(register)


def _check_nat(name: str) -> None:
    if _BANKED.fullmatch(name):
        return
    register = REGISTERS.get(name)
    if register is None or register.file != "r" or not register.number:
        raise PvasmError(f"{name} cannot be Not a Thing: general registers from r1 on can")


def _check_page(page: Page) -> None:
    if page.rights not in _RIGHTS or not set(page.kinds) <= set("di") or not 0 <= page.level <= 3:
        raise PvasmError(f"rights are {', '.join(_RIGHTS)}, kinds of d and i, levels 0 to 3")
    if page.size not in PAGE_SIZES:
        raise PvasmError(f"no page has the size 1 << {page.size}")
    if not (0 <= page.at < 1 << 64 and 0 <= page.to < 1 << MEMORY_BITS and 0 <= page.key < 1 << 24 and page.kinds):
        raise PvasmError(f"at has 64 bits, to {MEMORY_BITS}, key 24, and kinds are d, i or both")
    if page.register is not None and not 0 <= page.register < _COUNTS["dtr"]:
        raise PvasmError(f"there are translation registers 0 to {_COUNTS['dtr'] - 1}")


def _check_interrupt(interrupt: Interrupt) -> None:
    _check_vector(interrupt.vector)
    if interrupt.after < 0:
        raise PvasmError("after how many instructions? That is no number below 0")


def _check_device(device: DeviceWord) -> None:
    _check_words(str(device.at), [*device.reads])
    if not device.reads:
        raise PvasmError("reads: what does a load take? At least one number")


def _check_vector(vector: int) -> None:
    if vector not in VECTORS:
        raise PvasmError(f"no interrupt has the vector {vector}: there are 0, 2 and 16 to 255")


def _check_stub(address: int | str) -> None:
    if isinstance(address, int) and not 0 <= address < 1 << 64:
        raise PvasmError(f"{address:#x} is no address")


def _check_value_of(name: str, value: Value) -> None:
    if isinstance(value, int):
        check_register(name, value)
    else:
        check_register(name, 0)
        _expression(value)


def _check_memory(address: str, text: str) -> None:
    _check_place(address, len(bytes_of(text)))


def _check_words(address: str, words: Words) -> None:
    values = words if isinstance(words, list) else [words]
    for value in values:
        if isinstance(value, str):
            _expression(value)
        elif not -(1 << 63) <= value < 1 << 64:
            raise PvasmError(f"{value:#x} is more than a word holds, 64 bits")
    _check_place(address, 8 * len(values))


def _check_place(address: str, size: int) -> None:
    """Raises PvasmError for what is no address; of an expression with symbols, that is known when they are."""
    found = _evaluated(_expression(address), lambda name: None)
    if found is not None:
        check_room(found, size, address)


def check_room(address: int, size: int, text: str) -> None:
    """Raises PvasmError where so many bytes from an address on, which is written as a text, are too many."""
    if address + size > 1 << 64:
        raise PvasmError(f"{text} is no address of {size} bytes")


def bytes_of(text: str) -> bytes:
    """The bytes that a text tells. Raises PvasmError for what is no row of hexadecimal bytes."""
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise PvasmError(f"{text} is no row of hexadecimal bytes") from None


def number_of(value: Value, symbol: Callable[[str], int | None]) -> int:
    """What a value is, 64 bits of it. Raises PvasmError for a symbol that there is not."""
    if isinstance(value, int):
        return value
    missing: list[str] = []

    def noted(name: str) -> int | None:
        found = symbol(name)
        missing.extend([name] if found is None else [])
        return found

    found = _evaluated(_expression(value), noted)
    if missing:
        raise PvasmError(f"`{value}': {missing[0]} is neither a label nor a name of the stubs")
    if found is None:
        raise PvasmError(f"`{value}': what this is, is not known")
    return found


def _expression(text: str) -> Expression:
    found = parse_expression(text.strip())
    if found is None:
        raise PvasmError(f"`{text}' is no number and no expression")
    return found


def _evaluated(expression: Expression, symbol: Callable[[str], int | None]) -> int | None:
    found = evaluated(expression, Scope(), symbol)
    return found & _WORD if isinstance(found, int) else None


# ------------------------------------------------------------------------------------ into a processor


def put_register(processor: Machine, name: str, value: int) -> None:
    """Gives a register of a processor a value, by its name; `check_register` has seen both."""
    mask, put = _place(name)
    put(processor, value & mask)


def put_nat(processor: Machine, name: str) -> None:
    """Makes a general register of a processor, or one of a bank, Not a Thing."""
    banked = _BANKED.fullmatch(name)
    if banked is None:
        processor.nat[int(name[1:])] = 1
    elif processor.psr >> PSR_FIELDS["bn"][0] & 1 == int(banked[1]):
        processor.nat[int(banked[2])] = 1
    else:
        processor.other_bank_nat[int(banked[2]) - _BANKED_FROM] = 1


@cache
def _place(name: str) -> tuple[int, Callable[[Machine, int], None]]:
    """What a register holds at most, and what gives it a value."""
    mask = (1 << _width(name)) - 1
    indexed, banked = _INDEXED.fullmatch(name), _BANKED.fullmatch(name)
    if name.startswith("psr."):
        return mask, partial(_put_status, name == "psr.bn", PSR_FIELDS[name.removeprefix("psr.")][0], mask)
    if banked is not None:
        return mask, partial(_put_banked, int(banked[1]), int(banked[2]))
    if indexed is not None:
        number = int(indexed[2])
        return mask, partial(_put_region, number & 7) if indexed[1] == "rr" else partial(
            _put_indexed, indexed[1], number
        )
    own: Callable[[Machine, int], None] | None = _OWN_WAYS.get(name)
    if own is not None:
        return mask, own
    register = REGISTERS[name]
    if register.file == "r" and register.number >= _STACKED:
        return mask, partial(_put_stacked, register.number)
    return mask, partial(_put_in_file, _FILES[register.file], register.number)


def _put_status(is_bank: bool, low: int, mask: int, processor: Machine, value: int) -> None:
    if is_bank:
        processor.use_bank(value)
    processor.set_psr(processor.psr & ~(mask << low) | value << low)


def _put_banked(bank: int, number: int, processor: Machine, value: int) -> None:
    is_here = processor.psr >> PSR_FIELDS["bn"][0] & 1 == bank
    held, first = (processor.gr, 0) if is_here else (processor.other_bank, _BANKED_FROM)
    held[number - first] = value


def _put_region(number: int, processor: Machine, value: int) -> None:
    processor.rr[number] = value
    processor.reach_changed("di")


def _put_indexed(file: str, number: int, processor: Machine, value: int) -> None:
    processor.files[file][number] = value


def _put_stacked(number: int, processor: Machine, value: int) -> None:
    processor.sof = max(processor.sof, number - _STACKED + 1)
    processor.gr[number] = value


def _put_in_file(file: str, number: int, processor: Machine, value: int) -> None:
    getattr(processor, file)[number] = value


def _put_utilization(processor: Machine, value: int) -> None:
    processor.ruc_offset = value


def _put_timer(processor: Machine, value: int) -> None:
    processor.cr[CONTROL["itm"]] = value
    processor.set_timer()


_OWN_WAYS: Final[dict[str, Callable[[Machine, int], None]]] = {
    "ar.bspstore": Machine.write_bspstore,
    "ar.itc": Machine.write_itc,
    "ar.ruc": _put_utilization,
    "cr.itm": _put_timer,
}


def put_page(processor: Machine, page: Page) -> None:
    """Gives a processor a translation."""
    entry = page.to >> page.size << page.size | _PRESENT | page.level << 7 | _RIGHTS[page.rights] << 9
    start = (page.at & _OFFSET) >> page.size << page.size
    made = Translation(start, page.size, processor.rr[page.at >> 61 & 7] >> 8 & 0xFFFFFF, page.key, entry)
    for kind in page.kinds:
        if page.register is None:
            processor.cache_translation(kind, made)
        else:
            processor.translation_registers[kind][page.register] = made
            processor.reach_changed(kind)
