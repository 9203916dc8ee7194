-- A full-text index of descriptions: every three characters that follow one another. It stores no text; the session's
-- row has it with folded case, because SQLite folds ASCII only.
ALTER TABLE agent_sessions ADD COLUMN search_text text;--> statement-breakpoint
-- The session's number in the full-text index.
ALTER TABLE agent_sessions ADD COLUMN search_id integer;--> statement-breakpoint
CREATE UNIQUE INDEX sessions_search ON agent_sessions (search_id) WHERE search_id IS NOT NULL;--> statement-breakpoint
-- Descriptions that are not in the full-text index yet: all that are there already, which maintenance adds.
CREATE INDEX sessions_unsearched ON agent_sessions (id) WHERE description IS NOT NULL AND search_text IS NULL;--> statement-breakpoint
CREATE VIRTUAL TABLE session_search USING fts5(
	text, content = '', columnsize = 0, detail = none, tokenize = 'trigram case_sensitive 1'
);
--> statement-breakpoint
CREATE TRIGGER session_created_search AFTER INSERT ON agent_sessions
WHEN NEW.search_text IS NOT NULL
BEGIN
	UPDATE agent_sessions
	SET search_id = (SELECT coalesce(max(search_id), 0) + 1 FROM agent_sessions WHERE search_id IS NOT NULL)
	WHERE id = NEW.id;
	INSERT INTO session_search (rowid, text)
	SELECT search_id, search_text FROM agent_sessions WHERE id = NEW.id;
END;
--> statement-breakpoint
CREATE TRIGGER session_changed_search AFTER UPDATE OF search_text ON agent_sessions
WHEN OLD.search_text IS NOT NEW.search_text
BEGIN
	INSERT INTO session_search (session_search, rowid, text)
	SELECT 'delete', OLD.search_id, OLD.search_text WHERE OLD.search_text IS NOT NULL;
	UPDATE agent_sessions
	SET search_id = CASE WHEN search_text IS NOT NULL THEN coalesce(search_id, (
		SELECT coalesce(max(search_id), 0) + 1 FROM agent_sessions WHERE search_id IS NOT NULL
	)) END
	WHERE id = NEW.id;
	INSERT INTO session_search (rowid, text)
	SELECT search_id, search_text FROM agent_sessions WHERE id = NEW.id AND search_text IS NOT NULL;
END;
--> statement-breakpoint
-- A description that was changed without its folded text is added again.
CREATE TRIGGER session_changed_description AFTER UPDATE OF description ON agent_sessions
WHEN OLD.description IS NOT NEW.description AND OLD.search_text IS NEW.search_text
BEGIN
	UPDATE agent_sessions SET search_text = NULL WHERE id = NEW.id AND search_text IS NOT NULL;
END;
--> statement-breakpoint
CREATE TRIGGER session_removed_search AFTER DELETE ON agent_sessions
WHEN OLD.search_text IS NOT NULL
BEGIN
	INSERT INTO session_search (session_search, rowid, text) VALUES ('delete', OLD.search_id, OLD.search_text);
END;
