"""The reference: pages made of the code, which is the one account of what they say."""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, get_type_hints

from msgspec.structs import fields

from pvasm import cli, exit_status
from pvasm.check.rule import documentation, every_rule
from pvasm.config import KEYS, OWN_FILE, Config
from pvasm.paravirt.loading import load_catalog
from pvasm.paravirt.shipped import instance_names
from pvasm.report import explanation
from website.documents import ROOT

_WIDTH = 100  # of usage lines


def pages() -> dict[str, str]:
    """Every page of the reference by its path, those that lead to others first."""
    made: dict[str, str] = {}
    for part in (_commands, _exit_statuses, _formats, _rules, _settings, _ops, _instances):
        made.update(part())
    return made


def indexes(made: Iterable[str]) -> list[str]:
    """The pages of the reference that stand in the sidebar."""
    return [path for path in made if path.count("/") == 1 or path.endswith("/index.md")]


# ------------------------------------------------------------------------------------------------------ commands


def parsers() -> dict[str, argparse.ArgumentParser]:
    """What reads each command's options, by the command's name: `check`, `instance show`."""
    return dict(_below(cli.whole_parser(), ""))


def _below(parser: argparse.ArgumentParser, name: str) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for word, command in action.choices.items():
                yield from _below(command, f"{name} {word}".strip())
    if name and parser.get_default("run"):
        yield name, parser


def _commands() -> Iterator[tuple[str, str]]:
    found = parsers()
    rows = [f"| [`pvasm {name}`]({_file(name)}) | {_help(found[name].description)} |" for name in found]
    yield (
        "reference/commands/index.md",
        _page("Commands", "| command | what it does |\n| --- | --- |\n" + "\n".join(rows), _toctree(map(_file, found))),
    )
    for name, parser in found.items():
        yield f"reference/commands/{_file(name)}", _command(name, parser)


def _file(name: str) -> str:
    return f"{name.replace(' ', '-')}.md"


def _command(name: str, parser: argparse.ArgumentParser) -> str:
    usage = argparse.HelpFormatter(parser.prog, width=_WIDTH)
    usage.add_usage(parser.usage, parser._actions, parser._mutually_exclusive_groups, prefix="")
    parts = [_help(parser.description), _fenced("text", usage.format_help())]
    for group in parser._action_groups:
        options = [action for action in group._group_actions if action.help != argparse.SUPPRESS]
        if options:
            title = str(group.title)
            parts += [f"## {title[:1].upper()}{title[1:]}", _help(group.description), *map(_option, options)]
    parts.append(f"## Exit status\n\n{_statuses(name)}")
    return _page(f"pvasm {name}", *parts)


def _option(action: argparse.Action) -> str:
    """An option as an item of a list of definitions."""
    value = "" if action.nargs == 0 else _value(action)
    words = [f"`{word} {value}`".replace(" `", "`") for word in action.option_strings] or [f"`{value}`"]
    told = (action.help or "") % {**vars(action), "prog": "pvasm"}
    return f"{', '.join(words)}\n: {_help(told)}"


def _value(action: argparse.Action) -> str:
    if isinstance(action.metavar, tuple):
        return " ".join(action.metavar)
    if action.metavar is None and action.choices:
        return "|".join(action.choices)
    return action.metavar or (action.dest.upper() if action.option_strings else action.dest)


# ------------------------------------------------------------------------------------------------- exit statuses


def _statuses(name: str) -> str:
    told = exit_status.told(name)
    assert told is not None, name
    rows = re.split(r"; (?=\d)", told.removeprefix("Exit status: ").rstrip("."))
    cells = (row.partition(" ") for row in rows)
    return "| status | when |\n| ---: | --- |\n" + "\n".join(
        f"| {status} | {_help(when)} |" for status, _, when in cells
    )


def _exit_statuses() -> Iterator[tuple[str, str]]:
    parts = [f"## pvasm {name}\n\n{_statuses(name)}" for name in exit_status.COMMANDS]
    lead = "What each command ends with, as `pvasm help COMMAND` says. A status keeps its meaning in later versions."
    yield "reference/exit-statuses.md", _page("Exit statuses", lead, *parts)


# ------------------------------------------------------------------------------------------- formats and schemas

