"""The catalog: every op that an instance must define, with its parameters and the instructions that it replaces."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from pvasm.paravirt.arguments import Kind, RegisterNotKnownError, Use
from pvasm.paravirt.c_tables import Table
from pvasm.regex import regex

_OPERAND_MACRO = regex(r"\b([A-Z][A-Z0-9_]*)\(\s*(\w+)\s*\)")
_OUTSIDE_BRACES = regex(r"\{\{.*?(?:\}\}|(?=\n)|\Z)|(?<![\w.])[A-Za-z_]\w*(?![\w.])")
_WORD = regex(r"(?<![\w.])[A-Za-z_]\w*(?![\w.])")


class Parameter(Struct, frozen=True):
    """A parameter of an op: what kind of argument it takes, and what becomes of that."""

    name: str
    kind: Kind
    use: Use


class Op(Struct, frozen=True):
    """An op: a name that hand-written assembly uses instead of the instructions in `replaces`.

    `group` is what the op is about (`class` in YAML). `parentheses` is false for an op that is written without them.
    `extension` marks an op that Linux does not have. `line` is where it stands in the catalog's file.
    """

    name: str
    parameters: tuple[Parameter, ...]
    replaces: str
    group: str
    doc: str
    parentheses: bool
    extension: bool
    line: int

    @property
    def signature(self) -> str:
        """The op as it is written, with the names of its parameters: `MOV_FROM_IPSR(pred, reg)`."""
        if not self.parentheses:
            return self.name
        return f"{self.name}({', '.join(parameter.name for parameter in self.parameters)})"


class Block(Struct, frozen=True):
    """A macro of the source, of several instructions, that an instance may replace whole; its parameters are text.

    `otherwise` is the macro of the source that it is if the instance does not replace it.
    """

    name: str
    parameters: tuple[str, ...]
    otherwise: str
    doc: str

    @property
    def kept(self) -> str:
        """The C preprocessor symbol whose definition leaves the name alone, for an instance that replaces the block."""
        return f"PVASM_BLOCK_{self.name}"


class Intrinsic(Struct, frozen=True):
    """A function or macro of C that is paravirtualized: what it is on bare hardware, and the ops that it stands for."""

    name: str
    native: str
    ops: tuple[str, ...]


class Catalog(Struct, frozen=True):
    """All ops by name, and what else their patterns speak of.

    `tables` are the C tables that an instance fills, `machine_vector` the members of the platform's, with the functions
    that serve them where it has none (None: nothing does). With `asks_for_extension`, an instruction that an op of the
    extension stands for should be that op; without, such an op is known where it is used, and nothing more.
    `intrinsics` are C's, and `intrinsic_layers` how the names begin of what these are made of.
    """

    path: str
    ops: Mapping[str, Op]
    constants: Mapping[str, str]
    operand_macros: Mapping[str, str]
    kernel_registers: Mapping[str, int]
    tables: Mapping[str, Table] = {}
    blocks: Mapping[str, Block] = {}
    machine_vector: Mapping[str, str | None] = {}
    intrinsics: Mapping[str, Intrinsic] = {}
    intrinsic_layers: tuple[str, ...] = ()
    asks_for_extension: bool = False

    def asks_for(self, op: Op) -> bool:
        """Whether an instruction that `op` stands for should be the op."""
        return self.asks_for_extension or not op.extension

    def replaced(self, op: Op, arguments: Mapping[str, str], constants: Mapping[str, str] | None = None) -> str:
        """The instructions that `op` stands for, with these arguments, on one line.

        `constants` hold instead of the catalog's own.
        Raises RegisterNotKnownError where the number of a kernel register is needed and its name does not tell.
        """
        values = {**(self.constants if constants is None else constants), **arguments}
        text = _OPERAND_MACRO.sub(lambda found: self.operand(found[1], arguments.get(found[2], found[2])), op.replaces)
        return _WORD.sub(lambda found: values.get(found[0], found[0]), text)

    def template(self, op: Op) -> str:
        """The instructions that `op` stands for, as an instance's template: a line for each instruction and stop."""
        names = {parameter.name for parameter in op.parameters} | set(self.constants)
        text = _OPERAND_MACRO.sub(
            lambda found: self.operand_macros[found[1]].replace("{number}", f"{{{{ {found[2]}.number }}}}"), op.replaces
        )
        text = _OUTSIDE_BRACES.sub(lambda found: f"{{{{ {found[0]} }}}}" if found[0] in names else found[0], text)
        lines = text.replace(";;", " ;;\n").replace("; ", "\n").split("\n")
        return "\n".join(" ".join(line.split()) for line in lines if line.strip())

    def operand(self, macro: str, argument: str) -> str:
        """What a macro in operand position stands for: `IA64_KR(CURRENT)` is `ar.k6`.

        Raises KeyError for a macro that is not in the catalog, RegisterNotKnownError for an argument that is no kernel
        register's name.
        """
        if argument not in self.kernel_registers:
            raise RegisterNotKnownError(argument)
        return self.operand_macros[macro].replace("{number}", str(self.kernel_registers[argument]))
