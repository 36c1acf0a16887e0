"""What only a GPU can show: whether the service is right on it, and how much of it the engine uses."""
