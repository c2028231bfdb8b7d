/* SPDX-License-Identifier: GPL-2.0-only */
/* bindtrace as its users see it: one long live run, and one-shot runs. */
#ifndef BINDTRACE_TESTS_REPORT_H
#define BINDTRACE_TESTS_REPORT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* What this process is called while it makes the bind that a trial is about. */
#define BINDER_COMM "bt-binder"

struct live {
	pid_t pid;
	int fd;
	char *buf;
	size_t used, size;
	unsigned long lines;
	char problem[256]; /* the first line that must never come; "" */
	json_t *stop;
};

/* Starts `program --json --cross-check` and waits until its hooks are in place. 0 or -errno. */
int live__start(struct live *live, const char *program);
/*
 * The report of that bind to port, to be released with json_decref(); NULL when it doesn't come
 * in time. Looks at every line on the way.
 */
json_t *live__conflict(struct live *live, uint16_t port);
/* Ends it by SIGTERM; its exit status. The last line is in live->stop. */
int live__stop(struct live *live);

/* One line of JSON of `program ARG…`, and its exit status; NULL when there is none. */
json_t *oneshot__run(char *const argv[], int *ret_status);

/* Shortcuts that forgive what isn't there. */
const char *json__text(const json_t *object, const char *key);	/* "" */
json_int_t json__number(const json_t *object, const char *key); /* -1 */
bool json__true(const json_t *object, const char *key);

#endif
