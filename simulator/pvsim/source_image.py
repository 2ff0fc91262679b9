"""From a file to an image: a source is preprocessed if it is raw, and expanded for an instance; an object is placed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from pvasm.asm.image import Image
from pvasm.asm.layout import lay_out_together
from pvasm.asm.reading import assembly_parser
from pvasm.errors import PvasmError
from pvasm.objects.elf_file import MAX_OBJECT_BYTES, is_elf_file, read_elf_file
from pvasm.objects.object_image import image_of_object
from pvasm.syntax.document import looks_preprocessed, read_document
from pvasm.text import read_bytes, read_text, shown_name
from pvsim.stubs import NO_STUBS, Stubs

if TYPE_CHECKING:
    from pvasm.expand.expander import Reading
    from pvasm.paravirt.instance import Instance
    from pvasm.syntax.document import Document
    from pvasm.syntax.missing_headers import Naming

_OBJECTS: Final = (".o", ".a", ".so", ".ko")  # names that no source has


def image_of_text(text: str, *, name: str = "text", address: int = 0x10000, stubs: Stubs = NO_STUBS) -> Image:
    """The image of assembly without anything for the C preprocessor, which errors call by `name`, from an address on.

    `stubs` stand for symbols that are defined elsewhere. Raises PvasmError with the place of what is wrong.
    """
    return _laid_out([read_document(assembly_parser(), text, name, preprocessed=True)], address, stubs)


def image_of_file(
    path: str,
    *,
    instance: str | Instance | None = None,
    include_directories: Sequence[str] = (),
    defines: Sequence[str] = (),
    address: int = 0x10000,
    stubs: Stubs = NO_STUBS,
) -> Image:
    """The image of a source file or of an ELF file; raw source goes through the C preprocessor first.

    `stubs` stand for symbols that are defined elsewhere. Raises PvasmError with the place of what is wrong,
    ExpandErrors for what `expand` refuses: invocations that an instance does not take, ops that a header defines.
    """
    given = read_bytes(path, MAX_OBJECT_BYTES) if path == "-" else None  # which can be read once
    if is_elf_file(path, given) or path.endswith(_OBJECTS):
        if instance is not None or include_directories or defines:
            raise PvasmError("is an object file: an instance, -I and -D are for sources", shown_name(path))
        file = read_elf_file(path, given)
        return stubs.image(lambda addresses: image_of_object(file, address=address, stubs=addresses))
    text, name = read_text(path, given), shown_name(path)
    if not looks_preprocessed(text, path):
        flags = ("-dD",) if instance is not None else ()
        text = preprocessed(path, text, include_directories, defines, flags=flags)
    return image_of_variant(text, name, instance, address=address, stubs=stubs)


def preprocessed(
    path: str,
    text: str,
    include_directories: Sequence[str],
    defines: Sequence[str],
    *,
    flags: Sequence[str],
    within: Sequence[str] | None = None,
    naming: Naming | None = None,
) -> str:
    """What the C preprocessor makes of a file, whose text is `text`. Raises as `with_remedy` does, and `preprocess`."""
    from pvasm.syntax.missing_headers import BY_OPTION, with_remedy
    from pvasm.syntax.run_cpp import preprocess

    def run(last_directories: Sequence[str]) -> str:
        return preprocess(
            shown_name(path),
            include_directories=include_directories,
            defines=defines,
            flags=flags,
            text=text if path == "-" else None,
            within=within,
            last_directories=last_directories,
        )

    return with_remedy(run, path, within or (), naming or BY_OPTION)


def image_of_variant(
    text: str, name: str, instance: str | Instance | None, *, address: int = 0x10000, stubs: Stubs = NO_STUBS
) -> Image:
    """The image of preprocessed source, expanded for an instance if there is one. Raises as `image_of_file` does."""
    document = read_document(assembly_parser(), text, name, preprocessed=True)
    if instance is None:
        return _laid_out([document], address, stubs)
    from pvasm.expand.expander import Reading
    from pvasm.paravirt.loading import load_catalog, load_instance

    catalog = load_catalog()
    loaded = load_instance(instance, catalog) if isinstance(instance, str) else instance
    return image_of_readings([Reading(document, catalog)], loaded, address=address, stubs=stubs)


def image_of_readings(
    readings: Sequence[Reading], instance: Instance, *, address: int = 0x10000, stubs: Stubs = NO_STUBS
) -> Image:
    """The image of sources that have been read, expanded for an instance; its lines are those of the sources.

    What one of them makes global, the others can name. Raises ExpandErrors for what the instance does not take, and
    PvasmError as `image_of_file` does.
    """
    return _laid_out([_variant(reading, instance) for reading in readings], address, stubs)


def _variant(reading: Reading, instance: Instance) -> Document:
    from pvasm.expand import ExpandErrors, expand
    from pvasm.expand.variants import refusals

    errors = refusals(reading, [instance])
    if errors:
        raise ExpandErrors(errors)
    text = expand(reading.document, reading.catalog, instance, reading=reading, line_markers=True)
    return read_document(assembly_parser(), text, reading.document.path, preprocessed=True)


def _laid_out(documents: Sequence[Document], address: int, stubs: Stubs) -> Image:
    return stubs.image(lambda addresses: lay_out_together(documents, address=address, stubs=addresses))
