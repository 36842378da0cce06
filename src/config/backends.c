/*
 * The list of backends: entries (a URL, or a mapping), URLs, and what must hold
 * over all of them: at least one, each once, each name with an address.  Looking
 * names up blocks, which is why it happens here, in the master, at load.
 */
#include "options.h"

#include <stdlib.h>
#include <string.h>

#include "ballast/base/span.h"
#include "ballast/shm/backend.h"

enum { HOST_MAX = 253, LABEL_MAX = 63, HTTP_PORT = 80 };

struct url {
	struct span host; /* without brackets */
	uint16_t port;
	const char *path;
};

static const char *
wrong_scheme(const char *text)
{
	if (strncasecmp(text, "https://", 8) == 0)
		return "asks for TLS, which is not spoken to backends; write http://host:port";
	if (strstr(text, "://") != NULL)
		return "has an unknown scheme; write http://host:port";
	return "is not a URL; write http://host:port";
}

static bool
is_name(struct span host)
{
	size_t label = 0, i;

	for (i = 0; i < host.n; i++) {
		label = host.p[i] == '.' ? 0 : label + 1;
		if (label > LABEL_MAX || (host.p[i] == '.' && (i == 0 || host.p[i - 1] == '.')))
			return false;
	}
	return host.n > 0 && host.n <= HOST_MAX;
}

static bool
has_only(struct span s, const char *extra)
{
	size_t i;

	for (i = 0; i < s.n; i++) {
		char c = s.p[i];

		if ((c < '0' || c > '9') && ((c | 0x20) < 'a' || (c | 0x20) > 'z') &&
			(c == '\0' || strchr(extra, c) == NULL))
			return false;
	}
	return true;
}

/* host, [v6], each with or without :port. */
static const char *
split_authority(struct url *u, struct span authority)
{
	bool brackets = authority.n > 0 && authority.p[0] == '[';
	const char *close = brackets ? memchr(authority.p, ']', authority.n) : NULL;
	const char *end = authority.p + authority.n;
	const char *p = authority.p;
	unsigned long port = 0;
	struct ip ip;

	if (brackets && close == NULL)
		return "has an IPv6 address without its closing bracket; write http://[::1]:port";
	while (p < end && (brackets ? p <= close : *p != ':'))
		p++;
	u->host = brackets ? span_between(authority.p + 1, close) : span_between(authority.p, p);
	u->port = HTTP_PORT;
	if (brackets && (!ip_parse(&ip, u->host.p, u->host.n) || !has_only(u->host, ":.")))
		return "has no IPv6 address in its brackets; write http://[::1]:port";
	if (!brackets && (!is_name(u->host) || !has_only(u->host, "-._")))
		return "has no valid host; write http://host:port";
	if (p == end)
		return NULL;
	for (p++; p < end && *p >= '0' && *p <= '9' && port <= UINT16_MAX; p++)
		port = port * 10 + (unsigned long)(*p - '0');
	if (p < end || end[-1] == ':' || port == 0 || port > UINT16_MAX)
		return "has no valid port; 1 to 65535, as in http://host:9001";
	u->port = (uint16_t)port;
	return NULL;
}

static const char *
split_url(struct url *u, const char *text)
{
	const char *p;

	if (strncasecmp(text, "http://", 7) != 0)
		return wrong_scheme(text);
	for (p = text; *p != '\0'; p++)
		if (*p <= ' ' || *p >= 0x7f)
			return "holds a character that cannot stand in a URL; write it as %XX";
	if (p - text >= BACKEND_URL_MAX)
		return "is longer than 255 characters; shorten it";
	if (strchr(text, '#') != NULL)
		return "has a fragment; leave out # and what follows";
	if (strchr(text, '?') != NULL)
		return "has a query; leave out ? and what follows (see health_check.path)";
	text += strlen("http://");
	u->path = text + strcspn(text, "/");
	return split_authority(u, span_between(text, u->path));
}

/* The one error that must not show the URL: it ends up in logs. */
static bool
has_password(const char *text)
{
	const char *slashes = strstr(text, "://");
	const char *authority = slashes != NULL ? slashes + 3 : text;

	return memchr(authority, '@', strcspn(authority, "/?#")) != NULL;
}

static char *
host_text(struct span host)
{
	char text[IP_TEXT];
	struct ip ip;

	if (!ip_parse(&ip, host.p, host.n))
		return strndup(host.p, host.n);
	ip_text(&ip, text);
	return strdup(text);
}

bool
read_url(struct reading *r, const struct node *n, void *member)
{
	struct config_backend *b = r->base;
	struct url u;
	const char *why;

	if (has_password(n->text))
		return complain(r, source_of(r, n),
			"%s carries a user or a password; leave out everything up to the @",
			r->option->path);
	why = split_url(&u, n->text);
	if (why != NULL)
		return refuse(r, n, "%s", why);
	set_text(member, n->text);
	set_text(&b->path, *u.path != '\0' ? u.path : "/");
	free(b->host);
	b->host = host_text(u.host);
	b->port = u.port;
	return b->host != NULL;
}

void
backends_free(struct config *c)
{
	unsigned i;

	for (i = 0; i < c->n_backends; i++) {
		free(c->backends[i].url);
		free(c->backends[i].host);
		free(c->backends[i].path);
	}
	free(c->backends);
	free(c->sources->backends);
	c->backends = NULL;
	c->sources->backends = NULL;
	c->n_backends = 0;
}

