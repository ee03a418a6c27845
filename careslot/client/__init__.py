"""The commands that use the API of a running platform, as any other client would."""
