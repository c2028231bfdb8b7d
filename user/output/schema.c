// SPDX-License-Identifier: GPL-2.0-only
/* The JSON Schema, built from tables: names of causes, rules and states are those of the model. */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include "format.h"
#include "json_line.h"

enum kind {
	KIND_STRING = 0,
	KIND_INTEGER,
	KIND_BOOLEAN,
	KIND_REF,      /* $defs/ref */
	KIND_CONST,    /* the string ref */
	KIND_REFS,     /* an array of $defs/ref */
	KIND_STRINGS,  /* an array of strings */
	KIND_INTEGERS, /* an array of integers */
	KIND_NUMBER,
	KIND_COUNTS,	/* an object of integers, its names $defs/ref */
	KIND_SCHEMA_NR, /* the number of this schema */
};

enum presence { ALWAYS = 0, OR_NULL, OPTIONAL, OPTIONAL_OR_NULL };

struct field {
	const char *name;
	enum kind kind;
	enum presence presence;
	const char *ref;
	const char *doc;
};

#define END_OF_FIELDS                                                                              \
	{                                                                                          \
		NULL, 0, 0, NULL, NULL                                                             \
	}

static const struct field endpoint_fields[] = {
	{"address", KIND_STRING, ALWAYS, NULL, "IPv4 or IPv6, without brackets"},
	{"port", KIND_INTEGER, ALWAYS, NULL, NULL},
	END_OF_FIELDS,
};

static const struct field binder_fields[] = {
	{"reuseaddr", KIND_BOOLEAN, ALWAYS, NULL, "SO_REUSEADDR"},
	{"reuseport", KIND_BOOLEAN, ALWAYS, NULL, "SO_REUSEPORT"},
	{"v6only", KIND_BOOLEAN, OR_NULL, NULL, "IPV6_V6ONLY; null for IPv4"},
	{"device", KIND_STRING, OR_NULL, NULL, "SO_BINDTODEVICE; if3 when it has no known name"},
	{"uid", KIND_INTEGER, ALWAYS, NULL, NULL},
	END_OF_FIELDS,
};

static const struct field process_fields[] = {
	{"pid", KIND_INTEGER, OR_NULL, NULL, NULL},
	{"comm", KIND_STRING, OR_NULL, NULL, NULL},
	{"exe", KIND_STRING, OR_NULL, NULL, "cut at 256 bytes"},
	{"uid", KIND_INTEGER, OR_NULL, NULL, NULL},
	{"cgroup", KIND_STRING, OR_NULL, NULL, "path in cgroup v2, cut at 256 bytes"},
	{"unit", KIND_STRING, OR_NULL, NULL, "of systemd"},
	{"container", KIND_STRING, OR_NULL, NULL, "its id"},
	{"pod", KIND_STRING, OR_NULL, NULL, "uid of the Kubernetes pod"},
	END_OF_FIELDS,
};

static const struct field caller_fields[] = {
	{"tid", KIND_INTEGER, OR_NULL, NULL, NULL},
	END_OF_FIELDS,
};

static const struct field owner_fields[] = {
	{"fds", KIND_INTEGERS, ALWAYS, NULL, "8 at most"},
	{"fds_total", KIND_INTEGER, OPTIONAL, NULL, "present when fds was cut"},
	END_OF_FIELDS,
};

