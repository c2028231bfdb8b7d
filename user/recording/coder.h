/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Fields to bytes and back. One function per struct serves both directions (as in XDR), so that
 * writer and reader cannot drift apart: code__u32(c, &x) appends x, or sets it.
 *
 * The first error stays and makes all that follows do nothing: reading -EBADMSG, writing -EINVAL (a
 * value that a reader would refuse) or -E2BIG, either -ENOMEM. What was to be set keeps its value.
 */
#ifndef BINDTRACE_RECORDING_CODER_H
#define BINDTRACE_RECORDING_CODER_H

#include "../model/snapshot.h"

struct coder {
	bool reading;
	bool newer; /* reading a newer minor version: more fields than known are skipped */
	int err;
	const uint8_t *in;
	uint8_t *out; /* owned */
	size_t pos;
	size_t end; /* reading: of the group; writing: what is allocated */
};

void coder__free(struct coder *c); /* what was written */
void coder__fail(struct coder *c, int err);

void code__bytes(struct coder *c, void *bytes, size_t n);
void code__u8(struct coder *c, uint8_t *value);
void code__u16(struct coder *c, uint16_t *value);
void code__u32(struct coder *c, uint32_t *value);
void code__u64(struct coder *c, uint64_t *value);
void code__i8(struct coder *c, int8_t *value);
void code__i32(struct coder *c, int32_t *value);
void code__i64(struct coder *c, int64_t *value);
void code__bool(struct coder *c, bool *value);
void code__tri(struct coder *c, int8_t *value); /* enum tri in a byte */

/* A small number, at most max, of whatever width it is kept in. */
unsigned int code__upto(struct coder *c, unsigned int value, unsigned int max);
#define CODE_ENUM(c, field, max) ((field) = code__upto(c, field, max))

/* enum tri as an enum. */
enum tri code__tri_enum(struct coder *c, enum tri value);

/* Points into the record when reading. */
const char *code__string(struct coder *c, const char *text);
void code__text(struct coder *c, char **text); /* malloc'ed when reading */

/* Brackets a group; what begin returned goes to end. */
size_t code__begin(struct coder *c);
void code__end(struct coder *c, size_t mark);

#endif
