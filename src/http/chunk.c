/*
 * The chunked coding as a machine of one state per kind of octet that may come
 * next (RFC 9112 7.1).  Pure: the octets stay where they are, the caller is told
 * runs of them.  Invariant: the same runs come out however the octets are cut
 * into pieces, except that a run may come in several parts.  Forwarding the
 * FRAME and DATA runs alone gives the same body with plain size lines.
 */
#include "ballast/http/chunk.h"

#include "scan.h"

enum {
	AT_SIZE,   /* first digit of a size */
	AT_DIGITS, /* further digits, or the end of them */
	AT_SIZE_LF,
	AT_DATA,
	AT_DATA_CR,
	AT_DATA_LF,
	AT_TRAILERS,
	AT_BAD,
	/* From here on within an extension: everything up to the CR is dropped. */
	AT_EXT,
	AT_SPACE = AT_EXT, /* whitespace behind the size */
	AT_NAME_FIRST,     /* behind the semicolon */
	AT_NAME,
	AT_NAME_SPACE,  /* whitespace behind a name */
	AT_VALUE_FIRST, /* behind the equals sign */
	AT_TOKEN,
	AT_QUOTED,
	AT_ESCAPED,     /* behind a backslash in a quoted-string */
	AT_VALUE_END,   /* behind a value */
	AT_VALUE_SPACE, /* whitespace behind a value */
};

enum { SIZE_DIGITS_MAX = 16 };
static const uint64_t size_max = ((uint64_t)1 << 62) - 1;

void
chunk_init(struct chunk *c)
{
	*c = (struct chunk){ .state = AT_SIZE };
}

void
chunk_init_padded(struct chunk *c)
{
	*c = (struct chunk){ .state = AT_SIZE, .padded = true };
}

static unsigned
hex_value(char octet)
{
	if (is_digit(octet))
		return (unsigned)(octet - '0');
	return (unsigned)((octet | 0x20) - 'a') + 10;
}

static int
size_digit(struct chunk *c, char octet)
{
	if (c->digits == SIZE_DIGITS_MAX)
		return AT_BAD;
	c->digits++;
	c->left = c->left << 4 | hex_value(octet);
	return c->left <= size_max ? AT_DIGITS : AT_BAD;
}

static bool
is_space(char octet)
{
	return octet == ' ' || octet == '\t';
}

/* Where an extension may end or another begin. */
static int
after_part(char octet, int on_space)
{
	if (octet == '\r')
		return AT_SIZE_LF;
	if (octet == ';')
		return AT_NAME_FIRST;
	return is_space(octet) ? on_space : AT_BAD;
}

static int
after_size(struct chunk *c, char octet)
{
	if ((octet_class(octet) & OCTET_HEX) != 0)
		return size_digit(c, octet);
	return after_part(octet, AT_SPACE);
}

static int
after_name(char octet, int on_space)
{
	return octet == '=' ? AT_VALUE_FIRST : after_part(octet, on_space);
}

static int
at_value(char octet)
{
	if (octet == '"')
		return AT_QUOTED;
	if (is_space(octet))
		return AT_VALUE_FIRST;
	return (octet_class(octet) & OCTET_TOKEN) != 0 ? AT_TOKEN : AT_BAD;
}

static int
in_quotes(char octet)
{
	if (octet == '"')
		return AT_VALUE_END;
	if (octet == '\\')
		return AT_ESCAPED;
	return (octet_class(octet) & OCTET_QDTEXT) != 0 ? AT_QUOTED : AT_BAD;
}

static int
next_in_extension(int state, char octet)
{
	bool token = (octet_class(octet) & OCTET_TOKEN) != 0;

	switch (state) {
	case AT_NAME_FIRST:
		if (is_space(octet))
			return AT_NAME_FIRST;
		return token ? AT_NAME : AT_BAD;
	case AT_NAME:
		return token ? AT_NAME : after_name(octet, AT_NAME_SPACE);
	case AT_NAME_SPACE:
		return after_name(octet, AT_NAME_SPACE);
	case AT_VALUE_FIRST:
		return at_value(octet);
	case AT_TOKEN:
		return token ? AT_TOKEN : after_part(octet, AT_VALUE_SPACE);
	case AT_QUOTED:
		return in_quotes(octet);
	case AT_ESCAPED:
		return (octet_class(octet) & OCTET_VALUE) != 0 ? AT_QUOTED : AT_BAD;
	case AT_VALUE_END:
	case AT_VALUE_SPACE:
		return after_part(octet, AT_VALUE_SPACE);
	default:
		return after_part(octet, AT_SPACE);
	}
}

/* The grammar has whitespace between the parts of an extension, but none in front of the CRLF. */
static bool
ends_padding(const struct chunk *c, char octet)
{
	if (octet != '\r')
		return false;
	return c->state == AT_SPACE || c->state == AT_NAME_SPACE || c->state == AT_VALUE_SPACE;
}

static int
next_state(struct chunk *c, char octet)
{
	switch (c->state) {
	case AT_SIZE:
		c->digits = 0;
		c->line = 0;
		return (octet_class(octet) & OCTET_HEX) != 0 ? size_digit(c, octet) : AT_BAD;
	case AT_DIGITS:
		return after_size(c, octet);
	case AT_SIZE_LF:
		if (octet != '\n')
			return AT_BAD;
		return c->left > 0 ? AT_DATA : AT_TRAILERS;
	case AT_DATA_CR:
		return octet == '\r' ? AT_DATA_LF : AT_BAD;
	case AT_DATA_LF:
		return octet == '\n' ? AT_SIZE : AT_BAD;
	default:
		if (ends_padding(c, octet) && !c->padded)
			return AT_BAD;
		return next_in_extension(c->state, octet);
	}
}

static bool
step(struct chunk *c, char octet)
{
	c->state = (uint8_t)next_state(c, octet);
	if (++c->line > CHUNK_LINE_MAX)
		c->state = AT_BAD;
	return c->state != AT_BAD;
}

/* Does the octet belong to an extension?  Told before it is consumed. */
static bool
is_extension(const struct chunk *c, char octet)
{
	if (c->state >= AT_EXT)
		return octet != '\r';
	return c->state == AT_DIGITS && (octet == ';' || is_space(octet));
}

static bool
is_framing(const struct chunk *c)
{
	return c->state != AT_DATA && c->state != AT_TRAILERS;
}

/* At least one octet, all of them of an extension or all of them not. */
static enum chunk_run
line_run(struct chunk *c, const char *p, size_t n, size_t *run)
{
	bool extension = is_extension(c, p[0]);
	size_t i = 0;

	while (i < n && is_framing(c) && is_extension(c, p[i]) == extension) {
		if (!step(c, p[i]))
			break;
		i++;
	}
	*run = i;
	if (i == 0)
		return CHUNK_BAD;
	return extension ? CHUNK_EXT : CHUNK_FRAME;
}

static enum chunk_run
data_run(struct chunk *c, size_t n, size_t *run)
{
	*run = n < c->left ? n : (size_t)c->left;
	c->left -= *run;
	if (c->left == 0) {
		c->state = AT_DATA_CR;
		c->line = 0;
	}
	return CHUNK_DATA;
}

enum chunk_run
chunk_next(struct chunk *c, const char *p, size_t n, size_t *run)
{
	*run = 0;
	if (c->state == AT_TRAILERS)
		return CHUNK_TRAILERS;
	if (c->state == AT_BAD)
		return CHUNK_BAD;
	if (n == 0)
		return CHUNK_MORE;
	if (c->state == AT_DATA)
		return data_run(c, n, run);
	return line_run(c, p, n, run);
}
