// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every MSR is denied unless listed. The guest sweeps the ranges where processors have MSRs; what it
 * can reach must be in the table below, and what it reads there is never the host's value.
 */
#include <string.h>

#include "guest.h"

static struct vm vm;
static struct vcpu vcpu;

/*
 * What a guest may be given. An MSR is on this list because guests of today touch it at boot, or
 * because it is architectural state of the vCPU. "Read as 0 or constant" is up to the hypervisor.
 */
static const struct range {
	u32 first, last;
} allowed[] = {
	{ 0x0, 0x1 }, /* P5 machine check */
	{ 0x10, 0x10 }, /* TSC */
	{ 0x11, 0x12 }, /* KVM clock's first numbers */
	{ 0x17, 0x17 }, /* platform id */
	{ 0x1b, 0x1b }, /* APIC base */
	{ 0x2a, 0x2a }, /* EBL_CR_POWERON */
	{ 0x2c, 0x2c }, /* EBC frequency id */
	{ 0x34, 0x34 }, /* SMI count */
	{ 0x3a, 0x3b }, /* feature control, TSC adjust */
	{ 0x48, 0x49 }, /* SPEC_CTRL, PRED_CMD */
	{ 0x79, 0x79 }, /* microcode update */
	{ 0x8b, 0x8b }, /* microcode revision */
	{ 0x9b, 0x9b }, /* SMM monitor */
	{ 0x9e, 0x9e }, /* SMBASE */
	{ 0xc1, 0xc8 }, /* counters */
	{ 0xcd, 0xce }, /* FSB frequency, platform info */
	{ 0xe1, 0xe1 }, /* UMWAIT */
	{ 0xe7, 0xe8 }, /* MPERF, APERF */
	{ 0xfe, 0xfe }, /* MTRR capabilities */
	{ 0x10a, 0x10b }, /* ARCH_CAPABILITIES, FLUSH_CMD */
	{ 0x11e, 0x11e }, /* BBL_CR_CTL3 */
	{ 0x122, 0x122 }, /* TSX control */
	{ 0x140, 0x140 }, /* misc features */
	{ 0x174, 0x176 }, /* SYSENTER */
	{ 0x179, 0x17b }, /* machine check */
	{ 0x186, 0x18d }, /* event selects */
	{ 0x198, 0x19c }, /* perf status, thermal */
	{ 0x1a0, 0x1a0 }, /* misc enable */
	{ 0x1c4, 0x1c5 }, /* XFD */
	{ 0x1c8, 0x1c9 }, /* LBR */
	{ 0x1d9, 0x1de }, /* DEBUGCTL, last branch and exception */
	{ 0x1fc, 0x1fc }, /* power control */
	{ 0x200, 0x2ff }, /* MTRRs, PAT, CTL2 of machine check banks */
	{ 0x309, 0x30c }, /* fixed counters */
	{ 0x345, 0x345 }, /* perf capabilities */
	{ 0x38d, 0x392 }, /* performance control */
	{ 0x3f1, 0x3f2 }, /* PEBS */
	{ 0x400, 0x47f }, /* machine check banks */
	{ 0x4c1, 0x4c8 }, /* full-width counters */
	{ 0x570, 0x587 }, /* processor trace */
	{ 0x600, 0x600 }, /* DS area */
	{ 0x606, 0x606 }, /* RAPL unit */
	{ 0x611, 0x611 }, /* RAPL energy: read as 0 */
	{ 0x619, 0x619 },
	{ 0x639, 0x639 },
	{ 0x641, 0x641 },
	{ 0x680, 0x6a8 }, /* LBR, U_CET, S_CET */
	{ 0x6e0, 0x6e0 }, /* TSC deadline */
	{ 0x800, 0x8ff }, /* x2APIC */
	{ 0xda0, 0xda0 }, /* XSS */
	{ 0x11e0, 0x11e0 },
	{ 0x4b564d00, 0x4b564d08 }, /* KVM clock and friends */
	{ 0xc0000080, 0xc0000084 }, /* EFER, STAR, LSTAR, CSTAR, SFMASK */
	{ 0xc0000100, 0xc0000104 }, /* FS, GS, KERNEL_GS, TSC_AUX, TSC ratio */
	{ 0xc0000408, 0xc000040a },
	{ 0xc0002000, 0xc000240f },
	{ 0xc0010000, 0xc0010007 }, /* K7 counters */
	{ 0xc0010010, 0xc0010010 }, /* SYSCFG */
	{ 0xc0010020, 0xc0010020 }, /* microcode patch loader: a write is ignored */
	{ 0xc0010015, 0xc001001f }, /* HWCR, IORR, TOP_MEM, NB_CFG */
	{ 0xc0010055, 0xc0010055 }, /* interrupt pending */
	{ 0xc0010058, 0xc0010058 }, /* MMIO configuration */
	{ 0xc0010061, 0xc0010064 }, /* P-states */
	{ 0xc0010112, 0xc001011f }, /* SMM, VM_CR, HSAVE_PA, VIRT_SPEC_CTRL */
	{ 0xc0010140, 0xc0010141 }, /* OSVW */
	{ 0xc0010200, 0xc001020b }, /* counters */
	{ 0xc0011020, 0xc001102f }, /* LS_CFG ... DE_CFG */
};

