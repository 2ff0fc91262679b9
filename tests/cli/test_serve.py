"""A warm server: its answers are those of a run of its own, byte for byte, and nobody else may ask or be asked."""

from __future__ import annotations

import contextlib
import fcntl
import importlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pvasm import __version__, client, served, server
from pvasm.asm.reading import assembly_parser
from pvasm.data import samples_directory
from pvasm.errors import PvasmError

SOURCE = "start:\tMOV_FROM_IFA(r20) ;;\n\tRFI\n"


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="pv") as name:  # a socket's name is short, and pytest's folders are not
        made = Path(name)
        (made / "a.S").write_text(SOURCE)
        (made / "bad.S").write_text("\tRFI(1)\n")
        yield made
        for path in (made / "run/pvasm").glob("*"):
            if path.suffix != ".lock":
                run(made, "serve", "--stop")


def run(folder: Path, *arguments: str, before: str = "", **environment: str) -> subprocess.CompletedProcess[bytes]:
    """What a shell runs in the folder; the server's socket goes below it."""
    (folder / "run").mkdir(exist_ok=True, mode=0o700)
    command = [sys.executable, "-m", "pvasm", *arguments]
    script = f'{before}exec "$@"'
    return subprocess.run(
        ["sh", "-c", script, "sh", *command],
        cwd=folder,
        capture_output=True,
        stdin=subprocess.DEVNULL,
        timeout=60,
        check=False,
        env={**os.environ, "XDG_RUNTIME_DIR": str(folder / "run"), **environment},
    )


def socket_of(folder: Path) -> Path | None:
    found = [path for path in (folder / "run/pvasm").glob("*") if path.suffix != ".lock"]
    return found[0] if found else None


def wait_for_server(folder: Path) -> Path:
    for _ in range(600):
        if (path := socket_of(folder)) is not None:
            return path
        time.sleep(0.05)
    raise AssertionError("no server has come")


def started(folder: Path) -> Path:
    """Has a first command start a server; the path of its socket."""
    first = run(folder, "expand", "--server", "-i", "xen", "a.S")
    assert (first.returncode, first.stderr) == (0, b"")
    return wait_for_server(folder)


