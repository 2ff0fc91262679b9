"""Manual pages, in the language of man(7), made of what the parsers of commands say for `--help`."""

from __future__ import annotations

import argparse
import os
import textwrap
import time
from collections.abc import Iterable, Iterator, Mapping

from pvasm import __version__, exit_status
from pvasm.errors import PvasmError
from pvasm.regex import regex

ENVIRONMENT: Mapping[str, str] = {
    "PVASM_CPP": "the C preprocessor and its options, in the place of `gcc -E'",
    "PVASM_CACHE_DIR": "the folder of what is kept of earlier runs; without it `pvasm' in XDG_CACHE_HOME or ~/.cache",
    "PVASM_DOCS_URL": "where the site of the documentation has been put: SARIF and links of terminals then lead to it",
    "PVASM_SERVER": "1 to have a warm server do what `pvasm expand' is asked for (`pvasm serve')",
    "XDG_RUNTIME_DIR": "the folder of the server's socket; without it there is none",
    "NO_COLOR": "if it is not empty, no colours (unless --color says otherwise), and no links",
    "FORCE_COLOR": "if it is not empty, colours in a pipe, too",
    "FORCE_HYPERLINK": "1 if the terminal has links and is not known for it, 0 for no links",
    "PAGER": "what long lists go through on a terminal, with its options and without a shell; without it `less', and "
    "nothing if it is empty",
    "COLUMNS": "the width of help",
    "LINES": "how many lines fit on the terminal, for PAGER",
}
"""What pvasm looks for in the environment, and what that does."""

_SECONDS = regex(r"[0-9]{1,11}")  # up to the year 5138: time.gmtime takes them all
_WIDTH = 68  # before what is special is written as man(7) wants it


def pages(parser: argparse.ArgumentParser) -> Iterator[tuple[str, str]]:
    """The pages of a program and all its commands: the name of each (`pvasm-instance-show`) and its text."""
    commands = dict(_commands(parser, ""))
    names = ["pvasm", *(f"pvasm-{name.replace(' ', '-')}" for name in commands)]
    yield "pvasm", _page(parser, "pvasm", parser.description or "", names)
    for name, (each, said) in commands.items():
        yield f"pvasm-{name.replace(' ', '-')}", _page(each, f"pvasm {name}", said, names)


