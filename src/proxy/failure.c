/*
 * The reasons for which an exchange fails, as a table: what the client is told,
 * what the access log says, which counter knows.  Data only.
 */
#include "private.h"

static const struct failure_row rows[N_FAILURES] = {
#define FAILURE(id, status_, flag_, error_, lives_)                                                \
	[FAIL_##id] = {                                                                            \
		.status = (status_), .flag = (flag_), .error = (error_), .client_lives = (lives_)  \
	},
#include "failures.def"
#undef FAILURE
};

const struct failure_row *
failure_row(enum failure f)
{
	return &rows[f];
}
