"""PV405: an op used in a file that includes no header which defines it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pvasm.check.example import Flagged
from pvasm.check.finding import Finding
from pvasm.check.op_uses import invocations_of
from pvasm.check.rule import Rule
from pvasm.check.subject import Subject
from pvasm.regex import regex
from pvasm.syntax.tokens import whole_words

_INCLUDED = regex(r'["<]([^"<>]+)[">]')


class NoHeader(Rule):
    """Where ops are macros of a header, a file that uses one must include it, or the assembler sees the op's name.

    GNU as takes mnemonics in any case, so `COVER` and `RFI` are assembled as the bare instructions, and no message
    tells. Off unless selected: a file that goes through `pvasm expand` needs no header. Told for the first op of each
    name, and only where all the headers that the file includes are beside it and define none: what others hold is not
    known. Include the header, or expand the file.
    """

    code = "PV405"
    title = "op used without a header that defines it"
    severity = "warning"
    on_by_default = False
    in_mixed_headers = False
    invalid = (
        Flagged(
            "#undef R\n\t«MOV_FROM_IFA(r16)»\n\tMOV_FROM_IFA(r17)",
            "no header that this file includes defines MOV_FROM_IFA: include one, or expand the file",
        ),
        Flagged(
            "#define OTHER(x) x\n\t«MOV_FROM_IFA(r16)»",
            "no header that this file includes defines MOV_FROM_IFA: include one, or expand the file",
        ),
    )
    valid = (
        "#define MOV_FROM_IFA(reg) mov reg = cr.ifa\n\tMOV_FROM_IFA(r16)",
        '#include "elsewhere.h"\n\tMOV_FROM_IFA(r16)',
        ".macro COVER\n\tcover\n\t.endm\n\tCOVER",
        "mov r16 = r17",
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """The first invocation of each op that nothing defines."""
        document = subject.document
        if document.preprocessed or not subject.names_an_op:
            return
        known = [document, *subject.headers]
        named = [name for each in known for name in _INCLUDED.findall(_includes(each.text))]
        found = {path.rpartition("/")[2] for path, _ in subject.included}
        if not {name.rpartition("/")[2] for name in named} <= found:
            return
        defined = {define.name for each in known for define in each.defines}
        defined |= {word for each in known for word in _GAS_MACRO.findall(each.text)}
        for invocation in subject.of(invocations_of).known:
            if invocation.name not in defined and subject.concerns(
                document.statements[invocation.statement].conditions
            ):
                defined.add(invocation.name)
                message = (
                    f"no header that this file includes defines {invocation.name}: include one, or expand the file"
                )
                yield Finding(invocation.start, invocation.end, message)


_GAS_MACRO = regex(r"^[ \t]*\.macro[ \t]+([\w.$]+)", re.MULTILINE)
_INCLUDE_LINE = regex(r"^[ \t]*#[ \t]*include[^\n]*", re.MULTILINE)


def _includes(text: str) -> str:
    """The `#include` lines of a text."""
    return "\n".join(_INCLUDE_LINE.findall(whole_words(text)))
