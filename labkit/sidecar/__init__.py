"""From Redis to the page that Prometheus scrapes: a process of its own, `labkit exporter`.

```
scripts      lua/redis-exporter.lua, which reads what changed
rendering    the JSON of one series -> its lines
deadlines    when each series expires
exposition   lines -> families
families     who has which name on the page
unreadable   what cannot stand there, and why
reaching     how long to wait for Redis
judging      what anybody else wrote -> its lines, or why there are none
mirror       every series of one Redis, kept up to date
sidecar      the mirror, metrics of its own, and the page made of both
filtering    name[]: part of a page
negotiation  which format, and whether compressed
openmetrics  the page in OpenMetrics
web_config   TLS, users and tokens, from the file that all exporters take
authentication  who may read
complaints   how often a client is worth a line in the log
serving      an HTTP server with limits
exporter     GET /metrics
```
"""
