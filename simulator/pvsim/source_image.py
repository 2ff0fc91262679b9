"""From a file to an image: a source is preprocessed if it is raw, and expanded for an instance; an object is placed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from pvasm.asm.image import Image
from pvasm.asm.layout import lay_out, lay_out_together
from pvasm.asm.reading import assembly_parser
from pvasm.errors import PvasmError
from pvasm.objects.elf_file import is_elf_file, read_elf_file
from pvasm.objects.object_image import image_of_object
from pvasm.syntax.document import looks_preprocessed, read_document
from pvasm.text import read_text, shown_name

if TYPE_CHECKING:
    from pvasm.paravirt.instance import Instance
    from pvasm.syntax.document import Document

_OBJECTS: Final = (".o", ".a", ".so", ".ko")  # names that no source has


def image_of_text(
    text: str, *, name: str = "text", address: int = 0x10000, stubs: Mapping[str, int] | None = None
) -> Image:
    """The image of assembly without anything for the C preprocessor, which errors call by `name`, from an address on.

    `stubs` are the addresses of symbols that are defined elsewhere. Raises PvasmError with the place of what is wrong.
    """
    document = read_document(assembly_parser(), text, name, preprocessed=True)
    return lay_out(document, address=address, stubs=stubs)


def image_of_file(
    path: str,
    *,
    instance: str | Instance | None = None,
    include_directories: Sequence[str] = (),
    defines: Sequence[str] = (),
    address: int = 0x10000,
    stubs: Mapping[str, int] | None = None,
) -> Image:
    """The image of a source file or of an ELF file; raw source goes through the C preprocessor first.

    `stubs` are the addresses of symbols that are defined elsewhere. Raises PvasmError with the place of what is wrong,
    ExpandErrors for what `expand` refuses: invocations that an instance does not take, ops that a header defines.
    """
    if is_elf_file(path) or path.endswith(_OBJECTS):
        if instance is not None or include_directories or defines:
            raise PvasmError("is an object file: an instance, -I and -D are for sources", path)
        return image_of_object(read_elf_file(path), address=address, stubs=stubs)
    text, name = read_text(path), shown_name(path)
    if not looks_preprocessed(text, path):
        from pvasm.syntax.run_cpp import preprocess

        flags = ("-dD",) if instance is not None else ()
        given = text if path == "-" else None
        text = preprocess(path, include_directories=include_directories, defines=defines, flags=flags, text=given)
    return image_of_variant(text, name, instance, address=address, stubs=stubs)


def image_of_variant(
    text: str,
    name: str,
    instance: str | Instance | None,
    *,
    address: int = 0x10000,
    stubs: Mapping[str, int] | None = None,
) -> Image:
    """The image of preprocessed source, expanded for an instance if there is one. Raises as `image_of_file` does."""
    return lay_out(_document(text, name, instance), address=address, stubs=stubs)


def image_of_variants(
    sources: Sequence[tuple[str, str]],
    instance: str | Instance | None,
    *,
    address: int = 0x10000,
    stubs: Mapping[str, int] | None = None,
) -> Image:
    """The same of several sources, each a text and its name: what one makes global, the others can name."""
    documents = [_document(text, name, instance) for text, name in sources]
    return lay_out_together(documents, address=address, stubs=stubs)


def _document(text: str, name: str, instance: str | Instance | None) -> Document:
    """Preprocessed source, expanded for an instance if there is one."""
    document = read_document(assembly_parser(), text, name, preprocessed=True)
    if instance is None:
        return document
    return read_document(assembly_parser(), _variant(document, instance), name, preprocessed=True)


def _variant(document: Document, instance: str | Instance) -> str:
    """The text of a document for an instance. Raises ExpandErrors for what the instance does not take."""
    from pvasm.expand import ExpandErrors, expand
    from pvasm.expand.expander import Reading
    from pvasm.expand.variants import refusals
    from pvasm.paravirt.loading import load_catalog, load_instance

    catalog = load_catalog()
    loaded = load_instance(instance, catalog) if isinstance(instance, str) else instance
    reading = Reading(document, catalog)
    errors = refusals(reading, [loaded])
    if errors:
        raise ExpandErrors(errors)
    return expand(document, catalog, loaded, reading=reading)
