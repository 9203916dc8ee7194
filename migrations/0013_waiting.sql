ALTER TABLE `agent_sessions` ADD `on_limit` text DEFAULT 'terminate' NOT NULL;--> statement-breakpoint
ALTER TABLE `agent_sessions` ADD `paused_because` text;--> statement-breakpoint
ALTER TABLE `agent_sessions` ADD `pending_approvals` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
CREATE INDEX `sessions_asking` ON `agent_sessions` (`owner`,`id`) WHERE pending_approvals > 0;