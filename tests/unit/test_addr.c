/*
 * Addresses: every form that is taken and every form that is refused, one
 * identity for IPv4 in both its dresses, and networks down to the single bit.
 * No socket is opened and nothing but "localhost" and numbers is resolved.
 */
#include "ballast/base/addr.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "harness.h"

#define N(table) (sizeof(table) / sizeof((table)[0]))

static struct ip
ip(const char *text)
{
	struct ip out;

	ck_assert_msg(ip_parse(&out, text, strlen(text)), "%s is an address", text);
	return out;
}

START_TEST(every_listen_form_is_read)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
		{ ":3332", "[::]:3332" },
		{ "3332", "[::]:3332" },
		{ ":0", "[::]:0" },
		{ ":65535", "[::]:65535" },
		{ "127.0.0.1:80", "127.0.0.1:80" },
		{ "0.0.0.0:80", "0.0.0.0:80" },
		{ "localhost:80", "127.0.0.1:80" },
		{ "LocalHost:80", "127.0.0.1:80" },
		{ "[::1]:8080", "[::1]:8080" },
		{ "[2001:DB8:0:0:0:0:0:1]:1", "[2001:db8::1]:1" },
		{ "[::ffff:10.0.0.1]:80", "10.0.0.1:80" },
		{ "unix:/run/ballast.sock", "unix:/run/ballast.sock" },
	};
	char text[ADDR_TEXT];

	for (size_t i = 0; i < N(rows); i++) {
		struct addr a;
		const char *why = addr_parse_listen(&a, rows[i].text);

		ck_assert_msg(why == NULL, "%s: %s", rows[i].text, why);
		ck_assert_str_eq(addr_text(&a, text), rows[i].want);
	}
}
END_TEST

START_TEST(every_other_listen_text_is_refused_with_a_reason)
{
	static const char *const rows[] = { "", ":", "x", ":x", ":-1", ":+1", ": 80", ":80 ",
		":65536", ":123456", "99999999999999999999", "example.com:80", "::1:80", "::1",
		"[::1]", "[::1]80", "[127.0.0.1]:80", "[]:80", "[localhost]:80", "[::1:80",
		"::1]:80", "1.2.3:80", "1.2.3.4.5:80", "01.2.3.4:80", "256.1.1.1:80",
		"unix:", "unix:relative", "[::1%lo]:80" };
	char long_path[200] = "unix:/";

	memset(long_path + 6, 'p', sizeof(long_path) - 7);
	for (size_t i = 0; i <= N(rows); i++) {
		const char *text = i < N(rows) ? rows[i] : long_path;
		struct addr a;
		const char *why = addr_parse_listen(&a, text);

		ck_assert_msg(why != NULL, "\"%s\" was taken", text);
		ck_assert_msg(strchr(why, ';') != NULL, "\"%s\" does not say what is right", why);
	}
}
END_TEST

START_TEST(a_unix_path_of_107_characters_fits_and_108_do_not)
{
	char path[110];
	struct addr a;

	memset(path, 'p', sizeof(path));
	path[107] = '\0';
	ck_assert_ptr_null(addr_parse_unix(&a, path));
	ck_assert(addr_is_local_socket(&a));
	ck_assert_uint_eq(addr_port(&a), 0);
	path[107] = 'p';
	path[108] = '\0';
	ck_assert_ptr_nonnull(addr_parse_unix(&a, path));
}
END_TEST

START_TEST(the_kernels_unnamed_unix_peer_has_a_text)
{
	struct addr a = { .len = sizeof(sa_family_t) };
	char text[ADDR_TEXT];
	struct ip none = { { 0 } }, got;

	a.sa.sa_family = AF_UNIX;
	memset(a.un.sun_path, 'x', sizeof(a.un.sun_path));
	ck_assert_str_eq(addr_text(&a, text), "unix:");
	got = ip_of_addr(&a);
	ck_assert_mem_eq(&got, &none, sizeof(none));
}
END_TEST

START_TEST(a_mapped_address_is_the_ipv4_address)
{
	struct addr mapped = { .len = sizeof(mapped.in6) }, plain;
	char text[ADDR_TEXT];
	struct ip a, b;

	mapped.in6.sin6_family = AF_INET6;
	mapped.in6.sin6_port = htons(7);
	inet_pton(AF_INET6, "::ffff:192.0.2.1", &mapped.in6.sin6_addr);
	ck_assert_ptr_null(addr_parse_listen(&plain, "192.0.2.1:7"));
	a = ip_of_addr(&mapped);
	b = ip_of_addr(&plain);
	ck_assert(ip_is_v4(&a));
	ck_assert_mem_eq(&a, &b, sizeof(a));
	ck_assert(addr_eq(&mapped, &plain));
	ck_assert_str_eq(addr_text(&mapped, text), "192.0.2.1:7");
}
END_TEST

