CREATE TABLE `limited_owners` (
	`owner` text PRIMARY KEY NOT NULL
);
--> statement-breakpoint
CREATE TABLE `usage_totals` (
	`owner` text NOT NULL,
	`kind` text NOT NULL,
	`day` text NOT NULL,
	`name` text NOT NULL,
	`pattern` text NOT NULL,
	`model` text NOT NULL,
	`cost_nanos` integer NOT NULL,
	`input_tokens` integer NOT NULL,
	`output_tokens` integer NOT NULL,
	`cache_read_tokens` integer NOT NULL,
	`cache_write_tokens` integer NOT NULL,
	`web_search_requests` integer NOT NULL,
	PRIMARY KEY(`owner`, `kind`, `day`, `name`, `pattern`, `model`)
) WITHOUT ROWID;
--> statement-breakpoint
ALTER TABLE `agent_sessions` ADD `usage_days` text DEFAULT '{}' NOT NULL;
--> statement-breakpoint
-- Of sessions of earlier versions, the usage counts for the day of their creation.
INSERT INTO usage_totals
	(owner, kind, day, name, pattern, model, cost_nanos, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, web_search_requests)
SELECT who.owner, who.kind, who.day, who.name, who.pattern, models.key,
	coalesce(sum(models.value ->> 'costNanos'), 0),
	coalesce(sum(models.value ->> 'inputTokens'), 0),
	coalesce(sum(models.value ->> 'outputTokens'), 0),
	coalesce(sum(models.value ->> 'cacheReadTokens'), 0),
	coalesce(sum(models.value ->> 'cacheWriteTokens'), 0),
	coalesce(sum(models.value ->> 'webSearchRequests'), 0)
FROM (
	SELECT '' AS owner, 'all' AS kind, '' AS name, date(created_at / 1000, 'unixepoch') AS day, pattern, usage
	FROM agent_sessions
	UNION ALL
	SELECT owner, 'all', '', date(created_at / 1000, 'unixepoch'), pattern, usage FROM agent_sessions
	UNION ALL
	SELECT owner, 'user', user_id, date(created_at / 1000, 'unixepoch'), pattern, usage
	FROM agent_sessions WHERE user_id <> ''
	UNION ALL
	SELECT t.owner, 'tag', t.tag, date(t.created_at / 1000, 'unixepoch'), s.pattern, s.usage
	FROM session_tags AS t JOIN agent_sessions AS s ON s.id = t.id
) AS who, json_each(who.usage) AS models
GROUP BY 1, 2, 3, 4, 5, 6;
--> statement-breakpoint
CREATE TRIGGER session_created_usage AFTER INSERT ON agent_sessions
WHEN NEW.usage_days <> '{}'
BEGIN
	INSERT INTO usage_totals
		(owner, kind, day, name, pattern, model, cost_nanos, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, web_search_requests)
	SELECT
		who.owner, who.kind, days.key, who.name, NEW.pattern, models.key,
		coalesce(models.value ->> 'costNanos', 0),
		coalesce(models.value ->> 'inputTokens', 0),
		coalesce(models.value ->> 'outputTokens', 0),
		coalesce(models.value ->> 'cacheReadTokens', 0),
		coalesce(models.value ->> 'cacheWriteTokens', 0),
		coalesce(models.value ->> 'webSearchRequests', 0)
	FROM (
		SELECT '' AS owner, 'all' AS kind, '' AS name
		UNION ALL SELECT NEW.owner, 'all', ''
		UNION ALL SELECT NEW.owner, 'user', NEW.user_id WHERE NEW.user_id <> ''
		UNION ALL SELECT NEW.owner, 'tag', value FROM json_each(NEW.tags)
	) AS who, json_each(NEW.usage_days) AS days, json_each(days.value) AS models
	WHERE true
	ON CONFLICT DO UPDATE SET
		cost_nanos = cost_nanos + excluded.cost_nanos,
		input_tokens = input_tokens + excluded.input_tokens,
		output_tokens = output_tokens + excluded.output_tokens,
		cache_read_tokens = cache_read_tokens + excluded.cache_read_tokens,
		cache_write_tokens = cache_write_tokens + excluded.cache_write_tokens,
		web_search_requests = web_search_requests + excluded.web_search_requests;
END;
--> statement-breakpoint
-- A day that a session no longer keeps stays as it is.
CREATE TRIGGER session_changed_usage AFTER UPDATE OF usage_days ON agent_sessions
WHEN OLD.usage_days IS NOT NEW.usage_days
BEGIN
	INSERT INTO usage_totals
		(owner, kind, day, name, pattern, model, cost_nanos, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, web_search_requests)
	SELECT
		who.owner, who.kind, days.key, who.name, NEW.pattern, models.key,
		coalesce(models.value ->> 'costNanos', 0) - coalesce(OLD.usage_days -> days.key -> models.key ->> 'costNanos', 0),
		coalesce(models.value ->> 'inputTokens', 0) - coalesce(OLD.usage_days -> days.key -> models.key ->> 'inputTokens', 0),
		coalesce(models.value ->> 'outputTokens', 0) - coalesce(OLD.usage_days -> days.key -> models.key ->> 'outputTokens', 0),
		coalesce(models.value ->> 'cacheReadTokens', 0) - coalesce(OLD.usage_days -> days.key -> models.key ->> 'cacheReadTokens', 0),
		coalesce(models.value ->> 'cacheWriteTokens', 0) - coalesce(OLD.usage_days -> days.key -> models.key ->> 'cacheWriteTokens', 0),
		coalesce(models.value ->> 'webSearchRequests', 0) - coalesce(OLD.usage_days -> days.key -> models.key ->> 'webSearchRequests', 0)
	FROM (
		SELECT '' AS owner, 'all' AS kind, '' AS name
		UNION ALL SELECT NEW.owner, 'all', ''
		UNION ALL SELECT NEW.owner, 'user', NEW.user_id WHERE NEW.user_id <> ''
		UNION ALL SELECT NEW.owner, 'tag', value FROM json_each(NEW.tags)
	) AS who, json_each(NEW.usage_days) AS days, json_each(days.value) AS models
	WHERE models.value IS NOT OLD.usage_days -> days.key -> models.key
	ON CONFLICT DO UPDATE SET
		cost_nanos = cost_nanos + excluded.cost_nanos,
		input_tokens = input_tokens + excluded.input_tokens,
		output_tokens = output_tokens + excluded.output_tokens,
		cache_read_tokens = cache_read_tokens + excluded.cache_read_tokens,
		cache_write_tokens = cache_write_tokens + excluded.cache_write_tokens,
		web_search_requests = web_search_requests + excluded.web_search_requests;
END;
