/*
 * The command line: one row per flag, from which getopt's tables and --help are
 * made; then one of a few things to do.  What flags say about the configuration
 * goes into a config_request, so that flag > environment > file > default holds
 * at every reload, too.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <gnu/libc-version.h>
#include <libconfig.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <yaml.h>

#include "ballast/balance/balance.h"
#include "ballast/base/version.h"
#include "ballast/config/config.h"
#include "ballast/health/checker.h"
#include "ballast/master/master.h"
#include "ballast/proxy/proxy.h"
#include "ballast/worker/worker.h"

struct command {
	struct config_request request;
	int (*run)(const struct command *);
	enum master_order order;
	bool daemonise;
};

enum { FLAG_HEALTHCHECK = 256, FLAGS_MAX = 32, WORKERS_MAX = 1024 };

static const struct flag {
	int letter; /* or a number above all letters: long form only */
	const char *name;
	const char *argument; /* NULL: none */
	const char *help;
} flags[] = {
	{ 'c', "config", "FILE",
		"traffic configuration (./config.yaml, /etc/ballast/config.yaml)" },
	{ 'C', "process", "FILE", "process settings (/etc/ballast/ballast.cfg where it exists)" },
	{ 'd', "daemon", NULL, "run in the background; returns when traffic is served" },
	{ 't', "test", NULL, "check the configuration and say ok or every error" },
	{ 'T', "dump", NULL, "print the effective configuration and where each value came from" },
	{ 'w', "workers", "N", "number of worker processes" },
	{ 'p', "pidfile", "FILE", "pidfile; it is the identity of an instance" },
	{ 'l', "log-level", "LEVEL", "debug, info, warn or error" },
	{ 'q', "quiet", NULL, "log errors only" },
	{ 's', "signal", "ORDER",
		"to the running instance: reload, stop, quit, reopen or upgrade" },
	{ FLAG_HEALTHCHECK, "healthcheck", NULL,
		"exit 0 when the running instance is ready, else 1" },
	{ 'V', "build", NULL, "version, build and libraries" },
	{ 'v', "version", NULL, "version" },
	{ 'h', "help", NULL, "this text" },
};
enum { N_FLAGS = sizeof(flags) / sizeof(flags[0]) };

static void
print_usage(FILE *f)
{
	fputs("usage: ballast [flags]\n\n", f);
	for (size_t i = 0; i < N_FLAGS; i++) {
		const struct flag *row = &flags[i];
		char left[48];
		char letter[] = { '-', (char)row->letter, ',', ' ', '\0' };

		snprintf(left, sizeof(left), "%s--%s%s%s", row->letter < 256 ? letter : "    ",
			row->name, row->argument == NULL ? "" : " ",
			row->argument == NULL ? "" : row->argument);
		fprintf(f, "  %-24s %s\n", left, row->help);
	}
	fputs("\nballast(8) has the signals and exit codes, ballast.yaml(5) all options.\n", f);
}

/* ":" first: a missing argument is told from an unknown flag, and we speak, not getopt. */
static void
fill_tables(char letters[2 * FLAGS_MAX + 2], struct option longs[FLAGS_MAX])
{
	char *at = letters;

	*at++ = ':';
	for (size_t i = 0; i < N_FLAGS; i++) {
		bool takes = flags[i].argument != NULL;

		longs[i] = (struct option){ flags[i].name, takes ? required_argument : no_argument,
			NULL, flags[i].letter };
		if (flags[i].letter >= 256)
			continue;
		*at++ = (char)flags[i].letter;
		if (takes)
			*at++ = ':';
	}
	*at = '\0';
	longs[N_FLAGS] = (struct option){ 0 };
}

static int
usage_error(const char *what, const char *which)
{
	fprintf(stderr, "ballast: %s %s\n\n", what, which);
	print_usage(stderr);
	return EXIT_USAGE;
}

typedef bool loader(struct config **, const struct config_request *, struct err *);

static bool
load(struct config **config, const struct command *command, loader *how)
{
	struct err err;
	bool loaded;

	err_init(&err);
	loaded = how(config, &command->request, &err);
	if (!loaded)
		err_print(&err, stderr);
	if (!loaded)
		master_refused(&err);
	err_free(&err);
	return loaded;
}

static int
run_master(const struct command *command)
{
	struct master_setup setup = { .request = &command->request,
		.daemonise = command->daemonise };

	if (!load(&setup.config, command, config_load))
		return EXIT_START;
	return master_run(&setup);
}

static int
run_test(const struct command *command)
{
	struct config *config;
	struct err err;
	bool good;

	if (!load(&config, command, config_load))
		return EXIT_START;
	err_init(&err);
	good = master_check(config, &err);
	err_print(&err, stderr);
	if (good)
		puts("ok");
	err_free(&err);
	config_free(config);
	return good ? EXIT_CLEAN : EXIT_START;
}

static size_t
whole(size_t bytes, size_t unit)
{
	return (bytes + unit - 1) / unit;
}

