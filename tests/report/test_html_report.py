"""`pvasm report`: one file that says what the commands say, whatever stands in the sources, and needs nothing else."""

from __future__ import annotations

import importlib.resources
import json
import re
from base64 import b64encode
from collections import Counter
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Literal
from xml.etree.ElementTree import Element

import html5lib
import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.cli.command import pvasm
from tests.oracle import require_tool

SAMPLES = Path(__file__).parents[2] / "sample_S"

SOURCE = """\
GLOBAL_ENTRY(first)
	MOV_FROM_IFA(r16)
	;;
	mov r8 = r16
	;;
	cmp.eq p6, p0 = r0, r8
	;;
(p6)	br.cond.sptk .Lout
	mov r19 = r8
	;;
	MOV_TO_IFA(r8, r18)
	;;
	mov r9 = r19
	;;
.Lout:
	br.ret.sptk.many rp
END(first)

GLOBAL_ENTRY(second)
	mov r18 = r8
	;;
	MOV_TO_IFA(r8, r18)
	;;
	mov r9 = r18
	mov r10 = cr.iip
	br.ret.sptk.many rp
END(second)
"""


def made(folder: Path, *arguments: str | Path) -> str:
    done = pvasm("report", *arguments, "-o", "report.html", cwd=folder)
    assert (done.status, done.error_lines) == (0, [])
    return (folder / "report.html").read_text(encoding="utf-8")


def parsed(page: str) -> Element:
    """The page, which a strict parser finds nothing wrong with, and whose links lead somewhere."""
    root: Element = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(page)
    ids = [each.attrib["id"] for each in root.iter() if "id" in each.attrib]
    assert [name for name, number in Counter(ids).items() if number > 1] == []
    referred = [each.attrib["href"] for each in root.iter() if "href" in each.attrib]
    assert referred
    assert {name[:1] for name in referred} == {"#"}
    named = [word for each in root.iter() for word in each.attrib.get("aria-labelledby", "").split()]
    assert {name[1:] for name in referred} | set(named) <= set(ids)
    return root


def texts(root: Element, path: str) -> list[str]:
    return [" ".join("".join(each.itertext()).split()) for each in root.findall(path)]


def cells(row: Element) -> list[str]:
    return [" ".join("".join(each.itertext()).split()) for each in row]


