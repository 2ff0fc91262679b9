"""Runs over many files: in one process or several, headers that many include, and what the settings leave out."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pvasm.check.check_files import CppSettings, FileResult, Settings, check_files
from pvasm.errors import PvasmError
from pvasm.workers import run_in_workers
from tests.corpus.build import Corpus
from tests.oracle import require_tool


def told(result: FileResult) -> tuple[object, ...]:
    return result.path, result.diagnostics, [str(error) for error in result.errors], result.counts


def results(paths: list[str], settings: Settings) -> list[tuple[object, ...]]:
    return [told(result) for result in check_files(paths, settings)]


def places(*paths: str, **settings: object) -> list[str]:
    """Where something is found, with its code."""
    chosen = Settings(**{"use_cache": False, **settings})  # type: ignore[arg-type]
    return [f"{d.path}:{d.line} {d.code}" for result in check_files(paths, chosen) for d in result.diagnostics]


# --------------------------------------------------------------------------------------- processes


@pytest.mark.slow
def test_any_number_of_processes_tells_the_same(corpus: Corpus) -> None:
    paths = [str(file.raw) for file in corpus.files]
    paths.insert(3, "/nowhere.S")
    alone = results(paths, Settings(use_cache=False, jobs=1))
    assert sum(len(diagnostics) for _, diagnostics, _, _ in alone if isinstance(diagnostics, list)) > 50
    for jobs in (2, 5):
        assert results(paths, Settings(use_cache=False, jobs=jobs)) == alone


@pytest.mark.slow
def test_nothing_is_forked_for_what_the_cache_knows(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PVASM_CACHE_DIR", str(tmp_path))
    paths = [str(file.raw) for file in corpus.files]
    cold = results(paths, Settings(jobs=2))
    monkeypatch.setattr(os, "fork", lambda: pytest.fail("a process was forked"))
    assert results(paths, Settings(jobs=2)) == cold
    assert results(paths[:3], Settings(jobs=2, use_cache=False)) == cold[:3]  # too few to be worth it


@pytest.mark.parametrize("number", [1, 2, 3, 8])
def test_every_task_is_done_once(number: int) -> None:
    tasks = range(100)
    answers = dict(run_in_workers(lambda task: b"x" * (task * 5000), tasks, number, lambda: None))
    assert answers == {task: b"x" * (task * 5000) for task in tasks}


def children() -> set[str]:
    """The processes that this one has started, and not waited for: other tests' servers among them."""
    return {each for file in Path("/proc/self/task").glob("*/children") for each in file.read_text().split()}


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_process_that_dies_takes_one_task_with_it(number: int) -> None:
    before = children()

    def work(task: int) -> bytes:
        if task % 10 == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        if task % 10 == 7:
            raise ValueError
        return b"done"

    answers = dict(run_in_workers(work, range(30), number, lambda: None))
    assert {task for task, answer in answers.items() if answer == -signal.SIGKILL} == {3, 13, 23}
    assert {task for task, answer in answers.items() if answer == 1} == {7, 17, 27}
    assert sum(answer == b"done" for answer in answers.values()) == 24
    assert children() == before


