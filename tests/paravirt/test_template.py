"""Templates say what is wrong with them, with the line; and none runs for long or grows large."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pvasm.errors import PvasmError
from pvasm.paravirt.arguments import (
    RegisterNotKnownError,
    TemplateArgument,
    mismatch,
    operand,
    same_register,
)
from pvasm.paravirt.expansion import Context
from pvasm.paravirt.instance import Instance
from pvasm.paravirt.loading import load_instance
from pvasm.paravirt.template import Template
from pvasm.paravirt.yaml_nodes import Node
from tests.slow import examples
from tests.work import Bounded

HEAD = "name: mine\ndescription: A test\nextends: native\nops:\n  MOV_FROM_IVR:\n    template: |\n"


def instance_with(template: str, folder: Path) -> Instance:
    """An instance whose MOV_FROM_IVR is this template; its first line is line 7 of the file."""
    path = folder / "mine.yaml"
    path.write_text(HEAD + "".join(f"      {line}\n" for line in template.split("\n")))
    return load_instance(str(path))


def lines_of(template: str, folder: Path, *arguments: str) -> tuple[str, ...]:
    instance = instance_with(template, folder)
    return instance.expand(instance.catalog.ops["MOV_FROM_IVR"], arguments or ("r20", "r21")).lines


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
        ("{% set a = (reg, clob) %}", r".*a list stands after `in' or `not in' alone"),
        ("{% if (reg, reg) == (clob, clob) %}{% endif %}", r".*a list stands after .*"),
        ("{% if reg in (clob, (reg, clob)) %}{% endif %}", r".*a list stands after .*"),
        ("{{ (1, 2) }}", r".*a list stands after .*"),
        ("{{ [1] }}", r".*a list stands after .*"),
        ("{{ range(10) }}", r".*range stands in a loop alone"),
        ("{% if 3 in range(10) %}{% endif %}", r".*range stands in a loop alone"),
        (r"{{ '\ud800' }}", r".*the character #xd800 is not allowed"),
        (r"{{ '\x00' }}", r".*the character #x0000 is not allowed"),
        ("{{ " + "(" * 3000 + "1" + ")" * 3000 + " }}", r".*nested too deep, or too large.*"),
        ("{{ " + "-" * 5000 + "1 }}", r".*nested too deep, or too large.*"),
        ("x" * 17_000, r".*a template of more than 16384 characters"),
    ],
)
def test_refused_when_loaded(template: str, message: str, tmp_path: Path) -> None:
    with Bounded(3_000_000), pytest.raises(PvasmError) as caught:
        lines_of(template, tmp_path)
    text = str(caught.value).replace(str(tmp_path / "mine.yaml"), "")
    assert re.fullmatch(message, text), text


NEST = "{% for a in range(99999) %}" * 8 + "x" + "{% endfor %}" * 8


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("nop 0\n{{ 1 // 0 }}", r":8:1: .*zero.*"),
        ("{% for a in range(1000000000000) %}{% endfor %}", r".*loops of more than 10000 steps"),
        ("{% for a in range(10 ** 2) %}{% endfor %}".replace("10 ** 2", "1" * 60), r".*(loops of more|too large).*"),
        (NEST, r".*loops of more than 3184 steps"),  # the longer the template, the fewer
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
        ("{% for a in range(reg) %}{% endfor %}", r".*range is for integers"),
        ("{% for a in range(true) %}{% endfor %}", r".*range is for integers"),
        ("{% for a in range(1, 2, 0) %}{% endfor %}", r".*zero.*"),
        *(
            (f"{{{{ {value} }}}}", r".*what is printed must be text, an .*")
            for value in ("none", "true", "1.5", "range")
        ),
        ("{{ " + "9" * 99 + " }}", r".*an integer beyond 128 bits"),
        ("nop 0 \\", r".*`nop 0 \\' ends with a backslash"),
        ('.ascii "abc', r".*: unterminated string"),
        ("mov r1 = = r2", r".*`mov r1 = = r2': `=' where .* is due"),
        ("nop (0", r".*`nop \(0': .*"),
        ("{ nop 0", r".*the braces do not match"),
        ("nop 0 }", r".*the braces do not match"),
        ("{ { nop 0 } }", r".*the braces do not match"),
        (".if 0\nnop 0", r".*`\.if 0': \.if would steer the assembler beyond the op"),
        ("nop 0 ; .endm", r".*\.endm would steer .*"),
        ("nop 0 ;; RFI", r".*names the op RFI, which would be left as it is"),
        ("{{ 'CO' if reg == 'r1' else 'COVER' }}", r".*names the op COVER, .*"),
    ],
)
def test_refused_when_rendered(template: str, message: str, tmp_path: Path) -> None:
    with Bounded(3_000_000), pytest.raises((PvasmError, RegisterNotKnownError)) as caught:
        lines_of(template, tmp_path)
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
        "name: mine\ndescription: d\nextends: native\nconstants: {A: 0x12, B: 18, C: word, D: 0o17, E: 010}\n"
        "ops:\n  RFI: {template: 'foo {{ A }} {{ B }} {{ C }} {{ A + 1 }} {{ D }} {{ E }}'}\n"
    )
    instance = load_instance(str(path))
    assert instance.expand(instance.catalog.ops["RFI"], []).lines == ("foo 0x12 18 word 19 15 10",)


@pytest.mark.slow
def test_a_long_loop_in_a_long_template_is_refused_soon(tmp_path: Path) -> None:
    template = "{% for a in range(9000) %}" + "{% if reg == clob %}{% endif %}" * 500 + "{% endfor %}"
    with Bounded(3_000_000), pytest.raises(PvasmError, match=r"loops of more than \d\d steps"):
        lines_of(template, tmp_path)


def test_an_empty_template_is_no_line(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text('name: mine\ndescription: d\nextends: native\nops:\n  RFI: {template: ""}\n')
    instance = load_instance(str(path))
    assert instance.expand(instance.catalog.ops["RFI"], []).lines == ()


def test_names_that_stand_for_registers(tmp_path: Path) -> None:
    instance = instance_with("{% if reg == 'r8' %}\nmov {{ reg }} = {{ clob }}\n{% endif %}", tmp_path)
    op = instance.catalog.ops["MOV_FROM_IVR"]
    assert instance.expand(op, ["X", "r1"], Context({"X": "ret0"})).lines == ("mov X = r1",)
    assert instance.expand(op, ["X", "r1"], Context({"X": "r9"})).lines == ()


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        ("r8", "ret0", True),
        ("r8", "r9", False),
        ("x", "x", True),
        ("x", "r8", None),
        ("in2", "r34", True),
        ("in2", "r35", False),
        ("loc0", "r8", False),
        ("loc0", "loc1", False),
        ("loc0", "out0", False),
        ("in0", "loc0", False),
        ("loc0", "r34", None),
        ("val[0]", "r8", False),
        ("val[0]", "val[1]", False),
        ("val[0]", "val[N]", None),
        ("val[0]", "r40", None),
        ("val[0]", "loc0", None),
        ("v[0]", "p6", False),
        ("v[0]", "p16", None),
    ],
)
def test_same_register(left: str, right: str, same: bool | None) -> None:
    assert same_register(operand(left), operand(right)) is same
    assert same_register(operand(right), operand(left)) is same


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


@pytest.mark.slow
@settings(max_examples=examples(300))
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
        ("val[0]", "general", "out", None),  # perhaps a name of .rotr
        ("r\\n", "general", "out", None),
        ("r128", "general", "out", "r128 is no register that there is where a general register to write to is due"),
        ("p64", "predicate", "in", "p64 is no register that there is"),
        ("b8", "general", "in", "b8 is no register that there is"),
        ("loc96", "general", "in", "loc96 is no register that there is"),
        ("\xa0r16", "general", "in", "\xa0r16 is an expression"),
        ("X ;; Y", "general", "in", "X ;; Y is an expression"),
        ('X("', "general", "in", 'X(" is an expression'),
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
