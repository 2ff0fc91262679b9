"""What a project has settled for its runs of `pvasm check`: `pvasm.toml`, or `[tool.pvasm]` in `pyproject.toml`.

docs/configuration.md tells people of it. The file comes with a project that nobody may have vetted: it names files to
read and codes, and can make pvasm run nothing but the C preprocessor. What it names is below its own folder, whichever
way it was found: nothing that it says leads out of there, links included.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from msgspec import Struct

from pvasm.cpp_options import flaw_of_define, flaw_of_header_name
from pvasm.errors import PvasmError
from pvasm.files import NO_SUCH_FILE, is_below, read_at_most
from pvasm.limits import MAX_JOBS
from pvasm.regex import made_regex, regex
from pvasm.suggestions import near, unknown_code

OWN_FILE, SHARED_FILE = "pvasm.toml", "pyproject.toml"
SEVERITIES = ("error", "warning", "note", "off")

# tomllib takes time that grows with the square of a dotted key's length.
_MAX_BYTES = 1 << 18
_MAX_DOTS_IN_A_LINE = 100


class Config(Struct, frozen=True):
    """What a configuration file says. `folder` is the one that its paths and globs are relative to.

    Paths are joined with it. None, and an empty tuple, say that the file is silent. Codes may be cut short. A severity
    is one of SEVERITIES.
    """

    folder: str = "."
    path: str | None = None
    paths: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    select: tuple[str, ...] | None = None
    extend_select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    per_file_ignores: tuple[tuple[str, tuple[str, ...]], ...] = ()
    severity: tuple[tuple[str, str], ...] = ()
    instances: tuple[str, ...] = ()
    extension: bool = False
    cpp: bool = False
    include_dirs: tuple[str, ...] = ()
    defines: tuple[str, ...] = ()
    includes: tuple[str, ...] = ()
    jobs: int | None = None
    baseline: str | None = None
    respect_gitignore: bool = True
    op_headers: tuple[str, ...] = ()
    bare_hardware: tuple[str, ...] = ()
    user_level: tuple[str, ...] = ()


def find_config(paths: Collection[str]) -> str | None:
    """The configuration file for a run over these paths: the nearest in the folder that holds them all, or above.

    Without paths, and for standard input, that is the current folder. In one folder, `pvasm.toml` comes first, and a
    `pyproject.toml` counts only if it has a table `[tool.pvasm]`.
    """
    folder = _common_folder(paths)
    while True:
        own = os.path.join(folder, OWN_FILE)
        if os.path.isfile(own):
            return _own(own)
        shared = os.path.join(folder, SHARED_FILE)
        if os.path.isfile(shared) and is_below(shared, folder) and _has_own_table(shared):
            return shared
        above = os.path.dirname(folder)
        if above == folder:
            return None
        folder = above


def _own(path: str) -> str:
    """The path. Raises PvasmError for a link that leads out of its folder: its target need be no configuration."""
    if not is_below(path, os.path.dirname(path)):
        message = f"is a link that leads out of its folder, to {os.path.realpath(path)}: not read"
        raise PvasmError(f"{message} (--config names it, --no-config does without)", path)
    return path


def _common_folder(paths: Collection[str]) -> str:
    folders = []
    for path in paths:
        absolute = os.path.abspath(path)
        if path != "-" and os.path.exists(absolute):
            folders.append(absolute if os.path.isdir(absolute) else os.path.dirname(absolute))
    return os.path.commonpath(folders) if folders else os.getcwd()


_TABLE = regex(r"^\ufeff?[ \t]*\[[ \t]*tool[ \t]*\.[ \t]*[\"']?pvasm\b", re.MULTILINE)


def _has_own_table(path: str) -> bool:
    try:
        text = _read(path)
        if _TABLE.search(text) is not None:
            return True
        # Written some other way, if at all: `[tool]` and `pvasm = {...}`. Most such files never name us.
        return "pvasm" in text and own_table(parsed(text, path)) is not None
    except PvasmError:
        return False  # somebody else's file, and nothing to do with us


def own_table(project: Mapping[str, Any]) -> object | None:
    """What `tool.pvasm` of a `pyproject.toml` is; None if there is none."""
    tool = project.get("tool")
    return tool.get("pvasm") if isinstance(tool, dict) else None


def _read(path: str) -> str:
    data = read_at_most(path, _MAX_BYTES)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise PvasmError("not UTF-8, so not TOML", path, data.count(b"\n", 0, error.start) + 1) from error


def read_config(path: str, codes: Collection[str]) -> Config:
    """What the file at `path` says; `codes` are those that there are.

    A file called `pyproject.toml` is looked into for `[tool.pvasm]`; any other is ours as a whole. Raises PvasmError,
    with the line where that can be told, for what is no TOML, and for a key, a type or a code that is wrong.
    """
    shown = os.path.relpath(path)
    shown = path if shown.startswith("..") else shown
    text = _read(path)
    table: Any = parsed(text, shown)
    if os.path.basename(path) == SHARED_FILE:
        own = own_table(table)
        table = {} if own is None else own
    return _Reader(text, shown, os.path.dirname(os.path.abspath(path)), codes).read(table)


_PLACE = regex(r"^(?P<message>.*) \(at line (?P<line>\d+), column (?P<column>\d+)\)$", re.DOTALL)


def parsed(text: str, shown: str) -> dict[str, Any]:
    """A text as TOML; `shown` is what its file is called. Raises PvasmError, with the place, for what is none."""
    import tomllib

    if text.startswith("\ufeff"):
        raise PvasmError("begins with a byte order mark, which TOML has not: save it as UTF-8 without", shown, 1, 1)
    for number, line in enumerate(text.split("\n"), start=1):
        if line.count(".") > _MAX_DOTS_IN_A_LINE:
            raise PvasmError(f"a line with more than {_MAX_DOTS_IN_A_LINE} dots: not read", shown, number)
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = _PLACE.match(str(error))
        if found is None:  # it ends too early
            raise PvasmError(str(error), shown, text.count("\n") + 1) from error
        raise PvasmError(found["message"], shown, int(found["line"]), int(found["column"])) from error
    except ValueError as error:  # Python's bound on the digits of an integer
        raise PvasmError("a number that is too long: not read", shown) from error
    except RecursionError as error:
        raise PvasmError("nested too deeply", shown) from error


def _line_of(text: str, path: str, words: Iterable[object]) -> int | None:
    """The line of the last of some words that can be found in a file, each behind the one before; None if none can."""
    line = None
    start = 0
    if os.path.basename(path) == SHARED_FILE:
        found = _TABLE.search(text)
        start = found.start() if found else 0
    for word in words:
        at = made_regex(rf"(?<![\w-]){re.escape(str(word))}(?![\w-])").search(text, start)
        if at is not None:
            start = at.start()
            line = text.count("\n", 0, start) + 1
    return line


def lines_of_keys(path: str) -> dict[str, int]:
    """The keys that a configuration file has, with their lines. Raises PvasmError as `read_config` does."""
    text = _read(path)
    table: Any = parsed(text, path)
    keys: Any = (own_table(table) or {}) if os.path.basename(path) == SHARED_FILE else table
    return {key: _line_of_key(text, path, key) for key in keys}


def _line_of_key(text: str, path: str, key: str) -> int:
    """The line where a key is given its value, or a table of its name begins."""
    own = _TABLE.search(text) if os.path.basename(path) == SHARED_FILE else None
    first = text.count("\n", 0, own.start()) if own else 0
    for number, line in enumerate(text.split("\n")[first:], start=first + 1):
        head = line.partition("=")[0].partition("#")[0].strip()
        names = [word.strip().strip("\"'") for word in head.strip("[]").split(".")]
        if names[-1] == key if head.startswith("[") else names[0] == key:
            return number
    return 1


def error_of_setting(config: Config, key: str, value: str, message: str) -> PvasmError:
    """The error about something that a configuration file names under a key, with its line."""
    assert config.path is not None
    written = os.path.relpath(value, config.folder) if _is_file(value) or os.path.exists(value) else value
    shown = f"{key}: {written!r}: {message}"
    return PvasmError(shown, config.path, _line_of(_read(config.path), config.path, (key, written)))


def refuse_missing(config: Config, keys: Iterable[str]) -> None:
    """Raises PvasmError, with its line, for the first path that the file names under one of these keys, and is none.

    A folder of headers may be made later: of `include-dirs` nothing is asked.
    """
    for key in keys:
        named = getattr(config, key)
        for path in (named,) if isinstance(named, str) else named or ():
            if (key != "instances" or _is_file(path)) and not os.path.exists(path):
                raise error_of_setting(config, key, os.path.relpath(path), NO_SUCH_FILE)


def _is_file(instance: str) -> bool:
    """Whether what `instances` names is a file, and not a name."""
    return "/" in instance or instance.endswith((".yaml", ".yml"))


class _Reader:
    """Makes a Config of a table, and says what is wrong with it and where."""

    def __init__(self, text: str, shown: str, folder: str, codes: Collection[str]) -> None:
        self.text = text
        self.shown = shown
        self.folder = folder
        self.codes = codes

    def read(self, table: object) -> Config:
        if not isinstance(table, dict):
            raise self.error("tool.pvasm must be a table", "pvasm")
        values: dict[str, Any] = {}
        for key, value in table.items():
            read = _KEYS.get(key)
            if read is None:
                raise self.error(f"unknown key {key!r}{near(key, _KEYS)}; the keys are {', '.join(_KEYS)}", key)
            values[key.replace("-", "_")] = read(self, key, value)
        return Config(self.folder, self.shown, **values)

    def error(self, message: str, *words: object) -> PvasmError:
        """The error, with the line of the last of `words` that can be found: keys, and texts in them."""
        return PvasmError(message, self.shown, _line_of(self.text, self.shown, words))

    # Each takes a key and its value, and returns what Config has for it.

    def words(self, key: str, value: object) -> tuple[str, ...]:
        if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
            raise self.error(f"{key} must be a list of strings", *key.split("."))
        for word in value:
            if not word or "\0" in word:
                raise self.error(f"{key}: an empty string, or one with a NUL, means nothing", *key.split("."))
        return tuple(value)

    def paths(self, key: str, value: object) -> tuple[str, ...]:
        return tuple(self.below(key, word) for word in self.words(key, value))

    def below(self, key: str, path: str) -> str:
        """The path as one would name it from the current folder. Raises PvasmError if it is not below our folder."""
        if not is_below(os.path.join(self.folder, path), self.folder):
            message = f"{key}: {path!r} is outside of the folder of this file"
            raise self.error(f"{message}: what is outside, the command line names ({_ON_COMMAND_LINE[key]})", key, path)
        return self.joined(path)

    def joined(self, path: str) -> str:
        """The path as one would name it from the current folder."""
        absolute = os.path.join(self.folder, path)
        relative = os.path.relpath(absolute)
        return absolute if relative.startswith("..") and os.path.isabs(path) else relative

    def instances(self, key: str, value: object) -> tuple[str, ...]:
        words = self.words(key, value)
        return tuple(self.below(key, w) if _is_file(w) else w for w in words)

    def defines(self, key: str, value: object) -> tuple[str, ...]:
        words = self.words(key, value)
        for word in words:
            if (flaw := flaw_of_define(word)) is not None:
                raise self.error(f"{key}: {flaw}", key, word)
        return words

    def header_names(self, key: str, value: object) -> tuple[str, ...]:
        words = self.words(key, value)
        for word in words:
            if (flaw := flaw_of_header_name(word)) is not None:
                raise self.error(f"{key}: {flaw}", key, word)
        return words

    def chosen(self, key: str, value: object) -> tuple[str, ...]:
        return tuple(self.code(key, word) for word in self.words(key, value))

    def code(self, key: str, word: str) -> str:
        code = word.strip().upper()
        if not code or not any(known.startswith(code) for known in self.codes):
            raise self.error(f"{key}: {unknown_code(word, self.codes)}", *key.split("."), word)
        return code

    def table(self, key: str, value: object) -> Mapping[str, object]:
        if not isinstance(value, dict):
            raise self.error(f"{key} must be a table", key)
        return value

    def per_file(self, key: str, value: object) -> tuple[tuple[str, tuple[str, ...]], ...]:
        table = self.table(key, value)
        return tuple((glob, tuple(self._ignored(key, glob, codes))) for glob, codes in table.items())

    def _ignored(self, key: str, glob: str, codes: object) -> tuple[str, ...]:
        if not isinstance(codes, list) or not all(isinstance(code, str) for code in codes):
            raise self.error(f"{key}: {glob!r} must be given a list of codes", key, glob)
        return tuple(self.code(key, code) for code in codes)

    def severities(self, key: str, value: object) -> tuple[tuple[str, str], ...]:
        found = []
        for code, level in self.table(key, value).items():
            if level not in SEVERITIES:
                close = near(str(level), SEVERITIES)
                message = f"{key}: {code} must be one of {', '.join(SEVERITIES)}, not {level!r}{close}"
                raise self.error(message, key, code)
            found.append((self.code(key, code), str(level)))
        return tuple(found)

    def truth(self, key: str, value: object) -> bool:
        if not isinstance(value, bool):
            raise self.error(f"{key} must be true or false", key)
        return value

    def number(self, key: str, value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= MAX_JOBS:
            raise self.error(f"{key} must be a number from 1 to {MAX_JOBS}", key)
        return value

    def path(self, key: str, value: object) -> str:
        if not isinstance(value, str) or not value or "\0" in value:
            raise self.error(f"{key} must be the name of a file", key)
        return self.below(key, value)


# How the command line says what a key says.
_ON_COMMAND_LINE = {
    "paths": "PATH",
    "instances": "--instance",
    "include-dirs": "-I",
    "includes": "-include",
    "baseline": "--baseline",
}

_KEYS: dict[str, Callable[[_Reader, str, Any], object]] = {
    "paths": _Reader.paths,
    "exclude": _Reader.words,
    "select": _Reader.chosen,
    "extend-select": _Reader.chosen,
    "ignore": _Reader.chosen,
    "per-file-ignores": _Reader.per_file,
    "severity": _Reader.severities,
    "instances": _Reader.instances,
    "extension": _Reader.truth,
    "cpp": _Reader.truth,
    "include-dirs": _Reader.paths,
    "defines": _Reader.defines,
    "includes": _Reader.paths,
    "jobs": _Reader.number,
    "baseline": _Reader.path,
    "respect-gitignore": _Reader.truth,
    "op-headers": _Reader.header_names,
    "bare-hardware": _Reader.words,
    "user-level": _Reader.words,
}


KEYS = tuple(_KEYS)
"""The keys of a configuration file."""


class Globs:
    """Glob patterns, relative to a folder.

    A pattern means a file, or a folder with all that is in it. `*` stands for anything, `/` as well; a pattern without
    `/` is a name at any depth.
    """

    def __init__(self, patterns: Collection[str], folder: str) -> None:
        from fnmatch import translate

        self._folder = os.path.realpath(folder)
        stripped = [pattern.removeprefix("./").rstrip("/") for pattern in patterns]
        self._names = [made_regex(translate(pattern)).match for pattern in stripped if "/" not in pattern]
        self._paths = [made_regex(translate(pattern)).match for pattern in stripped if "/" in pattern]

    def match(self, path: str) -> bool:
        """Whether one of the patterns means this file."""
        relative = os.path.relpath(os.path.realpath(path), self._folder)
        parts = relative.split("/")
        if any(match(part) for match in self._names for part in parts):
            return True
        heads = ["/".join(parts[: count + 1]) for count in range(len(parts))] if self._paths else []
        return any(match(head) for match in self._paths for head in heads)
