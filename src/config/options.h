/*
 * Options: the rows of options.def, and how a value gets from a node into
 * struct config.  `struct reading` is the one thing passed around while a
 * configuration is read: where values come from now, where they go, and where
 * errors are collected.  Private to src/config.
 */
#ifndef BALLAST_CONFIG_OPTIONS_H
#define BALLAST_CONFIG_OPTIONS_H

#include "ballast/config/config.h"
#include "tree.h"

enum option_kind {
	KIND_GROUP,  /* a mapping, no value of its own */
	KIND_SWITCH, /* on, off, or a mapping, which means on */
	KIND_SHORT,  /* a mapping, or the value of its first member alone */
	KIND_COUNT,
	KIND_DECIMAL,
	KIND_DURATION,
	KIND_SIZE,
	KIND_SHARE,
	KIND_BOOL,
	KIND_CHOICE, /* a word of .words; its index is the enum's value */
	KIND_TEXT,
	KIND_FILE,
	KIND_OUTPUT, /* a word of .words or a path; "off" is NULL */
	KIND_PATH,   /* of a URL */
	KIND_TARGET, /* path and query */
	KIND_LISTEN,
	KIND_ADMIN,
	KIND_CIDRS,
	KIND_STATUSES,
	KIND_STRATEGY,
	KIND_WORKERS,
	KIND_BACKENDS,
	KIND_URL,
	N_KINDS
};

enum option_home { IN_CONFIG, IN_PROCESS, IN_BACKEND };

struct option {
	const char *path;
	enum option_home home;
	enum option_kind kind;
	size_t at, size; /* the member of struct config (IN_BACKEND: config_backend) */
	const char *fallback;
	double least, most;
	const char *help;
	bool zero, at_start;
	const char *const *words;
	size_t beside;
	const char *shown;
	const char *env, *flag;
};

enum source_from { FROM_DEFAULT, FROM_FILE, FROM_ENV, FROM_FLAG };

struct source {
	enum source_from from;
	unsigned line, column;
	const char *name; /* of the variable or the flag */
};

enum { BACKEND_OPTIONS = 2 };

struct config_sources {
	char *config_path; /* absolute: the daemon may have left the directory */
	struct source (*backends)[BACKEND_OPTIONS]; /* one row per backend */
	struct source options[];                    /* by option_index */
};

struct reading {
	struct config *config;
	const struct config_request *request;
	struct err *err;
	const char *file; /* being read, as shown in errors */
	enum source_from from;
	const char *name;
	enum option_home home;
	void *base;             /* struct config or one config_backend */
	struct source *sources; /* that belong to base */
	const struct option *option;
	bool unreadable; /* config.yaml: then nothing is missed in it */
};

size_t option_count(void);
const struct option *option_at(size_t);
/* Within base's sources: IN_BACKEND counts from the first of its own. */
size_t option_index(const struct option *);
const struct option *option_find(enum option_home, const char *path);
/* Behind the last dot. */
const char *option_leaf(const struct option *);
bool option_is_in(const struct option *, const char *group);
/* "1 to 256", "auto, poll, epoll": what would be right. */
enum { RANGE_TEXT = 256 };
const char *option_range(
	const struct option *, const char *const *strategies, char out[RANGE_TEXT]);
const char *const *option_strategies(void);

/* Where in base an option lives. */
static inline void *
option_member(void *base, size_t at)
{
	return (char *)base + at;
}
static inline const void *
option_member_const(const void *base, size_t at)
{
	return (const char *)base + at;
}

/* A member that is a text. */
static inline const char *
option_text(const void *base, size_t at)
{
	return *(const char *const *)option_member_const(base, at);
}

/* read.c: a map of options under a prefix ("" at the top); one option from a node; from a text. */
void read_map(struct reading *, const struct node *map, const char *prefix);
void read_option(struct reading *, const struct option *, const struct node *);
void read_text(struct reading *, const struct option *, const char *text);
/* Default values of everything at this home, into base. */
void read_fallbacks(struct reading *);
/* Errors: at a node, and about a value that stands there; both return false. */
bool complain(struct reading *, struct source, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
bool refuse(struct reading *, const struct node *, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
struct source source_of(const struct reading *, const struct node *);
struct source source_of_key(const struct reading *, const struct node *);
/* The nearest of n words, also when one begins with the other; or NULL. */
const char *nearest_word(const char *word, const char *const *words, size_t n);

/* kinds.c: the table of kinds. */
struct kind {
	enum node_kind takes;
	bool (*read)(struct reading *, const struct node *, void *member);
	void (*print)(const struct option *, const void *base, FILE *);
	bool owns_text; /* the member is a char * to be freed */
	const char *name;
};
const struct kind *option_kind(const struct option *);
void set_text(char **member, const char *text);

/* kinds_net.c: addresses, networks, statuses. */
bool read_listen(struct reading *, const struct node *, void *member);
bool read_admin(struct reading *, const struct node *, void *member);
bool read_cidrs(struct reading *, const struct node *, void *member);
bool read_statuses(struct reading *, const struct node *, void *member);
void print_admin(const struct option *, const void *base, FILE *);
void print_listen(const struct option *, const void *base, FILE *);
void print_cidrs(const struct option *, const void *base, FILE *);
void print_statuses(const struct option *, const void *base, FILE *);
void print_quoted(const char *text, FILE *);

/* backends.c */
bool read_backends(struct reading *, const struct node *, void *member);
bool read_url(struct reading *, const struct node *, void *member);
void backends_check(struct reading *);
void backends_free(struct config *);

#endif
