"""Names of registers and instructions that there are not, and which one may be meant."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from functools import cache, lru_cache
from typing import Final, NamedTuple

from pvasm.isa.mnemonics import is_mnemonic, stems
from pvasm.isa.registers import INDEXED, PSR_MASKS, REGISTERS, register_count
from pvasm.isa.table import candidates
from pvasm.regex import regex
from pvasm.syntax import tree

_NAMED: Final = regex(r"(?:ar|cr|psr)\.[A-Za-z_]\w*")
_NUMBERED: Final = regex(r"(r|f|p|b|ar|cr)[1-9]\d{0,8}")
# It begins with a character, which is looked for fast: ar.x, cr.x, psr.x; r1, f1, p1, b1, ar1, cr1.
_REGISTER: Final = regex(
    r"[abcfpr](?<!\w.)(?:(?:(?<=[ac])r|(?<=p)sr)\.[A-Za-z_]\w*|(?:(?<=[rfpb])|(?<=[ac])r)[1-9]\d{0,8}\b)"
)


class Suspects(NamedTuple):
    """The operands of an instruction that look like registers and are none: `unknown_registers`, `misspelt_registers`.

    `names` are the operands that are names of something else, which may yet stand for such a one.
    """

    unknown: tuple[tree.Name, ...]
    misspelt: tuple[tree.Name | tree.Index, ...]
    names: tuple[tree.Name, ...]


def suspects(instruction: tree.Instruction) -> Suspects:
    """The operands of an instruction that may be nothing. The same instruction is looked at once."""
    known = _SUSPECTS.get(id(instruction))
    if known is not None and known[0] is instruction:
        return known[1]
    if _is_plain(instruction):
        return _NO_SUSPECTS
    found = Suspects(
        tuple(unknown_registers(instruction)),
        tuple(misspelt_registers(instruction)),
        tuple(
            each
            for each in (*instruction.outputs, *instruction.inputs)
            if isinstance(each, tree.Name) and each.text not in REGISTERS
        ),
    )
    if len(_SUSPECTS) > _MOST_REMEMBERED:
        _SUSPECTS.clear()
    _SUSPECTS[id(instruction)] = instruction, found
    return found


_NO_SUSPECTS: Final = Suspects((), (), ())


def _is_plain(instruction: tree.Instruction) -> bool:
    """Whether all operands are registers that there are, numbers, and registers in brackets: a quick look."""
    predicate = () if instruction.predicate is None else (instruction.predicate,)
    for operand in (*predicate, *instruction.outputs, *instruction.inputs):
        inner = operand.address if isinstance(operand, tree.Memory) else operand
        if isinstance(inner, tree.Name):
            if inner.text not in REGISTERS:
                return False
        elif not isinstance(inner, tree.Number):
            return False
    return True


# The parser has one instruction for each text.
_SUSPECTS: dict[int, tuple[tree.Instruction, Suspects]] = {}
_MOST_REMEMBERED: Final = 20_000


def unknown_registers(instruction: tree.Instruction) -> Iterator[tree.Name]:
    """The operands that are written as registers (SDM vol. 1, 3.1; vol. 2, 3.3) that there are not.

    They are `cr.ifx` and its like (also of `ar`, and the fields of `psr`); and `r128`, `p64` or `cr128` where such a
    register can stand. To GNU as they are symbols: `mov r8 = cr.ifx` is a move of an address.
    """
    operands = (*instruction.outputs, *instruction.inputs)
    for operand in operands:
        yield from unknown_values(operand)
    if instruction.predicate is not None:
        yield from _beyond(instruction.predicate, ("p",))
    shapes = _shapes(instruction.mnemonic, len(operands))
    for place, operand in enumerate(operands):
        if isinstance(operand, tree.Memory):
            yield from _beyond(operand.address, ("r",))
        elif isinstance(operand, tree.Index):
            yield from _beyond(operand.index, ("r",))
        else:
            yield from _beyond(operand, shapes[place])


def unknown_values(value: tree.Expression) -> Iterator[tree.Name]:
    """The names in an expression that are written as a register with a name, or a field of the PSR, and are none."""
    for name in _names((value,)):
        if not name.is_symbol and _NAMED.fullmatch(name.text) and name.text not in _known_registers():
            yield name


def may_be_misspelt(instruction: tree.Instruction) -> bool:
    """Whether an operand has the looks of `misspelt_registers`: a quick look."""
    for operand in (*instruction.outputs, *instruction.inputs):
        kind = operand.__class__
        if kind is tree.Name:
            text = operand.text  # type: ignore[union-attr]
            if text.find(".", 1) > 0 and text not in REGISTERS:
                return True
        elif kind is tree.Index and operand.file not in INDEXED:  # type: ignore[union-attr]
            return True
    return False


def misspelt_registers(instruction: tree.Instruction) -> Iterator[tree.Name | tree.Index]:
    """The operands that are nearly a register with a name, or one of an indexed file, where such a register can stand.

    `psrr.um`, `AR.ITC`, `pdm[r3]`: what is written may yet be a symbol or a macro.
    """
    operands = (*instruction.outputs, *instruction.inputs)
    for operand, shapes in zip(operands, _shapes(instruction.mnemonic, len(operands)), strict=True):
        if isinstance(operand, tree.Name) and operand.text.find(".", 1) > 0 and not operand.is_symbol:
            meant = (
                None if operand.text in _known_registers() or _NAMED.fullmatch(operand.text) else _meant(operand.text)
            )
            if meant is not None and meant in REGISTERS and REGISTERS[meant].file in shapes:
                yield operand
        elif isinstance(operand, tree.Index) and operand.file not in INDEXED:
            meant = _nearest(operand.file, INDEXED)
            if meant is not None and f"{meant}[]" in shapes:
                yield operand


@lru_cache(maxsize=4096)
def _shapes(mnemonic: str, count: int) -> tuple[frozenset[str], ...]:
    """For each of that many operands, the shapes that it can have."""
    readings = [item.operands for item in candidates(mnemonic) if len(item.operands) == count]
    return tuple(frozenset(operands[place].shape for operands in readings) for place in range(count))


def _meant(name: str) -> str | None:
    """The register with a name that is meant."""
    lower = name.lower()
    return lower if lower in _with_a_name() else _nearest(name, _with_a_name())


def _beyond(operand: tree.Expression, files: Container[str]) -> Iterator[tree.Name]:
    """The operand, if it is a number beyond the last register of one of these files."""
    if isinstance(operand, tree.Name) and not operand.is_symbol and operand.text not in REGISTERS:
        found = _NUMBERED.fullmatch(operand.text)
        if found is not None and found[1] in files:
            yield operand


def may_name_unknown_register(text: str) -> bool:
    """Whether such a name stands anywhere in a text: a quick look."""
    return not _known_registers().issuperset(_REGISTER.findall(text))


def no_such_register(name: str) -> str:
    """What to say of such a name."""
    found = _NUMBERED.fullmatch(name)
    if found is not None:
        file = found[1]
        return f"there is no register `{name}': the last one is {file}{register_count(file) - 1}"
    if "." not in name:
        return f"there is no register file `{name}'{_guess(_nearest(name, INDEXED))}"
    return f"there is no register `{name}'{_guess(_meant(name))}"


def no_such_instruction(name: str) -> str:
    """What to say of a mnemonic that there is not."""
    return f"there is no instruction `{name}'{_guess(mnemonic(name))}"


def mnemonic(name: str) -> str | None:
    """The mnemonic that one slip of the finger makes this of, if its stem is none; it keeps its completers."""
    stem, dot, completers = name.partition(".")
    meant = None if is_mnemonic(stem) else _nearest(stem.lower(), stems())
    return None if meant is None else f"{meant}{dot}{completers}"


def _guess(meant: str | None) -> str:
    return f": did you mean `{meant}'?" if meant else ""


@cache
def _known_registers() -> frozenset[str]:
    return frozenset({*REGISTERS, *PSR_MASKS})


@cache
def _with_a_name() -> frozenset[str]:
    return frozenset(name for name in _known_registers() if "." in name)


def _names(expressions: Iterable[object]) -> Iterator[tree.Name]:
    """The names that are operands, or parts of an operand such as `psr.i | psr.ic`."""
    for expression in expressions:
        if isinstance(expression, tree.Name):
            yield expression
        elif isinstance(expression, tree.Binary):
            yield from _names((expression.left, expression.right))


def _nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that one slip of the finger makes this of; of several, the one whose letter is nearest."""
    near = [other for other in known if abs(len(other) - len(name)) < 2 and distance(name, other) == 1]
    if len(name) < _SHORTEST:
        return None
    return min(near, key=lambda other: (_kind_of_slip(name, other), _apart(name, other), other), default=None)


def _kind_of_slip(name: str, other: str) -> int:
    """How likely a slip is: letters that changed places, one that is doubled, any other."""
    if sorted(name) == sorted(other):
        return 0
    return 1 if set(name) == set(other) and len(name) != len(other) else 2


_SHORTEST: Final = 3


def _apart(name: str, other: str) -> int:
    """How far apart the letters are in which two names differ: `ld9` is rather `ld8` than `ld1`."""
    if len(name) != len(other):
        return 1 << 8
    return sum(abs(ord(one) - ord(two)) for one, two in zip(name, other, strict=True))


def distance(word: str, name: str) -> int:
    """The number of letters missing, too many, wrong, or changed places with the next."""
    before: list[int] = []
    last = list(range(len(name) + 1))
    for i, letter in enumerate(word, start=1):
        row = [i]
        for j, other in enumerate(name, start=1):
            cost = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (letter != other))
            if i > 1 and j > 1 and letter == name[j - 2] and word[i - 2] == other:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
        before, last = last, row
    return last[-1]
