"""What macros make, token by token and blank by blank, against GNU cpp (M16)."""

from __future__ import annotations

import subprocess

import pytest

from pvasm.syntax.document import Place, read_document
from pvasm.syntax.preprocess import CppMacro, Preprocessor
from tests.check.checking import PARSER
from tests.oracle import require_tool

_DEFINES = """\
#define E
#define P(a,b) a##b
#define Q(a,...) a##__VA_ARGS__
#define R(a,b) th a##b x
#define S(a,b,c) a##b##c
#define T(a) a##_op
#define y_op thash
#define U(a,b) [a##b]a b
#define N -1
#define W(x) x
#define V(x,...) f(x, ##__VA_ARGS__)
#define X(x,r...) f(x, ##r)
#define D cr.
#define I itc
#define G(n) cr.if##n
#define H() ar
#define st(x) #x
#define PL +
"""

_LINES = """\
P(,fc) r8
P(f,) c
P(,)x
Q(,fc) r8
Q(f,c,d)
R(,ash)
R(a,)
R(,)
S(a,,c)
S(,,c)
S(,b,)z
S(i,t,c).d r8
T(y) r8
U(a,b)U(,b)
-N
N-N
5N
W(a)W(b)
W(a)b
a W(b)c
W(a).b
a.W(b)
W(1).x
W(1)2
W(+)+
W(<)<
W(=)=
W(!)=
=W(=)
W(-)>
V(1)
V(1,2)
X(1)
X(1,2)
D W(ifa)
W(D)W(ifa)
I.d r8
mov r8=G(a)
mov r8=H().itc
st( a b ) st(W(a))
W(W)(a)
PL PL
PL+
W()W()x
E.E
aE E b
P(W,(a))
[E]E
(p6)W(fc) r8
W((p6))W(fc) r8
@W(x)
W(:):
W(;);
W(a):W(b)
%W(x)
W(&)&
W(0x1).5
W(1)e
"""

_GCC = ("-E", "-undef", "-nostdinc", "-P", "-x", "assembler-with-cpp", "-")


@pytest.mark.parametrize("line", _LINES.splitlines())
def test_what_gcc_makes(line: str) -> None:
    """Pasted with nothing (placemarkers), with what follows `##` and `__VA_ARGS__`, and no blank where none is due."""
    command = [require_tool("gcc"), *_GCC]
    theirs = subprocess.run(command, input=f"{_DEFINES}{line}\n", capture_output=True, text=True, check=True).stdout
    place = Place("a.S", 1, 1)
    defines = read_document(PARSER, _DEFINES, "a.S", preprocessed=False).defines
    macros = {each.name: CppMacro(each.name, each.parameters, each.body, place) for each in defines}
    assert " ".join(Preprocessor(macros).expand(line, place).split()) == " ".join(theirs.split())
