"""A compiler's command line, in the way of gcc: which words are options, which belong to them, which are inputs."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Literal

from msgspec import Struct

from pvasm.regex import regex

Mode = Literal["dependencies", "preprocess", "generate", "assemble", "link"]

WITH_CPP, PLAIN = "assembler-with-cpp", "assembler"

# Programs that stand before the compiler, and run it.
_LAUNCHERS = frozenset({"ccache", "distcc", "icecc", "sccache"})

# Options whose argument is the next word. Those of _JOINED may have it in the same word.
_JOINED = (
    *("-MF", "-MT", "-MQ", "-MJ", "-o", "-x", "-D", "-U", "-I"),
    *("-isystem", "-iquote", "-idirafter", "-include", "-imacros"),
)
_SEPARATE = frozenset(
    [
        *_JOINED,
        *("-L", "-l", "-T", "-u", "-z", "-B", "-A", "-F", "-J", "-G", "-R", "-e", "-h"),
        *("-iprefix", "-isysroot", "-iwithprefix"),
        *("-iwithprefixbefore", "-imultilib", "-imultiarch", "-iplugindir"),
        *("-Xassembler", "-Xpreprocessor", "-Xlinker", "-Xf", "-Hd", "-Hf", "-Tbss", "-Tdata", "-Ttext"),
        *("-aux-info", "--param", "-wrapper", "-specs", "--specs", "-dumpbase", "-dumpbase-ext", "-dumpdir", "-arch"),
        *("-fintrinsic-modules-path", "-gnatO", "--sysroot"),
        *("--assert", "--dump", "--dumpbase", "--dumpbase-ext", "--dumpdir", "--entry", "--for-assembler"),
        *("--for-linker", "--force-link", "--imacros", "--include", "--include-directory", "--prefix"),
        *("--include-directory-after", "--include-prefix", "--include-with-prefix", "--include-with-prefix-after"),
        *("--include-with-prefix-before", "--library-directory", "--output-pch", "--undefine"),
        *("--output", "--language", "--define-macro", "--undefine-macro"),
        # clang's own
        *(
            "-target",
            "-mllvm",
            "-Xclang",
            "-Xanalyzer",
            "-include-pch",
            "-isystem-after",
            "-cxx-isystem",
            "-iframework",
            "-ivfsoverlay",
        ),
        *("-resource-dir", "-working-directory", "-dependency-file", "-gcc-toolchain", "-mthread-model", "--config"),
    ]
)
# Long names of options that matter here.
_LONG = {
    "--output": "-o",
    "--language": "-x",
    "--define-macro": "-D",
    "--undefine-macro": "-U",
    "--include": "-include",
    "--imacros": "-imacros",
    "--compile": "-c",
    "--assemble": "-S",
    "--preprocess": "-E",
    "--dependencies": "-M",
    "--user-dependencies": "-MM",
    "--write-dependencies": "-MD",
    "--write-user-dependencies": "-MMD",
    "--print-missing-file-dependencies": "-MG",
    "--no-line-commands": "-P",
    "--comments": "-C",
    "--comments-in-macros": "-CC",
    "--save-temps": "-save-temps",
    "--dump": "-d",
}
# With these the compiler tells something, or checks something, and makes nothing.
_TELLING = regex(r"--version|-dump(?:version|machine|specs|fullversion)|--?print-.*|--help|--target-help|-###")
_DUMPING = regex(r"-d[A-Z]+")

_MOST_RESPONSE_FILES = 2000
_BLANKS = " \t\n\v\f\r"


_ASSEMBLER = regex(r"(?:.*-)?g?as(?:-[\d.]+)?")


def is_bare_assembler(program: str) -> bool:
    """Whether a program is an assembler, by its name: `as`, `ia64-linux-gnu-as`."""
    return _ASSEMBLER.fullmatch(os.path.basename(program)) is not None


class Word(Struct, frozen=True):
    """An option with its argument, or an input.

    `given` is how it stands in the command. `name` is the option's short name, empty for an input; `value` its
    argument, or the input's path, where known apart. `language` is what `-x` before an input says, or else its name.
    """

    given: tuple[str, ...]
    name: str
    value: str = ""
    language: str | None = None


class CommandLine(Struct, frozen=True):
    """A compiler (with what runs it, such as ccache), and the words after it."""

    compiler: tuple[str, ...]
    words: tuple[Word, ...]

    @property
    def inputs(self) -> list[Word]:
        """The inputs, in order."""
        return [word for word in self.words if not word.name]

    @property
    def options(self) -> list[Word]:
        """All but the inputs, and what says which language they are in."""
        return [word for word in self.words if word.name and word.name != "-x"]

    @property
    def mode(self) -> Mode:
        """What is to be done: of several options that say so, the one that the compiler listens to."""
        names = {word.name for word in self.words}
        if names & {"-M", "-MM"}:
            return "dependencies"
        if "-E" in names:
            return "preprocess"
        if "-S" in names:
            return "generate"
        return "assemble" if "-c" in names else "link"

    @property
    def only_tells(self) -> bool:
        """Whether the compiler is asked about itself, or to check only: whatever the inputs, nothing is made."""
        return any(_TELLING.fullmatch(word.given[0]) for word in self.words if word.name)

    def has(self, name: str) -> bool:
        """Whether an option is given."""
        return any(word.name == name for word in self.words)

    @property
    def is_cut_short(self) -> bool:
        """Whether the last word is an option whose argument is due."""
        return any(word.given == (word.given[0],) and word.given[0] in _SEPARATE for word in self.words)

    def last(self, name: str) -> str | None:
        """The argument of an option, the last where there are several; None without it."""
        return next((word.value for word in reversed(self.words) if word.name == name), None)


def read_command(command: Sequence[str]) -> CommandLine:
    """What a command (a compiler and its arguments) says; response files (`@FILE`) are read.

    The command is not checked: what is wrong with it is for the compiler to say.
    """
    compiler, arguments = split_command(command)
    return CommandLine(compiler, tuple(words_of(arguments)))


def split_command(command: Sequence[str]) -> tuple[tuple[str, ...], list[str]]:
    """The compiler, with the launcher before it, and its arguments; response files are read."""
    at = 1
    while at < len(command) and os.path.basename(command[at - 1]) in _LAUNCHERS and not command[at].startswith("-"):
        at += 1
    return tuple(command[:at]), _without_response_files(command[at:])


def is_ours(command: CommandLine, word: Word) -> bool:
    """Whether there is something for us to do with an input."""
    # Of assembly that needs no preprocessing, the compiler makes nothing but objects.
    if word.language == WITH_CPP:
        return True
    return word.language == PLAIN and command.mode in ("assemble", "link")


def dumps_macros(word: Word) -> bool:
    """Whether an option has the C preprocessor tell of macros (`-dM`, `-dD`)."""
    return word.name == "-d" or _DUMPING.fullmatch(word.given[0]) is not None


def stem(path: str) -> str:
    """The path of an input or an output without its folder and suffix; `-` for standard input."""
    return os.path.splitext(os.path.basename(path))[0]


def words_of(arguments: Sequence[str]) -> Iterator[Word]:
    """The words of a compiler's arguments, each with the `-x` before it; no response file is read."""
    language: str | None = None
    at = 0
    while at < len(arguments):
        word = arguments[at]
        at += 1
        if word == "-" or not word.startswith("-"):
            yield Word((word,), "", word, language or _language(word))
            continue
        if word in _SEPARATE:
            given: tuple[str, ...] = (word, *arguments[at : at + 1])
            at += 1
            name, value = _LONG.get(word, word), given[-1] if len(given) == 2 else ""
        else:
            given = (word,)
            name, value = _name_and_value(word)
        if name == "-x":
            language = None if value == "none" else value
        yield Word(given, name, value)


