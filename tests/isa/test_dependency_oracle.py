"""The reasons for differences between as and us: each explains its case, and nothing beside it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.isa.dependency_oracle import as_says, by_the_checker, compared
from tests.oracle import require_tool

_BRANCH = "(p3) br.cond.sptk there ;;\n"
_RFI = "nop 0 ;;\nrfi ;;\n"
_IMPLY = ".pred.rel.imply p1,p3\n"
_HAZARD = "cmp.ne.and p1,p2=r8,r9\n(p1) mov r10=2 ;;\nthere:\n"
_PAIR = "(p8) fcmp.ge.unc.s1 p6,p7=f8,f0 ;;\n"
_FMA = "(p6) fma.s0 f9=f8,f8,f8\n"
_FNMA = "(p7) fnma.s0 f9=f8,f8,f8 ;;\n"


def _differences(text: str, folder: Path) -> list[tuple[str, bool]]:
    """What one of the two says alone, and whether there is a reason."""
    require_tool("ia64-linux-gnu-as")
    found = compared(text, by_the_checker(text), as_says(text, folder))
    return [(f"{each.by}: {each.told}", each.expected) for each in found if each.by != "both"]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(_IMPLY + _BRANCH + _RFI + _HAZARD, id="told by a directive"),
        pytest.param("(p3) cmp.eq.unc p1,p2=r8,r9 ;;\n" + _BRANCH + _RFI + _HAZARD, id="found by a compare"),
        pytest.param(
            "(p3) cmp.eq.unc p1,p2=r8,r9 ;;\ncmp.eq.or p3,p4=r8,r9 ;;\n" + _BRANCH + _RFI + _IMPLY + _HAZARD,
            id="kept over an or compare, and told again (dv-imply.s of GNU as)",
        ),
    ],
)
def test_as_keeps_over_rfi_which_predicates_are_false(text: str, tmp_path: Path) -> None:
    difference = "pvasm: RAW p1 | cmp.ne.and p1,p2=r8,r9 | (p1) mov r10=2 ;;"
    assert _differences(text, tmp_path) == [(difference, True)]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(_IMPLY + _RFI + _HAZARD, id="no branch"),
        pytest.param(_BRANCH + _RFI + _HAZARD, id="no relation"),
        pytest.param(_IMPLY + "(p4) br.cond.sptk there ;;\n" + _RFI + _HAZARD, id="another branch"),
        pytest.param(_BRANCH + _IMPLY + _RFI + _HAZARD, id="the branch before the relation"),
        pytest.param(_IMPLY + _BRANCH + _RFI + "here:\n" + _HAZARD, id="entered after the rfi"),
        pytest.param(_IMPLY + _BRANCH + _RFI + "cmp.eq p1,p5=r8,r9 ;;\n" + _HAZARD, id="the implying one written"),
        pytest.param(_IMPLY + _BRANCH + _RFI + "cmp.eq p3,p5=r8,r9 ;;\n" + _HAZARD, id="the implied one written"),
        pytest.param(_IMPLY + _BRANCH + _RFI + _HAZARD.replace("(p1)", "(p2)"), id="another predicate"),
    ],
)
def test_that_is_no_reason_for_anything_else(text: str, tmp_path: Path) -> None:
    """as says what we do; and where it did not, there would be no reason for it."""
    (hazard,) = (said for said in by_the_checker(text) if said[1] == "RAW")
    assert _differences(text, tmp_path) == []
    ((found, explained),) = [
        (each.said, each.expected) for each in compared(text, by_the_checker(text), {}) if each.said == hazard
    ]
    assert (found, explained) == (hazard, False)


@pytest.mark.parametrize("field", ["s0", "s1", "s2", "s3"])
@pytest.mark.parametrize("swapped", [False, True])
def test_as_overlooks_unc_before_a_status_field(field: str, swapped: bool, tmp_path: Path) -> None:
    """As in glibc's sinhl."""
    pair = _FNMA.replace(" ;;", "") + _FMA if swapped else _FMA + _FNMA
    found = _differences(_PAIR.replace("s1", field) + "mov r8=r9\n" + pair, tmp_path)
    assert found == [(f"as: WAW f9 | {pair.strip().splitlines()[1]}", True)]


