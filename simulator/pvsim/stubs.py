"""Stubs: where the symbols of other files are, and functions in their place that return at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from msgspec import Struct, field

from pvasm.asm.image import Image, Segment
from pvasm.errors import PvasmError, UndefinedSymbols
from pvasm.isa.bundle import SIZE, Bundle
from pvasm.isa.encoding import nop
from pvsim.function_run import STUBS

_BUNDLE: Final = Bundle(0x11, (nop("M"), nop("I"), 0x1_0800_1100))  # nop.m, nop.i, br.ret.sptk.many b0


class StubDefinedError(PvasmError):
    """A stub is for a symbol that the code itself defines."""

    def __init__(self, symbol: str, path: str | None) -> None:
        super().__init__(f"{symbol} is defined here: a stub is for a symbol of another file", path)
        self.symbol = symbol


class Stubs(Struct, frozen=True):
    """What stands for the symbols of other files.

    `addresses` are where some of them are; each name in `returning` is a function that returns at once, and with
    `missing` so is all that no file defines.
    """

    addresses: dict[str, int] = field(default_factory=dict)
    returning: tuple[str, ...] = ()
    missing: bool = False

    def image(self, lay_out: Callable[[Mapping[str, int]], Image]) -> Image:
        """The image that `lay_out` makes, given the addresses of symbols; with the functions that return at once.

        Raises UndefinedSymbols for symbols that neither it nor these define, PvasmError for a stub of a symbol that the
        code itself defines, and for more functions than there is room for.
        """
        names = self.returning
        try:
            image = lay_out({**_functions(names), **self.addresses})
        except UndefinedSymbols as several:
            if not self.missing:
                raise
            names = (*names, *several.places)
            image = lay_out({**_functions(names), **self.addresses})
        given = {**_functions(names), **self.addresses}
        own = next((name for name, address in given.items() if image.symbols[name] != address), None)
        if own is not None:
            raise StubDefinedError(own, image.path)
        if names:
            data = bytearray(_BUNDLE.to_bytes() * len(dict.fromkeys(names)))
            image.segments.append(Segment("stubs", STUBS.start, data, executable=True))
        return image


def _functions(names: Sequence[str]) -> dict[str, int]:
    addresses = {name: STUBS.start + SIZE * at for at, name in enumerate(dict.fromkeys(names))}
    room = len(STUBS) // SIZE
    if len(addresses) > room:
        raise PvasmError(f"stubs: there is room for {room} functions that return at once")
    return addresses


NO_STUBS: Final = Stubs()
