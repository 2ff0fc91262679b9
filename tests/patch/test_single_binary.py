"""Single binaries: what GNU as makes of them, patched, is what it makes of each variant alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from pvsim.random_comparison import RandomComparison
from pvsim.scenario_run import CODE, Variant

from pvasm.asm.reading import assembly_parser
from pvasm.expand.expander import expand
from pvasm.objects.elf_file import elf_file_of
from pvasm.objects.object_image import image_of_object
from pvasm.paravirt.catalog import Op
from pvasm.paravirt.loading import load_instance
from pvasm.patch.patching import patched, sites_of
from pvasm.patch.single_binary import ROOMS, Room
from pvasm.syntax.document import read_document
from tests.paravirt.cases import OPS
from tests.patch.made import CATALOG, SOURCES, alone, assembled, code_of, single, unlike
from tests.simulator.compare_ops import cases, unsettled
from tests.slow import one_of

OTHERS = ("native-poison", "hvm", "xen", "trap")
NAMES = ("native", *OTHERS)


@pytest.mark.parametrize("room", ROOMS)
@pytest.mark.parametrize("source", one_of(2, SOURCES), ids=lambda path: path.name)
def test_samples(source: Path, room: Room, tmp_path: Path) -> None:
    """Patched for an instance it is that instance's; native code comes back byte for byte."""
    made = single(source, ("native", "xen", "trap"), room)
    data = assembled(made.text, tmp_path / "single.o")
    plain = assembled(alone(source, "native"), tmp_path / "native.o")
    assert unlike(data, plain, "native") is None
    if room == "slots":
        assert made.counts.added == 0
        assert code_of(elf_file_of(data, "single")) == code_of(elf_file_of(plain, "native"))
    for name in ("xen", "trap"):
        for_instance = patched(data, "single.o", name)
        assert unlike(for_instance, assembled(alone(source, name), tmp_path / f"{name}.o"), name) is None
        assert (for_instance != data) == any(name in site.records for site in sites_of(data, "single.o").sites)
        assert patched(for_instance, "single.o", "native") == data


def _all_cases(op: Op) -> list[tuple[str, ...]]:
    return [arguments for arguments, takers in cases(op, OTHERS) if len(takers) == len(OTHERS)]


def _source(op: Op, all_arguments: list[tuple[str, ...]]) -> str:
    """An op in all ways, each a function, with instructions beside it that share its bundles."""
    text = "\t.text\n"
    for number, arguments in enumerate(all_arguments):
        written = f"({', '.join(arguments)})" if op.parentheses else ""
        text += f"entry_{number}:\n\talloc r3 = ar.pfs, 2, 0, 0, 0\n\tadds r27 = 1, r28 ;;\n"
        text += f"\tadds r29 = 1, r28\n\t{op.name}{written}\n\t;;\nend_{number}:\n\tbr.ret.sptk.many b0 ;;\n"
    return text.replace(
        "\talloc r3 = ar.pfs, 2, 0, 0, 0\n", "" if op.name.startswith("BSW") else "\t.regstk 2, 0, 0, 0\n"
    )


@pytest.mark.parametrize(
    "op",
    [pytest.param(op, marks=() if op.name in ("MOV_FROM_IFA", "RFI") else pytest.mark.slow) for op in OPS],
    ids=lambda op: op.name,
)
def test_every_op_and_way_of_arguments(op: Op, tmp_path: Path) -> None:
    """For each instance, in both kinds of room."""
    ways = _all_cases(op)
    source = tmp_path / "op.s"
    source.write_text(_source(op, ways))
    apart = {}
    for name in NAMES:
        document = read_document(assembly_parser(), source.read_text(), "op.s", preprocessed=True)
        apart[name] = assembled(expand(document, CATALOG, load_instance(name, CATALOG)), tmp_path / f"{name}.o")
    for room in ROOMS:
        made = single(source, NAMES, room)
        data = assembled(made.text, tmp_path / "single.o")
        assert unlike(data, apart["native"], "native") is None
        for name in OTHERS:
            for_instance = patched(data, "single.o", name)
            assert unlike(for_instance, apart[name], name) is None, name
            assert patched(for_instance, "single.o", "native") == data
            assert patched(for_instance, "single.o", "trap") == patched(data, "single.o", "trap")
        _check_states(op, ways, data)


def _check_states(op: Op, ways: list[tuple[str, ...]], data: bytes) -> None:
    """Native code of the single binary and what it is patched to do the same, from a few random states a way."""
    images = {name: image_of_object(elf_file_of(patched(data, "single.o", name), name), address=CODE) for name in NAMES}
    variants = [Variant(load_instance(name, CATALOG), images[name]) for name in NAMES if name != "native-poison"]
    for number, arguments in enumerate(ways[:: max(1, len(ways) // 6)]):
        at = number * max(1, len(ways) // 6)
        entry, end = f"entry_{at}", f"end_{at}"
        comparison = RandomComparison(variants, entry, [end], unsettled(op, arguments), f"{op.name} {at}", 2000)
        for state in range(3):
            found = comparison.compared(state)
            for name, differences in found.differences.items():
                # What faults in code elsewhere does so there: that is where cr.iip is.
                told = [each for each in differences if each.found != "code of .pv_replacements"]
                assert told == [], (arguments, state, name)
