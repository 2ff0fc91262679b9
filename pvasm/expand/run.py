"""A run of the expander over files: all variants are made before the first is written."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import NamedTuple

from pvasm.errors import PvasmError
from pvasm.expand.expander import ExpandErrors, expand
from pvasm.files import write_atomically
from pvasm.ia64.reading import assembly_parser
from pvasm.paravirt.catalog import Catalog, load_catalog
from pvasm.paravirt.environments import ALL, instance_names
from pvasm.paravirt.instance import Instance, load_instance
from pvasm.syntax.document import Document, read_document
from pvasm.text import encode, read_text, shown_name


class ExpandSettings(NamedTuple):
    """What to expand and where to. An instance is a name, the path of an instance file, or `all`.

    With `output_directory` the variant of FILE for an instance is DIR/INSTANCE/FILE; with `output` (one file and one
    instance) it is that file; without either, or with `-`, it goes to standard output.
    """

    files: tuple[str, ...]
    instances: tuple[str, ...]
    output: str | None
    output_directory: str | None
    line_markers: bool


class Expanded(NamedTuple):
    """What a run made: the text for standard output, and the paths of the files written."""

    text: str
    written: tuple[str, ...]


class _Variant(NamedTuple):
    source: str
    instance: str
    text: str


def expand_files(settings: ExpandSettings) -> Expanded:
    """Makes the variants of all files for all instances, and writes them.

    Nothing is written if anything is wrong. Raises ExpandErrors with all that is wrong in the files, or PvasmError
    for settings that make no sense, an instance that is none, or an output that cannot be written.
    """
    catalog = load_catalog()
    names = [each for name in settings.instances for each in (instance_names() if name == ALL else [name])]
    instances = list(
        {instance.name: instance for instance in (load_instance(name, catalog) for name in names)}.values()
    )
    _check_output(settings, instances)
    variants = list(_variants(settings, catalog, instances))
    if settings.output_directory is not None:
        targets = [_target(settings.output_directory, variant) for variant in variants]
        _check_targets(targets, variants)
    elif settings.output not in (None, "-"):
        targets = [settings.output or ""]
    else:
        return Expanded(variants[0].text, ())
    for target, variant in zip(targets, variants, strict=True):
        if os.path.exists(target) and variant.source != "-" and os.path.samefile(target, variant.source):
            raise PvasmError("the output would overwrite the source", target)
    if settings.output_directory is not None:
        for folder in dict.fromkeys(os.path.dirname(target) for target in targets):
            _make_folder(folder)
    for target, variant in zip(targets, variants, strict=True):
        write_atomically(target, encode(variant.text))
    return Expanded("", tuple(targets))


def _check_output(settings: ExpandSettings, instances: list[Instance]) -> None:
    if settings.output == "" or settings.output_directory == "":
        raise PvasmError("the output has an empty name")
    if settings.output_directory is not None:
        if "-" in settings.files:
            raise PvasmError("standard input has no name to write under: use -o")
        return
    if len(settings.files) > 1:
        raise PvasmError(f"{len(settings.files)} files, but one output: use --output-dir")
    if len(instances) > 1:
        raise PvasmError(f"{len(instances)} instances, but one output: use --output-dir")


def _variants(settings: ExpandSettings, catalog: Catalog, instances: list[Instance]) -> Iterator[_Variant]:
    errors: list[PvasmError] = []
    for file in {os.path.realpath(file): file for file in settings.files}.values():
        try:
            document = _document(file)
        except ExpandErrors as several:
            errors += several.errors
            continue
        except PvasmError as error:
            errors.append(error)
            continue
        seen: set[str] = set()
        for instance in instances:
            try:
                text = expand(document, catalog, instance, line_markers=settings.line_markers)
            except ExpandErrors as several:
                # What is wrong with an argument is wrong for every instance.
                errors += [error for error in several.errors if str(error) not in seen]
                seen.update(map(str, several.errors))
            else:
                yield _Variant(file, instance.name, text)
    if errors:
        raise ExpandErrors(errors)


def _document(file: str) -> Document:
    document = read_document(assembly_parser(), read_text(file), shown_name(file))
    if document.problems:
        raise ExpandErrors(list(map(document.error, document.problems)))
    return document


def _target(directory: str, variant: _Variant) -> str:
    return os.path.join(directory, variant.instance, os.path.basename(variant.source))


def _check_targets(targets: list[str], variants: list[_Variant]) -> None:
    by_target: dict[str, str] = {}
    for target, variant in zip(targets, variants, strict=True):
        first = by_target.setdefault(target, variant.source)
        if first != variant.source:
            raise PvasmError(f"two sources would be written there: {first} and {variant.source}", target)


def _make_folder(folder: str) -> None:
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        raise PvasmError(f"the output folder cannot be made: {error.strerror}", folder) from error
