/*
 * The table of options, and what can be asked about a row.  Everything here is
 * constant; values live in struct config.  Used by the master at load, and by
 * the printers of documentation.  To add an option, add a row to options.def.
 */
#include "options.h"

#include <stddef.h>
#include <string.h>

#include "ballast/balance/balance.h"
#include "units.h"

/* In the order of their enums. */
static const char *const log_levels[] = { "debug", "info", "warn", "error", "fatal", NULL };
static const char *const log_formats[] = { "auto", "json", "console", NULL };
static const char *const log_outputs[] = { "stderr", "stdout", NULL };
static const char *const access_formats[] = { "json", "combined", NULL };
static const char *const access_outputs[] = { "off", "stdout", NULL };
static const char *const event_engines[] = { "auto", "poll", "epoll", NULL };
static const char *const sandboxes[] = { "auto", "off", NULL };
static const char *const schedulings[] = { "batch", "other", NULL };

_Static_assert(LEVEL_DEBUG == 0 && LEVEL_FATAL == 4, "log_levels follows enum log_level");
_Static_assert(LOG_AUTO == 0 && LOG_JSON == 1 && LOG_CONSOLE == 2, "log_formats, too");
_Static_assert(ACCESS_JSON == 0 && ACCESS_COMBINED == 1, "access_formats, too");
_Static_assert(POLLER_AUTO == 0 && POLLER_POLL == 1 && POLLER_EPOLL == 2, "event_engines, too");
_Static_assert(SANDBOX_AUTO == 0 && SANDBOX_OFF == 1, "sandboxes, too");
_Static_assert(SCHEDULING_BATCH == 0 && SCHEDULING_OTHER == 1, "schedulings, too");

#define ROW(home_, owner_, path_, kind_, member_, fallback_, least_, most_, help_, ...)            \
	{ .path = (path_),                                                                         \
		.home = (home_),                                                                   \
		.kind = KIND_##kind_,                                                              \
		.at = offsetof(owner_, member_),                                                   \
		.size = sizeof(((owner_ *)0)->member_),                                            \
		.fallback = (fallback_),                                                           \
		.least = (least_),                                                                 \
		.most = (most_),                                                                   \
		.help = (help_),                                                                   \
		__VA_ARGS__ },
#define TRAFFIC(...) ROW(IN_CONFIG, struct config, __VA_ARGS__)
#define PROCESS(...) ROW(IN_PROCESS, struct config, __VA_ARGS__)
#define BACKEND(...) ROW(IN_BACKEND, struct config_backend, __VA_ARGS__)
#define GROUP(path_, help_)                                                                        \
	{ .path = (path_), .home = IN_CONFIG, .kind = KIND_GROUP, .help = (help_) },

static const struct option options[] = {
#include "options.def"
};

enum { N_OPTIONS = sizeof(options) / sizeof(options[0]) };

#define STRATEGY(name, symbol) name,
static const char *const strategies_built_in[] = {
#include "ballast/balance/strategies.def"
	NULL
};

size_t
option_count(void)
{
	return N_OPTIONS;
}

const struct option *
option_at(size_t i)
{
	return &options[i];
}

size_t
option_index(const struct option *o)
{
	const struct option *first = options;

	if (o->home == IN_BACKEND)
		while (first->home != IN_BACKEND)
			first++;
	return (size_t)(o - first);
}

const struct option *
option_find(enum option_home home, const char *path)
{
	size_t i;

	for (i = 0; i < N_OPTIONS; i++)
		if (options[i].home == home && strcmp(options[i].path, path) == 0)
			return &options[i];
	return NULL;
}

const char *
option_leaf(const struct option *o)
{
	const char *dot = strrchr(o->path, '.');

	return dot != NULL ? dot + 1 : o->path;
}

bool
option_is_in(const struct option *o, const char *group)
{
	size_t n = strlen(group);

	if (n == 0)
		return strchr(o->path, '.') == NULL;
	return strncmp(o->path, group, n) == 0 && o->path[n] == '.';
}

const char *const *
option_strategies(void)
{
	return strategies_built_in;
}

static void
join(char out[RANGE_TEXT], const char *const *words)
{
	size_t n = 0;

	for (out[0] = '\0'; *words != NULL && n < RANGE_TEXT; words++)
		n += (size_t)snprintf(out + n, RANGE_TEXT - n, "%s%s", n > 0 ? ", " : "", *words);
}

static void
number_text(const struct option *o, double value, char out[UNIT_TEXT])
{
	if (o->kind == KIND_DURATION)
		unit_print_duration(out, (uint64_t)value);
	else if (o->kind == KIND_SIZE)
		unit_print_size(out, (uint64_t)value);
	else
		unit_print_decimal(out, value);
}

static void
numbers(const struct option *o, char out[RANGE_TEXT])
{
	char least[UNIT_TEXT], most[UNIT_TEXT];
	const char *first = o->kind == KIND_WORKERS ? "auto, or " : "";

	if (o->zero)
		first = o->kind == KIND_DURATION ? "off, or " : "0, or ";
	number_text(o, o->least, least);
	number_text(o, o->most, most);
	snprintf(out, RANGE_TEXT, "%s%s to %s", first, least, most);
}

const char *
option_range(const struct option *o, const char *const *strategies, char out[RANGE_TEXT])
{
	out[0] = '\0';
	switch (o->kind) {
	case KIND_COUNT:
	case KIND_DECIMAL:
	case KIND_DURATION:
	case KIND_SIZE:
	case KIND_WORKERS:
		numbers(o, out);
		break;
	case KIND_CHOICE:
	case KIND_OUTPUT:
		join(out, o->words);
		break;
	case KIND_STRATEGY:
		join(out, strategies != NULL ? strategies : strategies_built_in);
		break;
	case KIND_BOOL:
		snprintf(out, RANGE_TEXT, "true or false");
		break;
	case KIND_SWITCH:
		snprintf(out, RANGE_TEXT, "off, or a mapping");
		break;
	case KIND_STATUSES:
		snprintf(out, RANGE_TEXT, "%d to %d, as in 200-399", EXPECT_FIRST, EXPECT_LAST);
		break;
	default:
		break;
	}
	return out;
}
