"""notification-service owns what people are told: mails, their calendar files, and the log of them."""
