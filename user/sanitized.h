/* SPDX-License-Identifier: GPL-2.0-only */
/* SANITIZED: built with AddressSanitizer, for tests only. */
#ifndef BINDTRACE_SANITIZED_H
#define BINDTRACE_SANITIZED_H

/* gcc says it with the first, clang with the second. */
#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#define SANITIZED __has_feature(address_sanitizer)
#else
#define SANITIZED 0
#endif

#endif
