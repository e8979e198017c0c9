"""A real Redis or Valkey that a test may kill, pause and start again."""

from pathlib import Path
from typing import cast

import redis

from harness.process import Process, free_port
from labkit.stack import binaries
from labkit.stack.binaries import Program


class RedisServer(Process):
    """One server process on a free port of the loopback interface, with its data in `folder`; a Valkey by default."""

    def __init__(self, program: Program | None, folder: Path, *options: str) -> None:
        program = program or binaries.find("valkey-server")
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.client = redis.Redis(port=self.port, socket_timeout=5)
        command = [str(program.path), "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(folder)]
        super().__init__([*command, "--save", "", *options], folder / "server.log", self._answers, program.environment)

    def close(self) -> None:
        """Leave nothing of it behind."""
        self.client.close()
        self.kill()

    def _answers(self) -> bool:
        try:
            return bool(self.client.ping())
        except redis.RedisError:
            return False


def processor_seconds(server: RedisServer) -> float:
    """Return what the thread that runs the commands has cost the processor so far."""
    spent = cast(dict[str, float], server.client.info("cpu"))
    return spent["used_cpu_user_main_thread"] + spent["used_cpu_sys_main_thread"]
