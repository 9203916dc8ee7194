// Generated from docs/openapi.json by `npm run openapi`. Do not edit it.

export interface paths {
    "/api/sessions": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List sessions
         * @description From an index, which may lag behind the sessions by a second, two while a message runs. Filters are combined with "and".
         */
        get: operations["listSessions"];
        put?: never;
        /**
         * Create a session
         * @description With `resumeSessionId`, `continueSession` or `snapshotId` in `config`, answers when everything is copied.
         */
        post: operations["createSession"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/sessions/stats/summary": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Sum up sessions
         * @description By the day of their creation.
         */
        get: operations["summarizeSessions"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/sessions/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Read a session
         * @description From its own object: never stale.
         */
        get: operations["getSession"];
        put?: never;
        post?: never;
        /**
         * Delete a session
         * @description With its history, its events, its files and its snapshots. A session that has not ended is terminated first, with the reason `deleted`. Sessions that were created from it stay.
         */
        delete: operations["deleteSession"];
        options?: never;
        head?: never;
        /**
         * Change a session's limits and metadata
         * @description If a new limit is already used up, the session ends or pauses: at once while no message runs, otherwise at the next turn. An ended session stays ended.
         */
        patch: operations["updateSession"];
        trace?: never;
    };
    "/api/sessions/{id}/terminate": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * End a session
         * @description Stops the running message; queued ones end as `interrupted`. Repeating it changes nothing. The body may be empty.
         */
        post: operations["terminateSession"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/sessions/{id}/export": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Export a session
         * @description One JSON object a line: the session (`type` is `session`), its messages (`message`), its events, and last a line with the `type` `end` and the numbers of messages and events. Without that line the export is not complete.
         */
        get: operations["exportSession"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/sessions/{id}/message": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Send a message
         * @description Answers when the message has ended, by a limit or an interrupt too: check `status` and `stopReason`. With `streaming`, answers with its events; with `background`, at once. The message goes on if the client disconnects. To attach to it again, repeat the request with the same `Idempotency-Key` and body.
         */
        post: operations["sendMessage"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/sessions/{id}/interrupt": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Interrupt the running message
         * @description Stops the message that runs or waits, and starts the next one of the queue. The agent's text so far is kept, and a running command is stopped.
         */
        post: operations["interruptSession"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/sessions/{id}/messages": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List messages */
        get: operations["listMessages"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/sessions/{id}/messages/{messageId}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Read a message */
        get: operations["getMessage"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/sessions/{id}/events": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Read or stream events
         * @description Events in the order of `seq`. With `Accept: text/event-stream`, streams the whole log and goes on live until the session ends; `Last-Event-ID` takes precedence over `after`.
         */
        get: operations["listEvents"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/sessions/{id}/approvals": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List the approvals of a session */
        get: operations["listApprovals"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/sessions/{id}/approvals/{approvalId}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Allow or deny a call
         * @description The same decision again changes nothing; another one is a 409. The scope `sessions:write` does not include this.
         */
        post: operations["resolveApproval"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/approvals": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List what waits for a decision
         * @description In all sessions of the caller, the oldest request of a page first. The list of sessions may lag a second behind; the approvals come from the sessions themselves.
         */
        get: operations["listPendingApprovals"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/sessions/{id}/mcp-servers": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List the MCP servers of a session */
        get: operations["listMcpServers"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/sessions/{id}/mcp-servers/{name}/oauth": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        /**
         * Give access to an MCP server
         * @description Replaces `oauth` of the server, also if it had none: when its refresh token was revoked, or to authorize it later than the session is created. The next request to the server uses it.
         */
        put: operations["authorizeMcpServer"];
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/sessions/{id}/tool-requests": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List the calls that wait for their results */
        get: operations["listToolRequests"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/sessions/{id}/tool-results": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Give the results of calls
         * @description All results are taken, or none. The message goes on when nothing of it waits any more. The result that a call has already changes nothing; another one is a 409.
         */
        post: operations["answerTools"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/tool-requests": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List the calls of all sessions that wait for their results
         * @description In all sessions of the caller, the oldest call of a page first. The list of sessions may lag a second behind; the calls come from the sessions themselves.
         */
        get: operations["listAllToolRequests"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/sessions/{id}/schedules": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List schedules */
        get: operations["listSchedules"];
        put?: never;
        /**
         * Create a schedule
         * @description A session has 20 at most, wake-ups included. An ephemeral session has none (400), and an ended one gets none (409).
         */
        post: operations["createSchedule"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/sessions/{id}/schedules/{scheduleId}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /**
         * Delete a schedule
         * @description A message that it has already sent stays in the queue.
         */
        delete: operations["deleteSchedule"];
        options?: never;
        head?: never;
        /** Pause or resume a schedule */
        patch: operations["updateSchedule"];
        trace?: never;
    };
    "/api/sessions/{id}/snapshots": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List snapshots */
        get: operations["listSnapshots"];
        put?: never;
        /**
         * Create a snapshot
         * @description Only while no message runs. A session keeps its 10 newest, for 30 days each; they stay when it ends, and go when it is deleted.
         */
        post: operations["createSnapshot"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/sessions/{id}/files": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List files
         * @description What is in a directory of the workspace, by name: each directory comes before its content. Links are not followed. The files of a session without a container are read from its saved workspace; nothing is started.
         */
        get: operations["listFiles"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/sessions/{id}/files/{path}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Read a file
         * @description The path is relative to the workspace, each name percent-encoded. Links are followed inside the workspace. Nothing is started. The media type is that of the ending.
         */
        get: operations["readFile"];
        /**
         * Write a file
         * @description The body is the content. Directories are made. Other processes see the old content or the new one, and of an upload that breaks off nothing. Wakes a session that sleeps, and counts as activity.
         */
        put: operations["writeFile"];
        post?: never;
        /**
         * Delete a file
         * @description A link is deleted, and not what it leads to. Wakes a session that sleeps, and counts as activity.
         */
        delete: operations["deleteFile"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/sessions/{id}/archive": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Read files as an archive
         * @description A directory of the workspace with all below it, as a tar archive in POSIX's format. Names are relative to the directory. If a file is replaced while it is read, the answer breaks off, without the two empty blocks at the end of an archive.
         */
        get: operations["archiveFiles"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/sessions/{id}/shares": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List share links */
        get: operations["listShares"];
        put?: never;
        /**
         * Create a share link
         * @description A session has 100 at most that can be used.
         */
        post: operations["createShare"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/sessions/{id}/shares/{shareId}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /**
         * Revoke a share link
         * @description At once: requests are refused, and streams end. A message that it has sent goes on.
         */
        delete: operations["deleteShare"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/sessions/{id}/previews": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List previews */
        get: operations["listPreviews"];
        put?: never;
        /**
         * Create a preview
         * @description For sandboxes with a network: containers and machines. The server need not listen yet. A session has 20 at most that can be used.
         */
        post: operations["createPreview"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/sessions/{id}/previews/{previewId}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /**
         * Delete a preview
         * @description Within 15 seconds, its address leads nowhere any more, and open connections end.
         */
        delete: operations["deletePreview"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/sessions/{id}/artifacts": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List artifacts
         * @description Also after the session has ended, until it is deleted.
         */
        get: operations["listArtifacts"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/sessions/{id}/artifacts/{artifactId}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Read an artifact */
        get: operations["getArtifact"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/sessions/{id}/artifacts/{artifactId}/content": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Read the content of an artifact
         * @description The bytes, with the artifact's `contentType`, to be downloaded under its name. The ETag is the `sha256`.
         */
        get: operations["getArtifactContent"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/conversations/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Read a conversation and its sessions
         * @description From the index. With admin rights, of all owners that use the number. A number that no session was created with is a 404.
         */
        get: operations["getConversation"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/webhooks": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List webhooks */
        get: operations["listWebhooks"];
        put?: never;
        /**
         * Create a webhook
         * @description An owner has 20 at most.
         */
        post: operations["createWebhook"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/webhooks/{webhookId}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Read a webhook */
        get: operations["getWebhook"];
        put?: never;
        post?: never;
        /** Delete a webhook */
        delete: operations["deleteWebhook"];
        options?: never;
        head?: never;
        /**
         * Change a webhook
         * @description A running session learns of it within about two seconds of its next activity.
         */
        patch: operations["updateWebhook"];
        trace?: never;
    };
    "/api/webhooks/{webhookId}/rotate-secret": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Rotate the secret of a webhook */
        post: operations["rotateWebhookSecret"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/webhooks/{webhookId}/test": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Send a test event
         * @description Sends `webhook.test` at once, and answers with how that went.
         */
        post: operations["testWebhook"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/webhooks/{webhookId}/deliveries": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List deliveries */
        get: operations["listDeliveries"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/webhooks/{webhookId}/deliveries/{deliveryId}/redeliver": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Send an event again
         * @description Out of its order: nothing waits for it.
         */
        post: operations["redeliver"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/automations": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List automations */
        get: operations["listAutomations"];
        put?: never;
        /**
         * Create an automation
         * @description An owner has 100 at most. The `tools` of the key that creates it hold for its sessions.
         */
        post: operations["createAutomation"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/automations/{automationId}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Read an automation */
        get: operations["getAutomation"];
        put?: never;
        post?: never;
        /** Delete an automation */
        delete: operations["deleteAutomation"];
        options?: never;
        head?: never;
        /**
         * Change an automation
         * @description A key with fewer `tools` than it was made with is refused.
         */
        patch: operations["updateAutomation"];
        trace?: never;
    };
    "/api/automations/{automationId}/rotate-token": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Rotate the token of an automation */
        post: operations["rotateAutomationToken"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/automations/{automationId}/fire": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Start a run
         * @description The automation's own token may do it too. Answers when the session has its message. With an `Idempotency-Key`, one run is started. The body may be empty.
         */
        post: operations["fireAutomation"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/automations/{automationId}/runs": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List runs
         * @description Runs at work are asked when the list is read.
         */
        get: operations["listRuns"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/me": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Tell who the caller is */
        get: operations["getMe"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/keys": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List keys
         * @description A key that was revoked or has expired is listed for 90 days, if it is one of the last 1,000 of them.
         */
        get: operations["listKeys"];
        put?: never;
        /**
         * Create a key
         * @description Nobody gives a key more than their own has: no other scope, no other tools, no later expiry. An owner has 1,000 at most that can be used.
         */
        post: operations["createKey"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/keys/{keyId}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Read a key */
        get: operations["getKey"];
        put?: never;
        post?: never;
        /**
         * Revoke a key
         * @description It is refused everywhere within 30 seconds. Repeating it changes nothing.
         */
        delete: operations["revokeKey"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/keys/{keyId}/rotate": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Rotate a key
         * @description Gives it a new secret. A key that was revoked or has expired can't be rotated. The body may be empty.
         */
        post: operations["rotateKey"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/owners": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List owners
         * @description Those that have had sessions.
         */
        get: operations["listOwners"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/owners/{owner}/limits": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Read the limits of an owner
         * @description The owner may read its own, and an admin those of all.
         */
        get: operations["getOwnerLimits"];
        /**
         * Set the limits of an owner
         * @description Replaces all of them.
         */
        put: operations["setOwnerLimits"];
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/usage": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Read usage
         * @description As JSON; with `Accept: text/csv`, the rows as CSV, in which a text that begins like a formula gets a `'` before it.
         */
        get: operations["getUsage"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/audit": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Read the audit log
         * @description Who did what to keys, limits, share links and the sessions of others.
         */
        get: operations["listAudit"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/pool": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Read the state of the warm pool */
        get: operations["getPool"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/health": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Tell whether the Worker answers */
        get: operations["getHealth"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
}
export interface webhooks {
    event: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * An event that is sent to a webhook
         * @description Signed as [Standard Webhooks](https://www.standardwebhooks.com) are.
         */
        post: operations["receiveEvent"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
}
export interface components {
    schemas: {
        /**
         * @description A session to create. A limit that is absent is the deployment's: `DEFAULT_MAX_IDLE_TIME_MS`, `DEFAULT_MAX_LIFETIME_MS` and `DEFAULT_MAX_BUDGET_USD`, and none for `maxTurns`.
         * @example {
         *       "pattern": "hybrid",
         *       "config": {
         *         "systemPrompt": "You look after a changelog.",
         *         "allowedTools": [
         *           "Read",
         *           "Write",
         *           "Bash(ls *)"
         *         ]
         *       },
         *       "conversationId": 123,
         *       "maxBudgetUsd": 0.5,
         *       "maxTurns": 40,
         *       "tags": [
         *         "changelog",
         *         "demo"
         *       ],
         *       "description": "Changelog keeper",
         *       "userId": "user_123"
         *     }
         */
        CreateSession: {
            /**
             * @description How the session is hosted. `ephemeral`: one message, then it ends. `long-running`: awake between messages. `hybrid`: sleeps when idle, and the next message wakes it. `single-container`: several agents in one sandbox.
             * @enum {string}
             */
            pattern: "ephemeral" | "long-running" | "hybrid" | "single-container";
            /** @description The configuration of the agent. */
            config?: components["schemas"]["Config"] | null;
            /** @description A number that you choose: sessions with the same number belong to one conversation. */
            conversationId?: number | null;
            /** @description The maximum time without activity. A century at most; null means no limit. */
            maxIdleTimeMs?: number | null;
            /** @description The maximum lifetime, from the creation. A century at most; null means no limit. */
            maxLifetimeMs?: number | null;
            /** @description The maximum cost, in dollars. It is never exceeded. Null means no limit. */
            maxBudgetUsd?: number | null;
            /** @description The maximum number of turns. Null means no limit. */
            maxTurns?: number | null;
            /**
             * @description What happens when the budget, the turns or the lifetime is used up: the session ends (the default), or pauses until the limit is raised.
             * @enum {string|null}
             */
            onLimit?: "terminate" | "pause" | null;
            /** @description Up to 50, without commas. Duplicates are removed. */
            tags?: string[] | null;
            /** @description Text for people. Lists can search it. */
            description?: string | null;
            /** @description The id of a user of your app. Lists, usage and limits know it. */
            userId?: string | null;
        };
        /** @description The configuration of the agent. 256 KiB of JSON at most. Null means absent. An option that the deployment does not support is refused with 400. */
        Config: {
            /** @description The name of a model; `claude-sonnet-5-5` when absent. Any other name is a 400 that lists the known ones. The name of a retired model runs on its successor. */
            model?: string | null;
            /** @description Replaces the server's short default prompt. The server appends the working directory and the date. */
            systemPrompt?: string | null;
            /** @description The maximum number of turns of one message. The message then ends with `max_turns`, and the session goes on. */
            maxTurns?: number | null;
            /** @description Permission rules, such as `Read` or `Bash(git *)`. Without them, every tool is allowed. */
            allowedTools?: string[] | null;
            /** @description Permission rules. A call that matches one waits for approval, also if `allowedTools` allows it. */
            askTools?: string[] | null;
            /** @description Permission rules. A call that matches one is refused, whatever the other lists say. */
            disallowedTools?: string[] | null;
            /** @description How long a call waits for approval; without it, until somebody decides. */
            approvalTimeoutMs?: number | null;
            /**
             * @description What happens then: the call is denied (the default), or the session ends with the reason `approval_timeout`.
             * @enum {string|null}
             */
            onApprovalTimeout?: "deny" | "terminate" | null;
            /** @description Tools whose calls the caller answers, 64 at most, with 100,000 characters of JSON. Agents have them too, by their rules. */
            clientTools?: components["schemas"]["ClientTool"][] | null;
            /** @description How long a call of a client tool waits for its result. Then the model reads that nobody has answered. Without it, until the result is given. */
            clientToolTimeoutMs?: number | null;
            /** @description The parts of budget and turns at which `limit.warned` is sent; `[0.5, 0.8, 1]` when absent, none for `[]`. */
            warnAt?: number[] | null;
            /** @description Additional agents by their names, 50 at most. A name has up to 64 letters, digits, `_` and `-`, and is not `main`. */
            customAgents?: {
                [key: string]: components["schemas"]["CustomAgent"];
            } | null;
            /** @description Starts with the history and the workspace of this session, by its `id` or `sessionId`. Of this, `continueSession` and `snapshotId`, the first one present is used. */
            resumeSessionId?: string | null;
            /** @description Starts from the newest session of the same `conversationId` that is not ephemeral. */
            continueSession?: boolean | null;
            /** @description With one of the two above: a branch with its own `sessionId`. It is not part of the returned `config`. */
            forkSession?: boolean | null;
            /** @description Starts from this snapshot, as a branch with its own `sessionId`. */
            snapshotId?: string | null;
            /** @description Globs of files of the workspace, such as `dist/**`, up to 20. Files that match are published when a message ends. Agents also get the tool Publish, for `[]` too. */
            artifacts?: string[] | null;
            /** @description For how many days the session is kept after its end; the setting `SESSION_RETENTION_DAYS` when absent. */
            retentionDays?: number | null;
            /**
             * @description Where the agent runs. `loop` (the default): in the session's object. `claude-code`: as Claude Code in its container, which has to be there.
             * @enum {string|null}
             */
            runtime?: "loop" | "claude-code" | null;
            /** @description Where commands run. */
            sandbox?: components["schemas"]["SandboxConfig"] | null;
            /** @description Environment variables of commands: strings, and secrets for some hosts only. They are never returned, and are stored encrypted if the deployment has an encryption key. */
            env?: {
                [key: string]: (string | components["schemas"]["Secret"]) | null;
            } | null;
            /** @description Repositories that are cloned into the workspace, 10 at most. A session that starts from another one has that one's workspace: nothing is cloned, and tokens replace those of the same addresses. */
            repositories?: components["schemas"]["Repository"][] | null;
            /** @description Commands that run once in the workspace, after the repositories are cloned and before the first command of the agent: 20 at most, of up to 10,000 characters and 30 minutes each. What they make of the workspace is kept for sessions with the same set-up. If one fails, the session ends. Not run in a session that starts from another one. */
            setup?: string[] | null;
            /** @description Files that the workspace begins with, 100 at most. Not written in a session that starts from another one. */
            files?: (components["schemas"]["TextFile"] | components["schemas"]["BytesFile"] | components["schemas"]["ArtifactFile"])[] | null;
            /** @description MCP servers whose tools the agents use, by their names, 20 at most. A name has up to 64 letters, digits, `_` and `-`, no `__`, and no `_` at its end. They are never returned, and are stored encrypted if the deployment has an encryption key. */
            mcpServers?: {
                [key: string]: components["schemas"]["McpServer"] | null;
            } | null;
            /** @description Passed to the Messages API as `thinking`. When absent, models that support it use adaptive thinking. A value that the model does not support fails the first message. */
            thinking?: {
                [key: string]: unknown;
            } | null;
            /**
             * @description Passed to the Messages API. A value that the model does not support fails the first message.
             * @enum {string|null}
             */
            effort?: "low" | "medium" | "high" | "xhigh" | "max" | null;
            /** @description A JSON schema: the reply to each message is JSON that matches it, and `output` of the message is the parsed value. */
            outputSchema?: {
                [key: string]: unknown;
            } | null;
        };
        /**
         * @description A tool whose calls the caller answers.
         * @example {
         *       "name": "lookup_order",
         *       "description": "Returns an order of the shop.",
         *       "inputSchema": {
         *         "type": "object",
         *         "properties": {
         *           "id": {
         *             "type": "integer"
         *           }
         *         },
         *         "required": [
         *           "id"
         *         ]
         *       }
         *     }
         */
        ClientTool: {
            /** @description Letters, digits, `_` and `-`. Not the name of a built-in tool, and not `mcp__…`. */
            name: string;
            /** @description What the model reads about the tool. Claude Code passes on 4,096 characters. */
            description: string;
            /** @description A JSON schema of an object, without `anyOf`, `oneOf` or `allOf` at its top. A call whose input does not match it is an error that the model reads, and is not requested. */
            inputSchema: {
                [key: string]: unknown;
            };
        };
        /** @description A type of agents. A field that is absent has the session's value. What the session disallows or asks for holds for its agents too. */
        CustomAgent: {
            /** @description What the agent is for. The main agent reads it. */
            description?: string | null;
            /** @description The system prompt of the agent. */
            systemPrompt?: string | null;
            /** @description The model of the agent. */
            model?: string | null;
            /** @description The maximum number of turns of one task of the agent. */
            maxTurns?: number | null;
            /** @description Permission rules, such as `Read` or `Bash(git *)`. Without them, every tool is allowed. */
            allowedTools?: string[] | null;
            /** @description Permission rules. A call that matches one waits for approval, also if `allowedTools` allows it. */
            askTools?: string[] | null;
            /** @description Permission rules. A call that matches one is refused, whatever the other lists say. */
            disallowedTools?: string[] | null;
            /** @description Passed to the Messages API as `thinking`. */
            thinking?: {
                [key: string]: unknown;
            } | null;
            /**
             * @description Passed to the Messages API.
             * @enum {string|null}
             */
            effort?: "low" | "medium" | "high" | "xhigh" | "max" | null;
        };
        /** @description Where commands run. An option or a network that the provider does not have is refused with 400. */
        SandboxConfig: {
            /** @description `cloudflare`: a container. `embedded`: a shell in the session's object. `daytona`, `e2b`, `fly`, `modal`: a machine of this vendor. The setting `SANDBOX_PROVIDER` when absent, or else a container if the deployment has them. One that the deployment has no settings for is refused with 400. */
            provider?: string | null;
            /** @description The hosts that commands may reach: `none`, `open`, or a list of up to 100 hosts such as `*.example.com`, in which `default` stands for package registries and code hosts. The default depends on the provider. */
            network?: (("none" | "open") | {
                allow: string[];
            }) | null;
            /** @description The template that the machine is made from. */
            template?: string | null;
            /** @description The vendor's snapshot that the machine is made from. */
            snapshot?: string | null;
            /** @description The image that the machine runs. */
            image?: string | null;
            /** @description Where the machine runs. */
            region?: string | null;
            /** @description A size of machines that the vendor has a name for. */
            size?: string | null;
            /** @description The number of CPUs. */
            cpus?: number | null;
            /** @description The memory, in MB. */
            memoryMb?: number | null;
            /** @description The disk, in GB. */
            diskGb?: number | null;
        };
        /** @description Commands see a placeholder. The value is sent only in headers of requests to the hosts. */
        Secret: {
            /** @description The value. */
            secret: string;
            /** @description The hosts that it is sent to, such as `api.github.com` or `*.example.com`. */
            hosts: string[];
        };
        /**
         * @description A git repository that is cloned into the workspace before the first command.
         * @example {
         *       "url": "https://github.com/octocat/Hello-World",
         *       "ref": "master",
         *       "depth": 1
         *     }
         */
        Repository: {
            /** @description Its address, with `https`, without a port and without credentials. Its host has to be in `sandbox.network`. */
            url: string;
            /** @description A branch, a tag, the full name of a ref, or a full commit. The default branch of the repository when absent. */
            ref?: string | null;
            /** @description Its directory, relative to the workspace; `.` for the workspace itself. The repository's name when absent. */
            path?: ("." | string) | null;
            /** @description How many commits of the history are cloned. All when absent. */
            depth?: number | null;
            /** @description With what the repository is read and written. It is sent to the host of the repository only, is never in the container, and is never returned. */
            token?: string | null;
        };
        /** @description A text that the workspace begins with, in UTF-8. */
        TextFile: {
            /** @description Where it is, relative to the workspace. */
            path: string;
            /** @description Its content. */
            text: string;
        };
        /** @description A file of any bytes that the workspace begins with. */
        BytesFile: {
            /** @description Where it is, relative to the workspace. */
            path: string;
            /**
             * Format: base64
             * @description Its content, in base64.
             */
            base64: string;
        };
        /** @description A file that the workspace begins with, as a session of the same owner has published it. */
        ArtifactFile: {
            /** @description Where it is, relative to the workspace. */
            path: string;
            /** @description The artifact that has its content. */
            artifactId: string;
        };
        /**
         * @description An MCP server, over Streamable HTTP.
         * @example {
         *       "url": "https://mcp.example.com/mcp",
         *       "headers": {
         *         "Authorization": {
         *           "secret": "Bearer 2f0c6d1e"
         *         }
         *       },
         *       "tools": [
         *         "search",
         *         "create_issue"
         *       ]
         *     }
         */
        McpServer: {
            /** @description Its address. `https`, with a host on the public internet and without credentials; `MCP_ALLOW_PRIVATE_HOSTS` of the deployment allows any. */
            url: string;
            /** @description Headers of each request: strings, or `{"secret"}`. A secret is also removed from what the server returns. */
            headers?: {
                [key: string]: string | {
                    secret: string;
                };
            } | null;
            /** @description How the access is renewed. Requests then have its access token. */
            oauth?: components["schemas"]["McpOauth"] | null;
            /** @description The server's names of the tools that are offered; all when absent. */
            tools?: string[] | null;
            /** @description How long a call may take; 120,000 when absent. */
            timeoutMs?: number | null;
        };
        /**
         * @description The access to an MCP server by OAuth 2. Your app has the authorization; the server renews the access token by the refresh token, which the token endpoint may replace. Nothing of it is returned.
         * @example {
         *       "tokenUrl": "https://auth.example.com/token",
         *       "clientId": "rigger",
         *       "refreshToken": "rt_5f0c6d1e9a2b47c3"
         *     }
         */
        McpOauth: {
            /** @description The token endpoint. `https`, with a host on the public internet; `MCP_ALLOW_PRIVATE_HOSTS` of the deployment allows any. */
            tokenUrl: string;
            /** @description The id of the client that the refresh token was issued to. */
            clientId: string;
            /** @description Its secret, if it has one. */
            clientSecret?: string | null;
            /**
             * @description How the secret is sent: `basic`, in the header `Authorization` (the default), or `post`, in the body.
             * @enum {string|null}
             */
            clientAuth?: "basic" | "post" | null;
            /** @description The refresh token. */
            refreshToken: string;
            /** @description An access token. Without it, the first request to the server gets one. */
            accessToken?: string | null;
            /**
             * Format: date-time
             * @description When the access token expires. It is renewed a minute before, and when the server refuses it.
             */
            expiresAt?: string | null;
            /** @description Is sent as `scope` with each renewal. */
            scope?: string | null;
        };
        /**
         * @description What changes, one field at least, with the same bounds as at creation. Null clears a field.
         * @example {
         *       "description": null,
         *       "tags": [
         *         "changelog"
         *       ],
         *       "maxBudgetUsd": 1
         *     }
         */
        PatchSession: {
            /** @description The maximum time without activity. A century at most; null means no limit. */
            maxIdleTimeMs?: number | null;
            /** @description The maximum lifetime, from the creation. A century at most; null means no limit. */
            maxLifetimeMs?: number | null;
            /** @description The maximum cost, in dollars. It is never exceeded. Null means no limit. */
            maxBudgetUsd?: number | null;
            /** @description The maximum number of turns. Null means no limit. */
            maxTurns?: number | null;
            /**
             * @description What happens when the budget, the turns or the lifetime is used up: the session ends (the default), or pauses until the limit is raised.
             * @enum {string|null}
             */
            onLimit?: "terminate" | "pause" | null;
            /** @description Up to 50, without commas. Duplicates are removed. */
            tags?: string[] | null;
            /** @description Text for people. Lists can search it. */
            description?: string | null;
            /** @description The id of a user of your app. Lists, usage and limits know it. */
            userId?: string | null;
        };
        /**
         * @description How to end the session.
         * @example {
         *       "reason": "no longer needed"
         *     }
         */
        Terminate: {
            /** @description Becomes the `terminationReason`; `user_requested` when absent. */
            reason?: string | null;
            /**
             * @description Whether the files of a container are not saved. In a repeat, it ends the attempts to save them.
             * @default false
             */
            discardWorkspace?: boolean;
        };
        /**
         * @description A message to send.
         * @example {
         *       "prompt": "Start the changelog."
         *     }
         */
        SendMessage: {
            prompt: components["schemas"]["Prompt"];
            /** @description The agent that answers; the main agent when absent, and with `onBusy: steer` the agent that answers the running message. One that the session does not have is a 400. */
            agent?: string | null;
            /**
             * @description Answers with a stream of the message's events.
             * @default false
             */
            streaming?: boolean;
            /**
             * @description Answers with 202 at once, with the message as it is. Not together with `streaming`.
             * @default false
             */
            background?: boolean;
            /** @description The maximum number of turns of this message. The smaller of this and `config.maxTurns` applies. */
            maxTurns?: number | null;
            /** @description The maximum cost of this message, in dollars. The session goes on when it is used up. */
            maxBudgetUsd?: number | null;
            /**
             * @description What happens while another message runs or waits for somebody. `queue`: this one waits, first in, first out, in a queue of 100. `reject`: it is refused with 409. `interrupt`: the other one is stopped, and this one starts before those in the queue. `steer`: the prompt joins the other one, with its next call of the model; the answer is a 202 with that one. If that ends before, this one runs as those in the queue.
             * @default queue
             * @enum {string}
             */
            onBusy?: "queue" | "reject" | "interrupt" | "steer";
        };
        /**
         * @description Text that is not blank, or content blocks of the Messages API. 1 MiB at most, and 1.9 MB as JSON. A `base64` image must be complete, match its `media_type` and have at most 8,000 pixels a side.
         * @example Start the changelog.
         * @example [
         *       {
         *         "type": "text",
         *         "text": "Start the changelog."
         *       }
         *     ]
         */
        Prompt: string | ({
            /** @constant */
            type: "text";
            text: string;
        } | {
            /** @constant */
            type: "image";
            source: {
                /** @constant */
                type: "base64";
                /** @enum {string} */
                media_type: "image/jpeg" | "image/png" | "image/gif" | "image/webp";
                /** Format: base64 */
                data: string;
            } | {
                /** @constant */
                type: "url";
                /** Format: uri */
                url: string;
            };
        } | {
            /** @constant */
            type: "document";
            source: {
                /** @constant */
                type: "base64";
                /** @enum {string} */
                media_type: "application/pdf";
                /** Format: base64 */
                data: string;
            } | {
                /** @constant */
                type: "text";
                /** @constant */
                media_type: "text/plain";
                data: string;
            } | {
                /** @constant */
                type: "url";
                /** Format: uri */
                url: string;
            };
            title?: string;
            context?: string;
        })[];
        /**
         * @description An empty object.
         * @example {}
         */
        NoFields: Record<string, never>;
        /**
         * @description A decision about a call.
         * @example {
         *       "decision": "allow",
         *       "note": "To main, for once.",
         *       "remember": "session"
         *     }
         */
        ResolveApproval: {
            /**
             * @description Whether the call is made. The model reads a denial as the result of its call.
             * @enum {string}
             */
            decision: "allow" | "deny";
            /** @description What the model reads with the result. */
            note?: string | null;
            /** @description With `allow`: the input that the call is made with instead of its own. It is held to the permission rules, the model is told, and both are recorded. */
            input?: {
                [key: string]: unknown;
            } | null;
            /**
             * @description `session`: the same call, by any agent of the session, is decided in the same way from now on. It is the same if the tool and the whole input are equal, apart from the `description` of a built-in tool's input.
             * @enum {string|null}
             */
            remember?: "session" | null;
        };
        /**
         * @description Results of calls.
         * @example {
         *       "results": [
         *         {
         *           "toolUseId": "toolu_01",
         *           "content": "sent"
         *         }
         *       ]
         *     }
         */
        AnswerTools: {
            /** @description Up to 100, one for each call. */
            results: components["schemas"]["GivenResult"][];
        };
        /**
         * @description The result of a call. 1.7 MB of JSON at most.
         * @example {
         *       "toolUseId": "toolu_01",
         *       "content": "{\"id\":4711,\"status\":\"sent\"}"
         *     }
         */
        GivenResult: {
            /** @description The call, as in `tool.requested`. */
            toolUseId: string;
            /** @description What the model reads: text, or blocks of text and images (base64). */
            content: string | ({
                /** @constant */
                type: "text";
                text: string;
            } | {
                /** @constant */
                type: "image";
                source: {
                    /** @constant */
                    type: "base64";
                    /** @enum {string} */
                    media_type: "image/jpeg" | "image/png" | "image/gif" | "image/webp";
                    /** Format: base64 */
                    data: string;
                };
            })[];
            /** @description Whether the call has failed; false when absent. */
            isError?: boolean | null;
        };
        /**
         * @description A schedule to create: by cron, or at an interval. Its prompt has 64 KiB of JSON at most.
         * @example {
         *       "cron": "0 9 * * mon-fri",
         *       "timeZone": "Europe/Berlin",
         *       "prompt": "Read the news and sum them up."
         *     }
         * @example {
         *       "everyMs": 60000,
         *       "prompt": "tick"
         *     }
         */
        CreateSchedule: {
            /** @description A cron expression with five fields, six with seconds, or `@hourly`, `@daily`, `@weekly`, `@monthly` or `@yearly`. One that never matches is refused. */
            cron?: string | null;
            /** @description The time zone of `cron`, such as `Europe/Berlin`; `UTC` when absent. */
            timeZone?: string | null;
            /** @description An interval, instead of `cron`. The first run is one interval after the creation, and later ones are at multiples of it. */
            everyMs?: number | null;
            prompt: components["schemas"]["Prompt"];
        };
        /**
         * @description A change of a schedule.
         * @example {
         *       "paused": true
         *     }
         */
        PatchSchedule: {
            /** @description Whether it sends nothing. Runs that were missed are not repeated, except a wake-up: it runs when it is resumed. */
            paused: boolean;
        };
        /**
         * @description A share link to create.
         * @example {
         *       "access": "read",
         *       "description": "for Ann"
         *     }
         */
        CreateShare: {
            /**
             * @description `read`: to read the session, its messages and events, without system prompts. `write`: also to send messages and interrupt them.
             * @enum {string}
             */
            access: "read" | "write";
            /**
             * @description How long it works: a week when absent, 30 days at most.
             * @default 604800000
             */
            expiresInMs?: number;
            /** @description Text for people. */
            description?: string | null;
        };
        /**
         * @description A preview to create.
         * @example {
         *       "port": 5173
         *     }
         */
        CreatePreview: {
            /** @description The port that the server listens on in the sandbox, at any of its addresses. Ports of the sandbox's own programs are refused. */
            port: number;
            /**
             * @description How long the address works: a day when absent, 30 days at most.
             * @default 86400000
             */
            expiresInMs?: number;
        };
        /**
         * @description A webhook to create.
         * @example {
         *       "url": "https://example.com/alerts",
         *       "events": [
         *         "limit.warned",
         *         "owner.limit_warned"
         *       ]
         *     }
         */
        CreateWebhook: {
            /** @description `https`, with a host on the public internet and without credentials. `WEBHOOK_ALLOW_PRIVATE_HOSTS` of the deployment allows any. */
            url: string;
            /** @description Types of events of sessions, and `owner.limit_warned`. `*` in one is any text: `message.*`, `*`. One that names no type is a 400. */
            events: string[];
            /** @description Sends events of this session only; of all sessions when absent. */
            sessionId?: string | null;
            /** @description Text for people. */
            description?: string | null;
        };
        /**
         * @description What changes.
         * @example {
         *       "enabled": true
         *     }
         */
        PatchWebhook: {
            /** @description `https`, with a host on the public internet and without credentials. `WEBHOOK_ALLOW_PRIVATE_HOSTS` of the deployment allows any. */
            url?: string;
            /** @description Types of events of sessions, and `owner.limit_warned`. `*` in one is any text: `message.*`, `*`. One that names no type is a 400. */
            events?: string[];
            /** @description Text for people. */
            description?: string | null;
            /** @description Whether it is sent events. While it is not, new events are not kept for it; those that wait are sent when it is enabled again. */
            enabled?: boolean;
        };
        /**
         * @description How to rotate the secret.
         * @example {
         *       "graceMs": 0
         *     }
         */
        RotateWebhookSecret: {
            /**
             * @description For how long the old secret signs beside the new one: a day when absent, and at most. Four old ones at most do.
             * @default 86400000
             */
            graceMs?: number;
        };
        /**
         * @description An automation to create. `session` is what each run creates, and `prompt` (64 KiB of JSON at most) what that is sent.
         * @example {
         *       "name": "digest",
         *       "cron": "0 8 * * 1-5",
         *       "timeZone": "Europe/Berlin",
         *       "prompt": "Write the digest.",
         *       "session": {
         *         "pattern": "ephemeral",
         *         "maxBudgetUsd": 1,
         *         "tags": [
         *           "digest"
         *         ]
         *       }
         *     }
         */
        CreateAutomation: {
            /** @description Text for people. */
            name: string;
            session: components["schemas"]["CreateSession"];
            prompt: components["schemas"]["Prompt"];
            /**
             * @description How many of its runs may be at work at once, 5 by default. One more is `skipped`, or refused if it is fired.
             * @default 5
             */
            maxConcurrentRuns?: number;
            /**
             * @description Whether it runs, by itself and when it is fired.
             * @default true
             */
            enabled?: boolean;
            /** @description A cron expression with five fields, six with seconds, or `@hourly`, `@daily`, `@weekly`, `@monthly` or `@yearly`. One that never matches is refused. */
            cron?: string | null;
            /** @description The time zone of `cron`, such as `Europe/Berlin`; `UTC` when absent. */
            timeZone?: string | null;
            /** @description An interval, a minute at least. Without this and `cron`, it only runs when it is fired. */
            everyMs?: number | null;
        };
        /**
         * @description What changes, one field at least. What is said of the time replaces all of it; null is none.
         * @example {
         *       "enabled": false
         *     }
         */
        PatchAutomation: {
            /** @description Text for people. */
            name?: string;
            /** @description The session that each run starts. */
            session?: components["schemas"]["CreateSession"];
            /** @description What it is sent. 64 KiB of JSON at most. */
            prompt?: components["schemas"]["Prompt"];
            /** @description How many of its runs may be at work at once, 5 by default. One more is `skipped`, or refused if it is fired. */
            maxConcurrentRuns?: number;
            /** @description Whether it runs, by itself and when it is fired. */
            enabled?: boolean;
            /** @description A cron expression with five fields, six with seconds, or `@hourly`, `@daily`, `@weekly`, `@monthly` or `@yearly`. One that never matches is refused. */
            cron?: string | null;
            /** @description The time zone of `cron`, such as `Europe/Berlin`; `UTC` when absent. */
            timeZone?: string | null;
            /** @description An interval, a minute at least. Without this and `cron`, it only runs when it is fired. */
            everyMs?: number | null;
        };
        /**
         * @description A run to start.
         * @example {
         *       "input": "Today: the release of 2.0."
         *     }
         */
        FireAutomation: {
            /** @description Text that is appended to the prompt, 256 KiB at most. It may come from anybody who has the token. */
            input?: string | null;
        };
        /**
         * @description A key to create.
         * @example {
         *       "name": "ci",
         *       "owner": "acme"
         *     }
         */
        CreateKey: {
            /** @description Text for people. */
            name: string;
            /** @description The owner that the key is for; the caller's when absent. Only an admin may name another. */
            owner?: string | null;
            /** @description What the key may do; `sessions:write` and `usage:read` when absent. */
            scopes?: ("sessions:read" | "sessions:write" | "approvals:write" | "webhooks:write" | "automations:write" | "usage:read" | "keys:write" | "admin")[] | null;
            /** @description Permission rules that limit the sessions that it creates, 8,000 characters in all; no such limit when absent. */
            tools?: string[] | null;
            /**
             * Format: date-time
             * @description The instant from which it is refused, with its zone; none when absent.
             */
            expiresAt?: string | null;
        };
        /**
         * @description How to rotate the key.
         * @example {
         *       "graceMs": 3600000
         *     }
         */
        RotateKey: {
            /**
             * @description For how long the old secret still works, a day at most. A second rotation ends it.
             * @default 0
             */
            graceMs?: number;
        };
        /**
         * @description All limits of the owner. Null is none; one that is absent is the deployment's.
         * @example {
         *       "maxDailyUsd": 20,
         *       "maxRunningMessages": 5,
         *       "perUser": {
         *         "maxDailyUsd": 2
         *       }
         *     }
         */
        PutOwnerLimits: {
            /** @description Sessions that have not ended. One more is a 429 `too_many_sessions`. */
            maxActiveSessions?: number | null;
            /** @description Messages that run at once. One more waits with the status `queued`. */
            maxRunningMessages?: number | null;
            /** @description Dollars in a day, in UTC. When they are used up, a new message is a 429 `spend_limit`, and a running one ends with `budget_limit`. */
            maxDailyUsd?: number | null;
            /** @description Dollars in a month, in UTC; as those in a day. */
            maxMonthlyUsd?: number | null;
            /** @description Requests a minute of the owner's keys, and of each share link. One more is a 429 `too_many_requests`. */
            maxRequestsPerMinute?: number | null;
            /** @description Limits of each `userId`. */
            perUser?: {
                /** @description Sessions of a user that have not ended. */
                maxActiveSessions?: number | null;
                /** @description Dollars of a user in a day, in UTC. */
                maxDailyUsd?: number | null;
            };
        };
        /**
         * @description The body, the query, a header or the path is invalid.
         * @example {
         *       "type": "error",
         *       "error": {
         *         "type": "invalid_request_error",
         *         "message": "maxBudgetUSD: is not known here",
         *         "issues": [
         *           {
         *             "path": "maxBudgetUSD",
         *             "message": "is not known here"
         *           }
         *         ]
         *       },
         *       "requestId": "req_2662da32666f04c7114731dc3e75d50e"
         *     }
         */
        InvalidRequestError: {
            /** @constant */
            type: "error";
            error: {
                /** @enum {string} */
                type: "invalid_request_error";
                /** @description What is wrong, in English, for people. */
                message: string;
                /** @description Up to 20 of the things that are wrong. */
                issues: {
                    /** @description The field, with dots; empty for the body as a whole. */
                    path: string;
                    message: string;
                }[];
            };
            /** @description Names the request in the server's log. Also the header `X-Request-Id`. */
            requestId: string;
        };
        /**
         * @description There is no key, or a key or share link that is unknown, has expired or was revoked.
         * @example {
         *       "type": "error",
         *       "error": {
         *         "type": "authentication_error",
         *         "message": "Send an API key: Authorization: Bearer <key>."
         *       },
         *       "requestId": "req_2662da32666f04c7114731dc3e75d50e"
         *     }
         */
        AuthenticationError: {
            /** @constant */
            type: "error";
            error: {
                /** @enum {string} */
                type: "authentication_error";
                /** @description What is wrong, in English, for people. */
                message: string;
            };
            /** @description Names the request in the server's log. Also the header `X-Request-Id`. */
            requestId: string;
        };
        /**
         * @description The key does not have the scope, or would give more than it has; a share link or a token is not for that; a path leads out of the workspace; or a browser asks for a page of another origin.
         * @example {
         *       "type": "error",
         *       "error": {
         *         "type": "permission_error",
         *         "message": "Your key does not have the scope sessions:write."
         *       },
         *       "requestId": "req_2662da32666f04c7114731dc3e75d50e"
         *     }
         */
        PermissionError: {
            /** @constant */
            type: "error";
            error: {
                /** @enum {string} */
                type: "permission_error";
                /** @description What is wrong, in English, for people. */
                message: string;
            };
            /** @description Names the request in the server's log. Also the header `X-Request-Id`. */
            requestId: string;
        };
        /**
         * @description The path, or what it names, does not exist or belongs to another owner.
         * @example {
         *       "type": "error",
         *       "error": {
         *         "type": "not_found_error",
         *         "message": "There is no such session."
         *       },
         *       "requestId": "req_2662da32666f04c7114731dc3e75d50e"
         *     }
         */
        NotFoundError: {
            /** @constant */
            type: "error";
            error: {
                /** @enum {string} */
                type: "not_found_error";
                /** @description What is wrong, in English, for people. */
                message: string;
                /**
                 * @description The session has ended, and its files were not kept.
                 * @enum {string}
                 */
                reason?: "workspace_gone";
            };
            /** @description Names the request in the server's log. Also the header `X-Request-Id`. */
            requestId: string;
        };
        /**
         * @description The path does not support the method. The header `Allow` names those that it does.
         * @example {
         *       "type": "error",
         *       "error": {
         *         "type": "method_not_allowed",
         *         "message": "PUT is not possible here: use HEAD or GET."
         *       },
         *       "requestId": "req_2662da32666f04c7114731dc3e75d50e"
         *     }
         */
        MethodNotAllowedError: {
            /** @constant */
            type: "error";
            error: {
                /** @enum {string} */
                type: "method_not_allowed";
                /** @description What is wrong, in English, for people. */
                message: string;
            };
            /** @description Names the request in the server's log. Also the header `X-Request-Id`. */
            requestId: string;
        };
        /**
         * @description The request does not fit the state of what it is about.
         * @example {
         *       "type": "error",
         *       "error": {
         *         "type": "conflict_error",
         *         "message": "Another message is running.",
         *         "reason": "session_busy",
         *         "messageId": "msg_12e5…"
         *       },
         *       "requestId": "req_2662da32666f04c7114731dc3e75d50e"
         *     }
         */
        ConflictError: {
            /** @constant */
            type: "error";
            error: {
                /** @enum {string} */
                type: "conflict_error";
                /** @description What is wrong, in English, for people. */
                message: string;
                /**
                 * @description `session_busy`: another message runs or waits (with `onBusy: reject`, for a snapshot, and in a session that is to be resumed), or an ephemeral session has its message already. `session_ended`: the session has ended. `idempotency_mismatch`: the key was used with another body, or what it created shows a secret once only. `too_many_schedules`: the session has 20 schedules. `too_many_keys`: the owner has 1,000 keys that can be used. `too_many_shares`: the session has 100 share links that can be used. `too_many_previews`: the session has 20 previews that can be used. `too_many_webhooks`: the owner has 20 webhooks. `too_many_automations`: the owner has 100 automations. `automation_paused`: the automation is not enabled. `already_resolved`: another decision was made, or the call has another result or waits no more. `session_paused`: the session is paused at a limit, and its files are not changed. `not_a_file`: the path is that of a directory, a device or a link to nowhere, or is below a file. `not_a_directory`: the path is not that of a directory. `key_ended`: the key was revoked or has expired.
                 * @enum {string}
                 */
                reason: "session_busy" | "session_ended" | "idempotency_mismatch" | "too_many_schedules" | "too_many_keys" | "too_many_shares" | "too_many_previews" | "too_many_webhooks" | "too_many_automations" | "automation_paused" | "already_resolved" | "session_paused" | "not_a_file" | "not_a_directory" | "key_ended";
                /** @description The call that waits for no result. */
                toolUseId?: string;
                /** @description The message that runs, or that the first request created. */
                messageId?: string;
                /** @description The busy session that was to be resumed. */
                originId?: string;
                /** @description The status of the session or the approval. */
                status?: string;
                /** @description Of a terminated session. */
                terminationReason?: string;
                /** @description Of an ended session: its `sessionId`, to resume it. Otherwise the `id` of the session that the first request created. */
                sessionId?: string;
                /** @description What the first request created, as the next six. */
                scheduleId?: string;
                keyId?: string;
                webhookId?: string;
                automationId?: string;
                shareId?: string;
                previewId?: string;
                runId?: string;
            };
            /** @description Names the request in the server's log. Also the header `X-Request-Id`. */
            requestId: string;
        };
        /**
         * @description The file is not as `If-Match` or `If-None-Match` asks.
         * @example {
         *       "type": "error",
         *       "error": {
         *         "type": "precondition_failed",
         *         "message": "\"src/app.ts\" is not as If-Match or If-None-Match asks."
         *       },
         *       "requestId": "req_2662da32666f04c7114731dc3e75d50e"
         *     }
         */
        PreconditionFailedError: {
            /** @constant */
            type: "error";
            error: {
                /** @enum {string} */
                type: "precondition_failed";
                /** @description What is wrong, in English, for people. */
                message: string;
            };
            /** @description Names the request in the server's log. Also the header `X-Request-Id`. */
            requestId: string;
        };
        /**
         * @description The body, a prompt, a config or a file is too large, or the disk of the session has no room for it.
         * @example {
         *       "type": "error",
         *       "error": {
         *         "type": "request_too_large",
         *         "message": "The prompt is larger than 1 MiB."
         *       },
         *       "requestId": "req_2662da32666f04c7114731dc3e75d50e"
         *     }
         */
        RequestTooLargeError: {
            /** @constant */
            type: "error";
            error: {
                /** @enum {string} */
                type: "request_too_large";
                /** @description What is wrong, in English, for people. */
                message: string;
            };
            /** @description Names the request in the server's log. Also the header `X-Request-Id`. */
            requestId: string;
        };
        /**
         * @description The file has no such bytes. The header `Content-Range` has its size.
         * @example {
         *       "type": "error",
         *       "error": {
         *         "type": "range_not_satisfiable",
         *         "message": "The file has 1024 bytes."
         *       },
         *       "requestId": "req_2662da32666f04c7114731dc3e75d50e"
         *     }
         */
        RangeNotSatisfiableError: {
            /** @constant */
            type: "error";
            error: {
                /** @enum {string} */
                type: "range_not_satisfiable";
                /** @description What is wrong, in English, for people. */
                message: string;
            };
            /** @description Names the request in the server's log. Also the header `X-Request-Id`. */
            requestId: string;
        };
        /**
         * @description There is too much of something. The header `Retry-After` says for how many seconds to wait.
         * @example {
         *       "type": "error",
         *       "error": {
         *         "type": "rate_limit_error",
         *         "message": "The money of this day is used up.",
         *         "reason": "spend_limit",
         *         "limit": "owner_daily",
         *         "resetsAt": "2026-11-24T00:00:00.000Z"
         *       },
         *       "requestId": "req_2662da32666f04c7114731dc3e75d50e"
         *     }
         */
        RateLimitError: {
            /** @constant */
            type: "error";
            error: {
                /** @enum {string} */
                type: "rate_limit_error";
                /** @description What is wrong, in English, for people. */
                message: string;
                /**
                 * @description `queue_full`: 100 messages wait in the session already. `too_many_requests`: the key, the owner or the address makes too many requests a minute. `too_many_runs`: as many runs of the automation are at work as may be. `too_many_sessions`: as many sessions are active as the limits allow. `spend_limit`: the money of the day or the month is used up.
                 * @enum {string}
                 */
                reason: "queue_full" | "too_many_requests" | "too_many_runs" | "too_many_sessions" | "spend_limit";
                /** @description The limit over many sessions that refused it: `owner_active_sessions`, `user_active_sessions`, `user_daily`, `owner_daily` or `owner_monthly`. */
                limit?: string;
                /** @description When there is money again. */
                resetsAt?: string;
                messageId?: string;
                /** @description The run that was refused. */
                runId?: string;
            };
            /** @description Names the request in the server's log. Also the header `X-Request-Id`. */
            requestId: string;
        };
        /**
         * @description An internal error. The log has the request id.
         * @example {
         *       "type": "error",
         *       "error": {
         *         "type": "api_error",
         *         "message": "Something went wrong on our side. The request id helps to find out what."
         *       },
         *       "requestId": "req_2662da32666f04c7114731dc3e75d50e"
         *     }
         */
        ApiError: {
            /** @constant */
            type: "error";
            error: {
                /** @enum {string} */
                type: "api_error";
                /** @description What is wrong, in English, for people. */
                message: string;
            };
            /** @description Names the request in the server's log. Also the header `X-Request-Id`. */
            requestId: string;
        };
        /**
         * @description The message failed: the Messages API rejected it or failed after all retries, the reply does not match `outputSchema`, or the session's set-up failed.
         * @example {
         *       "type": "error",
         *       "error": {
         *         "type": "upstream_error",
         *         "message": "The model failed (invalid_request_error): The offline model was told to fail with 400.",
         *         "messageId": "msg_6d26…",
         *         "upstreamRequestId": "req_offline_fda2…"
         *       },
         *       "requestId": "req_2662da32666f04c7114731dc3e75d50e"
         *     }
         */
        UpstreamError: {
            /** @constant */
            type: "error";
            error: {
                /** @enum {string} */
                type: "upstream_error";
                /** @description What is wrong, in English, for people. */
                message: string;
                /** @description The message that failed. */
                messageId: string;
                /** @description The request id of the Messages API, if it gave one. */
                upstreamRequestId?: string;
                /**
                 * @description `output_mismatch`: the reply does not match `outputSchema`. `setup_failed`: a repository could not be cloned, or a command of `config.setup` failed.
                 * @enum {string}
                 */
                reason?: "output_mismatch" | "crash_loop" | "setup_failed";
            };
            /** @description Names the request in the server's log. Also the header `X-Request-Id`. */
            requestId: string;
        };
        /**
         * @description Something that the request needs is not available: a model, client keys, a key that the Messages API accepts, the encryption key of `env`, a session, its files or the index; or restarts interrupted a message too often. With the header `Retry-After`, try again.
         * @example {
         *       "type": "error",
         *       "error": {
         *         "type": "unavailable_error",
         *         "message": "The session can't be reached at the moment. Try again."
         *       },
         *       "requestId": "req_2662da32666f04c7114731dc3e75d50e"
         *     }
         */
        UnavailableError: {
            /** @constant */
            type: "error";
            error: {
                /** @enum {string} */
                type: "unavailable_error";
                /** @description What is wrong, in English, for people. */
                message: string;
                /** @description The message that failed, or that was sent. */
                messageId?: string;
                /** @description The session that was to be resumed. */
                originId?: string;
                upstreamRequestId?: string;
                /**
                 * @description Restarts interrupted the message too often at the same step.
                 * @enum {string}
                 */
                reason?: "crash_loop";
            };
            /** @description Names the request in the server's log. Also the header `X-Request-Id`. */
            requestId: string;
        };
        /**
         * @description An agent with its conversation, its workspace and its limits. A share link shows it without `systemPrompt`.
         * @example {
         *       "id": "sess_c742ab76de4d1e2abbe137d12edd751b",
         *       "sessionId": "sdk_sess_91668240-254c-426c-808a-7ed9893598a7",
         *       "pattern": "hybrid",
         *       "status": "active",
         *       "terminationReason": null,
         *       "error": null,
         *       "conversationId": 123,
         *       "config": {
         *         "allowedTools": [
         *           "Read",
         *           "Write",
         *           "Bash(ls *)"
         *         ]
         *       },
         *       "createdAt": "2026-11-23T09:33:14.913Z",
         *       "startedAt": "2026-11-23T09:33:14.913Z",
         *       "lastActivityAt": "2026-11-23T09:33:14.913Z",
         *       "completedAt": null,
         *       "terminatedAt": null,
         *       "updatedAt": "2026-11-23T09:33:14.913Z",
         *       "expiresAt": "2026-11-23T10:03:14.913Z",
         *       "expiresBecause": "idle_timeout",
         *       "totalCost": 0,
         *       "totalTokens": 0,
         *       "numMessages": 0,
         *       "numTurns": 0,
         *       "toolsUsed": [],
         *       "usage": {
         *         "inputTokens": 0,
         *         "outputTokens": 0,
         *         "cacheReadTokens": 0,
         *         "cacheWriteTokens": 0,
         *         "webSearchRequests": 0,
         *         "byModel": {}
         *       },
         *       "maxIdleTimeMs": 1800000,
         *       "maxLifetimeMs": 86400000,
         *       "maxBudgetUsd": 0.5,
         *       "maxTurns": 40,
         *       "onLimit": "terminate",
         *       "pausedBecause": null,
         *       "pendingApprovals": 0,
         *       "pendingToolRequests": 0,
         *       "sandbox": {
         *         "provider": "embedded",
         *         "id": "sess_c742ab76de4d1e2abbe137d12edd751b",
         *         "state": "ready"
         *       },
         *       "tags": [
         *         "changelog",
         *         "demo"
         *       ],
         *       "description": "Changelog keeper",
         *       "userId": "user_123"
         *     }
         */
        Session: {
            /** @description The id of the session, `sess_…`. */
            id: string;
            /** @description The id of the agent's conversation history. A resumed session has that of its source. */
            sessionId: string;
            /**
             * @description As in the request.
             * @enum {string}
             */
            pattern: "ephemeral" | "long-running" | "hybrid" | "single-container";
            /**
             * @description The last three are final. `idle` sessions sleep, and the next message wakes them. With the embedded sandbox, a session is `active` from its creation; with a container, when the container is ready or a message starts, whichever is first.
             * @enum {string}
             */
            status: "initializing" | "active" | "idle" | "completed" | "error" | "terminated";
            /** @description Why it was terminated: `idle_timeout`, `lifetime_limit`, `budget_limit`, `turn_limit`, `approval_timeout`, `deleted`, or the `reason` that a caller gave. Null for any other session. */
            terminationReason: string | null;
            /** @description For a session in `error`: the same as in the message that failed. */
            error: ({
                type: string;
                message: string;
            } & {
                [key: string]: unknown;
            }) | null;
            /** @description Your number for the conversation that it belongs to. */
            conversationId: number | null;
            /** @description As in the request, without nulls, `env`, `mcpServers` and `forkSession`. In lists, a value of more than 300 characters of JSON is null. */
            config: components["schemas"]["Config"];
            /** Format: date-time */
            createdAt: string;
            /**
             * Format: date-time
             * @description Null until the session is `active`.
             */
            startedAt: string | null;
            /**
             * Format: date-time
             * @description When a message started or ended last, or a schedule was created, changed or deleted.
             */
            lastActivityAt: string;
            /**
             * Format: date-time
             * @description When it ended as `completed` or `error`.
             */
            completedAt: string | null;
            /**
             * Format: date-time
             * @description When it was terminated.
             */
            terminatedAt: string | null;
            /**
             * Format: date-time
             * @description When it changed last.
             */
            updatedAt: string;
            /**
             * Format: date-time
             * @description The next deadline; null if there is none.
             */
            expiresAt: string | null;
            /**
             * @description What happens then. `cleanup`: an ended ephemeral session is removed. `retention`: an ended session is deleted.
             * @enum {string|null}
             */
            expiresBecause: "idle_timeout" | "lifetime_limit" | "cleanup" | "retention" | null;
            /** @description In dollars, failed attempts included. */
            totalCost: number;
            /** @description Tokens of all kinds, of all messages. */
            totalTokens: number;
            /** @description Messages that were accepted, queued ones included; those of the session that it began from are not. */
            numMessages: number;
            /** @description Turns of all messages, without failed attempts. */
            numTurns: number;
            /** @description The names of the tools that were called. */
            toolsUsed: string[];
            usage: components["schemas"]["SessionUsage"];
            /** @description The limit in force, without activity. Null means no limit. */
            maxIdleTimeMs: number | null;
            /** @description From the creation. Null means no limit. */
            maxLifetimeMs: number | null;
            /** @description In dollars. Null means no limit. */
            maxBudgetUsd: number | null;
            /** @description Null means no limit. */
            maxTurns: number | null;
            /**
             * @description What happens when the budget, the turns or the lifetime is used up.
             * @enum {string}
             */
            onLimit: "terminate" | "pause";
            /**
             * @description The limit at which the session is paused; null while it is not.
             * @enum {string|null}
             */
            pausedBecause: "budget" | "turns" | "lifetime" | null;
            /** @description The number of calls that wait for a decision. */
            pendingApprovals: number;
            /** @description The number of calls of client tools that wait for their results. */
            pendingToolRequests: number;
            sandbox: components["schemas"]["Sandbox"];
            /** @description As in the request, each once. */
            tags: string[];
            /** @description As in the request. */
            description: string | null;
            /** @description The id of a user of your app. */
            userId: string | null;
        };
        /** @description The sums of tokens over all models. */
        SessionUsage: {
            /** @description Tokens of the prompt that the cache did not have. */
            inputTokens: number;
            /** @description Tokens of the reply, thinking included. */
            outputTokens: number;
            /** @description Tokens of the prompt that were read from the cache. */
            cacheReadTokens: number;
            /** @description Tokens of the prompt that were written to the cache. */
            cacheWriteTokens: number;
            /** @description Searches of the web. */
            webSearchRequests: number;
            /** @description The usage of each model that ran, by its name. */
            byModel: {
                [key: string]: components["schemas"]["ModelUsage"];
            };
        };
        ModelUsage: {
            /** @description Tokens of the prompt that the cache did not have. */
            inputTokens: number;
            /** @description Tokens of the reply, thinking included. */
            outputTokens: number;
            /** @description Tokens of the prompt that were read from the cache. */
            cacheReadTokens: number;
            /** @description Tokens of the prompt that were written to the cache. */
            cacheWriteTokens: number;
            /** @description Searches of the web. */
            webSearchRequests: number;
            /** @description In dollars. */
            cost: number;
        };
        /** @description Where the session's commands run. */
        Sandbox: {
            /** @description Where the sandbox comes from, such as `embedded` or `cloudflare`. */
            provider: string;
            id: string;
            /**
             * @description The embedded sandbox is `ready` while the session is `active`, and `suspended` otherwise. Of a container, `none`: there is no container and no saved workspace; `suspended`: the workspace is saved and the container is gone; `lost`: the container and its files are lost.
             * @enum {string}
             */
            state: "none" | "starting" | "ready" | "saving" | "suspended" | "lost";
            /** @description Present while the workspace of a container can't be saved. */
            saveFailed?: {
                /**
                 * Format: date-time
                 * @description When the first attempt failed.
                 */
                since: string;
                /** @description Why the last one failed. */
                message: string;
            };
        };
        /**
         * @description Sums and averages over sessions, removed and deleted ones included.
         * @example {
         *       "totalSessions": 1,
         *       "activeSessions": 1,
         *       "completedSessions": 0,
         *       "errorSessions": 0,
         *       "terminatedSessions": 0,
         *       "totalCost": 0.0060479,
         *       "totalTokens": 8870,
         *       "totalMessages": 2,
         *       "avgSessionDuration": 0,
         *       "byPattern": {
         *         "ephemeral": {
         *           "count": 0,
         *           "failed": 0,
         *           "avgCost": 0,
         *           "avgTokens": 0,
         *           "avgMessages": 0,
         *           "avgDuration": 0
         *         },
         *         "long-running": {
         *           "count": 0,
         *           "failed": 0,
         *           "avgCost": 0,
         *           "avgTokens": 0,
         *           "avgMessages": 0,
         *           "avgDuration": 0
         *         },
         *         "hybrid": {
         *           "count": 1,
         *           "failed": 0,
         *           "avgCost": 0.0060479,
         *           "avgTokens": 8870,
         *           "avgMessages": 2,
         *           "avgDuration": 0
         *         },
         *         "single-container": {
         *           "count": 0,
         *           "failed": 0,
         *           "avgCost": 0,
         *           "avgTokens": 0,
         *           "avgMessages": 0,
         *           "avgDuration": 0
         *         }
         *       },
         *       "byStatus": {
         *         "initializing": 0,
         *         "active": 1,
         *         "idle": 0,
         *         "completed": 0,
         *         "error": 0,
         *         "terminated": 0
         *       }
         *     }
         */
        Summary: {
            totalSessions: number;
            activeSessions: number;
            completedSessions: number;
            errorSessions: number;
            terminatedSessions: number;
            /** @description In dollars. */
            totalCost: number;
            /** @description Tokens of all kinds. */
            totalTokens: number;
            /** @description Messages that were accepted. */
            totalMessages: number;
            /** @description In ms from `startedAt` to the end, over ended sessions; 0 over none. */
            avgSessionDuration: number;
            byPattern: {
                ephemeral: {
                    /** @description The number of sessions. */
                    count: number;
                    /** @description Those of them with the status `error`. */
                    failed: number;
                    /** @description In dollars; 0 over no sessions, as the others. */
                    avgCost: number;
                    avgTokens: number;
                    avgMessages: number;
                    /** @description In ms from `startedAt` to the end, over ended sessions. */
                    avgDuration: number;
                };
                "long-running": {
                    /** @description The number of sessions. */
                    count: number;
                    /** @description Those of them with the status `error`. */
                    failed: number;
                    /** @description In dollars; 0 over no sessions, as the others. */
                    avgCost: number;
                    avgTokens: number;
                    avgMessages: number;
                    /** @description In ms from `startedAt` to the end, over ended sessions. */
                    avgDuration: number;
                };
                hybrid: {
                    /** @description The number of sessions. */
                    count: number;
                    /** @description Those of them with the status `error`. */
                    failed: number;
                    /** @description In dollars; 0 over no sessions, as the others. */
                    avgCost: number;
                    avgTokens: number;
                    avgMessages: number;
                    /** @description In ms from `startedAt` to the end, over ended sessions. */
                    avgDuration: number;
                };
                "single-container": {
                    /** @description The number of sessions. */
                    count: number;
                    /** @description Those of them with the status `error`. */
                    failed: number;
                    /** @description In dollars; 0 over no sessions, as the others. */
                    avgCost: number;
                    avgTokens: number;
                    avgMessages: number;
                    /** @description In ms from `startedAt` to the end, over ended sessions. */
                    avgDuration: number;
                };
            };
            byStatus: {
                initializing: number;
                active: number;
                idle: number;
                completed: number;
                error: number;
                terminated: number;
            };
            /** @description With `groupBy=day`: the days on which sessions were created, oldest first. */
            byDay?: {
                /** Format: date */
                day: string;
                /** @description Created on this day, in UTC. */
                sessions: number;
                /** @description Those of them with the status `error`. */
                failed: number;
                terminated: number;
                cost: number;
                tokens: number;
                /** @description Messages of these sessions, also of later days. */
                messages: number;
                avgDuration: number;
            }[];
        };
        /**
         * @description One request of a client and all work that answers it. It may have several turns: replies of the model with their tool calls.
         * @example {
         *       "messageId": "msg_43aeb39e180f5d79476d20b06abe8f3a",
         *       "sessionId": "sess_c742ab76de4d1e2abbe137d12edd751b",
         *       "prompt": "Start the changelog.",
         *       "agent": null,
         *       "status": "completed",
         *       "waitingFor": null,
         *       "joinedMessageId": null,
         *       "stopReason": "end_turn",
         *       "limit": null,
         *       "result": "The changelog is in CHANGES.md.",
         *       "output": null,
         *       "error": null,
         *       "cost": 0.0045348,
         *       "tokens": 4704,
         *       "usage": {
         *         "inputTokens": 0,
         *         "outputTokens": 108,
         *         "cacheReadTokens": 3348,
         *         "cacheWriteTokens": 1248,
         *         "webSearchRequests": 0
         *       },
         *       "numTurns": 2,
         *       "toolsUsed": [
         *         "Write"
         *       ],
         *       "durationMs": 95,
         *       "createdAt": "2026-11-23T09:33:14.913Z",
         *       "startedAt": "2026-11-23T09:33:14.913Z",
         *       "endedAt": "2026-11-23T09:33:15.008Z"
         *     }
         */
        Message: {
            /** @description The id of the message, `msg_…`. */
            messageId: string;
            /** @description The id of the session that it was sent to; for a copied message, an earlier session. */
            sessionId: string;
            prompt: components["schemas"]["Prompt"];
            /** @description The agent that answers; null is the main agent. */
            agent: string | null;
            /**
             * @description The last four are final. `queued`: another message runs first. `waiting`: nothing of it can go on without somebody, see `waitingFor`. `joined`: its prompt has joined another message, see `joinedMessageId`.
             * @enum {string}
             */
            status: "queued" | "running" | "waiting" | "completed" | "failed" | "interrupted" | "joined";
            /** @description What it waits for while it is `waiting`; null otherwise. */
            waitingFor: components["schemas"]["WaitingFor"] | null;
            /** @description The message that its prompt has joined, if it is `joined`; null otherwise. */
            joinedMessageId: string | null;
            /** @description Null until it has ended, and if its prompt has joined another message. */
            stopReason: components["schemas"]["StopReason"] | null;
            /**
             * @description The limit over many sessions that ended it with `budget_limit`; null otherwise.
             * @enum {string|null}
             */
            limit: "user_daily" | "owner_daily" | "owner_monthly" | null;
            /** @description The latest text of the agent, complete or partial; null if there is none. */
            result: string | null;
            /** @description The structured result, if the session has a `config.outputSchema`; null otherwise. */
            output: unknown;
            /** @description For a failed message. */
            error: components["schemas"]["Failure"] | null;
            /** @description In dollars, of this message only, as the next four. */
            cost: number;
            /** @description Tokens of all kinds. */
            tokens: number;
            usage: components["schemas"]["Usage"];
            /** @description Replies of the model with their tool calls, of all agents. */
            numTurns: number;
            /** @description The names of the tools that were called. */
            toolsUsed: string[];
            /** @description From `startedAt` to `endedAt`. */
            durationMs: number | null;
            /**
             * Format: date-time
             * @description When it was accepted.
             */
            createdAt: string;
            /**
             * Format: date-time
             * @description Null while it is `queued`.
             */
            startedAt: string | null;
            /**
             * Format: date-time
             * @description Null until it has ended.
             */
            endedAt: string | null;
            /** @description Only in the answer to a message with `onBusy: steer` whose prompt joins this message: the id of that message. */
            steerId?: string;
        };
        /** @description What a message waits for: decisions about calls, results of calls, or a limit to be raised. */
        WaitingFor: {
            /** @constant */
            type: "approval";
            /** @description The approvals that are pending. */
            approvalIds: string[];
            /** @description Calls that wait for their results meanwhile, if there are any. */
            toolUseIds?: string[];
        } | {
            /** @constant */
            type: "toolResult";
            /** @description The calls whose results are to be given. */
            toolUseIds: string[];
        } | {
            /** @constant */
            type: "limit";
            /**
             * @description `budget`, `turns` and `lifetime`: the session is paused until somebody raises this limit. `owner_running_messages`: it may go on as soon as another message of its owner ends.
             * @enum {string}
             */
            limit: "budget" | "turns" | "lifetime" | "owner_running_messages";
        };
        /**
         * @description Why a message ended. With the status `completed`, `end_turn`: the agent finished. `max_tokens`: a reply reached its maximum length. `max_turns`: `maxTurns` of the message or the config was reached. `budget_limit`: the budget of the message, the budget of the session, which ends then, or the money of a day or month (see `limit`) is used up. `turn_limit`: `maxTurns` of the session was reached, and the session ends. `refusal`: the model refused. With `interrupted`, `interrupted`: a caller stopped it. `terminated`, `lifetime_limit`: the session ended. With `failed`, `error`: see `error` of the message.
         * @enum {string}
         */
        StopReason: "end_turn" | "max_tokens" | "max_turns" | "budget_limit" | "turn_limit" | "lifetime_limit" | "interrupted" | "terminated" | "refusal" | "error";
        /** @description Why a message or a session failed. */
        Failure: {
            /** @description As `error.type` of an error response. */
            type: string;
            message: string;
            /** @description The request id of the Messages API, if it gave one. */
            upstreamRequestId?: string;
            /**
             * @description `output_mismatch`: the reply does not match `config.outputSchema`. `crash_loop`: restarts interrupted the message too often at the same step. `setup_failed`: a repository could not be cloned, or a command of `config.setup` failed.
             * @enum {string}
             */
            reason?: "output_mismatch" | "crash_loop" | "setup_failed";
        };
        /** @description Token counts. The prompt has input + cache read + cache write tokens. */
        Usage: {
            /** @description Tokens of the prompt that the cache did not have. */
            inputTokens: number;
            /** @description Tokens of the reply, thinking included. */
            outputTokens: number;
            /** @description Tokens of the prompt that were read from the cache. */
            cacheReadTokens: number;
            /** @description Tokens of the prompt that were written to the cache. */
            cacheWriteTokens: number;
            /** @description Searches of the web. */
            webSearchRequests: number;
        };
        /** @description The `data` of a record of a stream. */
        StreamedEvent: components["schemas"]["Event"] | components["schemas"]["LiveEvent"];
        /** @description An event of a session's log. */
        Event: components["schemas"]["SessionCreatedEvent"] | components["schemas"]["SessionStartedEvent"] | components["schemas"]["SessionIdledEvent"] | components["schemas"]["SessionPausedEvent"] | components["schemas"]["SessionResumedEvent"] | components["schemas"]["SessionUpdatedEvent"] | components["schemas"]["SessionCompletedEvent"] | components["schemas"]["SessionTerminatedEvent"] | components["schemas"]["SessionFailedEvent"] | components["schemas"]["MessageReceivedEvent"] | components["schemas"]["MessageStartedEvent"] | components["schemas"]["MessageSteeredEvent"] | components["schemas"]["MessageJoinedEvent"] | components["schemas"]["MessageWaitingEvent"] | components["schemas"]["MessageResumedEvent"] | components["schemas"]["MessageCompletedEvent"] | components["schemas"]["MessageInterruptedEvent"] | components["schemas"]["MessageFailedEvent"] | components["schemas"]["TurnStartedEvent"] | components["schemas"]["TurnCompletedEvent"] | components["schemas"]["TurnRetriedEvent"] | components["schemas"]["UsageDisputedEvent"] | components["schemas"]["AssistantTextEvent"] | components["schemas"]["AssistantThinkingEvent"] | components["schemas"]["ToolStartedEvent"] | components["schemas"]["ToolRequestedEvent"] | components["schemas"]["ApprovalRequestedEvent"] | components["schemas"]["ApprovalResolvedEvent"] | components["schemas"]["ToolCompletedEvent"] | components["schemas"]["AgentStartedEvent"] | components["schemas"]["AgentCompletedEvent"] | components["schemas"]["McpListedEvent"] | components["schemas"]["McpFailedEvent"] | components["schemas"]["ScheduleSkippedEvent"] | components["schemas"]["SchedulePausedEvent"] | components["schemas"]["SandboxLostEvent"] | components["schemas"]["SandboxUnsavedEvent"] | components["schemas"]["SetupStartedEvent"] | components["schemas"]["SetupCompletedEvent"] | components["schemas"]["SetupFailedEvent"] | components["schemas"]["SetupReusedEvent"] | components["schemas"]["PreviewCreatedEvent"] | components["schemas"]["PreviewRemovedEvent"] | components["schemas"]["FileWrittenEvent"] | components["schemas"]["FileDeletedEvent"] | components["schemas"]["ArtifactPublishedEvent"] | components["schemas"]["ArtifactFailedEvent"] | components["schemas"]["LimitWarnedEvent"] | components["schemas"]["ContextCompactedEvent"] | components["schemas"]["ContentWithdrawnEvent"];
        /**
         * @description The session was created.
         * @example {
         *       "seq": 7,
         *       "type": "session.created",
         *       "at": "2026-11-23T09:33:14.913Z",
         *       "pattern": "hybrid"
         *     }
         */
        SessionCreatedEvent: {
            /** @description Its position in the log, without gaps. */
            seq: number;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "session.created";
            /** Format: date-time */
            at: string;
            /** @description The message that it belongs to. */
            messageId?: string;
            /** @description The agent; absent for the main agent. */
            agent?: string;
            pattern: string;
        };
        /**
         * @description The session is active.
         * @example {
         *       "seq": 7,
         *       "type": "session.started",
         *       "at": "2026-11-23T09:33:14.913Z"
         *     }
         */
        SessionStartedEvent: {
            /** @description Its position in the log, without gaps. */
            seq: number;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "session.started";
            /** Format: date-time */
            at: string;
            /** @description The message that it belongs to. */
            messageId?: string;
            /** @description The agent; absent for the main agent. */
            agent?: string;
        };
        /**
         * @description A hybrid session, or one whose message waits, fell asleep.
         * @example {
         *       "seq": 7,
         *       "type": "session.idled",
         *       "at": "2026-11-23T09:33:14.913Z"
         *     }
         */
        SessionIdledEvent: {
            /** @description Its position in the log, without gaps. */
            seq: number;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "session.idled";
            /** Format: date-time */
            at: string;
            /** @description The message that it belongs to. */
            messageId?: string;
            /** @description The agent; absent for the main agent. */
            agent?: string;
        };
        /**
         * @description The session pauses at a limit until the limit is raised.
         * @example {
         *       "seq": 7,
         *       "type": "session.paused",
         *       "at": "2026-11-23T09:33:14.913Z",
         *       "limit": "turns"
         *     }
         */
        SessionPausedEvent: {
            /** @description Its position in the log, without gaps. */
            seq: number;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "session.paused";
            /** Format: date-time */
            at: string;
            /** @description The message that it belongs to. */
            messageId?: string;
            /** @description The agent; absent for the main agent. */
            agent?: string;
            /** @enum {string} */
            limit: "budget" | "turns" | "lifetime";
        };
        /**
         * @description The session goes on after it slept.
         * @example {
         *       "seq": 7,
         *       "type": "session.resumed",
         *       "at": "2026-11-23T09:33:14.913Z"
         *     }
         */
        SessionResumedEvent: {
            /** @description Its position in the log, without gaps. */
            seq: number;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "session.resumed";
            /** Format: date-time */
            at: string;
            /** @description The message that it belongs to. */
            messageId?: string;
            /** @description The agent; absent for the main agent. */
            agent?: string;
        };
        /**
         * @description The session was changed by `PATCH`, or a schedule was created, changed or deleted.
         * @example {
         *       "seq": 7,
         *       "type": "session.updated",
         *       "at": "2026-11-23T09:33:14.913Z",
         *       "changed": [
         *         "maxBudgetUsd"
         *       ]
         *     }
         */
        SessionUpdatedEvent: {
            /** @description Its position in the log, without gaps. */
            seq: number;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "session.updated";
            /** Format: date-time */
            at: string;
            /** @description The message that it belongs to. */
            messageId?: string;
            /** @description The agent; absent for the main agent. */
            agent?: string;
            /** @description Names of fields; `schedules` for a schedule. */
            changed: string[];
        };
        /**
         * @description The session has ended. The last event.
         * @example {
         *       "seq": 7,
         *       "type": "session.completed",
         *       "at": "2026-11-23T09:33:14.913Z"
         *     }
         */
        SessionCompletedEvent: {
            /** @description Its position in the log, without gaps. */
            seq: number;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "session.completed";
            /** Format: date-time */
            at: string;
            /** @description The message that it belongs to. */
            messageId?: string;
            /** @description The agent; absent for the main agent. */
            agent?: string;
        };
        /**
         * @description The session was terminated. The last event.
         * @example {
         *       "seq": 7,
         *       "type": "session.terminated",
         *       "at": "2026-11-23T09:33:14.913Z",
         *       "reason": "user_requested"
         *     }
         */
        SessionTerminatedEvent: {
            /** @description Its position in the log, without gaps. */
            seq: number;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "session.terminated";
            /** Format: date-time */
            at: string;
            /** @description The message that it belongs to. */
            messageId?: string;
            /** @description The agent; absent for the main agent. */
            agent?: string;
            /** @description As `terminationReason` of the session. */
            reason: string;
        };
        /**
         * @description The session has failed. The last event.
         * @example {
         *       "seq": 7,
         *       "type": "session.failed",
         *       "at": "2026-11-23T09:33:14.913Z",
         *       "error": {
         *         "type": "upstream_error",
         *         "message": "The model failed (invalid_request_error): …"
         *       }
         *     }
         */
        SessionFailedEvent: {
            /** @description Its position in the log, without gaps. */
            seq: number;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "session.failed";
            /** Format: date-time */
            at: string;
            /** @description The message that it belongs to. */
            messageId?: string;
            /** @description The agent; absent for the main agent. */
            agent?: string;
            error: components["schemas"]["Failure"];
        };
        /**
         * @description A message was accepted. It may wait in the queue.
         * @example {
         *       "seq": 7,
         *       "type": "message.received",
         *       "at": "2026-11-23T09:33:14.913Z",
         *       "messageId": "msg_43aeb39e180f5d79476d20b06abe8f3a",
         *       "prompt": "Start the changelog."
         *     }
         */
        MessageReceivedEvent: {
            /** @description Its position in the log, without gaps. */
            seq: number;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "message.received";
            /** Format: date-time */
            at: string;
            /** @description The message that it belongs to. */
            messageId?: string;
            /** @description The agent; absent for the main agent. */
            agent?: string;
            prompt: components["schemas"]["Prompt"];
            /** @description The schedule that sent it, if one did. */
            scheduleId?: string;
            /** @description The span of the caller, if it named one. */
            traceparent?: string;
            /** @description The running message that its prompt is to join, with `onBusy: steer`. */
            joins?: string;
        };
        /**
         * @description The message runs.
         * @example {
         *       "seq": 7,
         *       "type": "message.started",
         *       "at": "2026-11-23T09:33:14.913Z",
         *       "messageId": "msg_43aeb39e180f5d79476d20b06abe8f3a"
         *     }
         */
        MessageStartedEvent: {
            /** @description Its position in the log, without gaps. */
            seq: number;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "message.started";
            /** Format: date-time */
            at: string;
            /** @description The message that it belongs to. */
            messageId?: string;
            /** @description The agent; absent for the main agent. */
            agent?: string;
        };
        /**
         * @description A prompt has joined the message: the call of the model that begins now has it.
         * @example {
         *       "seq": 7,
         *       "type": "message.steered",
         *       "at": "2026-11-23T09:33:14.913Z",
         *       "messageId": "msg_43aeb39e180f5d79476d20b06abe8f3a",
         *       "steerId": "msg_9d0c1b6f2f7a4a5e8b1d3c5e7f901234",
         *       "prompt": "Use the present tense."
         *     }
         */
        MessageSteeredEvent: {
            /** @description Its position in the log, without gaps. */
            seq: number;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "message.steered";
            /** Format: date-time */
            at: string;
            /** @description The message that it belongs to. */
            messageId?: string;
            /** @description The agent; absent for the main agent. */
            agent?: string;
            /** @description The message that was sent with the prompt. */
            steerId: string;
            prompt: components["schemas"]["Prompt"];
        };
        /**
         * @description The prompt of the message has joined another message. Its last event.
         * @example {
         *       "seq": 7,
         *       "type": "message.joined",
         *       "at": "2026-11-23T09:33:14.913Z",
         *       "messageId": "msg_43aeb39e180f5d79476d20b06abe8f3a",
         *       "joinedMessageId": "msg_9d0c1b6f2f7a4a5e8b1d3c5e7f901234"
         *     }
         */
        MessageJoinedEvent: {
            /** @description Its position in the log, without gaps. */
            seq: number;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "message.joined";
            /** Format: date-time */
            at: string;
            /** @description The message that it belongs to. */
            messageId?: string;
            /** @description The agent; absent for the main agent. */
            agent?: string;
            /** @description The other message. */
            joinedMessageId: string;
        };
        /**
         * @description Nothing of the message can go on without somebody.
         * @example {
         *       "seq": 7,
         *       "type": "message.waiting",
         *       "at": "2026-11-23T09:33:14.913Z",
         *       "messageId": "msg_43aeb39e180f5d79476d20b06abe8f3a",
         *       "waitingFor": {
         *         "type": "approval",
         *         "approvalIds": [
         *           "appr_5f0c6d1e9a2b47c38d10e6f7a8b9c0d1"
         *         ]
         *       }
         *     }
         */
        MessageWaitingEvent: {
            /** @description Its position in the log, without gaps. */
            seq: number;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "message.waiting";
            /** Format: date-time */
            at: string;
            /** @description The message that it belongs to. */
            messageId?: string;
            /** @description The agent; absent for the main agent. */
            agent?: string;
            waitingFor: components["schemas"]["WaitingFor"];
        };
        /**
         * @description The message goes on after it waited.
         * @example {
         *       "seq": 7,
         *       "type": "message.resumed",
         *       "at": "2026-11-23T09:33:14.913Z",
         *       "messageId": "msg_43aeb39e180f5d79476d20b06abe8f3a"
         *     }
         */
        MessageResumedEvent: {
            /** @description Its position in the log, without gaps. */
            seq: number;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "message.resumed";
            /** Format: date-time */
            at: string;
            /** @description The message that it belongs to. */
            messageId?: string;
            /** @description The agent; absent for the main agent. */
            agent?: string;
        };
        /**
         * @description The message has ended. Its last event.
         * @example {
         *       "seq": 7,
         *       "type": "message.completed",
         *       "at": "2026-11-23T09:33:14.913Z",
         *       "messageId": "msg_43aeb39e180f5d79476d20b06abe8f3a",
         *       "stopReason": "end_turn",
         *       "result": "Done."
         *     }
         */
        MessageCompletedEvent: {
            /** @description Its position in the log, without gaps. */
            seq: number;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "message.completed";
            /** Format: date-time */
            at: string;
            /** @description The message that it belongs to. */
            messageId?: string;
            /** @description The agent; absent for the main agent. */
            agent?: string;
            stopReason: components["schemas"]["StopReason"];
            /** @description The limit over many sessions that ended it, as in the message, if one did. */
            limit?: string;
            /** @description The agent's latest text. */
            result: string | null;
            /** @description The structured result, if the session has a `config.outputSchema`. */
            output?: unknown;
        };
        /**
         * @description The message was stopped. Its last event.
         * @example {
         *       "seq": 7,
         *       "type": "message.interrupted",
         *       "at": "2026-11-23T09:33:14.913Z",
         *       "messageId": "msg_43aeb39e180f5d79476d20b06abe8f3a",
         *       "stopReason": "interrupted",
         *       "result": null
         *     }
         */
        MessageInterruptedEvent: {
            /** @description Its position in the log, without gaps. */
            seq: number;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "message.interrupted";
            /** Format: date-time */
            at: string;
            /** @description The message that it belongs to. */
            messageId?: string;
            /** @description The agent; absent for the main agent. */
            agent?: string;
            stopReason: components["schemas"]["StopReason"];
            /** @description The agent's latest text. */
            result: string | null;
        };
        /**
         * @description The message has failed. Its last event.
         * @example {
         *       "seq": 7,
         *       "type": "message.failed",
         *       "at": "2026-11-23T09:33:14.913Z",
         *       "messageId": "msg_43aeb39e180f5d79476d20b06abe8f3a",
         *       "stopReason": "error",
         *       "error": {
         *         "type": "upstream_error",
         *         "message": "The model failed (invalid_request_error): …"
         *       }
         *     }
         */
        MessageFailedEvent: {
            /** @description Its position in the log, without gaps. */
            seq: number;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "message.failed";
            /** Format: date-time */
            at: string;
            /** @description The message that it belongs to. */
            messageId?: string;
            /** @description The agent; absent for the main agent. */
            agent?: string;
            stopReason: components["schemas"]["StopReason"];
            error: components["schemas"]["Failure"];
        };
        /**
         * @description A call of the model begins.
         * @example {
         *       "seq": 7,
         *       "type": "turn.started",
         *       "at": "2026-11-23T09:33:14.913Z",
         *       "messageId": "msg_43aeb39e180f5d79476d20b06abe8f3a",
         *       "turnId": "turn_6",
         *       "kind": "reply",
         *       "attempt": 1
         *     }
         */
        TurnStartedEvent: {
            /** @description Its position in the log, without gaps. */
            seq: number;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "turn.started";
            /** Format: date-time */
            at: string;
            /** @description The message that it belongs to. */
            messageId?: string;
            /** @description The agent; absent for the main agent. */
            agent?: string;
            /** @description The turn. */
            turnId: string;
            /**
             * @description `reply`: the agent's own. `compaction`: a summary of the conversation. `web_search`: a search of the web. `helper`: another model call of Claude Code.
             * @enum {string}
             */
            kind: "reply" | "compaction" | "web_search" | "helper";
            /** @description Counts the attempts of the turn. */
            attempt: number;
        };
        /**
         * @description A reply of the model is complete, or was cut off.
         * @example {
         *       "seq": 7,
         *       "type": "turn.completed",
         *       "at": "2026-11-23T09:33:14.913Z",
         *       "messageId": "msg_43aeb39e180f5d79476d20b06abe8f3a",
         *       "turnId": "turn_6",
         *       "kind": "reply",
         *       "stopReason": "tool_use",
         *       "model": "claude-sonnet-5-5",
         *       "cost": 0.0005248,
         *       "held": 0,
         *       "usage": {
         *         "inputTokens": 0,
         *         "outputTokens": 108,
         *         "cacheReadTokens": 3348,
         *         "cacheWriteTokens": 1248,
         *         "webSearchRequests": 0
         *       }
         *     }
         */
        TurnCompletedEvent: {
            /** @description Its position in the log, without gaps. */
            seq: number;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "turn.completed";
            /** Format: date-time */
            at: string;
            /** @description The message that it belongs to. */
            messageId?: string;
            /** @description The agent; absent for the main agent. */
            agent?: string;
            /** @description The turn. */
            turnId: string;
            /**
             * @description `reply`: the agent's own. `compaction`: a summary of the conversation. `web_search`: a search of the web. `helper`: another model call of Claude Code.
             * @enum {string}
             */
            kind: "reply" | "compaction" | "web_search" | "helper";
            /** @description As the model gave it, or why the turn was cut off. */
            stopReason: string;
            /** @description The model that ran. */
            model: string;
            /** @description In dollars. The sum over all events is the session's `totalCost`. */
            cost: number;
            /** @description The part of the reservation, in dollars, that stays held: the call may have been billed. The sum over all events is the part of the session's budget that is reserved while no message runs. */
            held: number;
            usage: components["schemas"]["Usage"];
        };
        /**
         * @description An attempt failed, and another follows. Discard the deltas since the attempt began.
         * @example {
         *       "seq": 7,
         *       "type": "turn.retried",
         *       "at": "2026-11-23T09:33:14.913Z",
         *       "messageId": "msg_43aeb39e180f5d79476d20b06abe8f3a",
         *       "turnId": "turn_6",
         *       "kind": "reply",
         *       "attempt": 1,
         *       "reason": "overloaded_error",
         *       "delayMs": 500,
         *       "model": "claude-sonnet-5-5",
         *       "cost": 0.0005248,
         *       "held": 0,
         *       "usage": {
         *         "inputTokens": 0,
         *         "outputTokens": 108,
         *         "cacheReadTokens": 3348,
         *         "cacheWriteTokens": 1248,
         *         "webSearchRequests": 0
         *       }
         *     }
         */
        TurnRetriedEvent: {
            /** @description Its position in the log, without gaps. */
            seq: number;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "turn.retried";
            /** Format: date-time */
            at: string;
            /** @description The message that it belongs to. */
            messageId?: string;
            /** @description The agent; absent for the main agent. */
            agent?: string;
            /** @description The turn. */
            turnId: string;
            /**
             * @description `reply`: the agent's own. `compaction`: a summary of the conversation. `web_search`: a search of the web. `helper`: another model call of Claude Code.
             * @enum {string}
             */
            kind: "reply" | "compaction" | "web_search" | "helper";
            /** @description Counts the attempts of the turn. */
            attempt: number;
            /** @description Why it failed; `restarted` if the session's object was lost. */
            reason: string;
            /** @description After so many ms, the next attempt begins. */
            delayMs: number;
            /** @description The model that ran. */
            model: string;
            /** @description In dollars. The sum over all events is the session's `totalCost`. */
            cost: number;
            /** @description The part of the reservation, in dollars, that stays held: the call may have been billed. The sum over all events is the part of the session's budget that is reserved while no message runs. */
            held: number;
            usage: components["schemas"]["Usage"];
        };
        /**
         * @description The upstream reported missing or impossible usage for a call.
         * @example {
         *       "seq": 7,
         *       "type": "usage.disputed",
         *       "at": "2026-11-23T09:33:14.913Z",
         *       "messageId": "msg_43aeb39e180f5d79476d20b06abe8f3a",
         *       "turnId": "turn_6",
         *       "attempt": 1,
         *       "model": "claude-sonnet-5-5",
         *       "reason": "missing",
         *       "reported": null,
         *       "bound": 0.17
         *     }
         */
        UsageDisputedEvent: {
            /** @description Its position in the log, without gaps. */
            seq: number;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "usage.disputed";
            /** Format: date-time */
            at: string;
            /** @description The message that it belongs to. */
            messageId?: string;
            /** @description The agent; absent for the main agent. */
            agent?: string;
            /** @description The turn. */
            turnId: string;
            /** @description Counts the attempts of the turn. */
            attempt: number;
            model: string;
            /**
             * @description `malformed`: not integers from 0. `too_low`: less than the minimum that the data imply that were sent or received. `above_bound`: more than was reserved.
             * @enum {string}
             */
            reason: "missing" | "malformed" | "too_low" | "above_bound";
            /** @description The cost of the reported usage in dollars; null if it is unreadable. */
            reported: number | null;
            /** @description The amount that was reserved for the call, in dollars. */
            bound: number;
        };
        /**
         * @description A complete block of a reply.
         * @example {
         *       "seq": 7,
         *       "type": "assistant.text",
         *       "at": "2026-11-23T09:33:14.913Z",
         *       "messageId": "msg_43aeb39e180f5d79476d20b06abe8f3a",
         *       "turnId": "turn_6",
         *       "block": 0,
         *       "text": "Done."
         *     }
         */
        AssistantTextEvent: {
            /** @description Its position in the log, without gaps. */
            seq: number;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "assistant.text";
            /** Format: date-time */
            at: string;
            /** @description The message that it belongs to. */
            messageId?: string;
            /** @description The agent; absent for the main agent. */
            agent?: string;
            /** @description The turn. */
            turnId: string;
            /** @description The block of the reply. */
            block: number;
            text: string;
        };
        /**
         * @description The thinking that the model shows.
         * @example {
         *       "seq": 7,
         *       "type": "assistant.thinking",
         *       "at": "2026-11-23T09:33:14.913Z",
         *       "messageId": "msg_43aeb39e180f5d79476d20b06abe8f3a",
         *       "turnId": "turn_6",
         *       "block": 0,
         *       "text": "The file is missing."
         *     }
         */
        AssistantThinkingEvent: {
            /** @description Its position in the log, without gaps. */
            seq: number;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "assistant.thinking";
            /** Format: date-time */
            at: string;
            /** @description The message that it belongs to. */
            messageId?: string;
            /** @description The agent; absent for the main agent. */
            agent?: string;
            /** @description The turn. */
            turnId: string;
            /** @description The block of the reply. */
            block: number;
            text: string;
        };
        /**
         * @description A tool is called. An input that is too deep or too large to be called with is `{}`.
         * @example {
         *       "seq": 7,
         *       "type": "tool.started",
         *       "at": "2026-11-23T09:33:14.913Z",
         *       "messageId": "msg_43aeb39e180f5d79476d20b06abe8f3a",
         *       "turnId": "turn_6",
         *       "toolUseId": "toolu_01",
         *       "name": "Bash",
         *       "input": {
         *         "command": "ls"
         *       }
         *     }
         */
        ToolStartedEvent: {
            /** @description Its position in the log, without gaps. */
            seq: number;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "tool.started";
            /** Format: date-time */
            at: string;
            /** @description The message that it belongs to. */
            messageId?: string;
            /** @description The agent; absent for the main agent. */
            agent?: string;
            /** @description The turn. */
            turnId: string;
            /** @description The tool call: the model's id of it, or an id of the server if the model has used its id before. */
            toolUseId: string;
            /** @description The tool. */
            name: string;
            input: unknown;
        };
        /**
         * @description A call of a client tool waits for its result.
         * @example {
         *       "seq": 7,
         *       "type": "tool.requested",
         *       "at": "2026-11-23T09:33:14.913Z",
         *       "messageId": "msg_43aeb39e180f5d79476d20b06abe8f3a",
         *       "turnId": "turn_6",
         *       "toolUseId": "toolu_01",
         *       "name": "lookup_order",
         *       "input": {
         *         "id": 4711
         *       },
         *       "expiresAt": null
         *     }
         */
        ToolRequestedEvent: {
            /** @description Its position in the log, without gaps. */
            seq: number;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "tool.requested";
            /** Format: date-time */
            at: string;
            /** @description The message that it belongs to. */
            messageId?: string;
            /** @description The agent; absent for the main agent. */
            agent?: string;
            /** @description The turn. */
            turnId: string;
            /** @description The tool call: the model's id of it, or an id of the server if the model has used its id before. */
            toolUseId: string;
            /** @description The tool. */
            name: string;
            /** @description The input. It matches the tool's `inputSchema`. */
            input: unknown;
            /**
             * Format: date-time
             * @description Null: it waits until its result is given.
             */
            expiresAt: string | null;
        };
        /**
         * @description A call waits for a decision.
         * @example {
         *       "seq": 7,
         *       "type": "approval.requested",
         *       "at": "2026-11-23T09:33:14.913Z",
         *       "messageId": "msg_43aeb39e180f5d79476d20b06abe8f3a",
         *       "approvalId": "appr_5f0c6d1e9a2b47c38d10e6f7a8b9c0d1",
         *       "toolUseId": "toolu_01",
         *       "name": "Bash",
         *       "input": {
         *         "command": "git push"
         *       },
         *       "expiresAt": null
         *     }
         */
        ApprovalRequestedEvent: {
            /** @description Its position in the log, without gaps. */
            seq: number;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "approval.requested";
            /** Format: date-time */
            at: string;
            /** @description The message that it belongs to. */
            messageId?: string;
            /** @description The agent; absent for the main agent. */
            agent?: string;
            approvalId: string;
            /** @description The tool call: the model's id of it, or an id of the server if the model has used its id before. */
            toolUseId: string;
            /** @description The tool. */
            name: string;
            /** @description The input that the model gave. */
            input: unknown;
            /**
             * Format: date-time
             * @description Null: it waits until somebody decides.
             */
            expiresAt: string | null;
        };
        /**
         * @description A call was decided about.
         * @example {
         *       "seq": 7,
         *       "type": "approval.resolved",
         *       "at": "2026-11-23T09:33:14.913Z",
         *       "messageId": "msg_43aeb39e180f5d79476d20b06abe8f3a",
         *       "approvalId": "appr_5f0c6d1e9a2b47c38d10e6f7a8b9c0d1",
         *       "toolUseId": "toolu_01",
         *       "name": "Bash",
         *       "status": "allowed",
         *       "note": null,
         *       "resolvedBy": {
         *         "owner": "acme",
         *         "via": "key",
         *         "keyId": "key_6db62b63b1f8bb3d3a1f9d2a5c1e7f04"
         *       }
         *     }
         */
        ApprovalResolvedEvent: {
            /** @description Its position in the log, without gaps. */
            seq: number;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "approval.resolved";
            /** Format: date-time */
            at: string;
            /** @description The message that it belongs to. */
            messageId?: string;
            /** @description The agent; absent for the main agent. */
            agent?: string;
            approvalId: string;
            /** @description The tool call: the model's id of it, or an id of the server if the model has used its id before. */
            toolUseId: string;
            /** @description The tool. */
            name: string;
            /**
             * @description As in the approval.
             * @enum {string}
             */
            status: "allowed" | "denied" | "expired" | "cancelled";
            /** @description Who decided; null if nobody did. */
            resolvedBy: {
                owner: string;
                via: string;
                keyId: string | null;
            } | null;
            /** @description What the model reads with the decision. */
            note: string | null;
            /** @description The input that replaces that of the call, if it does. */
            changedInput?: unknown;
        };
        /**
         * @description A tool has answered.
         * @example {
         *       "seq": 7,
         *       "type": "tool.completed",
         *       "at": "2026-11-23T09:33:14.913Z",
         *       "messageId": "msg_43aeb39e180f5d79476d20b06abe8f3a",
         *       "turnId": "turn_6",
         *       "toolUseId": "toolu_01",
         *       "name": "Bash",
         *       "isError": false,
         *       "content": "CHANGES.md",
         *       "durationMs": 7
         *     }
         */
        ToolCompletedEvent: {
            /** @description Its position in the log, without gaps. */
            seq: number;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "tool.completed";
            /** Format: date-time */
            at: string;
            /** @description The message that it belongs to. */
            messageId?: string;
            /** @description The agent; absent for the main agent. */
            agent?: string;
            /** @description The turn. */
            turnId: string;
            /** @description The tool call: the model's id of it, or an id of the server if the model has used its id before. */
            toolUseId: string;
            /** @description The tool. */
            name: string;
            /** @description Whether the call failed. It does not fail the message. */
            isError: boolean;
            /** @description The text of the result. Other content is named, such as `[image]`. */
            content: string;
            durationMs: number;
        };
        /**
         * @description An agent starts, with a task or because of a message of another agent.
         * @example {
         *       "seq": 7,
         *       "type": "agent.started",
         *       "at": "2026-11-23T09:33:14.913Z",
         *       "messageId": "msg_43aeb39e180f5d79476d20b06abe8f3a",
         *       "agent": "player1",
         *       "toolUseId": "toolu_01",
         *       "prompt": "I open with e4"
         *     }
         */
        AgentStartedEvent: {
            /** @description Its position in the log, without gaps. */
            seq: number;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "agent.started";
            /** Format: date-time */
            at: string;
            /** @description The message that it belongs to. */
            messageId?: string;
            /** @description The agent; absent for the main agent. */
            agent?: string;
            /** @description The tool call that started it. */
            toolUseId: string;
            /** @description Its task, or the message. */
            prompt: string;
        };
        /**
         * @description An agent has done its task.
         * @example {
         *       "seq": 7,
         *       "type": "agent.completed",
         *       "at": "2026-11-23T09:33:14.913Z",
         *       "messageId": "msg_43aeb39e180f5d79476d20b06abe8f3a",
         *       "agent": "player1",
         *       "toolUseId": "toolu_01",
         *       "stopReason": "end_turn",
         *       "result": "e5"
         *     }
         */
        AgentCompletedEvent: {
            /** @description Its position in the log, without gaps. */
            seq: number;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "agent.completed";
            /** Format: date-time */
            at: string;
            /** @description The message that it belongs to. */
            messageId?: string;
            /** @description The agent; absent for the main agent. */
            agent?: string;
            /** @description The tool call: the model's id of it, or an id of the server if the model has used its id before. */
            toolUseId: string;
            stopReason: components["schemas"]["StopReason"];
            /** @description The agent's latest text. */
            result: string | null;
        };
        /**
         * @description The tools of an MCP server were listed, for the first time or because they may have changed.
         * @example {
         *       "seq": 7,
         *       "type": "mcp.listed",
         *       "at": "2026-11-23T09:33:14.913Z",
         *       "messageId": "msg_43aeb39e180f5d79476d20b06abe8f3a",
         *       "server": "issues",
         *       "tools": 12
         *     }
         */
        McpListedEvent: {
            /** @description Its position in the log, without gaps. */
            seq: number;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "mcp.listed";
            /** Format: date-time */
            at: string;
            /** @description The message that it belongs to. */
            messageId?: string;
            /** @description The agent; absent for the main agent. */
            agent?: string;
            /** @description The name of the server in `config.mcpServers`. */
            server: string;
            /** @description The number of tools that it offers. */
            tools: number;
        };
        /**
         * @description The tools of an MCP server could not be listed: the message runs without them, or with those that were listed before, and the next message tries again. Or the access to the server has ended, and it has to be authorized again.
         * @example {
         *       "seq": 7,
         *       "type": "mcp.failed",
         *       "at": "2026-11-23T09:33:14.913Z",
         *       "messageId": "msg_43aeb39e180f5d79476d20b06abe8f3a",
         *       "server": "issues",
         *       "message": "it could not be reached"
         *     }
         */
        McpFailedEvent: {
            /** @description Its position in the log, without gaps. */
            seq: number;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "mcp.failed";
            /** Format: date-time */
            at: string;
            /** @description The message that it belongs to. */
            messageId?: string;
            /** @description The agent; absent for the main agent. */
            agent?: string;
            /** @description The name of the server. */
            server: string;
            message: string;
        };
        /**
         * @description A run was skipped.
         * @example {
         *       "seq": 7,
         *       "type": "schedule.skipped",
         *       "at": "2026-11-23T09:33:14.913Z",
         *       "scheduleId": "sched_ca63242f8527c6837c010655af223a5f",
         *       "reason": "queue_full"
         *     }
         */
        ScheduleSkippedEvent: {
            /** @description Its position in the log, without gaps. */
            seq: number;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "schedule.skipped";
            /** Format: date-time */
            at: string;
            /** @description The message that it belongs to. */
            messageId?: string;
            /** @description The agent; absent for the main agent. */
            agent?: string;
            scheduleId: string;
            /** @description `queue_full`: the queue of the session was full. `spend_limit`: the money of a limit over many sessions is used up. */
            reason: string;
        };
        /**
         * @description A schedule was paused, because restarts interrupted its message too often. It sends nothing until it is resumed.
         * @example {
         *       "seq": 7,
         *       "type": "schedule.paused",
         *       "at": "2026-11-23T09:33:14.913Z",
         *       "scheduleId": "sched_ca63242f8527c6837c010655af223a5f",
         *       "reason": "crash_loop"
         *     }
         */
        SchedulePausedEvent: {
            /** @description Its position in the log, without gaps. */
            seq: number;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "schedule.paused";
            /** Format: date-time */
            at: string;
            /** @description The message that it belongs to. */
            messageId?: string;
            /** @description The agent; absent for the main agent. */
            agent?: string;
            scheduleId: string;
            /** @constant */
            reason: "crash_loop";
        };
        /**
         * @description The container and its files were lost. The next one starts with the saved workspace.
         * @example {
         *       "seq": 7,
         *       "type": "sandbox.lost",
         *       "at": "2026-11-23T09:33:14.913Z",
         *       "savedAt": null
         *     }
         */
        SandboxLostEvent: {
            /** @description Its position in the log, without gaps. */
            seq: number;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "sandbox.lost";
            /** Format: date-time */
            at: string;
            /** @description The message that it belongs to. */
            messageId?: string;
            /** @description The agent; absent for the main agent. */
            agent?: string;
            /**
             * Format: date-time
             * @description When it was saved; null for an empty workspace.
             */
            savedAt: string | null;
        };
        /**
         * @description The workspace could not be saved. It stays in the container.
         * @example {
         *       "seq": 7,
         *       "type": "sandbox.unsaved",
         *       "at": "2026-11-23T09:33:14.913Z",
         *       "message": "The storage can't be reached.",
         *       "retryAt": "2026-11-23T09:33:14.913Z"
         *     }
         */
        SandboxUnsavedEvent: {
            /** @description Its position in the log, without gaps. */
            seq: number;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "sandbox.unsaved";
            /** Format: date-time */
            at: string;
            /** @description The message that it belongs to. */
            messageId?: string;
            /** @description The agent; absent for the main agent. */
            agent?: string;
            message: string;
            /**
             * Format: date-time
             * @description When the next attempt begins.
             */
            retryAt: string;
        };
        /**
         * @description A step of the set-up begins. If the container is lost, all steps begin again in another one.
         * @example {
         *       "seq": 7,
         *       "type": "setup.started",
         *       "at": "2026-11-23T09:33:14.913Z",
         *       "step": 1,
         *       "steps": 2,
         *       "kind": "repository",
         *       "name": "https://github.com/octocat/Hello-World",
         *       "commit": "7fd1a60b01f91b314f59955a4e4d4e80d8edf11d",
         *       "ref": "refs/heads/master",
         *       "path": "Hello-World"
         *     }
         */
        SetupStartedEvent: {
            /** @description Its position in the log, without gaps. */
            seq: number;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "setup.started";
            /** Format: date-time */
            at: string;
            /** @description The message that it belongs to. */
            messageId?: string;
            /** @description The agent; absent for the main agent. */
            agent?: string;
            /** @description Counts the steps from 1. */
            step: number;
            /** @description The number of steps. */
            steps: number;
            /** @enum {string} */
            kind: "repository" | "command";
            /** @description The address of the repository, or the command. */
            name: string;
            /** @description The commit that the repository is cloned at. */
            commit?: string;
            /** @description The full name of the repository's ref; null for a commit alone. */
            ref?: string | null;
            /** @description The directory of the repository, relative to the workspace. */
            path?: string;
        };
        /**
         * @description A step of the set-up has ended.
         * @example {
         *       "seq": 7,
         *       "type": "setup.completed",
         *       "at": "2026-11-23T09:33:14.913Z",
         *       "step": 2,
         *       "steps": 2,
         *       "kind": "command",
         *       "name": "npm ci",
         *       "exitCode": 0,
         *       "durationMs": 5120,
         *       "output": "added 120 packages in 5s"
         *     }
         */
        SetupCompletedEvent: {
            /** @description Its position in the log, without gaps. */
            seq: number;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "setup.completed";
            /** Format: date-time */
            at: string;
            /** @description The message that it belongs to. */
            messageId?: string;
            /** @description The agent; absent for the main agent. */
            agent?: string;
            /** @description Counts the steps from 1. */
            step: number;
            /** @description The number of steps. */
            steps: number;
            /** @enum {string} */
            kind: "repository" | "command";
            /** @description The address of the repository, or the command. */
            name: string;
            /** @description The commit that the repository is cloned at. */
            commit?: string;
            /** @description The full name of the repository's ref; null for a commit alone. */
            ref?: string | null;
            /** @description The directory of the repository, relative to the workspace. */
            path?: string;
            /** @description 124 if the step took too long. */
            exitCode: number;
            durationMs: number;
            /** @description The end of what the step has said: 4,000 characters at most. */
            output: string;
        };
        /**
         * @description A step of the set-up has failed. The session ends.
         * @example {
         *       "seq": 7,
         *       "type": "setup.failed",
         *       "at": "2026-11-23T09:33:14.913Z",
         *       "step": 2,
         *       "steps": 2,
         *       "kind": "command",
         *       "name": "npm ci",
         *       "exitCode": 1,
         *       "durationMs": 850,
         *       "output": "npm error code EUSAGE"
         *     }
         */
        SetupFailedEvent: {
            /** @description Its position in the log, without gaps. */
            seq: number;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "setup.failed";
            /** Format: date-time */
            at: string;
            /** @description The message that it belongs to. */
            messageId?: string;
            /** @description The agent; absent for the main agent. */
            agent?: string;
            /** @description Counts the steps from 1. */
            step: number;
            /** @description The number of steps. */
            steps: number;
            /** @enum {string} */
            kind: "repository" | "command";
            /** @description The address of the repository, or the command. */
            name: string;
            /** @description The commit that the repository is cloned at. */
            commit?: string;
            /** @description The full name of the repository's ref; null for a commit alone. */
            ref?: string | null;
            /** @description The directory of the repository, relative to the workspace. */
            path?: string;
            /** @description 124 if the step took too long. */
            exitCode: number;
            durationMs: number;
            /** @description The end of what the step has said: 4,000 characters at most. */
            output: string;
        };
        /**
         * @description The session starts with what the same set-up has made in another session.
         * @example {
         *       "seq": 7,
         *       "type": "setup.reused",
         *       "at": "2026-11-23T09:33:14.913Z",
         *       "savedAt": "2026-11-23T09:33:14.913Z",
         *       "repositories": [
         *         {
         *           "url": "https://github.com/octocat/Hello-World",
         *           "path": "Hello-World",
         *           "commit": "7fd1a60b01f91b314f59955a4e4d4e80d8edf11d"
         *         }
         *       ]
         *     }
         */
        SetupReusedEvent: {
            /** @description Its position in the log, without gaps. */
            seq: number;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "setup.reused";
            /** Format: date-time */
            at: string;
            /** @description The message that it belongs to. */
            messageId?: string;
            /** @description The agent; absent for the main agent. */
            agent?: string;
            /**
             * Format: date-time
             * @description When that was saved.
             */
            savedAt: string;
            repositories: {
                url: string;
                path: string;
                commit: string;
            }[];
        };
        /**
         * @description A port of the sandbox is reachable at an address, which only who created the preview was told.
         * @example {
         *       "seq": 7,
         *       "type": "preview.created",
         *       "at": "2026-11-23T09:33:14.913Z",
         *       "previewId": "prev_9b1d6c30a7e84f52b0c4d8e6f1a27395",
         *       "port": 5173,
         *       "expiresAt": "2026-11-24T09:33:14.913Z"
         *     }
         */
        PreviewCreatedEvent: {
            /** @description Its position in the log, without gaps. */
            seq: number;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "preview.created";
            /** Format: date-time */
            at: string;
            /** @description The message that it belongs to. */
            messageId?: string;
            /** @description The agent; absent for the main agent. */
            agent?: string;
            /** @description The preview. */
            previewId: string;
            /** @description The port of the sandbox. */
            port: number;
            /**
             * Format: date-time
             * @description From when on the address leads nowhere in any case.
             */
            expiresAt: string;
        };
        /**
         * @description The address leads nowhere any more.
         * @example {
         *       "seq": 7,
         *       "type": "preview.removed",
         *       "at": "2026-11-23T09:33:14.913Z",
         *       "previewId": "prev_9b1d6c30a7e84f52b0c4d8e6f1a27395",
         *       "port": 5173,
         *       "expiresAt": "2026-11-24T09:33:14.913Z"
         *     }
         */
        PreviewRemovedEvent: {
            /** @description Its position in the log, without gaps. */
            seq: number;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "preview.removed";
            /** Format: date-time */
            at: string;
            /** @description The message that it belongs to. */
            messageId?: string;
            /** @description The agent; absent for the main agent. */
            agent?: string;
            /** @description The preview. */
            previewId: string;
            /** @description The port of the sandbox. */
            port: number;
            /**
             * Format: date-time
             * @description From when on the address leads nowhere in any case.
             */
            expiresAt: string;
        };
        /**
         * @description A caller has written a file of the workspace.
         * @example {
         *       "seq": 7,
         *       "type": "file.written",
         *       "at": "2026-11-23T09:33:14.913Z",
         *       "path": "data/input.csv",
         *       "size": 1024
         *     }
         */
        FileWrittenEvent: {
            /** @description Its position in the log, without gaps. */
            seq: number;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "file.written";
            /** Format: date-time */
            at: string;
            /** @description The message that it belongs to. */
            messageId?: string;
            /** @description The agent; absent for the main agent. */
            agent?: string;
            /** @description Relative to the workspace. */
            path: string;
            /** @description In bytes. */
            size: number;
        };
        /**
         * @description A caller has deleted a file of the workspace, or a directory with all below it.
         * @example {
         *       "seq": 7,
         *       "type": "file.deleted",
         *       "at": "2026-11-23T09:33:14.913Z",
         *       "path": "data/input.csv"
         *     }
         */
        FileDeletedEvent: {
            /** @description Its position in the log, without gaps. */
            seq: number;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "file.deleted";
            /** Format: date-time */
            at: string;
            /** @description The message that it belongs to. */
            messageId?: string;
            /** @description The agent; absent for the main agent. */
            agent?: string;
            /** @description Relative to the workspace. */
            path: string;
        };
        /**
         * @description A file of the workspace was published.
         * @example {
         *       "seq": 7,
         *       "type": "artifact.published",
         *       "at": "2026-11-23T09:33:14.913Z",
         *       "messageId": "msg_43aeb39e180f5d79476d20b06abe8f3a",
         *       "artifactId": "art_c742ab76de4d1e2abbe137d12edd751b8d1f5a0c27e94b63a1d25f7e90c3b486",
         *       "toolUseId": null,
         *       "path": "dist/report.pdf",
         *       "contentType": "application/pdf",
         *       "sizeBytes": 48213,
         *       "sha256": "b5bb9d8014a0f9b1d61e21e796d78dccdf1352f23cd32812f4850b878ae4944c"
         *     }
         */
        ArtifactPublishedEvent: {
            /** @description Its position in the log, without gaps. */
            seq: number;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "artifact.published";
            /** Format: date-time */
            at: string;
            /** @description The message that it belongs to. */
            messageId?: string;
            /** @description The agent; absent for the main agent. */
            agent?: string;
            /** @description The artifact. */
            artifactId: string;
            /** @description The call of Publish; null if `config.artifacts` names the file. */
            toolUseId: string | null;
            /** @description The path in the workspace. */
            path: string;
            /** @description By the ending of its name. */
            contentType: string;
            sizeBytes: number;
            /** @description Of its bytes, as hex. */
            sha256: string;
        };
        /**
         * @description A file that `config.artifacts` names could not be published at the end of the message.
         * @example {
         *       "seq": 7,
         *       "type": "artifact.failed",
         *       "at": "2026-11-23T09:33:14.913Z",
         *       "messageId": "msg_43aeb39e180f5d79476d20b06abe8f3a",
         *       "path": "dist/video.mp4",
         *       "reason": "it has 314,572,800 bytes, of 104,857,600 at most"
         *     }
         */
        ArtifactFailedEvent: {
            /** @description Its position in the log, without gaps. */
            seq: number;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "artifact.failed";
            /** Format: date-time */
            at: string;
            /** @description The message that it belongs to. */
            messageId?: string;
            /** @description The agent; absent for the main agent. */
            agent?: string;
            /** @description The path in the workspace, or the pattern. */
            path: string;
            /** @description Why, for people. */
            reason: string;
        };
        /**
         * @description A part of a limit of the session is used up, one of `config.warnAt`.
         * @example {
         *       "seq": 7,
         *       "type": "limit.warned",
         *       "at": "2026-11-23T09:33:14.913Z",
         *       "messageId": "msg_43aeb39e180f5d79476d20b06abe8f3a",
         *       "limit": "budget",
         *       "part": 0.5,
         *       "used": 0.2848205,
         *       "max": 0.4
         *     }
         */
        LimitWarnedEvent: {
            /** @description Its position in the log, without gaps. */
            seq: number;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "limit.warned";
            /** Format: date-time */
            at: string;
            /** @description The message that it belongs to. */
            messageId?: string;
            /** @description The agent; absent for the main agent. */
            agent?: string;
            /** @enum {string} */
            limit: "budget" | "turns";
            /** @description 1 of a budget: a call needs more than what is left. */
            part: number;
            /** @description In dollars for a budget. */
            used: number;
            /** @description The limit, in dollars for a budget. */
            max: number;
        };
        /**
         * @description A summary replaced the older part of the conversation.
         * @example {
         *       "seq": 7,
         *       "type": "context.compacted",
         *       "at": "2026-11-23T09:33:14.913Z",
         *       "messageId": "msg_43aeb39e180f5d79476d20b06abe8f3a",
         *       "turnId": "turn_9",
         *       "tokensBefore": 150200
         *     }
         */
        ContextCompactedEvent: {
            /** @description Its position in the log, without gaps. */
            seq: number;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "context.compacted";
            /** Format: date-time */
            at: string;
            /** @description The message that it belongs to. */
            messageId?: string;
            /** @description The agent; absent for the main agent. */
            agent?: string;
            /** @description The turn. */
            turnId: string;
            /** @description The tokens of the conversation before. */
            tokensBefore: number;
        };
        /**
         * @description Content that the model's API refused was replaced by a note with the reason.
         * @example {
         *       "seq": 7,
         *       "type": "content.withdrawn",
         *       "at": "2026-11-23T09:33:14.913Z",
         *       "messageId": "msg_43aeb39e180f5d79476d20b06abe8f3a",
         *       "turnId": "turn_6",
         *       "reason": "Could not process image"
         *     }
         */
        ContentWithdrawnEvent: {
            /** @description Its position in the log, without gaps. */
            seq: number;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "content.withdrawn";
            /** Format: date-time */
            at: string;
            /** @description The message that it belongs to. */
            messageId?: string;
            /** @description The agent; absent for the main agent. */
            agent?: string;
            /** @description The turn. */
            turnId: string;
            reason: string;
        };
        /** @description Is sent to connected clients only. It has no `seq` and is never stored. */
        LiveEvent: components["schemas"]["AssistantDeltaEvent"] | components["schemas"]["ToolOutputEvent"] | components["schemas"]["SetupOutputEvent"];
        /**
         * @description A piece of a reply. A client that connects in the middle of it gets what each block has so far first, at `offset` 0.
         * @example {
         *       "type": "assistant.delta",
         *       "messageId": "msg_43aeb39e180f5d79476d20b06abe8f3a",
         *       "turnId": "turn_7",
         *       "block": 0,
         *       "kind": "text",
         *       "offset": 32,
         *       "text": "no ANTHROPIC_API_KEY is set"
         *     }
         */
        AssistantDeltaEvent: {
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "assistant.delta";
            /** @description The message that it belongs to. */
            messageId?: string;
            /** @description The agent; absent for the main agent. */
            agent?: string;
            /** @description The turn. */
            turnId: string;
            /** @description The block of the reply. */
            block: number;
            /** @enum {string} */
            kind: "text" | "thinking";
            /** @description The number of characters of the block before this piece. */
            offset: number;
            text: string;
        };
        /**
         * @description Output of a command: while it runs from a container, at its end from the embedded sandbox.
         * @example {
         *       "type": "tool.output",
         *       "messageId": "msg_43aeb39e180f5d79476d20b06abe8f3a",
         *       "toolUseId": "toolu_01",
         *       "name": "Bash",
         *       "stream": "stdout",
         *       "text": "CHANGES.md\n"
         *     }
         */
        ToolOutputEvent: {
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "tool.output";
            /** @description The message that it belongs to. */
            messageId?: string;
            /** @description The agent; absent for the main agent. */
            agent?: string;
            /** @description The tool call: the model's id of it, or an id of the server if the model has used its id before. */
            toolUseId: string;
            /** @description The tool. */
            name: string;
            /** @enum {string} */
            stream: "stdout" | "stderr";
            text: string;
        };
        /**
         * @description Output of a step of the set-up, while it runs. It belongs to no message.
         * @example {
         *       "type": "setup.output",
         *       "step": 2,
         *       "stream": "stdout",
         *       "text": "added 120 packages in 5s\n"
         *     }
         */
        SetupOutputEvent: {
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "setup.output";
            /** @description The message that it belongs to. */
            messageId?: string;
            /** @description The agent; absent for the main agent. */
            agent?: string;
            /** @description Counts the steps from 1. */
            step: number;
            /** @enum {string} */
            stream: "stdout" | "stderr";
            text: string;
        };
        /**
         * @description A tool call that waits, or has waited, for a decision.
         * @example {
         *       "id": "appr_5f0c6d1e9a2b47c38d10e6f7a8b9c0d1",
         *       "sessionId": "sess_c742ab76de4d1e2abbe137d12edd751b",
         *       "messageId": "msg_43aeb39e180f5d79476d20b06abe8f3a",
         *       "toolUseId": "toolu_01",
         *       "agent": "main",
         *       "name": "Bash",
         *       "input": {
         *         "command": "git push origin main"
         *       },
         *       "changedInput": null,
         *       "status": "pending",
         *       "requestedAt": "2026-11-23T09:33:14.913Z",
         *       "expiresAt": null,
         *       "resolvedAt": null,
         *       "resolvedBy": null,
         *       "note": null,
         *       "remember": null
         *     }
         */
        Approval: {
            /** @description The id of the approval, `appr_…`. */
            id: string;
            /** @description The `id` of its session. */
            sessionId: string;
            /** @description The message that waits for it. */
            messageId: string;
            /** @description The tool call. */
            toolUseId: string;
            /** @description The agent that makes the call; `main` is the main agent. */
            agent: string;
            /** @description The tool. */
            name: string;
            /** @description The input that the model gave. */
            input: unknown;
            /** @description The input that the call was made with instead; null if it was not changed. */
            changedInput: unknown;
            /**
             * @description `expired`: `config.approvalTimeoutMs` has passed. `cancelled`: the call has ended otherwise, by an interrupt for example.
             * @enum {string}
             */
            status: "pending" | "allowed" | "denied" | "expired" | "cancelled";
            /**
             * Format: date-time
             * @description Since when it waits.
             */
            requestedAt: string;
            /**
             * Format: date-time
             * @description Null: it waits until somebody decides.
             */
            expiresAt: string | null;
            /**
             * Format: date-time
             * @description Null while it is `pending`.
             */
            resolvedAt: string | null;
            /** @description Who decided, as `GET /api/me` tells it. */
            resolvedBy: {
                owner: string;
                via: string;
                keyId: string | null;
            } | null;
            /** @description What the model reads with the decision. */
            note: string | null;
            /**
             * @description `session`: the same call is decided in the same way from now on. Null: it is asked for again.
             * @enum {string|null}
             */
            remember: "session" | null;
        };
        /**
         * @description An MCP server whose tools the agents of a session use.
         * @example {
         *       "name": "issues",
         *       "origin": "https://mcp.example.com",
         *       "authorization": "oauth",
         *       "tools": [
         *         {
         *           "name": "mcp__issues__search",
         *           "description": "Searches the issues of a project."
         *         }
         *       ],
         *       "leftOut": [],
         *       "listedAt": "2026-11-23T09:33:14.913Z",
         *       "error": null
         *     }
         */
        SessionMcpServer: {
            /** @description Its name in `config.mcpServers`. */
            name: string;
            /** @description The origin of its URL. The rest may be secret. */
            origin: string;
            /**
             * @description What requests to it are authorized by.
             * @enum {string}
             */
            authorization: "none" | "headers" | "oauth";
            /** @description The tools that it offers, as they were listed last. */
            tools: {
                /** @description The name by which agents call it. */
                name: string;
                description: string;
            }[];
            /** @description Its tools that the model's API would not accept, and why. */
            leftOut: {
                name: string;
                reason: string;
            }[];
            /**
             * Format: date-time
             * @description When the tools were listed; null before the first message.
             */
            listedAt: string | null;
            /** @description Why they could not be listed the last time, or that its access has ended; otherwise null. */
            error: string | null;
        };
        /**
         * @description A call of a client tool that waits for its result.
         * @example {
         *       "toolUseId": "toolu_01",
         *       "sessionId": "sess_c742ab76de4d1e2abbe137d12edd751b",
         *       "messageId": "msg_43aeb39e180f5d79476d20b06abe8f3a",
         *       "agent": "main",
         *       "name": "lookup_order",
         *       "input": {
         *         "id": 4711
         *       },
         *       "requestedAt": "2026-11-23T09:33:14.913Z",
         *       "expiresAt": null
         *     }
         */
        ToolRequest: {
            /** @description The call. Its result is given with this id. */
            toolUseId: string;
            /** @description The `id` of its session. */
            sessionId: string;
            /** @description The message that waits for it. */
            messageId: string;
            /** @description The agent that makes the call; `main` is the main agent. */
            agent: string;
            /** @description The tool, one of `config.clientTools`. */
            name: string;
            /** @description The input. It matches the tool's `inputSchema`. */
            input: unknown;
            /**
             * Format: date-time
             * @description Since when it waits.
             */
            requestedAt: string;
            /**
             * Format: date-time
             * @description Null: it waits until its result is given.
             */
            expiresAt: string | null;
        };
        /**
         * @description Which calls have their results, and which do not, by their `toolUseId`.
         * @example {
         *       "taken": [
         *         "toolu_01"
         *       ],
         *       "awaited": [
         *         "toolu_02"
         *       ]
         *     }
         */
        TakenResults: {
            /** @description The calls of the request, in its order. They have their results. */
            taken: string[];
            /** @description The calls of the session that still wait for their results. */
            awaited: string[];
        };
        /**
         * @description Sends the session a prompt at set times. A wake-up of the agent is one that runs once. The event `message.received` of each run has its id as `scheduleId`.
         * @example {
         *       "id": "sched_ca63242f8527c6837c010655af223a5f",
         *       "cron": "0 9 * * mon-fri",
         *       "timeZone": "Europe/Berlin",
         *       "everyMs": null,
         *       "at": null,
         *       "prompt": "Read the news and sum them up.",
         *       "paused": false,
         *       "nextRunAt": "2026-11-24T08:00:00.000Z",
         *       "lastRunAt": null,
         *       "lastMessageId": null,
         *       "createdAt": "2026-11-23T09:33:14.913Z"
         *     }
         */
        Schedule: {
            /** @description The id of the schedule, `sched_…`. */
            id: string;
            /** @description As in the request; null if it is not used. */
            cron: string | null;
            /** @description The time zone of `cron`. */
            timeZone: string | null;
            /** @description As in the request; null if it is not used. */
            everyMs: number | null;
            /**
             * Format: date-time
             * @description When a wake-up runs, once; null for a schedule.
             */
            at: string | null;
            prompt: components["schemas"]["Prompt"];
            /** @description Whether it sends nothing, until it is resumed. */
            paused: boolean;
            /**
             * Format: date-time
             * @description Null while it is paused, and once the session has ended. In the past: the run is due.
             */
            nextRunAt: string | null;
            /**
             * Format: date-time
             * @description When it sent its last message; null before the first.
             */
            lastRunAt: string | null;
            /** @description The message of its last run; null before the first. */
            lastMessageId: string | null;
            /** Format: date-time */
            createdAt: string;
        };
        /**
         * @description The transcript and the workspace of a session at one moment.
         * @example {
         *       "id": "snap_01a208819e20e1fd629b2c3491b0b503",
         *       "sessionId": "sess_c742ab76de4d1e2abbe137d12edd751b",
         *       "createdAt": "2026-11-23T09:33:14.913Z",
         *       "expiresAt": "2026-12-23T09:33:14.913Z",
         *       "sizeBytes": 5412,
         *       "numMessages": 1
         *     }
         */
        Snapshot: {
            /** @description The id of the snapshot, `snap_…`. */
            id: string;
            /** @description The `id` of its session. */
            sessionId: string;
            /** Format: date-time */
            createdAt: string;
            /**
             * Format: date-time
             * @description 30 days after its creation.
             */
            expiresAt: string;
            /** @description The size of the transcript and the files together. */
            sizeBytes: number;
            /** @description The number of messages in its transcript. */
            numMessages: number;
        };
        /**
         * @description What is at a path of a session's workspace.
         * @example {
         *       "path": "data/input.csv",
         *       "type": "file",
         *       "size": 1024,
         *       "modifiedAt": "2026-11-23T09:33:14.913Z",
         *       "mode": "0644"
         *     }
         */
        FileEntry: {
            /** @description Relative to the workspace. A byte of a name that is not UTF-8 is shown as U+FFFD; such a file is read in an archive. */
            path: string;
            /** @enum {string} */
            type: "file" | "directory" | "symlink" | "other";
            /** @description In bytes; 0 for a directory. */
            size: number;
            /** Format: date-time */
            modifiedAt: string;
            /** @description The permission bits, as four octal digits. */
            mode: string;
            /** @description Where a link leads, as it was made. */
            target?: string;
        };
        /**
         * @example {
         *       "id": "share_2f1c0b7e8d9a4c6fb3e5d7a1908c2b4d",
         *       "access": "read",
         *       "description": "for Ann",
         *       "createdAt": "2026-11-23T09:33:14.913Z",
         *       "expiresAt": "2026-11-30T09:33:14.913Z",
         *       "token": "rs_c742ab76de4d1e2abbe137d12edd751b_000000000000000000000000000000000000000000000000",
         *       "url": "https://rigger.example.com/#/sessions/sess_c742ab76de4d1e2abbe137d12edd751b?token=rs_c742ab76de4d1e2abbe137d12edd751b_000000000000000000000000000000000000000000000000"
         *     }
         */
        NewShare: {
            /** @description The id of the share link, `share_…`. */
            id: string;
            /**
             * @description `read`: the session, its messages, events and files. `write`: also to send messages and interrupt them.
             * @enum {string}
             */
            access: "read" | "write";
            /** @description As in the request. */
            description: string | null;
            /** Format: date-time */
            createdAt: string;
            /**
             * Format: date-time
             * @description From when on it is refused.
             */
            expiresAt: string;
            /** @description The token, `rs_…`, for `Authorization: Bearer`, or `?token=` of a `GET`. Shown here only. */
            token: string;
            /**
             * Format: uri
             * @description Opens the session in the dashboard, with the token in the fragment. Shown here only.
             */
            url: string;
        };
        /**
         * @description Gives whoever has its token access to one session.
         * @example {
         *       "id": "share_2f1c0b7e8d9a4c6fb3e5d7a1908c2b4d",
         *       "access": "read",
         *       "description": "for Ann",
         *       "createdAt": "2026-11-23T09:33:14.913Z",
         *       "expiresAt": "2026-11-30T09:33:14.913Z"
         *     }
         */
        Share: {
            /** @description The id of the share link, `share_…`. */
            id: string;
            /**
             * @description `read`: the session, its messages, events and files. `write`: also to send messages and interrupt them.
             * @enum {string}
             */
            access: "read" | "write";
            /** @description As in the request. */
            description: string | null;
            /** Format: date-time */
            createdAt: string;
            /**
             * Format: date-time
             * @description From when on it is refused.
             */
            expiresAt: string;
        };
        /**
         * @example {
         *       "id": "prev_9b1d6c30a7e84f52b0c4d8e6f1a27395",
         *       "port": 5173,
         *       "createdAt": "2026-11-23T09:33:14.913Z",
         *       "expiresAt": "2026-11-24T09:33:14.913Z",
         *       "url": "https://c742ab76de4d1e2abbe137d12edd751b000000000000000000000000000000.preview.example.com/"
         *     }
         */
        NewPreview: {
            /** @description The id of the preview, `prev_…`. */
            id: string;
            /** @description The port of the sandbox. */
            port: number;
            /** Format: date-time */
            createdAt: string;
            /**
             * Format: date-time
             * @description From when on the address leads nowhere.
             */
            expiresAt: string;
            /**
             * Format: uri
             * @description The address. Whoever knows it reaches the server, without a key. Shown here only.
             */
            url: string;
        };
        /**
         * @description An address at which a server in the session's sandbox is reached.
         * @example {
         *       "id": "prev_9b1d6c30a7e84f52b0c4d8e6f1a27395",
         *       "port": 5173,
         *       "createdAt": "2026-11-23T09:33:14.913Z",
         *       "expiresAt": "2026-11-24T09:33:14.913Z"
         *     }
         */
        Preview: {
            /** @description The id of the preview, `prev_…`. */
            id: string;
            /** @description The port of the sandbox. */
            port: number;
            /** Format: date-time */
            createdAt: string;
            /**
             * Format: date-time
             * @description From when on the address leads nowhere.
             */
            expiresAt: string;
        };
        /**
         * @description A file that an agent has published. Its content never changes: a file that is published again with another one is another artifact.
         * @example {
         *       "id": "art_c742ab76de4d1e2abbe137d12edd751b8d1f5a0c27e94b63a1d25f7e90c3b486",
         *       "sessionId": "sess_c742ab76de4d1e2abbe137d12edd751b",
         *       "messageId": "msg_43aeb39e180f5d79476d20b06abe8f3a",
         *       "toolUseId": "toolu_01",
         *       "agent": "main",
         *       "path": "dist/report.pdf",
         *       "description": "The report of this week",
         *       "contentType": "application/pdf",
         *       "sizeBytes": 48213,
         *       "sha256": "b5bb9d8014a0f9b1d61e21e796d78dccdf1352f23cd32812f4850b878ae4944c",
         *       "createdAt": "2026-11-23T09:33:14.913Z"
         *     }
         */
        Artifact: {
            /** @description The id of the artifact, `art_…`. */
            id: string;
            /** @description The `id` of its session. */
            sessionId: string;
            /** @description The message that it is a result of. */
            messageId: string;
            /** @description The call of Publish; null if `config.artifacts` names the file. */
            toolUseId: string | null;
            /** @description The agent that published it; `main` is the main agent. */
            agent: string;
            /** @description The path in the workspace at that time. */
            path: string;
            /** @description What the agent said of it. */
            description: string | null;
            /** @description By the ending of its name. */
            contentType: string;
            /** @description The size of its content. */
            sizeBytes: number;
            /** @description The SHA-256 of its content, as hex. */
            sha256: string;
            /** Format: date-time */
            createdAt: string;
        };
        /**
         * @description The sessions with the same `conversationId`.
         * @example {
         *       "id": 123,
         *       "createdAt": "2026-11-23T09:33:14.913Z",
         *       "lastActivityAt": "2026-11-23T09:33:14.913Z",
         *       "sessionCount": 2,
         *       "totalCost": 0.006595,
         *       "totalTokens": 2566,
         *       "sessions": [
         *         {
         *           "id": "sess_c742ab76de4d1e2abbe137d12edd751b",
         *           "sessionId": "sdk_sess_91668240-254c-426c-808a-7ed9893598a7",
         *           "pattern": "hybrid",
         *           "status": "active",
         *           "terminationReason": null,
         *           "error": null,
         *           "conversationId": 123,
         *           "config": {
         *             "allowedTools": [
         *               "Read",
         *               "Write",
         *               "Bash(ls *)"
         *             ]
         *           },
         *           "createdAt": "2026-11-23T09:33:14.913Z",
         *           "startedAt": "2026-11-23T09:33:14.913Z",
         *           "lastActivityAt": "2026-11-23T09:33:14.913Z",
         *           "completedAt": null,
         *           "terminatedAt": null,
         *           "updatedAt": "2026-11-23T09:33:14.913Z",
         *           "expiresAt": "2026-11-23T10:03:14.913Z",
         *           "expiresBecause": "idle_timeout",
         *           "totalCost": 0,
         *           "totalTokens": 0,
         *           "numMessages": 0,
         *           "numTurns": 0,
         *           "toolsUsed": [],
         *           "usage": {
         *             "inputTokens": 0,
         *             "outputTokens": 0,
         *             "cacheReadTokens": 0,
         *             "cacheWriteTokens": 0,
         *             "webSearchRequests": 0,
         *             "byModel": {}
         *           },
         *           "maxIdleTimeMs": 1800000,
         *           "maxLifetimeMs": 86400000,
         *           "maxBudgetUsd": 0.5,
         *           "maxTurns": 40,
         *           "onLimit": "terminate",
         *           "pausedBecause": null,
         *           "pendingApprovals": 0,
         *           "pendingToolRequests": 0,
         *           "sandbox": {
         *             "provider": "embedded",
         *             "id": "sess_c742ab76de4d1e2abbe137d12edd751b",
         *             "state": "ready"
         *           },
         *           "tags": [
         *             "changelog",
         *             "demo"
         *           ],
         *           "description": "Changelog keeper",
         *           "userId": "user_123"
         *         }
         *       ],
         *       "pageSize": 20,
         *       "nextCursor": null
         *     }
         */
        Conversation: {
            /** @description Your number. */
            id: number;
            /**
             * Format: date-time
             * @description When its first session was created.
             */
            createdAt: string;
            /**
             * Format: date-time
             * @description The latest activity in any of its sessions.
             */
            lastActivityAt: string;
            /** @description Removed and deleted sessions included, as in the next two. */
            sessionCount: number;
            /** @description In dollars. */
            totalCost: number;
            /** @description Tokens of all kinds. */
            totalTokens: number;
            /** @description Those that still exist, newest first. */
            sessions: components["schemas"]["Session"][];
            /** @description The most sessions of this page. */
            pageSize: number;
            /** @description Pass it as `cursor` for the next page; null on the last one. */
            nextCursor: string | null;
        };
        /**
         * @example {
         *       "id": "hook_27ce8c4988729d34e2e074a62d98a4b1",
         *       "url": "https://example.com/alerts",
         *       "events": [
         *         "limit.warned",
         *         "owner.limit_warned"
         *       ],
         *       "sessionId": null,
         *       "description": "cost alerts",
         *       "enabled": true,
         *       "disabledBecause": null,
         *       "createdAt": "2026-11-23T09:33:14.913Z",
         *       "lastSuccessAt": null,
         *       "failingSince": null,
         *       "pending": 0,
         *       "secret": "whsec_JXv42DA+…"
         *     }
         */
        NewWebhook: {
            /** @description The id of the webhook, `hook_…`. */
            id: string;
            /** @description Where events are sent. */
            url: string;
            /** @description Types of events; `*` in one is any text. */
            events: string[];
            /** @description The only session whose events it is sent; null for all. */
            sessionId: string | null;
            /** @description As in the request. */
            description: string | null;
            /** @description Whether it is sent events. */
            enabled: boolean;
            /** @description Why it was disabled, if nobody has done it by a request: it only failed for three days, or was answered with 410. */
            disabledBecause: string | null;
            /** Format: date-time */
            createdAt: string;
            /**
             * Format: date-time
             * @description The last attempt that was accepted.
             */
            lastSuccessAt: string | null;
            /**
             * Format: date-time
             * @description The first attempt since then that has failed.
             */
            failingSince: string | null;
            /** @description Events that wait to be sent. */
            pending: number;
            /** @description Signs the messages, `whsec_…`. Shown when it is made or rotated only. */
            secret: string;
        };
        /**
         * @description An address that is sent events.
         * @example {
         *       "id": "hook_27ce8c4988729d34e2e074a62d98a4b1",
         *       "url": "https://example.com/alerts",
         *       "events": [
         *         "limit.warned",
         *         "owner.limit_warned"
         *       ],
         *       "sessionId": null,
         *       "description": "cost alerts",
         *       "enabled": true,
         *       "disabledBecause": null,
         *       "createdAt": "2026-11-23T09:33:14.913Z",
         *       "lastSuccessAt": null,
         *       "failingSince": null,
         *       "pending": 0
         *     }
         */
        Webhook: {
            /** @description The id of the webhook, `hook_…`. */
            id: string;
            /** @description Where events are sent. */
            url: string;
            /** @description Types of events; `*` in one is any text. */
            events: string[];
            /** @description The only session whose events it is sent; null for all. */
            sessionId: string | null;
            /** @description As in the request. */
            description: string | null;
            /** @description Whether it is sent events. */
            enabled: boolean;
            /** @description Why it was disabled, if nobody has done it by a request: it only failed for three days, or was answered with 410. */
            disabledBecause: string | null;
            /** Format: date-time */
            createdAt: string;
            /**
             * Format: date-time
             * @description The last attempt that was accepted.
             */
            lastSuccessAt: string | null;
            /**
             * Format: date-time
             * @description The first attempt since then that has failed.
             */
            failingSince: string | null;
            /** @description Events that wait to be sent. */
            pending: number;
        };
        /**
         * @description An event for a webhook, and what was tried to send it. Kept for 30 days.
         * @example {
         *       "id": "evt_22b8483c10da01cf4088a80f3fdacfeb_mx02wsob_13",
         *       "type": "limit.warned",
         *       "status": "delivered",
         *       "createdAt": "2026-11-23T09:33:14.913Z",
         *       "nextAttemptAt": null,
         *       "attempts": [
         *         {
         *           "at": "2026-11-23T09:33:14.913Z",
         *           "status": 200,
         *           "durationMs": 9,
         *           "response": "thanks",
         *           "error": null
         *         }
         *       ]
         *     }
         */
        Delivery: {
            /** @description The header `webhook-id`: the same whenever the event is sent. */
            id: string;
            /** @description The type of the event. */
            type: string;
            /**
             * @description `failed`: it was tried for a day, and is not tried again by itself.
             * @enum {string}
             */
            status: "pending" | "delivered" | "failed";
            /**
             * Format: date-time
             * @description When the webhook learned of the event.
             */
            createdAt: string;
            /**
             * Format: date-time
             * @description Null if no attempt is planned.
             */
            nextAttemptAt: string | null;
            /** @description The newest 50. */
            attempts: {
                /** Format: date-time */
                at: string;
                /** @description The status of the answer; null if there was none. */
                status: number | null;
                durationMs: number;
                /** @description The beginning of the answer, 1 KB at most. */
                response: string | null;
                /** @description Why it has failed; null if the event was accepted. */
                error: string | null;
            }[];
        };
        /**
         * @example {
         *       "id": "auto_27ce8c4988729d34e2e0f1b7a4c95d10",
         *       "name": "digest",
         *       "session": {
         *         "pattern": "ephemeral",
         *         "maxBudgetUsd": 1,
         *         "tags": [
         *           "digest"
         *         ]
         *       },
         *       "prompt": "Write the digest.",
         *       "cron": "0 8 * * 1-5",
         *       "timeZone": "Europe/Berlin",
         *       "everyMs": null,
         *       "maxConcurrentRuns": 5,
         *       "enabled": true,
         *       "pausedBecause": null,
         *       "createdAt": "2026-11-23T09:33:14.913Z",
         *       "nextRunAt": "2026-11-24T07:00:00.000Z",
         *       "lastRunAt": null,
         *       "fireUrl": "https://rigger.example.com/api/automations/auto_27ce8c4988729d34e2e0f1b7a4c95d10/fire",
         *       "fireToken": "rf_27ce8c4988729d34e2e0f1b7a4c95d10_51c8…"
         *     }
         */
        NewAutomation: {
            /** @description The id of the automation, `auto_…`. */
            id: string;
            /** @description Text for people. */
            name: string;
            /** @description What each run creates, as in the request, without `env` and `mcpServers`. */
            session: components["schemas"]["CreateSession"];
            prompt: components["schemas"]["Prompt"];
            /** @description As in the request; null if it is not used. */
            cron: string | null;
            /** @description The time zone of `cron`. */
            timeZone: string | null;
            /** @description As in the request; null if it is not used. */
            everyMs: number | null;
            /** @description How many of its runs may be at work at once. */
            maxConcurrentRuns: number;
            /** @description Whether it runs. */
            enabled: boolean;
            /** @description The limit of the owner that refused a run: `too_many_sessions` or `spend_limit`. It does not run until it is enabled again. Null otherwise. */
            pausedBecause: string | null;
            /** Format: date-time */
            createdAt: string;
            /**
             * Format: date-time
             * @description Null while it is not enabled, and if it only runs when it is fired.
             */
            nextRunAt: string | null;
            /**
             * Format: date-time
             * @description Null before the first run.
             */
            lastRunAt: string | null;
            /**
             * Format: uri
             * @description Where it is fired, by a `POST` with its token or a key.
             */
            fireUrl: string;
            /** @description The token that fires it, `rf_…`, and does nothing else. Shown when it is made or rotated only. */
            fireToken: string;
        };
        /**
         * @description Starts a session with a message for each of its runs.
         * @example {
         *       "id": "auto_27ce8c4988729d34e2e0f1b7a4c95d10",
         *       "name": "digest",
         *       "session": {
         *         "pattern": "ephemeral",
         *         "maxBudgetUsd": 1,
         *         "tags": [
         *           "digest"
         *         ]
         *       },
         *       "prompt": "Write the digest.",
         *       "cron": "0 8 * * 1-5",
         *       "timeZone": "Europe/Berlin",
         *       "everyMs": null,
         *       "maxConcurrentRuns": 5,
         *       "enabled": true,
         *       "pausedBecause": null,
         *       "createdAt": "2026-11-23T09:33:14.913Z",
         *       "nextRunAt": "2026-11-24T07:00:00.000Z",
         *       "lastRunAt": null,
         *       "fireUrl": "https://rigger.example.com/api/automations/auto_27ce8c4988729d34e2e0f1b7a4c95d10/fire"
         *     }
         */
        Automation: {
            /** @description The id of the automation, `auto_…`. */
            id: string;
            /** @description Text for people. */
            name: string;
            /** @description What each run creates, as in the request, without `env` and `mcpServers`. */
            session: components["schemas"]["CreateSession"];
            prompt: components["schemas"]["Prompt"];
            /** @description As in the request; null if it is not used. */
            cron: string | null;
            /** @description The time zone of `cron`. */
            timeZone: string | null;
            /** @description As in the request; null if it is not used. */
            everyMs: number | null;
            /** @description How many of its runs may be at work at once. */
            maxConcurrentRuns: number;
            /** @description Whether it runs. */
            enabled: boolean;
            /** @description The limit of the owner that refused a run: `too_many_sessions` or `spend_limit`. It does not run until it is enabled again. Null otherwise. */
            pausedBecause: string | null;
            /** Format: date-time */
            createdAt: string;
            /**
             * Format: date-time
             * @description Null while it is not enabled, and if it only runs when it is fired.
             */
            nextRunAt: string | null;
            /**
             * Format: date-time
             * @description Null before the first run.
             */
            lastRunAt: string | null;
            /**
             * Format: uri
             * @description Where it is fired, by a `POST` with its token or a key.
             */
            fireUrl: string;
        };
        /**
         * @description A run that was started.
         * @example {
         *       "runId": "run_0c6f2b7e8d9a4c6fb3e5d7a1908c2b4d",
         *       "sessionId": "sess_c742ab76de4d1e2abbe137d12edd751b",
         *       "messageId": "msg_43aeb39e180f5d79476d20b06abe8f3a",
         *       "status": "running"
         *     }
         */
        FiredRun: {
            runId: string;
            /** @description The session that it started. */
            sessionId: string | null;
            /** @description The message of that session. */
            messageId: string | null;
            /**
             * @description That of its message; or `starting`; `refused` or `skipped` with a `reason`; `gone` if its session was deleted while it ran.
             * @enum {string}
             */
            status: "starting" | "refused" | "skipped" | "gone" | "queued" | "running" | "waiting" | "completed" | "failed" | "interrupted" | "joined";
        };
        /**
         * @description One run of an automation. Kept for 30 days.
         * @example {
         *       "id": "run_0c6f2b7e8d9a4c6fb3e5d7a1908c2b4d",
         *       "sessionId": "sess_c742ab76de4d1e2abbe137d12edd751b",
         *       "messageId": "msg_43aeb39e180f5d79476d20b06abe8f3a",
         *       "by": "fire",
         *       "status": "completed",
         *       "reason": null,
         *       "startedAt": "2026-11-23T09:33:14.913Z",
         *       "endedAt": "2026-11-23T09:33:15.512Z",
         *       "cost": 0.0031
         *     }
         */
        AutomationRun: {
            id: string;
            /** @description The session that it started; null if none. */
            sessionId: string | null;
            /** @description The message of that session. */
            messageId: string | null;
            /**
             * @description What started it: its time, or a request.
             * @enum {string}
             */
            by: "schedule" | "fire";
            /**
             * @description That of its message; or `starting`; `refused` or `skipped` with a `reason`; `gone` if its session was deleted while it ran.
             * @enum {string}
             */
            status: "starting" | "refused" | "skipped" | "gone" | "queued" | "running" | "waiting" | "completed" | "failed" | "interrupted" | "joined";
            /** @description Why it was refused or skipped, such as `too_many_runs`; null otherwise. */
            reason: string | null;
            /** Format: date-time */
            startedAt: string;
            /**
             * Format: date-time
             * @description Null while it is at work.
             */
            endedAt: string | null;
            /** @description In dollars. */
            cost: number;
        };
        /**
         * @example {
         *       "owner": "acme",
         *       "admin": false,
         *       "scopes": [
         *         "sessions:write",
         *         "usage:read"
         *       ],
         *       "key": {
         *         "id": "key_6db62b63b1f8bb3d3a1f9d2a5c1e7f04",
         *         "name": "ci"
         *       },
         *       "via": "key"
         *     }
         */
        Me: {
            /** @description Whose sessions the caller has access to. */
            owner: string;
            /** @description Whether it has access to those of every owner. */
            admin: boolean;
            /** @description What the caller may do. */
            scopes: ("sessions:read" | "sessions:write" | "approvals:write" | "webhooks:write" | "automations:write" | "usage:read" | "keys:write" | "admin")[];
            /** @description The key, if `via` is `key`; null otherwise. */
            key: {
                id: string;
                name: string;
            } | null;
            /**
             * @description How the caller is known. `key`: a key of this API. `secret`: an entry of the setting `API_KEYS`. `oidc`: a token of single sign-on. `share`: a share link. `fire`: the token of an automation. `anonymous`: without any.
             * @enum {string}
             */
            via: "key" | "secret" | "oidc" | "share" | "fire" | "anonymous";
        };
        /**
         * @example {
         *       "id": "key_6db62b63b1f8bb3d3a1f9d2a5c1e7f04",
         *       "name": "ci",
         *       "owner": "acme",
         *       "scopes": [
         *         "sessions:write",
         *         "usage:read"
         *       ],
         *       "tools": null,
         *       "createdAt": "2026-11-23T09:33:14.913Z",
         *       "expiresAt": null,
         *       "lastUsedAt": null,
         *       "revokedAt": null,
         *       "key": "rk_6db62b63b1f8bb3d3a1f_e0cec869…"
         *     }
         */
        NewKey: {
            /** @description The id of the key, `key_…`. */
            id: string;
            /** @description Text for people. */
            name: string;
            /** @description The owner whose sessions it gives access to. */
            owner: string;
            /** @description What it may do. */
            scopes: ("sessions:read" | "sessions:write" | "approvals:write" | "webhooks:write" | "automations:write" | "usage:read" | "keys:write" | "admin")[];
            /** @description Permission rules that limit the sessions that it creates; null for no such limit. */
            tools: string[] | null;
            /** Format: date-time */
            createdAt: string;
            /**
             * Format: date-time
             * @description The instant from which it is refused; null for none.
             */
            expiresAt: string | null;
            /**
             * Format: date-time
             * @description To within five minutes.
             */
            lastUsedAt: string | null;
            /**
             * Format: date-time
             * @description When it was revoked; null if it was not.
             */
            revokedAt: string | null;
            /** @description The secret, `rk_…`. Shown here only; a hash of it is stored. */
            key: string;
        };
        /**
         * @description An API key, without its secret.
         * @example {
         *       "id": "key_6db62b63b1f8bb3d3a1f9d2a5c1e7f04",
         *       "name": "ci",
         *       "owner": "acme",
         *       "scopes": [
         *         "sessions:write",
         *         "usage:read"
         *       ],
         *       "tools": null,
         *       "createdAt": "2026-11-23T09:33:14.913Z",
         *       "expiresAt": null,
         *       "lastUsedAt": null,
         *       "revokedAt": null
         *     }
         */
        Key: {
            /** @description The id of the key, `key_…`. */
            id: string;
            /** @description Text for people. */
            name: string;
            /** @description The owner whose sessions it gives access to. */
            owner: string;
            /** @description What it may do. */
            scopes: ("sessions:read" | "sessions:write" | "approvals:write" | "webhooks:write" | "automations:write" | "usage:read" | "keys:write" | "admin")[];
            /** @description Permission rules that limit the sessions that it creates; null for no such limit. */
            tools: string[] | null;
            /** Format: date-time */
            createdAt: string;
            /**
             * Format: date-time
             * @description The instant from which it is refused; null for none.
             */
            expiresAt: string | null;
            /**
             * Format: date-time
             * @description To within five minutes.
             */
            lastUsedAt: string | null;
            /**
             * Format: date-time
             * @description When it was revoked; null if it was not.
             */
            revokedAt: string | null;
        };
        /**
         * @description An owner that has had sessions.
         * @example {
         *       "owner": "acme",
         *       "sessions": 120,
         *       "activeSessions": 3,
         *       "totalCost": 310.2,
         *       "totalTokens": 9120332,
         *       "monthCost": 31.02
         *     }
         */
        Owner: {
            owner: string;
            /** @description All that it has had, deleted ones included. */
            sessions: number;
            /** @description Sessions that have not ended. */
            activeSessions: number;
            /** @description In dollars, of all of them. */
            totalCost: number;
            /** @description Tokens of all kinds, of all of them. */
            totalTokens: number;
            /** @description In dollars, in this month, in UTC. */
            monthCost: number;
        };
        /**
         * @description The limits of an owner over all its sessions; null is none.
         * @example {
         *       "maxActiveSessions": null,
         *       "maxRunningMessages": 5,
         *       "maxDailyUsd": 20,
         *       "maxMonthlyUsd": null,
         *       "maxRequestsPerMinute": null,
         *       "perUser": {
         *         "maxActiveSessions": null,
         *         "maxDailyUsd": 2
         *       }
         *     }
         */
        OwnerLimits: {
            /** @description Sessions that have not ended. */
            maxActiveSessions: number | null;
            /** @description Messages that run at once. */
            maxRunningMessages: number | null;
            /** @description Dollars in a day, in UTC. */
            maxDailyUsd: number | null;
            /** @description Dollars in a month, in UTC. */
            maxMonthlyUsd: number | null;
            /** @description Requests a minute of the owner's keys. */
            maxRequestsPerMinute: number | null;
            /** @description Limits of each `userId`. */
            perUser: {
                /** @description Sessions of a user that have not ended. */
                maxActiveSessions: number | null;
                /** @description Dollars of a user in a day, in UTC. */
                maxDailyUsd: number | null;
            };
        };
        /**
         * @description What is used now, and sums of what was used.
         * @example {
         *       "now": {
         *         "activeSessions": 3,
         *         "runningMessages": 1,
         *         "day": {
         *           "spentUsd": 1.25,
         *           "heldUsd": 0.4,
         *           "maxUsd": 20,
         *           "resetsAt": "2026-11-24T00:00:00.000Z"
         *         },
         *         "month": {
         *           "spentUsd": 31.02,
         *           "heldUsd": 0.4,
         *           "maxUsd": null,
         *           "resetsAt": "2026-12-01T00:00:00.000Z"
         *         }
         *       },
         *       "rows": [
         *         {
         *           "day": "2026-11-23",
         *           "model": "claude-sonnet-5-5",
         *           "cost": 1.25,
         *           "tokens": 310233,
         *           "inputTokens": 120,
         *           "outputTokens": 20113,
         *           "cacheReadTokens": 250000,
         *           "cacheWriteTokens": 40000,
         *           "webSearchRequests": 0
         *         }
         *       ]
         *     }
         */
        UsageReport: {
            /** @description What is used now, of the owner; of all owners for an admin who names none. */
            now: {
                /** @description Sessions that have not ended. */
                activeSessions: number;
                /** @description Messages that run; null for an owner without limits, and for all owners. */
                runningMessages: number | null;
                /** @description In this day, in UTC. */
                day: {
                    /** @description Dollars that were spent. */
                    spentUsd: number;
                    /** @description Dollars that sessions may still spend, or may have been billed. */
                    heldUsd: number;
                    /** @description The limit; null if there is none. */
                    maxUsd: number | null;
                    /**
                     * Format: date-time
                     * @description When the next day or month begins, in UTC.
                     */
                    resetsAt: string | null;
                };
                /** @description In this month, in UTC. */
                month: {
                    /** @description Dollars that were spent. */
                    spentUsd: number;
                    /** @description Dollars that sessions may still spend, or may have been billed. */
                    heldUsd: number;
                    /** @description The limit; null if there is none. */
                    maxUsd: number | null;
                    /**
                     * Format: date-time
                     * @description When the next day or month begins, in UTC.
                     */
                    resetsAt: string | null;
                };
            };
            /** @description One row for each group, with the fields of `groupBy`; 10,000 rows at most. Deleted sessions are included. */
            rows: {
                /** @description A date in UTC. */
                day?: string;
                owner?: string;
                /** @description For the group `user`: what the session had then. */
                userId?: string;
                /** @description The model that ran. */
                model?: string;
                pattern?: string;
                /** @description A session counts for each tag that it had then. */
                tag?: string;
                /** @description In dollars. */
                cost: number;
                /** @description Tokens of all kinds. */
                tokens: number;
                inputTokens: number;
                outputTokens: number;
                cacheReadTokens: number;
                cacheWriteTokens: number;
                webSearchRequests: number;
            }[];
        };
        /**
         * @description Who did what to keys, limits, share links and others. Kept for 90 days.
         * @example {
         *       "id": "audit_5d1c7a3e2b9f48d6a0c1e2f3a4b5c6d7",
         *       "action": "key.created",
         *       "owner": "acme",
         *       "target": "key_6db62b63b1f8bb3d3a1f9d2a5c1e7f04",
         *       "details": {
         *         "name": "ci",
         *         "scopes": [
         *           "sessions:write",
         *           "usage:read"
         *         ],
         *         "tools": null
         *       },
         *       "at": "2026-11-23T09:33:14.913Z",
         *       "by": {
         *         "owner": "ops",
         *         "via": "secret",
         *         "keyId": null
         *       },
         *       "address": "192.0.2.7",
         *       "requestId": "req_77b0c1d2e3f4a5b6c7d8e9f0a1b2c3d4"
         *     }
         */
        AuditEntry: {
            id: string;
            /**
             * @description What was done. Of sessions, only what somebody else than their owner did is recorded.
             * @enum {string}
             */
            action: "key.created" | "key.rotated" | "key.revoked" | "limits.changed" | "webhook.created" | "webhook.deleted" | "automation.created" | "automation.deleted" | "share.created" | "share.revoked" | "session.terminated" | "session.deleted";
            /** @description Whose key, limits, webhook, automation, share link or session it was. */
            owner: string;
            /** @description The id of what was changed; null for limits. */
            target: string | null;
            /** @description Of keys: `name`, `scopes`, `tools`, and `graceMs` of a rotation. Of limits: those that were sent. Of a new webhook: `events`. Of share links: `sessionId`, and `access` and `expiresAt` of a new one. Of anything else: nothing. Never a secret. */
            details: {
                [key: string]: unknown;
            };
            /** Format: date-time */
            at: string;
            /** @description Who did it, as `GET /api/me` tells it. */
            by: {
                owner: string;
                via: string;
                keyId: string | null;
            };
            /** @description The address of the client; null without Cloudflare's network. */
            address: string | null;
            /** @description The request that did it. */
            requestId: string;
        };
        /**
         * @description The pool of started containers.
         * @example {
         *       "target": 3,
         *       "ready": 2,
         *       "starting": 1,
         *       "leaving": 0,
         *       "handedOut": 41,
         *       "missed": 2,
         *       "breaker": {
         *         "state": "closed",
         *         "failures": 0,
         *         "retryAt": null
         *       }
         *     }
         */
        Pool: {
            /** @description How many the pool keeps started. */
            target: number;
            /** @description Containers that can be handed out. */
            ready: number;
            /** @description Containers that start. */
            starting: number;
            /** @description Containers that are being destroyed. */
            leaving: number;
            /** @description Sessions that received a ready container. */
            handedOut: number;
            /** @description Sessions that found none. */
            missed: number;
            breaker: {
                /** @description While it is `open`, because the last starts failed, no container starts until `retryAt`. */
                state: string;
                /** @description Starts in a row that failed. */
                failures: number;
                /**
                 * Format: date-time
                 * @description Null unless it is `open`.
                 */
                retryAt: string | null;
            };
        };
        /**
         * @description An event for a webhook. A message has 256 Ki characters at most: a larger event is sent without its own fields, with `truncated: true`.
         * @example {
         *       "type": "limit.warned",
         *       "timestamp": "2026-11-23T09:33:14.913Z",
         *       "data": {
         *         "event": {
         *           "seq": 13,
         *           "type": "limit.warned",
         *           "at": "2026-11-23T09:33:14.913Z",
         *           "messageId": "msg_43aeb39e180f5d79476d20b06abe8f3a",
         *           "limit": "budget",
         *           "part": 0.5,
         *           "used": 0.2848205,
         *           "max": 0.4
         *         },
         *         "session": {
         *           "id": "sess_c742ab76de4d1e2abbe137d12edd751b",
         *           "status": "active",
         *           "totalCost": 0.2848205
         *         }
         *       }
         *     }
         */
        WebhookMessage: {
            /** @description The type of the event. */
            type: string;
            /**
             * Format: date-time
             * @description When it happened.
             */
            timestamp: string;
            data: {
                event: components["schemas"]["Event"] | components["schemas"]["OwnerLimitWarnedEvent"] | ({
                    /** @constant */
                    type: "webhook.test";
                } & {
                    [key: string]: unknown;
                });
                /** @description A summary of the session at the time of sending: `id`, `sessionId`, `pattern`, `status`, `userId`, `conversationId`, `tags`, `description`, `totalCost`, `numTurns` and `pausedBecause`. Absent for an event of the owner. */
                session?: {
                    id: string;
                } & {
                    [key: string]: unknown;
                };
            };
        };
        /**
         * @description A part of an owner's money of a day or month is used up.
         * @example {
         *       "type": "owner.limit_warned",
         *       "at": "2026-11-23T09:33:14.913Z",
         *       "owner": "acme",
         *       "limit": "owner_daily",
         *       "part": 0.5,
         *       "used": 10.2,
         *       "max": 20,
         *       "resetsAt": "2026-11-29T00:00:00.000Z"
         *     }
         */
        OwnerLimitWarnedEvent: {
            /** @constant */
            type: "owner.limit_warned";
            /** Format: date-time */
            at: string;
            owner: string;
            /** @enum {string} */
            limit: "owner_daily" | "owner_monthly";
            /** @description 0.5, 0.8 or 1. 1 also means that a call does not fit in what is left. */
            part: number;
            /** @description In dollars. */
            used: number;
            /** @description The limit, in dollars. */
            max: number;
            /**
             * Format: date-time
             * @description When the next day or month begins, in UTC.
             */
            resetsAt: string;
        };
    };
    responses: {
        /** @description The body, the query, a header or the path is invalid. */
        InvalidRequestError: {
            headers: {
                "X-Request-Id": components["headers"]["RequestId"];
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["InvalidRequestError"];
            };
        };
        /** @description There is no key, or a key or share link that is unknown, has expired or was revoked. */
        AuthenticationError: {
            headers: {
                "X-Request-Id": components["headers"]["RequestId"];
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["AuthenticationError"];
            };
        };
        /** @description The key does not have the scope, or would give more than it has; a share link or a token is not for that; a path leads out of the workspace; or a browser asks for a page of another origin. */
        PermissionError: {
            headers: {
                "X-Request-Id": components["headers"]["RequestId"];
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["PermissionError"];
            };
        };
        /** @description The path, or what it names, does not exist or belongs to another owner. */
        NotFoundError: {
            headers: {
                "X-Request-Id": components["headers"]["RequestId"];
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["NotFoundError"];
            };
        };
        /** @description The path does not support the method. The header `Allow` names those that it does. */
        MethodNotAllowedError: {
            headers: {
                "X-Request-Id": components["headers"]["RequestId"];
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["MethodNotAllowedError"];
            };
        };
        /** @description The request does not fit the state of what it is about. */
        ConflictError: {
            headers: {
                "X-Request-Id": components["headers"]["RequestId"];
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["ConflictError"];
            };
        };
        /** @description The file is not as `If-Match` or `If-None-Match` asks. */
        PreconditionFailedError: {
            headers: {
                "X-Request-Id": components["headers"]["RequestId"];
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["PreconditionFailedError"];
            };
        };
        /** @description The body, a prompt, a config or a file is too large, or the disk of the session has no room for it. */
        RequestTooLargeError: {
            headers: {
                "X-Request-Id": components["headers"]["RequestId"];
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["RequestTooLargeError"];
            };
        };
        /** @description The file has no such bytes. The header `Content-Range` has its size. */
        RangeNotSatisfiableError: {
            headers: {
                "X-Request-Id": components["headers"]["RequestId"];
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["RangeNotSatisfiableError"];
            };
        };
        /** @description There is too much of something. The header `Retry-After` says for how many seconds to wait. */
        RateLimitError: {
            headers: {
                "X-Request-Id": components["headers"]["RequestId"];
                "Retry-After": components["headers"]["RetryAfter"];
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["RateLimitError"];
            };
        };
        /** @description An internal error. The log has the request id. */
        ApiError: {
            headers: {
                "X-Request-Id": components["headers"]["RequestId"];
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["ApiError"];
            };
        };
        /** @description The message failed: the Messages API rejected it or failed after all retries, the reply does not match `outputSchema`, or the session's set-up failed. */
        UpstreamError: {
            headers: {
                "X-Request-Id": components["headers"]["RequestId"];
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["UpstreamError"];
            };
        };
        /** @description Something that the request needs is not available: a model, client keys, a key that the Messages API accepts, the encryption key of `env`, a session, its files or the index; or restarts interrupted a message too often. With the header `Retry-After`, try again. */
        UnavailableError: {
            headers: {
                "X-Request-Id": components["headers"]["RequestId"];
                "Retry-After": components["headers"]["RetryAfter"];
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["UnavailableError"];
            };
        };
    };
    parameters: never;
    requestBodies: never;
    headers: {
        /** @description Names the request in the server's log. */
        RequestId: string;
        /** @description For how many seconds to wait before another try. */
        RetryAfter: number;
    };
    pathItems: never;
}
export type CreateSession = components['schemas']['CreateSession'];
export type Config = components['schemas']['Config'];
export type ClientTool = components['schemas']['ClientTool'];
export type CustomAgent = components['schemas']['CustomAgent'];
export type SandboxConfig = components['schemas']['SandboxConfig'];
export type Secret = components['schemas']['Secret'];
export type Repository = components['schemas']['Repository'];
export type TextFile = components['schemas']['TextFile'];
export type BytesFile = components['schemas']['BytesFile'];
export type ArtifactFile = components['schemas']['ArtifactFile'];
export type McpServer = components['schemas']['McpServer'];
export type McpOauth = components['schemas']['McpOauth'];
export type PatchSession = components['schemas']['PatchSession'];
export type Terminate = components['schemas']['Terminate'];
export type SendMessage = components['schemas']['SendMessage'];
export type Prompt = components['schemas']['Prompt'];
export type NoFields = components['schemas']['NoFields'];
export type ResolveApproval = components['schemas']['ResolveApproval'];
export type AnswerTools = components['schemas']['AnswerTools'];
export type GivenResult = components['schemas']['GivenResult'];
export type CreateSchedule = components['schemas']['CreateSchedule'];
export type PatchSchedule = components['schemas']['PatchSchedule'];
export type CreateShare = components['schemas']['CreateShare'];
export type CreatePreview = components['schemas']['CreatePreview'];
export type CreateWebhook = components['schemas']['CreateWebhook'];
export type PatchWebhook = components['schemas']['PatchWebhook'];
export type RotateWebhookSecret = components['schemas']['RotateWebhookSecret'];
export type CreateAutomation = components['schemas']['CreateAutomation'];
export type PatchAutomation = components['schemas']['PatchAutomation'];
export type FireAutomation = components['schemas']['FireAutomation'];
export type CreateKey = components['schemas']['CreateKey'];
export type RotateKey = components['schemas']['RotateKey'];
export type PutOwnerLimits = components['schemas']['PutOwnerLimits'];
export type InvalidRequestError = components['schemas']['InvalidRequestError'];
export type AuthenticationError = components['schemas']['AuthenticationError'];
export type PermissionError = components['schemas']['PermissionError'];
export type NotFoundError = components['schemas']['NotFoundError'];
export type MethodNotAllowedError = components['schemas']['MethodNotAllowedError'];
export type ConflictError = components['schemas']['ConflictError'];
export type PreconditionFailedError = components['schemas']['PreconditionFailedError'];
export type RequestTooLargeError = components['schemas']['RequestTooLargeError'];
export type RangeNotSatisfiableError = components['schemas']['RangeNotSatisfiableError'];
export type RateLimitError = components['schemas']['RateLimitError'];
export type ApiError = components['schemas']['ApiError'];
export type UpstreamError = components['schemas']['UpstreamError'];
export type UnavailableError = components['schemas']['UnavailableError'];
export type Session = components['schemas']['Session'];
export type SessionUsage = components['schemas']['SessionUsage'];
export type ModelUsage = components['schemas']['ModelUsage'];
export type Sandbox = components['schemas']['Sandbox'];
export type Summary = components['schemas']['Summary'];
export type Message = components['schemas']['Message'];
export type WaitingFor = components['schemas']['WaitingFor'];
export type StopReason = components['schemas']['StopReason'];
export type Failure = components['schemas']['Failure'];
export type Usage = components['schemas']['Usage'];
export type StreamedEvent = components['schemas']['StreamedEvent'];
export type Event = components['schemas']['Event'];
export type SessionCreatedEvent = components['schemas']['SessionCreatedEvent'];
export type SessionStartedEvent = components['schemas']['SessionStartedEvent'];
export type SessionIdledEvent = components['schemas']['SessionIdledEvent'];
export type SessionPausedEvent = components['schemas']['SessionPausedEvent'];
export type SessionResumedEvent = components['schemas']['SessionResumedEvent'];
export type SessionUpdatedEvent = components['schemas']['SessionUpdatedEvent'];
export type SessionCompletedEvent = components['schemas']['SessionCompletedEvent'];
export type SessionTerminatedEvent = components['schemas']['SessionTerminatedEvent'];
export type SessionFailedEvent = components['schemas']['SessionFailedEvent'];
export type MessageReceivedEvent = components['schemas']['MessageReceivedEvent'];
export type MessageStartedEvent = components['schemas']['MessageStartedEvent'];
export type MessageSteeredEvent = components['schemas']['MessageSteeredEvent'];
export type MessageJoinedEvent = components['schemas']['MessageJoinedEvent'];
export type MessageWaitingEvent = components['schemas']['MessageWaitingEvent'];
export type MessageResumedEvent = components['schemas']['MessageResumedEvent'];
export type MessageCompletedEvent = components['schemas']['MessageCompletedEvent'];
export type MessageInterruptedEvent = components['schemas']['MessageInterruptedEvent'];
export type MessageFailedEvent = components['schemas']['MessageFailedEvent'];
export type TurnStartedEvent = components['schemas']['TurnStartedEvent'];
export type TurnCompletedEvent = components['schemas']['TurnCompletedEvent'];
export type TurnRetriedEvent = components['schemas']['TurnRetriedEvent'];
export type UsageDisputedEvent = components['schemas']['UsageDisputedEvent'];
export type AssistantTextEvent = components['schemas']['AssistantTextEvent'];
export type AssistantThinkingEvent = components['schemas']['AssistantThinkingEvent'];
export type ToolStartedEvent = components['schemas']['ToolStartedEvent'];
export type ToolRequestedEvent = components['schemas']['ToolRequestedEvent'];
export type ApprovalRequestedEvent = components['schemas']['ApprovalRequestedEvent'];
export type ApprovalResolvedEvent = components['schemas']['ApprovalResolvedEvent'];
export type ToolCompletedEvent = components['schemas']['ToolCompletedEvent'];
export type AgentStartedEvent = components['schemas']['AgentStartedEvent'];
export type AgentCompletedEvent = components['schemas']['AgentCompletedEvent'];
export type McpListedEvent = components['schemas']['McpListedEvent'];
export type McpFailedEvent = components['schemas']['McpFailedEvent'];
export type ScheduleSkippedEvent = components['schemas']['ScheduleSkippedEvent'];
export type SchedulePausedEvent = components['schemas']['SchedulePausedEvent'];
export type SandboxLostEvent = components['schemas']['SandboxLostEvent'];
export type SandboxUnsavedEvent = components['schemas']['SandboxUnsavedEvent'];
export type SetupStartedEvent = components['schemas']['SetupStartedEvent'];
export type SetupCompletedEvent = components['schemas']['SetupCompletedEvent'];
export type SetupFailedEvent = components['schemas']['SetupFailedEvent'];
export type SetupReusedEvent = components['schemas']['SetupReusedEvent'];
export type PreviewCreatedEvent = components['schemas']['PreviewCreatedEvent'];
export type PreviewRemovedEvent = components['schemas']['PreviewRemovedEvent'];
export type FileWrittenEvent = components['schemas']['FileWrittenEvent'];
export type FileDeletedEvent = components['schemas']['FileDeletedEvent'];
export type ArtifactPublishedEvent = components['schemas']['ArtifactPublishedEvent'];
export type ArtifactFailedEvent = components['schemas']['ArtifactFailedEvent'];
export type LimitWarnedEvent = components['schemas']['LimitWarnedEvent'];
export type ContextCompactedEvent = components['schemas']['ContextCompactedEvent'];
export type ContentWithdrawnEvent = components['schemas']['ContentWithdrawnEvent'];
export type LiveEvent = components['schemas']['LiveEvent'];
export type AssistantDeltaEvent = components['schemas']['AssistantDeltaEvent'];
export type ToolOutputEvent = components['schemas']['ToolOutputEvent'];
export type SetupOutputEvent = components['schemas']['SetupOutputEvent'];
export type Approval = components['schemas']['Approval'];
export type SessionMcpServer = components['schemas']['SessionMcpServer'];
export type ToolRequest = components['schemas']['ToolRequest'];
export type TakenResults = components['schemas']['TakenResults'];
export type Schedule = components['schemas']['Schedule'];
export type Snapshot = components['schemas']['Snapshot'];
export type FileEntry = components['schemas']['FileEntry'];
export type NewShare = components['schemas']['NewShare'];
export type Share = components['schemas']['Share'];
export type NewPreview = components['schemas']['NewPreview'];
export type Preview = components['schemas']['Preview'];
export type Artifact = components['schemas']['Artifact'];
export type Conversation = components['schemas']['Conversation'];
export type NewWebhook = components['schemas']['NewWebhook'];
export type Webhook = components['schemas']['Webhook'];
export type Delivery = components['schemas']['Delivery'];
export type NewAutomation = components['schemas']['NewAutomation'];
export type Automation = components['schemas']['Automation'];
export type FiredRun = components['schemas']['FiredRun'];
export type AutomationRun = components['schemas']['AutomationRun'];
export type Me = components['schemas']['Me'];
export type NewKey = components['schemas']['NewKey'];
export type Key = components['schemas']['Key'];
export type Owner = components['schemas']['Owner'];
export type OwnerLimits = components['schemas']['OwnerLimits'];
export type UsageReport = components['schemas']['UsageReport'];
export type AuditEntry = components['schemas']['AuditEntry'];
export type Pool = components['schemas']['Pool'];
export type WebhookMessage = components['schemas']['WebhookMessage'];
export type OwnerLimitWarnedEvent = components['schemas']['OwnerLimitWarnedEvent'];
export type ResponseInvalidRequestError = components['responses']['InvalidRequestError'];
export type ResponseAuthenticationError = components['responses']['AuthenticationError'];
export type ResponsePermissionError = components['responses']['PermissionError'];
export type ResponseNotFoundError = components['responses']['NotFoundError'];
export type ResponseMethodNotAllowedError = components['responses']['MethodNotAllowedError'];
export type ResponseConflictError = components['responses']['ConflictError'];
export type ResponsePreconditionFailedError = components['responses']['PreconditionFailedError'];
export type ResponseRequestTooLargeError = components['responses']['RequestTooLargeError'];
export type ResponseRangeNotSatisfiableError = components['responses']['RangeNotSatisfiableError'];
export type ResponseRateLimitError = components['responses']['RateLimitError'];
export type ResponseApiError = components['responses']['ApiError'];
export type ResponseUpstreamError = components['responses']['UpstreamError'];
export type ResponseUnavailableError = components['responses']['UnavailableError'];
export type HeaderRequestId = components['headers']['RequestId'];
export type HeaderRetryAfter = components['headers']['RetryAfter'];
export type $defs = Record<string, never>;
export interface operations {
    listSessions: {
        parameters: {
            query?: {
                /** @description One of these, separated by commas. */
                status?: ("initializing" | "active" | "idle" | "completed" | "error" | "terminated")[];
                /** @description One of these, separated by commas. */
                pattern?: ("ephemeral" | "long-running" | "hybrid" | "single-container")[];
                /** @description Exactly this value. */
                userId?: string;
                /** @description Exactly this value. */
                conversationId?: number;
                /** @description Up to 20, separated by commas. */
                tags?: string[];
                /** @description Whether a session must have all tags, or one at least. */
                tagsMode?: "all" | "any";
                /** @description An instant with its zone, or a date, which means its first instant in UTC; inclusive. */
                createdAfter?: string;
                /** @description An instant with its zone, or a date, which means its first instant in UTC; exclusive. */
                createdBefore?: string;
                /** @description Text that the description contains, case-insensitive in every alphabet: `STRASSE` finds `Straße`. */
                search?: string;
                /** @description The order, with `-` for descending. Equal ones are in the order of their creation, then of their ids. */
                sort?: "createdAt" | "-createdAt" | "lastActivityAt" | "-lastActivityAt" | "totalCost" | "-totalCost";
                /** @description The number of the page, from 1, within the first 10,000 sessions. Beyond them, use `cursor`. */
                page?: number;
                /** @description The most sessions of a page. */
                pageSize?: number;
                /** @description The `nextCursor` of the previous page, with the same filters and the same `sort`. Not together with `page`. */
                cursor?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of sessions. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        sessions: components["schemas"]["Session"][];
                        /** @description Null with `cursor`. */
                        page: number | null;
                        /** @description The most sessions of this page. */
                        pageSize: number;
                        /** @description Sessions that match; with a cursor, as counted at the first page. */
                        total: number;
                        /** @description False: `total` and `totalPages` are lower bounds. */
                        totalIsExact: boolean;
                        totalPages: number;
                        /** @description Pass it as `cursor` for the next page; null on the last one. */
                        nextCursor: string | null;
                    };
                };
            };
            400: components["responses"]["InvalidRequestError"];
            401: components["responses"]["AuthenticationError"];
            403: components["responses"]["PermissionError"];
            429: components["responses"]["RateLimitError"];
            500: components["responses"]["ApiError"];
            503: components["responses"]["UnavailableError"];
        };
    };
    createSession: {
        parameters: {
            query?: never;
            header?: {
                /**
                 * @description 1 to 255 printable ASCII characters. A repeat with the same key and body creates nothing new.
                 * @example job-42
                 */
                "Idempotency-Key"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["CreateSession"];
            };
        };
        responses: {
            /** @description The session. */
            201: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Session"];
                };
            };
            400: components["responses"]["InvalidRequestError"];
            401: components["responses"]["AuthenticationError"];
            403: components["responses"]["PermissionError"];
            404: components["responses"]["NotFoundError"];
            409: components["responses"]["ConflictError"];
            413: components["responses"]["RequestTooLargeError"];
            429: components["responses"]["RateLimitError"];
            500: components["responses"]["ApiError"];
            503: components["responses"]["UnavailableError"];
        };
    };
    summarizeSessions: {
        parameters: {
            query?: {
                /** @description Of this user. */
                userId?: string;
                /** @description The first day of creation, in UTC; inclusive. */
                from?: string;
                /** @description The last day of creation, in UTC; inclusive. */
                to?: string;
                /** @description Adds `byDay`: the sessions of each day of creation. */
                groupBy?: "day";
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Sums and averages. Removed and deleted sessions are included. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Summary"];
                };
            };
            400: components["responses"]["InvalidRequestError"];
            401: components["responses"]["AuthenticationError"];
            403: components["responses"]["PermissionError"];
            429: components["responses"]["RateLimitError"];
            500: components["responses"]["ApiError"];
            503: components["responses"]["UnavailableError"];
        };
    };
    getSession: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /**
                 * @description The id of the session.
                 * @example sess_c742ab76de4d1e2abbe137d12edd751b
                 */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The session. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Session"];
                };
            };
            400: components["responses"]["InvalidRequestError"];
            401: components["responses"]["AuthenticationError"];
            403: components["responses"]["PermissionError"];
            404: components["responses"]["NotFoundError"];
            429: components["responses"]["RateLimitError"];
            500: components["responses"]["ApiError"];
            503: components["responses"]["UnavailableError"];
        };
    };
    deleteSession: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /**
                 * @description The id of the session.
                 * @example sess_c742ab76de4d1e2abbe137d12edd751b
                 */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description It is deleted. */
            204: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["InvalidRequestError"];
            401: components["responses"]["AuthenticationError"];
            403: components["responses"]["PermissionError"];
            404: components["responses"]["NotFoundError"];
            429: components["responses"]["RateLimitError"];
            500: components["responses"]["ApiError"];
            503: components["responses"]["UnavailableError"];
        };
    };
    updateSession: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /**
                 * @description The id of the session.
                 * @example sess_c742ab76de4d1e2abbe137d12edd751b
                 */
                id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["PatchSession"];
            };
        };
        responses: {
            /** @description The changed session. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Session"];
                };
            };
            400: components["responses"]["InvalidRequestError"];
            401: components["responses"]["AuthenticationError"];
            403: components["responses"]["PermissionError"];
            404: components["responses"]["NotFoundError"];
            413: components["responses"]["RequestTooLargeError"];
            429: components["responses"]["RateLimitError"];
            500: components["responses"]["ApiError"];
            503: components["responses"]["UnavailableError"];
        };
    };
    terminateSession: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /**
                 * @description The id of the session.
                 * @example sess_c742ab76de4d1e2abbe137d12edd751b
                 */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": components["schemas"]["Terminate"];
            };
        };
        responses: {
            /** @description The session. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Session"];
                };
            };
            400: components["responses"]["InvalidRequestError"];
            401: components["responses"]["AuthenticationError"];
            403: components["responses"]["PermissionError"];
            404: components["responses"]["NotFoundError"];
            413: components["responses"]["RequestTooLargeError"];
            429: components["responses"]["RateLimitError"];
            500: components["responses"]["ApiError"];
            503: components["responses"]["UnavailableError"];
        };
    };
    exportSession: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /**
                 * @description The id of the session.
                 * @example sess_c742ab76de4d1e2abbe137d12edd751b
                 */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Everything of the session. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/x-ndjson": string;
                };
            };
            400: components["responses"]["InvalidRequestError"];
            401: components["responses"]["AuthenticationError"];
            403: components["responses"]["PermissionError"];
            404: components["responses"]["NotFoundError"];
            429: components["responses"]["RateLimitError"];
            500: components["responses"]["ApiError"];
            503: components["responses"]["UnavailableError"];
        };
    };
    sendMessage: {
        parameters: {
            query?: never;
            header?: {
                /**
                 * @description 1 to 255 printable ASCII characters. A repeat with the same key and body creates nothing new.
                 * @example job-42
                 */
                "Idempotency-Key"?: string;
                /** @description The `seq` of the last event of the stream that you have. */
                "Last-Event-ID"?: number;
                /**
                 * @description The span of the caller that the message belongs to, as W3C Trace Context has it. An invalid one is ignored.
                 * @example 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01
                 */
                traceparent?: string;
            };
            path: {
                /**
                 * @description The id of the session.
                 * @example sess_c742ab76de4d1e2abbe137d12edd751b
                 */
                id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["SendMessage"];
            };
        };
        responses: {
            /** @description The message, which has ended; or its events as server-sent events. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Message"];
                    "text/event-stream": components["schemas"]["StreamedEvent"];
                };
            };
            /** @description The message, which runs in the background or waits for somebody; with `onBusy: steer`, the message that the prompt joins. */
            202: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Message"];
                };
            };
            400: components["responses"]["InvalidRequestError"];
            401: components["responses"]["AuthenticationError"];
            403: components["responses"]["PermissionError"];
            404: components["responses"]["NotFoundError"];
            409: components["responses"]["ConflictError"];
            413: components["responses"]["RequestTooLargeError"];
            429: components["responses"]["RateLimitError"];
            500: components["responses"]["ApiError"];
            502: components["responses"]["UpstreamError"];
            503: components["responses"]["UnavailableError"];
        };
    };
    interruptSession: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /**
                 * @description The id of the session.
                 * @example sess_c742ab76de4d1e2abbe137d12edd751b
                 */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": components["schemas"]["NoFields"];
            };
        };
        responses: {
            /** @description The message; null if there was none. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        message: components["schemas"]["Message"] | null;
                    };
                };
            };
            400: components["responses"]["InvalidRequestError"];
            401: components["responses"]["AuthenticationError"];
            403: components["responses"]["PermissionError"];
            404: components["responses"]["NotFoundError"];
            413: components["responses"]["RequestTooLargeError"];
            429: components["responses"]["RateLimitError"];
            500: components["responses"]["ApiError"];
            503: components["responses"]["UnavailableError"];
        };
    };
    listMessages: {
        parameters: {
            query?: {
                /** @description The `nextCursor` of the previous page. */
                cursor?: number;
                /** @description The most messages of a page. It has fewer if they are large. */
                limit?: number;
            };
            header?: never;
            path: {
                /**
                 * @description The id of the session.
                 * @example sess_c742ab76de4d1e2abbe137d12edd751b
                 */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of messages, oldest first. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        messages: components["schemas"]["Message"][];
                        /** @description Pass it as `cursor` for the next page; null on the last one. */
                        nextCursor: string | null;
                    };
                };
            };
            400: components["responses"]["InvalidRequestError"];
            401: components["responses"]["AuthenticationError"];
            403: components["responses"]["PermissionError"];
            404: components["responses"]["NotFoundError"];
            429: components["responses"]["RateLimitError"];
            500: components["responses"]["ApiError"];
            503: components["responses"]["UnavailableError"];
        };
    };
    getMessage: {
        parameters: {
            query?: {
                /** @description How long to wait until the message has ended, or the session waits for somebody. Then the message is returned as it is. */
                waitMs?: number;
            };
            header?: never;
            path: {
                /**
                 * @description The id of the session.
                 * @example sess_c742ab76de4d1e2abbe137d12edd751b
                 */
                id: string;
                /**
                 * @description The id of the message.
                 * @example msg_43aeb39e180f5d79476d20b06abe8f3a
                 */
                messageId: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The message. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Message"];
                };
            };
            400: components["responses"]["InvalidRequestError"];
            401: components["responses"]["AuthenticationError"];
            403: components["responses"]["PermissionError"];
            404: components["responses"]["NotFoundError"];
            429: components["responses"]["RateLimitError"];
            500: components["responses"]["ApiError"];
            503: components["responses"]["UnavailableError"];
        };
    };
    listEvents: {
        parameters: {
            query?: {
                /** @description The `seq` of the last event that you have. */
                after?: number;
                /** @description The most events of a page. It has fewer if they are large. */
                limit?: number;
            };
            header?: {
                /** @description The `seq` of the last event of the stream that you have. */
                "Last-Event-ID"?: number;
            };
            path: {
                /**
                 * @description The id of the session.
                 * @example sess_c742ab76de4d1e2abbe137d12edd751b
                 */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of events, or a stream of them. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        events: components["schemas"]["Event"][];
                        /** @description Whether there are more. */
                        hasMore: boolean;
                    };
                    "text/event-stream": components["schemas"]["StreamedEvent"];
                };
            };
            400: components["responses"]["InvalidRequestError"];
            401: components["responses"]["AuthenticationError"];
            403: components["responses"]["PermissionError"];
            404: components["responses"]["NotFoundError"];
            429: components["responses"]["RateLimitError"];
            500: components["responses"]["ApiError"];
            503: components["responses"]["UnavailableError"];
        };
    };
    listApprovals: {
        parameters: {
            query?: {
                /** @description Only those with this status. */
                status?: "pending" | "allowed" | "denied" | "expired" | "cancelled";
                /** @description The `nextCursor` of the previous page. */
                cursor?: number;
                /** @description The most entries of a page. */
                limit?: number;
            };
            header?: never;
            path: {
                /**
                 * @description The id of the session.
                 * @example sess_c742ab76de4d1e2abbe137d12edd751b
                 */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of approvals, oldest first. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        approvals: components["schemas"]["Approval"][];
                        /** @description Pass it as `cursor` for the next page; null on the last one. */
                        nextCursor: string | null;
                    };
                };
            };
            400: components["responses"]["InvalidRequestError"];
            401: components["responses"]["AuthenticationError"];
            403: components["responses"]["PermissionError"];
            404: components["responses"]["NotFoundError"];
            429: components["responses"]["RateLimitError"];
            500: components["responses"]["ApiError"];
            503: components["responses"]["UnavailableError"];
        };
    };
    resolveApproval: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /**
                 * @description The id of the session.
                 * @example sess_c742ab76de4d1e2abbe137d12edd751b
                 */
                id: string;
                /**
                 * @description The id of the approval.
                 * @example appr_5f0c6d1e9a2b47c38d10e6f7a8b9c0d1
                 */
                approvalId: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ResolveApproval"];
            };
        };
        responses: {
            /** @description The approval. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Approval"];
                };
            };
            400: components["responses"]["InvalidRequestError"];
            401: components["responses"]["AuthenticationError"];
            403: components["responses"]["PermissionError"];
            404: components["responses"]["NotFoundError"];
            409: components["responses"]["ConflictError"];
            413: components["responses"]["RequestTooLargeError"];
            429: components["responses"]["RateLimitError"];
            500: components["responses"]["ApiError"];
            503: components["responses"]["UnavailableError"];
        };
    };
    listPendingApprovals: {
        parameters: {
            query?: {
                /** @description The `nextCursor` of the previous page. */
                cursor?: string;
                /** @description The most sessions of a page, with up to 100 calls each. */
                limit?: number;
                /** @description Those that wait for a decision. */
                status?: "pending";
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The pending approvals of all sessions of the caller. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        approvals: components["schemas"]["Approval"][];
                        /** @description Pass it as `cursor` for the next page; null on the last one. */
                        nextCursor: string | null;
                    };
                };
            };
            400: components["responses"]["InvalidRequestError"];
            401: components["responses"]["AuthenticationError"];
            403: components["responses"]["PermissionError"];
            429: components["responses"]["RateLimitError"];
            500: components["responses"]["ApiError"];
            503: components["responses"]["UnavailableError"];
        };
    };
    listMcpServers: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /**
                 * @description The id of the session.
                 * @example sess_c742ab76de4d1e2abbe137d12edd751b
                 */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The servers by their names, with the tools that they offer. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        mcpServers: components["schemas"]["SessionMcpServer"][];
                    };
                };
            };
            400: components["responses"]["InvalidRequestError"];
            401: components["responses"]["AuthenticationError"];
            403: components["responses"]["PermissionError"];
            404: components["responses"]["NotFoundError"];
            429: components["responses"]["RateLimitError"];
            500: components["responses"]["ApiError"];
            503: components["responses"]["UnavailableError"];
        };
    };
    authorizeMcpServer: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /**
                 * @description The id of the session.
                 * @example sess_c742ab76de4d1e2abbe137d12edd751b
                 */
                id: string;
                name: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["McpOauth"];
            };
        };
        responses: {
            /** @description The server. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SessionMcpServer"];
                };
            };
            400: components["responses"]["InvalidRequestError"];
            401: components["responses"]["AuthenticationError"];
            403: components["responses"]["PermissionError"];
            404: components["responses"]["NotFoundError"];
            409: components["responses"]["ConflictError"];
            413: components["responses"]["RequestTooLargeError"];
            429: components["responses"]["RateLimitError"];
            500: components["responses"]["ApiError"];
            503: components["responses"]["UnavailableError"];
        };
    };
    listToolRequests: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /**
                 * @description The id of the session.
                 * @example sess_c742ab76de4d1e2abbe137d12edd751b
                 */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The calls of client tools that wait, oldest first. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        toolRequests: components["schemas"]["ToolRequest"][];
                    };
                };
            };
            400: components["responses"]["InvalidRequestError"];
            401: components["responses"]["AuthenticationError"];
            403: components["responses"]["PermissionError"];
            404: components["responses"]["NotFoundError"];
            429: components["responses"]["RateLimitError"];
            500: components["responses"]["ApiError"];
            503: components["responses"]["UnavailableError"];
        };
    };
    answerTools: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /**
                 * @description The id of the session.
                 * @example sess_c742ab76de4d1e2abbe137d12edd751b
                 */
                id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["AnswerTools"];
            };
        };
        responses: {
            /** @description The calls that have their results, and those that wait. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TakenResults"];
                };
            };
            400: components["responses"]["InvalidRequestError"];
            401: components["responses"]["AuthenticationError"];
            403: components["responses"]["PermissionError"];
            404: components["responses"]["NotFoundError"];
            409: components["responses"]["ConflictError"];
            413: components["responses"]["RequestTooLargeError"];
            429: components["responses"]["RateLimitError"];
            500: components["responses"]["ApiError"];
            503: components["responses"]["UnavailableError"];
        };
    };
    listAllToolRequests: {
        parameters: {
            query?: {
                /** @description The `nextCursor` of the previous page. */
                cursor?: string;
                /** @description The most sessions of a page, with up to 100 calls each. */
                limit?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The waiting calls of all sessions of the caller. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        toolRequests: components["schemas"]["ToolRequest"][];
                        /** @description Pass it as `cursor` for the next page; null on the last one. */
                        nextCursor: string | null;
                    };
                };
            };
            400: components["responses"]["InvalidRequestError"];
            401: components["responses"]["AuthenticationError"];
            403: components["responses"]["PermissionError"];
            429: components["responses"]["RateLimitError"];
            500: components["responses"]["ApiError"];
            503: components["responses"]["UnavailableError"];
        };
    };
    listSchedules: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /**
                 * @description The id of the session.
                 * @example sess_c742ab76de4d1e2abbe137d12edd751b
                 */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The schedules and wake-ups. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        schedules: components["schemas"]["Schedule"][];
                    };
                };
            };
            400: components["responses"]["InvalidRequestError"];
            401: components["responses"]["AuthenticationError"];
            403: components["responses"]["PermissionError"];
            404: components["responses"]["NotFoundError"];
            429: components["responses"]["RateLimitError"];
            500: components["responses"]["ApiError"];
            503: components["responses"]["UnavailableError"];
        };
    };
    createSchedule: {
        parameters: {
            query?: never;
            header?: {
                /**
                 * @description 1 to 255 printable ASCII characters. A repeat with the same key and body creates nothing new.
                 * @example job-42
                 */
                "Idempotency-Key"?: string;
            };
            path: {
                /**
                 * @description The id of the session.
                 * @example sess_c742ab76de4d1e2abbe137d12edd751b
                 */
                id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["CreateSchedule"];
            };
        };
        responses: {
            /** @description The schedule. */
            201: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Schedule"];
                };
            };
            400: components["responses"]["InvalidRequestError"];
            401: components["responses"]["AuthenticationError"];
            403: components["responses"]["PermissionError"];
            404: components["responses"]["NotFoundError"];
            409: components["responses"]["ConflictError"];
            413: components["responses"]["RequestTooLargeError"];
            429: components["responses"]["RateLimitError"];
            500: components["responses"]["ApiError"];
            503: components["responses"]["UnavailableError"];
        };
    };
    deleteSchedule: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /**
                 * @description The id of the session.
                 * @example sess_c742ab76de4d1e2abbe137d12edd751b
                 */
                id: string;
                /**
                 * @description The id of the schedule.
                 * @example sched_ca63242f8527c6837c010655af223a5f
                 */
                scheduleId: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description It is deleted. */
            204: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["InvalidRequestError"];
            401: components["responses"]["AuthenticationError"];
            403: components["responses"]["PermissionError"];
            404: components["responses"]["NotFoundError"];
            409: components["responses"]["ConflictError"];
            429: components["responses"]["RateLimitError"];
            500: components["responses"]["ApiError"];
            503: components["responses"]["UnavailableError"];
        };
    };
    updateSchedule: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /**
                 * @description The id of the session.
                 * @example sess_c742ab76de4d1e2abbe137d12edd751b
                 */
                id: string;
                /**
                 * @description The id of the schedule.
                 * @example sched_ca63242f8527c6837c010655af223a5f
                 */
                scheduleId: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["PatchSchedule"];
            };
        };
        responses: {
            /** @description The schedule. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Schedule"];
                };
            };
            400: components["responses"]["InvalidRequestError"];
            401: components["responses"]["AuthenticationError"];
            403: components["responses"]["PermissionError"];
            404: components["responses"]["NotFoundError"];
            409: components["responses"]["ConflictError"];
            413: components["responses"]["RequestTooLargeError"];
            429: components["responses"]["RateLimitError"];
            500: components["responses"]["ApiError"];
            503: components["responses"]["UnavailableError"];
        };
    };
    listSnapshots: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /**
                 * @description The id of the session.
                 * @example sess_c742ab76de4d1e2abbe137d12edd751b
                 */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The snapshots, newest first. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        snapshots: components["schemas"]["Snapshot"][];
                    };
                };
            };
            400: components["responses"]["InvalidRequestError"];
            401: components["responses"]["AuthenticationError"];
            403: components["responses"]["PermissionError"];
            404: components["responses"]["NotFoundError"];
            429: components["responses"]["RateLimitError"];
            500: components["responses"]["ApiError"];
            503: components["responses"]["UnavailableError"];
        };
    };
    createSnapshot: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /**
                 * @description The id of the session.
                 * @example sess_c742ab76de4d1e2abbe137d12edd751b
                 */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": components["schemas"]["NoFields"];
            };
        };
        responses: {
            /** @description The snapshot. */
            201: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Snapshot"];
                };
            };
            400: components["responses"]["InvalidRequestError"];
            401: components["responses"]["AuthenticationError"];
            403: components["responses"]["PermissionError"];
            404: components["responses"]["NotFoundError"];
            409: components["responses"]["ConflictError"];
            413: components["responses"]["RequestTooLargeError"];
            429: components["responses"]["RateLimitError"];
            500: components["responses"]["ApiError"];
            503: components["responses"]["UnavailableError"];
        };
    };
    listFiles: {
        parameters: {
            query?: {
                /** @description The directory, relative to the workspace; by default the workspace itself. */
                path?: string;
                /** @description Whether to list what is below its directories too. */
                recursive?: "true" | "false";
                /** @description The `nextCursor` of the previous page. */
                cursor?: string;
                /** @description The most entries of a page. */
                limit?: number;
            };
            header?: never;
            path: {
                /**
                 * @description The id of the session.
                 * @example sess_c742ab76de4d1e2abbe137d12edd751b
                 */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of entries. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        entries: components["schemas"]["FileEntry"][];
                        /** @description Pass it as `cursor` for the next page; null on the last one. */
                        nextCursor: string | null;
                    };
                };
            };
            400: components["responses"]["InvalidRequestError"];
            401: components["responses"]["AuthenticationError"];
            403: components["responses"]["PermissionError"];
            404: components["responses"]["NotFoundError"];
            409: components["responses"]["ConflictError"];
            429: components["responses"]["RateLimitError"];
            500: components["responses"]["ApiError"];
            503: components["responses"]["UnavailableError"];
        };
    };
    readFile: {
        parameters: {
            query?: never;
            header?: {
                /** @description One range of bytes: `bytes=0-1023`, `bytes=1024-` or `bytes=-512`. */
                Range?: string;
                /** @description The ETag or the time of the file of which `Range` is a part. */
                "If-Range"?: string;
                /** @description An ETag that the file must not have, or several. `*` in a `PUT`: there must be no file. */
                "If-None-Match"?: string;
                /** @description The ETag that the file must have, or several; `*` for any file. */
                "If-Match"?: string;
                /** @description A time; counts without `If-None-Match`. */
                "If-Modified-Since"?: string;
            };
            path: {
                /**
                 * @description The id of the session.
                 * @example sess_c742ab76de4d1e2abbe137d12edd751b
                 */
                id: string;
                /**
                 * @description The path of the file, relative to the workspace: names that are percent-encoded, with slashes between them.
                 * @example data/input.csv
                 */
                path: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The file, with `ETag` and `Last-Modified`. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "*/*": string;
                };
            };
            /** @description A part of the file, with `Content-Range`. */
            206: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "*/*": string;
                };
            };
            /** @description The client has the file already. */
            304: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["InvalidRequestError"];
            401: components["responses"]["AuthenticationError"];
            403: components["responses"]["PermissionError"];
            404: components["responses"]["NotFoundError"];
            409: components["responses"]["ConflictError"];
            412: components["responses"]["PreconditionFailedError"];
            416: components["responses"]["RangeNotSatisfiableError"];
            429: components["responses"]["RateLimitError"];
            500: components["responses"]["ApiError"];
            503: components["responses"]["UnavailableError"];
        };
    };
    writeFile: {
        parameters: {
            query?: never;
            header?: {
                /** @description The ETag that the file must have, or several; `*` for any file. */
                "If-Match"?: string;
                /** @description An ETag that the file must not have, or several. `*` in a `PUT`: there must be no file. */
                "If-None-Match"?: string;
            };
            path: {
                /**
                 * @description The id of the session.
                 * @example sess_c742ab76de4d1e2abbe137d12edd751b
                 */
                id: string;
                /**
                 * @description The path of the file, relative to the workspace: names that are percent-encoded, with slashes between them.
                 * @example data/input.csv
                 */
                path: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/octet-stream": string;
            };
        };
        responses: {
            /** @description The file is new. `ETag` is that of the content. */
            201: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description The file was replaced. */
            204: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["InvalidRequestError"];
            401: components["responses"]["AuthenticationError"];
            403: components["responses"]["PermissionError"];
            404: components["responses"]["NotFoundError"];
            409: components["responses"]["ConflictError"];
            412: components["responses"]["PreconditionFailedError"];
            413: components["responses"]["RequestTooLargeError"];
            429: components["responses"]["RateLimitError"];
            500: components["responses"]["ApiError"];
            503: components["responses"]["UnavailableError"];
        };
    };
    deleteFile: {
        parameters: {
            query?: {
                /** @description Whether a directory is deleted, with all below it. Otherwise it is a 409. */
                recursive?: "true" | "false";
            };
            header?: {
                /** @description The ETag that the file must have, or several; `*` for any file. */
                "If-Match"?: string;
            };
            path: {
                /**
                 * @description The id of the session.
                 * @example sess_c742ab76de4d1e2abbe137d12edd751b
                 */
                id: string;
                /**
                 * @description The path of the file, relative to the workspace: names that are percent-encoded, with slashes between them.
                 * @example data/input.csv
                 */
                path: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description It is deleted. */
            204: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["InvalidRequestError"];
            401: components["responses"]["AuthenticationError"];
            403: components["responses"]["PermissionError"];
            404: components["responses"]["NotFoundError"];
            409: components["responses"]["ConflictError"];
            412: components["responses"]["PreconditionFailedError"];
            429: components["responses"]["RateLimitError"];
            500: components["responses"]["ApiError"];
            503: components["responses"]["UnavailableError"];
        };
    };
    archiveFiles: {
        parameters: {
            query?: {
                /** @description The directory, relative to the workspace; by default the workspace itself. */
                path?: string;
            };
            header?: never;
            path: {
                /**
                 * @description The id of the session.
                 * @example sess_c742ab76de4d1e2abbe137d12edd751b
                 */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The archive. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/x-tar": string;
                };
            };
            400: components["responses"]["InvalidRequestError"];
            401: components["responses"]["AuthenticationError"];
            403: components["responses"]["PermissionError"];
            404: components["responses"]["NotFoundError"];
            409: components["responses"]["ConflictError"];
            429: components["responses"]["RateLimitError"];
            500: components["responses"]["ApiError"];
            503: components["responses"]["UnavailableError"];
        };
    };
    listShares: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /**
                 * @description The id of the session.
                 * @example sess_c742ab76de4d1e2abbe137d12edd751b
                 */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The links that can be used. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        shares: components["schemas"]["Share"][];
                    };
                };
            };
            400: components["responses"]["InvalidRequestError"];
            401: components["responses"]["AuthenticationError"];
            403: components["responses"]["PermissionError"];
            404: components["responses"]["NotFoundError"];
            429: components["responses"]["RateLimitError"];
            500: components["responses"]["ApiError"];
            503: components["responses"]["UnavailableError"];
        };
    };
    createShare: {
        parameters: {
            query?: never;
            header?: {
                /**
                 * @description 1 to 255 printable ASCII characters. A repeat with the same key and body creates nothing new.
                 * @example job-42
                 */
                "Idempotency-Key"?: string;
            };
            path: {
                /**
                 * @description The id of the session.
                 * @example sess_c742ab76de4d1e2abbe137d12edd751b
                 */
                id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["CreateShare"];
            };
        };
        responses: {
            /** @description The share link, with its token. */
            201: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["NewShare"];
                };
            };
            400: components["responses"]["InvalidRequestError"];
            401: components["responses"]["AuthenticationError"];
            403: components["responses"]["PermissionError"];
            404: components["responses"]["NotFoundError"];
            409: components["responses"]["ConflictError"];
            413: components["responses"]["RequestTooLargeError"];
            429: components["responses"]["RateLimitError"];
            500: components["responses"]["ApiError"];
            503: components["responses"]["UnavailableError"];
        };
    };
    deleteShare: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /**
                 * @description The id of the session.
                 * @example sess_c742ab76de4d1e2abbe137d12edd751b
                 */
                id: string;
                /**
                 * @description The id of the share link.
                 * @example share_2f1c0b7e8d9a4c6fb3e5d7a1908c2b4d
                 */
                shareId: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description It is deleted. */
            204: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["InvalidRequestError"];
            401: components["responses"]["AuthenticationError"];
            403: components["responses"]["PermissionError"];
            404: components["responses"]["NotFoundError"];
            429: components["responses"]["RateLimitError"];
            500: components["responses"]["ApiError"];
            503: components["responses"]["UnavailableError"];
        };
    };
    listPreviews: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /**
                 * @description The id of the session.
                 * @example sess_c742ab76de4d1e2abbe137d12edd751b
                 */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The previews that can be used. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        previews: components["schemas"]["Preview"][];
                    };
                };
            };
            400: components["responses"]["InvalidRequestError"];
            401: components["responses"]["AuthenticationError"];
            403: components["responses"]["PermissionError"];
            404: components["responses"]["NotFoundError"];
            429: components["responses"]["RateLimitError"];
            500: components["responses"]["ApiError"];
            503: components["responses"]["UnavailableError"];
        };
    };
    createPreview: {
        parameters: {
            query?: never;
            header?: {
                /**
                 * @description 1 to 255 printable ASCII characters. A repeat with the same key and body creates nothing new.
                 * @example job-42
                 */
                "Idempotency-Key"?: string;
            };
            path: {
                /**
                 * @description The id of the session.
                 * @example sess_c742ab76de4d1e2abbe137d12edd751b
                 */
                id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["CreatePreview"];
            };
        };
        responses: {
            /** @description The preview, with its address. */
            201: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["NewPreview"];
                };
            };
            400: components["responses"]["InvalidRequestError"];
            401: components["responses"]["AuthenticationError"];
            403: components["responses"]["PermissionError"];
            404: components["responses"]["NotFoundError"];
            409: components["responses"]["ConflictError"];
            413: components["responses"]["RequestTooLargeError"];
            429: components["responses"]["RateLimitError"];
            500: components["responses"]["ApiError"];
            503: components["responses"]["UnavailableError"];
        };
    };
    deletePreview: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /**
                 * @description The id of the session.
                 * @example sess_c742ab76de4d1e2abbe137d12edd751b
                 */
                id: string;
                /**
                 * @description The id of the preview.
                 * @example prev_9b1d6c30a7e84f52b0c4d8e6f1a27395
                 */
                previewId: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description It is deleted. */
            204: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["InvalidRequestError"];
            401: components["responses"]["AuthenticationError"];
            403: components["responses"]["PermissionError"];
            404: components["responses"]["NotFoundError"];
            429: components["responses"]["RateLimitError"];
            500: components["responses"]["ApiError"];
            503: components["responses"]["UnavailableError"];
        };
    };
    listArtifacts: {
        parameters: {
            query?: {
                /** @description Only those of this path. */
                path?: string;
                /** @description Only those of this message. */
                messageId?: string;
                /** @description The `nextCursor` of the previous page. */
                cursor?: number;
                /** @description The most entries of a page. */
                limit?: number;
            };
            header?: never;
            path: {
                /**
                 * @description The id of the session.
                 * @example sess_c742ab76de4d1e2abbe137d12edd751b
                 */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of artifacts, newest first. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        artifacts: components["schemas"]["Artifact"][];
                        /** @description Pass it as `cursor` for the next page; null on the last one. */
                        nextCursor: string | null;
                    };
                };
            };
            400: components["responses"]["InvalidRequestError"];
            401: components["responses"]["AuthenticationError"];
            403: components["responses"]["PermissionError"];
            404: components["responses"]["NotFoundError"];
            429: components["responses"]["RateLimitError"];
            500: components["responses"]["ApiError"];
            503: components["responses"]["UnavailableError"];
        };
    };
    getArtifact: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /**
                 * @description The id of the session.
                 * @example sess_c742ab76de4d1e2abbe137d12edd751b
                 */
                id: string;
                /**
                 * @description The id of the artifact.
                 * @example art_c742ab76de4d1e2abbe137d12edd751b8d1f5a0c27e94b63a1d25f7e90c3b486
                 */
                artifactId: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The artifact, without its content. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Artifact"];
                };
            };
            400: components["responses"]["InvalidRequestError"];
            401: components["responses"]["AuthenticationError"];
            403: components["responses"]["PermissionError"];
            404: components["responses"]["NotFoundError"];
            429: components["responses"]["RateLimitError"];
            500: components["responses"]["ApiError"];
            503: components["responses"]["UnavailableError"];
        };
    };
    getArtifactContent: {
        parameters: {
            query?: never;
            header?: {
                /** @description One range of bytes: `bytes=0-1023`, `bytes=1024-` or `bytes=-512`. */
                Range?: string;
                /** @description The ETag or the time of the file of which `Range` is a part. */
                "If-Range"?: string;
                /** @description An ETag that the file must not have, or several. `*` in a `PUT`: there must be no file. */
                "If-None-Match"?: string;
                /** @description The ETag that the file must have, or several; `*` for any file. */
                "If-Match"?: string;
                /** @description A time; counts without `If-None-Match`. */
                "If-Modified-Since"?: string;
            };
            path: {
                /**
                 * @description The id of the session.
                 * @example sess_c742ab76de4d1e2abbe137d12edd751b
                 */
                id: string;
                /**
                 * @description The id of the artifact.
                 * @example art_c742ab76de4d1e2abbe137d12edd751b8d1f5a0c27e94b63a1d25f7e90c3b486
                 */
                artifactId: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The content, with `ETag` and `Last-Modified`. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "*/*": string;
                };
            };
            /** @description A part of the content, with `Content-Range`. */
            206: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "*/*": string;
                };
            };
            /** @description The client has it already. */
            304: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["InvalidRequestError"];
            401: components["responses"]["AuthenticationError"];
            403: components["responses"]["PermissionError"];
            404: components["responses"]["NotFoundError"];
            412: components["responses"]["PreconditionFailedError"];
            416: components["responses"]["RangeNotSatisfiableError"];
            429: components["responses"]["RateLimitError"];
            500: components["responses"]["ApiError"];
            503: components["responses"]["UnavailableError"];
        };
    };
    getConversation: {
        parameters: {
            query?: {
                /** @description The most sessions of a page. */
                pageSize?: number;
                /** @description The `nextCursor` of the previous page. */
                cursor?: string;
            };
            header?: never;
            path: {
                /**
                 * @description Your number for the conversation.
                 * @example 123
                 */
                id: number;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The conversation. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Conversation"];
                };
            };
            400: components["responses"]["InvalidRequestError"];
            401: components["responses"]["AuthenticationError"];
            403: components["responses"]["PermissionError"];
            404: components["responses"]["NotFoundError"];
            429: components["responses"]["RateLimitError"];
            500: components["responses"]["ApiError"];
            503: components["responses"]["UnavailableError"];
        };
    };
    listWebhooks: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The webhooks, oldest first. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        webhooks: components["schemas"]["Webhook"][];
                    };
                };
            };
            401: components["responses"]["AuthenticationError"];
            403: components["responses"]["PermissionError"];
            429: components["responses"]["RateLimitError"];
            500: components["responses"]["ApiError"];
            503: components["responses"]["UnavailableError"];
        };
    };
    createWebhook: {
        parameters: {
            query?: never;
            header?: {
                /**
                 * @description 1 to 255 printable ASCII characters. A repeat with the same key and body creates nothing new.
                 * @example job-42
                 */
                "Idempotency-Key"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["CreateWebhook"];
            };
        };
        responses: {
            /** @description The webhook, with its secret. */
            201: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["NewWebhook"];
                };
            };
            400: components["responses"]["InvalidRequestError"];
            401: components["responses"]["AuthenticationError"];
            403: components["responses"]["PermissionError"];
            404: components["responses"]["NotFoundError"];
            409: components["responses"]["ConflictError"];
            413: components["responses"]["RequestTooLargeError"];
            429: components["responses"]["RateLimitError"];
            500: components["responses"]["ApiError"];
            503: components["responses"]["UnavailableError"];
        };
    };
    getWebhook: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /**
                 * @description The id of the webhook.
                 * @example hook_27ce8c4988729d34e2e074a62d98a4b1
                 */
                webhookId: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The webhook. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Webhook"];
                };
            };
            400: components["responses"]["InvalidRequestError"];
            401: components["responses"]["AuthenticationError"];
            403: components["responses"]["PermissionError"];
            404: components["responses"]["NotFoundError"];
            429: components["responses"]["RateLimitError"];
            500: components["responses"]["ApiError"];
            503: components["responses"]["UnavailableError"];
        };
    };
    deleteWebhook: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /**
                 * @description The id of the webhook.
                 * @example hook_27ce8c4988729d34e2e074a62d98a4b1
                 */
                webhookId: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description It is deleted. */
            204: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["InvalidRequestError"];
            401: components["responses"]["AuthenticationError"];
            403: components["responses"]["PermissionError"];
            404: components["responses"]["NotFoundError"];
            429: components["responses"]["RateLimitError"];
            500: components["responses"]["ApiError"];
            503: components["responses"]["UnavailableError"];
        };
    };
    updateWebhook: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /**
                 * @description The id of the webhook.
                 * @example hook_27ce8c4988729d34e2e074a62d98a4b1
                 */
                webhookId: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["PatchWebhook"];
            };
        };
        responses: {
            /** @description The changed webhook. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Webhook"];
                };
            };
            400: components["responses"]["InvalidRequestError"];
            401: components["responses"]["AuthenticationError"];
            403: components["responses"]["PermissionError"];
            404: components["responses"]["NotFoundError"];
            413: components["responses"]["RequestTooLargeError"];
            429: components["responses"]["RateLimitError"];
            500: components["responses"]["ApiError"];
            503: components["responses"]["UnavailableError"];
        };
    };
    rotateWebhookSecret: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /**
                 * @description The id of the webhook.
                 * @example hook_27ce8c4988729d34e2e074a62d98a4b1
                 */
                webhookId: string;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": components["schemas"]["RotateWebhookSecret"];
            };
        };
        responses: {
            /** @description The webhook, with its new secret. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["NewWebhook"];
                };
            };
            400: components["responses"]["InvalidRequestError"];
            401: components["responses"]["AuthenticationError"];
            403: components["responses"]["PermissionError"];
            404: components["responses"]["NotFoundError"];
            413: components["responses"]["RequestTooLargeError"];
            429: components["responses"]["RateLimitError"];
            500: components["responses"]["ApiError"];
            503: components["responses"]["UnavailableError"];
        };
    };
    testWebhook: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /**
                 * @description The id of the webhook.
                 * @example hook_27ce8c4988729d34e2e074a62d98a4b1
                 */
                webhookId: string;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": components["schemas"]["NoFields"];
            };
        };
        responses: {
            /** @description How that went. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        /** @description The status of the answer; null if there was none. */
                        status: number | null;
                        durationMs: number;
                        /** @description Why it has failed; null if it was accepted. */
                        error: string | null;
                    };
                };
            };
            400: components["responses"]["InvalidRequestError"];
            401: components["responses"]["AuthenticationError"];
            403: components["responses"]["PermissionError"];
            404: components["responses"]["NotFoundError"];
            413: components["responses"]["RequestTooLargeError"];
            429: components["responses"]["RateLimitError"];
            500: components["responses"]["ApiError"];
            503: components["responses"]["UnavailableError"];
        };
    };
    listDeliveries: {
        parameters: {
            query?: {
                /** @description Only those with this status. */
                status?: "pending" | "delivered" | "failed";
                /** @description The `nextCursor` of the previous page. */
                cursor?: number;
                /** @description The most entries of a page. */
                limit?: number;
            };
            header?: never;
            path: {
                /**
                 * @description The id of the webhook.
                 * @example hook_27ce8c4988729d34e2e074a62d98a4b1
                 */
                webhookId: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of deliveries, newest first. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        deliveries: components["schemas"]["Delivery"][];
                        /** @description Pass it as `cursor` for the next page; null on the last one. */
                        nextCursor: string | null;
                    };
                };
            };
            400: components["responses"]["InvalidRequestError"];
            401: components["responses"]["AuthenticationError"];
            403: components["responses"]["PermissionError"];
            404: components["responses"]["NotFoundError"];
            429: components["responses"]["RateLimitError"];
            500: components["responses"]["ApiError"];
            503: components["responses"]["UnavailableError"];
        };
    };
    redeliver: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /**
                 * @description The id of the webhook.
                 * @example hook_27ce8c4988729d34e2e074a62d98a4b1
                 */
                webhookId: string;
                /**
                 * @description The id of the delivery.
                 * @example evt_22b8483c10da01cf4088a80f3fdacfeb_mx02wsob_13
                 */
                deliveryId: string;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": components["schemas"]["NoFields"];
            };
        };
        responses: {
            /** @description The delivery. */
            202: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Delivery"];
                };
            };
            400: components["responses"]["InvalidRequestError"];
            401: components["responses"]["AuthenticationError"];
            403: components["responses"]["PermissionError"];
            404: components["responses"]["NotFoundError"];
            413: components["responses"]["RequestTooLargeError"];
            429: components["responses"]["RateLimitError"];
            500: components["responses"]["ApiError"];
            503: components["responses"]["UnavailableError"];
        };
    };
    listAutomations: {
        parameters: {
            query?: {
                /** @description The `nextCursor` of the previous page. */
                cursor?: number;
                /** @description The most entries of a page. */
                limit?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of automations, oldest first. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        automations: components["schemas"]["Automation"][];
                        /** @description Pass it as `cursor` for the next page; null on the last one. */
                        nextCursor: string | null;
                    };
                };
            };
            400: components["responses"]["InvalidRequestError"];
            401: components["responses"]["AuthenticationError"];
            403: components["responses"]["PermissionError"];
            429: components["responses"]["RateLimitError"];
            500: components["responses"]["ApiError"];
            503: components["responses"]["UnavailableError"];
        };
    };
    createAutomation: {
        parameters: {
            query?: never;
            header?: {
                /**
                 * @description 1 to 255 printable ASCII characters. A repeat with the same key and body creates nothing new.
                 * @example job-42
                 */
                "Idempotency-Key"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["CreateAutomation"];
            };
        };
        responses: {
            /** @description The automation, with its token. */
            201: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["NewAutomation"];
                };
            };
            400: components["responses"]["InvalidRequestError"];
            401: components["responses"]["AuthenticationError"];
            403: components["responses"]["PermissionError"];
            409: components["responses"]["ConflictError"];
            413: components["responses"]["RequestTooLargeError"];
            429: components["responses"]["RateLimitError"];
            500: components["responses"]["ApiError"];
            503: components["responses"]["UnavailableError"];
        };
    };
    getAutomation: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /**
                 * @description The id of the automation.
                 * @example auto_27ce8c4988729d34e2e0f1b7a4c95d10
                 */
                automationId: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The automation. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Automation"];
                };
            };
            400: components["responses"]["InvalidRequestError"];
            401: components["responses"]["AuthenticationError"];
            403: components["responses"]["PermissionError"];
            404: components["responses"]["NotFoundError"];
            429: components["responses"]["RateLimitError"];
            500: components["responses"]["ApiError"];
            503: components["responses"]["UnavailableError"];
        };
    };
    deleteAutomation: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /**
                 * @description The id of the automation.
                 * @example auto_27ce8c4988729d34e2e0f1b7a4c95d10
                 */
                automationId: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description It is deleted. */
            204: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["InvalidRequestError"];
            401: components["responses"]["AuthenticationError"];
            403: components["responses"]["PermissionError"];
            404: components["responses"]["NotFoundError"];
            429: components["responses"]["RateLimitError"];
            500: components["responses"]["ApiError"];
            503: components["responses"]["UnavailableError"];
        };
    };
    updateAutomation: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /**
                 * @description The id of the automation.
                 * @example auto_27ce8c4988729d34e2e0f1b7a4c95d10
                 */
                automationId: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["PatchAutomation"];
            };
        };
        responses: {
            /** @description The changed automation. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Automation"];
                };
            };
            400: components["responses"]["InvalidRequestError"];
            401: components["responses"]["AuthenticationError"];
            403: components["responses"]["PermissionError"];
            404: components["responses"]["NotFoundError"];
            413: components["responses"]["RequestTooLargeError"];
            429: components["responses"]["RateLimitError"];
            500: components["responses"]["ApiError"];
            503: components["responses"]["UnavailableError"];
        };
    };
    rotateAutomationToken: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /**
                 * @description The id of the automation.
                 * @example auto_27ce8c4988729d34e2e0f1b7a4c95d10
                 */
                automationId: string;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": components["schemas"]["NoFields"];
            };
        };
        responses: {
            /** @description The automation, with its new token. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["NewAutomation"];
                };
            };
            400: components["responses"]["InvalidRequestError"];
            401: components["responses"]["AuthenticationError"];
            403: components["responses"]["PermissionError"];
            404: components["responses"]["NotFoundError"];
            413: components["responses"]["RequestTooLargeError"];
            429: components["responses"]["RateLimitError"];
            500: components["responses"]["ApiError"];
            503: components["responses"]["UnavailableError"];
        };
    };
    fireAutomation: {
        parameters: {
            query?: never;
            header?: {
                /**
                 * @description 1 to 255 printable ASCII characters. A repeat with the same key and body creates nothing new.
                 * @example job-42
                 */
                "Idempotency-Key"?: string;
            };
            path: {
                /**
                 * @description The id of the automation.
                 * @example auto_27ce8c4988729d34e2e0f1b7a4c95d10
                 */
                automationId: string;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": components["schemas"]["FireAutomation"];
            };
        };
        responses: {
            /** @description The run. */
            202: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["FiredRun"];
                };
            };
            400: components["responses"]["InvalidRequestError"];
            401: components["responses"]["AuthenticationError"];
            403: components["responses"]["PermissionError"];
            404: components["responses"]["NotFoundError"];
            409: components["responses"]["ConflictError"];
            413: components["responses"]["RequestTooLargeError"];
            429: components["responses"]["RateLimitError"];
            500: components["responses"]["ApiError"];
            503: components["responses"]["UnavailableError"];
        };
    };
    listRuns: {
        parameters: {
            query?: {
                /** @description The `nextCursor` of the previous page. */
                cursor?: number;
                /** @description The most entries of a page. */
                limit?: number;
            };
            header?: never;
            path: {
                /**
                 * @description The id of the automation.
                 * @example auto_27ce8c4988729d34e2e0f1b7a4c95d10
                 */
                automationId: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of runs, newest first. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        runs: components["schemas"]["AutomationRun"][];
                        /** @description Pass it as `cursor` for the next page; null on the last one. */
                        nextCursor: string | null;
                    };
                };
            };
            400: components["responses"]["InvalidRequestError"];
            401: components["responses"]["AuthenticationError"];
            403: components["responses"]["PermissionError"];
            404: components["responses"]["NotFoundError"];
            429: components["responses"]["RateLimitError"];
            500: components["responses"]["ApiError"];
            503: components["responses"]["UnavailableError"];
        };
    };
    getMe: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Who you are, and what you may do. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Me"];
                };
            };
            401: components["responses"]["AuthenticationError"];
            403: components["responses"]["PermissionError"];
            429: components["responses"]["RateLimitError"];
            500: components["responses"]["ApiError"];
            503: components["responses"]["UnavailableError"];
        };
    };
    listKeys: {
        parameters: {
            query?: {
                /** @description Of this owner; of the caller's when absent. Only an admin may name another. */
                owner?: string;
                /** @description The `nextCursor` of the previous page. */
                cursor?: number;
                /** @description The most entries of a page. */
                limit?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of keys, newest first. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        keys: components["schemas"]["Key"][];
                        /** @description Pass it as `cursor` for the next page; null on the last one. */
                        nextCursor: string | null;
                    };
                };
            };
            400: components["responses"]["InvalidRequestError"];
            401: components["responses"]["AuthenticationError"];
            403: components["responses"]["PermissionError"];
            429: components["responses"]["RateLimitError"];
            500: components["responses"]["ApiError"];
            503: components["responses"]["UnavailableError"];
        };
    };
    createKey: {
        parameters: {
            query?: never;
            header?: {
                /**
                 * @description 1 to 255 printable ASCII characters. A repeat with the same key and body creates nothing new.
                 * @example job-42
                 */
                "Idempotency-Key"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["CreateKey"];
            };
        };
        responses: {
            /** @description The key, with its secret. */
            201: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["NewKey"];
                };
            };
            400: components["responses"]["InvalidRequestError"];
            401: components["responses"]["AuthenticationError"];
            403: components["responses"]["PermissionError"];
            409: components["responses"]["ConflictError"];
            413: components["responses"]["RequestTooLargeError"];
            429: components["responses"]["RateLimitError"];
            500: components["responses"]["ApiError"];
            503: components["responses"]["UnavailableError"];
        };
    };
    getKey: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /**
                 * @description The id of the key.
                 * @example key_6db62b63b1f8bb3d3a1f9d2a5c1e7f04
                 */
                keyId: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The key. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Key"];
                };
            };
            400: components["responses"]["InvalidRequestError"];
            401: components["responses"]["AuthenticationError"];
            403: components["responses"]["PermissionError"];
            404: components["responses"]["NotFoundError"];
            429: components["responses"]["RateLimitError"];
            500: components["responses"]["ApiError"];
            503: components["responses"]["UnavailableError"];
        };
    };
    revokeKey: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /**
                 * @description The id of the key.
                 * @example key_6db62b63b1f8bb3d3a1f9d2a5c1e7f04
                 */
                keyId: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description It is revoked. */
            204: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["InvalidRequestError"];
            401: components["responses"]["AuthenticationError"];
            403: components["responses"]["PermissionError"];
            404: components["responses"]["NotFoundError"];
            429: components["responses"]["RateLimitError"];
            500: components["responses"]["ApiError"];
            503: components["responses"]["UnavailableError"];
        };
    };
    rotateKey: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /**
                 * @description The id of the key.
                 * @example key_6db62b63b1f8bb3d3a1f9d2a5c1e7f04
                 */
                keyId: string;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": components["schemas"]["RotateKey"];
            };
        };
        responses: {
            /** @description The key, with its new secret. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["NewKey"];
                };
            };
            400: components["responses"]["InvalidRequestError"];
            401: components["responses"]["AuthenticationError"];
            403: components["responses"]["PermissionError"];
            404: components["responses"]["NotFoundError"];
            409: components["responses"]["ConflictError"];
            413: components["responses"]["RequestTooLargeError"];
            429: components["responses"]["RateLimitError"];
            500: components["responses"]["ApiError"];
            503: components["responses"]["UnavailableError"];
        };
    };
    listOwners: {
        parameters: {
            query?: {
                /** @description The `nextCursor` of the previous page. */
                cursor?: string;
                /** @description The most entries of a page. */
                limit?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of owners, by their names. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        owners: components["schemas"]["Owner"][];
                        /** @description Pass it as `cursor` for the next page; null on the last one. */
                        nextCursor: string | null;
                    };
                };
            };
            400: components["responses"]["InvalidRequestError"];
            401: components["responses"]["AuthenticationError"];
            403: components["responses"]["PermissionError"];
            429: components["responses"]["RateLimitError"];
            500: components["responses"]["ApiError"];
            503: components["responses"]["UnavailableError"];
        };
    };
    getOwnerLimits: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /**
                 * @description The owner.
                 * @example acme
                 */
                owner: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The limits. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["OwnerLimits"];
                };
            };
            400: components["responses"]["InvalidRequestError"];
            401: components["responses"]["AuthenticationError"];
            403: components["responses"]["PermissionError"];
            404: components["responses"]["NotFoundError"];
            429: components["responses"]["RateLimitError"];
            500: components["responses"]["ApiError"];
            503: components["responses"]["UnavailableError"];
        };
    };
    setOwnerLimits: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /**
                 * @description The owner.
                 * @example acme
                 */
                owner: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["PutOwnerLimits"];
            };
        };
        responses: {
            /** @description The limits. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["OwnerLimits"];
                };
            };
            400: components["responses"]["InvalidRequestError"];
            401: components["responses"]["AuthenticationError"];
            403: components["responses"]["PermissionError"];
            404: components["responses"]["NotFoundError"];
            413: components["responses"]["RequestTooLargeError"];
            429: components["responses"]["RateLimitError"];
            500: components["responses"]["ApiError"];
            503: components["responses"]["UnavailableError"];
        };
    };
    getUsage: {
        parameters: {
            query?: {
                /** @description Of this owner. Only an admin may name another; when absent, an admin gets those of all. */
                owner?: string;
                /** @description The first day, in UTC; inclusive. With it absent, there are 30 days. */
                from?: string;
                /** @description The last day, in UTC; inclusive. Today when absent. */
                to?: string;
                /** @description What rows are summed by, separated by commas. `user` and `tag` not together. */
                groupBy?: ("day" | "owner" | "user" | "model" | "pattern" | "tag")[];
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description What is used now, and sums of what was used. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["UsageReport"];
                    "text/csv": string;
                };
            };
            400: components["responses"]["InvalidRequestError"];
            401: components["responses"]["AuthenticationError"];
            403: components["responses"]["PermissionError"];
            429: components["responses"]["RateLimitError"];
            500: components["responses"]["ApiError"];
            503: components["responses"]["UnavailableError"];
        };
    };
    listAudit: {
        parameters: {
            query?: {
                /** @description Of this owner. Only an admin may name another; when absent, an admin gets those of all. */
                owner?: string;
                /** @description Only entries of this action. */
                action?: "key.created" | "key.rotated" | "key.revoked" | "limits.changed" | "webhook.created" | "webhook.deleted" | "automation.created" | "automation.deleted" | "share.created" | "share.revoked" | "session.terminated" | "session.deleted";
                /** @description The `nextCursor` of the previous page. */
                cursor?: number;
                /** @description The most entries of a page. */
                limit?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of entries, newest first. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        entries: components["schemas"]["AuditEntry"][];
                        /** @description Pass it as `cursor` for the next page; null on the last one. */
                        nextCursor: string | null;
                    };
                };
            };
            400: components["responses"]["InvalidRequestError"];
            401: components["responses"]["AuthenticationError"];
            403: components["responses"]["PermissionError"];
            429: components["responses"]["RateLimitError"];
            500: components["responses"]["ApiError"];
            503: components["responses"]["UnavailableError"];
        };
    };
    getPool: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The pool of started containers. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Pool"];
                };
            };
            401: components["responses"]["AuthenticationError"];
            403: components["responses"]["PermissionError"];
            429: components["responses"]["RateLimitError"];
            500: components["responses"]["ApiError"];
            503: components["responses"]["UnavailableError"];
        };
    };
    getHealth: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description It does. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        /** @constant */
                        status: "ok";
                    };
                };
            };
        };
    };
    receiveEvent: {
        parameters: {
            query?: never;
            header: {
                "webhook-id": string;
                "webhook-timestamp": string;
                "webhook-signature": string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": components["schemas"]["WebhookMessage"];
            };
        };
        responses: {
            /** @description The event was accepted. */
            "2XX": {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
}
