"""The command line: finds the command, runs it, and tells of what went wrong."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import signal
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Any, NoReturn

from pvasm import __version__, exit_status, kept_patterns
from pvasm.commands.shared import closed, fail, write
from pvasm.data import integration_directory
from pvasm.errors import PvasmError
from pvasm.exit_status import CANNOT_RUN, INTERRUPTED, PIPE_CLOSED
from pvasm.files import unreadable, writing_to_output
from pvasm.regex import regex
from pvasm.terminal import columns


def run() -> NoReturn:
    """What pvasm/start.py runs: `main`, in a process that lives no longer than it."""
    _open_streams()
    status = outcome()
    with contextlib.suppress(OSError):  # main has told of it
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(status)


def outcome() -> int:
    """The exit status of what the command line says, whatever becomes of it."""
    try:
        if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
            signal.signal(signal.SIGINT, signal.default_int_handler)  # from here on there is what can clear up
        status = main()
        kept_patterns.keep()
    except KeyboardInterrupt:
        status = INTERRUPTED
    except SystemExit as stop:  # argparse: bad usage, or --help
        status = stop.code if isinstance(stop.code, int) else CANNOT_RUN
    return status


def _open_streams() -> None:
    """Puts the null device in the place of output streams that whoever started us has closed."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115  (for as long as we live)
            closed.add(name)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command; the exit status is what it returns. No error that a person can cause is a traceback."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    options = parser_of(words[0] if words else "").parse_args(words)
    run: Callable[[argparse.Namespace], int] = options.run
    try:
        status = run(options)
        with writing_to_output():
            sys.stdout.flush()
    except PvasmError as error:
        return fail([error])
    except BrokenPipeError:
        # Whoever read our output has had enough. Python would complain once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED
    except OSError as error:
        name = error.filename if isinstance(error.filename, str) else None
        return fail([unreadable(error, name)])
    except KeyboardInterrupt:
        return INTERRUPTED
    except MemoryError:
        return fail([PvasmError("not enough memory: give fewer files at a time")])
    except RecursionError:
        return fail([PvasmError("nested too deeply to be read: take it apart")])
    return status


# The modules of the commands, in pvasm/commands/.
_COMMANDS = {
    "init": "init",
    "parse": "parse",
    "check": "check",
    "explain": "explain",
    "report": "report",
    "expand": "expand",
    "cc": "cc",
    "header": "header",
    "tables": "tables",
    "import": "importing",
    "instance": "instance_commands",
    "disasm": "disasm",
    "diff": "diff",
    "patch": "patch",
    "simulate": "simulate",
    "compare": "compare",
    "scenario": "scenario",
    "test": "test",
    "serve": "serve",
    "lsp": "lsp",
    "completion": "completion",
    "help": "help",
    "man": "man",
}


class _Formatter(argparse.HelpFormatter):
    """Help as wide as the terminal.

    argparse makes one for each argument that is added, and asks `shutil` for the width, with all the archive formats
    that this imports.
    """

    def __init__(self, prog: str, **options: Any) -> None:
        options.setdefault("width", columns() - 2)
        super().__init__(prog, **options)


def whole_parser() -> argparse.ArgumentParser:
    """What reads the command line, with all commands: for those that look at it."""
    return parser_of("")


@cache
def parser_of(first: str) -> argparse.ArgumentParser:
    """What reads the command line: all commands, or the one that is the first argument (argparse is not quick)."""
    parser = _Parser(
        "pvasm",
        description="Paravirtualization of hand-written IA-64 assembly.",
        epilog="`pvasm help COMMAND' says more of a command, and its exit statuses.",
    )
    parser.add_argument("--version", action="version", version=f"pvasm {__version__}")
    parser.add_argument(
        "--integration-dir",
        action=_IntegrationDirectory,
        help="show the folder of pvasm.mk, pvasm.ninja and pvasm.cmake, for builds to include, and exit",
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True, prog="pvasm")
    for name in [first] if first in _COMMANDS else _COMMANDS:
        importlib.import_module(f"pvasm.commands.{_COMMANDS[name]}").add(commands)
    return parser


