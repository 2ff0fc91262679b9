"""`pvasm expand`: writes the variants of files."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pvasm.commands.shared import add_op_header, count, fail, write, write_to
from pvasm.errors import PvasmError
from pvasm.limits import MAX_JOBS

if TYPE_CHECKING:
    from pvasm.cc.build_records import FileFlags
    from pvasm.commands.shared import Commands
    from pvasm.patch.records import RecordKind


def add(commands: Commands) -> None:
    """Adds the command and its options."""
    command = commands.add_parser(
        "expand",
        allow_abbrev=False,
        help="write the variant of a file for an instance",
        description="Write the variant of each FILE for an instance: its ops expanded, everything else as it stands.",
    )
    command.add_argument("files", nargs="+", metavar="FILE", help="assembly source, or - for standard input")
    command.add_argument(
        "-i",
        "--instance",
        action="append",
        default=[],
        metavar="NAME",
        help="an instance's name, an instance file, or `all'; may be repeated",
    )
    output = command.add_mutually_exclusive_group()
    output.add_argument("-o", dest="output", metavar="FILE", help="write to FILE, or - for standard output")
    output.add_argument("--output-dir", metavar="DIR", help="write DIR/NAME/FILE, NAME being the instance's")
    command.add_argument("--line-markers", action="store_true", help="say which source line each line is from")
    command.add_argument(
        "--define", action="store_true", help="start the variant with the #define of the instance's symbol"
    )
    single = command.add_argument_group("one binary for several instances")
    single.add_argument(
        "--single-binary",
        metavar="native,NAME[,...]",
        help="write native code with records of what takes its place for the other instances (`pvasm patch')",
    )
    single.add_argument(
        "--room",
        choices=("slots", "exact"),
        help="slots: native code as it is, what does not fit in its place is branched to; exact: nops behind native "
        "code, so that all that can stand in its place does [slots]",
    )
    single.add_argument(
        "--records",
        choices=("pvasm", "linux"),
        help="linux: .paravirt_bundles, .paravirt_insts and .paravirt_branches, where a number of Linux's stands for "
        "the code of all instances; else as pvasm: records with what takes the place of code [pvasm]",
    )
    single.add_argument(
        "--long-branches",
        action="store_true",
        help="let brl lead to what does not stand in its place, and back: it may be farther than 16 MiB away",
    )
    single.add_argument("-I", dest="include", action="append", default=[], metavar="DIR", help="where headers are")
    single.add_argument(
        "-D", dest="defines", action="append", default=[], metavar="NAME[=VALUE]", help="define a macro"
    )
    single.add_argument(
        "-include", "--include", dest="includes", action="append", default=[], metavar="FILE", help="include FILE first"
    )
    single.add_argument(
        "--build",
        metavar="DIR",
        help="take these from the build in DIR: compile_commands.json, or Kbuild's .cmd files; without "
        "--single-binary, it is the preprocessed text that is expanded",
    )
    add_op_header(single, "a header that defines ops itself, which are to stay (repeatable)")
    builds = command.add_argument_group("in builds")
    builds.add_argument(
        "--depfile", "-MF", metavar="FILE", help="write to FILE, as make reads it, what the variants depend on"
    )
    builds.add_argument(
        "--depfile-phony",
        "-MP",
        action="store_true",
        help="... and that make may go on when one of these files is gone",
    )
    builds.add_argument(
        "--stamp", metavar="FILE", help="write FILE at the end, always: a variant that is right already keeps its time"
    )
    builds.add_argument(
        "--server",
        action=argparse.BooleanOptionalAction,
        help="have a warm server do it, which is started if there is none; so does PVASM_SERVER=1 (`pvasm serve')",
    )
    builds.add_argument(
        "-j",
        "--jobs",
        type=count(MAX_JOBS),
        default=0,
        metavar="N",
        help="expand files in up to N processes [as many as cores]",
    )
    command.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from pvasm.expand import ExpandErrors

    try:
        return _expand(options) if options.single_binary is None else _single_binary(options)
    except ExpandErrors as several:
        return fail(several.errors)


def _expand(options: argparse.Namespace) -> int:
    from pvasm.expand.expand_files import ExpandSettings, expand_files

    if options.build is not None:
        return _expand_built(options)
    given = {"--room": options.room, "-I": options.include, "-D": options.defines, "-include": options.includes}
    given |= {"--op-header": options.op_headers, "--long-branches": options.long_branches}
    given["--records"] = options.records
    _refuse(given, "is for --single-binary: a variant is preprocessed after it is written; with --build it is before")
    if not options.instance:
        raise PvasmError("for which instance is not said: --instance NAME (pvasm instance list)")
    settings = ExpandSettings(
        files=tuple(options.files),
        instances=tuple(options.instance),
        output=options.output,
        output_directory=options.output_dir,
        line_markers=options.line_markers,
        define=options.define,
        depfile=options.depfile,
        phony=options.depfile_phony,
        stamp=options.stamp,
        jobs=options.jobs,
    )
    if len(options.files) > 1 and sys.stderr.isatty():
        from pvasm.report.progress import Progress

        with Progress() as progress:
            result = expand_files(settings, progress)
    else:
        result = expand_files(settings)
    write(result.text)
    if options.output_dir is not None:
        write("".join(f"{path}\n" for path in result.written))
    return 0


def _refuse(given: Mapping[str, object], reason: str) -> None:
    """Raises PvasmError for an option, by its name, that is given and would say nothing."""
    for name, value in given.items():
        if value:
            raise PvasmError(f"{name} {reason}")


def _expand_built(options: argparse.Namespace) -> int:
    """Writes a variant as a build would have it: after the C preprocessor, with the flags of the build's record."""
    from pvasm.cc.bare_assembler import expanded_after_cpp
    from pvasm.commands.shared import configured_op_headers

    others = {
        "--room": options.room,
        "--long-branches": options.long_branches,
        "--records": options.records,
        "--output-dir": options.output_dir,
        "--line-markers": options.line_markers,
        "--define": options.define,
        "--depfile": options.depfile,
        "--stamp": options.stamp,
    }
    _refuse(others, "does not go with --build, whose variant has been through the C preprocessor")
    if len(options.files) != 1 or len(options.instance) != 1:
        raise PvasmError("--build has flags for each file alone: give one, and one --instance")
    (path,), (instance,) = options.files, options.instance
    op_headers = (*configured_op_headers(), *options.op_headers)
    text = expanded_after_cpp(path, instance, _flags(options, path).options, op_headers)
    write_to(options.output, text, "variant", [path])
    return 0


