/*
 * Configurations that are wrong: each gives exactly one line with its place,
 * what is wrong, and what would be right; many together give many lines.
 */
#include "config_helpers.h"

#define B BACKENDS

static const struct {
	const char *yaml, *line;
} broken[] = {
	/* keys */
	{ B "lb_prt: \":1\"\n", "2:1: unknown key \"lb_prt\"; did you mean \"lb_port\"?" },
	{ B "timeouts: {conect: 1s}\n",
		"2:12: unknown key \"timeouts.conect\"; did you mean \"connect\"?" },
	{ B "interval: 5s\n",
		"2:1: unknown key \"interval\"; did you mean \"health_check.interval\"?" },
	{ B "workers: 3\n",
		"2:1: \"workers\" stands in the wrong file; it belongs in ballast.cfg" },
	{ B "metrics: {colour: red}\n",
		"2:11: unknown key \"metrics.colour\"; known here: path, public" },
	{ B "timeouts.drain: 5s\n",
		"2:1: unknown key \"timeouts.drain\"; did you mean \"timeouts\"?" },
	{ "backend: [\"http://a:1\"]\n",
		"1:1: unknown key \"backend\"; did you mean \"backends\"?" },
	{ B "retries: 1\nretries: 2\n",
		"3:1: key \"retries\" is given twice, first in line 2; keep one of them" },
	/* shapes */
	{ "- a\n", "1:1: the file is a list; it must be a mapping of options" },
	{ "hello\n", "1:1: the file is a single value; it must be a mapping of options" },
	{ B "timeouts: 5s\n", "2:11: timeouts is a single value; it must be a mapping" },
	{ B "timeouts: [5s]\n", "2:11: timeouts is a list; it must be a mapping" },
	{ B "timeouts:\n", "2:1: timeouts is empty; write a value (a mapping), or leave it out" },
	{ B "retries: [1]\n", "2:10: retries is a list; it must be a single value: 0 to 16" },
	{ B "retries:\n", "2:1: retries is empty; write a value (0 to 16), or leave it out" },
	{ B "trusted_proxies: 10.0.0.0/8\n",
		"2:18: trusted_proxies is a single value; it must be a list" },
	{ B "retries: &x 1\n",
		"2:10: anchors are not supported; write the value out where it is used" },
	{ B "rate_limit: *x\n",
		"2:13: aliases are not supported; write the value out where it is used" },
	{ B "retries: !!int 1\n", "2:10: tags are not supported; write the plain value" },
	{ B "---\n" B, "2:1: a second document begins here; a configuration is one document" },
	{ B "retries: 1\n\tlimits: 2\n",
		"3:1: the line is indented with a tab; YAML wants spaces" },
	/* numbers and units */
	{ B "retries: two\n", "2:10: retries \"two\" is not a whole number; 0 to 16" },
	{ B "retries: 1.5\n", "2:10: retries \"1.5\" is not a whole number; 0 to 16" },
	{ B "retries: -1\n", "2:10: retries \"-1\" is out of range; 0 to 16" },
	{ B "retries: 17\n", "2:10: retries \"17\" is out of range; 0 to 16" },
	{ B "timeouts: {connect: 5}\n", "2:21: timeouts.connect \"5\" has no unit; one of ms s m h "
					"must follow the number" },
	{ B "timeouts: {connect: 5sec}\n",
		"2:21: timeouts.connect \"5sec\" has an unknown unit; units are ms s m h" },
	{ B "timeouts: {connect: soon}\n",
		"2:21: timeouts.connect \"soon\" is not a duration; 1ms to 24h" },
	{ B "timeouts: {connect: 0}\n",
		"2:21: timeouts.connect \"0\" is out of range; 1ms to 24h" },
	{ B "timeouts: {tunnel: 25h}\n",
		"2:20: timeouts.tunnel \"25h\" is out of range; 1ms to 24h" },
	{ B "health_check: {interval: 99ms}\n",
		"2:26: health_check.interval \"99ms\" is out of range; 100ms to 24h" },
	{ B "limits: {header_bytes: 16384}\n", "2:24: limits.header_bytes \"16384\" has no unit; "
					       "one of k m g must follow the number" },
	{ B "limits: {header_bytes: 65k}\n",
		"2:24: limits.header_bytes \"65k\" is out of range; 1k to 64k" },
	{ B "limits: {body_bytes: 0.0001k}\n",
		"2:22: limits.body_bytes \"0.0001k\" is out of range; 0, or 1k to 1048576g" },
	{ B "limits: {headers: 1001}\n",
		"2:19: limits.headers \"1001\" is out of range; 1 to 1000" },
	{ B "limits: {connections: 0}\n",
		"2:23: limits.connections \"0\" is out of range; 1 to 1000000" },
	{ B "rate_limit: {requests_per_second: 0}\n",
		"2:35: rate_limit.requests_per_second \"0\" is out of range; 0.001 to 1000000" },
	{ B "rate_limit: {requests_per_second: fast}\n",
		"2:35: rate_limit.requests_per_second \"fast\" is not a number; 0.001 to 1000000" },
	{ B "rate_limit: {requests_per_second: 0.01, burst: 1000}\n",
		"2:48: rate_limit.burst 1000 takes longer than 8 hours to fill at this "
		"requests_per_second; at most 288" },
	{ B "rate_limit: {burst: 0}\n",
		"2:21: rate_limit.burst \"0\" is out of range; 1 to 1000000" },
	{ B "rate_limit: {ipv6_prefix: 129}\n",
		"2:27: rate_limit.ipv6_prefix \"129\" is out of range; 1 to 128" },
	/* words and texts */
	{ B "strategy: least-conn\n",
		"2:11: strategy \"least-conn\" is unknown; known: round-robin, least-connection "
		"(did you mean least-connection?)" },
	{ B "strategy: best\n",
		"2:11: strategy \"best\" is unknown; known: round-robin, least-connection" },
	{ B "rate_limit: maybe\n",
		"2:13: rate_limit \"maybe\" is not valid; write off, or a mapping" },
	{ B "metrics: {public: 3}\n",
		"2:19: metrics.public \"3\" is not valid; write true or false" },
	{ B "metrics: {path: metrics}\n",
		"2:17: metrics.path \"metrics\" is not a path; it must begin with a slash" },
	{ B "health_check: {path: \"/a b\"}\n",
		"2:22: health_check.path \"/a b\" holds a character that cannot stand there; "
		"write it as %XX" },
	{ B "health_check: {expect: 99}\n",
		"2:24: health_check.expect \"99\" is not a set of statuses; 100 to 599, as in "
		"200-399" },
	{ B "health_check: {expect: 399-200}\n",
		"2:24: health_check.expect \"399-200\" is not a set of statuses; 100 to 599, as "
		"in 200-399" },
	{ B "health_check: {expect: 2000}\n",
		"2:24: health_check.expect \"2000\" is not a set of statuses; 100 to 599, as in "
		"200-399" },
	{ B "access_log: stdou\n",
		"2:13: access_log.output \"stdou\" is unknown; known: off, stdout, or a path with "
		"a slash in it (did you mean stdout?)" },
	{ B "access_log: {format: apache}\n",
		"2:22: access_log.format \"apache\" is unknown; known: json, combined" },
	{ B "log: {level: inf}\n",
		"2:14: log.level \"inf\" is unknown; known: debug, info, warn, error, fatal (did "
		"you mean info?)" },
	{ B "lb_port: \"x:1\"\n",
		"2:10: lb_port \"x:1\": the host must be an IP address or localhost; write "
		"host:port or :port" },
	{ B "admin: {listen: 70000}\n",
		"2:17: admin.listen \"70000\": not an address; write :port, host:port, [v6]:port "
		"or unix:/path" },
	{ B "trusted_proxies: [10.0.0.1/8]\n",
		"2:19: trusted_proxies \"10.0.0.1/8\": address bits are set behind the prefix; "
		"write the network's first address" },
	{ B "rate_limit: {exempt: [x]}\n",
		"2:23: rate_limit.exempt \"x\": not an IP address; write 10.0.0.0/8, "
		"2001:db8::/32 or a single address" },
	/* backends */
	{ "retries: 1\n", "1:1: backends is missing; name at least one, as in backends: "
			  "[\"http://localhost:9001\"]" },
	{ "", "1:1: backends is missing; name at least one, as in backends: "
	      "[\"http://localhost:9001\"]" },
	{ "backends: []\n",
		"1:11: backends is empty; name at least one, as in \"http://localhost:9001\"" },
	{ "backends: http://a:1\n", "1:11: backends is a single value; it must be a list" },
	{ "backends: [\"https://a\"]\n",
		"1:12: backends.url \"https://a\" asks for TLS, which is not spoken to backends; "
		"write http://host:port" },
	{ "backends: [\"ftp://a\"]\n",
		"1:12: backends.url \"ftp://a\" has an unknown scheme; write http://host:port" },
	{ "backends: [\"localhost:9001\"]\n",
		"1:12: backends.url \"localhost:9001\" is not a URL; write http://host:port" },
	{ "backends: [\"http://u:secret@a\"]\n",
		"1:12: backends.url carries a user or a password; leave out everything up to the "
		"@" },
	{ "backends: [\"http://a?x\"]\n",
		"1:12: backends.url \"http://a?x\" has a query; leave out ? and what follows (see "
		"health_check.path)" },
	{ "backends: [\"http://a#x\"]\n",
		"1:12: backends.url \"http://a#x\" has a fragment; leave out # and what follows" },
	{ "backends: [\"http://\"]\n",
		"1:12: backends.url \"http://\" has no valid host; write http://host:port" },
	{ "backends: [\"http://a..b\"]\n",
		"1:12: backends.url \"http://a..b\" has no valid host; write http://host:port" },
	{ "backends: [\"http://a:0\"]\n",
		"1:12: backends.url \"http://a:0\" has no valid port; 1 to 65535, as in "
		"http://host:9001" },
	{ "backends: [\"http://a:\"]\n",
		"1:12: backends.url \"http://a:\" has no valid port; 1 to 65535, as in "
		"http://host:9001" },
	{ "backends: [\"http://a:65536\"]\n",
		"1:12: backends.url \"http://a:65536\" has no valid port; 1 to 65535, as in "
		"http://host:9001" },
	{ "backends: [\"http://::1:80\"]\n",
		"1:12: backends.url \"http://::1:80\" has no valid host; write http://host:port" },
	{ "backends: [\"http://[::1\"]\n",
		"1:12: backends.url \"http://[::1\" has an IPv6 address without its closing "
		"bracket; write http://[::1]:port" },
	{ "backends: [\"http://[::1]x\"]\n",
		"1:12: backends.url \"http://[::1]x\" has no valid port; 1 to 65535, as in "
		"http://host:9001" },
	{ "backends: [\"http://a b\"]\n",
		"1:12: backends.url \"http://a b\" holds a character that cannot stand in a URL; "
		"write it as %XX" },
	{ "backends: [\"http://a\", \"http://A:80/x\"]\n",
		"1:24: backend \"http://A:80/x\" is given twice, first in line 1; keep one of "
		"them" },
	{ "backends: [\"http://[::1]:1\", \"http://[0:0::1]:1\"]\n",
		"1:30: backend \"http://[0:0::1]:1\" is given twice, first in line 1; keep one of "
		"them" },
	{ "backends: [{weight: 2}]\n",
		"1:12: an entry of backends has no url; write url: \"http://host:port\"" },
	{ "backends: [[a]]\n",
		"1:12: an entry of backends is a list; write a URL, or a mapping with url" },
	{ "backends: [{url: \"http://a\", weigth: 2}]\n",
		"1:30: unknown key \"backends.weigth\"; did you mean \"weight\"?" },
	{ "backends: [{url: \"http://a\", weight: 257}]\n",
		"1:38: backends.weight \"257\" is out of range; 1 to 256" },
};

