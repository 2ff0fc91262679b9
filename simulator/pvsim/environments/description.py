"""What a hypervisor is to its guest, as a YAML file says it: the level, the shared page, calls, what is emulated."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from msgspec import UNSET, Struct, UnsetType, field

from pvasm.errors import PvasmError
from pvasm.isa.mnemonics import is_mnemonic
from pvasm.isa.registers import CONTROL, PSR_MASKS, REGISTERS, Register
from pvasm.paravirt.yaml_nodes import Node, convert, fault, read_yaml
from pvasm.regex import regex
from pvasm.suggestions import near

NUMBER: Final = regex(r"0x[0-9a-fA-F]{1,16}|0|[1-9][0-9]{0,18}")
"""The number of a hypercall."""

SIZES: Final = (1, 2, 4, 8)
"""How many bytes a field of the page may have."""

_BANKS: Final = ("bank0", "bank1")
FIELDS: Final = (
    *(f"cr.{name}" for name in CONTROL),
    *PSR_MASKS,
    *(f"{bank}{part}" for bank in _BANKS for part in ("", ".nats")),
    *("rr", "itc_offset", "itc_last"),
)
"""What a field of the shared page may hold: a register of the virtual processor, or an array of them."""

COUNTS: Final = {"rr": 8, "bank0": 16, "bank1": 16}
"""Those that are arrays, and how many words they have."""


class Field(Struct, forbid_unknown_fields=True, frozen=True):
    """A field of the shared page: `at` is its offset, `bytes` its size; with `inverted` it is 1 where the bit is 0.

    What is `told` the guest keeps there for itself: the hypervisor does not go by it.
    """

    at: int
    bytes: int = 8
    inverted: bool = False
    told: bool = False


class Mask(Struct, forbid_unknown_fields=True, frozen=True):
    """Where interrupts are masked: a field of the page points to a byte that is 1 then; the byte before that is 1 while
    one is pending. `byte` is its address.
    """

    pointer: int
    byte: int


class Page(Struct, forbid_unknown_fields=True, frozen=True):
    """The page that guest and hypervisor share: its address and size (a power of two), and its fields by name.

    Offsets count from `fields_from`. `room` are the first and last addresses of where else it may be moved.
    """

    address: int
    size: int
    fields_from: int
    fields: dict[str, Field]
    mask: Mask | UnsetType = UNSET
    room: list[tuple[int, int]] = field(default_factory=list)


class Hypercall(Struct, forbid_unknown_fields=True, frozen=True):
    """A call by a number in a register: what it does, the registers of its results, and, if it moves the shared page,
    the register that says where to.
    """

    does: str
    gives: list[str] = field(default_factory=list)
    page_to: str | UnsetType = UNSET


class Hypercalls(Struct, forbid_unknown_fields=True, frozen=True):
    """Calls that have one `break` in common, by the number that is in a register then."""

    immediate: int = field(name="break")
    number_in: str
    calls: dict[str, Hypercall]


class Weights(Struct, forbid_unknown_fields=True, frozen=True):
    """A model of cost, in cycles: of an instruction group, a bundle, and what a hypervisor does for its guest."""

    group: int = 1
    bundle: int = 0
    call: int = 0
    emulated: int = 0
    reflected: int = 0
    translation: int = 0


class Description(Struct, forbid_unknown_fields=True, frozen=True):
    """A hypervisor's file.

    `level` is where the guest's kernel runs; `secures_time` that ar.itc faults there (psr.si). `calls` says of each, by
    the name that the instance has for its number, what it does: instructions, which the virtual processor executes.
    Registers that these write, and that are no result of the call, are put back. `refuses` are mnemonics of what faults
    and is not emulated.

    At level 3 a hypervisor has to know by itself whether the guest's kernel runs or its programs.
    """

    name: str
    description: str
    level: int
    calls: dict[str, str] = field(default_factory=dict)
    hypercalls: Hypercalls | UnsetType = UNSET
    secures_time: bool = False
    refuses: list[str] = field(default_factory=list)
    page: Page | UnsetType = UNSET
    weights: Weights = Weights()


class DescriptionFile(Struct, frozen=True):
    """A description with the place of each of its values."""

    path: str
    root: Node
    value: Description

    def place_of_text(self, *keys: str) -> tuple[int, int]:
        """Line and column of the first line of a text."""
        node = self.root
        for key in keys:
            node = node.value[key]
        return node.line + node.is_block, 1 if node.is_block else node.column

    def fault(self, message: str, *keys: str) -> PvasmError:
        """The error about a value, at its key."""
        node, place = self.root, (1, 1)
        for key in keys:
            place = node.keys[key]
            node = node.value[key]
        return fault(message, self.path, place, ".".join(keys))


def read_description(path: Path) -> DescriptionFile:
    """The description in a file. Raises PvasmError, with the place, for what is none."""
    name = str(path)
    root = read_yaml(path)
    file = DescriptionFile(name, root, convert(root, Description, name, ""))
    value = file.value
    if not 1 <= value.level <= 3:
        raise file.fault("a guest's kernel runs at level 1, 2 or 3", "level")
    for word in value.refuses:
        if not is_mnemonic(word):
            raise file.fault(f"{word} is no mnemonic", "refuses")
    if value.page is not UNSET:
        _check_page(value.page, file)
    if value.hypercalls is not UNSET:
        _check_hypercalls(value.hypercalls, file)
    return file


def _check_page(page: Page, file: DescriptionFile) -> None:
    """Raises PvasmError for a page, or fields of it, that cannot be."""
    size, start = page.size, page.fields_from - page.address
    if size & size - 1 or not 4096 <= size <= 1 << 24 or page.address % size or page.address >> 64:
        raise file.fault("the size is a power of two from 4096 to 1 << 24, and the address a multiple of it", "page")
    for word, each in page.fields.items():
        keys = ("page", "fields", word)
        if word not in FIELDS:
            raise file.fault(f"no register{near(word, FIELDS)}", *keys)
        last = start + each.at + each.bytes * COUNTS.get(word, 1)
        if each.bytes not in SIZES or start + each.at < 0 or last > size:
            raise file.fault("1, 2, 4 or 8 bytes, within the page", *keys)
    if page.mask is not UNSET:
        byte = page.mask.byte - page.address
        if not (0 <= start + page.mask.pointer <= size - 8 and 1 <= byte < size):
            raise file.fault("the pointer and both bytes are within the page", "page", "mask")


def _check_hypercalls(told: Hypercalls, file: DescriptionFile) -> None:
    """Raises PvasmError for numbers and registers that there are not."""
    if not 0 <= told.immediate < 1 << 21:
        raise file.fault("a break has a number of 21 bits", "hypercalls", "break")
    general_register(told.number_in, file, "hypercalls", "number_in")
    for word, each in told.calls.items():
        keys = ("hypercalls", "calls", word)
        if not NUMBER.fullmatch(word):
            raise file.fault("a call's key is its number", *keys)
        for name in each.gives:
            general_register(name, file, *keys, "gives")
        if each.page_to is not UNSET:
            general_register(each.page_to, file, *keys, "page_to")
            if file.value.page is UNSET:
                raise file.fault("there is no page to move", *keys, "page_to")


def general_register(word: str, file: DescriptionFile, *keys: str) -> Register:
    """A general register by its name. Raises PvasmError, with the place, for a word that is none."""
    register = REGISTERS.get(word)
    if register is None or register.file != "r":
        raise file.fault(f"{word} is no general register", *keys)
    return register


def shipped_description(name: str) -> Path | None:
    """The file of an environment that travels with pvsim, None for bare hardware and for names of none."""
    path = Path(__file__).with_name(f"{name}.yaml")
    return path if path.is_file() else None


def no_description(name: str) -> PvasmError:
    """What to say of an environment that nobody has described."""
    known = sorted(path.stem for path in Path(__file__).parent.glob("*.yaml"))
    return PvasmError(f"there is no environment {name}{near(name, known)}; known are hardware, {', '.join(known)}")
