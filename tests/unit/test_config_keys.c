/*
 * Every key that may stand in config.yaml: read, told back by the dump with its
 * place, and loaded again from there.  No socket and no name lookup.
 */
#include "config_helpers.h"

/* Each key: the line of the dump shows value and place. */
static const struct {
	const char *yaml;
	const char *line; /* of the dump, its run of blanks as one */
} keys[] = {
	{ "lb_port: 8080\n", "lb_port: \"8080\" # config.yaml:2:10" },
	{ "lb_port: \":0\"\n", "lb_port: \":0\" # config.yaml:2:10" },
	{ "lb_port: \"[::1]:80\"\n", "lb_port: \"[::1]:80\" # config.yaml:2:10" },
	{ "lb_port: unix:/run/x.sock\n", "lb_port: \"unix:/run/x.sock\" # config.yaml:2:10" },
	{ "strategy: least-connection\n", "strategy: least-connection # config.yaml:2:11" },
	{ "rate_limit: off\n", "rate_limit: off # config.yaml:2:13" },
	{ "rate_limit: false\n", "rate_limit: off # config.yaml:2:13" },
	{ "rate_limit: {}\n", "rate_limit: # config.yaml:2:1" },
	{ "rate_limit: {requests_per_second: 0.1}\n",
		" requests_per_second: 0.1 # config.yaml:2:35" },
	{ "rate_limit: {burst: 7}\n", " burst: 7 # config.yaml:2:21" },
	{ "rate_limit: {burst: 7}\n", " requests_per_second: 10 # default" },
	{ "rate_limit: {ipv6_prefix: 48}\n", " ipv6_prefix: 48 # config.yaml:2:27" },
	{ "rate_limit: {max_clients: 4096}\n", " max_clients: 4096 # config.yaml:2:27" },
	{ "rate_limit: {exempt: [10.0.0.0/8, \"::1\"]}\n",
		" exempt: [\"10.0.0.0/8\", \"::1/128\"] # config.yaml:2:14" },
	{ "health_check: off\n", "health_check: off # config.yaml:2:15" },
	{ "health_check: {path: \"/up?x=1\"}\n", " path: \"/up?x=1\" # config.yaml:2:22" },
	{ "health_check: {interval: 1.5s}\n", " interval: 1500ms # config.yaml:2:26" },
	{ "health_check: {timeout: 6s}\n", " timeout: 6s # config.yaml:2:25" },
	{ "health_check: {expect: 200}\n", " expect: \"200\" # config.yaml:2:24" },
	{ "health_check: {expect: \"404, 200-204\"}\n",
		" expect: \"200-204,404\" # config.yaml:2:24" },
	{ "health_check: {expect: [204, 599, 100-101]}\n",
		" expect: \"100-101,204,599\" # config.yaml:2:16" },
	{ "health_check: {rise: 3}\n", " rise: 3 # config.yaml:2:22" },
	{ "health_check: {fall: 4}\n", " fall: 4 # config.yaml:2:22" },
	{ "timeouts: {request_header: 1s}\n", " request_header: 1s # config.yaml:2:28" },
	{ "timeouts: {request_body: 2s}\n", " request_body: 2s # config.yaml:2:26" },
	{ "timeouts: {connect: 1ms}\n", " connect: 1ms # config.yaml:2:21" },
	{ "timeouts: {response_header: 3m}\n", " response_header: 3m # config.yaml:2:29" },
	{ "timeouts: {response_body: 0.5s}\n", " response_body: 500ms # config.yaml:2:27" },
	{ "timeouts: {client_write: 9s}\n", " client_write: 9s # config.yaml:2:26" },
	{ "timeouts: {keep_alive: 75s}\n", " keep_alive: 75s # config.yaml:2:24" },
	{ "timeouts: {tunnel: 24h}\n", " tunnel: 24h # config.yaml:2:20" },
	{ "timeouts: {drain: 30s}\n", " drain: 30s # config.yaml:2:19" },
	{ "limits: {connections: 1}\n", " connections: 1 # config.yaml:2:23" },
	{ "limits: {header_bytes: 64k}\n", " header_bytes: 64k # config.yaml:2:24" },
	{ "limits: {headers: 1000}\n", " headers: 1000 # config.yaml:2:19" },
	{ "limits: {body_bytes: 2.5m}\n", " body_bytes: 2560k # config.yaml:2:22" },
	{ "limits: {body_bytes: 0}\n", " body_bytes: 0 # config.yaml:2:22" },
	{ "retries: 0\n", "retries: 0 # config.yaml:2:10" },
	{ "trusted_proxies: [192.168.0.0/16]\n",
		"trusted_proxies: [\"192.168.0.0/16\"] # config.yaml:2:1" },
	{ "metrics: {path: /m}\n", " path: \"/m\" # config.yaml:2:17" },
	{ "metrics: {public: no}\n", " public: false # config.yaml:2:19" },
	{ "admin: {listen: \"127.0.0.1:9090\"}\n",
		" listen: \"127.0.0.1:9090\" # config.yaml:2:17" },
	{ "access_log: stdout\n", " output: stdout # config.yaml:2:13" },
	{ "access_log: /var/log/a b.log\n", " output: \"/var/log/a b.log\" # config.yaml:2:13" },
	{ "access_log: {output: off, format: combined}\n", " format: combined # config.yaml:2:35" },
	{ "log: {level: DEBUG}\n", " level: debug # config.yaml:2:14" },
	{ "log: {format: json}\n", " format: json # config.yaml:2:15" },
	{ "log: {output: stdout}\n", " output: stdout # config.yaml:2:15" },
	{ "log: {output: ./b.log}\n", " output: \"./b.log\" # config.yaml:2:15" },
};

