/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the program that copies the kernel's objects (bpf/gather.bpf.c) and its driver
 * (user/kernel/gather.c) share. Host byte order; all of it is written by one of the two and read by
 * the other in the same memory.
 */
#ifndef BINDTRACE_GATHER_WIRE_H
#define BINDTRACE_GATHER_WIRE_H

#ifndef __bpf__
#include <linux/types.h>
#endif

#define WIRE_GATHER_WORDS 128 /* of 8 bytes, in one record */
#define WIRE_GATHER_BATCH 128 /* records a run */
#define WIRE_GATHER_STEPS 64  /* copies that make one record */
#define WIRE_GATHER_CHUNK 64  /* bytes, at most, of one of them */

/* The first words of a record; what is in the others the driver says. */
enum wire_gather_word {
	WIRE_WORD_OBJECT = 0, /* its address */
	WIRE_WORD_NEXT,	      /* address of the next link, 0: none */
	WIRE_WORD_HEAD,	      /* address of the head of the list that it was met in, 0: unknown */
	WIRE_WORD_FREE,
};

/* A time-wait socket is smaller than a struct sock: what is behind its end is not touched. */
enum wire_gather_when {
	WIRE_WHEN_FULL = 1,
	WIRE_WHEN_TIMEWAIT = 2,
	WIRE_WHEN_ANY = 3,
};

/* size bytes from offset bytes behind the address in word `from` into word `to` and after. */
struct wire_copy {
	__s32 offset;
	__u8 from, to;
	__u8 size;
	__u8 when; /* enum wire_gather_when */
};

struct wire_gather {
	/* set by the driver */
	__u64 stop;	    /* the link to end before, 0: none */
	__u64 lock;	    /* address of a spinlock, 0: none */
	__u64 stride;	    /* bytes from one head to the next */
	__s32 link_offset;  /* of the struct hlist_node in the object */
	__u32 state_at;	    /* byte of the record where the copies have put skc_state; 0: nowhere */
	__u32 max;	    /* records; WIRE_GATHER_BATCH at most */
	__u32 n_copies;	    /* WIRE_GATHER_STEPS at most */
	__u32 current_task; /* the object is the task that calls */
	__u32 enter;	    /* begin with what head points at; 0: with link */
	/* set by the driver, and carried on by the program */
	__u64 head;	  /* address of a struct hlist_head */
	__u64 link;	  /* address of the next struct hlist_node, 0: the list has ended */
	__u32 more_heads; /* lists after this one */
	/* set by the program */
	__u32 n;       /* records */
	__u64 first;   /* what the head pointed at that was entered last */
	__u64 jiffies; /* when the run began */
	__u32 locked;  /* was the lock held when it began? */
	__u32 copy;    /* of the record under way: the next one */
	struct wire_copy copies[WIRE_GATHER_STEPS];
};

#endif
