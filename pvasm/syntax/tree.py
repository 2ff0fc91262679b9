"""What a line of IA-64 assembly says: the nodes that the parser yields.

A node's `start` and `end` are character offsets from its statement's `origin`, so that one parsed
statement can serve every place where the same text stands. The place in the file is
`statement.origin + node.start`. `str` of an expression is its text without blanks, with parentheses where the tree
needs them.
"""

from __future__ import annotations

from msgspec import Struct

# ------------------------------------------------------------------------------------ expressions


class Name(Struct, frozen=True, gc=False):
    r"""A register, a symbol, a local label reference (`1b`), or a word such as `@rev` or `.`.

    The text is as written but for a trailing `#`, which marks a symbol that might look like a register
    (`is_symbol` is then true). In a `.macro` or `#define` body it may hold `\arg` or `##`.
    """

    text: str
    start: int
    end: int
    is_symbol: bool = False

    def __str__(self) -> str:
        return f"{self.text}#" if self.is_symbol else self.text


class Number(Struct, frozen=True, gc=False):
    """An integer or character constant; `value` is None for a floating-point one."""

    text: str
    value: int | None
    start: int
    end: int

    def __str__(self) -> str:
        return self.text


class String(Struct, frozen=True, gc=False):
    """A quoted string, with its quotes: as an operand it is the name in them."""

    text: str
    start: int
    end: int

    def __str__(self) -> str:
        return self.text


class Unary(Struct, frozen=True, gc=False):
    """`-x`, `+x`, `~x`, `!x`."""

    operator: str
    operand: Expression
    start: int
    end: int

    def __str__(self) -> str:
        return f"{self.operator}{self.operand}"


class Binary(Struct, frozen=True, gc=False):
    """`x + y`, `psr.ic | psr.i`, ... with GNU as's precedence."""

    operator: str
    left: Expression
    right: Expression
    start: int
    end: int

    def __str__(self) -> str:
        sides = (f"({side})" if isinstance(side, Binary) else str(side) for side in (self.left, self.right))
        return self.operator.join(sides)


class Call(Struct, frozen=True, gc=False):
    """`@ltoff(x)`, `@ltoff(@fptr(x))`, or a C preprocessor macro in operand position (`IA64_KR(CURRENT)`, `T(f)#`)."""

    function: str
    arguments: tuple[Expression, ...]
    start: int
    end: int

    def __str__(self) -> str:
        return f"{self.function}({','.join(map(str, self.arguments))})"


class Index(Struct, frozen=True, gc=False):
    """An element of an indexed register file or of a `.rotr` name: `cpuid[r3]`, `pmc[r2]`, `val[1]`."""

    file: str
    index: Expression
    start: int
    end: int

    def __str__(self) -> str:
        return f"{self.file}[{self.index}]"


class Memory(Struct, frozen=True, gc=False):
    """`[r3]`; a post-increment is the operand that follows it."""

    address: Expression
    start: int
    end: int

    def __str__(self) -> str:
        return f"[{self.address}]"


Expression = Name | Number | String | Unary | Binary | Call | Index | Memory


# ------------------------------------------------------------------------------------- statements


class Label(Struct, frozen=True, gc=False):
    """`name:` or `1:`."""

    name: str
    start: int
    end: int


class Tag(Struct, frozen=True, gc=False):
    """`[name:]` or `[1:]`."""

    name: str
    start: int
    end: int


class Stop(Struct, frozen=True, gc=False):
    """`;;`, the end of an instruction group."""

    start: int
    end: int


class BundleOpen(Struct, frozen=True, gc=False):
    """`{`."""

    start: int
    end: int


class BundleClose(Struct, frozen=True, gc=False):
    """`}`."""

    start: int
    end: int


class Template(Struct, frozen=True, gc=False):
    """`.mii` and the like, in an explicit bundle; `name` is without the dot, in lower case."""

    name: str
    start: int
    end: int


class Instruction(Struct, frozen=True, gc=False):
    """`(predicate) mnemonic outputs = inputs`.

    `mnemonic` has its completers and is in lower case (`ld8.acq`). Without a `=`, all operands are inputs and
    `has_equals` is false. `mnemonic_start` is where the mnemonic stands.
    """

    predicate: Expression | None
    mnemonic: str
    outputs: tuple[Expression, ...]
    inputs: tuple[Expression, ...]
    has_equals: bool
    mnemonic_start: int
    start: int
    end: int


class Directive(Struct, frozen=True, gc=False):
    """`.proc foo`, `data8 1, 2`.

    The name in lower case, and the arguments as written, split at their top-level commas.
    """

    name: str
    arguments: tuple[str, ...]
    start: int
    end: int


class Assignment(Struct, frozen=True, gc=False):
    """`name = value` (`operator` is `=` or `==`)."""

    name: str
    operator: str
    value: Expression | None
    start: int
    end: int


class Argument(Struct, frozen=True, gc=False):
    """One argument of a macro invocation: its text without outer blanks, and where that stands."""

    text: str
    start: int
    end: int


class MacroCall(Struct, frozen=True, gc=False):
    """An invocation of something that is no instruction: an op, a cpp macro, a `.macro`.

    `parenthesised` tells `NAME(a, b)` from `NAME a, b` and `NAME`. `name_start` is where the name stands (a
    predicate may stand before it), `call_end` is just after the closing parenthesis, or after the last
    argument; `tail` is what stands after it in the same statement (`MACRO(x) MACRO(y)`), empty as a rule.
    """

    predicate: Expression | None
    name: str
    arguments: tuple[Argument, ...]
    parenthesised: bool
    name_start: int
    call_end: int
    tail: str
    start: int
    end: int


class CppDirective(Struct, frozen=True, gc=False):
    """`#define NAME(parameters) body`, `#if expression`, `# 12 "file"`, ...

    `name` is the directive's (`define`, `ifdef`, ...; `line` for a line marker, empty for the null directive),
    `text` what follows it. A body of `#define` is read as assembly: its statements follow this one in the document,
    with `macro` set to the name defined.
    """

    name: str
    text: str
    start: int
    end: int


class Unparsed(Struct, frozen=True, gc=False):
    """Text that is no statement; `reason` says what was found where something else was due, `at` is where."""

    reason: str
    at: int
    start: int
    end: int


Syntax = (
    Label
    | Tag
    | Stop
    | BundleOpen
    | BundleClose
    | Template
    | Instruction
    | Directive
    | Assignment
    | MacroCall
    | CppDirective
    | Unparsed
)


class Condition(Struct, frozen=True, gc=False):
    """One arm of `#if`/`#ifdef`/`#elif`/`#else` that a statement stands in.

    The arm is taken when `expression` holds and none of `earlier` (the expressions of the arms before it) does.
    `#ifdef X` is `defined(X)`, `#else` is `1`. `line` is that of the `#if`, in the text: it tells conditionals apart.
    """

    expression: str
    earlier: tuple[str, ...]
    line: int


class Statement(Struct):
    """One statement at its place in a document.

    `origin` is the offset in the document's text that the offsets in `syntax` count from. `conditions` are the cpp
    conditionals around it, outermost first; `macro` is the name of the `#define` or `.macro` whose body it stands
    in, if any, and `in_define` tells the two apart.
    """

    syntax: Syntax
    origin: int
    conditions: tuple[Condition, ...] = ()
    macro: str | None = None
    in_define: bool = False

    @property
    def start(self) -> int:
        """The offset of the statement's first character in the document's text."""
        return self.origin + self.syntax.start

    @property
    def end(self) -> int:
        """The offset just after the statement's last character."""
        return self.origin + self.syntax.end
