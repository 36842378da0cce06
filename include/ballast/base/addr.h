/*
 * Socket addresses: parse, print, resolve, compare, and sets of networks
 * (CIDR).  IPv4-mapped IPv6 addresses are normalised to IPv4 everywhere, so a
 * client has one identity whichever socket it came through.
 */
#ifndef BALLAST_BASE_ADDR_H
#define BALLAST_BASE_ADDR_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

struct addr {
	socklen_t len;
	union {
		struct sockaddr sa;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
		struct sockaddr_un un;
		struct sockaddr_storage storage;
	};
};

/* An IP address alone: IPv4 as ::ffff:a.b.c.d, network byte order.  16 octets to compare or hash. */
struct ip {
	uint8_t b[16];
};

struct cidr {
	struct ip ip;
	uint8_t bits; /* of 128; an IPv4 /8 is 104 */
};

enum { ADDR_TEXT = 128, IP_TEXT = 46 };

/*
 * A listening address: ":port", "port", "host:port", "[v6]:port", "unix:/path"; the host must be
 * numeric or "localhost" (then 127.0.0.1).  ":port" is [::]:port, dual stack.  Returns NULL or what is
 * wrong, a constant sentence.
 */
const char *addr_parse_listen(struct addr *, const char *text);
/*
 * Resolves host (name, IPv4, IPv6 without brackets) with port into at most max
 * addresses in the resolver's order, duplicates removed.  Blocks: master only.
 * Returns how many, or 0 with *why set to a constant sentence.
 */
int addr_resolve(struct addr *out, int max, const char *host, uint16_t port, const char **why);
const char *addr_parse_unix(struct addr *, const char *path);
/* "127.0.0.1:80", "[::1]:80", "unix:/path"; never fails, truncates. */
const char *addr_text(const struct addr *, char out[ADDR_TEXT]);
bool addr_eq(const struct addr *, const struct addr *);
uint16_t addr_port(const struct addr *);
bool addr_is_local_socket(const struct addr *); /* AF_UNIX */

/* The IP of a socket address; all zero for AF_UNIX. */
struct ip ip_of_addr(const struct addr *);
bool ip_is_v4(const struct ip *);
/* Numeric only.  Accepts "1.2.3.4" and "2001:db8::1"; false when it is neither. */
bool ip_parse(struct ip *, const char *text, size_t len);
/* Dotted or RFC 5952; returns the length written (NUL-terminated). */
size_t ip_text(const struct ip *, char out[IP_TEXT]);
/* The network of an address: IPv4 whole, IPv6 cut to `prefix6` bits. */
struct ip ip_network(const struct ip *, unsigned prefix6);

/* "10.0.0.0/8", "2001:db8::/32", or a single address.  NULL or what is wrong (host bits set is an error). */
const char *cidr_parse(struct cidr *, const char *text);
bool cidr_contains(const struct cidr *, const struct ip *);
bool cidr_any_contains(const struct cidr *set, size_t n, const struct ip *);

#endif
