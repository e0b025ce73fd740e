/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The virtual machine control block: one page that the CPU reads on VMRUN and writes on #VMEXIT
 * (APM vol. 2, appendix B). Names of the fields and bits are the manual's.
 */
#ifndef VMM_SVM_VMCB_H
#define VMM_SVM_VMCB_H

#include <linux/bits.h>
#include <linux/build_bug.h>
#include <linux/types.h>
#include <uapi/asm/svm.h> /* EXITCODEs (appendix C) */

/* What the kernel's list of EXITCODEs leaves out. */
#define SVM_EXIT_INVLPGB 0x0a0
#define SVM_EXIT_INVLPGB_ILLEGAL 0x0a1
#define SVM_EXIT_MCOMMIT 0x0a3
#define SVM_EXIT_TLBSYNC 0x0a4
#define SVM_EXIT_TABLE_END 0x0a5

/* MSR VM_CR (15.30.1) */
#define VM_CR_LOCK BIT_ULL(3)
#define VM_CR_SVMDIS BIT_ULL(4)

/* Bit numbers in the intercept vectors at offset 0. */
enum svm_intercept {
	INTERCEPT_READ_CR = 0, /* + number of the register */
	INTERCEPT_WRITE_CR = 16,
	INTERCEPT_READ_DR = 32,
	INTERCEPT_WRITE_DR = 48,
	INTERCEPT_EXCEPTION = 64, /* + vector */
	INTERCEPT_INTR = 96,
	INTERCEPT_NMI,
	INTERCEPT_SMI,
	INTERCEPT_INIT,
	INTERCEPT_VINTR,
	INTERCEPT_SEL_CR0, /* a write to CR0 that changes more than TS and MP */
	INTERCEPT_RDPMC = 96 + 15,
	INTERCEPT_CPUID = 96 + 18,
	INTERCEPT_RSM,
	INTERCEPT_IRET,
	INTERCEPT_INVD = 96 + 22,
	INTERCEPT_PAUSE,
	INTERCEPT_HLT,
	INTERCEPT_INVLPGA = 96 + 26,
	INTERCEPT_IOIO_PROT,
	INTERCEPT_MSR_PROT,
	INTERCEPT_TASK_SWITCH,
	INTERCEPT_FERR_FREEZE,
	INTERCEPT_SHUTDOWN,
	INTERCEPT_VMRUN = 128,
	INTERCEPT_VMMCALL,
	INTERCEPT_VMLOAD,
	INTERCEPT_VMSAVE,
	INTERCEPT_STGI,
	INTERCEPT_CLGI,
	INTERCEPT_SKINIT,
	INTERCEPT_RDTSCP,
	INTERCEPT_WBINVD = 128 + 9,
	INTERCEPT_MONITOR,
	INTERCEPT_MWAIT,
	INTERCEPT_MWAIT_ARMED,
	INTERCEPT_XSETBV,
	INTERCEPT_RDPRU,
	INTERCEPT_INVLPGB = 160,
	INTERCEPT_INVLPGB_ILLEGAL,
	INTERCEPT_MCOMMIT = 160 + 3,
	INTERCEPT_TLBSYNC,
};

#define INTERCEPT_WORDS 6

/* TLB_CONTROL (15.16.2) */
#define TLB_CONTROL_NOTHING 0
#define TLB_CONTROL_FLUSH_ALL 1
#define TLB_CONTROL_FLUSH_ASID 3 /* with FlushByAsid */

/* int_ctl: virtual interrupts (15.21) */
#define V_IRQ BIT(8)
#define V_INTR_PRIO_MAX (0xfu << 16)
#define V_IGN_TPR BIT(20)
#define V_INTR_MASKING BIT(24)

/* int_state */
#define VMCB_INTERRUPT_SHADOW BIT_ULL(0)

/* nested_ctl */
#define VMCB_NP_ENABLE BIT_ULL(0)

/* EVENTINJ and EXITINTINFO, low half (15.20, 15.7.2) */
#define VMCB_EVENT_VECTOR 0xffu
#define VMCB_EVENT_TYPE_SHIFT 8
#define VMCB_EVENT_TYPE (7u << VMCB_EVENT_TYPE_SHIFT)
#define VMCB_EVENT_ERROR BIT(11)
#define VMCB_EVENT_VALID BIT(31)

enum vmcb_event_type {
	VMCB_EVENT_INTR = 0,
	VMCB_EVENT_NMI = 2,
	VMCB_EVENT_EXCEPTION = 3,
	VMCB_EVENT_SOFT = 4, /* INT n */
};

/* EXITINFO1 of IOIO (15.10.2) */
#define IOIO_IN BIT(0)
#define IOIO_STRING BIT(2)
#define IOIO_REP BIT(3)
#define IOIO_SIZE_SHIFT 4 /* 3 bits: the size in bytes, one-hot */
#define IOIO_PORT_SHIFT 16

/* EXITINFO1 of a nested page fault (15.25.6): a #PF error code and where the walk was */
#define NPF_WRITE BIT_ULL(1)
#define NPF_FETCH BIT_ULL(4)
#define NPF_GUEST_TABLE BIT_ULL(33) /* the GPA is that of one of the guest's own page tables */

/* EXITINFO1 of CR and DR accesses, with decode assists (15.8.1) */
#define DECODE_MOV_CR BIT_ULL(63)
#define DECODE_GPR 0xfull

