"""The four services of a lab, as values: the command of each, its environment, its port and its health page."""

import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from glob import escape
from pathlib import Path
from typing import Any

import yaml

from labkit import traffic
from labkit.errors import StackError
from labkit.resources import resource
from labkit.stack.binaries import Program, find
from labkit.stack.ports import HOST
from labkit.stack.processes import NAME
from labkit.stack.session import grace
from labkit.stack.state import Folder, State

SERVICES = ("redis", "store", "sidecar", "prometheus")
# Runs only when it is asked for.
LOCUST = "locust"
SUPERVISOR = "supervisord"
REAPER = "reaper"


# The page that answers 200 when all is well; a Redis is asked by PING instead.
_HEALTH = {"redis": None, "store": "/-/healthy", "sidecar": "/-/healthy", "prometheus": "/-/ready", LOCUST: "/"}


@dataclass(frozen=True)
class Endpoint:
    """Where a service listens, and the page to ask how it is; None: a Redis, asked by PING."""

    name: str
    port: int
    health: str | None


@dataclass(frozen=True)
class Service:
    """One process: its command, and what its environment must have."""

    name: str
    command: tuple[str, ...]
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def script(self) -> str:
        """The service as a shell script: what supervisord runs, and what a person can read and try."""
        environment = {**self.environment, NAME: self.name}
        exports = [f"export {name}={shlex.quote(value)}" for name, value in environment.items()]
        return "\n".join(["#!/bin/sh", *exports, f"exec {shlex.join(self.command)}"]) + "\n"


def require_service(name: str, *others: str) -> str:
    """Return the name of a service, if it is one of the lab or of `others`.

    Raises:
        StackError: it is not; the message names them all.
    """
    names = (*SERVICES, *others)
    if name not in names:
        raise StackError(f"{name!r} is no service of the lab; they are {', '.join(names)}.")
    return name


def urls(ports: dict[str, int]) -> dict[str, str]:
    """Return the URL of each service that has a port."""
    web = {name: f"http://{HOST}:{port}" for name, port in ports.items()}
    return web | {"redis": f"redis://{HOST}:{ports['redis']}/0"}


def endpoint(name: str, state: State) -> Endpoint:
    """Return where the service `name` listens in this lab."""
    stock = name == "sidecar" and state.options.sidecar == "redis_exporter"
    return Endpoint(name, state.ports[name], "/health" if stock else _HEALTH[name])


def services(state: State, folder: Folder, on_step: Callable[[str], None] = lambda _: None) -> list[Service]:
    """Return the services of a lab, in the order of `SERVICES`; fetch the programs that are missing.

    With them comes the reaper, if the lab ends with a kernel.

    Raises:
        BinaryNotFound: a program is neither here nor to be fetched.
    """
    own = state.options.sidecar == "labkit"
    sidecar = _python(state, "sidecar", "exporter") if own else _stock_sidecar(state, on_step)
    servers = [_redis(state, folder, on_step), store_service(state), sidecar, _prometheus(state, folder, on_step)]
    return [*servers, _reaper(folder)] if state.kernel else servers


def store_service(state: State) -> Service:
    """Return the store, with the options as they are now."""
    options = state.options
    return _python(
        state, "store", "store", "--flush-interval", f"{options.flush_interval:g}", "--ttl", f"{options.ttl:g}"
    )


def locust_service(state: State) -> Service:
    """Return Locust with its web page: customers for the store, as many as it is told while it runs."""
    file = Path(traffic.__file__).with_name("locustfile.py")
    command = [sys.executable, "-P", "-m", "locust", "-f", str(file), "--until-stopped"]
    command += ["--host", urls(state.ports)["store"], "--web-host", HOST]
    command += ["--web-port", str(state.ports[LOCUST]), "--loglevel", "WARNING"]
    # Whoever is inside the store when fewer shall come goes home first.
    command += ["--stop-timeout", "5"]
    return Service(LOCUST, tuple(command), {"PYTHONUNBUFFERED": "1"})


