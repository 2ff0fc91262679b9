"""`pvasm patch`: puts an instance's code in its places in an object that holds several."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from pvasm.commands.shared import complain, fail, write
from pvasm.errors import PvasmError
from pvasm.exit_status import FOUND

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pvasm.commands.shared import Commands
    from pvasm.patch.verify import Unlike


def add(commands: Commands) -> None:
    """Adds the command and its options."""
    command = commands.add_parser(
        "patch",
        allow_abbrev=False,
        help="put an instance's code in its places in an object that holds several",
        description="Apply the records of alternatives (`pvasm expand --single-binary') of an object or a linked "
        "image: the code of an instance takes the place of what stands at each site; native code comes back where "
        "there is none. In an image bytes change in place; in a relocatable object relocations move with the code. "
        "Linux's own records (.paravirt_bundles, .paravirt_insts, .paravirt_branches) are applied as well.",
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
    from pvasm.expand import ExpandErrors
    from pvasm.files import write_atomically
    from pvasm.objects.archive import ARCHIVE_MAGIC
    from pvasm.objects.elf_file import MAX_OBJECT_BYTES, elf_file_of
    from pvasm.patch.linux_records import has_linux_records
    from pvasm.patch.records import RECORDS
    from pvasm.text import read_bytes, shown_name

    options.instance = options.instance or None
    _refuse(options)
    name = shown_name(options.file)
    data = read_bytes(options.file, MAX_OBJECT_BYTES)
    if data.startswith(ARCHIVE_MAGIC):
        raise PvasmError("an archive: patch its members (ar x), or what is linked of them", name)
    file = elf_file_of(data, name)
    is_linux = has_linux_records(file)
    is_ours = file.section_named(RECORDS) is not None or not is_linux  # of a file without any, ours are missing
    if is_linux and options.verify is not None:
        raise PvasmError("--verify is not for files with Linux's records", name)
    said: list[str] = []
    if options.instance is not None:
        try:
            data, said = _patched(data, name, options, is_ours=is_ours, is_linux=is_linux)
        except ExpandErrors as several:
            return fail(several.errors)
        if options.verify is not None and not _is_verified(data, name, options):
            return FOUND
        if options.output is not None:
            write_atomically(options.output, data)
    if options.list:
        said = [*(_listed(data, name) if is_ours else ()), *(_listed_of_linux(data, name) if is_linux else ())]
    write("".join(f"{line}\n" for line in said))
    return 0


def _refuse(options: argparse.Namespace) -> None:
    """Raises PvasmError for options that make no sense together."""
    from pvasm.files import refuse_overwriting

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


def _patched(
    data: bytes, name: str, options: argparse.Namespace, *, is_ours: bool, is_linux: bool
) -> tuple[bytes, list[str]]:
    """A file with an instance's code, by the records that it has; and what there is to say of that."""
    from pvasm.paravirt.loading import load_instance
    from pvasm.patch.linux_patching import linux_patched
    from pvasm.patch.object_changes import original
    from pvasm.patch.patching import patched, sites_of
    from pvasm.patch.records import NATIVE

    said = []
    data = original(data, name)
    if is_ours:
        data = patched(data, name, options.instance)
        states = sites_of(data, name).states
        said.append(f"{len(states)} sites, {sum(each != NATIVE for each in states)} with code of {options.instance}")
    if is_linux:
        data, counts = linux_patched(data, name, load_instance(options.instance))
        sites = f"{counts.sites} sites of Linux's with code of {options.instance}, {counts.left} left as they are"
        said.append(f"{sites}; {counts.branches} branches")
    return data, said


def _listed_of_linux(data: bytes, name: str) -> Iterator[str]:
    """A line a record of Linux's: where, and the number of its type."""
    from pvasm.objects.elf_file import elf_file_of
    from pvasm.patch.linux_records import linux_sites

    file = elf_file_of(data, name)
    for site in linux_sites(file):
        where = f"{site.within.name}+" if file.is_relocatable else ""
        end = site.address + site.end - site.start
        yield f"{where}{site.address:#x}: {site.kind} to {where}{end:#x}, type {site.type:#x}"


def _listed(data: bytes, name: str) -> Iterator[str]:
    """A line a site: where, its length, whose code stands there, and what there is for others."""
    from pvasm.patch.patching import sites_of
    from pvasm.patch.records import NATIVE

    sites = sites_of(data, name)
    for site, state in zip(sites.sites, sites.states, strict=True):
        records = (
            f"{instance} {'by a branch' if record.is_branch else f'{record.replacement_length} bytes'}"
            for instance, record in site.records.items()
            if instance != NATIVE
        )
        yield f"{sites.said(site.place)}: {site.length} bytes, {state} code; {', '.join(records)}"


def _is_verified(made: bytes, name: str, options: argparse.Namespace) -> bool:
    """Whether patched code is that of the instance alone; says where not."""
    from pvasm.objects.elf_file import read_elf_file
    from pvasm.patch.patching import sites_of
    from pvasm.patch.verify import difference

    sites = sites_of(made, name)
    chosen = [(site, site.records[state]) for site, state in zip(sites.sites, sites.states, strict=True)]
    found = difference(sites.file, chosen, read_elf_file(options.verify), _renamed(options.instance))
    if found is None:
        return True
    where = "at the end" if found.place is None else sites.said(found.place)
    write(f"{where}: `{found.patched}', and `{found.alone}' in {options.verify}\n")
    complain(PvasmError(_advice(made, name, found, options), options.verify), "note")
    return False


def _advice(data: bytes, name: str, found: Unlike, options: argparse.Namespace) -> str:
    """What to look at where an object is not what the patched one is compared with."""
    from pvasm.objects.elf_file import read_elf_file
    from pvasm.paravirt.loading import load_instance
    from pvasm.patch.patching import patched, sites_of
    from pvasm.patch.verify import difference

    instance = options.instance
    for other in sorted({each for site in sites_of(data, name).sites for each in site.records} - {instance}):
        sites = sites_of(patched(data, name, other), name)
        chosen = [(site, site.records[state]) for site, state in zip(sites.sites, sites.states, strict=True)]
        if difference(sites.file, chosen, read_elf_file(options.verify), _renamed(other)) is None:
            return f"is the code of {other}: compile one for {instance}"
    if found.in_stop:
        return "a group ends earlier in it: was it assembled in explicit mode (`as -x'), as the other?"
    try:
        symbol = f"-D{load_instance(instance).defines}"
    except PvasmError:
        symbol = f"the symbol of {instance}"
    return f"is it of the same source, preprocessed with {symbol}, and the same -I, -D and -include?"


def _renamed(instance: str) -> dict[str, str]:
    """The names of native functions by those of an instance, as far as it is one that is known here."""
    from pvasm.paravirt.loading import load_catalog, load_instance
    from pvasm.patch.records import NATIVE
    from pvasm.patch.single_binary import renamed_by

    catalog = load_catalog()
    try:
        return renamed_by(load_instance(instance, catalog), load_instance(NATIVE, catalog))
    except PvasmError:
        return {}
