"""Real servers for tests on a machine without Docker: MariaDB, RabbitMQ and a MongoDB-protocol server."""
