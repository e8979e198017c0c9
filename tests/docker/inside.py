"""Make new namespaces fit for an engine, then become it: inside.py DATA_ROOT COMMAND…

The data lives in memory: an engine waits for the disk at each of its steps, and deleting what it left takes a minute.
"""

import fcntl
import os
import socket
import struct
import subprocess
import sys

SIOCSIFFLAGS, IFF_UP = 0x8914, 1

if __name__ == "__main__":
    data_root, *command = sys.argv[1:]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP))
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=710", "tmpfs", data_root], check=True)
    os.execvp(command[0], command)  # noqa: S606  no shell is wanted
