/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The file. Integers are little-endian, addresses in network byte order.
 *
 *	file    = prefix header-record record* end-record
 *	prefix  = magic[8] major:u16 minor:u16 crc32:u32 of the 12 bytes before
 *	record  = size:u32 kind:u16 zero:u16 crc32:u32 payload[size]
 *		  crc32 is over size, kind, zero and payload
 *	payload = (tag:u16 group)*	in any order; see tags_of() for which are in which
 *	group   = size:u32 fields	in the order of fields.c, without any marks
 *	string  = size:u32 bytes	the size counts the final zero; 0: NULL
 *
 * A new minor version only adds: kinds, tags, and fields at the end of a group, which an older
 * reader skips. It never changes what the older fields mean for a report: that, and every other
 * change, is a new major version. In a file of its own minor version or an older one, a reader
 * takes whatever it does not know for damage.
 */
#ifndef BINDTRACE_RECORDING_LAYOUT_H
#define BINDTRACE_RECORDING_LAYOUT_H

/* Not ASCII, and with both line ends: a transfer as text is found out at once (as in PNG). */
#define LAYOUT_MAGIC	   "\211BTR\r\n\032\n"
#define LAYOUT_MAGIC_SIZE  8
#define LAYOUT_PREFIX_SIZE 16
#define LAYOUT_HEAD_SIZE   12
#define LAYOUT_MAJOR	   1
#define LAYOUT_MINOR	   3

/*
 * Minor version 1: what refuses a bind asked about before the port does.
 * 2: a process of a network namespace without a name; the run's id, in the header.
 * 3: how many identical refusals a report stands for.
 */

#define LAYOUT_MAX_RECORD   (1u << 30)
#define LAYOUT_MAX_STRING   (1u << 20)
#define LAYOUT_MAX_WHAT_IFS 64
#define LAYOUT_MAX_DEVICES  4096 /* each is looked up by going through all */

enum record_kind {
	KIND_HEADER = 1,
	KIND_CONFLICT = 2,
	KIND_PORT = 3,
	KIND_START = 4,
	KIND_STOP = 5,
	KIND_LOST = 6,
	KIND_END = 7, /* without it the recorder was killed, or the file was cut */
	KIND_BIND = 8,
	KIND_STATE = 9,
};

enum record_tag {
	TAG_HEADER = 1,
	TAG_TIME = 2,
	TAG_CALL = 3,
	TAG_REQUEST = 4,
	TAG_FACTS = 5,
	TAG_USAGE = 6,
	TAG_RESERVED = 7,
	TAG_PROCESS = 8,
	TAG_SNAPSHOT = 9,
	TAG_BUCKET = 10, /* one each, from here to TAG_DEVICE */
	TAG_SOCK = 11,
	TAG_PROC = 12,
	TAG_HOLD = 13,
	TAG_WHAT_IF = 14,
	TAG_DEVICE = 15,
	TAG_NOTE = 16,
	TAG_START = 17,
	TAG_STOP = 18,
	TAG_LOST = 19,
	TAG_END = 20,
	TAG_BIND = 21,
	TAG_STATE = 22,
	N_TAGS,
};

#endif
