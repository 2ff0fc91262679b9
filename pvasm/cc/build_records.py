"""What a build has written of its commands: with which flags each source goes through the C preprocessor.

`compile_commands.json` (clang's JSON Compilation Database: CMake, ninja, meson, bear, Linux's gen_compile_commands.py)
has a command a file; Kbuild leaves `.NAME.o.cmd` beside each object, with `cmd_DIR/NAME.o := COMMAND` in it, or
`savedcmd_`. Nothing of a command is run. Its `-D`, `-I` and `-include` are checked as a configuration's are, but that
headers may be looked for anywhere: a build's compiler has folders of its own.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import msgspec
from msgspec import Struct

from pvasm.cc.command_line import Word, is_bare_assembler, split_command, words_of
from pvasm.cpp_options import flaw_of_define
from pvasm.errors import PvasmError
from pvasm.files import NO_SUCH_FILE, is_below, read_at_most
from pvasm.regex import regex
from pvasm.text import decode

DATABASE = "compile_commands.json"
_MOST_BYTES: Final = 1 << 26
_MOST_OF_A_COMMAND: Final = 1 << 18
_MOST_ENTRIES: Final = 500_000  # of folders that are looked through for Kbuild's
_ASSEMBLY = (".S", ".sx")

_KBUILD = regex(r"(?:saved)?cmd_(?P<target>\S++) := (?P<command>[^\n]*+)\n?")
_NAMES_ASSEMBLY = regex(r"\.(?:S|sx)\b")
# What make makes of it: Kbuild writes these for `#` and `$`.
_MAKE = {"$(pound)": "#", "$$": "$"}

# Which instance is compiled for is our business: a build that compiles a source several times says so by these.
_SYMBOL = regex(r"__IA64_ASM_PARAVIRTUALIZED_\w++")
# What gcc defines for IA-64 without being told (gcc -dM -E), as far as headers of assembly ask.
_COMPILERS_OWN: Final = ("__LP64__", "_LP64", "__ELF__", "__ia64", "__itanium__", "__linux__", "__unix__")


class FileFlags(Struct, frozen=True):
    """How a source goes through the C preprocessor: folders of headers, macros, and what is included first.

    `unread` says of a command that it has more options in files, which are not read.
    """

    include_directories: tuple[str, ...] = ()
    defines: tuple[str, ...] = ()
    includes: tuple[str, ...] = ()
    unread: PvasmError | None = None

    @property
    def options(self) -> tuple[str, ...]:
        """The same as a command has it."""
        return (
            *(f"-I{each}" for each in self.include_directories),
            *(f"-D{each}" for each in self.defines),
            *(word for each in self.includes for word in ("-include", each)),
        )


class _Entry(Struct):
    """One of the objects in a database."""

    file: str
    directory: str = "."
    command: str | None = None
    arguments: list[str] | None = None


class _Command(Struct):
    """A command of a build: the folder that it is run in, its words, the sources among them, where it is told of."""

    folder: str
    words: Sequence[str]
    sources: Sequence[str]
    record: str
    line: int


def read_build(folder: str, within: Sequence[str] = ()) -> dict[str, FileFlags]:
    """The flags of each source of assembly that a build in `folder` tells of, by the source's real path.

    Of a source that is compiled several times, the first command counts. Paths are as one would name them from the
    current folder. Raises PvasmError where there is no such folder or nothing in it tells of a build, for a record that
    cannot be read, for a macro that is none, and for a file to be included first that is not below the folder, one of
    `within`, or one where the command itself looks for headers.
    """
    if not os.path.isdir(folder):
        raise PvasmError(f"--build: {NO_SUCH_FILE}" if not os.path.exists(folder) else "--build takes a folder", folder)
    found: dict[str, FileFlags] = {}
    database = os.path.join(folder, DATABASE)
    is_told = os.path.isfile(database)
    for commands in (_of_database(database) if is_told else (), _of_kbuild(folder)):
        for command in commands:
            is_told = True
            for source in command.sources:
                if "\0" in source or "\0" in command.folder:
                    raise PvasmError("a path with a NUL in it means nothing", command.record, command.line)
                real = os.path.realpath(os.path.join(command.folder, source))
                if real not in found and source.endswith(_ASSEMBLY):
                    found[real] = _flags(command, (folder, *within))
    if not is_told:
        said = f"tells of no build: neither {DATABASE} nor Kbuild's .*.o.cmd files of assembly are in it"
        raise PvasmError(said, folder)
    return found


def with_flags(command: Sequence[str], folder: str) -> list[str]:
    """A compiler's command with the flags that a build has for its source, before those of its own.

    Raises PvasmError as `read_build` does, and for several sources, each of which has flags of its own.
    """
    compiler, arguments = split_command(command)
    sources = [word for word in arguments if word.endswith(_ASSEMBLY) and os.path.isfile(word)]
    if not sources:
        return list(command)
    if len(sources) > 1:
        raise PvasmError(f"{len(sources)} sources, and --build has flags for each alone: give one", sources[1])
    flags = flags_of(sources[0], folder)
    return [*compiler, *flags.options, *arguments]


def flags_of(source: str, folder: str) -> FileFlags:
    """The flags that a build has for a source. Raises PvasmError as `read_build` does, and where it has none."""
    flags = read_build(folder, [os.path.dirname(source) or "."]).get(os.path.realpath(source))
    if flags is None:
        raise PvasmError(f"the build in {folder} does not tell of this file", source)
    return flags


def _of_database(path: str) -> Iterator[_Command]:
    data = read_at_most(path, _MOST_BYTES)
    try:
        entries = msgspec.json.decode(data, type=list[_Entry])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise PvasmError(f"is no compilation database: {error}", path) from error
    folder = os.path.dirname(path) or "."
    at, line = 0, 1
    for entry in entries:
        if entry.file.endswith(_ASSEMBLY):
            # They are in order: looked for from the one before on, all of them take one pass.
            found = data.find(msgspec.json.encode(entry.file), at)
            if found >= 0:
                line += data.count(b"\n", at, found)
                at = found
            words = entry.arguments if entry.arguments is not None else _shell_words(entry.command or "", path, line)
            if not words:
                raise PvasmError(
                    f"says nothing of how {entry.file} is compiled: `command' or `arguments' is due", path, line
                )
            yield _Command(os.path.join(folder, entry.directory), words, [entry.file], path, line)


def _of_kbuild(folder: str) -> Iterator[_Command]:
    left = _MOST_ENTRIES
    for root, folders, files in os.walk(folder):
        folders.sort()
        left -= 1 + len(files)
        if left < 0:
            return
        for name in sorted(files):
            path = os.path.join(root, name)
            if name.startswith(".") and name.endswith(".o.cmd") and is_below(path, folder):
                command = _kbuild_command(path, folder)
                if command is not None:
                    yield command


def _kbuild_command(path: str, folder: str) -> _Command | None:
    """What a `.cmd` file tells; None for what is not of assembly, or of a build above the folder."""
    text = decode(read_at_most(path, _MOST_BYTES))
    found = _KBUILD.match(text)
    if found is None or not _NAMES_ASSEMBLY.search(found["command"]):
        return None
    target = found["target"]
    beside = os.path.join(os.path.dirname(path), os.path.basename(path)[1 : -len(".cmd")])
    if os.path.isabs(target) or not os.path.abspath(beside).endswith(f"/{os.path.normpath(target)}"):
        return None
    top = os.path.abspath(beside)[: -len(os.path.normpath(target))]
    if not is_below(top, folder):
        return None
    command = found["command"]
    for written, meant in _MAKE.items():
        command = command.replace(written, meant)
    words = _shell_words(command, path, 1)
    sources = [word.value for word in words_of(_arguments(words)) if not word.name and word.value.endswith(_ASSEMBLY)]
    return _Command(top, words, sources[:1], path, 1)


def _arguments(words: Sequence[str]) -> list[str]:
    """The arguments of a compiler's command, which may stand behind `pvasm cc ... --`.

    `-x` of a bare assembler takes no word.
    """
    behind = list(words[words.index("--") + 1 :] if "--" in words else words)
    at = 1
    while at < len(behind) and not behind[at].startswith(("-", "@")):  # ccache and its like
        at += 1
    bare = any(is_bare_assembler(word) for word in behind[:at])
    return [word for word in behind[at:] if not (bare and word == "-x")]


def _shell_words(command: str, path: str, line: int) -> list[str]:
    import shlex

    if len(command) > _MOST_OF_A_COMMAND:
        raise PvasmError("a command that is too long: not read", path, line)
    try:
        return shlex.split(command)
    except ValueError as error:
        raise PvasmError(f"a command that no shell would take: {error}", path, line) from error


# ------------------------------------------------------------------------------------------- flags

# Folders of headers, in the order in which the C preprocessor looks into them; those for `#include "..."` alone come
# last here, where no other can be hidden by them.
_FOLDERS = ("-I", "-isystem", "-idirafter", "-iquote")
_INCLUDED = ("-imacros", "-include")


def _flags(command: _Command, folders: Sequence[str]) -> FileFlags:
    read = list(words_of(_arguments(command.words)))

    def refuse(message: str) -> PvasmError:
        return PvasmError(message, command.record, command.line)

    def path_of(value: str) -> str:
        if not value or "\0" in value:
            raise refuse("an empty path, or one with a NUL, means nothing")
        return _shown(os.path.join(command.folder, value))

    directories = [path_of(word.value) for name in _FOLDERS for word in read if word.name == name]
    allowed = (*folders, *directories)
    includes = [_included(word.value, path_of, allowed, refuse) for word in read if word.name in _INCLUDED]
    defines = dict.fromkeys(_COMPILERS_OWN, "")
    for word in read:
        _define(word, defines, refuse)
    made = tuple(f"{name}{rest}" for name, rest in defines.items())
    return FileFlags(tuple(directories), made, tuple(includes), _of_unread(command))


def _of_unread(command: _Command) -> PvasmError | None:
    files = [word for word in _arguments(command.words) if word.startswith("@")]
    if not files:
        return None
    said = f"{' and '.join(files)} of the command for {command.sources[0]} is not read"
    return PvasmError(f"{said}: what it has of -I, -D and -include, give as well", command.record, command.line)


def _define(word: Word, defines: dict[str, str], refuse: Callable[[str], PvasmError]) -> None:
    """Takes note of a `-D` or `-U`: of several, the last counts."""
    if word.name not in ("-D", "-U"):
        return
    name = word.value.partition("=")[0].partition("(")[0]
    defines.pop(name, None)
    if word.name == "-U" or _SYMBOL.fullmatch(name):
        return
    if (flaw := flaw_of_define(word.value)) is not None:
        raise refuse(f"-D: {flaw}")
    defines[name] = word.value[len(name) :]


def _included(
    value: str, path_of: Callable[[str], str], allowed: Sequence[str], refuse: Callable[[str], PvasmError]
) -> str:
    """A file that is included first: beside where the command is run, or where it looks for headers."""
    path = path_of(value)
    if not os.path.exists(path) and not os.path.isabs(value) and ".." not in value.split("/"):
        return value
    if not any(is_below(path, folder) for folder in allowed):
        raise refuse(f"-include {value}: is neither below the build, nor where the command looks for headers")
    return path


def _shown(path: str) -> str:
    """The path as one would name it from the current folder."""
    relative = os.path.relpath(path)
    return os.path.normpath(path) if relative.startswith("..") and os.path.isabs(path) else relative
