"""The front door for people: the command line, and all eight services in one process."""
