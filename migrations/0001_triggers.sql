-- What follows from a session's row is kept by the database itself. No other code writes session_tags
-- or session_totals, so they agree with the rows whatever writes those, in whatever order.

-- A removed session stays removed: a write no newer than its tombstone is skipped.
CREATE TRIGGER session_guarded BEFORE INSERT ON agent_sessions
WHEN EXISTS (
	SELECT 1 FROM session_tombstones WHERE id = NEW.id AND version >= NEW.version
)
BEGIN
	SELECT RAISE(IGNORE);
END;
--> statement-breakpoint
CREATE TRIGGER session_created_tags AFTER INSERT ON agent_sessions
BEGIN
	INSERT INTO session_tags (id, tag, owner, created_at)
	SELECT DISTINCT NEW.id, value, NEW.owner, NEW.created_at FROM json_each(NEW.tags);
END;
--> statement-breakpoint
CREATE TRIGGER session_changed_tags AFTER UPDATE ON agent_sessions
WHEN (OLD.tags, OLD.owner, OLD.created_at) IS NOT (NEW.tags, NEW.owner, NEW.created_at)
BEGIN
	DELETE FROM session_tags WHERE id = OLD.id;
	INSERT INTO session_tags (id, tag, owner, created_at)
	SELECT DISTINCT NEW.id, value, NEW.owner, NEW.created_at FROM json_each(NEW.tags);
END;
--> statement-breakpoint
CREATE TRIGGER session_removed_tags AFTER DELETE ON agent_sessions
BEGIN
	DELETE FROM session_tags WHERE id = OLD.id;
END;
--> statement-breakpoint
-- A session adds to the sums of its owner: over all time and its day, over every user and its own.
CREATE TRIGGER session_created_totals AFTER INSERT ON agent_sessions
BEGIN
	INSERT INTO session_totals
		(owner, user_id, day, pattern, status, created, listed, cost_nanos, tokens, ended, ended_ms)
	SELECT
		NEW.owner, who.user_id, time.day, NEW.pattern, NEW.status, 1, 1,
		NEW.total_cost_nanos, NEW.total_tokens, NEW.duration_ms IS NOT NULL, coalesce(NEW.duration_ms, 0)
	FROM (SELECT '' AS user_id UNION SELECT coalesce(NEW.user_id, '')) AS who,
		(SELECT '' AS day UNION SELECT date(NEW.created_at / 1000, 'unixepoch')) AS time
	WHERE true
	ON CONFLICT DO UPDATE SET
		created = created + 1,
		listed = listed + 1,
		cost_nanos = cost_nanos + excluded.cost_nanos,
		tokens = tokens + excluded.tokens,
		ended = ended + excluded.ended,
		ended_ms = ended_ms + excluded.ended_ms;
END;
--> statement-breakpoint
CREATE TRIGGER session_changed_totals AFTER UPDATE ON agent_sessions
WHEN (
	OLD.owner, OLD.user_id, OLD.created_at, OLD.pattern, OLD.status,
	OLD.total_cost_nanos, OLD.total_tokens, OLD.duration_ms
) IS NOT (
	NEW.owner, NEW.user_id, NEW.created_at, NEW.pattern, NEW.status,
	NEW.total_cost_nanos, NEW.total_tokens, NEW.duration_ms
)
BEGIN
	INSERT INTO session_totals
		(owner, user_id, day, pattern, status, created, listed, cost_nanos, tokens, ended, ended_ms)
	SELECT
		NEW.owner, who.user_id, time.day, NEW.pattern, NEW.status, 1, 1,
		NEW.total_cost_nanos, NEW.total_tokens, NEW.duration_ms IS NOT NULL, coalesce(NEW.duration_ms, 0)
	FROM (SELECT '' AS user_id UNION SELECT coalesce(NEW.user_id, '')) AS who,
		(SELECT '' AS day UNION SELECT date(NEW.created_at / 1000, 'unixepoch')) AS time
	WHERE true
	ON CONFLICT DO UPDATE SET
		created = created + 1,
		listed = listed + 1,
		cost_nanos = cost_nanos + excluded.cost_nanos,
		tokens = tokens + excluded.tokens,
		ended = ended + excluded.ended,
		ended_ms = ended_ms + excluded.ended_ms;
	UPDATE session_totals SET
		created = created - 1,
		listed = listed - 1,
		cost_nanos = cost_nanos - OLD.total_cost_nanos,
		tokens = tokens - OLD.total_tokens,
		ended = ended - (OLD.duration_ms IS NOT NULL),
		ended_ms = ended_ms - coalesce(OLD.duration_ms, 0)
	WHERE owner = OLD.owner
		AND user_id IN ('', coalesce(OLD.user_id, ''))
		AND day IN ('', date(OLD.created_at / 1000, 'unixepoch'))
		AND pattern = OLD.pattern AND status = OLD.status;
	DELETE FROM session_totals
	WHERE created = 0
		AND owner = OLD.owner
		AND user_id IN ('', coalesce(OLD.user_id, ''))
		AND day IN ('', date(OLD.created_at / 1000, 'unixepoch'))
		AND pattern = OLD.pattern AND status = OLD.status;
END;
--> statement-breakpoint
-- What a removed session was and cost stays counted; it is not listed any more.
CREATE TRIGGER session_removed_totals AFTER DELETE ON agent_sessions
BEGIN
	UPDATE session_totals SET listed = listed - 1
	WHERE owner = OLD.owner
		AND user_id IN ('', coalesce(OLD.user_id, ''))
		AND day IN ('', date(OLD.created_at / 1000, 'unixepoch'))
		AND pattern = OLD.pattern AND status = OLD.status;
END;
