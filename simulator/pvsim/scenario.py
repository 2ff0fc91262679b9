"""Scenarios: the state that code begins with, as the kernel sees it, whatever it runs on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Final, cast

from msgspec import Struct, field

from pvasm.asm.layout import evaluated
from pvasm.asm.scope import Scope
from pvasm.errors import PvasmError
from pvasm.isa.registers import PSR_FIELDS, REGISTERS, Register
from pvasm.isa.resources import width_of_cell
from pvasm.regex import regex
from pvasm.suggestions import near
from pvasm.syntax.parser import parse_expression
from pvasm.syntax.tree import Binary, Expression, Number, Unary
from pvsim.machine.configuration import Configuration
from pvsim.machine.machine import Machine
from pvsim.machine.translation_cache import Translation
from pvsim.settable_registers import FILES, is_reserved, name_of, putting
from pvsim.stubs import Stubs

INDEXED: Final = regex(r"(rr|pkr|dbr|ibr|pmc|pmd|cpuid)\[([0-9]{1,2})\]")
BANKED: Final = regex(r"bank([01])\.r(1[6-9]|2[0-9]|3[01])")
_OFFSET: Final = (1 << 61) - 1
RIGHTS: Final = {"r": 0, "rx": 1, "rw": 2, "rwx": 3}
"""What may be done on a page, as its entry has it."""

_PENDING: Final = "what is pending `interrupts` says, and what is in service `in_service`"
NOT_SET: Final = {
    **dict.fromkeys(("r0", "f0", "f1", "p0"), "it is a constant"),
    "ar.bsp": "it follows ar.bspstore",
    **dict.fromkeys(("cr.ivr", "cr.eoi", "cr.irr0", "cr.irr1", "cr.irr2", "cr.irr3"), _PENDING),
}
"""Registers that no scenario sets, and why."""

COUNTS: Final = Configuration().counts
"""How many registers there are of each file."""

MEMORY_BITS: Final = 48
"""Addresses of memory have so many bits: beyond is a hypervisor's own."""

_WORD: Final = (1 << 64) - 1
_BITS: Final = 64
_MOST_CHARACTERS: Final = 200
_SHOWN: Final = 60
_PRESENT: Final = 1 | 1 << 5 | 1 << 6  # accessed and dirty
_BANKED_FROM: Final = 16
PAGE_SIZES: Final = Configuration().page_sizes


Value = int | str
"""A number, or an expression of the assembler's in which symbols stand: `task + 0x10`."""

Words = Value | list[Value]
Steps = tuple[str | int, ...]
"""The way to a value in a scenario: `("registers", "r16")`."""


class ScenarioError(PvasmError):
    """Something is wrong with a value of a scenario: `steps` is the way to it, `said` the message without that."""

    def __init__(self, said: str, steps: Steps) -> None:
        super().__init__(f"{'.'.join(map(str, steps))}: {said}")
        self.said, self.steps = said, steps


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
    stubs: dict[str, Value] = field(default_factory=dict)
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


def check_register(name: str, value: int) -> None:
    """Raises PvasmError for a register that there is not, or that cannot hold a value."""
    width = width_of(name)
    if not -(1 << width - 1) <= value < 1 << width:
        raise PvasmError(f"{value:#x} is more than {name} holds, {width} bit{'s' * (width > 1)}")


def own_name(name: str) -> str:
    """The name of a register that is its own where it has several: `r12` of `sp`, `cr.itm` of `cr1`.

    What is no register's stays as it is.
    """
    indexed = INDEXED.fullmatch(name)
    if indexed is not None:
        return f"{indexed[1]}[{int(indexed[2])}]"
    register = REGISTERS.get(name)
    return name if register is None else name_of(register)


def in_bank(name: str, bank: int) -> str:
    """The name of a register while a bank is there: `bank1.r16` is `r16` in bank 1."""
    banked = BANKED.fullmatch(name)
    return f"r{banked[2]}" if banked is not None and int(banked[1]) == bank else name


def is_banked(name: str) -> bool:
    """Whether a name is that of a register of a certain bank."""
    return BANKED.fullmatch(name) is not None


def width_of(name: str) -> int:
    """How many bits a register has. Raises PvasmError for one that no scenario sets."""
    if name.startswith("psr."):
        field_of = PSR_FIELDS.get(name.removeprefix("psr."))
        if field_of is None:
            raise PvasmError(f"psr has no field {name}{near(name, [f'psr.{each}' for each in PSR_FIELDS])}")
        return field_of[1]
    indexed = INDEXED.fullmatch(name)
    if indexed is not None and int(indexed[2]) >= COUNTS[indexed[1]]:
        raise PvasmError(f"there are {indexed[1]}[0] to {indexed[1]}[{COUNTS[indexed[1]] - 1}]")
    if indexed is not None or BANKED.fullmatch(name):
        return 64
    register = REGISTERS.get(name)
    if register is None or not can_be_set(register):
        why = None if register is None else NOT_SET.get(own_name(name))
        if why is not None:
            raise PvasmError(f"there is no register {name} to set: {why}")
        known = [each for each, one in REGISTERS.items() if can_be_set(one)]
        raise PvasmError(f"there is no register {name} to set{near(name, known)}")
    return width_of_cell(register)


