"""The rules about instance files: what they find in wrong ones, and nothing in those that are shipped."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pvasm import data
from pvasm.check.diagnostic import Diagnostic
from pvasm.check.example import Flagged
from pvasm.check.instance_files import check_instance_file
from pvasm.check.rule import InstanceRule, all_instance_rules
from pvasm.errors import PvasmError
from pvasm.paravirt.loading import load_catalog
from tests.check.examples import tried_instance
from tests.work import Bounded

RULES = list(all_instance_rules().values())
HEAD = "name: mine\ndescription: A test\n"
INVALID = [(rule, text) for rule in RULES for text in rule.invalid]
VALID = [(rule, text) for rule in RULES for text in rule.valid]


def checked(text: str, folder: Path) -> tuple[list[Diagnostic], list[PvasmError]]:
    path = folder / "mine.yaml"
    path.write_text(HEAD + text)
    return check_instance_file(str(path), RULES)


def names(cases: Sequence[tuple[InstanceRule, object]]) -> list[str]:
    return [f"{rule.code}-{number}" for number, (rule, _) in enumerate(cases)]


@pytest.mark.parametrize(("rule", "example"), INVALID, ids=names(INVALID))
def test_invalid(rule: InstanceRule, example: Flagged, tmp_path: Path) -> None:
    """Where, and what is said. What is said now: `python -m tests.check.examples`."""
    now = tried_instance(rule, example.text)
    assert (now.code, now.messages) == (example.code, example.messages)
    assert example.spans
    found, errors = checked(example.text, tmp_path)
    assert not errors
    for each in found:
        assert each.path.endswith("mine.yaml")
        assert each.severity == next(r.severity for r in RULES if r.code == each.code)
        assert each.instruction


@pytest.mark.parametrize(("rule", "text"), VALID, ids=names(VALID))
def test_valid(rule: InstanceRule, text: str, tmp_path: Path) -> None:
    found, errors = checked(text, tmp_path)
    assert not errors
    assert not found


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_a_rule_is_documented(rule: InstanceRule) -> None:
    assert rule.__doc__
    assert len(rule.__doc__) > 100
    assert rule.title
    assert rule.invalid
    assert rule.valid


@pytest.mark.parametrize("name", ["native", "xen", "ops"])
def test_what_is_shipped_is_clean(name: str) -> None:
    assert check_instance_file(data.instance_file(name), RULES) == ([], [])


# ------------------------------------------------------------------------------- seeded defects

SAVED = """
;;
{% if "r8" not in (reg, clob) %}
mov {{ clob }} = r8
{% endif %}
break {{ HYPER_GET_IVR }} ;;
{% if reg != "r8" %}
mov {{ reg }} = r8
{% if clob != "r8" %}
mov r8 = {{ clob }}
{% endif %}
;;
{% endif %}
"""
PREDICATED = """
;;
({{ pred }}) mov {{ clob }} = {{ XSI_INTERRUPT_MASK_ADDRESS }} ;;
({{ pred }}) ld8 {{ clob }} = [{{ clob }}] ;;
({{ pred }}) st1 [{{ clob }}] = r0, -1 ;;
({{ pred }}) ld1 {{ clob }} = [{{ clob }}] ;;
({{ pred }}) cmp.ne.unc {{ pred_clob }}, p0 = r0, {{ clob }} ;;
({{ pred_clob }}) break {{ HYPER_SSM_I }}
"""
FILL = """
;;
mov {{ clob0 }} = {{ XSI_BANK1_NATS }}
mov {{ clob1 }} = ar.unat
mov r31 = {{ XSI_BANK1 + 8 }} ;;
ld8 r28 = [{{ clob0 }}], {{ XSI_BANK1 - XSI_BANK1_NATS }} ;;
mov ar.unat = r28 ;;
{% for r in range(16, 30, 2) %}
ld8.fill r{{ r }} = [{{ clob0 }}], 16
ld8.fill r{{ r + 1 }} = [r31], 16 ;;
{% endfor %}
ld8.fill r30 = [{{ clob0 }}]
ld8.fill r31 = [r31]
mov ar.unat = {{ clob1 }} ;;
"""
SPILL = """
;;
mov {{ clob0 }} = {{ XSI_BANK1 }}
mov {{ clob2 }} = ar.unat ;;
{% for r in range(16, 32) %}
st8.spill [{{ clob0 }}] = r{{ r }}, 8 ;;
{% endfor %}
mov {{ clob1 }} = ar.unat ;;
st8 [{{ clob0 }}] = {{ clob1 }}
mov ar.unat = {{ clob2 }} ;;
"""
KR = """
;;
mov {{ clob0 }} = r8
mov {{ clob1 }} = r9
mov r9 = {{ reg }}
mov r8 = {{ kr.number }}
break {{ HYPER_SET_KR }} ;;
mov r8 = {{ clob0 }}
mov r9 = {{ clob1 }} ;;
"""
NO_KR = "apart: [[reg, clob0, clob1]]\nnot_among: {reg: [r8, r9], clob0: [r8, r9], clob1: [r8, r9]}"
NO_BANK = "apart: [[clob0, clob1]]\nnot_among: {clob0: [r16-r31], clob1: [r16-r31]}"
NO_BANK_3 = "apart: [[clob0, clob1, clob2]]\nnot_among: {clob0: [r16-r31], clob1: [r16-r31], clob2: [r16-r31]}"
APART = "apart: [[reg, clob]]"

# What is right: an op, its template, and its other keys.
RIGHT: dict[str, tuple[str, str]] = {
    "MOV_FROM_IVR": (SAVED, APART),
    "SSM_PSR_I": (PREDICATED, ""),
    "BSW_1": (FILL, NO_BANK),
    "BSW_0": (SPILL, NO_BANK_3),
    "MOV_TO_KR": (KR, NO_KR),
    "MOV_TO_IHA": (
        ";;\n({{ pred }}) mov {{ clob }} = {{ XSI_IHA }} ;;\n({{ pred }}) st8 [{{ clob }}] = {{ reg }}",
        APART,
    ),
    "MOV_FROM_IPSR": (
        "({{ pred }}) mov {{ reg }} = {{ XSI_IPSR }} ;;\n({{ pred }}) ld8 {{ reg }} = [{{ reg }}]",
        "",
    ),
    "RSM_PSR_I": (
        ";;\n({{ pred }}) mov {{ clob0 }} = {{ XSI_INTERRUPT_MASK_ADDRESS }} ;;\n"
        "({{ pred }}) ld8 {{ clob0 }} = [{{ clob0 }}]\n({{ pred }}) mov {{ clob1 }} = 1 ;;\n"
        "({{ pred }}) st1 [{{ clob0 }}] = {{ clob1 }}",
        "apart: [[clob0, clob1]]",
    ),
    "RSM_PSR_BE_I": (
        ";;\nmov {{ clob0 }} = {{ XSI_INTERRUPT_MASK_ADDRESS }} ;;\nld8 {{ clob0 }} = [{{ clob0 }}]\n"
        "mov {{ clob1 }} = 1 ;;\nst1 [{{ clob0 }}] = {{ clob1 }}\nbreak {{ HYPER_RSM_BE }}",
        "apart: [[clob0, clob1]]",
    ),
    "SSM_PSR_DT_AND_SRLZ_I": ("break {{ HYPER_SSM_DT }} ;;", ""),
    "COVER": ("break {{ HYPER_COVER }} ;;", ""),
    "MOV_FROM_ITC": (
        ";;\n({{ pred }}) mov {{ clob }} = {{ XSI_ITC_OFFSET }} ;;\n({{ pred }}) ld8 {{ clob }} = [{{ clob }}]\n"
        "({{ pred }}) mov {{ reg }} = ar.itc ;;\n({{ pred }}) add {{ reg }} = {{ reg }}, {{ clob }}",
        APART,
    ),
}

# A defect: the op, what is replaced by what in its template, and the codes that tell of it.
Change = tuple[str, str]
SEEDED: list[tuple[str, Change, set[str]]] = [
    # parameters
    ("MOV_TO_IHA", ("= {{ reg }}", "= {{ rge }}"), {"PV502"}),
    ("MOV_TO_IHA", ("= {{ reg }}", "= r0"), {"PV502"}),
    ("MOV_TO_IHA", ("XSI_IHA", "XSI_IIHA"), {"PV502"}),
    ("MOV_TO_IHA", ("({{ pred }}) ", ""), {"PV502", "PV504"}),
    ("MOV_TO_KR", ("{{ kr.number }}", "6"), {"PV502"}),
    ("MOV_TO_KR", ("mov r9 = {{ reg }}\n", "mov r9 = {{ clob0 }}\n"), {"PV502", "PV503"}),
    ("MOV_FROM_IVR", ("mov {{ reg }} = r8", "nop 0"), {"PV502", "PV504"}),
    # registers that were not given
    ("MOV_FROM_IVR", ("mov {{ clob }} = r8", "nop 0"), {"PV503"}),
    ("MOV_FROM_IVR", ("mov r8 = {{ clob }}", "nop 0"), {"PV503"}),
    ("MOV_FROM_IVR", ('{% if clob != "r8" %}', "{% if false %}"), {"PV503"}),
    ("MOV_FROM_IVR", ("mov {{ clob }} = r8", "mov r9 = r8"), {"PV503"}),
    ("MOV_FROM_IVR", ("HYPER_GET_IVR", "HYPER_THASH"), {"PV503"}),
    ("MOV_FROM_IVR", ("{{ HYPER_GET_IVR }}", "0x99"), {"PV503", "PV504"}),
    ("MOV_FROM_IPSR", ("= [{{ reg }}]", "= [r14]"), {"PV503"}),
    ("MOV_FROM_IPSR", ("mov {{ reg }} = {{ XSI_IPSR }}", "mov r14 = {{ XSI_IPSR }}"), {"PV503"}),
    ("MOV_TO_IHA", ("st8 [{{ clob }}] = {{ reg }}", "st8 [{{ reg }}] = {{ clob }}, 8"), {"PV503"}),
    ("SSM_PSR_I", ("{{ pred_clob }}, p0", "{{ pred_clob }}, p15"), {"PV503"}),
    ("SSM_PSR_I", ("{{ pred_clob }}, p0", "p0, {{ pred }}"), {"PV503", "PV504"}),
    ("BSW_1", ("mov ar.unat = {{ clob1 }} ;;", ";;"), {"PV503"}),
    ("BSW_1", ("mov {{ clob1 }} = ar.unat\n", ""), {"PV503"}),
    ("BSW_1", ("mov ar.unat = r28 ;;\n", ""), {"PV503"}),
    ("BSW_0", ("mov ar.unat = {{ clob2 }} ;;", ";;"), {"PV503"}),
    ("MOV_TO_KR", ("mov r9 = {{ clob1 }} ;;", ";;"), {"PV503"}),
    ("MOV_TO_KR", ("mov r9 = {{ clob1 }}", "mov r9 = {{ clob0 }}"), {"PV503"}),
    ("MOV_FROM_ITC", ("= ar.itc", "= ar.k0"), {"PV503"}),
    ("RSM_PSR_BE_I", ("break {{ HYPER_RSM_BE }}", "rum psr.be | psr.up"), {"PV503"}),
    # outputs, and where the predicate is false
    ("MOV_FROM_IVR", ('{% if "r8" not in (reg, clob) %}', '{% if "r8" != clob %}'), set()),
    ("MOV_FROM_IVR", ('{% if reg != "r8" %}', "{% if true %}"), {"PV503"}),
    ("MOV_FROM_IPSR", ("({{ pred }}) ld8", "ld8"), {"PV503", "PV504"}),
    ("MOV_FROM_IPSR", ("({{ pred }}) mov", "mov"), {"PV504"}),
    ("MOV_FROM_ITC", ("({{ pred }}) add", "add"), {"PV503", "PV504"}),
    ("RSM_PSR_I", ("({{ pred }}) st1", "st1"), {"PV503", "PV504"}),
    ("SSM_PSR_I", ("({{ pred_clob }}) break", "break"), {"PV504"}),
    ("SSM_PSR_I", ("cmp.ne.unc", "cmp.ne"), {"PV503", "PV504"}),
    ("BSW_1", ("range(16, 30, 2)", "range(16, 28, 2)"), {"PV504"}),
    ("BSW_1", ("ld8.fill r30", "ld8 r30"), {"PV504"}),
    ("BSW_0", ("range(16, 32)", "range(16, 31)"), {"PV504"}),
    ("BSW_0", ("st8.spill [{{ clob0 }}] = r{{ r }}, 8", "st8 [{{ clob0 }}] = r{{ r }}, 8"), {"PV503", "PV504"}),
    # stops
    ("MOV_TO_IHA", (";;\n({{ pred }}) mov", "({{ pred }}) mov"), {"PV505"}),
    ("SSM_PSR_DT_AND_SRLZ_I", (" ;;", ""), {"PV505"}),
    ("COVER", (" ;;", ""), {"PV505"}),
    ("MOV_FROM_IVR", ("{% endif %}\n;;\n", "{% endif %}\n"), {"PV505"}),
    ("MOV_TO_KR", ("mov r9 = {{ clob1 }} ;;", "mov r9 = {{ clob1 }}"), {"PV505"}),
    ("MOV_FROM_IPSR", (RIGHT["MOV_FROM_IPSR"][0], ""), {"PV505"}),
    # arguments that are the same
    ("MOV_TO_IHA", ("apart: [[reg, clob]]", ""), {"PV507"}),
    ("RSM_PSR_I", ("apart: [[clob0, clob1]]", ""), {"PV507"}),
    ("RSM_PSR_BE_I", ("apart: [[clob0, clob1]]", ""), {"PV507"}),
    ("MOV_TO_KR", ("reg: [r8, r9], ", ""), set()),
    (
        "MOV_TO_KR",
        ("mov r9 = {{ reg }}\nmov r8 = {{ kr.number }}", "mov r8 = {{ kr.number }}\nmov r9 = {{ reg }}"),
        set(),
    ),
    ("MOV_TO_KR", ("clob0: [r8, r9]", "clob0: [r9]"), set()),
    ("MOV_TO_KR", ("clob0: [r8, r9]", "clob0: [r8]"), {"PV503"}),
    ("MOV_FROM_ITC", ("apart: [[reg, clob]]", ""), {"PV507"}),
    # no instruction
    ("COVER", ("break {{ HYPER_COVER }}", "breka {{ HYPER_COVER }}"), {"PV502"}),
    ("MOV_TO_IHA", ("st8", "st9"), {"PV502"}),
    ("COVER", ("break {{ HYPER_COVER }}", "break {{ HYPER_COVER }}, r8"), {"error"}),
    ("MOV_TO_IHA", ("= {{ reg }}", "= {{ pred }}"), {"error"}),
    ("MOV_TO_IHA", ("{{ reg }}", "{{ reg"), {"error"}),
    ("MOV_TO_IHA", ("apart: [[reg, clob]]", "apart: [[reg, club]]"), {"error"}),
]


def written(op: str, template: str, keys: str) -> str:
    def indented(text: str, by: int) -> str:
        return "".join(f"{' ' * by}{line}\n" for line in text.strip("\n").split("\n")) if text.strip() else ""

    head = "template: |\n" if template.strip() else "template: ''\n"
    return f"extends: xen\nops:\n  {op}:\n{indented(keys, 4)}    {head}{indented(template, 6)}"


def test_what_is_right_is_not_flagged(tmp_path: Path) -> None:
    for op, (template, keys) in RIGHT.items():
        found, errors = checked(written(op, template, keys), tmp_path)
        assert not errors
        assert not found, op


@pytest.mark.parametrize(("op", "change", "codes"), SEEDED, ids=[f"{op}-{n}" for n, (op, _, _) in enumerate(SEEDED)])
def test_a_seeded_defect_is_found(op: str, change: Change, codes: set[str], tmp_path: Path) -> None:
    template, keys = RIGHT[op]
    assert change[0] in template + keys
    found, errors = checked(written(op, template.replace(*change), keys.replace(*change)), tmp_path)
    assert {d.code for d in found} | ({"error"} if errors else set()) == codes
    for each in found:
        assert op in each.message or each.code == "PV506"
        assert each.instance == "mine"


# --------------------------------------------------------------------------- what a finding tells


def test_a_finding_shows_what_the_op_becomes(tmp_path: Path) -> None:
    lines = ";;", "mov {{ clob }} = 1 ;;", "st4 [r9] = {{ clob }}"
    text = "extends: xen\nops:\n  RSM_PSR_IC:\n    template: |\n" + "".join(f"      {line}\n" for line in lines)
    (found,) = checked(text, tmp_path)[0]
    assert (found.code, found.severity, found.line, found.column) == ("PV503", "error", 9, 7)
    assert (found.end_line, found.end_column) == (9, 28)
    assert found.message == "RSM_PSR_IC: reads r9, which it was not given: take it from a parameter (with clob = r20)"
    assert found.instruction == found.source_line[found.source_column - 1 :] == "st4 [r9] = {{ clob }}"
    assert found.details == (";;", "mov r20 = 1 ;;", "st4 [r9] = r20")


@pytest.mark.parametrize(
    "style", ["template: 'mov r8 = r9'", "template: >\n      mov r8 = r9\n", 'template: "mov r8 = r9"']
)
def test_templates_of_other_styles(style: str, tmp_path: Path) -> None:
    found, errors = checked(f"extends: xen\nops:\n  MOV_FROM_IFA:\n    {style}\n", tmp_path)
    assert not errors
    assert {d.code for d in found} == {"PV502", "PV503", "PV504"}
    assert {d.line for d in found} <= {5, 6, 7}


def test_the_other_ops_are_checked_all_the_same(tmp_path: Path) -> None:
    text = (
        "environment: xen\ndefines: MINE\nops:\n  RFI: {template: rfi, apart: [[x]]}\n  COVRE: {template: cover}\n"
        "  BSW_0: {template: 'bsw.{{'}\n  MOV_FROM_IFA: {template: 'mov {{ reg }} = cr.iip'}\n"
    )
    found, errors = checked(text, tmp_path)
    assert [(d.code, d.line) for d in found] == [("PV501", 5), ("PV503", 9)]
    missing = found[0].message.removeprefix("no definition of ").partition(": ")[0].split(", ")
    assert set(load_catalog().ops) - set(missing) == {"RFI", "BSW_0", "MOV_FROM_IFA"}
    assert [(error.line, "RFI has no parameter x" in error.message) for error in errors] == [
        (6, True),
        (7, False),
        (8, False),
    ]


def test_a_file_is_checked_without_what_it_extends(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(
        "name: base\ndescription: A test\nextends: xen\nops:\n  MOV_FROM_IFA: {template: 'mov {{ reg }} = cr.iip'}\n"
    )
    assert checked("extends: base\nops:\n  RSM_PSR_DT: {template: ''}\n", tmp_path) == ([], [])


def test_calls_are_those_of_the_environment_and_the_own(tmp_path: Path) -> None:
    keys = "constants: {GET: 0x8}\notherwise: replaces\ndefines: MINE\n"
    op = "ops:\n  MOV_FROM_IVR:\n    template: |\n      ;;\n      break {{ GET }} ;;\n"
    saved = "      mov {{ reg }} = r8 ;;\n"
    found, _ = checked(f"environment: xen\n{keys}{op}{saved}", tmp_path)
    # What is otherwise the instruction stays bare in a guest (M14): not asked here.
    assert {(d.code, d.instruction) for d in found if d.code != "PV508"} == {("PV503", "break {{ GET }} ;;")}
    found, _ = checked(f"environment: hardware\n{keys}{op}{saved}", tmp_path)
    assert {(d.code, d.instruction) for d in found if d.code == "PV503"} == {("PV503", "mov {{ reg }} = r8 ;;")}
    found, _ = checked(f"environment: trap\n{keys}calls: {{GET: {{gives: [r9]}}}}\n{op}{saved}", tmp_path)
    assert "writes r9, which it was not given" in next(d.message for d in found if d.code != "PV508")


def test_tables_are_filled_with_those_of_the_instance_extended(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(
        "name: base\ndescription: A test\nextends: xen\ntables: {pv_fsys_data: {fsyscall_table: null}}\n"
    )
    assert checked("extends: base\ntables: {pv_fsys_data: {fsyscall_table: mine}}\n", tmp_path) == ([], [])
    found, _ = checked("extends: base\ntables: {pv_fsys_data: {fsys_bubble_down: mine}}\n", tmp_path)
    assert [d.message for d in found] == [
        "pv_fsys_data does not set fsyscall_table: give it what the kernel uses without looking"
    ]


def test_the_tables_of_the_catalog() -> None:
    """Against what is known of them: how many members each has, and which may be null."""
    tables = load_catalog().tables
    assert {name: len(table.members) for name, table in tables.items()} == {
        "pv_info": 3,
        "pv_init_ops": 9,
        "pv_cpu_ops": 14,
        "pv_iosapic_ops": 4,
        "pv_irq_ops": 5,
        "pv_time_ops": 4,
        "pv_fsys_data": 2,
        "pv_patchdata": 9,
        "pv_cpu_asm_switch": 4,
    }
    assert all(member.may_be_null for member in tables["pv_init_ops"].members.values())
    assert not any(member.may_be_null for member in tables["pv_cpu_ops"].members.values())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("calls: {FOO: {}}", r":4:9: calls\.FOO: no constant that is a number"),
        ("calls: {HYPER_RFII: {}}", r":4:9: .* \(did you mean HYPER_RFI\?\)"),
        ("calls: {HYPER_RFI: {takes: [p6]}}", r":4:21: calls\.HYPER_RFI\.takes: p6 is no general register"),
        ("calls: {HYPER_RFI: {take: [r8]}}", r":4:21: .*unknown key take \(did you mean takes\?\).*"),
        ("calls: {HYPER_RFI: null}", r":4:20: .*expected a mapping, got nothing"),
        ("tables: {pv_cpu_opps: {}}", r":4:10: .*no such table in the catalog \(did you mean pv_cpu_ops\?\)"),
        ("tables: {pv_cpu_ops: {fcc: x}}", r":4:23: .*pv_cpu_ops has no such member \(did you mean fc\?\)"),
        ("tables: {pv_cpu_ops: null}", r":4:1: tables: expected a mapping, got nothing"),
    ],
)
def test_what_is_said_of_calls_and_tables(text: str, message: str, tmp_path: Path) -> None:
    found, errors = checked(f"extends: xen\n{text}\n", tmp_path)
    assert not found
    assert len(errors) == 1
    assert re.fullmatch(r".*/mine\.yaml" + message, str(errors[0])), errors[0]


def test_what_cannot_be_read(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.yaml"):
        found, (error,) = check_instance_file(str(path), RULES)
        assert not found
        assert error.path == str(path)


# ------------------------------------------------------------------------------------ robustness


def every_op(template: str) -> str:
    lines = "".join(f"      {line}\n" for line in template.split("\n"))
    return "extends: xen\nops:\n" + "".join(f"  {name}:\n    template: |\n{lines}" for name in load_catalog().ops)


HOSTILE = {
    "lines": "{% for x in range(3000) %}\nmov r8 = {{ x }}\n{% endfor %}",
    "compares": "{% for x in range(900) %}\ncmp.eq p{{ x - x // 60 * 60 + 2 }}, p1 = r8, r9\n"
    "(p{{ x - x // 60 * 60 + 2 }}) mov r8 = {{ x }}\n{% endfor %}",
    "loops": "1: cmp.eq p6, p7 = r8, r9\n" * 30 + "(p6) br.cond.sptk 1b\n" * 30,
    "steps": "{% for x in range(9000) %}{% endfor %}\nnop 0",
    "registers": "\n".join(f"mov r{number} = r{number + 1}" for number in range(1, 126)),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_hostile_takes_bounded_work(name: str, tmp_path: Path) -> None:
    with Bounded(60_000_000):  # 57 ops, each tried twice or more, of 3,000 lines: about 90 calls a line
        found, errors = checked(every_op(HOSTILE[name]), tmp_path)
    assert found or errors


WORDS = st.sampled_from(
    [
        *("mov {{ reg }} = r8", "mov r8 = {{ clob }}", "({{ pred }}) st8 [{{ clob }}] = {{ reg }}", ";;", "{", "}"),
        *("cmp.eq p6, p7 = r8, {{ reg }}", "(p6) br.cond.sptk 1f", "1:", "break 0x6", "break {{ HYPER_ITC_I }}"),
        *("mov pr = {{ clob }}, -1", "mov {{ clob }} = pr", "br.call.sptk b0 = x", "alloc r9 = ar.pfs, 1, 1, 0, 0"),
        *("rfi", "br.ret.sptk b0", ".skip 16", "x = 1", "FOO(r1)", "foo r1", "ld8.fill r9 = [{{ reg }}], {{ clob }}"),
        *("{% if reg == 'r8' %}", "{% endif %}", "mov psr.l = {{ reg }}", "[t:]", "st8.spill [r0] = r1", "mov f2 = f3"),
        *("(p0) mov r0 = r0", "br.cloop.sptk 1b", "movl r9 = x", "mov r9 = in0", "chk.s r9, 1f", "{{ reg }}", "(p6)"),
    ]
)


@pytest.mark.slow
@given(st.lists(WORDS, max_size=12))
def test_any_template_is_checked(words: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        template = "".join(f"      {word}\n" for word in words) or "      ;;\n"
        found, errors = checked(f"extends: xen\nops:\n  ITC_I:\n    template: |\n{template}", Path(folder))
    assert len(errors) <= 1
    lines = range(4, 8 + len(words))
    assert all(each.line in lines for each in found)


def test_the_instructions_themselves_are_right(tmp_path: Path) -> None:
    ops = []
    for op in load_catalog().ops.values():
        names = "|".join(parameter.name for parameter in op.parameters) or "$."
        text = re.sub(rf"(?<![\w.])(?:{names}|PSR_DEFAULT_BITS)(?![\w.])", r"{{ \g<0> }}", op.replaces)
        text = re.sub(r"IA64_KR\(\{\{ (\w+) \}\}\)", r"ar.k{{ \1.number }}", text)
        ops.append(f"  {op.name}:\n    template: |\n" + "".join(f"      {line}\n" for line in text.split(" ; ")))
    assert checked("environment: hardware\ndefines: MINE\nops:\n" + "".join(ops), tmp_path) == ([], [])
