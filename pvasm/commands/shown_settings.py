"""`pvasm check --show-settings` and `--show-files`: what a run would go by, and what it would be about."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pvasm.commands.shared import fail, write
from pvasm.config import KEYS, lines_of_keys

if TYPE_CHECKING:
    from pvasm.check.settings import Settings
    from pvasm.config import Config
    from pvasm.errors import PvasmError
    from pvasm.sources import Source


def show_files(paths: Sequence[str], options: argparse.Namespace, config: Config, settings: Settings) -> int:
    """Shows the files that a run would look at, one a line. Of headers those without assembly are told of, too."""
    from pvasm.check.check_files import chosen_sources

    errors: list[PvasmError] = []
    skipped: list[Source] = []
    for source in chosen_sources(paths, settings, errors, skipped):
        write(f"{source.path}\n")
    return fail(errors) if errors else 0


def show_settings(paths: Sequence[str], options: argparse.Namespace, config: Config, settings: Settings) -> int:
    """Shows each setting as the configuration file would say it, and where it is from."""
    lines = lines_of_keys(config.path) if config.path is not None else {}
    values = _values(paths, options, config, settings)
    write(f"# configuration: {config.path or 'none'}\n")
    for key in KEYS:
        said = f"{key} = {_toml(values[key])}" if values[key] is not None else f"# {key}: none"
        write(f"{said}  # {_origin(key, options, config, lines)}\n")
    for name, value in _environment():
        write(f"# {name}: {value}\n")
    return 0


def _values(
    paths: Sequence[str], options: argparse.Namespace, config: Config, settings: Settings
) -> Mapping[str, object]:
    """What holds for each key of the configuration."""
    return {
        "paths": paths,
        "exclude": settings.exclude,
        "select": _by_default() if settings.select is None else settings.select,
        "extend-select": settings.extend_select,
        "ignore": settings.ignore,
        "per-file-ignores": dict(settings.per_file_ignores),
        "severity": dict(settings.severity),
        "instances": settings.instances or _instances(),
        "extension": settings.extension,
        "cpp": settings.cpp is not None,
        "include-dirs": (*options.include_directories, *config.include_dirs),
        "defines": (*config.defines, *options.defines),
        "includes": (*config.includes, *options.includes),
        "jobs": settings.jobs or _cores(),
        "baseline": options.baseline or config.baseline,
        "respect-gitignore": settings.respect_gitignore,
        "op-headers": (*config.op_headers, *options.op_headers),
        "bare-hardware": config.bare_hardware,
        "user-level": config.user_level,
    }


def _by_default() -> list[str]:
    from pvasm.check.rule import every_rule

    return [code for code, rule in every_rule().items() if rule.on_by_default]


def _instances() -> Sequence[str]:
    from pvasm.paravirt.environments import build_names

    return list(build_names())


def _cores() -> int:
    from pvasm.workers import usable_cores

    return usable_cores()


# The options that say what a key says, by what argparse calls them.
_OPTIONS = {
    "paths": "paths",
    "select": "select",
    "extend-select": "extend_select",
    "ignore": "ignore",
    "instances": "instance",
    "extension": "extension",
    "cpp": "cpp",
    "include-dirs": "include_directories",
    "defines": "defines",
    "includes": "includes",
    "jobs": "jobs",
    "baseline": "baseline",
    "respect-gitignore": "no_gitignore",
    "op-headers": "op_headers",
}
_IMPLY_CPP = ("include_directories", "defines", "includes", "op_headers")
_HIDDEN_BY_SELECT = ("extend-select", "ignore")


def _origin(key: str, options: argparse.Namespace, config: Config, lines: Mapping[str, int]) -> str:
    """Where the value of a key is from: the command line, the file, both, or nowhere."""
    given = getattr(options, _OPTIONS.get(key, ""), None)
    on_command_line = given not in (None, [], False) or (key in ("extension", "cpp") and given is False)
    if key == "cpp" and given is None and any(getattr(options, name) for name in _IMPLY_CPP):
        return "implied by the command line"
    file = f"{config.path}:{lines[key]}" if key in lines else ""
    if options.select is not None and file and key in _HIDDEN_BY_SELECT:
        file = f"{file} is out of force with --select"
        return f"command line; {file}" if on_command_line else file
    if on_command_line and file and key in _ADDED:
        return f"command line and {file}"
    return "command line" if on_command_line else file or "default"


_ADDED = ("extend-select", "ignore", "include-dirs", "defines", "includes", "op-headers")


def _environment() -> list[tuple[str, str]]:
    """What else counts, and what the environment says of it."""
    from pvasm import data

    cpp = os.environ.get("PVASM_CPP", "").strip()
    cache = data.cache_folder() or "none"
    return [
        ("C preprocessor", f"{cpp} (PVASM_CPP)" if cpp else "gcc -E"),
        ("cache", f"{cache} (PVASM_CACHE_DIR)" if os.environ.get("PVASM_CACHE_DIR") else cache),
    ]


def _toml(value: object) -> str:
    """A value as TOML has it. Its strings are JSON's, but for what is not UTF-8."""
    if isinstance(value, dict):
        inner = ", ".join(f"{json.dumps(key)} = {_toml(each)}" for key, each in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    return json.dumps(value)
