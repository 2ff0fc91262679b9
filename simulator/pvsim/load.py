"""Puts images in a machine."""

from __future__ import annotations

from pvasm.asm.image import Image
from pvsim.machine.machine import Machine


def load_image(machine: Machine, image: Image) -> None:
    """Puts the bytes of an image in the machine's memory, at their addresses."""
    for segment in image.segments:
        machine.memory.write(segment.address, bytes(segment.data))
    machine.forget_code()
