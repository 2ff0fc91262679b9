"""The arguments of an op: what kind of thing each is, as far as its text tells, and what a template may ask of it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from pvasm.isa.registers import FILE_NOUNS, FIRST_STACKED, INDEXED, PSR_MASKS, REGISTERS
from pvasm.regex import regex
from pvasm.syntax import tree
from pvasm.syntax.parser import parse_expression

Kind = Literal["general", "predicate", "kernel-register"]
Use = Literal["in", "out", "clobber"]

# in0 is r32: the stacked registers start there, with the inputs (SDM 1:4.1). What loc0 and out0 are depends on `alloc`.
_STACKED = regex(r"(?P<group>in|loc|out)(?P<number>[1-8]?\d|9[0-5])")
_ODD_BLANK = regex(r"[^\S \t]|\ufeff")
_NO_REGISTER = regex(r"[rfpb]\d+|(?:in|loc|out)\d+")
_KINDS = {"r": "general", "p": "predicate"}
_NUMBER = regex(r"[-+~]*\d\w*|'.*'?")
_PARENTHESISED = regex(r"\([ \t]*(\S+)[ \t]*\)")
_NO_NAMES: Mapping[str, str] = {}
# The first register of each file that `alloc` renames and loops rotate (SDM 1:4.1, 1:4.5.1).
_FIRST_ROTATING = {"r": 32, "p": 16}

DUE: dict[tuple[Kind, Use], str] = {
    ("general", "in"): "a general register",
    ("general", "out"): "a general register to write to",
    ("general", "clobber"): "a general register to clobber",
    ("predicate", "in"): "a predicate register",
    ("predicate", "out"): "a predicate register to write to",
    ("predicate", "clobber"): "a predicate register to clobber",
    ("kernel-register", "in"): "the name of a kernel register",
}


class RegisterNotKnownError(Exception):
    """Which register an argument is matters, and its text (a cpp name, a `.macro` argument) does not tell."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


class Operand(Struct, frozen=True):
    """An argument by its text. `register` is its one name among aliases (`ret0` is `r8`), None if that is not known.

    `kind` is what the text shows: `general`, `predicate`, `unknown` (a name that may be anything: a cpp macro, a
    `.macro` argument, an assembler symbol), or a description of what else it is. `frame` tells what the name of a
    stacked or rotating register counts from: `in`, `loc`, `out`, or a name of `.rotr` (and `index` is the number then).
    """

    text: str
    kind: str
    register: str | None
    frame: str | None = None
    index: str | None = None


@lru_cache(maxsize=4096)
def operand(text: str) -> Operand:
    """The operand that `text` is."""
    register = REGISTERS.get(text)
    if register is not None:
        noun = _KINDS.get(register.file) or FILE_NOUNS.get(register.file, "another register")
        return Operand(text, noun, register.text)
    stacked = _STACKED.fullmatch(text)
    if stacked:
        group, number = stacked["group"], stacked["number"]
        return Operand(text, "general", f"r{FIRST_STACKED + int(number)}" if group == "in" else None, group, number)
    if _NO_REGISTER.fullmatch(text):
        return Operand(text, "no register that there is", None)
    if text in PSR_MASKS:
        return Operand(text, "a number", None)
    if not text:
        return Operand(text, "nothing", None)
    match None if _ODD_BLANK.search(text) or text[0] == "(" else parse_expression(text):
        case tree.Index(file=file) if file in INDEXED:
            return Operand(text, "an element of an indexed register file", None)
        case tree.Index(file=file, index=index):
            return Operand(text, "unknown", None, file, text[index.start : index.end])
        case tree.Name(is_symbol=False) | tree.Call():
            return Operand(text, "unknown", None)
    return Operand(text, "a number" if _NUMBER.fullmatch(text) else "an expression", None)


def named(text: str, names: Mapping[str, str]) -> Operand:
    """The operand that `text` is, where `names` tells which registers some names stand for."""
    given = operand(text)
    meant = names.get(text) if given.kind == "unknown" else None
    return given if meant is None else replace(operand(meant), text=text)


def same_register(left: Operand, right: Operand) -> bool | None:
    """Whether two operands are the same register; None if their texts do not tell."""
    if left.text == right.text:
        return True
    if left.frame is not None and right.frame is not None:
        fixed = {left.frame, right.frame} <= {"in", "loc", "out"}
        if fixed or (left.frame == right.frame and _are_numbers(left.index, right.index)):
            return (left.frame, left.index) == (right.frame, right.index)
        return None
    if left.register is not None and right.register is not None:
        return left.register == right.register
    apart = (_is_static(left) and right.frame) or (_is_static(right) and left.frame)
    return False if apart else None


def _are_numbers(*words: str | None) -> bool:
    return all(word is not None and word.isdecimal() for word in words)


def _is_static(given: Operand) -> bool:
    """Whether an operand is a register that is neither stacked nor rotating."""
    register = REGISTERS.get(given.register or "")
    return register is not None and register.number < _FIRST_ROTATING.get(register.file, 0)


def mismatch(
    text: str, kind: Kind, use: Use, kernel_registers: Mapping[str, int], names: Mapping[str, str] = _NO_NAMES
) -> str | None:
    """What is wrong with `text` as an argument of this kind and use; None if nothing is, as far as its text tells.

    `names` tells which registers, or kernel registers, some names stand for.
    """
    given, due = named(text, names), DUE[kind, use]
    if kind == "kernel-register":
        if names.get(text, text) in kernel_registers or (("\\" in text or "##" in text) and given.kind == "unknown"):
            return None
        known = ", ".join(kernel_registers)
        if not text:
            return f"nothing is given where {due} is due: {known}"
        return f"{text} is no kernel register; known are {known}"
    if given.kind == "unknown":
        return None
    if given.kind == "nothing":
        return f"nothing is given where {due} is due"
    if given.kind != kind:
        inner = _PARENTHESISED.fullmatch(text)
        if inner and operand(inner[1]).kind in (kind, "unknown"):
            return f"write {inner[1]} without parentheses"
        what = {"general": "a general register", "predicate": "a predicate register"}.get(given.kind, given.kind)
        return f"{text} is {what} where {due} is due"
    if use != "in" and given.register in ("r0", "p0"):
        return f"{text} cannot be written; {due} is due"
    return None


class TemplateArgument:
    """An argument as a template sees it: it prints as its text, and compares with registers, by any of their names.

    Comparing raises RegisterNotKnownError where the text does not tell which register it is.
    """

    __slots__ = ("_kernel_registers", "_operand")
    __hash__ = None  # type: ignore[assignment]  # equal arguments need not have equal texts

    def __init__(self, given: Operand, kernel_registers: Mapping[str, int]) -> None:
        self._operand = given
        self._kernel_registers = kernel_registers

    def __str__(self) -> str:
        return self._operand.text

    def __eq__(self, other: object) -> bool:
        if isinstance(other, TemplateArgument):
            theirs = other._operand
        elif isinstance(other, str):
            theirs = operand(other)
        else:
            return False
        same = same_register(self._operand, theirs)
        if same is None:
            raise RegisterNotKnownError((self._operand if self._operand.register is None else theirs).text)
        return same

    @property
    def number(self) -> int:
        """The number of the kernel register that this is the name of.

        Raises ValueError for what is no kernel register, RegisterNotKnownError where that is not known.
        """
        number = self._kernel_registers.get(self._operand.text)
        if number is None:
            if self._operand.kind != "unknown":
                raise ValueError(f"{self._operand.text} is no kernel register: it has no number")
            raise RegisterNotKnownError(self._operand.text)
        return number
