"""What one statement parses to."""

from __future__ import annotations

import pytest

from pvasm.isa.mnemonics import is_mnemonic
from pvasm.syntax import tree
from pvasm.syntax.parser import Parser, integer_value, parse_expression

PARSER = Parser(is_mnemonic)


def one(text: str) -> tree.Syntax:
    (syntax,) = PARSER.chunk(text)
    return syntax


def instruction(text: str) -> tree.Instruction:
    syntax = one(text)
    assert isinstance(syntax, tree.Instruction)
    return syntax


def words(text: str, nodes: tuple[tree.Expression, ...]) -> list[str]:
    return [text[node.start : node.end] for node in nodes]


@pytest.mark.parametrize(
    ("text", "predicate", "mnemonic", "outputs", "inputs"),
    [
        ("mov r1 = r2", None, "mov", ["r1"], ["r2"]),
        ("(p6) cmp.eq.unc p7,p8=r1,r2", "p6", "cmp.eq.unc", ["p7", "p8"], ["r1", "r2"]),
        ("(p[3+1]) ld8 val[0]=[r17],8", "p[3+1]", "ld8", ["val[0]"], ["[r17]", "8"]),
        ("(p[(((8) + 8) + 3)])st8 [r2]=r3", "p[(((8) + 8) + 3)]", "st8", ["[r2]"], ["r3"]),
        ("rfi", None, "rfi", [], []),
        ("ssm psr.ic | psr.i", None, "ssm", [], ["psr.ic | psr.i"]),
        ("ssm (1<<13)", None, "ssm", [], ["1<<13"]),
        ("movl r2=@ltoff(@fptr(sys_call#))", None, "movl", ["r2"], ["@ltoff(@fptr(sys_call#))"]),
        ("br.call.sptk.many b0=do_it#", None, "br.call.sptk.many", ["b0"], ["do_it#"]),
        ("br.call.sptk.many b0=TARGET(do_it)#", None, "br.call.sptk.many", ["b0"], ["TARGET(do_it)#"]),
        ("addl r8=@ltoff(TARGET(do_it)#),gp", None, "addl", ["r8"], ["@ltoff(TARGET(do_it)#)", "gp"]),
        ("movl r8=A(b, C(d)#)#+8", None, "movl", ["r8"], ["A(b, C(d)#)#+8"]),
        ("mov pmd[r3]=r4", None, "mov", ["pmd[r3]"], ["r4"]),
        ("mux1 r1=r2,@rev", None, "mux1", ["r1"], ["r2", "@rev"]),
        ("mov IA64_KR(CURRENT)=r13", None, "mov", ["IA64_KR(CURRENT)"], ["r13"]),
        ("MOV r1=cr.ifa", None, "mov", ["r1"], ["cr.ifa"]),
        ("add r1 = r2, /* a\n b */ r3", None, "add", ["r1"], ["r2", "r3"]),
        ("brp.loop.imp 1b,2f", None, "brp.loop.imp", [], ["1b", "2f"]),
    ],
)
def test_instruction(text: str, predicate: str | None, mnemonic: str, outputs: list[str], inputs: list[str]) -> None:
    found = instruction(text)
    assert (None if found.predicate is None else text[found.predicate.start : found.predicate.end]) == predicate
    assert found.mnemonic == mnemonic
    assert words(text, found.outputs) == outputs
    assert words(text, found.inputs) == inputs
    assert found.has_equals is ("=" in text.split("//")[0])


def test_labels_tags_and_statement_share_a_line() -> None:
    kinds = [type(syntax).__name__ for syntax in PARSER.chunk("foo: 1: [tag:] (p6) add r1=r2,r3")]
    assert kinds == ["Label", "Label", "Tag", "Instruction"]


def test_instruction_after_a_bundle_template() -> None:
    kinds = [type(syntax).__name__ for syntax in PARSER.chunk(".mib (p6) nop.m 0")]
    assert kinds == ["Template", "Instruction"]


def test_label_after_a_predicate() -> None:
    label, found = PARSER.chunk("(p6) foo: nop 0")
    assert isinstance(label, tree.Label)
    assert isinstance(found, tree.Instruction)
    assert isinstance(found.predicate, tree.Name)


