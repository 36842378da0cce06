/*
 * What a scrape says about a segment with known numbers in it: exact lines, the
 * rules of both text formats, promtool's opinion where it is installed, and
 * /status as valid JSON.
 */
#include "../../src/master/exposition.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "../../src/master/exposition_process.h"
#include "admin_world.h"
#include "harness.h"

#define N(table) (sizeof(table) / sizeof((table)[0]))

static struct world world;

static void
setup(void)
{
	world_begin(&world, 8);
}

static void
teardown(void)
{
	world_end(&world);
}

static char *
written(void (*write)(const struct admin_view *, FILE *))
{
	char *text = NULL;
	size_t n = 0;
	FILE *out = open_memstream(&text, &n);

	ck_assert_ptr_nonnull(out);
	write(&world.view, out);
	fclose(out);
	return text;
}

static bool
has_line(const char *text, const char *line)
{
	size_t n = strlen(line);

	for (const char *p = text; p != NULL && *p != '\0'; p = strchr(p, '\n')) {
		p += *p == '\n';
		if (strncmp(p, line, n) == 0 && p[n] == '\n')
			return true;
	}
	return false;
}

static void
assert_lines(const char *text, const char *const *lines, size_t n)
{
	for (size_t i = 0; i < n; i++)
		ck_assert_msg(
			has_line(text, lines[i]), "missing: %s\nin:\n%.2000s", lines[i], text);
}

static void
fill(void)
{
	struct shm *s = &world.shm;
	struct slot *other = slot_claim(s, ROLE_WORKER, 1, 2);

	ck_assert_ptr_nonnull(other);
	slot_set_state(other, SLOT_DRAINING);
	metrics_request(s, world.worker, world.a, METHOD_GET, 200, 1000);
	metrics_request(s, other, world.a, METHOD_GET, 200, 2600);
	metrics_request(s, world.worker, world.a, METHOD_OTHER, 502, 20000000);
	metrics_request(s, world.worker, BACKEND_NONE, METHOD_POST, 429, 10);
	metrics_backend_error(s, other, world.b, ERROR_TIMEOUT);
	metrics_health_check(s, world.checker, world.b, false);
	metrics_count(s, world.worker, COUNTER_RATE_LIMITED, 3);
	metrics_count(s, other, COUNTER_RATE_LIMITED, 4);
	gauge_add(&slot_active(s, world.worker)[world.a], 5);
	gauge_add(&slot_active(s, other)[world.a], 2);
	gauge_add(&slot_upstreams(s, world.worker, UPSTREAM_IDLE)[world.b], 9);
	gauge_add(&world.worker->clients[CLIENT_TUNNEL], 6);
	backend_set_up(s, world.b, false, 1700000000000000);
}

