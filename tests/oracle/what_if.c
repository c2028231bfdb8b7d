// SPDX-License-Identifier: GPL-2.0-only
/* The one-shot report's table against four real binds. */
#include <errno.h>
#include <string.h>

#include "check.h"

#define MAX_ARGS 20

struct args {
	char *argv[MAX_ARGS + 1];
	int n;
	char port[8], uid[16];
};

static void add(struct args *args, const char *text)
{
	if (args->n < MAX_ARGS)
		args->argv[args->n++] = (char *)text;
}

static void make_args(const struct oracle *oracle, const struct scene *scene, struct args *args)
{
	const struct sock_spec *bind = &oracle->trial->bind;

	memset(args, 0, sizeof(*args));
	snprintf(args->port, sizeof(args->port), "%u", scene->port);
	snprintf(args->uid, sizeof(args->uid), "%d", bind->uid > 0 ? bind->uid : 0);
	add(args, oracle->program);
	add(args, "--json");
	if (oracle->trial->kind == KIND_UDP) {
		add(args, "--proto");
		add(args, "udp");
	}
	add(args, "--port");
	add(args, args->port);
	add(args, "--address");
	add(args, bind->address);
	add(args, "--uid");
	add(args, args->uid);
	if (bind->v6only)
		add(args, "--v6only");
	if (bind->device) {
		add(args, "--device");
		add(args, bind->device);
	}
	if (bind->reuseaddr)
		add(args, "--reuseaddr");
	if (bind->reuseport)
		add(args, "--reuseport");
}

/* A bind that passes changes the bucket, so that each has a scene of its own. */
static int really_bind(struct oracle *oracle, const struct scene *scene, bool reuseaddr,
		       bool reuseport)
{
	struct trial trial = *oracle->trial;
	struct scene again;
	int err;

	trial.bind.reuseaddr = reuseaddr;
	trial.bind.reuseport = reuseport;
	oracle->counts.rebuilds++;
	err = scene__build(oracle->trial, ALL_UNITS, NULL, &again);
	if (err)
		return -EBADMSG;
	err = again.there == scene->there ? scene__call(&again, &trial) : -EBADMSG;
	scene__free(&again);
	return err;
}

static bool answer_holds(struct oracle *oracle, const struct scene *scene, const json_t *what_if)
{
	bool reuseaddr = json__true(what_if, "reuseaddr");
	bool reuseport = json__true(what_if, "reuseport");
	const char *said = json__text(what_if, "result");
	int err = really_bind(oracle, scene, reuseaddr, reuseport);

	if (err == -EBADMSG)
		return true;
	oracle->counts.what_ifs++;
	if (strcmp(said, err ? strerrorname_np(-err) : "ok"))
		return disagree(oracle, "what_if reuseaddr=%d reuseport=%d says '%s', kernel: %s",
				reuseaddr, reuseport, said, err ? strerrorname_np(-err) : "ok");
	return true;
}

/* Run after the trial's own bind: had it passed, the bucket would not be what it was. */
static bool is_answerable(const struct oracle *oracle)
{
	if (oracle->trial->kind != KIND_BIND && oracle->trial->kind != KIND_UDP)
		return false;
	return !oracle->trial->bind.attach && !oracle->trial->bind.force;
}

bool what_if__holds(struct oracle *oracle, const struct scene *scene)
{
	struct scene fresh;
	struct args args;
	const json_t *what_if;
	bool ok = true;
	json_t *json;
	int status = -1;
	size_t n;

	if (!is_answerable(oracle) || scene__build(oracle->trial, ALL_UNITS, NULL, &fresh))
		return true;
	make_args(oracle, &fresh, &args);
	json = oneshot__run(args.argv, &status);
	if (!json || json_array_size(json_object_get(json, "what_if")) != 4)
		ok = disagree(oracle, "no one-shot report with four answers, exit status %d",
			      status);
	json_array_foreach(json_object_get(json, "what_if"), n, what_if)
	{
		ok = ok && answer_holds(oracle, &fresh, what_if);
		if (ok && json__true(what_if, "asked") &&
		    status != (strcmp(json__text(what_if, "result"), "ok") ? 1 : 0))
			ok = disagree(oracle, "one-shot exit status is %d", status);
	}
	if (!ok) {
		json_decref(oracle->report);
		oracle->report = json;
	} else {
		json_decref(json);
	}
	scene__free(&fresh);
	return ok;
}
