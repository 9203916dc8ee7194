-- A session that is still initializing counts as active here: D1 merges five lists at most, and there are six statuses.
CREATE INDEX sessions_created ON agent_sessions (case status when 'initializing' then 'active' else status end, created_at);--> statement-breakpoint
CREATE INDEX sessions_activity ON agent_sessions (case status when 'initializing' then 'active' else status end, last_activity_at);--> statement-breakpoint
CREATE INDEX sessions_cost ON agent_sessions (case status when 'initializing' then 'active' else status end, total_cost_nanos, created_at);--> statement-breakpoint
CREATE INDEX owner_created ON agent_sessions (owner, case status when 'initializing' then 'active' else status end, created_at);--> statement-breakpoint
CREATE INDEX owner_activity ON agent_sessions (owner, case status when 'initializing' then 'active' else status end, last_activity_at);--> statement-breakpoint
CREATE INDEX owner_cost ON agent_sessions (owner, case status when 'initializing' then 'active' else status end, total_cost_nanos, created_at);
