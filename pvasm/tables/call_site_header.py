"""A header in C with the functions by which a kernel calls a table's members: inline assembly that can be patched."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from pvasm.errors import PvasmError
from pvasm.paravirt.call_convention import Convention
from pvasm.paravirt.catalog import Catalog
from pvasm.paravirt.instance import Instance
from pvasm.patch.linux_records import BRANCHES, BUNDLES
from pvasm.patch.records import BRANCH, CALL, INDIRECT, NAMES, RECORDS, REPLACEMENTS, RecordKind, written
from pvasm.tables.c_lines import call_lines as broken
from pvasm.tables.c_lines import declaration, string
from pvasm.tables.call_sites import (
    Replacement,
    Site,
    call_lines,
    called_table,
    check_names,
    replacements,
    sites_of_table,
)

_MOST_CODES: Final = 9
_BRANCH: Final = "{ .mfb ; nop.m 0 ; nop.f 0 ; br.cond.sptk.few %s ;; }"
_LONG_BRANCH: Final = "{ .mlx ; nop.m 0 ; brl.cond.sptk.few %s ;; }"
# Numbers of labels that a compiler or a person is not likely to have. \1 stands for the number of a code, \2 and \3 for
# the other parameters of a macro, in strings of C.
_SITE, _END, _NAME = "8661", "8662", "8663"
_CODE, _CODE_END, _ELSEWHERE = "870\1", "871\1", "872\1"
_HOLES: Final = {"\1": "#n", "\2": "set_up", "\3": "entry"}


def call_site_header(
    instances: Sequence[Instance], *, records: RecordKind = "pvasm", direct: bool = False, long_branches: bool = False
) -> str:
    """The header, with what takes the place of calls for each instance, the native one first.

    `direct` has direct calls take the place of calls through the table, and `long_branches` has `brl` lead to what
    stands elsewhere. With Linux's records there are branches of assembly, too. Raises PvasmError for instances that
    cannot be told apart, ExpandErrors for ops that one does not take as the catalog has them.
    """
    check_names(instances)
    table = called_table(instances[0].catalog)
    assert table.convention is not None  # it is what is called_table goes by
    guard = f"{table.name.upper()}_SITES_H"
    names = ", ".join(each.name for each in instances)
    lines = [f"/* Made by `pvasm tables' for {names}: what is changed here is lost. */"]
    lines += [f"#ifndef {guard}", f"#define {guard}", ""]
    if records == "linux":
        lines += ["#ifdef __ASSEMBLY__", "", *_linux_branches(instances[0].catalog), "#else /* C */", ""]
    if table.not_c_if is not None:
        said = f"{table.not_c_if} must be defined: {table.name} is not called as C does it"
        lines += [f"#ifndef {table.not_c_if}", f"#error {said}", "#endif", ""]
    lines += _bundle_macro(table.convention)
    lines += _record_macros(_LONG_BRANCH if long_branches else _BRANCH) if records == "pvasm" else _linux_macros()
    by_member: dict[str, list[Site]] = {}
    for site in sites_of_table(table):
        by_member.setdefault(site.member.name, []).append(site)
    for sites in by_member.values():
        parts = [_parts(site, instances, records, direct=direct, long_branches=long_branches) for site in sites]
        lines += _function(sites[-1], parts[-1]) if len(sites) == 1 else _by_register(sites, parts)
    lines += ["#endif /* C */", ""] if records == "linux" else []
    lines.append(f"#endif /* {guard} */")
    return "".join(f"{line}\n" for line in lines)


# ---------------------------------------------------------------------------------------- macros


def _text(line: str) -> str:
    """A line of assembly as a string of C, with the parameters of the macro that it stands in."""
    parts = [""]
    for character in line:
        if character in _HOLES:
            parts += [_HOLES[character], ""]
        else:
            parts[-1] += character
    parts[-1] += "\n"
    made = [
        string(part).replace("\n", "\\n").replace("\\012", "\\n") if at % 2 == 0 else part
        for at, part in enumerate(parts)
    ]
    return " ".join(part for part in made if part != '""')


def _macro(head: str, texts: Sequence[str]) -> Iterator[str]:
    """A macro that is some texts, as C has them, one below the other."""
    yield f"#define {head} \\"
    yield from (f"\t{text} \\" for text in texts[:-1])
    yield from (f"\t{texts[-1]}", "")


def _bundle_macro(convention: Convention) -> Iterator[str]:
    yield "/* The call through the table. */"
    yield from _macro("PV_BUNDLES(set_up, entry)", [*map(_text, call_lines(convention, "\2", "\3"))])


def _site() -> list[str]:
    return [_text(";;"), _text(f"{_SITE}:"), "PV_BUNDLES(set_up, entry)", _text(f"{_END}:")]


def _record_macros(branch: str) -> Iterator[str]:
    yield "/* A site, and a record that brings the call back. */"
    yield from _macro(
        "PV_CALL(set_up, entry)",
        [*_site(), "PV_CODE(0, PV_BUNDLES(set_up, entry))", f'PV_RECORD(0, "{INDIRECT}")'],
    )
    opened, closed = f'.pushsection {REPLACEMENTS}, "ax", "progbits"', ".popsection"
    yield "/* Code that takes the place of a call. Control does not go from one to the next, as the branch tells. */"
    before = [_text(opened), _text(f"{_CODE}:")]
    yield from _macro(
        "PV_CODE(n, code)",
        [*before, "code", *map(_text, (f"{_CODE_END}:", _BRANCH % f"{_CODE}b", closed))],
    )
    yield "/* The same, for a site that has not enough room: a branch takes its place. */"
    before = [*map(_text, (opened, f"{_ELSEWHERE}:", branch % f"{_CODE}f", f"{_CODE_END}:", f"{_CODE}:"))]
    yield from _macro("PV_CODE_ELSEWHERE(n, code)", [*before, "code", *map(_text, (branch % f"{_END}b", closed))])
    for name, code, flags in (
        ("PV_RECORD", _CODE, 0),
        ("PV_RECORD_CALL", _CODE, CALL),
        ("PV_RECORD_ELSEWHERE", _ELSEWHERE, BRANCH),
    ):
        words = written(f"{_SITE}b", f"{_END}b", f"{_NAME}b", f"{code}b", f"{_CODE_END}b", flags)
        yield from _macro(
            f"{name}(n, instance)",
            [
                _text(f'.pushsection {NAMES}, "aMS", "progbits", 1'),
                f'"{_NAME}: stringz \\"" instance "\\"\\n"',
                *map(_text, (closed, f'.pushsection {RECORDS}, "a", "progbits"', ".align 4")),
                *(_text(word.strip()) for word in words.splitlines()),
                _text(closed),
            ],
        )


def _linux_macros() -> Iterator[str]:
    yield "/* A site, and a record of it as Linux has them. */"
    yield from _macro("PV_CALL(set_up, entry)", _site())
    yield from _macro(
        "PV_RECORD(type)",
        [
            *map(_text, (f'.pushsection {BUNDLES}, "a", "progbits"', ".align 8")),
            f'"data8 {_SITE}b, {_END}b, " #type "\\n"',
            _text(".popsection"),
        ],
    )


def _linux_branches(catalog: Catalog) -> Iterator[str]:
    """Branches to what other tables name, through these until they are patched; `reg` and `breg` are lost."""
    yield "/* Branches of assembly that can be patched: a direct one takes the place of the first. */"
    for table in catalog.tables.values():
        offsets = table.offsets()
        for member, facts in table.sites.items() if table.convention is None else ():
            lines = (
                f"{{ .bbb ; [{_SITE}:] br.cond.sptk.many {_END}f ; nop.b 0 ; nop.b 0 ;; }} ;",
                f"{_END}: movl reg = {table.name} + {offsets[member]} ;; ld8 reg = [reg] ;; mov breg = reg ;;",
                f'br.cond.sptk.many breg ;; .pushsection {BRANCHES}, "a", "progbits" ;',
                f".align 8 ; data8 {_SITE}b, {facts.type:#x} ; .popsection",
            )
            yield from _macro(f"PV_BRANCH_{member.upper()}(reg, breg)", [f";; {lines[0]}", *lines[1:]])


# -------------------------------------------------------------------------------------- functions


def _parts(
    site: Site, instances: Sequence[Instance], records: RecordKind, *, direct: bool, long_branches: bool
) -> list[str]:
    """What stands in a site's `asm` behind the call."""
    if records == "linux":
        return [] if site.type is None else [f"PV_RECORD({site.type:#x})"]
    found = replacements(site, instances, direct=direct, long_branches=long_branches)
    if len(found) > _MOST_CODES:
        raise PvasmError(f"{len(found)} instances have other code each: a site has room for {_MOST_CODES}")
    lines: list[str] = []
    for number, each in enumerate(found, 1):
        lines += _code(number, each)
        suffix = "_ELSEWHERE" if each.is_elsewhere else "_CALL" if each.is_call else ""
        lines += [f"PV_RECORD{suffix}({number}, {string(name)})" for name in each.instances]
    return lines