static const struct field socket_fields[] = {
	{"state", KIND_REF, OR_NULL, "socket_state", NULL},
	{"role", KIND_REF, ALWAYS, "role", NULL},
	{"local", KIND_REF, ALWAYS, "endpoint", NULL},
	{"peer", KIND_REF, OR_NULL, "endpoint", "null when not connected"},
	{"reuseaddr", KIND_BOOLEAN, OR_NULL, NULL, "SO_REUSEADDR"},
	{"reuseport", KIND_BOOLEAN, OR_NULL, NULL, "SO_REUSEPORT"},
	{"v6only", KIND_BOOLEAN, OR_NULL, NULL, "IPV6_V6ONLY; null for IPv4"},
	{"device", KIND_STRING, OR_NULL, NULL, "SO_BINDTODEVICE; if3 when it has no known name"},
	{"uid", KIND_INTEGER, OR_NULL, NULL, "of the socket; a time-wait socket has none"},
	{"inode", KIND_INTEGER, OR_NULL, NULL, NULL},
	{"expires_ms", KIND_INTEGER, OR_NULL, NULL,
	 "the kernel's timer; the port is free up to 2 s later"},
	{"holder", KIND_REF, OR_NULL, "holder", "who is behind it"},
	{"owners", KIND_REFS, OR_NULL, "owner", "null: could not be read; may be cut"},
	{"owners_total", KIND_INTEGER, OR_NULL, NULL, NULL},
	{"former_owner", KIND_REF, OR_NULL, "process", NULL},
	END_OF_FIELDS,
};

static const struct field blocker_fields[] = {
	{"rules", KIND_REFS, ALWAYS, "rule", "conditions of the kernel's test that it met"},
	{"certain", KIND_BOOLEAN, ALWAYS, NULL,
	 "false: blocks only if a flag that could not be read is off"},
	END_OF_FIELDS,
};

static const struct field fix_fields[] = {
	{"side", KIND_REF, OPTIONAL, "side", "who has to change"},
	{"set", KIND_REF, OPTIONAL, "option", "before bind(), on every socket of that side"},
	{"uid", KIND_INTEGER, OPTIONAL, NULL, "bind as this user"},
	{"close", KIND_REF, OPTIONAL, "close", "every one of them; of the range, enough of them"},
	{"wait_ms", KIND_INTEGER, OPTIONAL, NULL, "with the kernel's slack"},
	{"sysctl", KIND_STRING, OPTIONAL, NULL,
	 "set it to value; ip_local_reserved_ports gets the value added"},
	{"value", KIND_STRING, OPTIONAL, NULL, NULL},
	{"address", KIND_CONST, OPTIONAL, "another", "bind to it, one of this host's"},
	{"port", KIND_CONST, OPTIONAL, "any", "leave the choice to connect()"},
	{"socket", KIND_CONST, OPTIONAL, "new", "close it: a socket is bound once"},
	{"capability", KIND_CONST, OPTIONAL, "CAP_NET_BIND_SERVICE",
	 "in the user namespace that owns the network namespace"},
	END_OF_FIELDS,
};

static const struct field bucket_fields[] = {
	{"l3mdev", KIND_INTEGER, ALWAYS, NULL, NULL},
	{"fastreuse", KIND_INTEGER, ALWAYS, NULL, NULL},
	{"fastreuseport", KIND_INTEGER, ALWAYS, NULL, NULL},
	{"fastuid", KIND_INTEGER, ALWAYS, NULL, NULL},
	END_OF_FIELDS,
};

static const struct field range_fields[] = {
	{"low", KIND_INTEGER, ALWAYS, NULL, NULL},
	{"high", KIND_INTEGER, ALWAYS, NULL, NULL},
	END_OF_FIELDS,
};

static const struct field top_fields[] = {
	{"pid", KIND_INTEGER, OR_NULL, NULL, NULL},
	{"comm", KIND_STRING, OR_NULL, NULL, NULL},
	{"ports", KIND_INTEGER, ALWAYS, NULL, "of those taken"},
	END_OF_FIELDS,
};

