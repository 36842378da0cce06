/*
 * Addresses as values, in every process: text to address and back, and sets of
 * networks.  Invariants: an IPv4-mapped IPv6 address is IPv4 wherever it is
 * printed, compared or matched; no text is accepted in part.  Only addr_resolve
 * asks the resolver and may block (master); nothing here opens a socket.
 */
#include "ballast/base/addr.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>

enum { V4_PREFIX_BITS = 96, PORT_DIGITS = 5 };

static const uint8_t v4_prefix[12] = { [10] = 0xff, [11] = 0xff };

bool
ip_is_v4(const struct ip *ip)
{
	return memcmp(ip->b, v4_prefix, sizeof(v4_prefix)) == 0;
}

static struct ip
ip_of_v4(struct in_addr in)
{
	struct ip ip;

	memcpy(ip.b, v4_prefix, sizeof(v4_prefix));
	memcpy(ip.b + sizeof(v4_prefix), &in, sizeof(in));
	return ip;
}

struct ip
ip_of_addr(const struct addr *a)
{
	struct ip ip = { { 0 } };

	if (a->sa.sa_family == AF_INET)
		return ip_of_v4(a->in.sin_addr);
	if (a->sa.sa_family == AF_INET6)
		memcpy(ip.b, &a->in6.sin6_addr, sizeof(ip.b));
	return ip;
}

bool
ip_parse(struct ip *ip, const char *text, size_t len)
{
	char copy[INET6_ADDRSTRLEN];
	struct in_addr in;

	if (len == 0 || len >= sizeof(copy) || memchr(text, '\0', len) != NULL)
		return false;
	memcpy(copy, text, len);
	copy[len] = '\0';
	if (inet_pton(AF_INET6, copy, ip->b) == 1)
		return true;
	if (inet_pton(AF_INET, copy, &in) != 1)
		return false;
	*ip = ip_of_v4(in);
	return true;
}

static char *
octet_text(char *out, unsigned octet)
{
	if (octet >= 100)
		*out++ = (char)('0' + octet / 100);
	if (octet >= 10)
		*out++ = (char)('0' + octet / 10 % 10);
	*out++ = (char)('0' + octet % 10);
	return out;
}

/* By hand, because libc goes through its printf and this is written for every client. */
static size_t
v4_text(const uint8_t octets[4], char *out)
{
	char *p = out;

	for (int i = 0; i < 4; i++) {
		if (i > 0)
			*p++ = '.';
		p = octet_text(p, octets[i]);
	}
	*p = '\0';
	return (size_t)(p - out);
}

size_t
ip_text(const struct ip *ip, char out[IP_TEXT])
{
	if (ip_is_v4(ip))
		return v4_text(ip->b + sizeof(v4_prefix), out);
	inet_ntop(AF_INET6, ip->b, out, IP_TEXT);
	return strlen(out);
}

/* All bits from `bits` on become 0. */
static struct ip
cut(const struct ip *ip, unsigned bits)
{
	struct ip out = { { 0 } };

	if (bits > 128)
		bits = 128;
	memcpy(out.b, ip->b, bits / 8);
	if (bits % 8 != 0)
		out.b[bits / 8] = (uint8_t)(ip->b[bits / 8] & (0xff00u >> bits % 8));
	return out;
}

struct ip
ip_network(const struct ip *ip, unsigned prefix6)
{
	return ip_is_v4(ip) ? *ip : cut(ip, prefix6);
}

/* Decimal digits only, at most max; -1 when it is anything else. */
static long
number(const char *text, size_t len, long max)
{
	long value = 0;

	if (len == 0 || len > PORT_DIGITS)
		return -1;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return -1;
		value = value * 10 + (text[i] - '0');
	}
	return value <= max ? value : -1;
}

const char *
cidr_parse(struct cidr *c, const char *text)
{
	const char *slash = strchr(text, '/');
	size_t len = slash != NULL ? (size_t)(slash - text) : strlen(text);
	bool short_form = memchr(text, ':', len) == NULL;
	long width = short_form ? 32 : 128;
	long bits = slash != NULL ? number(slash + 1, strlen(slash + 1), width) : width;
	struct ip network;

	if (!ip_parse(&c->ip, text, len))
		return "not an IP address; write 10.0.0.0/8, 2001:db8::/32 or a single address";
	if (bits < 0)
		return "bad prefix length; it goes from 0 to 32 for IPv4, to 128 for IPv6";
	c->bits = (uint8_t)(short_form ? bits + V4_PREFIX_BITS : bits);
	network = cut(&c->ip, c->bits);
	if (memcmp(&network, &c->ip, sizeof(network)) != 0)
		return "address bits are set behind the prefix; write the network's first address";
	return NULL;
}

