"""auth-service owns who someone is: accounts, credentials, sessions, roles and the keys that sign tokens."""
