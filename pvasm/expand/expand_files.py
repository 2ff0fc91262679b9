"""A run of the expander over files: all variants are made before the first is written."""

from __future__ import annotations

import os

from msgspec import Struct

from pvasm.errors import PvasmError
from pvasm.expand.outputs import Outputs, no_rule_for_stdout, planned, write_outputs
from pvasm.expand.variants import Making, Progress, make_variants
from pvasm.paravirt.catalog import Catalog
from pvasm.paravirt.instance import Instance
from pvasm.paravirt.loading import load_catalog, load_instance
from pvasm.paravirt.shipped import ALL, instance_names
from pvasm.text import decode


class ExpandSettings(Struct, frozen=True):
    """What to expand and where to. An instance is a name, the path of an instance file, or `all`.

    With `output_directory` the variant of FILE for an instance is DIR/INSTANCE/FILE; with `output` (one file and one
    instance) it is that file; without either, or with `-`, it goes to standard output.
    With `define`, a variant starts with the `#define` of its instance's symbol. `depfile` is where to say, in the
    syntax of make, what the variants depend on; with `phony` so that make goes on when one of these is gone. `stamp` is
    a file that is written at the end of every run that went well; it is the target in `depfile` then.
    `jobs` is the largest number of processes; 0 is that of the cores.
    """

    files: tuple[str, ...]
    instances: tuple[str, ...]
    output: str | None
    output_directory: str | None
    line_markers: bool
    define: bool = False
    depfile: str | None = None
    phony: bool = False
    stamp: str | None = None
    jobs: int = 0


class Expanded(Struct, frozen=True):
    """What a run made: the text for standard output, and the paths of the variants, written or right already."""

    text: str
    written: tuple[str, ...]


def expand_files(settings: ExpandSettings, progress: Progress = lambda done, total: None) -> Expanded:
    """Makes the variants of all files for all instances, and writes them.

    Nothing is written if anything is wrong. Raises ExpandErrors with all that is wrong in the files, or PvasmError
    for settings that make no sense, an instance that is none, or an output that cannot be written: then each file is
    as it was, or written whole.
    """
    catalog = load_catalog()
    instances = _instances(settings.instances, catalog)
    _check_output(settings, instances)
    files = tuple({os.path.realpath(file): file for file in settings.files}.values())
    making = Making(files, tuple(instances), catalog, settings.line_markers, settings.define)
    if settings.output_directory is None and settings.output in (None, "-"):
        no_rule_for_stdout(settings.depfile, settings.stamp)
        return Expanded(decode(make_variants(making, settings.jobs, progress)[0]), ())
    outputs = Outputs(
        planned(files, instances, settings.output, settings.output_directory),
        folder=settings.output_directory,
        depfile=settings.depfile,
        phony=settings.phony,
        stamp=settings.stamp,
    )
    outputs.check()
    write_outputs(outputs, make_variants(making, settings.jobs, progress))
    return Expanded("", tuple(variant.target for variant in outputs.variants))


def _instances(names: tuple[str, ...], catalog: Catalog) -> list[Instance]:
    """The instances, each once. Raises PvasmError where two have one name: their variants would have one place."""
    every = [each for name in names for each in (instance_names() if name == ALL else [name])]
    found: dict[str, Instance] = {}
    for name in dict.fromkeys(every):
        instance = load_instance(name, catalog)
        first = found.setdefault(instance.name, instance)
        if not os.path.samefile(first.path, instance.path):
            raise PvasmError(f"two instances are called {instance.name}; the other is {first.path}", instance.path)
    return list(found.values())


def _check_output(settings: ExpandSettings, instances: list[Instance]) -> None:
    if "" in (settings.output, settings.output_directory, settings.depfile, settings.stamp):
        raise PvasmError("the output has an empty name")
    if settings.output_directory is not None:
        if "-" in settings.files:
            raise PvasmError("standard input has no name to write under: use -o")
        return
    if len(settings.files) > 1:
        raise PvasmError(f"{len(settings.files)} files, but one output: use --output-dir")
    if len(instances) > 1:
        raise PvasmError(f"{len(instances)} instances, but one output: use --output-dir")
