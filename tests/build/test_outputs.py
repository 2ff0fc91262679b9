"""What a run of `pvasm expand` writes: variants, dependency files, stamps; the same by any number of processes."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from msgspec.structs import replace

from pvasm import data
from pvasm.depfile import rule
from pvasm.expand import ExpandErrors
from pvasm.expand import variants as making
from pvasm.expand.expand_files import ExpandSettings, expand_files
from tests.cli.command import pvasm
from tests.oracle import require_tool

SOURCE = "\tMOV_FROM_IFA(r16)\n\t;;\n\tRFI\n"
CATALOG = data.instance_file("ops")
NATIVE = data.instance_file("native")
XEN = data.instance_file("xen")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with sources a.S and b.S and an instance of its own."""
    monkeypatch.chdir(tmp_path)
    for name in ("a.S", "b.S"):
        Path(name).write_text(f"// {name}\n{SOURCE}")
    Path("mine.yaml").write_text("name: mine\ndescription: like another\nextends: base\n")
    Path("base.yaml").write_text("name: base\ndescription: Xen\nextends: xen\n")
    return tmp_path


def settings(*files: str, instances: tuple[str, ...] = ("native", "xen"), **others: object) -> ExpandSettings:
    plain = ExpandSettings(files, instances, None, "out", line_markers=True)
    return replace(plain, **others)


def tree(folder: str = "out") -> dict[str, bytes]:
    """Every file below a folder, with its content."""
    return {
        os.path.relpath(os.path.join(root, name), folder): Path(root, name).read_bytes()
        for root, _, names in os.walk(folder)
        for name in names
    }


def prerequisites(depfile: str) -> dict[str, list[str]]:
    """What make reads in a dependency file: the prerequisites of each target."""
    command = [require_tool("make"), "-rRpqf", "-", "none"]
    text = f".PHONY: none\nnone:\ninclude {depfile}\n"
    printed = subprocess.run(command, input=text, capture_output=True, text=True, check=False).stdout
    # make's data base has a paragraph a file.
    paragraphs = printed.partition("\n# Files\n")[2].partition("\n# files hash-table")[0].split("\n\n")
    rules = [text.split("\n")[0].partition(":") for text in paragraphs if not text.lstrip().startswith("#")]
    return {target: words.split() for target, _, words in rules if target not in (".PHONY", "none")}


# ---------------------------------------------------------------------------------- dependencies


def test_each_variant_depends_on_its_source_its_instance_and_the_catalog(folder: Path) -> None:
    expand_files(settings("a.S", "b.S", instances=("native", "./mine.yaml"), depfile="out.d"))
    expected = {}
    for source in ("a.S", "b.S"):
        expected[f"out/native/{source}"] = {source, NATIVE, CATALOG}
        expected[f"out/mine/{source}"] = {source, "mine.yaml", "base.yaml", XEN, CATALOG}
    found = prerequisites("out.d")
    # make takes `./' away, as from all names.
    assert {name: {os.path.normpath(word) for word in found[name]} for name in found} == expected


def test_phony_targets_are_all_files_that_may_go(folder: Path) -> None:
    done = pvasm("expand", "a.S", "-i", "xen", "-o", "x.S", "-MF", "x.d", "-MP", cwd=folder)
    assert (done.status, done.errors) == (0, "")
    found = prerequisites("x.d")
    assert set(found) == {"x.S", XEN, CATALOG}
    assert found[XEN] == found[CATALOG] == []


def test_a_stamp_is_the_target_of_the_run(folder: Path) -> None:
    expand_files(settings("a.S", "b.S", depfile="out.d", stamp="out.stamp"))
    found = prerequisites("out.d")
    assert {target: set(words) for target, words in found.items()} == {
        "out.stamp": {"a.S", "b.S", NATIVE, XEN, CATALOG}
    }
    assert Path("out.stamp").stat().st_mtime_ns >= max(
        path.stat().st_mtime_ns for path in (Path("out/xen/b.S"), Path("out.d"))
    )


def test_standard_input_is_no_prerequisite(folder: Path) -> None:
    done = pvasm("expand", "-", "-i", "native", "-o", "x.S", "-MF", "x.d", cwd=folder, stdin=SOURCE.encode())
    assert (done.status, done.errors) == (0, "")
    assert prerequisites("x.d") == {"x.S": [NATIVE, CATALOG]}


def test_names_that_make_minds(folder: Path) -> None:
    Path("a b$#.S").write_text(SOURCE)
    expand_files(settings("a b$#.S", instances=("native",), depfile="out.d"))
    assert Path("out.d").read_text() == rule(["out/native/a b$#.S"], ["a b$#.S", NATIVE, CATALOG], phony=False)


# ------------------------------------------------------------------------------ the same and again


