"""Builds of three sources for three instances do what has to be done and no more; the tools' own output says what."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from pvasm.data import integration_directory
from tests.build.workshop import Workshop, document
from tests.oracle import require_tool

INSTANCES = ("native", "xen", "mine")
SOURCES = ("ivt", "entry", "fsys")
OWN_RFI = (
    "name: mine\ndescription: Xen, with a way of its own to return.\nextends: base\nops:\n  RFI:\n    template: {}\n"
)
FILES = {
    "src/ivt.S": '#include "offsets.h"\n\tMOV_FROM_IFA(r16)\t// where\n\t;;\n\tadds r17 = OFFSET, r16\n\tRFI\n',
    "src/entry.S": "\tMOV_TO_IIP(r29, r18)\n\t;;\n\tCOVER\n",
    "src/fsys.S": "#ifdef __IA64_ASM_PARAVIRTUALIZED_NATIVE\n\tfc r8\n#endif\n\tRSM_PSR_I(p0, r18, r19)\n\tnop 0\n",
    "src/offsets.h": "#define OFFSET 16\n",
    "src/mine.yaml": OWN_RFI.format("break 0x40 ;;"),
    "src/base.yaml": "name: base\ndescription: Xen.\nextends: xen\n",
}
MAKEFILE = """
CC := ia64-linux-gnu-gcc
CPPFLAGS := -iquote src
src := src
obj := out
PVASM_INSTANCES := native xen src/mine.yaml
include $(shell pvasm --integration-dir)/pvasm.mk
all: $(addprefix out/,$(call pvasm-variants,ivt.S entry.S fsys.S))
"""
# Another folder for what is made, and the makefile for the folder of the sources read by one that is not ours.
KBUILD = """
obj := arch/pv
src := $(obj)
srctree := src
VPATH := $(srctree)
quiet := quiet_
Q := @
first:
include $(srctree)/$(src)/Kbuild
first: $(obj)/built-in.a
.SECONDARY:
$(obj)/built-in.a: $(addprefix $(obj)/,$(obj-y)) FORCE
\t$(if $(filter-out FORCE,$?),@echo '  AR      $@'; rm -f $@; ar rcST $@ $(filter-out FORCE,$^))
$(obj)/%.o: $(src)/%.S FORCE
\t$(if $(filter-out FORCE,$?),@echo '  AS      $@'; ia64-linux-gnu-gcc -I$(srctree)/$(src) -c -o $@ $<)
.PHONY: FORCE first
FORCE:
"""


class Build:
    """A way to build, whose output tells which variants and objects were made, and where a variant is."""

    def __init__(
        self, workshop: Workshop, command: tuple[str, ...], variants: str, objects: str, place: str, sources: str
    ) -> None:
        self.workshop = workshop
        self.command = command
        self.patterns = {"variant": re.compile(variants, re.MULTILINE), "object": re.compile(objects, re.MULTILINE)}
        self.place = place
        self.sources = workshop.folder / sources

    def __call__(self, status: int = 0) -> Counter[str]:
        """What is made now, `variant xen ivt` or `object xen ivt`, each with how often."""
        output = self.workshop.run(*self.command, status=status)
        return Counter(
            f"{kind} {found['instance']} {found['source']}"
            for kind, pattern in self.patterns.items()
            for found in pattern.finditer(output)
        )

    def variant(self, instance: str, source: str) -> Path:
        """The file of a variant."""
        return self.workshop.folder / self.place.format(instance=instance, source=source)


INSTANCE_SOURCE = r"(?P<instance>\w+)-(?P<source>\w+)"


def with_make(workshop: Workshop) -> Build:
    require_tool("make")
    workshop.write({**FILES, "Makefile": MAKEFILE})
    variants = rf"^pvasm expand .* -o out/{INSTANCE_SOURCE}\.S "
    objects = rf"^ia64-linux-gnu-gcc .* -o out/{INSTANCE_SOURCE}\.o "
    return Build(workshop, ("make", "-j2"), variants, objects, "out/{instance}-{source}.S", "src")


def with_ninja(workshop: Workshop) -> Build:
    require_tool("ninja")
    lines = [f"include {integration_directory()}/pvasm.ninja", "rule as"]
    lines += ["  command = ia64-linux-gnu-gcc -iquote src -c -o $out $in", "  description = AS $out"]
    for instance in INSTANCES:
        name = "src/mine.yaml" if instance == "mine" else instance
        for source in SOURCES:
            variant = f"out/{instance}-{source}"
            lines += [f"build {variant}.S: pvasm src/{source}.S", f"  instance = {name}"]
            lines += [f"build {variant}.o: as {variant}.S"]
    workshop.write({**FILES, "build.ninja": "\n".join([*lines, ""])})
    variants, objects = rf" PVASM out/{INSTANCE_SOURCE}\.S$", rf" AS out/{INSTANCE_SOURCE}\.o$"
    return Build(workshop, ("ninja", "-j2"), variants, objects, "out/{instance}-{source}.S", "src")


def with_cmake(workshop: Workshop) -> Build:
    for tool in ("cmake", "make"):
        require_tool(tool)
    shown = document()["CMake"].files["CMakeLists.txt"]
    lists = shown.replace("xen mine.yaml SOURCES ivt.S entry.S", "src/mine.yaml SOURCES src/ivt.S src/entry.S")
    assert lists != shown
    workshop.write({**FILES, "CMakeLists.txt": lists})
    generator = ("-G", "Unix Makefiles", "-DCMAKE_ASM_COMPILER=ia64-linux-gnu-gcc")
    workshop.run("cmake", "-S", ".", "-B", "out", *generator)
    variants = r"Expanding (?P<source>\w+)\.S for (?P<instance>\w+)$"
    objects = r"Building ASM object .*/kernel/(?P<instance>\w+)/(?P<source>\w+)\.S\.o$"
    command = ("cmake", "--build", "out", "-j2")
    return Build(workshop, command, variants, objects, "out/pvasm/kernel/{instance}/{source}.S", "src")


def with_kbuild(workshop: Workshop) -> Build:
    require_tool("make")
    shown = document()["Kbuild"].files["Kbuild"]
    makefile = shown.replace("native xen", "native").replace("xen-ivt.o", "")
    assert makefile != shown
    files = {name.replace("src/", "src/arch/pv/"): text for name, text in FILES.items()}
    workshop.write({**files, "src/arch/pv/Kbuild": makefile, "Makefile": KBUILD})
    variants, objects = rf"^  PVASM +arch/pv/{INSTANCE_SOURCE}\.S$", rf"^  AS +arch/pv/{INSTANCE_SOURCE}\.o$"
    return Build(workshop, ("make", "-rR", "-j2"), variants, objects, "arch/pv/{instance}-{source}.S", "src/arch/pv")


def these(*kinds: str, instances: tuple[str, ...] = INSTANCES, sources: tuple[str, ...] = SOURCES) -> Counter[str]:
    return Counter(f"{kind} {instance} {source}" for kind in kinds for instance in instances for source in sources)


NOTHING: Counter[str] = Counter()


@pytest.mark.parametrize("way", [with_cmake, with_kbuild])
def test_what_has_changed_is_made_again_and_nothing_else(way: Callable[[Workshop], Build], workshop: Workshop) -> None:
    build = way(workshop)
    instances, sources = ("native", "mine"), ("ivt", "entry")
    assert build() == these("variant", "object", instances=instances, sources=sources)
    assert build() == NOTHING

    os.utime(build.sources / "entry.S")
    assert build() == these("variant", instances=instances, sources=("entry",))
    assert build() == NOTHING

    (build.sources / "mine.yaml").write_text(OWN_RFI.format("break 0x41 ;;"))
    changed = these("object", instances=("mine",), sources=("ivt",))
    assert build() == these("variant", instances=("mine",), sources=sources) + changed
    assert build() == NOTHING


@pytest.mark.parametrize("way", [with_make, with_ninja])
def test_three_sources_for_three_instances(way: Callable[[Workshop], Build], workshop: Workshop) -> None:
    build = way(workshop)
    assert build() == these("variant", "object")
    assert build() == NOTHING

    # A source that is newer and still the same: its variants are looked at, no object is made again.
    os.utime(build.sources / "entry.S")
    assert build() == these("variant", sources=("entry",))
    assert build() == NOTHING

    # So it is with what an instance extends.
    os.utime(build.sources / "base.yaml")
    assert build() == these("variant", instances=("mine",))
    assert build() == NOTHING

    # A comment is a part of every variant.
    source = build.sources / "fsys.S"
    source.write_text(source.read_text() + "// the end\n")
    assert build() == these("variant", "object", sources=("fsys",))
    assert build() == NOTHING

    # One source uses the op that the instance now has otherwise.
    (build.sources / "mine.yaml").write_text(OWN_RFI.format("break 0x41 ;;"))
    assert build() == these("variant", instances=("mine",)) + these("object", instances=("mine",), sources=("ivt",))
    assert "break 0x41" in build.variant("mine", "ivt").read_text()
    assert build() == NOTHING

    # A variant that is gone.
    build.variant("xen", "entry").unlink()
    assert build() == these("variant", "object", instances=("xen",), sources=("entry",))
    assert build() == NOTHING


def test_what_is_wrong_and_what_is_gone(workshop: Workshop) -> None:
    build = with_make(workshop)
    build.command += ("PVASM_INSTANCES=src/mine.yaml",)
    mine = ("mine",)
    assert build() == these("variant", "object", instances=mine)

    # What is wrong stops the build each time, until it is mended; the variants are those of before.
    source = build.sources / "fsys.S"
    good, before = source.read_text(), build.variant("mine", "fsys").read_text()
    source.write_text(good.replace("RSM_PSR_I(p0, r18, r19)", "RSM_PSR_I(p0, r18)"))
    for _ in range(2):
        output = workshop.run(*build.command, status=2)
        assert "fsys.S:4:2: RSM_PSR_I takes 3 arguments" in output
    assert build.variant("mine", "fsys").read_text() == before
    source.write_text(good)
    assert build() == these("variant", instances=mine, sources=("fsys",))
    assert build() == NOTHING

    # An instance's file that is not needed any more is no hindrance.
    (build.sources / "mine.yaml").write_text(OWN_RFI.format("break 0x40 ;;").replace("base", "xen"))
    (build.sources / "base.yaml").unlink()
    assert build() == these("variant", instances=mine)
    assert build() == NOTHING
