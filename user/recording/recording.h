/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * --record and --replay: the evidence of every report in a file, and the same reports out of it, in
 * any format, on any machine, without privilege. layout.h tells what the file looks like.
 *
 * Nothing here logs. A recording is hostile input: it may come from anybody.
 */
#ifndef BINDTRACE_RECORDING_RECORDING_H
#define BINDTRACE_RECORDING_RECORDING_H

#include "../output/output.h"

/* Where and when it was taken. */
struct recording_header {
	char tool[32];	 /* version of bindtrace */
	char kernel[65]; /* uname -r */
	char machine[65];
	char boot_id[40];
	/* The clock base: both clocks at the beginning. Times in reports are CLOCK_REALTIME. */
	int64_t realtime_ns, monotonic_ns;
	/* Of output_config, as it was live: replay needs them for the same bytes. */
	bool show_netns;
	uint64_t own_netns;
	char run[OUTPUT_RUN_ID_SIZE];
};

/* Of this machine and this moment; the rest of ret is zeroed. */
void recording_header__here(struct recording_header *ret);

/* ---- writing ------------------------------------------------------------------------------ */

struct recorder;

/*
 * Creates the file, mode 0600. An existing one is refused with -EEXIST, a symbolic link too. On any
 * other failure -errno, and no file is left.
 */
int recorder__open(const char *path, const struct recording_header *header, struct recorder **ret);

/*
 * Each appends one record by one write; a record that did not fit (-ENOSPC, -EFBIG) is taken back.
 * After the first failure every later call fails with the same error: no silent gap.
 */
int recorder__conflict(struct recorder *recorder, const struct conflict_report *report);
int recorder__port(struct recorder *recorder, const struct port_report *report);
int recorder__start(struct recorder *recorder, const struct run_start *start);
int recorder__stop(struct recorder *recorder, const struct run_stop *stop);
int recorder__bind(struct recorder *recorder, const struct bind_report *report);
int recorder__state(struct recorder *recorder, const struct state_report *report);
int recorder__lost(struct recorder *recorder, int64_t time_ns, uint64_t count);

/*
 * Writes the end mark and waits for the disk. Frees in any case, accepts NULL. The first failure of
 * all: 0 means that everything is in the file.
 */
int recorder__close(struct recorder *recorder);

/* For a run that never began: nothing is in it, and the file is taken away. Both accept NULL. */
bool recorder__is_empty(const struct recorder *recorder);
void recorder__discard(struct recorder *recorder);

/* ---- reading ------------------------------------------------------------------------------ */

/* What is wrong with a recording, for the user. */
struct recording_fault {
	uint64_t offset; /* byte of the file */
	uint64_t shown;	 /* records shown before */
	char text[192];	 /* one sentence, without the path; "" when the recording is not to blame */
};

struct recording;

/*
 * Opens and reads the header. 0, -EBADMSG (not a recording, truncated, damaged), -EPROTONOSUPPORT
 * (a newer format), or -errno; ret_fault->text is set with the first two.
 */
int recording__open(const char *path, struct recording **ret, struct recording_fault *ret_fault);
/* The same from an open file, a pipe will do; takes fd over in any case. */
int recording__open_fd(int fd, struct recording **ret, struct recording_fault *ret_fault);
void recording__free(struct recording *recording); /* accepts NULL */

const struct recording_header *recording__header(const struct recording *recording);

/*
 * Judges and shows every record. What can be read is shown before the error: -EBADMSG (truncated or
 * damaged at ret_fault->offset) or -EPROTONOSUPPORT (records of a kind that only a newer bindtrace
 * shows), both with a text and for exit status 5; or, without a text, -errno of a write to out, of
 * a read, or -ENOMEM. Clock times are shown in the zone in which they were recorded (TZ is changed
 * meanwhile).
 */
int recording__replay(struct recording *recording, struct output *out,
		      struct recording_fault *ret_fault);

#endif