def test_the_same_input_gives_the_same_bytes_wherever_it_is(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expand_files(settings("a.S", "b.S", depfile="out/d", define=True))
    here = tree()
    elsewhere = folder / "else" / "where"
    elsewhere.mkdir(parents=True)
    for name in ("a.S", "b.S"):
        shutil.copy(name, elsewhere)
    monkeypatch.chdir(elsewhere)
    os.utime("a.S", (1, 1))
    expand_files(settings("a.S", "b.S", depfile="out/d", define=True))
    assert tree() == here
    assert not any(os.fsencode(folder) in content for content in here.values())


def test_any_number_of_processes_writes_the_same(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(making, "_MIN_WORK", 1)
    files = [f"{number}.S" for number in range(7)]
    for number, file in enumerate(files):
        Path(file).write_text(f"// {number}\n" + SOURCE * number * 3)
    alone = expand_files(settings(*files, depfile="out/d", jobs=1))
    first = tree()
    assert len(first) == 15
    for jobs in (2, 5):
        shutil.rmtree("out")
        assert expand_files(settings(*files, depfile="out/d", jobs=jobs)) == alone
        assert tree() == first


@pytest.mark.parametrize("jobs", [1, 3])
def test_all_that_is_wrong_is_told_in_order(jobs: int, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(making, "_MIN_WORK", 1)
    Path("b.S").write_text("\tRFI\n\tMOV_FROM_IFA(r1, r2)\n\tMOV_FROM_IFA(p6)\n")
    Path("c.S").write_text("/*\n")
    with pytest.raises(ExpandErrors) as caught:
        expand_files(settings("c.S", "a.S", "b.S", "nowhere.S", jobs=jobs))
    places = [str(error).split(": ")[0] for error in caught.value.errors]
    assert places == ["c.S:1:1", "b.S:2:2", "b.S:3:15", "nowhere.S"]
    assert not Path("out").exists()


def test_a_process_that_is_killed_is_told_of(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(making, "_MIN_WORK", 1)
    parent, make = os.getpid(), making._make

    def dying(what: making.Making, file: str) -> object:
        if file == "b.S" and os.getpid() != parent:
            os.kill(os.getpid(), 9)
        return make(what, file)

    monkeypatch.setattr(making, "_make", dying)
    with pytest.raises(ExpandErrors) as caught:
        expand_files(settings("a.S", "b.S", jobs=2))
    assert (
        str(caught.value)
        == "b.S: the process that expanded this file was killed by signal 9: if memory ran out, --jobs 1 takes less"
    )


def test_what_is_right_already_keeps_its_time(folder: Path) -> None:
    expand_files(settings("a.S", "b.S", depfile="out/d", stamp="out/stamp"))
    for name in tree():
        os.utime(Path("out", name), (1, 1))
    Path("a.S").write_text("\tnop 0\n")
    result = expand_files(settings("a.S", "b.S", depfile="out/d", stamp="out/stamp"))
    newer = {name for name in tree() if Path("out", name).stat().st_mtime > 1}
    assert newer == {"native/a.S", "xen/a.S", "stamp"}
    assert result.written == ("out/native/a.S", "out/xen/a.S", "out/native/b.S", "out/xen/b.S")


# ---------------------------------------------------------------------------- the instance's symbol


def test_a_variant_may_define_the_symbol_of_its_instance(folder: Path, tmp_path: Path) -> None:
    text = "#ifdef __IA64_ASM_PARAVIRTUALIZED_XEN\n\tnop 7\n#else\n\tnop 8\n#endif\n\tmov r1 = __LINE__\n"
    Path("a.S").write_text(text)
    expand_files(settings("a.S", define=True))
    for instance, number in (("native", 8), ("xen", 7)):
        command = [require_tool("gcc"), "-E", "-x", "assembler-with-cpp", f"out/{instance}/a.S"]
        out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        assert f"nop {number}" in out
        assert f"nop {15 - number}" not in out
        assert "mov r1 = 6" in out
        assert '"a.S"' in out


# --------------------------------------------------------------------------------- bad settings

OVERWRITING = [
    (
        "expand a.S -i xen -o x.S --depfile a.S",
        "a.S: the dependency file would overwrite the source: name another file",
    ),
    (
        "expand a.S -i xen -o x.S --depfile x.S",
        "x.S: the dependency file would overwrite the output x.S: name another file",
    ),
    (
        "expand a.S -i xen -o x.S --depfile x.d --stamp x.d",
        "x.d: the stamp would overwrite the dependency file x.d: name another file",
    ),
    (
        "expand a.S -i ./mine.yaml -o mine.yaml",
        "mine.yaml: the output would overwrite the definitions that it is made of: name another file",
    ),
    (
        "expand a.S -i ./mine.yaml -o x.S --stamp base.yaml",
        "base.yaml: the stamp would overwrite the definitions that it is made of: name another file",
    ),
    ("expand a.S -i ./a.yaml -i ./mine.yaml --output-dir out", "mine.yaml: two instances are called mine"),
    ("expand a.S sub/a.S -i xen --output-dir out", "out/xen/a.S: two sources would be written there"),
    ("expand a.S -i xen --depfile x.d", "x.d: it would be about standard output"),
    ("expand a.S -i xen -o - --stamp x", "x: it would be about standard output"),
    ("expand a.S -i xen -o x.S --stamp none/x", "none/x: cannot be written: the folder does not exist"),
    ("expand a.S -i xen --output-dir link", "link/xen/a.S: the output would overwrite the source: name another file"),
]


@pytest.mark.parametrize(("command", "message"), OVERWRITING, ids=[case[0] for case in OVERWRITING])
def test_one_file_is_never_written_over_another(command: str, message: str, folder: Path) -> None:
    Path("sub").mkdir()
    shutil.copy("a.S", "sub")
    Path("a.yaml").write_text(Path("mine.yaml").read_text())
    Path("link").mkdir()
    Path("link/xen").symlink_to("..")
    before = {name: content for name, content in tree(".").items() if name != "x.S"}
    done = pvasm(*command.split(), cwd=folder)
    assert done.status == 2
    assert done.errors.startswith(f"pvasm: error: {message}")
    assert len(done.error_lines) == 1
    after = tree(".")
    assert {name: after[name] for name in before} == before


def test_the_folder_for_builds_is_told(folder: Path) -> None:
    done = pvasm("--integration-dir")
    assert (done.status, done.errors) == (0, "")
    assert {"pvasm.mk", "pvasm.ninja", "pvasm.cmake"} <= set(os.listdir(done.output.rstrip("\n")))
