"""What instances are for, without their definitions: what the C preprocessor's conditionals need to know."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Protocol

from msgspec import Struct

from pvasm import data
from pvasm.compiled import compiled
from pvasm.paravirt.shipped import instance_names
from pvasm.syntax.cpp import PREDEFINED


class CompiledFor(Protocol):
    """What code is compiled for: `defines` is the C preprocessor symbol that is defined then."""

    @property
    def defines(self) -> str:
        """The symbol."""


class Summary(Struct, frozen=True):
    """An instance's name, the C preprocessor symbol that is defined when compiling for it, and what it runs on.

    `is_build` is false for one that shares its symbol with the one that it extends: the same code, made otherwise.
    """

    name: str
    defines: str
    environment: str
    is_build: bool


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
    made_by = ("paravirt/environments.py", "paravirt/shipped.py", "paravirt/instance_file.py", "paravirt/yaml_nodes.py")
    defines, environment, extends = compiled(path, lambda text: _own_keys(path), made_by=made_by, kind="summary")
    base = _summary(extends) if extends else Summary("", "", "", False)
    symbol = defines or base.defines
    return Summary(name, symbol, environment or base.environment, symbol != base.defines)


def _own_keys(path: str) -> list[str | None]:
    """What an instance's file itself says of `defines`, `environment` and `extends`."""
    from pvasm.paravirt.instance_file import read_model

    model = read_model(path)
    return [model.defines, model.environment, model.extends]


def known_macros(chosen: Sequence[CompiledFor] = ()) -> dict[str, bool]:
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
