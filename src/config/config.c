/*
 * Loading: defaults, then file, then environment, then flags, first for the
 * process settings (they name config.yaml), then for the traffic.  Everything is
 * read before anything is decided, so one run shows all errors.  Runs in the
 * master, blocks on files and name lookups.  A configuration is whole or is not
 * handed out; a reload makes a new one and leaves the old one alone.
 */
#include "ballast/config/config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ballast/shm/rate.h"
#include "files.h"
#include "options.h"
#include "units.h"

#define DEFAULT_PROCESS_FILE "/etc/ballast/ballast.cfg"

static const char *const default_files[] = { "config.yaml", "/etc/ballast/config.yaml" };

typedef struct node *tree_reader(const char *file, const char *text, size_t len, struct err *);

static struct config *
config_new(void)
{
	struct config *c = calloc(1, sizeof(*c));
	size_t rows = option_count() * sizeof(struct source);

	if (c == NULL)
		return NULL;
	c->sources = calloc(1, sizeof(*c->sources) + rows);
	if (c->sources != NULL)
		return c;
	free(c);
	return NULL;
}

void
config_free(struct config *c)
{
	size_t i;

	if (c == NULL)
		return;
	for (i = 0; i < option_count(); i++)
		if (option_at(i)->home != IN_BACKEND && option_kind(option_at(i))->owns_text)
			set_text(option_member(c, option_at(i)->at), NULL);
	backends_free(c);
	free(c->process_file);
	free(c->listen_text);
	free(c->rate_limit.exempt);
	free(c->trusted_proxies);
	free(c->sources->config_path);
	free(c->sources);
	free(c);
}

static void
read_file(struct reading *r, const char *path, const char *shown, tree_reader *reader)
{
	struct err_place whole = { shown, 0, 0 };
	struct node *root;
	char *text;
	size_t len;
	int rc = file_read(path, &text, &len);

	r->from = FROM_FILE;
	r->file = shown;
	if (rc == -EFBIG)
		err_add_at(r->err, whole, "larger than 1 MiB; a configuration is smaller");
	else if (rc < 0)
		err_add_at(
			r->err, whole, "cannot be read: %s; name a file that can", strerror(-rc));
	r->unreadable = rc < 0;
	if (rc < 0)
		return;
	root = reader(shown, text, len, r->err);
	if (root != NULL && root->kind == NODE_MAP)
		read_map(r, root, "");
	else if (root != NULL && root->kind != NODE_NULL)
		complain(r, source_of(r, root), "the file is %s; it must be a mapping of options",
			node_kind_name(root->kind));
	r->unreadable = root == NULL || root->kind == NODE_SCALAR || root->kind == NODE_LIST;
	node_free(root);
	free(text);
}

static const char *
variable(const char *name)
{
	const char *value = getenv(name);

	return value != NULL && *value != '\0' ? value : NULL;
}

static void
read_environment(struct reading *r, const struct option *o)
{
	const char *text = o->env != NULL ? variable(o->env) : NULL;

	if (text == NULL)
		return;
	if (strcmp(o->env, "LOG_ENV") == 0)
		text = strcmp(text, "prod") == 0 ? "json" : "console";
	r->from = FROM_ENV;
	r->name = o->env;
	read_text(r, o, text);
}

/* What the command line says about an option, and with which flag. */
static const char *
flag_text(const struct option *o, const struct config_request *q, const char **flag)
{
	const struct {
		const char *path, *flag, *text;
	} said[] = {
		{ "config", "-c", q->file },
		{ "pidfile", "-p", q->pidfile },
		{ "log.level", "-l", q->log_level },
		{ "log.level", "-q", q->quiet ? "error" : NULL },
	};
	size_t i;

	for (i = 0; i < sizeof(said) / sizeof(said[0]); i++) {
		if (said[i].text != NULL && strcmp(o->path, said[i].path) == 0) {
			*flag = said[i].flag;
			return said[i].text;
		}
	}
	return NULL;
}

static void
read_flags(struct reading *r, const struct option *o)
{
	char number[UNIT_TEXT]; /* text may point to it */
	const char *text = flag_text(o, r->request, &r->name);

	if (o->kind == KIND_WORKERS && r->request->workers > 0) {
		r->name = "-w";
		text = unit_print_decimal(number, r->request->workers);
	}
	if (text == NULL)
		return;
	r->from = FROM_FLAG;
	read_text(r, o, text);
}

static void
read_overrides(struct reading *r)
{
	size_t i;

	for (i = 0; i < option_count(); i++) {
		if (option_at(i)->home != r->home)
			continue;
		read_environment(r, option_at(i));
		read_flags(r, option_at(i));
	}
}

static void
load_process(struct reading *r)
{
	struct config *c = r->config;
	const char *file = r->request->process_file;

	r->home = IN_PROCESS;
	read_fallbacks(r);
	if (file == NULL && access(DEFAULT_PROCESS_FILE, F_OK) == 0)
		file = DEFAULT_PROCESS_FILE;
	if (file != NULL) {
		set_text(&c->process_file, file);
		read_file(r, file, file, read_libconfig);
	}
	read_overrides(r);
	if (c->process.runtime_dir == NULL)
		c->process.runtime_dir = file_runtime_dir();
}

