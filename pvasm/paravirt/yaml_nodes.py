"""YAML in which every value knows its place, read with bounds: instance files may come from anywhere.

Values are those of YAML's core schema without floats: null, true, false, integers, strings. Tags and several documents
in a file are refused; anchors and aliases work, as long as what they unfold to is small. No text holds a control
character, whether it stands there as such or escaped: it could not stand in assembly either.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TypeVar

from msgspec import Struct

from pvasm.errors import PvasmError
from pvasm.regex import made_regex, regex
from pvasm.suggestions import near
from pvasm.text import read_bytes

if TYPE_CHECKING:
    from pathlib import Path

    import yaml

MAX_BYTES = 1 << 20
MAX_DEPTH = 16
MAX_KEY = 100
MAX_NODES = 20_000  # aliases counted as what they stand for

_INTEGER = regex(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
# As GNU as reads it, too: there, a 0 at the start makes a number octal.
_READ_ALIKE = regex(r"[-+]?(?:0|[1-9][0-9]*)|0x[0-9a-fA-F]+")
_CONTROL = r"[^\t\n\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\U0010ffff]"  # compiled at its first use: that takes a while
_TYPES = {
    "object": "a mapping",
    "array": "a list",
    "str": "text",
    "int": "an integer",
    "bool": "true or false",
    "null": "nothing",
}
_MSGSPEC_TYPE = regex(r"`([a-z]+(?: \| [a-z]+)*)`")
_MSGSPEC_PLACE = regex(r" - at `(?:key` in `)?\$(?P<steps>[^`]*)`$")
_MSGSPEC_FIELD = regex(r"unknown field `(?P<field>.*)`|missing required field `(?P<missing>.*)`")
_STEP = regex(r"\.(?P<key>\w+)|\[(?P<index>\d+)\]|(?P<unnamed>\[\.\.\.\])")

Model = TypeVar("Model")


class Written(int):
    """An integer that remembers how it was written: `0x12` is 18, and prints as `0x12`.

    What GNU as would read otherwise (`0o17`, `010`) prints in decimal.
    """

    text: str


class Node(Struct):
    """A value, the place where it starts (line and column from 1), and how much it holds.

    `value` is a scalar, a dict of nodes, or a list of nodes; `keys` are the places of a dict's keys. `is_block` is true
    for a text that starts on the line after its place (`|`).
    """

    value: Any
    line: int
    column: int
    keys: dict[str, tuple[int, int]]
    is_block: bool = False
    size: int = 1
    depth: int = 1

    def plain(self) -> Any:
        """The value without places."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value


def read_yaml(path: Path) -> Node:
    """The value in a YAML file.

    Raises PvasmError, with the place, if the file cannot be read, is not UTF-8 or not YAML, repeats a key, or goes
    beyond MAX_BYTES, MAX_DEPTH or MAX_NODES.
    """
    name = str(path)
    content = read_bytes(name, MAX_BYTES)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start]
        column = error.start - (before.rfind(b"\n") + 1) + 1
        raise PvasmError("not UTF-8", name, before.count(b"\n") + 1, column) from error
    return parse_yaml(text, name)


def parse_yaml(text: str, name: str) -> Node:
    """The value of a YAML text; `name` is its file's, for messages. Raises what `read_yaml` does."""
    import yaml

    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        return _Composer(yaml.parse(text, Loader=loader), name).document()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = ", ".join(part for part in (error.problem, error.context) if part)
        if mark is None:
            raise PvasmError(problem, name) from error
        raise PvasmError(problem, name, mark.line + 1, mark.column + 1) from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        character: Any = error.character
        code = character if isinstance(character, int) else ord(str(character)[:1] or " ")
        raise PvasmError(f"character #x{code:04x} is not allowed in YAML", name, line) from error


