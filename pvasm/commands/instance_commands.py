"""`pvasm instance`: which instances there are, what they say, and the files that define them."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from pvasm.commands.pager import write_long
from pvasm.commands.shared import complain, write, write_to
from pvasm.errors import PvasmError
from pvasm.exit_status import CANNOT_RUN, FOUND

if TYPE_CHECKING:
    from pvasm.commands.shared import Commands
    from pvasm.paravirt.catalog import Catalog, Op
    from pvasm.paravirt.instance import Instance
    from pvasm.report.instances import Shown

_INSTANCE = "an instance's name, or an instance file"


def add(commands: Commands) -> None:
    """Adds the command, its own commands, and their options."""
    command = commands.add_parser(
        "instance",
        allow_abbrev=False,
        help="list, show, validate, start and compare instances",
        description="List, show, validate, start and compare instances.",
        epilog="`pvasm instance COMMAND --help' says more of a command, and its exit statuses.",
    )
    own = command.add_subparsers(title="commands", metavar="COMMAND", required=True)
    listing = _command(own, "list", _list, "list the instances that travel with pvasm")
    _add_format(listing)

    show = _command(own, "show", _show, "show what an instance is, or what it makes of an op")
    show.add_argument("instance", metavar="NAME", help=_INSTANCE)
    _add_op(show, "show what OP becomes, case by case")
    _add_format(show)

    validate = _command(own, "validate", _validate, "check that instance files are complete and sound")
    validate.add_argument("files", nargs="+", metavar="FILE", help="an instance file, or an instance's name")

    new = _command(own, "new", _new, "start the file of a new instance")
    new.add_argument("name", metavar="NAME", help="what to call it: small letters, digits and -")
    new.add_argument("--from", dest="base", required=True, metavar="BASE", help=f"{_INSTANCE}, to start from")
    new.add_argument("-o", dest="output", metavar="FILE", help="write to FILE, or - for standard output [NAME.yaml]")
    new.add_argument(
        "--environment",
        metavar="FILE.yaml",
        help="the file, beside the new one, that describes what it runs on [BASE's]",
    )
    new.add_argument("--minimal", action="store_true", help="leave out the ops: BASE's hold")

    diff = _command(own, "diff", _diff, "compare two instances, op by op")
    diff.add_argument("left", metavar="A", help=_INSTANCE)
    diff.add_argument("right", metavar="B", help=_INSTANCE)
    _add_op(diff, "compare OP alone")
    _add_format(diff)

    entry = _command(
        own, "entry", _entry, "write the way into the kernel for an instance: an entry and its set-up hook"
    )
    entry.add_argument("instance", metavar="NAME", help=_INSTANCE)
    entry.add_argument("-o", dest="output", metavar="FILE", help="write to FILE [standard output]")

    schema = _command(own, "schema", _schema, "print a JSON Schema of instance files, for editors")
    which = schema.add_mutually_exclusive_group()
    which.add_argument("--catalog", action="store_true", help="print that of the catalog's file")
    which.add_argument("--environment", action="store_true", help="print that of an environment's file")


def _command(
    commands: Commands, name: str, run: Callable[[argparse.Namespace], int], told: str
) -> argparse.ArgumentParser:
    command = commands.add_parser(name, allow_abbrev=False, help=told, description=f"{told[0].upper()}{told[1:]}.")
    command.set_defaults(run=run)
    return command


def _add_format(command: argparse.ArgumentParser) -> None:
    command.add_argument("--format", choices=("text", "json"), default="text", help="text, or JSON [text]")


def _add_op(command: argparse.ArgumentParser, told: str) -> None:
    command.add_argument("--op", dest="ops", action="append", default=[], metavar="OP", help=f"{told}; may be repeated")


def _entry(options: argparse.Namespace) -> int:
    from pvasm.paravirt.loading import load_instance
    from pvasm.patch.entry_stub import entry_stub

    instance = load_instance(options.instance)
    write_to(options.output, entry_stub(instance), "entry", instance.files)
    return 0


# --------------------------------------------------------------------------------- list and show


def _list(options: argparse.Namespace) -> int:
    from pvasm.paravirt.loading import load_instance
    from pvasm.paravirt.shipped import instance_names
    from pvasm.report import instances

    found = [load_instance(name) for name in instance_names()]
    write_long((instances.render_list_json if options.format == "json" else instances.render_list)(found))
    return 0


def _show(options: argparse.Namespace) -> int:
    from pvasm.paravirt.loading import load_instance
    from pvasm.report import instances

    instance = load_instance(options.instance)
    shown = _shown(instance, _asked(instance.catalog, options.ops))
    is_json = options.format == "json"
    if options.ops:
        render_op = instances.render_op_json if is_json else instances.render_op
        texts = [render_op(shown, expansion) for expansion in shown.expansions]
        write_long(("" if is_json else "\n").join(texts))
    else:
        write_long((instances.render_json if is_json else instances.render)(shown))
    return 0


def _shown(instance: Instance, ops: Iterable[Op]) -> Shown:
    from pvasm.paravirt.cases import outline
    from pvasm.paravirt.machine_vector import load_machine_vector, machine_vectors_for
    from pvasm.paravirt.origins import origins, table_origins
    from pvasm.report.instances import Shown

    catalog = instance.catalog
    return Shown(
        instance,
        [outline(instance, op) for op in ops],
        origins(instance),
        table_origins(instance),
        load_machine_vector(instance.machine_vector or "", catalog),
        machine_vectors_for(instance.environment, catalog),
    )


def _asked(catalog: Catalog, names: Iterable[str]) -> list[Op]:
    """The ops of these names; all, without any. Raises PvasmError for what is no op, with the near one."""
    from pvasm.suggestions import near

    for name in names:
        if name not in catalog.ops:
            raise PvasmError(f"no such op in the catalog: {name}{near(name.upper(), catalog.ops)}")
    return [catalog.ops[name] for name in dict.fromkeys(names)] or list(catalog.ops.values())


# -------------------------------------------------------------------------------------- validate


def _validate(options: argparse.Namespace) -> int:
    statuses = [_validated(path) for path in dict.fromkeys(options.files)]
    return max(statuses)


def _validated(name_or_path: str) -> int:
    """Tells what is wrong with an instance file, or that it is complete; returns the exit status."""
    from pathlib import Path

    from pvasm.check.engine import Selection
    from pvasm.check.instance_files import check_instance_file
    from pvasm.paravirt.instance_file import read_instance
    from pvasm.paravirt.loading import load_catalog
    from pvasm.paravirt.shipped import is_path, shipped_instance
    from pvasm.report import plain_text

    path = (None if is_path(name_or_path) else shipped_instance(name_or_path)) or name_or_path
    found, errors = check_instance_file(path, Selection().instance_rules())
    write("".join(f"{plain_text.render(each)}\n" for each in found))
    for error in errors:
        complain(error)
    if errors:
        return CANNOT_RUN
    if any(each.severity == "error" for each in found):
        return FOUND
    try:
        instance = read_instance(Path(path), load_catalog())
        instance.compile_templates()
        if instance.environment_file is not None:
            from pvsim.environments.choice import environment_of

            environment_of(instance)
    except PvasmError as error:
        complain(error)
        return CANNOT_RUN
    extension = sum(op.extension for op in instance.catalog.ops.values())
    ops = f"{len(instance.catalog.ops) - extension} ops of Linux, {extension} of the extension"
    write(f"{plain_text.printable(path)}: instance {instance.name}, complete: {ops}\n")
    return 0


# ------------------------------------------------------------------------------------------- new


def _new(options: argparse.Namespace) -> int:
    from pvasm.files import write_atomically
    from pvasm.paravirt.loading import load_instance
    from pvasm.paravirt.skeleton import skeleton
    from pvasm.report.plain_text import printable

    _require_free_name(options.name)
    base = load_instance(options.base)
    output: str = options.output or f"{options.name}.yaml"
    text = skeleton(
        options.name,
        base,
        _name_of_base(options.base, output),
        minimal=options.minimal,
        environment=_environment(options.environment),
    )
    if output == "-":
        write(text)
        return 0
    if os.path.lexists(output):
        raise PvasmError("exists already; remove it, or name another file with -o", output)
    write_atomically(output, text.encode())
    write(f"{printable(output)}\n")
    return 0


def _require_free_name(name: str) -> None:
    """Raises PvasmError for what cannot be the name of a new instance."""
    from pvasm.paravirt.shipped import ALL, instance_names, is_instance_name

    if not is_instance_name(name):
        raise PvasmError(f"{name!r} is no name for an instance: small letters, digits and - are due")
    if name in (ALL, *instance_names()):
        raise PvasmError(f"the name {name} is taken")


def _environment(name: str | None) -> str | None:
    """The environment that a new instance is to have. Raises PvasmError for what no instance file can name."""
    from typing import get_args

    from pvasm.paravirt.instance import Environment
    from pvasm.paravirt.instance_file import ENVIRONMENT_FILE

    if name is None or name in get_args(Environment) or ENVIRONMENT_FILE.fullmatch(name):
        return name
    raise PvasmError(f"--environment: {name!r} is no file's name such as host.yaml, and no environment")


def _name_of_base(base: str, output: str) -> str:
    """How a file calls the instance that it extends. Raises PvasmError for one that it cannot name."""
    from pvasm.paravirt.shipped import is_path

    if not is_path(base):
        return base
    folder, file = os.path.split(os.path.realpath(base))
    own = os.getcwd() if output == "-" else os.path.dirname(os.path.realpath(output))
    if folder != own:
        raise PvasmError(f"an instance extends a file beside it: write it to {folder} (-o)", base)
    return file


# ------------------------------------------------------------------------------- diff and schema


def _diff(options: argparse.Namespace) -> int:
    from pvasm.paravirt.loading import load_instance
    from pvasm.report import instance_diff

    left, right = load_instance(options.left), load_instance(options.right)
    ops = _asked(left.catalog, options.ops)
    expansions = list(zip(_shown(left, ops).expansions, _shown(right, ops).expansions, strict=True))
    found = instance_diff.difference(left, right, expansions, ops_alone=bool(options.ops))
    write_long((instance_diff.render_json if options.format == "json" else instance_diff.render)(found))
    return 0 if found.is_empty else FOUND


def _schema(options: argparse.Namespace) -> int:
    import json

    from pvasm.paravirt.loading import load_catalog
    from pvasm.paravirt.schema import catalog_schema, instance_schema

    if options.environment:
        from pvsim.environments.description_schema import description_schema

        schema = description_schema()
    else:
        schema = catalog_schema() if options.catalog else instance_schema(load_catalog())
    write(json.dumps(schema, indent=2) + "\n")
    return 0
