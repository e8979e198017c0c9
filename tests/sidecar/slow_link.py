"""What lies between a sidecar and its server: a link that is slow, or a balancer that forgets idle connections."""

import socket
import struct
from contextlib import suppress
from threading import Event, Thread
from types import TracebackType
from typing import Self

CHUNK = 4096
# Closing then resets the connection.
AT_ONCE = struct.pack("ii", 1, 0)


class SlowLink:
    """Forwards from a free port of the loopback interface to `target`; `passed` counts the bytes of the replies.

    `rate` is in bytes a second.
    """

    def __init__(self, target: int, rate: float = 1e9) -> None:
        self._target, self.rate, self.passed, self.resets = target, rate, 0, 0
        self._forgotten: set[socket.socket] = set()
        self._clients: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"redis://127.0.0.1:{self._listener.getsockname()[1]}/0"
        Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for client in self._clients:
            client.close()

    def forget(self) -> None:
        """Reset each connection there is now, as soon as somebody uses it again."""
        self._forgotten.update(self._clients)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
                self._clients.append(client)
                Thread(target=self._requests, args=(client, server), daemon=True).start()
                Thread(target=self._replies, args=(client, server), daemon=True).start()

    def _requests(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError), server:
            while request := client.recv(CHUNK):
                if client in self._forgotten:
                    self.resets += 1
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
                    client.close()
                    return
                server.sendall(request)

    def _replies(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while reply := server.recv(CHUNK):
                Event().wait(len(reply) / self.rate)
                client.sendall(reply)
                self.passed += len(reply)
