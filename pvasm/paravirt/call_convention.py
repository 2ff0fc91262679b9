"""How the members of a C table are called where C cannot do it, and what stands in the place of a call (`sites`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Literal

from msgspec import Struct

from pvasm.isa.registers import REGISTERS
from pvasm.regex import regex
from pvasm.suggestions import near

_RANGE = regex(r"(?P<file>[rpb])(?P<first>[0-9]{1,3})-(?P=file)(?P<last>[0-9]{1,3})")
_MOST: Final = 128


class Convention(Struct, frozen=True, forbid_unknown_fields=True):
    """Registers of a call: of its arguments in C's order, of its result; the branch registers that hold the entry and
    the place to go back to; those that may be lost, as the catalog has them (`r8-r11`).
    """

    arguments: list[str]
    result: str
    entry: str
    back: str
    clobbers: list[str]

    @property
    def lost(self) -> list[str]:
        """The registers that a call may leave anything in, one by one, those of arguments and result among them."""
        own = [register for word in self.clobbers for register in _each(word)]
        return list(dict.fromkeys(own))

    def flaw(self) -> str | None:
        """What is wrong with it; None if nothing is."""
        for word in (*self.arguments, self.result, self.entry, self.back, *self.lost):
            if word not in REGISTERS:
                return f"{word} is no register{near(word, REGISTERS)}"
        missing = [each for each in (*self.arguments, self.result, self.entry, self.back) if each not in self.lost]
        return f"{missing[0]} is not among the clobbers" if missing else None


class CallSite(Struct, frozen=True, forbid_unknown_fields=True):
    """A member's sites: the number of their type in Linux's records, the code that does what the member does, and the
    registers of its arguments where they are not the convention's.

    Where `by_register` is set, the first argument is the number of a register, and the code is what `registers` say.
    """

    type: int
    code: str | None = None
    by_register: Literal["get", "set"] | None = None
    arguments: list[str] | None = None


class NumberedRegister(Struct, frozen=True, forbid_unknown_fields=True):
    """A register that is asked for by its number: the code that reads it, and that sets it; None where none can."""

    number: int
    get: str | None
    set: str | None


def code_of(site: CallSite, registers: Mapping[str, NumberedRegister], number: int | None) -> str | None:
    """The code of a site, for the register with that number where it is asked for one; None if there is none."""
    if site.by_register is None:
        return site.code
    found = next((each for each in registers.values() if each.number == number), None)
    return None if found is None else found.get if site.by_register == "get" else found.set


def arguments_of(site: CallSite, convention: Convention, count: int) -> Sequence[str]:
    """The registers of so many arguments of a member."""
    return (site.arguments or convention.arguments)[:count]


def _each(word: str) -> list[str]:
    found = _RANGE.fullmatch(word)
    if found is None:
        return [word]
    return [f"{found['file']}{number}" for number in range(int(found["first"]), min(int(found["last"]), _MOST) + 1)]
