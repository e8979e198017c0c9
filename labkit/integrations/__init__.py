"""Programs that fork or end in ways of their own: what keeps the writer right there. docs/processes.md lists them."""
