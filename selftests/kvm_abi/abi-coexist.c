// SPDX-License-Identifier: GPL-2.0-only
/*
 * Beside KVM: who comes first has the CPUs, the other is told so and why, and has them when the first lets go.
 * KVM's modules are those of the test host, loaded and unloaded here.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "guest.h"

enum { ROUNDS = 4, RACES = 32 };

static const char *vendor_module(void)
{
	return host_is_intel() ? "kvm-intel" : "kvm-amd";
}

static int load_file(const char *path, const char *options)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), ret, error;

	if (fd < 0)
		test_skip("%s is not here", path);
	ret = syscall(SYS_finit_module, fd, options, 0);
	error = errno;
	close(fd);
	errno = error;
	return ret;
}

static int unload(const char *name)
{
	int ret = -1;

	/* Who looks at /sys/module may hold it for a moment. */
	for (int i = 0; i < 100; i++) {
		ret = syscall(SYS_delete_module, name, O_NONBLOCK);
		if (!ret || errno != EAGAIN)
			break;
		usleep(10000);
	}
	return ret;
}

/* From 6.12 on KVM takes the CPUs when it is loaded, unless it is told not to. */
static bool kvm_takes_at_load(void)
{
	unsigned int major = 0, minor = 0;
	struct utsname host;

	uname(&host);
	sscanf(host.release, "%u.%u", &major, &minor);
	return major > 6 || (major == 6 && minor >= 12);
}

/* The part of KVM that touches the CPUs; -1 and errno where it does not want to be loaded. */
static int load_kvm(bool at_load)
{
	const char *options = kvm_takes_at_load() && !at_load ? "enable_virt_at_load=0" : "";
	char path[64];

	if (load_file("/modules/irqbypass.ko", "") && errno != EEXIST)
		FAIL("irqbypass: %s", errno_name(errno));
	CHECK_OK(load_file("/modules/kvm.ko", options));
	snprintf(path, sizeof(path), "/modules/%s.ko", vendor_module());
	return load_file(path, "");
}

static void unload_kvm(void)
{
	unload(host_is_intel() ? "kvm_intel" : "kvm_amd");
	if (unload("kvm") && errno != ENOENT)
		FAIL("kvm: %s", errno_name(errno));
}

/* KVM idle, or not there; a test that failed halfway leaves things as they are. */
static void begin(bool with_kvm)
{
	if (!with_kvm)
		unload_kvm();
	else if (access("/dev/kvm", F_OK))
		CHECK_OK(load_kvm(false));
	if (access("/dev/vmm", F_OK))
		CHECK_OK(load_file("vmm.ko", ""));
}

static int create_vm(const char *device)
{
	int dev = open(device, O_RDWR | O_CLOEXEC), vm, error;

	if (dev < 0)
		FAIL("%s: %s", device, errno_name(errno));
	vm = ioctl(dev, KVM_CREATE_VM, 0);
	error = errno;
	close(dev);
	errno = error;
	return vm;
}

/* Newer KVMs say EIO. */
static void check_busy(const char *device)
{
	bool kvm = !strcmp(device, "/dev/kvm");

	CHECK_MSG(errno == EBUSY || (kvm && kvm_takes_at_load() && errno == EIO), "%s: %s", device,
		  errno_name(errno));
}

static void check_refused(const char *device)
{
	CHECK_REFUSED(create_vm(device));
	check_busy(device);
}

static void guest_add(u64 arg)
{
	for (u64 sum = 0;; sum += arg)
		guest_sync(sum);
}

/* A guest that counts, on one of the two. */
struct running {
	struct vm vm;
	struct vcpu vcpu;
	u64 sum;
};

static void start(struct running *r, const char *device)
{
	setenv("VMM_DEVICE", device, 1);
	guest_start(&r->vm, &r->vcpu, 0, guest_add, 3);
	r->sum = 0;
}

static void step(struct running *r)
{
	CHECK_EQ(vcpu_sync(&r->vcpu), r->sum);
	r->sum += 3;
}

static void stop(struct running *r)
{
	vcpu_destroy(&r->vcpu);
	vm_destroy(&r->vm);
}

/* --- the kernel log; before the tests that fill it, since it is told so often a second and no more --- */

static int open_log(void)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	CHECK(fd >= 0);
	CHECK(lseek(fd, 0, SEEK_END) >= 0);
	return fd;
}

/* The lines since open_log() that vmm.ko wrote; the last of them in line. */
static unsigned int own_lines(int fd, char *line, size_t size)
{
	unsigned int count = 0;
	char record[2048];
	ssize_t n;

	while ((n = read(fd, record, sizeof(record) - 1)) > 0) {
		char *text;

		record[n] = '\0';
		text = strchr(record, ';');
		/* What every module of somebody else's is told, at most once. */
		if (!text || strncmp(text + 1, "vmm: ", 5) || strstr(text, "taint") ||
		    strstr(text, "verification failed"))
			continue;
		snprintf(line, size, "%.*s", (int)strcspn(text + 1, "\n"), text + 1);
		count++;
	}
	return count;
}