/* As comments: what is printed loads again. */
static void
print_memory(const struct config *config)
{
	enum { KIB = 1 << 10, MIB = 1 << 20 };
	size_t worker = worker_memory_bytes(config);
	size_t segment = master_segment_bytes(config);
	size_t all = worker * config->process.workers + checker_memory_bytes(config) + segment;

	printf("\n# Memory at worst, the kernel's socket buffers apart; see docs/operations.md:\n");
	printf("# memory: at most %zu MiB per worker\n", whole(worker, MIB));
	printf("# memory: at most %zu KiB per connection, nothing but its row while it is idle\n",
		whole(proxy_connection_bytes(config), KIB));
	printf("# memory: %zu MiB shared\n", whole(segment, MIB));
	printf("# memory: at most %zu MiB for %u workers, checker and shared memory; while a "
	       "reload "
	       "drains, its workers are there twice\n",
		whole(all, MIB), config->process.workers);
}

static int
run_dump(const struct command *command)
{
	struct config *config;

	if (!load(&config, command, config_load))
		return EXIT_START;
	config_dump(config, stdout);
	print_memory(config);
	config_free(config);
	return EXIT_CLEAN;
}

static int
run_order(const struct command *command)
{
	struct config *config;
	int rc;

	if (!load(&config, command, config_load_process))
		return EXIT_START;
	rc = master_send(config, command->order);
	config_free(config);
	return rc;
}

static int
run_healthcheck(const struct command *command)
{
	struct config *config;
	int rc;

	if (!load(&config, command, config_load_process))
		return EXIT_START;
	rc = master_ask_ready(config);
	config_free(config);
	return rc;
}

static int
run_version(const struct command *command)
{
	(void)command;
	puts("ballast " BALLAST_VERSION);
	return EXIT_CLEAN;
}

static int
run_build(const struct command *command)
{
	run_version(command);
	printf("compiler   %s\n", __VERSION__);
	printf("glibc      %s\n", gnu_get_libc_version());
	printf("libyaml    %s\n", yaml_get_version_string());
	printf("libconfig  %d.%d.%d\n", LIBCONFIG_VER_MAJOR, LIBCONFIG_VER_MINOR,
		LIBCONFIG_VER_REVISION);
	puts("libbsd     pidfile, setproctitle");
	return EXIT_CLEAN;
}

static int
run_help(const struct command *command)
{
	(void)command;
	print_usage(stdout);
	return EXIT_CLEAN;
}

static bool
parse_workers(unsigned *workers, const char *text)
{
	char *end;
	long n;

	errno = 0;
	n = strtol(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' || n < 1 || n > WORKERS_MAX)
		return false;
	*workers = (unsigned)n;
	return true;
}

/* Flags with a value.  False: the value is not one of theirs. */
static bool
take_value(struct command *command, int letter, const char *value)
{
	enum log_level level;

	switch (letter) {
	case 'c':
		command->request.file = value;
		return true;
	case 'C':
		command->request.process_file = value;
		return true;
	case 'p':
		command->request.pidfile = value;
		return *value != '\0';
	case 'w':
		return parse_workers(&command->request.workers, value);
	case 'l':
		command->request.log_level = value;
		return log_level_parse(&level, value);
	default:
		command->run = run_order;
		return master_order_parse(&command->order, value);
	}
}

static void
take_switch(struct command *command, int letter)
{
	static const struct {
		int letter;
		int (*run)(const struct command *);
	} others[] = {
		{ 't', run_test },
		{ 'T', run_dump },
		{ FLAG_HEALTHCHECK, run_healthcheck },
		{ 'V', run_build },
		{ 'v', run_version },
		{ 'h', run_help },
	};

	command->daemonise = command->daemonise || letter == 'd';
	command->request.quiet = command->request.quiet || letter == 'q';
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		if (others[i].letter == letter)
			command->run = others[i].run;
	}
}

/* EXIT_CLEAN when *command is whole. */
static int
parse_flags(struct command *command, int argc, char **argv)
{
	char letters[2 * FLAGS_MAX + 2];
	struct option longs[FLAGS_MAX];
	int letter;

	_Static_assert((int)N_FLAGS < (int)FLAGS_MAX, "room for getopt's last row");
	fill_tables(letters, longs);
	while ((letter = getopt_long(argc, argv, letters, longs, NULL)) != -1) {
		if (letter == '?')
			return usage_error("unknown flag", argv[optind - 1]);
		if (letter == ':')
			return usage_error("a value is missing after", argv[optind - 1]);
		if (optarg == NULL)
			take_switch(command, letter);
		else if (!take_value(command, letter, optarg))
			return usage_error("not a possible value:", optarg);
	}
	if (optind < argc)
		return usage_error("unexpected argument", argv[optind]);
	/* Only a start needs addresses; a name server that is away must not stop anything else. */
	command->request.resolve = command->run == run_master;
	return EXIT_CLEAN;
}

/* Started without standard streams, our own descriptors would take their numbers, and every child would keep them. */
static void
open_standard_streams(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd > STDERR_FILENO)
		close(fd);
}

int
main(int argc, char **argv)
{
	struct command command = { .run = run_master };
	int rc;

	open_standard_streams();

	master_title_init(argc, argv);
	command.request.strategies = strategy_names();
	rc = parse_flags(&command, argc, argv);
	return rc == EXIT_CLEAN ? command.run(&command) : rc;
}
