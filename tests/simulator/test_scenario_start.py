"""`pvasm scenario new`: what code needs to begin, and no more."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml
from pvsim.scenario import Interrupt, Page, Scenario
from pvsim.scenario_file import written
from pvsim.scenario_run import CODE, Variant
from pvsim.scenario_start import scenario_for
from pvsim.source_image import image_of_variant

from pvasm.paravirt.loading import load_instance
from tests.cli.command import pvasm

SAMPLES = Path(__file__).resolve().parents[2] / "sample_S"
RETURN = 0x8000  # where b0 returns to


@pytest.mark.parametrize(
    ("code", "registers"),
    [
        ("mov r31 = pr\n;;\nmov pr = r31, -1\nbr.ret.sptk b0", {}),  # what is only put back
        ("(p6) adds r3 = 1, r4\nbr.ret.sptk b0", {"p6": 0, "r4": 0}),
        ("ld8 r3 = [r4]\nbr.ret.sptk b0", {"r4": 0}),  # not the walker's table
        ("mov r3 = cr.pta\nbr.ret.sptk b0", {"cr.pta": 15 << 2}),
        ("thash r3 = r4\nbr.ret.sptk b0", {"cr.pta": 15 << 2, "r4": 0}),
        ("ssm psr.i\nbr.ret.sptk b0", {}),  # nor the mask of interrupts
        ("br.cond.sptk far\n;;\nadd r3 = r4, r0\n;;\nfar:\nadd r3 = r5, r0\nbr.ret.sptk b0", {"r5": 0}),
        ("again:\nadd r3 = r5, r0\nbr.cond.sptk again", {"r5": 0}),
        ("(p6) br.cond.sptk far\nadd r3 = r4, r0\nbr.ret.sptk b0\n;;\nfar:\nadd r3 = r5, r0", {"p6": 0, "r4": 0}),
        ("br.ret.sptk b6", {"b6": RETURN}),
        ("mov b6 = r4\n;;\nbr.cond.sptk b6", {"r4": 0}),
        ("mov r3 = ar.pfs\nmov r4 = cr.ivr\nbr.ret.sptk b0", {}),  # that is there, and that is nobody's to say
        ("mov r3 = cr.ifa\nmov cr.ifa = r5\nbr.ret.sptk b0", {"cr.ifa": 0, "psr.ic": 0, "psr.bn": 0, "r5": 0}),
        ("rsm psr.ic\n;;\nmov r3 = cr.ifa\nmov cr.ifa = r5\nbr.ret.sptk b0", {"cr.ifa": 0, "r5": 0}),
        ("bsw.1\n;;\nbr.ret.sptk b0", {"psr.bn": 0}),
        ("itc.d r3\nbr.ret.sptk b0", {"r3": 0, "cr.ifa": 0, "cr.itir": 14 << 2, "psr.ic": 0, "psr.bn": 0}),
    ],
)
def test_what_code_asks_for(code: str, registers: dict[str, int]) -> None:
    image = image_of_variant(f"entry:\n{code}\n", "a.S", None, address=CODE)
    assert scenario_for(Variant(load_instance("native"), image), "entry").registers == registers


@pytest.mark.parametrize(
    ("file", "entry", "most"),
    [
        *(("ivt.S", entry, 12) for entry in ("dtlb_miss", "dirty_bit")),
        ("ivt.S", "page_fault", 24),
        *(
            pytest.param("ivt.S", entry, most, marks=pytest.mark.slow)
            for entry, most in (
                ("vhpt_miss", 12),
                ("alt_itlb_miss", 12),
                ("break_fault", 24),
                ("external_interrupt", 24),
            )
        ),
        *(("fsys.S", entry, 4) for entry in ("fsys_clock", "fsys_process_id", "paravirt_fsys_bubble_down")),
        ("switch_to.S", "__paravirt_switch_to", 12),
    ],
)
def test_what_is_begun_for_the_samples_is_short_and_runs(tmp_path: Path, file: str, entry: str, most: int) -> None:
    """Nothing is wrong with native from there, and the others do the same."""
    for each in ("include", file):
        copied = shutil.copytree if (SAMPLES / each).is_dir() else shutil.copy
        copied(SAMPLES / each, tmp_path / each)
    done = pvasm("scenario", "new", file, "-I", "include", "--entry", entry, "-o", "s.yaml", cwd=tmp_path)
    assert (done.status, done.errors) == (0, "")
    assert len(yaml.safe_load((tmp_path / "s.yaml").read_text())["registers"]) <= most
    done = pvasm("test", "s.yaml", cwd=tmp_path)
    assert (done.status, done.errors) == (0, ""), done.output


def test_numbers_are_as_people_write_them() -> None:
    scenario = Scenario(
        entry="a",
        registers={"r3": 20, "ar.lc": 20, "r4": -1},
        words={"0x30000": [16, 7]},
        pages=[Page(1 << 61, 0x4000, size=16, register=12)],
        interrupts=[Interrupt(64, 30)],
        in_service=[64],
        steps=20_000,
    )
    assert written(scenario) == (
        'entry: a\nregisters:\n  r3: 0x14\n  ar.lc: 20\n  r4: -1\nwords:\n  "0x30000": [0x10, 7]\n'
        "pages: [{at: 0x2000000000000000, to: 0x4000, size: 16, register: 12}]\n"
        "interrupts: [{vector: 64, after: 30}]\nin_service: [64]\nsteps: 20000\n"
    )


def test_a_scenario_in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sources and folders of headers are named from there on, and found from anywhere below what is tried."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "include").mkdir()
    (tmp_path / "kernel").mkdir()
    (tmp_path / "scenarios").mkdir()
    (tmp_path / "include/x.h").write_text("#define ADDRESS r16\n")
    (tmp_path / "kernel/f.S").write_text('#include "x.h"\n\t.text\nf:\tMOV_FROM_IFA(ADDRESS)\n\tbr.ret.sptk b0\n')
    made = pvasm(
        *("scenario", "new", "kernel/f.S", "-I", "include", "-D", "A=1", "--entry", "f", "-o", "scenarios/f.yaml")
    )
    assert (made.status, made.errors) == (0, "")
    text = (tmp_path / "scenarios/f.yaml").read_text()
    assert "file: ../kernel/f.S\ninclude: [../include]\n" in text
    assert pvasm("test", "scenarios").output.splitlines()[-1] == "3 runs, 0 failed."
    shown = pvasm("scenario", "new", "kernel/f.S", "-I", "include", "-D", "A=1", "--entry", "f").output
    assert shown == text.replace("../", "")
    piped = pvasm("scenario", "new", "-", "--entry", "f", stdin=b"f:\tMOV_FROM_IFA(r16)\n\tbr.ret.sptk b0\n")
    assert "file" not in piped.output
