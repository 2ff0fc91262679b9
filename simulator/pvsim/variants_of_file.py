"""The variants of source files, and what its ops give away."""

from __future__ import annotations

from collections.abc import Sequence

from pvasm.asm.reading import assembly_parser
from pvasm.errors import PvasmError
from pvasm.expand.expander import Reading
from pvasm.objects.elf_file import is_elf_file
from pvasm.paravirt.instance import Instance
from pvasm.paravirt.loading import load_catalog, load_instance
from pvasm.syntax.document import looks_preprocessed, read_document
from pvasm.syntax.missing_headers import BY_OPTION, Naming
from pvasm.text import read_text, shown_name
from pvsim.scenario_run import CODE, Variant
from pvsim.source_image import image_of_file, image_of_readings, preprocessed
from pvsim.stubs import NO_STUBS, Stubs

_BANK_0 = "BSW_0"


def variants_of_files(
    paths: Sequence[str],
    instances: Sequence[str],
    *,
    include_directories: Sequence[str] = (),
    defines: Sequence[str] = (),
    stubs: Stubs = NO_STUBS,
    within: Sequence[str] | None = None,
    naming: Naming = BY_OPTION,
) -> tuple[list[Variant], set[str]]:
    """The variant of sources for each instance, and the items that are not settled once an op has been executed.

    Several sources make one image. What is not settled are the registers that ops give away as clobbers, and r16 to r31
    where an op switches to bank 0, whose contents nobody may go by. An object file or a linked image is run as it
    stands, whatever the instance: that is the environment. Headers are read from anywhere, unless `within`
    names the folders of those that may be; `naming` is how to tell of those that are missing. Raises PvasmError and
    ExpandErrors as `image_of_file` does.
    """
    catalog = load_catalog()
    objects = [path for path in paths if is_elf_file(path)]
    if objects:
        if len(paths) > 1:
            raise PvasmError("is an object file, which is run by itself: link it with the others", objects[0])
        if include_directories or defines:
            raise PvasmError("is an object file: -I and -D are for sources", objects[0])
        image = image_of_file(objects[0], address=CODE, stubs=stubs)
        return [Variant(load_instance(each, catalog), image) for each in instances], set()
    texts = {path: read_text(path) for path in paths}
    if len(texts) < len(paths):
        raise PvasmError("is named twice", next(path for path in paths if paths.count(path) > 1))
    variants, unsettled = [], set()
    for instance in [load_instance(each, catalog) for each in instances]:
        readings = []
        for path, text in texts.items():
            seen = text
            if not looks_preprocessed(text, path):
                cpp_defines = [*defines, instance.defines]
                seen = preprocessed(
                    path, text, include_directories, cpp_defines, flags=("-dD",), within=within, naming=naming
                )
            document = read_document(assembly_parser(), seen, shown_name(path), preprocessed=True)
            readings.append(Reading(document, catalog))
            unsettled |= unsettled_by(readings[-1], instance)
        variants.append(Variant(instance, image_of_readings(readings, instance, address=CODE, stubs=stubs)))
    return variants, unsettled


def unsettled_by(reading: Reading, instance: Instance) -> set[str]:
    """The items that are not settled once the ops of a source have been executed, as `variants_of_file` has them."""
    invocations, _ = reading.invocations(reading.definitions(instance))
    found = set()
    for invocation in invocations:
        op = reading.catalog.ops[invocation.name]
        given = (invocation.as_made or invocation).given
        uses = [(parameter.use, each.text) for parameter, each in zip(op.parameters, given, strict=False)]
        clobbers = {name for use, name in uses if use == "clobber"} - {name for use, name in uses if use == "out"}
        found |= clobbers | {f"bank1.{name}" for name in clobbers}
        if op.name == _BANK_0:
            found |= {f"r{number}" for number in range(16, 32)}
    return found
