// SPDX-License-Identifier: GPL-2.0-only
/* kvmclock, as Documentation/virt/kvm/x86/msr.rst and cpuid.rst tell guests of it. */
#include <linux/jiffies.h>
#include <linux/kvm.h>
#include <linux/kvm_para.h>
#include <linux/math64.h>
#include <linux/timekeeping.h>
#include <asm/cpufeature.h>
#include <asm/pvclock-abi.h>
#include <asm/tsc.h>

#include "vm.h"
#include "x86/pvclock.h"

/* Without a dependable TSC a page goes stale: how long it may be used. */
#define PAGE_LIFETIME (HZ / 10)

static unsigned int resumes; /* of the host; written with one CPU running */

void pvclock_resume(void)
{
	WRITE_ONCE(resumes, resumes + 1);
}

/* -- the VM's clock; under its lock unless said otherwise -- */

static void set_rate(struct pvclock_vm *clock, u32 khz)
{
	u64 hz = (u64)khz * 1000;
	int shift = 0;

	if (clock->khz == khz)
		return;
	clock->khz = khz;
	/* The largest multiplier of 32 bits is the most exact: a rate in (10^9, 2 * 10^9]. */
	for (; hz > 2 * NSEC_PER_SEC; hz >>= 1)
		shift--;
	for (; hz <= NSEC_PER_SEC; hz <<= 1)
		shift++;
	clock->shift = shift;
	/* What the shift to the right cut off counts, too. */
	clock->mul = shift < 0 ? mul_u64_u64_div_u64(NSEC_PER_SEC << -shift, 1ull << 32,
						     (u64)khz * 1000) :
				 div64_u64(NSEC_PER_SEC << 32, (u64)khz * 1000 << shift);
}

static u64 ticks_to_ns(const struct pvclock_vm *clock, u64 ticks)
{
	ticks = clock->shift < 0 ? ticks >> -clock->shift : ticks << clock->shift;
	return mul_u64_u32_shr(ticks, clock->mul, 32);
}

static bool host_tsc_dependable(void)
{
	return boot_cpu_has(X86_FEATURE_CONSTANT_TSC) && !check_tsc_unstable();
}

/* The clock when the host's TSC was tsc; for a TSC that is not dependable: now. */
static u64 clock_at(const struct pvclock_vm *clock, u64 tsc)
{
	if (clock->by_tsc)
		return clock->base_ns + ticks_to_ns(clock, tsc - clock->base_tsc);
	return ktime_get_boottime_ns() + clock->offset;
}

/* From now on it is so late. */
static void set_clock(struct pvclock_vm *clock, u64 ns)
{
	clock->resumes = READ_ONCE(resumes);
	set_rate(clock, tsc_khz);
	clock->by_tsc = host_tsc_dependable();
	clock->base_tsc = rdtsc_ordered();
	clock->base_ns = ns;
	clock->offset = ns - ktime_get_boottime_ns();
}

/* What was true when the clock was set may not be any more. */
static void revalidate(struct pvclock_vm *clock)
{
	if (unlikely(clock->resumes != READ_ONCE(resumes)))
		set_clock(clock, ktime_get_boottime_ns() + clock->offset);
	else if (unlikely(clock->by_tsc && !host_tsc_dependable()))
		set_clock(clock, clock_at(clock, rdtsc_ordered()));
	if (!clock->by_tsc)
		set_rate(clock, tsc_khz);
}

void pvclock_init(struct vm *vm)
{
	raw_spin_lock_init(&vm->clock.lock);
	set_clock(&vm->clock, 0);
}

/* -- each vCPU's page -- */

static void request_all(struct vm *vm)
{
	struct vcpu *vcpu;
	unsigned int i;

	vmm_for_each_vcpu(i, vcpu, vm) {
		if (READ_ONCE(vcpu->clock.system_time) & KVM_MSR_ENABLED) {
			vcpu_request(vcpu, VCPU_REQ_CLOCK);
			vcpu_kick(vcpu);
		}
	}
}

/* One vCPU's page serves on all of them only if their TSCs are the same. */
static bool tscs_match(struct vm *vm)
{
	struct vcpu *vcpu;
	unsigned int i;

	vmm_for_each_vcpu(i, vcpu, vm)
		if (READ_ONCE(vcpu->tsc_offset) != READ_ONCE(vm->vcpus[0]->tsc_offset))
			return false;
	return true;
}

static void sample(struct vcpu *vcpu, struct pvclock_vcpu_time_info *info)
{
	struct pvclock_vm *clock = &vcpu->vm->clock;
	bool match = tscs_match(vcpu->vm);
	unsigned long flags;
	u64 tsc;

	raw_spin_lock_irqsave(&clock->lock, flags);
	revalidate(clock);
	/* With a dependable TSC all pages tell of one moment: they agree to the nanosecond. */
	tsc = clock->by_tsc ? clock->base_tsc : rdtsc_ordered();
	info->system_time = clock_at(clock, tsc);
	info->tsc_timestamp = tsc + vcpu->tsc_offset;
	info->tsc_to_system_mul = clock->mul;
	info->tsc_shift = clock->shift;
	info->flags = clock->by_tsc && match ? PVCLOCK_TSC_STABLE_BIT : 0;
	vcpu->clock.resumes = clock->resumes;
	vcpu->clock.written = jiffies;
	vcpu->clock.cpu = raw_smp_processor_id();
	raw_spin_unlock_irqrestore(&clock->lock, flags);
}

