/*
 * config.yaml: the reader alone, then the whole of loading.  A tree keeps its
 * bounds and every error is a printable line with its place; a configuration
 * that loads is told back by the dump, and what the dump says loads to the same.
 */
#include "trees.h"

static const struct span no_settings = { "", 0 };

static void
check_same_backends(const struct config *a, const struct config *b)
{
	HOLDS(a->n_backends == b->n_backends);
	for (unsigned i = 0; i < a->n_backends; i++) {
		HOLDS(strcmp(a->backends[i].host, b->backends[i].host) == 0);
		HOLDS(strcmp(a->backends[i].path, b->backends[i].path) == 0);
		HOLDS(a->backends[i].port == b->backends[i].port);
		HOLDS(a->backends[i].weight == b->backends[i].weight);
	}
}

static void
check_same_values(const struct config *a, const struct config *b)
{
	check_same_backends(a, b);
	HOLDS(addr_eq(&a->listen, &b->listen) && strcmp(a->strategy, b->strategy) == 0);
	HOLDS(memcmp(&a->timeouts, &b->timeouts, sizeof(a->timeouts)) == 0);
	HOLDS(a->limits.connections == b->limits.connections);
	HOLDS(a->limits.header_bytes == b->limits.header_bytes);
	HOLDS(a->limits.headers == b->limits.headers);
	HOLDS(a->limits.body_bytes == b->limits.body_bytes);
	HOLDS(a->rate_limit.on == b->rate_limit.on && a->health.on == b->health.on);
	HOLDS(!a->rate_limit.on || (a->rate_limit.burst == b->rate_limit.burst &&
					   a->rate_limit.n_exempt == b->rate_limit.n_exempt));
	HOLDS(!a->health.on ||
		memcmp(a->health.expect, b->health.expect, sizeof(a->health.expect)) == 0);
	HOLDS(!a->health.on || a->health.interval_us == b->health.interval_us);
	HOLDS(a->retries == b->retries && a->n_trusted_proxies == b->n_trusted_proxies);
	HOLDS(strcmp(a->metrics_path, b->metrics_path) == 0);
}

static void
check_told_back(const struct config *c)
{
	char *told = dump(c), *again;
	struct config *second = load(span_of(told), no_settings);

	HOLDS(second != NULL);
	again = dump(second);
	HOLDS(strcmp(told, again) == 0);
	check_same_values(c, second);
	config_free(second);
	free(again);
	free(told);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config *c;

	check_reader(read_yaml, data, size);
	c = load((struct span){ (const char *)data, size }, no_settings);
	if (c != NULL)
		check_told_back(c);
	config_free(c);
	return 0;
}
