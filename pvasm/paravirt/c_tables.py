"""The C tables that an instance fills: members in the order of the struct, with their C types and where they stand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from msgspec import Struct

from pvasm.paravirt.call_convention import CallSite, Convention, NumberedRegister
from pvasm.regex import regex

_POINTER: Final = 8
# Sizes where long and pointers have 64 bits (LP64), which is also what each is aligned to.
_SIZES: Final = {
    "char": 1,
    "unsigned char": 1,
    "short": 2,
    "unsigned short": 2,
    "int": 4,
    "unsigned int": 4,
    "long": 8,
    "unsigned long": 8,
    "long long": 8,
    "unsigned long long": 8,
}
_WORDS: Final = r"[A-Za-z_][A-Za-z0-9_]*(?: [A-Za-z_][A-Za-z0-9_]*)*"
_PARAMETER: Final = rf"{_WORDS} \**[A-Za-z_][A-Za-z0-9_]*"
TYPE = regex(rf"(?:{'|'.join(_SIZES)})|{_WORDS} \*+|{_WORDS}(?: \*+| )\((?:void|{_PARAMETER}(?:, {_PARAMETER})*)\)")
"""A member's C type: an integer's, a pointer, or a function's, each of whose parameters has a name."""
C_NAME = regex(r"[A-Za-z_][A-Za-z0-9_]*")
_NAMED = regex(r"(?P<type>[^*]* \**)(?P<name>[A-Za-z_][A-Za-z0-9_]*)")

_ADDRESS: Final = "unsigned long"  # the integer that may hold a symbol's address
_TEXT: Final = "const char *"

# C11's (6.4.1), and what gcc adds.
KEYWORDS: Final = frozenset(
    (
        *("auto", "break", "case", "char", "const", "continue", "default", "do", "double", "else", "enum", "extern"),
        *("float", "for", "goto", "if", "inline", "int", "long", "register", "restrict", "return", "short", "signed"),
        *("sizeof", "static", "struct", "switch", "typedef", "union", "unsigned", "void", "volatile", "while", "asm"),
        *("typeof", "_Alignas", "_Alignof", "_Atomic", "_Bool", "_Complex", "_Generic", "_Imaginary", "_Noreturn"),
        *("_Static_assert", "_Thread_local"),
    )
)


class Member(Struct, frozen=True):
    """A member of a table: its C type, as the catalog writes it (`int (unsigned long *new_itm)` for a function).

    `call` is the C function by which the kernel calls it, or reads it; None if it reads the table itself.
    """

    name: str
    type: str
    may_be_null: bool
    call: str | None

    @property
    def is_function(self) -> bool:
        """Whether it is a function's address, to be called."""
        return self.type.endswith(")")

    @property
    def result(self) -> str:
        """What the function returns; of what is no function, the type."""
        return self.type.partition("(")[0].rstrip()

    @property
    def parameters(self) -> list[str]:
        """The function's parameters, types and names; none for `(void)`."""
        given = self.type.partition("(")[2].removesuffix(")")
        return [] if given in ("", "void") else given.split(", ")

    @property
    def arguments(self) -> list[str]:
        """The names of the parameters."""
        return [each[split(each) :] for each in self.parameters]

    @property
    def size(self) -> int:
        """Its size, and what it is aligned to, in bytes."""
        return _POINTER if self.type.endswith((")", "*")) else _SIZES[self.type]

    @property
    def is_text(self) -> bool:
        """Whether it is a text."""
        return self.type == _TEXT

    @property
    def may_be_symbol(self) -> bool:
        """Whether a symbol's address can be its value."""
        return self.is_function or self.type == _ADDRESS or (self.type.endswith("*") and not self.is_text)

    @property
    def bounds(self) -> tuple[int, int] | None:
        """The least and the greatest number that it can be; None where it is no number."""
        if self.type not in _SIZES:
            return None
        bits = 8 * _SIZES[self.type]
        return (0, (1 << bits) - 1) if self.type.startswith("unsigned") else (-1 << bits - 1, (1 << bits - 1) - 1)

    def flaw(self, value: int | str) -> str | None:
        """What a value, which is not null, should be to be the member's; None if it is that."""
        bounds = self.bounds
        if isinstance(value, int):
            if bounds is not None:
                return None if bounds[0] <= value <= bounds[1] else f"from {bounds[0]} to {bounds[1]}"
        elif self.is_text or (self.may_be_symbol and C_NAME.fullmatch(value) and value not in KEYWORDS):
            return None
        if self.is_text:
            return "a text"
        symbol = f"the name of a C {'function' if self.is_function else 'symbol'}"
        return symbol if bounds is None else f"a number, or {symbol}" if self.may_be_symbol else "a number"


class Table(Struct, frozen=True):
    """A C table: a struct and a variable of the same name.

    Where the C preprocessor symbol `not_c_if` is defined, the members' functions are called by a `convention` other
    than C's; `sites` have what stands in the place of such calls by member, `registers` those that are asked for by
    their numbers.
    """

    name: str
    members: Mapping[str, Member]
    not_c_if: str | None = None
    convention: Convention | None = None
    sites: Mapping[str, CallSite] = {}
    registers: Mapping[str, NumberedRegister] = {}

    def offsets(self) -> dict[str, int]:
        """Where each member stands, in bytes from the start (System V ABI: each is aligned to its size)."""
        found, end = {}, 0
        for member in self.members.values():
            found[member.name] = end = _aligned(end, member.size)
            end += member.size
        return found

    @property
    def size(self) -> int:
        """The size in bytes, with what fills it up to the alignment of the widest member."""
        end = max(offset + self.members[name].size for name, offset in self.offsets().items())
        return _aligned(end, max(member.size for member in self.members.values()))


def offset_symbols(tables: Mapping[str, Table]) -> Iterator[tuple[str, int]]:
    """Names for the offsets and sizes of tables, as the C preprocessor has them: `PV_INFO_NAME_OFFSET` is 8."""
    for table in tables.values():
        for member, offset in table.offsets().items():
            yield f"{table.name}_{member}_OFFSET".upper(), offset
        yield f"{table.name}_SIZE".upper(), table.size


def flaw_of_type(text: str) -> str | None:
    """What is wrong with the C type of a member; None if it can be one."""
    if TYPE.fullmatch(text):
        return None
    return (
        f"`{text}' is no pointer, no function such as `int (unsigned long *new_itm)', and none of {', '.join(_SIZES)}"
    )


def split(parameter: str) -> int:
    """Where a parameter's name begins, behind its type."""
    found = _NAMED.fullmatch(parameter)
    assert found is not None  # flaw_of_type has seen it
    return found.start("name")


def _aligned(offset: int, alignment: int) -> int:
    return -(-offset // alignment) * alignment
