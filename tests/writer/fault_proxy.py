"""A TCP proxy between a writer and its server that breaks connections where it hurts.

It changes and repeats nothing: every byte that arrives was sent once, and in this order.
"""

import socket
from threading import Event, Lock, Thread
from typing import Literal

Fault = Literal["before the request", "after the request", "inside the reply"]
CHUNK = 1 << 20


class FaultProxy:
    """Listens on a free port of the loopback interface and forwards to `target`, a port that may be changed."""

    def __init__(self, target: int) -> None:
        self.target, self.delay, self.struck = target, 0.0, 0
        self._armed: Fault | None = None
        self._next_target: int | None = None
        self._lock, self._flowing = Lock(), Event()
        self._flowing.set()
        self._pairs: list[_Pair] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._thread = Thread(target=self._accept, name="fault-proxy", daemon=True)
        self._thread.start()

    def arm(self, fault: Fault | None, then: int | None = None) -> None:
        """Cut the connection of the next batch, here; the one after it reaches `then`. `struck` counts the cuts."""
        with self._lock:
            self._armed, self._next_target = fault, then

    def lead_to(self, target: int) -> None:
        """End all connections; the next ones reach this port."""
        self.target = target
        self.cut()

    def pause(self) -> None:
        """Hold back every byte, in both directions, until `resume`."""
        self._flowing.clear()

    def resume(self) -> None:
        self._flowing.set()

    def cut(self) -> None:
        """End all connections, now."""
        for pair in list(self._pairs):
            pair.close()

    def close(self) -> None:
        self.resume()
        # Closing alone does not wake a thread that waits in accept().
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)
        self.cut()

    def strike(self, request: bytes) -> Fault | None:
        """Return the fault that this request meets; only batches meet one."""
        with self._lock:
            if self._armed is None or b"EVALSHA" not in request:
                return None
            fault, self._armed = self._armed, None
            self.struck += 1
            self.target, self._next_target = self._next_target or self.target, None
            return fault

    def let_through(self) -> None:
        self._flowing.wait()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                client.close()
                continue
            self._pairs.append(_Pair(self, client, server))


class _Pair:
    """One connection: two sockets and a thread for each direction."""

    def __init__(self, proxy: FaultProxy, client: socket.socket, server: socket.socket) -> None:
        self._proxy, self._client, self._server = proxy, client, server
        self._fault: Fault | None = None
        for work in (self._requests, self._replies):
            Thread(target=self._until_cut, args=(work,), daemon=True).start()

    def close(self) -> None:
        for end in (self._client, self._server):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # the other side was quicker
            finally:
                end.close()

    def _until_cut(self, work: object) -> None:
        assert callable(work)
        try:
            while work():
                pass
        except OSError:
            return  # cut, which is what this is for
        finally:
            self.close()

    def _requests(self) -> bool:
        request = self._client.recv(CHUNK)
        self._proxy.let_through()
        self._fault = self._proxy.strike(request) or self._fault
        if not request or self._fault == "before the request":
            return False
        self._server.sendall(request)
        return True

    def _replies(self) -> bool:
        reply = self._server.recv(CHUNK)
        self._proxy.let_through()
        if self._proxy.delay:
            Event().wait(self._proxy.delay)
        # The server has answered, so it has done what was asked: only the answer is lost.
        if not reply or self._fault == "after the request":
            return False
        if self._fault == "inside the reply":
            self._client.sendall(reply[: len(reply) // 2])
            return False
        self._client.sendall(reply)
        return True
