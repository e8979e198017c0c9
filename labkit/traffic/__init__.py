"""Traffic: customers for the store, sent by Locust at a rate and in a shape of your choice.

```
schedule    when requests are due, and which steps a customer takes
run         Locust in a process of its own, for a while, and what it measured
client      Locust beside the lab, whose rate is set while it runs
locustfile  what Locust does, in both cases
```
"""
