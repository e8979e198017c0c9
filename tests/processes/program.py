"""A program that runs on its own, to be watched, signaled and waited for."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.redis_server import wait_until

PROGRAMS = Path(__file__).parent / "programs"


class Program:
    """One process, and the children it starts; what they print is kept in `folder`."""

    def __init__(self, folder: Path, redis_url: str, *command: str) -> None:
        self._output = folder / f"{len(list(folder.iterdir()))}.txt"
        with self._output.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-u", *command],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                cwd=PROGRAMS,
                env=os.environ | {"REDIS_URL": redis_url},
                start_new_session=True,
            )

    @property
    def output(self) -> str:
        return self._output.read_text()

    def wait_for(self, text: str) -> None:
        """Return once the program has printed `text`."""
        wait_until(lambda: text in self.output or self._process.poll() is not None, f"{text!r} in the output")
        assert text in self.output, self.output

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def tell_to_end(self) -> None:
        """Close its standard input, for which it waits."""
        assert self._process.stdin
        self._process.stdin.close()

    def ended(self, code: int = 0) -> str:
        """Wait for the end, which must have this exit code; return all that was printed."""
        assert self._process.wait(timeout=120) == code, self.output
        return self.output

    def close(self) -> None:
        """Leave nothing of it behind."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        if self._process.stdin:
            self._process.stdin.close()
