/*
 * What every unit-test program does: run one Check suite, say how it went in
 * Check's closing line, and end non-zero when anything failed.
 */
#ifndef BALLAST_TESTS_UNIT_HARNESS_H
#define BALLAST_TESTS_UNIT_HARNESS_H

#include <check.h>
#include <stdlib.h>

static inline int
unit_main(Suite *suite)
{
	SRunner *runner = srunner_create(suite);
	int failed;

	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#endif
