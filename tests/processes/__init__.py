"""The writer in every kind of process: real programs, whose totals in Redis are exact."""
