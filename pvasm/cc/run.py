"""What becomes of a compiler's command: one with assembly is done step by step, any other is handed to the compiler."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from pvasm import data
from pvasm.cc.command_line import CommandLine, is_ours, read_command
from pvasm.cc.processes import become, stoppable, temporary_folder

if TYPE_CHECKING:
    from pvasm.errors import PvasmError


def compile_with(instance: str, command: Sequence[str], say: Callable[[PvasmError], None]) -> int:
    """Runs a compiler's command with the ops in its assembly expanded for an instance; returns the exit status.

    A command without assembly takes this process's place. Errors in the sources are told through `say`. Raises
    PvasmError for an instance that is none, CannotRunError if the compiler cannot be run, StoppedError if a signal has
    ended it, or is to end this process.
    """
    read = read_command(command)
    if read.only_tells or not any(is_ours(read, word) for word in read.inputs) or _is_refused(read):
        _check_exists(instance)
        become(command)
    from pvasm.cc.steps import Steps
    from pvasm.paravirt.catalog import load_catalog
    from pvasm.paravirt.instance import load_instance

    catalog = load_catalog()
    loaded = load_instance(instance, catalog)
    with stoppable(), temporary_folder() as folder:
        return Steps(read, catalog, loaded, folder, say).status()


def _is_refused(command: CommandLine) -> bool:
    """Whether the compiler will not do this: several inputs for one output, no name for it, or that of an input."""
    several = len(command.inputs) > 1 and command.mode != "link" and command.mode != "dependencies"
    output = command.last("-o")
    if output and any(_is_same(output, word.value) for word in command.inputs):
        return True
    return output == "" or (several and output is not None)


def _is_same(output: str, source: str) -> bool:
    """Whether two names are those of one file that there is."""
    try:
        return os.path.isfile(source) and os.path.samefile(output, source)
    except OSError:
        return False


def _check_exists(instance: str) -> None:
    """Looks whether there is such an instance, without reading it: a build has many files that are no assembly.

    Raises PvasmError if there is none.
    """
    if not (os.path.isfile(instance) or os.path.isfile(data.instance_file(instance))):
        from pvasm.paravirt.instance import load_instance

        load_instance(instance)
