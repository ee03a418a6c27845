"""notification-service owns the mails that people get, with their calendar files, and the log of them."""
