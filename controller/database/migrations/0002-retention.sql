-- What looks at a backup found, what was deleted, and where jobs store.

-- The last look, however close: quick, index, sample=5%, full.
alter table backups add column checked_at text;
alter table backups add column checked_depth text;
alter table backups add column checked_bytes integer not null default 0;
-- What is wrong with it: a JSON list of texts; and how close the look was that found it.
alter table backups add column damages text not null default '[]';
alter table backups add column damaged_depth text;

-- Marked as deleted: it can be had back until the second time. Removed: its objects are gone.
alter table backups add column deleted_at text;
alter table backups add column undelete_until text;
alter table backups add column removed_at text;
-- As the repository told last.
alter table backups add column hold text;
alter table backups add column tags text not null default '[]';

update backups set checked_at = coalesce(damaged_at, verified_at), checked_depth = 'full',
  damaged_depth = case when damaged_at is null then null else 'full' end
where coalesce(damaged_at, verified_at) is not null;

drop index whole_backups;
drop index verified_backups;
-- Good backups: what recoverability counts.
create index good_backups on backups (database, repository_url, started_at)
  where state = 'complete' and damaged_at is null and deleted_at is null;
create index good_verified_backups on backups (database, started_at)
  where state = 'complete' and damaged_at is null and deleted_at is null
    and verified_at is not null;
create index good_backups_by_time on backups (database, started_at)
  where state = 'complete' and damaged_at is null and deleted_at is null;
create index backups_by_repository on backups (repository_url, id);
-- The server's own id.
alter table backups add column instance_id text
  generated always as (coalesce(result ->> '$.instanceId', '')) virtual;
create index backups_by_instance on backups (instance_id);
create index backups_by_deletion on backups (deleted_at) where deleted_at is not null;
create index backups_by_job on backups (job_id);
create index damaged_backups on backups (database)
  where damaged_at is not null and deleted_at is null;
create index backups_removed on backups (removed_at) where removed_at is not null;

alter table jobs add column repository_url text generated always as (coalesce(
  spec ->> '$.backup.repositoryUrl', spec ->> '$.restore.repositoryUrl',
  spec ->> '$.verify.repositoryUrl', '')) virtual;
create index jobs_by_repository on jobs (database, kind, repository_url, updated_at);
create index jobs_by_age on jobs (created_at);
create index schedule_runs_by_job on schedule_runs (job_id);
