"""Random programs of macros: what is read of them is what the C preprocessor and GNU as make of them."""

from __future__ import annotations

import random
import re
import subprocess
from pathlib import Path

import pytest

from tests.asm.reading import seen
from tests.check.checking import check
from tests.oracle import require_tool
from tests.slow import one_of

PROGRAMS = 40
CONFIGURATIONS = ("CONFIG_A", "CONFIG_B")
_LISTED = re.compile(
    r"^[ \t]+[0-9a-f]+:\t(?:[0-9a-f]{2} )+[ \t]*(?:\[[A-Z]{3}\])?[ \t]+(?P<text>[^\t\n;]+?)\s*(?:;;)?$", re.MULTILINE
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
                f"mov {register} = cr.ifa",
                f"mov {register} = pmd[{self.register()}]",
                f"ld8 {register} = [{self.register()}], {8 * self.random.randint(-4, 4)}",
                f"(p{self.random.randint(1, 9)}) st8 [{register}] = {self.register()}",
                f"mov ar.k{self.random.randint(0, 7)} = {register}",
                f"ssm {self.random.choice(['psr.i', '0x4000', 'psr.i | psr.ic', '(1 << 14)'])}",
                f"extr.u {register} = {self.register()}, {self.random.randint(0, 31)}, 8",
            ]
        )

    def spelt(self, text: str) -> str:
        """A statement in another spelling: with comments, blanks, labels, in company, on several lines."""
        kind = self.random.randint(0, 11)
        self.labels += 1
        if kind == 0:
            return f"l{self.labels}: {text} // {self.instruction('r8')}"
        if kind == 1:
            return f"/* {self.instruction('r8')} */ {text} /* ; */ ; {self.instruction('r9')}"
        if kind == 2:
            return text.replace(" ", "\t ", 1).replace(" = ", "=")
        if kind == 3:
            return text.replace(" ", " /* = */ ", 1)
        if kind == 4:
            return f"{text} ;; {self.instruction('r10')} ;;"
        if kind == 5:
            return text.replace(" ", " \\\n\t", 1)
        if kind == 6 and not text.startswith("("):
            return f"{text[:1]}\\\n{text[1:]}"
        if kind == 7:
            return f'.section .rodata ; .asciz "{self.number()} ; fc r8" ; .previous ; {text}'
        if kind == 8:
            return f".pushsection .data\n data8 {self.number()}\n.popsection\n1: {text}"
        return text

    def statement(self, in_arms: bool) -> None:
        defining = [
            "name",
            "function",
            "macro",
            "set",
            "loop",
            "if",
            "spread",
            "joined",
            "alternate",
            "listed",
            "again",
            "frame",
            "bundle",
        ]
        kind = self.random.choice([*defining, *["use"] * 6])
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
        self.lines.append(f" {self.spelt(self.random.choice(uses))}")

    def spread(self, name: str, *, is_known: bool) -> None:
        """A macro of the C preprocessor with a variable number of arguments."""
        name = f"V{name}"
        bodies = [
            f"#define {name}(x, ...) x __VA_OPT__(; fc __VA_ARGS__)",
            f"#define {name}(x, rest...) x ; .irp y, r9, ## rest ; fc \\y ; .endr",
            f"#define {name}(first, ...) first ; f##__VA_OPT__(c) r8 ; f##c __VA_ARGS__",
        ]
        number = self.random.randrange(len(bodies))
        self.lines.append(bodies[number])
        single = f"mov {self.register()} = {self.random.choice(['ar.itc', 'cr.ifa', 'r9'])}"
        self.lines.append(f" {name}({single}, {self.register()})")
        if number < 2:
            self.lines.append(f" {name}({single})")

    def joined(self, name: str, *, is_known: bool) -> None:
        """Mnemonics and operands that are put together."""
        self.lines += [
            f"#define J{name}(x) P(x, sh)",
            f"#define K{name} {self.random.choice(['ar.itc', 'ar.lc', 'cr.ifa', 'cpuid[r9]', 'r9'])}",
            f"#define F{name} {self.random.choice(['pmd', 'cpuid', 'rr'])}",
            f"#define E{name} =",
            f" J{name}(tha) {self.register()} = {self.register()} ; mov {self.register()} E{name} K{name}",
            f" mov {self.register()} = F{name}[{self.register()}] /* F{name} */",
        ]

    def quoted(self) -> str:
        """An instruction that may stand in angle brackets."""
        return self.instruction("r9").replace("(1 << 14)", "psr.dt")

    def alternate(self, name: str, *, is_known: bool) -> None:
        """A macro in the alternate syntax."""
        name = f"a{name}"
        self.lines += [
            ".altmacro",
            f".macro {name} reg, op=<{self.quoted()}>, n=%{self.random.randint(0, 9)}+10",
            self.random.choice([" mov reg = n", " fc reg", " mov r&n = ar.itc", " \\op ; thash reg = r&n&"]),
            " op",
            ".endm",
            f" {name} {self.register()}",
            f" {name} <{self.register()}>, <{self.quoted()}>, %({self.random.randint(1, 9)}*2)+9",
            f" {name} {self.register()},,9",
            self.random.choice(["", f".irp x, <{self.quoted()}>, %3+4\n.ifnc x,7\n x\n.endif\n.endr"]),
            ".noaltmacro",
        ]

    def again(self, name: str, *, is_known: bool) -> None:
        """Names that mean one thing after the other, macros that define macros, and counters."""
        name = f"g{name}"
        self.lines += self.random.choice(
            [
                [
                    f".macro {name} r\n .macro {name}_\\r s\n{self.instruction(chr(92) + 's')}\n.endm\n.endm",
                    f" {name} x\n {name}_x {self.register()}\n.purgem {name}_x\n {name} y",
                    f".macro {name}_x r=r9 // once more\n fc \\r ; {name}_y \\r\n.endm\n {name}_x\n {name}_x r10",
                ],
                [
                    f"#define {name} {self.register()}\n mov {name} = ar.itc\n#undef {name}",
                    f"#define {name}(x) (x)\n{name}(p6) fc {self.register()}\n#undef {name}\n{name} = cr.ifa",
                    f" mov {self.register()} = {name} ; mov r9 = {name}#",
                ],
                [
                    f"{name} = {self.random.randint(1, 3)}\n.rept 4\n.if {name} == 3",
                    f" {self.instruction(self.register())}\n.elseif {name} > 3\n fc r9\n.else\n mov r8 = ar.itc",
                    f".endif\n{name} = {name} + 1\n.endr\n.rep {name} - 3\n thash r8 = r9\n.endr",
                ],
                [
                    f"#define {name}_(f, x...) f(x)\n#define {name}(x) {self.instruction('x')}",
                    f" {name}_({name}, {self.register()}) ; {name}_(\n {name} ,\n {self.register()} /* , */)",
                    f"#define {name}c ,\n add r8 = r9 {name}c r10 ; {name}_(P, f, c) r9",
                ],
            ]
        )

    def frame(self, name: str, *, is_known: bool) -> None:
        """Names of stacked and rotating registers."""
        name = f"f{name}"
        self.lines += [
            f"alloc r{self.random.randint(8, 31)} = ar.pfs, {self.random.randint(3, 5)}, 12, 2, 16",
            f".rotr {name}[{self.random.randint(1, 4)}], {name}_[4] ; .rotp {name}p#[3]",
            f" ({name}p[2]) mov {name}[0] = ar.itc ; fc {name}_[1 + 2]",
            f"{name}l = loc{self.random.randint(0, 9)} ; thash {name}l = out1",
            f"#define {name}m(n) {name}_[n]\n mov {name}m({self.random.randint(0, 3)}) = cr.ifa",
        ]

    def bundle(self, name: str, *, is_known: bool) -> None:
        """Explicit bundles."""
        self.lines.append(
            self.random.choice(
                [
                    f"{{ .mii\n fc r9 // a\n mov r8 = {self.number()}\n nop.i 0 ;; }}",
                    "{.mfb; (p6) mov r9 = ar.itc; nop.f 0\n nop.b 0;;}",
                    f"{{.mmi ; mov {self.register()} = cr.ifa ; fc.i r8\n nop.i 1 }} ;;",
                    ".explicit\n{ .mlx\n thash r8 = r9\n movl r10 = 0x123456789a ;;\n}\n.default",
                ]
            )
        )

    def listed(self, name: str, *, is_known: bool) -> None:
        """A macro with parameters of all kinds."""
        name = f"b{name}"
        parameters = [
            "op:req, x.y=r9, more:vararg",
            'op , x.y = "r9" , more:vararg',
            "op /* what */ x.y=r9 more:vararg",
        ]
        self.lines += [
            f".macro {name} {self.random.choice(parameters)}",
            self.random.choice([" \\op \\x.y", "\\op\\() &x.y", " \\op \\x.y ; \\op r8"]),
            ".ifnb \\more",
            f" {name} \\op, \\more",
            ".endif",
            ".endm",
        ]
        uses = ["fc", "fc.i,,r9", f"fc {self.register()}", "op=fc x.y=r10", 'fc, "r9", r10, r11', "fc , r10 , r11"]
        for use in self.random.sample(uses, 3):
            self.lines.append(f" {name} {use}")
        digits = "".join(self.random.sample("123456789", 3))
        self.lines += [f".{self.random.choice(['irpc', 'irepc'])} c, {digits}", " mov r\\c = ar.itc", ".endr"]


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
    # What the assembler adds by itself: filling, and serialization.
    return [found["text"] for found in _LISTED.finditer(listing) if not re.search("nop|srlz", found["text"])]


