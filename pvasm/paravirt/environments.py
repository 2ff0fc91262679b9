"""Which instances there are, and what the C preprocessor's conditionals need to know of them: not their definitions."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from pvasm import data
from pvasm.compiled import compiled
from pvasm.syntax.cpp import PREDEFINED

if TYPE_CHECKING:
    from pvasm.paravirt.instance import Instance

ALL = "all"  # in place of a name: every instance that travels with pvasm
CATALOG = "ops"  # the file beside them that is no instance


INSTANCE_NAME = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*")


class Summary(NamedTuple):
    """An instance's name, the C preprocessor symbol that is defined when compiling for it, and what it runs on.

    `is_build` is false for one that shares its symbol with the one that it extends: the same code, made otherwise.
    """

    name: str
    defines: str
    environment: str
    is_build: bool


def instance_names() -> list[str]:
    """The names of the instances that travel with pvasm."""
    stems = [
        name.removesuffix(".yaml")
        for name in os.listdir(os.path.dirname(data.instance_file(CATALOG)))
        if name.endswith(".yaml")
    ]
    return sorted(stem for stem in stems if stem != CATALOG)


def is_instance_name(name: str) -> bool:
    """Whether an instance can have this name."""
    return INSTANCE_NAME.fullmatch(name) is not None and name != CATALOG


def shipped_instance(name: str) -> str | None:
    """The file of the instance of that name that travels with pvasm, if there is one."""
    if not is_instance_name(name):
        return None
    path = data.instance_file(name)
    return path if os.path.isfile(path) else None


def is_path(instance: str) -> bool:
    """Whether an instance is given by its file, and not by the name of one that travels with pvasm."""
    return "/" in instance or instance.endswith((".yaml", ".yml"))


def instance_summaries() -> list[Summary]:
    """The summaries of the instances that travel with pvasm. Raises PvasmError for one that is wrong."""
    return [_summary(name) for name in instance_names()]


def build_names() -> list[str]:
    """The names of the instances that travel with pvasm, one for each build of the sources.

    Those that are checked if nobody says which; variants of these, for debugging say, share their symbols.
    """
    return [summary.name for summary in instance_summaries() if summary.is_build]


@cache
def _summary(name: str) -> Summary:
    path = data.instance_file(name)
    made_by = ("paravirt/environments.py", "paravirt/instance_file.py", "paravirt/yaml_nodes.py")
    defines, environment, extends = compiled(path, lambda text: _own_keys(path), made_by=made_by, kind="summary")
    base = _summary(extends) if extends else Summary("", "", "", False)
    symbol = defines or base.defines
    return Summary(name, symbol, environment or base.environment, symbol != base.defines)


def _own_keys(path: str) -> list[str | None]:
    """What an instance's file itself says of `defines`, `environment` and `extends`."""
    from pvasm.paravirt.instance_file import read_model

    model = read_model(path)
    return [model.defines, model.environment, model.extends]


def known_macros(chosen: Sequence[Instance] = ()) -> dict[str, bool]:
    """What is known of the C preprocessor's macros when a file is compiled for the instances chosen.

    Without any, for all instances but those of bare hardware.
    """
    known = dict.fromkeys(PREDEFINED, True)
    every = instance_summaries()
    if not chosen:
        return known | {summary.defines: False for summary in every if summary.environment == "hardware"}
    symbols = {instance.defines for instance in chosen}
    known.update((summary.defines, False) for summary in every if summary.defines not in symbols)
    if len(symbols) == 1:  # with several instances in question, each of their macros may be defined or not
        known.update(dict.fromkeys(symbols, True))
    return known
