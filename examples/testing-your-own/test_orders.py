"""What the application records arrives in Prometheus: from this process, from another, and after an outage."""

import os
import subprocess
import sys
from pathlib import Path

from orders import Orders


def test_orders_are_counted_by_outcome(metrics, arrives):
    """Each order counts once."""
    orders = Orders(metrics)
    assert [orders.take(text) for text in ("12.50", "8", "nothing", "-1")] == [True, True, False, False]
    arrives(accepted=2, refused=2)


def test_amounts_fall_into_their_buckets(metrics, arrives, labkit_prometheus):
    """An alerting rule asks how many orders were below ten euros."""
    below_ten = 'sum(order_amount_euros_bucket{le="10.0"}) or vector(0)'
    before = labkit_prometheus.query(below_ten)["value"].item()
    orders = Orders(metrics)
    for text in ("9.99", "10.01", "10"):
        orders.take(text)
    arrives(accepted=3)
    assert labkit_prometheus.query(below_ten)["value"].item() - before == 2


def test_the_program_sends_all_before_it_ends(labkit_stack, arrives):
    """A process of its own, shorter than one interval between two flushes."""
    program = [sys.executable, str(Path(__file__).with_name("orders.py"))]
    environment = os.environ | {"REDIS_URL": labkit_stack.urls["redis"]}
    subprocess.run(program, env=environment, input="1\n2\n3\n", text=True, check=True)
    arrives(accepted=3)


def test_an_outage_costs_no_order(labkit_stack, metrics, arrives):
    """While Redis is away, orders are taken as always; when it is back, they arrive."""
    orders = Orders(metrics)
    with labkit_stack.stopped("redis"):
        assert orders.take("20")
    arrives(accepted=1)


def test_a_series_is_readable_in_redis(metrics, labkit_redis, arrives):
    """And expires when its writer is gone."""
    Orders(metrics).take("5")
    metrics.flush()
    assert labkit_redis.get("metrics:counter:orders:outcome=accepted").startswith('{"value":')
    assert labkit_redis.ttl("metrics:counter:orders:outcome=accepted") > 60
    arrives(accepted=1)
