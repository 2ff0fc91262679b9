"""Runs IA-64 code: `Machine` is one processor with memory, `load_image` puts code there.

    image = image_of_text("double: add r8=r32,r32 ;;")
    machine = Machine()
    load_image(machine, image)
    machine.ip = image.symbols["double"]
    machine.gr[32] = 21
    machine.run(1)
    assert machine.gr[8] == 42

Registers are lists (`gr nat fr pr br ar cr`) in the order in which code names them; what `run` gives back is the
`Interruption` that ended it, or None where the number of instructions did. With `machine.delivers` set, interruptions
go to the code at cr.iva.
"""

from pvasm.asm.image import Image
from pvsim.load import load_image
from pvsim.machine.configuration import Configuration
from pvsim.machine.interruptions import Interruption, Vector
from pvsim.machine.machine import Machine
from pvsim.machine.memory import Device, Memory
from pvsim.source_image import image_of_file, image_of_text

__all__ = [
    "Configuration",
    "Device",
    "Image",
    "Interruption",
    "Machine",
    "Memory",
    "Vector",
    "image_of_file",
    "image_of_text",
    "load_image",
]
