"""`pvasm init`: a configuration for a tree that there is."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

from pvasm.commands.shared import complain, fail, tell, write
from pvasm.errors import PvasmError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from pvasm.adopt.survey import Survey
    from pvasm.check.settings import Settings
    from pvasm.commands.shared import Commands


def add(commands: Commands) -> None:
    """Adds the command and its options."""
    command = commands.add_parser(
        "init",
        allow_abbrev=False,
        help="write a configuration for a tree, and say what a check of it would find",
        description="Look at a tree, write a commented pvasm.toml for it (or the table [tool.pvasm] into a "
        "pyproject.toml), and say what `pvasm check' finds with it. Nothing is asked, nothing else is written.",
    )
    command.add_argument("folder", nargs="?", default=".", metavar="DIR", help="the top of the tree [.]")
    command.add_argument("--force", action="store_true", help="write over a configuration that there is")
    command.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from pvasm.adopt import linux_tree
    from pvasm.adopt.settings_text import BASELINE, settings_text
    from pvasm.adopt.survey import survey
    from pvasm.commands.check import configured
    from pvasm.paravirt.loading import load_catalog

    catalog = load_catalog()
    found = survey(options.folder, catalog.ops)
    path, put = _target(options.folder, options.force)
    put(settings_text(found))
    checked = _Checked()
    checked.run(*configured(path))
    put(settings_text(found, checked.undecided(options.folder, catalog.ops)))
    write(f"{path}: {found.what}\n{_told(found)}")
    top = linux_tree.top_above(options.folder)
    if top is not None:
        there = os.path.normpath(os.path.join(options.folder, top))
        said = f"it is a part of a Linux tree, of whose headers and code for bare hardware `pvasm init {there}' knows"
        complain(PvasmError(said, options.folder), "note")
    write("with it, `pvasm check' finds:\n")
    write(checked.text)
    if checked.errors:
        return fail(checked.errors)
    if checked.found_errors:
        tell(
            f"next: `pvasm check' shows each; `pvasm check --write-baseline {BASELINE}' keeps what is to stay for now,"
        )
        tell(f"      once `baseline' in {path} names that file (docs/adopting.md)")
    return 0


def _target(folder: str, force: bool) -> tuple[str, Callable[[str], None]]:
    """The file that is to have the configuration, and what writes it there.

    Raises PvasmError for a file that has one, unless it is to give way, and as `refuse_leaving` does.
    """
    from pvasm.adopt.settings_text import with_table
    from pvasm.config import OWN_FILE, SHARED_FILE
    from pvasm.files import refuse_leaving, write_atomically
    from pvasm.text import encode, read_text

    own, shared = (os.path.normpath(os.path.join(folder, name)) for name in (OWN_FILE, SHARED_FILE))
    if os.path.lexists(own) or not os.path.isfile(shared):
        refuse_leaving(own)
        if os.path.lexists(own) and not force:
            raise PvasmError("there is one already: --force writes over it", own)
        return own, lambda settings: _wrote(write_atomically(own, encode(settings)))
    refuse_leaving(shared)
    before = read_text(shared)
    with_table(before, shared, "", replaces=force)
    return shared, lambda settings: _wrote(
        write_atomically(shared, encode(with_table(before, shared, settings, replaces=force)))
    )


def _wrote(_: bool) -> None:
    """Whether anything had to be written is no matter."""


def _told(found: Survey) -> str:
    """What was seen of a tree, in lines."""
    rows = {
        "paths": ", ".join(found.paths),
        **({"left out": _counted(found.others, "source", "sources", _OTHERS)} if found.others else {}),
        "op-headers": ", ".join(f"{each.name} ({each.ops} ops)" for each in found.op_headers),
        "bare-hardware": _counted(len(found.bare_hardware), "entry", "entries", "each with its reason beside it"),
        "include-dirs": _counted(
            len(found.include_dirs),
            "folder",
            "folders",
            f"{len(found.made_later)} of which the kernel's build has yet to make" if found.made_later else "",
        ),
    }
    return "".join(f"  {key}: {value or 'none seen'}\n" for key, value in rows.items())


_OTHERS = "other architectures', or in folders that do not say whose"


def _counted(number: int, one: str, several: str, more: str) -> str:
    said = f"{number} {one if number == 1 else several}" if number else ""
    return f"{said}, {more}" if said and more else said


class _Checked:
    """What a check with the new configuration finds."""

    def __init__(self) -> None:
        self.text = ""
        self.found_errors = False
        self.errors: list[PvasmError] = []
        self._bare: set[str] = set()

    def run(self, paths: Sequence[str], settings: Settings) -> None:
        """Checks the paths."""
        from pvasm.check.check_files import check_files
        from pvasm.check.pipeline import Pipeline
        from pvasm.report.reporter import Reporter, Style

        pipeline = Pipeline(settings, None)
        reporter = Reporter(Style("text", False, True, False))
        for result in check_files(paths, settings, pipeline=pipeline):
            reporter.add(result)
            self.errors += result.errors
            self._bare.update(
                each.path for each in result.diagnostics if each.code in _NO_OP and each.severity == "error"
            )
        self.text = reporter.end(pipeline.hidden, pipeline.stale(), 0)
        self.found_errors = reporter.found_errors

    def undecided(self, folder: str, ops: Collection[str]) -> list[str]:
        """The files, relative to the folder, that have sensitive instructions and no op."""
        from pvasm.adopt.survey import names_ops
        from pvasm.text import read_text

        return [os.path.relpath(path, folder) for path in sorted(self._bare) if not names_ops(read_text(path), ops)]


_NO_OP = ("PV001", "PV002")