START_TEST(each_broken_file_gives_exactly_one_clear_line)
{
	char expected[1024];
	size_t i;

	for (i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
		write_yaml(broken[i].yaml);
		ck_assert_msg(load() == NULL, "loaded: %s", broken[i].yaml);
		snprintf(expected, sizeof(expected), "config.yaml:%s", broken[i].line);
		ck_assert_str_eq(err.first->text, expected);
		ck_assert_msg(err.count == 1, "%s: then %s", broken[i].yaml,
			err.first->next != NULL ? err.first->next->text : "");
	}
}
END_TEST

static const struct {
	const char *cfg, *line;
} broken_process[] = {
	{ "worker = 3;", "1:1: unknown key \"worker\"; did you mean \"workers\"?" },
	{ "x = 1;\n",
		"1:1: unknown key \"x\"; known here: user, group, pidfile, runtime_dir, workers, "
		"event_engine, max_open_files, max_backends, sandbox, scheduling, config" },
	{ "\n  log = { level = \"info\"; };",
		"2:3: \"log\" stands in the wrong file; it belongs in config.yaml" },
	{ "workers = 0;", "1:1: workers \"0\" is out of range; auto, or 1 to 512" },
	{ "workers = \"many\";", "1:1: workers \"many\" is not a whole number; auto, or 1 to 512" },
	{ "event_engine = \"kqueue\";",
		"1:1: event_engine \"kqueue\" is unknown; known: auto, poll, epoll" },
	{ "max_open_files = 10;",
		"1:1: max_open_files \"10\" is out of range; 0, or 64 to 1073741816" },
	{ "max_backends = 20000;", "1:1: max_backends \"20000\" is out of range; 1 to 16384" },
	{ "user = \"\";", "1:1: user \"\" is empty; write a text, or leave it out" },
	{ "group = [\"a\"];", "1:1: group is a list; it must be a single value" },
	{ "workers = 3;\nworkers = 4;", "2:1: a setting is given twice; keep one of them" },
};

