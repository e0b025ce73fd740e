// SPDX-License-Identifier: GPL-2.0-only
#define pr_fmt(fmt) "vmm: " fmt

#include <linux/cpumask.h>
#include <linux/kvm.h>
#include <linux/kvm_para.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/preempt.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <asm/cpufeature.h>
#include <asm/processor.h>

#include "backend.h"
#include "dev.h"
#include "state.h"
#include "stats.h"
#include "virt.h"
#include "vm.h"
#include "x86/cpuid.h"
#include "x86/fpu.h"
#include "x86/msr.h"

const struct vmm_backend *backend __ro_after_init;
struct vmm_caps vmm_caps __ro_after_init;

/* -- capabilities: only what works entirely -- */

static const struct {
	u32 cap;
	int value;
} extensions[] = {
	{ KVM_CAP_IRQCHIP, 1 },
	{ KVM_CAP_HLT, 1 },
	{ KVM_CAP_HALT_POLL, 1 },
	{ KVM_CAP_USER_MEMORY, 1 },
	{ KVM_CAP_SET_TSS_ADDR, 1 },
	{ KVM_CAP_SET_IDENTITY_MAP_ADDR, 1 },
	{ KVM_CAP_EXT_CPUID, 1 },
	{ KVM_CAP_MP_STATE, 1 },
	{ KVM_CAP_SYNC_MMU, 1 },
	{ KVM_CAP_USER_NMI, 1 },
	{ KVM_CAP_PIT, 1 },
	{ KVM_CAP_PIT2, 1 },
	{ KVM_CAP_PIT_STATE2, 1 },
	{ KVM_CAP_NR_MEMSLOTS, VMM_MAX_SLOTS },
	{ KVM_CAP_MAX_VCPUS, VMM_MAX_VCPUS },
	{ KVM_CAP_MAX_VCPU_ID, VMM_MAX_VCPUS },
	{ KVM_CAP_IRQ_ROUTING, IRQ_ROUTING_MAX },
	{ KVM_CAP_IRQ_INJECT_STATUS, 1 },
	{ KVM_CAP_SIGNAL_MSI, 1 },
	{ KVM_CAP_VAPIC, 1 },
	{ KVM_CAP_IRQFD, 1 },
	{ KVM_CAP_IRQFD_RESAMPLE, 1 },
	{ KVM_CAP_IOEVENTFD, 1 },
	{ KVM_CAP_IOEVENTFD_ANY_LENGTH, 1 },
	{ KVM_CAP_IOEVENTFD_NO_LENGTH, 1 },
	{ KVM_CAP_COALESCED_MMIO, VCPU_RING_PAGE },
	{ KVM_CAP_COALESCED_PIO, 1 },
	{ KVM_CAP_ENABLE_CAP_VM, 1 },
	{ KVM_CAP_SPLIT_IRQCHIP, 1 },
	{ KVM_CAP_X2APIC_API,
	  KVM_X2APIC_API_USE_32BIT_IDS | KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK },
	{ KVM_CAP_REINJECT_CONTROL, 1 },
	{ KVM_CAP_SET_BOOT_CPU_ID, 1 },
	{ KVM_CAP_DESTROY_MEMORY_REGION_WORKS, 1 },
	{ KVM_CAP_JOIN_MEMORY_REGIONS_WORKS, 1 },
	{ KVM_CAP_READONLY_MEM, 1 },
	{ KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, MMU_DIRTY_LOG_MODES },
	{ KVM_CAP_VCPU_EVENTS, 1 },
	{ KVM_CAP_INTR_SHADOW, 1 },
	{ KVM_CAP_DEBUGREGS, 1 },
	{ KVM_CAP_SET_GUEST_DEBUG, 1 },
	{ KVM_CAP_SET_GUEST_DEBUG2, GUEST_DEBUG_CONTROL },
	{ KVM_CAP_X86_ROBUST_SINGLESTEP, 1 },
	{ KVM_CAP_XSAVE, 1 },
	/* What a guest may have, with AVX-512, fits into the fixed size. */
	{ KVM_CAP_XSAVE2, sizeof(struct kvm_xsave) },
	{ KVM_CAP_SREGS2, 1 },
	{ KVM_CAP_MCE, MCE_MAX_BANKS },
	{ KVM_CAP_SYNC_REGS, STATE_SYNC_REGS },
	{ KVM_CAP_EXCEPTION_PAYLOAD, 1 },
	{ KVM_CAP_X86_TRIPLE_FAULT_EVENT, 1 },
	{ KVM_CAP_TSC_DEADLINE_TIMER, 1 },
	{ KVM_CAP_GET_TSC_KHZ, 1 },
	{ KVM_CAP_CLOCKSOURCE, 1 },
	{ KVM_CAP_NOP_IO_DELAY, 1 },
	{ KVM_CAP_ADJUST_CLOCK, PVCLOCK_FLAGS },
	{ KVM_CAP_KVMCLOCK_CTRL, 1 },
	{ KVM_CAP_IMMEDIATE_EXIT, 1 },
	{ KVM_CAP_CHECK_EXTENSION_VM, 1 },
	{ KVM_CAP_GET_MSR_FEATURES, 1 },
	{ KVM_CAP_X86_USER_SPACE_MSR, 1 },
	{ KVM_CAP_X86_MSR_FILTER, 1 },
	{ KVM_CAP_SYS_ATTRIBUTES, 1 },
	{ KVM_CAP_VCPU_ATTRIBUTES, 1 },
	{ KVM_CAP_MMU_SHADOW_CACHE_CONTROL, 1 },
	{ KVM_CAP_MSR_PLATFORM_INFO, 1 },
	{ KVM_CAP_DISABLE_QUIRKS2, VMM_QUIRKS },
	{ KVM_CAP_ENABLE_CAP, 1 },
	{ KVM_CAP_ENFORCE_PV_FEATURE_CPUID, 1 },
	{ KVM_CAP_BINARY_STATS_FD, 1 },
};

