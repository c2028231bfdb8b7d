/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Long loops whose verification is short. The verifier goes through a plain loop round by round
 * (5.10 has no bpf_loop); a global function it verifies once. So 4,096 rounds are three loops of
 * 16, of which each but the innermost calls the one within. Unrolled they would be as long again:
 * check_max_stack_depth() follows each call instruction anew.
 */
#ifndef BINDTRACE_REPEAT_BPF_H
#define BINDTRACE_REPEAT_BPF_H

#define REPEAT_ROUNDS 4096

#define REPEAT_16_TIMES(name, function)                                                            \
	__attribute__((noinline)) int name(void)                                                   \
	{                                                                                          \
		_Pragma("clang loop unroll(disable)") for (__u32 i = 0; i < 16; i++)               \
		{                                                                                  \
			if (function())                                                            \
				return 1;                                                          \
		}                                                                                  \
		return 0;                                                                          \
	}

/*
 * Defines name(), which calls step(), a global function without arguments, until
 * it returns other than 0, or REPEAT_ROUNDS times.
 */
#define REPEAT(name, step)                                                                         \
	REPEAT_16_TIMES(name##_16, step)                                                           \
	REPEAT_16_TIMES(name##_256, name##_16)                                                     \
	REPEAT_16_TIMES(name, name##_256)

#endif
