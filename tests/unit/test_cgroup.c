// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "owner/owner.h"

#define ID  "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define ID2 "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210"

static void assert_text(const char *got, const char *want, const char *about)
{
	if (got ? !want || strcmp(got, want) : want != NULL)
		fail_msg("%s: got %s, want %s", about, got ? got : "NULL", want ? want : "NULL");
}

static const struct {
	const char *path, *unit, *container;
} paths[] = {
	/* systemd */
	{"/system.slice/echo.service", "echo.service", NULL},
	{"/init.scope", "init.scope", NULL},
	{"/system.slice/docker.socket", "docker.socket", NULL},
	{"/system.slice/mnt-data.mount", "mnt-data.mount", NULL},
	{"/dev-sda2.swap", "dev-sda2.swap", NULL},
	{"/user.slice/user-1000.slice/user@1000.service/app.slice/foo.service", "foo.service",
	 NULL},
	{"/user.slice/user-1000.slice/session-3.scope", "session-3.scope", NULL},
	{"/user.slice/user-1000.slice/user@1000.service/init.scope", "init.scope", NULL},
	{"/system.slice/system-getty.slice/getty@tty1.service", "getty@tty1.service", NULL},
	{"/system.slice/echo.service/workers", "echo.service", NULL},
	{"/system.slice/a\\x2db.service", "a\\x2db.service", NULL},
	{"/system.slice/_cpu.service", "cpu.service", NULL},
	{"/system.slice/__x.service", "_x.service", NULL},
	{"/../../system.slice/echo.service", "echo.service", NULL},
	{"//system.slice//echo.service//", "echo.service", NULL},
	/* not units */
	{"/", NULL, NULL},
	{"", NULL, NULL},
	{"/user.slice/user-1000.slice", NULL, NULL},
	{"/.service", NULL, NULL},
	{"/_.service", NULL, NULL},
	{"/_", NULL, NULL},
	{"/echo.services", NULL, NULL},
	/* docker */
	{"/system.slice/docker-" ID ".scope", "docker-" ID ".scope", ID},
	{"/docker/" ID, NULL, ID},
	{"/docker/" ID "/system.slice/nginx.service", "nginx.service", ID},
	{"/docker/" ID "/docker/" ID2, NULL, ID2},
	{"/system.slice/docker-0123456789ab.scope", "docker-0123456789ab.scope", "0123456789ab"},
	{"/system.slice/docker-cleanup.scope", "docker-cleanup.scope", NULL},
	{"/system.slice/docker-abc.scope", "docker-abc.scope", NULL},
	{"/docker/0123456789abcdef", NULL, NULL},
	{"/docker/" ID "0", NULL, NULL},
	{"/docker/0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF", NULL, NULL},
	/* podman */
	{"/machine.slice/libpod-" ID ".scope", "libpod-" ID ".scope", ID},
	{"/machine.slice/libpod-" ID ".scope/container", "libpod-" ID ".scope", ID},
	{"/machine.slice/libpod-conmon-" ID ".scope", "libpod-conmon-" ID ".scope", NULL},
	{"/libpod_parent/libpod-" ID, NULL, ID},
	{"/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" ID ".scope",
	 "libpod-" ID ".scope", ID},
	/* kubernetes */
	{"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podaa_bb.slice/"
	 "cri-containerd-" ID ".scope",
	 "cri-containerd-" ID ".scope", ID},
	{"/kubepods.slice/kubepods-podaa.slice/crio-" ID ".scope", "crio-" ID ".scope", ID},
	{"/kubepods.slice/kubepods-podaa.slice/crio-conmon-" ID ".scope",
	 "crio-conmon-" ID ".scope", NULL},
	{"/kubepods/besteffort/pod1234-5678/" ID, NULL, ID},
	{"/system.slice/containerd.service/kubepods-besteffort-podaa.slice:cri-containerd:" ID,
	 "containerd.service", ID},
	{"/kubepods/besteffort/pod1234-5678", NULL, NULL},
	/* LXC and machined */
	{"/lxc.payload.web", NULL, "web"},
	{"/lxc.payload.web/system.slice/nginx.service", "nginx.service", "web"},
	{"/lxc.monitor.web", NULL, NULL},
	{"/lxc/101/ns/system.slice/nginx.service", "nginx.service", "101"},
	{"/machine.slice/machine-deb.scope", "machine-deb.scope", "deb"},
	{"/machine.slice/systemd-nspawn@deb.service/payload", "systemd-nspawn@deb.service", "deb"},
	{"/system.slice/machine-check.service", "machine-check.service", NULL},
	/* hostile */
	{"/\033[2J\n\".service", "\033[2J\n\".service", NULL},
	{"/docker-\xff\xfe.scope", "docker-\xff\xfe.scope", NULL},
	{"/a:b:" ID "x", NULL, NULL},
};

