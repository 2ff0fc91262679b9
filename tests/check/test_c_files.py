"""C is checked: the inline assembly in it, and its calls of native intrinsics (issue 12, 5)."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pvasm.asm.inline_assembly import inline_assembly
from pvasm.check.c_files import CAnswer, check_c
from pvasm.check.checker import Checker
from pvasm.check.diagnostic import Diagnostic
from pvasm.check.settings import BareFiles, Settings
from pvasm.errors import PvasmError
from tests.cli.command import pvasm
from tests.corpus import build as corpus_build


def answered(text: str, settings: Settings = Settings(use_cache=False), path: str = "a.c") -> CAnswer:  # noqa: B008
    """All that there is to say of a C text."""
    checker = Checker(settings)
    return check_c(
        text,
        path,
        checker.rules,
        lambda made: checker.subject(made, path, is_c=True),
        find_unused=settings.find_unused,
    )


def found_in(text: str, settings: Settings = Settings(use_cache=False), path: str = "a.c") -> list[Diagnostic]:  # noqa: B008
    """What is found in a C text that is sound as a whole."""
    answer = answered(text, settings, path)
    assert answer.errors == []
    return answer.diagnostics


def told(text: str, **settings: object) -> list[tuple[str, int, int, str]]:
    """The code, line, column and text of each finding."""
    made = Settings(use_cache=False, **settings)  # type: ignore[arg-type]
    return [(each.code, each.line, each.column, each.instruction) for each in found_in(text, made)]


# ------------------------------------------------------------------------------ against a text search

# What a reader takes for sensitive or privileged in inline assembly, by the manual (SDM 2, 11.7; 3:2), with operands of
# the compiler's; written without a look at pvasm's table.
_ALONE = r"cover|thash|ttag|fc(?:\.i)?|ssm|rsm|bsw\.[01]|rfi|itc\.[id]|itr\.[id]|ptc\.(?:l|g|ga|e)|ptr\.[id]|tpa|tak"
_INDEXED = r"(?:rr|pkr|dbr|ibr|pmc|msr)\["
MATTERS = re.compile(
    rf"(?:\(p\w+\)\s*)?(?:(?:{_ALONE})\b"
    rf"|mov(?:\.[mi])?\s*(?:cr|psr\.l|{_INDEXED}|pmd\[|ar\.k\d|ar\.itc|ar\.eflag|ar%)[^=]*="
    rf"|mov(?:\.[mi])?\s[^=]*=\s*(?:cr[.%]|psr\s*$|{_INDEXED}|pmd\[|cpuid\[|ar\.itc|ar%))"
)
_COMMENT_OR_STRING = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\])*"', re.S)
_STATEMENT = re.compile(r"\b(?:asm|__asm__|__asm)\b\s*(?:(?:volatile|__volatile__|goto|inline)\b\s*)*\(")
_LITERAL = re.compile(r'(?:\s|\\\n)*"((?:\\.|[^"\\])*)"', re.S)


def searched(text: str) -> Counter[int]:
    """How many statements that matter a text search finds, by the line that they begin in."""
    clean = _COMMENT_OR_STRING.sub(lambda m: m[0] if m[0][0] == '"' else re.sub(r"[^\n]", " ", m[0]), text)
    lines: Counter[int] = Counter()
    for asm in _STATEMENT.finditer(clean):
        at, characters = asm.end(), []
        while literal := _LITERAL.match(clean, at):
            at = literal.end()
            characters += [(character, literal.start(1) + n) for n, character in enumerate(literal[1])]
        flat = "".join(character for character, _ in characters)
        ends = re.sub(r"\\n", ";;", re.sub(r"\\[^n]", "  ", flat))
        for each in re.finditer(r"[^;]+", ends):
            statement = each[0]
            if MATTERS.match(statement.strip()):
                start = each.start() + len(statement) - len(statement.lstrip())
                lines[text.count("\n", 0, characters[start][1]) + 1] += 1
    return lines


def c_files() -> Iterator[Path]:
    root = corpus_build.corpus().root / "tree/arch/ia64"
    yield from (path for path in sorted(root.rglob("*.[ch]")) if not path.name.endswith(("minstate.h", "mca_asm.h")))


def test_all_that_a_text_search_finds_in_linux_and_no_more() -> None:
    """Acceptance 6, with Linux 6.1's arch/ia64: files with inline assembly and files without."""
    if reason := corpus_build.available():
        pytest.skip(reason)
    number = files = 0
    for path in c_files():
        text = path.read_text(encoding="utf-8", errors="surrogateescape")
        diagnostics = found_in(text, Settings(use_cache=False, select=("PV001", "PV002", "PV003")), str(path))
        assert Counter(each.line for each in diagnostics) == searched(text), path
        number += len(diagnostics)
        files += 1
    assert (files > 200, number) == (True, 40)  # 40: `grep`, and a look at each