def test_it_does_where_the_name_ends_in_unc(tmp_path: Path) -> None:
    assert _differences(_PAIR.replace("unc.s1", "unc") + _FMA + _FNMA, tmp_path) == []
    assert _differences(_PAIR.replace("(p8) ", "") + _FMA + _FNMA, tmp_path) == []


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(_FMA + _FNMA, id="no compare"),
        pytest.param(_PAIR.replace(".unc", "") + _FMA + _FNMA, id="not unc: p6 and p7 stay where p8 is false"),
        pytest.param(_PAIR.replace("(p8)", "") + "cmp.eq p6,p9=r8,r9 ;;\n" + _FMA + _FNMA, id="one written since"),
        pytest.param(_PAIR + "mov pr=r8,-1 ;;\n" + _FMA + _FNMA, id="all written since"),
        pytest.param(_PAIR + "here:\n" + _FMA + _FNMA, id="entered after the compare"),
        pytest.param(_PAIR.replace("p7", "p9") + _FMA + _FNMA, id="another pair"),
        pytest.param(_PAIR + _FMA + _FNMA.replace("(p7)", "(p6)"), id="the same predicate"),
        pytest.param(_PAIR + _FMA.replace("(p6)", "") + _FNMA, id="one under none"),
    ],
)
def test_and_that_is_no_reason_either(text: str, tmp_path: Path) -> None:
    """Both say it; and if as said it alone, there would be no reason for it."""
    heard = as_says(text, tmp_path)
    assert heard
    assert _differences(text, tmp_path) == []
    assert {each.expected for each in compared(text, {}, heard)} == {False}


_TWICE = "(p1) mov r4=2\n(p2) mov r4=4 ;;\n"
_UNDER = "(p3) cmp.eq p1,p2=r8,r9 ;;\n"


@pytest.mark.parametrize("back", ["rfi ;;\n", "br.ret.sptk b0 ;;\n"])
@pytest.mark.parametrize(
    "known",
    [
        ".pred.rel.mutex p5,p2,p1\n",
        '.pred.rel "mutex",p1,p2\n',
        "cmp.eq p1,p2=r8,r9 ;;\n",
        "(p4) tbit.z.unc p2,p1=r8,5 ;;\n",
    ],
)
@pytest.mark.parametrize("again", ["", _UNDER])
def test_as_keeps_over_a_return_which_predicates_exclude_each_other(
    again: str, known: str, back: str, tmp_path: Path
) -> None:
    """With a compare under a predicate behind it, as in dv-mutex.s of GNU as: where p3 is false, p1 and p2 stay."""
    difference = "pvasm: WAW r4 | (p1) mov r4=2 | (p2) mov r4=4 ;;"
    assert _differences(known + back + again + _TWICE, tmp_path) == [(difference, True)]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(_RFI + _TWICE, id="nothing known"),
        pytest.param(_RFI + _UNDER + _TWICE, id="nothing known before a compare under a predicate"),
        pytest.param(".pred.rel.mutex p1,p2\n" + _RFI + "here:\n" + _TWICE, id="entered after the rfi"),
        pytest.param(".pred.rel.mutex p1,p5\n" + _RFI + _TWICE, id="another pair"),
        pytest.param(".pred.rel.mutex p1,p2\nbr.cond.sptk there ;;\n" + _TWICE + "there:\n", id="another branch"),
        pytest.param(".pred.rel.mutex p1,p2\n" + _RFI + "cmp.eq p1,p5=r8,r9 ;;\n" + _TWICE, id="one written since"),
        pytest.param(".pred.rel.mutex p1,p2\n" + _RFI + "mov pr=r8,-1 ;;\n" + _TWICE, id="all written since"),
        pytest.param(
            ".pred.rel.mutex p1,p2\n" + _RFI + "(p3) cmp.ne.or p1,p2=r8,r0 ;;\n" + _TWICE, id="an or compare since"
        ),
        pytest.param(".pred.rel.mutex p1,p2\n" + _RFI + _TWICE.replace("(p1)", ""), id="one under none"),
    ],
)
def test_that_explains_nothing_else(text: str, tmp_path: Path) -> None:
    """as says what we do; and where it did not, there would be no reason for it."""
    assert _differences(text, tmp_path) == []
    assert {each.expected for each in compared(text, by_the_checker(text), {})} == {False}


@pytest.mark.parametrize("between", ["(p5) br.ret.sptk b0 ;;\n", "break 0 ;;\n", "mov r8=r9 ;;\n"])
def test_where_control_goes_on_both_keep_it(between: str, tmp_path: Path) -> None:
    text = f".pred.rel.mutex p1,p2\n{between}{_UNDER}{_TWICE}"
    assert (_differences(text, tmp_path), by_the_checker(text)) == ([], {})
