/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Long loops whose verification is short. The verifier goes through a plain loop round by round
 * (5.10 has no bpf_loop); a global function it verifies once. So 512 rounds are three loops of 8,
 * of which each but the innermost calls the one within. Unrolled they would be as long again:
 * check_max_stack_depth() follows each call instruction anew.
 */
#ifndef BINDTRACE_REPEAT_BPF_H
#define BINDTRACE_REPEAT_BPF_H

#define REPEAT_TIMES(n, name, function)                                                            \
	__attribute__((noinline)) int name(void)                                                   \
	{                                                                                          \
		_Pragma("clang loop unroll(disable)") for (__u32 i = 0; i < (n); i++)              \
		{                                                                                  \
			if (function())                                                            \
				return 1;                                                          \
		}                                                                                  \
		return 0;                                                                          \
	}

/*
 * Define name(), which calls step(), a global function without arguments, until it returns other
 * than 0, or that many times.
 */
#define REPEAT_64(name, step)                                                                      \
	REPEAT_TIMES(8, name##_8, step)                                                            \
	REPEAT_TIMES(8, name, name##_8)

#define REPEAT_512(name, step)                                                                     \
	REPEAT_TIMES(8, name##_8, step)                                                            \
	REPEAT_TIMES(8, name##_64, name##_8)                                                       \
	REPEAT_TIMES(8, name, name##_64)

#endif
