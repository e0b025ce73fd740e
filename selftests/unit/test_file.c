// SPDX-License-Identifier: GPL-2.0-only
/* Opening what the user named: what is accepted, and the sentence for what is not. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/file.h"
#include "suite.h"

static struct error err;
static struct file file;
static char dir[] = "/tmp/launcher-file-XXXXXX";
static char path[64];

static void setup(void)
{
	memset(&err, 0, sizeof(err));
	strcpy(dir + strlen(dir) - 6, "XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/it", dir);
}

static void create(const char *text)
{
	FILE *f = fopen(path, "w");

	fputs(text, f);
	fclose(f);
}

static void clean_up(void)
{
	remove(path);
	remove(dir);
}

static void check_refused(int rc, const char *why)
{
	char sentence[128];

	snprintf(sentence, sizeof(sentence), "--kernel \"%s\": %s", path, why);
	ck_assert_int_lt(rc, 0);
	ck_assert_int_eq(err.status, EXIT_USAGE);
	ck_assert_str_eq(err.text, sentence);
}

static int open_it(void)
{
	return file_open(&file, "--kernel", path, &err);
}

START_TEST(launcher_file_regular)
{
	char text[8] = { 0 };

	create("content");
	ck_assert_int_eq(open_it(), 0);
	ck_assert_uint_eq(file.size, 7);
	ck_assert_int_eq(file_read(&file, 3, text, 4, &err), 0);
	ck_assert_str_eq(text, "tent");
	ck_assert_uint_ne(fcntl(file.fd, F_GETFD) & FD_CLOEXEC, 0);
	file_close(&file);
	clean_up();
}
END_TEST

START_TEST(launcher_file_ends_early)
{
	char text[8];

	create("content");
	ck_assert_int_eq(open_it(), 0);
	check_refused(file_read(&file, 3, text, 5, &err), "the file ends too early, at byte 7");
	file_close(&file);
	clean_up();
}
END_TEST

START_TEST(launcher_file_refused)
{
	check_refused(open_it(), "No such file or directory");
	create("");
	check_refused(open_it(), "the file is empty");
	unlink(path);
	mkdir(path, 0700);
	check_refused(open_it(), "must be a regular file");
	rmdir(path);
	/* A fifo without a writer: refused at once, not waited for. */
	mkfifo(path, 0600);
	check_refused(open_it(), "must be a regular file");
	clean_up();
}
END_TEST

START_TEST(launcher_file_links)
{
	char target[64];

	/* An ordinary link is a way to a file; a link into a process's descriptors is not. */
	snprintf(target, sizeof(target), "%s/target", dir);
	create("content");
	ck_assert_int_eq(rename(path, target), 0);
	ck_assert_int_eq(symlink("target", path), 0);
	ck_assert_int_eq(open_it(), 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", file.fd);
	check_refused(open_it(), "Too many levels of symbolic links");
	remove(target);
	snprintf(path, sizeof(path), "%s/it", dir);
	clean_up();
}
END_TEST

START_TEST(launcher_file_device)
{
	int fd = file_open_device("--kernel", "/dev/null", &err);

	ck_assert_int_ge(fd, 0);
	close(fd);
	check_refused(file_open_device("--kernel", path, &err),
		      "no such device: is its module loaded?");
	create("x");
	check_refused(file_open_device("--kernel", path, &err),
		      "must be a device such as /dev/vmm or /dev/kvm");
	clean_up();
}
END_TEST

START_TEST(launcher_file_fill_standard)
{
	struct stat st;

	close(STDIN_FILENO);
	ck_assert_int_eq(file_fill_standard(&err), 0);
	ck_assert_int_eq(fstat(STDIN_FILENO, &st), 0);
	ck_assert(S_ISCHR(st.st_mode));
	clean_up();
}
END_TEST

int main(void)
{
	const TTest *tests[] = {
		launcher_file_regular, launcher_file_ends_early, launcher_file_refused,
		launcher_file_links,   launcher_file_device,	 launcher_file_fill_standard,
	};

	return SUITE_RUN("file", setup, tests);
}