/* A client on IPv4 is not in ::/0, although its mapped form would be: it is no IPv6 client. */
bool
cidr_contains(const struct cidr *c, const struct ip *ip)
{
	unsigned whole = c->bits / 8, rest = c->bits % 8;

	if (c->bits < V4_PREFIX_BITS && ip_is_v4(ip))
		return false;
	if (memcmp(c->ip.b, ip->b, whole) != 0)
		return false;
	return rest == 0 || ((c->ip.b[whole] ^ ip->b[whole]) & (0xff00u >> rest) & 0xffu) == 0;
}

bool
cidr_any_contains(const struct cidr *set, size_t n, const struct ip *ip)
{
	for (size_t i = 0; i < n; i++) {
		if (cidr_contains(&set[i], ip))
			return true;
	}
	return false;
}

static void
set_v4(struct addr *a, struct in_addr in, uint16_t port)
{
	memset(a, 0, sizeof(*a));
	a->len = sizeof(a->in);
	a->in.sin_family = AF_INET;
	a->in.sin_addr = in;
	a->in.sin_port = htons(port);
}

static void
set_v6(struct addr *a, const struct in6_addr *in6, uint16_t port)
{
	memset(a, 0, sizeof(*a));
	a->len = sizeof(a->in6);
	a->in6.sin6_family = AF_INET6;
	a->in6.sin6_addr = *in6;
	a->in6.sin6_port = htons(port);
}

static void
set_ip(struct addr *a, const struct ip *ip, uint16_t port)
{
	struct in6_addr in6;
	struct in_addr in;

	memcpy(&in6, ip->b, sizeof(in6));
	memcpy(&in, ip->b + sizeof(v4_prefix), sizeof(in));
	if (ip_is_v4(ip))
		set_v4(a, in, port);
	else
		set_v6(a, &in6, port);
}

const char *
addr_parse_unix(struct addr *a, const char *path)
{
	size_t len = strlen(path);

	memset(a, 0, sizeof(*a));
	if (len == 0)
		return "the path is empty; write unix:/path";
	if (len >= sizeof(a->un.sun_path))
		return "the path is too long for a Unix socket; at most 107 characters";
	a->un.sun_family = AF_UNIX;
	memcpy(a->un.sun_path, path, len + 1);
	a->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + 1);
	return NULL;
}

/* host without brackets: numeric or the one name that needs no resolver. */
static const char *
set_host(struct addr *a, const char *host, size_t len, uint16_t port)
{
	struct ip ip;

	if (len == strlen("localhost") && strncasecmp(host, "localhost", len) == 0) {
		set_v4(a, (struct in_addr){ htonl(INADDR_LOOPBACK) }, port);
		return NULL;
	}
	if (!ip_parse(&ip, host, len))
		return "the host must be an IP address or localhost; write host:port or :port";
	set_ip(a, &ip, port);
	return NULL;
}

static const char *
parse_host_port(struct addr *a, const char *text, const char *colon)
{
	size_t len = (size_t)(colon - text);
	long port = number(colon + 1, strlen(colon + 1), UINT16_MAX);
	bool brackets = len >= 2 && text[0] == '[' && text[len - 1] == ']';

	if (port < 0)
		return "bad port; a number from 0 to 65535, as in :3332 (0 takes a free one)";
	if (len == 0) {
		set_v6(a, &in6addr_any, (uint16_t)port);
		return NULL;
	}
	if (!brackets && memchr(text, ':', len) != NULL)
		return "an IPv6 address needs brackets; write [::1]:port";
	if (!brackets)
		return set_host(a, text, len, (uint16_t)port);
	if (memchr(text, ':', len) == NULL)
		return "brackets are for IPv6 addresses; write [::1]:port";
	return set_host(a, text + 1, len - 2, (uint16_t)port);
}

const char *
addr_parse_listen(struct addr *a, const char *text)
{
	const char *colon = strrchr(text, ':');
	long port = number(text, strlen(text), UINT16_MAX);

	memset(a, 0, sizeof(*a));
	if (strncmp(text, "unix:", 5) == 0 && text[5] != '\0' && text[5] != '/')
		return "the path must begin with a slash; write unix:/path";
	if (strncmp(text, "unix:", 5) == 0)
		return addr_parse_unix(a, text + 5);
	if (colon != NULL)
		return parse_host_port(a, text, colon);
	if (port < 0)
		return "not an address; write :port, host:port, [v6]:port or unix:/path";
	set_v6(a, &in6addr_any, (uint16_t)port);
	return NULL;
}