START_TEST(every_key_is_read_and_told_back_with_its_place)
{
	char yaml[512];
	size_t i;

	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		struct config *c;
		char *text;

		snprintf(yaml, sizeof(yaml), BACKENDS "%s", keys[i].yaml);
		write_yaml(yaml);
		c = must_load();
		text = dump(c);
		ck_assert_msg(has_line(text, keys[i].line), "%s in\n%s", keys[i].line, text);
		free(text);
		config_free(c);
	}
}
END_TEST

/* Without the comments: they say where a value came from, which differs. */
static void
strip_comments(char *text)
{
	char *out = text;

	for (; *text != '\0'; text++) {
		if (*text == '#')
			text += strcspn(text, "\n");
		*out++ = *text;
	}
	*out = '\0';
}

static void
check_round_trip(const char *yaml)
{
	struct config *c;
	char *first, *second;

	write_yaml(yaml);
	c = must_load();
	first = dump(c);
	config_free(c);
	write_yaml(first);
	c = must_load();
	second = dump(c);
	config_free(c);
	strip_comments(first);
	strip_comments(second);
	ck_assert_str_eq(first, second);
	free(first);
	free(second);
}

START_TEST(a_dump_loads_again_to_the_same_values)
{
	char yaml[512];
	size_t i;

	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		snprintf(yaml, sizeof(yaml), BACKENDS "%s", keys[i].yaml);
		check_round_trip(yaml);
	}
	check_round_trip("backends: [\"http://a\", {url: \"http://[::1]:2/x\", weight: 256}]\n"
			 "access_log: \"/x \\\"y\\\" \\\\z\"\n");
}
END_TEST

START_TEST(urls_are_taken_apart)
{
	static const struct {
		const char *url, *host, *path;
		uint16_t port;
		unsigned n_addrs;
	} rows[] = {
		{ "http://a", "a", "/", 80, 0 },
		{ "HTTP://a.b-c.example:8080", "a.b-c.example", "/", 8080, 0 },
		{ "http://a_b:1/", "a_b", "/", 1, 0 },
		{ "http://10.0.0.1:65535/x/y", "10.0.0.1", "/x/y", 65535, 1 },
		{ "http://[2001:db8::1]:80", "2001:db8::1", "/", 80, 1 },
		{ "http://[::1]", "::1", "/", 80, 1 },
		{ "http://a:9/%20", "a", "/%20", 9, 0 },
	};
	char yaml[256];
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct config *c;

		snprintf(yaml, sizeof(yaml), "backends: [\"%s\"]\n", rows[i].url);
		write_yaml(yaml);
		c = must_load();
		ck_assert_str_eq(c->backends[0].url, rows[i].url);
		ck_assert_str_eq(c->backends[0].host, rows[i].host);
		ck_assert_str_eq(c->backends[0].path, rows[i].path);
		ck_assert_uint_eq(c->backends[0].port, rows[i].port);
		ck_assert_uint_eq(c->backends[0].n_addrs, rows[i].n_addrs);
		config_free(c);
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("config_keys");
	TCase *c = tcase_create("config_keys");

	tcase_set_timeout(c, 60);
	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, every_key_is_read_and_told_back_with_its_place);
	tcase_add_test(c, a_dump_loads_again_to_the_same_values);
	tcase_add_test(c, urls_are_taken_apart);
	suite_add_tcase(s, c);
	return unit_main(s);
}
