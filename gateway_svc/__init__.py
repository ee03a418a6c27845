"""The only public entry point: routes requests to the services, checks tokens and limits, balances load. It stores nothing."""
