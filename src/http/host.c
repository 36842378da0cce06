/*
 * Is this a host that a request may name?  RFC 3986 3.2.2 without what has no
 * place in a Host: user information, IPvFuture, zone identifiers, and the
 * comma, which X-Forwarded-Host would turn into two hosts.  Pure; used for the
 * Host field and for the authority of an absolute-form target.
 */
#include "private.h"

#include <arpa/inet.h>

#include "scan.h"

static bool
port_is_valid(struct span port)
{
	unsigned value = 0;

	if (port.n > 5)
		return false;
	for (size_t i = 0; i < port.n; i++) {
		if (!is_digit(port.p[i]))
			return false;
		value = value * 10 + (unsigned)(port.p[i] - '0');
	}
	return value <= 65535;
}

/* A host may end here, or a colon and a port (which may be empty, RFC 3986 3.2.3) may follow. */
static bool
rest_is_valid(const char *p, const char *end)
{
	return p == end || (*p == ':' && port_is_valid(span_between(p + 1, end)));
}

static bool
ipv6_is_valid(struct span address)
{
	char text[INET6_ADDRSTRLEN];
	struct in6_addr parsed;

	if (address.n >= sizeof(text))
		return false;
	memcpy(text, address.p, address.n);
	text[address.n] = '\0';
	return inet_pton(AF_INET6, text, &parsed) == 1;
}

static bool
is_escape(const char *p, const char *end)
{
	return end - p >= 3 && p[0] == '%' && (octet_class(p[1]) & OCTET_HEX) != 0 &&
	       (octet_class(p[2]) & OCTET_HEX) != 0;
}

static const char *
scan_reg_name(const char *p, const char *end)
{
	p = scan_class(p, end, OCTET_REG_NAME);
	while (is_escape(p, end))
		p = scan_class(p + 3, end, OCTET_REG_NAME);
	return p;
}

/* A DNS name has 253 octets at most (RFC 1035 2.3.4); room for escapes, brackets and a port.  It leaves twice. */
enum { HOST_MAX = 320 };

bool
host_is_valid(struct span host)
{
	const char *end = host.p + host.n;
	const char *p;

	if (host.n == 0 || host.n > HOST_MAX)
		return false;
	if (host.p[0] == '[') {
		p = memchr(host.p, ']', host.n);
		return p != NULL && ipv6_is_valid(span_between(host.p + 1, p)) &&
		       rest_is_valid(p + 1, end);
	}
	p = scan_reg_name(host.p, end);
	return p > host.p && rest_is_valid(p, end);
}