def test_the_text_search_sees_what_it_should() -> None:
    text = 'asm ("fc %0;; mov %1=ar.itc\\n\\tmov %0=%1" :: "r"(x));\n/* asm("fc") */\n__asm__ ("ss" "m psr.i");'
    assert searched(text) == Counter({1: 2, 3: 1})


# ----------------------------------------------------------------------------------------- templates


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('asm volatile ("fc %0" :: "r"(x));', [("PV001", 1, 16, "fc %0")]),
        ('__asm__ __volatile__ ("fc %[addr]"::[addr] "r"(x));', [("PV001", 1, 24, "fc %[addr]")]),
        ('asm goto ("(p6) cover\\n\\tbr %l0" :::: out);', [("PV001", 1, 12, "(p6) cover")]),
        ('asm("nop 0\\n\\t;;fc.i %1;;\\nmov %0=cr.ivr":"=r"(y):"r"(x));', [
            ("PV001", 1, 17, "fc.i %1"), ("PV002", 1, 28, "mov %0=cr.ivr"),
        ]),
        ('asm("mov %0="\n    "ar.itc" : "=r"(x));', [("PV001", 1, 6, 'mov %0="\n    "ar.itc')]),
        ('asm("mov %0=a" /* half */\n\n  "r.itc" : "=r"(x));', [("PV001", 1, 6, 'mov %0=a" /* half */\n\n  "r.itc')]),
        ('asm("\\x66\\143 %0");', [("PV001", 1, 6, "\\x66\\143 %0")]),
        ('asm("f\\\nc %0");', [("PV001", 1, 6, "f\\\nc %0")]),
        ('asm("mov cr%0=%1" :: "i"(n), "r"(x));', [("PV002", 1, 6, "mov cr%0=%1")]),
        ('asm("mov %0=ar%1" : "=r"(x) : "i"(n));', [("PV001", 1, 6, "mov %0=ar%1")]),
        ('asm("mov ar%0=%1" :: "i"(n), "r"(x));', [("PV002", 1, 6, "mov ar%0=%1")]),
        ('asm("mov %0=cr." #name : "=r"(x));', []),  # `#' is no C outside of a macro
        ('asm(".pushsection .gate.text\\n cover\\n .popsection\\n fc r8");', [("PV001", 1, 54, "fc r8")]),
        ('if (x) asm("cover"); else asm("rfi");', [("PV001", 1, 13, "cover"), ("PV002", 1, 32, "rfi")]),
        ('f(asm("fc r8"));', [("PV001", 1, 8, "fc r8")]),
    ],
)  # fmt: skip
def test_what_stands_in_a_template(text: str, expected: list[tuple[str, int, int, str]]) -> None:
    if "#name" in text:
        text = f"#define GET(name) {text}"
        expected = [("PV002", 1, 24, 'mov %0=cr." #name')]
    assert told(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        'register long r8 asm ("r8");',
        'extern int flush(void) asm("fc");',
        'extern int flush asm("cover");',
        'asm("// fc %0\\n\\tnop 0 /* fc %1\\n */; # cover\\n#rfi\\n");',
        'char *s = "fc r8"; /* asm("fc r8") */ // asm("fc r8")',
        'printf("asm(\\"fc r8\\")"); x = \'"\'; y = "fc r8";',
        'asm("mov %0=%1" : "=r"(x) : "r"(y)); asm("mov r8=ip"); asm(""); asm volatile ("" ::: "memory");',
        'asm("nop 0" :: "r"("fc r8")); asm(".string \\"fc r8\\"");',
        '#if 0\nasm("fc r8");\n#endif',
        '#ifdef __IA64_ASM_PARAVIRTUALIZED_NATIVE\nasm("fc r8");\n#endif',
        "int cover; int fc(int x); fc (x); rfi;",
        "",
    ],
)
def test_what_is_none(text: str) -> None:
    assert told(text) == []


