"""auth-service owns accounts, credentials, sessions, roles and the keys that sign access tokens."""
