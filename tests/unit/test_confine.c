// SPDX-License-Identifier: GPL-2.0-only
/* What a confined process can still do. Each case is a process of its own: there is no way back. */
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include "sanitized.h"
#include "syscalls.h"

static pid_t command;

/* The errno of trying, 0 if it was let through; -N: signal N ended the process. */
static int try_as(int (*fn)(void), bool writes_files, pid_t command_pid)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		prctl(PR_SET_DUMPABLE, 0);
		if (syscalls__confine(writes_files, command_pid))
			_exit(255);
		errno = 0;
		_exit(fn() < 0 ? errno : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static int try(int (*fn)(void))
{
	return try_as(fn, false, 0);
}

static int open_for_reading(void)
{
	return open("/proc/self/status", O_RDONLY);
}

static int open_for_writing(void)
{
	return open("/dev/null", O_WRONLY);
}

static int create_file(void)
{
	return open("/tmp/bindtrace-test-confine", O_RDONLY | O_CREAT, 0600);
}

static int execute(void)
{
	return execl("/bin/true", "true", NULL);
}

static int make_process(void)
{
	return fork();
}

static int make_socket(void)
{
	return socket(AF_INET, SOCK_STREAM, 0);
}

static int packet_socket(void)
{
	return socket(AF_PACKET, SOCK_RAW, 0);
}

static int bind_port(void)
{
	const struct sockaddr_in any = {.sin_family = AF_INET};

	return bind(make_socket(), (const struct sockaddr *)&any, sizeof(any));
}

static int connect_out(void)
{
	const struct sockaddr_in any = {.sin_family = AF_INET};

	return connect(make_socket(), (const struct sockaddr *)&any, sizeof(any));
}

static int send_away(void)
{
	const struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = 9};

	return (int)sendto(socket(AF_INET, SOCK_DGRAM, 0), "", 1, 0, (const struct sockaddr *)&any,
			   sizeof(any));
}

static int load_program(void)
{
	union bpf_attr attr = {};

	return (int)syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr));
}

static int executable_memory(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
			       MAP_FAILED
		       ? -1
		       : 0;
}

static int signal_parent(void)
{
	return kill(getppid(), SIGCONT);
}

static int end_command(void)
{
	return kill(command, SIGTERM);
}

static int kill_command(void)
{
	return kill(command, SIGKILL);
}

static int become_root(void)
{
	return setuid(0);
}

static void it_reads(void **state)
{
	assert_int_equal(try(open_for_reading), 0);
	assert_int_equal(try(make_socket), 0);
}

static void it_writes_nothing(void **state)
{
	assert_int_equal(try(open_for_writing), EPERM);
	assert_int_equal(try(create_file), EPERM);
	assert_int_equal(try_as(open_for_writing, true, 0), 0);
}

static void it_touches_no_port(void **state)
{
	assert_int_equal(try(bind_port), EPERM);
	assert_int_equal(try(connect_out), EPERM);
	assert_int_equal(try(send_away), EPERM);
	assert_int_equal(try(packet_socket), EPERM);
}

static void it_loads_nothing(void **state)
{
	assert_int_equal(try(load_program), EPERM);
	assert_int_equal(try(executable_memory), EPERM);
	assert_int_equal(try(become_root), EPERM);
}

static void it_dies_rather_than_execute(void **state)
{
	assert_int_equal(try(execute), -SIGSYS);
	assert_int_equal(try(make_process), SANITIZED ? 0 : -SIGSYS);
}

static void it_signals_its_command_only(void **state)
{
	command = fork();
	if (!command) {
		alarm(30); /* should the test fail before it ends this */
		pause();
		_exit(0);
	}
	assert_int_equal(try(signal_parent), EPERM);
	assert_int_equal(try_as(kill_command, false, command), EPERM);
	assert_int_equal(try_as(signal_parent, false, command), EPERM);
	assert_int_equal(try_as(end_command, false, command), 0);
	assert_int_equal(waitpid(command, NULL, 0), command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_reads),
		cmocka_unit_test(it_writes_nothing),
		cmocka_unit_test(it_touches_no_port),
		cmocka_unit_test(it_loads_nothing),
		cmocka_unit_test(it_dies_rather_than_execute),
		cmocka_unit_test(it_signals_its_command_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
