"""Instructions of an object as GNU as reads them, and what it does on its own around them."""

from __future__ import annotations

from functools import lru_cache

from pvasm.asm.reading import assembly_parser
from pvasm.asm.resolve import resolve
from pvasm.asm.scope import OperandError, Scope
from pvasm.isa.bundle import SIZE
from pvasm.isa.encoding import EncodingError, decode, encode
from pvasm.isa.instruction import Instruction
from pvasm.objects.elf_file import Section
from pvasm.objects.object_code import CodeBundle, Slot, bundle_at, without_targets
from pvasm.syntax import tree


def written(instruction: Instruction) -> str:
    """An instruction as the assembler reads it: objdump shows a frame's sizes, where they are written as parts."""
    if instruction.form.id == "M34.alloc":
        _, _, size, local, rotating = instruction.operands
        assert isinstance(size, int)
        assert isinstance(local, int)
        name = instruction.text.partition("=")[0].split()[-1]
        return f"alloc {name}=ar.pfs,0,{local},{size - local},{rotating}"
    return predicate(instruction) + instruction.text


def predicate(instruction: Instruction) -> str:
    """The qualifying predicate as it is written, if there is one."""
    return f"(p{instruction.predicate}) " if instruction.predicate else ""


@lru_cache(maxsize=1 << 16)
def text_of_slot(unit: str, bits: int) -> str | None:
    """The text of what is in a slot; None if it is no instruction, or if the text is not read as the same bits.

    Targets of branches count from their bundle in it.
    """
    instruction = decode(bits, unit)
    if instruction is None:
        return None
    plain = without_targets(instruction)
    try:
        (syntax,) = assembly_parser().chunk(written(plain))
        if encode(instruction) != bits or not isinstance(syntax, tree.Instruction):
            return None
        read, due = resolve(syntax, Scope()), encode(plain)
        return written(instruction) if any(encode(each) == due for each in (read, *read.alternatives)) else None
    except (EncodingError, OperandError, ValueError):
        return None


def must_be_first(slot: Slot) -> bool:
    """Whether the assembler makes a stop before an instruction, since it must be the first of its group."""
    return slot.instruction is not None and slot.instruction.form.first_in_group


def makes_own_stops(bundle: CodeBundle) -> bool:
    """Whether the assembler would make a stop within a bundle, or behind it, where there is none."""
    for place, slot in enumerate(bundle.slots):
        if place and must_be_first(slot) and not bundle.slots[place - 1].stop:
            return True
        if slot.instruction is not None and slot.instruction.form.last_in_group and not slot.stop:
            return True
    return False


def is_behind_stop(section: Section, offset: int) -> bool:
    """Whether a stop is before an offset: the assembler makes one before most directives."""
    data = bytes(section.data[max(offset - SIZE, 0) : offset])
    return len(data) == SIZE and bundle_at(0, data).ends_group