static const struct field usage_fields[] = {
	{"range", KIND_REF, ALWAYS, "range", "net.ipv4.ip_local_port_range"},
	{"reserved", KIND_INTEGER, ALWAYS, NULL, "ports of it in ip_local_reserved_ports"},
	{"taken", KIND_INTEGER, ALWAYS, NULL, "other ports that the call could not have"},
	{"bound", KIND_INTEGER, ALWAYS, NULL,
	 "of those taken: marked by a bind(), which connect() never shares"},
	{"same_peer", KIND_INTEGER, ALWAYS, NULL, "of those taken: connected to that very peer"},
	{"reusable", KIND_INTEGER, ALWAYS, NULL,
	 "of same_peer: in TIME_WAIT, which tcp_tw_reuse lets connect() take"},
	{"shareable", KIND_INTEGER, ALWAYS, NULL,
	 "of bound: connected elsewhere, and no program had asked for that port"},
	{"sockets", KIND_INTEGER, ALWAYS, NULL, "on the range, whoever they talk to"},
	{"states", KIND_COUNTS, ALWAYS, "socket_state", "those sockets by state"},
	{"top", KIND_REFS, ALWAYS, "top", "who has most of the ports, at most 5"},
	END_OF_FIELDS,
};

static const struct field facts_fields[] = {
	{"stage", KIND_REF, ALWAYS, "stage", "which part of the kernel refused"},
	{"had_port", KIND_INTEGER, OPTIONAL, NULL, "the socket's before the call"},
	{"unprivileged_port_start", KIND_INTEGER, OPTIONAL, NULL,
	 "net.ipv4.ip_unprivileged_port_start"},
	{"nonlocal_bind", KIND_INTEGER, OPTIONAL, NULL, "ip_nonlocal_bind of that family"},
	{"tw_reuse", KIND_INTEGER, OPTIONAL, NULL, "net.ipv4.tcp_tw_reuse"},
	{"address_tentative", KIND_BOOLEAN, OPTIONAL, NULL,
	 "an IPv6 address in duplicate address detection"},
	END_OF_FIELDS,
};

static const struct field what_if_fields[] = {
	{"address", KIND_STRING, ALWAYS, NULL, NULL},
	{"reuseaddr", KIND_BOOLEAN, ALWAYS, NULL, NULL},
	{"reuseport", KIND_BOOLEAN, ALWAYS, NULL, NULL},
	{"v6only", KIND_BOOLEAN, OPTIONAL, NULL, "present when asked about"},
	{"device", KIND_STRING, OPTIONAL, NULL, "present when asked about"},
	{"asked", KIND_BOOLEAN, OPTIONAL, NULL, "true: decides the exit status"},
	{"result", KIND_REF, OR_NULL, "result", "null: depends on what could not be read"},
	{"otherwise", KIND_REF, OPTIONAL_OR_NULL, "result",
	 "present with an error that comes before the port: what the bind would get without it"},
	{"cause", KIND_REF, OR_NULL, "cause", NULL},
	{"blockers", KIND_INTEGERS, ALWAYS, NULL, "indexes into holders, as far as those go"},
	{"blockers_total", KIND_INTEGER, ALWAYS, NULL, NULL},
	{"fixes", KIND_REFS, ALWAYS, "fix", "each suffices by itself"},
	END_OF_FIELDS,
};

static const struct field line_fields[] = {
	{"schema", KIND_SCHEMA_NR, ALWAYS, NULL, "counts incompatible changes"},
	{"time", KIND_STRING, ALWAYS, NULL, "RFC 3339, UTC, nanoseconds"},
	{"run", KIND_STRING, OR_NULL, NULL, "a random UUID, one for each run of bindtrace"},
	{"seq", KIND_INTEGER, ALWAYS, NULL,
	 "number of the line in its run, from 1 without gaps; with run it names the line"},
	END_OF_FIELDS,
};

