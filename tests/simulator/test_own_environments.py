"""Environments that a file describes, or a class is: what docs/environments.md shows, and what is wrong with files."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec
import pvsim
import pytest
from pvsim.environments import description
from pvsim.environments.choice import environment_of
from pvsim.environments.description import COUNTS, Description, Hypercall, Hypercalls, Weights, read_description
from pvsim.modes import MODES
from pvsim.scenario import Page, Scenario
from pvsim.scenario_run import ScenarioRun, Variant
from pvsim.source_image import image_of_text

from pvasm.errors import PvasmError
from pvasm.paravirt.instance_file import read_instance
from pvasm.paravirt.loading import load_catalog
from tests.cli.command import pvasm
from tests.simulator.test_environments import PROMOTES, with_code_pages

DOCUMENT: Final = Path(__file__).parents[2] / "docs" / "environments.md"
XEN: Final = Path(pvsim.__file__).parent / "environments" / "xen.yaml"
FIGURE: Final = re.compile(r"0x[0-9a-f]+| *\b[0-9][0-9,]*\b")


# ------------------------------------------------------------------------------------ the document


def steps() -> Iterator[tuple[str, str]]:
    """Each command of the document, and what it prints."""
    for block in re.findall(r"^```console\n(.*?)^```$", DOCUMENT.read_text(), re.DOTALL | re.MULTILINE):
        for step in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = step.partition("\n")
            yield command, output


@pytest.mark.slow
def test_the_document_word_for_word(tmp_path: Path) -> None:
    """But for figures: how much a state costs is not what is shown. `...` stands for what is left out."""
    folder = tmp_path / "tour"
    folder.mkdir()
    for command, expected in steps():
        words = shlex.split(command)
        if words[0] == "cat":
            (folder / words[1]).write_text(expected)
        elif words[0] == "pvasm":
            output = pvasm(*words[1:], cwd=folder, PVASM_CACHE_DIR=str(tmp_path / "cache")).output
            shown = (r"(?:.*\n)*?" if line == "...\n" else _figures(line) for line in expected.splitlines(True))
            assert re.fullmatch("".join(shown), output), output
        else:
            subprocess.run(words, cwd=folder, check=True)


def _figures(line: str) -> str:
    return r" *[\w,]+".join(map(re.escape, FIGURE.split(line)))


def test_the_description_is_short() -> None:
    (text,) = [output for command, output in steps() if command == "cat kvm-host.yaml"]
    assert text.count("\n") < 60


def test_the_python_that_is_shown_prints_what_it_says(capsys: pytest.CaptureFixture[str]) -> None:
    (block,) = re.findall(r"^```python\n(.*?)^```$", DOCUMENT.read_text(), re.DOTALL | re.MULTILINE)
    exec(block, {})
    assert capsys.readouterr().out.splitlines() == re.findall(r"^print\(.*\)  # (.*)$", block, re.MULTILINE)


def test_every_key_is_told_of() -> None:
    told = set(re.findall(r"^# ([a-z_]+(?:\.[a-zA-Z_]+)*) ", XEN.read_text(), re.MULTILINE))
    own = {each.encode_name for each in msgspec.structs.fields(Description)}
    assert own <= {key.partition(".")[0] for key in told}
    for name, struct in (("page", description.Page), ("hypercalls", Hypercalls)):
        keys = {each.encode_name for each in msgspec.structs.fields(struct)}
        assert keys == {key.split(".")[1] for key in told if key.startswith(f"{name}.")}
    head = XEN.read_text().partition("\nname:")[0]
    assert all(each.encode_name in head for parts in (Weights, Hypercall) for each in msgspec.structs.fields(parts))
    assert all(f"`{name}`" in DOCUMENT.read_text() for name in own)
    assert all(name in XEN.read_text() for name in COUNTS)


# ---------------------------------------------------------------------------------- what is wrong

WHOLE: Final = "name: host\ndescription: A test\nlevel: 2\n"
PAGE: Final = "page:\n  address: 0x10000\n  size: 0x4000\n  fields_from: 0x10000\n"
NUMBERED: Final = "hypercalls:\n  break: 0x1000\n  number_in: r2\n  calls:\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "FILE:1: empty file"),
        ("name: host\n", "FILE:1:1: the key description is missing"),
        (f"{WHOLE}ops: {{}}\n", "FILE:4:1: unknown key ops; known are name, description, level, .*"),
        (WHOLE.replace("2", "0"), "FILE:3:1: level: a guest's kernel runs at level 1, 2 or 3"),
        (f"{WHOLE}refuses: [thash, tthash]\n", "FILE:4:1: refuses: tthash is no mnemonic"),
        (f"{WHOLE}{PAGE}  fields: {{cr.ifaa: {{at: 0}}}}\n", r"FILE:8:12: page.fields.cr.ifaa: no register .*cr.ifa.*"),
        (f"{WHOLE}{PAGE}  fields: {{cr.ifa: {{at: 0x4000}}}}\n", "FILE:8:12: .*: 1, 2, 4 or 8 bytes, within the page"),
        (f"{WHOLE}{PAGE}  fields: {{cr.ifa: {{at: -8}}}}\n", "FILE:8:12: .*: 1, 2, 4 or 8 bytes, within the page"),
        (f"{WHOLE}{PAGE}  fields: {{rr: {{at: 0x3fc8}}}}\n", "FILE:8:12: .*: 1, 2, 4 or 8 bytes, within the page"),
        (
            f"{WHOLE}{PAGE}  fields: {{}}\n  mask: {{pointer: 0, byte: 0x10000}}\n",
            "FILE:9:3: page.mask: the pointer and both bytes are within the page",
        ),
        (
            f"{WHOLE}{PAGE.replace('0x4000', '0x5000')}  fields: {{}}\n",
            "FILE:4:1: page: the size is a power of two from 4096 to 1 << 24, and the address a multiple of it",
        ),
        (f"{WHOLE}{NUMBERED}    six: {{does: nop 0}}\n", "FILE:8:5: .*: a call's key is its number"),
        (f"{WHOLE}{NUMBERED}    6: {{does: nop 0, page_to: r9}}\n", "FILE:8:22: .*: there is no page to move"),
        (f"{WHOLE}{NUMBERED}    6: {{does: nop 0, gives: [f8]}}\n", "FILE:8:22: .*: f8 is no general register"),
    ],
)
def test_what_is_no_description_is_told_with_its_place(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "host.yaml"
    path.write_text(text)
    with pytest.raises(PvasmError) as caught:
        read_description(path)
    assert re.fullmatch(said.replace("FILE", re.escape(str(path))), str(caught.value)), str(caught.value)


def put(folder: Path, environment: str = "host.yaml", more: str = "") -> Path:
    """An instance and its environment's description."""
    (folder / "host.yaml").write_text(f"{WHOLE}{more}")
    path = folder / "mine.yaml"
    path.write_text(
        f"name: mine\ndescription: A test\nextends: trap\nenvironment: {environment}\ndefines: MINE\n",
    )
    return path


