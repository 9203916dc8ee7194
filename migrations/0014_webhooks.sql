CREATE TABLE `owner_webhooks` (
	`owner` text PRIMARY KEY NOT NULL,
	`version` integer NOT NULL
);
