/*
 * The functions that the tables of native and of xen name. In a kernel each does what its name says; here each puts a
 * letter in the log, the same for both instances, so that one sees that it was called, and in which order.
 */
#include "boot.h"

	.text
	.macro FUNCTION_OF name, letter
	.global \name
	.proc \name
\name:
	movl r14 = LOG_CURSOR
	mov r16 = \letter
	;;
	ld8 r15 = [r14]
	;;
	st1 [r15] = r16, 1
	;;
	st8 [r14] = r15
	br.ret.sptk.many b0
	;;
	.endp \name
	.endm

	.macro BOTH native, xen, letter
	FUNCTION_OF \native, \letter
	FUNCTION_OF \xen, \letter
	.endm

/* pv_init_ops: what native leaves null does nothing. */
	.irp name, banner, reserve_memory, arch_setup_early, arch_setup_console, arch_setup_nomca, post_smp_prepare_boot_cpu
	FUNCTION_OF xen_\name, 'i'
	.endr
	BOTH ia64_native_patch_bundle, xen_patch_bundle, 'b'
	BOTH ia64_native_patch_branch, xen_patch_branch, 'j'

/* pv_cpu_ops */
	BOTH ia64_native_fc_func, xen_fc, 'A'
	BOTH ia64_native_thash_func, xen_thash, 'B'
	BOTH ia64_native_get_cpuid_func, xen_get_cpuid, 'C'
	BOTH ia64_native_get_pmd_func, xen_get_pmd, 'D'
	BOTH ia64_native_getreg_func, xen_getreg, 'E'
	BOTH ia64_native_setreg_func, xen_setreg, 'F'
	BOTH ia64_native_ptcga_func, xen_ptcga, 'G'
	BOTH ia64_native_get_rr_func, xen_get_rr, 'H'
	BOTH ia64_native_set_rr_func, xen_set_rr, 'I'
	BOTH ia64_native_set_rr0_to_rr4_func, xen_set_rr0_to_rr4, 'J'
	BOTH ia64_native_ssm_i_func, xen_ssm_i, 'K'
	BOTH ia64_native_rsm_i_func, xen_rsm_i, 'L'
	BOTH ia64_native_get_psr_i_func, xen_get_psr_i, 'M'
	BOTH ia64_native_intrin_local_irq_restore_func, xen_intrin_local_irq_restore, 'N'

/* pv_iosapic_ops, pv_irq_ops, pv_time_ops */
	BOTH ia64_native_iosapic_pcat_compat_init, xen_pcat_compat_init, 'O'
	BOTH ia64_native_iosapic_get_irq_chip, xen_iosapic_get_irq_chip, 'P'
	BOTH ia64_native_iosapic_read, xen_iosapic_read, 'Q'
	BOTH ia64_native_iosapic_write, xen_iosapic_write, 'R'
	BOTH ia64_native_register_ipi, xen_register_ipi, 'S'
	BOTH ia64_native_assign_irq_vector, xen_assign_irq_vector, 'T'
	BOTH ia64_native_free_irq_vector, xen_free_irq_vector, 'U'
	BOTH ia64_native_register_percpu_irq, xen_register_percpu_irq, 'V'
	BOTH ia64_native_resend_irq, xen_resend_irq, 'W'
	FUNCTION_OF xen_init_missing_ticks_accounting, 't'
	BOTH ia64_native_do_steal_accounting, xen_do_steal_accounting, 'X'
	FUNCTION_OF xen_itc_jitter_data_reset, 't'
	BOTH ia64_native_sched_clock, xen_sched_clock, 'Y'

/* pv_cpu_asm_switch */
	BOTH ia64_native_switch_to, xen_switch_to, '1'
	BOTH ia64_native_leave_syscall, xen_leave_syscall, '2'
	BOTH ia64_native_work_processed_syscall, xen_work_processed_syscall, '3'
	BOTH ia64_native_leave_kernel, xen_leave_kernel, '4'

/* pv_fsys_data, pv_patchdata: of this kernel there is no gate page, and nothing in its lists. */
	.section .rodata, "a", "progbits"
	.irp name, fsyscall_table, fsys_bubble_down
	.global ia64_native_\name, xen_\name
ia64_native_\name:
xen_\name:
	.endr
	.irp name, fsyscall, brl_fsys_bubble_down, vtop, mckinley_e9
	.global __ia64_native_start_gate_\name\()_patchlist, __ia64_native_end_gate_\name\()_patchlist
	.global __xen_start_gate_\name\()_patchlist, __xen_end_gate_\name\()_patchlist
__ia64_native_start_gate_\name\()_patchlist:
__ia64_native_end_gate_\name\()_patchlist:
__xen_start_gate_\name\()_patchlist:
__xen_end_gate_\name\()_patchlist:
	.endr
	.global __start_gate_section, __xen_start_gate_section
__start_gate_section:
__xen_start_gate_section:
	data8 0
