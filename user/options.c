// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include "option_meant.h"
#include "option_parse.h"
#include "option_table.h"
#include "option_values.h"
#include "output/sanitize.h"

int parse__error(struct parse *p, const char *fmt, ...)
{
	va_list args;

	if (p->status)
		return EINVAL;
	p->status = EXIT_USAGE;
	fputs("bindtrace: ", stderr);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	return EINVAL;
}

/*
 * getopt has refused a word and argp is told to be quiet about it (its message has two lines and
 * its own exit status). The word is the first one that no option has taken.
 */
static int explain_bad_word(struct parse *p, const struct argp_state *state)
{
	char message[512];

	option_table__explain(p->next < state->argc ? state->argv[p->next] : "", message,
			      sizeof(message));
	return parse__error(p, "%s", message);
}

/* With the state, so that help_filter() is asked; ARGP_NO_ERRS would silence this, too. */
static int print_help(struct parse *p, struct argp_state *state)
{
	state->flags &= ~ARGP_NO_ERRS;
	state->name = "bindtrace";
	argp_state_help(state, stdout,
			ARGP_HELP_SHORT_USAGE | ARGP_HELP_PRE_DOC | ARGP_HELP_LONG |
				ARGP_HELP_POST_DOC);
	state->flags |= ARGP_NO_ERRS;
	p->done = true;
	return 0;
}

static int print_version(struct parse *p)
{
	puts("bindtrace " BINDTRACE_VERSION);
	p->done = true;
	return 0;
}

/* A word before any `--`: what did they mean? */
static int stray_word(struct parse *p, const char *arg)
{
	char shown[128], meant[256];

	sanitize__text(shown, sizeof(shown), arg);
	if (p->opts->wait && p->opts->wait_s == 0 && *arg && !arg[strspn(arg, "0123456789.")])
		return parse__error(p, "stray argument '%s'; did you mean: --wait=%s", shown,
				    shown);
	if (meant__port(arg, meant, sizeof(meant)))
		return parse__error(p, "stray argument '%s'; did you mean: bindtrace %s", shown,
				    meant);
	if (!strcmp(arg, "help") || !strcmp(arg, "features") || !strcmp(arg, "version"))
		return parse__error(p, "stray argument '%s'; did you mean: bindtrace --%s", shown,
				    shown);
	return parse__error(p, "stray argument '%s'; did you mean: bindtrace -- %s", shown, shown);
}

static int take_word(struct parse *p, struct argp_state *state, const char *arg)
{
	if (!state->quoted || state->next <= state->quoted)
		return stray_word(p, arg);
	p->opts->command = &state->argv[state->next - 1];
	state->next = state->argc;
	return 0;
}

static enum mode chosen_mode(const struct parse *p)
{
	const struct options *opts = p->opts;

	return p->features			    ? MODE_FEATURES
	       : p->schema			    ? MODE_SCHEMA
	       : opts->replay_path		    ? MODE_REPLAY
	       : opts->command			    ? MODE_COMMAND
	       : opts->ports.count && !opts->follow ? MODE_PORT
						    : MODE_LIVE;
}

static int finish(struct parse *p, const struct argp_state *state)
{
	struct options *opts = p->opts;
	int err = parse__check(p, state->quoted && !opts->command);

	if (err)
		return err;
	opts->want_ipv4 =
		!p->only_ipv6 && !(opts->have_address && opts->address_family == AF_INET6);
	opts->want_ipv6 = !p->only_ipv4 && !(opts->have_address && opts->address_family == AF_INET);
	if (!opts->have_fold)
		opts->fold_s = 1;
	opts->mode = chosen_mode(p);
	return 0;
}

static error_t parse_key(int key, char *arg, struct argp_state *state)
{
	struct parse *p = state->input;
	int err;

	if (p->done) /* -hx: what follows is not looked at */
		return 0;
	switch (key) {
	case 'h':
		return print_help(p, state);
	case 'V':
		return print_version(p);
	case ARGP_KEY_ARG:
		return take_word(p, state, arg);
	case ARGP_KEY_END:
		return finish(p, state);
	case ARGP_KEY_ERROR:
		return p->status ? 0 : explain_bad_word(p, state);
	default:
		err = parse__take(p, key, arg);
		if (!err)
			p->next = state->next;
		return err;
	}
}

/* argp's remark that long and short options take the same values says nothing new here. */
static char *help_filter(int key, const char *text, void *input)
{
	return key == ARGP_KEY_HELP_DUP_ARGS_NOTE ? NULL : (char *)text;
}

static int check_printed(void)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return 0;
	fprintf(stderr, "bindtrace: standard output%s%s\n", errno == EBADF ? " is closed" : ": ",
		errno == EBADF ? "" : strerror(errno));
	return EXIT_RUNTIME;
}

int options__parse(int argc, char **argv, struct options *ret_opts)
{
	static const struct argp argp = {
		.options = option_table,
		.parser = parse_key,
		.args_doc = option_args_doc,
		.doc = option_doc,
		.help_filter = help_filter,
	};
	struct options opts = {.protocol = PROTO_TCP};
	struct parse p = {.opts = &opts, .next = 1};
	int err;

	/* In order: the first stray word is named, not an option of the command behind it. */
	err = argp_parse(&argp, argc, argv,
			 ARGP_IN_ORDER | ARGP_NO_ERRS | ARGP_NO_HELP | ARGP_NO_EXIT, NULL, &p);
	if (p.done)
		opts.mode = MODE_DONE;
	else if (err && !p.status) {
		fprintf(stderr, "bindtrace: %s\n", strerror(err));
		p.status = err == ENOMEM ? EXIT_RUNTIME : EXIT_USAGE;
	}
	if (p.done)
		p.status = check_printed();
	if (p.status) {
		options__free(&opts);
		return p.status;
	}
	*ret_opts = opts;
	return 0;
}

void options__free(struct options *opts)
{
	if (!opts)
		return;
	free(opts->device);
	free(opts->netns_arg);
	free(opts->btf_path);
	free(opts->comm);
	free(opts->cgroup);
	free(opts->record_path);
	free(opts->replay_path);
	free(opts->metrics_path);
	*opts = (struct options){0};
}

bool options__use_color(const struct options *opts, bool is_tty)
{
	const char *no_color = getenv("NO_COLOR");
	const char *term = getenv("TERM");

	if (opts->json || opts->color == COLOR_NEVER)
		return false;
	if (opts->color == COLOR_ALWAYS)
		return true;
	return is_tty && !(no_color && *no_color) && !(term && !strcmp(term, "dumb"));
}
