"""Archives of objects, as ar makes them (System V and GNU; 4.4BSD's long names too): their members, by name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from pvasm.errors import PvasmError

ARCHIVE_MAGIC: Final = b"!<arch>\n"
THIN_MAGIC: Final = b"!<thin>\n"
"""Of an archive that names its members, which stand elsewhere (`built-in.a` of Linux is one)."""

_HEADER: Final = 60  # bytes: name 16, date 12, owner 6, group 6, mode 8, size 10, and two that end it
_END: Final = b"`\n"
_LONG_NAMES: Final = "//"
_TABLES: Final = frozenset(("/", "/SYM64/", "__.SYMDEF", "__.SYMDEF SORTED"))
_SHOWN: Final = 5


def refuse_thin(data: bytes | memoryview, path: str) -> None:
    """Raises PvasmError for a thin archive."""
    if data[: len(THIN_MAGIC)] == THIN_MAGIC:
        raise PvasmError("a thin archive, which has names of objects alone: name these objects", path)


def split_name(path: str) -> tuple[str, str] | None:
    """The archive and the member that a name like `libc.a(memcpy.o)` is of; None for another."""
    archive, bracket, member = path.removesuffix(")").rpartition("(")
    return (archive, member) if path.endswith(")") and bracket and archive and member else None


def members(data: bytes, path: str) -> dict[str, memoryview]:
    """The members of an archive, by name; of two of a name the first. Raises PvasmError where it is damaged."""
    found: dict[str, memoryview] = {}
    for name, content in all_members(data, path):
        found.setdefault(name, content)
    return found


def all_members(data: bytes, path: str) -> Iterator[tuple[str, memoryview]]:
    """The members of an archive with their names, of which several may have one.

    Raises PvasmError where it is damaged, or has no members in it.
    """
    refuse_thin(data, path)
    view, names, at = memoryview(data), b"", len(ARCHIVE_MAGIC)
    while at < len(data):
        header = data[at : at + _HEADER]
        if len(header) < _HEADER or not header.endswith(_END) or not header[48:58].strip().isdigit():
            raise PvasmError(f"damaged: there is no header of a member at {at:#x}", path)
        size, start = int(header[48:58]), at + _HEADER
        if start + size > len(data):
            raise PvasmError(f"cut off: the member at {at:#x} has {size} bytes, and the file ends before", path)
        content = view[start : start + size]
        name = header[:16].decode("latin-1").rstrip(" ")
        if name == _LONG_NAMES:
            names = bytes(content)
        elif name not in _TABLES:
            name, content = _named(name, content, names)
            if name not in _TABLES:
                yield name, content
        at = start + size + size % 2


def _named(name: str, content: memoryview, names: bytes) -> tuple[str, memoryview]:
    """The full name of a member: `/12` is at 12 of the table of names, `#1/8` in the first eight bytes."""
    if name.startswith("#1/") and name[3:].isdigit():
        size = int(name[3:])
        return bytes(content[:size]).rstrip(b"\0").decode("utf-8", "surrogateescape"), content[size:]
    if name[:1] == "/" and name[1:].isdigit():
        start = int(name[1:])
        return names[start : start + 4096].partition(b"/\n")[0].decode("utf-8", "surrogateescape"), content
    return name.removesuffix("/"), content


def member_of(data: bytes, path: str, member: str) -> bytes:
    """The bytes of a member. Raises PvasmError, with the members that there are, where there is none of the name."""
    from pvasm.suggestions import near

    known = members(data, path)
    if member not in known:
        raise PvasmError(f"there is no member {member}{near(member, known)}", path)
    return bytes(known[member])


def which_member(data: bytes, path: str) -> PvasmError:
    """What to say where an archive stands in the place of an object."""
    known = list(members(data, path))
    if not known:
        return PvasmError("an archive without members", path)
    more = f" and {len(known) - _SHOWN} more" if len(known) > _SHOWN else ""
    return PvasmError(f"an archive of {', '.join(known[:_SHOWN])}{more}: name one of them, as {path}({known[0]})", path)
