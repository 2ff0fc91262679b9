"""Instances that travel with pvasm, kept as they were read: neither YAML nor Jinja2 is needed to expand for them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from pvasm import data
from pvasm.compiled import compiled
from pvasm.isa.registers import Register
from pvasm.paravirt.arguments import Kind
from pvasm.paravirt.catalog import Catalog, Op
from pvasm.paravirt.decision_paths import Question
from pvasm.paravirt.decisions import Choice, Decision, Lines, decide, ends
from pvasm.paravirt.instance import Definition, Entry, Instance
from pvasm.paravirt.interface import Call
from pvasm.paravirt.shipped import CATALOG, instance_names
from pvasm.paravirt.template import Template
from pvasm.paravirt.yaml_nodes import Written

# An instance that is kept is what these make of its files.
_MADE_BY = (
    *("paravirt/kept.py", "paravirt/instance.py", "paravirt/instance_file.py", "paravirt/catalog.py"),
    *("paravirt/decisions.py", "paravirt/expansion.py", "paravirt/decision_paths.py", "paravirt/template.py"),
    *("paravirt/arguments.py", "paravirt/shipped.py", "paravirt/interface.py", "paravirt/yaml_nodes.py"),
)
_PLAIN: Mapping[Kind, str] = {"general": "r20", "predicate": "p6", "kernel-register": "CURRENT"}


def load_kept(name: str, catalog: Catalog) -> Instance:
    """The instance of that name that travels with pvasm, for the catalog that does.

    Raises PvasmError for one that is wrong.
    """
    path = data.instance_file(name)
    files = [data.instance_file(other) for other in (*instance_names(), CATALOG)]  # any may have a say in this one
    kept = compiled(path, lambda _: _kept(path, catalog), made_by=(*_MADE_BY, *files), kind="whole")
    return _made(kept, os.path.dirname(path), catalog)


def take_over(instance: Instance) -> None:
    """Gives an instance that extends one that travels with pvasm what was worked out of the templates taken over."""
    shipped = (name for name in instance_names() if data.instance_file(name) in instance.files)
    for base in [load_kept(name, instance.catalog) for name in shipped]:
        constants = _kept_constants(instance)
        if not all(constants.get(name) == kept for name, kept in _kept_constants(base).items()):
            continue  # a constant of its own may stand in any of them
        own = {
            name: base.decisions[name]
            for name, definition in instance.definitions.items()
            if definition.template is not None
            and name in base.decisions
            and definition.template.is_same(base.definitions[name].template)
        }
        instance.decisions = {**own, **instance.decisions}


# ------------------------------------------------------------------------------------------ keeping


def _kept(path: str, catalog: Catalog) -> dict[str, Any]:
    """What there is to keep of the instance in a file, as JSON can hold it."""
    import json
    from importlib.util import source_hash
    from pathlib import Path

    from pvasm.paravirt.instance_file import read_instance

    instance = read_instance(Path(path), catalog)
    entry = instance.entry
    kept: dict[str, Any] = {
        "plain": [
            instance.name,
            instance.description,
            instance.environment,
            instance.defines,
            instance.extends,
            instance.machine_vector,
        ],
        "entry": None if entry is None else [entry.label, entry.type, entry.hook],
        "files": list(map(os.path.basename, instance.files)),
        "constants": _kept_constants(instance),
        "definitions": {
            name: [
                None if definition.template is None else definition.template.kept(),
                definition.apart,
                {parameter: sorted(registers) for parameter, registers in definition.not_among.items()},
                _kept_decision(instance, catalog.ops[name], definition),
            ]
            for name, definition in instance.definitions.items()
        },
        "blocks": {name: template.kept() for name, template in instance.blocks.items()},
        "renames": dict(instance.renames),
        "calls": [
            [number, [register.number for register in call.takes], [register.number for register in call.gives]]
            for number, call in instance.calls.items()
        ],
        "tables": {table: dict(members) for table, members in instance.tables.items()},
    }
    code = [instance.defines, *(kept[key] for key in ("constants", "definitions", "blocks", "renames"))]
    kept["code"] = source_hash(json.dumps(code, sort_keys=True).encode()).hex()
    return kept


def _kept_constants(instance: Instance) -> dict[str, Any]:
    """The constants with how they are written."""
    return {name: [value, getattr(value, "text", None)] for name, value in instance.constants.items()}


def _kept_decision(instance: Instance, op: Op, definition: Definition) -> Any:
    """The decisions of an op's template, as JSON can hold them; None where it is rendered when it is needed."""
    if definition.template is None:
        return None
    decision = decide(definition.template, op, instance.catalog, instance.constants)
    if decision is None:
        return None
    values = {**instance.catalog.constants, **{parameter.name: _PLAIN[parameter.kind] for parameter in op.parameters}}
    values.update((f"{parameter.name}.number", "6") for parameter in op.parameters)
    for _, end in ends(decision):
        if end.filled(values.__getitem__).flaw(instance.catalog.ops):
            return None  # said when it is rendered
    return _plain_decision(decision)


def _plain_decision(decision: Decision) -> Any:
    if isinstance(decision, Lines):
        return [list(decision.lines), list(decision.numbers)]
    return {"ask": list(decision.question), "yes": _plain_decision(decision.yes), "no": _plain_decision(decision.no)}


# ------------------------------------------------------------------------------------------- making


def _made(kept: Mapping[str, Any], folder: str, catalog: Catalog) -> Instance:
    """The instance of what was kept of one whose files are in `folder`."""
    files = [os.path.join(folder, file) for file in kept["files"]]
    name, description, environment, defines, extends, machine_vector = kept["plain"]
    constants = {
        word: value if text is None else _written(value, text) for word, (value, text) in kept["constants"].items()
    }
    definitions = {}
    decisions = {}
    names = frozenset((*constants, *catalog.constants))
    for op_name, (template, apart, not_among, decision) in kept["definitions"].items():
        parameters = (parameter.name for parameter in catalog.ops[op_name].parameters)
        definitions[op_name] = Definition(
            None if template is None else Template.of_kept(template, folder, names.union(parameters)),
            tuple(map(tuple, apart)),
            {parameter: frozenset(registers) for parameter, registers in not_among.items()},
        )
        if decision is not None:
            decisions[op_name] = _decision(decision)
    return Instance(
        name=name,
        description=description,
        path=files[0],
        environment=environment,
        defines=defines,
        extends=extends,
        constants=constants,
        definitions=definitions,
        catalog=catalog,
        files=tuple(files),
        renames=kept["renames"],
        calls={
            number: Call(tuple(Register("r", each) for each in takes), tuple(Register("r", each) for each in gives))
            for number, takes, gives in kept["calls"]
        },
        tables=kept["tables"],
        blocks={
            word: Template.of_kept(template, folder, names.union(catalog.blocks[word].parameters))
            for word, template in kept["blocks"].items()
        },
        machine_vector=machine_vector,
        entry=None if kept["entry"] is None else Entry(*kept["entry"]),
        decisions=decisions,
        code=kept["code"],
    )


def _written(value: int, text: str) -> Written:
    number = Written(value)
    number.text = text
    return number


def _decision(kept: Any) -> Decision:
    if isinstance(kept, list):
        return Lines(*map(tuple, kept))
    return Choice(Question(*kept["ask"]), _decision(kept["yes"]), _decision(kept["no"]))
