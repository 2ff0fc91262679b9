"""The variants of source files, and what its ops give away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pvasm.asm.reading import assembly_parser
from pvasm.errors import PvasmError, UndefinedSymbols
from pvasm.expand.expander import Reading
from pvasm.objects.elf_file import is_elf_file
from pvasm.paravirt.instance import Instance
from pvasm.paravirt.loading import load_catalog, load_instance
from pvasm.syntax.document import looks_preprocessed, read_document
from pvasm.syntax.run_cpp import preprocess
from pvasm.text import read_text, shown_name
from pvsim.function_run import functions_that_return
from pvsim.scenario_run import CODE, Variant
from pvsim.source_image import image_of_variants

_BANK_0 = "BSW_0"


def variants_of_files(
    paths: Sequence[str],
    instances: Sequence[str],
    *,
    include_directories: Sequence[str] = (),
    defines: Sequence[str] = (),
    stubs: Mapping[str, int] | None = None,
    stubs_missing: bool = False,
    within: Sequence[str] | None = None,
) -> tuple[list[Variant], set[str]]:
    """The variant of sources for each instance, and the items that are not settled once an op has been executed.

    Several sources make one image. What is not settled are the registers that ops give away as clobbers, and r16 to r31
    where an op switches to bank 0, whose contents nobody may go by. Headers are read from anywhere, unless `within`
    names the folders of those that may be. With `stubs_missing` what no file defines is a function that returns at
    once. Raises PvasmError and ExpandErrors as `image_of_file` does.
    """
    for path in paths:
        if is_elf_file(path):
            raise PvasmError("is an object file: variants are made of sources", path)
    catalog = load_catalog()
    texts = {path: read_text(path) for path in paths}
    if len(texts) < len(paths):
        raise PvasmError("is named twice", next(path for path in paths if paths.count(path) > 1))
    variants, unsettled = [], set()
    for instance in [load_instance(each, catalog) for each in instances]:
        sources = []
        for path, text in texts.items():
            seen = text
            if not looks_preprocessed(text, path):
                seen = preprocess(
                    path,
                    include_directories=include_directories,
                    defines=[*defines, instance.defines],
                    flags=("-dD",),
                    text=text if path == "-" else None,
                    within=within,
                )
            sources.append((seen, shown_name(path)))
        try:
            image = image_of_variants(sources, instance, address=CODE, stubs=stubs)
        except UndefinedSymbols as several:
            if not stubs_missing:
                raise
            addresses, segment = functions_that_return(list(several.places))
            image = image_of_variants(sources, instance, address=CODE, stubs={**(stubs or {}), **addresses})
            image.segments.append(segment)
        variants.append(Variant(instance, image))
        for seen, name in sources:
            unsettled |= _unsettled(seen, name, instance)
    return variants, unsettled | {f"bank1.{name}" for name in unsettled}


def _unsettled(text: str, name: str, instance: Instance) -> set[str]:
    catalog = instance.catalog
    reading = Reading(read_document(assembly_parser(), text, name, preprocessed=True), catalog)
    invocations, _ = reading.invocations(reading.definitions(instance))
    found = set()
    for invocation in invocations:
        op = catalog.ops[invocation.name]
        given = (invocation.as_made or invocation).given
        found |= {
            each.text for parameter, each in zip(op.parameters, given, strict=False) if parameter.use == "clobber"
        }
        if op.name == _BANK_0:
            found |= {f"r{number}" for number in range(16, 32)}
    return found
