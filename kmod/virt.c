// SPDX-License-Identifier: GPL-2.0-only
#define pr_fmt(fmt) "vmm: " fmt

#include <linux/cpu.h>
#include <linux/cpuhotplug.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/reboot.h>
#include <linux/smp.h>
#include <asm/reboot.h>

#include "backend.h"
#include "compat.h"
#include "virt.h"
#include "x86/pvclock.h"

DEFINE_PER_CPU(bool, virt_on);

/* Protects the three below; taken inside cpus_read_lock(). */
static DEFINE_MUTEX(virt_lock);
static unsigned int virt_users;
static bool kvm_loaded; /* its vendor module: from before its init function to after its end */
static bool emergency_registered;
static bool stopped; /* set once by the reboot notifier */
static int hotplug_state;

bool virt_stopped(void)
{
	return READ_ONCE(stopped);
}

static void disable_here(void *unused)
{
	unsigned long flags;

	local_irq_save(flags);
	if (__this_cpu_read(virt_on)) {
		__this_cpu_write(virt_on, false);
		backend->cpu_disable();
	}
	local_irq_restore(flags);
}

/* Result of turning the CPUs on: the worst answer wins. */
struct enable_result {
	atomic_t busy, failed;
};

static void enable_here(void *info)
{
	struct enable_result *result = info;
	unsigned long flags;

	local_irq_save(flags);
	if (__this_cpu_read(virt_on))
		goto out;
	if (backend->cpu_busy())
		atomic_inc(&result->busy);
	else if (backend->cpu_enable())
		atomic_inc(&result->failed);
	else
		__this_cpu_write(virt_on, true);
out:
	local_irq_restore(flags);
}

static int enable_error(const struct enable_result *result)
{
	if (atomic_read(&result->busy)) {
		pr_info_ratelimited(
			"%s is in use by another hypervisor: KVM, if loaded, runs a VM or was told to hold it (kvm.enable_virt_at_load)\n",
			backend->name);
		return -EBUSY;
	}
	if (atomic_read(&result->failed)) {
		pr_info("%s could not be turned on\n", backend->name);
		return -EIO;
	}
	return 0;
}

/*
 * VMX blocks INIT, so a crash kernel could not start the other CPUs: the panic path must leave VMX
 * on each CPU.
 */
static void emergency_disable(void)
{
	if (__this_cpu_read(virt_on)) {
		__this_cpu_write(virt_on, false);
		backend->cpu_disable();
	}
}

/*
 * virt_lock. There is one slot for that callback in the kernel, and to fill it twice is a WARN. KVM
 * fills it unasked, when its vendor module is loaded or (newer kernels) when it turns virtualisation
 * on; its callback looks at CR4.VMXE and EFER.SVME only, so that it serves us too. So the slot is
 * ours only while that module is not there.
 */
static void emergency_update(void)
{
	bool want = virt_users && !kvm_loaded;

	if (want == emergency_registered)
		return;
	if (want)
		cpu_emergency_register_virt_callback(emergency_disable);
	else
		cpu_emergency_unregister_virt_callback(emergency_disable);
	emergency_registered = want;
}

/* KVM is about to run its init function; or it is gone, perhaps because that failed. */
static int module_callback(struct notifier_block *nb, unsigned long action, void *data)
{
	const struct module *module = data;

	if (strcmp(module->name, "kvm_intel") && strcmp(module->name, "kvm_amd"))
		return NOTIFY_DONE;
	if (action != MODULE_STATE_COMING && action != MODULE_STATE_GOING)
		return NOTIFY_DONE;
	mutex_lock(&virt_lock);
	kvm_loaded = action == MODULE_STATE_COMING;
	emergency_update();
	mutex_unlock(&virt_lock);
	return NOTIFY_OK;
}

static struct notifier_block module_notifier = {
	.notifier_call = module_callback,
};