START_TEST(a_scrape_says_what_the_segment_holds)
{
	static const char *const lines[] = {
		"# TYPE lb_requests_total counter",
		"lb_requests_total{backend=\"" WORLD_A "\",method=\"GET\",status=\"200\"} 2",
		"lb_requests_total{backend=\"" WORLD_A "\",method=\"other\",status=\"502\"} 1",
		"lb_requests_total{backend=\"none\",method=\"POST\",status=\"429\"} 1",
		"# TYPE lb_request_duration_seconds histogram",
		"lb_request_duration_seconds_bucket{backend=\"" WORLD_A "\",le=\"0.001\"} 1",
		"lb_request_duration_seconds_bucket{backend=\"" WORLD_A "\",le=\"0.0025\"} 1",
		"lb_request_duration_seconds_bucket{backend=\"" WORLD_A "\",le=\"0.005\"} 2",
		"lb_request_duration_seconds_bucket{backend=\"" WORLD_A "\",le=\"0.01\"} 2",
		"lb_request_duration_seconds_bucket{backend=\"" WORLD_A "\",le=\"0.025\"} 2",
		"lb_request_duration_seconds_bucket{backend=\"" WORLD_A "\",le=\"0.05\"} 2",
		"lb_request_duration_seconds_bucket{backend=\"" WORLD_A "\",le=\"0.1\"} 2",
		"lb_request_duration_seconds_bucket{backend=\"" WORLD_A "\",le=\"0.2\"} 2",
		"lb_request_duration_seconds_bucket{backend=\"" WORLD_A "\",le=\"0.5\"} 2",
		"lb_request_duration_seconds_bucket{backend=\"" WORLD_A "\",le=\"1\"} 2",
		"lb_request_duration_seconds_bucket{backend=\"" WORLD_A "\",le=\"2\"} 2",
		"lb_request_duration_seconds_bucket{backend=\"" WORLD_A "\",le=\"5\"} 2",
		"lb_request_duration_seconds_bucket{backend=\"" WORLD_A "\",le=\"10\"} 2",
		"lb_request_duration_seconds_bucket{backend=\"" WORLD_A "\",le=\"+Inf\"} 3",
		"lb_request_duration_seconds_sum{backend=\"" WORLD_A "\"} 20.0036",
		"lb_request_duration_seconds_count{backend=\"" WORLD_A "\"} 3",
		"lb_backend_up{backend=\"" WORLD_A "\"} 1",
		"lb_backend_up{backend=\"" WORLD_B "\"} 0",
		"lb_active_connections{backend=\"" WORLD_A "\"} 7",
		"lb_active_connections{backend=\"" WORLD_B "\"} 0",
		"lb_rate_limited_requests_total 7",
		"lb_upstream_connections{backend=\"" WORLD_B "\",state=\"idle\"} 9",
		"lb_upstream_connections{backend=\"" WORLD_B "\",state=\"active\"} 0",
		"lb_client_connections{state=\"tunnel\"} 6",
		"lb_health_checks_total{backend=\"" WORLD_B "\",result=\"failure\"} 1",
		"lb_health_checks_total{backend=\"" WORLD_B "\",result=\"success\"} 0",
		"lb_workers 1",
		"lb_config_generation 1",
		"lb_config_last_reload_successful 1",
		"lb_config_last_reload_timestamp_seconds 1700000100",
		"process_start_time_seconds 1700000000.5",
	};
	char *text;
	char line[256];

	fill();
	text = written(exposition_prometheus);
	assert_lines(text, lines, N(lines));
	for (unsigned e = 0; e < N_BACKEND_ERRORS; e++) {
		snprintf(line, sizeof(line),
			"lb_backend_errors_total{backend=\"" WORLD_B "\",reason=\"%s\"} %d",
			backend_error_name((enum backend_error)e), e == ERROR_TIMEOUT);
		ck_assert_msg(has_line(text, line), "missing: %s", line);
	}
	snprintf(line, sizeof(line), "lb_shm_bytes %zu", world.shm.size);
	ck_assert(has_line(text, line));
	free(text);
}
END_TEST

START_TEST(known_series_are_there_from_the_start)
{
	static const char *const lines[] = {
		"# TYPE lb_requests_total counter",
		"lb_rate_limited_requests_total 0",
		"lb_retries_total 0",
		"lb_worker_restarts_total 0",
		"lb_rate_limit_evictions_total 0",
		"lb_client_connections{state=\"idle\"} 0",
		"lb_client_connections{state=\"active\"} 0",
		"lb_health_checks_total{backend=\"" WORLD_A "\",result=\"success\"} 0",
		"lb_request_duration_seconds_count{backend=\"" WORLD_A "\"} 0",
		"lb_request_duration_seconds_sum{backend=\"" WORLD_A "\"} 0",
		"lb_upstream_connections{backend=\"" WORLD_A "\",state=\"idle\"} 0",
	};
	char *text = written(exposition_prometheus);

	assert_lines(text, lines, N(lines));
	free(text);
}
END_TEST

START_TEST(a_removed_backend_keeps_counters_and_only_gauges_in_hand)
{
	struct shm *s = &world.shm;
	char *text;

	metrics_request(s, world.worker, world.b, METHOD_GET, 200, 1000);
	gauge_add(&slot_active(s, world.worker)[world.b], 1);
	ck_assert_int_eq(backend_assign(s, WORLD_A, 2, 1), (int)world.a);
	backend_retire_others(s, 2);
	text = written(exposition_prometheus);
	ck_assert(has_line(text,
		"lb_requests_total{backend=\"" WORLD_B "\",method=\"GET\",status=\"200\"} 1"));
	ck_assert(has_line(text, "lb_request_duration_seconds_count{backend=\"" WORLD_B "\"} 1"));
	ck_assert(has_line(text, "lb_active_connections{backend=\"" WORLD_B "\"} 1"));
	ck_assert_ptr_null(strstr(text, "lb_backend_up{backend=\"" WORLD_B));
	ck_assert_ptr_null(strstr(text, "lb_upstream_connections{backend=\"" WORLD_B));
	free(text);
	gauge_add(&slot_active(s, world.worker)[world.b], -1);
	text = written(exposition_prometheus);
	ck_assert_ptr_null(strstr(text, "lb_active_connections{backend=\"" WORLD_B));
	free(text);
}
END_TEST

