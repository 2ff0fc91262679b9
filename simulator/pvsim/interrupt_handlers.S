// The interruption vectors of a kernel in small, for comparing variants: an external interrupt is counted and done with;
// each other vector ends the run.
	.text
vectors:
	.org 0x3000
	MOV_FROM_IVR(r16, r17)
	;;
	movl r18 = COUNT
	;;
	shladd r18 = r16, 3, r18
	;;
	ld8 r19 = [r18]
	;;
	adds r19 = 1, r19
	;;
	st8 [r18] = r19
	MOV_TO_EOI(p0, r0, r17)
	;;
	mov r17 = r0	// what ops leave there differs, and a run that ends in bank 0 shows it
	RFI
	.org 0x8000