/* Whether it was there before us cannot be asked, but its other half can. */
static int watch_kvm(void)
{
	int r = register_module_notifier(&module_notifier);

	if (r)
		return r;
	mutex_lock(&virt_lock);
	if (__symbol_get("kvm_vcpu_halt")) {
		__symbol_put("kvm_vcpu_halt");
		kvm_loaded = true;
	}
	mutex_unlock(&virt_lock);
	return 0;
}

int virt_get(void)
{
	struct enable_result result = {};
	int r = 0;

	cpus_read_lock();
	mutex_lock(&virt_lock);
	if (virt_stopped()) {
		r = -ENODEV;
	} else if (virt_users++ == 0) {
		on_each_cpu(enable_here, &result, 1);
		r = enable_error(&result);
		if (r) {
			virt_users--;
			on_each_cpu(disable_here, NULL, 1);
		} else {
			emergency_update();
		}
	}
	mutex_unlock(&virt_lock);
	cpus_read_unlock();
	return r;
}

void virt_put(void)
{
	cpus_read_lock();
	mutex_lock(&virt_lock);
	if (--virt_users == 0) {
		emergency_update();
		on_each_cpu(disable_here, NULL, 1);
	}
	mutex_unlock(&virt_lock);
	cpus_read_unlock();
}

/*
 * CPU hotplug. The dynamic states are torn down before the scheduler has emptied the CPU, so a vCPU
 * thread may still be scheduled here afterwards: vcpu_place() then leaves it unloaded and the run
 * loop waits to be moved. No lock: cpus_write_lock() excludes virt_get() and virt_put().
 */
static int cpu_online_callback(unsigned int cpu)
{
	struct enable_result result = {};

	if (!virt_users || virt_stopped())
		return 0;
	enable_here(&result);
	return enable_error(&result);
}

static int cpu_offline_callback(unsigned int cpu)
{
	disable_here(NULL);
	return 0;
}

static int reboot_callback(struct notifier_block *nb, unsigned long action, void *data)
{
	pr_info("leaving %s, the machine goes down\n", backend->name);
	WRITE_ONCE(stopped, true);
	on_each_cpu(disable_here, NULL, 1);
	return NOTIFY_OK;
}

static struct notifier_block reboot_notifier = {
	.notifier_call = reboot_callback,
};

/* Suspend takes the other CPUs off by hotplug; the last one goes through here, IRQs off. */
static int suspend_callback(void)
{
	disable_here(NULL);
	return 0;
}

static void resume_callback(void)
{
	struct enable_result result = {};

	pvclock_resume();
	if (virt_users && !virt_stopped()) {
		enable_here(&result);
		enable_error(&result);
	}
}

static COMPAT_SYSCORE(virt_syscore, suspend_callback, resume_callback);

static void busy_here(void *info)
{
	struct enable_result *result = info;

	if (backend->cpu_busy())
		atomic_inc(&result->busy);
}

int virt_init(void)
{
	struct enable_result result = {};
	int r;

	on_each_cpu(busy_here, &result, 1);
	r = enable_error(&result);
	if (r)
		return r;
	r = cpuhp_setup_state(CPUHP_AP_ONLINE_DYN, "virt/vmm:online", cpu_online_callback,
			      cpu_offline_callback);
	if (r < 0)
		return r;
	hotplug_state = r;
	r = watch_kvm();
	if (r)
		goto out_hotplug;
	r = register_reboot_notifier(&reboot_notifier);
	if (r)
		goto out_kvm;
	compat_register_syscore(&virt_syscore);
	return 0;
out_kvm:
	unregister_module_notifier(&module_notifier);
out_hotplug:
	cpuhp_remove_state(hotplug_state);
	return r;
}

void virt_exit(void)
{
	compat_unregister_syscore(&virt_syscore);
	unregister_reboot_notifier(&reboot_notifier);
	unregister_module_notifier(&module_notifier);
	cpuhp_remove_state(hotplug_state);
}
