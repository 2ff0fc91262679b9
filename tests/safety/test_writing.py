"""S3: nothing is written through a link that leads out of the folder that was named, without that being said."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from pvasm import files
from pvasm.errors import PvasmError
from pvasm.files import touch, write_atomically
from tests.cli.command import pvasm
from tests.oracle import require_tool
from tests.safety.conftest import BAD, Clone

LINKS = {
    "a file": "../outside/x.S",
    "nothing": "../outside/new",
    "by way of": "sub/../../outside/x.S",
    "a link": "second",
}

COMMANDS = [
    ("check --write-baseline out/to a.S", "out/to", "../"),
    ("header -i xen -o out/to", "out/to", "../"),
    ("header -o out/to", "out/to", "../"),
    ("tables -i xen -o out/to", "out/to", "../"),
    ("tables -i xen --header out/to", "out/to", "../"),
    ("import -o out/to --extends xen ops.h", "out/to", "../"),
    ("expand -i xen -o out/to a.S", "out/to", "../"),
    ("expand -i xen -o o.S --depfile out/to a.S", "out/to", "../"),
    ("expand -i xen -o o.S --stamp out/to a.S", "out/to", "../"),
    ("expand -i xen --output-dir out a.S", "out/xen/a.S", "../../"),
    ("expand -i all --output-dir out a.S", "out/xen/a.S", "../../"),
    ("check --fix to.S", "to.S", ""),
    ("cc -i xen -- gcc -E a.S -o out/to", "out/to", "../"),
    ("cc -i xen -- gcc -E -MD -MF out/to a.S", "out/to", "../"),
]


@pytest.mark.parametrize("kind", LINKS)
@pytest.mark.parametrize(("command", "link", "up"), COMMANDS, ids=[command for command, _, _ in COMMANDS])
def test_no_link_leads_out(clone: Clone, command: str, link: str, up: str, kind: str) -> None:
    require_tool("gcc")
    clone.write("a.S", BAD)
    clone.write("sub/x", "")
    clone.write("ops.h", "#define RFI rfi\n")
    clone.link("second", "../outside/x.S")
    clone.link(link, f"{up}{LINKS[kind]}")
    (clone.folder / "out").mkdir(exist_ok=True)
    done = pvasm(*command.split(), cwd=clone.folder)
    clone.assert_nothing_got_out()
    if kind == "nothing" and "--fix" in command:
        assert "no such file" in done.errors
        return
    assert done.status == (1 if command.startswith("cc") else 2)
    (line,) = [line for line in done.error_lines if "leads out of" in line]
    target = clone.outside / ("new" if kind == "nothing" else "x.S")
    assert link in line
    if kind != "a link":
        assert str(target) in line


def test_a_folder_in_the_output_folder_may_be_a_link(clone: Clone) -> None:
    clone.write("a.S", BAD)
    clone.link("out/xen", "../../outside")
    clone.link("out/native", "../nowhere")
    done = pvasm("expand", "-i", "all", "--output-dir", "out", "a.S", cwd=clone.folder)
    assert done.status == 2
    assert "leads out of out by a link" in done.errors
    assert sorted(path.name for path in (clone.folder / "out").iterdir()) == ["native", "xen"]  # nothing was begun
    clone.assert_nothing_got_out()


def test_fixing_a_folder_leaves_what_its_links_lead_to(clone: Clone) -> None:
    clone.link("evil.S", "../outside/x.S")
    clone.write("deep/a.S", BAD)
    clone.link("sub/b.S", "../deep/a.S")  # in the folder that is named: the one file, mended once
    done = pvasm("check", "--fix", ".", cwd=clone.folder)
    clone.assert_nothing_got_out()
    assert "evil.S: leads out of . by a link" in done.errors
    assert "MOV_FROM_IFA" in (clone.folder / "deep/a.S").read_text()
    assert (clone.folder / "sub/b.S").is_symlink()
    assert (done.status, len(done.error_lines)) == (0, 1)


def test_one_of_several_named_files_that_leads_out_stops_all(clone: Clone) -> None:
    clone.write("a.S", BAD)
    clone.link("z.S", "../outside/x.S")
    done = pvasm("check", "--fix", "a.S", "z.S", cwd=clone.folder)
    assert done.status == 2
    assert (clone.folder / "a.S").read_text() == BAD
    clone.assert_nothing_got_out()


def test_links_inside_are_written_through(clone: Clone) -> None:
    """A link in the folder stays one; so does a folder that is named by a link, which is whoever's who names it."""
    clone.write("real.S", BAD)
    clone.link("link.S", "real.S")
    clone.link("dangling.h", "made.h")
    clone.link("elsewhere", "../outside")
    assert pvasm("check", "--fix", "link.S", cwd=clone.folder).status == 0
    assert "MOV_FROM_IFA" in (clone.folder / "real.S").read_text()
    assert pvasm("header", "-i", "xen", "-o", "dangling.h", cwd=clone.folder).status == 0
    assert (clone.folder / "made.h").is_file()
    assert (clone.folder / "dangling.h").is_symlink()
    assert pvasm("header", "-i", "xen", "-o", "elsewhere/xen.h", cwd=clone.folder).status == 0
    assert (clone.outside / "xen.h").is_file()


