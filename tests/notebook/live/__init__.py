"""Live figures: what is asked for, what is sent, and when they end."""
