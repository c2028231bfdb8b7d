// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "coder.h"
#include "layout.h"

#define FIRST_SIZE 4096

void coder__free(struct coder *c)
{
	free(c->out);
	c->out = NULL;
}

void coder__fail(struct coder *c, int err)
{
	if (!c->err)
		c->err = err;
}

static void refuse(struct coder *c)
{
	coder__fail(c, c->reading ? -EBADMSG : -EINVAL);
}

static bool reserve(struct coder *c, size_t n)
{
	size_t size = c->end ?: FIRST_SIZE;
	uint8_t *bigger;

	if (n > LAYOUT_MAX_RECORD - c->pos) {
		coder__fail(c, -E2BIG);
		return false;
	}
	if (n <= c->end - c->pos)
		return true;
	while (size - c->pos < n)
		size *= 2;
	bigger = realloc(c->out, size);
	if (!bigger) {
		coder__fail(c, -ENOMEM);
		return false;
	}
	c->out = bigger;
	c->end = size;
	return true;
}

void code__bytes(struct coder *c, void *bytes, size_t n)
{
	if (c->err)
		return;
	if (!c->reading) {
		if (!reserve(c, n))
			return;
		memcpy(c->out + c->pos, bytes, n);
	} else if (n > c->end - c->pos) {
		refuse(c);
		return;
	} else {
		memcpy(bytes, c->in + c->pos, n);
	}
	c->pos += n;
}

static uint64_t code_uint(struct coder *c, uint64_t value, size_t n)
{
	uint8_t bytes[8];
	uint64_t read = 0;

	for (size_t i = 0; i < n; i++)
		bytes[i] = (uint8_t)(value >> 8 * i);
	code__bytes(c, bytes, n);
	if (!c->reading || c->err)
		return value;
	for (size_t i = 0; i < n; i++)
		read |= (uint64_t)bytes[i] << 8 * i;
	return read;
}

void code__u8(struct coder *c, uint8_t *value)
{
	*value = (uint8_t)code_uint(c, *value, 1);
}

void code__u16(struct coder *c, uint16_t *value)
{
	*value = (uint16_t)code_uint(c, *value, 2);
}

void code__u32(struct coder *c, uint32_t *value)
{
	*value = (uint32_t)code_uint(c, *value, 4);
}

void code__u64(struct coder *c, uint64_t *value)
{
	*value = code_uint(c, *value, 8);
}

void code__i8(struct coder *c, int8_t *value)
{
	*value = (int8_t)code_uint(c, (uint8_t)*value, 1);
}

void code__i32(struct coder *c, int32_t *value)
{
	*value = (int32_t)code_uint(c, (uint32_t)*value, 4);
}

void code__i64(struct coder *c, int64_t *value)
{
	*value = (int64_t)code_uint(c, (uint64_t)*value, 8);
}

unsigned int code__upto(struct coder *c, unsigned int value, unsigned int max)
{
	unsigned int coded;

	if (!c->reading && value > max)
		refuse(c);
	coded = (unsigned int)code_uint(c, value, 1);
	if (coded <= max)
		return coded;
	refuse(c);
	return value;
}

void code__bool(struct coder *c, bool *value)
{
	*value = code__upto(c, *value, 1);
}

/* As 0 unknown, 1 no, 2 yes. */
enum tri code__tri_enum(struct coder *c, enum tri value)
{
	return (enum tri)((int)code__upto(c, (unsigned int)value + 1u, 2) - 1);
}

void code__tri(struct coder *c, int8_t *value)
{
	*value = (int8_t)code__tri_enum(c, (enum tri) * value);
}

static const char *read_string(struct coder *c, uint32_t size)
{
	const char *text = (const char *)c->in + c->pos;

	if (c->err || !size)
		return NULL;
	if (size > LAYOUT_MAX_STRING || size > c->end - c->pos || strnlen(text, size) != size - 1) {
		refuse(c);
		return NULL;
	}
	c->pos += size;
	return text;
}

const char *code__string(struct coder *c, const char *text)
{
	size_t len = !c->reading && text ? strlen(text) + 1 : 0;
	uint32_t size;

	if (len > LAYOUT_MAX_STRING)
		coder__fail(c, -E2BIG);
	size = (uint32_t)len;
	code__u32(c, &size);
	if (c->reading)
		return read_string(c, size);
	if (text)
		code__bytes(c, (void *)text, len);
	return text;
}

void code__text(struct coder *c, char **text)
{
	const char *read = code__string(c, *text);

	if (!c->reading || !read)
		return;
	free(*text);
	/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): read is in the payload, not *text */
	*text = strdup(read);
	if (!*text)
		coder__fail(c, -ENOMEM);
}

size_t code__begin(struct coder *c)
{
	size_t mark = c->reading ? c->end : c->pos;
	uint32_t size = 0;

	code__u32(c, &size);
	if (!c->reading || c->err)
		return mark;
	if (size > c->end - c->pos)
		refuse(c);
	else
		c->end = c->pos + size;
	return mark;
}

void code__end(struct coder *c, size_t mark)
{
	size_t size;

	if (c->err)
		return;
	if (c->reading) {
		if (c->pos != c->end && !c->newer)
			refuse(c);
		c->pos = c->end;
		c->end = mark;
		return;
	}
	size = c->pos - mark - 4;
	for (int i = 0; i < 4; i++)
		c->out[mark + i] = (uint8_t)(size >> 8 * i);
}
