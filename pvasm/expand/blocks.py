"""Replacing blocks: macros of the source of which an instance has its own version, in which ops may stand."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from msgspec import Struct

from pvasm.asm.reading import assembly_parser
from pvasm.errors import PvasmError
from pvasm.expand.renames import STRING_OR_COMMENT
from pvasm.paravirt.catalog import Block
from pvasm.paravirt.expansion import Context
from pvasm.paravirt.instance import Instance
from pvasm.regex import made_regex
from pvasm.syntax import tree
from pvasm.syntax.document import Document, read_document
from pvasm.text import Edit, apply_edits


class BlockUse(Struct, frozen=True):
    """An invocation of a block that an instance replaces: its statement, and its span in the document."""

    block: Block
    statement: int
    start: int
    end: int
    call: tree.MacroCall


def find_blocks(document: Document, instance: Instance) -> Iterator[BlockUse]:
    """The invocations of the blocks that the instance replaces, in order."""
    for index, statement in enumerate(document.statements):
        call = statement.syntax
        if isinstance(call, tree.MacroCall) and call.name in instance.blocks:
            origin = statement.origin
            block = instance.catalog.blocks[call.name]
            yield BlockUse(block, index, origin + call.start, origin + call.call_end, call)


def hidden_blocks(document: Document, instance: Instance) -> Iterator[tuple[int, PvasmError]]:
    """The names of blocks that the instance replaces where they would stay: each its statement, and what to say of it.

    What defines the block, and what takes it for a parameter or a label, is no use of it.
    """
    names = made_regex(
        rf"{STRING_OR_COMMENT}|(?<![\w.$])(?P<name>{'|'.join(map(re.escape, instance.blocks))})(?![\w.$])"
    )
    for index, statement in enumerate(document.statements):
        syntax = statement.syntax
        if isinstance(syntax, tree.CppDirective | tree.Label) or statement.macro in instance.blocks:
            continue
        own = statement.origin + syntax.name_start if isinstance(syntax, tree.MacroCall) else -1
        for found in names.finditer(document.text, statement.start, statement.end):
            if found["name"] and found.start() != own:
                message = f"{found['name']} would stay as it is here; a block is a statement of its own"
                yield index, PvasmError(message, *document.place(found.start()))


def block_lines(
    document: Document,
    use: BlockUse,
    instance: Instance,
    context: Context,
    edits: Sequence[Edit],
    expand: Callable[[Document], str],
) -> list[str]:
    """The lines that a block becomes. `edits` expand the ops in its arguments, `expand` those that it brings itself.

    Raises PvasmError, with its place, for an invocation that is not as the catalog has it.
    """
    call, block = use.call, use.block
    if call.predicate is not None or call.tail or not call.parenthesised:
        form = f"{block.name}({', '.join(block.parameters)})"
        raise PvasmError(f"{block.name} is a statement of its own: {form}", *document.place(use.start))
    if len(call.arguments) != len(block.parameters):
        number = f"{len(block.parameters)} arguments, not {len(call.arguments)}"
        message = f"{block.name} takes {number}: {', '.join(block.parameters)}"
        raise PvasmError(message, *document.place(use.start))
    origin = document.statements[use.statement].origin
    texts = [_argument(document, origin + each.start, origin + each.end, edits) for each in call.arguments]
    text = "".join(f"{line}\n" for line in instance.expand_block(block, texts, context).lines)
    variant = expand(read_document(assembly_parser(), text, document.path, preprocessed=document.preprocessed))
    return [line.strip(" \t") for line in variant.split("\n") if line.strip(" \t")]


def _argument(document: Document, start: int, end: int, edits: Sequence[Edit]) -> str:
    """An argument's text on one line, with the edits in it made."""
    inside = [
        Edit(edit.start - start, edit.end - start, edit.replacement)
        for edit in edits
        if start <= edit.start and edit.end <= end
    ]
    text = apply_edits(document.text[start:end], inside)
    return text.replace("\\\n", " ").replace("\n", " ").strip()
