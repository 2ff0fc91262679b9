"""Checking instance files: what a rule about them looks at, and what the rules find in one."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from pvasm.asm.nearest import no_such_instruction
from pvasm.asm.reading import assembly_parser
from pvasm.check.diagnostic import Diagnostic
from pvasm.check.finding import InstanceFinding
from pvasm.check.instance_subject import InstanceSubject
from pvasm.check.rule import InstanceRule
from pvasm.errors import PvasmError
from pvasm.files import unreadable
from pvasm.paravirt.catalog_file import read_catalog
from pvasm.paravirt.instance_file import Draft, read_draft
from pvasm.paravirt.kept import take_over
from pvasm.paravirt.loading import load_catalog
from pvasm.paravirt.yaml_nodes import MAX_BYTES
from pvasm.syntax import tree
from pvasm.syntax.document import read_document
from pvasm.text import read_bytes


def check_instance_file(path: str, rules: Sequence[InstanceRule]) -> tuple[list[Diagnostic], list[PvasmError]]:
    """What the rules find in an instance file, in its order, and what is so wrong that they cannot look at it."""
    catalog = load_catalog()
    try:
        if os.path.exists(path) and os.path.samefile(path, catalog.path):
            read_catalog(Path(path))  # no instance, but one of the files beside them
            return [], []
        subject = InstanceSubject(read_draft(Path(path), catalog))
        take_over(subject.draft.instance)  # what others define has been worked out, and need not be rendered
        text = read_bytes(path, MAX_BYTES).decode("utf-8-sig")
    except PvasmError as error:
        return [], [error]
    except OSError as error:
        return [], [unreadable(error, path)]
    except UnicodeDecodeError:
        return [], [PvasmError("changed while it was read: try again", path)]
    subject.errors += _wrong_blocks(subject.draft)
    lines = text.splitlines()
    found = [_diagnostic(path, subject, rule, finding, lines) for rule in rules for finding in rule.check(subject)]
    errors = [*subject.draft.errors, *subject.errors]
    return sorted(found, key=lambda diagnostic: diagnostic.order), errors


def _wrong_blocks(draft: Draft) -> Iterator[PvasmError]:
    """What is wrong with the blocks that stand in the file, tried with arguments that are instructions."""
    from pvasm.expand import ExpandErrors, expand

    instance = draft.instance
    own = draft.root.value.get("blocks")
    for name in () if own is None else own.value:
        block, template = instance.catalog.blocks[name], instance.blocks[name]
        text = f"{name}({', '.join(['nop 0'] * len(block.parameters))})\n"
        document = read_document(assembly_parser(), text)
        try:
            variant = expand(document, instance.catalog, instance)
        except ExpandErrors as several:
            yield from (template.error(error.message) for error in several.errors)
            continue
        except PvasmError as error:
            yield error
            continue
        expanded = read_document(assembly_parser(), variant)
        for statement in expanded.statements:
            if isinstance(statement.syntax, tree.MacroCall) and statement.syntax.name.islower():
                yield template.error(no_such_instruction(statement.syntax.name))


def _diagnostic(
    path: str, subject: InstanceSubject, rule: InstanceRule, finding: InstanceFinding, lines: Sequence[str]
) -> Diagnostic:
    """The diagnostic about a line of the file, from the column on, blanks there left out."""
    number, column = finding.place
    line = lines[number - 1] if number <= len(lines) else ""
    start = column - 1
    start += len(line[start:]) - len(line[start:].lstrip())
    content = line[start:].rstrip()
    return Diagnostic(
        path,
        number,
        start + 1,
        number,
        start + 1 + len(content),
        rule.code,
        rule.severity,
        finding.message,
        content,
        line,
        start + 1,
        subject.draft.instance.name,
        finding.details,
    )
