"""sample_S/image: one image, made with binutils alone, boots from two entries and patches itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pvasm.objects.elf_file import elf_file_of
from pvasm.patch.patching import sites_of
from tests.cli.command import pvasm
from tests.oracle import require_tool
from tests.patch.made import SAMPLES

FOLDER = SAMPLES / "image"
CONSOLE, LOG = "0x3000000", "0x3002000"


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The image, made as the folder's Makefile makes it, in a folder that is not there yet."""
    for tool in ("make", "gcc", "ia64-linux-gnu-as", "ia64-linux-gnu-ld"):
        require_tool(tool)
    folder = tmp_path_factory.mktemp("image") / "made" / "here"
    command = ["make", "-s", "-C", str(FOLDER), f"OUT={folder}", f"PVASM={sys.executable} -m pvasm"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return folder / "image"


# What each hook and each function of the tables puts in the log: the members in the order of their structs.
LOGS = {
    "bare_hardware": ["native: nothing to patch", "bare hardware: bjABCDEFGHIJKLMNOPQRSTUVWXY1234"],
    "xen": ["xen: patched 14 sites", "Xen/ia64: iiiiiibjABCDEFGHIJKLMNOPQRSTUVWtXtY1234"],
}


@pytest.mark.parametrize("entry", LOGS)
def test_it_boots(image: Path, entry: str) -> None:
    """A timer interrupt (T), 100 system calls of three tasks; the same console, and a log of what was patched."""
    instance = "native" if entry == "bare_hardware" else "xen"
    scenario = FOLDER / f"{entry}.yaml"
    done = pvasm("simulate", image, "--scenario", scenario, "-i", instance, "--text", CONSOLE, "--text", LOG)
    assert (done.status, done.errors) == (0, "")
    lines = done.output.splitlines()
    assert lines[-4:] == [
        "It ended at halt.",
        f"{CONSOLE}: T{'ABC' * 33}A",
        *(f"{LOG}: {line}" for line in LOGS[entry]),
    ]


def test_what_is_patched_at_boot_is_what_the_records_say(image: Path) -> None:
    data = image.read_bytes()
    sites = sites_of(data, str(image))
    assert len(sites.sites) == 14
    assert all("xen" in site.records for site in sites.sites)
    assert {each.name for each in elf_file_of(data, "image").sections} > {".pv_alternatives", ".pv_replacements"}


def test_an_entry_without_a_hook_goes_no_further(image: Path, tmp_path: Path) -> None:
    scenario = tmp_path / "unknown.yaml"
    text = (FOLDER / "bare_hardware.yaml").read_text().partition("expect:")[0]
    file = elf_file_of(image.read_bytes(), "image")
    address = next(each.value for each in file.symbols if each.name == "hypervisor_type")
    scenario.write_text(f"{text}memory:\n  {address:#x}: '0200000000000000'\nexpect:\n  end: hypervisor_unknown\n")
    done = pvasm("simulate", image, "--scenario", scenario)
    assert (done.status, done.errors) == (0, "")
