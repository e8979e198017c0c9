"""A program that runs on its own, to be watched, signaled and waited for."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from harness.process import Process, wait_until

PROGRAMS = Path(__file__).parent / "programs"


class Program(Process):
    """One process, and the children it starts; what they print is kept in `folder`."""

    def __init__(self, folder: Path, redis_url: str, *command: str) -> None:
        log, environment = folder / f"{len(list(folder.iterdir()))}.txt", {"REDIS_URL": redis_url}
        super().__init__(
            [sys.executable, "-u", *command],
            log,
            environment=environment,
            stdin=subprocess.PIPE,
            cwd=PROGRAMS,
            start_new_session=True,
        )

    def wait_for(self, text: str) -> None:
        """Return once the program has printed `text`."""
        wait_until(lambda: text in self.log or self.process.poll() is not None, f"{text!r} in the output")
        assert text in self.log, self.log

    def tell_to_end(self) -> None:
        """Close its standard input, for which it waits."""
        assert self.process.stdin
        self.process.stdin.close()

    def ended(self, code: int = 0) -> str:
        """Wait for the end, which must have this exit code; return all that was printed."""
        assert self.process.wait(timeout=120) == code, self.log
        return self.log

    def close(self) -> None:
        """Leave nothing of it behind, and nothing of its children."""
        if self.process.poll() is None:
            os.killpg(self.pid, signal.SIGKILL)
            self.process.wait()
        if self.process.stdin:
            self.process.stdin.close()
