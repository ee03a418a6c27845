"""Adapters for everything but the database: other services, mailboxes and the rendering of mails."""
