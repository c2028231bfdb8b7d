// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/nsfs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "privilege.h"

static enum tri is_effective(unsigned int capability)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {};

	if (syscall(SYS_capget, &header, data))
		return TRI_UNKNOWN;
	return data[capability / 32].effective & (1u << (capability % 32)) ? TRI_YES : TRI_NO;
}

static bool is_same(int fd, const struct stat *other)
{
	struct stat st;

	return !fstat(fd, &st) && st.st_dev == other->st_dev && st.st_ino == other->st_ino;
}

/* Whoever made a user namespace has every capability in it: cap_capable(). */
static bool is_creator(int user_ns)
{
	uid_t owner;

	return !ioctl(user_ns, NS_GET_OWNER_UID, &owner) && owner == geteuid();
}

/* Up from the one that owns the network namespace; nobody has a capability outside of his own. */
static enum tri search(int user_ns, const struct stat *own)
{
	while (user_ns >= 0 && !is_same(user_ns, own)) {
		int parent = ioctl(user_ns, NS_GET_PARENT);
		bool ours = parent >= 0 && is_same(parent, own) && is_creator(user_ns);

		close(user_ns);
		if (ours) {
			close(parent);
			return TRI_YES;
		}
		user_ns = parent;
	}
	if (user_ns < 0)
		return errno == EPERM ? TRI_NO : TRI_UNKNOWN;
	close(user_ns);
	return is_effective(CAP_NET_BIND_SERVICE);
}

enum tri privilege__binds_service(void)
{
	int net_ns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), user_ns;
	struct stat own;
	enum tri answer = TRI_UNKNOWN;

	if (net_ns < 0)
		return TRI_UNKNOWN;
	if (!stat("/proc/self/ns/user", &own)) {
		user_ns = ioctl(net_ns, NS_GET_USERNS);
		answer = search(user_ns, &own);
	}
	close(net_ns);
	return answer;
}