def _flags(options: argparse.Namespace, path: str) -> FileFlags:
    """What the command line says of the C preprocessor, and a build, if one is named."""
    from pvasm.cc.build_records import FileFlags, flags_of

    built = FileFlags() if options.build is None else flags_of(path, options.build)
    return FileFlags(
        (*options.include, *built.include_directories),
        (*built.defines, *options.defines),
        (*built.includes, *options.includes),
    )


def _single_binary(options: argparse.Namespace) -> int:
    from pvasm.patch.source import CppSettings, single_binary_of_file

    others = {
        "--instance": options.instance,
        "--output-dir": options.output_dir,
        "--line-markers": options.line_markers,
        "--define": options.define,
        "--depfile": options.depfile,
        "--stamp": options.stamp,
    }
    _refuse(others, "is not for --single-binary, which makes one file for all its instances")
    if len(options.files) > 1:
        raise PvasmError(f"{len(options.files)} files: --single-binary makes one of one")
    (path,) = options.files
    names = [name.strip() for name in options.single_binary.split(",")]
    flags = _flags(options, path)
    cpp = CppSettings(flags.include_directories, flags.defines, tuple(options.op_headers), flags.includes)
    records: RecordKind = options.records or "pvasm"
    made = single_binary_of_file(
        path, names, options.room or "slots", cpp, long_branches=options.long_branches, records=records
    )
    write_to(options.output, made.text, "single binary's source", [path])
    if options.output in (None, "-"):
        return 0
    counts = made.counts
    write(f"{counts.sites} sites; {counts.bundles} bundles of native code, {counts.added} added\n")
    if options.records == "linux":
        linux = ", ".join(f"{count} in {name}" for name, count in counts.linux.items()) or "none"
        write(f"records of Linux's: {linux}\n")
    for name in made.instances[1:]:
        write(f"{name}: {counts.in_place[name]} replaced in their place, {counts.elsewhere[name]} by branches\n")
    return 0