static void check_reason(int log)
{
	char line[512] = "", want[64];

	snprintf(want, sizeof(want), "vmm: %s is in use by another hypervisor: KVM",
		 host_is_intel() ? "VMX" : "SVM");
	CHECK_EQ(own_lines(log, line, sizeof(line)), 1);
	CHECK_MSG(!strncmp(line, want, strlen(want)), "the log says: %s", line);
	close(log);
}

TEST(the_log_says_why_a_vm_is_refused, .vmm_only = true)
{
	int vm, log;

	begin(true);
	vm = CHECK_OK(create_vm("/dev/kvm"));
	log = open_log();
	check_refused("/dev/vmm");
	check_reason(log);
	close(vm);
	log = open_log();
	CHECK_OK(create_vm("/dev/vmm"));
	CHECK_EQ(own_lines(log, (char[8]){ 0 }, 8), 0);
}

TEST(the_log_says_why_the_module_is_refused, .vmm_only = true)
{
	int vm, log;

	begin(true);
	vm = CHECK_OK(create_vm("/dev/kvm"));
	CHECK_OK(unload("vmm"));
	log = open_log();
	CHECK_ERR(load_file("vmm.ko", ""), EBUSY);
	check_reason(log);
	CHECK_ERR(access("/dev/vmm", F_OK), ENOENT);
	close(vm);
	CHECK_OK(load_file("vmm.ko", ""));
	CHECK_OK(create_vm("/dev/vmm"));
}

/* --- KVM comes and goes --- */

TEST(kvm_is_loaded_under_a_running_guest, .vmm_only = true)
{
	struct running r;

	begin(false);
	start(&r, "/dev/vmm");
	step(&r);
	CHECK_OK(load_kvm(false));
	step(&r);
	check_refused("/dev/kvm");
	step(&r);
	unload_kvm();
	step(&r);
	stop(&r);
}

TEST(kvm_that_takes_the_cpus_at_load, .vmm_only = true)
{
	struct running r;
	int log;

	if (!kvm_takes_at_load())
		test_skip("KVM of this kernel takes them with its first VM");
	begin(false);
	start(&r, "/dev/vmm");
	step(&r);
	CHECK_REFUSED(load_kvm(true));
	step(&r);
	stop(&r);
	unload_kvm();
	CHECK_OK(load_kvm(true));
	check_refused("/dev/vmm");
	CHECK_OK(unload("vmm"));
	log = open_log();
	CHECK_ERR(load_file("vmm.ko", ""), EBUSY);
	check_reason(log);
	unload_kvm();
	CHECK_OK(load_file("vmm.ko", ""));
	start(&r, "/dev/vmm");
	step(&r);
	stop(&r);
}

/* --- in turns --- */

/* The guest of one runs on, however often the other asks; then the other has its turn. */
static void take_turns(const char *first, const char *second)
{
	struct running r;

	for (int i = 0; i < ROUNDS; i++) {
		start(&r, first);
		step(&r);
		check_refused(second);
		step(&r);
		check_refused(second);
		step(&r);
		stop(&r);
		start(&r, second);
		step(&r);
		check_refused(first);
		step(&r);
		stop(&r);
	}
}

TEST(take_turns_with_kvm, .vmm_only = true)
{
	begin(true);
	take_turns("/dev/kvm", "/dev/vmm");
}

TEST(a_vcpu_alone_holds_the_cpus, .vmm_only = true)
{
	struct running r;

	begin(true);
	start(&r, "/dev/vmm");
	close(r.vm.fd);
	close(r.vm.dev);
	step(&r);
	check_refused("/dev/kvm");
	vcpu_destroy(&r.vcpu);
	start(&r, "/dev/kvm");
	step(&r);
	stop(&r);
}

/* --- both at once --- */

static pthread_barrier_t barrier;

static void *racer(void *device)
{
	long held = 0;

	for (int i = 0; i < RACES; i++) {
		int vm;

		pthread_barrier_wait(&barrier);
		vm = create_vm(device);
		if (vm < 0)
			check_busy(device);
		held |= (long)(vm >= 0) << i;
		pthread_barrier_wait(&barrier);
		if (vm >= 0)
			close(vm);
	}
	return (void *)held;
}

/* One of them has it or neither, never both; afterwards either gets it. */
TEST(a_race_has_one_winner, .vmm_only = true)
{
	pthread_t threads[2];
	void *held[2];

	begin(true);
	CHECK(!pthread_barrier_init(&barrier, NULL, 2));
	CHECK(!pthread_create(&threads[0], NULL, racer, "/dev/vmm"));
	CHECK(!pthread_create(&threads[1], NULL, racer, "/dev/kvm"));
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], &held[i]);
	CHECK_EQ((long)held[0] & (long)held[1], 0);
	take_turns("/dev/vmm", "/dev/kvm");
}
