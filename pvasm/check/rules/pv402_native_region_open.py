"""PV402: a conditional for bare hardware that holds parts of functions."""

from __future__ import annotations

from collections.abc import Iterator

from pvasm.check.example import Flagged
from pvasm.check.finding import Finding
from pvasm.check.rule import Rule
from pvasm.check.subject import Subject

_NATIVE = "#ifdef __IA64_ASM_PARAVIRTUALIZED_NATIVE"


class NativeRegionLeftOpen(Rule):
    """Code under `#ifdef __IA64_ASM_PARAVIRTUALIZED_NATIVE` may hold whole functions, or parts within one.

    Where it begins in one function and ends in another, an `#endif` is missing or in the wrong place: bare hardware
    gets all of the code, and other instances get the end of a function without its beginning, or fall from one into
    the next. Functions are what stands between `.proc` and `.endp`, or macros with these in them.
    """

    code = "PV402"
    title = "code for bare hardware alone that holds parts of functions"
    severity = "error"
    in_mixed_headers = False
    invalid = (
        Flagged(
            "\t.proc a\n"
            "a:\n"
            "«#ifdef __IA64_ASM_PARAVIRTUALIZED_NATIVE»\n"
            "\tnop 0\n"
            "\t.endp a\n"
            "\t.proc b\n"
            "b:\n"
            "#endif\n"
            "\tnop 0\n"
            "\t.endp b",
            "this code for bare hardware alone, to line 8, begins in a and ends in b: other instances get "
            "parts of both; is an #endif missing, or misplaced?",
        ),
        Flagged(
            "GLOBAL_ENTRY(a)\n"
            "«#ifdef __IA64_ASM_PARAVIRTUALIZED_NATIVE»\n"
            "\tnop 0\n"
            "END(a)\n"
            "GLOBAL_ENTRY(b)\n"
            "#endif\n"
            "END(b)",
            "this code for bare hardware alone, to line 6, begins in a and ends in b: other instances get "
            "parts of both; is an #endif missing, or misplaced?",
        ),
        Flagged(
            "«#ifdef __IA64_ASM_PARAVIRTUALIZED_NATIVE»\nENTRY(a)\nEND(a)\nENTRY(b)\n#endif\n\tnop 0\nEND(b)",
            "this code for bare hardware alone, to line 5, begins the function b, and other instances get "
            "the rest of it; is an #endif missing, or misplaced?",
        ),
        Flagged(
            "#define BEGIN(f) .proc f; f:\n"
            "«#ifdef __IA64_ASM_PARAVIRTUALIZED_NATIVE»\n"
            "\tBEGIN(a)\n"
            "#endif\n"
            "\tnop 0\n"
            "\t.endp a",
            "this code for bare hardware alone, to line 4, begins the function a, and other instances get "
            "the rest of it; is an #endif missing, or misplaced?",
        ),
        Flagged(
            "ENTRY(a)\n«#ifdef __IA64_ASM_PARAVIRTUALIZED_NATIVE»\n\tnop 0\nEND(a)\n#else\n\tnop 1\n#endif",
            "this code for bare hardware alone, to line 5, ends the function a, and other instances get the "
            "beginning of it; is an #endif missing, or misplaced?",
        ),
    )
    valid = (
        f"{_NATIVE}\nENTRY(a)\n\tnop 0\nEND(a)\nENTRY(b)\nEND(b)\n#endif",
        f"ENTRY(a)\n{_NATIVE}\n\tnop 0\n#else\n\tnop 1\n#endif\nEND(a)",
        f"{_NATIVE}\nENTRY(a)\n#else\nENTRY(b)\n#endif\n\tnop 0\nEND(a)",
        f"{_NATIVE}\nENTRY(a)\n#endif\n\tnop 0\n{_NATIVE}\nEND(a)\n#endif",
        "ENTRY(a)\n#ifdef CONFIG_SMP\nEND(a)\nENTRY(b)\n#endif\nEND(b)",
        f"#define STUB(f) .proc f; f: br.ret.sptk.many rp; .endp f\nENTRY(a)\n{_NATIVE}\nSTUB(b)\n#endif\nEND(a)",
        f"{_NATIVE}\n#ifdef A\nENTRY(a)\n#else\nENTRY(b)\n#endif\nEND(a)\n#endif",
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Every arm for bare hardware alone that does not hold whole functions."""
        if subject.document.preprocessed or "#" not in subject.document.text:
            return
        from pvasm.check.native_only import find_open_regions

        for region in find_open_regions(subject):
            yield Finding(*region)