/* KVM has these besides; a guest of today does without. */
static const struct range kvm_has[] = {
	{ 0x480, 0x491 }, /* VMX capabilities: nesting */
	{ 0x40000000, 0x400000ff }, /* Hyper-V */
	{ 0xc0010130, 0xc0010130 }, /* SEV-ES GHCB */
};

static const struct range swept[] = {
	{ 0x0, 0x1fff },
	{ 0x40000000, 0x400001ff },
	{ 0x4b564d00, 0x4b564dff },
	{ 0xc0000000, 0xc0001fff },
	{ 0xc0010000, 0xc0011fff },
	{ 0x80000000, 0x8000003f },
	{ 0xffffffe0, 0xffffffff },
};

#define RANGES(table) (sizeof(table) / sizeof((table)[0]))

static volatile bool on_kvm;

static bool listed(const struct range *table, u32 entries, u32 index)
{
	u32 i;

	for (i = 0; i < entries; i++)
		if (index >= table[i].first && index <= table[i].last)
			return true;
	return false;
}

static bool is_allowed(u32 index)
{
	return listed(allowed, RANGES(allowed), index) ||
	       (on_kvm && listed(kvm_has, RANGES(kvm_has), index));
}

static volatile struct found {
	u32 index;
	u64 value;
} found[1024];
static volatile u64 found_count;

/* Reads one range; notes what did not fault. */
static void guest_sweep(u64 range)
{
	u64 index, value;

	for (index = swept[range].first; index <= swept[range].last; index++) {
		if (guest_try_rdmsr(index, &value) != -1)
			continue;
		if (!is_allowed(index)) {
			guest_signal(PORT_SYNC, index, 1, 0, 0);
			continue;
		}
		if (found_count < 1024) {
			found[found_count].index = index;
			found[found_count].value = value;
			found_count++;
		}
	}
}

static void sweep(u64 range, unsigned int flags)
{
	struct kvm_regs regs;
	unsigned int reason, bad = 0;

	on_kvm = device_is_kvm();
	guest_start(&vm, &vcpu, flags, guest_sweep, range);
	for (;;) {
		reason = vcpu_run(&vcpu);
		CHECK_EQ(reason, KVM_EXIT_IO);
		if (vcpu.run->io.port == PORT_DONE)
			break;
		vcpu_get_regs(&vcpu, &regs);
		test_diag("MSR %#llx can be read", regs.rdi);
		bad++;
	}
	CHECK_EQ(bad, 0);
	test_diag("%llu MSRs of %#x-%#x answer a read",
		  (unsigned long long)GUEST_VAR(&vm, found_count), swept[range].first,
		  swept[range].last);
}

TEST(read_low)
{
	sweep(0, VM_IRQCHIP);
}

TEST(read_hypervisor_range)
{
	sweep(1, 0);
}

TEST(read_paravirtual_range)
{
	sweep(2, 0);
}

TEST(read_extended)
{
	sweep(3, 0);
}

TEST(read_vendor)
{
	sweep(4, 0);
}

TEST(read_elsewhere)
{
	guest_start(&vm, &vcpu, 0, guest_sweep, 5);
	vcpu_done(&vcpu);
	vcpu_set_long_mode(&vcpu, guest_sweep, 6);
	vcpu_done(&vcpu);
	CHECK_EQ(GUEST_VAR(&vm, found_count), 0);
}

