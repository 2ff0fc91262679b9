"""Every op in some instances: whether it is defined and keeps its contract, what it costs, and in which runs it was."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from pvasm.asm.layout import code_places
from pvasm.asm.reading import assembly_parser
from pvasm.errors import PvasmError
from pvasm.paravirt.cases import outline
from pvasm.paravirt.catalog import Op
from pvasm.paravirt.choices import plain_choice
from pvasm.paravirt.contract import violations
from pvasm.paravirt.instance import Instance
from pvasm.paravirt.measure import Size
from pvasm.paravirt.origins import origins
from pvasm.report.run_results import RunResult
from pvasm.syntax.document import read_document


class Cell(Struct, frozen=True):
    """An op in an instance.

    `by` is the instance whose file defines it, None for one that is the instruction itself. `wrong` says how it breaks
    its contract. `plain` is its size with arguments that are nothing special, `least` the smallest of any case;
    `bundles` is how many the assembler makes of the plain one, None where that cannot be told. `runs` are those of
    sources that invoke it, `failed` those of them that went wrong.
    """

    by: str | None
    wrong: tuple[str, ...]
    plain: Size
    least: Size
    bundles: int | None
    runs: int
    failed: int


class Row(Struct, frozen=True):
    """An op, how often the sources of the report invoke it, and what it is in each instance."""

    op: Op
    used: int
    cells: tuple[Cell, ...]


def coverage(
    instances: Sequence[Instance], used: Mapping[str, int], results: Iterable[RunResult]
) -> dict[str, list[Row]]:
    """The ops of the catalog by their classes. Raises PvasmError, with its place, for a template that is wrong."""
    told = [origins(instance) for instance in instances]
    ran: dict[tuple[str, str], list[bool]] = {}
    for result in results:
        for name in result.ops:
            ran.setdefault((name, result.instance), []).append(bool(result.failure))
    groups: dict[str, list[Row]] = {}
    for op in instances[0].catalog.ops.values():
        cells = []
        for instance, found in zip(instances, told, strict=True):
            by = found[op.name].instance if op.name in found else None
            cells.append(_cell(instance, op, by, ran.get((op.name, instance.name), [])))
        groups.setdefault(op.group, []).append(Row(op, used.get(op.name, 0), tuple(cells)))
    return groups


def _cell(instance: Instance, op: Op, by: str | None, runs: Sequence[bool]) -> Cell:
    found = outline(instance, op)
    wrong = tuple(dict.fromkeys(each.message for each in violations(instance, op)))
    return Cell(by, wrong, found.plain, found.least, _bundles(instance, op), len(runs), sum(runs))


def _bundles(instance: Instance, op: Op) -> int | None:
    """How many bundles the assembler makes of an op that stands alone, with arguments that are nothing special."""
    registers = list(instance.catalog.kernel_registers)
    arguments = plain_choice(op, instance.definitions[op.name], (), registers)
    if arguments is None:
        return None
    try:
        lines = [statement.text for statement in instance.expand(op, arguments).statements]
        return len(code_places(read_document(assembly_parser(), "".join(f"{line}\n" for line in lines))).bundles)
    except PvasmError:
        return None
