"""S3, S4, S11: what is read is below the folders that were named, is a file, and is not too large."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pvasm.files import RealPaths
from pvasm.text import MAX_FILE_BYTES
from tests.cli.command import pvasm
from tests.oracle import require_tool
from tests.safety.conftest import BAD, Clone

INSTANCE = "name: mine\ndescription: Mine.\nextends: xen\n"

CONFIGURATIONS = [
    ('includes = ["{outside}/secret.h"]', "-include"),
    ('includes = ["../outside/secret.h"]', "-include"),
    ('includes = ["link/secret.h"]', "-include"),
    ('includes = ["a/../../outside/secret.h"]', "-include"),
    ('include-dirs = ["../outside"]', "-I"),
    ('include-dirs = ["link"]', "-I"),
    ('paths = ["../outside"]', "PATH"),
    ('paths = ["link"]', "PATH"),
    ('paths = ["{outside}/secret.h"]', "PATH"),
    ('baseline = "../outside/secret.h"', "--baseline"),
    ('baseline = "/etc/passwd"', "--baseline"),
    ('instances = ["../outside/mine.yaml"]', "--instance"),
    ('instances = ["./link/mine.yaml"]', "--instance"),
]


@pytest.mark.parametrize("named", [False, True], ids=["found", "named"])
@pytest.mark.parametrize(("configuration", "way_out"), CONFIGURATIONS, ids=[text for text, _ in CONFIGURATIONS])
def test_a_configuration_stays_below_its_folder(clone: Clone, configuration: str, way_out: str, named: bool) -> None:
    """S4"""
    clone.link("link", "../outside")
    clone.write("a/b.S", BAD)
    clone.write("pvasm.toml", f"cpp = true\n{configuration.format(outside=clone.outside)}\n")
    done = pvasm("check", *(("--config", "pvasm.toml") if named else ()), cwd=clone.folder)
    assert done.status == 2
    (line,) = done.error_lines
    assert line.startswith("pvasm: error: pvasm.toml:2: ")
    assert "outside of the folder" in line
    assert f"({way_out})" in line
    assert "SECRET" not in done.output + done.errors


def test_what_is_below_may_be_named(clone: Clone) -> None:
    require_tool("gcc")
    clone.write("include/h.h", "#define READ mov\n")
    clone.link("inc", "include")
    clone.write("a/b.S", "#include <h.h>\n\tREAD r16 = cr.ifa\n")
    clone.write("pvasm.toml", 'cpp = true\npaths = ["a/../a"]\ninclude-dirs = ["inc"]\ndefines = ["X=1"]\n')
    assert "b.S:2" in pvasm("check", cwd=clone.folder).output


@pytest.mark.parametrize("name", ["pvasm.toml", "pyproject.toml"])
def test_a_configuration_that_is_elsewhere_is_not_read(clone: Clone, name: str) -> None:
    """S4: an error would show its lines."""
    (clone.outside / name).write_text("[tool.pvasm]\nSECRET = 1\n")
    clone.link(name, f"../outside/{name}")
    clone.write("a.S", BAD)
    done = pvasm("check", "a.S", cwd=clone.folder)
    assert "SECRET" not in done.output + done.errors


INCLUDES = [
    '"{outside}/secret.h"',
    '"../outside/secret.h"',
    '"link/secret.h"',
    '"secret-link.h"',
    "<../outside/secret.h>",
]


@pytest.mark.parametrize("include", INCLUDES)
def test_a_header_from_elsewhere_is_refused(clone: Clone, include: str) -> None:
    """S4: `check --cpp` would show its lines as PV901."""
    require_tool("gcc")
    clone.link("link", "../outside")
    clone.link("secret-link.h", "../outside/secret.h")
    clone.write("inc/x.h", "")
    clone.write("a.S", f"#include {include.format(outside=clone.outside)}\n")
    done = pvasm("check", "--cpp", "-I", "inc", "a.S", cwd=clone.folder)
    assert done.status == 2
    assert "SECRET" not in done.output + done.errors
    if not include.startswith("<"):  # `inc/../outside' is not there
        assert "outside of the folder that was named" in done.errors
        assert "-I" in done.errors
        if "link" not in include:
            named = pvasm("check", "--cpp", "-I", "inc", "-I", clone.outside, "a.S", cwd=clone.folder)
            assert "outside of the folder" not in named.errors


OUTSIDE = ['"../outside/clock.h"', '"sub/../../outside/clock.h"', '"link/clock.h"', '"clock-link.h"', '"by-way.h"']


@pytest.mark.parametrize("include", OUTSIDE)
def test_without_the_c_preprocessor_a_header_from_elsewhere_is_not_read_and_that_is_said(
    clone: Clone, include: str
) -> None:
    """S4: what a header says decides what is found, and shows in messages."""
    (clone.outside / "clock.h").write_text("#define CLOCK cr.ifa\n")
    clone.link("link", "../outside")
    clone.link("clock-link.h", "../outside/clock.h")
    clone.write("by-way.h", '#include "../outside/clock.h"\n')
    clone.write("sub/x", "")
    for name in ("a.S", "b.S"):
        clone.write(name, f"#include {include}\n\tmov r16 = CLOCK\n")
    note = "which is outside of the folders that were named: not read (name its folder as well, to have it read)"
    for command, paths in (
        ("check", ["."]),
        ("check --fix", ["."]),
        ("check --diff", ["."]),
        ("check", ["a.S", "b.S"]),
    ):
        done = pvasm(*command.split(), *paths, cwd=clone.folder)
        assert "cr.ifa" not in done.output + done.errors
        (line,) = [line for line in done.error_lines if "by a link" not in line]
        assert line.startswith("pvasm: note: a.S: includes ")
        assert line.endswith(note)
    assert (clone.folder / "a.S").read_text().endswith("mov r16 = CLOCK\n")
    named = pvasm("check", ".", clone.outside, cwd=clone.folder)
    assert note not in named.errors
    assert "PV002" in named.output
    mended = pvasm("check", "--fix", "-I", clone.outside, ".", cwd=clone.folder)
    assert "2 fixed" in mended.output
    assert "MOV_FROM_IFA(r16)" in (clone.folder / "a.S").read_text()


@pytest.mark.slow
def test_a_header_from_elsewhere_is_said_with_the_cache_and_by_processes_too(clone: Clone, tmp_path: Path) -> None:
    (clone.outside / "clock.h").write_text("#define CLOCK cr.ifa\n")
    (clone.outside / "other.h").write_text("")
    for number in range(12):
        text = '#include "../outside/clock.h"\n#include "../outside/other.h"\n\tmov r16 = CLOCK\n'
        clone.write(f"a{number:02}.S", text + "\tnop 0\n" * 5_000)
    said = []
    for _ in range(2):
        done = pvasm("check", "-j", "2", ".", cwd=clone.folder, PVASM_CACHE_DIR=str(tmp_path / "cache"))
        assert "cr.ifa" not in done.output
        said.append(done.error_lines)
    assert said[0] == said[1]
    (line,) = said[0]
    assert line.startswith("pvasm: note: a00.S: includes ../outside/clock.h, which is outside")
    assert line.endswith("; 1 more like it")


def test_a_header_that_is_imported_stays_in_its_folder(clone: Clone) -> None:
    (clone.outside / "clock.h").write_text("#define CLOCK cr.ifa\n")
    clone.write("ops.h", '#include "../outside/clock.h"\n#define MOV_FROM_IFA(reg) mov reg = CLOCK\n')
    done = pvasm("import", "--extends", "xen", "ops.h", cwd=clone.folder)
    assert done.status == 2
    assert done.errors == (
        "pvasm: error: ops.h: includes ../outside/clock.h, which is outside of its folder: "
        "name the header's folder with -I\n"
    )
    assert "cr.ifa" in pvasm("import", "--extends", "xen", "-I", clone.outside, "ops.h", cwd=clone.folder).output


def test_a_link_that_leads_out_is_not_read_and_that_is_said(clone: Clone) -> None:
    """S3"""
    clone.link("evil.S", "../outside/x.S")
    clone.link("sub/evil.S", "../../outside/x.S")
    clone.write("a.S", BAD)
    clone.link("b.S", "a.S")
    for folder in (".", clone.folder):
        done = pvasm("check", folder, cwd=clone.folder)
        assert done.output.endswith("1 error in 1 file\n")
        (line,) = done.error_lines
        assert line.startswith("pvasm: note: ")
        assert "leads out of" in line
        assert line.endswith("; 1 more like it")
    assert pvasm("check", "evil.S", cwd=clone.folder).output.endswith("1 error in 1 file\n")


@pytest.mark.parametrize(
    "command",
    [
        "check",
        "check --cpp",
        "parse",
        "expand -i xen",
        "import",
        "instance validate",
        "check --config",
        "check --baseline",
        "header -i",
        "tables -i",
        "instance show",
    ],
)
@pytest.mark.parametrize("kind", ["pipe", "device", "link to a pipe"])
def test_what_is_no_file_is_an_error(clone: Clone, command: str, kind: str) -> None:
    """S11: a pipe that nobody writes to would never end."""
    name = "./a.yaml" if "-i" in command.split()[-1:] or "instance" in command else "a.S"
    if kind == "device":
        clone.link(name, "/dev/zero")
    else:
        os.mkfifo(clone.folder / ("pipe" if "link" in kind else name))
        if "link" in kind:
            clone.link(name, "pipe")
    done = pvasm(*command.split(), name, cwd=clone.folder)
    assert done.status == 2
    assert ("pipe" if kind != "device" else "device") in done.errors
    assert len(done.error_lines) == 1


def test_a_pipe_in_a_folder_is_passed_over(clone: Clone) -> None:
    """S11"""
    for name in ("a.S", "pvasm.toml", "pyproject.toml", "h.h"):
        os.mkfifo(clone.folder / name)
    clone.write("b.S", '#include "h.h"\n' + BAD)
    assert pvasm("check", ".", cwd=clone.folder).output.endswith("1 error in 1 file\n")


@pytest.mark.parametrize("command", ["check", "check --cpp", "parse", "expand -i xen", "import"])
def test_a_file_that_is_too_large_is_told_at_once(clone: Clone, command: str) -> None:
    """S11: it is not read for that. (The file has no blocks: reading it would show.)"""
    with clone.write("large.S").open("wb") as file:
        file.truncate(64 << 30)
    done = pvasm(*command.split(), "large.S", cwd=clone.folder)
    assert done.status == 2
    assert f"larger than {MAX_FILE_BYTES >> 20} MiB" in done.errors


@pytest.mark.slow
def test_a_header_that_is_too_large_is_told_by_the_cause(clone: Clone) -> None:
    """S11: the preprocessor is stopped, and what it had to say before is no cause."""
    require_tool("gcc")
    clone.write("large.h", "\n" + "\tnop 0\n" * (MAX_FILE_BYTES // 6))
    clone.write("a.S", '#include "large.h"\n')
    clone.write("zero.S", '#include "zero.h"\n')
    with clone.write("zero.h").open("wb") as file:
        file.truncate(MAX_FILE_BYTES * 2)
    for name in ("a.S", "zero.S"):
        done = pvasm("check", "--cpp", "--no-cache", name, cwd=clone.folder)
        assert done.errors == f"pvasm: error: {name}: the C preprocessor makes more than 16 MiB of it: not read\n"


@pytest.mark.parametrize(
    ("command", "include"),
    [
        # The preprocessor is waited for: that takes two seconds.
        pytest.param(command, include, marks=pytest.mark.slow if "--cpp" in command and include != '"pipe.h"' else ())
        for command in ("check --cpp -I sub", "check", "check --fix")
        for include in ('"pipe.h"', '"sub/pipe.h"', "<pipe.h>", '"by-way.h"')
    ],
)
def test_a_header_that_is_a_pipe_is_not_waited_for(clone: Clone, command: str, include: str) -> None:
    """S11"""
    require_tool("gcc")
    (clone.folder / "sub").mkdir()
    for name in ("pipe.h", "sub/pipe.h"):
        os.mkfifo(clone.folder / name)
    clone.write("by-way.h", '#include "pipe.h"\n')
    clone.write("a.S", f"#include {include}\n\tnop 0\n")
    done = pvasm(*command.split(), "--no-cache", "a.S", cwd=clone.folder)
    if "--cpp" in command:
        assert done.status == 2
        (line,) = done.error_lines
        assert line.startswith("pvasm: error: ")
        assert "is a pipe, not a file" in line


@pytest.mark.slow
def test_what_stands_in_instance_files_leads_nowhere(clone: Clone) -> None:
    """Paths, tags, templates and names that would lead out: errors with a place, no traceback."""
    files = {
        "extends: ../outside/mine.yaml": "unknown instance",
        "extends: /etc/passwd": "unknown instance",
        "extends: mine/../../outside/mine": "unknown instance",
        "extends: evil.yaml": "circle",
        "extends: xen\ndescription: !!python/object/apply:os.system ['id>PWNED']": "",
        "extends: xen\ndescription: !!python/name:os.system": "",
        "extends: xen\nincluded: !include ../outside/secret.h": "",
        'extends: xen\nops: {RFI: {template: "{{ self.__init__.__globals__ }}"}}': "",
        "extends: xen\nops: {RFI: {template: \"{{ ''.__class__.__mro__ }}\"}}": "",
        "extends: xen\nops: {RFI: {template: \"{% include '/etc/passwd' %}\"}}": "",
        "extends: xen\nops: {RFI: {template: \"{% import 'os' as o %}\"}}": "",
        'extends: xen\nops: {RFI: {template: "{{ range.__call__.__globals__ }}"}}': "",
        "extends: xen\nops: {RFI: {template: \"{{ 'x' * 999999999 }}\"}}": "",
        'extends: xen\nops: {RFI: {template: "{% for i in range(99999999) %}nop 0\\n{% endfor %}"}}': "",
        'extends: xen\nops: {RFI: {template: ".incbin \\"/etc/passwd\\""}}': None,
    }
    for text, words in files.items():
        clone.write("evil.yaml", f"name: evil\n{text}\n" + ("" if "description" in text else "description: Evil.\n"))
        clone.write("a.S", "\tRFI\n")
        for command in (
            "instance validate ./evil.yaml",
            "instance show ./evil.yaml",
            "check -i ./evil.yaml a.S",
            "expand -i ./evil.yaml a.S",
        ):
            done = pvasm(*command.split(), cwd=clone.folder)
            assert "Traceback" not in done.errors, (text, command)
            if words is None:
                continue
            assert done.status in (1, 2), (text, command, done)
            assert words in done.output + done.errors
            assert "evil.yaml:" in done.output + done.errors
    clone.assert_nothing_got_out()


@pytest.mark.parametrize("name", ["../x", "a/b", "/x", "..", ".", "", "-x", "@x", "x\ny", "ops", "all", "xen"])
def test_an_instances_name_is_no_path(clone: Clone, name: str) -> None:
    """A variant goes to DIR/NAME/FILE."""
    clone.write("evil.yaml", f"name: {name!r}\ndescription: Evil.\nextends: xen\n".replace("'", '"'))
    clone.write("a.S", "\tRFI\n")
    for arguments in (
        ("expand", "-i", "./evil.yaml", "--output-dir", "out", "a.S"),
        ("instance", "new", "--from", "xen", "--", name),
    ):
        done = pvasm(*arguments, cwd=clone.folder)
        assert done.status == 2
        assert "Traceback" not in done.errors
    assert sorted(os.listdir(clone.folder)) == ["a.S", "evil.yaml"]
    clone.assert_nothing_got_out()


def test_a_trees_own_kept_forms_are_not_read(clone: Clone) -> None:
    """S5: what is kept of instances is that of pvasm's own; a tree's `__pycache__` is nobody's."""
    clone.write("mine.yaml", INSTANCE)
    clone.write("a.S", "\tRFI\n")
    expected = pvasm("expand", "-i", "./mine.yaml", "a.S", cwd=clone.folder).output
    shipped = Path(__file__).parents[2] / "instances" / "__pycache__"
    for kept in shipped.glob("*.json"):
        clone.write(f"__pycache__/{kept.name}", "{}")
        clone.write(f"__pycache__/{kept.name.replace('xen', 'mine')}", "{}")
    done = pvasm("expand", "-i", "./mine.yaml", "a.S", cwd=clone.folder)
    assert (done.output, done.errors) == (expected, "")


def test_a_file_is_where_its_folder_and_its_own_link_lead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`RealPaths` says of every path what `os.path.realpath` says, whatever it was asked before."""
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/b/file.S").touch()
    (tmp_path / "a/link.S").symlink_to("b/file.S")
    (tmp_path / "a/chain.S").symlink_to("link.S")
    (tmp_path / "a/loop.S").symlink_to("loop.S")
    (tmp_path / "a/nowhere.S").symlink_to("../gone/x.S")
    (tmp_path / "down").symlink_to("a/b")
    (tmp_path / "round").symlink_to("round")
    monkeypatch.chdir(tmp_path)
    folders = ["", ".", "a", "a/b", "down", "down/..", "a/b/../../down", "round", "gone", str(tmp_path), "/", "//"]
    names = ["file.S", "link.S", "chain.S", "loop.S", "nowhere.S", "gone.S", "b", "down", "..", ".", "", "round"]
    real_paths = RealPaths()
    asked = [os.path.join(folder, name) for folder in folders for name in names]
    assert [real_paths.of(path) for path in asked * 2] == [os.path.realpath(path) for path in asked * 2]
    assert real_paths.of("a/chain.S") == real_paths.of("down/file.S") == str((tmp_path / "a/b/file.S").resolve())