def test_both_arms_and_macros_bodies_are_read() -> None:
    text = """\
#ifdef CONFIG_SMP
#define FLUSH(x) do { asm volatile ("fc %0;;\\n" /* not alone */ \\
\t"cover" :: "r"(x)); } while (0)
# else
static inline void flush(void *x) {
\tasm ("fc.i %0" :: "r"(x));
}
#endif
struct ops ops = {
#ifdef CONFIG_X
\t.flush = FLUSH,
#endif
};
asm ("thash r8=r9");
"""
    assert told(text) == [
        ("PV001", 2, 38, "fc %0"),
        ("PV001", 3, 3, "cover"),
        ("PV001", 6, 8, "fc.i %0"),
        ("PV001", 14, 7, "thash r8=r9"),
    ]


def test_what_to_write_instead_is_an_intrinsic() -> None:
    text = 'asm("fc %0"); asm("mov %0=psr"); asm("rfi"); asm("ptc.ga %0,%1"); asm("ptc.e %0");'
    assert [each.message for each in found_in(text)] == [
        "sensitive instruction used directly: use ia64_fc",
        "privileged instruction used directly: use ia64_getreg",
        "privileged instruction used directly; no intrinsic replaces it, so it traps in a guest (in assembly: RFI)",
        "privileged instruction used directly: use ia64_ptcga",
        "privileged instruction used directly; no intrinsic replaces it, so it traps in a guest",
    ]


MACROS = """\
#define __FUNCTION(name, code) \\
\tasm (".align 32\\n" #name ":\\n" code "br.ret.sptk b0\\n")
#define FUNCTION(name, type, code) extern type name; __FUNCTION(name, code)
#define GET(id, reg) "cmp.eq p6,p0=" __stringify(id) ",r8 ;;\\n" \\
\t"(p6) mov r8=" #reg "\\n"
#define GET_CR(id, reg) GET(CR_ ## id, cr.reg)
#define FLUSH "fc r8 ;;\\n"
FUNCTION(flush, void, "fc.i r8\\n"
\t"sync.i\\n");
__FUNCTION(getreg, GET(GP, gp)
\tGET(PSR, psr)
#ifdef X
\tGET_CR(IVR, ivr)
#endif
\t"mov r8=-1\\n");
void f(void) { asm volatile (FLUSH "nop 0"); }
OTHER("fc r8");
"""


def test_templates_that_macros_take_and_make() -> None:
    """Linux's paravirt.c writes all its native functions so."""
    assert told(MACROS) == [
        ("PV001", 8, 24, "fc.i r8"),
        ("PV002", 11, 2, "GET(PSR, psr)"),
        ("PV002", 13, 2, "GET_CR(IVR, ivr)"),
        ("PV001", 16, 30, "FLUSH"),
    ]


MORE_MACROS = """\
#define OPERATION(name, bits) asm volatile (#name " " #bits ";;\\n" "cover" ::: "memory")
#define PARTS(t, ...) __asm__ (t __VA_ARGS__)
#define GNU(t, rest...) asm (t : rest)
#define also also_asm
#define also_asm __asm volatile
#define CAT(a, b) a ## b
#define RSM "rsm psr.i"
#define WITH_STOP(text) text " ;;"
#define ENDED(end) asm ("cover" end)
#define READ(name) asm ("mov %0=ar." #name : "=r"(x))
#define TWICE(text) do { OUTER(asm(text)); } while (0)
#define OUTER(x) x
OPERATION(rsm, psr.i);
OPERATION(nop, 0);
PARTS("nop 0;;" "rsm psr.i", : : : "memory");
GNU("rsm psr.i", "=r"(x) : "r"(y));
also("rsm psr.i");
asm(WITH_STOP(RSM));
asm UNKNOWN_QUALIFIER (CAT(R, SM));
READ(itc);
TWICE("nop 0; rsm psr.i");
TWICE(WITH_STOP(RSM));
OUTER(asm("rsm psr.i"));
PARTS("nop 0", : : "r"(ia64_native_getreg(_IA64_REG_PSR)));
#ifdef X
#define STEP "rsm psr.i"
#else
#define STEP "nop 0"
#endif
PARTS(STEP);
ENDED(" ;;");
"""


