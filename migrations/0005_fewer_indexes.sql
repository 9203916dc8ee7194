-- Lists need fewer and shorter indexes. An index of an order begins with the status: a list merges its statuses, so the
-- same index serves lists with and without a filter by status. Sessions with equal values are in the order of their
-- creation and their ids; few share both, so no index repeats the long id. Indexes by user, conversation and pattern
-- serve owners and admins.
--
-- The files from here to 0010 have few statements each: D1 limits the time of a request, and the table may have
-- millions of rows.
DROP INDEX sessions_created;--> statement-breakpoint
DROP INDEX sessions_activity;--> statement-breakpoint
DROP INDEX sessions_cost;--> statement-breakpoint
DROP INDEX sessions_status;--> statement-breakpoint
DROP INDEX sessions_pattern;--> statement-breakpoint
DROP INDEX sessions_user;--> statement-breakpoint
DROP INDEX sessions_conversation;--> statement-breakpoint
DROP INDEX owner_created;--> statement-breakpoint
DROP INDEX owner_activity;--> statement-breakpoint
DROP INDEX owner_cost;--> statement-breakpoint
DROP INDEX owner_status;--> statement-breakpoint
DROP INDEX owner_pattern;--> statement-breakpoint
DROP INDEX owner_user;--> statement-breakpoint
DROP INDEX owner_conversation;--> statement-breakpoint
DROP INDEX sessions_history;--> statement-breakpoint
CREATE INDEX sessions_history ON agent_sessions (session_id);--> statement-breakpoint
DROP INDEX sessions_kept;--> statement-breakpoint
CREATE INDEX sessions_kept ON agent_sessions (
	retention_days is null,
	case when terminated_at is null then completed_at else terminated_at end + 86400000 * case when retention_days is null then 0 else retention_days end
) WHERE status in ('completed', 'error', 'terminated') and pattern <> 'ephemeral';
