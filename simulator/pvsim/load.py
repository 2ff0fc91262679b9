"""Puts images in a machine."""

from __future__ import annotations

from typing import Final

from pvasm.asm.image import Image
from pvasm.errors import PvasmError
from pvsim.machine.machine import Machine

_REGION_0: Final = 1 << 61


def load_image(machine: Machine, image: Image) -> None:
    """Puts the bytes of an image in the machine's memory, at their addresses.

    Raises PvasmError for addresses in a virtual region other than 0: they are no physical ones.
    """
    for segment in image.segments:
        if segment.address >= _REGION_0:
            said = f"{segment.name} is at {segment.address:#x}, a virtual address"
            raise PvasmError(f"{said}: pvsim.function_run.FunctionRun maps these", image.path)
        machine.memory.write(segment.address, bytes(segment.data))
    machine.forget_code()
