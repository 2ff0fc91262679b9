"""Runs IA-64 code: `Machine` is one processor with memory, `load_image` puts code there."""

from pvsim.load import load_image
from pvsim.machine.interruptions import Interruption, Vector
from pvsim.machine.machine import Machine

__all__ = ["Interruption", "Machine", "Vector", "load_image"]
