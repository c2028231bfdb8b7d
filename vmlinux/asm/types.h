/* SPDX-License-Identifier: GPL-2.0-only */
/* clang -target bpf has no asm/ directory of its own; BPF is 64-bit everywhere, so the generic one
 * is the right one and no host's directory needs to be named.
 */
#include <asm-generic/int-ll64.h>
