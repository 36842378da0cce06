/*
 * Between exposition.c, which knows the two text formats, and the tables of
 * metric families, which know what there is to tell.
 */
#ifndef BALLAST_MASTER_EXPOSITION_PAGE_H
#define BALLAST_MASTER_EXPOSITION_PAGE_H

#include "ballast/base/span.h"
#include "ballast/shm/backend.h"
#include "ballast/shm/metrics.h"

#include "admin.h"
#include "exposition_process.h"

enum family_type { FAMILY_COUNTER, FAMILY_GAUGE, FAMILY_HISTOGRAM };

struct page;

struct family {
	const char *name; /* as in the text format: a counter's with _total */
	enum family_type type;
	const char *labels; /* names, for the documentation; "" */
	const char *help;
	void (*write)(const struct page *);
	enum counter counter; /* of a plain counter only */
};

const struct family *family_at(unsigned index); /* NULL behind the last one */

/* One exposition that is being written. */
struct page {
	FILE *out;
	const struct admin_view *view;
	const struct shm *shm;
	struct process_use use;
	bool openmetrics;
	const struct family *family; /* the one being written */
};

struct label {
	const char *name; /* NULL ends a list */
	struct span value;
};

/* Room for any number as text. */
enum { NUMBER_TEXT = 32 };
struct number {
	char text[NUMBER_TEXT];
};
struct number number_of(uint64_t);
struct number number_of_seconds(uint64_t us); /* exact, without trailing zeros */
struct number number_of_bound(
	uint64_t us, bool openmetrics); /* the same; OpenMetrics wants "1.0" for 1 */

/* One line: the family's name, suffix ("" or "_bucket" ...), labels (NULL: none), value. */
void page_sample(const struct page *, const char *suffix, const struct label *, struct number);

/* Its URL, never read beyond the row, whatever the segment holds; "none" for BACKEND_NONE. */
struct span row_url(const struct shm *, unsigned row);
static inline bool
row_is_known(const struct shm *s, unsigned row)
{
	return s->backends[row].url[0] != '\0';
}
static inline bool
row_is_configured(const struct shm *s, unsigned row)
{
	return atomic_load_explicit(&s->backends[row].configured, memory_order_relaxed) != 0;
}
/* Workers in that state. */
unsigned workers_in(const struct shm *, enum slot_state);

#endif
