"""Programs as users write them. Each is run as a process of its own; REDIS_URL says where to record."""
