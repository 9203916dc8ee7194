CREATE TABLE `agent_sessions` (
	`id` text PRIMARY KEY NOT NULL,
	`version` integer NOT NULL,
	`owner` text NOT NULL,
	`session_id` text NOT NULL,
	`pattern` text NOT NULL,
	`status` text NOT NULL,
	`termination_reason` text,
	`error` text,
	`conversation_id` integer,
	`config` text NOT NULL,
	`created_at` integer NOT NULL,
	`started_at` integer,
	`last_activity_at` integer NOT NULL,
	`completed_at` integer,
	`terminated_at` integer,
	`updated_at` integer NOT NULL,
	`expires_at` integer,
	`expires_because` text,
	`duration_ms` integer,
	`total_cost_nanos` integer NOT NULL,
	`total_tokens` integer NOT NULL,
	`num_turns` integer NOT NULL,
	`tools_used` text NOT NULL,
	`usage` text NOT NULL,
	`max_idle_time_ms` integer,
	`max_lifetime_ms` integer,
	`max_budget_nanos` integer,
	`max_turns` integer,
	`sandbox` text NOT NULL,
	`tags` text NOT NULL,
	`description` text,
	`user_id` text
);
--> statement-breakpoint
CREATE INDEX `sessions_created` ON `agent_sessions` (`created_at`,`id`);--> statement-breakpoint
CREATE INDEX `sessions_activity` ON `agent_sessions` (`last_activity_at`,`id`,`status`,`pattern`,`created_at`);--> statement-breakpoint
CREATE INDEX `sessions_cost` ON `agent_sessions` (`total_cost_nanos`,`id`,`status`,`pattern`,`created_at`);--> statement-breakpoint
CREATE INDEX `sessions_status` ON `agent_sessions` (`status`,`created_at`,`id`,`pattern`);--> statement-breakpoint
CREATE INDEX `sessions_pattern` ON `agent_sessions` (`pattern`,`created_at`,`id`);--> statement-breakpoint
CREATE INDEX `sessions_user` ON `agent_sessions` (`user_id`,`created_at`,`id`) WHERE user_id is not null;--> statement-breakpoint
CREATE INDEX `sessions_conversation` ON `agent_sessions` (`conversation_id`,`created_at`,`id`) WHERE conversation_id is not null;--> statement-breakpoint
CREATE INDEX `owner_created` ON `agent_sessions` (`owner`,`created_at`,`id`);--> statement-breakpoint
CREATE INDEX `owner_activity` ON `agent_sessions` (`owner`,`last_activity_at`,`id`,`status`,`pattern`,`created_at`);--> statement-breakpoint
CREATE INDEX `owner_cost` ON `agent_sessions` (`owner`,`total_cost_nanos`,`id`,`status`,`pattern`,`created_at`);--> statement-breakpoint
CREATE INDEX `owner_status` ON `agent_sessions` (`owner`,`status`,`created_at`,`id`,`pattern`);--> statement-breakpoint
CREATE INDEX `owner_pattern` ON `agent_sessions` (`owner`,`pattern`,`created_at`,`id`);--> statement-breakpoint
CREATE INDEX `owner_user` ON `agent_sessions` (`owner`,`user_id`,`created_at`,`id`) WHERE user_id is not null;--> statement-breakpoint
CREATE INDEX `owner_conversation` ON `agent_sessions` (`owner`,`conversation_id`,`created_at`,`id`) WHERE conversation_id is not null;--> statement-breakpoint
CREATE TABLE `session_tags` (
	`id` text NOT NULL,
	`tag` text NOT NULL,
	`owner` text NOT NULL,
	`created_at` integer NOT NULL,
	PRIMARY KEY(`id`, `tag`)
);
--> statement-breakpoint
CREATE INDEX `tags_created` ON `session_tags` (`tag`,`created_at`,`id`);--> statement-breakpoint
CREATE INDEX `owner_tags_created` ON `session_tags` (`owner`,`tag`,`created_at`,`id`);--> statement-breakpoint
CREATE TABLE `session_tombstones` (
	`id` text PRIMARY KEY NOT NULL,
	`version` integer NOT NULL,
	`removed_at` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `tombstones_removed` ON `session_tombstones` (`removed_at`);--> statement-breakpoint
CREATE TABLE `session_totals` (
	`owner` text NOT NULL,
	`user_id` text NOT NULL,
	`day` text NOT NULL,
	`pattern` text NOT NULL,
	`status` text NOT NULL,
	`created` integer NOT NULL,
	`listed` integer NOT NULL,
	`cost_nanos` integer NOT NULL,
	`tokens` integer NOT NULL,
	`ended` integer NOT NULL,
	`ended_ms` integer NOT NULL,
	PRIMARY KEY(`owner`, `user_id`, `day`, `pattern`, `status`)
);
--> statement-breakpoint
CREATE INDEX `totals_day` ON `session_totals` (`user_id`,`day`);