static const struct field conflict_fields[] = {
	{"type", KIND_CONST, ALWAYS, "conflict", NULL},
	{"count", KIND_INTEGER, ALWAYS, NULL,
	 "identical refusals that this line stands for; time and process are the last one's"},
	{"first_time", KIND_STRING, ALWAYS, NULL, "of the first of them; RFC 3339"},
	{"syscall", KIND_STRING, ALWAYS, NULL, "bind, listen, connect or autobind"},
	{"error", KIND_STRING, ALWAYS, NULL, "name of the errno that the program saw"},
	{"protocol", KIND_STRING, ALWAYS, NULL, NULL},
	{"family", KIND_STRING, ALWAYS, NULL, "ipv4 or ipv6"},
	{"local", KIND_REF, ALWAYS, "endpoint", NULL},
	{"peer", KIND_REF, OR_NULL, "endpoint", "of a connect()"},
	{"netns", KIND_INTEGER, OR_NULL, NULL, "inode of the network namespace"},
	{"netns_name", KIND_STRING, OR_NULL, NULL, "of `ip netns`"},
	{"socket", KIND_REF, ALWAYS, "binder", "the socket that was refused"},
	{"process", KIND_REF, ALWAYS, "caller", "who called"},
	{"cause", KIND_REF, OR_NULL, "cause", NULL},
	{"evidence", KIND_REF, ALWAYS, "evidence", NULL},
	{"cross_check", KIND_BOOLEAN, OR_NULL, NULL,
	 "whether the socket that the kernel named is among the blockers; null: not asked"},
	{"facts", KIND_REF, OR_NULL, "facts",
	 "what explains it; only what is known; null: the conflict test of a port refused"},
	{"usage", KIND_REF, OR_NULL, "usage",
	 "how full the range is; null: one port was asked for"},
	{"bucket", KIND_REFS, OR_NULL, "bucket",
	 "the kernel's cached verdict on the port; null for UDP and with usage"},
	{"blockers", KIND_REFS, ALWAYS, "blocker", "the most relevant first; may be cut"},
	{"blockers_total", KIND_INTEGER, ALWAYS, NULL, NULL},
	{"sockets_seen", KIND_INTEGER, ALWAYS, NULL, "on the port"},
	{"sockets_total", KIND_INTEGER, ALWAYS, NULL, "on the port as far as counted"},
	{"truncated", KIND_BOOLEAN, ALWAYS, NULL, "a list was cut, or the evidence is not all"},
	{"fixes", KIND_REFS, ALWAYS, "fix", "each suffices by itself"},
	{"summary", KIND_STRING, ALWAYS, NULL, NULL},
	END_OF_FIELDS,
};

static const struct field port_fields[] = {
	{"type", KIND_CONST, ALWAYS, "port", NULL},
	{"protocol", KIND_STRING, ALWAYS, NULL, NULL},
	{"port", KIND_INTEGER, ALWAYS, NULL, NULL},
	{"netns", KIND_INTEGER, OR_NULL, NULL, "inode of the network namespace"},
	{"netns_name", KIND_STRING, OR_NULL, NULL, "of `ip netns`"},
	{"netns_process", KIND_REF, OR_NULL, "process",
	 "one that is in, or keeps, a namespace without a name; null: has one, is our own, "
	 "unknown"},
	{"evidence", KIND_REF, ALWAYS, "evidence", NULL},
	{"note", KIND_STRING, OR_NULL, NULL,
	 "what another kernel or privilege would add, or may do otherwise"},
	{"holders", KIND_REFS, ALWAYS, "socket", "the most relevant first; may be cut"},
	{"holders_total", KIND_INTEGER, ALWAYS, NULL, NULL},
	{"truncated", KIND_BOOLEAN, ALWAYS, NULL, "a list was cut, or the evidence is not all"},
	{"bucket", KIND_REFS, OR_NULL, "bucket", "the kernel's cached verdict on the port"},
	{"what_if", KIND_REFS, ALWAYS, "what_if", NULL},
	{"summary", KIND_STRING, ALWAYS, NULL, NULL},
	END_OF_FIELDS,
};

