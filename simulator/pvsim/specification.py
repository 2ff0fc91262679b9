"""What a program of a batch begins with, read from JSON: registers, memory, translations and code.

Everything has a default. A number may be written as one, or as a string (`"0x10"`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

from msgspec import Struct

from pvasm.errors import PvasmError
from pvasm.isa.bundle import SIZE
from pvasm.isa.registers import PSR_FIELDS
from pvasm.suggestions import near
from pvsim.modes import FPSR, MODES

_WORD: Final = (1 << 64) - 1
_MOST_DIGITS: Final = 80

Json = Any
T = TypeVar("T")
General = tuple[int, int]
"""The value of a general register, and its NaT bit."""


class Frame(Struct, frozen=True):
    """The fields of cfm; `sor` in registers."""

    sof: int
    sol: int
    sor: int
    rrb_gr: int
    rrb_fr: int
    rrb_pr: int


class PageToInsert(Struct, frozen=True):
    """A page for a register or a cache: of data (`d`, `cd`) or instructions (`i`, `ci`)."""

    kind: str
    slot: int
    address: int
    size: int
    entry: int
    key: int


class Specification(Struct, frozen=True):
    """A program and the state that it begins with. Register numbers are logical."""

    name: str | None
    asm: str | None
    code: bytes | None
    psr: int
    frame: Frame
    bsp: int | None
    general: dict[int, General]
    bank0: dict[int, General]
    tells_bank0: bool | None
    predicates: int
    branch: dict[int, int]
    application: dict[str, int]
    control: dict[str, int]
    floating: dict[int, int]
    memory: list[tuple[int, bytes]]
    backing_store: list[tuple[int, bytes]]
    regions: dict[int, int]
    keys: dict[int, int]
    pages: list[PageToInsert]
    slot: int | None


def specification_of(given: Json) -> Specification:
    """What an object of JSON specifies. Raises PvasmError for what is not known, or not of the right form."""
    if not isinstance(given, dict):
        raise PvasmError(f"a program is an object, {{...}}, and not {_noun(given)}")
    _check_keys(given, _KEYS, "")
    if ("asm" in given) == ("code" in given):
        raise PvasmError("a program has either `asm' (text) or `code' (hexadecimal bytes)")
    if given.get("asm", "") is None:
        raise PvasmError("asm: text is expected, not null")
    frame = _frame(given.get("cfm", {"sof": 96}))
    psr = _psr(given)
    level_of_rsc = (psr >> PSR_FIELDS["cpl"][0] & 3 == 3) * 3
    application = {**_APPLICATION_DEFAULTS, "rsc": level_of_rsc << 2, **_named(given, "ar", _APPLICATION)}
    return Specification(
        name=_text(given, "name"),
        asm=_text(given, "asm"),
        code=_at("code", _bundles, given["code"]) if "code" in given else None,
        psr=psr,
        frame=frame,
        bsp=_at("bsp", _number, given["bsp"]) if "bsp" in given else None,
        general=_numbered(given, "gr", range(128), _general, _all_general),
        bank0=_numbered(given, "gr0", range(16, 32), _general),
        tells_bank0=bool(_at("bank0", _bit, given["bank0"])) if "bank0" in given else None,
        predicates=_predicates(given.get("pr", 1), frame.rrb_pr),
        branch=_numbered(given, "br", range(8), _number),
        application=application,
        control=_named(given, "cr", _CONTROL),
        floating=_numbered(given, "fr", range(128), _floating, _all_floating),
        memory=_blocks(given, "mem"),
        backing_store=_blocks(given, "bsmem"),
        regions=_numbered(given, "rr", range(8), _number),
        keys=_numbered(given, "pkr", range(16), _number),
        pages=_pages([] if given.get("tr") is None else given["tr"]),
        slot=_at("slot", _natural, given["slot"], _MOST_SLOTS) if "slot" in given else None,
    )


_KEYS: Final = (
    *("name", "asm", "code", "mode", "psr", "cfm", "bsp", "gr", "gr0", "pr", "br", "ar", "fr", "mem", "bsmem"),
    *("cr", "rr", "pkr", "tr", "slot", "bank0", "template"),
)
_APPLICATION: Final = (
    *("rsc", "unat", "fpsr", "pfs", "lc", "ec", "ccv", "csd", "ssd", "rnat"),
    *(f"k{number}" for number in range(8)),
)
_APPLICATION_DEFAULTS: Final = {
    "rsc": 0,
    "unat": 0,
    "fpsr": FPSR,
    **dict.fromkeys(("pfs", "lc", "ec", "ccv", "csd", "ssd", "rnat"), 0),
}
_CONTROL: Final = ("iva", "dcr", "pta", "isr", "ifa", "itir", "iipa", "iim", "iha")
_CFM: Final = {"sof": 96, "sol": 96, "sor": 12, "rrb_gr": 127, "rrb_fr": 95, "rrb_pr": 47}
_PAGE: Final = ("kind", "slot", "va", "ps", "pte", "key")
_KINDS: Final = ("d", "i", "cd", "ci")
_MOST_PAGES: Final = 4
_MOST_SLOTS: Final = (1 << 24) // 4096 - 2

# ---------------------------------------------------------------------------------------- by key


def _psr(given: Mapping[str, Json]) -> int:
    mode = given.get("mode", "user")
    if not isinstance(mode, str) or mode not in MODES:
        raise PvasmError(f"mode: {shown(mode)} is none of {', '.join(MODES)}")
    psr = given.get("psr", MODES[mode])
    if not isinstance(psr, dict):
        return _at("psr", _number, psr)
    _check_keys(psr, tuple(PSR_FIELDS), "psr.")
    word = 0
    for name, value in psr.items():
        low, width = PSR_FIELDS[name]
        word |= _at(f"psr.{name}", _natural, value, (1 << width) - 1) << low
    return word


def _frame(given: Json) -> Frame:
    if isinstance(given, dict):
        _check_keys(given, tuple(_CFM), "cfm.")
        fields = {name: _at(f"cfm.{name}", _natural, given.get(name, 0), most) for name, most in _CFM.items()}
    else:
        word = _at("cfm", _natural, given, (1 << 38) - 1)
        low = {"sof": 0, "sol": 7, "sor": 14, "rrb_gr": 18, "rrb_fr": 25, "rrb_pr": 32}
        width = {"sor": 4, "rrb_pr": 6}
        fields = {name: word >> at & (1 << width.get(name, 7)) - 1 for name, at in low.items()}
    fields["sor"] *= 8
    frame = Frame(**fields)
    if frame.sof > _CFM["sof"] or max(frame.sol, frame.sor) > frame.sof:
        raise PvasmError("cfm: sol and the registers that rotate (8 times sor) are at most sof, and that at most 96")
    if frame.rrb_gr >= max(frame.sor, 1) or frame.rrb_fr > _CFM["rrb_fr"] or frame.rrb_pr > _CFM["rrb_pr"]:
        raise PvasmError("cfm: rrb_gr is less than the registers that rotate, rrb_fr than 96, rrb_pr than 48")
    return frame


def _predicates(given: Json, base: int) -> int:
    """The predicates as one word, as `mov r1=pr` has them; `base` is rrb.pr."""
    if not isinstance(given, dict):
        return _at("pr", _number, given) | 1
    word = 1
    for number, value in _registers("pr", given, range(64), _bit).items():
        at = number if number < 16 else 16 + (number - 16 + base) % 48
        word |= value << at
    return word


def _pages(given: Json) -> list[PageToInsert]:
    if not isinstance(given, list) or len(given) > _MOST_PAGES:
        raise PvasmError(f"tr: a list of at most {_MOST_PAGES} pages is expected")
    pages = []
    for at, page in enumerate(given):
        where = f"tr[{at}]"
        if not isinstance(page, dict):
            raise PvasmError(f"{where}: a page is an object, {{...}}, and not {_noun(page)}")
        _check_keys(page, _PAGE, f"{where}.")
        missing = next((key for key in ("kind", "va", "ps", "pte") if key not in page), None)
        if missing is not None:
            raise PvasmError(f"{where}: `{missing}' is missing")
        kind = page["kind"]
        if kind not in _KINDS:
            raise PvasmError(f"{where}.kind: {shown(kind)} is none of {', '.join(_KINDS)}")
        slot = _at(f"{where}.slot", _natural, page.get("slot", 0), 255)
        if "c" not in kind and slot < _FIRST_FREE_SLOT:
            raise PvasmError(f"{where}.slot: {slot} is in use; free registers are those from {_FIRST_FREE_SLOT} on")
        size = _at(f"{where}.ps", _natural, page["ps"], 63)
        address, entry = _at(f"{where}.va", _number, page["va"]), _at(f"{where}.pte", _number, page["pte"])
        key = _at(f"{where}.key", _natural, page.get("key", 0), _KEY)
        pages.append(PageToInsert(kind, slot, address, size, entry, key))
    return pages


_FIRST_FREE_SLOT: Final = 8
_KEY: Final = (1 << 24) - 1


def _blocks(given: Mapping[str, Json], key: str) -> list[tuple[int, bytes]]:
    blocks = [] if given.get(key) is None else given[key]
    if not isinstance(blocks, list):
        raise PvasmError(f"{key}: a list of [address, hexadecimal bytes] is expected, not {_noun(blocks)}")
    made = []
    for at, block in enumerate(blocks):
        where = f"{key}[{at}]"
        if not isinstance(block, list) or len(block) != 2:
            raise PvasmError(f"{where}: [address, hexadecimal bytes] is expected")
        made.append((_at(where, _number, block[0]), _at(where, _bytes, block[1])))
    return made


def _numbered(
    given: Mapping[str, Json],
    key: str,
    numbers: range,
    read: Callable[[Json], T],
    read_all: Callable[[list[Json]], list[T] | None] | None = None,
) -> dict[int, T]:
    """Registers by their numbers; `read_all` reads many at once, if they are written as they are most often."""
    registers = {} if given.get(key) is None else given[key]
    if read_all is not None and isinstance(registers, dict) and registers:
        found = list(map(_NUMBERS.get, registers))
        known = [number for number in found if number is not None]
        values = read_all(list(registers.values())) if len(known) == len(found) else None
        if values is not None and numbers[0] <= min(known) and max(known) <= numbers[-1]:
            return dict(zip(known, values, strict=True))
    return _registers(key, registers, numbers, read)


def _registers(key: str, registers: Json, numbers: range, read: Callable[[Json], T]) -> dict[int, T]:
    if not isinstance(registers, dict):
        raise PvasmError(f"{key}: an object of numbers and values is expected, not {_noun(registers)}")
    made = {}
    name = None
    try:
        for name, value in registers.items():
            number = _NUMBERS.get(name, -1)
            if number not in numbers:
                break
            made[number] = read(value)
        else:
            return made
    except PvasmError as error:
        raise PvasmError(f"{key}.{name}: {error.message}") from None
    raise PvasmError(f"{key}: {shown(name)} is no number from {numbers[0]} to {numbers[-1]}")


_NUMBERS: Final = {str(number): number for number in range(128)}


def _named(given: Mapping[str, Json], key: str, names: tuple[str, ...]) -> dict[str, int]:
    """Registers by their names."""
    registers = {} if given.get(key) is None else given[key]
    if not isinstance(registers, dict):
        raise PvasmError(f"{key}: an object of names and values is expected, not {_noun(registers)}")
    _check_keys(registers, names, f"{key}.")
    return {name: _at(f"{key}.{name}", _number, value) for name, value in registers.items()}


# --------------------------------------------------------------------------------------- by form


def _check_keys(given: Mapping[str, Json], known: tuple[str, ...], where: str) -> None:
    for key in given:
        if key not in known:
            hint = near(key, known) or f"; there are {', '.join(known)}"
            said = f"{where}{key}" if len(key) <= _LONGEST_SHOWN else f"{where}{key[:_LONGEST_SHOWN]}..."
            raise PvasmError(f"`{said}' is no key of a program{hint}")


def _text(given: Mapping[str, Json], key: str) -> str | None:
    value = given.get(key)
    if value is not None and not isinstance(value, str):
        raise PvasmError(f"{key}: text is expected, not {_noun(value)}")
    return value


def _at(where: str, read: Callable[..., T], value: Json, *more: int) -> T:
    """What a function reads of a value. Raises PvasmError that says where the value is."""
    try:
        return read(value, *more)
    except PvasmError as error:
        raise PvasmError(f"{where}: {error.message}") from None


def _integer(value: Json) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and len(value) <= _MOST_DIGITS:
        with contextlib.suppress(ValueError):
            return int(value, 0)
    raise PvasmError(f'a number is expected (16, "0x10"), not {shown(value)}')


def _number(value: Json) -> int:
    """A word, of a negative number its two's complement."""
    if value.__class__ is int and 0 <= value <= _WORD:
        return value
    number = _integer(value)
    if not -(1 << 63) <= number <= _WORD:
        said = f"{number:#x}" if number.bit_length() <= 4 * _LONGEST_SHOWN else shown(value)
        raise PvasmError(f"{said} is more than 64 bits")
    return number & _WORD


