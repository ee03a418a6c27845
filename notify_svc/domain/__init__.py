"""Notifications, messages and the content of mails: pure, synchronous, without a clock."""
