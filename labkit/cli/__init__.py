"""The command line: `labkit up`, `labkit exporter`, `labkit report` and the rest."""
