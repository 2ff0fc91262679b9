"""A run that fails leaves every file whole, the old one or the new; it says what to do, and a second run finishes."""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from pvasm.expand.outputs import Outputs, Variant, write_outputs
from pvasm.paravirt.loading import load_instance
from tests.build.workshop import Workshop
from tests.oracle import require_tool

SMALL = "\tMOV_FROM_IFA(r16)\n"
LARGE = SMALL + "\tnop 0\n" * 20_000
LEFTOVER = re.compile(r"\.\w+\.S\.[0-9a-f]{12}\.tmp")
COMMAND = ("expand", "a.S", "b.S", "c.S", "-i", "native", "--output-dir", "out", "--depfile", "d", "--stamp", "s")
OLD = b"// of before\n"


@pytest.fixture
def build(workshop: Workshop) -> Workshop:
    """Sources a.S, b.S (large) and c.S; the variants are those of before."""
    workshop.write({"a.S": SMALL, "b.S": LARGE, "c.S": SMALL})
    (workshop.folder / "out" / "native").mkdir(parents=True)
    for name in ("a", "b", "c"):
        variant(workshop, name).write_bytes(OLD)
    return workshop


def variant(workshop: Workshop, name: str) -> Path:
    return workshop.folder / "out" / "native" / f"{name}.S"


def expanded(text: str) -> bytes:
    return text.replace("MOV_FROM_IFA(r16)", "mov r16 = cr.ifa").encode()


def leftovers(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob(".*")]


def assert_the_first_is_new_and_the_others_old(build: Workshop) -> None:
    assert variant(build, "a").read_bytes() == expanded(SMALL)
    assert variant(build, "b").read_bytes() == variant(build, "c").read_bytes() == OLD
    assert leftovers(build.folder) == []
    assert not (build.folder / "s").exists()
    assert not (build.folder / "d").exists()


def assert_all_is_done(build: Workshop) -> None:
    for name, text in (("a", SMALL), ("b", LARGE), ("c", SMALL)):
        assert variant(build, name).read_bytes() == expanded(text)
    assert (build.folder / "s").exists()
    assert (build.folder / "d").exists()


REST = "1 of 3 variants are up to date, the others as they were: put that right, and run it again"


def test_a_file_larger_than_allowed(build: Workshop) -> None:
    build.run("pvasm", *COMMAND[:2], "-i", "native", "-o", "-")  # so that Python keeps its bytecode before
    output = build.run("sh", "-c", 'ulimit -f 100; exec "$@"', "sh", "pvasm", *COMMAND, status=2)
    reason = "larger than files may be here (ulimit -f)"
    assert output == f"pvasm: error: out/native/b.S: cannot be written: {reason}; {REST}\n"
    assert_the_first_is_new_and_the_others_old(build)
    build.run("pvasm", *COMMAND)
    assert_all_is_done(build)


def test_a_full_disk(build: Workshop) -> None:
    small = build.folder / "out"
    shutil.rmtree(small)
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(small)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("a small disk takes the rights to mount one; a limit on files and /dev/full are tried as well")
    try:
        (small / "native").mkdir()
        for name in ("a", "b", "c"):
            variant(build, name).write_bytes(OLD)
        output = build.run("pvasm", *COMMAND, status=2)
        reason = "no space left on the device: make room there"
        assert output == f"pvasm: error: out/native/b.S: cannot be written: {reason}; {REST}\n"
        assert_the_first_is_new_and_the_others_old(build)
    finally:
        subprocess.run(["umount", str(small)], check=True)
    build.run("pvasm", *COMMAND)
    assert_all_is_done(build)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
def test_a_full_device(build: Workshop) -> None:
    variant(build, "b").unlink()
    try:  # a link to it would lead out of the folder
        os.mknod(variant(build, "b"), stat.S_IFCHR | 0o666, os.stat("/dev/full").st_rdev)
        variant(build, "b").write_bytes(b"")
    except PermissionError:
        pytest.skip("no device can be made here")
    output = build.run("pvasm", *COMMAND, status=2)
    reason = "no space left on the device: make room there"
    assert output == f"pvasm: error: out/native/b.S: cannot be written: {reason}; {REST}\n"
    variant(build, "b").unlink()
    variant(build, "b").write_bytes(OLD)
    assert_the_first_is_new_and_the_others_old(build)


def test_a_folder_in_the_place_of_a_file(build: Workshop) -> None:
    variant(build, "b").unlink()
    variant(build, "b").mkdir()
    output = build.run("pvasm", *COMMAND, status=2)
    reason = "a folder of that name exists"
    assert output == f"pvasm: error: out/native/b.S: cannot be written: {reason}; {REST}\n"
    assert variant(build, "a").read_bytes() == expanded(SMALL)
    assert variant(build, "c").read_bytes() == OLD
    variant(build, "b").rmdir()
    build.run("pvasm", *COMMAND)
    assert_all_is_done(build)


