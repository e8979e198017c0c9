"""From Redis to the page that Prometheus scrapes: a process of its own, `labkit exporter`.

```
Redis -> one series   bounded_reads    how long to wait for Redis
                      scripts          lua/redis-exporter.lua, which reads what changed
                      rendering        the JSON of one series -> its lines, for what labkit wrote
                      judging          the same for what anybody else wrote, or why there are none
-> all series         skipped_series   what cannot be on the page, and why
                      expiry_queue     when each series expires
                      families         which family has which name on the page
                      series_cache     every series of one Redis, kept up to date
-> a page             kinds            what a page needs to know of each kind of metric
                      exposition       families -> the text format
                      openmetrics      families -> OpenMetrics
                      filtering        name[]: part of a page
                      sidecar          the series cache, metrics of its own, and the page made of both
-> HTTP               negotiation      which format, and whether compressed
                      web_config       TLS, users and tokens, from the file that all exporters take
                      authentication   who may read
                      log_limits       how often a client is worth a line in the log
                      serving          an HTTP server with limits
                      app              GET /metrics
```
"""
