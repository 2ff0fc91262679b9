"""What programs read of a run: each format by a reader that is not ours, and the edits as somebody makes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import junitparser
import pysarif
import pytest

from tests.cli.command import pvasm
from tests.report.schema import sarif_schema

SAMPLES = Path(__file__).parents[2] / "sample_S"

SOURCE = """\
\tITC_D(p0, r18, r19) ;;
(p6)\tbr.cond.sptk 1f
\tmov r19 = 0 ;;
1:\tadd r9 = r19, r10 ;;
\tmov r16 = cr.ifa
\tthash r17 = r16\t// as above
\tmov ar.rsc = 3 ;;
\tmov r20 = ar.rnat
\tcmp.eq p8, p9 = r16, r17 ;;
(p10)\tmov r8 = r10
(p8)\tmov r8 = r11
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "a.S").write_text(SOURCE)
    (tmp_path / "good.S").write_text("\tnop 0\n")
    return tmp_path


def rows(*words: str, cwd: Path) -> list[dict[str, Any]]:
    done = pvasm("check", *words, "--output-format", "json", cwd=cwd)
    return [json.loads(line) for line in done.output.splitlines()]


def schema(cwd: Path) -> dict[str, Any]:
    done = pvasm("check", "--schema", cwd=cwd)
    assert (done.status, done.errors) == (0, "")
    content: dict[str, Any] = json.loads(done.output)
    return content


def made(text: str, edits: list[dict[str, Any]]) -> str:
    """A text with edits made, as an editor makes them: from the last to the first, by lines and columns."""
    for edit in sorted(edits, key=lambda each: (each["line"], each["column"]), reverse=True):
        lines = text.split("\n")
        start = sum(len(line) + 1 for line in lines[: edit["line"] - 1]) + edit["column"] - 1
        end = sum(len(line) + 1 for line in lines[: edit["end_line"] - 1]) + edit["end_column"] - 1
        text = text[:start] + edit["replacement"] + text[end:]
    return text


# -------------------------------------------------------------------------------------------------- json


def test_json_is_as_its_schema_says(tree: Path) -> None:
    jsonschema.Draft7Validator.check_schema(published := schema(tree))
    valid = jsonschema.Draft7Validator(published)
    found = rows(".", cwd=tree)
    assert found
    for row in found:
        valid.validate(row)
        assert set(row) == set(published["properties"]) - {"place"}
        assert row["version"] == 1
    counted = jsonschema.Draft7Validator(published["$defs"]["statistics"])
    for row in rows(".", "--statistics", cwd=tree):
        counted.validate(row)
    wrongs: list[dict[str, Any]]
    wrongs = [{"line": "1"}, {"severity": "fatal"}, {"version": 2}, {"fix": {}}, {"related": [{}]}]
    for wrong in wrongs:
        assert not valid.is_valid({**found[0], **wrong})
    assert not valid.is_valid({})


def test_related_places_stand_where_they_are_said_to(tree: Path) -> None:
    lines = SOURCE.splitlines()
    told = {
        (row["code"], row["line"]): [
            (lines[place["line"] - 1][place["column"] - 1 : place["end_column"] - 1], place["message"])
            for place in row["related"]
        ]
        for row in rows("a.S", cwd=tree)
    }
    assert told["PV301", 1] == [
        ("(p6)\tbr.cond.sptk 1f", "by way of (p6) br.cond.sptk 1f"),
        ("1", "by way of 1:"),
        ("add r9 = r19, r10", "read here: add r9 = r19, r10"),
    ]
    assert told["PV201", 6] == [("mov r16 = cr.ifa", "the first of the two: `mov r16 = cr.ifa'")]
    assert told["PV603", 8] == [("mov ar.rsc = 3", "sets ar.rsc.mode to 3")]
    assert told["PV601", 10] == [("cmp.eq p8, p9 = r16, r17", "sets p9")]
    assert told["PV002", 5] == []


def test_related_places_after_the_preprocessor_have_lines_alone(tree: Path) -> None:
    related = [row["related"] for row in rows("a.S", "--cpp", cwd=tree) if row["code"] == "PV301"]
    assert [(each["path"], each["line"], each["column"]) for each in related[0]] == [
        ("a.S", 2, 0),
        ("a.S", 4, 0),
        ("a.S", 4, 0),
    ]


EDITED = {
    "macros and functions": (SAMPLES / "broken" / "fsys.S").read_text(),
    "characters of several bytes": SOURCE.replace("\tmov r16", "/* é\U0001d54f */\tmov r16"),
    "a carriage return at the end of each line": SOURCE.replace("\n", "\r\n"),
}


@pytest.mark.parametrize(
    "name", [pytest.param(each, marks=[pytest.mark.slow] if each.startswith("macros") else []) for each in EDITED]
)
def test_the_edits_of_all_findings_are_what_fix_makes(name: str, tmp_path: Path) -> None:
    """Made together, as long as there are any."""
    target = tmp_path / "a.S"
    target.write_bytes(EDITED[name].encode())
    while edits := [edit for row in rows("a.S", cwd=tmp_path) if row["fix"] for edit in row["fix"]["edits"]]:
        assert {edit["path"] for edit in edits} == {"a.S"}
        target.write_bytes(made(target.read_bytes().decode(), edits).encode())
    by_hand = target.read_bytes()
    assert by_hand != EDITED[name].encode()
    target.write_bytes(EDITED[name].encode())
    pvasm("check", "--fix", "a.S", cwd=tmp_path)
    assert target.read_bytes() == by_hand


