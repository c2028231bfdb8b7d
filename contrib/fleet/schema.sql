-- SPDX-License-Identifier: GPL-2.0-only
-- The fleet's lines in PostgreSQL (14 or newer). As its superuser, in a database of its own (UTF-8):
--   createdb -E UTF8 -T template0 bindtrace && psql -v ON_ERROR_STOP=1 -d bindtrace -f schema.sql

create schema bindtrace;

-- A line is named by its run and its number in that run: the key makes a second delivery harmless.
create table bindtrace.event (
	run uuid not null,
	seq bigint not null check (seq > 0),
	host text not null,
	time timestamptz not null,
	received timestamptz not null default now(),
	line jsonb not null,
	type text not null generated always as (line ->> 'type') stored,
	cause text generated always as (line ->> 'cause') stored,
	protocol text generated always as (line ->> 'protocol') stored,
	port integer generated always as ((line #>> '{local,port}')::integer) stored,
	-- identical refusals within a second are one line
	calls bigint generated always as (case line ->> 'type' when 'conflict' then
		coalesce((line ->> 'count')::bigint, 1) end) stored,
	service text generated always as
		(coalesce(line #>> '{process,unit}', line #>> '{process,comm}')) stored,
	primary key (run, seq)
);
create index event_time on bindtrace.event (time) where type = 'conflict';
create index event_port on bindtrace.event (port, time) where type = 'conflict';
create index event_cause on bindtrace.event (cause, time) where type = 'conflict';

-- What arrived and is no line of bindtrace, or of one without a run.
create table bindtrace.rejected (
	host text not null,
	digest bytea not null,
	received timestamptz not null default now(),
	reason text not null,
	line text not null,
	primary key (host, digest)
);

-- OK once the line is kept, here or there: what rsyslog's omprog waits for.
create function bindtrace.ingest(sender text, text_line text) returns text
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
	j jsonb;
begin
	j := text_line::jsonb;
	insert into bindtrace.event (run, seq, host, time, line)
	values ((j ->> 'run')::uuid, (j ->> 'seq')::bigint, sender, (j ->> 'time')::timestamptz, j)
	on conflict do nothing;
	return 'OK';
exception when data_exception or integrity_constraint_violation then
	insert into bindtrace.rejected (host, digest, reason, line)
	values (sender, sha256(convert_to(text_line, 'UTF8')), sqlerrm, text_line)
	on conflict do nothing;
	return 'OK';
end $$;

-- One row a run: whether all of it is here. An interval while it still runs; missing is what was on
-- its way or is lost, lost is what bindtrace itself could not deliver and said so.
create view bindtrace.run as
select run, min(host) as host, min(time) as began, max(time) as last_line,
	bool_or(type = 'stop') as ended, count(*) as lines, max(seq) - count(*) as missing,
	coalesce(sum((line ->> 'count')::bigint) filter (where type = 'lost'), 0) as lost
from bindtrace.event group by run;

-- An array, or none where the value is null: not known.
create function bindtrace.list(j jsonb) returns jsonb language sql immutable parallel safe
	return case jsonb_typeof(j) when 'array' then j else '[]' end;

-- Who held the address, one row for each blocker's owner in a line (the line may be cut: blockers has
-- the most relevant, blockers_total counts all).
create view bindtrace.blocker as
select e.run, e.seq, e.host, e.time, e.calls, e.protocol, e.port, e.cause, e.service,
	b ->> 'state' as state, b ->> 'role' as role,
	coalesce(o ->> 'unit', o ->> 'comm') as holder, o ->> 'exe' as exe, (o ->> 'pid')::bigint as pid,
	jsonb_array_length(bindtrace.list(b -> 'owners')) = 0 and o is not null as former
from bindtrace.event e
cross join lateral jsonb_array_elements(bindtrace.list(e.line -> 'blockers')) b
left join lateral (
	select o from jsonb_array_elements(bindtrace.list(b -> 'owners')) o
	union all
	select b -> 'former_owner' where jsonb_typeof(b -> 'former_owner') = 'object'
) owner(o) on true
where e.type = 'conflict';

-- rsyslog writes by the function alone; people read.
revoke all on function bindtrace.ingest(text, text) from public;
create role bindtrace_writer login;
create role bindtrace_reader;
grant usage on schema bindtrace to bindtrace_writer, bindtrace_reader;
grant execute on function bindtrace.ingest(text, text) to bindtrace_writer;
grant select on all tables in schema bindtrace to bindtrace_reader;
