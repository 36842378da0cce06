/*
 * The configuration as plain values: what config.yaml, ballast.cfg, environment
 * and flags together say.  Loaded by the master (it reads files and resolves
 * names, so it may block), then only read; children inherit it through fork.
 * Every value knows its source, for -T.
 */
#ifndef BALLAST_CONFIG_CONFIG_H
#define BALLAST_CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "ballast/base/addr.h"
#include "ballast/base/err.h"
#include "ballast/base/log.h"
#include "ballast/base/poller.h"

enum { CONFIG_ADDRS_MAX = 8, CONFIG_WEIGHT_MAX = 256 };
enum { EXPECT_FIRST = 100, EXPECT_LAST = 599 };

struct config_backend {
	char *url;  /* as configured, without the userinfo it may not have */
	char *host; /* IPv6 without brackets */
	uint16_t port;
	char *path;      /* of the URL, "/" when absent: the default health path */
	uint16_t weight; /* 1..CONFIG_WEIGHT_MAX */
	unsigned n_addrs;
	struct addr addrs[CONFIG_ADDRS_MAX]; /* all that the name has, tried in turn */
};

struct config_rate_limit {
	bool on;
	double requests_per_second;
	uint32_t burst;
	unsigned ipv6_prefix;
	uint32_t max_clients;
	struct cidr *exempt;
	size_t n_exempt;
};

struct config_health {
	bool on;
	char *path; /* NULL: the path of each backend's URL */
	uint64_t interval_us, timeout_us;
	uint8_t expect[(EXPECT_LAST - EXPECT_FIRST + 8) / 8]; /* bitmap, see config_expects */
	unsigned rise, fall;
};

struct config_quarantine {
	uint64_t duration_us; /* 0: off */
	unsigned deaths;
	uint64_t within_us;
};

struct config_timeouts {
	uint64_t request_header_us, request_body_us, connect_us, response_header_us,
		response_body_us;
	uint64_t client_write_us, keep_alive_us, tunnel_us, drain_us;
};

struct config_limits {
	uint32_t connections;
	uint32_t header_bytes;
	uint32_t headers;
	uint64_t body_bytes; /* 0: no limit */
};

enum access_format { ACCESS_JSON, ACCESS_COMBINED };

struct config_access_log {
	char *output; /* NULL: off; "stdout"; or a path */
	enum access_format format;
};

enum config_sandbox { SANDBOX_AUTO, SANDBOX_OFF };
enum config_scheduling { SCHEDULING_BATCH, SCHEDULING_OTHER };

struct config_process {
	char *user, *group; /* NULL: stay who we are */
	char *pidfile;      /* NULL: nobody named one */
	char *runtime_dir;
	unsigned workers; /* resolved: "auto" is config_usable_cpus() */
	enum poller_engine event_engine;
	uint32_t max_open_files; /* 0: the hard limit */
	uint32_t max_backends;
	enum config_sandbox sandbox;
	enum config_scheduling scheduling;
};

struct config {
	char *file; /* path of config.yaml as named; need not exist when LB_BACKENDS is set and nobody named it */
	char *process_file; /* path of ballast.cfg, or NULL */
	struct addr listen;
	char *listen_text; /* as written */
	char *strategy;
	struct config_backend *backends;
	unsigned n_backends;
	struct config_rate_limit rate_limit;
	struct config_health health;
	struct config_quarantine quarantine;
	uint64_t watchdog_us; /* 0: off */
	struct config_timeouts timeouts;
	struct config_limits limits;
	unsigned retries;
	struct cidr *trusted_proxies;
	size_t n_trusted_proxies;
	char *metrics_path;
	bool metrics_public;
	bool admin_on;
	struct addr admin_listen;
	struct config_access_log access_log;
	enum log_level log_level;
	enum log_format log_format;
	char *log_output;
	struct config_process process;
	struct config_sources *sources; /* private: where each option's value came from */
};

/* What the command line says; NULL or 0 where it says nothing. */
struct config_request {
	const char *file, *process_file, *pidfile, *log_level;
	unsigned workers;
	bool quiet;                    /* log level error */
	bool resolve;                  /* look host names up; -t does not (it opens no socket) */
	const char *const *strategies; /* known names, NULL-terminated */
};

/* True and *out to be freed, or false with every error in err.  Precedence: flag > environment > file > default. */
bool config_load(struct config **out, const struct config_request *, struct err *);
/*
 * For speaking to a running instance: its process settings and where its config.yaml lies.  What is
 * wrong in that file is not its matter; values that cannot be read are the defaults.
 */
bool config_load_process(struct config **out, const struct config_request *, struct err *);
/* For HUP: config.yaml and environment again; process settings and their sources are kept from `old`. */
bool config_load_again(
	struct config **out, const struct config *old, const struct config_request *, struct err *);
void config_free(struct config *);
/* The effective configuration as YAML, each value with a comment that says where it came from. */
void config_dump(const struct config *, FILE *);
/* One log line per value that the environment or a flag overrode ("config overridden"). */
void config_log_overrides(const struct config *);
/* CPUs by affinity and by the cgroup's cpu.max (v2, then v1), at least 1. */
unsigned config_usable_cpus(void);

static inline bool
config_expects(const struct config_health *h, int status)
{
	unsigned bit = (unsigned)(status - EXPECT_FIRST);

	return status >= EXPECT_FIRST && status <= EXPECT_LAST &&
	       (h->expect[bit / 8] >> (bit % 8) & 1);
}

/* For docs and --help: every option as Markdown, and as mdoc for ballast.yaml(5). */
void options_print_markdown(FILE *);
void options_print_mdoc(FILE *);

#endif
