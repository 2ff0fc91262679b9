"""`--stub` and `--stub-missing`: what stands for the symbols of other files, where code is run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvasm.errors import PvasmError, UndefinedSymbols

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from pvsim.scenario import Scenario
    from pvsim.stubs import Stubs


def add_stubs(command: argparse.ArgumentParser) -> None:
    """Adds the two options."""
    command.add_argument(
        "--stub",
        action="append",
        default=[],
        metavar="NAME[=ADDR]",
        help="the address of a symbol of another file [that of a function which returns at once]",
    )
    command.add_argument(
        "--stub-missing", action="store_true", help="what no file defines is a function that returns at once"
    )


def stubs_of(options: argparse.Namespace, scenario: Scenario | None = None) -> Stubs:
    """The stubs that options name, and those of a scenario that they leave as it has them.

    Raises PvasmError for what is no address.
    """
    from pvsim.stubs import Stubs

    addresses, returning = {}, []
    for text in options.stub:
        name, equals, value = text.partition("=")
        if not name or (equals and not value):
            raise PvasmError(f"--stub: {text!r} has not the form NAME[=ADDR]")
        if equals:
            addresses[name] = address_given(value, "--stub")
        else:
            returning.append(name)
    held = Stubs() if scenario is None else scenario.elsewhere
    named = {*addresses, *returning}
    kept = {name: at for name, at in held.addresses.items() if name not in named}
    returning += [name for name in held.returning if name not in named]
    return Stubs({**kept, **addresses}, tuple(returning), options.stub_missing or held.missing)


def undefined(several: UndefinedSymbols) -> Iterator[PvasmError]:
    """The errors about symbols that nothing defines, each with what may be given."""
    for name, error in several.places.items():
        said = error.message
        if not name[0].isdigit():  # `1f' is a label of the file itself
            said += f": give --stub {name}=ADDR, or --stub {name} for a function that returns at once"
        yield PvasmError(said, error.path, error.line, error.column)


def address_given(text: str, option: str) -> int:
    """An address as an option gives it. Raises PvasmError for what is none."""
    value = number_given(text, option)
    if not 0 <= value < 1 << 64:
        raise PvasmError(f"{option}: {text} is no address: those are from 0 to {(1 << 64) - 1:#x}")
    return value


def number_given(text: str, option: str) -> int:
    """A number as an option gives it, in any base that Python reads. Raises PvasmError for what is none."""
    try:
        return int(text, 0)
    except ValueError:
        raise PvasmError(f"{option}: {text!r} is no number") from None
