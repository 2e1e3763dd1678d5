-- Times are ISO 8601 in UTC with milliseconds, written by the controller's clock unless the name
-- begins with host_. Documents are JSON. Never edit a migration that was released: add another.

create table agents (
  id text primary key,
  host text not null unique,
  recipient text not null default '',
  version text not null default '',
  labels text not null default '{}',
  enrolled_at text not null,
  last_seen_at text,
  clock_skew_seconds real not null default 0,
  certificate_serial text not null,
  certificate_ends_at text not null,
  revoked_at text,
  -- The last event of its journal that is in this catalog.
  last_sequence integer not null default 0
) strict;

create table enrolment_tokens (
  -- SHA-256 of the secret, hexadecimal.
  hash text primary key,
  labels text not null,
  created_at text not null,
  expires_at text not null,
  used_at text,
  used_by text
) strict;

create table users (
  name text primary key,
  role text not null check (role in ('viewer', 'operator', 'admin')),
  certificate_serial text not null unique,
  created_at text not null,
  revoked_at text
) strict;

-- Every certificate that the fleet's CA has signed for a caller; what is not here is not accepted.
create table certificates (
  -- Hexadecimal, upper case.
  serial text primary key,
  kind text not null check (kind in ('agent', 'user')),
  -- The agent's id, or the user's name.
  subject text not null,
  issued_at text not null,
  ends_at text not null
) strict;

create table instances (
  agent_id text not null references agents,
  name text not null,
  instance_id text not null,
  engine text not null,
  version text not null,
  labels text not null,
  error text,
  seen_at text not null,
  primary key (agent_id, name)
) strict, without rowid;

create table databases (
  -- host/database.
  name text primary key,
  host text not null,
  instance text not null,
  database text not null,
  size integer not null,
  first_seen_at text not null,
  last_seen_at text not null,
  dropped_at text
) strict;

create table policies (
  name text primary key,
  -- Order in the file: the first that selects a database is its policy.
  position integer not null,
  document text not null,
  applied_at text not null
) strict;

create table jobs (
  id text primary key,
  kind text not null check (kind in ('backup', 'restore', 'verify')),
  -- host/database.
  database text not null,
  host text not null,
  -- JobSpec as protobuf JSON.
  spec text not null,
  state text not null check (state in
    ('queued', 'dispatched', 'running', 'succeeded', 'failed', 'cancelled', 'lost')),
  -- What the state has besides its name: JobState of the protocol as protobuf JSON.
  state_document text not null,
  attempt integer not null default 1,
  max_attempts integer not null default 1,
  retry_delay_seconds integer not null default 300,
  not_before text not null,
  -- Grows with every dispatch; events with another one are refused.
  fencing_token integer not null default 0,
  lease_until text,
  cancel_requested_by text,
  policy text,
  requested_by text not null,
  created_at text not null,
  updated_at text not null
) strict;
create index jobs_by_state on jobs (state, not_before);
create index jobs_by_database on jobs (database, created_at);
create index jobs_by_change on jobs (database, kind, updated_at);
create index jobs_by_kind on jobs (kind, state, database);

-- Every dispatch of a job. A backup may come back from one that was given up: its moment is this one,
-- the last before its snapshot that the controller's own clock has seen.
create table job_attempts (
  job_id text not null references jobs,
  fencing_token integer not null,
  attempt integer not null,
  dispatched_at text not null,
  primary key (job_id, fencing_token)
) strict, without rowid;

-- The last run that was made of each target.
create table schedule_runs (
  policy text not null,
  database text not null,
  due_at text not null,
  job_id text not null references jobs,
  primary key (policy, database, due_at)
) strict, without rowid;

create table backups (
  id text primary key,
  database text not null,
  job_id text not null references jobs,
  repository_url text not null,
  state text not null check (state in ('complete', 'partial')),
  -- When its job was dispatched: never later than its snapshot. Recoverability counts from here.
  started_at text not null,
  -- When the controller learned of it.
  committed_at text not null,
  -- BackupResult of the protocol as protobuf JSON.
  result text not null,
  verified_at text,
  damaged_at text
) strict;
create index backups_by_database on backups (database, committed_at);
create index whole_backups on backups (database, started_at)
  where state = 'complete' and damaged_at is null;
create index verified_backups on backups (database, started_at)
  where state = 'complete' and damaged_at is null and verified_at is not null;

create table alerts (
  id text primary key,
  kind text not null,
  object text not null,
  host text not null default '',
  -- Empty when it is about a host.
  instance text not null default '',
  database text not null default '',
  severity text not null,
  state text not null check (state in ('open', 'resolved')),
  message text not null,
  opened_at text not null,
  resolved_at text,
  -- Looks in a row at which it was no longer so.
  good_looks integer not null default 0
) strict;
create unique index open_alerts on alerts (kind, object) where state = 'open';

-- What is still to be published on the bus, in order. The id is the message's for ever.
create table outbox (
  position integer primary key autoincrement,
  id text not null unique,
  subject text not null,
  body text not null,
  created_at text not null,
  published_at text
) strict;
create index outbox_waiting on outbox (position) where published_at is null;

-- How often each event was written: what counters show. Never made smaller.
create table event_totals (
  type text not null,
  -- host/database, or host.
  object text not null,
  total integer not null,
  primary key (type, object)
) strict, without rowid;

create table deliveries (
  event_id text not null,
  -- The webhook's URL.
  channel text not null,
  -- File of its signing secret; empty for none.
  secret_file text not null default '',
  state text not null check (state in ('waiting', 'delivered', 'dead')),
  attempts integer not null,
  next_attempt_at text not null,
  body text not null,
  last_error text,
  primary key (event_id, channel)
) strict, without rowid;
create index deliveries_waiting on deliveries (channel, next_attempt_at) where state = 'waiting';

create table audit (
  position integer primary key autoincrement,
  at text not null,
  actor text not null,
  address text not null,
  call text not null,
  request text not null,
  result text not null,
  previous_hash text not null,
  hash text not null
) strict;