def _code(number: int, replacement: Replacement) -> Iterator[str]:
    suffix = "_ELSEWHERE" if replacement.is_elsewhere else ""
    *others, last = [_text(line.replace("%", "%%")) for line in replacement.lines]
    head = f"PV_CODE{suffix}({number},"
    for line in (*others, f"{last})"):
        yield f"{head} {line}" if head else f"\t{line}"
        head = ""


def _registers(site: Site) -> tuple[list[str], list[str]]:
    """The registers that the caller and the site share, and those that are lost, as C names them."""
    used = dict.fromkeys((*site.arguments, *filter(None, [site.result])))
    return [*used], [each for each in site.convention.lost if each not in used]


def _statement(site: Site, values: Sequence[str], parts: Sequence[str]) -> Iterator[str]:
    """The variables and the `asm` of a site, whose arguments have some values."""
    shared, lost = _registers(site)
    given = dict(zip(site.arguments, values, strict=True))
    for register in shared:
        value = f" = (unsigned long)({given[register]})" if register in given else ""
        yield f'register unsigned long pv_{register} asm("{register}"){value};'
    if shared:
        yield ""
    yield f"asm volatile(PV_CALL({string(site.set_up)}, {string(site.entry)})"
    yield from (f"\t{part}" for part in parts)
    outputs = ", ".join(f'"{"+r" if each in given else "=r"}"(pv_{each})' for each in shared)
    yield f"\t: {outputs}".rstrip()
    yield "\t:"
    lines = broken("\t: ", [*(f'"{each}"' for each in lost), '"memory"'], "")
    yield from (line.replace(": (", ": ", 1) for line in lines[:-1])
    yield f"{lines[-1].replace(': (', ': ', 1).removesuffix(')')});"


