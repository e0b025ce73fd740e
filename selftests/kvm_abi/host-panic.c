// SPDX-License-Identifier: GPL-2.0-only
/*
 * The host panics while guests run, and a crash kernel takes over. VMX and SVM must be off by then on
 * all CPUs: VMX blocks the INIT that starts a CPU, and a crash kernel that finds either on cannot use it.
 * This program is the crash kernel's process 1, too; the test goes on there and runs a guest. In Bochs
 * the crash kernel is a page of code that starts the other CPU.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "../../scripts/host/wire.h"
#include "host.h"

#define PROGRAM "host-panic"
#define MODULE "/modules/vmm.ko"
#define KEXEC_ON_CRASH 1
#define KEXEC_ARCH_X86_64 (62 << 16)
#define KEXEC_FILE_ON_CRASH 2

/* --- before: the crash kernel and its initramfs --- */

struct archive {
	u8 *data;
	size_t used, room;
};

static void archive_add(struct archive *archive, const void *data, size_t size)
{
	size_t padded = (size + 3) & ~3UL;

	CHECK(archive->used + padded <= archive->room);
	memcpy(archive->data + archive->used, data, size);
	archive->used += padded;
}

/* cpio's "newc": 13 numbers, the name, the content. */
static void archive_file(struct archive *archive, const char *name, u32 mode, const void *data,
			 size_t size)
{
	char header[256];
	int length =
		snprintf(header, sizeof(header),
			 "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%s", 0, mode, 0,
			 0, 1, 0, (u32)size, 0, 0, 0, 0, (u32)strlen(name) + 1, 0, name);

	archive_add(archive, header, length + 1);
	archive_add(archive, data, size);
}

