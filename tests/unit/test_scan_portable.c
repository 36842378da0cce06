/*
 * The scans as a machine without SSE2 has them: the same answers.
 */
#undef __SSE2__
#include "scan_cases.h"

int
main(void)
{
	return run_scan_cases("scan_portable");
}
