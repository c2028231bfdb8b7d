// SPDX-License-Identifier: GPL-2.0-only
#include "bpf_api.h"
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "types_cache.h"

#define DIR_PATH  "/run/bindtrace"
#define FILE_NAME "types"
#define MAX_SIZE  (1u << 20)
#define MAX_ID	  64

/* The file: this, the functions, the BTF; read by the machine that wrote it. */
struct header {
	char magic[8];
	uint64_t names;		  /* of types__names(): what was looked for */
	uint64_t checksum;	  /* of all that follows the header */
	uint8_t build_id[MAX_ID]; /* of the kernel; the rest is 0 */
	uint32_t n_functions;
	uint32_t btf_size;
};

struct function {
	uint32_t id;
	uint32_t args;
};

/* The last letter changes when types__cut() makes something else of the same names. */
static const char magic[8] = "bttypeA";

/* FNV-1a: against damage, not against anybody; nobody but root writes there. */
static uint64_t checksum(const void *data, size_t size)
{
	const uint8_t *bytes = data;
	uint64_t sum = 0xcbf29ce484222325;

	for (size_t i = 0; i < size; i++)
		sum = (sum ^ bytes[i]) * 0x100000001b3;
	return sum;
}

/* The note "GNU" of that type among the kernel's: namesz, descsz, type, name, desc, each padded. */
static int find_build_id(const uint8_t *notes, size_t size, uint8_t id[MAX_ID])
{
	size_t at = 0;

	while (size - at >= sizeof(Elf64_Nhdr)) {
		Elf64_Nhdr note;
		size_t name = at + sizeof(note), desc;

		memcpy(&note, notes + at, sizeof(note));
		if (note.n_namesz > size || note.n_descsz > size)
			break;
		desc = name + (note.n_namesz + 3) / 4 * 4;
		at = desc + (note.n_descsz + 3) / 4 * 4;
		if (at > size)
			break;
		if (note.n_type != NT_GNU_BUILD_ID || note.n_namesz != 4 ||
		    memcmp(notes + name, "GNU", 4))
			continue;
		if (!note.n_descsz || note.n_descsz > MAX_ID)
			break;
		memcpy(id, notes + desc, note.n_descsz);
		return 0;
	}
	return -ENOENT;
}

static int read_build_id(uint8_t id[MAX_ID])
{
	int fd = open("/sys/kernel/notes", O_RDONLY | O_CLOEXEC);
	uint8_t notes[4096];
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, notes, sizeof(notes));
	close(fd);
	return n < 0 ? -errno : find_build_id(notes, n, id);
}

static int fill_header(struct header *header, const struct types_function *functions,
		       size_t n_functions)
{
	memset(header, 0, sizeof(*header));
	memcpy(header->magic, magic, sizeof(magic));
	header->names = types__names(functions, n_functions);
	header->n_functions = n_functions;
	return read_build_id(header->build_id);
}

/* Nobody else could have put it there or can write to it. */
static bool is_own(const struct stat *st)
{
	return st->st_uid == geteuid() && !(st->st_mode & (S_IWGRP | S_IWOTH));
}

static int open_dir(void)
{
	int dir = open(DIR_PATH, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (dir >= 0 && !fstat(dir, &st) && is_own(&st))
		return dir;
	if (dir >= 0)
		close(dir);
	return -1;
}

/* All of it, malloc'ed; NULL: not there, or not to be believed. */
static char *read_own_file(size_t *ret_size)
{
	int dir = open_dir(), fd = -1;
	char *data = NULL;
	struct stat st;

	if (dir < 0)
		return NULL;
	fd = openat(dir, FILE_NAME, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd >= 0 && !fstat(fd, &st) && S_ISREG(st.st_mode) && is_own(&st) &&
	    st.st_size >= (off_t)sizeof(struct header) && st.st_size <= MAX_SIZE)
		data = malloc(st.st_size);
	if (data && read(fd, data, st.st_size) != st.st_size) {
		free(data);
		data = NULL;
	}
	if (data)
		*ret_size = st.st_size;
	if (fd >= 0)
		close(fd);
	close(dir);
	return data;
}

static bool is_valid(const char *data, size_t size, const struct header *expected)
{
	struct header header;
	uint64_t sum;

	memcpy(&header, data, sizeof(header));
	sum = header.checksum;
	if (size != sizeof(header) + header.n_functions * sizeof(struct function) + header.btf_size)
		return false;
	header.checksum = 0;
	header.btf_size = 0;
	return !memcmp(&header, expected, sizeof(header)) &&
	       sum == checksum(data + sizeof(header), size - sizeof(header));
}

static int take(const char *data, size_t size, struct types_function *functions, size_t n_functions,
		struct btf **ret)
{
	const struct function *have = (const void *)(data + sizeof(struct header));
	const char *types = (const char *)(have + n_functions);
	struct btf *btf;

	errno = 0;
	btf = btf__new(types, data + size - types);
	if (libbpf_get_error(btf))
		return -ENOENT;
	for (size_t i = 0; i < n_functions; i++) {
		functions[i].id = have[i].id;
		functions[i].args = (int)have[i].args;
	}
	*ret = btf;
	return 0;
}

int types_cache__load(struct types_function *functions, size_t n_functions, struct btf **ret)
{
	struct header expected;
	size_t size;
	char *data = read_own_file(&size);
	int err = -ENOENT;

	if (!data)
		return err;
	if (!fill_header(&expected, functions, n_functions) && is_valid(data, size, &expected))
		err = take(data, size, functions, n_functions, ret);
	free(data);
	return err;
}

/* Appears under its name when it is whole. */
static void write_file(int dir, const char *data, size_t size)
{
	char name[32];
	int fd, err;

	snprintf(name, sizeof(name), FILE_NAME ".%d", getpid());
	unlinkat(dir, name, 0); /* of a run that was killed */
	fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return;
	err = write(fd, data, size) != (ssize_t)size;
	err |= close(fd);
	if (err || renameat(dir, name, dir, FILE_NAME))
		unlinkat(dir, name, 0);
}

void types_cache__store(const struct types_function *functions, size_t n_functions,
			const struct btf *btf)
{
	uint32_t btf_size;
	const void *types = btf__raw_data(btf, &btf_size);
	size_t size = sizeof(struct header) + n_functions * sizeof(struct function) + btf_size;
	struct header header;
	struct function *have;
	char *data;
	int dir;

	/* For others there is no directory that only they can write to. */
	if (geteuid() || !types || fill_header(&header, functions, n_functions))
		return;
	mkdir(DIR_PATH, 0700);
	dir = open_dir();
	data = dir < 0 ? NULL : malloc(size);
	if (data) {
		have = (void *)(data + sizeof(header));
		for (size_t i = 0; i < n_functions; i++)
			have[i] = (struct function){.id = functions[i].id,
						    .args = (uint32_t)functions[i].args};
		memcpy(have + n_functions, types, btf_size);
		header.btf_size = btf_size;
		header.checksum = checksum(have, size - sizeof(header));
		memcpy(data, &header, sizeof(header));
		write_file(dir, data, size);
		free(data);
	}
	if (dir >= 0)
		close(dir);
}