def matrix(root: Element) -> dict[str, list[str]]:
    """The cells of each op's row, by its name."""
    rows = map(cells, root.findall(".//table[@class='matrix']/tbody/tr"))
    return {first.partition("(")[0]: others for first, *others in rows}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A source, what runs of a scenario came to, and the trace of one."""
    folder = tmp_path_factory.mktemp("report")
    (folder / "a.S").write_text(SOURCE)
    assert pvasm("test", SAMPLES / "scenarios", "--junit", folder / "runs.xml").status == 0
    scenario = SAMPLES / "scenarios/dtlb_miss.yaml"
    options: list[str | Path] = ["-I", SAMPLES / "include", "--stub-missing", "-i", "xen", "--trace-format", "json"]
    (folder / "trace").write_text(pvasm("simulate", SAMPLES / "ivt.S", "--scenario", scenario, *options).output)
    return folder


@pytest.fixture(scope="module")
def report(folder: Path) -> Element:
    return parsed(made(folder, "a.S", "--results", "runs.xml", "--trace", "trace"))


def svg(root: Element, path: str) -> list[Element]:
    return root.findall(re.sub(r"\b(svg|rect|path|text|tspan)\b", "{http://www.w3.org/2000/svg}\\1", path))


def groups_are_those_of_the_variants(folder: Path, root: Element, *instances: str) -> None:
    rows = root.findall(".//table[@class='beside']/tbody/tr[@class='differs']")
    assert len(rows) == 3  # the invocations of ops; the bare mov is the same
    for place, name in enumerate(instances):
        variant = pvasm("expand", "-i", name, "a.S", "-o", "-", cwd=folder).output
        lines = [" ".join(line.split("//")[0].split()) for line in variant.splitlines()]
        written = " ".join(line for line in lines if line and not line.startswith("#"))
        for row in rows:
            code = " ".join(texts(row.findall("td")[place], ".//code"))
            assert code
            assert code.replace(" ;;", ";;") in written.replace(" ;;", ";;")


# ------------------------------------------------------------------------------------- what it says


def test_it_says_what_check_says(folder: Path, report: Element) -> None:
    lines = pvasm("check", "--output-format=json", "a.S", cwd=folder).output.splitlines()
    found = [json.loads(line) for line in lines]
    assert {each["code"] for each in found} == {"PV002", "PV301"}
    shown = texts(report, ".//li[@class='finding']/p")
    for each, text in zip(found, shown, strict=True):
        assert text.startswith(f"{each['severity']} {each['code']} {each['line']}:{each['column']} {each['message']}")
    marked = texts(report, ".//pre[@class='source']//mark")
    assert marked == [" ".join(each["instruction"].split()) for each in found]
    numbers = texts(report, ".//span[@class='line at']/span")
    assert numbers == [str(each["line"]) for each in found]


def test_groups_are_those_that_expand_writes(folder: Path, report: Element) -> None:
    groups_are_those_of_the_variants(folder, report, "native", "xen")
    sizes = texts(report, ".//section[@aria-labelledby='groups']//span[@class='figures']")
    # second: mov, mov cr.ifa =, mov, mov, br; in Xen the op is an address and a store: a group more.
    assert sizes[1] == "native 5 instructions, 3 groups; xen 6, 4; 1 line of the source not the same"


@pytest.mark.slow
def test_groups_of_other_instances(folder: Path) -> None:
    root = parsed(made(folder, "a.S", "--instances", "xen,trap"))
    groups_are_those_of_the_variants(folder, root, "xen", "trap")


def test_control_flow_and_live_ranges(report: Element) -> None:
    """By hand: in `second`, r18 is set, clobbered by the op, and read behind it; in `first` it is never read."""
    first, second = svg(report, ".//svg")
    assert svg(first, ".//rect[@class='live']") == []
    assert len(svg(first, ".//path[@class='clobber']")) == 1
    assert len(svg(first, ".//path[@class='jump']")) == 1
    assert svg(second, ".//path[@class='clobber']") == []
    assert len(svg(second, ".//path[@class='needed']")) == 1
    (bar,) = svg(second, ".//rect[@class='live']")
    rows = {"".join(each.itertext()).lstrip("0123456789"): each.attrib.get("y", "0") for each in svg(second, ".//text")}
    middle = {text: float(y) - 13 + 9 for text, y in rows.items()}  # of an 18 units' row, whose text stands on 13
    start = float(bar.attrib["y"])
    assert (start, start + float(bar.attrib["height"])) == (middle["mov r18 = r8 ;;"], middle["mov r9 = r18"])
    assert [cells(row) for row in report.findall(".//details[@class='words']//tbody/tr")] == [
        ["1", "1–8", "first:", "2, 3", "none"],
        ["2", "9–13", "mov r19 = r8 ;;", "3", "none"],
        ["3", "15–16", ".Lout:", "returns", "none"],
        ["1", "19–26", "second:", "returns", "none"],
    ]


def test_runs_and_traces_are_told_of(folder: Path, report: Element) -> None:
    rows = matrix(report)
    assert rows["MOV_FROM_IFA"] == ["1", *("as it is", "1", "1", "1", "1 run"), *("kept", "2", "2", "1", "1 run")]
    # It is in no source that was run.
    assert rows["MOV_TO_IFS"] == ["–", *("as it is", "1", "1", "1", "none"), *("kept", "2", "2", "1", "none")]
    moments = [json.loads(line) for line in (folder / "trace").read_text().splitlines()]
    instructions = sum(bool(each["instruction"]) for each in moments)
    (article,) = report.findall(".//section[@aria-labelledby='traces']/article")
    assert texts(article, "p")[0].startswith(f"{instructions} instructions in {sum(each['stop'] for each in moments)} ")
    events: Counter[str] = Counter()
    for each in moments:
        events.update(each["events"])
    assert events
    for name, number in events.items():
        assert f"{number} {name}" in texts(article, "p")[0]


def test_runs_of_compare_are_told_of(tmp_path: Path) -> None:
    """As `pvasm compare --junit` writes them: their sources are named, and there need be no scenario."""
    (tmp_path / "b.S").write_text("\t.global go\ngo:\n\tMOV_FROM_IFA(r16)\n\t;;\n\tthash r17 = r16\n\tbr.ret.sptk b0\n")
    (tmp_path / "s.yaml").write_text("entry: go\nregisters: {psr.ic: 0}\n")
    for name, *words in (("random.xml", "--entry", "go", "--random", "3"), ("scenario.xml", "--scenario", "s.yaml")):
        instances = ("--instances", "native,xen")
        assert pvasm("compare", "b.S", *words, *instances, "--junit", name, cwd=tmp_path).status == 1
    report = parsed(made(tmp_path, "b.S", "--results", "random.xml", "--results", "scenario.xml"))
    row = matrix(report)["MOV_FROM_IFA"]
    assert (row[5], row[10]) == ("2 runs", "2 of 2 failed")
    runs = [cells(each) for each in report.findall(".//div[@aria-label='Runs']//tbody/tr")]
    assert [each[:2] for each in runs] == [
        *([run, instance] for run in ("b.S from go", "s.yaml") for instance in ("native", "xen"))
    ]
    assert [each[2] for each in runs[::2]] == ["as expected", "as expected"]
    assert runs[1][2].startswith("failed different in 3 of 3 states, first in number 0 r17: ")
    assert runs[3][2].startswith("failed r17: ")
    assert {each[3] for each in runs} == {"1"}


# --------------------------------------------------------------------------------- what is in sources

MARK = "<script>alert(1)</script>"
HOSTILE = f"""\
	.text
	.proc "x{MARK}"