def test_what_macros_and_their_arguments_make_together() -> None:
    """Where it is put together, and what a body has alone where it stands."""
    assert told(MORE_MACROS) == [
        ("PV001", 1, 69, "cover"),
        ("PV001", 10, 26, 'mov %0=ar." #name'),
        ("PV002", 13, 1, "OPERATION(rsm, psr.i)"),
        ("PV002", 15, 18, "rsm psr.i"),
        ("PV002", 16, 6, "rsm psr.i"),
        ("PV002", 17, 7, "rsm psr.i"),
        ("PV002", 18, 15, "RSM"),
        ("PV002", 19, 24, "CAT(R, SM)"),
        ("PV002", 21, 15, "rsm psr.i"),
        ("PV002", 22, 17, "RSM"),
        ("PV002", 23, 12, "rsm psr.i"),
        ("PV005", 24, 24, "ia64_native_getreg"),
        ("PV002", 30, 7, "STEP"),
        ("PV001", 31, 1, 'ENDED(" ;;")'),
    ]


DEFINED_AGAIN = """\
#define X "rsm psr.i"
void f(void) { asm(X); }
#undef X
#define X "nop 0"
void g(void) { asm(X); }
#ifdef A
#define Y "rsm psr.i"
#elif defined(B)
#define Y "cover"
#else
#define Y "nop 0"
#endif
void h(void) { asm(Y); }
#ifdef D
#define W "rsm psr.i"
void i(void) { asm(W); }
#else
#define W "nop 1"
void j(void) { asm(W); }
#endif
#undef Y
void k(void) { asm(Y); asm(LATE); }
#define LATE "rsm psr.i"
#define Q() asm(QQ)
#define QQ "ssm psr.i"
void l(void) { Q(); }
#define SECOND(a, b) b
void m(void) { asm(SECOND(SECOND(SECOND(i, " ;;"), cr.ivr), "cover")); }
"""


def test_which_definition_of_a_macro_counts() -> None:
    """By the place, by `#undef`, by the arms around; in a macro's body any. The last line is what no parser takes."""
    assert told(DEFINED_AGAIN) == [
        ("PV002", 2, 20, "X"),
        ("PV001", 13, 20, "Y"),
        ("PV002", 13, 20, "Y"),
        ("PV002", 16, 20, "W"),
        ("PV002", 24, 17, "QQ"),
        ("PV001", 28, 62, "cover"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "#define A(x) asm(x) A(A(x))\nA(A(A(A(" + "A(" * 5000,
        "".join(f"#define A{n}(x) A{n + 1}(x) A{n + 1}(x)\n" for n in range(300)) + "#define A300(x) asm(x)\nA0('a')",
        "".join(f'#define A{n} A{n + 1} A{n + 1} "b"\n' for n in range(300)) + "asm(A0);",
        "#define A(x) " + "asm(" * 5000 + "x",
        '#define A(x) A(x) #x "\\n"\nasm(A(A(A("fc r8"))));',
    ],
    ids=["calls in calls", "a chain", "doubling", "asm in asm", "itself"],
)
def test_macros_that_never_end_end(text: str) -> None:
    """All that they make is looked at, or it is said that not all is."""
    goes_on = "A0" in text or "A(A(A(A(A(" in text
    said = ["macros make too much in it: not all inline assembly was looked at"] if goes_on else []
    assert [each.message for each in answered(text).errors] == said


# ----------------------------------------------------------------------------------------- intrinsics

CALLS = """\
#define ia64_native_get_psr_i() (ia64_native_getreg(_IA64_REG_PSR) & 1)
#define paravirt_ssm(mask) do { ia64_native_ssm(mask); } while (0)
#define OTHER(x) ia64_native_rsm(x)
unsigned long ia64_native_getreg_func(int r) { return ia64_native_getreg(r); }
static unsigned long __init *mine(void)
{
\tunsigned long (*f)(int) = ia64_native_getreg_func;
\treturn (void *) (ia64_native_getreg(_IA64_REG_AR_ITC) + ia64_getreg(3));
}
"""


def test_native_intrinsics_are_called_where_they_are_defined_alone() -> None:
    assert told(CALLS) == [("PV005", 3, 18, "ia64_native_rsm"), ("PV005", 8, 19, "ia64_native_getreg")]
    assert found_in(CALLS)[1].message == "the instruction itself, whatever the kernel runs on: call ia64_getreg"
    assert told(CALLS, bare_files=BareFiles(".", ("a.c",))) == []


# --------------------------------------------------------------------------------------- suppressions


def test_comments_of_c_speak_to_pvasm() -> None:
    text = """\
asm("fc r8");\t/* pvasm: ignore[PV001] firmware's */
/* pvasm: ignore[PV001] the next line */
asm("fc r8");
asm("fc r8"); // pvasm: ignore[PV002]
#define F asm("fc r8" /* pvasm: ignore */)
/* pvasm: user-level begin */
asm("cover");
/* pvasm: user-level end */
"""
    assert told(text) == [("PV001", 4, 6, "fc r8"), ("PV900", 4, 18, "pvasm: ignore[PV002]")]


