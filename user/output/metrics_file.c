// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>
#include "metrics_file.h"

#define TRIES 16 /* names for the new file, where somebody else has taken one */

struct metrics_file {
	int dir_fd;
	char name[NAME_MAX + 1];
};

/* "DIR/NAME" into its parts; dir has the size of a path. */
static int split(const char *path, char *dir, char *name)
{
	const char *slash = strrchr(path, '/'), *last = slash ? slash + 1 : path;
	int dir_len = (int)(last - path); /* "/" of "/x", nothing of "x" */

	if (!*last || !strcmp(last, ".") || !strcmp(last, ".."))
		return -EISDIR;
	if (strlen(last) > NAME_MAX || strlen(path) >= PATH_MAX)
		return -ENAMETOOLONG;
	strcpy(name, last);
	snprintf(dir, PATH_MAX, "%.*s", dir_len ?: 1, dir_len ? path : ".");
	return 0;
}

/* Nothing there, or a regular file, which a rename may replace. A link is not followed. */
static int check_place(const struct metrics_file *file, bool *ret_exists)
{
	struct stat st;

	*ret_exists = !fstatat(file->dir_fd, file->name, &st, AT_SYMLINK_NOFOLLOW);
	if (!*ret_exists)
		return errno == ENOENT ? 0 : -errno;
	return S_ISREG(st.st_mode) ? 0 : S_ISDIR(st.st_mode) ? -EISDIR : -EEXIST;
}

/* Whether it is one of ours, or empty: a slip of the pen shall not cost anybody a file. */
static int check_content(const struct metrics_file *file, const char *ours)
{
	char begin[64];
	size_t len = strlen(ours);
	ssize_t got;
	int fd = openat(file->dir_fd, file->name,
			O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	got = read(fd, begin, len < sizeof(begin) ? len : sizeof(begin));
	if (got < 0)
		got = -errno;
	close(fd);
	if (got <= 0)
		return (int)got;
	return (size_t)got == len && !memcmp(begin, ours, len) ? 0 : -EEXIST;
}

int metrics_file__open(const char *path, const char *ours, struct metrics_file **ret)
{
	struct metrics_file *file = calloc(1, sizeof(*file));
	char dir[PATH_MAX];
	bool exists = false;
	int err;

	if (!file)
		return -ENOMEM;
	file->dir_fd = -1;
	err = split(path, dir, file->name);
	if (!err) {
		file->dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
		err = file->dir_fd < 0 ? -errno : check_place(file, &exists);
	}
	if (!err && exists)
		err = check_content(file, ours);
	if (err) {
		metrics_file__close(file);
		return err;
	}
	*ret = file;
	return 0;
}

void metrics_file__close(struct metrics_file *file)
{
	if (!file)
		return;
	if (file->dir_fd >= 0)
		close(file->dir_fd);
	free(file);
}

/* A new file that nobody else can have made; readers look for other names ("*.prom"). */
static int make_new(int dir_fd, char *name, size_t size)
{
	uint64_t random;
	int fd;

	for (int i = 0; i < TRIES; i++) {
		if (getrandom(&random, sizeof(random), 0) != sizeof(random))
			return -EIO;
		snprintf(name, size, ".bindtrace.%016llx.new", (unsigned long long)random);
		fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
			    0600);
		if (fd >= 0)
			return fd;
		if (errno != EEXIST)
			return -errno;
	}
	return -EEXIST;
}

static int fill(int fd, const char *text, size_t len)
{
	while (len) {
		ssize_t n = write(fd, text, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		text += n;
		len -= (size_t)n;
	}
	return fchmod(fd, 0644) ? -errno : 0; /* whatever the umask */
}

int metrics_file__write(struct metrics_file *file, const char *text, size_t len)
{
	char name[64];
	bool exists;
	int fd, err = check_place(file, &exists);

	if (err)
		return err;
	fd = make_new(file->dir_fd, name, sizeof(name));
	if (fd < 0)
		return fd;
	err = fill(fd, text, len);
	/* Some file systems say only now that there was no room. */
	if (close(fd) && !err)
		err = -errno;
	if (!err && renameat(file->dir_fd, name, file->dir_fd, file->name))
		err = -errno;
	if (err)
		unlinkat(file->dir_fd, name, 0);
	return err;
}