# What prints a JSON Schema, and what of.
_SCHEMAS = {
    "instance": ("instance files", ("instance", "schema")),
    "catalog": ("the catalog of ops", ("instance", "schema", "--catalog")),
    "environment": ("files that describe an environment", ("instance", "schema", "--environment")),
    "scenario": ("scenarios", ("scenario", "schema")),
    "findings": ("findings as JSON", ("check", "--schema")),
}


def _formats() -> Iterator[tuple[str, str]]:
    rows = []
    for name, parser in parsers().items():
        for action in parser._actions:
            if "format" in action.dest and action.choices:
                choices = ", ".join(f"`{each}`" for each in action.choices)
                rows.append(f"| [`pvasm {name}`](commands/{_file(name)}) | `{action.option_strings[-1]}` | {choices} |")
    schemas = [
        f"- [of {told}](schemas/{name}.md): `pvasm {' '.join(words)}`" for name, (told, words) in _SCHEMAS.items()
    ]
    yield (
        "reference/formats.md",
        _page(
            "Formats",
            "## What commands write\n\n| command | option | formats |\n| --- | --- | --- |\n" + "\n".join(rows),
            "Those of `pvasm check` are told of in [configuration](../docs/configuration.md#output).",
            "## JSON Schemas\n\n" + "\n".join(schemas),
            _toctree(f"schemas/{name}.md" for name in _SCHEMAS),
        ),
    )
    for name, (told, words) in _SCHEMAS.items():
        text = printed(*words)
        yield (
            f"reference/schemas/{name}.md",
            _page(f"JSON Schema of {told}", *_keys(json.loads(text)), f"## As JSON\n\n{_fenced('json', text)}"),
        )


def _keys(schema: dict[str, Any]) -> Iterator[str]:
    """The keys at the top of what a schema describes."""
    yield _text(schema.get("description", ""))
    yield "## Keys"
    for key, value in schema.get("properties", {}).items():
        due = " Must be there." if key in schema.get("required", ()) else ""
        yield f"`{key}`\n: {_text(value.get('description', 'See the schema.'))}{due}"


# --------------------------------------------------------------------------------------------------------- rules


def _rules() -> Iterator[tuple[str, str]]:
    rules = every_rule()
    families = sorted({_family(code) for code in rules})
    rows = [
        f"| [{code}]({_family(code)}.md#{code.lower()}) | {_level(rule)} | {_text(rule.title)} |"
        for code, rule in rules.items()
    ]
    table = "| code | level | about |\n| --- | --- | --- |\n" + "\n".join(rows)
    lead = "What `pvasm check` looks for. `pvasm explain CODE` says what stands here."
    yield "reference/rules/index.md", _page("Rules", lead, table, _toctree(f"{family}.md" for family in families))
    for family in families:
        parts = (part for code, rule in rules.items() if _family(code) == family for part in _rule(rule))
        yield f"reference/rules/{family}.md", _page(family, *parts)


def _family(code: str) -> str:
    return f"{code[:3]}xx"


def _level(rule: explanation.AnyRule) -> str:
    return rule.severity if rule.on_by_default else f"{rule.severity}, off by default"


def _rule(rule: explanation.AnyRule) -> Iterator[str]:
    yield f"{_place(rule.code)}\n## {rule.code}: {_text(rule.title)}"
    yield f"Level: {_level(rule)}."
    yield documentation(rule)
    yield "Flagged:"
    for example in rule.invalid:
        yield _fenced("text", explanation.underlined(example))
        if example.fixed is not None:
            yield "`--fix` makes of it:"
            yield _fenced("text", explanation.aligned(example.fixed))
    yield "Not flagged:"
    yield from (_fenced("text", explanation.aligned(text)) for text in rule.valid)


# ------------------------------------------------------------------------------------------------------ settings


def _settings() -> Iterator[tuple[str, str]]:
    told = settings_in_words()
    hints = get_type_hints(Config)
    parts = []
    for field in fields(Config):
        key = field.name.replace("_", "-")
        if key in KEYS:
            default = field.default if field.required is False else None
            silent = "" if default in ((), None) else f" Without it: `{json.dumps(default)}`."
            kind = _KINDS.get(str(hints[field.name]), "table")
            parts.append(f"`{key}` ({kind})\n: {_text(told[key])}.{silent}")
    lead = f"The keys of `{OWN_FILE}`, and of `[tool.pvasm]` in `pyproject.toml`."
    more = "[Configuration](../docs/configuration.md) tells which file counts, and shows one."
    yield "reference/settings.md", _page("Settings", lead, more, *parts)