# ------------------------------------------------------------------------------------------- headers

MIXED = """\
#ifdef __ASSEMBLY__
# define GET(reg) mov reg=cr.ivr
#else
# define get(x) asm("mov %0=psr" : "=r"(x))\t/* pvasm: ignore[PV002] C's */
static inline void flush(void *x) { asm volatile ("fc %0" :: "r"(x)); }
#endif
"""


def test_a_header_that_is_named_is_assembly_and_c(tmp_path: Path) -> None:
    (tmp_path / "mixed.h").write_text(MIXED)
    named = pvasm("check", "mixed.h", "--output-format", "json", cwd=tmp_path)
    assert [(one["code"], one["line"], one["column"]) for one in map(json.loads, named.output.splitlines())] == [
        ("PV002", 2, 19),
        ("PV001", 5, 52),
    ]
    again = pvasm("check", "mixed.h", "--output-format", "json", cwd=tmp_path)
    assert again == named
    folder = pvasm("check", ".", "--output-format", "json", cwd=tmp_path)
    assert [json.loads(line)["line"] for line in folder.output.splitlines()] == [2]  # as assembly alone


def test_the_command_line(tmp_path: Path) -> None:
    (tmp_path / "a.c").write_text('void f(void *x)\n{\n\tasm volatile ("fc %0" :: "r"(x));\n}\n')
    done = pvasm("check", "a.c", cwd=tmp_path)
    assert (done.status, done.errors) == (1, "")
    assert done.output == (
        "a.c:3:17: PV001 error: sensitive instruction used directly: use ia64_fc\n"
        '    \tasm volatile ("fc %0" :: "r"(x));\n'
        "    \t               ^~~~~\n"
        "1 error in 1 file\n"
    )
    fixed = pvasm("check", "--fix", "a.c", cwd=tmp_path)
    assert fixed.output == done.output
    (tmp_path / "b.c").write_text("int x;\n")
    assert pvasm("check", "b.c", cwd=tmp_path).output == "nothing found in 1 file\n"
    (tmp_path / "c.c").write_text('#if X\nasm("fc r8");\n')
    wrong = pvasm("check", "c.c", cwd=tmp_path)
    assert wrong.status == 2
    assert wrong.error_lines[0].startswith("pvasm: error: c.c:1:1: ")


# ------------------------------------------------------------------------------------------- hostile


def test_a_text_that_is_too_large_is_refused() -> None:
    with pytest.raises(PvasmError, match="larger than 4 MiB"):
        found_in('asm("fc r8");\n' + " " * (4 << 20))


PIECES = st.sampled_from(
    (
        *(
            'asm("fc %0")',
            "asm",
            "(",
            ")",
            '"',
            "'",
            "\\\n",
            "\n",
            "#define X ",
            "#if X\n",
            "#endif\n",
            "/*",
            "*/",
            "//",
        ),
        *(
            "%[",
            "volatile",
            "{",
            "}",
            ";",
            "mov %0=cr.",
            "f(void)",
            "int ",
            ":",
            "é",
            "\\",
            "#",
            "ia64_native_fc(",
            "\x00",
        ),
        "pvasm: ",
    )
)


@given(st.lists(PIECES, max_size=40).map("".join))
def test_whatever_stands_there_each_character_has_a_place(text: str) -> None:
    made = inline_assembly(text, {"ia64_native_fc"}, ("ia64_native_",))
    assert len(made.text) == len(made.starts) == len(made.ends)
    pairs = list(zip(made.starts, made.ends, strict=True))
    assert all(0 <= start <= end <= len(text) for start, end in pairs)
    clean = text.replace("\x00", " ")
    for each in answered(clean).diagnostics:
        line = clean.split("\n")[each.line - 1]
        assert 1 <= each.column <= len(line) + 1


@given(st.text(alphabet="ab\"'\\/*#\n (", max_size=30), st.text(alphabet="; \n", max_size=20))
def test_a_statement_is_found_wherever_it_stands(before: str, after: str) -> None:
    """Behind anything that is closed: the rest is code again."""
    text = f'/*{before.replace("*/", "")}*/\n{after}asm("fc r8");'
    if before.replace("*/", "").endswith("*"):
        return
    assert [each.code for each in found_in(text)] == ["PV001"]
