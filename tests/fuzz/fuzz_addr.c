/*
 * Addresses as text: of clients (X-Forwarded-For), of networks and of
 * listeners.  What is read as an address is written and read again as the same
 * one, so that a client has one identity however it is spelt.
 */
#include "ballast/base/addr.h"

#include "fuzz.h"

/* `unended` has nothing behind it, `text` is the same with a NUL. */
static void
check_ip(const char *unended, const char *text, size_t n)
{
	char out[IP_TEXT];
	struct ip ip, again, network;

	if (!ip_parse(&ip, unended, n))
		return;
	HOLDS(n > 0 && strspn(text, "0123456789abcdefABCDEF:.") >= n);
	HOLDS(ip_text(&ip, out) < sizeof(out));
	HOLDS(ip_parse(&again, out, strlen(out)) && memcmp(&ip, &again, sizeof(ip)) == 0);
	HOLDS(ip_is_v4(&ip) == (strchr(out, ':') == NULL));
	network = ip_network(&ip, 64);
	again = ip_network(&network, 64);
	HOLDS(memcmp(&network, &again, sizeof(network)) == 0);
	if (ip_is_v4(&ip))
		HOLDS(memcmp(&network, &ip, sizeof(ip)) == 0);
}

/* A single address is a network of itself; a network holds the address it is named by. */
static void
check_cidr(const char *text)
{
	const char *slash = strchr(text, '/');
	struct cidr c;
	struct ip ip;

	if (cidr_parse(&c, text) != NULL)
		return;
	HOLDS(c.bits <= 128);
	HOLDS(cidr_contains(&c, &c.ip) && cidr_any_contains(&c, 1, &c.ip));
	if (ip_parse(&ip, text, slash != NULL ? (size_t)(slash - text) : strlen(text)))
		HOLDS(cidr_contains(&c, &ip));
	if (slash == NULL)
		HOLDS(c.bits == 128);
}

static void
check_listen(const char *text)
{
	char out[ADDR_TEXT];
	struct addr a, again;

	if (addr_parse_listen(&a, text) != NULL)
		return;
	HOLDS(a.len > 0 && a.len <= sizeof(a.storage));
	addr_text(&a, out);
	HOLDS(strlen(out) < sizeof(out));
	HOLDS(addr_parse_listen(&again, out) == NULL);
	HOLDS(addr_eq(&a, &again));
	if (addr_is_local_socket(&a))
		HOLDS(strncmp(text, "unix:", 5) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = exact_block(size + 1);
	char *unended = exact_copy(data, size);

	if (size > 0)
		memcpy(text, data, size);
	text[size] = '\0';
	check_ip(unended, text, size);
	check_cidr(text);
	check_listen(text);
	free(unended);
	free(text);
	return 0;
}