class _Composer:
    """Makes nodes of the events of one document."""

    def __init__(self, events: Iterable[yaml.Event], name: str) -> None:
        self.events = iter(events)
        self.name = name
        self.anchors: dict[str, Node | None] = {}  # None while the node is being read
        self.total = 0

    def document(self) -> Node:
        import yaml

        node: Node | None = None
        for event in self.events:
            if isinstance(event, yaml.DocumentStartEvent):
                if node is not None:
                    raise self.error("a second document in the file", event)
                node = self.node(next(self.events), 1)
        if node is None:
            raise PvasmError("empty file", self.name, 1)
        return node

    def error(self, message: str, event: yaml.Event) -> PvasmError:
        return PvasmError(message, self.name, *_place(event))

    def node(self, event: yaml.Event, depth: int) -> Node:
        import yaml

        if isinstance(event, yaml.AliasEvent):
            return self.alias(event, depth)
        assert isinstance(event, yaml.NodeEvent)
        if depth > MAX_DEPTH:
            raise self.error(f"nested more than {MAX_DEPTH} deep", event)
        tag = getattr(event, "tag", None)
        if tag is not None and tag != "!":
            raise self.error(f"the tag {tag} is not allowed", event)
        self.count(1, event)
        if event.anchor is not None:
            self.anchors[event.anchor] = None
        node = Node(None, *_place(event), {})
        if isinstance(event, yaml.ScalarEvent):
            node.is_block = event.style in ("|", ">")
            self.check_text(event.value, event)
            node.value = event.value if event.style else _scalar(event.value)
        elif isinstance(event, yaml.SequenceStartEvent):
            node.value = []
            while not isinstance(item := next(self.events), yaml.SequenceEndEvent):
                child = self.node(item, depth + 1)
                node.value.append(child)
                node.size += child.size
                node.depth = max(node.depth, child.depth + 1)
        else:
            node.value = {}
            while not isinstance(item := next(self.events), yaml.MappingEndEvent):
                self.entry(node, item, depth)
        if event.anchor is not None:
            self.anchors[event.anchor] = node
        return node

    def entry(self, node: Node, event: yaml.Event, depth: int) -> None:
        import yaml

        if not isinstance(event, yaml.ScalarEvent):
            raise self.error("a key must be a word", event)
        key = event.value
        self.check_text(key, event)
        if len(key) > MAX_KEY:
            raise self.error(f"a key of more than {MAX_KEY} characters", event)
        if key in node.value:
            raise self.error(f"the key {key} stands twice; first on line {node.keys[key][0]}", event)
        self.count(1, event)
        node.keys[key] = _place(event)
        child = self.node(next(self.events), depth + 1)
        node.value[key] = child
        node.size += child.size + 1
        node.depth = max(node.depth, child.depth + 1)

    def check_text(self, text: str, event: yaml.Event) -> None:
        if character := control_character(text):
            raise self.error(f"the character {character} is not allowed", event)

    def alias(self, event: yaml.AliasEvent, depth: int) -> Node:
        if event.anchor not in self.anchors:
            raise self.error(f"the alias *{event.anchor} has no anchor", event)
        node = self.anchors[event.anchor]
        if node is None:
            raise self.error(f"the alias *{event.anchor} stands in what it stands for", event)
        if depth + node.depth - 1 > MAX_DEPTH:
            raise self.error(f"nested more than {MAX_DEPTH} deep", event)
        self.count(node.size, event)
        return node

    def count(self, nodes: int, event: yaml.Event) -> None:
        self.total += nodes
        if self.total > MAX_NODES:
            raise self.error(f"more than {MAX_NODES} values, with aliases unfolded", event)


def _place(event: yaml.Event) -> tuple[int, int]:
    """The line and column of an event, from 1."""
    mark = event.start_mark
    return (1, 1) if mark is None else (mark.line + 1, mark.column + 1)


def _scalar(text: str) -> Any:
    """The value of a plain scalar."""
    if text in _WORDS:
        return _WORDS[text]
    if len(text) <= 40 and _INTEGER.fullmatch(text):
        number = Written(text, 10 if text.lstrip("+-").isdigit() else 0)
        number.text = text if _READ_ALIKE.fullmatch(text) else str(int(number))
        return number
    return text


def control_character(text: str) -> str | None:
    """The first character of a text that cannot stand in assembly, as YAML writes it (`#x0007`); None without one."""
    found = made_regex(_CONTROL).search(text)
    return f"#x{ord(found[0]):04x}" if found else None


def _type_name(word: str) -> str:
    """What YAML calls a type of msgspec's."""
    return _TYPES.get(word, word)


def fault(message: str, name: str, place: tuple[int, int], path: str) -> PvasmError:
    """The error about the value at a YAML path (`ops.MOV_FROM_IFA.template`) in the file `name`."""
    return PvasmError(f"{path}: {message}" if path else message, name, *place)


def convert(node: Node, model: type[Model], name: str, path: str) -> Model:
    """The value at `path` of the file `name` as a typed model.

    Raises PvasmError naming the path, with the place, for a wrong type, an unknown key (and the near one) or a missing
    one.
    """
    import msgspec

    try:
        return msgspec.convert(node.plain(), model, strict=True)
    except msgspec.ValidationError as error:
        text = str(error)
        place = (node.line, node.column)
        found = _MSGSPEC_PLACE.search(text)
        if found:
            text = text[: found.start()]
            for step in _STEP.finditer(found["steps"]):
                if step["unnamed"]:
                    break  # one of a dict's values: msgspec does not say which
                key = step["key"] or int(step["index"])
                place = node.keys.get(str(key), place)
                node = node.value[key]
                if not node.keys:
                    place = (node.line, node.column)
                path = f"{path}.{key}" if path else str(key)
        field = _MSGSPEC_FIELD.search(text)
        if field and field["field"] is not None:
            place = node.keys.get(field["field"], place)
            known = [info.encode_name for info in msgspec.structs.fields(model)]  # type: ignore[arg-type]
            text = f"unknown key {field['field']}{near(field['field'], known)}; known are {', '.join(known)}"
        elif field:
            text = f"the key {field['missing']} is missing"
        else:
            text = _MSGSPEC_TYPE.sub(lambda types: " or ".join(map(_type_name, types[1].split(" | "))), text)
            text = text[:1].lower() + text[1:].replace("`", "")
        raise fault(text, name, place, path) from None