static const struct field bind_fields[] = {
	{"type", KIND_CONST, ALWAYS, "bind", NULL},
	{"syscall", KIND_STRING, ALWAYS, NULL, "bind, listen, connect or autobind"},
	{"protocol", KIND_STRING, ALWAYS, NULL, NULL},
	{"family", KIND_STRING, ALWAYS, NULL, "ipv4 or ipv6"},
	{"local", KIND_REF, ALWAYS, "endpoint", "as the socket got it"},
	{"netns", KIND_INTEGER, OR_NULL, NULL, "inode of the network namespace"},
	{"netns_name", KIND_STRING, OR_NULL, NULL, "of `ip netns`"},
	{"socket", KIND_REF, ALWAYS, "binder", NULL},
	{"process", KIND_REF, ALWAYS, "caller", "who called"},
	END_OF_FIELDS,
};

static const struct field state_fields[] = {
	{"type", KIND_CONST, ALWAYS, "state", NULL},
	{"protocol", KIND_STRING, ALWAYS, NULL, NULL},
	{"family", KIND_STRING, ALWAYS, NULL, "ipv4 or ipv6"},
	{"local", KIND_REF, ALWAYS, "endpoint", NULL},
	{"peer", KIND_REF, OR_NULL, "endpoint", "null when not connected"},
	{"netns", KIND_INTEGER, OR_NULL, NULL, "inode of the network namespace"},
	{"netns_name", KIND_STRING, OR_NULL, NULL, "of `ip netns`"},
	{"old_state", KIND_REF, OR_NULL, "tcp_state", "null: the socket is new"},
	{"new_state", KIND_REF, OR_NULL, "tcp_state", NULL},
	{"duration_ms", KIND_NUMBER, OR_NULL, NULL,
	 "in old_state, to the microsecond; null: not seen since it began"},
	{"process", KIND_REF, OR_NULL, "process", "who has it; null: nobody, or not known"},
	{"former_owner", KIND_REF, OR_NULL, "process", "who has closed it"},
	END_OF_FIELDS,
};

static const struct field start_fields[] = {
	{"type", KIND_CONST, ALWAYS, "start", NULL},
	{"version", KIND_STRING, ALWAYS, NULL, "of bindtrace"},
	{"kernel", KIND_STRING, OR_NULL, NULL, "its release"},
	{"hooks", KIND_STRINGS, ALWAYS, NULL, NULL},
	{"filters", KIND_STRING, ALWAYS, NULL, "empty: everything is reported"},
	{"netns", KIND_STRING, OR_NULL, NULL, NULL},
	END_OF_FIELDS,
};

static const struct field stop_fields[] = {
	{"type", KIND_CONST, ALWAYS, "stop", NULL},
	{"seen", KIND_INTEGER, ALWAYS, NULL, "conflicts that the hooks saw"},
	{"delivered", KIND_INTEGER, ALWAYS, NULL, "reported"},
	{"filtered", KIND_INTEGER, ALWAYS, NULL, "left out by a filter"},
	{"lost", KIND_INTEGER, ALWAYS, NULL, "could not be delivered"},
	{"skipped", KIND_INTEGER, ALWAYS, NULL,
	 "calls that the kernel did not run the hook for; seldom a refusal, not in seen"},
	END_OF_FIELDS,
};

static const struct field lost_fields[] = {
	{"type", KIND_CONST, ALWAYS, "lost", NULL},
	{"count", KIND_INTEGER, ALWAYS, NULL, "events that could not be delivered"},
	END_OF_FIELDS,
};

static const struct def {
	const char *name;
	const struct field *fields, *more; /* more: NULL or the rest */
	bool is_line;
} defs[] = {
	{"conflict", line_fields, conflict_fields, true},
	{"port", line_fields, port_fields, true},
	{"bind", line_fields, bind_fields, true},
	{"state", line_fields, state_fields, true},
	{"start", line_fields, start_fields, true},
	{"stop", line_fields, stop_fields, true},
	{"lost", line_fields, lost_fields, true},
	{"endpoint", endpoint_fields, NULL, false},
	{"binder", binder_fields, NULL, false},
	{"process", process_fields, NULL, false},
	{"caller", process_fields, caller_fields, false},
	{"owner", process_fields, owner_fields, false},
	{"socket", socket_fields, NULL, false},
	{"blocker", socket_fields, blocker_fields, false},
	{"fix", fix_fields, NULL, false},
	{"facts", facts_fields, NULL, false},
	{"usage", usage_fields, NULL, false},
	{"range", range_fields, NULL, false},
	{"top", top_fields, NULL, false},
	{"bucket", bucket_fields, NULL, false},
	{"what_if", what_if_fields, NULL, false},
};

