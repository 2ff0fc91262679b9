"""From an ELF file to an image."""

from __future__ import annotations

from collections.abc import Mapping

from pvasm.asm.image import Image
from pvasm.errors import PvasmError
from pvasm.objects.elf_file import ElfFile
from pvasm.objects.linking import Linking
from pvasm.objects.source_lines import SourceLines


def image_of_object(file: ElfFile, *, address: int = 0x10000, stubs: Mapping[str, int] | None = None) -> Image:
    """The image of an ELF file: of a program at its own addresses, of a relocatable object from `address` on.

    `stubs` are the addresses of symbols that are defined elsewhere. Raises PvasmError for symbols that nothing defines,
    relocations that cannot be made, and what is too large. Damaged line information is an error too.
    """
    linking = Linking(file, address, {} if stubs is None else stubs)
    image = linking.image()
    try:
        image.lines = SourceLines(file, linking).in_order()
    except PvasmError as error:
        raise PvasmError(f"{error.message} (strip --strip-debug takes out lines of sources)", error.path) from None
    return image
