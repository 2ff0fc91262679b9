"""What rules say of their examples now.

`python -m tests.check.examples` puts that into the rules' files, where `git diff` shows what has changed: a new example
is written as `Flagged("the code")`, and this adds the marks, the messages and what fixing makes of it.
"""

from __future__ import annotations

import ast
import inspect
import json
import sys
import tempfile
from pathlib import Path

from pvasm.check.diagnostic import Diagnostic
from pvasm.check.example import Flagged, marked
from pvasm.check.instance_files import check_instance_file
from pvasm.check.rule import InstanceRule, Rule, every_rule
from pvasm.check.subject import Subject
from pvasm.fix import fix
from pvasm.paravirt.environments import build_names, known_macros
from pvasm.paravirt.loading import load_catalog
from pvasm.syntax.document import looks_preprocessed, read_document
from tests.check.checking import PARSER, check

BEFORE, AFTER = "\tnop 0\n\t", " // a remark\n\tnop 0\n"
HEAD = "name: trial\ndescription: for a test\n"
_WIDTH = 96


def whole(text: str) -> tuple[str, int]:
    """The source in which an example is tried, and where it stands there."""
    return (text, 0) if "\n" in text else (f"{BEFORE}{text}{AFTER}", len(BEFORE))


def said(diagnostic: Diagnostic) -> str:
    return diagnostic.message + (f" [{diagnostic.instance}]" if diagnostic.instance else "")


def spans(text: str, diagnostics: list[Diagnostic]) -> list[tuple[int, int]]:
    starts = [0]
    for line in text.split("\n"):
        starts.append(starts[-1] + len(line) + 1)
    return [(starts[d.line - 1] + d.column - 1, starts[d.end_line - 1] + d.end_column - 1) for d in diagnostics]


def tried(rule: Rule, text: str, *, preprocessed: bool = False) -> Flagged:
    """What a rule makes of an example."""
    source, start = whole(text)
    found = check(source, rule.code, preprocessed=preprocessed or looks_preprocessed(source, ""))
    assert all((each.code, each.severity) == (rule.code, rule.severity) for each in found)
    pairs = sorted(zip(spans(source, found), map(said, found), strict=True), key=lambda p: (p[0][0], -p[0][1]))
    inside = [(first - start, last - start) for (first, last), _ in pairs]
    fixed = fixed_by(rule, source)
    if start and fixed is not None:
        fixed = fixed.removeprefix(BEFORE).removesuffix(AFTER)
    return Flagged(marked(text, inside), *(message for _, message in pairs), fixed=fixed)


def fixed_by(rule: Rule, source: str) -> str | None:
    catalog = load_catalog()

    def subject(text: str) -> Subject:
        document = read_document(PARSER, text, "a.S", preprocessed=False)
        return Subject(document, catalog, known_macros([]), tuple(build_names()), fixing=True)

    after = fix(source, subject, [rule]).text
    return None if after == source else after


def tried_instance(rule: InstanceRule, text: str) -> Flagged:
    """What a rule about instances makes of an example."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trial.yaml"
        path.write_text(HEAD + text)
        found, errors = check_instance_file(str(path), [rule])
    assert not errors
    inside = [(first - len(HEAD), last - len(HEAD)) for first, last in spans(HEAD + text, found)]
    pairs = sorted(zip(inside, (each.message for each in found), strict=True), key=lambda p: (p[0][0], -p[0][1]))
    return Flagged(marked(text, [span for span, _ in pairs]), *(message for _, message in pairs))


# ------------------------------------------------------------------------------------------- accepting


def _source(text: str, indent: str) -> str:
    """A string as Python has it: a line a line of it, and none too long."""
    pieces = []
    for line in text.splitlines(keepends=True):
        while len(line) > _WIDTH:
            cut = line.rfind(" ", 0, _WIDTH) + 1 or _WIDTH
            pieces.append(line[:cut])
            line = line[cut:]
        pieces.append(line)
    return f"\n{indent}".join(json.dumps(piece, ensure_ascii=False) for piece in pieces) or '""'


def _call(example: Flagged) -> str:
    arguments = [_source(text, " " * 12) for text in (example.code, *example.messages)]
    if example.fixed is not None:
        arguments.append(
            f"fixed={_source(example.fixed, ' ' * 12)}"
            if "\n" not in example.fixed[:-1]
            else f"fixed=({_source(example.fixed, ' ' * 16)})"
        )
    return "Flagged(\n            " + ",\n            ".join(arguments) + "\n        )"


def accept(rule: Rule | InstanceRule) -> None:
    """Puts what a rule says of its examples into its file."""
    path = Path(inspect.getfile(type(rule)))
    text = path.read_text()
    examples = [example if isinstance(example, str) else example.text for example in rule.invalid]
    examples = [text.replace(" // <--", "").replace(" # <--", "") for text in examples]
    results = [tried(rule, t) if isinstance(rule, Rule) else tried_instance(rule, t) for t in examples]
    node = next(
        node
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == "invalid"
    )
    lines = text.split("\n")
    assert node.end_lineno is not None
    lines[node.lineno - 1 : node.end_lineno] = [
        "    invalid = (",
        *(f"        {_call(result)}," for result in results),
        "    )",
    ]
    new = "\n".join(lines)
    if "import Flagged" not in new:
        before = "from pvasm.check.rule import"
        new = new.replace(before, f"from pvasm.check.example import Flagged\n{before}", 1)
    path.write_text(new)


if __name__ == "__main__":
    for code, each in every_rule().items():
        if len(sys.argv) < 2 or code in sys.argv[1:]:
            accept(each)