START_TEST(each_broken_process_file_gives_exactly_one_clear_line)
{
	char expected[512];
	size_t i;

	write_yaml(B);
	for (i = 0; i < sizeof(broken_process) / sizeof(broken_process[0]); i++) {
		write_cfg(broken_process[i].cfg);
		ck_assert_msg(load() == NULL, "loaded: %s", broken_process[i].cfg);
		snprintf(expected, sizeof(expected), "ballast.cfg:%s", broken_process[i].line);
		ck_assert_str_eq(err.first->text, expected);
		ck_assert_uint_eq(err.count, 1);
	}
}
END_TEST

static const struct {
	const char *name, *value, *line;
} broken_environment[] = {
	{ "LB_PORT", "x",
		"LB_PORT: lb_port \"x\": not an address; write :port, host:port, [v6]:port or "
		"unix:/path" },
	{ "LB_STRATEGY", "round_robin",
		"LB_STRATEGY: strategy \"round_robin\" is unknown; known: round-robin, "
		"least-connection (did you mean round-robin?)" },
	{ "LB_BACKENDS", "a:1",
		"LB_BACKENDS: backends.url \"a:1\" is not a URL; write http://host:port" },
	{ "LB_BACKENDS", "http://a,http://a",
		"LB_BACKENDS: backend \"http://a\" is given twice; keep one of them" },
	{ "LB_BACKENDS", ",",
		"LB_BACKENDS: backends is empty; name at least one, as in "
		"\"http://localhost:9001\"" },
	{ "LB_WORKERS", "-2", "LB_WORKERS: workers \"-2\" is out of range; auto, or 1 to 512" },
	{ "LOG_LEVEL", "loud",
		"LOG_LEVEL: log.level \"loud\" is unknown; known: debug, info, warn, error, "
		"fatal" },
	{ "LB_CONFIG", "gone.yaml",
		"gone.yaml: cannot be read: No such file or directory; name a file that can" },
};

