/*
 * The start of a kernel that is one binary for bare hardware and for Xen: an entry for each, which join; then a set-up
 * hook, by the hypervisor's type, puts the instance's code and tables in their places, before the kernel begins.
 */
#include "boot.h"

	.text
	.global _start, startup_xen, hypervisor_unknown, hypervisor_type

/* Xen enters here: it is said which hypervisor this is, and that is all that is different. */
startup_xen:
	movl r14 = hypervisor_type
	mov r15 = HYPERVISOR_XEN
	;;
	st8 [r14] = r15
	;;

/* Bare hardware enters here. */
_start:
	alloc loc0 = ar.pfs, 0, 1, 3, 0
	movl gp = __gp
	movl r14 = LOG_CURSOR
	movl r15 = LOG
	;;
	st8 [r14] = r15
	movl r16 = hypervisor_type
	movl r17 = setup_hooks
	mov r19 = HYPERVISORS
	;;
	ld8 r16 = [r16]
	;;
	cmp.geu p6, p0 = r16, r19		// a type that there is no hook for, or none yet?
	shladd r17 = r16, 3, r17
(p6)	br.cond.spnt.few hypervisor_unknown
	;;
	ld8 r18 = [r17]
	;;
	cmp.eq p6, p7 = 0, r18
	mov b6 = r18
(p7)	br.call.sptk.many b0 = b6
	;;
	br.call.sptk.many b0 = start_kernel
	;;
hypervisor_unknown:
	nop 0
	;;
	br.sptk.few hypervisor_unknown
	;;

/* What each hook does: native code and tables are in their places as it is. */
	.proc native_setup_hook
native_setup_hook:
	.prologue
	.regstk 0, 2, 1, 0
	.save ar.pfs, loc0
	alloc loc0 = ar.pfs, 0, 2, 1, 0
	.save rp, loc1
	mov loc1 = b0
	.body
	movl out0 = native_text
	;;
	br.call.sptk.many b0 = log_text
	;;
	mov ar.pfs = loc0
	mov b0 = loc1
	br.ret.sptk.many b0
	;;
	.endp native_setup_hook

	.proc xen_setup_hook
xen_setup_hook:
	.prologue
	.regstk 0, 3, 3, 0
	.save ar.pfs, loc0
	alloc loc0 = ar.pfs, 0, 3, 3, 0
	.save rp, loc1
	mov loc1 = b0
	.body
	movl out0 = pv_records
	movl out1 = pv_records_end
	movl out2 = xen_name
	;;
	br.call.sptk.many b0 = pv_patch
	;;
	mov loc2 = r8
	cmp.gt p6, p0 = 0, r8
(p6)	br.cond.spnt.few hypervisor_unknown
	;;
	br.call.sptk.many b0 = xen_setup_pv_ops
	;;
	movl out0 = xen_text
	br.call.sptk.many b0 = log_text
	;;
	mov out0 = loc2
	br.call.sptk.many b0 = log_number
	;;
	movl out0 = sites_text
	br.call.sptk.many b0 = log_text
	;;
	mov ar.pfs = loc0
	mov b0 = loc1
	br.ret.sptk.many b0
	;;
	.endp xen_setup_hook

	.section .data, "aw", "progbits"
	.align 8
hypervisor_type:
	data8 HYPERVISOR_NONE
setup_hooks:
	data8 native_setup_hook, xen_setup_hook

	.section .rodata, "a", "progbits"
native_text:
	stringz "native: nothing to patch\n"
xen_text:
	stringz "xen: patched "
sites_text:
	stringz " sites\n"
xen_name:
	stringz "xen"

/* The records of all files stand between these two: this file is linked first, and records_end.S last. */
	.section .pv_alternatives, "a", "progbits"
	.align 4
	.global pv_records
pv_records:
