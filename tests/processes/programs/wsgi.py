"""Run it: REDIS_URL=redis://127.0.0.1:6379/0 gunicorn --workers 4 wsgi:app."""

import os
from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIEnvironment

from labkit import RedisMetricsService

metrics = RedisMetricsService(os.environ["REDIS_URL"])
answered = metrics.counter("answered", "Requests answered.")


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer with the number of the process that did."""
    answered.inc()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(os.getpid()).encode()]