def can_be_set(register: Register) -> bool:
    """Whether a scenario may say what a register holds."""
    return register.file in FILES and name_of(register) not in NOT_SET and not is_reserved(register)


def check_room(address: int, size: int, text: str) -> None:
    """Raises PvasmError where so many bytes from an address on, which is written as a text, are too many."""
    if address + size > 1 << 64:
        raise PvasmError(f"{text} is no address of {size} bytes")


def bytes_of(text: str) -> bytes:
    """The bytes that a text tells. Raises PvasmError for what is no row of hexadecimal bytes."""
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise PvasmError(f"{cut(text)} is no row of hexadecimal bytes") from None


def number_of(value: Value, symbol: Callable[[str], int | None]) -> int:
    """What a value is, 64 bits of it. Raises PvasmError for a symbol that there is not, and for what has no value."""
    if isinstance(value, int):
        return value
    missing: list[str] = []

    def noted(name: str) -> int | None:
        found = symbol(name)
        missing.extend([name] if found is None else [])
        return found

    found = number_so_far(value, noted)
    if missing:
        raise PvasmError(f"`{cut(value)}': {missing[0]} is neither a label nor a name of the stubs")
    if found is None:
        raise PvasmError(f"`{cut(value)}': what this is, is not known")
    return found


def number_so_far(text: str, symbol: Callable[[str], int | None] = lambda name: None) -> int | None:
    """What an expression is, 64 bits of it; None where that is not known without more symbols.

    Raises PvasmError for what is no expression, and for one of which GNU as would say that it makes up its value.
    """
    found = None if len(text) > _MOST_CHARACTERS else parse_expression(text.strip())
    if found is None:
        long = f" of at most {_MOST_CHARACTERS} characters" if len(text) > _MOST_CHARACTERS else ""
        raise PvasmError(f"`{cut(text)}' is no number and no expression{long}")
    for part in _parts(found):
        if isinstance(part, Number) and part.value is not None and part.value > _WORD:
            raise PvasmError(f"`{cut(text)}': {cut(part.text)} has more than {_BITS} bits")
        right = _evaluated(part.right, symbol) if isinstance(part, Binary) and part.operator in _LIMITED else None
        if right is not None and isinstance(part, Binary) and not _LIMITED[part.operator][0](right):
            raise PvasmError(f"`{cut(text)}': {_LIMITED[part.operator][1]}")
    return _evaluated(found, symbol)


_SHIFT: Final = (lambda by: by < _BITS, f"a shift by more than {_BITS - 1} bits")
_QUOTIENT: Final = (bool, "a division by 0")
_LIMITED: Final[dict[str, tuple[Callable[[int], bool], str]]] = {
    **dict.fromkeys(("<<", ">>"), _SHIFT),
    **dict.fromkeys(("/", "%"), _QUOTIENT),
}
"""By operator: what its right operand must be, and what is wrong else."""


def _parts(expression: Expression) -> Iterator[Expression]:
    """An expression, and all that it is made of."""
    yield expression
    inner = {Unary: ("operand",), Binary: ("left", "right")}.get(type(expression), ())
    for name in inner:
        yield from _parts(getattr(expression, name))


def cut(text: str) -> str:
    """A text as messages have it: its beginning, if it is long."""
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


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
    banked = BANKED.fullmatch(name)
    if banked is None:
        processor.nat[REGISTERS[name].number] = 1
    elif processor.psr >> PSR_FIELDS["bn"][0] & 1 == int(banked[1]):
        processor.nat[int(banked[2])] = 1
    else:
        processor.other_bank_nat[int(banked[2]) - _BANKED_FROM] = 1


@cache
def _place(name: str) -> tuple[int, Callable[[Machine, int], None]]:
    """What a register holds at most, and what gives it a value."""
    mask = (1 << width_of(name)) - 1
    indexed, banked = INDEXED.fullmatch(name), BANKED.fullmatch(name)
    if name.startswith("psr."):
        return mask, partial(_put_status, name == "psr.bn", PSR_FIELDS[name.removeprefix("psr.")][0], mask)
    if banked is not None:
        return mask, partial(_put_banked, int(banked[1]), int(banked[2]))
    if indexed is not None:
        number = int(indexed[2])
        return mask, partial(_put_region, number & 7) if indexed[1] == "rr" else partial(
            _put_indexed, indexed[1], number
        )
    return mask, putting(REGISTERS[name])


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


def put_page(processor: Machine, page: Page) -> None:
    """Gives a processor a translation."""
    entry = page.to >> page.size << page.size | _PRESENT | page.level << 7 | RIGHTS[page.rights] << 9
    start = (page.at & _OFFSET) >> page.size << page.size
    made = Translation(start, page.size, processor.rr[page.at >> 61 & 7] >> 8 & 0xFFFFFF, page.key, entry)
    for kind in page.kinds:
        if page.register is None:
            processor.cache_translation(kind, made)
        else:
            processor.translation_registers[kind][page.register] = made
            processor.reach_changed(kind)
