"""Query: all that asks a Prometheus. PromQL in, tidy data frames out."""