static const char *
resolver_says(int rc)
{
	switch (rc) {
	case EAI_NONAME:
	case EAI_NODATA:
	case EAI_ADDRFAMILY:
		return "the name has no address";
	case EAI_AGAIN:
		return "the name server gave no answer";
	case EAI_MEMORY:
		return "out of memory";
	default:
		return "the name cannot be resolved";
	}
}

static bool
known(const struct addr *set, int n, const struct addr *a)
{
	for (int i = 0; i < n; i++) {
		if (addr_eq(&set[i], a))
			return true;
	}
	return false;
}

/* Keeps the scope of a link-local address, which only the resolver knows. */
static void
set_found(struct addr *a, const struct addrinfo *found, uint16_t port)
{
	struct addr raw = { .len = found->ai_addrlen };
	struct ip ip;

	memcpy(&raw.storage, found->ai_addr, found->ai_addrlen);
	ip = ip_of_addr(&raw);
	set_ip(a, &ip, port);
	if (a->sa.sa_family == AF_INET6)
		a->in6.sin6_scope_id = raw.in6.sin6_scope_id;
}

static int
collect(struct addr *out, int max, const struct addrinfo *list, uint16_t port)
{
	int n = 0;

	for (const struct addrinfo *i = list; i != NULL && n < max; i = i->ai_next) {
		if (i->ai_family != AF_INET && i->ai_family != AF_INET6)
			continue;
		set_found(&out[n], i, port);
		if (!known(out, n, &out[n]))
			n++;
	}
	return n;
}

int
addr_resolve(struct addr *out, int max, const char *host, uint16_t port, const char **why)
{
	struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
	struct addrinfo *list = NULL;
	int n, rc;

	*why = NULL;
	if (host[0] == '\0') {
		*why = "the host is empty"; /* the resolver would call this every address */
		return 0;
	}
	rc = getaddrinfo(host, NULL, &hints, &list);
	if (rc != 0) {
		*why = resolver_says(rc);
		return 0;
	}
	n = collect(out, max, list, port);
	freeaddrinfo(list);
	if (n == 0)
		*why = resolver_says(EAI_NONAME);
	return n;
}

static size_t
path_len(const struct addr *a)
{
	size_t head = offsetof(struct sockaddr_un, sun_path);

	/* The kernel names an unbound socket by its family alone, and need not end a path with NUL. */
	if (a->len <= head)
		return 0;
	return strnlen(a->un.sun_path, a->len - head);
}

static const char *
inet_text(const struct addr *a, char out[ADDR_TEXT])
{
	struct ip ip = ip_of_addr(a);
	char host[IP_TEXT];

	ip_text(&ip, host);
	if (ip_is_v4(&ip))
		snprintf(out, ADDR_TEXT, "%s:%u", host, addr_port(a));
	else if (a->in6.sin6_scope_id != 0)
		snprintf(out, ADDR_TEXT, "[%s%%%u]:%u", host, a->in6.sin6_scope_id, addr_port(a));
	else
		snprintf(out, ADDR_TEXT, "[%s]:%u", host, addr_port(a));
	return out;
}

const char *
addr_text(const struct addr *a, char out[ADDR_TEXT])
{
	switch (a->sa.sa_family) {
	case AF_INET:
	case AF_INET6:
		return inet_text(a, out);
	case AF_UNIX:
		snprintf(out, ADDR_TEXT, "unix:%.*s", (int)path_len(a), a->un.sun_path);
		return out;
	default:
		snprintf(out, ADDR_TEXT, "none");
		return out;
	}
}

static uint32_t
scope_of(const struct addr *a)
{
	return a->sa.sa_family == AF_INET6 ? a->in6.sin6_scope_id : 0;
}

bool
addr_eq(const struct addr *a, const struct addr *b)
{
	struct ip ia = ip_of_addr(a), ib = ip_of_addr(b);

	if (addr_is_local_socket(a) != addr_is_local_socket(b))
		return false;
	if (addr_is_local_socket(a))
		return path_len(a) == path_len(b) &&
		       memcmp(a->un.sun_path, b->un.sun_path, path_len(a)) == 0;
	if (addr_port(a) != addr_port(b) || memcmp(&ia, &ib, sizeof(ia)) != 0)
		return false;
	return ip_is_v4(&ia) || scope_of(a) == scope_of(b);
}

uint16_t
addr_port(const struct addr *a)
{
	if (a->sa.sa_family == AF_INET)
		return ntohs(a->in.sin_port);
	return a->sa.sa_family == AF_INET6 ? ntohs(a->in6.sin6_port) : 0;
}

bool
addr_is_local_socket(const struct addr *a)
{
	return a->sa.sa_family == AF_UNIX;
}