#define N_DEFS (sizeof(defs) / sizeof(defs[0]))

/* ---- names ------------------------------------------------------------------------------------
 */

static const char *cause_at(int i)
{
	return i + 1 < N_CAUSES ? cause__name((enum cause)(i + 1)) : NULL;
}

static const char *rule_at(int i)
{
	return i < N_RULES ? rule__name((enum rule)(1u << i)) : NULL;
}

/* STATE_NEW_SYN_RECV, the last, has the name of STATE_SYN_RECV. */
static const char *state_at(int i)
{
	struct snap_sock sock = {.state = (uint8_t)(i + 1)};

	return sock.state < STATE_NEW_SYN_RECV ? sock_state__name(&sock) : NULL;
}

static const char *role_at(int i)
{
	return i <= ROLE_ORPHAN ? sock_role__name((uint8_t)i) : NULL;
}

static const char *evidence_at(int i)
{
	return i <= EVIDENCE_NONE ? evidence__name((enum evidence)i) : NULL;
}

static const char *holder_at(int i)
{
	return holder_class__name((uint8_t)(i + 1));
}

static const char *side_at(int i)
{
	return fix_side__name((enum fix_side)(i + 1));
}

static const char *option_at(int i)
{
	static const char *const others[] = {NO_PORT_NAME, DETACH_GROUP_NAME};

	if (i < 7)
		return fix_option__names((uint32_t)i + 1);
	if (i < 9)
		return freebind__name(i == 7 ? AF_INET : AF_INET6);
	return i < 11 ? others[i - 9] : NULL;
}

/* As socket_state, with CLOSE in place of BOUND. */
static const char *tcp_state_at(int i)
{
	return i + 1 < STATE_NEW_SYN_RECV ? format__tcp_state((uint8_t)(i + 1)) : NULL;
}

static const char *stage_at(int i)
{
	return refusal_stage__name((enum refusal_stage)(i + 1));
}

static const char *close_at(int i)
{
	return i < 2 ? close__name(i) : NULL;
}

static const char *result_at(int i)
{
	static const char *const results[] = {"ok", "EADDRINUSE", "EADDRNOTAVAIL", "EACCES",
					      "EINVAL"};

	return i < 5 ? results[i] : NULL;
}

static const struct names {
	const char *name;
	const char *(*at)(int i);
} name_defs[] = {
	{"cause", cause_at}, {"rule", rule_at},		  {"socket_state", state_at},
	{"role", role_at},   {"evidence", evidence_at},	  {"holder", holder_at},
	{"side", side_at},   {"option", option_at},	  {"result", result_at},
	{"stage", stage_at}, {"tcp_state", tcp_state_at}, {"close", close_at},
};

#define N_NAME_DEFS (sizeof(name_defs) / sizeof(name_defs[0]))

static json_t *enum_schema(const struct names *names)
{
	json_t *values = json_array();
	const char *value;

	for (int i = 0; (value = names->at(i)); i++) {
		if (!json_array_append_new(values, json_string(value)))
			continue;
		json_decref(values);
		return NULL;
	}
	return json_pack("{s:o}", "enum", values);
}

/* ---- schema -----------------------------------------------------------------------------------
 */

static json_t *ref_schema(const char *name)
{
	return json_pack("{s:o}", "$ref", json_sprintf("#/$defs/%s", name));
}