START_TEST(addresses_are_equal_only_in_all_parts)
{
	static const char *const rows[] = { "1.2.3.4:5", "1.2.3.4:6", "1.2.3.5:5", "[::1]:5",
		"[::2]:5", "unix:/a", "unix:/b", "unix:/ab" };

	for (size_t i = 0; i < N(rows); i++) {
		for (size_t j = 0; j < N(rows); j++) {
			struct addr a, b;

			ck_assert_ptr_null(addr_parse_listen(&a, rows[i]));
			ck_assert_ptr_null(addr_parse_listen(&b, rows[j]));
			ck_assert_msg(addr_eq(&a, &b) == (i == j), "%s, %s", rows[i], rows[j]);
		}
	}
}
END_TEST

START_TEST(a_link_local_address_keeps_its_scope)
{
	struct addr a, b;
	char text[ADDR_TEXT];

	ck_assert_ptr_null(addr_parse_listen(&a, "[fe80::1]:80"));
	b = a;
	b.in6.sin6_scope_id = 2;
	ck_assert(!addr_eq(&a, &b));
	ck_assert_str_eq(addr_text(&b, text), "[fe80::1%2]:80");
}
END_TEST

START_TEST(an_ip_is_read_whole_or_not_at_all)
{
	static const struct {
		const char *text;
		size_t len;
		const char *want;
	} rows[] = {
		{ "1.2.3.4", 7, "1.2.3.4" },
		{ "0.0.0.0", 7, "0.0.0.0" },
		{ "255.255.255.255", 15, "255.255.255.255" },
		{ "100.10.99.9, 1.1.1.1", 11, "100.10.99.9" },
		{ "2001:DB8:0:0:1:0:0:1", 20, "2001:db8::1:0:0:1" },
		{ "::", 2, "::" },
		{ "::ffff:1.2.3.4", 14, "1.2.3.4" },
		{ "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255", 45,
			"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" },
		{ "1.2.3.4 ", 8, NULL },
		{ " 1.2.3.4", 8, NULL },
		{ "1.2.3.4\0x", 9, NULL },
		{ "1.2.3", 5, NULL },
		{ "0x1.2.3.4", 9, NULL },
		{ "1.2.3.256", 9, NULL },
		{ "[::1]", 5, NULL },
		{ "::1%lo", 6, NULL },
		{ ":::", 3, NULL },
		{ "", 0, NULL },
		{ "unknown", 7, NULL },
		{ "1111:2222:3333:4444:5555:6666:255.255.255.2555", 46, NULL },
	};

	for (size_t i = 0; i < N(rows); i++) {
		char text[IP_TEXT];
		struct ip got;
		bool taken = ip_parse(&got, rows[i].text, rows[i].len);

		ck_assert_msg(taken == (rows[i].want != NULL), "%s", rows[i].text);
		if (!taken)
			continue;
		ck_assert_uint_eq(ip_text(&got, text), strlen(rows[i].want));
		ck_assert_str_eq(text, rows[i].want);
	}
}
END_TEST

START_TEST(every_octet_prints_as_itself)
{
	for (unsigned i = 0; i < 256; i++) {
		struct ip a = ip("0.0.0.0");
		char text[IP_TEXT], want[32];

		a.b[15] = a.b[12] = (uint8_t)i;
		snprintf(want, sizeof(want), "%u.0.0.%u", i, i);
		ck_assert_uint_eq(ip_text(&a, text), strlen(want));
		ck_assert_str_eq(text, want);
	}
}
END_TEST

START_TEST(a_network_is_cut_for_ipv6_only)
{
	static const struct {
		const char *text;
		unsigned bits;
		const char *want;
	} rows[] = {
		{ "1.2.3.4", 64, "1.2.3.4" },
		{ "1.2.3.4", 0, "1.2.3.4" },
		{ "2001:db8:1:2:3:4:5:6", 64, "2001:db8:1:2::" },
		{ "2001:db8:1:2:3:4:5:6", 128, "2001:db8:1:2:3:4:5:6" },
		{ "2001:db8:1:2:3:4:5:6", 500, "2001:db8:1:2:3:4:5:6" },
		{ "2001:db8:1:ffff::", 57, "2001:db8:1:ff80::" },
		{ "2001:db8::", 0, "::" },
	};

	for (size_t i = 0; i < N(rows); i++) {
		struct ip a = ip(rows[i].text), got = ip_network(&a, rows[i].bits);
		char text[IP_TEXT];

		ip_text(&got, text);
		ck_assert_str_eq(text, rows[i].want);
	}
}
END_TEST

