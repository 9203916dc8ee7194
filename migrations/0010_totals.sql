-- One tree instead of three, and apart from the sessions that are listed the sums of those that were removed. An owner
-- '' sums over all owners, a user '' over all users, a day '' over all time.
DROP TRIGGER session_created_totals;--> statement-breakpoint
DROP TRIGGER session_changed_totals;--> statement-breakpoint
DROP TRIGGER session_removed_totals;--> statement-breakpoint
ALTER TABLE session_totals RENAME TO former_totals;--> statement-breakpoint
CREATE TABLE session_totals (
	user_id text NOT NULL,
	owner text NOT NULL,
	day text NOT NULL,
	pattern text NOT NULL,
	status text NOT NULL,
	removed integer NOT NULL,
	sessions integer NOT NULL,
	cost_nanos integer NOT NULL,
	tokens integer NOT NULL,
	ended integer NOT NULL,
	ended_ms integer NOT NULL,
	PRIMARY KEY (user_id, owner, day, pattern, status, removed)
) WITHOUT ROWID;
--> statement-breakpoint
-- The listed sessions by day: of each owner, and of each user of an owner.
INSERT INTO session_totals
SELECT '', owner, date(created_at / 1000, 'unixepoch'), pattern, status, 0, count(*), sum(total_cost_nanos),
	sum(total_tokens), count(duration_ms), coalesce(sum(duration_ms), 0)
FROM agent_sessions GROUP BY owner, 3, pattern, status;
--> statement-breakpoint
INSERT INTO session_totals
SELECT user_id, owner, date(created_at / 1000, 'unixepoch'), pattern, status, 0, count(*), sum(total_cost_nanos),
	sum(total_tokens), count(duration_ms), coalesce(sum(duration_ms), 0)
FROM agent_sessions WHERE user_id <> '' GROUP BY user_id, owner, 3, pattern, status;
--> statement-breakpoint
-- The removed ones: what the former sums have besides.
INSERT INTO session_totals
SELECT f.user_id, f.owner, f.day, f.pattern, f.status, 1, f.created - coalesce(t.sessions, 0),
	f.cost_nanos - coalesce(t.cost_nanos, 0), f.tokens - coalesce(t.tokens, 0), f.ended - coalesce(t.ended, 0),
	f.ended_ms - coalesce(t.ended_ms, 0)
FROM former_totals AS f LEFT JOIN session_totals AS t ON (t.user_id, t.owner, t.day, t.pattern, t.status, t.removed)
	= (f.user_id, f.owner, f.day, f.pattern, f.status, 0)
WHERE f.day <> '' AND f.created <> coalesce(t.sessions, 0);
--> statement-breakpoint
-- Over all owners, and then over all time.
INSERT INTO session_totals
SELECT '', '', day, pattern, status, removed, sum(sessions), sum(cost_nanos), sum(tokens), sum(ended), sum(ended_ms)
FROM session_totals WHERE user_id = '' GROUP BY day, pattern, status, removed;
--> statement-breakpoint
INSERT INTO session_totals
SELECT user_id, owner, '', pattern, status, removed, sum(sessions), sum(cost_nanos), sum(tokens), sum(ended),
	sum(ended_ms)
FROM session_totals GROUP BY user_id, owner, pattern, status, removed;
--> statement-breakpoint
DROP TABLE former_totals;--> statement-breakpoint
CREATE TRIGGER session_created_totals AFTER INSERT ON agent_sessions
BEGIN
	INSERT INTO session_totals
		(user_id, owner, day, pattern, status, removed, sessions, cost_nanos, tokens, ended, ended_ms)
	SELECT
		who.user_id, who.owner, time.day, NEW.pattern, NEW.status, 0, 1,
		NEW.total_cost_nanos, NEW.total_tokens, NEW.duration_ms IS NOT NULL, coalesce(NEW.duration_ms, 0)
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
		ended_ms = ended_ms + excluded.ended_ms;