@pytest.mark.parametrize(
    ("calls", "said"),
    [
        ("calls:\n  TRAP_COVERS: cover\n", r"FILE:5:3: calls.TRAP_COVERS: .* no call of this name .*TRAP_COVER\?\)"),
        ("calls:\n  TRAP_COVER: |\n    cover\n    covr\n", "FILE:7:1: `covr' is no instruction"),
        ("calls:\n  TRAP_COVER: ''\n", "FILE:5:15: a call does something: instructions, one a line"),
    ],
)
def test_what_is_wrong_with_a_call_is_told_with_its_place(calls: str, said: str, tmp_path: Path) -> None:
    instance = read_instance(put(tmp_path, more=calls), load_catalog())
    with pytest.raises(PvasmError) as caught:
        environment_of(instance)
    assert re.fullmatch(said.replace("FILE", re.escape(str(tmp_path / "host.yaml"))), str(caught.value))


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        (
            "../host.yaml",
            "'../host.yaml' is not an environment: hardware, xen, trap; .* or FILE.yaml beside this file .*",
        ),
        ("/etc/host.yaml", "'/etc/host.yaml' is not an environment: .*"),
        ('"a\\nb.yaml"', ".* is not an environment: .*"),
        ("hosts.yaml", "there is no file hosts.yaml beside this one"),
        ("folder.yaml", "there is no file folder.yaml beside this one"),
        ("link.yaml", "link.yaml is a link to another folder"),
    ],
)
def test_nothing_outside_of_the_folder_is_read(environment: str, said: str, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    (folder / "folder.yaml").mkdir(parents=True)
    (tmp_path / "host.yaml").write_text(WHOLE)
    (folder / "link.yaml").symlink_to("../host.yaml")
    path = put(folder, environment)
    with pytest.raises(PvasmError) as caught:
        read_instance(path, load_catalog())
    assert re.fullmatch(rf"{re.escape(str(path))}:4:14: environment: {said}", str(caught.value), re.DOTALL)


def test_an_instance_that_extends_one_takes_its_environment_over(tmp_path: Path) -> None:
    put(tmp_path, "./host.yaml", "calls:\n  TRAP_COVER: cover\n")
    path = tmp_path / "other.yaml"
    path.write_text("name: other\ndescription: A test\nextends: mine.yaml\n")
    instance = read_instance(path, load_catalog())
    assert (instance.environment, instance.environment_file) == ("host.yaml", str(tmp_path / "host.yaml"))
    assert environment_of(instance).name == "host"


def test_an_instance_for_xen_that_extends_another_has_its_calls(tmp_path: Path) -> None:
    """The numbers are the shipped instance's: none of its own stands for them."""
    path = tmp_path / "mine.yaml"
    path.write_text("name: mine\ndescription: A test\nextends: native\nenvironment: xen\ndefines: MINE\n")
    environment_of(read_instance(path, load_catalog()))


def test_commands_take_such_an_instance(tmp_path: Path) -> None:
    path = put(tmp_path, more="calls:\n  TRAP_FC: fx r8\n")
    shown = pvasm("instance", "show", path.name, cwd=tmp_path)
    assert "  environment     host.yaml\n" in shown.output
    assert "  underneath        what host.yaml describes\n" in shown.output
    validated = pvasm("instance", "validate", path.name, cwd=tmp_path)
    assert (validated.status, validated.errors.count("\n")) == (2, 1)
    assert "host.yaml:5:12: " in validated.errors
    header = pvasm("header", "-i", path.name, cwd=tmp_path)
    assert "#define PVASM_ENVIRONMENT host.yaml\n" in header.output
    new = pvasm("instance", "new", "other", "--from", path.name, "--minimal", "-o", "-", cwd=tmp_path)
    assert "# environment: host.yaml\n" in new.output
    refused = pvasm("instance", "new", "other", "--from", "trap", "--environment", "../x.yaml", cwd=tmp_path)
    assert refused.errors == (
        "pvasm: error: --environment: '../x.yaml' is no file's name such as host.yaml, and no environment\n"
    )


@pytest.mark.parametrize("level", [1, 2, 3])
@pytest.mark.parametrize("user", [False, True])
def test_a_guest_runs_at_any_level(level: int, user: bool, tmp_path: Path) -> None:
    """A kernel has pages of its own even where its programs are at the same level; they cannot do what it may."""
    path = put(tmp_path)
    (tmp_path / "host.yaml").write_text(WHOLE.replace("level: 2", f"level: {level}"))
    page = Page(0x2000_0000_0000_0000, 0x0400_0000, 14, level=0)
    kernel = "start:\n ld8 r20 = [r9]\n mov r21 = cr.iva ;;\n break 0x77"
    image = image_of_text(f"{kernel} ;;")
    variant = Variant(read_instance(path, load_catalog()), image)
    registers = {"r9": page.at}
    run = ScenarioRun(
        variant, Scenario(entry="start", mode="user" if user else "sys", registers={**registers}, pages=[page])
    )
    assert run.environment.machine.psr >> 32 & 3 == (3 if user else level)
    ended = run.outcome().end
    assert ended == ("interruption: data access rights" if user else "interruption: break instruction")
    assert run.environment.costs.of_kind("emulated") == (0 if user else 1)


def test_a_kernel_at_the_level_of_its_programs_keeps_its_pages(tmp_path: Path) -> None:
    """What the machine has of a page for the kernel is gone when a program runs."""
    path = put(tmp_path)
    (tmp_path / "host.yaml").write_text(WHOLE.replace("level: 2", "level: 3"))
    page = Page(0x2000_0000_0000_0000, 0x0400_0000, 14, level=0)
    image = image_of_text("start:\n ld8 r20 = [r9] ;;\n rfi ;;\nuser:\n ld8 r21 = [r9] ;;")
    status = MODES["user"]
    registers = {"r9": page.at, "cr.ipsr": status, "cr.iip": image.symbols["user"], "psr.ic": 0}
    run = ScenarioRun(
        Variant(read_instance(path, load_catalog()), image),
        Scenario(entry="start", registers={**registers}, pages=[page]),
    )
    assert run.outcome().end == "interruption: data access rights"


@pytest.mark.parametrize("level", [1, 2, 3])
def test_epc_never_gives_the_hypervisors_level(level: int, tmp_path: Path) -> None:
    """At level 3, epc goes unnoticed: the kernel's instruction behind it is a program's to the hypervisor."""
    path = put(tmp_path)
    (tmp_path / "host.yaml").write_text(WHOLE.replace("level: 2", f"level: {level}"))
    variant = Variant(
        read_instance(path, load_catalog()),
        image_of_text("start:\n epc ;;\n mov r20 = psr ;;\ndone:\n nop 0 ;;"),
        with_code_pages(lambda entry: entry & ~(3 << 7) | PROMOTES),
    )
    run = ScenarioRun(variant, Scenario(entry="start", mode="user", stop=["done"], steps=100))
    assert run.outcome().end == ("interruption: general exception" if level == 3 else "done")
    assert run.environment.machine.psr >> 32 & 3 == level