START_TEST(a_network_contains_what_shares_its_bits)
{
	static const struct {
		const char *net, *ip;
		bool in;
	} rows[] = {
		{ "10.0.0.0/8", "10.255.1.2", true },
		{ "10.0.0.0/8", "11.0.0.0", false },
		{ "10.128.0.0/9", "10.127.255.255", false },
		{ "10.128.0.0/9", "10.128.0.0", true },
		{ "192.0.2.4/30", "192.0.2.7", true },
		{ "192.0.2.4/30", "192.0.2.8", false },
		{ "192.0.2.1", "192.0.2.1", true },
		{ "192.0.2.1", "192.0.2.0", false },
		{ "192.0.2.1/32", "192.0.2.1", true },
		{ "0.0.0.0/0", "255.1.2.3", true },
		{ "0.0.0.0/0", "::1", false },
		{ "::/0", "2001:db8::1", true },
		{ "::/0", "1.2.3.4", false },
		{ "::ffff:10.0.0.0/104", "10.1.1.1", true },
		{ "2001:db8::/33", "2001:db8:7fff::", true },
		{ "2001:db8::/33", "2001:db8:8000::", false },
		{ "::1", "::1", true },
		{ "::1/128", "::2", false },
	};

	for (size_t i = 0; i < N(rows); i++) {
		struct ip a = ip(rows[i].ip);
		struct cidr c;
		const char *why = cidr_parse(&c, rows[i].net);

		ck_assert_msg(why == NULL, "%s: %s", rows[i].net, why);
		ck_assert_msg(
			cidr_contains(&c, &a) == rows[i].in, "%s in %s", rows[i].ip, rows[i].net);
		ck_assert(cidr_any_contains(&c, 1, &a) == rows[i].in);
		ck_assert(!cidr_any_contains(&c, 0, &a));
	}
}
END_TEST

START_TEST(a_network_that_is_none_is_refused_with_a_reason)
{
	static const char *const rows[] = { "", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1",
		"10.0.0.0/8 ", "10.0.0.0/8/8", "10.0.0.0/0x8", "10.0.0.1/8", "10/8",
		"2001:db8::/129", "2001:db8::1/32", "::/x", "localhost", "::ffff:10.0.0.1/104",
		"10.0.0.0/999999999999" };

	for (size_t i = 0; i < N(rows); i++) {
		struct cidr c;
		const char *why = cidr_parse(&c, rows[i]);

		ck_assert_msg(why != NULL, "\"%s\" was taken", rows[i]);
		ck_assert_msg(strchr(why, ';') != NULL, "%s", why);
	}
}
END_TEST

START_TEST(numbers_and_localhost_resolve_without_a_name_server)
{
	static const struct {
		const char *host, *first;
	} rows[] = { { "127.0.0.1", "127.0.0.1:80" }, { "::1", "[::1]:80" },
		{ "::ffff:127.0.0.1", "127.0.0.1:80" } };
	struct addr found[8];
	char text[ADDR_TEXT];
	const char *why;
	int n;

	for (size_t i = 0; i < N(rows); i++) {
		ck_assert_int_eq(addr_resolve(found, 8, rows[i].host, 80, &why), 1);
		ck_assert_ptr_null(why);
		ck_assert_str_eq(addr_text(&found[0], text), rows[i].first);
	}
	n = addr_resolve(found, 8, "localhost", 80, &why);
	ck_assert_int_ge(n, 1);
	for (int i = 0; i < n; i++) {
		for (int j = 0; j < i; j++)
			ck_assert(!addr_eq(&found[i], &found[j]));
	}
	ck_assert_int_eq(addr_resolve(found, 1, "localhost", 80, &why), 1);
}
END_TEST

START_TEST(what_does_not_resolve_has_a_reason)
{
	static const char *const rows[] = { "", "no such host", "a..b", "[::1]" };

	for (size_t i = 0; i < N(rows); i++) {
		struct addr found[2];
		const char *why = NULL;

		ck_assert_msg(addr_resolve(found, 2, rows[i], 80, &why) == 0, "%s", rows[i]);
		ck_assert_ptr_nonnull(why);
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("addr");
	TCase *t = tcase_create("addr");

	tcase_add_test(t, every_listen_form_is_read);
	tcase_add_test(t, every_other_listen_text_is_refused_with_a_reason);
	tcase_add_test(t, a_unix_path_of_107_characters_fits_and_108_do_not);
	tcase_add_test(t, the_kernels_unnamed_unix_peer_has_a_text);
	tcase_add_test(t, a_mapped_address_is_the_ipv4_address);
	tcase_add_test(t, addresses_are_equal_only_in_all_parts);
	tcase_add_test(t, a_link_local_address_keeps_its_scope);
	tcase_add_test(t, an_ip_is_read_whole_or_not_at_all);
	tcase_add_test(t, every_octet_prints_as_itself);
	tcase_add_test(t, a_network_is_cut_for_ipv6_only);
	tcase_add_test(t, a_network_contains_what_shares_its_bits);
	tcase_add_test(t, a_network_that_is_none_is_refused_with_a_reason);
	tcase_add_test(t, numbers_and_localhost_resolve_without_a_name_server);
	tcase_add_test(t, what_does_not_resolve_has_a_reason);
	suite_add_tcase(s, t);
	return unit_main(s);
}
