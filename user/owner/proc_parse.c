// SPDX-License-Identifier: GPL-2.0-only
/* The text formats of /proc/PID. The text is a process's to choose in part: trust no byte of it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "owner.h"

struct text {
	const char *at;
	const char *end;
};

static bool next_line(struct text *text, struct text *ret_line)
{
	const char *newline;

	if (text->at >= text->end)
		return false;
	newline = memchr(text->at, '\n', text->end - text->at);
	*ret_line = (struct text){text->at, newline ? newline : text->end};
	text->at = newline ? newline + 1 : text->end;
	return true;
}

/* Moves past prefix if the text begins with it. */
static bool skip_prefix(struct text *text, const char *prefix)
{
	size_t len = strlen(prefix);

	if ((size_t)(text->end - text->at) < len || memcmp(text->at, prefix, len))
		return false;
	text->at += len;
	return true;
}

static void skip_blanks(struct text *text)
{
	while (text->at < text->end && (*text->at == ' ' || *text->at == '\t'))
		text->at++;
}

static bool skip_word(struct text *text)
{
	const char *start;

	skip_blanks(text);
	start = text->at;
	while (text->at < text->end && *text->at != ' ' && *text->at != '\n')
		text->at++;
	return text->at > start;
}

/* A whole word of decimal digits. */
static bool next_number(struct text *text, uint64_t max, uint64_t *ret)
{
	uint64_t value = 0;
	const char *start;

	skip_blanks(text);
	start = text->at;
	for (; text->at < text->end; text->at++) {
		unsigned int digit = (unsigned char)*text->at - '0';

		if (digit > 9)
			break;
		if (value > (max - digit) / 10)
			return false;
		value = value * 10 + digit;
	}
	if (text->at == start)
		return false;
	if (text->at < text->end && !strchr(" \t\n", *text->at))
		return false;
	*ret = value;
	return true;
}

/*
 * "PID (COMM) STATE PPID PGRP SESSION ...". COMM may hold anything, ") S 1 1 1" too; what follows
 * it never holds a parenthesis.
 */
int proc_parse__stat_session(const char *data, size_t len, int pid, enum tri *ret_leader)
{
	struct text text = {data, data + len};
	const char *paren = len ? memrchr(data, ')', len) : NULL;
	uint64_t ppid, pgrp, session;

	if (!paren)
		return -EBADMSG;
	text.at = paren + 1;
	if (!skip_word(&text) || !next_number(&text, INT32_MAX, &ppid) ||
	    !next_number(&text, INT32_MAX, &pgrp) || !next_number(&text, INT32_MAX, &session))
		return -EBADMSG;
	*ret_leader = session == (uint64_t)pid ? TRI_YES : TRI_NO;
	return 0;
}

/* Field 22, the 20th behind COMM. */
int proc_parse__stat_start(const char *data, size_t len, uint64_t *ret_ticks)
{
	struct text text = {data, data + len};
	const char *paren = len ? memrchr(data, ')', len) : NULL;

	if (!paren)
		return -EBADMSG;
	text.at = paren + 1;
	for (int field = 3; field < 22; field++)
		if (!skip_word(&text))
			return -EBADMSG;
	return next_number(&text, UINT64_MAX, ret_ticks) ? 0 : -EBADMSG;
}

/* The real uid, first of the four: what bpf_get_current_uid_gid() gives for a calling task. */
int proc_parse__status_uid(const char *data, size_t len, uint32_t *ret_uid)
{
	struct text text = {data, data + len}, line;
	uint64_t uid;

	while (next_line(&text, &line)) {
		if (!skip_prefix(&line, "Uid:"))
			continue;
		if (!next_number(&line, UINT32_MAX, &uid))
			return -EBADMSG;
		*ret_uid = uid;
		return 0;
	}
	return -EBADMSG;
}

static bool is_root(struct text path)
{
	return path.end - path.at == 1 && *path.at == '/';
}

/* "0::/PATH"; line becomes the path. */
static bool is_unified(struct text *line)
{
	return skip_prefix(line, "0::") && line->at < line->end && *line->at == '/';
}

/* "NUMBER:name=systemd:/PATH" */
static bool is_systemd(struct text *line)
{
	uint64_t number;
	const char *colon = memchr(line->at, ':', line->end - line->at);
	struct text id = {line->at, colon};

	if (!colon || !next_number(&id, INT32_MAX, &number) || id.at != id.end)
		return false;
	line->at = colon;
	return skip_prefix(line, ":name=systemd:") && line->at < line->end && *line->at == '/';
}

/*
 * Where systemd keeps a hierarchy of its own on cgroup v1, the unified one is not there, or
 * everything may be in its root.
 */
char *proc_parse__cgroup(const char *data, size_t len)
{
	struct text text = {data, data + len}, line, found = {NULL, NULL};

	while (next_line(&text, &line)) {
		struct text unified = line, systemd = line;

		if (is_unified(&unified) && (!found.at || !is_root(unified)))
			found = unified;
		else if (is_systemd(&systemd) && (!found.at || is_root(found)))
			found = systemd;
	}
	if (!found.at || memchr(found.at, '\0', found.end - found.at))
		return NULL;
	return strndup(found.at, found.end - found.at);
}
