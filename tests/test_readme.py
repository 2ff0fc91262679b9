"""README shows what the commands print. `...` on a line of its own stands for what is left out."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pvasm.check.rule import every_rule
from pvasm.data import samples_directory
from tests.cli.command import pvasm
from tests.oracle import require_tool
from tests.samples.pipeline import assemble

README = Path(__file__).parent.parent / "README.md"


def steps() -> Iterator[tuple[str, str]]:
    """Each command of the tour, and what it prints."""
    for block in re.findall(r"^```console\n(.*?)^```$", README.read_text(), re.DOTALL | re.MULTILINE):
        for step in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = step.partition("\n")
            yield command, output


_COUNTS_OPS = r"pvasm instance (?:list|new|diff|validate)\b"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tour")
    (path / "sample_S").symlink_to(samples_directory())
    for command, output in steps():
        if command.startswith("cat "):
            (path / command.split()[1]).write_text(output)
    for command, _ in steps():  # those that make what others read: each may be tried by a process of its own
        if command.startswith("ia64-linux-gnu-as ") and shutil.which("ia64-linux-gnu-as"):
            subprocess.run(shlex.split(command), cwd=path, check=True)
        elif command.startswith(("pvasm expand --single-binary ", "pvasm patch ")) and " | " not in command:
            pvasm(*shlex.split(command)[1:], cwd=path)
    return path


@pytest.mark.parametrize(("command", "expected"), [step for step in steps() if step[0].startswith("pvasm ")])
def test_the_tour(folder: Path, command: str, expected: str) -> None:
    command, _, query = command.partition(" | jq -c ")
    command, _, filter_ = command.partition(" | sed -n ")
    words = [
        str(path.relative_to(folder)) if "*" in word else word
        for word in shlex.split(command)[1:]
        for path in (sorted(folder.glob(word)) if "*" in word else [folder])
    ]
    if any(word.endswith(".o") for word in words):
        require_tool("ia64-linux-gnu-as")  # which has made it
    output = pvasm(*words, cwd=folder).output
    if filter_:
        first, last = map(int, re.findall(r"\d+", filter_))
        output = "".join(output.splitlines(keepends=True)[first - 1 : last])
    if query:
        output = "".join(f"{_queried(line, *shlex.split(query))}\n" for line in output.splitlines())
    pattern = "".join(r"(?:.*\n)*?" if line == "...\n" else re.escape(line) for line in expected.splitlines(True))
    if re.match(_COUNTS_OPS, command):  # how many there are is not what is shown: an op more changes nothing here
        pattern = re.sub(r"\d+", r"\\d+", pattern)
    assert re.fullmatch(pattern, output), output


def _queried(line: str, query: str) -> str:
    """What `jq -c` makes of a line, for a query of the form `[.key, .key[2]]`."""
    found = []
    for part in query.strip("[]").split(", "):
        value = json.loads(line)
        for key, index in re.findall(r"\.(\w+)|\[(\d+)\]?", part):
            value = value[key] if key else value[int(index)]
        found.append(value)
    return json.dumps(found, separators=(",", ":"))


def test_the_python_that_is_shown_prints_what_it_says(capsys: pytest.CaptureFixture[str]) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```$", README.read_text(), re.DOTALL | re.MULTILINE)
    assert blocks
    for block in blocks:
        exec(block, {})
        said = re.findall(r"^print\(.*\)  # (.*)$", block, re.MULTILINE)
        assert capsys.readouterr().out.splitlines() == said


def test_every_code_is_of_a_family_that_is_told_of() -> None:
    families = re.findall(r"^\| (PV\d)xx \|", README.read_text(), re.MULTILINE)
    assert sorted(families) == sorted({code[:3] for code in every_rule()})
    assert set(re.findall(r"PV\d{3}", README.read_text())) <= set(every_rule())


def test_nothing_is_left_to_fill_in() -> None:
    assert not re.findall(r"^[A-Z_]{5,}$", README.read_text(), re.MULTILINE)


DOCUMENTS = [README, *sorted((README.parent / "docs").glob("*.md"))]
_FENCE = re.compile(r"^```(?P<language>[\w-]*)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)
# Blocks that are there to be flagged: by a word in them.
_TO_BE_FLAGGED = {
    "handler.S": "what check and --fix are shown on",
    "pvasm: ignore": "suppressions, of instructions that are flagged without",
}


def assembly_blocks() -> Iterator[tuple[str, str]]:
    """The assembly that README and docs show: of sources, not what an instance makes of them."""
    for path in DOCUMENTS:
        for block in _FENCE.finditer(path.read_text()):
            if block["language"] == "console":
                for step in re.split(r"^\$ ", block["text"], flags=re.MULTILINE)[1:]:
                    command, _, output = step.partition("\n")
                    if command.startswith("cat ") and command.endswith(".S"):
                        yield f"{path.name}: {command}", output
            elif block["language"] in ("c", "asm", "S"):
                line = path.read_text()[: block.start()].count("\n") + 1
                yield f"{path.name}:{line}: {block['text'].strip()}", block["text"]


BLOCKS = [block for block in assembly_blocks() if not any(word in block[0] for word in _TO_BE_FLAGGED)]


@pytest.mark.parametrize("text", [text for _, text in BLOCKS], ids=[name.split("\n")[0] for name, _ in BLOCKS])
def test_what_is_shown_is_clean_under_its_own_tool(text: str, tmp_path: Path) -> None:
    """F8: nobody learns mistakes from the documents."""
    (tmp_path / "a.S").write_text(text)
    done = pvasm("check", "a.S", "--no-config", cwd=tmp_path)
    assert done.status == 0, done.output
    assert "warning" not in done.output


@pytest.mark.parametrize("instance", ["native", "xen", "trap"])
@pytest.mark.parametrize("text", [text for _, text in BLOCKS], ids=[name.split("\n")[0] for name, _ in BLOCKS])
def test_what_is_shown_has_no_mistake_to_gnu_as_either(text: str, instance: str, tmp_path: Path) -> None:
    """F8: as expanded, for each instance, without a dependency that GNU as warns of."""
    source = tmp_path / "a.S"
    source.write_text(re.sub(r"^#include.*$", "", text, flags=re.MULTILINE))  # headers of a kernel
    expanded = pvasm("expand", "-i", instance, "-o", "b.S", "a.S", cwd=tmp_path)
    assert expanded.status == 0, expanded.output
    assembled = assemble(tmp_path / "b.S", tmp_path / "b.o")
    assert (assembled.status, assembled.messages) == (0, "")


def instances_shown() -> Iterator[tuple[str, str]]:
    """The instance files that the documents show."""
    for path in DOCUMENTS:
        for block in _FENCE.finditer(path.read_text()):
            if block["language"] == "yaml" and re.search("^(extends|ops):", block["text"], re.MULTILINE):
                yield f"{path.name}:{path.read_text()[: block.start()].count(chr(10)) + 1}", block["text"]


@pytest.mark.parametrize("text", [pytest.param(text, id=name) for name, text in instances_shown()])
def test_an_instance_that_is_shown_keeps_its_contract(text: str, tmp_path: Path) -> None:
    """F8: the same for instance files."""
    (tmp_path / "mine.yaml").write_text(text)
    done = pvasm("check", "mine.yaml", "--no-config", cwd=tmp_path)
    assert (done.status, done.output) == (0, "nothing found in 1 file\n")


def test_the_readme_shows_sources() -> None:
    assert "README.md: cat leave.S" in [name for name, _ in BLOCKS]
