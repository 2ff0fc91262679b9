"""The values of constants, out of what `gcc -E -dD` and `-dM` print: the C preprocessor itself says what they are."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from pvasm.errors import PvasmError
from pvasm.expand.preprocessed import defined_constants
from tests.cli.command import pvasm
from tests.oracle import require_tool

OPS = frozenset(("COVER", "RFI"))
DEFINITIONS = [
    "#define C 1",
    "#define C",
    "#define C psr.ac | psr.up\n#define ac 3",
    "#define C 1\n#undef C\n#define C 2",
    "#define C D\n#define D E + E\n#define E 0x10UL\n#define UL 5\n#define x10UL 6",
    "#define C C + D\n#define D (C + D)",
    "#define UL(x) (x)\n#define BIT 3\n#define C (UL(1) << BIT) | UL | UL ( (1, 2) )",
    "#define _AC(x, y) x\n#define C _AC(0x8, UL) + _AC(_AC(1, 2), _AC(3, 4))",
    "#define PASTE(a, b) a##b\n#define X1 9\n#define C PASTE(X, 1)",
    "#define TEXT(x) #x\n#define a 1\n#define C TEXT( a + 1 )",
    "#define ALL(...) __VA_ARGS__\n#define C ALL(1, 2, (3, 4))",
    '#define a 1\n#define C "a" a \'a\' "\\"a"',
    "#define F(x) x x\n#define a F(F(b))\n#define b 2\n#define C F(a)",
    "# define\tC /* one */ 1 \\\n + 2 // three",
    "#define NONE() 7\n#define C NONE() NONE ( )",
]


@pytest.mark.parametrize("definitions", DEFINITIONS)
def test_a_constant_is_what_the_preprocessor_makes_of_it(definitions: str) -> None:
    command = [require_tool("gcc"), "-E", "-P", "-x", "assembler-with-cpp", "-"]
    source = f"{definitions}\nVALUE: C\n\tCOVER\n"
    value = subprocess.run(command, input=source, capture_output=True, text=True, check=True).stdout
    text = subprocess.run([*command, "-dD"], input=source, capture_output=True, text=True, check=True).stdout
    assert words(defined_constants(text, ["C", "NOT"], "a.S", OPS)["C"]) == words(
        value.partition("VALUE:")[2].replace("COVER", "")
    )


def words(text: str) -> list[str]:
    return re.findall(r"\"(?:\\.|[^\"\\])*\"|'[^']*'|\w+|[^\s\w]", text)


def test_what_is_not_defined_at_the_end_has_no_value() -> None:
    assert defined_constants("#define A 1\n#undef A\n//#define B 1\n x #define B\nCOVER", ["A", "B"], "a.S", OPS) == {}


def test_each_op_has_the_value_that_holds_where_it_stands() -> None:
    once = "#define A 1\n\tCOVER\n#undef A\n#define A 2\n#define B COVER\n"
    assert defined_constants(once, ["A"], "a.S", OPS) == {"A": "1"}
    assert defined_constants(f"#define A 0\n#undef A\n{once}", ["A"], "a.S", OPS) == {"A": "1"}
    assert defined_constants("#define A X\n#define X 1\nCOVER\n#define A 1\nRFI", ["A"], "a.S", OPS) == {"A": "1"}
    for text in (f"{once}\tRFI\n", "\tCOVER\n#define A 1\n\tCOVER\n", "#define A 1\n\tCOVER\n#undef A\n\tRFI\n"):
        with pytest.raises(PvasmError, match="A changes between ops"):
            defined_constants(text, ["A"], "a.S", OPS)


@pytest.mark.parametrize(
    "text",
    [
        "#define C(x) x",
        "".join(f"#define C{n or ''} C{n + 1} C{n + 1}\n" for n in range(60)),
        "".join(f"#define C{n or ''} E(C{n + 1})E(C{n + 1})\n" for n in range(60)) + "#define E(x)\n#define C60\n",
        "".join(f"#define C{n or ''} C{n + 1}\n" for n in range(5000)),
        f"#define C {'(' * 20_000}",
        f"#define C F({'y' * 10_000})\n#define F(x) {'x ' * 10_000}",
    ],
)
def test_a_value_that_is_none_or_too_much_is_an_error(text: str) -> None:
    with pytest.raises(PvasmError, match=r"^a\.S: C is defined"):
        defined_constants(f"{text}\n\tCOVER\n", ["C"], "a.S", OPS)


BITS = "#define PSR_DEFAULT_BITS BITS\n#define BITS (1 << 3)\n\tSSM_PSR_IC_AND_DEFAULT_BITS_AND_SRLZ_I(r2, r3)\n"
UNSEEN = (
    "pvasm: error: a.S:3:2: SSM_PSR_IC_AND_DEFAULT_BITS_AND_SRLZ_I: what the source makes of PSR_DEFAULT_BITS "
    "does not show in this text; preprocess with -dD (gcc -E -dD)\n"
)


def piped(source: str, tmp_path: Path, *options: str, instance: str = "native") -> tuple[int, str, str, bytes]:
    """What `gcc -E | pvasm expand` gives: its status, output and errors, and the text between."""
    (tmp_path / "a.S").write_text(source)
    gcc = [require_tool("gcc"), "-E", *options, "a.S"]
    text = subprocess.run(gcc, cwd=tmp_path, capture_output=True, check=True).stdout
    result = pvasm("expand", "-i", instance, "-", stdin=text)
    return result.status, result.output, result.errors, text


@pytest.mark.parametrize("options", [("-dD",), ("-dD", "-undef"), ("-dD", "-undef", "-nostdinc", "-D__ia64__")])
def test_expanding_what_the_preprocessor_wrote_minds_its_definitions(options: tuple[str, ...], tmp_path: Path) -> None:
    status, variant, _, text = piped(BITS, tmp_path, *options)
    assert status == 0
    assert "ssm psr.ic | (1 << 3) ;;" in variant
    assert set(re.findall(rb"^#define.*\n", text, re.MULTILINE)) <= set(variant.encode().splitlines(keepends=True))


@pytest.mark.parametrize("options", [(), ("-dI",), ("-undef", "-C")])
def test_without_definitions_a_constant_cannot_be_told(options: tuple[str, ...], tmp_path: Path) -> None:
    assert piped(BITS + "\tCOVER\n" + BITS.splitlines()[-1] + "\n", tmp_path, *options)[:3] == (
        2,
        "",
        UNSEEN,
    )


@pytest.mark.parametrize("source", ["\tCOVER\n", "#define PSR_DEFAULT_BITS 0\n\tCOVER\n\tSSM_PSR_I(p0, p1, r2)\n"])
@pytest.mark.parametrize("instance", ["native", "xen"])
def test_where_no_op_is_made_of_a_constant_none_is_asked_for(source: str, instance: str, tmp_path: Path) -> None:
    assert piped(source, tmp_path, instance=instance)[0] == 0


def test_with_definitions_the_catalogs_value_holds_if_there_is_none_of_the_constant(tmp_path: Path) -> None:
    status, variant, _, _ = piped(BITS.splitlines()[-1] + "\n", tmp_path, "-dD")
    assert status == 0
    assert "ssm psr.ic | psr.ac ;;" in variant
