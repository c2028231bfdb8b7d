// SPDX-License-Identifier: GPL-2.0-only
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "storm.h"

struct worker {
	const struct storm *storm;
	pthread_t thread;
	int64_t end_ns, step_ns;
	uint64_t issued; /* refused with EADDRINUSE */
	int error;	 /* of a bind that was answered otherwise */
};

static int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ll + ts.tv_nsec;
}

static void wait_until(int64_t ns)
{
	const struct timespec ts = {.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == EINTR)
		;
}

static bool goes_on(const struct worker *worker)
{
	const struct storm *storm = worker->storm;

	return storm->calls ? worker->issued < storm->calls : now_ns() < worker->end_ns;
}

/* One socket for all of its calls: a refused bind leaves it as it was. */
static void *work(void *arg)
{
	struct worker *worker = arg;
	const struct storm *storm = worker->storm;
	struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(storm->port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int64_t next_ns = now_ns();

	worker->error = fd < 0 ? errno : 0;
	while (!worker->error && goes_on(worker)) {
		if (storm->kinds)
			addr.sin_addr.s_addr =
				htonl(INADDR_LOOPBACK + worker->issued % storm->kinds);
		if (!bind(fd, (struct sockaddr *)&addr, sizeof(addr)))
			worker->error = EISCONN; /* it has the port now: not what was wanted */
		else if (errno != EADDRINUSE)
			worker->error = errno;
		else
			worker->issued++;
		next_ns += worker->step_ns;
		if (worker->step_ns)
			wait_until(next_ns);
	}
	close(fd);
	return NULL;
}

int storm__run(const struct storm *storm)
{
	struct worker workers[STORM_MAX_THREADS] = {};
	int64_t begin_ns = now_ns();
	uint64_t issued = 0;
	int error = 0;

	for (unsigned i = 0; i < storm->threads; i++) {
		workers[i].storm = storm;
		workers[i].end_ns = begin_ns + storm->ms * 1000000ll;
		if (storm->per_s)
			workers[i].step_ns = 1000000000ll * storm->threads / storm->per_s;
		if (pthread_create(&workers[i].thread, NULL, work, &workers[i]))
			return 2;
	}
	for (unsigned i = 0; i < storm->threads; i++) {
		pthread_join(workers[i].thread, NULL);
		issued += workers[i].issued;
		error = workers[i].error ? workers[i].error : error;
	}
	printf("{\"issued\":%" PRIu64 ",\"ms\":%" PRId64 "}\n", issued,
	       (now_ns() - begin_ns) / 1000000);
	if (error)
		fprintf(stderr, "mkstate: storm: %s\n", strerror(error));
	return error ? 2 : 0;
}
