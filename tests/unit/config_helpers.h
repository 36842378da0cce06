/*
 * For the tests of the configuration: a directory with config.yaml and
 * ballast.cfg in it, an environment without our variables, and loading.
 */
#ifndef BALLAST_TESTS_UNIT_CONFIG_HELPERS_H
#define BALLAST_TESTS_UNIT_CONFIG_HELPERS_H

#include "ballast/config/config.h"
#include "harness.h"
#include "scratch.h"

static struct err err;
static struct config_request request;

static inline void
setup(void)
{
	static const char *const names[] = { "LB_PORT", "LB_STRATEGY", "LB_BACKENDS", "LB_WORKERS",
		"LB_CONFIG", "LOG_ENV", "LOG_LEVEL", "XDG_RUNTIME_DIR" };
	static const char *const strategies[] = { "round-robin", "least-connection", NULL };
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unsetenv(names[i]);
	scratch_enter();
	scratch_write("ballast.cfg", "", 0);
	/* Named, so that one installed on this machine is not read. */
	request =
		(struct config_request){ .process_file = "ballast.cfg", .strategies = strategies };
	err_init(&err);
}

static inline void
teardown(void)
{
	err_free(&err);
	scratch_leave();
}

static inline void
write_yaml(const char *text)
{
	scratch_write("config.yaml", text, strlen(text));
}

static inline void
write_cfg(const char *text)
{
	scratch_write("ballast.cfg", text, strlen(text));
}

/* NULL when it did not load. */
static inline struct config *
load(void)
{
	struct config *c = NULL;

	err_free(&err);
	return config_load(&c, &request, &err) ? c : NULL;
}

static inline struct config *
must_load(void)
{
	struct config *c = load();

	ck_assert_msg(c != NULL, "%s", err.first != NULL ? err.first->text : "no reason");
	ck_assert_uint_eq(err.count, 0);
	return c;
}

/* To be freed. */
static inline char *
dump(const struct config *c)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	ck_assert_ptr_nonnull(f);
	config_dump(c, f);
	fclose(f);
	return text;
}

/* Is `want` a line of the dump?  Blanks in a row count as one. */
static inline bool
has_line(const char *text, const char *want)
{
	const char *w;

	for (; *text != '\0'; text += *text == '\n') {
		for (w = want; *text != '\0' && *text != '\n' && *text == *w; text++) {
			if (!(*text == ' ' && text[1] == ' '))
				w++;
		}
		if (*w == '\0' && *text == '\n')
			return true;
		text += strcspn(text, "\n");
	}
	return false;
}

#define BACKENDS "backends: [\"http://127.0.0.1:9001\"]\n"

#endif
