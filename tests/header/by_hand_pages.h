#define PAGE		0xfffffffffff04000
#define PAGE_IPSR	(PAGE + 0x880)
#define PAGE_IFA	(PAGE + 0x8a0)
#define CALLS		0x40
