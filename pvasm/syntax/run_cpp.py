"""Running the C preprocessor: nothing that a source tree holds decides what is run, or with which options.

gcc's driver, and the programs that it starts, read any argument that begins with `@` as a file of more arguments, the
base name of an input included (`-dumpbase`). So no input is named on the command line: standard input includes it. What
else a tree has a say in (the `includes`, `defines` and `include-dirs` of a configuration) is checked, and cannot be
taken for an option or such a file.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from msgspec import Struct

from pvasm import text as source_text
from pvasm.cpp_options import flaw_of_define
from pvasm.errors import PvasmError
from pvasm.files import NO_SUCH_FILE, is_below, reason_of
from pvasm.headers import find_pipe
from pvasm.regex import regex
from pvasm.syntax.cpp import PREDEFINED

if TYPE_CHECKING:
    import subprocess

_MESSAGE = regex(r"^(?P<path>[^:\n]+):(?P<line>\d+):(?:(?P<column>\d+):)? (?:fatal )?error: (?P<message>.*)$", re.M)
# Lines that tell of no error: by which way a file was included, a warning, the line that it is about.
_BESIDE = regex(r"In file included from |[ \t]|[^:\n]*+:(?:\d++:)*+ (?:warning|note): ")
_AROUND = regex(r"^In file included from (?P<path>[^:\n]++):(?P<line>\d++)", re.M)
# What gcc and clang say of a header that is not found.
_MISSING = regex(
    r"(?P<gcc>.+): No such file or directory|no include path in which to search for (?P<alone>.+)"
    r"|'(?P<clang>.+)' file not found"
)
# What they say of a file that an option includes, gcc and clang.
_OF_OPTION = regex(r"^<(?:command-line>|built-in>:\d+:\d+): (?:fatal )?error: (?P<message>.*)$", re.M)
_TIME_LIMIT = 60  # seconds
_PATIENCE = 2  # ... after which it may be waiting for something
_MOST_MEMORY = 4 << 30  # bytes: `#include "/dev/zero"' would take all
_MOST_OUTPUT = source_text.MAX_FILE_BYTES

OVERLAYS = "<pvasm>"
"""What the folder of overlays is called in line markers: it is a temporary one."""

# The start of a header, as gcc and clang mark it: flag 1.
_ENTERED = regex(r'^#[ \t]\d+[ \t]"(?P<name>(?:\\.|[^"\\\n])*)"[ \t]1\b', re.M)
_ESCAPE = regex(r"\\([0-7]{1,3}|.)")

# Options of `$PVASM_CPP` that name folders of headers.
_FOLDERS = ("-isystem", "-iquote", "-idirafter", "-I")


class MissingHeader(Struct, frozen=True):
    """A header that was not found, by the name that it is included by, and where that is.

    `around` is where the file is included that includes it, if it is.
    """

    name: str
    path: str
    line: int | None
    column: int | None
    around: tuple[str, int] | None = None

    def error(self) -> PvasmError:
        """What to say of it; without a line, it is an option that includes it."""
        named = self.name if self.line is not None else f"-include {self.name}"
        return PvasmError(f"{named}: {NO_SUCH_FILE}", self.path, self.line, self.column)


class MissingHeadersError(PvasmError):
    """Headers were not found; the message is about the first of `headers`."""

    def __init__(self, headers: Sequence[MissingHeader]) -> None:
        first = headers[0].error()
        super().__init__(first.message, first.path, first.line, first.column)
        self.headers = tuple(headers)


def preprocess(
    path: str,
    *,
    include_directories: Sequence[str] = (),
    defines: Sequence[str] = (),
    includes: Sequence[str] = (),
    flags: Sequence[str] = (),
    text: str | None = None,
    within: Sequence[str] | None = None,
    overlays: Mapping[str, str] | None = None,
    last_directories: Sequence[str] = (),
) -> str:
    """The file's text after the C preprocessor (`$PVASM_CPP`, or `gcc -E`), with line markers.

    `flags` are a person's own, such as `-dD`, never from a file.
    `text` is what to preprocess in place of a file: it counts as standing in the current folder. With `within`, only
    headers in these folders, in `include_directories`, and in the folders of `includes` may be included; without,
    any. `overlays` are headers (their texts by name) that are found before any other of the name; line markers call
    their folder OVERLAYS. Predefined macros of the host are left out; `__ia64__`, `__ASSEMBLY__` and `__ASSEMBLER__`
    are defined.

    `last_directories` are looked at for headers after all others.

    Raises MissingHeadersError for the first header that is not found, PvasmError with the place of the preprocessor's
    first error, if it cannot be run, takes more than a minute, 4 GiB or writes more than MAX_FILE_BYTES, or if a header
    is included that may not be.
    """
    for define in defines:
        if (flaw := flaw_of_define(define)) is not None:
            raise PvasmError(flaw)
    given = os.environ.get("PVASM_CPP", "").split() or ["gcc", "-E"]
    data = _input(path) if text is None else source_text.encode(text)
    beside: list[str] = []
    if text is None and source_text.stand_in(path) is not None:
        data = source_text.encode(f"#line 1 {_quoted(path)}\n{source_text.read_text(path)}")
        beside = ["-iquote", _as_argument(os.path.dirname(path) or ".")]
    options = [
        *("-undef", "-nostdinc", *(f"-D{name}" for name in PREDEFINED)),
        *beside,
        *(f"-I{_as_argument(directory)}" for directory in include_directories),
        *(f"-D{define}" for define in defines),
        *(argument for name in includes for argument in ("-include", _as_argument(name))),
        *flags,
        *(f"-I{directory}" for directory in last_directories),
        *("-x", "assembler-with-cpp", "-"),
    ]

    _refuse_pipes(includes, include_directories)

    def refuse_pipe() -> None:
        source = source_text.read_text(path) if text is None else text
        first = "".join(f'#include "{name}"\n' for name in includes)
        pipe = find_pipe("", first, include_directories) if first else None
        pipe = pipe or find_pipe("" if text is not None else path, source, include_directories)
        if pipe is not None:
            raise PvasmError(f"includes {pipe}, which is a pipe, not a file", path)

    result = _overlaid(given, options, overlays or {}, data, path, refuse_pipe)
    if within is not None:
        allowed = [
            *within,
            *include_directories,
            *_folders(given),
            *(os.path.dirname(name) or "." for name in includes),
        ]
        _refuse_outside(result, allowed, path)
    return source_text.check_text(result, path)


def _refuse_pipes(includes: Sequence[str], directories: Sequence[str]) -> None:
    """Raises PvasmError for a pipe among the files that are included first: the preprocessor waits for a writer."""
    for name in includes:
        for folder in ("", *directories):
            path = os.path.join(folder, name)
            if os.path.exists(path):
                if stat.S_ISFIFO(os.stat(path).st_mode):
                    raise PvasmError("is a pipe, not a file (-include)", path)
                break


def _overlaid(
    given: Sequence[str],
    options: Sequence[str],
    overlays: Mapping[str, str],
    data: bytes,
    path: str,
    slow: Callable[[], None],
) -> str:
    """What the preprocessor writes, where it finds overlays before any other headers."""
    import tempfile

    if not overlays:
        return _output([*given, *options], data, path, slow)
    with tempfile.TemporaryDirectory(prefix="pvasm-") as folder:
        for name, header in overlays.items():
            target = os.path.join(folder, name)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            with open(target, "wb") as file:
                file.write(source_text.encode(header))
        try:
            result = _output([*given, f"-I{folder}", *options], data, path, slow)
        except MissingHeadersError as error:
            (missing,) = error.headers
            if missing.path.startswith(f"{folder}/") and missing.around is not None:  # what the overlay is put over
                missing = MissingHeader(missing.name, *missing.around, None)
            raise MissingHeadersError([missing]) from None
        return result.replace(f'"{folder}/', f'"{OVERLAYS}/')


def _input(path: str) -> bytes:
    """What includes a file. Raises PvasmError for a name that no `#include` can hold."""
    return source_text.encode(f"#include {_quoted(path)}\n")


def _quoted(path: str) -> str:
    if '"' in path or "\n" in path or "\r" in path:
        raise PvasmError("a file name with a quote or a line break in it cannot be preprocessed: rename it", path)
    return f'"{path}"'


def _as_argument(name: str) -> str:
    """A file or folder's name that nothing takes for an option or a file of options."""
    return f"./{name}" if name.startswith(("@", "-")) else name