class _Parser(argparse.ArgumentParser):
    """A parser that says which command, option or choice may be meant, with help as wide as the terminal."""

    def __init__(self, *names: Any, **options: Any) -> None:
        super().__init__(*names, **{"formatter_class": _Formatter, "allow_abbrev": False, **options})
        self.epilog = self.epilog or exit_status.told(self.prog.removeprefix("pvasm "))
        self.given: list[str] = []

    def parse_known_args(self, *arguments: Any) -> Any:  # type: ignore[override]
        """As argparse, but an option that is not known is an error here, where the options are known."""
        self.given = list(arguments[0] if arguments and arguments[0] is not None else sys.argv[1:])
        found, rest = super().parse_known_args(self._options_first(self.given), *arguments[1:])
        if rest:
            option = next((word.partition("=")[0] for word in rest if word.startswith("-") and word != "-"), None)
            if option is None:
                self.error(f"there is no place for {' '.join(rest)}: too many arguments")
            self.error(self._no_option(option))
        return found, rest

    def _options_first(self, words: list[str]) -> list[str]:
        """The words with all options before what is none, so that options may stand between files.

        argparse gives the first run of files to the argument that takes any number of them, and has no place for a
        second. Where a word is no option that there is, or lacks its value, all stay where they are, to be told of.
        """
        first = next((at for at, word in enumerate(words) if word[:1] != "-" or word == "-"), len(words))
        if not any(word[:1] == "-" for word in words[first:]):
            return words
        if any(action.nargs in (argparse.PARSER, argparse.REMAINDER) for action in self._get_positional_actions()):
            return words
        options: list[str] = []
        others: list[str] = []
        left = iter(words)
        for word in left:
            if word == "--":
                others += left
            elif word[:1] != "-" or word == "-":
                others.append(word)
            else:
                options.append(word)
                takes_next = self._takes_next(word)
                if takes_next is None:
                    return words
                if takes_next:
                    value = next(left, "--")
                    if value != "-" and value[:1] == "-":
                        return words
                    options.append(value)
        return [*options, *(["--"] if "--" in words else []), *others]

    def _takes_next(self, word: str) -> bool | None:
        """Whether an option has its value in the next word; None for what is no option, and for one with several."""
        known = self._option_string_actions
        name, equals, _ = word.partition("=")
        action: argparse.Action | None = None
        if word in known or (equals and name in known):
            action, is_whole = known[name], bool(equals)
        else:  # behind one dash, options without values may stand together, and a value may follow at once
            letters = word[1:]
            while letters and word[1] != "-" and (action is None or action.nargs == 0):
                action, letters = known.get(f"-{letters[0]}"), letters[1:]
                if action is None:
                    break
            is_whole = bool(letters)
        if action is None or action.nargs not in (None, 0):
            return None
        return action.nargs is None and not is_whole

    def _no_option(self, option: str) -> str:
        return f"there is no option `{option}'{_meant(option, self._option_string_actions)}"

    def _strange(self, until: str) -> str | None:
        """The first option on the command line, before a word, that there is not."""
        known = self._option_string_actions
        for word in self.given:
            if word in ("--", until):
                break
            if word[:1] == "-" and word != "-" and word.partition("=")[0] not in known and word[:2] not in known:
                return word.partition("=")[0]
        return None

    def error(self, message: str) -> NoReturn:
        """One line that says what is wrong, and the exit status of bad usage."""
        wrong = _CHOICE.fullmatch(message)
        if wrong or message.startswith(_REQUIRED):
            strange = self._strange(wrong["word"] if wrong else "--")
            if strange is not None:  # what is missing or wrong may be due to it
                message, wrong = self._no_option(strange), None
        if wrong:
            choices = [choice.strip("' ") for choice in wrong["choices"].split(",")]
            of = "command" if wrong["of"] == "COMMAND" else f"choice for {wrong['of']}"
            message = f"there is no {of} `{wrong['word']}'{_meant(wrong['word'], choices)}"
            message += "" if message.endswith("?") else f": there are {', '.join(choices)}"
        raise SystemExit(fail([PvasmError(f"{message} (`{self.prog} --help' tells more)")]))


_REQUIRED = "the following arguments are required"

# argparse's message for a word that is not among the choices.
_CHOICE = regex(
    r"argument (?P<of>[^:]++): invalid choice: '(?P<word>(?:[^']|'(?! \(choose from ))*+)'"
    r" \(choose from (?P<choices>[^()]*+)\)"
)


def _meant(word: str, known: Iterable[str]) -> str:
    from pvasm.suggestions import nearest

    found = nearest(word, known)
    return f": did you mean `{found}'?" if found else ""


class _IntegrationDirectory(argparse.Action):
    """Prints a path as it is, which argparse's own `version` would break into lines."""

    def __init__(self, option_strings: Sequence[str], dest: str, **options: Any) -> None:
        super().__init__(option_strings, argparse.SUPPRESS, nargs=0, **options)

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        write(f"{integration_directory()}\n")
        parser.exit()
