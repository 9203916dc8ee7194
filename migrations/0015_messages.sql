-- Counts messages. Sessions of earlier versions have none until their objects write their rows again.
ALTER TABLE `agent_sessions` ADD `num_messages` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE `session_totals` ADD `messages` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
DROP TRIGGER session_created_totals;--> statement-breakpoint
DROP TRIGGER session_changed_amounts;--> statement-breakpoint
DROP TRIGGER session_changed_totals;--> statement-breakpoint
DROP TRIGGER session_removed_totals;--> statement-breakpoint
CREATE TRIGGER session_created_totals AFTER INSERT ON agent_sessions
BEGIN
	INSERT INTO session_totals
		(user_id, owner, day, pattern, status, removed, sessions, cost_nanos, tokens, ended, ended_ms, messages)
	SELECT
		who.user_id, who.owner, time.day, NEW.pattern, NEW.status, 0, 1,
		NEW.total_cost_nanos, NEW.total_tokens, NEW.duration_ms IS NOT NULL, coalesce(NEW.duration_ms, 0),
		NEW.num_messages
	FROM (
		SELECT '' AS user_id, '' AS owner
		UNION ALL SELECT '', NEW.owner
		UNION ALL SELECT NEW.user_id, NEW.owner WHERE NEW.user_id <> ''
	) AS who, (
		SELECT '' AS day UNION ALL SELECT date(NEW.created_at / 1000, 'unixepoch')
	) AS time
	WHERE true
	ON CONFLICT DO UPDATE SET
		sessions = sessions + 1,
		cost_nanos = cost_nanos + excluded.cost_nanos,
		tokens = tokens + excluded.tokens,
		ended = ended + excluded.ended,
		ended_ms = ended_ms + excluded.ended_ms,
		messages = messages + excluded.messages;
END;
--> statement-breakpoint
-- Most changes leave a session where it counts and change its amounts only.
CREATE TRIGGER session_changed_amounts AFTER UPDATE OF total_cost_nanos, total_tokens, duration_ms, num_messages
ON agent_sessions
WHEN (OLD.owner, OLD.user_id, OLD.created_at, OLD.pattern, OLD.status)
		IS (NEW.owner, NEW.user_id, NEW.created_at, NEW.pattern, NEW.status)
	AND (OLD.total_cost_nanos, OLD.total_tokens, OLD.duration_ms, OLD.num_messages)
		IS NOT (NEW.total_cost_nanos, NEW.total_tokens, NEW.duration_ms, NEW.num_messages)
BEGIN
	UPDATE session_totals SET
		cost_nanos = cost_nanos + NEW.total_cost_nanos - OLD.total_cost_nanos,
		tokens = tokens + NEW.total_tokens - OLD.total_tokens,
		ended = ended + (NEW.duration_ms IS NOT NULL) - (OLD.duration_ms IS NOT NULL),
		ended_ms = ended_ms + coalesce(NEW.duration_ms, 0) - coalesce(OLD.duration_ms, 0),
		messages = messages + NEW.num_messages - OLD.num_messages
	WHERE (user_id, owner) IN (VALUES ('', ''), ('', OLD.owner), (coalesce(OLD.user_id, ''), OLD.owner))
		AND day IN ('', date(OLD.created_at / 1000, 'unixepoch'))
		AND pattern = OLD.pattern AND status = OLD.status AND removed = 0;
END;
--> statement-breakpoint
CREATE TRIGGER session_changed_totals AFTER UPDATE OF owner, user_id, created_at, pattern, status ON agent_sessions
WHEN (OLD.owner, OLD.user_id, OLD.created_at, OLD.pattern, OLD.status)
	IS NOT (NEW.owner, NEW.user_id, NEW.created_at, NEW.pattern, NEW.status)
