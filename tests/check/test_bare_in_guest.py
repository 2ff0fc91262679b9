"""M14: what stays bare in a guest, and where it comes from."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pvasm.paravirt.shipped import instance_names
from tests.cli.command import pvasm
from tests.slow import few

HEAD = "name: g\ndescription: A guest\n"
BARE = [
    *("COVER", "FC", "FC_I", "MOV_FROM_CPUID", "MOV_FROM_ITC", "MOV_FROM_PMD", "MOV_FROM_RUC", "MOV_TO_EFLAG"),
    *("THASH", "TTAG"),
]


def validated(folder: Path, text: str) -> tuple[int, str]:
    """What `instance validate` says of a file, which `check` says too."""
    (folder / "g.yaml").write_text(HEAD + text)
    done = pvasm("instance", "validate", "g.yaml", cwd=folder)
    checked = pvasm("check", "g.yaml", cwd=folder)
    assert checked.status == done.status
    assert re.findall("PV5.*", checked.output) == re.findall("PV5.*", done.output)
    return done.status, done.output + done.errors


def ops(said: str) -> list[str]:
    return re.findall(r"PV508 error: (\w+):", said)


@pytest.mark.parametrize("base", ["native", "hvm"])
@pytest.mark.parametrize("environment", ["trap", "xen"])
def test_what_a_guest_takes_over_from_bare_hardware(base: str, environment: str, tmp_path: Path) -> None:
    status, said = validated(tmp_path, f"extends: {base}\nenvironment: {environment}\n")
    assert (status, ops(said)) == (1, BARE)
    assert (
        f"g.yaml:3:1: PV508 error: COVER: the sensitive instruction `cover', taken over from {base}, stays bare" in said
    )
    assert (
        f"g.yaml:3:1: PV509 note: 57 ops are those of {base}, which runs on hardware, and this on {environment}" in said
    )


def test_what_is_otherwise_the_instruction(tmp_path: Path) -> None:
    status, said = validated(tmp_path, "environment: trap\ndefines: MINE\notherwise: replaces\n")
    assert (status, ops(said), "PV509" in said) == (1, BARE, False)


def test_a_template_that_comes_to_the_instruction(tmp_path: Path) -> None:
    text = "extends: trap\nops:\n  THASH:\n    template: |\n      ({{ pred }}) thash {{ reg }} = {{ address }}\n"
    status, said = validated(tmp_path, text)
    assert (status, ops(said)) == (1, ["THASH"])
    assert "g.yaml:5:3: PV508 error: THASH: the sensitive instruction `(p6) thash r20 = r21' stays bare" in said


def test_a_reason_is_enough_and_is_taken_over(tmp_path: Path) -> None:
    text = "extends: trap\nops:\n  COVER: {template: cover}\nbare: {COVER: psr.ic is 1 here}\n"
    assert validated(tmp_path, text)[0] == 0
    (tmp_path / "base.yaml").write_text((tmp_path / "g.yaml").read_text().replace("name: g", "name: base"))
    assert validated(tmp_path, "extends: base.yaml\n")[0] == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("bare: {COVR: why}\n", "g.yaml:4:8: bare.COVR: no such op in the catalog (did you mean COVER?)"),
        ("bare: {COVER: ' '}\n", "g.yaml:4:8: bare.COVER: say why the instruction may stay"),
        ("bare: [COVER]\n", "bare"),
    ],
)
def test_reasons_that_are_none(text: str, said: str, tmp_path: Path) -> None:
    status, output = validated(tmp_path, f"extends: trap\n{text}")
    assert (status, said in output) == (2, True)


@pytest.mark.parametrize("name", [*few(instance_names(), "trap")])
def test_those_that_travel_with_pvasm_are_clean(name: str) -> None:
    done = pvasm("instance", "validate", name)
    assert (done.status, "PV5" in done.output) == (0, False)


def test_an_environment_that_there_is_not(tmp_path: Path) -> None:
    status, said = validated(tmp_path, "extends: native\nenvironment: kvm\n")
    assert status == 2
    assert "'kvm' is not an environment: hardware, xen, trap; for a hypervisor of your own write `trap'" in said
