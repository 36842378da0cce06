/*
 * ballast.cfg: the reader alone, then the whole of loading, beside a
 * config.yaml that is good.  A tree keeps its bounds and every error is a
 * printable line with its place; nothing that the file names is opened.
 */
#include "trees.h"

/* libconfig 1.5 forgets the texts that its scanner holds when it gives up. */
const char *__lsan_default_suppressions(void);

const char *
__lsan_default_suppressions(void)
{
	return "leak:strbuf_append\nleak:libconfig_yylex\n";
}

/* And without a word about it. */
const char *__lsan_default_options(void);

const char *
__lsan_default_options(void)
{
	return "print_suppressions=0";
}

#define GOOD "backends: [\"http://192.0.2.1\"]\n"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config *c;

	check_reader(read_libconfig, data, size);
	c = load(SPAN(GOOD), (struct span){ (const char *)data, size });
	if (c != NULL)
		free(dump(c));
	config_free(c);
	return 0;
}