long dev_check_extension(unsigned long cap)
{
	unsigned int i;

	if (cap == KVM_CAP_NR_VCPUS)
		return min_t(unsigned int, num_online_cpus(), VMM_MAX_VCPUS);
	if (cap == KVM_CAP_XCRS)
		return fpu_allowed_xcr0() ? 1 : 0;
	for (i = 0; i < ARRAY_SIZE(extensions); i++)
		if (extensions[i].cap == cap)
			return extensions[i].value;
	return 0;
}

/* -- CPUID -- */

static void host_cpuid(u32 leaf, u32 subleaf, u32 regs[4])
{
	cpuid_count(leaf, subleaf, &regs[CPUID_REG_EAX], &regs[CPUID_REG_EBX], &regs[CPUID_REG_ECX],
		    &regs[CPUID_REG_EDX]);
}

static void cpuid_caps(struct cpuid_host_caps *caps)
{
	caps->xcr0 = fpu_allowed_xcr0();
	caps->features = CPUID_CAP_NX | CPUID_CAP_GBPAGES | CPUID_CAP_TSC_ADJUST | CPUID_CAP_MTRR |
			 CPUID_CAP_MCE;
	caps->maxphyaddr = vmm_caps.guest_phys_bits;
	caps->kvm_features = BIT(KVM_FEATURE_CLOCKSOURCE) | BIT(KVM_FEATURE_CLOCKSOURCE2) |
			     BIT(KVM_FEATURE_CLOCKSOURCE_STABLE_BIT) |
			     BIT(KVM_FEATURE_NOP_IO_DELAY) | BIT(KVM_FEATURE_PV_EOI);
	if (steal_available())
		caps->kvm_features |= BIT(KVM_FEATURE_STEAL_TIME);
	if (vmm_caps.rdtscp)
		caps->features |= CPUID_CAP_RDTSCP;
	if (vmm_caps.invpcid)
		caps->features |= CPUID_CAP_INVPCID;
	if (vmm_caps.umip)
		caps->features |= CPUID_CAP_UMIP;
	if (vmm_caps.cr4_allowed & X86_CR4_PCIDE)
		caps->features |= CPUID_CAP_PCID;
	if (vmm_caps.cr4_allowed & X86_CR4_LA57)
		caps->features |= CPUID_CAP_LA57;
	if (vmm_caps.spec_ctrl)
		caps->features |= CPUID_CAP_SPEC_CTRL;
}