START_TEST(each_broken_variable_is_named)
{
	size_t i;

	write_yaml(B);
	for (i = 0; i < sizeof(broken_environment) / sizeof(broken_environment[0]); i++) {
		setenv(broken_environment[i].name, broken_environment[i].value, 1);
		ck_assert_msg(load() == NULL, "loaded: %s", broken_environment[i].value);
		ck_assert_str_eq(err.first->text, broken_environment[i].line);
		ck_assert_uint_eq(err.count, 1);
		unsetenv(broken_environment[i].name);
	}
}
END_TEST

START_TEST(a_broken_flag_is_named)
{
	write_yaml(B);
	request.log_level = "loud";
	request.workers = 100000;
	ck_assert_ptr_null(load());
	ck_assert_str_eq(
		err.first->text, "-w: workers \"100000\" is out of range; auto, or 1 to 512");
	ck_assert_str_eq(err.first->next->text,
		"-l: log.level \"loud\" is unknown; known: debug, info, warn, error, fatal");
}
END_TEST

START_TEST(all_errors_of_all_files_come_in_one_go)
{
	write_cfg("workers = 0;\nfoo = 1;");
	write_yaml("strategy: x\nretries: 99\nbackends: [\"http://a\", {weight: 0}]\n");
	setenv("LB_PORT", "x", 1);
	ck_assert_ptr_null(load());
	ck_assert_uint_eq(err.count, 7);
}
END_TEST

