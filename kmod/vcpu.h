/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VMM_VCPU_H
#define VMM_VCPU_H

#include <linux/hrtimer.h>
#include <linux/kvm.h>
#include <linux/mutex.h>
#include <linux/preempt.h>
#include <linux/rcuwait.h>
#include <asm/fpu/api.h>
#include <asm/fpu/types.h>

#include "backend.h"
#include "event.h"
#include "exit.h"
#include "fetch.h"
#include "vapic.h"
#include "guest_debug.h"
#include "halt.h"
#include "x86/cpuid.h"
#include "x86/decode.h"
#include "x86/emulate.h"
#include "x86/mce.h"
#include "x86/msr.h"
#include "x86/pveoi.h"
#include "x86/pvclock.h"
#include "x86/steal.h"
#include "yield.h"

struct vm;
struct lapic;

/* Numbers as the CPU encodes them in ModRM; then what lives in the VMCS/VMCB and is read only when
 * asked for. */
enum vmm_reg {
	VMM_REG_RAX,
	VMM_REG_RCX,
	VMM_REG_RDX,
	VMM_REG_RBX,
	VMM_REG_RSP,
	VMM_REG_RBP,
	VMM_REG_RSI,
	VMM_REG_RDI,
	VMM_REG_R8,
	VMM_REG_R9,
	VMM_REG_R10,
	VMM_REG_R11,
	VMM_REG_R12,
	VMM_REG_R13,
	VMM_REG_R14,
	VMM_REG_R15,
	VMM_REG_RIP,
	VMM_REG_RFLAGS,
	VMM_REG_CR0,
	VMM_REG_CR3,
	VMM_REG_CR4,
	VMM_REG_NR,
};

/* In the order of the Sreg encoding, then the two that have none. */
enum vmm_seg {
	VMM_SEG_ES,
	VMM_SEG_CS,
	VMM_SEG_SS,
	VMM_SEG_DS,
	VMM_SEG_FS,
	VMM_SEG_GS,
	VMM_SEG_TR,
	VMM_SEG_LDTR,
	VMM_SEG_NR,
};

/* All that the hardware may have changed in an exit: not available until read. */
#define VMM_REGS_LAZY                                                                   \
	(BIT(VMM_REG_RSP) | BIT(VMM_REG_RIP) | BIT(VMM_REG_RFLAGS) | BIT(VMM_REG_CR0) | \
	 BIT(VMM_REG_CR3) | BIT(VMM_REG_CR4))

/* vcpu->mode: what a kick has to do. */
enum vcpu_mode { VCPU_OUTSIDE, VCPU_IN_GUEST };

/* vcpu->requests: bits set by anyone, taken by the vCPU's thread before entry. */
enum vcpu_request {
	VCPU_REQ_TLB_FLUSH,
	VCPU_REQ_CLOCK, /* the kvmclock page */
	VCPU_REQ_STEAL, /* the steal time */
	VCPU_REQ_MSR_FILTER, /* it has changed */
	VCPU_REQ_IOAPIC_EOI, /* ioapic_eois is not empty */
	VCPU_REQ_TPR_ACCESS, /* the guest accessed its TPR: vapic.c */
};

/* What KVM_RUN has to finish when userspace comes back. */
enum vcpu_pending {
	VCPU_PENDING_NONE,
	VCPU_PENDING_OUT,
	VCPU_PENDING_PIO,
	VCPU_PENDING_MMIO,
	VCPU_PENDING_STORE,
	VCPU_PENDING_RDMSR,
	VCPU_PENDING_WRMSR,
};

/* A port access that userspace completes, or a string one between two rounds (pio.c). */
struct vcpu_pio {
	u16 port;
	u8 size;
	u8 adsize; /* of a string one: how much of RCX, RSI, RDI counts */
	bool in, string, rep;
	u32 count; /* elements of this round */
	u64 address; /* linear, of the first byte in guest memory; string only */
	u64 rip; /* of the instruction, while userspace answers */
	u64 not_here[4]; /* ports that no device in the kernel has: pio.c */
};

/* Instructions that were decoded: devices are driven by a few of them, over and over. */
#define VCPU_DECODED 8