def prometheus_config(state: State) -> str:
    """Return configs/prometheus.yml with this lab's addresses and intervals and whole paths, nothing else changed."""
    committed = resource("configs", "prometheus.yml")
    config: dict[str, Any] = yaml.safe_load(committed.read_text(encoding="utf-8"))
    interval = f"{round(state.options.scrape_interval * 1000)}ms"
    config["global"] |= {"scrape_interval": interval, "evaluation_interval": interval}
    # The folder's name may have characters that mean something in a pattern.
    config["rule_files"] = [str(Path(escape(str(committed.parent)), pattern)) for pattern in config["rule_files"]]
    ports = {"labkit": state.ports["sidecar"], "prometheus": state.ports["prometheus"]}
    for job in config["scrape_configs"]:
        job["static_configs"] = [{"targets": [f"{HOST}:{ports[job['job_name']]}"]}]
    return yaml.safe_dump(config, sort_keys=False)


def _redis(state: State, folder: Folder, on_step: Callable[[str], None]) -> Service:
    program = find(f"{state.options.server}-server", on_step)
    # Each server reads its own files only: a Valkey 9 writes what a Redis 7 cannot read.
    data, port = folder.data(state.options.server), state.ports["redis"]
    command = [str(program.path), "--port", str(port), "--bind", HOST, "--dir", str(data), "--daemonize", "no"]
    # So a server that was killed comes back with what it had acknowledged; with `everysec`, on a busy disk, without the
    # last two seconds of it.
    command += ["--save", "", "--appendonly", "yes", "--appendfsync", "always"]
    # A full server refuses writes, and the writers wait. Every other policy would evict series.
    command += ["--maxmemory", "256mb", "--maxmemory-policy", "noeviction"]
    # Otherwise it overwrites its environment, by which `down` knows it.
    command += ["--set-proc-title", "no"]
    return Service("redis", tuple(command), program.environment)


def _stock_sidecar(state: State, on_step: Callable[[str], None]) -> Service:
    program, port = find("redis_exporter", on_step), state.ports["sidecar"]
    command = [str(program.path), "-script", str(resource("lua", "redis-exporter.lua"))]
    command += ["-web.listen-address", f"{HOST}:{port}", "-connection-timeout", "2s", "-redis-only-metrics"]
    environment = program.environment | {"REDIS_ADDR": urls(state.ports)["redis"]}
    return Service("sidecar", tuple(command), environment)


def _prometheus(state: State, folder: Folder, on_step: Callable[[str], None]) -> Service:
    program, port = find("prometheus", on_step), state.ports["prometheus"]
    command = [str(program.path), f"--config.file={folder.prometheus_config}", "--log.level=warn"]
    command += [f"--storage.tsdb.path={folder.data('prometheus')}", f"--web.listen-address={HOST}:{port}"]
    command += _web_page(program)
    return Service("prometheus", tuple(command), program.environment)


def _web_page(program: Program) -> list[str]:
    """Debian's Prometheus has its web page beside it, not inside; unpacked elsewhere, it must be told where."""
    root = Path(program.path).resolve().parent.parent
    pages = [page for page in (root / "share/prometheus/web", root / "usr/share/prometheus/web") if page.is_dir()]
    return [f"--web.local-assets={page}" for page in pages[:1] if program.origin == "cache"]


def _reaper(folder: Folder) -> Service:
    line = (sys.executable, "-P", "-m", "labkit.stack.reaper", str(folder.home), folder.name, f"{grace():g}")
    return Service(REAPER, line)


def _python(state: State, name: str, command: str, *arguments: str) -> Service:
    line = (sys.executable, "-P", "-m", "labkit", command, "--listen", f"{HOST}:{state.ports[name]}", *arguments)
    # In the environment, because a URL may hold a password, and everybody can read the list of processes.
    environment = {"LABKIT_REDIS_URL": urls(state.ports)["redis"], "PYTHONUNBUFFERED": "1"}
    return Service(name, line, environment)
