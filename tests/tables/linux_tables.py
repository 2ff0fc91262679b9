"""Linux 3.12's C tables: facts of asm/paravirt.h and asm/paravirt_privop.h, with a processor of LP64.

Each member has its offset and its C type, with Linux's typedefs (u32 is unsigned int; ia64_vector is an unsigned short
where CONFIG_PARAVIRT is defined, asm/hw_irq.h), and the function by which the kernel calls it, where it has one.
`patch_bundle` and `patch_inst` are there where ASM_SUPPORTED is defined, which it is with gcc.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Fact(NamedTuple):
    """A member: its type is `result` for data; `parameters` are a function's, None for data."""

    offset: int
    result: str
    parameters: tuple[str, ...] | None
    called: str | None


def _data(offset: int, type_: str, called: str | None = None) -> Fact:
    return Fact(offset, type_, None, called)


def _function(offset: int, called: str, result: str = "void", *parameters: str) -> Fact:
    return Fact(offset, result, parameters, called)


_LONG: Final = "unsigned long"
_IO: Final = "char __iomem *"

TABLES: Final = {
    "pv_info": {
        "kernel_rpl": _data(0, "unsigned int", "get_kernel_rpl"),
        "paravirt_enabled": _data(4, "int", "paravirt_enabled"),
        "name": _data(8, "const char *"),
    },
    "pv_init_ops": {
        "banner": _function(0, "paravirt_banner"),
        "reserve_memory": _function(8, "paravirt_reserve_memory", "int", "struct rsvd_region *"),
        "arch_setup_early": _function(16, "paravirt_arch_setup_early"),
        "arch_setup_console": _function(24, "paravirt_arch_setup_console", "void", "char **"),
        "arch_setup_nomca": _function(32, "paravirt_arch_setup_nomca", "int"),
        "post_smp_prepare_boot_cpu": _function(40, "paravirt_post_smp_prepare_boot_cpu"),
        "patch_bundle": _function(48, "paravirt_patch_bundle", _LONG, "void *", "void *", _LONG),
        "patch_inst": _function(56, "paravirt_patch_inst", _LONG, _LONG, _LONG, _LONG),
        "patch_branch": _function(64, "paravirt_patch_branch", "void", _LONG, _LONG),
    },
    "pv_cpu_ops": {
        "fc": _function(0, "paravirt_fc", "void", "void *"),
        "thash": _function(8, "paravirt_thash", _LONG, _LONG),
        "get_cpuid": _function(16, "paravirt_get_cpuid", _LONG, "int"),
        "get_pmd": _function(24, "paravirt_get_pmd", _LONG, "int"),
        "getreg": _function(32, "paravirt_getreg", _LONG, "int"),
        "setreg": _function(40, "paravirt_setreg", "void", "int", _LONG),
        "ptcga": _function(48, "paravirt_ptcga", "void", _LONG, _LONG),
        "get_rr": _function(56, "paravirt_get_rr", _LONG, _LONG),
        "set_rr": _function(64, "paravirt_set_rr", "void", _LONG, _LONG),
        "set_rr0_to_rr4": _function(72, "paravirt_set_rr0_to_rr4", "void", *[_LONG] * 5),
        "ssm_i": _function(80, "paravirt_ssm_i"),
        "rsm_i": _function(88, "paravirt_rsm_i"),
        "get_psr_i": _function(96, "paravirt_get_psr_i", _LONG),
        "intrin_local_irq_restore": _function(104, "paravirt_intrin_local_irq_restore", "void", _LONG),
    },
    "pv_iosapic_ops": {
        "pcat_compat_init": _function(0, "iosapic_pcat_compat_init"),
        "__get_irq_chip": _function(8, "iosapic_get_irq_chip", "struct irq_chip *", _LONG),
        "__read": _function(16, "__iosapic_read", "unsigned int", _IO, "unsigned int"),
        "__write": _function(24, "__iosapic_write", "void", _IO, "unsigned int", "u32"),
    },
    "pv_irq_ops": {
        "register_ipi": _function(0, "ia64_register_ipi"),
        "assign_irq_vector": _function(8, "assign_irq_vector", "int", "int"),
        "free_irq_vector": _function(16, "free_irq_vector", "void", "int"),
        "register_percpu_irq": _function(24, "register_percpu_irq", "void", "ia64_vector", "struct irqaction *"),
        "resend_irq": _function(32, "ia64_resend_irq", "void", "unsigned int"),
    },
    "pv_time_ops": {
        "init_missing_ticks_accounting": _function(0, "paravirt_init_missing_ticks_accounting", "void", "int"),
        "do_steal_accounting": _function(8, "paravirt_do_steal_accounting", "int", "unsigned long *"),
        "clocksource_resume": _function(16, "paravirt_clocksource_resume"),
        "sched_clock": _function(24, "paravirt_sched_clock", "unsigned long long"),
    },
    "pv_fsys_data": {
        "fsyscall_table": _data(0, "unsigned long *"),
        "fsys_bubble_down": _data(8, "void *"),
    },
    "pv_patchdata": {
        "start_fsyscall_patchlist": _data(0, _LONG),
        "end_fsyscall_patchlist": _data(8, _LONG),
        "start_brl_fsys_bubble_down_patchlist": _data(16, _LONG),
        "end_brl_fsys_bubble_down_patchlist": _data(24, _LONG),
        "start_vtop_patchlist": _data(32, _LONG),
        "end_vtop_patchlist": _data(40, _LONG),
        "start_mckinley_e9_patchlist": _data(48, _LONG),
        "end_mckinley_e9_patchlist": _data(56, _LONG),
        "gate_section": _data(64, "void *"),
    },
    "pv_cpu_asm_switch": {
        "switch_to": _data(0, _LONG),
        "leave_syscall": _data(8, _LONG),
        "work_processed_syscall": _data(16, _LONG),
        "leave_kernel": _data(24, _LONG),
    },
}
SIZES: Final = {
    "pv_info": 16,
    "pv_init_ops": 72,
    "pv_cpu_ops": 112,
    "pv_iosapic_ops": 32,
    "pv_irq_ops": 40,
    "pv_time_ops": 32,
    "pv_fsys_data": 16,
    "pv_patchdata": 72,
    "pv_cpu_asm_switch": 32,
}
MAY_BE_NULL: Final = {
    *(f"pv_init_ops.{member}" for member in TABLES["pv_init_ops"]),
    *("pv_iosapic_ops.pcat_compat_init", "pv_time_ops.init_missing_ticks_accounting", "pv_time_ops.clocksource_resume"),
}
# What the members of two instances are: kernel/paravirt.c, patch.c, paravirt_patchlist.c and paravirtentry.S;
# xen/xen_pv_ops.c, irq_xen.c and time.c. What is not here is null. At run time, Xen's kernel_rpl becomes what ar.rsc
# says.
_LISTS: Final = ("fsyscall", "brl_fsys_bubble_down", "vtop", "mckinley_e9")


