/*
 * The scans as this machine has them: the answers of the table, to the octet.
 */
#include "scan_cases.h"

int
main(void)
{
	return run_scan_cases("scan");
}
