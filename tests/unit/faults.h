/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Every allocation fails in turn: those of bindtrace, and those of the C library, jansson, libbpf
 * and all else in the process, which come here by the dynamic linker's rules (the program's own
 * malloc() goes before the library's). Once for each n, the nth alone fails; then that and all
 * after it.
 */
#ifndef BINDTRACE_TESTS_FAULTS_H
#define BINDTRACE_TESTS_FAULTS_H

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>
#include <setjmp.h>
#include <cmocka.h>

/* The allocator below the names that are defined here; exported by the C library. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *old, size_t size);
void __libc_free(void *old);

static struct {
	bool armed, and_after, failed;
	bool calls_instead; /* of allocations: see fault_calls.h */
	int error;	    /* what the caller is told */
	bool alone;	    /* only the nth, never all after it: half the time */
	long step;	    /* 0: each n; else that many from one to the next */
	long left;	    /* until the one that fails */
	long calls;	    /* since it was armed */
	long n_alive;	    /* allocations that are not freed */
} faults;

/* A place for a breakpoint: who is it that fails? */
static __attribute__((noinline)) void fault__here(void)
{
	faults.failed = true;
	errno = faults.error;
}

static bool fault__due(bool is_call)
{
	if (!faults.armed || faults.calls_instead != is_call)
		return false;
	faults.calls++;
	if (--faults.left > 0 || (faults.left < 0 && !faults.and_after))
		return false;
	fault__here();
	return true;
}

static void *fault__count(void *got)
{
	faults.n_alive += got != NULL;
	return got;
}

void *malloc(size_t size)
{
	return fault__due(false) ? NULL : fault__count(__libc_malloc(size));
}

void *calloc(size_t n, size_t size)
{
	return fault__due(false) ? NULL : fault__count(__libc_calloc(n, size));
}

void free(void *old)
{
	faults.n_alive -= old != NULL;
	__libc_free(old);
}

void *realloc(void *old, size_t size)
{
	if (!old)
		return malloc(size);
	if (!size) {
		free(old);
		return NULL;
	}
	return fault__due(false) ? NULL : __libc_realloc(old, size);
}

/* ---- scenarios ---------------------------------------------------------------------------- */

/*
 * What is run again and again; it frees what it makes. 0 or -errno. failed: an allocation has
 * failed, so an error may be returned, and nothing but the errors that the scenario documents.
 */
typedef int (*fault_scenario)(void *arg);

/*
 * BORNE: the scenario may do without; what is then left out is its own matter to look at.
 * OTHERS_SAY: and the error may be another one, that of a library between.
 */
enum { FAULTS_TOLD = 0, FAULTS_BORNE, FAULTS_OTHERS_SAY };

/* The lowest free number: a file that stays open takes it. */
static int fault__next_fd(void)
{
	int fd = fcntl(0, F_DUPFD, 3);

	close(fd);
	return fd;
}

static int fault__run(fault_scenario scenario, void *arg, long n, bool and_after)
{
	int err;

	faults.left = n;
	faults.and_after = and_after;
	faults.calls = 0;
	faults.error = faults.calls_instead ? EIO : ENOMEM;
	faults.failed = false;
	faults.armed = true;
	err = scenario(arg);
	faults.armed = false;
	return err;
}

static const char *fault__word(void)
{
	return faults.calls_instead ? "call" : "allocation";
}

static bool fault__is_told(int err, int kind)
{
	if (kind == FAULTS_OTHERS_SAY)
		return err <= 0;
	return err == -faults.error || (!err && kind == FAULTS_BORNE);
}

/* The two ways to fail of one n; false: it was beyond the last allocation. */
static bool fault__one(const char *name, fault_scenario scenario, void *arg, long n, int kind)
{
	const int n_ways = faults.alone ? 1 : 2;

	for (int and_after = 0; and_after < n_ways; and_after++) {
		long alive = faults.n_alive;
		int fd = fault__next_fd();
		int err = fault__run(scenario, arg, n, and_after);

		if (faults.n_alive != alive)
			fail_msg("%s: %s %ld fails%s: %ld allocations are not freed", name,
				 fault__word(), n, and_after ? " and all after" : "",
				 faults.n_alive - alive);
		if (fault__next_fd() != fd)
			fail_msg("%s: %s %ld fails%s: a file stays open", name, fault__word(), n,
				 and_after ? " and all after" : "");
		if (faults.failed ? !fault__is_told(err, kind) : err)
			fail_msg("%s: %s %ld fails%s: %d", name, fault__word(), n,
				 and_after ? " and all after" : "", err);
		if (!faults.failed)
			return false;
	}
	return true;
}

/* How many failed. The first runs are for what is kept for good: the C library's buffers, zones,
 * languages. */
static long fault__each(const char *name, fault_scenario scenario, void *arg, int kind)
{
	long n = 1, n_run = 0;

	for (int i = 0; i < 2; i++)
		if (fault__run(scenario, arg, 0, false))
			fail_msg("%s: fails without a fault", name);
	while (fault__one(name, scenario, arg, n, kind)) {
		n += faults.step ?: 1;
		n_run++;
	}
	return n_run;
}

#endif
