/* SPDX-License-Identifier: GPL-2.0-only */
/* An array that grows. */
#ifndef BINDTRACE_ARRAY_H
#define BINDTRACE_ARRAY_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#define ARRAY_FIRST_ROOM 16

/*
 * Room for one more than n elements of size bytes: the array, moved or not. NULL: no memory, and
 * the array is as it was. *room, elements, and the array begin as 0 and NULL.
 */
static inline void *array__room(void *array, size_t n, size_t *room, size_t size)
{
	size_t wanted = *room ? *room * 2 : ARRAY_FIRST_ROOM;
	void *bigger;

	if (n < *room)
		return array;
	if (wanted <= *room || wanted > SIZE_MAX / size)
		return NULL;
	bigger = realloc(array, wanted * size);
	if (bigger)
		*room = wanted;
	return bigger;
}

#endif
