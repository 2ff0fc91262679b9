"""`pvasm instance`: what it prints and writes, and its exit status."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import jsonschema
import pytest

from pvasm.cli import main
from pvasm.paravirt.loading import load_catalog
from pvasm.paravirt.shipped import instance_names
from tests.cli.command import Done, pvasm
from tests.slow import few

CATALOG = load_catalog()
OPS = list(CATALOG.ops)
WIDTH = 100
Run = Callable[..., Done]

MINE = """\
name: mine
description: A small test
environment: trap
defines: MINE
extends: native
machine_vector: dig
constants: {THEIR_THASH: 0x20}
calls:
  THEIR_THASH: {takes: [r8], gives: [r8]}
tables:
  pv_init_ops: {banner: my_banner}
ops:
  THASH:
    apart: [[reg, clob]]
    not_among: {address: [r2, r16-r31]}
    template: |
      ;;
      {% if address != "r8" %}
      ({{ pred }}) mov r8 = {{ address }}
      {% endif %}
      ({{ pred }}) break {{ THEIR_THASH }} ;;
      ({{ pred }}) mov {{ reg }} = r8 ;;
  COVER: {template: ""}
"""

THASH = """\
THASH(pred, reg, address, clob)
  Computes where an address's entry stands in the hashed page table.
  pred      a predicate register
  reg       a general register to write to
  address   a general register
  clob      a general register to clobber
  replaces  (pred) thash reg = address

  mine (its own)
    reg and clob must be different registers
    address must not be r2, r16-r31
    where address is r8 (2 instructions, 2 groups):
        ;;
        (pred) break 0x20 ;;
        (pred) mov reg = r8 ;;
    otherwise (3 instructions, 2 groups):
        ;;
        (pred) mov r8 = address
        (pred) break 0x20 ;;
        (pred) mov reg = r8 ;;
"""

DIFF = """\
--- native
+++ mine

THASH(pred, reg, address, clob)  native: 1/1, mine: 3/2 [2/2]
- always (1 instruction, 1 group):
-     (pred) thash reg = address
+ reg and clob must be different registers
+ address must not be r2, r16-r31
+ where address is r8 (2 instructions, 2 groups):
+     ;;
+     (pred) break 0x20 ;;
+     (pred) mov reg = r8 ;;
+ otherwise (3 instructions, 2 groups):
+     ;;
+     (pred) mov r8 = address
+     (pred) break 0x20 ;;
+     (pred) mov reg = r8 ;;

