CREATE TABLE `conversations` (
	`id` integer NOT NULL,
	`owner` text NOT NULL,
	`created_at` integer NOT NULL,
	`last_activity_at` integer NOT NULL,
	`session_count` integer NOT NULL,
	`total_cost_nanos` integer NOT NULL,
	`total_tokens` integer NOT NULL,
	PRIMARY KEY(`id`, `owner`)
);
--> statement-breakpoint
CREATE INDEX `sessions_history` ON `agent_sessions` (`session_id`,`created_at`,`id`,`owner`);
--> statement-breakpoint
-- A conversation is kept by the database itself, as in 0001_triggers.sql. A session keeps its owner and
-- its conversation for life; a removed one stays counted.
CREATE TRIGGER session_created_conversation AFTER INSERT ON agent_sessions
WHEN NEW.conversation_id IS NOT NULL
BEGIN
	INSERT INTO conversations
		(id, owner, created_at, last_activity_at, session_count, total_cost_nanos, total_tokens)
	VALUES (
		NEW.conversation_id, NEW.owner, NEW.created_at, NEW.last_activity_at,
		1, NEW.total_cost_nanos, NEW.total_tokens
	)
	ON CONFLICT DO UPDATE SET
		created_at = min(created_at, excluded.created_at),
		last_activity_at = max(last_activity_at, excluded.last_activity_at),
		session_count = session_count + 1,
		total_cost_nanos = total_cost_nanos + excluded.total_cost_nanos,
		total_tokens = total_tokens + excluded.total_tokens;
END;
--> statement-breakpoint
CREATE TRIGGER session_changed_conversation AFTER UPDATE ON agent_sessions
WHEN NEW.conversation_id IS NOT NULL
	AND (OLD.last_activity_at, OLD.total_cost_nanos, OLD.total_tokens)
		IS NOT (NEW.last_activity_at, NEW.total_cost_nanos, NEW.total_tokens)
BEGIN
	UPDATE conversations SET
		last_activity_at = max(last_activity_at, NEW.last_activity_at),
		total_cost_nanos = total_cost_nanos + NEW.total_cost_nanos - OLD.total_cost_nanos,
		total_tokens = total_tokens + NEW.total_tokens - OLD.total_tokens
	WHERE id = NEW.conversation_id AND owner = NEW.owner;
END;
--> statement-breakpoint
-- The sessions that are there already.
INSERT INTO conversations
	(id, owner, created_at, last_activity_at, session_count, total_cost_nanos, total_tokens)
SELECT conversation_id, owner, min(created_at), max(last_activity_at), count(*),
	sum(total_cost_nanos), sum(total_tokens)
FROM agent_sessions WHERE conversation_id IS NOT NULL GROUP BY conversation_id, owner;
