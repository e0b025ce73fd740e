// SPDX-License-Identifier: GPL-2.0-only
/* `vmm run`'s flags: every good form, and the sentence for every way to get one wrong. */
#include <stdio.h>
#include <string.h>

#include "config/config.h"
#include "suite.h"

static struct config config;
static struct error err;

static void setup(void)
{
	memset(&config, 0, sizeof(config));
	memset(&err, 0, sizeof(err));
	ck_assert_int_eq(config_set_defaults(&config, &err), 0);
}

/* Arguments after "run", ended by NULL. */
#define PARSE(...) parse((char *[]){ "run", __VA_ARGS__, NULL })

static int parse(char **argv)
{
	int argc = 0;

	while (argv[argc])
		argc++;
	return config_parse_args(&config, argc, argv, &err);
}

static void check_refused(int rc, const char *sentence)
{
	ck_assert_int_eq(rc, -1);
	ck_assert_int_eq(err.status, EXIT_USAGE);
	ck_assert_str_eq(err.text, sentence);
}

START_TEST(launcher_cmdline_defaults)
{
	ck_assert_int_eq(PARSE("--kernel", "bz"), 0);
	ck_assert_str_eq(config.kernel, "bz");
	ck_assert_ptr_null(config.initrd);
	ck_assert_str_eq(config.append, "console=ttyS0");
	ck_assert_str_eq(config.device, "/dev/vmm");
	ck_assert_uint_eq(config.cpus, 1);
	ck_assert_uint_eq(config.memory, 512ULL << 20);
}
END_TEST

START_TEST(launcher_cmdline_all_flags)
{
	ck_assert_int_eq(PARSE("--memory", "2G", "--kernel=k", "--initrd", "i", "--append",
			       "quiet --x=y", "--cpus=64", "--device", "/dev/kvm"),
			 0);
	ck_assert_str_eq(config.kernel, "k");
	ck_assert_str_eq(config.initrd, "i");
	ck_assert_str_eq(config.append, "quiet --x=y");
	ck_assert_str_eq(config.device, "/dev/kvm");
	ck_assert_uint_eq(config.cpus, 64);
	ck_assert_uint_eq(config.memory, 2ULL << 30);
}
END_TEST

START_TEST(launcher_cmdline_last_one_counts)
{
	ck_assert_int_eq(PARSE("--kernel=a", "--cpus=2", "--kernel", "b", "--cpus", "3"), 0);
	ck_assert_str_eq(config.kernel, "b");
	ck_assert_uint_eq(config.cpus, 3);
}
END_TEST

START_TEST(launcher_cmdline_empty_append)
{
	ck_assert_int_eq(PARSE("--kernel=a", "--append="), 0);
	ck_assert_str_eq(config.append, "");
}
END_TEST

START_TEST(launcher_cmdline_help)
{
	ck_assert_int_eq(PARSE("--help"), 1);
	ck_assert_int_eq(PARSE("--cpus", "2", "-h"), 1);
}
END_TEST

START_TEST(launcher_cmdline_unknown)
{
	check_refused(PARSE("--kernel=a", "--cpu", "2"),
		      "unknown option \"--cpu\": \"vmm run --help\" lists the options");
	check_refused(PARSE("--cpusx=2"),
		      "unknown option \"--cpusx\": \"vmm run --help\" lists the options");
	check_refused(PARSE("--"), "unknown option \"--\": \"vmm run --help\" lists the options");
	check_refused(PARSE("-m"), "unknown option \"-m\": \"vmm run --help\" lists the options");
	check_refused(PARSE("bzImage"),
		      "unexpected argument \"bzImage\": every setting has a flag, "
		      "see \"vmm run --help\"");
	check_refused(PARSE(""), "unexpected argument \"\": every setting has a flag, "
				 "see \"vmm run --help\"");
}
END_TEST

START_TEST(launcher_cmdline_missing)
{
	check_refused(PARSE("--cpus=1"),
		      "--kernel FILE is missing: it names the guest kernel, a Linux bzImage");
	check_refused(PARSE("--kernel"), "--kernel needs a value: --kernel FILE");
	check_refused(PARSE("--kernel=k", "--memory"), "--memory needs a value: --memory SIZE");
}
END_TEST

START_TEST(launcher_cmdline_bad_paths)
{
	check_refused(PARSE("--kernel="), "--kernel \"\": must be the path of a file");
	check_refused(PARSE("--kernel", ""), "--kernel \"\": must be the path of a file");
	check_refused(PARSE("--kernel=k", "--device="),
		      "--device \"\": must be the path of a file");
}
END_TEST

