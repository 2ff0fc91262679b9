"""Running pvasm in forks of a process that has imported it, and read its tables: starting Python is not what is tested.

A fork has streams, a working directory and an environment of its own, and ends as pvasm ends. The server has run no
command, so that none finds what another left in memory. What depends on how Python starts, or on what is imported
when, starts a process of its own: `PYTHON...` and `LC_...` in the environment see to that.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import pkgutil
import signal
import socket
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import IO, NamedTuple, NoReturn

_MOST = 1 << 20  # bytes of a request
_TIMEOUT = 600.0
_STATUS = 4  # bytes of a wait status
_AT_START = ("PYTHON", "LC_", "LANG")


class Ended(NamedTuple):
    """What a command left behind: its status as `subprocess` gives it, and what it wrote."""

    status: int
    output: bytes
    errors: bytes


def run(arguments: Sequence[str], folder: Path | str, stdin: bytes, environment: Mapping[str, str]) -> Ended:
    """Runs pvasm with these arguments, in a folder, with exactly this environment."""
    if any(environment.get(name) != os.environ.get(name) for name in environment if name.startswith(_AT_START)):
        command = [sys.executable, "-m", "pvasm", *arguments]
        done = subprocess.run(
            command, cwd=folder, input=stdin, capture_output=True, timeout=_TIMEOUT, check=False, env=environment
        )
        return Ended(done.returncode, done.stdout, done.stderr)
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        given.write(stdin)
        given.seek(0)
        status = _server().run(arguments, folder, environment, [given, output, errors])
        output.seek(0)
        errors.seek(0)
        return Ended(status, output.read(), errors.read())


class _Server:
    """The process that forks, and the socket that requests go through."""

    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket.settimeout(_TIMEOUT)
        command = [sys.executable, "-m", "tests.cli.fork_server", str(theirs.fileno())]
        root = Path(__file__).parents[2]
        with theirs:
            subprocess.run(command, cwd=root, stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()], check=True)
        self._process = int.from_bytes(self._socket.recv(_STATUS), "little")

    def run(
        self, arguments: Sequence[str], folder: Path | str, environment: Mapping[str, str], streams: Sequence[IO[bytes]]
    ) -> int:
        request = json.dumps([list(arguments), str(folder), dict(environment)]).encode()
        assert len(request) < _MOST
        try:
            socket.send_fds(self._socket, [request], [each.fileno() for each in streams])
            answer = self._socket.recv(_STATUS)
        except TimeoutError:
            os.kill(self._process, signal.SIGKILL)
            _server.cache_clear()
            raise
        assert len(answer) == _STATUS, "the server has ended"
        return os.waitstatus_to_exitcode(int.from_bytes(answer, "little"))


@cache
def _server() -> _Server:
    return _Server()


# ---------------------------------------------------------------------------------------- in the server


def serve(connection: socket.socket) -> None:
    """Runs what is asked for, one command at a time, until the other side has gone.

    It is no child of the tests' process, some of which look whether they have left any. It says which process it is.
    """
    if os.fork():
        os._exit(0)
    connection.send(os.getpid().to_bytes(_STATUS, "little"))
    _prepare()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever runs the tests ends us, by going
    while True:
        request, descriptors, _, _ = socket.recv_fds(connection, _MOST, 3)
        if not request:
            return
        child = os.fork()
        if child == 0:
            connection.close()
            arguments, folder, environment = json.loads(request)
            _be_pvasm(arguments, folder, environment, descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        _, status = os.waitpid(child, 0)
        connection.send(status.to_bytes(_STATUS, "little"))


def _prepare() -> None:
    """Imports all that runs import, and reads what travels with pvasm: what a run would do first."""
    import pvsim

    import pvasm

    for package in (pvasm, pvsim):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.endswith("__main__"):
                importlib.import_module(module.name)
    for name in ("elftools.elf.structs", "encodings.utf_8_sig", "jinja2.sandbox", "pathspec", "yaml"):
        importlib.import_module(name)
    from pvsim import Machine, image_of_text, load_image

    from pvasm import cli, regex, terminal
    from pvasm.asm.reading import assembly_parser
    from pvasm.check.engine import Selection, run
    from pvasm.check.subject import Subject
    from pvasm.expand import expand
    from pvasm.paravirt.environments import build_names, known_macros
    from pvasm.paravirt.loading import load_catalog, load_instance, read_ahead
    from pvasm.syntax.document import read_document

    for pattern in regex.REGISTERED:
        assert pattern.pattern is not None  # compiled now
    text = "\tmov r16 = cr.ifa\n\tMOV_FROM_IFA(r8)\n\t;;\n\tst8 [r16] = r8\n\tbr.ret.sptk rp\n"
    document = read_document(assembly_parser(), text, "a.S")
    run(Subject(document, load_catalog(), known_macros(), tuple(build_names())), Selection(("PV",)).rules())
    read_ahead()
    expand(document, load_catalog(), load_instance("xen"))
    machine = Machine()
    load_image(machine, image_of_text("\tmov r16 = r8 ;;\n"))
    machine.run(1)
    for command in ("", *cli._COMMANDS):
        cli.parser_of(command)
    terminal.columns.cache_clear()  # asked for parsers, but who runs a command says how wide its terminal is
    gc.collect()
    gc.freeze()


def _be_pvasm(
    arguments: Sequence[str], folder: str, environment: Mapping[str, str], descriptors: Sequence[int]
) -> NoReturn:
    """Runs pvasm as its console script does, and ends this process."""
    try:
        for number, descriptor in enumerate(descriptors):
            os.dup2(descriptor, number)
            os.close(descriptor)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        sys.argv = ["pvasm", *arguments]
        from pvasm.start import run

        run()
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(OSError):
            sys.stderr.flush()
        os._exit(1)


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
