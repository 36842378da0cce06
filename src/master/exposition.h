/*
 * What the shared memory says, as text: Prometheus 0.0.4, OpenMetrics 1.0, and
 * the JSON of /status.  Pure reading of the segment and the view.
 */
#ifndef BALLAST_MASTER_EXPOSITION_H
#define BALLAST_MASTER_EXPOSITION_H

#include <stdio.h>

#include "admin.h"

/* All metrics of docs/metrics.md: text 0.0.4, and OpenMetrics 1.0 (counters' _total, # EOF). */
void exposition_prometheus(const struct admin_view *, FILE *);
void exposition_openmetrics(const struct admin_view *, FILE *);
void exposition_status_json(const struct admin_view *, FILE *);
/* docs/metrics.md, printed from the same tables. */
void exposition_print_markdown(FILE *);
bool exposition_is_live(const struct admin_view *); /* a worker lives (READY or DRAINING) */
bool exposition_is_ready(
	const struct admin_view *); /* not draining, a worker READY, and a configured backend up */

#endif
