-- One tree instead of three: the row of a session names its tags, so that no index by session is needed.
DROP TRIGGER session_created_tags;--> statement-breakpoint
DROP TRIGGER session_changed_tags;--> statement-breakpoint
DROP TRIGGER session_removed_tags;--> statement-breakpoint
ALTER TABLE session_tags RENAME TO former_tags;--> statement-breakpoint
CREATE TABLE session_tags (
	tag text NOT NULL,
	owner text NOT NULL,
	created_at integer NOT NULL,
	id text NOT NULL,
	PRIMARY KEY (tag, owner, created_at, id)
) WITHOUT ROWID;
--> statement-breakpoint
INSERT INTO session_tags (tag, owner, created_at, id)
SELECT tag, owner, created_at, id FROM former_tags ORDER BY tag, owner, created_at, id;
--> statement-breakpoint
DROP TABLE former_tags;--> statement-breakpoint
CREATE TRIGGER session_created_tags AFTER INSERT ON agent_sessions
BEGIN
	INSERT OR IGNORE INTO session_tags (tag, owner, created_at, id)
	SELECT value, NEW.owner, NEW.created_at, NEW.id FROM json_each(NEW.tags);
END;
--> statement-breakpoint
CREATE TRIGGER session_changed_tags AFTER UPDATE OF tags, owner, created_at ON agent_sessions
WHEN (OLD.tags, OLD.owner, OLD.created_at) IS NOT (NEW.tags, NEW.owner, NEW.created_at)
BEGIN
	DELETE FROM session_tags
	WHERE tag IN (SELECT value FROM json_each(OLD.tags))
		AND owner = OLD.owner AND created_at = OLD.created_at AND id = OLD.id;
	INSERT OR IGNORE INTO session_tags (tag, owner, created_at, id)
	SELECT value, NEW.owner, NEW.created_at, NEW.id FROM json_each(NEW.tags);
END;
--> statement-breakpoint
CREATE TRIGGER session_removed_tags AFTER DELETE ON agent_sessions
BEGIN
	DELETE FROM session_tags
	WHERE tag IN (SELECT value FROM json_each(OLD.tags))
		AND owner = OLD.owner AND created_at = OLD.created_at AND id = OLD.id;
END;
