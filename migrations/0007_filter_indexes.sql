CREATE INDEX sessions_pattern ON agent_sessions (pattern, owner, created_at);--> statement-breakpoint
CREATE INDEX sessions_user ON agent_sessions (user_id, owner, created_at) WHERE user_id IS NOT NULL;--> statement-breakpoint
CREATE INDEX sessions_conversation ON agent_sessions (conversation_id, owner, created_at) WHERE conversation_id IS NOT NULL;
