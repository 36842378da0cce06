/*
 * The names and methods that a proxy knows.  Pure and constant, so every
 * process may use it; how a name is found is told in name_table.h.
 */
#include "name_table.h"

enum name_id
name_lookup(struct span name)
{
	return name_find(name);
}

unsigned
name_flags(enum name_id id)
{
	return name_rows[id].flags;
}

struct method_row {
	struct span text;
	int idempotent;
};

static const struct method_row methods[N_METHODS] = {
	[METHOD_OTHER] = { { "other", 5 }, 0 },
#define METHOD(id, text, idempotent) [METHOD_##id] = { { text, sizeof(text) - 1 }, idempotent },
#include "ballast/http/methods.def"
#undef METHOD
};

enum method
method_lookup(struct span given)
{
#define METHOD(id, text, idempotent)                                                               \
	if (given.n == sizeof(text) - 1 && memcmp(given.p, text, sizeof(text) - 1) == 0)           \
		return METHOD_##id;
#include "ballast/http/methods.def"
#undef METHOD
	return METHOD_OTHER;
}

const char *
method_text(enum method m)
{
	return methods[m].text.p;
}

int
method_is_idempotent(enum method m)
{
	return methods[m].idempotent;
}