def _commands(parser: argparse.ArgumentParser, above: str) -> Iterator[tuple[str, tuple[argparse.ArgumentParser, str]]]:
    """The commands of a parser by their names, in order, with what the list of commands says of each."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            told = {choice.dest: choice.help or "" for choice in action._choices_actions}
            for name, each in action.choices.items():
                full = f"{above} {name}".strip()
                yield full, (each, told.get(name, ""))
                yield from _commands(each, full)


def _page(parser: argparse.ArgumentParser, command: str, said: str, names: Iterable[str]) -> str:
    name = command.replace(" ", "-")
    others = [each for each in names if each != name and (each == "pvasm" or each.startswith(f"{name}-"))]
    parts = [
        [f'.TH {_text(name.upper())} 1 {_date()} "pvasm {__version__}" "pvasm"', ".ad l", ".nh"],
        [".SH NAME", *_paragraphs(f"{name} - {said.rstrip('.')}")],
        [".SH SYNOPSIS", *_synopsis(parser, command)],
        [".SH DESCRIPTION", *_paragraphs(parser.description or said)],
        *map(_group, filter(_is_shown, parser._action_groups)),
        _exit_status(command.removeprefix("pvasm").strip()),
        [".SH ENVIRONMENT", *_listed((f"\\fB{_text(key)}\\fR", told) for key, told in ENVIRONMENT.items())],
        [".SH SEE ALSO", *(_joined(f".BR {_text(each)} (1)" for each in others) or [".BR pvasm (1)"])],
    ]
    return "".join(f"{line}\n" for part in parts for line in part)


def _date() -> str:
    """The day, as builds that can be repeated say it (https://reproducible-builds.org/docs/source-date-epoch/).

    Raises PvasmError if they say none.
    """
    said = os.environ.get("SOURCE_DATE_EPOCH")
    if said and not _SECONDS.fullmatch(said):
        raise PvasmError(f"SOURCE_DATE_EPOCH: {said!r} is no number of seconds since 1970")
    return time.strftime("%Y-%m-%d", time.gmtime(int(said) if said else time.time()))


def _joined(lines: Iterable[str]) -> list[str]:
    """The lines, with commas between what they say."""
    several = list(lines)
    return [f"{line} ," if number < len(several) - 1 else line for number, line in enumerate(several)]


def _synopsis(parser: argparse.ArgumentParser, command: str) -> Iterator[str]:
    yield f".B {_text(command)}"
    optional = [action for action in parser._actions if action.option_strings and action.help != argparse.SUPPRESS]
    for action in optional:
        shown = action.option_strings[0]
        value = f" {_value(action)}" if action.nargs != 0 else ""
        yield f"[\\fB{_text(shown)}\\fR{value}]" if not action.required else f"\\fB{_text(shown)}\\fR{value}"
    for action in parser._actions:
        if not action.option_strings and action.help != argparse.SUPPRESS:
            repeated = action.nargs in ("*", "+", argparse.REMAINDER)
            said = f"{_value(action)}{' ...' if repeated else ''}"
            yield f"[{said}]" if action.nargs in ("*", "?", argparse.REMAINDER) else said
    if any(isinstance(action, argparse._SubParsersAction) for action in parser._actions):
        yield "\\fI...\\fR"


def _value(action: argparse.Action) -> str:
    """The word in the place of a value; in the list of options, the choices if there are some."""
    if isinstance(action.metavar, str):
        return f"\\fI{_text(action.metavar)}\\fR"
    if action.choices is not None:
        return f"{{{','.join(f'{_text(str(each))}' for each in action.choices)}}}"
    return f"\\fI{_text(action.dest.upper())}\\fR"


def _is_shown(group: argparse._ArgumentGroup) -> bool:
    return any(action.help != argparse.SUPPRESS for action in group._group_actions)


def _group(group: argparse._ArgumentGroup) -> list[str]:
    title = {"positional arguments": "arguments"}.get(group.title or "", group.title or "options")
    lines = [f'.SH "{_text(title.upper())}"', *_paragraphs(group.description or "")]
    for action in group._group_actions:
        if isinstance(action, argparse._SubParsersAction):
            told = ((f"\\fB{_text(each.dest)}\\fR", each.help or "") for each in action._choices_actions)
            lines += _listed(told)
        elif action.help != argparse.SUPPRESS:
            lines += _listed([(_head(action), (action.help or "").replace("%%", "%"))])
    return lines


def _head(action: argparse.Action) -> str:
    value = "" if action.nargs == 0 else f" {_value(action)}"
    return ", ".join(f"\\fB{_text(each)}\\fR{value}" for each in action.option_strings) or _value(action)


def _exit_status(command: str) -> list[str]:
    meanings = exit_status.meanings(command)
    return [".SH EXIT STATUS", *_listed((f"\\fB{status}\\fR", told) for status, told in meanings)] if meanings else []


def _listed(entries: Iterable[tuple[str, str]]) -> Iterator[str]:
    for head, told in entries:
        yield ".TP"
        yield head
        yield from _paragraphs(told)


def _paragraphs(text: str) -> Iterator[str]:
    """Paragraphs of text, and what is indented in it as it stands."""
    first = True
    for paragraph in _BLANK.split(text.strip("\n")):
        if not first:
            yield ".PP"
        first = False
        as_it_stands = paragraph.startswith(" ")
        lines = paragraph.split("\n") if as_it_stands else textwrap.wrap(paragraph, _WIDTH, break_on_hyphens=False)
        if as_it_stands:
            yield ".nf"
        yield from map(_text, lines)
        if as_it_stands:
            yield ".fi"


_BLANK = regex(r"\n\n+")
_SPECIAL = {"\\": "\\e", "-": "\\-", "'": "\\(aq", "`": "\\(ga", "~": "\\(ti", "^": "\\(ha"}


def _text(text: str) -> str:
    """Text that nothing in is taken for a request."""
    said = "".join(_SPECIAL.get(character, character) for character in text)
    return f"\\&{said}" if said.startswith(".") else said