_KINDS = {
    "tuple[str, ...]": "list of strings",
    "tuple[str, ...] | None": "list of strings",
    "<class 'bool'>": "true or false",
    "int | None": "number",
    "str | None": "string",
}


def settings_in_words() -> dict[str, str]:
    """What docs/configuration.md says of each key, in the comment behind it."""
    (block,) = re.findall(
        r"^```toml\n(.*?)^```$", (ROOT / "docs/configuration.md").read_text(), re.DOTALL | re.MULTILINE
    )
    words: dict[str, str] = {}
    for line in block.splitlines():
        found = re.match(r"(?P<key>[\w-]+) = .*?\s{2,}# (?P<told>.*)|\[(?P<table>[\w-]+)\]\s+# (?P<of_table>.*)", line)
        if found:
            words[found["key"] or found["table"]] = found["told"] or found["of_table"]
    return words


# ------------------------------------------------------------------------------------------------ ops, instances


def _ops() -> Iterator[tuple[str, str]]:
    ops = load_catalog().ops
    classes = list(dict.fromkeys(op.group for op in ops.values()))
    rows = [
        f"| [{name}]({op.group}.md#op-{name.lower().replace('_', '-')}) | `{op.replaces}` "
        f"| {'pvasm' if op.extension else 'Linux'} | {_text(op.doc)} |"
        for name, op in ops.items()
    ]
    table = "| op | replaces | of | what it does |\n| --- | --- | --- | --- |\n" + "\n".join(rows)
    yield "reference/ops/index.md", _page("Ops", table, _toctree(f"{each}.md" for each in classes))
    for each in classes:
        parts = (part for name, op in ops.items() if op.group == each for part in _op(name))
        yield f"reference/ops/{each}.md", _page(f"Ops: {each}", *parts)


def _op(name: str) -> Iterator[str]:
    yield f"{_place(f'op-{name}')}\n## {name}"
    for number, instance in enumerate(instance_names()):
        contract, _, becomes = printed("instance", "show", instance, "--op", name).partition("\n\n")
        if number == 0:
            yield _fenced("text", contract)
        yield f"In {instance}:\n\n{_fenced('text', becomes)}"


def _instances() -> Iterator[tuple[str, str]]:
    names = instance_names()
    rows = [f"- [{name}]({name}.md)" for name in names]
    listed = _fenced("text", printed("instance", "list"))
    toctree = _toctree(f"{name}.md" for name in names)
    yield "reference/instances/index.md", _page("Instances", listed, "\n".join(rows), toctree)
    for name in names:
        file = f"[instances/{name}.yaml](../../instances/{name}.yaml)"
        shown = re.sub(r"^  file .*\n", "", printed("instance", "show", name), flags=re.MULTILINE)
        yield f"reference/instances/{name}.md", _page(name, f"From {file}.", _fenced("text", shown))


# ---------------------------------------------------------------------------------------------------------- text


def printed(*words: str) -> str:
    """What a command prints. Raises AssertionError if it fails."""
    output = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    with contextlib.redirect_stdout(output):
        try:
            status = cli.main(words)
        except SystemExit as stop:  # what prints in the place of a run
            status = stop.code if isinstance(stop.code, int) else 1
    assert status == 0, words
    output.seek(0)
    return output.read()


def _page(title: str, *parts: str) -> str:
    return "\n\n".join((f"# {title}", *(part for part in parts if part))) + "\n"


def _toctree(paths: Iterable[str]) -> str:
    return "\n".join(("```{toctree}", ":hidden:", "", *paths, "```"))


def _place(name: str) -> str:
    """A place that links may name whatever the heading says; Sphinx writes it in small letters, with `-` for `_`."""
    return f"({name})="


def _fenced(language: str, text: str) -> str:
    stripped = text.strip("\n")
    return f"````{language}\n{stripped}\n````"


_QUOTED = re.compile(r"`(?P<word>[^`'\n]+)'")


def _help(text: str | None) -> str:
    """Words of the command line's help, which quotes `like this', as Markdown."""
    return _text(_QUOTED.sub(r"`\g<word>`", text or ""))


def _text(text: str) -> str:
    """Words as Markdown, with what stands outside of quotes as it is."""
    return re.sub(r"`[^`]*`|[<>*_|\[\]]", lambda found: found[0] if found[0][0] == "`" else f"\\{found[0]}", text)
