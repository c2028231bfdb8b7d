-- SPDX-License-Identifier: GPL-2.0-only
-- psql -d bindtrace -f queries.sql; another port: -v port=5432
\if :{?port} \else \set port 8080 \endif
\pset null '-'

\echo Which services were refused, by which cause, on which hosts, in the last hour?
select service, cause, protocol, port, sum(calls) as refusals,
	string_agg(distinct host, ', ' order by host) as hosts, max(time)::timestamptz(0) as last
from bindtrace.event
where type = 'conflict' and time > now() - interval '1 hour'
group by service, cause, protocol, port
order by refusals desc, service, cause;

\echo Who keeps taking port :port?
select holder, former, state, sum(calls) as refusals,
	string_agg(distinct host, ', ' order by host) as hosts,
	string_agg(distinct service, ', ' order by service) as refused,
	max(time)::timestamptz(0) as last
from (
	-- once a line, however many sockets and owners of the kind it has
	select distinct coalesce(holder, 'nobody') as holder, former, state, run, seq, calls, host, service, time
	from bindtrace.blocker where port = :port
) line
group by holder, former, state
order by refusals desc, holder, state;

\echo What is not here: runs with a gap, or that lost something themselves
select host, run, began::timestamptz(0), ended, lines, missing, lost
from bindtrace.run
where missing > 0 or lost > 0
order by began;
