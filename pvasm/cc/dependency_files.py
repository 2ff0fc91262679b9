"""Dependency files: what the options ask for, with the names that the compiler would choose, and ours put in."""

from __future__ import annotations

import os
from collections.abc import Sequence

from msgspec import Struct

from pvasm.cc.command_line import PLAIN, CommandLine, Word, stem
from pvasm.depfile import extended, rule
from pvasm.files import unreadable, write_atomically
from pvasm.text import decode, encode

# Options of the compiler about dependencies, and those of the C preprocessor that it passes on.
OPTIONS = frozenset({"-M", "-MM", "-MD", "-MMD", "-MF", "-MT", "-MQ", "-MP", "-MG"})
PASSED_ON = frozenset({"-Wp", "-Xpreprocessor"})
_WITH_FILE = frozenset({"-MD", "-MMD", "-MF"})  # as the C preprocessor takes them


class Dependencies(Struct, frozen=True):
    """What is asked for.

    `options` are for the C preprocessor, `file` is where the rule must end up: None if none is asked for, `-` for
    standard output. `phony` tells whether each prerequisite is a target of its own.
    """

    options: tuple[str, ...]
    file: str | None
    phony: bool


def asked_for(command: CommandLine, source: Word, temporary: str) -> Dependencies:
    """What a command asks for when it preprocesses an input; the rule goes to the file `temporary` first."""
    words, passed_file = _passed_on(command, temporary)
    names = {word.name for word in command.words}
    only_rules = command.mode == "dependencies"
    options: list[str] = []
    file = None
    if names & {"-MD", "-MMD"}:
        file = command.last("-MF") or default_file(command, source)
        options += () if only_rules else ("-MF", temporary)
        if command.mode not in ("dependencies", "preprocess") and not names & {"-MT", "-MQ"}:
            output = command.last("-o")
            options += ("-MQ", output) if output else ()
    elif only_rules:
        file = command.last("-MF") or command.last("-o") or "-"
    # What the compiler is told already, or what it would itself write.
    left_out = {"-MF"} if file is not None else set()
    left_out |= {"-MD", "-MMD"} if only_rules else set()
    for word in command.words:
        if word.name in OPTIONS - left_out:
            options += word.given
    phony = "-MP" in names or "-MP" in words
    return Dependencies((*options, *_for_preprocessor(words)), passed_file or file, phony)


def passed_on(command: CommandLine) -> tuple[str, ...]:
    """The options that the compiler passes on to the C preprocessor, without their dependency file."""
    return tuple(_for_preprocessor(_passed_on(command, os.devnull)[0]))


def of_plain(command: CommandLine, source: Word) -> Dependencies:
    """What a command asks for about an input that is not preprocessed.

    The compiler itself makes no rule for one: nothing that it knows of is included. Its ops are made of the instance's
    files all the same.
    """
    names = {word.name for word in command.words}
    asked = bool(names & {"-MD", "-MMD"}) and source.language == PLAIN
    file = (command.last("-MF") or default_file(command, source)) if asked else None
    return Dependencies((), file, "-MP" in names)


def default_file(command: CommandLine, source: Word) -> str:
    """The dependency file that the compiler chooses: beside the output, or in the current folder."""
    return side_file(command, source, ".d")


def side_file(command: CommandLine, source: Word, suffix: str) -> str:
    """What the compiler calls a file that it makes beside an input's output."""
    output = command.last("-o")
    if output:
        return f"{os.path.splitext(output)[0]}{suffix}"
    # Linked, the output is a.out.
    return f"{'a-' if command.mode == 'link' else ''}{stem(source.value)}{suffix}"


def write_extended(asked: Dependencies, text: str, prerequisites: Sequence[str]) -> str:
    """Writes a rule that the compiler made, with more prerequisites; returns what is for standard output.

    Raises PvasmError if the file cannot be written.
    """
    return _written(asked, extended(text, prerequisites, asked.phony))


def write_own(asked: Dependencies, command: CommandLine, source: Word, prerequisites: Sequence[str]) -> str:
    """Writes the rule for an input that is not preprocessed; returns what is for standard output.

    Raises PvasmError if the file cannot be written.
    """
    targets = [word.value for word in command.words if word.name in ("-MT", "-MQ")]
    targets = targets or [command.last("-o") or f"{stem(source.value)}.o"]
    files = [] if source.value == "-" else [source.value]
    return _written(asked, rule(targets, [*files, *prerequisites], asked.phony))


def read_rule(path: str) -> str | None:
    """The text of a dependency file that the compiler made; None if it made none."""
    try:
        with open(path, "rb") as file:
            return decode(file.read())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise unreadable(error, path) from error


def _written(asked: Dependencies, text: str) -> str:
    if asked.file is None or asked.file == "-":
        return text
    write_atomically(asked.file, encode(text))
    return ""


def _passed_on(command: CommandLine, temporary: str) -> tuple[list[str], str | None]:
    """The words that the compiler passes on to the C preprocessor, with `temporary` for the file of a rule; that file.

    `-Wp,-MD,FILE` and `-Wp,-MMD,FILE` name it, as `-Wp,-MF,FILE` does.
    """
    words: list[str] = []
    file: str | None = None
    for word in command.words:
        if word.name in PASSED_ON:
            words += word.value.split(",") if word.name == "-Wp" else [word.value]
    for at in range(1, len(words)):
        if words[at - 1] in _WITH_FILE:
            file = words[at]
            words[at] = temporary
    return words, file


def _for_preprocessor(words: Sequence[str]) -> list[str]:
    return [part for word in words for part in ("-Xpreprocessor", word)]
