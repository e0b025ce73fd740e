// SPDX-License-Identifier: GPL-2.0-only
/*
 * Saves and restores the state of an emulated machine, from inside Bochs (LD_PRELOAD).
 *
 * Debian's Bochs stops for its debugger's prompt before the first instruction and at a magic breakpoint
 * (xchg %bx,%bx): the two moments when the machine is at rest between instructions. It asks for the command
 * through readline() or fgets(stdin); this answers instead of a user. Bochs offers its own save function only
 * in the window of a graphical screen, but exports it, as it does for writing to the machine's memory.
 *
 *   BOCHS_SAVE=DIR              at the second prompt, save the state there and end
 *   BOCHS_PAYLOAD=FILE@ADDRESS  at the first prompt, put a payload (wire.h) into memory
 *
 * A restored machine's memory is read where it lies instead of being copied first.
 *
 * The screen that Bochs cannot do without listens for VNC viewers, on any of 50 ports and for anybody: here it
 * listens on a port of the kernel's choice, for this machine alone, so that hosts never meet.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "wire.h"

__attribute__((noreturn)) static void die(const char *what)
{
	fprintf(stderr, "bochs_state: %s\n", what);
	_exit(1);
}

static void *symbol(const char *name)
{
	void *p = dlsym(RTLD_DEFAULT, name);

	if (!p)
		die("this Bochs does not export what is needed");
	return p;
}

static void save(const char *dir)
{
	void **simulator = symbol("SIM");
	bool (*save_state)(void *this, const char *dir) =
		symbol("_ZN13bx_real_sim_c10save_stateEPKc");

	_exit(!save_state(*simulator, dir));
}

/* BX_MEM_C::dmaWritePhysicalPage() is a static member and takes up to the end of a page. */
static void write_memory(unsigned long address, const void *data, unsigned int size)
{
	void (*write_page)(unsigned long address, unsigned int size, const void *data) =
		symbol("_ZN8BX_MEM_C20dmaWritePhysicalPageEmjPh");

	write_page(address, size, data);
}

static void inject(const char *request)
{
	struct payload_header header = { .magic = PAYLOAD_MAGIC };
	char *path = strdup(request), *at = strrchr(path, '@'), page[4096];
	unsigned long address;
	size_t n;
	FILE *f;

	if (!at)
		die("BOCHS_PAYLOAD must be FILE@ADDRESS");
	*at = '\0';
	address = strtoul(at + 1, NULL, 0);
	f = fopen(path, "r");
	if (!f)
		die("cannot open the payload");
	while ((n = fread(page, 1, sizeof(page), f)) > 0) {
		write_memory(address + PAYLOAD_OFFSET + header.size, page, n);
		header.size += n;
	}
	fclose(f);
	write_memory(address, &header, sizeof(header));
	free(path);
}

/*
 * The first prompt is the start. The second is the magic breakpoint when a state is to be saved, else somebody
 * interrupted a machine that makes no progress: say where it is, twice with some way between, and quit.
 */
static const char *answer(void)
{
	static const char *const script[] = { "c",	  "r", "print-stack 24",
					      "s 100000", "r", "print-stack 24" };
	static size_t prompt;

	if (prompt == 0 && getenv("BOCHS_PAYLOAD"))
		inject(getenv("BOCHS_PAYLOAD"));
	if (prompt == 1 && getenv("BOCHS_SAVE"))
		save(getenv("BOCHS_SAVE"));
	return prompt < sizeof(script) / sizeof(script[0]) ? script[prompt++] : "q";
}

char *readline(const char *prompt)
{
	(void)prompt;
	return strdup(answer());
}

char *fgets(char *line, int size, FILE *f)
{
	static char *(*real)(char *line, int size, FILE *f);

	if (!real)
		real = dlsym(RTLD_NEXT, "fgets");
	if (f != stdin)
		return real(line, size, f);
	snprintf(line, size, "%s\n", answer());
	return line;
}

/*
 * Before it takes blocks of the machine's memory, as they are needed, from memory.ram, Bochs copies all of it
 * into a temporary file, since it may swap other blocks out there. With as much host memory as guest memory it
 * never does: let the copy end at once and hand out the saved file, read-only, in place of the temporary one.
 */
static char *saved_memory;

FILE *fopen64(const char *path, const char *mode)
{
	static FILE *(*real)(const char *path, const char *mode);
	const char *name = strrchr(path, '/');

	if (!real)
		real = dlsym(RTLD_NEXT, "fopen64");
	if (!name || strcmp(name, "/memory.ram") || mode[0] != 'r')
		return real(path, mode);
	saved_memory = strdup(path);
	return real("/dev/null", mode);
}

FILE *tmpfile64(void)
{
	static FILE *(*real)(void);

	if (saved_memory)
		return fopen(saved_memory, "rb");
	if (!real)
		real = dlsym(RTLD_NEXT, "tmpfile64");
	return real();
}

int bind(int fd, __CONST_SOCKADDR_ARG address, socklen_t len)
{
	static int (*next)(int fd, const void *address, socklen_t len);
	const struct sockaddr_in local = { .sin_family = AF_INET,
					   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	const struct sockaddr *wanted = address.__sockaddr__;

	if (!next)
		*(void **)&next = dlsym(RTLD_NEXT, "bind");
	if (wanted->sa_family == AF_INET)
		return next(fd, &local, sizeof(local));
	return next(fd, wanted, len);
}
