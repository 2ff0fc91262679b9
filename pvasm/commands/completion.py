"""`pvasm completion`: a script for a shell, which then completes what one types."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from pvasm.commands.shared import write
from pvasm.errors import PvasmError

if TYPE_CHECKING:
    from pvasm.commands.shared import Commands

_SHELLS = ("bash", "zsh", "fish")


def add(commands: Commands) -> None:
    """Adds the command and its options."""
    command = commands.add_parser(
        "completion",
        allow_abbrev=False,
        help="write a script that completes commands, options and names in a shell",
        description="Write a script that has a shell complete commands, options, names of instances, codes and files. "
        'In bash: eval "$(pvasm completion bash)"; docs/command-line.md says where to keep it.',
    )
    command.add_argument("shell", choices=_SHELLS, metavar="SHELL", help="bash, zsh or fish")
    command.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    try:
        import shtab
    except ImportError:
        said = "completion needs the package shtab: pip install 'pvasm[completion]'"
        raise PvasmError(said) from None
    from pvasm.cli import whole_parser

    parser = whole_parser()
    for action in _values(parser):
        kind = _KINDS.get(_said(action)) or _BY_WORD.get(_said(action).split(".")[0])
        if kind is not None:
            action.complete = kind()  # type: ignore[attr-defined]
    script = shtab.complete(parser, options.shell)
    if options.shell == "fish":  # which tells options of one dash and several letters from others
        for name in _long_with_one_dash(parser):
            script = script.replace(f" -s {name} ", f" -o {name} ")
    if options.shell == "zsh":  # shtab says of what may be repeated that it may come once
        script = script.replace('\n  "(*)::', '\n  "*:')
    write(script if script.endswith("\n") else f"{script}\n")
    return 0


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    for action in parser._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for each in action.choices.values():
                yield from _actions(each)


def _values(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """The arguments and options with a value that may be anything."""
    return (each for each in _actions(parser) if each.nargs != 0 and not each.choices)


def _long_with_one_dash(parser: argparse.ArgumentParser) -> set[str]:
    options = (option for action in _actions(parser) for option in action.option_strings)
    return {option[1:] for option in options if option[:2] != "--" and len(option) > len("-X")}


def _said(action: argparse.Action) -> str:
    """The word that help has in the place of a value, and for names, which they are."""
    word = action.metavar if isinstance(action.metavar, str) else action.dest
    is_instance = word in ("NAME", "A", "B", "BASE", "INSTANCE") and (
        action.dest in ("instance", "extends", "base", "left", "right") or "--instance" in action.option_strings
    )
    return "INSTANCE" if is_instance else word


def _files() -> dict[str, object]:
    import shtab

    return dict(shtab.FILE)


def _folders() -> dict[str, object]:
    import shtab

    return dict(shtab.DIRECTORY)


def _instances() -> dict[str, object]:
    from pvasm.paravirt.shipped import ALL, instance_names

    # shtab looks at the name: where there is `_file` in it, bash takes what stands there for names of files, and puts
    # backslashes before what a shell would take for something else.
    return _words_or_files([*instance_names(), ALL], "_pvasm_instances_or_files")


def _codes() -> dict[str, object]:
    from pvasm.check.codes import known_codes

    return _words(sorted(known_codes()), "_pvasm_codes")


def _ops() -> dict[str, object]:
    from pvasm.paravirt.loading import load_catalog

    return _words(sorted(load_catalog().ops), "_pvasm_ops")


def _commands() -> dict[str, object]:
    from pvasm.exit_status import COMMANDS

    return _words(sorted({word for name in COMMANDS for word in name.split()}), "_pvasm_commands")


def _words(words: list[str], function: str) -> dict[str, object]:
    """What completes one of some words, which have nothing that a shell minds."""
    said = " ".join(words)
    return {
        "bash": function,
        "zsh": f"({said})",
        "fish": said,
        "preamble": {"bash": f'{function}() {{\n  compgen -W "{said}" -- "$1"\n}}\n'},
    }


def _words_or_files(words: list[str], function: str) -> dict[str, object]:
    said = " ".join(words)
    bash = f'{function}() {{\n  compgen -W "{said}" -- "$1"\n  _shtab_compgen_files "$1"\n}}\n'
    zsh = f"{function}() {{\n  _alternative 'names:name:({said})' 'files:file:_files'\n}}\n"
    return {
        "bash": function,
        "zsh": function,
        "fish": f"{said} (__fish_complete_path (commandline -ct))",
        "preamble": {"bash": bash, "zsh": zsh},
    }


_KINDS: dict[str, Callable[[], object]] = {
    "DIR": _folders,
    "INSTANCE": _instances,
    "CODE": _codes,
    "COMMAND": _commands,
    "CODES": _codes,
    "OP": _ops,
}
_BY_WORD: dict[str, Callable[[], object]] = dict.fromkeys(("FILE", "PATH", "OBJ", "OTHER", "HEADER", "A", "B"), _files)