def test_what_cannot_be_fixed_says_why(tmp_path: Path) -> None:
    (tmp_path / "a.S").write_text("\tthash r17 = r16\n")
    (row,) = rows("a.S", cwd=tmp_path)
    assert row["fix"] is None
    assert row["details"][-1].startswith("not fixed: no general register is known to be free for THASH")


def test_that_edits_are_asked_for_changes_no_finding(tree: Path) -> None:
    plain = pvasm("check", "a.S", "--output-format", "gcc", cwd=tree).output.splitlines()
    assert [
        f"a.S:{row['line']}:{row['column']}: {row['severity']}: {row['message']} [{row['code']}]"
        for row in rows("a.S", cwd=tree)
    ] == plain


# ------------------------------------------------------------------------------------------------- sarif


def test_sarif_read_back(tree: Path) -> None:
    written = pvasm("check", ".", "--output-format", "sarif", cwd=tree, PVASM_DOCS_URL="https://example.org/pvasm/")
    (kept := tree / "log.sarif").write_text(written.output)
    log = json.loads(written.output)
    jsonschema.Draft4Validator(sarif_schema()).validate(log)
    (run,) = pysarif.load_from_file(str(kept)).runs
    found = rows(".", cwd=tree)
    assert len(run.results) == len(found)
    for result, row in zip(run.results, found, strict=True):
        assert result.rule_id == row["code"]
        related = [
            (place.message.text, place.physical_location.region.start_line) for place in result.related_locations or ()
        ]
        assert related == [(each["message"], each["line"]) for each in row["related"]]
        assert bool(result.fixes) is (row["fix"] is not None)
        for fix in result.fixes or ():
            (change,) = fix.artifact_changes
            assert change.artifact_location.uri == row["path"]
            edits = [(each.inserted_content.text, each.deleted_region.start_column) for each in change.replacements]
            assert edits == [(each["replacement"], each["column"]) for each in row["fix"]["edits"]]
    rules = {rule.id: rule for rule in run.tool.driver.rules}
    assert {row["url"] for row in found} == {None}
    assert rules["PV301"].help_uri == "https://example.org/pvasm/reference/rules/PV3xx.html#pv301"


def fingerprints(tree: Path) -> list[str]:
    log = json.loads(pvasm("check", "a.S", "--output-format", "sarif", cwd=tree).output)
    return [result["partialFingerprints"]["pvasmFinding/v1"] for result in log["runs"][0]["results"]]


def test_fingerprints_stay_where_lines_move(tree: Path) -> None:
    before = fingerprints(tree)
    assert len(set(before)) == len(before)
    (tree / "a.S").write_text(f"/* more */\n\n{SOURCE}")
    # PV301 and PV601 tell lines in their messages, which do not count.
    assert fingerprints(tree) == before
    (tree / "a.S").write_text(SOURCE.replace("cr.ifa", "cr.iipa"))
    assert set(fingerprints(tree)) != set(before)


# ------------------------------------------------------------------------------------------------- junit


def test_junit_read_back(tree: Path) -> None:
    (tree / "bad.S").write_bytes(b"\0")
    done = pvasm("check", ".", "--output-format", "junit", cwd=tree)
    assert done.status == 2
    suites = junitparser.JUnitXml.fromstring(done.output.encode())
    by_name = {suite.name: suite for suite in suites}
    assert set(by_name) == {"a.S", "good.S", "bad.S"}
    found = rows("a.S", cwd=tree)
    failing = [row for row in found if row["severity"] == "error"]
    assert 0 < len(failing) < len(found)
    assert (by_name["a.S"].tests, by_name["a.S"].failures, by_name["a.S"].errors) == (len(found), len(failing), 0)
    assert (by_name["bad.S"].errors, by_name["good.S"].tests, by_name["good.S"].failures) == (1, 1, 0)
    assert (suites.tests, suites.failures, suites.errors) == (len(found) + 2, len(failing), 1)
    shown = [case.result[0].message for case in by_name["a.S"] if case.result]
    assert shown == [row["message"] for row in failing]


def test_the_cache_keeps_related_places_and_edits(tree: Path) -> None:
    words = ("check", "a.S", "--output-format", "json")
    first, again = (pvasm(*words, cwd=tree, PVASM_CACHE_DIR=str(tree / "cache")).output for _ in range(2))
    assert first == again == pvasm(*words, "--no-cache", cwd=tree).output
    assert '"edits"' in first
    text = pvasm("check", "a.S", cwd=tree, PVASM_CACHE_DIR=str(tree / "cache")).output
    assert text == pvasm("check", "a.S", "--no-cache", cwd=tree).output  # which has a result of its own