def test_standard_output_by_its_name_is_written_to(clone: Clone) -> None:
    done = pvasm("header", "-i", "xen", "-o", "/dev/stdout", cwd=clone.folder)
    assert "define" in done.output
    assert done.status == 0


def test_a_link_that_appears_late_is_replaced_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between looking and writing somebody may put a link there: the file takes its place."""
    victim = tmp_path / "victim"
    victim.write_text("x")
    target = tmp_path / "folder" / "target"
    target.parent.mkdir()
    original = files.replace_file

    def late(path: str, data: bytes, mode: int | None = None, folder: int | None = None) -> None:
        target.symlink_to("../victim")
        original(path, data, mode, folder)

    monkeypatch.setattr(files, "replace_file", late)
    write_atomically(target, b"new")
    assert (victim.read_text(), target.read_text(), target.is_symlink()) == ("x", "new", False)


def _swap_file(clone: Clone) -> None:
    target = clone.folder / "sub/deep/a.S"
    target.unlink(missing_ok=True)
    target.symlink_to(clone.outside / "x.S")


def _swap_folder(name: str) -> Callable[[Clone], None]:
    def swap(clone: Clone) -> None:
        folder = clone.folder / name
        folder.rename(clone.folder / "before")
        (clone.outside / "deep").mkdir(exist_ok=True)
        folder.symlink_to(clone.outside)

    return swap


SWAPS = {"the file": _swap_file, "its folder": _swap_folder("sub/deep"), "one around": _swap_folder("sub")}
WRITES: dict[str, Callable[[Clone], object]] = {
    "a variant": lambda clone: write_atomically(clone.folder / "sub/deep/a.S", b"new", str(clone.folder)),
    "a stamp": lambda clone: touch(clone.folder / "sub/deep/a.S"),
    "a file named": lambda clone: write_atomically(clone.folder / "sub/deep/a.S", b"new"),
    "through a link": lambda clone: write_atomically(clone.folder / "link", b"new"),
}


@pytest.mark.parametrize("old", [None, "new", "old"])
@pytest.mark.parametrize(
    ("write", "swap"),
    [  # a folder that a person names may be a link
        (write, swap)
        for write in WRITES
        for swap in SWAPS
        if swap == "the file" or write in ("a variant", "through a link")
    ],
)
def test_a_link_that_is_swapped_in_after_the_check_is_not_followed(
    write: str, swap: str, old: str | None, clone: Clone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S3: whoever may change the tree has a moment between the check of a path and its use."""
    clone.write("sub/deep/x", "")
    if old is not None:
        clone.write("sub/deep/a.S", old)
    clone.link("link", "sub/deep/a.S")
    checked, real = files.refuse_leaving, os.path.realpath
    swapped: list[bool] = []

    def check(path: str, folder: str | None = None) -> None:
        checked(path, folder)
        swapped.append(False)

    def realpath(path: str) -> str:
        found = real(path)
        if swapped == [False] and found == real(clone.folder / "sub/deep/a.S"):
            swapped.append(True)
            SWAPS[swap](clone)
        return found

    monkeypatch.setattr(files, "refuse_leaving", check)
    monkeypatch.setattr(os.path, "realpath", realpath)
    with contextlib.suppress(PvasmError):
        WRITES[write](clone)
    assert swapped == [False, True]
    clone.assert_nothing_got_out()
