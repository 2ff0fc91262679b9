"""Where variants go, and writing them: each whole or not at all, and none that is right already.

A dependency file and a stamp tell make and ninja what was made of what. They are written after all variants, so a run
that fails leaves those of the last one that went well, and the next has everything to do again.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from msgspec import Struct

from pvasm import depfile
from pvasm.errors import PvasmError
from pvasm.files import reason_of, refuse_leaving, remove_leftovers, touch, write_atomically
from pvasm.paravirt.instance import Instance

_VARIANT = "output"  # what messages call a variant's file


class Variant(Struct, frozen=True):
    """A variant: what it is made of, and the file that it goes to."""

    source: str
    instance: Instance
    target: str

    @property
    def prerequisites(self) -> list[str]:
        """The files that it depends on, the source first."""
        return [self.source, *self.instance.files, self.instance.catalog.path]


class Outputs(Struct, frozen=True):
    """All that a run writes: variants, and a dependency file and a stamp if they are wanted.

    With `folder`, all variants are in there; the folders in it are made where there are none.
    """

    variants: list[Variant]
    folder: str | None
    depfile: str | None
    phony: bool
    stamp: str | None

    def check(self) -> None:
        """Raises PvasmError where one file would be written over another: a source, or an output, by an output.

        And, as `refuse_leaving` does, for what would be written outside of the folder that was named.
        """
        by_target: dict[str, str] = {}
        for variant in self.variants:
            first = by_target.setdefault(variant.target, variant.source)
            if first != variant.source:
                message = f"two sources would be written there: {first} and {variant.source}"
                raise PvasmError(message, variant.target)
        read = {identity: name for name in self._read() if (identity := _identity(name)) is not None}
        sources = {variant.source for variant in self.variants}
        written: dict[str, tuple[str, str]] = {}
        for target, kind in self._written():
            identity = _identity(target)
            name = None if identity is None else read.get(identity)
            if name is not None:
                what = "source" if name in sources else "definitions that it is made of"
                raise PvasmError(f"the {kind} would overwrite the {what}: name another file", target)
            first, what = written.setdefault(os.path.realpath(target), (target, kind))
            if (first, what) != (target, kind):
                raise PvasmError(f"the {kind} would overwrite the {what} {first}: name another file", target)
        for target, kind in self._written():
            refuse_leaving(target, self.folder if kind == _VARIANT else None)

    def _read(self) -> list[str]:
        """The files that the run reads."""
        names = (name for variant in self.variants for name in variant.prerequisites)
        return [name for name in dict.fromkeys(names) if name != "-"]

    def _written(self) -> Iterator[tuple[str, str]]:
        """The files that the run writes, each with what it is."""
        yield from ((variant.target, _VARIANT) for variant in self.variants)
        if self.depfile is not None:
            yield self.depfile, "dependency file"
        if self.stamp is not None:
            yield self.stamp, "stamp"


def planned(
    files: Sequence[str], instances: Sequence[Instance], output: str | None, directory: str | None
) -> list[Variant]:
    """The variants, file by file and instance by instance, each with where it goes to."""
    return [
        Variant(
            file,
            instance,
            (output or "") if directory is None else os.path.join(directory, instance.name, os.path.basename(file)),
        )
        for file in files
        for instance in instances
    ]


def no_rule_for_stdout(depfile: str | None, stamp: str | None) -> None:
    """Raises PvasmError if a dependency file or a stamp is wanted: standard output is no file that make could know."""
    for name in (depfile, stamp):
        if name is not None:
            raise PvasmError("it would be about standard output, which is no target: use -o or --output-dir", name)


def write_outputs(outputs: Outputs, texts: Sequence[bytes]) -> None:
    """Writes the variants' texts, then the dependency file, then the stamp.

    Raises PvasmError for what cannot be written; what comes before it is written, what comes after it is as it was.
    """
    rules = None if outputs.depfile is None else _rules(outputs)  # a name that make cannot read shows before we write
    targets = [variant.target for variant in outputs.variants]
    if outputs.folder is not None:
        for folder in dict.fromkeys(map(os.path.dirname, targets)):
            _make_folder(folder)
    remove_leftovers(targets)
    for done, (target, text) in enumerate(zip(targets, texts, strict=True)):
        try:
            write_atomically(target, text, outputs.folder)
        except PvasmError as error:
            rest = f"; {_rest(done, len(texts))}" if len(texts) > 1 else ""
            raise PvasmError(f"{error.message}{rest}", error.path) from error
    if outputs.depfile is not None and rules is not None:
        write_atomically(outputs.depfile, rules.encode("utf-8", "surrogateescape"))
    if outputs.stamp is not None:
        touch(outputs.stamp)


def _rest(done: int, number: int) -> str:
    """What to say of all the variants when one cannot be written."""
    return f"{done} of {number} variants are up to date, the others as they were: put that right, and run it again"


def _rules(outputs: Outputs) -> str:
    """The text of the dependency file."""
    if outputs.stamp is None:
        return "".join(
            depfile.rule([variant.target], _files(variant.prerequisites), outputs.phony) for variant in outputs.variants
        )
    sources = [variant.source for variant in outputs.variants]
    others = [name for variant in outputs.variants for name in variant.prerequisites[1:]]
    # Of several sources, one may leave the build; a single one that is missing is an error.
    kept = 1 if len(set(sources)) == 1 else 0
    return depfile.rule([outputs.stamp], _files([*sources, *others]), outputs.phony, sources=kept)


def _files(names: Sequence[str]) -> list[str]:
    """The names of files, without standard input."""
    return [name for name in names if name != "-"]


def _identity(path: str) -> tuple[int, int] | None:
    """What tells a file from all others, by whatever name; None if there is none."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _make_folder(folder: str) -> None:
    try:
        os.makedirs(folder, exist_ok=True)
    except FileExistsError as error:
        raise PvasmError("the output folder cannot be made: a file of that name is there", folder) from error
    except OSError as error:
        raise PvasmError(f"the output folder cannot be made: {reason_of(error)}", folder) from error
