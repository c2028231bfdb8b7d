/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Constants that the kernel keeps in enums without a name, or in macros: CO-RE cannot relocate
 * them. For the programs, and for user space where it reads the kernel's own bytes; tests/live
 * fails where a kernel moves one.
 */
#ifndef BINDTRACE_KERNEL_CONSTANTS_H
#define BINDTRACE_KERNEL_CONSTANTS_H

#define BT_EEXIST	   17 /* uapi/asm-generic/errno-base.h, errno.h */
#define BT_EADDRINUSE	   98
#define BT_AF_INET	   2 /* include/linux/socket.h */
#define BT_AF_INET6	   10
#define BT_IPPROTO_TCP	   6 /* uapi/linux/in.h */
#define BT_IPPROTO_UDP	   17
#define BT_IPPROTO_SCTP	   132
#define BT_IPPROTO_UDPLITE 136
#define BT_TCP_SYN_SENT	   2 /* include/net/tcp_states.h */
#define BT_TCP_SYN_RECV	   3
#define BT_TCP_FIN_WAIT1   4
#define BT_TCP_FIN_WAIT2   5
#define BT_TCP_TIME_WAIT   6
#define BT_TCP_CLOSE	   7
#define BT_TCP_LAST_ACK	   9
#define BT_TCP_LISTEN	   10
#define BT_SOCK_DEAD	   0	      /* enum sock_flags, include/net/sock.h: SOCK_DEAD */
#define BT_BINDPORT_LOCK   8	      /* include/net/sock.h: SOCK_BINDPORT_LOCK */
#define BT_CONNECT_BIND	   16	      /* SOCK_CONNECT_BIND, 6.18 */
#define BT_PF_KTHREAD	   0x00200000 /* include/linux/sched.h: PF_KTHREAD */
#define BT_MAX_PID_NS	   32	      /* include/linux/pid_namespace.h: MAX_PID_NS_LEVEL */
#define BT_SOCKFS_MAGIC	   0x534F434B /* uapi/linux/magic.h */

#endif
