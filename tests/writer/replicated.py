"""A server, its replica, and proxies to whichever of the two is the primary: all that can go wrong with them."""

import secrets
from pathlib import Path
from typing import Literal

import redis

from harness.process import free_port, wait_until
from harness.redis_server import RedisServer
from tests.redis_server import start_server
from tests.writer.fault_proxy import Fault, FaultProxy

Refusal = Literal["full", "read-only"]
# A file written at every command, so that a kill loses nothing; a replica that need not wait for others.
OPTIONS = ("--appendonly", "yes", "--appendfsync", "always", "--repl-diskless-sync-delay", "0")
# Whose rights a test may change, without changing its own.
USER = "writer"


class Replicated:
    """Two servers, the second a replica of the first, and one proxy per writer to the first."""

    def __init__(self, folder: Path, writers: int, server: str = "valkey") -> None:
        self.primary, self.replica = (_start(server, folder / name) for name in ("one", "two"))
        # What the replica copies goes through this one.
        self._link = FaultProxy(self.primary.port)
        self._copy_from_primary()
        self.proxies = [FaultProxy(self.primary.port) for _ in range(writers)]
        self.refuses = False

    def kill(self) -> None:
        """kill -9, and a restart with what is in the file."""
        self.wait_for_the_file()
        self.primary.kill()
        self.primary.start()
        self.accept()

    def refuse(self, how: Refusal) -> None:
        """Take no more writes, until `accept`."""
        if how == "full":
            self.primary.client.config_set("maxmemory", "1")
        else:
            self.primary.client.slaveof("127.0.0.1", free_port())  # a replica of nobody
        self.refuses = True

    def forbid(self, command: str) -> None:
        """Let the writers' user no longer call this command, until `accept`."""
        self._allow(f"-{command}")
        self.refuses = True

    def lag(self) -> None:
        """Let the replica have what there is, and nothing that comes, until `accept`."""
        self.wait_for_the_copy()
        self._link.pause()

    def mislead(self, writer: int, fault: Fault) -> None:
        """Break the connection of this writer's next batch, and lead it to the lagging replica, until `accept`."""
        self.proxies[writer].arm(fault, then=self.replica.port)
        self.refuses = True

    def lead_to_replica(self, writer: int) -> None:
        self.proxies[writer].lead_to(self.replica.port)
        self.refuses = True

    def accept(self) -> None:
        self.primary.client.config_set("maxmemory", "0")
        self.primary.client.slaveof()
        self._allow("+@all")
        self._link.resume()
        for proxy in self.proxies:
            proxy.arm(None)
            if proxy.target != self.primary.port:
                proxy.lead_to(self.primary.port)
        self.refuses = False

    def fail_over(self) -> None:
        """Kill the primary when its replica has all that was acknowledged, and promote the replica.

        What the primary applies after that was acknowledged to nobody, and dies with it.
        """
        self.accept()
        for proxy in self.proxies:
            proxy.pause()
        self.wait_for_the_copy()
        self.primary.kill()
        self.primary, self.replica = self.replica, self.primary
        self.primary.client.slaveof()
        for proxy in (self._link, *self.proxies):
            proxy.lead_to(self.primary.port)
            proxy.resume()
        self.replica.start()
        self._copy_from_primary()

    def close(self) -> None:
        for proxy in (*self.proxies, self._link):
            proxy.close()
        self.primary.close()
        self.replica.close()

    def _allow(self, *rules: str) -> None:
        self.primary.client.execute_command("ACL", "SETUSER", USER, *rules)

    def _copy_from_primary(self) -> None:
        self.replica.client.slaveof("127.0.0.1", self._link.port)

    def wait_for_the_copy(self) -> None:
        # Commands are copied in their order: with this one, the replica has all before it.
        token = secrets.token_bytes(8)
        self.primary.client.set("token", token)
        wait_until(lambda: self._replica_has(token), "the copy")

    def wait_for_the_file(self) -> None:
        # A server that was a replica rewrites its file after a whole copy; killed meanwhile, it comes back without it.
        wait_until(lambda: not self._rewrites(), "the rewritten file")

    def _rewrites(self) -> bool:
        told = self.primary.client.info("persistence")
        return bool(told["aof_rewrite_in_progress"] or told["aof_rewrite_scheduled"])

    def _replica_has(self, token: bytes) -> bool:
        try:
            return self.replica.client.get("token") == token
        except redis.RedisError:
            return False  # it is busy with a whole copy


def _start(server: str, folder: Path) -> RedisServer:
    folder.mkdir()
    return start_server(server, folder, *OPTIONS, "--user", USER, "on", "nopass", "~*", "&*", "+@all")
