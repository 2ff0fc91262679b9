"""Templates say what is wrong with them, with the line; and none runs for long or grows large."""

from __future__ import annotations

import contextlib
import re
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pvasm.errors import PvasmError
from pvasm.paravirt.arguments import RegisterNotKnownError, TemplateArgument, mismatch, operand
from pvasm.paravirt.instance import Instance, load_instance
from pvasm.paravirt.template import Template
from pvasm.paravirt.yaml_nodes import Node

HEAD = "name: mine\ndescription: A test\nextends: native\nops:\n  MOV_FROM_IVR:\n    template: |\n"


def instance_with(template: str, folder: Path) -> Instance:
    """An instance whose MOV_FROM_IVR is this template; its first line is line 7 of the file."""
    path = folder / "mine.yaml"
    path.write_text(HEAD + "".join(f"      {line}\n" for line in template.split("\n")))
    return load_instance(str(path))


def lines_of(template: str, folder: Path, *arguments: str) -> tuple[str, ...]:
    instance = instance_with(template, folder)
    return instance.lines(instance.catalog.ops["MOV_FROM_IVR"], arguments or ("r20", "r21"))


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("nop 0\n{% if %}", r":8:1: ops\.MOV_FROM_IVR\.template: .*"),
        ("nop 0\n\n{{ clop }}", r":9:1: .*: clop is undefined \(did you mean clob\?\)"),
        ("{% if reg == 'r1' %}{{ nowhere }}{% endif %}", r":7:1: .*: nowhere is undefined"),
        ("{{ reg.__class__ }}", r".*the attribute __class__ is not allowed"),
        ("{{ reg['__class__'] }}", r".*the construct Getitem is not allowed.*"),
        ("{{ ''.join(reg) }}", r".*only range may be called"),
        ("{{ reg() }}", r".*only range may be called"),
        ("{{ range(*reg) }}", r".*only range may be called"),
        ("{{ 'a' * 1000000000 }}", r".*`\*' is for integers"),
        ("{{ '%9999999999d' % 1 }}", r".*the construct Mod is not allowed.*"),
        ("{{ 9 ** 9 ** 9 }}", r".*the construct Pow is not allowed.*"),
        ("{{ 'a' ~ 'b' }}", r".*the construct Concat is not allowed.*"),
        ("{{ reg | upper }}", r".*(No filter named 'upper'|the construct Filter).*"),
        ("{{ reg is string }}", r".*(No test named 'string'|the test string).*"),
        (
            "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
            r".*the construct Macro is not allowed.*|.*is undefined.*|.*only range.*",
        ),
        ("{% include '/etc/passwd' %}", r".*the construct Include is not allowed.*"),
        ("{% import 'x' as y %}", r".*the construct Import is not allowed.*"),
        ("{% for a in (1, 2) %}{% endfor %}", r".*a loop is written .*"),
        ("{% for a in range(3) recursive %}{{ loop(a) }}{% endfor %}", r".*(a loop is written|only range).*"),
        ("{% set a %}{% endset %}", r".*AssignBlock.*"),
        ("{% set range = 1 %}", r".*`set' sets one name.*"),
        ("{% set a, b = 1, 2 %}", r".*`set' sets one name.*"),
        ("{{ " + "(" * 3000 + "1" + ")" * 3000 + " }}", r".*nested too deep, or too large.*"),
        ("{{ " + "-" * 5000 + "1 }}", r".*nested too deep, or too large.*"),
        ("x" * 17_000, r".*a template of more than 16384 characters"),
    ],
)
def test_refused_when_loaded(template: str, message: str, tmp_path: Path) -> None:
    started = time.perf_counter()
    with pytest.raises(PvasmError) as caught:
        lines_of(template, tmp_path)
    assert time.perf_counter() - started < 5
    text = str(caught.value).replace(str(tmp_path / "mine.yaml"), "")
    assert re.fullmatch(message, text), text


NEST = "{% for a in range(99999) %}" * 8 + "x" + "{% endfor %}" * 8


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("nop 0\n{{ 1 // 0 }}", r":8:1: .*zero.*"),
        ("{% for a in range(1000000000000) %}{% endfor %}", r".*loops of more than 10000 steps"),
        ("{% for a in range(10 ** 2) %}{% endfor %}".replace("10 ** 2", "1" * 60), r".*(loops of more|too large).*"),
        (NEST, r".*loops of more than 10000 steps"),
        (
            "{% for a in range(90) %}{% for b in range(200) %}{% endfor %}{% endfor %}",
            r".*loops of more than 10000 steps",
        ),
        ("{% for a in range(9000) %}xxxxxxxxxxxxxxxxxxxx{% endfor %}", r".*more than 65536 characters"),
        ("{% set a = 99999999999 %}" + "{% set a = a * a %}" * 60, r".*an integer beyond 128 bits.*"),
        ("{{ reg + 1 }}", r".*`\+' is for integers"),
        ("nop 0\n{{ reg.number }}", r""),
        ("nop 0 // why", r".*a comment in the output.*"),
        ('# 1 "x"', r".*a comment in the output.*"),
        ("{{ reg < 3 }}", r".*not supported.*"),
        ("{{ range(reg) }}", r".*range is for integers"),
        ("{{ range(1, 2, 0) }}", r".*zero.*"),
    ],
)
def test_refused_when_rendered(template: str, message: str, tmp_path: Path) -> None:
    started = time.perf_counter()
    with pytest.raises((PvasmError, RegisterNotKnownError)) as caught:
        lines_of(template, tmp_path)
    assert time.perf_counter() - started < 5
    text = str(caught.value).replace(str(tmp_path / "mine.yaml"), "")
    assert not message or re.fullmatch(message, text), text