static void
read_entry(struct reading *list, const struct node *n, unsigned i)
{
	struct reading r = *list;
	const struct option *url = option_find(IN_BACKEND, "backends.url");

	r.home = IN_BACKEND;
	r.base = &list->config->backends[i];
	r.sources = list->config->sources->backends[i];
	read_fallbacks(&r);
	if (n->repeated)
		return;
	if (n->kind == NODE_SCALAR)
		read_option(&r, url, n);
	else if (n->kind != NODE_MAP)
		complain(&r, source_of(&r, n),
			"an entry of backends is %s; write a URL, or a mapping with url",
			node_kind_name(n->kind));
	else if (node_member(n, "url") == NULL)
		complain(&r, source_of(&r, n),
			"an entry of backends has no url; write url: \"http://host:port\"");
	if (n->kind == NODE_MAP)
		read_map(&r, n, "backends");
}

bool
read_backends(struct reading *r, const struct node *n, void *member)
{
	struct config *c = r->config;
	const struct node *item;
	unsigned i = 0;

	(void)member;
	backends_free(c);
	if (n->n == 0)
		return complain(r, source_of(r, n),
			"backends is empty; name at least one, as in \"http://localhost:9001\"");
	if (n->n > c->process.max_backends)
		return complain(r, source_of(r, n),
			"%u backends are more than max_backends (%u); raise it in ballast.cfg",
			n->n, c->process.max_backends);
	c->backends = calloc(n->n, sizeof(*c->backends));
	c->sources->backends = calloc(n->n, sizeof(*c->sources->backends));
	if (c->backends == NULL || c->sources->backends == NULL)
		return complain(r, source_of(r, n), "out of memory");
	c->n_backends = n->n;
	for (item = n->first; item != NULL; item = item->next)
		read_entry(r, item, i++);
	return true;
}

static bool
is_same(const struct config_backend *a, const struct config_backend *b)
{
	return a->port == b->port && a->host != NULL && b->host != NULL &&
	       strcasecmp(a->host, b->host) == 0;
}

static int
by_place(const void *left, const void *right)
{
	const struct config_backend *a = *(const struct config_backend *const *)left;
	const struct config_backend *b = *(const struct config_backend *const *)right;
	int order = (a->port > b->port) - (a->port < b->port);

	if (order == 0)
		order = strcasecmp(a->host != NULL ? a->host : "", b->host != NULL ? b->host : "");
	return order != 0 ? order : (a > b) - (a < b);
}

static void
fill_firsts(unsigned *first, const struct config_backend **sorted, const struct config *c)
{
	for (unsigned i = 0; i < c->n_backends; i++)
		sorted[i] = &c->backends[i];
	qsort(sorted, c->n_backends, sizeof(*sorted), by_place);
	for (unsigned i = 0; i < c->n_backends; i++) {
		size_t at = (size_t)(sorted[i] - c->backends);
		bool same = i > 0 && is_same(sorted[i - 1], sorted[i]);

		first[at] = same ? first[sorted[i - 1] - c->backends] : (unsigned)at;
	}
}

/* For each backend the first one with its place; sorted, so that not each is compared with all. */
static unsigned *
find_firsts(const struct config *c)
{
	const struct config_backend **sorted = calloc(c->n_backends + 1, sizeof(*sorted));
	unsigned *first = calloc(c->n_backends + 1, sizeof(*first));

	if (sorted != NULL && first != NULL) {
		fill_firsts(first, sorted, c);
	} else {
		free(first);
		first = NULL;
	}
	free(sorted);
	return first;
}

static void
refuse_duplicate(struct reading *r, unsigned i, unsigned j)
{
	const struct config_backend *b = r->config->backends;
	struct source(*at)[BACKEND_OPTIONS] = r->config->sources->backends;

	if (at[j][0].from == FROM_FILE)
		complain(r, at[i][0],
			"backend \"%s\" is given twice, first in line %u; keep one of them",
			b[i].url, at[j][0].line);
	else
		complain(r, at[i][0], "backend \"%s\" is given twice; keep one of them", b[i].url);
}

static void
find_addresses(struct reading *r, unsigned i)
{
	struct config_backend *b = &r->config->backends[i];
	const char *why = NULL;
	struct ip ip;
	int n;

	if (b->host == NULL || (!r->request->resolve && !ip_parse(&ip, b->host, strlen(b->host))))
		return;
	n = addr_resolve(b->addrs, CONFIG_ADDRS_MAX, b->host, b->port, &why);
	b->n_addrs = n > 0 ? (unsigned)n : 0;
	if (n <= 0)
		complain(r, r->config->sources->backends[i][0],
			"backend \"%s\": %s; name a host that resolves, or an address", b->url,
			why != NULL ? why : "the name has no address");
}

void
backends_check(struct reading *r)
{
	const struct option *o = option_find(IN_CONFIG, "backends");
	unsigned *first = find_firsts(r->config);
	unsigned i;

	if (first == NULL)
		err_add(r->err, "out of memory");
	if (!r->unreadable && r->config->sources->options[option_index(o)].from == FROM_DEFAULT)
		complain(r, (struct source){ FROM_FILE, 1, 1, NULL },
			"backends is missing; name at least one, as in backends: "
			"[\"http://localhost:9001\"]");
	for (i = 0; i < r->config->n_backends; i++) {
		if (first != NULL && first[i] != i)
			refuse_duplicate(r, i, first[i]);
		find_addresses(r, i);
	}
	free(first);
}
