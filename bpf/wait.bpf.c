// SPDX-License-Identifier: GPL-2.0-only
/*
 * Wakes --wait when a socket gives its port back, or stops blocking in another way. What it tells
 * is a hint only: user space looks at the port again itself.
 *
 * A hook runs when what it stands for is done (fexit), or an instant before: the state tracepoint
 * and security_socket_setsockopt() come just before the assignment, a kprobe at the function's
 * entry. user/waiting.c looks again a moment later for their sake.
 */
#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include "compat.bpf.h"

#define BT_SOL_SOCKET	    1 /* uapi/asm-generic/socket.h, as on x86 and arm64 */
#define BT_SO_REUSEADDR	    2
#define BT_SO_REUSEPORT	    15
#define BT_SO_BINDTODEVICE  25
#define BT_SO_BINDTOIFINDEX 62

/* Set before the program is loaded, so both are constants to the kernel. */
const volatile __u64 wanted_ports[65536 / 64]; /* a bit per port */
const volatile __u32 wanted_netns;	       /* inode number, 0: all */

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} wakes SEC(".maps");

/*
 * Key 0 is there from the first event after wait__rearm() until the next wait__rearm() deletes it:
 * however many sockets go meanwhile, one record is sent.
 *
 * No wake-up is lost. A hook unlinks, then inserts; user space deletes, then walks. Both go through
 * the lock of the same hash bucket, so one comes first. If the insertion does and finds the key
 * there, what was unlinked before it is seen by the walk after the deletion. If it comes after the
 * deletion it succeeds, and a record follows. A flag in plain memory would need a full barrier
 * between the unlinking and the reading of the flag, which programs have not got on every
 * architecture before 5.12 (BPF_FETCH). wait__rearm() empties the ring before it deletes: the other
 * way round it could swallow the record of a key that stays.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64); /* one is used: a deleted one comes back a little later */
	__type(key, __u32);
	__type(value, __u32);
} pending SEC(".maps");

/* inet_sk() keeps the port for the wire after inet_num has gone. */
struct inet_sock___wait {
	__be16 inet_sport;
} __attribute__((preserve_access_index));

static __always_inline void wake(__u32 port)
{
	__u32 key = 0;

	/* Whatever goes wrong but "is there already" is no reason to keep silent. */
	if (bpf_map_update_elem(&pending, &key, &port, BPF_NOEXIST) == -BT_EEXIST)
		return;
	if (bpf_ringbuf_output(&wakes, &port, sizeof(port), 0))
		bpf_map_delete_elem(&pending, &key);
}

static __always_inline bool port_wanted(__u16 port)
{
	return (wanted_ports[port / 64] >> (port % 64)) & 1;
}

static __always_inline bool netns_wanted(struct sock_common *common)
{
	return !wanted_netns || BPF_CORE_READ(common, skc_net.net, ns.inum) == wanted_netns;
}

/* Once the port was given back skc_num is 0, but inet_sport is still there. */
static __always_inline __u16 port_of(struct sock *sk)
{
	__u16 port = BPF_CORE_READ(sk, __sk_common.skc_num);

	return port ?: __builtin_bswap16(BPF_CORE_READ((struct inet_sock___wait *)sk, inet_sport));
}

static __always_inline int changed(struct sock *sk)
{
	__u16 port = port_of(sk);

	if (port_wanted(port) && netns_wanted(&sk->__sk_common))
		wake(port);
	return 0;
}

/*
 * TCP. inet_sport is set after the port was taken, so it is missing when a bind is undone at once
 * (a cgroup program said no): that is rare, and may have been any port. A socket that has never had
 * a port does not come here.
 */
static __always_inline int put_port(struct sock *sk)
{
	__u16 port = port_of(sk);

	if ((!port || port_wanted(port)) && netns_wanted(&sk->__sk_common))
		wake(port);
	return 0;
}

/* All ends of a time-wait socket: its timer, a RST, a new SYN, connect(). Under the bucket's lock.
 */
static __always_inline int twsk_unhash(struct inet_timewait_sock *tw)
{
	__u16 port = BPF_CORE_READ(tw, __tw_common.skc_num);

	if (port_wanted(port) && netns_wanted(&tw->__tw_common))
		wake(port);
	return 0;
}

/* Options that the conflict tests read of a blocker. */
static __always_inline int set_option(struct socket *socket, int level, int name)
{
	if (level != BT_SOL_SOCKET)
		return 0;
	if (name != BT_SO_REUSEADDR && name != BT_SO_REUSEPORT && name != BT_SO_BINDTODEVICE &&
	    name != BT_SO_BINDTOIFINDEX)
		return 0;
	return changed(BPF_CORE_READ(socket, sk));
}

/*
 * A listener that is shut down keeps a port that it was bound to, but blocks less; so does a socket
 * bound to the wildcard that connects, and has one address from then on. A raw tracepoint needs no
 * trampoline and is the same on every kernel.
 */
SEC("raw_tp/inet_sock_set_state")
int raw_set_state(struct bpf_raw_tracepoint_args *ctx)
{
	if ((int)ctx->args[1] != BT_TCP_LISTEN && (int)ctx->args[2] != BT_TCP_SYN_SENT)
		return 0;
	return changed((struct sock *)ctx->args[0]);
}

SEC("?fexit/inet_put_port")
int fexit_put_port(__u64 *ctx)
{
	return put_port((struct sock *)ctx[0]);
}

SEC("?fexit/inet_twsk_bind_unhash")
int fexit_twsk_unhash(__u64 *ctx)
{
	return twsk_unhash((struct inet_timewait_sock *)ctx[0]);
}

SEC("?fexit/udp_lib_unhash")
int fexit_udp_unhash(__u64 *ctx)
{
	return changed((struct sock *)ctx[0]);
}

/* connect() of a UDP socket that was bound to the wildcard. */
SEC("?fexit/udp_lib_rehash")
int fexit_udp_rehash(__u64 *ctx)
{
	return changed((struct sock *)ctx[0]);
}

SEC("?fexit/security_socket_setsockopt")
int fexit_setsockopt(__u64 *ctx)
{
	return set_option((struct socket *)ctx[0], ctx[1], ctx[2]);
}

SEC("?kprobe/inet_put_port")
int kprobe_put_port(struct pt_regs *ctx)
{
	return put_port((struct sock *)PT_REGS_PARM1(ctx));
}

SEC("?kprobe/inet_twsk_bind_unhash")
int kprobe_twsk_unhash(struct pt_regs *ctx)
{
	return twsk_unhash((struct inet_timewait_sock *)PT_REGS_PARM1(ctx));
}

SEC("?kprobe/udp_lib_unhash")
int kprobe_udp_unhash(struct pt_regs *ctx)
{
	return changed((struct sock *)PT_REGS_PARM1(ctx));
}

SEC("?kprobe/udp_lib_rehash")
int kprobe_udp_rehash(struct pt_regs *ctx)
{
	return changed((struct sock *)PT_REGS_PARM1(ctx));
}

SEC("?kprobe/security_socket_setsockopt")
int kprobe_setsockopt(struct pt_regs *ctx)
{
	return set_option((struct socket *)PT_REGS_PARM1(ctx), PT_REGS_PARM2(ctx),
			  PT_REGS_PARM3(ctx));
}

char LICENSE[] SEC("license") = "GPL";
