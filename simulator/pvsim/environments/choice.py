"""The environment that an instance is for."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from pvasm.paravirt.instance import Instance
from pvasm.paravirt.loading import load_instance
from pvasm.paravirt.shipped import instance_names
from pvsim.environments.description import DescriptionFile, no_description, read_description, shipped_description
from pvsim.environments.environment import HARDWARE, Environment, Hardware
from pvsim.environments.guest import Calls, Guest, guest_model
from pvsim.machine.configuration import Configuration
from pvsim.machine.machine import Machine


def environment_of(instance: Instance, configuration: Configuration | None = None) -> Environment:
    """A new environment for an instance: the one that it names, or that the file beside it describes.

    Raises PvasmError for a name of none, and for a file that is wrong.
    """
    model = guest_model(configuration or Configuration())
    if instance.environment == HARDWARE:
        return Hardware(Machine(configuration=model))
    own = instance.environment_file
    path = own or shipped_description(instance.environment)
    if path is None:
        raise no_description(instance.environment)
    description = _read(str(path), os.stat(path).st_mtime_ns)
    return Guest(description, _calls(instance), model)


@lru_cache
def _read(path: str, changed: int) -> DescriptionFile:
    return read_description(Path(path))


def _calls(instance: Instance) -> Calls:
    """The calls of an instance by name; those of the shipped one that is called as its environment are its own."""
    constants = {**_shipped_constants(instance.environment), **instance.constants}
    return {
        name: (int(number), instance.calls[number])
        for name, number in constants.items()
        if isinstance(number, int) and number in instance.calls
    }


@lru_cache
def _shipped_constants(environment: str) -> Mapping[str, Any]:
    return load_instance(environment).constants if environment in instance_names() else {}
