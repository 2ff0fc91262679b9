"""Headers that the C preprocessor does not find: all in one run, each where it is included, and what would give them
(section 4 of the cases)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pvasm.errors import PvasmError
from pvasm.syntax import missing_headers
from pvasm.syntax.missing_headers import with_all_missing
from pvasm.syntax.run_cpp import preprocess
from tests.cli.command import pvasm
from tests.oracle import require_tool

NOT_FOUND = "no such file or folder"
TAIL = " (or `include-dirs' of the configuration; docs/configuration.md)"
FIRST = "with -I (a build may have to make {} first)"


def tail(*folders: str) -> str:
    """The end of the note, where folders have headers."""
    return TAIL.replace(";", ": " + ", ".join(f'"{each}"' for each in folders) + ";")


@pytest.fixture(autouse=True)
def _gcc() -> None:
    require_tool("gcc")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    files = {
        "kernel/x.S": '#include <asm/a.h>\n#include "b.h"\n#include <asm/c.h>\n#include "../gen/d.h"\n\tcover\n',
        "kernel/y.S": "#include <asm/a.h>\n#include <asm/c.h>\n\tcover\n",
        "include/asm/a.h": "#include <deep.h>\n",
        "include/asm/c.h": "",
        "more/deep.h": "#include <generated/e.h>\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def errors(tree: Path, *options: str) -> list[str]:
    result = pvasm("check", "--no-config", "--no-cache", "--cpp", *options, cwd=tree)
    assert result.status == 2
    return [line.removeprefix("pvasm: ") for line in result.errors.splitlines()]


def test_all_of_a_run_and_the_folder_that_has_them(tree: Path) -> None:
    (tree / "empty").mkdir()
    assert errors(tree, "-I", "empty", "kernel") == [
        f"error: kernel/x.S:1:10: asm/a.h: {NOT_FOUND}",
        f"error: include/asm/a.h:1:10: deep.h: {NOT_FOUND}",  # which the first includes, where it is
        f"error: more/deep.h:1:10: generated/e.h: {NOT_FOUND}",
        f"error: kernel/x.S:2:10: b.h: {NOT_FOUND}",
        f"error: kernel/x.S:3:10: asm/c.h: {NOT_FOUND}",
        f"error: kernel/x.S:4:10: ../gen/d.h: {NOT_FOUND}",
        f"error: kernel/y.S:1:10: asm/a.h: {NOT_FOUND}",
        f"error: kernel/y.S:2:10: asm/c.h: {NOT_FOUND}",
        "note: headers are missing: -I include gives asm/a.h and asm/c.h; -I more gives deep.h; "
        "none has generated/e.h, b.h or ../gen/d.h: "
        f"name their folders {FIRST.format('them')}{tail('include', 'more')}",
    ]


def test_without_any_folder(tree: Path) -> None:
    said = errors(tree, "kernel/y.S")
    assert [each.rpartition(":")[0].partition(":")[2].rpartition(":")[2].strip() for each in said[:-1]] == [
        "asm/a.h",
        "deep.h",
        "generated/e.h",
        "asm/c.h",
    ]
    assert said[-1].startswith(
        "note: headers are missing: -I include gives asm/a.h and asm/c.h; -I more gives deep.h; "
    )


def test_a_header_that_a_header_includes_is_told_of_once(tree: Path) -> None:
    (tree / "kernel/x.S").write_text("#include <asm/a.h>\n")
    assert errors(tree, "-I", "include", "kernel") == [
        f"error: include/asm/a.h:1:10: deep.h: {NOT_FOUND}",
        f"error: more/deep.h:1:10: generated/e.h: {NOT_FOUND}",
        "note: headers are missing: -I more gives deep.h; none has generated/e.h: "
        f"name its folder {FIRST.format('it')}{tail('more')}",
    ]
    assert errors(tree, "-I", "include", "-I", "more", "kernel") == [
        f"error: more/deep.h:1:10: generated/e.h: {NOT_FOUND}",
        f"note: headers are missing: no folder here has generated/e.h: name its folder {FIRST.format('it')}{TAIL}",
    ]


@pytest.mark.slow
def test_by_several_processes(tree: Path) -> None:
    for number in range(20):
        (tree / f"kernel/z{number}.S").write_text("#include <asm/a.h>\n" + "\tnop 0\n" * 20_000)
    said = errors(tree, "-j", "2", "-I", "more", "kernel")
    assert len(said) == len(set(said)) == 4 + 1 + 2 + 20 + 1  # with what more/deep.h includes


def test_standard_input(tree: Path) -> None:
    result = pvasm(
        "check", "--no-config", "--cpp", "-I", "more", "-", cwd=tree, stdin=b"\n#include <asm/a.h>\n#include <no.h>\n"
    )
    assert result.errors.splitlines()[:3] == [
        f"pvasm: error: <stdin>:2: asm/a.h: {NOT_FOUND}",
        f"pvasm: error: more/deep.h:1:10: generated/e.h: {NOT_FOUND}",
        f"pvasm: error: <stdin>:3: no.h: {NOT_FOUND}",
    ]


def test_what_is_found_with_empty_headers_is_no_finding(tree: Path) -> None:
    (tree / "kernel/x.S").write_text("#include <asm/a.h>\n#ifndef GUEST\n\tcover\n#endif\n#error stop\n")
    result = pvasm("check", "--no-config", "--no-cache", "--cpp", "-I", "more", "kernel/x.S", cwd=tree)
    assert (result.status, result.output) == (
        2,
        "nothing found in 0 files; 2 problems kept pvasm from checking everything\n",
    )
    assert "stop" not in result.errors


def test_nothing_more_is_run_where_nothing_is_missing(tree: Path) -> None:
    (tree / "a.S").write_text("\tcover\n")
    (tree / "b.S").write_text("#error stop\n")
    runs: list[tuple[str, ...]] = []

    def run(name: str) -> str:
        def once(more: object) -> str:
            assert more == ()
            runs.append((name,))
            return preprocess(str(tree / name))

        return with_all_missing(once)

    assert "cover" in run("a.S")
    with pytest.raises(PvasmError, match="stop"):
        run("b.S")
    assert len(runs) == 2


@pytest.mark.parametrize("name", ["/nowhere/x.h", "../" * 30 + "evil.h", "a/../../../../../../../../../../evil.h"])
def test_a_name_that_leads_elsewhere_makes_no_file(name: str, tree: Path) -> None:
    (tree / "kernel/x.S").write_text(f'#include "{name}"\n#include <asm/a.h>\n')
    before = sorted(os.listdir("/"))
    assert errors(tree, "kernel/x.S")[0].endswith(f": {name}: {NOT_FOUND}")
    assert sorted(os.listdir("/")) == before


def test_a_bound_on_how_many(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(missing_headers, "_MOST", 3)
    text = "".join(f"#include <no{number}.h>\n" for number in range(10))
    with pytest.raises(PvasmError) as raised:
        with_all_missing(lambda more: preprocess("-", text=text, include_directories=["."], last_directories=more))
    assert len(raised.value.headers) == 3  # type: ignore[attr-defined]


def test_what_an_overlay_is_put_over_is_missing_where_the_source_includes_it(tree: Path) -> None:
    (tree / "kernel/x.S").write_text("#include <no.h>\n#include <asm/a.h>\n")
    said = errors(tree, "-I", "more", "--op-header", "asm/a.h", "kernel/x.S")
    assert said == [
        f"error: kernel/x.S:1:10: no.h: {NOT_FOUND}",
        f"error: kernel/x.S:2: asm/a.h: {NOT_FOUND}",
        f"error: more/deep.h:1:10: generated/e.h: {NOT_FOUND}",
        "note: headers are missing: -I include gives asm/a.h; none has no.h or generated/e.h: "
        f"name their folders {FIRST.format('them')}{tail('include')}",
    ]


def test_a_header_that_an_option_includes(tree: Path) -> None:
    """F: gcc says `<command-line>' of it, and no hint came."""
    (tree / "kernel/z.S").write_text("\tnop 0\n")
    assert errors(tree, "-include", "deep.h", "kernel/z.S") == [
        f"error: kernel/z.S: -include deep.h: {NOT_FOUND}",
        f"error: more/deep.h:1:10: generated/e.h: {NOT_FOUND}",
        "note: headers are missing: -I more gives deep.h; none has generated/e.h: "
        f"name its folder {FIRST.format('it')}{tail('more')}",
    ]
    assert errors(tree, "-include", "gone.h", "kernel/z.S") == [
        f"error: kernel/z.S: -include gone.h: {NOT_FOUND}",
        f"note: headers are missing: no folder here has gone.h: name its folder {FIRST.format('it')}{TAIL}",
    ]
    (tree / "pvasm.toml").write_text('cpp = true\nincludes = ["gone.h"]\n')
    done = pvasm("check", "--no-cache", "kernel/z.S", cwd=tree)
    assert done.error_lines == [f"pvasm: error: pvasm.toml:2: includes: 'gone.h': {NOT_FOUND}"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("-include pipe.h", "pipe.h: is a pipe, not a file (-include)"),
        ("-include pipe.h -I sub", "pipe.h: is a pipe, not a file (-include)"),
        ("-include more.h -I sub", "sub/more.h: is a pipe, not a file (-include)"),
        pytest.param("-include outer.h", "z.S: includes pipe.h, which is a pipe, not a file", marks=pytest.mark.slow),
    ],
)
def test_a_pipe_that_an_option_includes_is_not_waited_for(options: str, said: str, tmp_path: Path) -> None:
    """F: it was noticed after a minute."""
    require_tool("gcc")
    (tmp_path / "sub").mkdir()
    os.mkfifo(tmp_path / "pipe.h")
    os.mkfifo(tmp_path / "sub/more.h")
    (tmp_path / "outer.h").write_text('#include "pipe.h"\n')
    (tmp_path / "z.S").write_text("\tnop 0\n")
    done = pvasm("check", "--no-config", "--no-cache", "--cpp", *options.split(), "z.S", cwd=tmp_path)
    assert (done.status, done.error_lines) == (2, [f"pvasm: error: {said}"])


SEVERAL = [
    f"kernel/x.S:1:10: asm/a.h: {NOT_FOUND}",
    f"include/asm/a.h:1:10: deep.h: {NOT_FOUND}",
    f"more/deep.h:1:10: generated/e.h: {NOT_FOUND}",
    f"kernel/x.S:2:10: b.h: {NOT_FOUND}",
    f"kernel/x.S:3:10: asm/c.h: {NOT_FOUND}",
    f"kernel/x.S:4:10: ../gen/d.h: {NOT_FOUND}",
]
ADVICE = (
    "pvasm: note: headers are missing: -I include gives asm/a.h and asm/c.h; -I more gives deep.h; "
    f"none has generated/e.h, b.h or ../gen/d.h: name their folders {FIRST.format('them')}"
)


@pytest.mark.parametrize(
    "words",
    [
        "expand --single-binary native,xen",
        "expand -i xen --build .",
        "simulate -i xen --entry start",
        "compare --instances native,xen --entry start",
        "scenario new -i native --entry start",
    ],
)
def test_every_command_that_preprocesses_says_what_to_do(words: str, tree: Path) -> None:
    """Those that read no `include-dirs' of a configuration do not tell of them."""
    record = '[{"directory": ".", "file": "kernel/x.S", "arguments": ["gcc", "-c", "kernel/x.S"]}]\n'
    (tree / "compile_commands.json").write_text(record)
    done = pvasm(*words.split(), "-I", "kernel", "kernel/x.S", cwd=tree)
    assert (done.status, done.output) == (2, "")
    assert done.error_lines == [*(f"pvasm: error: {each}" for each in SEVERAL), ADVICE]


