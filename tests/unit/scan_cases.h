/*
 * What every scan must answer, said by the table of classes alone and octet by
 * octet, at the end of the readable memory.  Two programs run these cases, one
 * over the scans of this machine and one over the portable ones, so that both
 * mean the same.
 */
#ifndef BALLAST_TESTS_UNIT_SCAN_CASES_H
#define BALLAST_TESTS_UNIT_SCAN_CASES_H

#include "harness.h"

#include "../../src/http/scan.h"
#include "guarded.h"

enum { ROOM = 160, LENGTH_MAX = 50 };

static struct guarded room;

static inline void
setup(void)
{
	char octets[ROOM];

	memset(octets, 'a', sizeof(octets));
	room = guarded_copy(octets, sizeof(octets));
}

static inline void
teardown(void)
{
	guarded_free(&room);
}

typedef const char *scanner(const char *p, const char *end);

static inline const char *
words(const char *p, const char *end)
{
	return scan_class(scan_words(p, end), end, OCTET_TOKEN);
}

static const struct {
	const char *name;
	scanner *scan;
	unsigned class;
} scanners[] = {
	{ "value", scan_value, OCTET_VALUE },
	{ "target", scan_target, OCTET_TARGET },
	{ "words", words, OCTET_TOKEN },
};

enum { N_SCANNERS = sizeof(scanners) / sizeof(*scanners) };

/* Each octet at each place of each length, among octets of the class before and no NUL behind. */
START_TEST(a_scan_stops_where_the_table_says)
{
	const char *end = room.p + room.n;

	for (ptrdiff_t n = 0; n <= LENGTH_MAX; n++) {
		for (ptrdiff_t at = 0; at < n; at++) {
			char *odd = room.p + room.n - n + at;

			for (int octet = 0; octet < 256; octet++) {
				*odd = (char)octet;
				ck_assert_msg(scanners[_i].scan(end - n, end) ==
						      scan_class(end - n, end, scanners[_i].class),
					"%s: %02x at %td of %td", scanners[_i].name, octet, at, n);
			}
			*odd = 'a';
		}
		ck_assert_ptr_eq(scanners[_i].scan(end - n, end), end);
	}
}
END_TEST

/* All that a scan of words passes is letters and hyphens: no name with '_' passes unseen. */
START_TEST(words_hold_nothing_unusual)
{
	const char *end = room.p + room.n;

	for (int octet = 0; octet < 256; octet++) {
		bool usual = octet != 0 && octet < 0x80 &&
			     strchr("-abcdefghijklmnopqrstuvwxyz", octet | (octet >= 0x40) << 5);

		for (ptrdiff_t n = 1; n <= LENGTH_MAX; n++) {
			room.p[room.n - (size_t)n] = (char)octet;
			if (!usual)
				ck_assert_msg(scan_words(end - n, end) == end - n, "%02x", octet);
			room.p[room.n - (size_t)n] = 'a';
		}
	}
}
END_TEST

START_TEST(digits_are_what_the_table_says)
{
	for (int octet = 0; octet < 256; octet++)
		ck_assert(is_digit((char)octet) == ((octet_class((char)octet) & OCTET_DIGIT) != 0));
}
END_TEST

/* LF LF, or LF CR LF, or what of these lies before end. */
static inline const char *
empty_line_plain(const char *p, const char *end)
{
	for (; p < end; p++) {
		if (*p != '\n')
			continue;
		if (p + 1 == end || p[1] == '\n')
			return p;
		if (p[1] == '\r' && (p + 2 == end || p[2] == '\n'))
			return p;
	}
	return end;
}

enum { PIECE = 6, PIECES = 3 * 3 * 3 * 3 * 3 * 3 };

/* The number's digits to the base of three, as octets. */
static inline void
put_piece(char *to, int number)
{
	for (int i = 0; i < PIECE; i++, number /= 3)
		to[i] = "\r\na"[number % 3];
}

/* Every sequence of CR, LF and another octet, at each place, with one LF alone somewhere before it. */
START_TEST(an_empty_line_is_seen_wherever_it_lies)
{
	const char *end = room.p + room.n;

	for (ptrdiff_t n = PIECE; n <= ROOM; n += n < LENGTH_MAX ? 1 : 7) {
		for (int piece = 0; piece < PIECES; piece++) {
			char *p = room.p + ROOM - n;
			ptrdiff_t at = (piece * 31) % (n - PIECE + 1);

			memset(p, 'a', (size_t)n);
			p[(piece * 17) % n] = '\n';
			put_piece(p + at, piece);
			ck_assert_msg(scan_empty_line(p, end) == empty_line_plain(p, end),
				"piece %d at %td of %td", piece, at, n);
		}
	}
}
END_TEST

/* The same at the very end of every length and around the borders of blocks. */
START_TEST(an_empty_line_is_seen_at_each_place)
{
	const char *end = room.p + room.n;

	for (int piece = 0; piece < PIECES; piece++) {
		for (ptrdiff_t at = 0; at + PIECE <= ROOM; at++) {
			memset(room.p, 'a', ROOM);
			put_piece(room.p + at, piece);
			ck_assert_msg(scan_empty_line(room.p, end) == empty_line_plain(room.p, end),
				"piece %d at %td", piece, at);
		}
	}
}
END_TEST

static inline int
run_scan_cases(const char *name)
{
	Suite *suite = suite_create(name);
	TCase *tc = tcase_create(name);

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, a_scan_stops_where_the_table_says, 0, N_SCANNERS);
	tcase_add_test(tc, words_hold_nothing_unusual);
	tcase_add_test(tc, digits_are_what_the_table_says);
	tcase_add_test(tc, an_empty_line_is_seen_wherever_it_lies);
	tcase_add_test(tc, an_empty_line_is_seen_at_each_place);
	suite_add_tcase(suite, tc);
	return unit_main(suite);
}

#endif
