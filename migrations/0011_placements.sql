-- Where the sessions of an owner are, if the index has several databases. Each database has its own records.
CREATE TABLE owner_placements (
	owner text PRIMARY KEY NOT NULL,
	stage text NOT NULL,
	source text,
	since integer NOT NULL,
	position text
);
--> statement-breakpoint
CREATE INDEX placements_moving ON owner_placements (since) WHERE source IS NOT NULL;--> statement-breakpoint
-- What has left a database is not written there any more, whoever tries.
CREATE TRIGGER session_sealed BEFORE INSERT ON agent_sessions
WHEN EXISTS (SELECT 1 FROM owner_placements WHERE owner = NEW.owner AND stage = 'sealed')
BEGIN
	SELECT RAISE(ABORT, 'the sessions of this owner move to another database');
END;
--> statement-breakpoint
CREATE TRIGGER session_change_sealed BEFORE UPDATE OF version ON agent_sessions
WHEN EXISTS (SELECT 1 FROM owner_placements WHERE owner = NEW.owner AND stage = 'sealed')
BEGIN
	SELECT RAISE(ABORT, 'the sessions of this owner move to another database');
END;
