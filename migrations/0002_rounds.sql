CREATE TABLE `rounds` (
	`name` text PRIMARY KEY NOT NULL,
	`after` text NOT NULL
);
--> statement-breakpoint
CREATE INDEX `sessions_awaited` ON `agent_sessions` (`id`) WHERE (status in ('initializing', 'active', 'idle') or pattern = 'ephemeral') is true;