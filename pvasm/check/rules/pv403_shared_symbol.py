"""PV403: a global symbol that several instances define under one name."""

from __future__ import annotations

from collections.abc import Iterator

from pvasm.check.example import Flagged
from pvasm.check.finding import Finding
from pvasm.check.op_uses import invocations_of
from pvasm.check.rule import Rule
from pvasm.check.subject import Subject

_NATIVE = "#ifdef __IA64_ASM_PARAVIRTUALIZED_NATIVE"
_SEVERAL = f"{_NATIVE}\n#define A 1\n#endif\n"  # tells that the file is compiled for several instances


class SharedGlobalSymbol(Rule):
    """A file that uses ops is compiled once for each instance, and the variants are linked into one kernel.

    So a global symbol in it needs a name of its own in each: by a `#define` under the instance's condition, or by what
    the instance says (`renames` in its file; Linux's names `__paravirt_...` are among them). What is the same for all
    instances belongs under the condition of one of them, or in a file without ops. Nothing is asked of local symbols,
    of weak ones, or where one instance alone is in question; nor, unless the instances were named, of a file that has
    no condition on an instance and no name that instances change.
    """

    code = "PV403"
    title = "global symbol that several instances define"
    severity = "warning"
    in_mixed_headers = False
    invalid = (
        Flagged(
            "#ifdef __IA64_ASM_PARAVIRTUALIZED_NATIVE\n#define A 1\n#endif\n\t.global handler\n«handler»:\n\tCOVER",
            "instances native, trap and xen both define handler, so they cannot be linked together: rename "
            "it for each, or define it for one alone",
        ),
        Flagged(
            "#ifdef __IA64_ASM_PARAVIRTUALIZED_NATIVE\n"
            "#define A 1\n"
            "#endif\n"
            "GLOBAL_ENTRY(«handler»)\n"
            "\tCOVER\n"
            "END(handler)",
            "instances native, trap and xen both define handler, so they cannot be linked together: rename "
            "it for each, or define it for one alone",
        ),
        Flagged(
            "#ifdef __IA64_ASM_PARAVIRTUALIZED_NATIVE\n"
            "#define A 1\n"
            "#endif\n"
            "#define FUNCTION(name) .global name; .proc name; name:\n"
            "\tFUNCTION(«handler»)\n"
            "\tCOVER",
            "instances native, trap and xen both define handler, so they cannot be linked together: rename "
            "it for each, or define it for one alone",
        ),
        Flagged(
            "#define handler common\n\t.globl handler\n«handler»:\n\tCOVER\n\tbr.cond.sptk __paravirt_leave_kernel",
            "instances native, trap and xen both define common, so they cannot be linked together: rename it "
            "for each, or define it for one alone",
        ),
        Flagged(
            "#ifdef __IA64_ASM_PARAVIRTUALIZED_NATIVE\n"
            "#define A 1\n"
            "#endif\n"
            "\t.global table\n"
            "\tCOVER\n"
            "\t.data\n"
            "«table»:\n"
            "\tdata8 0",
            "instances native, trap and xen both define table, so they cannot be linked together: rename it "
            "for each, or define it for one alone",
        ),
    )
    valid = (
        "\t.global handler\nhandler:\n\tCOVER",
        f"{_NATIVE}\n\tnop 0\n#endif\n\t.global handler\nhandler:\n\tcover",
        "\tbr.cond.sptk __paravirt_leave_kernel\n\t.global elsewhere\nhandler:\n\tCOVER\n\tbr.cond.sptk elsewhere",
        "\tbr.cond.sptk __paravirt_leave_kernel\n\t.weak handler\n\t.global handler\nhandler:\n\tCOVER",
        f"{_NATIVE}\n\tnop 0\n#endif\n\t.global ia64_ivt\nia64_ivt:\n\tCOVER",
        "GLOBAL_ENTRY(__paravirt_leave_kernel)\n\tCOVER",
        f"{_NATIVE}\n\t.global handler\nhandler:\n\tnop 0\n#endif\n\tCOVER",
        f"{_NATIVE}\n#define handler native_handler\n#endif\n\t.global handler\nhandler:\n\tCOVER",
        f"{_NATIVE}\n#define S(n) native_##n\n#else\n#define S(n) xen_##n\n#endif\n#define handler S(handler)\n"
        "\t.global handler\nhandler:\n\tCOVER",
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Every definition of a symbol that has the same name in two instances."""
        if len(subject.instance_names) < 2 or not subject.named or not subject.of(invocations_of).known:
            return
        from pvasm.check.symbols import find_shared_symbols

        for start, end, name, instances in find_shared_symbols(subject):
            *others, last = instances
            message = f"instances {', '.join(others)} and {last} both define {name}, so they cannot be linked together"
            yield Finding(start, end, f"{message}: rename it for each, or define it for one alone")
