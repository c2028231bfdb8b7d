/* SPDX-License-Identifier: GPL-2.0-only */
/* Text from the system is hostile bytes: made fit for JSON or for a terminal here, and only here.
 */
#ifndef BINDTRACE_OUTPUT_SANITIZE_H
#define BINDTRACE_OUTPUT_SANITIZE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UTF8_ELLIPSIS "\xe2\x80\xa6" /* U+2026 */

/*
 * Both write at most `size` bytes with the final NUL, mark a cut with an ellipsis, never end
 * within a character, and return the length. `in` may be NULL: "".
 *
 * json: valid UTF-8, bytes that are none become U+FFFD. `size` bounds the length after the escapes
 *	 of a JSON string, so that a line's length can be planned.
 * text: for a terminal. Control characters (ESC, DEL, C1, newline), what reorders or hides text,
 *	 and bytes that are not UTF-8 become a visible \xNN.
 */
size_t sanitize__json(char *buf, size_t size, const char *in);
size_t sanitize__text(char *buf, size_t size, const char *in);

/* A code point that a terminal would obey instead of show: controls, bidi, invisible ones. */
bool sanitize__is_unsafe(uint32_t code);

/* Decodes one character of s (NUL-terminated, not at its end): its length, 0 when not UTF-8. */
size_t utf8__decode(const char *s, uint32_t *ret_code);

/* Drops from the end of valid UTF-8 that was cut what is left of a character. */
void utf8__trim(char *text);

/* Columns that valid UTF-8 takes on a terminal. */
size_t utf8__columns(const char *text);

/* text in at most that many columns, an ellipsis in place of its middle. malloc'ed. */
char *utf8__shortened(const char *text, size_t columns);

#endif
