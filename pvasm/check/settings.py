"""How a run of the checker goes."""

from __future__ import annotations

from typing import NamedTuple


class CppSettings(NamedTuple):
    """What the C preprocessor is run with."""

    include_directories: tuple[str, ...] = ()
    defines: tuple[str, ...] = ()
    includes: tuple[str, ...] = ()


class Settings(NamedTuple):
    """How to check.

    `select` None means the codes that are on by default; `extend_select` adds to them, `ignore` takes away.
    `instances` empty means all; `cpp` None means that files are read as they are. With `find_unused` False,
    suppressions that hide nothing are nobody's concern. Globs are relative to `root`: those of `exclude` keep files out
    of a search of folders (with `force_exclude`, named files too), those of `per_file_ignores` have codes that are not
    reported there. `severity` has codes, which may be cut short, and the level that they are reported at (`off`: not at
    all). `jobs` None means as many processes as there are cores. `extension` asks for the ops that Linux does not have,
    too.
    """

    select: tuple[str, ...] | None = None
    ignore: tuple[str, ...] = ()
    instances: tuple[str, ...] = ()
    cpp: CppSettings | None = None
    use_cache: bool = True
    extend_select: tuple[str, ...] = ()
    find_unused: bool = True
    root: str = "."
    exclude: tuple[str, ...] = ()
    force_exclude: bool = False
    per_file_ignores: tuple[tuple[str, tuple[str, ...]], ...] = ()
    severity: tuple[tuple[str, str], ...] = ()
    jobs: int | None = 1
    extension: bool = False
