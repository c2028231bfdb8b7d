/* SPDX-License-Identifier: GPL-2.0-only */
/* Values of single options. Each returns NULL, or what is wrong and what to write instead. */
#ifndef BINDTRACE_OPTION_VALUES_H
#define BINDTRACE_OPTION_VALUES_H

#include "options.h"

#define NO_MEMORY_TEXT "out of memory"

/* "8080", "80,443", "8000-8010"; added to set. */
const char *value__ports(const char *text, struct port_set *set);

/* An IPv4 or IPv6 address; fe80::1%eth0 gives the device too (malloc'ed, else NULL). */
const char *value__address(const char *text, uint16_t *ret_family, struct ip_addr *ret_addr,
			   char **ret_device);

const char *value__device(const char *text, char **ret_device);

/* A number, or a name of /etc/passwd. */
const char *value__uid(const char *text, uint32_t *ret_uid);

/* Fills netns, netns_arg and netns_pid. */
const char *value__netns(const char *text, struct options *opts);

/* "4242", "12,13"; added to opts->pids. */
const char *value__pids(const char *text, struct options *opts);

/* The name that a process goes by, in 15 bytes. */
const char *value__comm(const char *text, char **ret_comm);

const char *value__cgroup(const char *text, char **ret_path);
const char *value__file(const char *text, char **ret_path);

const char *value__count(const char *text, uint64_t *ret_count);
const char *value__seconds(const char *text, double *ret_seconds);
/* 0 as well. */
const char *value__fold(const char *text, double *ret_seconds);

/* One of names (NULL-terminated): its index, or -1. */
int value__choice(const char *text, const char *const *names);

#endif