static void test_paths(void **state)
{
	size_t i;

	for (i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		char *unit = cgroup__unit(paths[i].path);
		char *container = cgroup__container(paths[i].path);

		assert_text(unit, paths[i].unit, paths[i].path);
		assert_text(container, paths[i].container, paths[i].path);
		free(unit);
		free(container);
	}
	assert_null(cgroup__unit(NULL));
	assert_null(cgroup__container(NULL));
}

#define UID	    "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9"
#define SLICE_UID   "0a1b2c3d_4e5f_6071_8293_a4b5c6d7e8f9"
#define UID2	    "ffffffff-4e5f-6071-8293-a4b5c6d7e8f9"
#define STATIC_UID  "0123456789abcdef0123456789abcdef"
#define KIND_SLICES "/kubelet.slice/kubelet-kubepods.slice/"

static const struct {
	const char *path, *pod, *container;
} pods[] = {
	/* systemd: guaranteed, burstable, best effort; containerd, CRI-O, Docker */
	{"/kubepods.slice/kubepods-pod" SLICE_UID ".slice/cri-containerd-" ID ".scope", UID, ID},
	{"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" SLICE_UID
	 ".slice/crio-" ID ".scope",
	 UID, ID},
	{"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" SLICE_UID
	 ".slice/crio-" ID ".scope/container",
	 UID, ID},
	{"/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod" SLICE_UID
	 ".slice/docker-" ID ".scope",
	 UID, ID},
	/* of a file, such as the control plane's own */
	{"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" STATIC_UID
	 ".slice/cri-containerd-" ID ".scope",
	 STATIC_UID, ID},
	/* cgroupfs */
	{"/kubepods/pod" UID "/" ID, UID, ID},
	{"/kubepods/burstable/pod" UID "/" ID, UID, ID},
	{"/kubepods/besteffort/pod" STATIC_UID "/" ID, STATIC_UID, ID},
	{"/kubepods/besteffort/pod" UID "/crio-" ID, UID, ID},
	{"/system.slice/containerd.service/kubepods-besteffort-pod" SLICE_UID
	 ".slice:cri-containerd:" ID,
	 UID, ID},
	/* --cgroup-root, and kind: a node in a container */
	{KIND_SLICES "kubelet-kubepods-besteffort.slice/kubelet-kubepods-besteffort-pod" SLICE_UID
		     ".slice/cri-containerd-" ID ".scope",
	 UID, ID},
	{"/docker/" ID2 "/kubelet/kubepods/burstable/pod" UID "/" ID, UID, ID},
	{"/kubepods/pod" UID2 "/" ID2 "/kubelet/kubepods/burstable/pod" UID "/" ID, UID, ID},
	/* read within a cgroup namespace */
	{"/../../../burstable/pod" UID "/" ID, UID, ID},
	{"/../../kubepods-burstable-pod" SLICE_UID ".slice/cri-containerd-" ID ".scope", UID, ID},
	/* the pod's own cgroup */
	{"/kubepods/burstable/pod" UID, UID, NULL},
	/* none */
	{"/kubepods.slice/kubepods-burstable.slice", NULL, NULL},
	{"/kubepods/burstable/pod" UID "0/" ID, NULL, ID},
	{"/kubepods/burstable/pod0A1B2C3D-4e5f-6071-8293-a4b5c6d7e8f9/" ID, NULL, ID},
	{"/kubepods/burstable/pod0a1b2c3d-4e5f-6071-8293_a4b5c6d7e8f/" ID, NULL, ID},
	{"/kubepods/burstable/pod0a1b2c3d04e5f-6071-8293-a4b5c6d7e8f9/" ID, NULL, ID},
	{"/kubepods/burstable/pod0a1b2c3g-4e5f-6071-8293-a4b5c6d7e8f9/" ID, NULL, ID},
	{"/kubepods/burstable/pod0a1b2c3.-4e5f-6071-8293-a4b5c6d7e8f9/" ID, NULL, ID},
	{"/machine.slice/libpod-" ID ".scope", NULL, ID},
	{"/machine.slice/machine-libpod_pod_" ID2 ".slice/libpod-" ID ".scope", NULL, ID},
	{"/system.slice/docker-" ID ".scope", NULL, ID},
	{"/pod", NULL, NULL},
	{"/-pod.slice", NULL, NULL},
	{"/pod:.slice", NULL, NULL},
	{"/.slice", NULL, NULL},
	{"/", NULL, NULL},
	{"", NULL, NULL},
	{NULL, NULL, NULL},
};

