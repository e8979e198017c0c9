"""labkit: a metrics pipeline to see, measure and break, in parts good enough to run."""