/* The version is odd while the rest changes. The guest itself may have left anything there. */
void pvclock_update(struct vcpu *vcpu)
{
	u64 gpa = vcpu->clock.system_time & ~(u64)KVM_MSR_ENABLED;
	struct mmu *mmu = &vcpu->vm->mmu;
	struct pvclock_vcpu_time_info info, old;

	if (!(vcpu->clock.system_time & KVM_MSR_ENABLED) || guest_read(mmu, gpa, &old, sizeof(old)))
		return;
	info = (struct pvclock_vcpu_time_info){ .version = (old.version | 1) + 2 };
	if (guest_write(mmu, gpa, &info.version, sizeof(info.version)))
		return;
	smp_wmb();
	sample(vcpu, &info);
	/* It is the guest that takes this one back. */
	info.flags |= old.flags & PVCLOCK_GUEST_STOPPED;
	if (vcpu->clock.guest_stopped)
		info.flags |= PVCLOCK_GUEST_STOPPED;
	vcpu->clock.guest_stopped = false;
	if (guest_write(mmu, gpa, &info, sizeof(info)))
		return;
	smp_wmb();
	info.version++;
	guest_write(mmu, gpa, &info.version, sizeof(info.version));
}

void pvclock_loaded(struct vcpu *vcpu, int cpu)
{
	const struct pvclock_vcpu *own = &vcpu->clock;

	if (own->resumes != READ_ONCE(resumes) ||
	    (!READ_ONCE(vcpu->vm->clock.by_tsc) &&
	     (own->cpu != cpu || time_after(jiffies, own->written + PAGE_LIFETIME))))
		vcpu_request(vcpu, VCPU_REQ_CLOCK);
}

void pvclock_tsc_changed(struct vcpu *vcpu)
{
	if (READ_ONCE(vcpu->vm->clock.active))
		request_all(vcpu->vm);
}

/* -- MSRs -- */

static u64 clock_now(struct vm *vm)
{
	unsigned long flags;
	u64 now;

	raw_spin_lock_irqsave(&vm->clock.lock, flags);
	revalidate(&vm->clock);
	now = clock_at(&vm->clock, rdtsc_ordered());
	raw_spin_unlock_irqrestore(&vm->clock.lock, flags);
	return now;
}

/* What time it was when the VM's clock was 0. */
static void write_wall_clock(struct vm *vm, u64 gpa)
{
	struct pvclock_wall_clock wall = {};
	u64 ns;

	if (guest_read(&vm->mmu, gpa, &wall.version, sizeof(wall.version)))
		return;
	wall.version = (wall.version | 1) + 2;
	if (guest_write(&vm->mmu, gpa, &wall.version, sizeof(wall.version)))
		return;
	smp_wmb();
	ns = ktime_get_real_ns() - clock_now(vm);
	wall.sec = div_u64_rem(ns, NSEC_PER_SEC, &wall.nsec);
	if (guest_write(&vm->mmu, gpa, &wall, sizeof(wall)))
		return;
	smp_wmb();
	wall.version++;
	guest_write(&vm->mmu, gpa, &wall.version, sizeof(wall.version));
}

static bool is_wall_clock(u32 index)
{
	return index == MSR_KVM_WALL_CLOCK || index == MSR_KVM_WALL_CLOCK_NEW;
}

int pvclock_read_msr(struct vcpu *vcpu, u32 index, u64 *value, bool host)
{
	*value = is_wall_clock(index) ? vcpu->clock.wall_clock : vcpu->clock.system_time;
	return 0;
}

int pvclock_write_msr(struct vcpu *vcpu, u32 index, u64 value, bool host)
{
	if (is_wall_clock(index)) {
		vcpu->clock.wall_clock = value;
		write_wall_clock(vcpu->vm, value);
		return 0;
	}
	WRITE_ONCE(vcpu->clock.system_time, value);
	if (value & KVM_MSR_ENABLED) {
		WRITE_ONCE(vcpu->vm->clock.active, true);
		vcpu_request(vcpu, VCPU_REQ_CLOCK);
	}
	return 0;
}

/* -- ioctls -- */

long pvclock_get(void *object, void *data)
{
	struct kvm_clock_data *out = data;
	struct vm *vm = object;
	bool match = tscs_match(vm);
	unsigned long flags;

	raw_spin_lock_irqsave(&vm->clock.lock, flags);
	revalidate(&vm->clock);
	out->host_tsc = rdtsc_ordered();
	out->realtime = ktime_get_real_ns();
	out->clock = clock_at(&vm->clock, out->host_tsc);
	out->flags = KVM_CLOCK_REALTIME | KVM_CLOCK_HOST_TSC;
	if (vm->clock.by_tsc && match)
		out->flags |= KVM_CLOCK_TSC_STABLE;
	raw_spin_unlock_irqrestore(&vm->clock.lock, flags);
	return 0;
}

long pvclock_set(void *object, void *data)
{
	const struct kvm_clock_data *in = data;
	struct vm *vm = object;
	unsigned long flags;
	u64 ns, real;

	if (in->flags & ~(u32)PVCLOCK_FLAGS)
		return -EINVAL;
	raw_spin_lock_irqsave(&vm->clock.lock, flags);
	ns = in->clock;
	real = ktime_get_real_ns();
	/* The time that the move took; never backwards. */
	if (in->flags & KVM_CLOCK_REALTIME && real > in->realtime)
		ns += real - in->realtime;
	set_clock(&vm->clock, ns);
	raw_spin_unlock_irqrestore(&vm->clock.lock, flags);
	request_all(vm);
	return 0;
}

long pvclock_guest_stopped(void *object, unsigned long arg)
{
	struct vcpu *vcpu = object;

	if (!(vcpu->clock.system_time & KVM_MSR_ENABLED))
		return -EINVAL;
	vcpu->clock.guest_stopped = true;
	vcpu_request(vcpu, VCPU_REQ_CLOCK);
	return 0;
}