struct decoded {
	u64 bytes[2], mask[2]; /* the mask covers those that are the instruction's */
	u8 len; /* 0: none */
	u8 mode; /* enum decode_mode */
	bool store; /* a MOV to memory that mmio.c does by itself */
	bool base_only; /* its linear address is a displacement and at most one register */
	struct x86_insn insn;
};

/* What the CPUID entries give the guest, looked up once in KVM_SET_CPUID2. */
struct vcpu_features {
	u64 cr4_reserved;
	u64 efer_reserved;
	u64 xcr0; /* bits the guest may set */
	u32 pv_features; /* KVM_FEATURE_*; counts with KVM_CAP_ENFORCE_PV_FEATURE_CPUID only */
	u8 maxphyaddr;
	bool gbpages, pcid, rdtscp, x2apic;
};

/* What is counted beside the exits by kind, by the vCPU's thread; binary_stats.c tells it. */
struct vcpu_stats {
	u64 mmio_exits, signal_exits, request_irq_exits; /* to userspace */
	u64 irq_injections, nmi_injections;
	u64 tlb_flush;
};

struct vcpu {
	/* -- hot: the run loop. Owned by the thread in the vCPU's ioctl (mutex) unless said
	 * otherwise -- */
	u64 regs[VMM_REG_NR]; /* lazy ones are right only where regs_avail says so: use the
				 accessors */
	u32 regs_avail; /* BIT(VMM_REG_*) of the lazy registers whose value here is the guest's */
	u32 regs_dirty; /* those that the backend must write before entry: RSP, RIP, RFLAGS, CR3 */
	struct vmm_exit exit;
	unsigned long requests; /* atomic bitops, from any context */
	enum vcpu_mode
		mode; /* written by the thread, IRQs off; read by vcpu_kick() and vm_flush_tlb() */
	int cpu; /* the physical CPU this vCPU is loaded on, or -1; preemption off */
	struct vm *vm;
	struct lapic *lapic; /* NULL without in-kernel irqchip; set before the vCPU is published */
	struct kvm_run *run; /* shared with userspace: copy, then judge */
	bool entered; /* once at least: its CPUID stays */
	bool windows; /* exits are asked for, for when the guest can take what waits */
	bool fast_exits; /* nobody else has to see an exit first: exit_fast_begin() */
	bool news; /* a kick by the vCPU's own thread, interrupts off */
	unsigned long rcu_noted; /* see guest_state.h; by the thread */

	/* -- events; by the thread but for nmi_queued -- */
	struct vmm_event requeue; /* delivery that an exit interrupted: goes first */
	struct vmm_event exception; /* raised, not yet delivered */
	struct vmm_event user_irq; /* KVM_INTERRUPT */
	bool user_pic; /* that is where ExtINTs come from: no PIC in the kernel; constant */
	unsigned int nmi_pending; /* 0 to 2 */
	atomic_t nmi_queued; /* by anyone */
	bool triple_fault;
	/* Of `exception`, from userspace: the CR2 or DR6 bits that its delivery is to set. */
	bool exception_has_payload;
	u64 exception_payload;
	struct pv_eoi pv_eoi;

	/* -- guest state that common code owns; the backend is told by set_*() -- */
	u64 efer;
	u64 cr2;
	u64 cr8; /* without in-kernel LAPIC; else the TPR is in the lapic */
	u64 apic_base; /* same */
	u64 xcr0;
	u64 dr[4];
	u64 dr6;
	u64 dr7;
	u64 dr7_used; /* that, or a debugger's */
	struct guest_debug debug;
	u64 tsc_offset;
	struct msr_state msr;
	struct pvclock_vcpu clock;
	struct steal_time steal;
	struct mce_state mce;
	u32 mp_state; /* KVM_MP_STATE_* */
	u8 sipi_vector; /* for KVM_MP_STATE_SIPI_RECEIVED */
	u64 cr4_set; /* as it was last set: right for bits that change with an exit only, as OSXSAVE */
	bool swap_xcr0; /* CR4.OSXSAVE set and xcr0 differs from the host's */
	struct fpu_guest fpu;

	/* -- CPUID -- */
	struct kvm_cpuid_entry2 *cpuid_entries;
	struct cpuid_table cpuid;
	struct vcpu_features has;
	bool enforce_pv_features; /* KVM_CAP_ENFORCE_PV_FEATURE_CPUID */