def test_processes_end_when_the_caller_has_had_enough() -> None:
    before = children()

    def work(task: int) -> bytes:
        time.sleep(600 if task else 0)
        return b"first"

    answers = run_in_workers(work, range(4), 2, lambda: None)
    assert next(answers) == (0, b"first")
    answers.close()  # and does not wait for them: they would sleep for ten minutes
    assert children() == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_process_outlives_a_run_that_is_stopped(tmp_path: Path, number: signal.Signals) -> None:
    code = (
        "import os, time\n"
        "from pvasm.workers import run_in_workers\n"
        "def work(task):\n"
        "    os.write(1, b'%d\\n' % task)\n"  # at once, whatever else is written
        "    time.sleep(0.5 if task < 2 else 5)\n"
        "    return b''\n"
        "list(run_in_workers(work, range(8), 2, lambda: None))\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout is not None
    assert {process.stdout.readline(), process.stdout.readline()} == {b"0\n", b"1\n"}
    process.send_signal(number)
    # The pipe is closed when the last process that could write to it is gone: none begins another task.
    assert process.stdout.read() == b""
    assert process.wait(timeout=600) != 0


# ----------------------------------------------------------------------------------------- headers


def test_a_header_is_told_once_by_any_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    require_tool("gcc")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sub").mkdir()
    (tmp_path / "h.h").write_text("#define GO(r) fc r\n fc r1\n")
    (tmp_path / "a.S").write_text('#include "h.h"\n#include "./h.h"\n#include "sub/../h.h"\n fc r2\n')
    (tmp_path / "sub/b.S").write_text('#include "../h.h"\n#include <h.h>\n')
    cpp = CppSettings((".",))
    assert places(".", cpp=cpp) == ["a.S:4 PV001", "h.h:2 PV001"]
    assert places("sub/b.S", "a.S", "./h.h", cpp=cpp) == ["h.h:2 PV001", "a.S:4 PV001"]
    assert len(places("h.h", "a.S", cpp=cpp)) == 2
    many = []
    for number in range(12):
        (tmp_path / f"f{number}.S").write_text('#include "./h.h"\n')
        many.append(f"f{number}.S")
    assert places(*many, cpp=cpp, jobs=3) == places(*many, cpp=cpp, jobs=1) == ["h.h:2 PV001"]


def test_a_define_in_a_header_is_told_at_the_header(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "h.h").write_text("#define GO(r) fc r\n")
    for name in ("a.S", "b.S"):
        (tmp_path / name).write_text('#include "h.h"\n\tGO(r1)\n')
    assert places(".") == ["h.h:1 PV001"]
    assert places("a.S", "b.S", "./h.h", "h.h") == ["./h.h:1 PV001"]  # as it was called first


# ------------------------------------------------------------------------------------- suppressions


def test_suppressions_count_after_the_preprocessor_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    require_tool("gcc")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PVASM_CACHE_DIR", str(tmp_path / "cache"))
    header = tmp_path / "h.h"
    header.write_text(" fc r1 /* pvasm: ignore[PV001] in the header */\n fc r2\n")
    (tmp_path / "a.S").write_text(
        '#include "h.h"\n fc r3 // pvasm: ignore[PV001] here\n nop 0 // pvasm: ignore[PV001]\n'
    )
    cpp = CppSettings()
    for _ in range(2):
        assert places("a.S", cpp=cpp, use_cache=True) == ["h.h:2 PV001"]
    header.write_text(" fc r1\n fc r2 // pvasm: ignore[PV001]\n")  # the text after cpp is the same
    assert places("a.S", cpp=cpp, use_cache=True) == ["h.h:1 PV001"]


def test_line_markers_name_anything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is no regular file, is missing, or is large is not looked into for suppressions."""
    require_tool("gcc")
    monkeypatch.chdir(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with open(tmp_path / "large", "wb") as file:
        file.truncate(1 << 30)
    names = ("pipe", "large", "none", "/dev/zero", "/dev/stdin", ".")
    (tmp_path / "a.S").write_text("".join(f'# 1 "{name}"\n fc r1\n' for name in names))
    assert len(places("a.S", cpp=CppSettings())) == len(names)


def test_unused_suppressions_are_for_a_run_that_looks_at_all(tmp_path: Path) -> None:
    path = tmp_path / "a.S"
    path.write_text("\tnop 0 // pvasm: ignore[PV001]\n")
    assert len(places(str(path))) == 1
    assert places(str(path), find_unused=False) == []


# ---------------------------------------------------------------------------------------- settings


def test_exclude_is_for_what_a_folder_holds(tmp_path: Path) -> None:
    for name in ("a.S", "boot/b.S", "boot/deep/c.S"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("\tfc r1\n")

    def names(*paths: Path) -> list[str]:
        settings = Settings(use_cache=False, root=str(tmp_path), exclude=("boot",))
        return [Path(result.path).name for result in check_files([str(path) for path in paths], settings)]

    assert names(tmp_path) == ["a.S"]
    assert names(tmp_path, tmp_path / "boot/b.S") == ["a.S", "b.S"]


def test_per_file_ignores_and_severities(tmp_path: Path) -> None:
    for name in ("a.S", "b.S"):
        (tmp_path / name).write_text("\tfc r1 ;;\n\tmov r2 = cr.ifa ;;\n\tptc.l r2, r3 ;;\n")
    settings = Settings(
        use_cache=False,
        root=str(tmp_path),
        per_file_ignores=(("a.*", ("PV001",)),),
        severity=(("PV0", "note"), ("PV002", "warning"), ("PV003", "off")),
    )
    found = [
        (Path(d.path).name, d.code, d.severity) for r in check_files([str(tmp_path)], settings) for d in r.diagnostics
    ]
    assert found == [("a.S", "PV002", "warning"), ("b.S", "PV001", "note"), ("b.S", "PV002", "warning")]


@pytest.mark.parametrize("wrong", [{"severity": (("PVX", "note"),)}, {"per_file_ignores": (("*", ("PVX",)),)}])
def test_unknown_codes_are_told_even_if_the_cache_knows_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: dict[str, object]
) -> None:
    monkeypatch.setenv("PVASM_CACHE_DIR", str(tmp_path / "cache"))
    (tmp_path / "a.S").write_text("\tnop 0\n")
    places(str(tmp_path / "a.S"), use_cache=True)
    with pytest.raises(PvasmError, match="unknown code"):
        places(str(tmp_path / "a.S"), use_cache=True, **wrong)


def test_the_cache_keeps_what_is_not_utf_8(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes that are not UTF-8 are lone surrogates in messages, lines and names."""
    monkeypatch.setenv("PVASM_CACHE_DIR", str(tmp_path / "cache"))
    named = [str(tmp_path / "plain.S"), os.fsdecode(os.fsencode(tmp_path) + b"/\xfe.S")]
    for path in named:
        Path(path).write_bytes(b"\tfc r1 // \xff \xf0\x9f\x98\x80\n")
    cold, warm = results(named, Settings()), results(named, Settings())
    assert warm == cold == results(named, Settings(use_cache=False))
    assert [[d.source_line for d in result.diagnostics] for result in check_files(named, Settings())] == [
        ["\tfc r1 // \udcff \U0001f600"] for _ in named
    ]


def test_the_cache_does_not_mix_settings_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PVASM_CACHE_DIR", str(tmp_path / "cache"))
    (tmp_path / "a.S").write_text("\tfc r1\n\tepc\n\tnop 0 // pvasm: ignore[PV001]\n")
    path = str(tmp_path / "a.S")
    variants: list[dict[str, object]] = [
        {},
        {"select": ("PV004",)},
        {"extend_select": ("PV004",)},
        {"ignore": ("PV001",)},
        {"find_unused": False},
        {"severity": (("PV001", "note"),)},
        {"per_file_ignores": (("*", ("PV001",)),)},
    ]
    cold = [places(path, **variant) for variant in variants]
    assert len({tuple(each) for each in cold}) >= 5
    for _ in range(2):
        assert [places(path, use_cache=True, **variant) for variant in variants] == cold
