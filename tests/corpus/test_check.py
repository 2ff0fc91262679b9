"""The checker on real code: every sensitive and privileged instruction, and nothing else."""

from __future__ import annotations

import re
from collections import Counter

from pvasm.check.check_files import CppSettings, Settings, check_files
from pvasm.check.diagnostic import Diagnostic
from tests.corpus.build import Corpus, CorpusFile, Instruction

CODES = ("PV001", "PV002", "PV003")

# What the manual calls privileged (each instruction's page in SDM vol. 3), or what behaves otherwise without a
# fault above privilege level 0 (SDM vol. 2, 11.7), as objdump writes it. This is an oracle of its own: the tool
# asks its table.
EXPOSED = re.compile(
    r"""rfi|cover|bsw\.[01]|vmsw\.[01]
      | (ssm|rsm|thash|ttag|tpa|tak|fc|fc\.i|itc\.[id]|itr\.[id]|ptc\.(l|g|ga|e)|ptr\.[id])[ ]
      | mov(\.m)?[ ]r\d+=(psr$|cr\.|ar\.itc|(rr|pkr|ibr|dbr|pmc|pmd|cpuid|msr)\[)
      | mov(\.m)?[ ](psr\.l|cr\.|ar\.k[0-7]|ar\.itc|ar\.eflag|(rr|pkr|ibr|dbr|pmc|pmd|msr)\[)
    """,
    re.VERBOSE,
)
EXPECTED = {"ivt": 136, "mca_asm": 114, "head": 49, "entry": 23, "pal": 11, "relocate_kernel": 11, "fsys": 5, "gate": 4}
EXPECTED |= {"mca_drv_asm": 3, "flush": 2, "efi_stub": 1, "esi_stub": 1}


AT_USER_LEVEL = {("gate", "cover")}  # in the signal trampoline, where nothing is asked of it (F5)


def exposed(file: CorpusFile) -> list[Instruction]:
    return [
        instruction
        for instruction in file.instructions
        if EXPOSED.match(instruction.text) and (file.name, instruction.text) not in AT_USER_LEVEL
    ]


def diagnostics(path: str, cpp: CppSettings | None = None) -> list[Diagnostic]:
    # What asm/native/inst.h makes of ops is native's code: with --cpp, for another instance that is an error (M13).
    instances = () if cpp is None else ("native",)
    (result,) = check_files([path], Settings(select=CODES, cpp=cpp, instances=instances, use_cache=False))
    assert not result.errors
    return result.diagnostics


def word(instruction: str) -> str:
    """The mnemonic without completers, of an instruction that may have a predicate."""
    return re.sub(r"^\(.*?\)\s*", "", instruction).split()[0].partition(".")[0].rstrip(";")


def test_preprocessed_files(corpus: Corpus) -> None:
    """As many as objdump shows, of each kind, on the lines that they were written on."""
    counts = {}
    for file in corpus.files:
        found = diagnostics(str(file.preprocessed))
        truth = exposed(file)
        assert Counter(word(d.instruction) for d in found) == Counter(i.mnemonic for i in truth), file.name
        if found:
            counts[file.name] = len(found)
    assert counts == EXPECTED
    assert sum(counts.values()) == 360


def test_preprocessing_by_pvasm_finds_the_same(corpus: Corpus) -> None:
    flags = corpus.include_flags
    cpp = CppSettings(
        include_directories=tuple(flag[2:] for flag in flags if flag.startswith("-I")),
        defines=tuple(flag[2:] for flag in flags if flag.startswith("-D")),
        includes=tuple(flags[i + 1] for i, flag in enumerate(flags) if flag == "-include"),
    )
    for file in corpus.files:
        if file.name in ("ivt", "entry", "head", "flush"):
            found = diagnostics(str(file.raw), cpp)
            assert len(found) == EXPECTED[file.name]
            truth = Counter(
                (i.mnemonic, i.line) for i in exposed(file) if i.source and i.source.endswith(file.raw.name)
            )
            ours = Counter((word(d.instruction), d.line) for d in found if d.path.endswith(file.raw.name))
            assert ours == truth


def test_raw_files(corpus: Corpus) -> None:
    """Every instruction that stands in the file's own text, at its line; nothing else.

    What the assembler saw (through the chosen configuration) must all be found where it was written. What is found
    beyond that stands on a line that the assembler got such an instruction from (an invocation makes it), in a macro's
    body, or under a condition that this configuration does not meet, as may what a macro means that is invoked there.
    """
    total = 0
    for file in corpus.files:
        found = Counter(d.line for d in diagnostics(str(file.raw)))
        total += sum(found.values())
        here = [i for i in exposed(file) if i.source is not None and i.source.endswith(f"/{file.raw.name}")]
        truth = Counter(i.line for i in here if i.in_own_text)
        assert not truth - found, file.name
        lines = file.raw.read_text(encoding="latin-1").split("\n")
        seen = {i.line for i in here}
        for line in found:
            is_elsewhere = (
                is_in_define(lines, line) or is_conditional(lines, line) or is_conditionally_made(lines, line)
            )
            assert line in seen or is_elsewhere, f"{file.raw}:{line}"
    assert total > 150


def is_in_define(lines: list[str], line: int) -> bool:
    """Whether a line belongs to a `#define`.

    It or the lines before it, each ending with a backslash, start with one.
    """
    at = line - 1
    while at > 0 and lines[at - 1].endswith("\\"):
        at -= 1
    return re.match(r"\s*#\s*define", lines[at]) is not None


def is_conditional(lines: list[str], line: int) -> bool:
    """Whether a line stands inside an `#if`."""
    depth = 0
    for text in lines[: line - 1]:
        if re.match(r"\s*#\s*if", text):
            depth += 1
        elif re.match(r"\s*#\s*endif", text):
            depth -= 1
    return depth > 0


def is_conditionally_made(lines: list[str], line: int) -> bool:
    """Whether a line invokes a macro that is defined inside an `#if`."""
    words = set(re.findall(r"\w+", lines[line - 1]))
    return any(
        (found := re.match(r"\s*#\s*define\s+(\w+)", text)) and found[1] in words and is_conditional(lines, number)
        for number, text in enumerate(lines, 1)
    )


WRITTEN = re.compile(  # an exposed instruction as people write it, in a line without comments
    r"(?<![\w.])(bsw\.[01]|rfi|tpa|ssm|rsm|cover)\b|(?<![\w.])mov(\.m)?\s+\S+\s*=\s*(psr\b|cr\.|ar\.itc)|mov\s+(psr\.l|cr\.\w+)\s*="
)


def test_headers(corpus: Corpus) -> None:
    """Macros that every file uses are found where they are defined."""
    for name in ("kernel/minstate.h", "include/asm/mca_asm.h"):
        path = corpus.root / "tree/arch/ia64" / name
        code = re.sub(r"/\*.*?\*/", lambda m: re.sub(r"[^\n]", " ", m[0]), path.read_text(), flags=re.S)
        code = re.sub(r"//[^\n]*", "", code)
        written = Counter(n for n, line in enumerate(code.split("\n"), 1) for _ in WRITTEN.finditer(line))
        assert Counter(d.line for d in diagnostics(str(path))) == written
        assert sum(written.values()) > 3


def test_nobody_has_said_that_a_plain_kernel_is_compiled_for_guests(corpus: Corpus) -> None:
    files = [str(file.raw) for file in corpus.files]
    results = check_files(files, Settings(select=("PV403",), use_cache=False))
    assert [diagnostic for result in results for diagnostic in result.diagnostics] == []
