/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sockets, binds and kernels in words, so that a table row of a model test reads like its case:
 *
 *	"LISTEN 0.0.0.0 R uid=1000"	"TIME_WAIT 127.0.0.1 R? peer=10.0.0.9/50000 expires=41000"
 *	"bind :: P V dev=3"		"listen 0.0.0.0 R group"
 *
 *	"connect 10.0.0.1 peer=10.0.0.9/443 port=5000"
 *
 * R is SO_REUSEADDR, P SO_REUSEPORT, V IPV6_V6ONLY; "R?" is not known; what is not named is off.
 */
#ifndef BINDTRACE_TESTS_MODEL_TEXT_H
#define BINDTRACE_TESTS_MODEL_TEXT_H

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <cmocka.h>

#include "model/rules.h"
#include "model/snapshot.h"

#define TEXT_PORT	8080
#define ARRAY_LENGTH(a) (sizeof(a) / sizeof((a)[0]))

/* The kernels of the matrix, as far as their rules differ. 7.2 is like 6.18. */
enum { K_5_10, K_6_1, K_6_12, K_6_18, N_KERNELS };

static const struct {
	const char *name;
	struct kernel_rules rules;
} kernels[N_KERNELS] = {
	[K_5_10] = {"5.10", {0}},
	[K_6_1] = {"6.1", {.hash2 = true, .mapped_any_quirk = true, .closed_group_usable = true}},
	[K_6_12] = {"6.12", {.hash2 = true, .closed_group_usable = true}},
	[K_6_18] = {"6.18", {.hash2 = true, .closed_group_usable = true, .uid_from_sock = true}},
};

static inline uint16_t text_addr(const char *text, struct ip_addr *ret_addr)
{
	uint16_t family = strchr(text, ':') ? AF_INET6 : AF_INET;

	memset(ret_addr, 0, sizeof(*ret_addr));
	if (inet_pton(family, text, ret_addr->bytes) != 1)
		fail_msg("not an address: %s", text);
	return family;
}

/* The number after "key=", or false. */
static inline bool text_number(const char *word, const char *key, long long *ret_value)
{
	size_t len = strlen(key);

	if (strncmp(word, key, len) || word[len] != '=')
		return false;
	*ret_value = strtoll(word + len + 1, NULL, 0);
	return true;
}

static inline int text_index(const char *word, const char *const *names, int n)
{
	for (int i = 0; i < n; i++)
		if (names[i] && !strcmp(word, names[i]))
			return i;
	return -1;
}

/* "R", "R?" and so on. */
static inline bool text_option(const char *word, char letter, int8_t *ret_value)
{
	if (word[0] != letter || (word[1] && strcmp(word + 1, "?")))
		return false;
	*ret_value = word[1] ? TRI_UNKNOWN : TRI_YES;
	return true;
}

static inline bool text_sock_number(const char *word, struct snap_sock *sock)
{
	long long value;

	if (text_number(word, "uid", &value)) {
		sock->uid = sock->inode_uid = value;
	} else if (text_number(word, "sk_uid", &value)) {
		sock->uid = value;
	} else if (text_number(word, "inode_uid", &value)) {
		sock->inode_uid = value;
	} else if (text_number(word, "dev", &value)) {
		sock->ifindex = value;
	} else if (text_number(word, "bucket", &value)) {
		sock->bucket = value;
	} else if (text_number(word, "id", &value)) {
		sock->id = value;
	} else if (text_number(word, "port", &value)) {
		sock->local_port = value;
	} else if (text_number(word, "expires", &value)) {
		sock->expires_known = true;
		sock->expires_ms = value;
	} else {
		return false;
	}
	return true;
}

/* Three-valued facts by name: "locked", "locked?"; what is not named is no. */
static inline bool text_sock_fact(const char *word, struct snap_sock *sock)
{
	const struct {
		const char *name;
		int8_t *fact;
	} facts[] = {
		{"locked", &sock->port_locked}, {"connect_bound", &sock->connect_bound},
		{"socket", &sock->has_socket},	{"file", &sock->has_file},
		{"dead", &sock->dead},		{"kern", &sock->kernel_made},
		{"force", &sock->force_reuse},
	};

	for (size_t i = 0; i < ARRAY_LENGTH(facts); i++) {
		size_t len = strlen(facts[i].name);

		if (strncmp(word, facts[i].name, len) || (word[len] && word[len] != '?'))
			continue;
		*facts[i].fact = word[len] ? TRI_UNKNOWN : TRI_YES;
		return true;
	}
	return false;
}

/* "peer=10.0.0.9/443" */
static inline bool text_peer(const char *word, struct ip_addr *ret_peer, uint16_t *ret_port)
{
	char addr[64], *slash;

	if (strncmp(word, "peer=", 5))
		return false;
	snprintf(addr, sizeof(addr), "%s", word + 5);
	slash = strchr(addr, '/');
	*slash = 0;
	text_addr(addr, ret_peer);
	*ret_port = atoi(slash + 1);
	return true;
}