static void test_pods(void **state)
{
	for (size_t i = 0; i < sizeof(pods) / sizeof(pods[0]); i++) {
		struct proc_info proc = {.cgroup = (char *)pods[i].path};
		const char *about = pods[i].path ?: "no path";
		char pod[POD_UID_MAX] = "untouched";
		char *container = cgroup__container(pods[i].path);
		bool found = proc_info__pod(&proc, pod);

		assert_text(found ? pod : NULL, pods[i].pod, about);
		assert_text(container, pods[i].container, about);
		assert_true(found || !strcmp(pod, "untouched"));
		free(container);
	}
}

static const struct {
	const char *text, *path;
} files[] = {
	{"0::/system.slice/echo.service\n", "/system.slice/echo.service"},
	{"0::/\n", "/"},
	{"0::/no-newline", "/no-newline"},
	{"0::/with blank and : colon\n", "/with blank and : colon"},
	/* hybrid: the unified one first, last, or with everything in its root */
	{"12:pids:/a\n1:name=systemd:/b\n0::/c\n", "/c"},
	{"0::/c\n1:name=systemd:/b\n", "/c"},
	{"12:pids:/a\n1:name=systemd:/docker/x\n0::/\n", "/docker/x"},
	{"0::/\n1:name=systemd:/docker/x\n", "/docker/x"},
	{"1:name=systemd:/\n0::/\n", "/"},
	/* v1 alone */
	{"12:pids:/a\n1:name=systemd:/b\n", "/b"},
	{"12:pids:/a\n", NULL},
	/* not from a kernel */
	{"", NULL},
	{"\n\n", NULL},
	{"0::", NULL},
	{"0::relative\n", NULL},
	{"0:", NULL},
	{":name=systemd:/b\n", NULL},
	{"x:name=systemd:/b\n", NULL},
	{"10::/a\n", NULL},
};

static void test_files(void **state)
{
	static const char with_nul[] = "0::/a\0b\n";
	size_t i;

	for (i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		/* On the heap without NUL, so that a read past the end is found by the sanitizer.
		 */
		size_t len = strlen(files[i].text);
		char *copy = memcpy(malloc(len + !len), files[i].text, len);
		char *path = proc_parse__cgroup(copy, len);

		assert_text(path, files[i].path, files[i].text);
		free(path);
		free(copy);
	}
	assert_null(proc_parse__cgroup(with_nul, sizeof(with_nul) - 1));
}

/* The id of a cgroup is what a file handle of its directory holds. */
static bool id_of(const char *path, uint64_t *ret)
{
	union {
		struct file_handle handle;
		char room[sizeof(struct file_handle) + 64];
	} file = {.handle.handle_bytes = 64};
	int mount;

	if (name_to_handle_at(AT_FDCWD, path, &file.handle, &mount, 0) ||
	    file.handle.handle_bytes != sizeof(*ret))
		return false;
	memcpy(ret, file.handle.f_handle, sizeof(*ret));
	return true;
}

static void test_path_of_id(void **state)
{
	struct owner_source source = {.cgroup_root = "/sys/fs/cgroup"};
	const char *root = access("/sys/fs/cgroup/cgroup.procs", F_OK) ? "/sys/fs/cgroup/unified"
								       : "/sys/fs/cgroup";
	uint64_t root_id, id;
	char dir[256], *path;

	snprintf(dir, sizeof(dir), "%s/bindtrace-test-%d.service", root, getpid());
	if (geteuid() || !id_of(root, &root_id) || mkdir(dir, 0755))
		skip();
	assert_true(id_of(dir, &id));

	path = cgroup__path_of_id(&source, id);
	assert_text(path, dir + strlen(root), "a cgroup");
	free(path);
	path = cgroup__path_of_id(&source, root_id);
	assert_text(path, "/", "the root");
	free(path);

	assert_int_equal(rmdir(dir), 0);
	assert_null(cgroup__path_of_id(&source, id)); /* gone */
	assert_null(cgroup__path_of_id(&source, 0));
	source.cgroup_root = "/proc"; /* no cgroups there */
	assert_null(cgroup__path_of_id(&source, root_id));
	source.cgroup_root = "/proc/none";
	assert_null(cgroup__path_of_id(&source, root_id));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_pods),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_path_of_id),
	};

	return cmocka_run_group_tests_name("cgroup", tests, NULL, NULL);
}
