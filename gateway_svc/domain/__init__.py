"""What the gateway knows about paths, headers and documents: pure."""