def _natural(value: Json, most: int) -> int:
    if value.__class__ is int and 0 <= value <= most:
        return value
    number = int(value) if isinstance(value, bool) else _integer(value)
    if not 0 <= number <= most:
        raise PvasmError(f"{shown(value)} is no number from 0 to {most:#x}")
    return number


def _bit(value: Json) -> int:
    return _natural(value, 1)


def _general(value: Json) -> General:
    if isinstance(value, list):
        if len(value) != 2:
            raise PvasmError("a value, or [value, NaT], is expected")
        word, nat = value
        if word.__class__ is int and nat.__class__ is int and 0 <= word <= _WORD and 0 <= nat <= 1:
            return word, nat
        return _number(word), _natural(nat, 1)
    return _number(value), 0


def _all_general(values: list[Json]) -> list[General] | None:
    """What `_general` reads of each, if all are numbers, or all are pairs of them; else None."""
    if _are_within(values, _WORD):
        return [(value, 0) for value in values]
    columns = _columns(values, 2)
    if columns is None or not (_are_within(columns[0], _WORD) and _are_within(columns[1], 1)):
        return None
    words, nats = columns
    return list(zip(words, nats, strict=True))


def _all_floating(values: list[Json]) -> list[int] | None:
    """What `_floating` reads of each, if all are three numbers; else None."""
    columns = _columns(values, 3)
    if columns is None or not all(map(_are_within, columns, (1, (1 << 17) - 1, _WORD))):
        return None
    return [sign << 81 | exponent << 64 | significand for sign, exponent, significand in zip(*columns, strict=True)]


