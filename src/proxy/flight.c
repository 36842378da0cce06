/*
 * What a crash report says of an exchange: its row in shared memory, kept as true as the exchange goes.  Runs in
 * workers.  Owns which rows of the slot are free.  Nothing here is read by the process that writes it:
 * a few stores into lines that nobody else touches while it lives.
 */
#include "private.h"

#include <errno.h>
#include <stdlib.h>

#include "ballast/http/fingerprint.h"

int
flights_init(struct proxy *p)
{
	uint32_t n = p->shm->n_flights;

	p->flights = flight_at(p->shm, p->slot, 0);
	p->free_flights = calloc(n + (size_t)1, sizeof(*p->free_flights));
	if (p->free_flights == NULL)
		return -ENOMEM;
	while (p->n_free_flights < n) {
		p->free_flights[p->n_free_flights] = n - 1 - p->n_free_flights;
		p->n_free_flights++;
	}
	return 0;
}

void
flight_take(struct exchange *x)
{
	struct proxy *p = x->proxy;
	uint32_t index = p->shm->n_flights; /* the one that nobody looks at */

	if (p->n_free_flights > 0)
		index = p->free_flights[--p->n_free_flights];
	x->flight = &p->flights[index];
	flight_begin(x->flight, &x->ip, x->client->port, p->now_us);
}

void
flight_note(struct exchange *x, const struct head *h)
{
	struct flight *f = x->flight;
	struct span path = head_path_alone(h);

	f->method = (uint8_t)h->method;
	f->path_n = (uint8_t)(path.n < FLIGHT_PATH ? path.n : FLIGHT_PATH);
	if (f->path_n > 0)
		memmove(f->path, path.p, f->path_n);
	f->fingerprint = head_fingerprint(h, path, x->proxy->shm->head->print_key);
}

void
flight_moved(struct exchange *x)
{
	x->flight->bytes_in = x->bytes_in + x->up.bytes;
	x->flight->bytes_out = x->bytes_out;
}

void
flight_land(struct exchange *x, const struct landing *landing)
{
	struct proxy *p = x->proxy;
	uint32_t index = (uint32_t)(x->flight - p->flights);

	flight_end(p->shm, p->slot, x->flight, landing);
	if (index < p->shm->n_flights)
		p->free_flights[p->n_free_flights++] = index;
}

uint32_t
flight_pick_up(const struct exchange *x)
{
	struct proxy *p = x->proxy;
	uint32_t before = atomic_load_explicit(&p->slot->in_hand, memory_order_relaxed);

	atomic_store_explicit(
		&p->slot->in_hand, (uint32_t)(x->flight - p->flights) + 1, memory_order_relaxed);
	return before;
}

void
flight_put_down(struct proxy *p, uint32_t before)
{
	atomic_store_explicit(&p->slot->in_hand, before, memory_order_relaxed);
}