START_TEST(launcher_cmdline_bad_cpus)
{
	static char *const bad[] = {
		"0", "65", "", "-1", "+1", " 1", "1 ", "2x", "0x2", "two", "99999999999999999999"
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char sentence[128];

		snprintf(sentence, sizeof(sentence),
			 "--cpus \"%s\": must be a whole number from 1 to 64", bad[i]);
		check_refused(PARSE("--cpus", bad[i]), sentence);
	}
	ck_assert_uint_eq(config.cpus, 1);
}
END_TEST

START_TEST(launcher_cmdline_bad_memory)
{
	static char *const no_size[] = { "512",
					 "M",
					 "512MB",
					 "512X",
					 "1.5G",
					 "-1G",
					 "",
					 "0x1G",
					 "1 G",
					 "1G ",
					 "1Gi",
					 "1GiBs",
					 "18446744073709551616K",
					 "99999999999T" };

	for (size_t i = 0; i < sizeof(no_size) / sizeof(no_size[0]); i++) {
		char sentence[160];

		snprintf(sentence, sizeof(sentence),
			 "--memory \"%s\": must be a whole number with a unit (K, M, G or T), "
			 "for example 512M",
			 no_size[i]);
		check_refused(PARSE("--memory", no_size[i]), sentence);
	}
	check_refused(PARSE("--memory=31M"), "--memory \"31M\": must be from 32M to 4T");
	check_refused(PARSE("--memory=0K"), "--memory \"0K\": must be from 32M to 4T");
	check_refused(PARSE("--memory=5T"), "--memory \"5T\": must be from 32M to 4T");
	check_refused(PARSE("--memory=40001K"), "--memory \"40001K\": must be a multiple of 4K");
	ck_assert_uint_eq(config.memory, 512ULL << 20);
}
END_TEST

START_TEST(launcher_cmdline_sizes)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} good[] = {
		{ "0K", 0 },
		{ "1K", 1024 },
		{ "64k", 65536 },
		{ "512M", 536870912 },
		{ "512MiB", 536870912 },
		{ "3g", 3221225472 },
		{ "16777215T", 18446742974197923840ULL },
	};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		uint64_t bytes = 1;

		ck_assert_int_eq(config_parse_size(good[i].text, &bytes), 0);
		ck_assert_uint_eq(bytes, good[i].bytes);
	}
}
END_TEST

