"""Files are written whole or not at all."""

from __future__ import annotations

import errno
import os
import re
import signal
import stat
import time
from pathlib import Path
from typing import Any

import pytest

from pvasm.errors import PvasmError
from pvasm.files import remove_leftovers, touch, write_atomically


def test_writes_a_new_file_and_replaces_an_old_one(tmp_path: Path) -> None:
    path = tmp_path / "out.S"
    umask = os.umask(0o027)
    try:
        assert write_atomically(path, b"one")
    finally:
        os.umask(umask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    path.chmod(0o755)
    assert write_atomically(path, b"two")
    assert path.read_bytes() == b"two"
    assert stat.S_IMODE(path.stat().st_mode) == 0o755
    assert os.listdir(tmp_path) == ["out.S"]


def test_leaves_a_file_alone_that_has_the_content(tmp_path: Path) -> None:
    path = tmp_path / "out.S"
    path.write_bytes(b"same")
    os.utime(path, (1, 1))
    inode = path.stat().st_ino
    assert not write_atomically(path, b"same")
    assert (path.stat().st_mtime, path.stat().st_ino) == (1, inode)


def test_a_symbolic_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("target")
    (tmp_path / "target").write_bytes(b"old")
    write_atomically(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_bytes() == b"new"


def test_a_device_is_written_to() -> None:
    assert write_atomically("/dev/null", b"gone")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


@pytest.mark.parametrize("failure", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
@pytest.mark.parametrize("call", ["replace", "fchmod"])
def test_a_failure_leaves_the_old_file(
    failure: BaseException, call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "out.S"
    path.write_bytes(b"old")

    def fail(*_: Any, **__: Any) -> None:
        raise failure

    monkeypatch.setattr(os, call, fail)
    due = KeyboardInterrupt if isinstance(failure, KeyboardInterrupt) else PvasmError
    with pytest.raises(due) as caught:
        write_atomically(path, b"new")
    if due is PvasmError:
        assert str(caught.value) == f"{path}: cannot be written: no space left on the device: make room there"
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["out.S"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
def test_a_full_disk() -> None:
    with pytest.raises(PvasmError, match=r"^/dev/full: cannot be written: no space left on the device: make room"):
        write_atomically("/dev/full", b"x" * 100_000)


def test_messages(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for path, message in (
        (tmp_path / "none" / "out.S", "cannot be written: the folder does not exist"),
        (tmp_path / "file" / "out.S", "cannot be written: a part of the path is no folder"),
        (tmp_path, "cannot be written: a folder of that name exists"),
        (tmp_path / ("x" * 300), "cannot be written: the name is too long"),
    ):
        with pytest.raises(PvasmError) as caught:
            write_atomically(path, b"x")
        assert str(caught.value) == f"{path}: {message}"


# -------------------------------------------------------------------- runs that were killed


def killed_while_writing(path: Path) -> Path:
    """The temporary file that is left when a process is killed before the file that it writes has its name."""
    child = os.fork()
    if child == 0:
        os.replace = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)
        write_atomically(path, b"new")
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    (left,) = (entry for entry in path.parent.iterdir() if entry != path)
    return left


def test_what_a_killed_process_leaves_is_known_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "out.S"
    path.write_bytes(b"old")
    left = killed_while_writing(path)
    assert re.fullmatch(r"\.out\.S\.[0-9a-f]{12}\.tmp", left.name)
    assert path.read_bytes() == b"old"
    assert write_atomically(path, b"new")
    assert path.read_bytes() == b"new"


def test_leftovers_of_our_own_are_removed_when_nobody_can_be_at_them(tmp_path: Path) -> None:
    path = tmp_path / "out.S"
    left = killed_while_writing(path)
    others = [".out.S.tmp", ".out.S.0123456789ab.bak", ".other.S.0123456789ab.tmp", "out.S.0123456789ab.tmp"]
    for name in others:
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (1, 1))
    remove_leftovers([str(path)])
    assert left.exists()  # a process may be writing it now
    two_hours_ago = time.time() - 7200
    os.utime(left, (two_hours_ago, two_hours_ago))
    remove_leftovers([str(path), str(tmp_path / "nowhere" / "a.S")])
    assert sorted(os.listdir(tmp_path)) == sorted(others)


# ------------------------------------------------------------------------------------ stamps


def test_a_stamp_has_the_time_of_the_run(tmp_path: Path) -> None:
    stamp = tmp_path / "stamp"
    touch(stamp)
    assert stamp.read_bytes() == b""
    os.utime(stamp, (1, 1))
    (tmp_path / "before").touch()
    touch(stamp)
    assert stamp.stat().st_mtime_ns >= (tmp_path / "before").stat().st_mtime_ns
    with pytest.raises(PvasmError) as caught:
        touch(tmp_path / "none" / "stamp")
    assert str(caught.value) == f"{tmp_path}/none/stamp: cannot be written: the folder does not exist"


# ------------------------------------------------------------------------------- permissions


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write everywhere")
def test_permissions(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"old")
    (tmp_path / "file").chmod(0o444)
    with pytest.raises(PvasmError, match="permission denied"):
        write_atomically(tmp_path / "file", b"new")
    tmp_path.chmod(0o555)
    with pytest.raises(PvasmError, match="permission denied"):
        write_atomically(tmp_path / "other", b"new")
