"""The examples of CONTRIBUTING.md are right."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from pvasm.check.engine import run
from pvasm.check.example import Flagged, marked
from pvasm.check.rule import Rule
from pvasm.check.subject import Subject
from pvasm.paravirt.catalog_file import read_catalog
from pvasm.paravirt.environments import build_names, known_macros
from pvasm.paravirt.loading import load_catalog
from pvasm.syntax.document import read_document
from tests.check.checking import PARSER
from tests.check.examples import spans, whole

TEXT = (Path(__file__).parent.parent / "CONTRIBUTING.md").read_text()


def block(language: str) -> str:
    (found,) = re.findall(rf"^```{language}\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)
    return str(found)


def test_the_rule_flags_what_its_examples_say() -> None:
    names: dict[str, Any] = {}
    exec(block("python"), names)
    rule = names["Nop42"]()
    assert isinstance(rule, Rule)

    def found(code: str) -> Flagged:
        text, start = whole(code)
        document = read_document(PARSER, text, "a.S")
        said = run(Subject(document, load_catalog(), known_macros([]), tuple(build_names())), [rule])
        inside = [(first - start, last - start) for first, last in spans(text, said)]
        return Flagged(marked(code, inside), *(each.message for each in said))

    for example in rule.invalid:
        made = found(example.text)
        assert (made.code, made.messages) == (example.code, example.messages)
    for text in rule.valid:
        assert found(text).messages == ()


def test_the_op_is_one_of_the_catalog(tmp_path: Path) -> None:
    name = block("yaml").split(":")[0].strip()
    catalog = Path(load_catalog().path).read_text().rstrip("\n")
    catalog = re.sub(rf"^  {name}:\n(?:    .*\n)+", "", f"{catalog}\n", flags=re.MULTILINE)
    (tmp_path / "ops.yaml").write_text(catalog.replace("\nops:\n", f"\nops:\n{block('yaml')}"))
    assert read_catalog(tmp_path / "ops.yaml").ops[name].replaces == "mov reg = cr.iib0"
