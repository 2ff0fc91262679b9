"""How a run of the checker goes."""

from __future__ import annotations

import msgspec
from msgspec import Struct


class CppSettings(Struct, frozen=True):
    """What the C preprocessor is run with.

    `op_headers` are those whose ops are put out of the way, as `#include <...>` names them.
    """

    include_directories: tuple[str, ...] = ()
    defines: tuple[str, ...] = ()
    includes: tuple[str, ...] = ()
    op_headers: tuple[str, ...] = ()


class BareFiles(Struct, frozen=True):
    """The files that are compiled once, for bare hardware: globs, relative to a folder."""

    root: str
    globs: tuple[str, ...]

    def match(self, path: str) -> bool:
        """Whether a file is one of them."""
        from pvasm.config import Globs

        return Globs(self.globs, self.root).match(path)


class AnswerSettings(Struct, frozen=True):
    """All that what is found in a file depends on, but for the file, the headers and the tool.

    The checker has its settings from here alone, and all of this is in the key under which a result is kept: a setting
    that a rule asks for cannot be left out of the key.
    `select` None means the codes that are on by default; `extend_select` adds to them, `ignore` takes away.
    `instances` empty means all; `cpp` None means that files are read as they are. With `find_unused` False,
    suppressions that hide nothing are nobody's concern. `extension` asks for the ops that Linux does not have, too.
    `user_level` are globs of sections and symbols of code that runs at user level, besides those of any Linux.
    `within` are the folders that the run is about: a header elsewhere is not read, unless its folder is named where
    headers are looked for. None allows any. With `fixes`, findings bring the changes that fix them, which takes longer.
    `built` is what `cpp` is for the files that a build tells of, by their real paths.
    """

    select: tuple[str, ...] | None = None
    ignore: tuple[str, ...] = ()
    instances: tuple[str, ...] = ()
    cpp: CppSettings | None = None
    extend_select: tuple[str, ...] = ()
    find_unused: bool = True
    extension: bool = False
    user_level: tuple[str, ...] = ()
    bare_files: BareFiles | None = None
    within: tuple[str, ...] | None = None
    built: tuple[tuple[str, CppSettings], ...] = ()
    fixes: bool = False

    def key(self) -> str:
        """A text that is another for any other settings."""
        return msgspec.json.encode(self.answer()).decode()

    def answer(self) -> AnswerSettings:
        """These settings, without what a run adds to them."""
        return AnswerSettings(**{name: getattr(self, name) for name in AnswerSettings.__struct_fields__})


class Settings(AnswerSettings, frozen=True):
    """How to check: what answers depend on, which files are checked, and what becomes of what is found.

    Globs are relative to `root`: those of `exclude` keep files out of a search of folders (with `force_exclude`, named
    files too), those of `per_file_ignores` have codes that are not reported there. `severity` has codes, which may be
    cut short, and the level that they are reported at (`off`: not at all). `jobs` None means as many processes as there
    are cores. `respect_gitignore` keeps what git ignores out of a search of folders.
    """

    use_cache: bool = True
    root: str = "."
    exclude: tuple[str, ...] = ()
    force_exclude: bool = False
    per_file_ignores: tuple[tuple[str, tuple[str, ...]], ...] = ()
    severity: tuple[tuple[str, str], ...] = ()
    jobs: int | None = 1
    respect_gitignore: bool = True