	/* -- what userspace is doing for us -- */
	struct vapic vapic;
	DECLARE_BITMAP(ioapic_eois, 256); /* vectors whose EOI userspace's I/O APIC is to hear of */
	enum vcpu_pending pending;
	struct vcpu_pio pio;
	struct vmm_code code; /* of the exit that is being handled */
	struct fetch_memo fetch_memo[FETCH_MEMOS]; /* by page */
	struct decoded decoded[VCPU_DECODED]; /* by RIP */
	struct emulator emulator;
	u64 store_rip; /* of the store, while userspace answers */
	const struct decoded *refused_store; /* no device in the kernel took it */
	u64 mmio_gfn,
		mmio_slots; /* a frame without memory, and the generation of the slots that say so */
	u64 mmio_gpa, mmio_gva; /* of the exit under emulation, when known: spares a walk */
	bool mmio_gva_valid, mmio_write;

	/* -- placing and waiting -- */
	struct preempt_notifier preempt_notifier;
	struct rcuwait wait;
	struct halt_state halt;
	struct yield_state yield;
	struct hrtimer lapic_timer;
	sigset_t sigset;
	bool sigset_active;

	/* -- identity -- */
	struct mutex mutex; /* one ioctl at a time */
	u32 id; /* as userspace named it; the APIC ID */
	unsigned int index; /* in vm->vcpus */
	u64 exits[VMM_EXIT_NR]; /* statistics, written by the thread */
	struct vcpu_stats stats;
};

static inline u64 vcpu_reg(struct vcpu *vcpu, unsigned int reg)
{
	if ((BIT(reg) & VMM_REGS_LAZY) && !(vcpu->regs_avail & BIT(reg)))
		backend->cache_reg(vcpu, reg);
	return vcpu->regs[reg];
}

/* Not for CR0 and CR4: those go through state.c. */
static inline void vcpu_set_reg(struct vcpu *vcpu, unsigned int reg, u64 value)
{
	vcpu->regs[reg] = value;
	vcpu->regs_avail |= BIT(reg) & VMM_REGS_LAZY;
	vcpu->regs_dirty |= BIT(reg) & VMM_REGS_LAZY;
}

/* As WRMSR and XSETBV take it. */
static inline u64 vcpu_edx_eax(const struct vcpu *vcpu)
{
	return (u32)vcpu->regs[VMM_REG_RAX] | vcpu->regs[VMM_REG_RDX] << 32;
}

static inline u64 vcpu_rip(struct vcpu *vcpu)
{
	return vcpu_reg(vcpu, VMM_REG_RIP);
}

static inline u64 vcpu_rflags(struct vcpu *vcpu)
{
	return vcpu_reg(vcpu, VMM_REG_RFLAGS);
}

static inline u64 vcpu_cr0(struct vcpu *vcpu)
{
	return vcpu_reg(vcpu, VMM_REG_CR0);
}

static inline u64 vcpu_cr3(struct vcpu *vcpu)
{
	return vcpu_reg(vcpu, VMM_REG_CR3);
}

static inline u64 vcpu_cr4(struct vcpu *vcpu)
{
	return vcpu_reg(vcpu, VMM_REG_CR4);
}

int vcpu_create_fd(struct vm *vm, u32 id); /* KVM_CREATE_VCPU: an fd or -errno */
void vcpu_free(struct vcpu *vcpu); /* at VM destruction; nobody else can reach it */

/* Around everything that touches the VMCS/VMCB. No nesting. -EIO when the machine goes down. */
int vcpu_load(struct vcpu *vcpu);
void vcpu_put(struct vcpu *vcpu);

/* Make the vCPU look at its requests and events soon: wakes it from HLT, forces it out of the
 * guest. Any context. */
void vcpu_kick(struct vcpu *vcpu);

static inline void vcpu_request(struct vcpu *vcpu, enum vcpu_request request)
{
	set_bit(request, &vcpu->requests);
}

/* INIT or power-on state (SDM vol 3, table 10-1); loaded. */
void vcpu_reset(struct vcpu *vcpu, bool init);

int vcpu_run(struct vcpu *vcpu); /* KVM_RUN; mutex held, not loaded */

#endif