def _output(command: Sequence[str], data: bytes, path: str, slow: Callable[[], None]) -> str:
    """What a command that reads `data` writes. Raises PvasmError, as `preprocess` does, if it fails.

    If it takes a while, `slow` is called, and may raise one too.
    """
    import tempfile

    try:
        with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
            given.write(data)
            given.seek(0)
            status = _run(command, (given.fileno(), output.fileno(), errors.fileno()), path, slow)
            output.seek(0)
            errors.seek(0)
            result = source_text.decode(output.read(_MOST_OUTPUT + 1))
            messages = source_text.decode(errors.read(1 << 16))
    except FileNotFoundError as error:
        raise PvasmError(f"the C preprocessor `{command[0]}' is not installed (needed for --cpp)", path) from error
    except OSError as error:
        raise PvasmError(f"the C preprocessor cannot be run: {reason_of(error)}", path) from error
    if len(result) >= _MOST_OUTPUT or status == -signal.SIGXFSZ:
        raise PvasmError(f"the C preprocessor makes more than {_MOST_OUTPUT >> 20} MiB of it: not read", path)
    if status != 0:
        raise _error(messages, status, path)
    return result


def _run(command: Sequence[str], streams: tuple[int, int, int], path: str, slow: Callable[[], None]) -> int:
    """Runs a command in a group of its own, so that nothing of it outlives us; the exit status."""
    import subprocess

    stdin, stdout, stderr = streams
    process = subprocess.Popen(
        command, stdin=stdin, stdout=stdout, stderr=stderr, preexec_fn=_limited(), start_new_session=True
    )
    try:
        try:
            return _wait(process, _PATIENCE)
        except subprocess.TimeoutExpired:
            slow()
            return _wait(process, _TIME_LIMIT - _PATIENCE)
    except subprocess.TimeoutExpired as error:
        raise PvasmError(f"the C preprocessor took more than {_TIME_LIMIT} seconds", path) from error
    finally:
        _end(process)


