/* The end of all records: linked last. */
	.section .pv_alternatives, "a", "progbits"
	.global pv_records_end
pv_records_end:
