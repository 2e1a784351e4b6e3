"""A market as processes: where it lives, its services, its supervisor, start and stop."""
