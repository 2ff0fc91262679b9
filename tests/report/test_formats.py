"""The formats of findings: each as those who read it have written down."""

from __future__ import annotations

import json
import re
from urllib.parse import unquote, urlsplit

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pvasm.check.checker import FileResult
from pvasm.check.diagnostic import Diagnostic
from pvasm.check.finding import Severity
from pvasm.check.rule import every_rule
from pvasm.errors import PvasmError
from pvasm.report import gcc, github, sarif
from pvasm.report import plain_text as text
from pvasm.report.reporter import Reporter, Style
from tests.report.schema import sarif_schema

FOUND = Diagnostic(
    path="arch/ivt.S",
    line=12,
    column=2,
    end_line=12,
    end_column=18,
    code="PV002",
    severity="error",
    message="privileged instruction; use MOV_FROM_IFA(r16)",
    instruction="mov r16 = cr.ifa",
    source_line="\tmov r16 = cr.ifa\t// remark",
    source_column=2,
    instance="xen",
    details=("it becomes", "\tld8 r16 = [r16]"),
)
NOTE = FOUND._replace(code="PV003", severity="note", instance=None, details=(), line=13, end_line=13)

# What a hostile name or source can bring: what steers terminals, ends lines, and is no Unicode text.
NASTY = st.text(st.sampled_from("a:,%]\x1b\r\n\t\x07\u2028\udcff\u202e\"'\\<&é"), min_size=1, max_size=12)
ANY = st.builds(
    FOUND._replace,
    path=NASTY,
    message=NASTY,
    instruction=NASTY,
    source_line=NASTY,
    source_column=st.integers(1, 12),
    instance=st.none() | NASTY,
    details=st.lists(NASTY, max_size=3).map(tuple),
    severity=st.sampled_from(["error", "warning", "note"]),
    code=st.sampled_from(sorted(every_rule())),
    line=st.integers(0, 1 << 20),
    end_line=st.integers(0, 1 << 20),
    column=st.integers(1, 1 << 20),
    end_column=st.integers(1, 1 << 20),
)


# -------------------------------------------------------------------------------------------- text


def test_text_shows_the_line_and_the_details_below() -> None:
    assert text.render(FOUND) == (
        "arch/ivt.S:12:2: PV002 error: privileged instruction; use MOV_FROM_IFA(r16) [xen]\n"
        "    \tmov r16 = cr.ifa\t// remark\n"
        "    \t^~~~~~~~~~~~~~~~\n"
        "      it becomes\n"
        "      \tld8 r16 = [r16]"
    )


@given(ANY)
def test_colour_adds_nothing_but_colour(diagnostic: Diagnostic) -> None:
    plain = text.render(diagnostic)
    colored = text.render(diagnostic, color=True)
    assert re.sub("\x1b\\[[0-9;]*m", "", colored) == plain
    assert colored.count("\x1b[0m") * 2 == colored.count("\x1b")


@given(ANY)
def test_nothing_in_a_file_steers_the_terminal(diagnostic: Diagnostic) -> None:
    shown = text.render(diagnostic).split("\n")
    assert len(shown) in (1 + len(diagnostic.details), 3 + len(diagnostic.details))
    for line in (*shown, gcc.render(diagnostic)):
        assert all(character.isprintable() or character in "\t\udcff" for character in line)


# --------------------------------------------------------------------------------------------- gcc

# What Emacs's compilation mode and Vim's errorformat make of gcc's lines.
GCC_LINE = re.compile(r"^([^:\n]+):(\d+):(\d+): (error|warning|note): (.*)$")


def test_gcc() -> None:
    found = GCC_LINE.match(gcc.render(FOUND))
    assert found is not None
    said = "privileged instruction; use MOV_FROM_IFA(r16) [xen] [PV002]"
    assert found.groups() == ("arch/ivt.S", "12", "2", "error", said)
    assert gcc.render(NOTE).endswith("(r16) [PV003]")


# ------------------------------------------------------------------------------------------ github


def runner_reads(line: str) -> tuple[str, dict[str, str], str]:
    """A workflow command as GitHub's runner takes it apart: the command, its properties, its text."""
    found = re.fullmatch(r"::(\w+) ([^\r\n]*?)::([^\r\n]*)", line)
    assert found is not None
    properties = dict(item.split("=", 1) for item in found[2].split(","))

    def plain(value: str) -> str:
        return unquote(value)

    return found[1], {name: plain(value) for name, value in properties.items()}, plain(found[3])


def test_github() -> None:
    assert runner_reads(github.render(FOUND)) == (
        "error",
        {
            "file": "arch/ivt.S",
            "line": "12",
            "endLine": "12",
            "title": "PV002 [xen]",
            "col": "2",
            "endColumn": "18",
        },
        "privileged instruction; use MOV_FROM_IFA(r16)\nit becomes\n\tld8 r16 = [r16]",
    )
    assert runner_reads(github.render(NOTE))[0] == "notice"