/* Nobody named config.yaml: the first default that exists, and whether one does. */
static bool
find_file(struct config *c)
{
	size_t i;

	for (i = 0; i < sizeof(default_files) / sizeof(default_files[0]); i++) {
		if (access(default_files[i], F_OK) == 0) {
			set_text(&c->file, default_files[i]);
			return true;
		}
	}
	set_text(&c->file, default_files[0]);
	return false;
}

static void
load_file(struct reading *r)
{
	struct config *c = r->config;
	bool there;

	if (c->sources->config_path != NULL) /* again: where it was, or would have been */
		there = c->sources->options[option_index(option_find(IN_PROCESS, "config"))].from !=
				FROM_DEFAULT ||
			access(c->sources->config_path, F_OK) == 0;
	else
		there = c->file != NULL || find_file(c);
	if (c->sources->config_path == NULL)
		c->sources->config_path = file_absolute(c->file);
	if (!there && variable("LB_BACKENDS") != NULL)
		return; /* the environment says all that has no default */
	if (c->sources->config_path == NULL)
		err_add(r->err, "out of memory");
	else
		read_file(r, c->sources->config_path, c->file, read_yaml);
}

static void
check_rate(struct reading *r)
{
	const struct config_rate_limit *l = &r->config->rate_limit;
	const struct source *sources = r->config->sources->options;
	const struct source *burst =
		&sources[option_index(option_find(IN_CONFIG, "rate_limit.burst"))];
	const struct source *rate =
		&sources[option_index(option_find(IN_CONFIG, "rate_limit.requests_per_second"))];

	if (!l->on || l->burst / l->requests_per_second <= RATE_REFILL_MAX_S)
		return;
	complain(r, burst->from != FROM_DEFAULT ? *burst : *rate,
		"rate_limit.burst %u takes longer than %d hours to fill at this "
		"requests_per_second; at most %u",
		l->burst, RATE_REFILL_MAX_S / 3600,
		(unsigned)(l->requests_per_second * RATE_REFILL_MAX_S));
}

/* What a start would only find out after -t had said ok. */
static void
check_listeners(struct reading *r)
{
	const struct config *c = r->config;
	const struct source *sources = c->sources->options;

	if (!c->admin_on || !addr_eq(&c->listen, &c->admin_listen) || addr_port(&c->listen) == 0)
		return;
	complain(r, sources[option_index(option_find(IN_CONFIG, "admin.listen"))],
		"admin.listen is the address of lb_port; choose another port");
}

static void
load_traffic(struct reading *r)
{
	r->home = IN_CONFIG;
	r->unreadable = false;
	read_fallbacks(r);
	load_file(r);
	read_overrides(r);
	r->file = r->config->file;
	check_rate(r);
	check_listeners(r);
	backends_check(r);
}

static bool
hand_out(struct config **out, struct reading *r, unsigned errors_before)
{
	if (r->err->count == errors_before) {
		*out = r->config;
		return true;
	}
	config_free(r->config);
	return false;
}

static bool
reading_begin(struct reading *r, const struct config_request *q, struct err *err)
{
	*r = (struct reading){ .config = config_new(), .request = q, .err = err };
	if (r->config == NULL) {
		err_add(err, "out of memory");
		return false;
	}
	r->base = r->config;
	r->sources = r->config->sources->options;
	return true;
}

bool
config_load(struct config **out, const struct config_request *q, struct err *err)
{
	unsigned before = err->count;
	struct reading r;

	if (!reading_begin(&r, q, err))
		return false;
	load_process(&r);
	load_traffic(&r);
	return hand_out(out, &r, before);
}

bool
config_load_process(struct config **out, const struct config_request *q, struct err *err)
{
	struct err ignored;
	struct reading r;

	if (!reading_begin(&r, q, err))
		return false;
	load_process(&r);
	if (err_any(err))
		return hand_out(out, &r, 0);
	err_init(&ignored);
	r.err = &ignored;
	load_traffic(&r);
	err_free(&ignored);
	*out = r.config;
	return true;
}

static void
keep_process(struct config *c, const struct config *old)
{
	size_t i;

	for (i = 0; i < option_count(); i++) {
		const struct option *o = option_at(i);

		if (o->home != IN_PROCESS)
			continue;
		if (option_kind(o)->owns_text)
			set_text(option_member(c, o->at), option_text(old, o->at));
		else
			memcpy(option_member(c, o->at), option_member_const(old, o->at), o->size);
		c->sources->options[i] = old->sources->options[i];
	}
	set_text(&c->process_file, old->process_file);
	set_text(&c->sources->config_path, old->sources->config_path);
}

bool
config_load_again(struct config **out, const struct config *old, const struct config_request *q,
	struct err *err)
{
	unsigned before = err->count;
	struct reading r;

	if (!reading_begin(&r, q, err))
		return false;
	keep_process(r.config, old);
	load_traffic(&r);
	return hand_out(out, &r, before);
}
