"""Real servers for tests on a machine without Docker: MariaDB, RabbitMQ, Redis and a MongoDB-protocol server."""
