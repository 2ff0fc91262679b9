"""Facts of Linux's tree, 2.4 to 6.6: where its IA-64 assembly is, and which of it is for bare hardware alone."""

from __future__ import annotations

import os
import re
from typing import Final

from pvasm.errors import PvasmError
from pvasm.regex import regex
from pvasm.text import read_text

_ARCHITECTURE: Final = "arch/ia64"
_DEEPEST: Final = 6  # folders below the top
_OLD_HEADERS: Final = "include/asm-ia64"  # up to 2.6.26, where the build makes the link include/asm to it

# Linux's Makefile, LINUXINCLUDE.
_INCLUDE_DIRS: Final = (
    "arch/ia64/include",
    "arch/ia64/include/generated",
    "include",
    "arch/ia64/include/uapi",
    "arch/ia64/include/generated/uapi",
    "include/uapi",
    "include/generated/uapi",
)
# ... KBUILD_CPPFLAGS, and what gcc for IA-64 defines by itself.
DEFINES: Final = ("__KERNEL__", "__LP64__", "__ELF__")
# ... USERINCLUDE: how CONFIG_* come into a source.
_FIRST: Final = ("include/linux/kconfig.h",)

_BOOT, _FIRMWARE = "boots the machine", "calls firmware"
_CHECKS, _KEXEC = "handles machine checks", "leaves the kernel for another (kexec)"
_KVM, _SGI = "KVM: a hypervisor itself", "for SGI's machines alone"
# The files that are compiled once, whatever there is a kernel for, and run on bare hardware alone.
_BARE_HARDWARE: Final = {
    "arch/ia64/hp/sim/boot/*": "the simulator's boot loader",
    "arch/ia64/include/asm/mca_asm.h": _CHECKS,
    "arch/ia64/kernel/efi_stub.S": _FIRMWARE,
    "arch/ia64/kernel/esi_stub.S": _FIRMWARE,
    "arch/ia64/kernel/head.S": _BOOT,
    "arch/ia64/kernel/mca_asm.S": _CHECKS,
    "arch/ia64/kernel/mca_drv_asm.S": _CHECKS,
    "arch/ia64/kernel/pal.S": _FIRMWARE,
    "arch/ia64/kernel/relocate_kernel.S": _KEXEC,
    "arch/ia64/kvm/*": _KVM,
    "arch/ia64/sn/fprom/*": _SGI,
    "arch/ia64/sn/kernel/*": _SGI,
    "include/asm-ia64/mca_asm.h": _CHECKS,
}

_VERSION = regex(r"^(?P<key>VERSION|PATCHLEVEL)[ \t]*=[ \t]*(?P<value>\d+)[ \t]*$", re.MULTILINE)


def is_linux(folder: str) -> bool:
    """Whether a folder is the top of a Linux tree that has IA-64."""
    names = ("kernel/ivt.S", "kernel/entry.S")
    return all(os.path.exists(os.path.join(folder, _ARCHITECTURE, name)) for name in names) and (
        _is_old(folder) or os.path.exists(os.path.join(folder, _ARCHITECTURE, "include"))
    )


def top_above(folder: str) -> str | None:
    """The top of the Linux tree that a folder is a part of, from that folder; None for a top itself, or another."""
    if is_linux(folder):
        return None
    above = ("/".join([".."] * depth) for depth in range(1, _DEEPEST + 1))
    return next((each for each in above if is_linux(os.path.join(folder, each))), None)


def _is_old(folder: str) -> bool:
    return os.path.isdir(os.path.join(folder, _OLD_HEADERS))


def paths(folder: str) -> tuple[str, ...]:
    """Where the assembly is, that of headers too."""
    return (_ARCHITECTURE, _OLD_HEADERS) if _is_old(folder) else (_ARCHITECTURE,)


def named(folder: str) -> str:
    """What the tree is called: `Linux 6.1`; without the number where its Makefile does not tell."""
    try:
        found = dict(_VERSION.findall(read_text(os.path.join(folder, "Makefile"))))
    except PvasmError:
        found = {}
    return f"Linux {found['VERSION']}.{found['PATCHLEVEL']}" if len(found) == 2 else "Linux"


def include_dirs(folder: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Where headers are looked for; and those of these folders that the kernel's build makes."""
    made = () if _is_old(folder) else tuple(path for path in _INCLUDE_DIRS if "generated" in path)
    later = tuple(path for path in made if not os.path.isdir(os.path.join(folder, path)))
    return tuple(path for path in _INCLUDE_DIRS if path in later or os.path.isdir(os.path.join(folder, path))), later


def includes(folder: str) -> tuple[str, ...]:
    """The headers that are included before all others, as far as there are any."""
    return tuple(path for path in _FIRST if os.path.isfile(os.path.join(folder, path)))


def bare_hardware(folder: str) -> tuple[tuple[str, str], ...]:
    """The files for bare hardware alone that this tree has, as globs, and why."""
    return tuple(
        (glob, reason)
        for glob, reason in _BARE_HARDWARE.items()
        if os.path.exists(os.path.join(folder, glob.removesuffix("/*")))
    )