/* VMCB clean bits (15.15.3): 0 means that the CPU must read these fields again */
enum vmcb_clean {
	CLEAN_INTERCEPTS, /* intercepts, TSC offset, pause filter */
	CLEAN_MAPS,
	CLEAN_ASID,
	CLEAN_TPR, /* int_ctl, int_vector */
	CLEAN_NP, /* nested CR3, guest PAT */
	CLEAN_CR, /* CR0, CR3, CR4, EFER */
	CLEAN_DR, /* DR6, DR7 */
	CLEAN_DT, /* GDT, IDT */
	CLEAN_SEG, /* CS, DS, ES, SS, CPL */
	CLEAN_CR2,
	CLEAN_LBR,
};

#define VMCB_CLEAN_ALL (BIT(CLEAN_LBR + 1) - 1)

struct vmcb_control {
	u32 intercepts[INTERCEPT_WORDS];
	u32 reserved_018[9];
	u16 pause_filter_threshold;
	u16 pause_filter_count;
	u64 iopm_base_pa;
	u64 msrpm_base_pa;
	u64 tsc_offset;
	u32 asid;
	u8 tlb_control;
	u8 reserved_05d[3];
	u32 int_ctl;
	u32 int_vector;
	u64 int_state;
	u64 exit_code;
	u64 exit_info_1;
	u64 exit_info_2;
	u32 exit_int_info;
	u32 exit_int_error;
	u64 nested_ctl;
	u64 avic_apic_bar;
	u64 ghcb_pa;
	u32 event_inj;
	u32 event_inj_error;
	u64 nested_cr3;
	u64 virt_ext; /* LBR virtualisation, virtual VMLOAD/VMSAVE */
	u64 clean;
	u64 next_rip;
	u8 insn_len;
	u8 insn_bytes[15];
	u8 reserved_0e0[0x320];
};

struct vmcb_seg {
	u16 selector;
	u16 attrib; /* bits 55:52 and 47:40 of the descriptor, joined */
	u32 limit;
	u64 base;
};

#define SEG_ATTRIB_TYPE 0xf
#define SEG_ATTRIB_S_SHIFT 4
#define SEG_ATTRIB_DPL_SHIFT 5
#define SEG_ATTRIB_P_SHIFT 7
#define SEG_ATTRIB_AVL_SHIFT 8
#define SEG_ATTRIB_L_SHIFT 9
#define SEG_ATTRIB_DB_SHIFT 10
#define SEG_ATTRIB_G_SHIFT 11

enum vmcb_seg_index {
	VMCB_ES,
	VMCB_CS,
	VMCB_SS,
	VMCB_DS,
	VMCB_FS,
	VMCB_GS,
	VMCB_GDTR,
	VMCB_LDTR,
	VMCB_IDTR,
	VMCB_TR,
	VMCB_SEGS,
};

struct vmcb_save {
	struct vmcb_seg seg[VMCB_SEGS];
	u8 reserved_0a0[0x2b];
	u8 cpl;
	u32 reserved_0cc;
	u64 efer;
	u8 reserved_0d8[0x70];
	u64 cr4;
	u64 cr3;
	u64 cr0;
	u64 dr7;
	u64 dr6;
	u64 rflags;
	u64 rip;
	u8 reserved_180[0x58];
	u64 rsp;
	u64 s_cet;
	u64 ssp;
	u64 isst_addr;
	u64 rax;
	/* STAR to SYSENTER_EIP, FS, GS, LDTR and TR above: only VMLOAD and VMSAVE move these. */
	u64 star;
	u64 lstar;
	u64 cstar;
	u64 sfmask;
	u64 kernel_gs_base;
	u64 sysenter_cs;
	u64 sysenter_esp;
	u64 sysenter_eip;
	u64 cr2;
	u8 reserved_248[0x20];
	u64 g_pat;
	u64 dbgctl;
	u64 br_from;
	u64 br_to;
	u64 last_excp_from;
	u64 last_excp_to;
	u8 reserved_298[0x48];
	u32 spec_ctrl; /* with virtual SPEC_CTRL */
	u8 reserved_2e4[0x91c];
};

struct vmcb {
	struct vmcb_control control;
	struct vmcb_save save;
};

static_assert(offsetof(struct vmcb, control.pause_filter_threshold) == 0x03c);
static_assert(offsetof(struct vmcb, control.asid) == 0x058);
static_assert(offsetof(struct vmcb, control.exit_code) == 0x070);
static_assert(offsetof(struct vmcb, control.event_inj) == 0x0a8);
static_assert(offsetof(struct vmcb, control.insn_len) == 0x0d0);
static_assert(offsetof(struct vmcb, save) == 0x400);
static_assert(offsetof(struct vmcb_save, cpl) == 0x0cb);
static_assert(offsetof(struct vmcb_save, efer) == 0x0d0);
static_assert(offsetof(struct vmcb_save, cr4) == 0x148);
static_assert(offsetof(struct vmcb_save, rsp) == 0x1d8);
static_assert(offsetof(struct vmcb_save, rax) == 0x1f8);
static_assert(offsetof(struct vmcb_save, cr2) == 0x240);
static_assert(offsetof(struct vmcb_save, g_pat) == 0x268);
static_assert(offsetof(struct vmcb_save, spec_ctrl) == 0x2e0);
static_assert(sizeof(struct vmcb) == 0x1000);

#endif
