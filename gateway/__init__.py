"""What happens: domain, engine, store, doors, and the wiring of it all."""
