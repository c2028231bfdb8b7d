/* SPDX-License-Identifier: GPL-2.0-only */
/* One-shot: binds that are refused before the kernel looks at the port. Part of scenes.c. */

static void refused_before_port(struct scene *s, int error, int otherwise)
{
	for (size_t i = 0; i < s->port.n_what_ifs; i++) {
		struct what_if *what_if = &s->port.what_ifs[i];

		what_if->facts = (struct refusal_facts){
			.stage = STAGE_PROTOCOL, .error = error, .unprivileged_port_start = 1024};
		what_if->otherwise = otherwise;
	}
}

static void port_of_address(struct scene *s, uint16_t port, const char *address)
{
	asked(s, port);
	s->port.n_what_ifs = 4;
	for (int i = 0; i < 4; i++)
		init_req(&s->port.what_ifs[i].req, address, port);
	for (int i = 0; i < 4; i++) {
		s->port.what_ifs[i].req.reuseaddr = i & 1;
		s->port.what_ifs[i].req.reuseport = i & 2;
	}
}

static void port_privileged(struct scene *s)
{
	asked(s, 80);
	refused_before_port(s, EACCES, 0);
	s->expected = CAUSE_PRIVILEGED_PORT;
}

/* Who has it is what most will want to know. */
static void port_privileged_taken(struct scene *s)
{
	asked(s, 80);
	add_sock(s, STATE_LISTEN, "0.0.0.0");
	held_by(s, 812, "nginx", "nginx.service", 6, TRI_YES);
	refused_before_port(s, EACCES, EADDRINUSE);
	s->expected = CAUSE_PRIVILEGED_PORT;
}

static void port_not_local(struct scene *s)
{
	port_of_address(s, 8080, "203.0.113.7");
	refused_before_port(s, EADDRNOTAVAIL, 0);
	s->expected = CAUSE_NOT_LOCAL;
}

static void port_link_local(struct scene *s)
{
	port_of_address(s, 8080, "fe80::1");
	refused_before_port(s, EINVAL, EADDRNOTAVAIL);
	s->expected = CAUSE_OTHER_ERROR;
}

static void port_multicast(struct scene *s)
{
	port_of_address(s, 8080, "ff02::1");
	refused_before_port(s, EINVAL, EINVAL);
	s->expected = CAUSE_OTHER_ERROR;
}