def test_constructs_that_work(tmp_path: Path) -> None:
    template = (
        "{# not in the output #}\n{% set far = 0x10000 * 3 %}\n"
        "{% for n in range(2) if n is even %}\nmov {{ reg }} = {{ n + 1 }} ;;\n{% else %}\nnop 9\n{% endfor %}\n"
        "{% if reg == 'r8' and clob != 'r9' %}\nnop 1\n"
        "{% elif reg in ('r8', 'r9') %}\nnop 2\n{% else %}\nnop {{ far }}\n{% endif %}"
    )
    assert lines_of(template, tmp_path) == ("mov r20 = 1 ;;", "nop 0x30000")
    assert lines_of(template, tmp_path, "ret0", "r20")[1] == "nop 1"
    assert lines_of(template, tmp_path, "ret1", "r20")[1] == "nop 2"


def test_constants_print_as_they_are_written(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(
        "name: mine\ndescription: d\nextends: native\nconstants: {A: 0x12, B: 18, C: word}\n"
        "ops:\n  RFI: {template: 'nop {{ A }} {{ B }} {{ C }} {{ A + 1 }}'}\n"
    )
    instance = load_instance(str(path))
    assert instance.lines(instance.catalog.ops["RFI"], []) == ("nop 0x12 18 word 19",)


def test_an_argument_whose_register_is_not_known(tmp_path: Path) -> None:
    same, other = "{% if reg == clob %}\nnop 1\n{% endif %}", "{% if reg == 'r8' %}\nnop 1\n{% endif %}"
    assert lines_of(same, tmp_path, "x", "x") == ("nop 1",)
    for template in (same, other):
        with pytest.raises(RegisterNotKnownError):
            lines_of(template, tmp_path, "x", "r1")
    assert lines_of("mov {{ reg }} = r0", tmp_path, "\\reg", "r1") == ("mov \\reg = r0",)


WORDS = (
    *("{{", "}}", "{%", "%}", " if ", " for ", " in ", " endif ", " endfor ", "set ", "range", "reg", "number", "'r8'"),
    *("(", ")", "9", "*", "=", "\n", ".", "~", "[", "]", "|", "_"),
)


@settings(max_examples=300)
@given(st.lists(st.sampled_from(WORDS), max_size=25))
def test_any_template_is_rendered_or_refused(words: list[str]) -> None:
    template = Template(Node("".join(words), 1, 1, {}), "f", "t", ["reg"])
    with contextlib.suppress(PvasmError, RegisterNotKnownError):
        template.render({"reg": TemplateArgument(operand("r8"), {})})


@pytest.mark.parametrize(
    ("text", "kind", "use", "message"),
    [
        ("r127", "general", "out", None),
        ("in0", "general", "in", None),
        ("loc95", "general", "clobber", None),
        ("sp", "general", "in", None),
        ("r0", "general", "in", None),
        ("p63", "predicate", "in", None),
        ("p0", "predicate", "in", None),
        ("pUStk", "predicate", "in", None),
        ("\\reg", "general", "out", None),
        ("PICK(a, b)", "general", "out", None),
        ("CURRENT", "kernel-register", "in", None),
        ("r128", "general", "out", None),  # no register: a symbol, as far as its text tells
        ("r0", "general", "clobber", "r0 cannot be written"),
        ("p0", "predicate", "clobber", "p0 cannot be written"),
        ("p6", "general", "in", "p6 is a predicate register where a general register is due"),
        ("r6", "predicate", "in", "r6 is a general register where a predicate register is due"),
        ("f6", "general", "in", "f6 is a floating-point register"),
        ("b0", "general", "in", "b0 is a branch register"),
        ("ar.itc", "general", "in", "ar.itc is an application register"),
        ("cr.ifa", "general", "out", "cr.ifa is a control register"),
        ("psr", "general", "in", "psr is the processor status register"),
        ("pr", "predicate", "in", "pr is "),
        ("cpuid[r3]", "general", "in", "cpuid[r3] is an element of an indexed register file"),
        ("5", "general", "in", "5 is a number"),
        ("psr.ic", "general", "in", "psr.ic is a number"),
        ("r1+1", "general", "in", "r1+1 is an expression"),
        ("(r1)", "general", "in", "write r1 without parentheses"),
        ("", "general", "in", "nothing is given where a general register is due"),
        ("CURENT", "kernel-register", "in", "CURENT is no kernel register; known are CURRENT"),
        ("", "kernel-register", "in", "nothing is given where the name of a kernel register is due: CURRENT"),
    ],
)
def test_kinds_of_arguments(text: str, kind: str, use: str, message: str | None) -> None:
    found = mismatch(text, kind, use, {"CURRENT": 6})  # type: ignore[arg-type]
    assert found is None if message is None else found is not None and found.startswith(message), found
