/* SPDX-License-Identifier: GPL-2.0-only */
/* main() of a test program that is one list of tests. */
#ifndef UNIT_SUITE_H
#define UNIT_SUITE_H

#include <check.h>
#include <stdlib.h>

static inline int suite_run(const char *name, void (*setup)(void), const TTest *const *tests,
			    size_t count)
{
	Suite *suite = suite_create(name);
	TCase *tcase = tcase_create(name);
	SRunner *runner;
	int failed;

	if (setup)
		tcase_add_checked_fixture(tcase, setup, NULL);
	for (size_t i = 0; i < count; i++)
		tcase_add_test(tcase, tests[i]);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#define SUITE_RUN(name, setup, tests) \
	suite_run(name, setup, tests, sizeof(tests) / sizeof(tests[0]))

#endif
