/*
 * What a kernel that is one binary does first: it says in its log who its instance is, calls every function of every
 * table, and goes on as the kernel in small (guest.S).
 */
#include "boot.h"

	.text
	.global start_kernel, log_text, log_number
	.proc start_kernel
start_kernel:
	.prologue
	.regstk 0, 5, 1, 0
	.save ar.pfs, loc0
	alloc loc0 = ar.pfs, 0, 5, 1, 0
	.save rp, loc1
	mov loc1 = b0
	.body
	movl r14 = pv_info + PV_INFO_NAME
	;;
	ld8 out0 = [r14]
	br.call.sptk.many b0 = log_text
	;;
	movl out0 = calls_text
	br.call.sptk.many b0 = log_text
	;;
	movl loc2 = tables
	;;
next_table:
	ld8 loc3 = [loc2], 8			// a table,
	;;
	ld8 loc4 = [loc2], 8			// and how many functions are in it; 0 behind the last
	;;
next_function:
	cmp.eq p6, p0 = 0, loc3
	cmp.eq p7, p0 = 0, loc4
(p6)	br.cond.spnt.few no_table
(p7)	br.cond.spnt.few next_table
	;;
	ld8 r14 = [loc3], 8			// a function's descriptor; null: there is nothing to do
	adds loc4 = -1, loc4
	;;
	cmp.eq p6, p0 = 0, r14
(p6)	br.cond.spnt.few next_function
	;;
	ld8 r15 = [r14], 8
	;;
	ld8 gp = [r14]
	mov b6 = r15
	br.call.sptk.many b0 = b6
	;;
	br.cond.sptk.few next_function
	;;
no_table:
	movl loc3 = pv_cpu_asm_switch		// these are the addresses of code, not of descriptors
	mov loc4 = PV_CPU_ASM_SWITCH_FUNCTIONS
	;;
next_replaced:
	ld8 r15 = [loc3], 8
	adds loc4 = -1, loc4
	;;
	mov b6 = r15
	br.call.sptk.many b0 = b6
	;;
	cmp.ne p6, p0 = 0, loc4
(p6)	br.cond.sptk.few next_replaced
	;;
	movl out0 = end_text
	br.call.sptk.many b0 = log_text
	;;
	br.call.sptk.many b0 = start
	;;
	.endp start_kernel

/* Puts a text in the log. */
	.proc log_text
log_text:
	.prologue
	.body
	.regstk 1, 0, 0, 0
	movl r14 = LOG_CURSOR
	;;
	ld8 r15 = [r14]
	;;
1:	ld1 r16 = [in0], 1
	;;
	cmp.ne p6, p0 = 0, r16
	;;
(p6)	st1 [r15] = r16, 1
(p6)	br.cond.sptk.few 1b
	;;
	st8 [r14] = r15
	br.ret.sptk.many b0
	;;
	.endp log_text

/* Puts a number below 100 in the log. */
	.proc log_number
log_number:
	.prologue
	.body
	.regstk 1, 0, 0, 0
	movl r14 = LOG_CURSOR
	mov r17 = '0'
	;;
	ld8 r15 = [r14]
	;;
1:	cmp.le p6, p7 = 10, in0
	;;
(p6)	adds in0 = -10, in0
(p6)	adds r17 = 1, r17
(p6)	br.cond.sptk.few 1b
	;;
	adds r18 = '0', in0
	st1 [r15] = r17, 1
	;;
	st1 [r15] = r18, 1
	;;
	st8 [r14] = r15
	br.ret.sptk.many b0
	;;
	.endp log_number

	.section .rodata, "a", "progbits"
calls_text:
	stringz ": "
end_text:
	stringz "\n"
	.align 8
tables:
	data8 pv_init_ops, PV_INIT_OPS_FUNCTIONS
	data8 pv_cpu_ops, PV_CPU_OPS_FUNCTIONS
	data8 pv_iosapic_ops, PV_IOSAPIC_OPS_FUNCTIONS
	data8 pv_irq_ops, PV_IRQ_OPS_FUNCTIONS
	data8 pv_time_ops, PV_TIME_OPS_FUNCTIONS
	data8 0, 0
