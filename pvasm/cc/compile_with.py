"""What becomes of a compiler's command: one with assembly is done step by step, any other is handed to the compiler."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from pvasm import data
from pvasm.cc.command_line import CommandLine, is_bare_assembler, is_ours, is_same, read_command, split_command
from pvasm.cc.processes import become, run_program, stoppable, temporary_folder
from pvasm.errors import PvasmError


def compile_with(
    instance: str, command: Sequence[str], say: Callable[[PvasmError], None], op_headers: Sequence[str] = ()
) -> int:
    """Runs a compiler's command with the ops in its assembly expanded for an instance; returns the exit status.

    The ops that `op_headers` define themselves are put out of the way. A command without assembly takes this
    process's place. Errors in the sources are told through `say`. Raises PvasmError for an instance that is none,
    CannotRunError if the compiler cannot be run, StoppedError if a signal has ended it, or is to end this process.
    """
    compiler, arguments = split_command(command)
    if is_bare_assembler(compiler[-1]):
        from pvasm.cc.bare_assembler import assemble_with

        return assemble_with(instance, compiler, arguments, say, op_headers)
    read = read_command(command)
    if read.only_tells or not any(is_ours(read, word) for word in read.inputs):
        _check_exists(instance)
        become(command)
    _refuse_response_files(read)
    if _is_refused(read):
        return _refused(command, read.last("-o"))
    from pvasm.cc.steps import Steps
    from pvasm.paravirt.loading import load_catalog, load_instance

    catalog = load_catalog()
    loaded = load_instance(instance, catalog)
    with stoppable(), temporary_folder() as folder:
        return Steps(read, catalog, loaded, folder, say, op_headers).status()


def _refuse_response_files(command: CommandLine) -> None:
    """Raises PvasmError for assembly in a file whose name gcc passes on as that of a file of options (`-dumpbase`).

    Response files that the command names have been read; of what is left, each `@` begins the name of a source.
    """
    for word in command.inputs:
        if is_ours(command, word) and os.path.basename(word.value).startswith("@"):
            raise PvasmError("gcc takes a name that begins with @ for a file of options: rename it", word.value)


def _refused(command: Sequence[str], output: str | None) -> int:
    """Has the compiler refuse a command; returns the exit status.

    Raises PvasmError if it does not: then another program stands before it (`env`, `nice`), of which we know nothing,
    and what it has made, of sources that were not expanded, is removed.
    """
    with stoppable():
        status = run_program(command).status
    if status == 0:
        if output and os.path.isfile(output):
            os.unlink(output)
        message = "is no compiler that pvasm knows: give the compiler's own command (before it may stand ccache, "
        raise PvasmError(f"{message}distcc, icecc or sccache), and put the rest before pvasm", command[0])
    return status


def _is_refused(command: CommandLine) -> bool:
    """Whether the compiler will not do this: an option lacks its argument, or there are several inputs for one output,
    or that has no name, or the name of an input.
    """
    if command.is_cut_short:
        return True
    several = len(command.inputs) > 1 and command.mode != "link" and command.mode != "dependencies"
    output = command.last("-o")
    if output and any(is_same(output, word.value) for word in command.inputs):
        return True
    return output == "" or (several and output is not None)


def _check_exists(instance: str) -> None:
    """Looks whether there is such an instance, without reading it: a build has many files that are no assembly.

    Raises PvasmError if there is none.
    """
    if not (os.path.isfile(instance) or os.path.isfile(data.instance_file(instance))):
        from pvasm.paravirt.loading import load_instance

        load_instance(instance)
