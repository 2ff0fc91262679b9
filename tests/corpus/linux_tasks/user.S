/* What user programs do in the scenarios of test_linux_tasks.py. */
	.text
	.global user_calls
	.proc user_calls
user_calls:
	alloc loc0 = ar.pfs, 0, 2, 2, 0
	mov loc1 = b0
	mov r15 = 1026
	mov out0 = 40
	mov out1 = 2
	;;
	break 0x100000
	;;
	mov r4 = r8			// 42, and no error
	mov r5 = r10
	mov out0 = 0
	;;
	break 0x100000
	;;
	mov r6 = r8			// 22, an error
	mov r7 = r10
	mov ar.pfs = loc0
	mov b0 = loc1
	;;
	br.ret.sptk.many b0
	.endp

	.global user_waits
	.proc user_waits
user_waits:				// is interrupted somewhere here
	.rept 40
	add r14 = 1, r14
	;;
	.endr
	.global user_done
user_done:
	br.ret.sptk.many b0
	.endp

	.global user_reaches
	.proc user_reaches
user_reaches:				// pages that nobody has reached yet
	st8 [r14] = r15
	add r14 = r17, r14
	;;
	ld8 r16 = [r14]
	;;
	br.sptk.many user_done
	.endp

	.global user_errs
	.proc user_errs
user_errs:				// writes a register beyond its frame
{ .mii
	mov r100 = r14
	nop.i 0
	nop.i 0 ;;
}
	add r16 = 1, r14
	br.sptk.many user_done
	.endp