END;
--> statement-breakpoint
-- Most changes leave a session where it counts and change its amounts only.
CREATE TRIGGER session_changed_amounts AFTER UPDATE OF total_cost_nanos, total_tokens, duration_ms ON agent_sessions
WHEN (OLD.owner, OLD.user_id, OLD.created_at, OLD.pattern, OLD.status)
		IS (NEW.owner, NEW.user_id, NEW.created_at, NEW.pattern, NEW.status)
	AND (OLD.total_cost_nanos, OLD.total_tokens, OLD.duration_ms)
		IS NOT (NEW.total_cost_nanos, NEW.total_tokens, NEW.duration_ms)
BEGIN
	UPDATE session_totals SET
		cost_nanos = cost_nanos + NEW.total_cost_nanos - OLD.total_cost_nanos,
		tokens = tokens + NEW.total_tokens - OLD.total_tokens,
		ended = ended + (NEW.duration_ms IS NOT NULL) - (OLD.duration_ms IS NOT NULL),
		ended_ms = ended_ms + coalesce(NEW.duration_ms, 0) - coalesce(OLD.duration_ms, 0)
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
		(user_id, owner, day, pattern, status, removed, sessions, cost_nanos, tokens, ended, ended_ms)
	SELECT
		who.user_id, who.owner, time.day, NEW.pattern, NEW.status, 0, 1,
		NEW.total_cost_nanos, NEW.total_tokens, NEW.duration_ms IS NOT NULL, coalesce(NEW.duration_ms, 0)
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
		ended_ms = ended_ms + excluded.ended_ms;
	UPDATE session_totals SET
		sessions = sessions - 1,
		cost_nanos = cost_nanos - OLD.total_cost_nanos,
		tokens = tokens - OLD.total_tokens,
		ended = ended - (OLD.duration_ms IS NOT NULL),
		ended_ms = ended_ms - coalesce(OLD.duration_ms, 0)
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
		(user_id, owner, day, pattern, status, removed, sessions, cost_nanos, tokens, ended, ended_ms)
	SELECT
		who.user_id, who.owner, time.day, OLD.pattern, OLD.status, 1, 1,
		OLD.total_cost_nanos, OLD.total_tokens, OLD.duration_ms IS NOT NULL, coalesce(OLD.duration_ms, 0)
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
		ended_ms = ended_ms + excluded.ended_ms;
	UPDATE session_totals SET
		sessions = sessions - 1,
		cost_nanos = cost_nanos - OLD.total_cost_nanos,
		tokens = tokens - OLD.total_tokens,
		ended = ended - (OLD.duration_ms IS NOT NULL),
		ended_ms = ended_ms - coalesce(OLD.duration_ms, 0)
	WHERE (user_id, owner) IN (VALUES ('', ''), ('', OLD.owner), (coalesce(OLD.user_id, ''), OLD.owner))
		AND day IN ('', date(OLD.created_at / 1000, 'unixepoch'))
		AND pattern = OLD.pattern AND status = OLD.status AND removed = 0;
	DELETE FROM session_totals
	WHERE (user_id, owner) IN (VALUES ('', ''), ('', OLD.owner), (coalesce(OLD.user_id, ''), OLD.owner))
		AND day IN ('', date(OLD.created_at / 1000, 'unixepoch'))
		AND pattern = OLD.pattern AND status = OLD.status AND removed = 0 AND sessions = 0;
END;
--> statement-breakpoint
DROP TRIGGER session_created_conversation;--> statement-breakpoint
DROP TRIGGER session_changed_conversation;--> statement-breakpoint
ALTER TABLE conversations RENAME TO former_conversations;--> statement-breakpoint
CREATE TABLE conversations (
	id integer NOT NULL,
	owner text NOT NULL,
	removed integer NOT NULL,
	created_at integer NOT NULL,
	last_activity_at integer NOT NULL,
	sessions integer NOT NULL,
	cost_nanos integer NOT NULL,
	tokens integer NOT NULL,
	PRIMARY KEY (id, owner, removed)
) WITHOUT ROWID;
--> statement-breakpoint
INSERT INTO conversations
SELECT conversation_id, owner, 0, min(created_at), max(last_activity_at), count(*), sum(total_cost_nanos),
	sum(total_tokens)
