"""What is told of an op case by case: against what the templates yield, and the sizes against GNU as and objdump."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from pvasm.isa.registers import REGISTERS
from pvasm.paravirt.cases import Case, Condition, outline
from pvasm.paravirt.catalog import Op
from pvasm.paravirt.expansion import expansion_of
from pvasm.paravirt.instance import Instance
from pvasm.paravirt.instance_file import read_instance
from pvasm.paravirt.loading import load_catalog
from pvasm.paravirt.measure import measure
from pvasm.paravirt.shipped import instance_names, shipped_instance
from tests.paravirt.assembler import assemble, in_cases, sizes
from tests.paravirt.cases import all_cases, plain

CATALOG = load_catalog()
EACH = 2  # arguments for each case


@pytest.fixture(scope="module", params=instance_names())
def instance(request: pytest.FixtureRequest) -> Instance:
    """An instance as its file says it, with its templates to be rendered."""
    path = shipped_instance(request.param)
    assert path is not None
    return read_instance(Path(path), CATALOG)


def alike(left: str, right: str) -> bool:
    """Whether two names are the same register: by the table of registers, and `in0` is r32."""
    names = {"in0": "r32"}
    left, right = names.get(left, left), names.get(right, right)
    return left == right or (left in REGISTERS and REGISTERS.get(left) == REGISTERS.get(right))


def holds(condition: Condition, given: Mapping[str, str]) -> bool:
    return all(alike(given[parameter], given.get(other, other.removeprefix("%"))) for parameter, other in condition)


def matching(cases: Sequence[Case], given: Mapping[str, str]) -> Case:
    """The case that a person would say it is."""
    return next(case for case in cases if not case.conditions or any(holds(each, given) for each in case.conditions))


def tried(instance: Instance, op: Op) -> Iterator[tuple[Case, Mapping[str, str]]]:
    """Arguments for every case: plain ones, and the first few of all that there are."""
    cases = outline(instance, op).cases
    left = {id(case): EACH for case in cases}
    for arguments in (plain(op), *([] if len(cases) == 1 else all_cases(op, instance))):
        given = {parameter.name: text for parameter, text in zip(op.parameters, arguments, strict=True)}
        case = matching(cases, given)
        if left[id(case)] > 0:
            left[id(case)] -= 1
            yield case, given
        if not any(left.values()):
            return


def filled(line: str, given: Mapping[str, str]) -> str:
    """A line over the names of parameters, with arguments in their place."""
    kernel_register = re.sub(r"\{(\w+)\.number\}", lambda f: str(CATALOG.kernel_registers[given[f[1]]]), line)
    words = {**CATALOG.constants, **given}
    return re.sub(r"(?<![\w.])[A-Za-z_]\w*(?![\w.])", lambda found: words.get(found[0], found[0]), kernel_register)


def words(lines: Sequence[str]) -> list[str]:
    """The words of lines that may be joined by `;`."""
    return re.sub(r"(?<!;);(?!;)", " ", " ".join(lines)).split()


def test_each_case_is_what_the_template_yields(instance: Instance) -> None:
    for op in CATALOG.ops.values():
        met = set()
        for case, given in tried(instance, op):
            wanted = [filled(line, given).replace("(p0) ", "") for line in case.lines]
            assert words(instance.expand(op, list(given.values())).lines) == words(wanted), (op.name, given)
            met.add(id(case))
        assert len(met) == len(outline(instance, op).cases), f"{op.name}: a case that no arguments meet"


def test_sizes_are_those_of_the_assembler(instance: Instance, tmp_path: Path) -> None:
    lines, due = [], []
    for op in CATALOG.ops.values():
        for case, given in tried(instance, op):
            expansion = instance.expand(op, list(given.values()))
            lines.append(expansion.lines)
            due.append((op.name, given, case.size))
            assert measure(expansion) == case.size
    output, _ = assemble(in_cases(lines), tmp_path)
    for (name, given, size), real in zip(due, sizes(output), strict=True):
        assert (name, given, size) == (name, given, (real.instructions, real.groups))


MINE = """\
name: mine
description: A test
environment: trap
defines: MINE
otherwise: replaces
ops:
  MOV_TO_KR:
    template: |
      {% for x in range(kr.number) %}
      mov r8 = 1 ;;
      {% endfor %}
  THASH:
    apart: [[reg, clob]]
    not_among: {clob: [r8]}
    template: |
      {% if clob == "r8" or reg == clob %}
      mov r9 = r0
      {% elif address == "r0" or address == "r1" %}
      mov {{ reg }} = r0
      {% endif %}
"""


def test_what_cannot_be_is_no_case(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(MINE)
    instance = read_instance(path, CATALOG)
    first, last = outline(instance, CATALOG.ops["THASH"]).cases
    assert first.conditions == ((("address", "%r0"),), (("address", "%r1"),))
    assert (first.lines, first.size) == (("mov reg = r0",), (1, 1))
    assert (last.conditions, last.lines, last.size) == ((), (), (0, 0))


def test_a_template_that_counts_tells_itself(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(MINE)
    found = outline(read_instance(path, CATALOG), CATALOG.ops["MOV_TO_KR"])
    assert not found.cases
    assert found.template.startswith("{% for x in range(kr.number) %}")
    assert found.plain == (CATALOG.kernel_registers["IO_BASE"],) * 2


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("", (0, 0)),
        (";;", (0, 0)),
        (";; ;;\nmov r2 = r3", (1, 1)),
        ("mov r2 = r3 ;; mov r4 = r5 ;;", (2, 2)),
        ("mov r2 = r3; mov r4 = r5\n;;\n.mem.offset 8, 0\n;;\nmov r6 = r7", (3, 2)),
        ("itc.i r2\nitc.d r2", (2, 2)),
        ("mov r2 = r3\nalloc r4 = ar.pfs, 0, 0, 0, 0", (2, 2)),
        ("{ .mii\nmov r2 = r3 ;;\nadd r4 = r5, r6\n;; }", (2, 2)),
    ],
)
def test_a_group_ends_at_a_stop(text: str, size: tuple[int, int]) -> None:
    assert measure(expansion_of(text.split("\n"))) == size