@given(ANY)
def test_github_gets_back_what_was_said(diagnostic: Diagnostic) -> None:
    _, properties, said = runner_reads(github.render(diagnostic))
    assert properties["file"] == diagnostic.path.replace("\udcff", "\ufffd")
    assert said.split("\n")[0] == diagnostic.message.replace("\udcff", "\ufffd").split("\n")[0]


# ------------------------------------------------------------------------------------------- sarif


def validator() -> jsonschema.Draft4Validator:
    return jsonschema.Draft4Validator(sarif_schema())


@pytest.fixture(scope="module")
def valid() -> jsonschema.Draft4Validator:
    return validator()


def test_sarif(valid: jsonschema.Draft4Validator) -> None:
    log = json.loads(
        sarif.render([FOUND, NOTE], [PvasmError("no such file", "gone.S"), PvasmError("odd", "a.S", 3, 4)])
    )
    valid.validate(log)
    (run,) = log["runs"]
    first, second = run["results"]
    assert (first["ruleId"], first["level"], second["level"]) == ("PV002", "error", "note")
    assert run["tool"]["driver"]["rules"][first["ruleIndex"]]["id"] == "PV002"
    place = first["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "arch/ivt.S"
    assert [place["region"][key] for key in ("startLine", "startColumn", "endLine", "endColumn")] == [12, 2, 12, 18]
    (invocation,) = run["invocations"]
    assert not invocation["executionSuccessful"]
    assert len(invocation["toolExecutionNotifications"]) == 2


def test_sarif_with_nothing_found(valid: jsonschema.Draft4Validator) -> None:
    log = json.loads(sarif.render([], []))
    valid.validate(log)
    assert log["runs"][0]["results"] == []
    assert log["runs"][0]["invocations"][0]["executionSuccessful"]


def test_the_schema_refuses_what_is_wrong(valid: jsonschema.Draft4Validator) -> None:
    log = json.loads(sarif.render([FOUND], []))
    log["runs"][0]["results"][0]["level"] = "fatal"
    with pytest.raises(jsonschema.ValidationError):
        valid.validate(log)


@pytest.mark.slow
@given(diagnostic=ANY)
def test_any_finding_is_valid_sarif(valid: jsonschema.Draft4Validator, diagnostic: Diagnostic) -> None:
    log = sarif.render([diagnostic], [PvasmError(diagnostic.message, diagnostic.path, diagnostic.line, 1)])
    log.encode()
    content = json.loads(log)
    valid.validate(content)
    uri = content["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    parts = urlsplit(uri)
    assert (parts.scheme, parts.query, parts.fragment) == ("", "", "")
    assert unquote(parts.path, errors="surrogateescape").removeprefix("./") == diagnostic.path


def test_an_absolute_path_is_a_file_uri() -> None:
    log = json.loads(sarif.render([FOUND._replace(path="/a b/c.S")], []))
    place = log["runs"][0]["results"][0]["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "file:///a%20b/c.S"


# ---------------------------------------------------------------------------------------- reporter

RESULT = FileResult("arch/ivt.S", [FOUND, NOTE, NOTE._replace(line=14, end_line=14)])


def printed(*results: FileResult, hidden: int = 0, stale: int = 0, **style: object) -> str:
    reporter = Reporter(Style(**style))  # type: ignore[arg-type]
    return "".join(map(reporter.add, results)) + reporter.end(hidden, stale)


def test_summary() -> None:
    assert printed(RESULT).splitlines()[-1] == "1 error, 2 notes in 1 file"
    assert printed(RESULT, hidden=3, stale=1).splitlines()[-1] == (
        "1 error, 2 notes in 1 file; 3 more in the baseline; 1 finding of the baseline no longer there: write it again"
    )
    assert printed() == "nothing found in 0 files\n"


@pytest.mark.parametrize("name", ["text", "json", "github", "gcc"])
def test_quiet_is_errors_alone(name: str) -> None:
    alone = FileResult("arch/ivt.S", [FOUND])
    assert printed(RESULT, format=name, quiet=True) == printed(alone, format=name, quiet=True)
    assert printed(RESULT, format=name, quiet=True).count("PV002") == 1
    assert "in 1 file" not in printed(RESULT, format=name, quiet=True)


def test_statistics() -> None:
    lines = printed(RESULT, statistics=True).splitlines()
    assert [line.split()[:3] for line in lines[:-1]] == [["2", "PV003", "note"], ["1", "PV002", "error"]]
    assert lines[-1] == "1 error, 2 notes in 1 file"
    counted = [json.loads(line) for line in printed(RESULT, statistics=True, format="json").splitlines()]
    assert [(entry["code"], entry["count"]) for entry in counted] == [("PV003", 2), ("PV002", 1)]
    assert printed(RESULT, statistics=True, quiet=True).split()[:2] == ["1", "PV002"]


@pytest.mark.parametrize("severity", ["error", "warning", "note"])
def test_only_errors_fail(severity: Severity) -> None:
    reporter = Reporter(Style())
    reporter.add(FileResult("a.S", [FOUND._replace(severity=severity)]))
    assert reporter.found_errors is (severity == "error")
