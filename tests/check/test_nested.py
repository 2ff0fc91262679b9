"""What is nested deeply, or has many arms, takes time linear in its size."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.adversary import MOST, ratio
from tests.check.checking import check

SIZES = (128, 256, 512, 1024)  # levels or arms

NESTED: dict[str, Callable[[int], str]] = {
    ".if": lambda size: ".if a\n" * size + "mov r8 = ar.itc\n" + ".endif\n" * size,
    ".if with .else": lambda size: ".if a\nnop 0\n.else\n" * size + "nop 1\n" + ".endif\n" * size,
    ".if that is skipped": lambda size: ".if 0\n" * size + "nop 1\n" + ".endif\n" * size,
    ".if that is taken": lambda size: ".if 1\n" * size + "nop 1\n" + ".endif\n" * size,
    ".elseif": lambda size: ".if a\n" + ".elseif b\nnop 0\n" * size + ".endif\n",
    ".ifdef": lambda size: ".ifdef a\n" * size + "nop 1\n" + ".endif\n" * size,
    ".if in a macro": lambda size: ".macro m\n" + ".if a\n" * size + "nop 0\n" + ".endif\n" * size + ".endm\nm\n",
    "#if": lambda size: "#if A\n" * size + "nop 1\n" + "#endif\n" * size,
    "#if with #else": lambda size: "#if A\nnop 0\n#else\n" * size + "nop 1\n" + "#endif\n" * size,
    "#elif": lambda size: "#if A\n" + "#elif B\nnop 0\n" * size + "#endif\n",
    "#if without code": lambda size: (
        ".if a\n" * size + "".join(f"#if X{at}\n#endif\n" for at in range(size)) + ".endif\n" * size
    ),
    "#if that opens .if": lambda size: "".join(f"#if X{at}\n.if a\n#endif\n" for at in range(size)) + "nop 0\n",
    ".rept": lambda size: ".rept 1\n" * size + "nop 1\n" + ".endr\n" * size,
    ".irp": lambda size: ".irp x, r8\n" * size + "nop 1\n" + ".endr\n" * size,
    ".macro": lambda size: ".macro m\n" * size + "nop 1\n" + ".endm\n" * size,
    ".macro that is invoked": lambda size: ".macro m\n" * size + "nop 1\n" + ".endm\nm\n" * size,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", NESTED)
def test_what_is_nested_takes_linear_time(name: str) -> None:
    assert ratio(check, NESTED[name], SIZES) <= MOST
