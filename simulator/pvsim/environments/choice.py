"""The environment that an instance is for."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from pvasm.paravirt.instance import Instance
from pvsim.environments.description import DescriptionFile, no_description, read_description, shipped_description
from pvsim.environments.environment import HARDWARE, Environment, Hardware
from pvsim.environments.guest import Guest, guest_model
from pvsim.machine.configuration import Configuration
from pvsim.machine.machine import Machine


def environment_of(
    instance: Instance, configuration: Configuration | None = None, description: Path | None = None
) -> Environment:
    """A new environment for an instance: the one that it names, or that a file describes.

    Raises PvasmError for a name of none, and for a file that is wrong.
    """
    model = guest_model(configuration or Configuration())
    if description is None:
        if instance.environment == HARDWARE:
            return Hardware(Machine(configuration=model))
        description = shipped_description(instance.environment)
        if description is None:
            raise no_description(instance.environment)
    return Guest(_described(str(description)), instance, model)


@lru_cache
def _described(path: str) -> DescriptionFile:
    return read_description(Path(path))
