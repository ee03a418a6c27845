"""The rules of appointments: pure and synchronous; times and ids are arguments."""