1 of 2 ops differ
"""


@pytest.fixture
def run(capfdbinary: pytest.CaptureFixture[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs `pvasm instance` in a folder of its own, with the file mine.yaml."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text(MINE)

    def running(*arguments: str) -> Done:
        status = main(["instance", *arguments])
        output, errors = capfdbinary.readouterr()
        return Done(status, output.decode(), errors.decode())

    return running


def too_wide(text: str) -> Sequence[str]:
    return [line for line in text.splitlines() if len(line) > WIDTH and "/" not in line]


# ------------------------------------------------------------------------------------------ list


def test_list(run: Run) -> None:
    done = run("list")
    assert done.status == 0
    head, *lines = done.output.splitlines()
    assert head.split("  ")[0] == "name"
    assert [line.split()[0] for line in lines if line[0] != " "] == instance_names()
    assert not too_wide(done.output)
    assert head.index("description") == next(line for line in lines if line.startswith("native ")).index(
        "Bare hardware"
    )


def test_list_json(run: Run) -> None:
    found = [json.loads(line) for line in run("list", "--format", "json").output.splitlines()]
    assert [each["name"] for each in found] == instance_names()
    by_name = {each["name"]: each for each in found}
    assert by_name["xen"]["environment"] == by_name["xen"]["machine_vector"] == "xen"
    assert (by_name["native"]["own_ops"], by_name["native"]["machine_vector"]) == ([], None)
    assert by_name["xen"]["own_ops"] == OPS


# ------------------------------------------------------------------------------------------ show


def test_show_tells_which_layer_supplies_what(run: Run) -> None:
    done = run("show", "./mine.yaml")
    assert done.status == 0
    lines = [line.split("  ") for line in done.output.splitlines()]
    flat = {tuple(part.strip() for part in line if part.strip()) for line in lines}
    assert ("mine: A small test",) in flat
    assert ("file", "mine.yaml") in flat
    assert ("machine vector", "dig: platform set-up, delivery of interrupts, DMA, I/O") in flat
    assert ("pv_ops, assembly", f"2 ops by templates, {len(OPS) - 2} as the instructions themselves") in flat
    assert ("underneath", "a hypervisor that emulates the instructions that trap") in flat
    assert ("pv_init_ops.banner", "= my_banner") in flat
    assert ("pv_cpu_ops.fc", "= ia64_native_fc_func, native's") in flat
    assert ("pv_init_ops.patch_inst", "= null: does nothing") in flat
    assert ("pv_patchdata.gate_section", "= __start_gate_section, native's") in flat
    assert ("__paravirt_switch_to", "-> ia64_native_switch_to") in flat
    assert ("THEIR_THASH", "= 0x20", "a call, takes r8, gives r8") in flat
    assert ("THASH(pred, reg, address, clob)", "3/2 [2/2]", "its own") in flat
    assert ("COVER", "0/0", "its own") in flat
    assert ("RFI", "1/1", "the instruction itself") in flat


@pytest.mark.parametrize("name", instance_names())
def test_show_what_is_shipped(name: str, run: Run) -> None:
    done = run("show", name)
    assert done.status == 0
    assert not too_wide(done.output)
    shown = json.loads(run("show", name, "--format", "json").output)
    assert [each["name"] for each in shown["ops"]] == OPS
    for each in shown["ops"]:
        assert f"  {each['signature']} " in done.output or f"  {each['signature']}\n" in done.output
        assert each["cases"]
        assert each["cases"][-1]["where"] == []
    assert run("show", name).output == done.output


def test_show_an_op(run: Run) -> None:
    assert run("show", "mine.yaml", "--op", "THASH") == Done(0, THASH, "")
    done = run("show", "mine.yaml", "--op", "COVER", "--op", "THASH")
    first, second = done.output.split("\n\nTHASH", 1)
    assert first.endswith("    always (0 instructions, 0 groups):\n        nothing")
    assert f"THASH{second}" == THASH


def test_show_an_op_json(run: Run) -> None:
    (line,) = run("show", "mine.yaml", "--op", "THASH", "--format", "json").output.splitlines()
    found = json.loads(line)
    assert (found["instance"], found["name"], found["defined_by"]) == ("mine", "THASH", "mine")
    assert found["parameters"][1] == {"name": "reg", "kind": "general", "use": "out"}
    assert found["apart"] == [["reg", "clob"]]
    first, last = found["cases"]
    assert first["where"] == [[["address", "r8"]]]
    assert (last["where"], last["instructions"], last["groups"]) == ([], 3, 2)
    assert last["lines"] == [";;", "(pred) mov r8 = address", "(pred) break 0x20 ;;", "(pred) mov reg = r8 ;;"]


def test_poison_is_told_of(run: Run) -> None:
    Path("poison.yaml").write_text("name: poison\ndescription: d\nextends: native\npoison: {general: 1}\n")
    done = run("show", "poison.yaml", "--op", "RSM_PSR_IC").output
    assert "  poison (the instruction itself, and poison)\n" in done
    assert done.endswith("        rsm psr.ic\n        ;;\n        movl clob = 1 ;;\n")
    every = run("show", "poison.yaml").output
    poisoned = sum(any((p.kind, p.use) == ("general", "clobber") for p in op.parameters) for op in CATALOG.ops.values())
    assert f"0 ops by templates, {len(OPS)} as the instructions themselves, {poisoned} with poison\n" in every


def test_a_question_that_has_no_answer(run: Run) -> None:
    template = "{% if address == 'their' %}rfi{% endif %}"
    Path("odd.yaml").write_text(
        f'name: odd\ndescription: d\nextends: native\nops: {{FC: {{template: "{template}"}}}}\n'
    )
    done = run("show", "odd.yaml", "--op", "FC")
    assert done.status == 2
    assert done.errors.startswith("pvasm: error: odd.yaml:4:22: ops.FC.template: ")


@pytest.mark.parametrize("arguments", [("show", "xen"), ("diff", "xen", "native")])
def test_an_op_that_there_is_not(arguments: Sequence[str], run: Run) -> None:
    done = run(*arguments, "--op", "MOV_FROM_IV")
    assert (done.status, done.output) == (2, "")
    assert done.errors == "pvasm: error: no such op in the catalog: MOV_FROM_IV (did you mean MOV_FROM_IVR?)\n"


def test_an_instance_that_there_is_not(run: Run) -> None:
    done = run("show", "xem")
    assert (done.status, done.output) == (2, "")
    assert done.errors.startswith("pvasm: error: unknown instance xem (did you mean xen?)")


# -------------------------------------------------------------------------------------- validate


def test_validate(run: Run) -> None:
    linux = sum(not op.extension for op in CATALOG.ops.values())
    told = f"{linux} ops of Linux, {len(OPS) - linux} of the extension"
    Path("well.yaml").write_text("name: well\ndescription: A test\nextends: native\n")
    assert run("validate", "well.yaml") == Done(0, f"well.yaml: instance well, complete: {told}\n", "")
    assert run("validate", "xen").output.endswith(f"/xen.yaml: instance xen, complete: {told}\n")


def test_validate_tells_what_is_wrong_as_check_does(run: Run, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    done = run("validate", "mine.yaml")
    assert done.status == 1
    assert "complete" not in done.output
    main(["check", "--no-cache", "mine.yaml"])
    checked = capfdbinary.readouterr().out.decode().splitlines(keepends=True)
    assert done.output == "".join(checked[:-1])


def test_validate_several(run: Run) -> None:
    Path("broken.yaml").write_text("name: broken\nextends: native\n")
    Path("template.yaml").write_text("name: x\ndescription: d\nextends: native\nops: {RFI: {template: '{{ q }}'}}\n")
    Path("missing.yaml").write_text("name: x\ndescription: d\nenvironment: xen\ndefines: X\n")
    done = run("validate", "broken.yaml", "native", "nosuch.yaml")
    assert done.status == 2
    assert done.output.endswith("of the extension\n")
    assert done.errors.splitlines() == [
        "pvasm: error: broken.yaml:1:1: the key description is missing",
        "pvasm: error: nosuch.yaml: no such file or folder",
    ]
    assert run("validate", "template.yaml").status == 1
    assert run("validate", "missing.yaml").output.startswith(
        "missing.yaml:1:1: PV501 error: no definition of MOV_FROM_I"
    )


# ------------------------------------------------------------------------------------------- new


@pytest.mark.parametrize("name", [*few(instance_names(), "trap")])
def test_new_is_valid_and_does_what_its_base_does(name: str, run: Run) -> None:
    assert run("new", "my-own", "--from", name) == Done(0, "my-own.yaml\n", "")
    done = run("validate", "my-own.yaml")
    assert (done.status, done.errors) == (0, "")
    assert len(done.output.splitlines()) == 1
    found = json.loads(run("diff", name, "my-own.yaml", "--format", "json").output)
    assert list(found["keys"]) == ["defines"]
    assert not any(found[key] for key in ("constants", "calls", "renames", "tables", "blocks", "ops"))
    shown = json.loads(run("show", "my-own.yaml", "--format", "json").output)
    assert {each["defined_by"] for each in shown["ops"]} == {"my-own"}
    assert shown["defines"] == "__IA64_ASM_PARAVIRTUALIZED_MY_OWN"


@pytest.mark.parametrize("name", instance_names())
def test_a_minimal_one_takes_all_over(name: str, run: Run) -> None:
    assert run("new", "my-own", "--minimal", "--from", name).status == 0
    assert run("validate", "my-own.yaml").status == 0
    assert run("diff", name, "my-own.yaml") == Done(0, "", "")
    text = Path("my-own.yaml").read_text()
    keys = [line.partition(":")[0] for line in text.splitlines() if line and line[0] not in "# "]
    assert keys == ["name", "description", "extends"]


@pytest.mark.slow
def test_what_new_leaves_in_comments_holds_when_it_is_uncommented(run: Run) -> None:
    """Each key that is a comment with its values may be made one, and nothing changes."""
    base = run("new", "base", "--from", "xen", "-o", "-").output
    Path("base.yaml").write_text(f'{base}blocks: {{DO_SAVE_MIN: {{template: "\\n  COVER\\n{{{{ extra }}}}"}}}}\n')
    run("new", "my-own", "--from", "base.yaml")
    path = Path("my-own.yaml")
    lines = path.read_text().split("\n")
    uncommented = ("# constants:", "# calls:", "# renames:", "# tables:", "# blocks:")
    starts = [place for place, line in enumerate(lines) if line in uncommented]
    assert len(starts) == len(uncommented)
    for place in starts:
        while lines[place].startswith("#"):
            lines[place] = lines[place][2:]
            place += 1
    path.write_text("\n".join(lines))
    found = json.loads(run("diff", "base.yaml", "my-own.yaml", "--format", "json").output)
    assert list(found["keys"]) == ["defines"]
    assert not any(found[key] for key in ("constants", "calls", "renames", "tables", "blocks", "ops"))


def test_new_overwrites_nothing(run: Run) -> None:
    before = Path("mine.yaml").read_text()
    done = run("new", "mine", "--from", "native")
    assert (done.status, done.output) == (2, "")
    assert done.errors == "pvasm: error: mine.yaml: exists already; remove it, or name another file with -o\n"
    assert Path("mine.yaml").read_text() == before
    assert run("new", "other", "--from", "native", "-o", "mine.yaml").status == 2


def test_new_from_a_file_beside_it(run: Run) -> None:
    done = run("new", "ours", "--from", "mine.yaml", "-o", "-")
    assert done.status == 0
    assert "\nextends: mine.yaml\n" in done.output
    assert (
        '    not_among: {address: [r2, r16-r31]}\n    template: |\n      ;;\n      {% if address != "r8" %}\n'
        in done.output
    )
    assert '  COVER:\n    template: ""\n' in done.output
    Path("below").mkdir()
    done = run("new", "ours", "--from", "mine.yaml", "-o", "below/ours.yaml")
    assert done.status == 2
    assert "an instance extends a file beside it" in done.errors


@pytest.mark.parametrize("name", ["xen", "all", "ops", "Mine", "a b", "../x", ""])
def test_new_refuses_names(name: str, run: Run) -> None:
    done = run("new", name, "--from", "native", "-o", "out.yaml")
    assert (done.status, done.output) == (2, "")
    assert not Path("out.yaml").exists()


# ------------------------------------------------------------------------------------------ diff


def test_diff_of_ops(run: Run) -> None:
    assert run("diff", "native", "mine.yaml", "--op", "THASH", "--op", "RFI") == Done(1, DIFF, "")
    assert run("diff", "native", "mine.yaml", "--op", "RFI") == Done(0, "", "")
    assert run("diff", "mine.yaml", "mine.yaml") == Done(0, "", "")


def test_diff_of_all_else(run: Run) -> None:
    done = run("diff", "native", "mine.yaml")
    assert done.status == 1
    for part in (
        "- environment: hardware\n+ environment: trap\n",
        "- defines: __IA64_ASM_PARAVIRTUALIZED_NATIVE\n+ defines: MINE\n",
        "\n+ machine_vector: dig\n",
        "\nconstants\n+ THEIR_THASH: 0x20\n",
        "\n+ 0x20: takes r8, gives r8\n",
        "\ntables\n+ pv_init_ops.banner: my_banner\n",
        "\nCOVER  native: 1/1, mine: 0/0\n",
        f"\n2 of {len(OPS)} ops differ\n",
    ):
        assert part in done.output
    assert "\nrenames" not in done.output
    found = json.loads(run("diff", "native", "mine.yaml", "--format", "json").output)
    assert found["keys"]["machine_vector"] == [None, "dig"]
    assert [each["name"] for each in found["ops"]] == ["THASH", "COVER"]
    assert [found["ops"][0][side]["instructions"] for side in ("left", "right")] == [1, 3]


def test_diff_of_what_the_arguments_must_be(run: Run) -> None:
    Path("a.yaml").write_text("name: a\ndescription: d\nextends: native\nops: {FC: {template: 'fc r0', apart: []}}\n")
    Path("b.yaml").write_text(
        "name: b\ndescription: d\nextends: native\nops: {FC: {template: 'fc r0', apart: [[address, clob]]}}\n"
    )
    done = run("diff", "a.yaml", "b.yaml")
    assert done.status == 1
    assert "+ address and clob must be different registers\n" in done.output


def test_diff_trouble_is_no_difference(run: Run) -> None:
    assert run("diff", "native", "nosuch.yaml").status == 2


# ---------------------------------------------------------------------------------------- schema


@pytest.mark.parametrize("options", [(), ("--catalog",)])
def test_schema(options: Sequence[str], run: Run) -> None:
    done = run("schema", *options)
    assert done.status == 0
    jsonschema.Draft7Validator.check_schema(json.loads(done.output))


def test_as_a_person_runs_it() -> None:
    done = pvasm("instance", "show", "xen", "--op", "RFI")
    assert (done.status, done.errors) == (0, "")
    assert done.output.startswith("RFI\n  Returns from the interruption.\n  replaces  rfi\n")
    assert pvasm("instance").status == 2
