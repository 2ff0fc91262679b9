"""What is exposed in decoded instructions: the account of sources (`exposure.py`), asked of an object's code."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from pvasm.asm.reading import assembly_parser
from pvasm.asm.scope import Scope
from pvasm.asm.sensitivity import class_of
from pvasm.check.exposure import Exposure
from pvasm.isa.instruction import Instruction
from pvasm.paravirt.patterns import Patterns
from pvasm.syntax import tree


class DecodedExposures:
    """Tells of decoded instructions how they mind the privilege level, and which ops replace them."""

    def __init__(self, patterns: Patterns) -> None:
        self.patterns = patterns
        self._scope = Scope()

    def exposure(self, run: Sequence[Instruction]) -> Exposure | None:
        """The exposure of the first instruction of a run; None for one that minds no level. Its span is its text's."""
        found = class_of(run[0].form)
        if found is None:
            return None
        pairs = list(self._written(run))
        text = _text(run[0])
        if not pairs:
            return Exposure(found, 0, len(text), text, ())
        statements, texts = zip(*pairs, strict=True)
        uses = tuple(self.patterns.uses(statements, texts, self._scope))
        extension = "" if uses else self.patterns.in_extension(statements[0], texts[0], self._scope)
        return Exposure(found, 0, len(text), text, uses, extension=extension)

    def _written(self, run: Iterable[Instruction]) -> Iterator[tuple[tree.Instruction, str]]:
        """The instructions as source has them, as far as they can be read so."""
        for each in run:
            text = _text(each)
            chunk = assembly_parser().chunk(text)
            if len(chunk) != 1 or not isinstance(chunk[0], tree.Instruction):
                return
            yield chunk[0], text


def _text(instruction: Instruction) -> str:
    return f"(p{instruction.predicate}) {instruction.text}" if instruction.predicate else instruction.text
