// SPDX-License-Identifier: GPL-2.0-only
/* The Kubernetes pod that a cgroup path names. */
#include <string.h>
#include "snapshot.h"

#define UUID_LEN 36
#define HASH_LEN 32 /* pods that the kubelet takes from a file: the hash of that */

static bool is_hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

/* A UUID or a hash; systemd's name of a slice has '_' where the pod's has '-'. */
static bool copy_uid(const char *text, size_t len, char ret[POD_UID_MAX])
{
	if (len != UUID_LEN && len != HASH_LEN)
		return false;
	for (size_t i = 0; i < len; i++) {
		bool dash = len == UUID_LEN && (i == 8 || i == 13 || i == 18 || i == 23);

		if (dash ? text[i] != '-' && text[i] != '_' : !is_hex(text[i]))
			return false;
	}
	for (size_t i = 0; i < len; i++)
		ret[i] = text[i] == '_' ? '-' : text[i];
	ret[len] = '\0';
	return true;
}

/* Behind the last "pod" of text that begins it or follows a dash. */
static size_t behind_pod(const char *text, size_t len)
{
	size_t found = 0;

	for (size_t i = 0; i + 3 < len; i++)
		if ((i == 0 || text[i - 1] == '-') && !memcmp(text + i, "pod", 3))
			found = i + 3;
	return found;
}

/*
 * The kubelet's two ways of naming, kubelet's cgroup_manager_linux.go: "kubepods-burstable-podUID"
 * + ".slice" with systemd, "podUID" with cgroupfs. A runtime that is told the former and uses the
 * latter itself goes on with ":cri-containerd:ID".
 */
static bool pod_of_part(const char *part, size_t len, char ret[POD_UID_MAX])
{
	static const char slice[] = ".slice";
	const char *colon = memchr(part, ':', len);
	size_t start;

	if (colon)
		len = colon - part;
	if (len > sizeof(slice) && !memcmp(part + len - strlen(slice), slice, strlen(slice)))
		len -= strlen(slice);
	start = behind_pod(part, len);
	return start && copy_uid(part + start, len - start, ret);
}

bool proc_info__pod(const struct proc_info *proc, char ret[POD_UID_MAX])
{
	const char *part = proc->cgroup;
	bool found = false;

	/* The innermost one, where a node is itself a pod. */
	while (part && *part) {
		size_t len = strcspn(part, "/");

		found |= pod_of_part(part, len, ret);
		part += len;
		part += strspn(part, "/");
	}
	return found;
}