START_TEST(label_values_are_escaped)
{
	char *text;

	ck_assert_int_ge(backend_assign(&world.shm, "http://q\"b\\n\nx", 1, 1), 0);
	text = written(exposition_prometheus);
	ck_assert(has_line(text, "lb_backend_up{backend=\"http://q\\\"b\\\\n\\nx\"} 1"));
	free(text);
}
END_TEST

/* A worker gone mad may write anywhere in the segment. */
START_TEST(a_url_without_an_end_is_not_read_beyond_its_row)
{
	char expected[BACKEND_URL_MAX + 64] = "lb_backend_up{backend=\"";
	char *text;

	memset(world.shm.backends[world.b].url, 'u', BACKEND_URL_MAX);
	memset(expected + strlen(expected), 'u', BACKEND_URL_MAX);
	strcat(expected, "\"} 1");
	text = written(exposition_prometheus);
	ck_assert(has_line(text, expected));
	free(text);
}
END_TEST

/* The rules of a text exposition, looked at line by line. */
struct rules {
	bool openmetrics;
	char family[128]; /* of the last TYPE line */
	char type[16];
	char seen[128][128]; /* families that are over or at hand */
	unsigned n_seen;
	bool ended;
};

static void
judge_type(struct rules *r, const char *line)
{
	ck_assert_int_eq(sscanf(line, "# TYPE %127s %15s", r->family, r->type), 2);
	for (unsigned i = 0; i < r->n_seen; i++)
		ck_assert_msg(strcmp(r->seen[i], r->family) != 0, "twice: %s", r->family);
	ck_assert_uint_lt(r->n_seen, N(r->seen));
	strcpy(r->seen[r->n_seen++], r->family);
	if (r->openmetrics)
		ck_assert_msg(strcmp(r->type, "counter") != 0 || !strstr(r->family, "_total"),
			"an OpenMetrics counter's family ends in _total: %s", r->family);
}

static bool
suffix_fits(const struct rules *r, const char *suffix)
{
	if (strcmp(r->type, "histogram") == 0)
		return !strcmp(suffix, "_bucket") || !strcmp(suffix, "_sum") ||
		       !strcmp(suffix, "_count");
	if (strcmp(r->type, "counter") == 0 && r->openmetrics)
		return strcmp(suffix, "_total") == 0;
	return *suffix == '\0';
}

static void
judge_sample(const struct rules *r, const char *line)
{
	char name[128] = "";
	size_t n = strcspn(line, "{ ");
	const char *le = strstr(line, "le=\"");
	char *end;

	ck_assert_uint_lt(n, sizeof(name));
	memcpy(name, line, n);
	ck_assert_msg(strncmp(name, r->family, strlen(r->family)) == 0 &&
			      suffix_fits(r, name + strlen(r->family)),
		"%s in the family %s", line, r->family);
	if (le != NULL && r->openmetrics)
		ck_assert_msg(strncmp(le + 4, "+Inf", 4) == 0 ||
				      memchr(le, '.', strcspn(le + 4, "\"") + 4) != NULL,
			"no float: %s", line);
	strtod(strrchr(line, ' ') + 1, &end);
	ck_assert_msg(*end == '\0' && end[-1] != ' ', "no value: %s", line);
}

static void
judge_line(struct rules *r, const char *line)
{
	char help[128];

	ck_assert_msg(!r->ended, "after the end: %s", line);
	if (strcmp(line, "# EOF") == 0)
		r->ended = true;
	else if (strncmp(line, "# HELP ", 7) == 0)
		ck_assert_int_eq(sscanf(line, "# HELP %127s %*[^\n]", help), 1);
	else if (strncmp(line, "# TYPE ", 7) == 0)
		judge_type(r, line);
	else
		judge_sample(r, line);
}