static json_t *bare_schema(const struct field *field)
{
	switch (field->kind) {
	case KIND_STRING:
		return json_pack("{s:s}", "type", "string");
	case KIND_INTEGER:
		return json_pack("{s:s}", "type", "integer");
	case KIND_BOOLEAN:
		return json_pack("{s:s}", "type", "boolean");
	case KIND_REF:
		return ref_schema(field->ref);
	case KIND_CONST:
		return json_pack("{s:s}", "const", field->ref);
	case KIND_REFS:
		return json_pack("{s:s,s:o}", "type", "array", "items", ref_schema(field->ref));
	case KIND_STRINGS:
		return json_pack("{s:s,s:{s:s}}", "type", "array", "items", "type", "string");
	case KIND_INTEGERS:
		return json_pack("{s:s,s:{s:s}}", "type", "array", "items", "type", "integer");
	case KIND_NUMBER:
		return json_pack("{s:s}", "type", "number");
	case KIND_COUNTS:
		return json_pack("{s:s,s:o,s:{s:s}}", "type", "object", "propertyNames",
				 ref_schema(field->ref), "additionalProperties", "type", "integer");
	case KIND_SCHEMA_NR:
		return json_pack("{s:i}", "const", OUTPUT_SCHEMA_VERSION);
	}
	return NULL;
}

static json_t *field_schema(const struct field *field)
{
	json_t *schema = bare_schema(field);

	if (schema && (field->presence == OR_NULL || field->presence == OPTIONAL_OR_NULL))
		schema = json_pack("{s:[o,{s:s}]}", "anyOf", schema, "type", "null");
	if (schema && field->doc &&
	    json_object_set_new(schema, "description", json_string(field->doc))) {
		json_decref(schema);
		return NULL;
	}
	return schema;
}

static int add_fields(json_t *properties, json_t *required, const struct field *fields)
{
	for (const struct field *f = fields; f && f->name; f++) {
		if (json_object_set_new(properties, f->name, field_schema(f)))
			return -ENOMEM;
		if (f->presence != OPTIONAL && f->presence != OPTIONAL_OR_NULL &&
		    json_array_append_new(required, json_string(f->name)))
			return -ENOMEM;
	}
	return 0;
}

static json_t *object_schema(const struct def *def)
{
	json_t *properties = json_object(), *required = json_array();

	if (add_fields(properties, required, def->fields) ||
	    add_fields(properties, required, def->more)) {
		json_decref(properties);
		json_decref(required);
		return NULL;
	}
	return json_pack("{s:s,s:o,s:o}", "type", "object", "properties", properties, "required",
			 required);
}

static json_t *all_defs(void)
{
	json_t *all = json_object();
	int err = 0;

	for (size_t i = 0; i < N_DEFS; i++)
		err |= json_object_set_new(all, defs[i].name, object_schema(&defs[i]));
	for (size_t i = 0; i < N_NAME_DEFS; i++)
		err |= json_object_set_new(all, name_defs[i].name, enum_schema(&name_defs[i]));
	if (!err)
		return all;
	json_decref(all);
	return NULL;
}

static json_t *any_line(void)
{
	json_t *lines = json_array();

	for (size_t i = 0; i < N_DEFS; i++) {
		if (!defs[i].is_line || !json_array_append_new(lines, ref_schema(defs[i].name)))
			continue;
		json_decref(lines);
		return NULL;
	}
	return lines;
}

int output__print_schema(FILE *stream)
{
	json_t *schema = json_pack(
		"{s:s,s:s,s:s,s:o,s:o}", "$schema", "https://json-schema.org/draft/2020-12/schema",
		"title", "bindtrace JSON lines", "description",
		"One object a line, at most 4096 bytes. Unknown is null. Names may be added, never "
		"renamed.",
		"oneOf", any_line(), "$defs", all_defs());
	char *text = schema ? json_dumped(schema, JSON_INDENT(2)) : NULL;
	int err = 0;

	json_decref(schema);
	if (!text)
		return -ENOMEM;
	errno = 0;
	if (fprintf(stream, "%s\n", text) < 0 || fflush(stream))
		err = errno ? -errno : -EIO;
	free(text);
	return err;
}