def _name_and_value(word: str) -> tuple[str, str]:
    """The name and the argument of an option that is one word."""
    long, equals, value = word.partition("=")
    if word.startswith("--"):
        return (_LONG.get(long, long), value) if equals else (_LONG.get(word, word), "")
    for name in _JOINED:
        if word.startswith(name):
            return name, word[len(name) :]
    if word.startswith("-Wp,"):
        return "-Wp", word.removeprefix("-Wp,")
    if long == "-save-temps":
        return long, value
    return word, ""


def _language(path: str) -> str | None:
    """The language of an input, if it is assembly by its name."""
    if path.endswith(".lds.S"):  # a linker script: it goes through the C preprocessor, but is no assembly
        return None
    if path.endswith((".S", ".sx")):
        return WITH_CPP
    return PLAIN if path.endswith(".s") else None


# ------------------------------------------------------------------------------------ response files


def _without_response_files(arguments: Sequence[str]) -> list[str]:
    """The arguments with the words of each response file in its place; one that cannot be read stays."""
    waiting = list(reversed(arguments))
    found: list[str] = []
    left = _MOST_RESPONSE_FILES
    while waiting:
        word = waiting.pop()
        words = _response_file(word[1:]) if word.startswith("@") and left > 0 else None
        if words is None:
            found.append(word)
        else:
            left -= 1
            waiting += reversed(words)
    return found


def _response_file(path: str) -> list[str] | None:
    """The words in a response file; None if it cannot be read."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape", newline="") as file:
            return _split(file.read())
    except (OSError, ValueError):
        return None


def _split(text: str) -> list[str]:
    """Words with blanks between; quotes hold blanks, and a backslash whatever character is next, in quotes as well."""
    words: list[str] = []
    word: list[str] | None = None
    quote = ""
    characters = iter(text)
    for character in characters:
        if character in _BLANKS and not quote:
            if word is not None:
                words.append("".join(word))
            word = None
            continue
        word = [] if word is None else word
        if character == "\\":
            word.append(next(characters, ""))
        elif quote:
            if character == quote:
                quote = ""
            else:
                word.append(character)
        elif character in "'\"":
            quote = character
        else:
            word.append(character)
    if word is not None:
        words.append("".join(word))
    return words


def is_same(one: str, other: str) -> bool:
    """Whether two names are those of one file that there is."""
    try:
        return os.path.samefile(one, other)
    except OSError:
        return False
