/*
 * Prints what the tables know, for `make docs` and for the check that the
 * committed pages agree with them: config-md, config-mdoc or metrics-md on
 * standard output.  Not a part of the program.
 */
#include <stdio.h>
#include <string.h>

#include "../../src/master/exposition.h"
#include "ballast/config/config.h"

int
main(int argc, char **argv)
{
	static const struct page {
		const char *name;
		void (*print)(FILE *);
	} pages[] = {
		{ "config-md", options_print_markdown },
		{ "config-mdoc", options_print_mdoc },
		{ "metrics-md", exposition_print_markdown },
	};

	for (size_t i = 0; argc == 2 && i < sizeof(pages) / sizeof(pages[0]); i++) {
		if (strcmp(pages[i].name, argv[1]) != 0)
			continue;
		pages[i].print(stdout);
		return fflush(stdout) == 0 ? 0 : 1;
	}
	fputs("usage: print-docs config-md|config-mdoc|metrics-md\n", stderr);
	return 2;
}
