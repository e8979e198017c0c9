"""Traffic: customers for the store, sent by Locust at a rate and in a shape of your choice.

```
schedule    when requests are due, and which steps a customer takes
run         Locust in a process of its own, for a while, and what it measured
locustfile  what Locust does then
tap         Locust beside the lab, turned while it runs, and
tapfile     what Locust does then
```
"""