FROM agent_sessions WHERE conversation_id IS NOT NULL GROUP BY conversation_id, owner;
--> statement-breakpoint
INSERT INTO conversations
SELECT f.id, f.owner, 1, f.created_at, f.last_activity_at, f.session_count - coalesce(c.sessions, 0),
	f.total_cost_nanos - coalesce(c.cost_nanos, 0), f.total_tokens - coalesce(c.tokens, 0)
FROM former_conversations AS f LEFT JOIN conversations AS c ON (c.id, c.owner, c.removed) = (f.id, f.owner, 0)
WHERE f.session_count <> coalesce(c.sessions, 0);
--> statement-breakpoint
DROP TABLE former_conversations;--> statement-breakpoint
CREATE TRIGGER session_created_conversation AFTER INSERT ON agent_sessions
WHEN NEW.conversation_id IS NOT NULL
BEGIN
	INSERT INTO conversations (id, owner, removed, created_at, last_activity_at, sessions, cost_nanos, tokens)
	VALUES (
		NEW.conversation_id, NEW.owner, 0, NEW.created_at, NEW.last_activity_at,
		1, NEW.total_cost_nanos, NEW.total_tokens
	)
	ON CONFLICT DO UPDATE SET
		created_at = min(created_at, excluded.created_at),
		last_activity_at = max(last_activity_at, excluded.last_activity_at),
		sessions = sessions + 1,
		cost_nanos = cost_nanos + excluded.cost_nanos,
		tokens = tokens + excluded.tokens;
END;
--> statement-breakpoint
CREATE TRIGGER session_changed_conversation AFTER UPDATE OF last_activity_at, total_cost_nanos, total_tokens
ON agent_sessions
WHEN NEW.conversation_id IS NOT NULL
	AND (OLD.last_activity_at, OLD.total_cost_nanos, OLD.total_tokens)
		IS NOT (NEW.last_activity_at, NEW.total_cost_nanos, NEW.total_tokens)
BEGIN
	UPDATE conversations SET
		last_activity_at = max(last_activity_at, NEW.last_activity_at),
		cost_nanos = cost_nanos + NEW.total_cost_nanos - OLD.total_cost_nanos,
		tokens = tokens + NEW.total_tokens - OLD.total_tokens
	WHERE id = NEW.conversation_id AND owner = NEW.owner AND removed = 0;
END;
--> statement-breakpoint
CREATE TRIGGER session_removed_conversation AFTER DELETE ON agent_sessions
WHEN OLD.conversation_id IS NOT NULL
BEGIN
	INSERT INTO conversations (id, owner, removed, created_at, last_activity_at, sessions, cost_nanos, tokens)
	VALUES (
		OLD.conversation_id, OLD.owner, 1, OLD.created_at, OLD.last_activity_at,
		1, OLD.total_cost_nanos, OLD.total_tokens
	)
	ON CONFLICT DO UPDATE SET
		created_at = min(created_at, excluded.created_at),
		last_activity_at = max(last_activity_at, excluded.last_activity_at),
		sessions = sessions + 1,
		cost_nanos = cost_nanos + excluded.cost_nanos,
		tokens = tokens + excluded.tokens;
	UPDATE conversations SET
		sessions = sessions - 1,
		cost_nanos = cost_nanos - OLD.total_cost_nanos,
		tokens = tokens - OLD.total_tokens
	WHERE id = OLD.conversation_id AND owner = OLD.owner AND removed = 0;
	DELETE FROM conversations
	WHERE id = OLD.conversation_id AND owner = OLD.owner AND removed = 0 AND sessions = 0;
END;
