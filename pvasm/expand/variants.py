"""Making the variants of files for instances, in as many processes as that is worth."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing

import msgspec
from msgspec import Struct

from pvasm.asm.reading import assembly_parser
from pvasm.errors import IF_KILLED, PvasmError
from pvasm.expand.assembly_text import refuse_other_text
from pvasm.expand.contexts import MARKER
from pvasm.expand.expander import ExpandErrors, Reading, expand
from pvasm.expand.invocations import Invocation
from pvasm.expand.op_headers import find_op_headers, is_bare_hardware
from pvasm.paravirt.catalog import Catalog
from pvasm.paravirt.instance import Instance
from pvasm.regex import regex
from pvasm.syntax.document import Document, looks_preprocessed, read_document
from pvasm.text import encode, read_text, shown_name

# Less work than this for a process (bytes of the files, times the instances) is done before the process is ready.
_MIN_WORK = 300_000

_DEFINITION = regex(r"^#[ \t]*(?:define|undef)\b", re.MULTILINE)


class Making(Struct, frozen=True):
    """What variants to make: of these files for these instances.

    With `define`, a variant starts with the `#define` of its instance's symbol.
    """

    files: tuple[str, ...]
    instances: tuple[Instance, ...]
    catalog: Catalog
    line_markers: bool
    define: bool


class _Made(msgspec.Struct):
    """The variants of one file, an instance each, or what is wrong: the parts of the errors."""

    variants: list[bytes]
    errors: list[tuple[str, str | None, int | None, int | None]]


Progress = Callable[[int, int], None]
"""Told how many files are done, of how many."""


def make_variants(making: Making, jobs: int, progress: Progress = lambda done, total: None) -> list[bytes]:
    """The variants: file by file, and for each file instance by instance; by at most `jobs` processes (0: all cores).

    Raises ExpandErrors with all that is wrong in any of the files, in their order.
    """
    made = _in_processes(making, jobs, progress)
    errors = [PvasmError(*parts) for each in made for parts in each.errors]
    if errors:
        raise ExpandErrors(errors)
    return [variant for each in made for variant in each.variants]


def _in_processes(making: Making, jobs: int, progress: Progress) -> list[_Made]:
    files = making.files
    if len(files) == 1:
        return [_make(making, files[0])]
    from pvasm import workers

    number = min(jobs or workers.usable_cores(), len(files))
    sizes = [_size(file) * len(making.instances) for file in files] if number > 1 else []
    number = min(number, sum(sizes) // _MIN_WORK)
    if number < 2 or "-" in files or not workers.can_fork:
        made = []
        for file in files:
            made.append(_make(making, file))
            progress(len(made), len(files))
        return made

    def work(task: int) -> bytes:
        return msgspec.msgpack.encode(_make(making, files[task]))

    largest_first = sorted(range(len(files)), key=lambda task: -sizes[task])
    found: dict[int, _Made] = {}
    with closing(
        workers.run_in_workers(work, largest_first, number, lambda: progress(len(found), len(files)))
    ) as answers:
        for task, answer in answers:
            found[task] = _answer(making, files[task], answer)
            progress(len(found), len(files))
    return [found[task] for task in range(len(files))]


def _size(file: str) -> int:
    """The bytes of a file; 0 for one that cannot be read, which whoever reads it will tell of."""
    try:
        return os.stat(file).st_size
    except OSError:
        return 0


def _answer(making: Making, file: str, answer: bytes | int) -> _Made:
    """What a process made, or what to say of one that could not."""
    if isinstance(answer, bytes):
        return msgspec.msgpack.decode(answer, type=_Made)
    if answer < 0:
        return _Made(
            [], [(f"the process that expanded this file was killed by signal {-answer}{IF_KILLED}", file, None, None)]
        )
    return _make(making, file)  # a fault of our own: let it show here


def _make(making: Making, file: str) -> _Made:
    """The variants of one file."""
    made = _Made([], [])
    try:
        document = _document(file)
        refuse_other_text(document, making.catalog.ops)
    except ExpandErrors as several:
        made.errors += map(_parts, several.errors)
        return made
    except PvasmError as error:
        made.errors.append(_parts(error))
        return made
    reading = Reading(document, making.catalog)
    made.errors += map(_parts, refusals(reading, making.instances))
    if made.errors:
        return made
    by_code: dict[str, str] = {}
    for instance in making.instances:
        try:
            text = by_code.get(instance.code or "") or expand(
                document, making.catalog, instance, line_markers=making.line_markers, reading=reading
            )
        except ExpandErrors as several:
            # What is wrong with an argument is wrong for every instance.
            made.errors += [parts for parts in map(_parts, several.errors) if parts not in made.errors]
        except PvasmError as error:
            made.errors.append(_parts(error))
        else:
            by_code[instance.code or ""] = text if instance.code else ""
            made.variants.append(encode(f"#define {instance.defines} 1\n{text}" if making.define else text))
    return made


def refusals(reading: Reading, instances: Sequence[Instance]) -> list[PvasmError]:
    """Why a document, whatever its invocations, cannot be expanded for some instances.

    A header has made native code of ops before they could be expanded, or constants that ops are made of were not seen.
    """
    document = reading.document
    if not all(map(is_bare_hardware, instances)) and looks_preprocessed(document.text, document.path):
        found = [each.error(document.path) for each in find_op_headers(document.text, reading.catalog.ops)]
        if found:
            return found
    unseen = (unseen_constants(reading, instance) for instance in instances)
    return [each for each in unseen if each is not None][:1]


def unseen_constants(reading: Reading, instance: Instance) -> PvasmError | None:
    """What to say of the first of `uses_of_unseen_constants`; None without any."""
    for found, message in uses_of_unseen_constants(reading, instance):
        return PvasmError(message, *reading.document.place(found.start))
    return None


def uses_of_unseen_constants(reading: Reading, instance: Instance) -> Iterator[tuple[Invocation, str]]:
    """The invocations of ops made of a constant whose value in the source cannot be told, and what to say of each.

    `gcc -E -dD` leaves definitions in its text, at the least those of the preprocessor itself; `gcc -E` leaves none.
    """
    document = reading.document
    names = sorted(reading.catalog.constants)
    if not document.preprocessed or not MARKER.match(document.text) or _DEFINITION.search(document.text):
        return
    users = instance.users_of_constants()
    definitions = reading.definitions(instance)
    for found in reading.invocations(definitions)[0]:
        if found.name in users and definitions.is_compiled(document.statements[found.statement]):
            message = f"{found.name}: what the source makes of {' and '.join(names)} does not show in this text"
            yield found, f"{message}; preprocess with -dD (gcc -E -dD)"


def _document(file: str) -> Document:
    document = read_document(assembly_parser(), read_text(file), shown_name(file))
    if document.problems:
        raise ExpandErrors(list(map(document.error, document.problems)))
    return document


def _parts(error: PvasmError) -> tuple[str, str | None, int | None, int | None]:
    return error.message, error.path, error.line, error.column
