"""How instructions pass control, and which of them give registers' names to other registers.

SDM vol. 1, 4.5 (branches) and 4.8 (register stack); vol. 3, br, brl, chk, fchkf, rfi, cover, clrrrb, alloc, bsw.
"""

from __future__ import annotations

from functools import cache
from typing import Final, Literal

from msgspec import Struct

Transfer = Literal["", "branch", "loop", "call", "return", "check", "rfi", "foreign", "break"]
"""How an instruction passes control on; empty for one that the next follows.

A `loop` may be passed whatever its predicate says, by ar.lc or ar.ec; a `check` goes to its label when a speculation
has failed; `foreign` is what goes to code of the other instruction set (br.ia). A `break` may be a call of a monitor.
"""


class Passing(Struct, frozen=True):
    """What a mnemonic does to control and to the names of registers.

    `moves_frame` says that stacked or rotating registers' names mean others afterwards, `bank` to which bank r16-r31
    are switched (None: to none).
    """

    transfer: Transfer
    moves_frame: bool = False
    bank: int | None = None


_BRANCHES: Final[dict[str, Transfer]] = {
    "cond": "branch",
    "call": "call",
    "ret": "return",
    "ia": "foreign",
    **dict.fromkeys(("cloop", "ctop", "cexit", "wtop", "wexit"), "loop"),
}
_STEMS: Final[dict[str, Transfer]] = {"chk": "check", "fchkf": "check", "rfi": "rfi", "break": "break"}
_MOVING: Final = frozenset({"cover", "alloc", "clrrrb", "br.ctop", "br.cexit", "br.wtop", "br.wexit"})
_BANKS: Final = {"bsw.0": 0, "bsw.1": 1}


@cache
def passing(mnemonic: str) -> Passing:
    """What an instruction with this mnemonic (its canonical spelling) does to control and names."""
    stem, _, rest = mnemonic.partition(".")
    kind = rest.partition(".")[0]
    transfer = _BRANCHES.get(kind, "branch") if stem in ("br", "brl") else _STEMS.get(stem, "")
    head = f"{stem}.{kind}"
    return Passing(transfer, stem in _MOVING or head in _MOVING, _BANKS.get(head))