@contextlib.contextmanager
def ending(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Nothing waits for a process that a failure has left stopped."""
    try:
        yield
    except BaseException:
        process.kill()
        raise


CASES = (
    "expand -i xen a.S",
    "expand -i xen -i native --output-dir out --depfile out.d a.S",
    "expand -i xen bad.S",
    "expand -i xne a.S",
    "expand -i xen none.S",
    "expand -i xen -",
    "expand --help",
    "expand --frob",
    "expand",
)


def test_the_answers_are_those_of_a_run_of_its_own(folder: Path) -> None:
    path = started(folder)
    for at, case in enumerate([*CASES, f"expand -i all --output-dir out {samples_directory()}/ivt.S"]):
        ends = []
        for more in (["--no-server"], ["--server"]):
            work = folder / f"{at}{more[0]}"
            work.mkdir()
            for name in ("a.S", "bad.S"):
                (work / name).write_text((folder / name).read_text())
            command, *words = case.split()
            environment = {"XDG_RUNTIME_DIR": str(folder / "run"), "COLUMNS": str(60 + at)}
            # `umask' and `ulimit' are those of whoever asks.
            done = run(work, command, *more, *words, before="umask 027; ulimit -f 1000; ", **environment)
            files = {
                str(each.relative_to(work)): (each.read_bytes(), oct(each.stat().st_mode))
                for each in sorted(work.rglob("*"))
                if each.is_file()
            }
            ends.append((done.returncode, done.stdout, done.stderr, files))
        assert ends[0] == ends[1], case
    assert socket_of(folder) == path  # it was there all the time


def test_the_server_has_done_it_and_its_end_is_noticed(folder: Path) -> None:
    started(folder)
    # In the server's place: who would import anything of his own would fail.
    probe = "import sys; sys.argv = ['pvasm', 'expand', '--server', '-i', 'xen', 'a.S']; import pvasm.start as s; "
    probe += "sys.modules['pvasm.lean_imports'] = None; s.run()"
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(folder / "run")}
    done = subprocess.run([sys.executable, "-c", probe], cwd=folder, env=environment, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert run(folder, "serve", "--stop").returncode == 0
    assert run(folder, "serve", "--stop").returncode == 1
    assert socket_of(folder) is None
    failed = subprocess.run([sys.executable, "-c", probe], cwd=folder, env=environment, stderr=subprocess.DEVNULL)
    assert failed.returncode != 0  # the probe: there was nobody; but it has started one
    wait_for_server(folder)


@pytest.mark.slow
def test_a_server_imports_nothing_of_the_folder_that_it_is_asked_in(folder: Path) -> None:
    """A tree that somebody else has made may have a `socket.py` in it."""
    for name in ("socket", "json", "argparse", "pvasm"):
        (folder / f"{name}.py").write_text("open('evil', 'w')\n")
    script = Path(sys.executable).parent / "pvasm"
    (folder / "run").mkdir(mode=0o700)
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(folder / "run")}
    command = [str(script), "expand", "--server", "-i", "xen", "a.S"]
    subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
    wait_for_server(folder)
    assert subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True).stdout
    assert not (folder / "evil").exists()
    assert subprocess.run([str(script), "serve", "--stop"], env=environment, check=True)


def test_who_stops_a_server_waits_for_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever binds its name, or starts another, at once would find it still there."""
    path = tmp_path / "socket"
    path.touch()
    holding = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(holding, fcntl.LOCK_EX)
    waited: list[float] = []

    def wait(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 3:
            os.close(holding)

    monkeypatch.setattr(time, "sleep", wait)
    server._wait_for_end(str(path), server._status(str(path)))
    assert len(waited) == 3
    holding = os.open(f"{path}.lock", os.O_RDWR)
    fcntl.flock(holding, fcntl.LOCK_EX)
    server._wait_for_end(str(path), (0, 0, 0))  # it is another one's by now
    with pytest.raises(PvasmError, match="was told to end, and has not"):
        server._wait_for_end(str(path), server._status(str(path)))
    os.close(holding)


@pytest.mark.slow
def test_one_that_was_killed_is_no_matter(folder: Path) -> None:
    """Its socket is still there, and nobody listens: the next run does its own work, and starts another."""
    path = started(folder)
    assert run(folder, "serve", "--stop").returncode == 0
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    done = run(folder, "expand", "--server", "-i", "xen", "a.S")
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == run(folder, "expand", "-i", "xen", "a.S").stdout
    for _ in range(600):
        if run(folder, "serve", "--stop").returncode == 0:
            return
        time.sleep(0.05)
    raise AssertionError("no server has come")


@pytest.mark.parametrize(
    "what", ["mode", "unset", *(pytest.param(each, marks=pytest.mark.slow) for each in ("link", "file", "relative"))]
)
def test_a_folder_that_others_may_enter_is_not_used(what: str, folder: Path) -> None:
    place = folder / "run/pvasm"
    place.parent.mkdir()
    if what == "mode":
        place.mkdir(mode=0o755)
        place.chmod(0o755)
    elif what == "link":
        (folder / "real").mkdir(mode=0o700)
        place.symlink_to(folder / "real")
    elif what == "file":
        place.touch()
    more = {"relative": {"XDG_RUNTIME_DIR": "run"}, "unset": {"XDG_RUNTIME_DIR": ""}}.get(what, {})
    done = run(folder, "expand", "-i", "xen", "a.S", PVASM_SERVER="1", **more)
    assert done.returncode == 0
    assert done.stderr.startswith(b"pvasm: note: no server: ")
    assert b"RFI" not in done.stdout
    assert socket_of(folder) is None
    assert run(folder, "expand", "--no-server", "-i", "xen", "a.S", PVASM_SERVER="1", **more).stderr == b""


def test_nobody_else_is_served(monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = socket.socketpair(socket.AF_UNIX)
    assert served.is_ours(one)
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    assert not served.is_ours(one)
    one.close()
    other.close()


def test_what_is_no_request_is_refused() -> None:
    for data in (b"", b"\1", b"\1\0\0\0\0\0\0\0", b"\xff" * 8):
        one, other = socket.socketpair(socket.AF_UNIX)
        one.sendall(data)
        one.close()
        with pytest.raises(ValueError, match="no request"):
            served.receive_request(other, 4)
        other.close()


def test_what_a_killed_server_has_begun_is_not_done_twice(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A part of the output may be with whoever reads it; before that, the command is done here."""

    def end(status: int) -> None:
        raise SystemExit(status)

    monkeypatch.setattr(client, "_end", end)
    number = (1).to_bytes(served._STATUS, "little")
    ready, running = served.READY + number, served.READY + number + served.RUNNING + number
    for answer, is_begun in ((b"", False), (ready, False), (running, True)):
        ours, theirs = socket.socketpair()
        with ours, theirs:
            theirs.sendall(answer)
            theirs.shutdown(socket.SHUT_WR)
            with pytest.raises(SystemExit if is_begun else ValueError) as ended:
                client._ask(ours, ["expand", "a.S"])
        if isinstance(ended.value, SystemExit):
            assert ended.value.code == 2
    assert capsys.readouterr().err == "pvasm: error: the server was killed before it was done: run this again\n"


def test_one_that_is_stopped_is_not_waited_for(folder: Path) -> None:
    """Ctrl-Z in the terminal of `pvasm serve`: builds would wait for ever. Later, it does not do it a second time."""
    (folder / "run").mkdir(mode=0o700)
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(folder / "run")}
    ask = "import sys; sys.argv = ['pvasm', 'expand', '--server', '-i', 'xen', 'a.S']; import pvasm.start as s; "
    ask += "import pvasm.client as c; c._PATIENCE = 0.5; s.run()"
    with subprocess.Popen([sys.executable, "-m", "pvasm", "serve"], env=environment) as process, ending(process):
        path = wait_for_server(folder)
        process.send_signal(signal.SIGSTOP)
        with (folder / "out").open("wb") as out:
            command = [sys.executable, "-c", ask]
            done = subprocess.run(
                command, cwd=folder, env=environment, stdout=out, stderr=subprocess.PIPE, timeout=60, check=False
            )
        said = f"pvasm: note: the server at {path} does not answer: done without it\n"
        assert (done.returncode, done.stderr.decode()) == (0, said)
        process.send_signal(signal.SIGCONT)
        own = run(folder, "expand", "-i", "xen", "a.S").stdout
        assert (
            run(folder, "expand", "--server", "-i", "xen", "a.S").stdout == own
        )  # behind the one before, in its queue
        assert run(folder, "serve", "--stop").returncode == 0
        assert process.wait(30) == 0
    assert (folder / "out").read_bytes() == own


def test_another_python_or_version_has_another_server(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    first = served.address()
    assert os.path.basename(first).startswith(__version__)
    assert served.address() == first
    monkeypatch.setenv("LC_ALL", "xx")
    second = served.address()
    monkeypatch.setattr(sys, "executable", "/elsewhere/python")
    assert len({first, second, served.address()}) == 3


def test_a_file_that_has_changed_makes_it_stale(tmp_path: Path) -> None:
    importlib.import_module("pvasm.expand.expander")
    seen = server._seen()
    assert {Path(path).name for path in seen} > {"server.py", "expander.py", "xen.yaml", "ia64.lark", "ops.yaml"}
    (tmp_path / "x").write_text("1")
    before = server._status(str(tmp_path / "x"))
    (tmp_path / "y").write_text("2")
    (tmp_path / "y").replace(tmp_path / "x")
    assert server._status(str(tmp_path / "x")) != before
    assert server._status(str(tmp_path / "none")) == (0, 0, 0)


def test_an_idle_server_ends(folder: Path) -> None:
    (folder / "run").mkdir(mode=0o700)
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(folder / "run")}
    command = [sys.executable, "-m", "pvasm", "serve", "--idle", "1"]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE) as process:
        wait_for_server(folder)
        again = run(folder, "serve")
        assert (again.returncode, b"there is one already" in again.stderr) == (2, True)
        assert process.wait(30) == 0
    assert socket_of(folder) is None


@pytest.mark.slow
def test_an_interrupt_reaches_who_does_it(folder: Path) -> None:
    started(folder)
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(folder / "run")}
    command = [sys.executable, "-m", "pvasm", "expand", "--server", "-i", "xen", "-"]
    with subprocess.Popen(command, cwd=folder, env=environment, stdin=subprocess.PIPE) as process:
        time.sleep(1)  # it waits for its input
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
        assert process.stdin is not None
        process.stdin.close()


@pytest.mark.parametrize(
    ("words", "variable", "wanted"),
    [
        ("expand a.S", "", False),
        ("expand a.S", "0", False),
        ("expand a.S", "1", True),
        ("expand --server a.S", "", True),
        ("expand --no-server a.S", "1", False),
        ("expand --server --no-server a.S", "1", False),
        ("expand -- --server", "", False),
        ("check --server", "1", False),
        ("", "1", False),
    ],
)
def test_who_asks_for_it(words: str, variable: str, wanted: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(served.WANTED_BY, variable)
    assert client.is_wanted(words.split()) is wanted


def test_what_a_fork_has_parsed_is_known_to_the_next() -> None:
    one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    parser = assembly_parser()
    known = len(parser.chunks)
    texts = ["mov r1 = r98", "foo:\tadd r2 = r3, r97"]
    trees = [parser.chunk(text) for text in texts]
    server._tell(one, known)
    told = other.recv(1 << 16)
    assert told.decode().split("\0") == texts
    server._learn(told)
    assert [parser.chunk(text) for text in texts] == trees
    one.close()
    other.close()