START_TEST(launcher_cmdline_format_size)
{
	static const struct {
		uint64_t bytes;
		const char *text;
	} cases[] = {
		{ 0, "0" },
		{ 1023, "1023" },
		{ 1024, "1K" },
		{ 1536, "1536" },
		{ 33554432, "32M" },
		{ 3221225472, "3G" },
		{ 4398046511104, "4T" },
		{ 1ULL << 50, "1024T" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[24];

		config_format_size(cases[i].bytes, text, sizeof(text));
		ck_assert_str_eq(text, cases[i].text);
	}
}
END_TEST

/* What is quoted back must neither break the line nor reach the terminal as a control. */
START_TEST(launcher_cmdline_one_line)
{
	check_refused(PARSE("--cpus", "1\n\x1b[2J"),
		      "--cpus \"1??[2J\": must be a whole number from 1 to 64");
}
END_TEST

START_TEST(launcher_cmdline_long_value)
{
	char value[4096] = { 0 };

	memset(value, 'x', sizeof(value) - 1);
	ck_assert_int_eq(PARSE(value), -1);
	ck_assert_uint_lt(strlen(err.text), 512);
	ck_assert_ptr_nonnull(strstr(err.text, "\": every setting has a flag"));
}
END_TEST

START_TEST(launcher_cmdline_disks)
{
	ck_assert_int_eq(PARSE("--kernel=k", "--disk", "a.img", "--disk",
			       "b,,c.img,readonly,serial=x1,queues=2,aio=threads",
			       "--disk=path=path,direct=on,readonly=off"),
			 0);
	ck_assert_uint_eq(config.disk_count, 3);
	ck_assert_str_eq(config.disks[0].path, "a.img");
	ck_assert_str_eq(config.disks[0].serial, "");
	ck_assert_str_eq(config.disks[0].aio, "io_uring");
	ck_assert_uint_eq(config.disks[0].queues, 0);
	ck_assert(!config.disks[0].readonly && !config.disks[0].direct);
	ck_assert_str_eq(config.disks[1].path, "b,c.img");
	ck_assert(config.disks[1].readonly && !config.disks[1].direct);
	ck_assert_str_eq(config.disks[1].serial, "x1");
	ck_assert_str_eq(config.disks[1].aio, "threads");
	ck_assert_uint_eq(config.disks[1].queues, 2);
	ck_assert_str_eq(config.disks[2].path, "path");
	ck_assert(!config.disks[2].readonly && config.disks[2].direct);
}
END_TEST

START_TEST(launcher_cmdline_bad_disks)
{
	check_refused(PARSE("--kernel=k", "--disk="), "--disk \"\": must be the path of a file");
	check_refused(PARSE("--kernel=k", "--disk=a,raw"),
		      "--disk: unknown part \"raw\": \"vmm run --help\" lists them");
	check_refused(PARSE("--kernel=k", "--disk=a,serial"),
		      "--disk: serial needs a value: serial=TEXT");
	check_refused(PARSE("--kernel=k", "--disk=a,readonly=yes"),
		      "--disk readonly \"yes\": must be on or off");
	check_refused(PARSE("--kernel=k", "--disk=a,queues=17"),
		      "--disk queues \"17\": must be a whole number from 1 to 16");
	check_refused(PARSE("--kernel=k", "--disk=a,aio=posix"),
		      "--disk aio \"posix\": must be io_uring or threads");
	check_refused(PARSE("--kernel=k", "--disk=a,serial=123456789012345678901"),
		      "--disk serial \"123456789012345678901\": has 21 characters, 20 are allowed");
	check_refused(PARSE("--kernel=k", "--disk=serial=x"),
		      "--disk: path=PATH is missing: it names the raw image or block device");
	ck_assert_uint_eq(config.disk_count, 0);
}
END_TEST

START_TEST(launcher_cmdline_too_many_disks)
{
	char *argv[2 + CONFIG_MAX_DISKS + 2] = { "run", "--kernel=k" };

	for (int i = 0; i <= CONFIG_MAX_DISKS; i++)
		argv[2 + i] = "--disk=x";
	check_refused(parse(argv), "--disk: given more than 16 times");
}
END_TEST

START_TEST(launcher_cmdline_flags_alone)
{
	ck_assert_int_eq(PARSE("--rng", "--kernel=k"), 0);
	ck_assert(config.rng);
	ck_assert_int_eq(PARSE("--rng=off", "--kernel=k"), 0);
	ck_assert(!config.rng);
	check_refused(PARSE("--kernel=k", "--rng=1"), "--rng \"1\": must be on or off");
}
END_TEST

/* Every row of the table shows in the help, with its default. */
START_TEST(launcher_cmdline_help_lists_all)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	config_print_help(out);
	fclose(out);
	for (size_t i = 0; i < config_option_count; i++) {
		char flag[40];

		if (config_options[i].type == CONFIG_FLAG)
			snprintf(flag, sizeof(flag), "--%s ", config_options[i].name);
		else
			snprintf(flag, sizeof(flag), "--%s %s ", config_flag(&config_options[i]),
				 config_options[i].metavar);
		ck_assert_ptr_nonnull(strstr(text, flag));
		ck_assert_ptr_nonnull(strstr(text, config_options[i].help));
	}
	ck_assert_ptr_nonnull(strstr(text, "(default 512M)"));
	ck_assert_ptr_nonnull(strstr(text, "1 to 64"));
	free(text);
}
END_TEST

int main(void)
{
	const TTest *tests[] = {
		launcher_cmdline_defaults,
		launcher_cmdline_all_flags,
		launcher_cmdline_last_one_counts,
		launcher_cmdline_empty_append,
		launcher_cmdline_help,
		launcher_cmdline_unknown,
		launcher_cmdline_missing,
		launcher_cmdline_bad_paths,
		launcher_cmdline_bad_cpus,
		launcher_cmdline_bad_memory,
		launcher_cmdline_sizes,
		launcher_cmdline_format_size,
		launcher_cmdline_one_line,
		launcher_cmdline_long_value,
		launcher_cmdline_disks,
		launcher_cmdline_bad_disks,
		launcher_cmdline_too_many_disks,
		launcher_cmdline_flags_alone,
		launcher_cmdline_help_lists_all,
	};

	return SUITE_RUN("cmdline", setup, tests);
}
