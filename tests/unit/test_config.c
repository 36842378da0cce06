/*
 * Loading a configuration that is right: defaults, process settings,
 * precedence, and reload.  No socket and no name lookup.
 */
#include "config_helpers.h"

START_TEST(three_lines_are_enough)
{
	struct config *c;

	write_yaml("backends:\n  - \"http://localhost:9001\"\n  - \"http://127.0.0.1:9002/up\"\n");
	c = must_load();
	ck_assert_str_eq(c->file, "config.yaml");
	ck_assert_uint_eq(c->n_backends, 2);
	ck_assert_str_eq(c->backends[0].url, "http://localhost:9001");
	ck_assert_str_eq(c->backends[0].host, "localhost");
	ck_assert_uint_eq(c->backends[0].port, 9001);
	ck_assert_str_eq(c->backends[0].path, "/");
	ck_assert_uint_eq(c->backends[0].weight, 1);
	ck_assert_uint_eq(c->backends[0].n_addrs, 0);
	ck_assert_str_eq(c->backends[1].path, "/up");
	ck_assert_uint_eq(c->backends[1].n_addrs, 1);
	ck_assert_uint_eq(addr_port(&c->backends[1].addrs[0]), 9002);
	config_free(c);
}
END_TEST

START_TEST(defaults_are_those_of_the_interface)
{
	struct config *c;

	write_yaml(BACKENDS);
	c = must_load();
	ck_assert_str_eq(c->listen_text, ":3332");
	ck_assert_uint_eq(addr_port(&c->listen), 3332);
	ck_assert_str_eq(c->strategy, "round-robin");
	ck_assert(c->rate_limit.on);
	ck_assert_double_eq(c->rate_limit.requests_per_second, 10);
	ck_assert_uint_eq(c->rate_limit.burst, 20);
	ck_assert_uint_eq(c->rate_limit.ipv6_prefix, 64);
	ck_assert_uint_eq(c->rate_limit.max_clients, 131072);
	ck_assert_uint_eq(c->rate_limit.n_exempt, 0);
	ck_assert(c->health.on);
	ck_assert_ptr_null(c->health.path);
	ck_assert_uint_eq(c->health.interval_us, 5000000);
	ck_assert_uint_eq(c->health.timeout_us, 2000000);
	ck_assert_uint_eq(c->health.rise, 1);
	ck_assert_uint_eq(c->health.fall, 2);
	ck_assert_uint_eq(c->timeouts.request_header_us, 10000000);
	ck_assert_uint_eq(c->timeouts.request_body_us, 30000000);
	ck_assert_uint_eq(c->timeouts.connect_us, 3000000);
	ck_assert_uint_eq(c->timeouts.response_header_us, 60000000);
	ck_assert_uint_eq(c->timeouts.response_body_us, 60000000);
	ck_assert_uint_eq(c->timeouts.client_write_us, 30000000);
	ck_assert_uint_eq(c->timeouts.keep_alive_us, 60000000);
	ck_assert_uint_eq(c->timeouts.tunnel_us, 3600000000);
	ck_assert_uint_eq(c->timeouts.drain_us, 10000000);
	ck_assert_uint_eq(c->limits.connections, 8192);
	ck_assert_uint_eq(c->limits.header_bytes, 16384);
	ck_assert_uint_eq(c->limits.headers, 100);
	ck_assert_uint_eq(c->limits.body_bytes, 0);
	ck_assert_uint_eq(c->retries, 1);
	ck_assert_uint_eq(c->n_trusted_proxies, 0);
	ck_assert_str_eq(c->metrics_path, "/metrics");
	ck_assert(c->metrics_public);
	ck_assert(!c->admin_on);
	ck_assert_ptr_null(c->access_log.output);
	ck_assert_int_eq(c->access_log.format, ACCESS_JSON);
	ck_assert_int_eq(c->log_level, LEVEL_INFO);
	ck_assert_int_eq(c->log_format, LOG_AUTO);
	ck_assert_str_eq(c->log_output, "stderr");
	config_free(c);
}
END_TEST

START_TEST(defaults_of_the_process)
{
	struct config *c;

	write_yaml(BACKENDS);
	c = must_load();
	ck_assert_ptr_null(c->process.user);
	ck_assert_ptr_null(c->process.group);
	ck_assert_ptr_null(c->process.pidfile);
	ck_assert_ptr_nonnull(c->process.runtime_dir);
	ck_assert_uint_eq(c->process.workers, config_usable_cpus());
	ck_assert_int_eq(c->process.event_engine, POLLER_AUTO);
	ck_assert_uint_eq(c->process.max_open_files, 0);
	ck_assert_uint_eq(c->process.max_backends, 1024);
	ck_assert_str_eq(c->process_file, "ballast.cfg");
	config_free(c);
}
END_TEST

START_TEST(the_default_statuses_are_200_to_399)
{
	struct config *c;
	int status;

	write_yaml(BACKENDS);
	c = must_load();
	for (status = 0; status < 1000; status++)
		ck_assert_msg(
			config_expects(&c->health, status) == (status >= 200 && status <= 399),
			"%d", status);
	config_free(c);
}
END_TEST

