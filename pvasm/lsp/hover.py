"""What there is to say of what stands at a place: instructions, ops, registers, names. As Markdown."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Sequence

from pvasm.asm.sensitivity import class_of
from pvasm.errors import PvasmError
from pvasm.isa.instruction import Instruction
from pvasm.isa.register_purposes import about_register
from pvasm.isa.registers import REGISTERS, Register
from pvasm.isa.resources import Resource
from pvasm.lsp.names import defines_of
from pvasm.lsp.open_document import Occurrence, OpenDocument
from pvasm.paravirt.arguments import DUE, RegisterNotKnownError
from pvasm.paravirt.cases import outline
from pvasm.paravirt.catalog import Catalog, Op
from pvasm.paravirt.instance import Instance
from pvasm.paravirt.loading import load_instance
from pvasm.paravirt.measure import measure
from pvasm.paravirt.shipped import instance_names
from pvasm.regex import regex
from pvasm.report.instances import demands, expansion_lines
from pvasm.report.plain_text import counted
from pvasm.syntax import tree

_MOST_LINES = 60  # of what an op becomes
_MOST_SHOWN = 400  # characters of a macro
_MOST_INSTRUCTIONS = 4  # of what a statement may be

_MANUAL = regex(r"\ASDM \d:\d, ")  # where the manual has it: chapters of mnemonics are by alphabet anyway

_LEVELS = {
    "privileged": "**Privileged**: faults at any privilege level but 0.",
    "sensitive": "**Sensitive**: executes at any privilege level, and then does not do what a guest kernel means.",
    "level-dependent": "**Level-dependent**: what it does depends on the privilege level.",
}


def hover(document: OpenDocument, offset: int) -> tuple[str, int, int] | None:
    """What there is to say at an offset, and the span that it is about; None where there is nothing."""
    found = document.occurrence_at(offset)
    if found is None:
        return None
    text = "\n\n".join(_said(document, found))
    return (text, found.start, found.end) if text else None


def hover_word(catalog: Catalog, instances: Sequence[str], word: str) -> str | None:
    """What there is to say of a word in an instance file."""
    op = catalog.ops.get(word)
    return None if op is None else "\n\n".join(of_op(op, catalog, instances))


def _said(document: OpenDocument, found: Occurrence) -> Iterator[str]:
    subject = document.subject
    catalog, statement = subject.catalog, document.document.statements[found.statement]
    if found.word in catalog.ops:
        invocation = next((each for each in document.invocations if each.start <= found.start < each.end), None)
        arguments = () if invocation is None else tuple(each.text for each in invocation.given)
        yield from of_op(catalog.ops[found.word], catalog, subject.instance_names, arguments)
        return
    syntax = statement.syntax
    if isinstance(syntax, tree.Instruction) and found.start == statement.origin + syntax.mnemonic_start:
        yield from _of_instructions(document.code.instructions.get(found.statement, ()))
        return
    yield from _of_name(document, found)


# ------------------------------------------------------------------------------------ instructions


def _of_instructions(instructions: Sequence[Instruction]) -> Iterator[str]:
    for instruction in instructions[:_MOST_INSTRUCTIONS]:
        yield from of_instruction(instruction)
    if len(instructions) > _MOST_INSTRUCTIONS:
        yield f"... and {len(instructions) - _MOST_INSTRUCTIONS} more, as macros have it."


def of_instruction(instruction: Instruction) -> Iterator[str]:
    """What an instruction is and does, which resources it touches, and how it minds the privilege level."""
    from pvasm.isa.semantics.all_clauses import clauses

    form = instruction.form
    yield f"```ia64\n{instruction.text}\n```"
    named = instruction.text.split()[0]
    if named.partition(".")[0] != instruction.mnemonic.partition(".")[0]:
        yield f"`{named}` stands for `{instruction.mnemonic}` here."
    clause = clauses().get(form.id)
    if clause is not None and clause.__doc__:
        yield _MANUAL.sub("", inspect.cleandoc(clause.__doc__))
    level = class_of(form)
    if level is not None:
        yield _LEVELS[level]
    rows = [f"Unit {form.unit}, format {form.format} of Intel's manual (volume 3)"]
    rows += [f"{verb} {_resources(found)}" for verb, found in _touched(instruction) if found]
    rows += ["must be the first of its group"] if form.first_in_group else []
    rows += ["must be the last of its group"] if form.last_in_group else []
    yield "; ".join(rows) + "."
    if "?" in instruction.text:
        yield "`?` is what is not known from this file and its headers."


def _touched(instruction: Instruction) -> tuple[tuple[str, Iterable[Resource]], ...]:
    return ("reads", instruction.reads), ("writes", instruction.writes)


def _resources(found: Iterable[Resource]) -> str:
    names = [each.text if isinstance(each, Register) else each for each in found]
    return ", ".join(f"`{name}`" for name in sorted(names, key=_in_order))


def _in_order(name: str) -> tuple[bool, str, int]:
    """A key that puts what is written in instructions first, and r9 before r10."""
    digits = name[len(name.rstrip("0123456789")) :]
    return name not in REGISTERS, name.removesuffix(digits), int(digits or 0)


# --------------------------------------------------------------------------------------------- ops


def of_op(op: Op, catalog: Catalog, instances: Sequence[str], arguments: Sequence[str] = ()) -> Iterator[str]:
    """What an op is, and what it becomes in each instance: with these arguments, if there are as many as it takes."""
    extension = " (extension: Linux does not have it)" if op.extension else ""
    yield f"```ia64\n{op.signature}\n```\n{op.doc}{extension}"
    rows = [f"`{each.name}`: {DUE[each.kind, each.use]}" for each in op.parameters]
    yield "\n".join(f"- {row}" for row in [*rows, f"replaces `{op.replaces}`"])
    said: dict[str, list[str]] = {}
    for name in dict.fromkeys((*instance_names(), *instances)):
        try:
            said.setdefault(_becomes(load_instance(name, catalog), op, arguments), []).append(name)
        except PvasmError as error:
            said.setdefault(f": {error.message}", []).append(name)
    yield from (f"**{', '.join(names)}**{text}" for text, names in said.items())


def _becomes(instance: Instance, op: Op, arguments: Sequence[str]) -> str:
    if len(arguments) == len(op.parameters):
        try:
            made = instance.expand(op, arguments)
            size = measure(made)
            said = f" ({counted(size.instructions, 'instruction')}, {counted(size.groups, 'group')})"
            return said + _block(made.lines)
        except RegisterNotKnownError:
            pass  # which register it is shows elsewhere: then all cases are told
    found = outline(instance, op)
    wanted = demands(found.definition)
    return (f": {'; '.join(wanted)}" if wanted else "") + _block(expansion_lines(found))


def _block(lines: Sequence[str]) -> str:
    left = [*lines[:_MOST_LINES], f"... {len(lines) - _MOST_LINES} lines more"] if len(lines) > _MOST_LINES else lines
    return "\n```ia64\n" + "\n".join(left or ["nothing"]) + "\n```"


# ------------------------------------------------------------------------------------------- names


def _of_name(document: OpenDocument, found: Occurrence) -> Iterator[str]:
    for _, define in defines_of(document, found.word):
        parameters = "" if define.parameters is None else f"({', '.join(define.parameters)})"
        yield f"```c\n#define {define.name}{parameters} {define.body[:_MOST_SHOWN]}\n```"
    register = REGISTERS.get(found.word)
    if register is not None:
        alias = f"; another name of `{register.text}`" if register.text != found.word else ""
        yield f"`{found.word}`: {about_register(register)}{alias}."
