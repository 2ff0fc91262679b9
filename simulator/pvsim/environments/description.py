"""What a hypervisor is to its guest, as a YAML file says it: the level, the shared page, calls, what is emulated."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from msgspec import UNSET, Struct, UnsetType, field

from pvasm.errors import PvasmError
from pvasm.isa.registers import CONTROL, PSR_MASKS
from pvasm.paravirt.yaml_nodes import Node, convert, fault, read_yaml
from pvasm.suggestions import near

_BANKS: Final = ("bank0", "bank1")
FIELDS: Final = (
    *(f"cr.{name}" for name in CONTROL),
    *PSR_MASKS,
    *(f"{bank}{part}" for bank in _BANKS for part in ("", ".nats")),
    *("rr", "itc_offset"),
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

    Offsets count from `fields_from`.
    """

    address: int
    size: int
    fields_from: int
    fields: dict[str, Field]
    mask: Mask | UnsetType = UNSET


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
    """

    name: str
    description: str
    level: int
    calls: dict[str, str]
    secures_time: bool = False
    refuses: list[str] = field(default_factory=list)
    page: Page | UnsetType = UNSET
    weights: Weights = Weights()


class DescriptionFile(Struct, frozen=True):
    """A description with the place of each of its values."""

    path: str
    root: Node
    value: Description

    def place_of_call(self, name: str) -> tuple[int, int]:
        """Line and column of what a call does."""
        node: Node = self.root.value["calls"].value[name]
        return node.line + node.is_block, 1 if node.is_block else node.column


def read_description(path: Path) -> DescriptionFile:
    """The description in a file. Raises PvasmError, with the place, for what is none."""
    name = str(path)
    root = read_yaml(path)
    value = convert(root, Description, name, "")
    if not 1 <= value.level <= 2:
        node = root.value["level"]
        raise fault("a guest's kernel runs at level 1 or 2", name, (node.line, node.column), "level")
    if value.page is not UNSET:
        _check_page(value.page, root.value["page"], name)
    return DescriptionFile(name, root, value)


def _check_page(page: Page, node: Node, name: str) -> None:
    """Raises PvasmError for a page, or fields of it, that cannot be."""
    place = node.line, node.column
    if page.size & page.size - 1 or not 4096 <= page.size <= 1 << 24 or page.address % page.size:
        raise fault("the size is a power of two from 4096 on, and the address a multiple of it", name, place, "page")
    fields = node.value["fields"]
    for word, each in page.fields.items():
        path = f"page.fields.{word}"
        if word not in FIELDS:
            raise fault(f"no register{near(word, FIELDS)}", name, fields.keys[word], path)
        last = page.fields_from - page.address + each.at + each.bytes * COUNTS.get(word, 1)
        if each.bytes not in (1, 2, 4, 8) or each.at < 0 or last > page.size:
            raise fault("1, 2, 4 or 8 bytes, within the page", name, fields.keys[word], path)


def shipped_description(name: str) -> Path | None:
    """The file of an environment that travels with pvsim, None for bare hardware and for names of none."""
    path = Path(__file__).with_name(f"{name}.yaml")
    return path if path.is_file() else None


def no_description(name: str) -> PvasmError:
    """What to say of an environment that nobody has described."""
    known = sorted(path.stem for path in Path(__file__).parent.glob("*.yaml"))
    return PvasmError(f"there is no environment {name}{near(name, known)}; known are hardware, {', '.join(known)}")
