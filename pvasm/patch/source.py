"""From a source file to a single binary's text: preprocessed for each instance if it is raw."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from pvasm.asm.reading import assembly_parser
from pvasm.errors import PvasmError
from pvasm.expand.assembly_text import refuse_other_text
from pvasm.expand.expander import ExpandErrors, Reading
from pvasm.expand.op_headers import overlays
from pvasm.paravirt.catalog import Catalog
from pvasm.paravirt.instance import Instance
from pvasm.paravirt.loading import load_catalog, load_instance
from pvasm.patch.macro_free import macro_free
from pvasm.patch.records import RecordKind
from pvasm.patch.single_binary import Room, SingleBinary, single_binary
from pvasm.syntax.document import Document, looks_preprocessed, read_document
from pvasm.syntax.missing_headers import with_remedy
from pvasm.syntax.run_cpp import preprocess
from pvasm.text import read_text, shown_name


class CppSettings(Struct, frozen=True):
    """What the C preprocessor is told of raw sources: `-I`, `-D` and `-include`, and which headers define ops."""

    include_directories: tuple[str, ...] = ()
    defines: tuple[str, ...] = ()
    op_headers: tuple[str, ...] = ()
    includes: tuple[str, ...] = ()


def single_binary_of_file(
    path: str,
    names: Sequence[str],
    room: Room,
    cpp: CppSettings,
    *,
    long_branches: bool = False,
    records: RecordKind = "pvasm",
) -> SingleBinary:
    """The single binary of a source for instances, the one for bare hardware first.

    Raises PvasmError and ExpandErrors, with places, as `single_binary` does, and for a source that cannot be read.
    """
    if len(set(names)) < 2:
        raise PvasmError("a single binary is for two instances or more: --single-binary native,NAME[,...]")
    catalog = load_catalog()
    instances = [load_instance(name, catalog) for name in dict.fromkeys(names)]
    own = [each.name for each in instances]
    if len(set(own)) < len(own):
        twice = next(each for each in instances if own.count(each.name) > 1)
        raise PvasmError(f"two instances are called {twice.name}: a record could not tell them apart", twice.path)
    text = read_text(path)
    readings: dict[str, Reading] = {}
    for instance in instances:
        if looks_preprocessed(text, path):
            reading = next(iter(readings.values()), None) or _read(text, path, catalog)
        else:
            reading = _read(_preprocessed(text, path, instance, cpp, catalog), path, catalog)
        readings[instance.name] = reading
    return single_binary(readings, instances, room, long_branches=long_branches, records=records)


def _preprocessed(text: str, path: str, instance: Instance, cpp: CppSettings, catalog: Catalog) -> str:
    """What the C preprocessor makes of a source for an instance."""

    def run(last_directories: Sequence[str]) -> str:
        return preprocess(
            shown_name(path),
            include_directories=cpp.include_directories,
            defines=[*cpp.defines, instance.defines],
            includes=cpp.includes,
            flags=("-dD",),
            text=text if path == "-" else None,
            overlays=overlays(cpp.op_headers, catalog) if cpp.op_headers else None,
            last_directories=last_directories,
        )

    return with_remedy(run, path)


def _read(text: str, path: str, catalog: Catalog) -> Reading:
    document: Document = read_document(assembly_parser(), text, shown_name(path), preprocessed=True)
    if document.problems:
        raise ExpandErrors(list(map(document.error, document.problems)))
    refuse_other_text(document, catalog.ops)
    plain = macro_free(document, catalog.ops)
    if plain is not document.text:
        document = read_document(assembly_parser(), plain, shown_name(path), preprocessed=True)
    return Reading(document, catalog)