"x{MARK}":
	mov r16 = cr.ifa	// {MARK}</pre></details><img src=x onerror=alert(1)> \x01 \u202e {{{{ 7 * 7 }}}} ]]> <!--
	MOV_FROM_IFA(r8)	/* {MARK} */
	{MARK}
	br.ret.sptk.many rp
	.endp "x{MARK}"
"""


MINE = "name: mine\ndescription: mine\nextends: xen\nops:\n  MOV_FROM_IFA:\n    template: mov r31 = {{ reg }}\n"
NAME = "<img src=x onerror=alert(1)>'\"&{{ 7 * 7 }}.S"


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The report of a file, and of results and a trace, that would rather be parts of the page."""
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "mine.yaml").write_text(MINE)
    (folder / NAME).write_bytes(HOSTILE.encode() + b"\trfi\t// \xff\xfe\n")
    case = '<testcase classname="s.yaml" name="&lt;script&gt;"><failure>&lt;b&gt;</failure></testcase>'
    (folder / "runs.xml").write_text(f"<testsuite>{case}</testsuite>")
    (folder / "s.yaml").write_text("entry: a\n")
    moment = {"ip": MARK, "place": f"{MARK}:1", "instruction": MARK, "level": 0, "stop": True, "changed": {MARK: "0"}}
    trace = MARK.replace("/", "-")
    (folder / trace).write_text(json.dumps({**moment, "events": {MARK: 1}}) + "\n")
    given = ("--instances", "native,./mine.yaml", "--results", "runs.xml", "--trace", trace)
    done = pvasm("report", NAME, "gone.S", "-o", "r.html", *given, cwd=folder)
    assert done.status == 2
    assert "pvasm: error: gone.S: no such file or folder" in done.error_lines
    return (folder / "r.html").read_text(encoding="utf-8")


