/* Of the kernel that is one binary for several instances (head.S, image/): where its log is, and its hypervisors. */
#define LOG			0x3002000
#define LOG_CURSOR		0x3001090
#define HYPERVISOR_NONE		0
#define HYPERVISOR_XEN		1
#define HYPERVISORS		2

/* How many functions are in each table, and where its name is in pv_info (docs/tables.md). */
#define PV_INFO_NAME		8
#define PV_INIT_OPS_FUNCTIONS	9
#define PV_CPU_OPS_FUNCTIONS	14
#define PV_IOSAPIC_OPS_FUNCTIONS 4
#define PV_IRQ_OPS_FUNCTIONS	5
#define PV_TIME_OPS_FUNCTIONS	4
#define PV_CPU_ASM_SWITCH_FUNCTIONS 4
