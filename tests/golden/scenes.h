/* SPDX-License-Identifier: GPL-2.0-only */
/* Named situations as struct values: what a report is made of, without a kernel. */
#ifndef BINDTRACE_TESTS_SCENES_H
#define BINDTRACE_TESTS_SCENES_H

#include "output/output.h"

#define SCENE_TIME_NS 1795169103123456789ll /* 2026-11-20T10:05:03Z */

/* One report, of either kind. */
struct scene {
	bool one_shot;
	struct conflict_report conflict;
	struct port_report port;
	enum cause expected; /* by the builder; the model must come to the same */
};

struct scene_row {
	const char *name;
	void (*build)(struct scene *scene);
};

extern const struct scene_row scene_rows[];
extern const size_t n_scene_rows;

/* Builds and judges. false when the model gives another cause than expected. */
bool scene__make(const struct scene_row *row, struct scene *ret);
bool scene__named(const char *name, struct scene *ret); /* false when there is none, too */
void scene__free(struct scene *scene);
enum cause scene__cause(const struct scene *scene);
/* Every kind of line that is no report of one of the scenes, to out. 0 or -errno. */
int scene__write_events(struct output *out);
int scene__write(const struct scene *scene, struct output *out);

#endif