static inline bool text_sock_name(char *word, struct snap_sock *sock)
{
	static const char *const roles[] = {"unknown", "server", "client", "self",
					    "bound",   "kernel", "orphan"};
	static const char *const holders[] = {"unknown", "process", "time_wait", "orphan",
					      "queue",	 "kernel",  "detached"};

	if (!strncmp(word, "role=", 5)) {
		sock->role = text_index(word + 5, roles, ARRAY_LENGTH(roles));
	} else if (!strncmp(word, "holder=", 7)) {
		sock->holder = text_index(word + 7, holders, ARRAY_LENGTH(holders));
	} else {
		return text_peer(word, &sock->peer, &sock->peer_port);
	}
	return true;
}

static inline void text_sock_word(char *word, struct snap_sock *sock)
{
	static const char *const states[] = {
		[STATE_ESTABLISHED] = "ESTABLISHED",
		[STATE_SYN_SENT] = "SYN_SENT",
		[STATE_SYN_RECV] = "SYN_RECV",
		[STATE_FIN_WAIT1] = "FIN_WAIT1",
		[STATE_FIN_WAIT2] = "FIN_WAIT2",
		[STATE_TIME_WAIT] = "TIME_WAIT",
		[STATE_BOUND] = "BOUND",
		[STATE_CLOSE_WAIT] = "CLOSE_WAIT",
		[STATE_LAST_ACK] = "LAST_ACK",
		[STATE_LISTEN] = "LISTEN",
		[STATE_CLOSING] = "CLOSING",
	};
	int state = text_index(word, states, ARRAY_LENGTH(states));

	if (state >= 0) {
		sock->state = sock->substate = state;
	} else if (!strcmp(word, "TW_FIN_WAIT2")) {
		sock->state = STATE_TIME_WAIT;
		sock->substate = STATE_FIN_WAIT2;
	} else if (!strcmp(word, "uid?")) {
		sock->uid_known = sock->inode_uid_known = false;
	} else if (!text_option(word, 'R', &sock->reuseaddr) &&
		   !text_option(word, 'P', &sock->reuseport) &&
		   !text_option(word, 'V', &sock->v6only) && !text_sock_number(word, sock) &&
		   !text_sock_fact(word, sock) && !text_sock_name(word, sock)) {
		sock->family = text_addr(word, &sock->local);
	}
}

static inline struct snap_sock text_sock(const char *text)
{
	struct snap_sock sock = {
		.local_port = TEXT_PORT, .uid_known = true, .inode_uid_known = true};
	char copy[256], *save, *word;

	snprintf(copy, sizeof(copy), "%s", text);
	for (word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save))
		text_sock_word(word, &sock);
	if (sock.state == STATE_TIME_WAIT)
		sock.uid_known = sock.inode_uid_known = false;
	if (sock.family == AF_INET6 && !ip_addr__is_mapped(&sock.local) &&
	    !ip_addr__is_any(AF_INET6, &sock.local))
		sock.v4_word_be = htonl(0x7f000006);
	return sock;
}

static inline bool text_call(const char *word, struct bind_request *req)
{
	static const char *const calls[] = {"bind", "listen", "connect", "autobind"};
	int call = text_index(word, calls, ARRAY_LENGTH(calls));

	if (call < 0)
		return false;
	req->call = call;
	req->listening = call == CALL_LISTEN;
	return true;
}

static inline void text_request_word(const char *word, struct bind_request *req)
{
	long long value;

	if (text_call(word, req) || text_peer(word, &req->peer, &req->peer_port))
		return;
	if (!strcmp(word, "R"))
		req->reuseaddr = true;
	else if (!strcmp(word, "P"))
		req->reuseport = true;
	else if (!strcmp(word, "V"))
		req->v6only = true;
	else if (!strcmp(word, "force"))
		req->force_reuse = true;
	else if (!strcmp(word, "group"))
		req->has_group = true;
	else if (!strcmp(word, "closed_group"))
		req->has_group = req->group_closed = true;
	else if (text_number(word, "uid", &value))
		req->uid = req->inode_uid = value;
	else if (text_number(word, "sk_uid", &value))
		req->uid = value;
	else if (text_number(word, "inode_uid", &value))
		req->inode_uid = value;
	else if (text_number(word, "dev", &value))
		req->ifindex = value;
	else if (text_number(word, "vrf", &value))
		req->l3mdev = value;
	else if (text_number(word, "self", &value))
		req->self = value;
	else if (text_number(word, "port", &value))
		req->port = value;
	else
		req->family = text_addr(word, &req->addr);
}

static inline struct bind_request text_request(const char *text)
{
	struct bind_request req = {.port = TEXT_PORT};
	char copy[256], *save, *word;

	snprintf(copy, sizeof(copy), "%s", text);
	for (word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save))
		text_request_word(word, &req);
	if (req.family == AF_INET6 && !ip_addr__is_mapped(&req.addr) &&
	    !ip_addr__is_any(AF_INET6, &req.addr))
		req.v4_word_be = htonl(0x7f000006);
	return req;
}

