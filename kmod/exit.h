/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VMM_EXIT_H
#define VMM_EXIT_H

#include <linux/bits.h>
#include <linux/types.h>

/*
 * Why the guest stopped running, in words that both vendors share. A backend decodes the hardware's
 * exit once into a struct vmm_exit; everything after that is common code (exit.c), so that both
 * vendors behave the same.
 */
enum vmm_exit_kind {
	VMM_EXIT_UNKNOWN, /* a reason this module has no name for: userspace decides
			     (KVM_EXIT_UNKNOWN) */
	VMM_EXIT_RESUME, /* nothing to do for common code: interrupt of the host, NMI, answered in
			    the backend */
	VMM_EXIT_FAIL_ENTRY, /* the CPU refused to enter: hw_reason says why; KVM_EXIT_FAIL_ENTRY */
	VMM_EXIT_SHUTDOWN, /* triple fault */
	VMM_EXIT_IRQ_WINDOW, /* the guest can take an external interrupt now */
	VMM_EXIT_NMI_WINDOW, /* the guest can take an NMI now */
	VMM_EXIT_EXCEPTION, /* an intercepted exception: .exception */
	VMM_EXIT_UNDEFINED, /* an instruction the guest must not have (VMX, SVM, SGX ...): #UD */
	VMM_EXIT_PRIVILEGE, /* one that faults with #GP(0) here: RDPMC, RSM outside SMM ... */
	VMM_EXIT_MEMORY, /* EPT violation or misconfiguration, nested page fault: .memory */
	VMM_EXIT_PIO, /* IN, OUT, INS, OUTS: .pio */
	VMM_EXIT_CPUID,
	VMM_EXIT_HLT,
	VMM_EXIT_RDMSR, /* index in RCX */
	VMM_EXIT_WRMSR, /* index in RCX, value in RDX:RAX */
	VMM_EXIT_CR, /* .cr */
	VMM_EXIT_DR, /* .dr */
	VMM_EXIT_XSETBV,
	VMM_EXIT_HYPERCALL, /* VMCALL or VMMCALL */
	VMM_EXIT_PAUSE, /* PAUSE-loop exit: insn not skipped by hardware, skip it */
	VMM_EXIT_SKIP, /* an instruction that does nothing here: WBINVD, INVD, WBNOINVD */
	VMM_EXIT_MWAIT, /* MONITOR, MWAIT: the same, but for guests whose CPUID counts */
	VMM_EXIT_TASK_SWITCH, /* not emulated: KVM_EXIT_INTERNAL_ERROR */
	VMM_EXIT_NR,
};

enum vmm_cr_op { VMM_CR_WRITE, VMM_CR_READ, VMM_CR_CLTS, VMM_CR_LMSW };

/* As in the exit qualification of VMX (SDM vol 3, table 28-5). */
#define VMM_PIO_IN BIT(3)
#define VMM_PIO_STRING BIT(4)
#define VMM_PIO_REP BIT(5)

struct vmm_exit {
	enum vmm_exit_kind kind;
	u8 insn_len; /* bytes of the exiting instruction; 0: not known, common code decodes it */
	bool plain; /* an instruction's: insn_len, RIP and RFLAGS are read; skipping it changes nothing
		       but RIP, as there is no interrupt shadow that ends with it and TF is clear */
	bool refused; /* no device in the kernel took the OUT; by common code */
	bool operands_valid; /* false: .cr/.dr/.pio string details must be decoded from the
				instruction bytes */
	u64 hw_reason; /* VMX: exit reason; SVM: EXITCODE. Only for traces, statistics and userspace
			*/
	union {
		struct {
			u8 vector;
			bool has_error;
			u32 error;
			u64 payload; /* #PF: CR2; #DB: DR6 bits in VMX exit-qualification form
					(active high) */
		} exception;
		struct {
			u64 gpa;
			u64 gva;
			bool gva_valid; /* gva is the linear address of this access (not of a
					   page-table walk) */
			bool walk; /* the access was to the guest's own page tables, by the hardware
				      walker */
			bool data; /* the access was one that an instruction asks for */
			u32 access; /* MMU_READ | MMU_WRITE | MMU_EXEC of mmu/mmu.h */
		} memory;
		struct {
			u16 port;
			u8 size; /* 1, 2 or 4 */
			u8 flags; /* VMM_PIO_* */
		} pio;
		struct {
			enum vmm_cr_op op;
			u8 cr; /* 0, 2, 3, 4, 8 */
			u8 reg; /* GPR number 0-15 */
			u16 lmsw; /* source operand of LMSW */
		} cr;
		struct {
			bool write;
			u8 dr;
			u8 reg;
		} dr;
	};
};

struct vcpu;

/* Handles vcpu->exit. 1: enter the guest again; 0: run page filled, return to userspace; <0: error
 * for KVM_RUN. */
int exit_handle(struct vcpu *vcpu);

/* RIP past the exiting instruction, and what the end of an instruction brings. As exit_handle(). */
int exit_skip_insn(struct vcpu *vcpu);
/* RIP is past it already: the interrupt shadow ends, single-step traps. As exit_handle(). */
int exit_insn_done(struct vcpu *vcpu);

/* CPUID's answer in the registers. */
void exit_answer_cpuid(struct vcpu *vcpu);

/* KVM_EXIT_INTERNAL_ERROR; with the instruction's bytes when they are known. 0. */
int exit_internal_error(struct vcpu *vcpu, u32 suberror, const u8 *bytes, unsigned int len);
/* KVM_RUN ends for a signal, or for what only a return to userspace can do: -EINTR. */
int exit_interrupted(struct vcpu *vcpu);

/* Called at the start of KVM_RUN: finishes what userspace was asked to do (PIO in, MMIO read). As
 * exit_handle. */
int exit_complete_userspace(struct vcpu *vcpu);

#endif
