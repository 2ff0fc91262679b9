"""Documents: statements at their places, and nothing lost between them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pvasm.isa.mnemonics import is_mnemonic
from pvasm.syntax import tree
from pvasm.syntax.document import Document, read_document
from pvasm.syntax.parser import Parser
from pvasm.text import decode, encode
from tests.slow import examples

PARSER = Parser(is_mnemonic)


def read(text: str, *, preprocessed: bool = False, path: str = "a.S") -> Document:
    return read_document(PARSER, text, path, preprocessed=preprocessed)


def sources(document: Document, kind: type) -> list[str]:
    return [document.source(s) for s in document.statements if isinstance(s.syntax, kind)]


# ------------------------------------------------------------------------------------ properties

# Text made of what assembly files are made of, so that the odd cases meet each other often.
FRAGMENTS = st.sampled_from(
    r"""
    ;; ; { } ( ) [ ] , = # /* */ // \ " ' 'a mov_r1=r2 ld8_r1=[r2],8 (p6) foo: 1: [1:] fc_r3 thash cover
    MOV_FROM_IFA(r16) COVER .mib .section .macro_m_a .endm \a #if #ifdef_X #else #elif_Y #endif #define_A(x)_
    #define_B #include_"x" #_12_"f.S" data8_1,2 0x1f 09 1b @ltoff(x) psr.ic ## x || \xe9
    """.replace("\\xe9", "\xe9").split()
).map(lambda word: word.replace("_", " ")) | st.sampled_from(
    ["\n", "\n", " ", "\t", "\r\n", "\\\n", "\0", "\udce9", "\ufeff"]
)
SOURCE = st.lists(FRAGMENTS | st.text(max_size=3), max_size=60).map("".join)


def gaps(document: Document) -> str:
    """What stands outside all statements."""
    kept = bytearray(b"\1" * len(document.text))
    for statement in document.statements:
        kept[statement.start : statement.end] = bytes(statement.end - statement.start)
    return "".join(c if keep else "\0" for c, keep in zip(document.text, kept, strict=True))


@given(SOURCE, st.booleans())
@settings(max_examples=examples(400), deadline=None)
def test_any_text_becomes_statements_in_order_and_loses_nothing(text: str, preprocessed: bool) -> None:
    document = read(text, preprocessed=preprocessed)
    assert document.text == text
    for statement in document.statements:
        assert 0 <= statement.start <= statement.end <= len(text)
        assert document.place(statement.start).line >= 0 or preprocessed
    if document.problems:
        return
    # Outside the statements there are blanks, separators and comments, and no word of code.
    rest = gaps(document).replace("\0", "")
    rest = re.sub(r"/\*(?s:.*?)\*/", " ", rest)
    rest = re.sub(r"//(?:\\[ \t\r]*\n|[^\n])*", " ", rest)
    rest = re.sub(r"(?m)(?:^|;)[ \t\r\f\v\ufeff]*(?:#(?:.|\\\n)*)", "", rest)
    assert "mov" not in rest
    assert "thash" not in rest


@given(st.binary(max_size=400))
def test_any_bytes_are_written_back_unchanged(content: bytes) -> None:
    assert encode(read(decode(content)).text) == content


# -------------------------------------------------------------------------------------- examples


def test_separators_and_stops() -> None:
    document = read("mov r1=r2 ; mov r3=r4;; mov r5=r6 ;;; nop 0\n")
    assert sources(document, tree.Instruction) == ["mov r1=r2", "mov r3=r4", "mov r5=r6", "nop 0"]
    # As in GNU as, only adjacent semicolons are a stop.
    assert len(sources(document, tree.Stop)) == 2
    assert not sources(read("nop 0; ; nop 0;/**/;"), tree.Stop)


def test_bundles() -> None:
    document = read("{ .mii\n\tnop.m 0\n nop.i 0 ; nop.i 0 }\n{.mib nop.m 0\n")
    assert [type(s.syntax).__name__ for s in document.statements] == [
        *("BundleOpen", "Template", "Instruction", "Instruction", "Instruction", "BundleClose"),
        *("BundleOpen", "Template", "Instruction"),
    ]


def test_comments_and_strings_hide_what_is_in_them() -> None:
    document = read(
        '// thash r1=r2\n/* fc r3\n cover */ nop 0 // ;; rfi\n.string "fc r3; cover // x"\n.ascii "/* "\nnop 1\n'
    )
    assert sources(document, tree.Instruction) == ["nop 0", "nop 1"]
    assert not document.problems


def test_a_character_constant_is_no_separator() -> None:
    document = read(".unwabi 3, ';'\nmov r1=';\nnop 0\n.byte '\"\nnop 1\n")
    assert sources(document, tree.Instruction) == ["mov r1=';", "nop 0", "nop 1"]


def test_hash_at_the_start_of_a_line_is_a_comment_unless_a_directive() -> None:
    raw = read("# a remark, it's fine\nnop 0\n  # if X\nnop 1\n# endif\n")
    assert [s.syntax.name for s in raw.statements if isinstance(s.syntax, tree.CppDirective)] == ["if", "endif"]
    after = read('# 1 "a.S"\n# if X\nnop 1\n', preprocessed=True)
    assert sources(after, tree.Instruction) == ["nop 1"]
    assert not after.problems


def test_a_macro_call_may_span_lines() -> None:
    document = read("FOO(a,\n    b;; c,\n    d) ;;\nnop 0\n")
    assert sources(document, tree.MacroCall) == ["FOO(a,\n    b;; c,\n    d)"]
    assert len(sources(document, tree.Instruction)) == 1


def test_an_open_parenthesis_swallows_no_statement() -> None:
    document = read("ld8 r1=(r2\nfc r3\n" + "nop 0\n" * 50)
    assert sources(document, tree.Unparsed) == ["ld8 r1=(r2"]
    assert sources(document, tree.Instruction)[0] == "fc r3"


def test_continuation_lines() -> None:
    document = read("add r1 = r2, \\\n   r3\n// comment \\\n fc r3\nnop 0\n")
    assert sources(document, tree.Instruction) == ["add r1 = r2, \\\n   r3", "nop 0"]


def test_a_define_body_is_read_as_assembly_in_place() -> None:
    text = "#define SAVE(r) \\\n\tmov r=cr.ifa;; /* it's */ \\\n\tMOV_FROM_ISR(r) \\\n\nnop 0\n"
    document = read(text)
    body = [s for s in document.statements if s.in_define]
    assert [document.source(s) for s in body] == ["mov r=cr.ifa", ";;", "MOV_FROM_ISR(r)"]
    assert {s.macro for s in body} == {"SAVE"}
    assert document.defines[0].parameters == ("r",)
    assert document.place(body[0].start)[1:] == (2, 2)


def test_a_macro_body_is_read_with_its_arguments() -> None:
    document = read(".macro save reg, off=8\nst8 [\\reg]=r2,\\off\nld\\()8 \\reg=[r3]\n.endm\nnop 0\n")
    assert [(document.source(s), s.macro) for s in document.statements if isinstance(s.syntax, tree.Instruction)] == [
        ("st8 [\\reg]=r2,\\off", "save"),
        ("nop 0", None),
    ]


def test_crlf_latin_1_and_no_line_end() -> None:
    document = read(decode(b"mov r1=r2 // caf\xe9\r\n\tfc r3\r\nrfi"))
    assert sources(document, tree.Instruction) == ["mov r1=r2", "fc r3", "rfi"]
    assert not sources(document, tree.Unparsed)


def test_line_markers_lead_back_to_the_file_that_a_person_edits() -> None:
    text = '# 1 "ivt.S"\n# 10 "asm/kregs.h" 1\nnop 0\n# 5 "ivt.S" 2\n\nfc r3\n#line 70\nrfi\n'
    document = read(text, preprocessed=True)
    places = [document.place(s.start) for s in document.statements if isinstance(s.syntax, tree.Instruction)]
    assert [(place.path, place.line) for place in places] == [("asm/kregs.h", 10), ("ivt.S", 6), ("ivt.S", 70)]


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("nop 0\n/* never closed\n", 2, "unterminated comment"),
        ('.string "abc\nnop 0\n', 1, "unterminated string"),
        ("#if X\nnop 0\n", 1, "no #endif"),
        ("nop 0\n#endif\n", 2, "#endif without #if"),
        ("#else\n", 1, "#else without #if"),
        ("#if A\n#else\n#else\n#endif\n", 3, "after #else"),
    ],
)
def test_what_is_wrong_with_a_file_as_a_whole(text: str, line: int, message: str) -> None:
    document = read(text)
    (problem,) = document.problems
    assert message in problem.message
    assert document.place(problem.offset).line == line


def test_a_directive_whose_words_lines_split_is_read() -> None:
    document = read('#in\\\nclude "a.h"\n#def\\\nine FO\\\nO(a\\\nb) fc ab\n')
    directives = [each.syntax for each in document.statements if isinstance(each.syntax, tree.CppDirective)]
    assert [(each.name, each.text) for each in directives] == [("include", '"a.h"'), ("define", "FOO(ab) fc ab")]
    assert [(each.name, each.parameters) for each in document.defines] == [("FOO", ("ab",))]
