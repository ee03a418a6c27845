"""The command line, and the launcher that runs all eight services in one process."""
