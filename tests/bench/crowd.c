// SPDX-License-Identifier: GPL-2.0-only
/*
 * A host with something to search: crowd PORT ON_PORT OTHERS PROCESSES FILES
 *
 * PORT has ON_PORT sockets: a listener, or with more than one that many connections. OTHERS
 * connections have other local ports. PROCESSES processes have FILES open files each. Prints
 * "ready", and ends when its standard input does.
 *
 * The connections are made in repair mode (TCP_REPAIR), as if they had been moved here from another
 * host: nothing is sent and nothing expires, and to whoever looks at the tables they are
 * connections like any others.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <error.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <linux/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define LOOPBACK    0x7f000001
#define PEERS	    0x7f010000 /* 127.1.0.0 and on */
#define FIRST_OTHER 20000
#define N_OTHER	    20000 /* local ports that the others are spread over */
#define PEER_PORT   9
#define STACK_SIZE  4096

static struct sockaddr_in at(uint32_t address, unsigned int port)
{
	return (struct sockaddr_in){.sin_family = AF_INET,
				    .sin_port = htons((uint16_t)port),
				    .sin_addr.s_addr = htonl(address)};
}

static int new_socket(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		error(1, errno, "socket");
	return fd;
}

static void listen_on(unsigned int port)
{
	struct sockaddr_in here = at(LOOPBACK, port);
	int fd = new_socket();

	if (bind(fd, (struct sockaddr *)&here, sizeof(here)) || listen(fd, 16))
		error(1, errno, "port %u", port);
}

static void connection(unsigned int port, uint32_t peer)
{
	struct sockaddr_in here = at(LOOPBACK, port), there = at(peer, PEER_PORT);
	const int on = TCP_REPAIR_ON, off = TCP_REPAIR_OFF_NO_WP; /* no window probe */
	/* Closed, it is gone at once: no orphan stays behind. */
	const struct linger at_once = {.l_onoff = 1};
	int fd = new_socket();

	if (setsockopt(fd, IPPROTO_TCP, TCP_REPAIR, &on, sizeof(on)) ||
	    bind(fd, (struct sockaddr *)&here, sizeof(here)) ||
	    connect(fd, (struct sockaddr *)&there, sizeof(there)) ||
	    setsockopt(fd, IPPROTO_TCP, TCP_REPAIR, &off, sizeof(off)) ||
	    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)))
		error(1, errno, "a connection of port %u", port);
}

static void allow_files(unsigned long n)
{
	struct rlimit limit = {n + 1024, n + 1024};
	FILE *file = fopen("/proc/sys/fs/nr_open", "r+");
	unsigned long now = 0;

	if (!file || fscanf(file, "%lu", &now) != 1)
		error(1, errno, "fs.nr_open");
	if (now < limit.rlim_cur) {
		rewind(file);
		fprintf(file, "%lu\n", (unsigned long)limit.rlim_cur);
	}
	fclose(file);
	if (setrlimit(RLIMIT_NOFILE, &limit))
		error(1, errno, "RLIMIT_NOFILE");
}

static int wait_for_end(void *parent)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (getppid() == *(pid_t *)parent)
		pause();
	return 0;
}

/* They share their memory, and nothing else: as many as there are, they take little of it. */
static void add_processes(unsigned long n, unsigned long files)
{
	pid_t parent = getpid();
	char *stacks = mmap(NULL, (n + 1) * STACK_SIZE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	for (unsigned long i = 3; i < files; i++) {
		if (open("/dev/null", O_RDONLY) < 0)
			error(1, errno, "/dev/null");
	}
	for (unsigned long i = 1; i <= n; i++) {
		if (clone(wait_for_end, stacks + (i + 1) * STACK_SIZE, CLONE_VM | SIGCHLD,
			  &parent) < 0)
			error(1, errno, "process %lu", i);
	}
}

static unsigned long number(const char *text)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (*end || !*text)
		error(1, 0, "not a number: %s", text);
	return value;
}

int main(int argc, char **argv)
{
	unsigned long port, on_port, others;

	if (argc != 6)
		error(1, 0, "usage: crowd PORT ON_PORT OTHERS PROCESSES FILES");
	port = number(argv[1]);
	on_port = number(argv[2]);
	others = number(argv[3]);
	allow_files(on_port + others);
	add_processes(number(argv[4]), number(argv[5]));
	if (on_port == 1)
		listen_on(port);
	for (unsigned long i = 0; on_port > 1 && i < on_port; i++)
		connection(port, PEERS + i);
	for (unsigned long i = 0; i < others; i++)
		connection(FIRST_OTHER + i % N_OTHER, PEERS + i);
	puts("ready");
	fflush(stdout);
	while (read(STDIN_FILENO, &port, sizeof(port)) > 0)
		;
	return 0; /* its children go with it */
}
