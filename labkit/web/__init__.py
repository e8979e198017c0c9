"""What labkit's own web services share: how they listen, and whom they answer."""
