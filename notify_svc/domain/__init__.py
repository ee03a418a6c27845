"""The rules of notifications and messages, and the content of mails: no input or output, and the current time is an argument."""