static long get_supported_cpuid(void __user *arg)
{
	struct kvm_cpuid2 __user *user = arg;
	struct cpuid_host_caps caps = {};
	struct kvm_cpuid_entry2 *entries;
	struct kvm_cpuid2 head;
	long r;

	if (copy_from_user(&head, user, sizeof(head)))
		return -EFAULT;
	entries = kvcalloc(CPUID_MAX_ENTRIES, sizeof(*entries), GFP_KERNEL);
	if (!entries)
		return -ENOMEM;
	cpuid_caps(&caps);
	r = cpuid_supported(entries, min_t(u32, head.nent, CPUID_MAX_ENTRIES), host_cpuid, &caps);
	if (r < 0)
		goto out;
	head.nent = r;
	r = 0;
	if (copy_to_user(user, &head, sizeof(head)) ||
	    copy_to_user(user->entries, entries, head.nent * sizeof(*entries)))
		r = -EFAULT;
out:
	kvfree(entries);
	return r;
}

/* -- attributes -- */

/* The one there is: the XCR0 bits that userspace may give to guests. */
static long device_attr(void __user *arg, bool get)
{
	struct kvm_device_attr attr;

	if (copy_from_user(&attr, arg, sizeof(attr)))
		return -EFAULT;
	if (attr.group || attr.attr != KVM_X86_XCOMP_GUEST_SUPP)
		return -ENXIO;
	return get ? put_user(fpu_allowed_xcr0(), (u64 __user *)attr.addr) : 0;
}

/* -- the device -- */

static long dev_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	void __user *user = (void __user *)arg;

	switch (cmd) {
	case KVM_GET_API_VERSION:
		return arg ? -EINVAL : KVM_API_VERSION;
	case KVM_CREATE_VM:
		return vm_create_fd(arg);
	case KVM_CHECK_EXTENSION:
		return dev_check_extension(arg);
	case KVM_GET_VCPU_MMAP_SIZE:
		return arg ? -EINVAL : VCPU_MMAP_PAGES * PAGE_SIZE;
	case KVM_GET_SUPPORTED_CPUID:
		return get_supported_cpuid(user);
	case KVM_GET_MSR_INDEX_LIST:
		return msr_index_list(user);
	case KVM_GET_MSR_FEATURE_INDEX_LIST:
		return msr_feature_index_list(user);
	case KVM_X86_GET_MCE_CAP_SUPPORTED:
		return put_user(mce_supported(), (u64 __user *)user);
	case KVM_HAS_DEVICE_ATTR:
		return device_attr(user, false);
	case KVM_GET_DEVICE_ATTR:
		return device_attr(user, true);
	case KVM_GET_MSRS:
		return msr_feature_ioctl(user);
	default:
		return -ENOTTY;
	}
}

static const struct file_operations dev_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = dev_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.llseek = noop_llseek,
};

static struct miscdevice device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "vmm",
	.mode = 0660,
	.fops = &dev_fops,
};

/* -- load and unload -- */

/* The one that the silicon has: a CPU has at most one of the two. */
static int __init choose_backend(void)
{
	static const struct vmm_backend *const backends[] = { &vmx_backend, &svm_backend };
	const char *why = "this CPU has neither VMX nor SVM";
	int r = -ENOENT;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(backends) && r == -ENOENT; i++) {
		backend = backends[i];
		r = backend->probe(&why);
	}
	if (!r)
		return 0;
	pr_err("%s\n", why);
	return -ENODEV;
}

static int __init vmm_init(void)
{
	int r;

	r = choose_backend();
	if (r)
		return r;
	fpu_init();
	r = backend->setup(&vmm_caps);
	if (r)
		return r;
	r = virt_init();
	if (r)
		goto out_backend;
	stats_init();
	preempt_notifier_inc();
	r = misc_register(&device);
	if (r)
		goto out_stats;
	pr_info("%s, guests of up to %d vCPUs and %u-bit physical addresses\n", backend->name,
		VMM_MAX_VCPUS, vmm_caps.guest_phys_bits);
	return 0;
out_stats:
	preempt_notifier_dec();
	stats_exit();
	virt_exit();
out_backend:
	backend->teardown();
	return r;
}

static void __exit vmm_exit(void)
{
	misc_deregister(&device);
	preempt_notifier_dec();
	stats_exit();
	virt_exit();
	backend->teardown();
}

module_init(vmm_init);
module_exit(vmm_exit);
MODULE_DESCRIPTION("KVM-compatible hypervisor");
MODULE_LICENSE("GPL");