BEGIN
	INSERT INTO session_totals
		(user_id, owner, day, pattern, status, removed, sessions, cost_nanos, tokens, ended, ended_ms, messages)
	SELECT
		who.user_id, who.owner, time.day, NEW.pattern, NEW.status, 0, 1,
		NEW.total_cost_nanos, NEW.total_tokens, NEW.duration_ms IS NOT NULL, coalesce(NEW.duration_ms, 0),
		NEW.num_messages
	FROM (
		SELECT '' AS user_id, '' AS owner
		UNION ALL SELECT '', NEW.owner
		UNION ALL SELECT NEW.user_id, NEW.owner WHERE NEW.user_id <> ''
	) AS who, (
		SELECT '' AS day UNION ALL SELECT date(NEW.created_at / 1000, 'unixepoch')
	) AS time
	WHERE true
	ON CONFLICT DO UPDATE SET
		sessions = sessions + 1,
		cost_nanos = cost_nanos + excluded.cost_nanos,
		tokens = tokens + excluded.tokens,
		ended = ended + excluded.ended,
		ended_ms = ended_ms + excluded.ended_ms,
		messages = messages + excluded.messages;
	UPDATE session_totals SET
		sessions = sessions - 1,
		cost_nanos = cost_nanos - OLD.total_cost_nanos,
		tokens = tokens - OLD.total_tokens,
		ended = ended - (OLD.duration_ms IS NOT NULL),
		ended_ms = ended_ms - coalesce(OLD.duration_ms, 0),
		messages = messages - OLD.num_messages
	WHERE (user_id, owner) IN (VALUES ('', ''), ('', OLD.owner), (coalesce(OLD.user_id, ''), OLD.owner))
		AND day IN ('', date(OLD.created_at / 1000, 'unixepoch'))
		AND pattern = OLD.pattern AND status = OLD.status AND removed = 0;
	DELETE FROM session_totals
	WHERE (user_id, owner) IN (VALUES ('', ''), ('', OLD.owner), (coalesce(OLD.user_id, ''), OLD.owner))
		AND day IN ('', date(OLD.created_at / 1000, 'unixepoch'))
		AND pattern = OLD.pattern AND status = OLD.status AND removed = 0 AND sessions = 0;
END;
--> statement-breakpoint
-- What a removed session was and cost stays counted.
CREATE TRIGGER session_removed_totals AFTER DELETE ON agent_sessions
BEGIN
	INSERT INTO session_totals
		(user_id, owner, day, pattern, status, removed, sessions, cost_nanos, tokens, ended, ended_ms, messages)
	SELECT
		who.user_id, who.owner, time.day, OLD.pattern, OLD.status, 1, 1,
		OLD.total_cost_nanos, OLD.total_tokens, OLD.duration_ms IS NOT NULL, coalesce(OLD.duration_ms, 0),
		OLD.num_messages
	FROM (
		SELECT '' AS user_id, '' AS owner
		UNION ALL SELECT '', OLD.owner
		UNION ALL SELECT OLD.user_id, OLD.owner WHERE OLD.user_id <> ''
	) AS who, (
		SELECT '' AS day UNION ALL SELECT date(OLD.created_at / 1000, 'unixepoch')
	) AS time
	WHERE true
	ON CONFLICT DO UPDATE SET
		sessions = sessions + 1,
		cost_nanos = cost_nanos + excluded.cost_nanos,
		tokens = tokens + excluded.tokens,
		ended = ended + excluded.ended,
		ended_ms = ended_ms + excluded.ended_ms,
		messages = messages + excluded.messages;
	UPDATE session_totals SET
		sessions = sessions - 1,
		cost_nanos = cost_nanos - OLD.total_cost_nanos,
		tokens = tokens - OLD.total_tokens,
		ended = ended - (OLD.duration_ms IS NOT NULL),
		ended_ms = ended_ms - coalesce(OLD.duration_ms, 0),
		messages = messages - OLD.num_messages
	WHERE (user_id, owner) IN (VALUES ('', ''), ('', OLD.owner), (coalesce(OLD.user_id, ''), OLD.owner))
		AND day IN ('', date(OLD.created_at / 1000, 'unixepoch'))
		AND pattern = OLD.pattern AND status = OLD.status AND removed = 0;
	DELETE FROM session_totals
	WHERE (user_id, owner) IN (VALUES ('', ''), ('', OLD.owner), (coalesce(OLD.user_id, ''), OLD.owner))
		AND day IN ('', date(OLD.created_at / 1000, 'unixepoch'))
		AND pattern = OLD.pattern AND status = OLD.status AND removed = 0 AND sessions = 0;
END;
