/* What a kernel has in C, as far as the scenarios of test_linux_tasks.py call it, and two tasks of the kernel. */
#include <asm-offsets.h>

#define FLAGS (IA64_TASK_SIZE + TI_FLAGS)

/* What a function may change by the conventions, changed. */
	.macro use_up
	movl r2 = 0xbadbadbad0000002
	movl r3 = 0xbadbadbad0000003
	movl r9 = 0xbadbadbad0000009
	movl r11 = 0xbadbadbad000000b
	.irp number, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
	mov r\number = r11
	.endr
	.irp number, 6, 7, 8, 9, 10, 11
	mov f\number = f1
	.endr
	mov ar.ccv = r11
	mov ar.csd = r11
	mov ar.ssd = r11
	mov b6 = r11
	mov b7 = r11
	cmp.eq p6, p7 = r0, r0
	cmp.eq p8, p9 = r0, r0
	cmp.eq p10, p11 = r0, r0
	cmp.eq p12, p13 = r0, r0
	cmp.eq p14, p15 = r0, r0
	;;
	.endm

	.text
	.global sys_read
	.proc sys_read
sys_read:				// its sum, or an error where the first is 0
	alloc r2 = ar.pfs, 8, 1, 0, 0
	add r8 = in0, in1
	movl r10 = 0xbadbadbad000000a
	;;
	mov loc0 = r8
	use_up
	mov r8 = loc0
	cmp.eq p6, p0 = r0, in0
	;;
(p6)	mov r8 = -22
	br.ret.sptk.many b0
	.endp

	.global ia64_handle_irq
	.proc ia64_handle_irq
ia64_handle_irq:			// notes the vector, and where it came in
	alloc r2 = ar.pfs, 2, 0, 0, 0
	movl r3 = interrupts
	;;
	MOV_TO_EOI(p0, r0, r9)
	st8 [r3] = in0
	use_up
	br.ret.sptk.many b0
	.endp

	.global ia64_do_page_fault
	.proc ia64_do_page_fault
ia64_do_page_fault:			// finds a page, and puts it into the table
	alloc r2 = ar.pfs, 3, 0, 0, 0
	movl r3 = ptes
	extr.u r8 = in0, 14, 11
	movl r9 = 0x40007e1		// present, accessed, dirty; read, write, execute
	;;
	shladd r3 = r8, 3, r3
	shl r8 = r8, 14
	;;
	add r9 = r9, r8
	movl r10 = faults
	;;
	st8 [r3] = r9
	ld8 r14 = [r10]
	;;
	add r14 = 1, r14
	;;
	st8 [r10] = r14, 8
	;;
	st8 [r10] = in0, 8
	;;
	st8 [r10] = in1
	use_up
	br.ret.sptk.many b0
	.endp

	.global ia64_illegal_op_fault
	.proc ia64_illegal_op_fault
ia64_illegal_op_fault:			// goes on with the next bundle
	add r2 = 16 + IA64_PT_REGS_CR_IIP_OFFSET, r12
	add r3 = 16 + IA64_PT_REGS_CR_IPSR_OFFSET, r12
	;;
	ld8 r8 = [r2]
	ld8 r9 = [r3]
	;;
	add r8 = 16, r8
	dep r9 = 0, r9, 41, 2
	;;
	st8 [r2] = r8
	st8 [r3] = r9
	use_up
	mov r8 = 0
	br.ret.sptk.many b0
	.endp

	.global preempt_schedule_irq
	.proc preempt_schedule_irq
preempt_schedule_irq:			// there is no other task, and none is wanted any longer
	add r2 = FLAGS, r13
	;;
	st4 [r2] = r0
	use_up
	br.ret.sptk.many b0
	.endp

	.global do_notify_resume_user
	.proc do_notify_resume_user
do_notify_resume_user:			// has nothing to tell
	alloc r2 = ar.pfs, 3, 0, 0, 0
	use_up
	br.ret.sptk.many b0
	.endp

	.global syscall_trace_enter
	.proc syscall_trace_enter
syscall_trace_enter:			// lets the call be done
	use_up
	mov r8 = r0
	br.ret.sptk.many b0
	.endp

	.global syscall_trace_leave
	.proc syscall_trace_leave
syscall_trace_leave:
	use_up
	br.ret.sptk.many b0
	.endp

	.data
	.align 8
interrupts:
	data8 0
faults:
	data8 0, 0, 0

	.text
	.global one_runs
	.proc one_runs
one_runs:				// a task, which lets another run until that lets it run again
	alloc loc0 = ar.pfs, 0, 3, 1, 0
	mov loc1 = b0
	movl loc2 = 0x1234567890
	movl out0 = two
	;;
	br.call.sptk.many b0 = ia64_switch_to
	mov r14 = loc2
	mov b0 = loc1
	mov ar.pfs = loc0
	;;
	.global one_is_back
one_is_back:
	br.ret.sptk.many b0
	.endp

	.global two_begins
	.proc two_begins
two_begins:
	alloc loc0 = ar.pfs, 0, 2, 1, 0
	movl r2 = seen
	mov out0 = r8			// the task that ran before
	;;
	st8 [r2] = r13, 8
	mov r4 = r13
	;;
	st8 [r2] = r12
	mov r5 = r12
	mov r6 = r12
	mov b3 = r13
	mov f4 = f1
	br.call.sptk.many b0 = ia64_switch_to
	break 0
	.endp

	.data
seen:
	data8 0, 0

	.text
	.global kernel_waits
	.proc kernel_waits
kernel_waits:				// the kernel itself is interrupted
	.rept 40
	add r14 = 1, r14
	;;
	.endr
	.global kernel_done
kernel_done:
	br.ret.sptk.many b0
	.endp