static void
judge(bool openmetrics, char *text)
{
	struct rules r = { .openmetrics = openmetrics };
	char *rest = text;

	ck_assert_int_eq(text[strlen(text) - 1], '\n');
	text[strlen(text) - 1] = '\0';
	for (char *line = strsep(&rest, "\n"); line != NULL; line = strsep(&rest, "\n"))
		judge_line(&r, line);
	ck_assert_int_eq(r.ended, openmetrics);
	ck_assert_uint_gt(r.n_seen, 20);
}

START_TEST(both_formats_keep_their_rules)
{
	char *text;

	fill();
	text = written(exposition_prometheus);
	judge(false, text);
	free(text);
	text = written(exposition_openmetrics);
	ck_assert(has_line(text, "# TYPE lb_requests counter"));
	ck_assert(has_line(
		text, "lb_request_duration_seconds_bucket{backend=\"" WORLD_A "\",le=\"1.0\"} 2"));
	judge(true, text);
	free(text);
}
END_TEST

START_TEST(promtool_has_nothing_to_say)
{
	char metrics[] = "/tmp/ballast-unit-XXXXXX", command[128], said[512] = "";
	int fd;
	FILE *f;

	if (system("command -v promtool >/dev/null 2>&1") != 0)
		return;
	fill();
	fd = mkstemp(metrics);
	ck_assert_int_ge(fd, 0);
	f = fdopen(fd, "w");
	ck_assert_ptr_nonnull(f);
	exposition_prometheus(&world.view, f);
	fclose(f);
	snprintf(command, sizeof(command), "promtool check metrics <%s 2>&1", metrics);
	f = popen(command, "r");
	ck_assert_ptr_nonnull(f);
	said[fread(said, 1, sizeof(said) - 1, f)] = '\0';
	fd = pclose(f);
	unlink(metrics);
	ck_assert_msg(fd == 0 && said[0] == '\0', "promtool: %d %s", fd, said);
}
END_TEST

START_TEST(a_thousand_backends_fit_on_a_page)
{
	struct world big;
	struct world *small = &world;
	char url[64], line[128], *text;

	world_end(small);
	world_begin(&big, 1000);
	for (unsigned i = 2; i < 1000; i++) {
		snprintf(url, sizeof(url), "http://10.0.%u.%u:80", i / 256, i % 256);
		ck_assert_int_ge(backend_assign(&big.shm, url, 1, 1), 0);
	}
	big.view.shm = &big.shm;
	small->view = big.view;
	text = written(exposition_prometheus);
	for (unsigned i = 2; i < 1000; i++) {
		snprintf(line, sizeof(line), "lb_backend_up{backend=\"http://10.0.%u.%u:80\"} 1",
			i / 256, i % 256);
		ck_assert_msg(has_line(text, line), "missing: %s", line);
		i += 100;
	}
	free(text);
	world_end(&big);
	world_begin(small, 8);
}
END_TEST

/* Just enough of RFC 8259 to know that a reader will take it. */
static const char *json_value(const char *p);

static const char *
json_string(const char *p)
{
	ck_assert_int_eq(*p, '"');
	for (p++; *p != '"'; p++) {
		ck_assert_msg((unsigned char)*p >= 0x20, "control character in a string");
		p += *p == '\\';
	}
	return p + 1;
}

static const char *
json_members(const char *p, char end, bool named)
{
	if (*p == end)
		return p + 1;
	for (;; p++) {
		if (named) {
			p = json_string(p);
			ck_assert_int_eq(*p++, ':');
		}
		p = json_value(p);
		if (*p == end)
			return p + 1;
		ck_assert_msg(*p == ',', "neither comma nor end: %.40s", p);
	}
}

static const char *
json_value(const char *p)
{
	char *end;

	if (*p == '{')
		return json_members(p + 1, '}', true);
	if (*p == '[')
		return json_members(p + 1, ']', false);
	if (*p == '"')
		return json_string(p);
	if (strncmp(p, "true", 4) == 0 || strncmp(p, "null", 4) == 0)
		return p + 4;
	if (strncmp(p, "false", 5) == 0)
		return p + 5;
	strtod(p, &end);
	ck_assert_msg(end != p, "no value: %.40s", p);
	return end;
}