static void archive_copy(struct archive *archive, const char *from, const char *name)
{
	int fd = CHECK_OK(open(from, O_RDONLY | O_CLOEXEC));
	struct stat stat;
	u8 *data;

	CHECK_OK(fstat(fd, &stat));
	data = mmap(NULL, stat.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	CHECK(data != MAP_FAILED);
	archive_file(archive, name, 0100755, data, stat.st_size);
	munmap(data, stat.st_size);
	close(fd);
}

static int make_initramfs(void)
{
	struct archive archive = { .room = 32 << 20 };
	int fd = CHECK_OK(memfd_create("initramfs", MFD_CLOEXEC));

	CHECK_OK(ftruncate(fd, archive.room));
	archive.data = mmap(NULL, archive.room, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(archive.data != MAP_FAILED);
	archive_file(&archive, "dev", 040755, "", 0);
	archive_file(&archive, "proc", 040755, "", 0);
	archive_copy(&archive, "/proc/self/exe", PROGRAM);
	archive_copy(&archive, MODULE, "vmm.ko");
	archive_file(&archive, "TRAILER!!!", 0, "", 0);
	CHECK_OK(ftruncate(fd, archive.used));
	return fd;
}

/* This kernel's own arguments, but for where its memory and its payload are. */
static void crash_arguments(char *arguments, size_t size)
{
	static const char *const dropped[] = { "crashkernel=", "memmap=", "testhost.",
					       "BOOT_IMAGE=", "initrd=" };
	char line[2048] = "", *word, *save = NULL;
	int fd = CHECK_OK(open("/proc/cmdline", O_RDONLY | O_CLOEXEC));
	size_t i;

	CHECK(read(fd, line, sizeof(line) - 1) > 0);
	close(fd);
	snprintf(arguments, size, "rdinit=/" PROGRAM);
	for (word = strtok_r(line, " \n", &save); word; word = strtok_r(NULL, " \n", &save)) {
		for (i = 0; i < sizeof(dropped) / sizeof(dropped[0]); i++)
			if (!strncmp(word, dropped[i], strlen(dropped[i])))
				break;
		if (i < sizeof(dropped) / sizeof(dropped[0]))
			continue;
		strncat(arguments, " ", size - strlen(arguments) - 1);
		strncat(arguments, word, size - strlen(arguments) - 1);
	}
}

static void load_crash_kernel(void)
{
	int kernel = CHECK_OK(open("vmlinuz", O_RDONLY | O_CLOEXEC));
	int initramfs = make_initramfs();
	char arguments[2048];

	crash_arguments(arguments, sizeof(arguments));
	if (syscall(SYS_kexec_file_load, kernel, initramfs, strlen(arguments) + 1, arguments,
		    KEXEC_FILE_ON_CRASH)) {
		if (errno == ENOSYS)
			test_skip("no kexec_file_load() in this kernel");
		FAIL("kexec_file_load: %s", errno_name(errno));
	}
}

/* --- before, in Bochs, which takes minutes for a crash kernel: 64-bit code that starts the other CPU --- */

#define TINY_SIZE 0x10000UL /* code, then its page tables, then what it is to say */
#define TINY_TABLES 0x1000UL
#define TINY_SAYS 0x8000UL

/*
 * Entered as a kernel by kexec: paging on, interrupts off, this page mapped. The other CPU starts in
 * the page at 0x8000, which nobody needs any more, and leaves a mark there.
 */
extern const u8 tiny_code[], tiny_code_end[];
asm(".pushsection .text\n"
    "tiny_code:\n"
    "	lea	tiny_code(%rip), %rbx\n"
    "	lea	0x1000(%rbx), %rax\n"
    "	mov	%rax, %cr3\n"
    "	lea	tiny_ap(%rip), %rsi\n"
    "	mov	$0x8000, %edi\n"
    "	mov	$tiny_ap_end - tiny_ap, %ecx\n"
    "	rep movsb\n"
    "	movl	$0, 0x9000\n"
    "	mov	$0xfee00300, %edx\n"
    "	movl	$0x000c4500, (%rdx)\n" /* INIT to all others */
    "	mov	$2000000, %ecx\n"
    "1:	pause\n"
    "	loop	1b\n"
    "	movl	$0x000c4608, (%rdx)\n" /* SIPI, vector 8 */
    "	mov	$20000000, %ecx\n"
    "2:	pause\n"
    "	cmpl	$0x41504151, 0x9000\n"
    "	je	3f\n"
    "	loop	2b\n"
    "3:	lea	0x8000(%rbx), %rsi\n"
    "	je	4f\n"
    "	add	$0x1000, %rsi\n" /* what there is to say without the other CPU */
    "4:	mov	(%rsi), %ecx\n"
    "	add	$8, %rsi\n"
    "	mov	$0xe9, %edx\n"
    "	rep outsb\n"
    "5:	hlt\n"
    "	jmp	5b\n"
    ".code16\n"
    "tiny_ap:\n"
    "	xor	%ax, %ax\n"
    "	mov	%ax, %ds\n"
    "	movl	$0x41504151, 0x9000\n"
    "6:	hlt\n"
    "	jmp	6b\n"
    "tiny_ap_end:\n"
    ".code64\n"
    "tiny_code_end:\n"
    ".popsection");

/* A size and that many bytes: frames of wire.h. */
static void tiny_says(u8 *at, const char *text, const char *status)
{
	const char *parts[] = { text, status };
	const u8 types[] = { WIRE_STDOUT, WIRE_EXIT };
	u8 *to = at + 8;
	int i;

	for (i = 0; i < 2; i++) {
		size_t length = strlen(parts[i]);
		u8 header[WIRE_HEADER] = { WIRE_MAGIC0, WIRE_MAGIC1, types[i], length };

		memcpy(to, header, sizeof(header));
		memcpy(to + sizeof(header), parts[i], length);
		to += sizeof(header) + length;
	}
	*(u64 *)at = to - at - 8;
}

/* The first 4 GiB as they are, in pages of 1 GiB. */
static void tiny_tables(u64 *tables, u64 physical)
{
	u64 i;

	tables[0] = (physical + 0x1000) | PTE_P | PTE_W;
	for (i = 0; i < 4; i++)
		tables[512 + i] = i << 30 | PTE_P | PTE_W | PTE_PS;
}

/* Where the kernel has put the memory for a crash kernel. */
static u64 crash_memory(void)
{
	FILE *map = fopen("/proc/iomem", "re");
	unsigned long long start = 0;
	char line[128];

	CHECK(map);
	while (fgets(line, sizeof(line), map))
		if (strstr(line, ": Crash kernel"))
			sscanf(line, "%llx", &start);
	fclose(map);
	CHECK(start);
	return start;
}

static void load_tiny_kernel(void)
{
	static u8 image[TINY_SIZE];
	const u64 physical = crash_memory() + 0x100000;
	struct {
		const void *buf;
		size_t bufsz;
		u64 mem;
		size_t memsz;
	} segment = { image, sizeof(image), physical, sizeof(image) };

	memcpy(image, tiny_code, tiny_code_end - tiny_code);
	tiny_tables((u64 *)(image + TINY_TABLES), physical + TINY_TABLES);
	tiny_says(image + TINY_SAYS, "ok 1 - " PROGRAM " crash_kernel\n#end " PROGRAM " 0\n", "0");
	tiny_says(image + TINY_SAYS + 0x1000,
		  "not ok 1 - " PROGRAM
		  " crash_kernel\n# the other CPU does not start\n#end " PROGRAM " 1\n",
		  "1");
	CHECK_OK(
		syscall(SYS_kexec_load, physical, 1, &segment, KEXEC_ON_CRASH | KEXEC_ARCH_X86_64));
}

/* On CPU 0, so that the crash kernel may start the other one: INIT would send CPU 0 into the firmware. */
static void panic_host(void)
{
	struct timespec moment = { .tv_nsec = 300000000 };
	int fd = CHECK_OK(open("/proc/sysrq-trigger", O_WRONLY | O_CLOEXEC));

	host_pin(0);
	nanosleep(&moment, NULL);
	CHECK_OK(write(fd, "c", 1));
	FAIL("the host did not panic");
}

/* --- after --- */

static void tell(enum wire_type type, const void *data, size_t size)
{
	u8 header[WIRE_HEADER] = { WIRE_MAGIC0, WIRE_MAGIC1, type, size & 0xff, size >> 8 };
	const void *parts[] = { header, data };
	size_t sizes[] = { sizeof(header), size };
	int i;

	for (i = 0; i < 2; i++)
		asm volatile("rep outsb"
			     : "+S"(parts[i]), "+c"(sizes[i])
			     : "d"(WIRE_PORT)
			     : "memory");
}

/* What the child says goes out through the port that the test host's process 1 used. */
static void be_process_1(int from, pid_t child)
{
	char data[WIRE_MAX], status_text[16], end[64];
	int status = 0;
	ssize_t n;

	while ((n = read(from, data, sizeof(data))) > 0)
		tell(WIRE_STDOUT, data, n);
	while (waitpid(child, &status, 0) != child)
		;
	snprintf(status_text, sizeof(status_text), "%d", WEXITSTATUS(status));
	snprintf(end, sizeof(end), "#end " PROGRAM " %s\n", status_text);
	tell(WIRE_STDOUT, end, strlen(end));
	tell(WIRE_EXIT, status_text, strlen(status_text));
	reboot(RB_POWER_OFF);
	for (;;)
		pause();
}

static void __attribute__((constructor)) in_crash_kernel(void)
{
	int out[2], module;
	pid_t child;

	if (getpid() != 1)
		return;
	mount("proc", "/proc", "proc", 0, NULL);
	mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
	if (syscall(SYS_ioperm, WIRE_PORT, 1, 1) || pipe2(out, O_CLOEXEC))
		_exit(1);
	child = fork();
	if (child) {
		close(out[1]);
		be_process_1(out[0], child);
	}
	dup2(out[1], STDOUT_FILENO);
	/* When it is refused, the test finds no /dev/vmm. */
	module = open("/vmm.ko", O_RDONLY | O_CLOEXEC);
	if (syscall(SYS_finit_module, module, "", 0))
		test_diag("vmm.ko: %s", errno_name(errno));
	/* Process 1 gets what the kernel does not know of its arguments: not this one's. */
	execl("/" PROGRAM, PROGRAM, NULL);
	_exit(127);
}

/* --- both --- */

static void run_guest_on(int cpu)
{
	struct vcpu vcpu;
	struct vm vm;

	host_pin(cpu);
	guest_start(&vm, &vcpu, VM_IRQCHIP, guest_sync, 1);
	vcpu_sync(&vcpu);
	vcpu_destroy(&vcpu);
	vm_destroy(&vm);
}

TEST(crash_kernel, .vmm_only = true, .timeout = 120)
{
	bool crashed = !access("/proc/vmcore", F_OK);

	if (!crashed && (access("vmlinuz", R_OK) || !host_number("/sys/kernel/kexec_crash_size")))
		test_skip("needs a host with memory for a crash kernel");
	if (!crashed) {
		if (host_is_emulated_vmx())
			load_tiny_kernel();
		else
			load_crash_kernel();
		host_guests_start();
		panic_host();
	}
	CHECK_EQ(sysconf(_SC_NPROCESSORS_ONLN), 2);
	run_guest_on(0);
	run_guest_on(1);
}