START_TEST(ballast_cfg_says_how_the_process_runs)
{
	struct config *c;

	write_yaml(BACKENDS);
	rename("config.yaml", "other.yaml");
	write_cfg("user = \"www\"; group = \"web\";\npidfile = \"/run/b.pid\";\n"
		  "runtime_dir = \"/run/b\";\nworkers = 3;\nevent_engine = \"epoll\";\n"
		  "max_open_files = 100000;\nmax_backends = 8;\nconfig = \"other.yaml\";\n");
	c = must_load();
	ck_assert_str_eq(c->process.user, "www");
	ck_assert_str_eq(c->process.group, "web");
	ck_assert_str_eq(c->process.pidfile, "/run/b.pid");
	ck_assert_str_eq(c->process.runtime_dir, "/run/b");
	ck_assert_uint_eq(c->process.workers, 3);
	ck_assert_int_eq(c->process.event_engine, POLLER_EPOLL);
	ck_assert_uint_eq(c->process.max_open_files, 100000);
	ck_assert_uint_eq(c->process.max_backends, 8);
	ck_assert_str_eq(c->file, "other.yaml");
	config_free(c);
}
END_TEST

START_TEST(the_environment_beats_the_file)
{
	static const struct {
		const char *name, *value, *line;
	} rows[] = {
		{ "LB_PORT", "4444", "lb_port: \"4444\" # env LB_PORT" },
		{ "LB_PORT", ":4444", "lb_port: \":4444\" # env LB_PORT" },
		{ "LB_PORT", "127.0.0.1:4444", "lb_port: \"127.0.0.1:4444\" # env LB_PORT" },
		{ "LB_STRATEGY", "round-robin", "strategy: round-robin # env LB_STRATEGY" },
		{ "LB_BACKENDS", "http://b:1, http://c:2,",
			" - url: \"http://c:2\" # env LB_BACKENDS" },
		{ "LB_WORKERS", "7", "# workers = 7; # env LB_WORKERS" },
		{ "LOG_ENV", "prod", " format: json # env LOG_ENV" },
		{ "LOG_ENV", "dev", " format: console # env LOG_ENV" },
		{ "LOG_LEVEL", "error", " level: error # env LOG_LEVEL" },
		{ "LB_PORT", "", "lb_port: \":1\" # config.yaml:2:10" },
	};
	size_t i;

	write_yaml(BACKENDS "lb_port: \":1\"\nstrategy: least-connection\n"
			    "log: {level: debug, format: auto}\n");
	write_cfg("workers = 2;");
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct config *c;
		char *text;

		setenv(rows[i].name, rows[i].value, 1);
		c = must_load();
		text = dump(c);
		ck_assert_msg(has_line(text, rows[i].line), "%s in\n%s", rows[i].line, text);
		free(text);
		config_free(c);
		unsetenv(rows[i].name);
	}
}
END_TEST

START_TEST(lb_backends_replaces_the_list)
{
	struct config *c;

	write_yaml(
		"backends: [\"http://a:1\", \"http://b:1\", {url: \"http://c:1\", weight: 2}]\n");
	setenv("LB_BACKENDS", "http://d:1,http://e:1", 1);
	c = must_load();
	ck_assert_uint_eq(c->n_backends, 2);
	ck_assert_str_eq(c->backends[0].url, "http://d:1");
	ck_assert_uint_eq(c->backends[1].weight, 1);
	config_free(c);
}
END_TEST

START_TEST(flags_beat_the_environment)
{
	struct config *c;

	write_yaml(BACKENDS);
	setenv("LB_WORKERS", "7", 1);
	setenv("LOG_LEVEL", "debug", 1);
	setenv("LB_CONFIG", "/nowhere", 1);
	write_cfg("pidfile = \"/a.pid\";");
	request.workers = 3;
	request.log_level = "warn";
	request.quiet = true;
	request.pidfile = "/b.pid";
	request.file = "config.yaml";
	c = must_load();
	ck_assert_uint_eq(c->process.workers, 3);
	ck_assert_int_eq(c->log_level, LEVEL_WARN);
	ck_assert_str_eq(c->process.pidfile, "/b.pid");
	config_free(c);
	request.log_level = NULL;
	c = must_load();
	ck_assert_int_eq(c->log_level, LEVEL_ERROR);
	config_free(c);
}
END_TEST

START_TEST(lb_config_beats_ballast_cfg)
{
	struct config *c;

	write_yaml(BACKENDS);
	rename("config.yaml", "env.yaml");
	write_cfg("config = \"/nowhere\";");
	setenv("LB_CONFIG", "env.yaml", 1);
	c = must_load();
	ck_assert_str_eq(c->file, "env.yaml");
	config_free(c);
}
END_TEST

