"""S7: what is wrong with an instance file is one line with its place, whichever command reads it; never a traceback."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.command import pvasm

COMMANDS = (
    "check ./t.yaml",
    "check -i ./t.yaml t.S",
    "check --fix -i ./t.yaml t.S",
    "instance validate ./t.yaml",
    "instance show ./t.yaml",
    "instance show --op ITC_I --format json ./t.yaml",
    "instance diff xen ./t.yaml",
    "instance new q -o - --from ./t.yaml",
    "header -i ./t.yaml",
    "tables -i ./t.yaml",
    "expand -i ./t.yaml t.S",
    "expand -i ./t.yaml raw.S",
)
TEMPLATES = (
    "{{ reg.number }}",
    "{% set x = reg %}{{ x.number }}",
    "{{ pred.number }}",
    "{% if reg == 'foo' %}nop 0{% endif %}",
    "{% if reg in ('r8', 'foo') %}nop 0{% endif %}",
    "{% if reg < pred %}nop 0{% endif %}",
    "{% if reg == 3 %}nop 0{% else %}itc.i {{ reg }}{% endif %}",
    "{{ HYPER.number }}",
    "{{ reg + 1 }}",
    "{{ clob }} {{ reg",
    "itc.i {{ reg }} }",
    "mov ar.nothing = {{ reg }}",
)


@pytest.mark.slow
@pytest.mark.parametrize("extends", ["hvm", "xen", "native"])
@pytest.mark.parametrize("template", TEMPLATES)
def test_a_wrong_template_is_told_of(tmp_path: Path, template: str, extends: str) -> None:
    (tmp_path / "t.yaml").write_text(
        f'name: t\ndescription: T.\nextends: {extends}\nops: {{ITC_I: {{template: "{template}"}}}}\n'
    )
    (tmp_path / "t.S").write_text("\tITC_I(p0, r8, r9)\n\tRFI\n")
    (tmp_path / "raw.S").write_text(".macro m x\n\tITC_I(p0, \\x, r9)\n.endm\n\tm r8\n")
    for command in COMMANDS if extends == "hvm" else COMMANDS[:4]:
        done = pvasm(*command.split(), cwd=tmp_path)
        assert "Traceback" not in done.errors, command
        assert done.status in (0, 1, 2), command
    done = pvasm("instance", "validate", "./t.yaml", cwd=tmp_path)
    if "== 3" not in template:
        assert done.status in (1, 2), (template, done)
        assert "t.yaml:4:" in done.output + done.errors
