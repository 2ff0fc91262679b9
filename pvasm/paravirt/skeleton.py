"""The file of a new instance: complete at once, to be changed where the new environment is another."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from pvasm.paravirt.arguments import DUE
from pvasm.paravirt.catalog import Op
from pvasm.paravirt.instance import Instance
from pvasm.paravirt.keys import instance_keys
from pvasm.paravirt.origins import named_calls, origins
from pvasm.regex import regex

_WIDTH: Final = 100
_PLAIN: Final = regex(r"[A-Za-z_][\w./-]*(?: [\w./-]+)*", re.ASCII)
_NOT_TEXT: Final = frozenset(("null", "true", "false", "yes", "no", "on", "off", "y", "n"))
_Entry = Mapping[str, Any]


def skeleton(name: str, base: Instance, extends: str, *, minimal: bool = False, environment: str | None = None) -> str:
    """The text of an instance file called `name` that does what `base` does.

    `extends` is how the file names its base; without `environment`, it runs on what the base does. Every op is
    there with its contract and the base's template, unless `minimal`; what else the base gives stands in comments,
    and holds.
    """
    keys = instance_keys()
    parts = [
        _head(name, base.name, extends),
        f"name: {name}\ndescription: Made of {base.name}\n",
        _told("extends", keys) + f"extends: {_scalar(extends)}\n",
        _told("environment", keys)
        + _given(f"environment: {environment or base.environment}\n", minimal and environment is None),
        _told("defines", keys) + _given(f"defines: {_symbol(name)}\n", minimal),
        _told("machine_vector", keys) + _commented(f"machine_vector: {base.machine_vector or 'dig'}\n"),
        _told("entry", keys) + _commented(_entry(name, base)),
        _told("constants.NAME", keys) + _taken_over("constants", base, base.constants),
        _told("calls.NAME", keys) + _taken_over("calls", base, named_calls(base)),
        _told("renames", keys) + _taken_over("renames", base, base.renames),
        _told("tables.NAME.MEMBER", keys) + _taken_over("tables", base, _tables(base)),
        _told("poison", keys),
        _told("blocks.NAME.template", keys) + _blocks(base),
        "".join(_told(key, keys) for key in keys if key.startswith("ops.")) + _ops(base, minimal=minimal),
    ]
    return "\n".join(parts)


def _entry(name: str, base: Instance) -> str:
    """A way into the kernel that might be the new instance's, where the base has one."""
    word = name.replace("-", "_")
    number = 2 if base.entry is None else base.entry.type + 1
    return f"entry: {{label: startup_{word}, type: {number}, hook: {word}_setup_hook}}\n"


def _head(name: str, base: str, extends: str) -> str:
    file = f"{name}.yaml"
    commands = {
        f"pvasm instance validate {file}": "is it complete, and does each op keep its contract?",
        f"pvasm instance diff {extends} {file}": "what is different, op by op",
        f"pvasm expand -i ./{file} FILE": "what comes of it",
        "pvasm instance schema": "prints a JSON Schema, with which editors complete the keys",
    }
    wide = max(map(len, commands))
    lines = [f"{command:<{wide}}  {what}" for command, what in commands.items()]
    return _commented("\n".join([f"{name}: an instance, made of {base}.", "", *lines, ""]))


def _symbol(name: str) -> str:
    return f"__IA64_ASM_PARAVIRTUALIZED_{name.upper().replace('-', '_')}"


# ------------------------------------------------------------------------------------ comments


def _told(key: str, keys: Mapping[str, str]) -> str:
    """What is told of a key."""
    lines = textwrap.wrap(f"{key}: {keys[key]}", _WIDTH - 2, break_long_words=False, break_on_hyphens=False)
    return _commented("\n".join(lines))


def _commented(text: str) -> str:
    return "".join(f"# {line}".rstrip() + "\n" for line in text.splitlines())