/* No hypervisor interface that is not ours to give. */
TEST(no_foreign_interfaces, .vmm_only = true)
{
	guest_start(&vm, &vcpu, 0, guest_sweep, 1);
	vcpu_done(&vcpu);
	CHECK_EQ(GUEST_VAR(&vm, found_count), 0);
}

/* What the guest reads of these is its own reset value: the host's would be an address leak. */
static void guest_own_values(u64 arg)
{
	static const u32 zero[] = { MSR_LSTAR,	      MSR_CSTAR,	  MSR_STAR,
				    MSR_SFMASK,	      MSR_KERNEL_GS_BASE, MSR_SYSENTER_EIP,
				    MSR_SYSENTER_ESP, MSR_SYSENTER_CS,	  MSR_TSC_AUX,
				    MSR_FS_BASE,      MSR_GS_BASE };
	u64 value;
	u32 i;

	for (i = 0; i < RANGES(zero); i++)
		if (guest_try_rdmsr(zero[i], &value) == -1 && value)
			GUEST_FAIL_AT(__FILE__ ": MSR is not 0", value, zero[i]);
	GUEST_CHECK_EQ(rdmsr(MSR_PAT), 0x0007040600070406);
}

TEST(reset_values_are_not_the_hosts)
{
	guest_start(&vm, &vcpu, 0, guest_own_values, 0);
	vcpu_done(&vcpu);
}

/* Writes: to all that is not on the list #GP; 0 is as harmless a value as there is. */
static void guest_sweep_writes(u64 range)
{
	u64 index;

	for (index = swept[range].first; index <= swept[range].last; index++)
		if (!is_allowed(index) && guest_try_wrmsr(index, 0) == -1)
			guest_signal(PORT_SYNC, index, 1, 0, 0);
}

static void sweep_writes(u64 range)
{
	struct kvm_regs regs;
	unsigned int bad = 0;

	on_kvm = device_is_kvm();
	guest_start(&vm, &vcpu, 0, guest_sweep_writes, range);
	for (;;) {
		CHECK_EQ(vcpu_run(&vcpu), KVM_EXIT_IO);
		if (vcpu.run->io.port == PORT_DONE)
			break;
		vcpu_get_regs(&vcpu, &regs);
		test_diag("MSR %#llx can be written", regs.rdi);
		bad++;
	}
	CHECK_EQ(bad, 0);
}

TEST(write_low)
{
	sweep_writes(0);
}

TEST(write_extended)
{
	sweep_writes(3);
}

TEST(write_vendor)
{
	sweep_writes(4);
}

TEST(write_elsewhere)
{
	sweep_writes(1);
	sweep_writes(5);
	sweep_writes(6);
}

/* From user mode every one is #GP without a look at the list. */
extern const char user_rdmsr[];
asm(".pushsection .text\n"
    "user_rdmsr:\n"
    "	mov	$0xc0000082, %ecx\n"
    "	rdmsr\n"
    "	hlt\n"
    ".popsection");

static void on_gp(struct guest_frame *frame)
{
	guest_done(frame->rip);
}

static void guest_user_rdmsr(u64 arg)
{
	asm volatile(
		"pushq %0; pushq %1; pushq $2; pushq %2; pushq %3; iretq" ::"r"((u64)SEL_USER_DATA),
		"r"(GUEST_STACKS + 12 * GUEST_STACK_SIZE), "r"((u64)SEL_USER_CODE64),
		"r"(user_rdmsr)
		: "memory");
}

TEST(user_mode)
{
	guest_handlers[VEC_GP] = on_gp;
	guest_start(&vm, &vcpu, 0, guest_user_rdmsr, 0);
	CHECK_EQ(vcpu_done(&vcpu), (u64)user_rdmsr + 5);
}

/* KVM_GET_MSRS knows the same world: what is not known is refused, not answered with 0. */
TEST(ioctl_denies_unknown)
{
	static const u32 unknown[] = { 0x2,	   0x99,       0x500,	   0x7ff,     0x1234,
				       0x12345678, 0xc0000085, 0xc0000200, 0xffffffff };
	unsigned int i;
	u64 value;

	vm_create(&vm, 0);
	vcpu_create(&vm, &vcpu, 0);
	for (i = 0; i < RANGES(unknown); i++) {
		CHECK_MSG(vcpu_get_msr(&vcpu, unknown[i], &value) == 0, "MSR %#x", unknown[i]);
		CHECK_MSG(vcpu_set_msr(&vcpu, unknown[i], 1) == 0, "MSR %#x", unknown[i]);
	}
}