START_TEST(more_backends_than_rows_are_refused)
{
	write_cfg("max_backends = 2;");
	write_yaml("backends: [\"http://a\", \"http://b\", \"http://c\"]\n");
	ck_assert_ptr_null(load());
	ck_assert_str_eq(err.first->text,
		"config.yaml:1:11: 3 backends are more than max_backends (2); raise it in "
		"ballast.cfg");
	ck_assert_uint_eq(err.count, 1);
}
END_TEST

START_TEST(a_file_of_one_mebibyte_is_read_and_one_octet_more_is_not)
{
	size_t len = 1 << 20;
	char *text = malloc(len + 1);
	struct config *c;

	ck_assert_ptr_nonnull(text);
	memset(text, '#', len + 1);
	memcpy(text, B, strlen(B));
	scratch_write("config.yaml", text, len);
	c = must_load();
	config_free(c);
	scratch_write("config.yaml", text, len + 1);
	ck_assert_ptr_null(load());
	ck_assert_str_eq(
		err.first->text, "config.yaml: larger than 1 MiB; a configuration is smaller");
	ck_assert_uint_eq(err.count, 1);
	free(text);
}
END_TEST

START_TEST(a_directory_is_no_file)
{
	ck_assert_int_eq(mkdir("config.yaml", 0700), 0);
	ck_assert_ptr_null(load());
	ck_assert_str_eq(err.first->text,
		"config.yaml: cannot be read: Is a directory; name a file that can");
}
END_TEST

START_TEST(a_long_url_is_refused)
{
	char yaml[512] = "backends: [\"http://a/";

	memset(yaml + strlen(yaml), 'x', 250);
	strcat(yaml, "\"]\n");
	write_yaml(yaml);
	ck_assert_ptr_null(load());
	ck_assert_ptr_nonnull(strstr(err.first->text, "is longer than 255 characters"));
}
END_TEST

/* Every file cut short at every octet: an error or a configuration, nothing else. */
START_TEST(half_a_file_does_no_harm)
{
	static const char whole[] = "lb_port: \":1\"\nbackends:\n  - \"http://a:1\"\n"
				    "  - {url: \"http://b\", weight: 3}\nrate_limit:\n"
				    "  exempt: [\"10.0.0.0/8\", \"::1\"]\n  burst: 3\n"
				    "health_check: {expect: [200, 300-399], path: /x}\n"
				    "access_log: {output: /x/y, format: combined}\n";
	size_t n;

	for (n = 0; n < sizeof(whole) - 1; n++) {
		scratch_write("config.yaml", whole, n);
		config_free(load());
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("config_errors");
	TCase *c = tcase_create("config_errors");

	tcase_set_timeout(c, 60);
	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, each_broken_file_gives_exactly_one_clear_line);
	tcase_add_test(c, each_broken_process_file_gives_exactly_one_clear_line);
	tcase_add_test(c, each_broken_variable_is_named);
	tcase_add_test(c, a_broken_flag_is_named);
	tcase_add_test(c, all_errors_of_all_files_come_in_one_go);
	tcase_add_test(c, more_backends_than_rows_are_refused);
	tcase_add_test(c, a_file_of_one_mebibyte_is_read_and_one_octet_more_is_not);
	tcase_add_test(c, a_directory_is_no_file);
	tcase_add_test(c, a_long_url_is_refused);
	tcase_add_test(c, half_a_file_does_no_harm);
	suite_add_tcase(s, c);
	return unit_main(s);
}