def _columns(values: list[Json], width: int) -> list[tuple[Json, ...]] | None:
    """The first of all, the second of all, and so on; None if they are not all lists of so many."""
    if set(map(type, values)) != {list} or set(map(len, values)) != {width}:
        return None
    return list(zip(*values, strict=True))


def _are_within(values: Sequence[Json], most: int) -> bool:
    """Whether all are numbers from 0 to `most`."""
    return set(map(type, values)) == {int} and min(values) >= 0 and max(values) <= most


def _floating(value: Json) -> int:
    """The 82 bits of a floating-point register."""
    if isinstance(value, list):
        if len(value) != 3:
            raise PvasmError("82 bits, or [sign, exponent, significand], are expected")
        sign, exponent, significand = value
        is_plain = sign.__class__ is exponent.__class__ is significand.__class__ is int
        if is_plain and 0 <= sign <= 1 and 0 <= exponent < 1 << 17 and 0 <= significand <= _WORD:
            return int(sign << 81 | exponent << 64 | significand)
        return _natural(sign, 1) << 81 | _natural(exponent, (1 << 17) - 1) << 64 | _natural(significand, _WORD)
    return _natural(value, (1 << 82) - 1)


def _bytes(value: Json) -> bytes:
    if isinstance(value, str):
        with contextlib.suppress(ValueError):
            return bytes.fromhex(value)
    raise PvasmError(f'hexadecimal bytes are expected ("0011aa"), not {shown(value)}')


def _bundles(value: Json) -> bytes:
    code = _bytes(value)
    if not code or len(code) % SIZE:
        raise PvasmError(f"bundles of {SIZE} bytes are expected, not {len(code)} bytes")
    return code


def _noun(value: Json) -> str:
    """What a value of JSON is."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return {dict: "an object", list: "a list", str: "text", int: "a number", float: "a fraction"}[type(value)]


_LONGEST_SHOWN: Final = 40


def shown(value: Json) -> str:
    """A value in a message: as it is if it is short."""
    if isinstance(value, str | int | float) and len(text := repr(value)) <= _LONGEST_SHOWN:
        return text
    return _noun(value)