/* Sockets are separated by " | ". */
static inline void text_snapshot(const char *text, int kernel, struct snapshot *ret_snap)
{
	char copy[1024], *save, *part;

	snapshot__init(ret_snap);
	ret_snap->protocol = PROTO_TCP;
	ret_snap->port = TEXT_PORT;
	ret_snap->kernel = kernels[kernel].rules;
	ret_snap->ephemeral_low = 32768;
	ret_snap->ephemeral_high = 60999;
	snprintf(copy, sizeof(copy), "%s", text);
	for (part = strtok_r(copy, "|", &save); part; part = strtok_r(NULL, "|", &save)) {
		struct snap_sock *sock = snapshot__add_sock(ret_snap);

		assert_non_null(sock);
		*sock = text_sock(part);
	}
	ret_snap->total = ret_snap->n_socks;
}

static inline const char *text_tri(enum tri value)
{
	return value == TRI_YES ? "yes" : value == TRI_NO ? "no" : "unknown";
}

/* "listening binder_lacks_reuseport" */
static inline const char *text_rules(uint32_t rules, char *buffer, size_t size)
{
	size_t len = 0;

	buffer[0] = 0;
	for (int i = 0; i < N_RULES; i++)
		if (rules & 1u << i)
			len += snprintf(buffer + len, size - len, "%s%s", len ? " " : "",
					rule__name(1u << i));
	return buffer;
}

static inline size_t text_set(uint32_t set, char *buffer, size_t size)
{
	return snprintf(buffer, size, "%s%s%s", set & FIX_OPT_REUSEADDR ? "R" : "",
			set & FIX_OPT_REUSEPORT ? "P" : "", set & FIX_OPT_V6ONLY ? "V" : "");
}

/* One without a value: "close", "no_port", "no_port@blocker". */
static inline size_t text_plain_fix(const struct fix *fix, char *buffer, size_t size)
{
	static const char *const names[] = {
		[FIX_CLOSE] = "close",		 [FIX_SYSCTL] = "sysctl",
		[FIX_ADDRESS] = "address",	 [FIX_ANY_PORT] = "any_port",
		[FIX_RANGE] = "range",		 [FIX_NO_PORT] = "no_port",
		[FIX_PRIVILEGE] = "privilege",	 [FIX_NONLOCAL] = "nonlocal",
		[FIX_TW_REUSE] = "tw_reuse",	 [FIX_DETACH_GROUP] = "detach",
		[FIX_NEW_SOCKET] = "new_socket",
	};

	return snprintf(buffer, size, "%s%s",
			fix->kind < ARRAY_LENGTH(names) ? names[fix->kind] : "?",
			fix->side == SIDE_BLOCKER ? "@blocker" : "");
}

/* "binder:R both:P wait:43100 uid:1000 detach sysctl close" */
static inline const char *text_fixes(const struct verdict *verdict, char *buffer, size_t size)
{
	static const char *const sides[] = {"none", "binder", "blocker", "both"};
	size_t len = 0;

	buffer[0] = 0;
	for (size_t i = 0; i < verdict->n_fixes; i++) {
		const struct fix *fix = &verdict->fixes[i];

		len += snprintf(buffer + len, size - len, "%s", len ? " " : "");
		if (fix->kind == FIX_SET) {
			len += snprintf(buffer + len, size - len, "%s:", sides[fix->side]);
			len += text_set(fix->set, buffer + len, size - len);
		} else if (fix->kind == FIX_WAIT) {
			len += snprintf(buffer + len, size - len, "wait:%lld",
					(long long)fix->wait_ms);
		} else if (fix->kind == FIX_UID) {
			len += snprintf(buffer + len, size - len, "uid:%u", fix->uid);
		} else {
			len += text_plain_fix(fix, buffer + len, size - len);
		}
	}
	return buffer;
}

/* A growing list of named tests: each table row becomes one of its own. */
struct test_list {
	struct CMUnitTest *tests;
	size_t n;
};

static inline void test_list__add(struct test_list *list, const char *name, CMUnitTestFunction run,
				  const void *row)
{
	list->tests = realloc(list->tests, (list->n + 1) * sizeof(*list->tests));
	list->tests[list->n++] = (struct CMUnitTest){
		.name = strdup(name),
		.test_func = run,
		.initial_state = (void *)row,
	};
}

static inline int test_list__run(struct test_list *list, const char *name)
{
	int failed = _cmocka_run_group_tests(name, list->tests, list->n, NULL, NULL);

	for (size_t i = 0; i < list->n; i++)
		free((char *)list->tests[i].name);
	free(list->tests);
	return failed;
}

/* For tables whose rows begin with their name. */
#define test_list__add_rows(list, prefix, run, rows)                                               \
	for (size_t i_ = 0; i_ < ARRAY_LENGTH(rows); i_++) {                                       \
		char name_[160];                                                                   \
		snprintf(name_, sizeof(name_), "%s: %s", prefix, (rows)[i_].name);                 \
		test_list__add(list, name_, run, &(rows)[i_]);                                     \
	}

#endif
