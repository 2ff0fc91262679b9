"""A fuzzer: random assembly, headers and instance files, in which nothing but our own errors may be raised.

    make fuzz                       ten minutes, one process a core, from a seed that it says
    python -m tests.fuzz --minutes 5 --seed 1 --jobs 2 --keep DIR
    python -m tests.fuzz --replay SEED NUMBER

Input number N of a seed is the same wherever it is tried. What raises something else is written to the folder of
`--keep`, with what was raised, and the exit status is 1.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import multiprocessing
import os
import random
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import groupby
from json import dumps
from pathlib import Path
from unittest import mock

from jinja2 import Template as JinjaTemplate

from pvasm.asm.reading import assembly_parser
from pvasm.check.engine import Selection, run
from pvasm.check.instance_files import check_instance_file
from pvasm.check.rule import all_instance_rules
from pvasm.check.subject import Subject
from pvasm.cli import main as run_command
from pvasm.data import samples_directory
from pvasm.errors import PvasmError
from pvasm.expand import ExpandErrors, expand
from pvasm.fix import fix
from pvasm.header import convert
from pvasm.header.convert import ImportSettings, import_header
from pvasm.paravirt.environments import build_names, known_macros
from pvasm.paravirt.loading import load_catalog, load_instance
from pvasm.paravirt.shipped import instance_names
from pvasm.paravirt.template import Template
from pvasm.report import json, plain_text, statements
from pvasm.syntax.document import Document, read_document
from pvasm.text import decode, encode

_CATALOG = load_catalog()
_KNOWN = known_macros()
_RULES = Selection(("PV",)).rules()
_CLASSES = [list(rules) for _, rules in groupby(_RULES, key=lambda rule: rule.code[:3])]
_INSTANCE_RULES = list(all_instance_rules().values())
_LOADED = {name: load_instance(name, _CATALOG) for name in instance_names()}
_BUILDS = tuple(build_names())
# Characters of a piece of real text, at most: a fault mostly needs a few lines, and these are tried soon.
_LENGTHS = (40, 60, 120, 600)

_ASSEMBLY = [decode(path.read_bytes()) for path in sorted(samples_directory().rglob("*.[Sh]"))]
_INSTANCES = [decode(path.read_bytes()) for path in sorted((samples_directory().parent / "instances").glob("*.yaml"))]

_PIECES = [
    *";:{}()[],=#@$\\\"'&<>%.+-*/|^~!?0",
    *("\n", ";;", "/*", "*/", "//", "\r", "\t", "\0", "\udcff", "\\\n", "##", "\\@", "\\()", "...", "__VA_ARGS__"),
    *("#if X", "#ifdef X", "#elif", "#else", "#endif", "#undef A", "#define A(x) x", "#define A A", '#include "a.h"'),
    *(".macro m x, y=1", ".endm", " m r1", ".irp r, r1, r2", ".irpc c, ab", ".rept 3", ".endr", ".if X", ".else"),
    *(".ifc \\x,r1", ".endif", ".exitm", ".purgem m", ".altmacro", ".set x, r1", "x = ar.itc", ".rotr v[2]", ".auto"),
    *("mov r1=cr.ifa", "(p6)", "COVER", "RFI", "MOV_FROM_IFA(r16)", "SSM_PSR_I(p0, p8, r14)", "THASH(", "fc r3"),
    *("MOV_TO_KR(CURRENT, r1, r2, r3)", ".mib", "alloc r1=ar.pfs,1,2,3,0", "br.call.sptk b0=f", "br.ret.sptk rp"),
    *("/* pvasm: ignore[PV001] */", "// pvasm: user-level begin", ".section .text", '.pred.rel "mutex", p6, p7'),
    *(
        "{{ reg }}",
        "{% if reg == 'r8' %}",
        "{% endif %}",
        "{% for x in range(9) %}",
        "extends: xen",
        "ops:",
        "- ",
        "? ",
    ),
    *("template: |", "bare:", "!!python/name:os.system", "&a", "*a", "0x10000000000000000", "ld8.mov r1=[r2],x#"),
]


def _mutated(rng: random.Random, texts: list[str], lengths: Sequence[int]) -> str:
    """A piece of real text with pieces cut out, put in, doubled and swapped."""
    text = rng.choice(texts)
    start = rng.randrange(len(text) + 1)
    if rng.random() < 0.7:  # from the beginning of a line
        start = text.rfind("\n", 0, start) + 1
    longest = rng.choice(lengths)
    source = text[start : start + rng.randrange(1, longest)]
    for _ in range(rng.randrange(4 if longest <= 120 else 10)):
        at = rng.randrange(len(source) + 1)
        end = min(len(source), at + rng.randrange(20))
        source = source[:at] + rng.choice(["", source[at:end] * 2, rng.choice(_PIECES)]) + source[end:]
    return source


def _soup(rng: random.Random) -> str:
    """Pieces side by side."""
    return "".join(rng.choice(_PIECES) + rng.choice(["", " ", "\n", "\n\t"]) for _ in range(rng.randrange(1, 40)))


def _text(rng: random.Random, texts: list[str], lengths: Sequence[int] = _LENGTHS) -> str:
    return _soup(rng) if rng.random() < 0.3 else _mutated(rng, texts, lengths)


# What is done with assembly. An input goes one of these ways: so a minute sees many inputs, and not a few many times.


def _check(rng: random.Random, document: Document) -> None:
    """The rules of one class, for one instance."""
    run(Subject(document, _CATALOG, _KNOWN, (rng.choice(_BUILDS),)), rng.choice(_CLASSES))


def _check_all(rng: random.Random, document: Document) -> None:
    """All rules, for all instances, and what is printed of their findings and of the statements."""
    found = run(Subject(document, _CATALOG, _KNOWN, _BUILDS, fixing=rng.random() < 0.5), _RULES)
    for diagnostic in found:
        encode(plain_text.render(diagnostic))
        json.render(diagnostic).encode()
    for render in (statements.render_tree, statements.render_json):
        assert len(list(render(document))) == len(document.statements)


def _expand(rng: random.Random, document: Document) -> None:
    expand(document, _CATALOG, rng.choice(list(_LOADED.values())), line_markers=rng.random() < 0.2)


def _fix(rng: random.Random, document: Document) -> None:
    def subject(text: str) -> Subject:
        return Subject(read_document(assembly_parser(), text, "a.S"), _CATALOG, _KNOWN, _BUILDS, fixing=True)

    fix(document.text, subject, _RULES)


_WAYS = {_check: 77, _check_all: 5, _expand: 16, _fix: 2}


def _try_assembly(rng: random.Random, folder: Path) -> None:
    text = _text(rng, _ASSEMBLY)
    document = read_document(assembly_parser(), text, "a.S", preprocessed=rng.random() < 0.2)
    assert document.text == text
    (way,) = rng.choices(list(_WAYS), list(_WAYS.values()))
    with contextlib.suppress(PvasmError, ExpandErrors):
        way(rng, document)


def _try_header(rng: random.Random, folder: Path) -> None:
    path = folder / "ops.h"
    path.write_bytes(encode(_text(rng, _ASSEMBLY)))
    with contextlib.suppress(PvasmError):
        import_header(ImportSettings(str(path), "mine", "xen"), _CATALOG)


def _try_instance(rng: random.Random, folder: Path) -> None:
    """A file of random text; or one that YAML can read, with a random definition of an op."""
    base = rng.choice(list(_LOADED))
    if rng.random() < 0.5:
        text = _text(rng, _INSTANCES, _LENGTHS[-1:])
        if rng.random() < 0.7:
            text = f"name: mine\ndescription: a trial\nextends: {base}\n{text}"
    else:
        name, definition = rng.choice(list(_LOADED[base].definitions.items()))
        template = definition.template.source if definition.template else ""
        entry: dict[str, object] = {"template": _mutated(rng, [template], (len(template) + 2,)).replace("\udcff", "")}
        names = [parameter.name for parameter in _CATALOG.ops[name].parameters]
        if names and rng.random() < 0.3:
            entry["apart"] = [[rng.choice(names), rng.choice(names)]]
        text = dumps({"name": "mine", "description": "a trial", "extends": base, "ops": {name: entry}})
    path = folder / "mine.yaml"
    path.write_bytes(encode(text))
    with contextlib.suppress(PvasmError):
        check_instance_file(str(path), _INSTANCE_RULES)


def _try_command(rng: random.Random, folder: Path) -> None:
    """A whole command, in this process, with a file of its own."""
    path = folder / rng.choice(["a.S", "a.s", "a.h"])
    path.write_bytes(encode(_text(rng, _ASSEMBLY)))
    words = [word.format(folder=folder, path=path) for word in rng.choice(_COMMANDS)]
    with open(folder / "output", "w") as output, contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
        status = run_command(words)
    assert status in (0, 1, 2), f"{words}: {status}"


_CHECK = ["check", "{path}", "-j", "1", "--no-cache", "--no-config"]
_COMMANDS = [
    *([*_CHECK, "--output-format", each] for each in ("text", "json", "sarif", "github", "gcc")),
    [*_CHECK, "--diff", "--select", "PV"],
    [*_CHECK, "--fix", "--select", "PV"],
    [*_CHECK, "--statistics", "--instance", "xen"],
    ["expand", "{path}", "-i", "all", "-j", "1", "--output-dir", "{folder}/variants"],
    ["expand", "{path}", "-i", "xen", "--line-markers", "--define", "-o", "-", "-MF", "{folder}/depfile"],
    ["parse", "{path}"],
]

_KINDS: dict[str, Callable[[random.Random, Path], None]] = {
    "assembly": _try_assembly,
    "header": _try_header,
    "instance": _try_instance,
    "command": _try_command,
}
_WEIGHTS = [89, 7, 3, 1]  # of files on top of an instance, each takes as long as ten others


class _KeptTemplates:
    """In the place of `Template.compile`: what travels with pvasm is compiled once, and not for each file on top."""

    def __init__(self) -> None:
        self._compile = Template.compile
        every = (each.template for instance in _LOADED.values() for each in instance.definitions.values())
        self._kept = {each.source: self._compile(each) for each in every if each is not None}

    def __call__(self, template: Template) -> JinjaTemplate:
        return self._kept.get(template.source) or self._compile(template)


def _with_loaded() -> contextlib.ExitStack:
    """A context in which what has been loaded is not loaded again."""
    stack = contextlib.ExitStack()
    kept = _KeptTemplates()
    stack.enter_context(mock.patch.object(convert, "load_instance", lambda name, catalog: _LOADED[name]))
    stack.enter_context(mock.patch.object(Template, "compile", lambda template: kept(template)))
    return stack


def attempt(seed: int, number: int, folder: Path) -> tuple[str, str | None]:
    """The kind of an input, and what it raises that it may not; None if nothing."""
    rng = random.Random(f"{seed} {number}")
    (kind,) = rng.choices(list(_KINDS), _WEIGHTS)
    try:
        _KINDS[kind](rng, folder)
    except Exception:
        return kind, traceback.format_exc()
    return kind, None


def _work(seed: int, first: int, step: int, until: float, keep: str) -> tuple[Counter[str], int]:
    """Tries every `step`th input from `first` on, until a time; how many of each kind, and how many failed."""
    tried: Counter[str] = Counter()
    failures = 0
    number = first
    # What is loaded stays: no search for garbage need look at it again.
    gc.collect()
    gc.freeze()
    with _with_loaded(), tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        while time.monotonic() < until:
            kind, raised = attempt(seed, number, folder)
            tried[kind] += 1
            if raised is not None:
                failures += 1
                where = Path(keep) / f"{kind}-{seed}-{number}.txt"
                where.write_text(f"python -m tests.fuzz --replay {seed} {number}\n{raised}", errors="replace")
                print(f"{where}: {raised.strip().splitlines()[-1]}", flush=True)
            number += step
    return tried, failures


def main() -> int:
    """Runs the fuzzer; the exit status is 1 if something was raised."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--keep", default="fuzz-failures", help="the folder for what fails")
    parser.add_argument("--replay", nargs=2, type=int, metavar=("SEED", "NUMBER"))
    options = parser.parse_args()
    if options.replay:
        with _with_loaded(), tempfile.TemporaryDirectory() as name:
            _, raised = attempt(options.replay[0], options.replay[1], Path(name))
        print(raised or "nothing was raised")
        return int(raised is not None)
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}, {options.jobs} processes, {options.minutes:g} minutes", flush=True)
    Path(options.keep).mkdir(exist_ok=True)
    until = time.monotonic() + 60 * options.minutes
    with multiprocessing.Pool(options.jobs) as pool:
        calls = [(seed, first, options.jobs, until, options.keep) for first in range(options.jobs)]
        found = pool.starmap(_work, calls)
    tried = sum((each for each, _ in found), Counter[str]())
    failures = sum(number for _, number in found)
    kinds = ", ".join(f"{number} of {kind}" for kind, number in sorted(tried.items()))
    print(f"{tried.total()} inputs ({kinds}): {failures} raised what they may not")
    return int(failures > 0)


if __name__ == "__main__":
    sys.exit(main())
