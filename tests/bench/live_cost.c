// SPDX-License-Identifier: GPL-2.0-only
/*
 * What calls cost in this very kernel, now: live_cost N OPERATION… prints one line for each
 * operation, its name and the nanoseconds of a call: the mean of N without the slowest tenth, where
 * what else the kernel does now and then is, as a timer's interrupt. The sockets that an operation
 * needs are made before the clock starts.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PORT  8080
#define CROWD 50000

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static struct sockaddr_in at(uint32_t address, uint16_t port)
{
	struct sockaddr_in in = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(address),
	};

	return in;
}

static int new_socket(int type, bool reuseaddr)
{
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0), on = 1;

	if (fd < 0 || (reuseaddr && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on))))
		fail("socket");
	return fd;
}

static int try_bind(int fd, uint32_t address, uint16_t port)
{
	struct sockaddr_in in = at(address, port);

	return bind(fd, (struct sockaddr *)&in, sizeof(in)) ? errno : 0;
}

static void must_bind(int fd, uint16_t port)
{
	int err = try_bind(fd, INADDR_ANY, port);

	if (err) {
		errno = err;
		fail("bind");
	}
}

static int bound(bool reuseaddr, uint16_t port)
{
	int fd = new_socket(SOCK_STREAM, reuseaddr);

	must_bind(fd, port);
	return fd;
}

static int listener(uint32_t address)
{
	struct sockaddr_in in = at(address, PORT);
	int fd = new_socket(SOCK_STREAM, true);

	if (bind(fd, (struct sockaddr *)&in, sizeof(in)) || listen(fd, 128))
		fail("listen");
	return fd;
}

/* One call with what belongs to it: a socket made and closed. */
static void bind_once(int type, uint32_t address, bool reuseaddr, int wanted)
{
	int fd = new_socket(type, reuseaddr);

	if (try_bind(fd, address, PORT) != wanted) {
		fprintf(stderr, "live_cost: a bind ended otherwise than it should\n");
		exit(1);
	}
	close(fd);
}

static void tcp_bind(int unused)
{
	bind_once(SOCK_STREAM, INADDR_ANY, false, 0);
}

static void tcp_bind_address(int unused)
{
	bind_once(SOCK_STREAM, INADDR_LOOPBACK, false, 0);
}

static void udp_bind(int unused)
{
	bind_once(SOCK_DGRAM, INADDR_ANY, false, 0);
}

static void refused(int unused)
{
	bind_once(SOCK_STREAM, INADDR_ANY, false, EADDRINUSE);
}

static void refused_at_end(int unused)
{
	bind_once(SOCK_STREAM, INADDR_ANY, true, EADDRINUSE);
}

/* A new address each time: no four-tuple is met again, however many wait in TIME_WAIT. */
static uint32_t server_address;

static int new_listener(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	server_address = 0x7f010000 + ((now.tv_nsec / 1000) ^ (uint32_t)now.tv_sec << 8) % 0xfdffff;
	return listener(server_address);
}

static void connect_close(int server)
{
	struct sockaddr_in in = at(server_address, PORT);
	int fd = new_socket(SOCK_STREAM, false), accepted;

	if (connect(fd, (struct sockaddr *)&in, sizeof(in)))
		fail("connect");
	accepted = accept(server, NULL, NULL);
	if (accepted < 0)
		fail("accept");
	close(fd);
	close(accepted);
}

static void fork_exec(int unused)
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		execl("/proc/self/exe", "live_cost", "0", NULL);
		_exit(1);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0 || status)
		fail("fork");
}

static void only_socket(int unused)
{
	close(new_socket(SOCK_STREAM, false));
}

static int crowd[CROWD];

static void set(int fd, int level, int option, int value)
{
	if (setsockopt(fd, level, option, &value, sizeof(value)))
		fail("setsockopt");
}

/*
 * As bound(true), which from 6.8 on looks at all that are there already, and would be long for
 * 50,000: under TCP_REPAIR it does not.
 */
static int bound_unasked(void)
{
	int fd = new_socket(SOCK_STREAM, false);

	set(fd, IPPROTO_TCP, TCP_REPAIR, TCP_REPAIR_ON);
	must_bind(fd, PORT);
	set(fd, IPPROTO_TCP, TCP_REPAIR, TCP_REPAIR_OFF);
	set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	return fd;
}

/* The listener is made first and thus last in the list: a bind with SO_REUSEADDR meets it last. */
static int make_crowd(void)
{
	const struct rlimit many = {CROWD + 100, CROWD + 100};
	int first;

	if (setrlimit(RLIMIT_NOFILE, &many))
		fail("setrlimit");
	first = bound(true, PORT);
	for (int i = 0; i < CROWD - 1; i++)
		crowd[i] = bound_unasked();
	if (listen(first, 1))
		fail("listen");
	return first;
}

static int make_one(void)
{
	return bound(true, PORT);
}

static int make_nothing(void)
{
	return -1;
}

static void unmake(int fd)
{
	if (fd >= 0)
		close(fd);
	for (int i = 0; i < CROWD && crowd[i] > 0; i++)
		close(crowd[i]);
	memset(crowd, 0, sizeof(crowd));
}

static const struct operation {
	const char *name;
	int (*prepare)(void);
	void (*once)(int fd);
	int divisor; /* so many fewer calls: they are long */
} operations[] = {
	{"socket", make_nothing, only_socket, 1},
	{"tcp_bind", make_nothing, tcp_bind, 1},
	{"tcp_bind_address", make_nothing, tcp_bind_address, 1},
	{"udp_bind", make_nothing, udp_bind, 1},
	{"connect", new_listener, connect_close, 4},
	{"refused_1", make_one, refused, 2},
	{"refused_50000", make_crowd, refused, 2},
	{"refused_50000_last", make_crowd, refused_at_end, 10},
	{"fork_exec", make_nothing, fork_exec, 20},
};

static double now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1e9 + now.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static double mean_of(const struct operation *op, int fd, int n)
{
	double *took = calloc(n, sizeof(*took)), sum = 0;
	int kept = n - n / 10;

	if (!took)
		fail("calloc");
	for (int i = 0; i < n; i++) {
		took[i] = now_ns();
		op->once(fd);
		took[i] = now_ns() - took[i];
	}
	qsort(took, n, sizeof(*took), by_value);
	for (int i = 0; i < kept; i++)
		sum += took[i];
	free(took);
	return sum / kept;
}

/* Two operations that want the same sockets have them in turn. */
static void run(const struct operation *op, const struct operation *next, int n)
{
	static int fd;
	static bool prepared;
	int times = n / op->divisor ?: 1;

	if (!prepared)
		fd = op->prepare();

	op->once(fd);
	printf("%s %.0f\n", op->name, mean_of(op, fd, times));
	fflush(stdout);
	prepared = next && next->prepare == op->prepare;
	if (!prepared)
		unmake(fd);
}

static const struct operation *find(const char *name)
{
	for (size_t i = 0; name && i < sizeof(operations) / sizeof(*operations); i++) {
		if (!strcmp(name, operations[i].name))
			return &operations[i];
	}
	return NULL;
}

int main(int argc, char **argv)
{
	int n = argc > 1 ? atoi(argv[1]) : 0;

	if (!n)
		return 0; /* the child of fork_exec */
	for (int i = 2; i < argc; i++) {
		if (!find(argv[i])) {
			fprintf(stderr, "live_cost: what is '%s'?\n", argv[i]);
			return 2;
		}
		run(find(argv[i]), find(argv[i + 1]), n);
	}
	return 0;
}
