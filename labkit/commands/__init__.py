"""What can be done with a lab: the same commands for a terminal, and behind `%lab` in a notebook."""