START_TEST(status_is_one_valid_json_object)
{
	static const char *const parts[] = {
		"\"generation\":1,\"live\":true,\"ready\":true,\"draining\":false",
		"\"reload\":{\"ok\":true,\"at\":1700000100}",
		"\"config\":{\"file\":\"config.yaml\",\"process_file\":null,\"listen\":\":3332\","
		"\"strategy\":\"round-robin\",\"workers\":2}",
		"\"connections\":{\"idle\":0,\"active\":0,\"tunnel\":6}",
		"\"loop_lag_ms\":1.500",
		"\"checker\":{\"generation\":1",
		"{\"url\":\"" WORLD_A "\",\"configured\":true,\"weight\":",
		"\"active\":7,\"upstream\":{\"idle\":0,\"active\":0},"
		"\"requests\":{\"1xx\":0,\"2xx\":2,\"3xx\":0,\"4xx\":0,\"5xx\":1}",
		"\"url\":\"http://q\\\"b\\\\n\\nx\"",
		"\"last_status\":null,\"last_error\":\"Connection refused\"",
		"\"last_status\":204,\"last_error\":null",
		"\"rate_limit\":{\"on\":true,\"requests_per_second\":2.5,\"burst\":20,",
		"\"totals\":{\"requests\":{\"1xx\":0,\"2xx\":2,\"3xx\":0,\"4xx\":1,\"5xx\":1},"
		"\"lb_rate_limited_requests_total\":7",
	};
	char *text;

	fill();
	atomic_store(&world.worker->lag_us, 1500);
	atomic_store(&world.shm.backends[world.a].last_status, 204);
	atomic_store(&world.shm.backends[world.b].last_status, 1000 + ECONNREFUSED);
	ck_assert_int_ge(backend_assign(&world.shm, "http://q\"b\\n\nx", 1, 1), 0);
	text = written(exposition_status_json);
	ck_assert_str_eq(json_value(text), "\n");
	for (size_t i = 0; i < N(parts); i++)
		ck_assert_msg(
			strstr(text, parts[i]) != NULL, "missing: %s\nin: %.2000s", parts[i], text);
	free(text);
}
END_TEST

START_TEST(status_is_valid_with_nothing_running)
{
	char *text;

	slot_fold(&world.shm, world.worker);
	slot_fold(&world.shm, world.checker);
	world.config.rate_limit.on = false;
	text = written(exposition_status_json);
	ck_assert_str_eq(json_value(text), "\n");
	ck_assert_ptr_nonnull(strstr(text, "\"workers\":[],\"checker\":null"));
	ck_assert_ptr_nonnull(strstr(text, "\"rate_limit\":{\"on\":false,\"limited_total\":0"));
	free(text);
}
END_TEST

START_TEST(live_and_ready_follow_workers_backends_and_drain)
{
	static const struct {
		enum slot_state state;
		bool a_up, b_up, draining;
		bool live, ready;
	} rows[] = {
		{ SLOT_READY, true, true, false, true, true },
		{ SLOT_READY, false, true, false, true, true },
		{ SLOT_READY, false, false, false, true, false },
		{ SLOT_READY, true, true, true, true, false },
		{ SLOT_DRAINING, true, true, false, true, false },
		{ SLOT_STARTING, true, true, false, false, false },
		{ SLOT_FREE, true, true, false, false, false },
	};

	for (size_t i = 0; i < N(rows); i++) {
		slot_set_state(world.worker, rows[i].state);
		backend_set_up(&world.shm, world.a, rows[i].a_up, 1);
		backend_set_up(&world.shm, world.b, rows[i].b_up, 1);
		world.view.draining = rows[i].draining;
		ck_assert_msg(exposition_is_live(&world.view) == rows[i].live, "live, row %zu", i);
		ck_assert_msg(
			exposition_is_ready(&world.view) == rows[i].ready, "ready, row %zu", i);
	}
}
END_TEST