def _patch_data(prefix: str, gate: str) -> dict[str, int | str]:
    ends = {
        f"{end}_{name}_patchlist": f"{prefix}_{end}_gate_{name}_patchlist"
        for name in _LISTS
        for end in ("start", "end")
    }
    return {**ends, "gate_section": gate}


INITIALISERS: Final[dict[str, dict[str, dict[str, int | str]]]] = {
    "native": {
        "pv_info": {"kernel_rpl": 0, "paravirt_enabled": 0, "name": "bare hardware"},
        "pv_init_ops": {name: f"ia64_native_{name}" for name in ("patch_bundle", "patch_branch")},
        "pv_cpu_ops": {name: f"ia64_native_{name}_func" for name in TABLES["pv_cpu_ops"]},
        "pv_iosapic_ops": {
            "pcat_compat_init": "ia64_native_iosapic_pcat_compat_init",
            "__get_irq_chip": "ia64_native_iosapic_get_irq_chip",
            "__read": "ia64_native_iosapic_read",
            "__write": "ia64_native_iosapic_write",
        },
        "pv_irq_ops": {name: f"ia64_native_{name}" for name in TABLES["pv_irq_ops"]},
        "pv_time_ops": {name: f"ia64_native_{name}" for name in ("do_steal_accounting", "sched_clock")},
        "pv_fsys_data": {name: f"ia64_native_{name}" for name in TABLES["pv_fsys_data"]},
        "pv_patchdata": _patch_data("__ia64_native", "__start_gate_section"),
        "pv_cpu_asm_switch": {name: f"ia64_native_{name}" for name in TABLES["pv_cpu_asm_switch"]},
    },
    "xen": {
        "pv_info": {"kernel_rpl": 2, "paravirt_enabled": 1, "name": "Xen/ia64"},
        "pv_init_ops": {name: f"xen_{name}" for name in TABLES["pv_init_ops"] if name != "patch_inst"},
        "pv_cpu_ops": {name: f"xen_{name}" for name in TABLES["pv_cpu_ops"]},
        "pv_iosapic_ops": {
            "pcat_compat_init": "xen_pcat_compat_init",
            "__get_irq_chip": "xen_iosapic_get_irq_chip",
            "__read": "xen_iosapic_read",
            "__write": "xen_iosapic_write",
        },
        "pv_irq_ops": {name: f"xen_{name}" for name in TABLES["pv_irq_ops"]},
        "pv_time_ops": {
            "init_missing_ticks_accounting": "xen_init_missing_ticks_accounting",
            "do_steal_accounting": "xen_do_steal_accounting",
            "clocksource_resume": "xen_itc_jitter_data_reset",
            "sched_clock": "xen_sched_clock",
        },
        "pv_fsys_data": {name: f"xen_{name}" for name in TABLES["pv_fsys_data"]},
        "pv_patchdata": _patch_data("__xen", "__xen_start_gate_section"),
        "pv_cpu_asm_switch": {name: f"xen_{name}" for name in TABLES["pv_cpu_asm_switch"]},
    },
}
TYPEDEFS: Final = "typedef unsigned int u32;\ntypedef unsigned short ia64_vector;\n"