def test_a_bare_assembler_in_the_place_of_a_compiler_says_what_to_do(tree: Path) -> None:
    done = pvasm("cc", "-i", "xen", "--", "ia64-linux-gnu-as", "-Ikernel", "kernel/x.S", "-o", "x.o", cwd=tree)
    said = [each.replace(": ", ": error: ", 1) for each in SEVERAL]
    assert (done.status, done.output, done.error_lines) == (1, "", [*said, ADVICE])
    assert not (tree / "x.o").exists()


def test_a_scenario_has_a_key_for_folders_and_its_own_folder(tree: Path) -> None:
    (tree / "kernel/x.yaml").write_text("file: x.S\nentry: start\ninclude: [.]\n")
    done = pvasm("test", "kernel", cwd=tree)
    assert (done.status, done.output) == (2, "0 runs, 0 failed.\n")
    of_options = ("-I include", "-I more", "with -I")
    of_scenario = ("include: [../include]", "include: [../more]", "with `include'")
    advice = ADVICE
    for option, key in zip(of_options, of_scenario, strict=True):
        advice = advice.replace(option, key)
    assert done.error_lines == [*(f"pvasm: error: {each}" for each in SEVERAL), advice]


def test_of_standard_input_it_is_told_by_its_name(tree: Path) -> None:
    for words in ("expand --single-binary native,xen -", "compare --entry start --instances native,xen -"):
        done = pvasm(*words.split(), cwd=tree, stdin=b"\n#include <no.h>\n")
        assert done.error_lines == [
            f"pvasm: error: <stdin>:2: no.h: {NOT_FOUND}",
            f"pvasm: note: headers are missing: no folder here has no.h: name its folder {FIRST.format('it')}",
        ]
