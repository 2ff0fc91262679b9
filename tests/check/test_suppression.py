"""Suppressions: where they stand, what they hide, and what is said of those that hide nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pvasm.check.suppression import Suppressions
from tests.check.checking import check, found


def lines(text: str, *codes: str, preprocessed: bool = False) -> list[tuple[str, int]]:
    """The codes and lines of what is found."""
    return [(d.code, d.line) for d in check(text, *codes, preprocessed=preprocessed)]


@pytest.mark.parametrize("preprocessed", [False, True], ids=["raw", "preprocessed"])
@pytest.mark.parametrize(
    "text",
    [
        "fc r3 // pvasm: ignore[PV001] reason",
        "fc r3 /* pvasm: ignore[PV001] reason */",
        "/* pvasm: ignore[PV001] reason */ fc r3",
        "fc r3 /* pvasm: ignore[PV001] reason */ ; nop 0",
        "// pvasm: ignore[PV001] reason\n\tfc r3",
        "/* pvasm: ignore[PV001] reason */\n\tfc r3",
        "/*\n * pvasm: ignore[PV001] reason\n */\n\tfc r3",
        "// pvasm: ignore[PV001]\n// another remark\n\n\tfc r3",
        "fc r3 // pvasm:ignore [pv001]",
        "fc r3 // pvasm: ignore[PV002, PV001]",
        "fc r3 // pvasm: ignore[PV00]",
        "fc r3 // pvasm: ignore everything here",
        "nop 0 ; fc r3 // a remark; pvasm: ignore[PV001]",
        "/* pvasm: ignore-file[PV001] reason */\n\tnop 0\n\tfc r3",
        "/*\n * Licence\n * pvasm: ignore-file[PV001]\n */\n\n\tnop 0\n\tfc r3",
        "/* pvasm: ignore-file */\n\tfc r3",
        "fc /* pvasm: ignore[PV001] */ r3",
        "WRAP(nop 0,\n  fc r3) // pvasm: ignore[PV001]",
    ],
)
def test_hidden(text: str, preprocessed: bool) -> None:
    bare = text.replace("pvasm:", "pvasm")
    assert [d.code for d in check(bare, "PV001", preprocessed=preprocessed)] == ["PV001"]
    assert not check(text, "PV001", preprocessed=preprocessed)


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("fc r3 // pvasm: ignore[PV002]", 1),
        ("fc r3 // pvasm: ignore[PV00", 1),
        ("fc r3 // pvasm: ignore[]", 1),
        ('fc r3 ; .string "pvasm: ignore[PV001]"', 1),
        ('.string "// pvasm: ignore[PV001]"\n\tfc r3', 2),
        ('.string "a\\"b /*" ; fc r3 ; .string "pvasm: ignore[PV001] */"', 1),
        ("nop 0 // pvasm: ignore[PV001] not alone, so not for the next line\n\tfc r3", 2),
        ("fc r3\n// pvasm: ignore[PV001] too late", 1),
        ("// pvasm: ignore[PV001]\n\tnop 0\n\tfc r3", 3),
        ("nop 0\n// pvasm: ignore-file[PV001] after a statement\n\tfc r3", 3),
        ("fc r3 // pvasm: ignores[PV001]", 1),
        ("fc r3 // PVASM: IGNORE[PV001]", 1),
    ],
)
def test_not_hidden(text: str, where: int) -> None:
    assert lines(text, "PV001") == [("PV001", where)]


def test_in_the_lines_of_a_define() -> None:
    text = (
        "#define GO(r) \\\n"
        "\tfc r ; /* pvasm: ignore[PV001] here */ \\\n"
        "\tfc r ; \\\n"
        "\t/* pvasm: ignore[PV001] the next */ \\\n"
        "\tfc r\n"
    )
    assert lines(text, "PV001") == [("PV001", 3)]


def test_whole_file_behind_the_guard_of_a_header() -> None:
    text = "#ifndef H\n#define H \\\n\t1\n/* pvasm: ignore-file[PV001] */\n#define GO(r) fc r\n#endif\n"
    assert not check(text, "PV001")


def test_each_line_for_itself() -> None:
    text = "\tfc r1\n\tfc r2 // pvasm: ignore[PV001]\n\tfc r3 // pvasm: ignore[PV001]\n\tfc r4\n"
    assert lines(text, "PV001") == [("PV001", 1), ("PV001", 4)]


def test_line_markers_in_raw_text_do_not_confuse_lines() -> None:
    text = '#line 1 "other.S"\n\tfc r1 // pvasm: ignore[PV001]\n#line 1 "third.S"\n\tfc r2\n'
    assert [(d.path, d.line) for d in check(text, "PV001")] == [("third.S", 1)]


# ------------------------------------------------------------------------------------------- PV900


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("\tnop 0 // pvasm: ignore[PV001] left over", "no PV001 to hide"),
        ("\tfc r3 // pvasm: ignore[PV001,PV002]", "no PV002 to hide"),
        ("\tnop 0 // pvasm: ignore left over", "nothing to hide"),
        ("\tnop 0 // pvasm: ignore[PV2]", "no PV2 to hide"),
        ("/* pvasm: ignore-file[PV001] */\n\tnop 0", "no PV001 to hide"),
        ("// pvasm: ignore[PV001] at the end of the file\n", "no PV001 to hide"),
        ("\tfc r3 // pvasm: ignore[PV001,PV077]", "unknown code, PV077"),
        ("\tfc r3 // pvasm: ignore[PV001,all]", "unknown code, ALL"),
        ("\tnop 0 // pvasm: ignore[]", "codes and a closing bracket"),
        ("\tnop 0 // pvasm: disable[PV001]", "no suppression"),
        ("\tnop 0\n\t// pvasm: ignore-file[PV001]\n", "before the first statement"),
    ],
)
def test_unused(text: str, words: str) -> None:
    (diagnostic,) = (d for d in check(text) if d.code != "PV001")
    assert (diagnostic.code, diagnostic.severity) == ("PV900", "warning")
    assert words in diagnostic.message
    assert diagnostic.instruction.startswith("pvasm:")


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("\tfc r3 // pvasm: ignore[PV001] used", ()),
        ("\tfc r3 // pvasm: ignore", ()),
        ("\tfc r3 // pvasm: ignore[PV0]", ()),
        ("\tfc r3 // pvasm: ignore[PV001] pvasm: ignore[PV00] both", ()),
        ("\tepc // pvasm: ignore[PV004] off unless selected", ()),
        ("\tnop 0 // pvasm: ignore[PV001] not selected", ("PV900", "PV002")),
        ("\tnop 0 // pvasm: ignore[PV00] not all of them selected", ("PV900", "PV002")),
        ("\tnop 0 // pvasm: ignore not all selected", ("PV900", "PV002")),
        ("\tnop 0 // pvasm: see the manual", ()),
        ("\tnop 0 // pvasm: ignore[PV001,PV900] on purpose", ()),
        ("// pvasm: ignore-file[PV9]\n\tnop 0 // pvasm: ignore[PV001]", ()),
    ],
)
def test_not_unused(text: str, codes: tuple[str, ...]) -> None:
    assert not found(text, *codes)


def test_off_with_its_code() -> None:
    assert not found("\tnop 0 // pvasm: ignore[PV001]", "PV001", "PV002")


# ----------------------------------------------------------------------------------- any text at all

PIECES = [
    *("fc r3", "nop 0", "\n", "\\\n", "//", "/*", "*/", '"', "'", "#", "#define X", ";", ";;", "{", "}"),
    *("pvasm: ignore", "[", "]", "PV001", "-file", "pvasm:", " ", "\t", "\ufeff", "\r"),
]


@given(st.lists(st.sampled_from(PIECES), max_size=60).map("".join), st.booleans())
def test_any_text_can_be_read(text: str, preprocessed: bool) -> None:
    suppressions = Suppressions(text, preprocessed=preprocessed)
    starts = [each.start for each in suppressions.all]
    assert starts == sorted(starts)
    assert all(text.startswith("pvasm:", start) for start in starts)
    assert len(starts) <= text.count("pvasm:")


@given(st.lists(st.sampled_from(PIECES), max_size=40).map("".join))
def test_suppressions_only_take_away(text: str) -> None:
    with_them = {(d.code, d.line, d.column) for d in check(text, "PV001", "PV900") if d.code != "PV900"}
    without = {(d.code, d.line, d.column) for d in check(text.replace("pvasm:", "qvasm:"), "PV001")}
    assert with_them <= without


def test_many_on_one_line_take_no_time() -> None:
    text = "\t" + "fc r3 ; " * 20_000 + "/* " + "pvasm: ignore[PV002] " * 20_000 + "*/\n"
    suppressions = Suppressions(text)
    assert len(suppressions.all) == 20_000
    for _ in range(20_000):
        assert not suppressions.hide("PV001", 1, 1)