def _given(text: str, minimal: bool) -> str:
    return _commented(text) if minimal else text


def _taken_over(key: str, base: Instance, values: Mapping[str, Any]) -> str:
    """A key that the base gives, as a comment with what the base says."""
    return _commented("\n".join([_holds(base), *_mapping(key, values, "")])) if values else ""


def _holds(base: Instance) -> str:
    return f"{base.name} gives, and as long as nothing else is said here it holds:"


def _tables(base: Instance) -> dict[str, Any]:
    """The tables that the base fills, with the members that are null."""
    return {
        name: {member: base.tables[name].get(member) for member in table.members}
        for name, table in base.catalog.tables.items()
        if any(value is not None for value in base.tables.get(name, {}).values())
    }


def _blocks(base: Instance) -> str:
    """The blocks that the base replaces, as a comment."""
    lines = ["blocks:"]
    for name, template in base.blocks.items():
        lines += [f"  {name}:", *_block("template", template.source, "    ")]
    return _commented("\n".join([_holds(base), *lines])) if base.blocks else ""


# ---------------------------------------------------------------------------------------- YAML


def _mapping(key: str, values: Mapping[str, Any], indent: str) -> Iterator[str]:
    """The lines of a mapping; one that holds lists is short, and stands on a line."""
    yield f"{indent}{key}:"
    for word, value in values.items():
        if isinstance(value, dict) and not any(isinstance(each, list) for each in value.values()) and value:
            yield from _mapping(word, value, f"{indent}  ")
        else:
            yield f"{indent}  {word}: {_flow(value)}"


def _flow(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_flow, value))}]"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{key}: {_flow(each)}' for key, each in value.items())}}}"
    return _scalar(value)


def _scalar(value: Any) -> str:
    """A value as YAML has it; an integer as it was written."""
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, int):
        return str(getattr(value, "text", int(value)))
    if _PLAIN.fullmatch(value) and value.lower() not in _NOT_TEXT:
        return str(value)
    return json.dumps(value, ensure_ascii=False)


def _block(key: str, text: str, indent: str) -> list[str]:
    """The lines of a key with a text of several lines."""
    lines = text.rstrip("\n").split("\n")
    if not text.strip():
        return [f'{indent}{key}: ""']
    # Where the first line is indented, YAML must be told how far the text as a whole is.
    sign = "|2" if lines[0].startswith((" ", "\t")) or not lines[0] else "|"
    return [f"{indent}{key}: {sign}", *(f"{indent}  {line}".rstrip() for line in lines)]


# ----------------------------------------------------------------------------------------- ops


def _ops(base: Instance, *, minimal: bool) -> str:
    """The ops with their contracts and the base's templates; as a comment, the first alone."""
    found = origins(base)
    ops: Iterable[Op] = base.catalog.ops.values()
    lines = ["ops:"]
    for op in list(ops)[: 1 if minimal else None]:
        lines += _contract(op)
        entry = found[op.name].entry if op.name in found else {"template": base.catalog.template(op)}
        lines += _op(op.name, entry)
    text = "\n".join(lines) + "\n"
    return _commented(text) if minimal else text


def _contract(op: Op) -> list[str]:
    """A comment: the op, what it is for, and what its parameters are."""
    wide = max((len(parameter.name) for parameter in op.parameters), default=0)
    lines = textwrap.wrap(f"{op.signature}: {op.doc}", _WIDTH - 4)
    lines += [f"  {parameter.name:<{wide}}  {DUE[parameter.kind, parameter.use]}" for parameter in op.parameters]
    return ["", *(f"  # {line}" for line in (*lines, f"  replaces: {op.replaces}"))]


def _op(name: str, entry: _Entry) -> list[str]:
    lines = [f"  {name}:"]
    lines += [f"    {key}: {_flow(entry[key])}" for key in ("apart", "not_among") if entry.get(key)]
    return lines + _block("template", entry["template"], "    ")
