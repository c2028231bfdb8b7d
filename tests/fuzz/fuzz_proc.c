// SPDX-License-Identifier: GPL-2.0-only
/*
 * The text of /proc/PID/{stat,status,cgroup} and of cgroup paths: any bytes in, no read past the
 * end, and only results that hold. The first byte chooses the format, 0 tries all of them.
 */
#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "owner/owner.h"

static void try_stat(const char *text, size_t len)
{
	enum tri leader = TRI_UNKNOWN;
	uint64_t ticks = 0;
	int err = proc_parse__stat_session(text, len, 1, &leader);

	assert(err == 0 || err == -EBADMSG);
	assert((leader == TRI_UNKNOWN) == (err != 0));
	err = proc_parse__stat_start(text, len, &ticks);
	assert(err == 0 || err == -EBADMSG);
}

static void try_status(const char *text, size_t len)
{
	uint32_t uid = 4242;
	int err = proc_parse__status_uid(text, len, &uid);

	assert(err == 0 || err == -EBADMSG);
	assert(err == 0 || uid == 4242);
}

static void try_path(const char *path)
{
	char *unit = cgroup__unit(path);
	char *container = cgroup__container(path);
	struct proc_info proc = {.cgroup = (char *)path};
	char pod[POD_UID_MAX] = "";
	bool found = proc_info__pod(&proc, pod);

	assert(!unit || (*unit && !strchr(unit, '/') && strstr(path, unit)));
	assert(!container || (*container && !strchr(container, '/') && strstr(path, container)));
	assert(found == (*pod != '\0') && pod[strspn(pod, "0123456789abcdef-")] == '\0');
	free(unit);
	free(container);
}

static void try_cgroup(const char *text, size_t len)
{
	char *path = proc_parse__cgroup(text, len);

	if (!path)
		return;
	assert(*path == '/' && strlen(path) <= len && !strchr(path, '\n'));
	try_path(path);
	free(path);
}

static void try_raw_path(const char *text, size_t len)
{
	char *path = strndup(text, len);

	if (path)
		try_path(path);
	free(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const formats[])(const char *text, size_t len) = {
		try_stat,
		try_status,
		try_cgroup,
		try_raw_path,
	};
	const size_t n = sizeof(formats) / sizeof(formats[0]);
	size_t i, chosen, len = size ? size - 1 : 0;
	char *text = malloc(len + !len); /* exact, for the sanitizer */

	if (!text)
		return 0;
	if (len)
		memcpy(text, data + 1, len);
	chosen = size ? data[0] % (n + 1) : 0;
	for (i = 0; i < n; i++) {
		if (!chosen || chosen == i + 1)
			formats[i](text, len);
	}
	free(text);
	return 0;
}
