"""Reads a scenario's file, and refuses what contradicts itself whatever the code is; with the place, line and column.

What depends on the code (labels, what is at the same place) `scenario_contradictions.py` looks at, when it is run.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any, Final, TypeVar

from msgspec import Struct

from pvasm.errors import PvasmError
from pvasm.isa.registers import PSR_FIELDS, REGISTERS
from pvasm.paravirt.yaml_nodes import Node, convert, fault, read_yaml
from pvasm.regex import regex
from pvasm.suggestions import near
from pvsim.load import load_image
from pvsim.machine.external_interrupts import VECTORS
from pvsim.machine.interruptions import GENERAL_CODES
from pvsim.machine.machine import Machine
from pvsim.modes import MODES
from pvsim.scenario import (
    COUNTS,
    MEMORY_BITS,
    PAGE_SIZES,
    RIGHTS,
    DeviceWord,
    Expected,
    Interrupt,
    Page,
    Scenario,
    ScenarioError,
    Steps,
    Value,
    Words,
    bytes_of,
    check_register,
    check_room,
    cut,
    in_bank,
    is_banked,
    number_so_far,
    own_name,
)
from pvsim.scenario_run import ENDS_OF_INTERRUPTIONS, MEMORY, NO_END, REFUSED, RETURNED, VIOLATION, is_register_item
from pvsim.source_image import image_of_text
from pvsim.stubs import StubDefinedError

MOST_TICKS: Final = 1 << 32
MOST_STEPS: Final = 1_000_000_000
RETURNS: Final = "returns"
_LEVEL: Final = "psr.cpl"
_OTHER_ITEMS: Final = ("cfm", "timer", "where it ends", "translations of data", "translations of instructions")
KINDS: Final = regex("d|i|di|id")
_ITEM: Final = regex(
    r"[di]tr\[[0-9]{1,3}\]|in service 0x[0-9a-f]{1,2}|(?:loads of|stores to) the device at \S.*|memory at [^0\s].*"
)
_WORD_ITEM: Final = regex(r"memory at 0x[0-9a-f]*[08]")
_SLOTS: Final = 3
_FIXED: Final = {
    "psr.is": "IA-32 code is not run here",
    "psr.ri": "code begins with the first instruction of a bundle",
}
"""Fields of psr that are 0 to begin with, and why."""

_Value = TypeVar("_Value")


class ScenarioFile(Struct):
    """A scenario, and where each of its values stands in the file that it is from."""

    name: str
    scenario: Scenario
    root: Node

    @contextlib.contextmanager
    def placed(self) -> Iterator[None]:
        """Errors about values of the scenario have the place in its file, outside of this."""
        try:
            yield
        except ScenarioError as error:
            raise _placed(self.root, error.steps, self.name, error.said) from None
        except StubDefinedError as error:
            if error.symbol not in self.scenario.stubs:
                raise
            raise _placed(self.root, ("stubs", error.symbol), self.name, str(error)) from None


def read_scenario(path: Path) -> ScenarioFile:
    """The scenario in a file. Raises PvasmError, with the place, for what is none, or contradicts itself."""
    name = str(path)
    root = read_yaml(path)
    _check_quoted(root, name)
    found = convert(root, Scenario, name, "")
    made = ScenarioFile(name, found, root)
    with made.placed():
        _check_values(found)
        _check_names(found)
        _check_end(found)
        if "mode" in root.value:
            _check_level(found)
    return made


def _placed(root: Node, steps: Steps, name: str, said: str) -> PvasmError:
    """The error about a value, with its place in the file."""
    node, place = root, (1, 1)
    for step in steps:
        held: Any = node.value
        child = held[step] if isinstance(step, int) else held.get(step)
        if child is None:
            break  # not in the file: it has been said otherwise
        place = node.keys.get(str(step), (child.line, child.column))
        node = child
    return fault(said, name, place, ".".join(map(str, steps)))


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


# ------------------------------------------------------------------------------------- values, one by one


def _check_values(given: Scenario) -> None:
    parts: tuple[tuple[Steps, Scenario | Expected], ...] = (((), given), (("expect",), given.expect))
    for steps, part in parts:
        for word, value in part.registers.items():
            _check((*steps, "registers", word), partial(_check_value_of, word, value))
        for word, text in part.memory.items():
            _check((*steps, "memory", word), partial(_check_memory, word, text))
        for word, words in part.words.items():
            _check((*steps, "words", word), partial(_check_words, word, words))
    for word, value in given.registers.items():
        _check(("registers", word), partial(_check_begun, word, value))
    _check_each("nat", given.nat, _check_nat)
    _check_each("pages", given.pages, _check_page)
    _check_each("interrupts", given.interrupts, partial(_check_interrupt, given.steps))
    _check_each("devices", given.devices, _check_device)
    _check_each("in_service", given.in_service, _check_vector)
    for word, value in given.stubs.items():
        _check(("stubs", word), partial(_check_stub, value))
    if not 1 <= given.steps <= MOST_STEPS:
        raise ScenarioError(f"a number from 1 to {MOST_STEPS}", ("steps",))
    if not 0 <= given.ticks <= MOST_TICKS:
        raise ScenarioError(f"a number from 0 to {MOST_TICKS}", ("ticks",))
    if given.mode not in MODES:
        said = f"there is no mode {cut(given.mode)}{near(given.mode, MODES)}; there are {', '.join(MODES)}"
        raise ScenarioError(said, ("mode",))


def _check_each(key: str, values: Sequence[_Value], check: Callable[[_Value], None]) -> None:
    for at, value in enumerate(values):
        _check((key, at), partial(check, value))


def _check(steps: Steps, check: Callable[[], object]) -> None:
    """Raises what the check does, with the way to the value."""
    try:
        check()
    except PvasmError as error:
        raise ScenarioError(error.message, steps) from None


def _check_nat(name: str) -> None:
    if is_banked(name):
        return
    register = REGISTERS.get(name)
    if register is None or register.file != "r" or not register.number:
        raise PvasmError(f"{cut(name)} cannot be Not a Thing: general registers from r1 on can")


def _check_page(page: Page) -> None:
    if page.rights not in RIGHTS or not KINDS.fullmatch(page.kinds) or not 0 <= page.level <= 3:
        raise PvasmError(f"rights are {', '.join(RIGHTS)}, kinds d, i or di, levels 0 to 3")
    if page.size not in PAGE_SIZES:
        sizes = ", ".join(map(str, sorted(PAGE_SIZES)))
        raise PvasmError(f"no page has the size 1 << {page.size}: exponents are {sizes}")
    if not (0 <= page.at < 1 << 64 and 0 <= page.to < 1 << MEMORY_BITS and 0 <= page.key < 1 << 24):
        raise PvasmError(f"at has 64 bits, to {MEMORY_BITS}, key 24")
    for word, address in (("at", page.at), ("to", page.to)):
        if address & (1 << page.size) - 1:
            raise PvasmError(f"{word}: a page of 1 << {page.size} bytes does not begin at {address:#x}")
    if page.register is not None and not 0 <= page.register < COUNTS["dtr"]:
        raise PvasmError(f"there are translation registers 0 to {COUNTS['dtr'] - 1}")


def _check_interrupt(steps: int, interrupt: Interrupt) -> None:
    _check_vector(interrupt.vector)
    if interrupt.after < 0:
        raise PvasmError("after how many instructions? That is no number below 0")
    if interrupt.after >= steps:
        raise PvasmError(f"it comes after {interrupt.after} instructions, and the run ends after {steps} (steps)")


def _check_device(device: DeviceWord) -> None:
    if not device.reads:
        raise PvasmError("reads: what does a load take? At least one number")
    _check_words(str(device.at), [*device.reads])


def _check_vector(vector: int) -> None:
    if vector not in VECTORS:
        raise PvasmError(f"no interrupt has the vector {vector}: there are 0, 2 and 16 to 255")


def _check_stub(value: Value) -> None:
    if isinstance(value, str) and value != RETURNS:
        said = f"{cut(value)} is neither an address nor `{RETURNS}', for a function that does so at once"
        raise PvasmError(said + near(value, [RETURNS]))
    if isinstance(value, int) and not 0 <= value < 1 << 64:
        raise PvasmError(f"{value:#x} is no address: those are from 0 to {(1 << 64) - 1:#x}")


def _check_value_of(name: str, value: Value) -> None:
    check_register(name, 0)
    found = value if isinstance(value, int) else number_so_far(value)
    if found is not None:
        check_register(name, found)


def _check_memory(address: str, text: str) -> None:
    _check_place(address, len(bytes_of(text)))


def _check_words(address: str, words: Words) -> None:
    values = words if isinstance(words, list) else [words]
    for value in values:
        if isinstance(value, str):
            number_so_far(value)
        elif not -(1 << 63) <= value < 1 << 64:
            raise PvasmError(f"{value:#x} is more than a word holds, 64 bits")
    _check_place(address, 8 * len(values))


def _check_place(address: str, size: int) -> None:
    """Raises PvasmError for what is no address; of an expression with symbols, that is known when they are."""
    if not size:
        raise PvasmError("what is there? Nothing is said")
    found = number_so_far(address)
    if found is not None:
        check_room(found, size, cut(address))


# ------------------------------------------------------------------------------ what no register holds


def _check_begun(name: str, value: Value) -> None:
    """Raises PvasmError for a value that no register of a processor holds where code begins."""
    found = value if isinstance(value, int) else number_so_far(value)
    why = _FIXED.get(name)
    if found and why is not None:
        raise PvasmError(f"it is 0 to begin with: {why}")
    if found and _refuses(own_name(name), found & (1 << 64) - 1):
        raise PvasmError(f"{found:#x} has reserved fields of {name}: no processor lets that be written")


def _refuses(name: str, value: int) -> bool:
    """Whether a processor takes no such value, with reserved fields, for a register: a move of it says."""
    machine = _mover(name)
    if machine is None:
        return False
    machine.gr[2], machine.ip = value, 0x10000
    stop = machine.run(_SLOTS)  # of ar.pfs, and others, the move is in the second
    return stop is not None and stop.code & 0xFFFF == GENERAL_CODES["reserved_register_field"]


@cache
def _mover(name: str) -> Machine | None:
    """A processor that is about to move r2 to a register; None for one that takes any value."""
    file, is_indexed, _ = name.partition("[")
    if file.partition(".")[0] not in ("ar", "cr", "rr", "pkr"):
        return None
    target = f"{file}[r3]" if is_indexed else name
    machine = Machine()
    load_image(machine, image_of_text(f"mov {target} = r2"))
    machine.set_psr(0)
    machine.gr[3] = int(name[name.index("[") + 1 : -1]) << 61 * (file == "rr") if is_indexed else 0
    return machine


# ---------------------------------------------------------------------------------- one thing, twice or in vain


def _check_names(given: Scenario) -> None:
    """Raises ScenarioError for a register, or whatever else, of which two things are said."""
    bank = given.registers.get("psr.bn", 1)
    begun = bank if isinstance(bank, int) else number_so_far(bank)

    def register(name: str) -> str:
        return in_bank(own_name(name), 1 if begun is None else begun)

    _check_once("registers", given.registers, [(("registers", name), register(name)) for name in given.registers])
    expected = [(("expect", "registers", name), own_name(name)) for name in given.expect.registers]
    _check_once("expect.registers", given.expect.registers, expected)
    _check_once("nat", given.nat, [(("nat", at), register(name)) for at, name in enumerate(given.nat)])
    for key in ("interrupts", "in_service", "instances", "stop", "ignored"):
        values: list[Any] = getattr(given, key)
        names = [f"{each.vector} after {each.after}" if isinstance(each, Interrupt) else str(each) for each in values]
        _check_once(key, names, [((key, at), value) for at, value in enumerate(values)])
    table = next((each for each in given.registers if own_name(each) == "cr.iva"), None)
    if table is not None:
        raise ScenarioError("`vectors' names the label that it points to", ("registers", table))
    if given.entry in given.stop:
        said = f"{given.entry} is where the run begins: nothing would be executed"
        raise ScenarioError(said, ("stop", given.stop.index(given.entry)))
    for at, item in enumerate(given.ignored):
        _check(("ignored", at), partial(_check_item, item))
    ignored = {*given.ignored}
    for name in given.expect.registers:
        item = own_name(name)
        if not is_register_item(item):
            raise ScenarioError("that is not looked at", ("expect", "registers", name))
        if item in ignored:
            raise ScenarioError(f"{item} is among what is `ignored'", ("expect", "registers", name))


def _check_once(key: str, names: Iterable[str], ways: Sequence[tuple[Steps, object]]) -> None:
    """Raises ScenarioError for the second of two that are the same thing."""
    seen: dict[object, str] = {}
    for name, (steps, thing) in zip(names, ways, strict=True):
        before = seen.setdefault(thing, name)
        if seen[thing] is not name:
            same = "" if before == name else f": it is {before}"
            raise ScenarioError(f"{cut(name)} stands twice in {key}{same}", steps)


def _check_item(item: str) -> None:
    """Raises PvasmError for what compare never tells of."""
    if is_register_item(item) or item in _OTHER_ITEMS or _ITEM.fullmatch(item) or _WORD_ITEM.fullmatch(item):
        return
    own = own_name(item)
    if own != item and is_register_item(own):
        raise PvasmError(f"compare has no item {item}: it calls it {own}")
    if item.startswith(f"{MEMORY}0"):
        raise PvasmError(f"compare has no item {cut(item)}: words are at multiples of 8, in hexadecimal: {MEMORY}0x1f8")
    known = [*_OTHER_ITEMS, *(f"psr.{each}" for each in PSR_FIELDS), *REGISTERS]
    raise PvasmError(f"compare has no item {cut(item)}{near(item, known)}")


def _check_level(given: Scenario) -> None:
    """Raises ScenarioError for a privilege level that is not the one of the mode."""
    value = given.registers.get(_LEVEL)
    found = number_so_far(value) if isinstance(value, str) else value
    level = MODES[given.mode] >> PSR_FIELDS["cpl"][0] & 3
    if found is not None and found != level:
        raise ScenarioError(f"the mode {given.mode} is that of level {level}", ("registers", _LEVEL))


def _check_end(given: Scenario) -> None:
    """Raises ScenarioError for an end that no run has."""
    end = given.expect.end
    if end is None or end.startswith((REFUSED, VIOLATION)):
        return
    endless = f"{given.steps} {NO_END}"
    interruptions = ENDS_OF_INTERRUPTIONS if given.vectors is None else ()
    known = [RETURNED, *given.stop, *interruptions, endless]
    if end in known:
        return
    if end in ENDS_OF_INTERRUPTIONS:
        raise ScenarioError("interruptions are taken at the `vectors', and end nothing", ("expect", "end"))
    if end.endswith(NO_END):
        raise ScenarioError(f"there are {given.steps} steps: `{endless}'", ("expect", "end"))
    said = f"no run ends at {cut(end)}{near(end, known)}: a label has to stand in `stop'"
    raise ScenarioError(said, ("expect", "end"))