def test_a_file_in_the_place_of_a_folder(build: Workshop) -> None:
    shutil.rmtree(build.folder / "out" / "native")
    (build.folder / "out" / "native").write_bytes(OLD)
    output = build.run("pvasm", *COMMAND, status=2)
    assert output == "pvasm: error: out/native: the output folder cannot be made: a file of that name is there\n"
    assert (build.folder / "out" / "native").read_bytes() == OLD


@pytest.mark.parametrize("protected", ["out/native/b.S", "out/native"])
def test_what_is_read_only(build: Workshop, protected: str) -> None:
    mode = (build.folder / protected).stat().st_mode
    (build.folder / protected).chmod(mode & ~0o222)
    # Root may write everywhere, unless that right of its is taken away.
    plain = ["setpriv", "--bounding-set=-dac_override"] if os.geteuid() == 0 else []
    if plain:
        require_tool("setpriv")
    output = build.run(*plain, "pvasm", *COMMAND, status=2)
    (build.folder / protected).chmod(mode)
    assert "S: cannot be written: permission denied" in output
    assert output.endswith("the others as they were: put that right, and run it again\n")
    assert variant(build, "b").read_bytes() == variant(build, "c").read_bytes() == OLD
    build.run("pvasm", *COMMAND)
    assert_all_is_done(build)


def die_after(number: int) -> None:
    """Has this process be killed when it opens a file or puts one in the place of another so many times."""
    left = number

    def dying(function: Callable[..., Any]) -> Callable[..., Any]:
        def called(*arguments: Any, **named: Any) -> Any:
            nonlocal left
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*arguments, **named)

        return called

    os.open, os.replace = dying(os.open), dying(os.replace)


def test_killed_at_any_moment(tmp_path: Path) -> None:
    """Processes that write many variants are killed: at the first, and a little later, each time something else."""
    chance = random.Random(4)
    native = load_instance("native")
    targets = [tmp_path / f"v{number}.S" for number in range(60)]
    outputs = Outputs([Variant("a.S", native, str(target)) for target in targets], None, None, False, None)
    contents = [bytes([ord("a") + version]) * 50_000 for version in range(12)]
    for target in targets:
        target.write_bytes(contents[0])
    cut_short = 0
    for old, new in pairwise(contents):
        last = chance.randrange(2 * len(targets))
        child = os.fork()
        if child == 0:
            die_after(last)
            write_outputs(outputs, [new] * len(targets))
            os._exit(0)
        os.waitpid(child, 0)
        found = [target.read_bytes() for target in targets]
        assert set(found) <= {old, new}
        assert found == sorted(found, reverse=True)  # in order: none is left out
        cut_short += found[-1] == old
        assert all(LEFTOVER.fullmatch(name) for name in leftovers(tmp_path))
        write_outputs(outputs, [new] * len(targets))  # leftovers or not
        assert {target.read_bytes() for target in targets} == {new}
    assert cut_short
    for name in leftovers(tmp_path):
        os.utime(tmp_path / name, (1, 1))
    write_outputs(outputs, [contents[0]] * len(targets))
    assert leftovers(tmp_path) == []


def test_a_run_that_is_killed_and_a_second(build: Workshop) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "pvasm", *COMMAND], cwd=build.folder, env=build.environment, stdout=subprocess.DEVNULL
    )
    while variant(build, "a").read_bytes() == OLD and process.poll() is None:
        time.sleep(0)
    process.kill()
    process.wait()
    assert variant(build, "a").read_bytes() == expanded(SMALL)
    assert variant(build, "b").read_bytes() in (OLD, expanded(LARGE))
    assert variant(build, "c").read_bytes() in (OLD, expanded(SMALL))
    build.run("pvasm", *COMMAND)
    assert_all_is_done(build)


def test_builds_at_once_in_one_folder(build: Workshop) -> None:
    shutil.rmtree(build.folder / "out")
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "pvasm", *COMMAND],
            cwd=build.folder,
            env=build.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    seen = set()
    while any(process.poll() is None for process in processes):
        if variant(build, "b").exists():
            seen.add(variant(build, "b").read_bytes())
        time.sleep(0.001)
    assert [(process.communicate()[1], process.returncode) for process in processes] == [("", 0)] * 3
    assert seen <= {expanded(LARGE)}
    assert_all_is_done(build)
    assert leftovers(build.folder) == []