START_TEST(with_lb_backends_no_file_is_needed_unless_one_is_named)
{
	struct config *c;

	setenv("LB_BACKENDS", "http://127.0.0.1:1", 1);
	c = must_load();
	ck_assert_str_eq(c->file, "config.yaml");
	ck_assert_uint_eq(c->n_backends, 1);
	config_free(c);
	request.file = "gone.yaml";
	ck_assert_ptr_null(load());
	ck_assert_str_eq(err.first->text,
		"gone.yaml: cannot be read: No such file or directory; name a file that can");
	ck_assert_uint_eq(err.count, 1);
}
END_TEST

START_TEST(the_runtime_directory_follows_the_user)
{
	char expected[64];
	struct config *c;

	write_yaml(BACKENDS);
	setenv("XDG_RUNTIME_DIR", "/run/user/1", 1);
	c = must_load();
	ck_assert_str_eq(
		c->process.runtime_dir, geteuid() == 0 ? "/run/ballast" : "/run/user/1/ballast");
	config_free(c);
	unsetenv("XDG_RUNTIME_DIR");
	snprintf(expected, sizeof(expected), "/tmp/ballast-%u", (unsigned)geteuid());
	c = must_load();
	ck_assert_str_eq(c->process.runtime_dir, geteuid() == 0 ? "/run/ballast" : expected);
	config_free(c);
}
END_TEST

START_TEST(a_reload_reads_traffic_again_and_keeps_the_process)
{
	struct config *old, *c = NULL;
	char *text;

	write_yaml(BACKENDS "retries: 2\n");
	write_cfg("workers = 2;\nuser = \"a\";");
	old = must_load();
	write_yaml(BACKENDS "retries: 5\n");
	write_cfg("workers = 9;\nuser = \"b\";");
	setenv("LB_WORKERS", "11", 1);
	ck_assert_int_eq(chdir("/"), 0); /* as a daemon does */
	ck_assert(config_load_again(&c, old, &request, &err));
	ck_assert_uint_eq(c->retries, 5);
	ck_assert_uint_eq(c->process.workers, 2);
	ck_assert_str_eq(c->process.user, "a");
	ck_assert_str_eq(c->file, "config.yaml");
	config_free(old);
	text = dump(c);
	ck_assert(has_line(text, "# workers = 2; # ballast.cfg:1:1"));
	free(text);
	config_free(c);
}
END_TEST

START_TEST(a_reload_of_a_bad_file_changes_nothing)
{
	struct config *old, *c = NULL;

	write_yaml(BACKENDS);
	old = must_load();
	write_yaml(BACKENDS "retries: many\n");
	ck_assert(!config_load_again(&c, old, &request, &err));
	ck_assert_ptr_null(c);
	ck_assert_str_eq(err.first->text,
		"config.yaml:2:10: retries \"many\" is not a whole number; 0 to 16");
	err_free(&err);
	ck_assert_int_eq(remove("config.yaml"), 0);
	ck_assert(!config_load_again(&c, old, &request, &err));
	ck_assert_str_eq(err.first->text,
		"config.yaml: cannot be read: No such file or directory; name a file that can");
	ck_assert_uint_eq(old->n_backends, 1);
	config_free(old);
}
END_TEST

START_TEST(the_documentation_names_every_key)
{
	static const char *const names[] = { "`lb_port`", "`backends.weight`", "`rate_limit.burst`",
		"`health_check.expect`", "`timeouts.drain`", "`limits.body_bytes`", "`retries`",
		"`trusted_proxies`", "`metrics.public`", "`admin.listen`", "`access_log.format`",
		"`log.output`", "`max_backends`", "least-connection" };
	char *text = NULL;
	size_t len, i;
	FILE *f = open_memstream(&text, &len);

	options_print_markdown(f);
	options_print_mdoc(f);
	fclose(f);
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		ck_assert_msg(strstr(text, names[i]) != NULL, "%s", names[i]);
	ck_assert_ptr_nonnull(strstr(text, ".It Ic timeouts.drain\n"));
	free(text);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("config");
	TCase *c = tcase_create("config");

	tcase_set_timeout(c, 60);
	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, three_lines_are_enough);
	tcase_add_test(c, defaults_are_those_of_the_interface);
	tcase_add_test(c, defaults_of_the_process);
	tcase_add_test(c, the_default_statuses_are_200_to_399);
	tcase_add_test(c, ballast_cfg_says_how_the_process_runs);
	tcase_add_test(c, the_environment_beats_the_file);
	tcase_add_test(c, lb_backends_replaces_the_list);
	tcase_add_test(c, flags_beat_the_environment);
	tcase_add_test(c, lb_config_beats_ballast_cfg);
	tcase_add_test(c, with_lb_backends_no_file_is_needed_unless_one_is_named);
	tcase_add_test(c, the_runtime_directory_follows_the_user);
	tcase_add_test(c, a_reload_reads_traffic_again_and_keeps_the_process);
	tcase_add_test(c, a_reload_of_a_bad_file_changes_nothing);
	tcase_add_test(c, the_documentation_names_every_key);
	suite_add_tcase(s, c);
	return unit_main(s);
}
