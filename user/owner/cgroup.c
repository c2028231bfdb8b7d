// SPDX-License-Identifier: GPL-2.0-only
/* What the path of a cgroup says: the systemd unit and the container. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "owner.h"

#define FILEID_KERNFS 0xfe /* include/linux/exportfs.h: the handle is the u64 id */
#define FULL_ID_LEN   64   /* a container id as the runtimes write it */
#define MIN_ID_LEN    12   /* shortest that follows a runtime's own prefix */

/* One component of a path. */
struct part {
	const char *text;
	size_t len;
};

static bool next_part(const char **pos, struct part *ret)
{
	const char *text = *pos + strspn(*pos, "/");

	*ret = (struct part){text, strcspn(text, "/")};
	*pos = text + ret->len;
	return ret->len > 0;
}

static bool starts_with(struct part part, const char *prefix)
{
	size_t len = strlen(prefix);

	return part.len > len && !memcmp(part.text, prefix, len);
}

static bool ends_with(struct part part, const char *suffix)
{
	size_t len = strlen(suffix);

	return part.len > len && !memcmp(part.text + part.len - len, suffix, len);
}

static bool equals(struct part part, const char *text)
{
	return part.len == strlen(text) && !memcmp(part.text, text, part.len);
}

static struct part skip(struct part part, size_t len)
{
	return (struct part){part.text + len, part.len - len};
}

static struct part strip(struct part part, const char *suffix)
{
	if (ends_with(part, suffix))
		part.len -= strlen(suffix);
	return part;
}

static bool is_hex(struct part part)
{
	size_t i;

	for (i = 0; i < part.len; i++) {
		char c = part.text[i];

		if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
			return false;
	}
	return part.len > 0;
}

static bool is_full_id(struct part part)
{
	return part.len == FULL_ID_LEN && is_hex(part);
}

static char *copy(struct part part)
{
	return part.len ? strndup(part.text, part.len) : NULL;
}

/* The unit types that have processes; slices only group. */
static bool is_unit(struct part part)
{
	static const char *const types[] = {".service", ".socket", ".scope", ".mount", ".swap"};
	size_t i;

	for (i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if (ends_with(part, types[i]))
			return true;
	}
	return false;
}

char *cgroup__unit(const char *path)
{
	struct part part, unit = {NULL, 0};

	while (path && next_part(&path, &part)) {
		/* systemd escapes "cpu.service" as "_cpu.service", see cg_escape() there. */
		if (part.text[0] == '_')
			part = skip(part, 1);
		if (is_unit(part))
			unit = part;
	}
	return copy(unit);
}

/* "docker-ID.scope" and, with the runtimes' own cgroup driver, "libpod-ID". */
static bool runtime_id(struct part part, struct part *ret)
{
	static const char *const prefixes[] = {
		"docker-", "libpod-", "libpod-payload-", "cri-containerd-", "crio-", "nerdctl-",
	};
	struct part id;
	size_t i;

	for (i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		if (!starts_with(part, prefixes[i]))
			continue;
		id = strip(skip(part, strlen(prefixes[i])), ".scope");
		if (id.len < MIN_ID_LEN || !is_hex(id))
			continue;
		*ret = id;
		return true;
	}
	return false;
}

/* "kubepods-podUID.slice:cri-containerd:ID": a systemd name under the other cgroup driver. */
static bool colon_id(struct part part, struct part *ret)
{
	const char *colon = memrchr(part.text, ':', part.len);
	struct part id;

	if (!colon)
		return false;
	id = skip(part, colon + 1 - part.text);
	if (!is_full_id(id))
		return false;
	*ret = id;
	return true;
}

/* Containers that have names: LXC, and the machines of systemd-machined. */
static bool machine_name(struct part parent, struct part part, struct part *ret)
{
	static const char lxc[] = "lxc.payload.", machine[] = "machine-";
	static const char nspawn[] = "systemd-nspawn@";

	if (starts_with(part, lxc))
		*ret = skip(part, sizeof(lxc) - 1);
	else if (equals(parent, "lxc") || equals(parent, "lxc.payload"))
		*ret = part;
	else if (starts_with(part, nspawn) && ends_with(part, ".service"))
		*ret = strip(skip(part, sizeof(nspawn) - 1), ".service");
	else if (equals(parent, "machine.slice") && starts_with(part, machine))
		*ret = strip(skip(part, sizeof(machine) - 1), ".scope");
	else
		return false;
	return true;
}

/* The innermost one, where containers are nested. */
char *cgroup__container(const char *path)
{
	struct part parent = {"", 0}, part, id = {NULL, 0};

	while (path && next_part(&path, &part)) {
		if (is_full_id(part))
			id = part;
		else if (!runtime_id(part, &id) && !colon_id(part, &id))
			machine_name(parent, part, &id);
		parent = part;
	}
	return copy(id);
}

static bool is_cgroup2(int fd)
{
	struct statfs fs;

	return fd >= 0 && fstatfs(fd, &fs) == 0 && (uint64_t)fs.f_type == CGROUP2_SUPER_MAGIC;
}

/* The cgroup v2 mount: the root itself, or below it where both versions are in use. */
static int open_cgroup2(const char *root)
{
	int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int unified;

	if (fd < 0 || is_cgroup2(fd))
		return fd;
	unified = openat(fd, "unified", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	close(fd);
	if (unified >= 0 && !is_cgroup2(unified)) {
		close(unified);
		return -1;
	}
	return unified;
}

static bool path_of_fd(int fd, char *path, size_t size)
{
	char link[64];
	ssize_t len;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	len = readlink(link, path, size - 1);
	if (len < 0 || (size_t)len == size - 1)
		return false;
	path[len] = '\0';
	return true;
}

static char *path_below(int root_fd, int fd)
{
	char root[PATH_MAX], path[PATH_MAX];
	size_t len;

	if (!path_of_fd(root_fd, root, sizeof(root)) || !path_of_fd(fd, path, sizeof(path)))
		return NULL;
	len = strlen(root);
	if (strncmp(path, root, len) || (path[len] && path[len] != '/'))
		return NULL;
	return strdup(path[len] ? path + len : "/");
}

char *cgroup__path_of_id(const struct owner_source *source, uint64_t id)
{
	union {
		struct file_handle handle;
		char room[sizeof(struct file_handle) + sizeof(id)];
	} file = {.handle = {.handle_bytes = sizeof(id), .handle_type = FILEID_KERNFS}};
	char *path = NULL;
	int root_fd, fd;

	if (!id)
		return NULL;
	root_fd = open_cgroup2(source->cgroup_root);
	if (root_fd < 0)
		return NULL;
	memcpy(file.handle.f_handle, &id, sizeof(id));
	fd = open_by_handle_at(root_fd, &file.handle, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0) {
		path = path_below(root_fd, fd);
		close(fd);
	}
	close(root_fd);
	return path;
}