START_TEST(a_removed_backend_that_is_up_makes_nothing_ready)
{
	backend_set_up(&world.shm, world.a, false, 1);
	ck_assert_int_eq(backend_assign(&world.shm, WORLD_A, 2, 1), (int)world.a);
	backend_set_up(&world.shm, world.a, false, 1);
	backend_retire_others(&world.shm, 2);
	ck_assert(!exposition_is_ready(&world.view));
}
END_TEST

enum { WEIGHT_BYTES = 16 << 20 };

/* Takes memory, says so, and lives until its gate closes. */
static void
heavy_child(int ready, int gate)
{
	char octet = 'r';
	void *weight = mmap(NULL, WEIGHT_BYTES, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (weight == MAP_FAILED)
		_exit(2);
	if (write(ready, &octet, 1) != 1)
		_exit(2);
	_exit(read(gate, &octet, 1) != 0);
}

START_TEST(processes_of_the_slots_are_summed)
{
	struct process_use without, with, after;
	int gate[2], ready[2];
	char octet;
	pid_t pid;

	process_use_read(&without, &world.shm);
	ck_assert_uint_gt(without.resident_bytes, 0);
	ck_assert_uint_gt(without.virtual_bytes, 0);
	ck_assert_uint_ge(without.open_fds, 3);
	ck_assert_uint_ge(without.max_fds, without.open_fds);
	ck_assert(pipe(gate) == 0 && pipe(ready) == 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		close(gate[1]);
		heavy_child(ready[1], gate[0]);
	}
	ck_assert_int_eq(read(ready[0], &octet, 1), 1);
	atomic_store(&world.worker->pid, pid);
	process_use_read(&with, &world.shm);
	close(gate[1]);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	slot_fold(&world.shm, world.worker);
	process_use_read(&after, &world.shm);
	ck_assert_uint_ge(with.resident_bytes, without.resident_bytes + WEIGHT_BYTES / 2);
	ck_assert_uint_lt(after.resident_bytes, with.resident_bytes);
	ck_assert_uint_ge(with.cpu_us, without.cpu_us);
	ck_assert_uint_ge(after.cpu_us, with.cpu_us);
	ck_assert_uint_eq(with.open_fds, without.open_fds + 4);
	close(gate[0]);
	close(ready[0]);
	close(ready[1]);
}
END_TEST

START_TEST(the_documentation_lists_every_family)
{
	char *docs = NULL, *text = written(exposition_prometheus), *rest = text, row[160],
	     name[128];
	size_t n = 0;
	FILE *out = open_memstream(&docs, &n);

	exposition_print_markdown(out);
	fclose(out);
	for (char *line = strsep(&rest, "\n"); line != NULL; line = strsep(&rest, "\n")) {
		if (sscanf(line, "# TYPE %127s", name) != 1)
			continue;
		snprintf(row, sizeof(row), "\n| `%s` | ", name);
		ck_assert_msg(strstr(docs, row) != NULL, "not documented: %s", name);
	}
	ck_assert_ptr_nonnull(strstr(
		docs, "| `lb_upstream_connections` | gauge | backend, state | Connections to"));
	free(docs);
	free(text);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("exposition");
	TCase *t = tcase_create("exposition");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, a_scrape_says_what_the_segment_holds);
	tcase_add_test(t, known_series_are_there_from_the_start);
	tcase_add_test(t, a_removed_backend_keeps_counters_and_only_gauges_in_hand);
	tcase_add_test(t, label_values_are_escaped);
	tcase_add_test(t, a_url_without_an_end_is_not_read_beyond_its_row);
	tcase_add_test(t, both_formats_keep_their_rules);
	tcase_add_test(t, promtool_has_nothing_to_say);
	tcase_add_test(t, a_thousand_backends_fit_on_a_page);
	tcase_add_test(t, status_is_one_valid_json_object);
	tcase_add_test(t, status_is_valid_with_nothing_running);
	tcase_add_test(t, live_and_ready_follow_workers_backends_and_drain);
	tcase_add_test(t, a_removed_backend_that_is_up_makes_nothing_ready);
	tcase_add_test(t, processes_of_the_slots_are_summed);
	tcase_add_test(t, the_documentation_lists_every_family);
	suite_add_tcase(s, t);
	return unit_main(s);
}