def _wait(process: subprocess.Popen[bytes], seconds: float) -> int:
    """The exit status of a process; raises TimeoutExpired if it takes longer.

    `Popen.wait` looks from time to time, and sleeps in between: as long as the whole of a short run. Where the system
    has descriptors of processes, they tell at once.
    """
    import select
    import subprocess

    try:
        descriptor = os.pidfd_open(process.pid)
    except (AttributeError, OSError):
        return process.wait(seconds)
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    try:
        is_over = bool(poll.poll(seconds * 1000))
    finally:
        os.close(descriptor)
    if not is_over:
        raise subprocess.TimeoutExpired(process.args, seconds)
    return process.wait()


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ends a process and those that it has started, if they run."""
    if process.returncode is None:
        with contextlib.suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _limited() -> Callable[[], None]:
    """What bounds the memory and the output of the process that calls it."""
    import resource

    def limit(what: int, most: int) -> None:
        _, hard = resource.getrlimit(what)
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(what, (most, hard))

    def both() -> None:
        limit(resource.RLIMIT_AS, _MOST_MEMORY)
        limit(resource.RLIMIT_FSIZE, _MOST_OUTPUT)

    return both


def _error(messages: str, status: int, path: str) -> PvasmError:
    """The error that the preprocessor's messages tell of."""
    of_option = _OF_OPTION.search(messages)
    missing = None if of_option is None else _MISSING.fullmatch(of_option["message"])
    if missing is not None:
        return MissingHeadersError([MissingHeader(_name_of(missing), path, None, None)])
    found = _MESSAGE.search(messages)
    if found is None:
        lines = [line for line in messages.splitlines() if line.strip() and not _BESIDE.match(line)]
        said = lines[0] if lines else f"signal {-status}" if status < 0 else f"exit status {status}"
        return PvasmError(f"the C preprocessor failed: {said}", path)
    place: tuple[str, int | None, int | None] = found["path"], int(found["line"]), None
    if found["path"] == "<stdin>":  # of `text`, or of the line that includes the file
        place = path, int(found["line"]) if path in ("-", "<stdin>") else None, None
    elif found["column"]:
        place = found["path"], int(found["line"]), int(found["column"])
    missing = _MISSING.fullmatch(found["message"])
    if place[1] is None and (unread := _unread(path)) is not None:
        return unread
    if missing is not None and place[1] is not None:
        around = _AROUND.search(messages)
        outer = None if around is None else (around["path"], int(around["line"]))
        return MissingHeadersError([MissingHeader(_name_of(missing), *place, outer)])
    return PvasmError(found["message"], *place)


def _unread(path: str) -> PvasmError | None:
    """What to say of a source that the line which includes it cannot; None if it can be read."""
    try:
        source_text.read_text(path)
    except PvasmError as error:
        return error
    return None


def _name_of(missing: re.Match[str]) -> str:
    return missing["gcc"] or missing["alone"] or missing["clang"]


# ---------------------------------------------------------------------------------- what was included


def _folders(command: Sequence[str]) -> Iterator[str]:
    """The folders of headers that a command names."""
    for number, word in enumerate(command):
        option = next((each for each in _FOLDERS if word.startswith(each)), None)
        if option is not None:
            yield word[len(option) :] or "".join(command[number + 1 : number + 2])


def _refuse_outside(text: str, allowed: Sequence[str], path: str) -> None:
    """Raises PvasmError if preprocessed text has a header in it that is in none of the folders."""
    for name in dict.fromkeys(_ENTERED.findall(text)):
        header = _unescaped(name)
        if header != path and os.path.exists(header) and not any(is_below(header, folder) for folder in allowed):
            message = f"includes {header}, which is outside of the folder that was named"
            raise PvasmError(f"{message}: name the header's folder with -I on the command line", path)


def _unescaped(name: str) -> str:
    """A file's name, from how a line marker has it."""
    if "\\" not in name:
        return name
    data = b"".join(
        bytes([int(piece, 8) & 0xFF]) if number % 2 and piece[0] in "01234567" else source_text.encode(piece)
        for number, piece in enumerate(_ESCAPE.split(name))
    )
    return source_text.decode(data)