@pytest.mark.parametrize(
    ("text", "kinds", "name"),
    [
        ("L(foo): nop 0", ["Label", "Instruction"], "L(foo)"),
        ("L(foo)#: nop 0", ["Label", "Instruction"], "L(foo)"),
        ("L(a, 2):: X(b)", ["Label", "MacroCall"], "L(a, 2)"),
        ("L():", ["Label"], "L()"),
        ("[L(foo):] nop 0", ["Tag", "Instruction"], "L(foo)"),
        ("L(foo) : 1: r8 = r9", ["Label", "Label", "Assignment"], "L(foo)"),
        ("L(foo): .mii; nop 0", ["Label", "Template"], "L(foo)"),
        ("(p6) L(foo): nop 0", ["Label", "Instruction"], "L(foo)"),
    ],
)
def test_a_label_that_a_macro_names(text: str, kinds: list[str], name: str) -> None:
    parsed = PARSER.chunk(text.partition(";")[0])
    assert [type(syntax).__name__ for syntax in parsed] == kinds
    assert isinstance(parsed[0], tree.Label | tree.Tag)
    assert parsed[0].name == name
    assert name in text[parsed[0].start : parsed[0].end]


@pytest.mark.parametrize("text", ["L(foo) : : nop 0 :", "[L(foo)]:", "L(foo:) nop 0"])
def test_what_looks_like_such_a_label_and_is_none(text: str) -> None:
    assert not any(isinstance(syntax, tree.Tag) for syntax in PARSER.chunk(text))
    assert isinstance(PARSER.chunk(text)[-1], tree.Unparsed | tree.MacroCall)


@pytest.mark.parametrize("text", ["add = 5", "foo == r5", ". = . + 16", "fc=r3", ".Lend = ."])
def test_assignment_whatever_the_name(text: str) -> None:
    assert isinstance(one(text), tree.Assignment)


@pytest.mark.parametrize(
    "text", ["COVER", "RFI", "MOV_FROM_IFA(r16)", "(p6) BUG(1)", "some_macro r1, r2", "THASH(p0,r1,r2,r3)"]
)
def test_what_is_no_instruction_is_a_macro_call(text: str) -> None:
    assert isinstance(one(text), tree.MacroCall)


def test_macro_arguments_are_kept_as_written() -> None:
    text = "DO_SAVE_MIN(COVER, mov r30=cr.ifs, , f(a, b)) TAIL"
    call = one(text)
    assert isinstance(call, tree.MacroCall)
    assert [argument.text for argument in call.arguments] == ["COVER", "mov r30=cr.ifs", "", "f(a, b)"]
    assert [text[argument.start : argument.end] for argument in call.arguments] == [a.text for a in call.arguments]
    assert call.tail == "TAIL"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("r1 + 1 | 4", "(r1+(1|4))"),
        ("1 + 2*4<<1", "(1+((2*4)<<1))"),
        ("5 - 1 - 1", "((5-1)-1)"),
        ("-1 & 0xf", "((-1)&0xf)"),
        ("a == b && c || d", "(((a==b)&&c)||d)"),
        ("~0 ! 1", "((~0)!1)"),
    ],
)
def test_precedence_is_that_of_gnu_as(text: str, value: str) -> None:
    def shown(node: tree.Expression) -> str:
        match node:
            case tree.Binary(operator=operator, left=left, right=right):
                return f"({shown(left)}{operator}{shown(right)})"
            case tree.Unary(operator=operator, operand=operand):
                return f"({operator}{shown(operand)})"
        return text[node.start : node.end]

    found = parse_expression(text)
    assert found is not None
    assert shown(found) == value


@pytest.mark.parametrize(
    ("word", "value"),
    [("0x1F", 31), ("010", 8), ("0b101", 5), ("12", 12), ("'a", 97), ("'\\n'", 10), ("09", None), ("7UL", 7)],
)
def test_integer_constants(word: str, value: int | None) -> None:
    assert integer_value(word) == value


@pytest.mark.parametrize(
    "text", ["mov r1 == ,", "add r1 = r2 r3", "ld8 r1 = [r2", "= 5", "FOO(a", ") nop 0", "mov r1 = (r2"]
)
def test_what_is_no_statement_is_unparsed_with_its_place(text: str) -> None:
    found = one(text)
    assert isinstance(found, tree.Unparsed)
    assert 0 <= found.at <= len(text)
    assert "due" in found.reason or "closed" in found.reason


def test_an_endless_statement_is_refused_not_parsed() -> None:
    assert isinstance(one("ssm " + " | ".join(["1"] * 5000)), tree.Unparsed)
    assert isinstance(one("add r1 = " + "(" * 5000), tree.Unparsed)
    assert isinstance(one("data8 " + ", ".join(["1"] * 50000)), tree.Directive)