def test_what_stands_in_sources_is_text(hostile: str) -> None:
    root = parsed(hostile)
    (script,) = root.iter("script")
    (style,) = root.iter("style")
    policy = next(each for each in root.iter("meta") if "http-equiv" in each.attrib).attrib["content"]
    for element, kind in ((script, "script"), (style, "style")):
        digest = b64encode(sha256((element.text or "").encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none';")
    assert not list(root.iter("img"))
    names = {str(name) for each in root.iter() for name in each.attrib}
    assert not [name for name in names if name.startswith("on") or name in ("style", "src", "xlink:href", "action")]
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", hostile)
    shown = "".join(root.itertext())
    for text in (NAME, "{{ 7 * 7 }} ]]> <!--", MARK):
        assert text in shown
    assert MARK in "".join(texts(root, ".//section[@aria-labelledby='traces']//th"))


def test_what_cannot_be_read_is_told_in_it(hostile: str) -> None:
    told = texts(parsed(hostile), ".//ul[@class='errors']/li")
    assert "gone.S: no such file or folder" in told


def test_an_op_that_breaks_its_contract_is_told(hostile: str) -> None:
    rows = matrix(parsed(hostile))
    assert rows["MOV_FROM_IFA"][6].startswith("broken ")
    assert "reg" in rows["MOV_FROM_IFA"][6]
    assert rows["MOV_FROM_ITIR"][6] == "kept"


@pytest.mark.slow
def test_size_grows_as_the_sources_do(tmp_path: Path) -> None:
    sizes = []
    for number in (2, 4, 8):
        for at in range(number):
            (tmp_path / f"{at:02}.S").write_text(SOURCE * 2)
        sizes.append(len(made(tmp_path, ".")))
    assert sizes[2] - sizes[1] == pytest.approx(2 * (sizes[1] - sizes[0]), rel=0.05)


# ------------------------------------------------------------------------------------ what is wrong

WRONG = {
    "--function frist": "--function: no source has a routine frist (did you mean first?)",
    "--instances nativ,xen": "unknown instance nativ (did you mean native?); known are "
    "hvm, native, native-poison, trap, xen",
    "--instances xen,xen": "--instances: xen,xen: an instance is there twice",
    "--instances ,": "--instances: which? native,xen is what it is without the option",
    "--trace a.S": "a.S:1: no line of a trace (pvasm simulate --trace-format json)",
    "--trace gone": "gone: no such file or folder",
    "--results other.xml": "other.xml: no results of `pvasm test --junit' or `compare --junit': it is about `other'",
    "--results entity.xml": "entity.xml: no results of `pvasm test --junit' or `compare --junit': it declares a type "
    "of document",
}


@pytest.mark.parametrize("options", WRONG)
def test_what_cannot_be_told_of_is_one_line(options: str, folder: Path) -> None:
    (folder / "other.xml").write_text("<other/>")
    (folder / "entity.xml").write_text('<!DOCTYPE a [<!ENTITY b "c">]><testsuite/>')
    done = pvasm("report", "a.S", *options.split(), "-o", "r.html", cwd=folder)
    assert (done.status, done.output, done.error_lines) == (2, "", [f"pvasm: error: {WRONG[options]}"])
    assert not (folder / "r.html").exists()


def test_sources_stay(folder: Path) -> None:
    done = pvasm("report", "a.S", "-o", "a.S", cwd=folder)
    assert done.status == 2
    assert (folder / "a.S").read_text() == SOURCE


# ------------------------------------------------------------------------------------- in a browser


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A report's, with all that there can be in one."""
    folder = tmp_path_factory.mktemp("page")
    (folder / "a.S").write_text(SOURCE)
    (folder / "s.yaml").write_text("entry: a\n")
    case = '<testcase classname="s.yaml" name="xen"><failure>b</failure></testcase>'
    (folder / "runs.xml").write_text(f"<testsuite>{case}</testsuite>")
    moment = {"ip": "0x0", "place": "a.S:2", "instruction": "nop 0", "level": 0, "stop": True, "changed": {"r8": "0"}}
    (folder / "trace").write_text(json.dumps({**moment, "events": {"fault a": 1}}) + "\n")
    made(folder, "a.S", "--trace", "trace", "--results", "runs.xml")
    return (folder / "report.html").as_uri()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, without a window."""
    path = require_tool("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path)
        yield browser
        browser.close()


@pytest.mark.slow
@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 320)])
def test_it_is_accessible_and_needs_nothing(
    scheme: Literal["light", "dark"], width: int, browser: Browser, address: str
) -> None:
    """By axe-core, which travels with axe-playwright-python."""
    axe = (importlib.resources.files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")
    page = browser.new_page(color_scheme=scheme, viewport={"width": width, "height": 800})
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: said.append(request.url))
    page.goto(address)
    page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    # Of the many rows of ops that are alike, a few do.
    page.evaluate("for (const each of [...document.querySelectorAll('.matrix tbody tr')].slice(8)) each.remove()")
    page.evaluate(axe)
    found = page.evaluate("axe.run()")
    assert [(each["id"], each["nodes"][0]["html"]) for each in found["violations"]] == []
    wanted = {"color-contrast", "region", *(["scrollable-region-focusable"] if width == 320 else [])}
    assert wanted <= {each["id"] for each in found["passes"]}
    assert said == [address]
    page.close()


@pytest.mark.slow
def test_it_works_from_the_keyboard(browser: Browser, address: str) -> None:
    page = browser.new_page()
    page.goto(address)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.focus("summary")
    assert not page.is_visible(".finding")
    page.keyboard.press("Enter")
    assert page.is_visible(".finding")
    page.fill("#filter-text", "pv301")
    shown = "[...document.querySelectorAll('.finding')].filter(x => x.checkVisibility()).map(x => x.innerText)"
    (only,) = page.evaluate(shown)
    assert "PV301" in only
    page.close()


@pytest.mark.slow
def test_it_works_without_scripts(browser: Browser, address: str) -> None:
    page = browser.new_page(java_script_enabled=False)
    page.goto(address)
    assert not page.is_visible("#filter")
    page.click("details.file summary")
    assert page.is_visible(".finding")
    page.close()


def test_nothing_but_a_page_is_written_over(tmp_path: Path) -> None:
    for name in ("a.S", "b.S"):
        (tmp_path / name).write_text("\trfi\n")
    done = pvasm("report", "-o", "a.S", "b.S", cwd=tmp_path)  # -o *.S
    said = "pvasm: error: a.S: is there and is no HTML page: not overwritten; name another file"
    assert (done.status, done.output, done.error_lines) == (2, "", [said])
    assert (tmp_path / "a.S").read_text() == "\trfi\n"
    (tmp_path / "report.html").touch()  # as mktemp does
    for _ in range(2):
        assert "PV002" in made(tmp_path, "b.S")


def test_where_nothing_could_be_read_there_is_no_report(tmp_path: Path) -> None:
    done = pvasm("report", "gone.S", "-o", "r.html", cwd=tmp_path)
    assert (done.status, done.output, done.errors) == (2, "", "pvasm: error: gone.S: no such file or folder\n")
    assert not (tmp_path / "r.html").exists()
