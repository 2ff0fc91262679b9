"""Random programs of macros: what is read of them is what the C preprocessor and GNU as make of them."""

from __future__ import annotations

import random
import re
import subprocess
from pathlib import Path

import pytest

from tests.asm.reading import seen
from tests.oracle import require_tool

PROGRAMS = 40
CONFIGURATIONS = ("CONFIG_A", "CONFIG_B")
_LISTED = re.compile(
    r"^\s+[0-9a-f]+:\t(?:[0-9a-f]{2} )+\s*(?:\[[A-Z]{3}\])?\s+(?P<text>[^\t\n;]+?)\s*(?:;;)?$", re.MULTILINE
)


class Writer:
    """Writes a program: definitions of all kinds, some in arms of conditionals, and uses of what is defined."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.lines: list[str] = []
        self.names: list[str] = []  # object-like macros and symbols that stand for general registers
        self.functions: list[str] = []  # macros of the C preprocessor, of one register
        self.macros: list[str] = []  # .macros, of one register and an optional number
        self.labels = 0

    def program(self) -> str:
        for _ in range(self.random.randint(4, 14)):
            self.statement(self.random.random() < 0.3)
        return "".join(f"{line}\n" for line in self.lines)

    def register(self) -> str:
        if self.names and self.random.random() < 0.4:
            return self.random.choice(self.names)
        return f"r{self.random.randint(8, 31)}"

    def number(self) -> int:
        return self.random.randint(0, 99)

    def instruction(self, register: str) -> str:
        return self.random.choice(
            [
                f"mov {register} = {self.number()}",
                f"mov {register} = ar.itc",
                f"(p6) add {register} = {self.register()}, {register}",
                f"fc {register}",
                f"thash {register} = {self.register()}",
            ]
        )

    def statement(self, in_arms: bool) -> None:
        kind = self.random.choice(["name", "function", "macro", "set", "loop", "if", "use", "use", "use", "use"])
        if in_arms and kind in ("name", "function", "macro", "use"):
            self.lines.append(f"#ifdef {self.random.choice(CONFIGURATIONS)}")
            name = f"n{len(self.lines)}"
            getattr(self, kind)(name, is_known=False)
            self.lines.append("#else")
            getattr(self, kind)(name, is_known=True)
            self.lines.append("#endif")
        else:
            getattr(self, kind)(f"n{len(self.lines)}", is_known=True)

    def name(self, name: str, *, is_known: bool) -> None:
        self.lines.append(f"#define {name} {self.register()}")
        if is_known:
            self.names.append(name)

    def set(self, name: str, *, is_known: bool) -> None:
        self.lines.append(self.random.choice([f"{name} = {self.register()}", f".set {name}, {self.register()}"]))
        self.names.append(name)

    def function(self, name: str, *, is_known: bool) -> None:
        name = f"F{name}"
        bodies = [
            self.instruction("x"),
            f"{self.instruction('x')} ; {self.instruction('x')}",
            f"mov P(x,) = {self.number()} ; fc x",
            "mov x = P(ar.,itc)",
            f".irp y, x, {self.register()} ; fc \\y ; .endr",
        ]
        if self.functions:
            bodies.append(f"{self.random.choice(self.functions)}(x) ; {self.instruction('x')}")
        if self.macros:
            bodies.append(f"{self.random.choice(self.macros)} x")
        self.lines.append(f"#define {name}(x) {self.random.choice(bodies)}")
        if is_known:
            self.functions.append(name)

    def macro(self, name: str, *, is_known: bool) -> None:
        name = f"m{name}"
        self.lines.append(f".macro {name} reg, n={self.number()}")
        for _ in range(self.random.randint(1, 3)):
            body = [
                self.instruction("\\reg"),
                "mov \\reg = \\n",
                f".ifc \\reg,r{self.random.randint(8, 31)}\n fc r1\n.else\n mov \\reg = \\n\n.endif",
                ".if \\n > 50\n mov r9 = ar.itc\n.endif",
                f".irp o, fc, fc.i\n \\o \\reg\n.endr\n mov r8 = {self.number()}",
                "1: cmp.eq p6, p7 = \\reg, r0",
            ]
            if self.macros:
                body.append(f"{self.random.choice(self.macros)} \\reg, \\n")
            if self.functions:
                body.append(f"{self.random.choice(self.functions)}(\\reg)")
            self.lines += self.random.choice(body).split("\n")
        self.lines.append(".endm")
        if is_known:
            self.macros.append(name)

    def loop(self, name: str, *, is_known: bool) -> None:
        self.lines += [f".irp {name}, {self.register()}, {self.register()}", f" fc \\{name}", ".endr"]
        self.lines += [f".rept {self.random.randint(0, 3)}", f" {self.instruction(self.register())}", ".endr"]

    def _if(self, name: str, *, is_known: bool) -> None:
        self.lines += [f".if {self.number()} > {self.number()}", " fc r3", ".else", " fc r4", ".endif"]

    def use(self, name: str, *, is_known: bool) -> None:
        uses = [self.instruction(self.register())]
        if self.functions:
            uses.append(f"{self.random.choice(self.functions)}({self.register()})")
        if self.macros:
            uses.append(f"{self.random.choice(self.macros)} {self.register()}, {self.number()}")
            uses.append(f"{self.random.choice(self.macros)} n={self.number()}, reg={self.register()}")
        self.lines.append(f" {self.random.choice(uses)}")


setattr(Writer, "if", Writer._if)


def assembled(text: str, known: dict[str, bool], folder: Path) -> list[str]:
    """The instructions that the C preprocessor, GNU as and objdump make of a text, in their order."""
    defines = [f"-D{name}" for name, is_defined in known.items() if is_defined]
    command = [require_tool("gcc"), "-E", "-undef", "-x", "assembler-with-cpp", *defines, "-"]
    preprocessed = subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout
    output = folder / "t.o"
    command = [require_tool("ia64-linux-gnu-as"), "-o", str(output), "-"]
    done = subprocess.run(command, input=preprocessed, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stderr}\n{text}"
    command = [require_tool("ia64-linux-gnu-objdump"), "-d", str(output)]
    listing = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return [found["text"] for found in _LISTED.finditer(listing) if "nop" not in found["text"]]


@pytest.mark.parametrize("seed", range(PROGRAMS))
def test_macros_make_what_the_assembler_makes_of_them(seed: int, tmp_path: Path) -> None:
    text = "#define P(a,b) a##b\n" + Writer(seed).program()
    for number in range(1 << len(CONFIGURATIONS)):
        known = {name: bool(number >> bit & 1) for bit, name in enumerate(CONFIGURATIONS)}
        found = seen(text, known)
        assert not found.gaps, text
        assert [_plain(each) for each in found.instructions] == [
            _plain(each) for each in assembled(text, known, tmp_path)
        ], f"{known}\n{text}"


def _plain(text: str) -> str:
    """An instruction as it is spelt whatever unit it goes to."""
    return re.sub(r"\s+", " ", text.replace("mov.m", "mov").replace("mov.i", "mov")).strip()