@pytest.mark.parametrize("seed", one_of(3, range(PROGRAMS)))
def test_macros_make_what_the_assembler_makes_of_them(seed: int, tmp_path: Path) -> None:
    text = "#define P(a,b) a##b\n" + Writer(seed).program()
    for number in range(1 << len(CONFIGURATIONS)):
        known = {name: bool(number >> bit & 1) for bit, name in enumerate(CONFIGURATIONS)}
        found = seen(text, known)
        assert not found.gaps, text
        assert [_plain(each) for each in found.instructions if "nop" not in each] == [
            _plain(each) for each in assembled(text, known, tmp_path)
        ], f"{known}\n{text}"


@pytest.mark.parametrize("seed", one_of(3, range(PROGRAMS, 2 * PROGRAMS)))
def test_what_the_assembler_makes_is_found_in_the_source(seed: int, tmp_path: Path) -> None:
    """Whatever of the configurations a file is compiled in, of which the checker knows nothing."""
    text = "#define P(a,b) a##b\n" + Writer(seed).program()
    made: set[str] = set()
    for number in range(1 << len(CONFIGURATIONS)):
        known = {name: bool(number >> bit & 1) for bit, name in enumerate(CONFIGURATIONS)}
        made.update(assembled(text, known, tmp_path))
    found = check(text, *_SENSITIVE, "PV901", "PV902")
    assert not {"PV901", "PV902"} & {each.code for each in found}, text
    told = {_told(each.message) for each in found}
    for instruction in sorted(made):
        for due in check(f"{instruction}\n", *_SENSITIVE):
            # A body that is no instruction before it has arguments is told of as it stands.
            assert _told(due.message) in told or any("no statement" in each for each in told), f"{instruction}\n{text}"


_SENSITIVE = ("PV001", "PV002", "PV003")
_OP = re.compile(r"(?:use|has|op is|;) ([A-Z][A-Z_]+)")


def _told(message: str) -> str:
    """The op that a message names, or what it says."""
    named = _OP.search(message)
    return named[1] if named is not None else re.sub(": this makes `[^']*'", "", message)


def _plain(text: str) -> str:
    """An instruction as it is spelt whatever unit it goes to."""
    return re.sub(r"\s+", " ", text.replace("mov.m", "mov").replace("mov.i", "mov")).strip()
