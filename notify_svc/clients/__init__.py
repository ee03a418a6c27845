"""The adapters of notification-service: contacts of other services, mailboxes, and the rendering of mails."""
