"""Decisions worked out beforehand, against the templates that they are made of, rendered by Jinja2."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from pvasm.errors import PvasmError
from pvasm.paravirt.arguments import RegisterNotKnownError
from pvasm.paravirt.catalog import Op
from pvasm.paravirt.decisions import Lines, decide, ends
from pvasm.paravirt.expansion import Context
from pvasm.paravirt.instance import Definition, Instance
from pvasm.paravirt.loading import load_instance
from pvasm.paravirt.shipped import instance_names
from pvasm.paravirt.template import Template
from pvasm.paravirt.yaml_nodes import Node
from tests.paravirt.cases import CATALOG, OPS, all_cases

WORDS = ("r8", "ret0", "r9", "r20", "in0", "r32", "loc1", "out1", "SOME", "\\arg", "REG")
PREDICATES = ("p0", "p6", "pSome")


def outcome(instance: Instance, op: Op, arguments: Sequence[str]) -> object:
    """The lines of an invocation, or the argument that its lines depend on and that is not known."""
    try:
        return instance.expand(op, arguments, Context({"REG": "r9"}, {"PSR_DEFAULT_BITS": "SOMETHING"})).lines
    except RegisterNotKnownError as error:
        return error.text
    except PvasmError as error:
        return str(error)


def rendered(instance: Instance) -> Instance:
    """The instance without what was worked out beforehand."""
    return replace(instance, decisions={}, _expansions={})


@pytest.mark.slow
@pytest.mark.parametrize("name", instance_names())
def test_the_lines_are_those_of_the_templates(name: str) -> None:
    instance = load_instance(name)
    plain = rendered(instance)
    for op in OPS:
        for arguments in all_cases(op, instance):
            assert outcome(instance, op, arguments) == outcome(plain, op, arguments)


@pytest.mark.slow
@pytest.mark.parametrize("name", instance_names())
def test_so_are_those_for_registers_by_any_name(name: str) -> None:
    instance = load_instance(name)
    plain = rendered(instance)
    for op in OPS:
        pools = [
            {"general": WORDS, "predicate": PREDICATES, "kernel-register": ("CURRENT", "k", "COVER")}[parameter.kind]
            for parameter in op.parameters
        ]
        for arguments in itertools.islice(itertools.product(*pools), 0, None, 7):
            assert outcome(instance, op, arguments) == outcome(plain, op, arguments)


def test_what_travels_with_us_is_worked_out_beforehand() -> None:
    for name in instance_names():
        instance = load_instance(name)
        templates = {op for op, definition in instance.definitions.items() if definition.template is not None}
        assert set(instance.decisions) == templates


# ----------------------------------------------------------------------------- templates of any sort

OP = CATALOG.ops["MOV_TO_KR"]
SIDES = ("reg", "clob0", "clob1", '"r8"', '"ret1"')
conditions = st.recursive(
    st.tuples(st.sampled_from(SIDES[:3]), st.sampled_from(("==", "!=")), st.sampled_from(SIDES)).map(" ".join)
    | st.tuples(st.sampled_from(SIDES[:3]), st.sampled_from(("in", "not in"))).map(
        lambda t: f'{" ".join(t)} ("r8", clob0)'
    ),
    lambda inner: (
        st.tuples(inner, st.sampled_from(("and", "or")), inner).map(lambda t: f"({' '.join(t)})")
        | inner.map(lambda text: f"not ({text})")
    ),
    max_leaves=4,
)
lines = st.sampled_from(
    ("nop 1", "mov {{ clob0 }} = {{ reg }}", "nop {{ kr.number }}", "{{ clob1 }} = 1", "nop {{ NUMBER }}")
)
templates = st.recursive(
    lines,
    lambda inner: (
        st.tuples(conditions, inner, inner).map(
            lambda t: f"{{% if {t[0]} %}}\n{t[1]}\n{{% else %}}\n{t[2]}\n{{% endif %}}"
        )
        | st.tuples(inner, inner).map("\n".join)
        | st.tuples(conditions, inner).map(
            lambda t: f"{{% set x = {t[0]} %}}\n{t[1]}\n{{% if x %}}\nnop 7\n{{% endif %}}"
        )
    ),
    max_leaves=5,
)


def instance_of(source: str) -> Instance:
    names = [*(parameter.name for parameter in OP.parameters), "NUMBER"]
    template = Template(Node(source, 1, 1, {}), "t.yaml", "ops.MOV_TO_KR.template", names)
    native = load_instance("native")
    definitions = {**native.definitions, OP.name: Definition(template)}
    return replace(native, definitions=definitions, constants={"NUMBER": 5}, decisions={}, _expansions={})


@given(templates, st.lists(st.sampled_from(("r8", "ret0", "r9", "r20", "in0", "SOME")), min_size=3, max_size=3))
def test_any_template_says_the_same(source: str, registers: list[str]) -> None:
    instance = instance_of(source)
    template = instance.definitions[OP.name].template
    assert template is not None
    decision = decide(template, OP, CATALOG, instance.constants)
    assert decision is not None
    decided = replace(instance, decisions={OP.name: decision}, _expansions={})
    assert outcome(decided, OP, ["TSSD", *registers]) == outcome(instance, OP, ["TSSD", *registers])


@pytest.mark.parametrize(
    "source",
    [
        "{% if kr.number == 3 %}\nnop 1\n{% endif %}",
        "nop {{ kr.number + 1 }}",
        "{% if kr.number is even %}\nnop 1\n{% endif %}",
        '{% if PSR_DEFAULT_BITS == "psr.ac" %}\nnop 1\n{% endif %}',
        '{% if reg == "SOMETHING" %}\nnop 1\n{% endif %}',
    ],
)
def test_what_does_more_than_print_and_compare_is_rendered_when_it_is_used(source: str) -> None:
    names = [*(parameter.name for parameter in OP.parameters), *CATALOG.constants]
    template = Template(Node(source, 1, 1, {}), "t.yaml", "ops.MOV_TO_KR.template", names)
    assert decide(template, OP, CATALOG, {}) is None


def test_answers_that_make_no_sense_are_not_followed() -> None:
    source = (
        '{% if reg == "r8" and reg == "r9" %}\nnop 1\n{% elif reg == clob0 and clob0 == "r8" and reg != "ret0" %}\n'
    )
    instance = instance_of(source + "nop 2\n{% else %}\nnop 3\n{% endif %}")
    template = instance.definitions[OP.name].template
    assert template is not None
    decision = decide(template, OP, CATALOG, {})
    assert decision is not None
    assert {end for _, end in ends(decision)} == {Lines(("nop 3",), (6,))}
