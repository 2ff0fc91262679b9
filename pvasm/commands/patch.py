"""`pvasm patch`: puts an instance's code in its places in an object that holds several."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from pvasm.commands.shared import fail, write
from pvasm.errors import PvasmError
from pvasm.exit_status import FOUND
from pvasm.patch.records import NATIVE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pvasm.commands.shared import Commands
    from pvasm.patch.patching import Sites


def add(commands: Commands) -> None:
    """Adds the command and its options."""
    command = commands.add_parser(
        "patch",
        allow_abbrev=False,
        help="put an instance's code in its places in an object that holds several",
        description="Apply the records of alternatives (`pvasm expand --single-binary') of an object or a linked "
        "image: the code of an instance takes the place of what stands at each site; native code comes back where "
        "there is none. In an image bytes change in place; in a relocatable object relocations move with the code. "
        "Linux's own records (.paravirt_bundles, .paravirt_insts, .paravirt_branches) are applied to images as well.",
    )
    command.add_argument("file", metavar="OBJ", help="an object or a linked image")
    command.add_argument(
        "-i", "--instance", metavar="NAME", help="whose code it is to have; `native' undoes the others"
    )
    command.add_argument("-o", "--output", metavar="FILE", help="where to write")
    command.add_argument(
        "--list", action="store_true", help="tell of each site: where, whose code stands there, records"
    )
    command.add_argument(
        "--verify",
        metavar="OTHER",
        help="compare the patched code with an object compiled for that instance alone: the same, nops aside",
    )
    command.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    options.instance = options.instance or None
    from pvasm.files import refuse_overwriting, write_atomically
    from pvasm.objects.archive import ARCHIVE_MAGIC
    from pvasm.objects.elf_file import MAX_OBJECT_BYTES
    from pvasm.patch.patching import patched, sites_of
    from pvasm.text import read_bytes, shown_name

    if options.instance is None and (options.output is not None or options.verify is not None):
        raise PvasmError("which code to put in its places is not said: --instance NAME")
    if options.instance is None and not options.list:
        raise PvasmError("nothing to do: --instance NAME -o FILE, or --list")
    if options.instance is not None and options.output is None and options.verify is None and not options.list:
        raise PvasmError("where to write is not said: -o FILE")
    if options.output == "-":
        raise PvasmError("an object is not written to standard output: -o FILE")
    if options.output is not None:
        read = [options.file, *([] if options.verify is None else [options.verify])]
        refuse_overwriting(options.output, "patched file", read)
    name = shown_name(options.file)
    data = read_bytes(options.file, MAX_OBJECT_BYTES)
    if data.startswith(ARCHIVE_MAGIC):
        raise PvasmError("an archive: patch its members (ar x), or what is linked of them", name)
    if options.instance is None:
        write("".join([*_listed_if_any(data, name), *_listed_of_linux(data, name)]))
        return 0
    if _has(data, name, linux=True):
        return _run_linux(options, data, name)
    made = patched(data, name, options.instance)
    if options.verify is not None and not _is_verified(made, options):
        return FOUND
    if options.output is not None:
        write_atomically(options.output, made)
    sites = sites_of(made, name)
    number = sum(each != NATIVE for each in sites.states)
    write(
        "".join(_listed(sites))
        if options.list
        else f"{len(sites.states)} sites, {number} with code of {options.instance}\n"
    )
    return 0


def _run_linux(options: argparse.Namespace, data: bytes, name: str) -> int:
    """Patches an image with Linux's records, and with ours if it has any."""
    from pvasm.expand import ExpandErrors
    from pvasm.files import write_atomically
    from pvasm.paravirt.loading import load_instance
    from pvasm.patch.linux_records import linux_patched
    from pvasm.patch.patching import patched

    if options.verify is not None:
        raise PvasmError("--verify is not for images with Linux's records", name)
    made = patched(data, name, options.instance) if _has(data, name, linux=False) else data
    try:
        made, counts = linux_patched(made, name, load_instance(options.instance))
    except ExpandErrors as several:
        return fail(several.errors)
    if options.output is not None:
        write_atomically(options.output, made)
    if options.list:
        write("".join([*_listed_if_any(made, name), *_listed_of_linux(made, name)]))
    else:
        said = f"{counts.sites} sites of Linux's with code of {options.instance}, {counts.left} left as they are"
        write(f"{said}; {counts.branches} branches\n")
    return 0


def _has(data: bytes, name: str, *, linux: bool) -> bool:
    """Whether a file has records: Linux's, or ours."""
    from pvasm.objects.elf_file import elf_file_of
    from pvasm.patch.linux_records import has_linux_records
    from pvasm.patch.records import RECORDS

    file = elf_file_of(data, name)
    return has_linux_records(file) if linux else file.section_named(RECORDS) is not None


def _listed_of_linux(data: bytes, name: str) -> Iterator[str]:
    """A line a record of Linux's: where, and the number of its type."""
    from pvasm.objects.elf_file import elf_file_of
    from pvasm.patch.linux_records import linux_sites

    if _has(data, name, linux=True):
        for site in linux_sites(elf_file_of(data, name)):
            yield f"{site.start:#x}: {site.kind} to {site.end:#x}, type {site.type:#x}\n"


def _listed_if_any(data: bytes, name: str) -> Iterator[str]:
    """The sites of our records; an error where there are neither ours nor Linux's."""
    from pvasm.patch.patching import sites_of

    if _has(data, name, linux=False) or not _has(data, name, linux=True):
        yield from _listed(sites_of(data, name))


def _listed(sites: Sites) -> Iterator[str]:
    """A line a site: where, its length, whose code stands there, and what there is for others."""
    for site, state in zip(sites.sites, sites.states, strict=True):
        records = (
            f"{name} {'by a branch' if record.is_branch else f'{record.replacement_length} bytes'}"
            for name, record in site.records.items()
            if name != NATIVE
        )
        yield f"{sites.said(site.place)}: {site.length} bytes, {state} code; {', '.join(records)}\n"


def _is_verified(made: bytes, options: argparse.Namespace) -> bool:
    """Whether patched code is that of the instance alone; says where not."""
    from pvasm.objects.elf_file import elf_file_of, read_elf_file
    from pvasm.patch.patching import sites_of
    from pvasm.patch.verify import difference

    sites = sites_of(made, options.file)
    chosen = [(site, site.records[state]) for site, state in zip(sites.sites, sites.states, strict=True)]
    found = difference(
        elf_file_of(made, options.file), chosen, read_elf_file(options.verify), _renamed(options.instance)
    )
    if found is None:
        return True
    where = "at the end" if found.place is None else sites.said(found.place)
    write(f"{where}: `{found.patched}', and `{found.alone}' in {options.verify}\n")
    return False


def _renamed(instance: str) -> dict[str, str]:
    """The names of native functions by those of an instance, as far as it is one that is known here."""
    from pvasm.paravirt.loading import load_catalog, load_instance
    from pvasm.patch.single_binary import renamed_by

    catalog = load_catalog()
    try:
        return renamed_by(load_instance(instance, catalog), load_instance(NATIVE, catalog))
    except PvasmError:
        return {}