def _head(site: Site) -> Iterator[str]:
    assert site.member.call is not None  # functions have one
    head = f"static inline {declaration(site.member.result, site.member.call)}"
    yield from broken(head, site.member.parameters)
    yield "{"


def _function(site: Site, parts: Sequence[str]) -> Iterator[str]:
    """The function that calls a member."""
    yield from _head(site)
    yield from (f"\t{line}".rstrip() for line in _statement(site, site.member.arguments, parts))
    if site.result is not None:
        yield f"\treturn pv_{site.result};"
    yield from ("}", "")


def _by_register(sites: Sequence[Site], parts: Sequence[Sequence[str]]) -> Iterator[str]:
    """The function that calls a member with a register's number: a site each, of which the compiler keeps one."""
    member = sites[0].member
    for site, own in zip(sites, parts, strict=True):
        names = member.arguments if site.number is None else member.arguments[1:]
        number = "any" if site.number is None else str(site.number)
        given = ", ".join([*names, "result"] if site.result is not None else names)
        yield f"#define {member.call}_{number}({given}) do {{ \\".replace("paravirt_", "PV_", 1)
        body = [*_statement(site, names, own)]
        if site.result is not None:
            body.append(f"result = pv_{site.result};")
        yield from (f"\t{line} \\" for line in body)
        yield from ("} while (0)", "")
    yield from _head(sites[0])
    calls = {}
    for site in sites:
        names = member.arguments if site.number is None else member.arguments[1:]
        given = ", ".join([*names, "result"] if site.result is not None else names)
        name = f"{member.call}_{'any' if site.number is None else site.number}".replace("paravirt_", "PV_", 1)
        calls[site.number] = f"{name}({given});"
    if sites[0].result is not None:
        yield from ("\tunsigned long result;", "")
    number = member.arguments[0]
    yield f"\tif (!__builtin_constant_p({number})) {{"
    yield from (f"\t\t{calls[None]}", "\t\treturn" + (" result;" if sites[0].result else ";"), "\t}")
    yield f"\tswitch ({number}) {{"
    for value, call in calls.items():
        yield "\tdefault:" if value is None else f"\tcase {value}:"
        yield from (f"\t\t{call}", "\t\tbreak;")
    yield "\t}"
    if sites[0].result is not None:
        yield "\treturn result;"
    yield from ("}", "")
