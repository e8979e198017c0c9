"""The images that the compose file names, made here, because none can be pulled in a test: Debian's programs under the
pinned names. labkit's own image is built by its Dockerfile, from a base made here.

Made once and kept in the cache folder: a small Debian with Python and Redis, and what pip needs for labkit's image.
"""

import hashlib
import os
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

from harness.debian_root import debootstrap
from labkit.stack.packages import cache_folder, fetch
from tests import ROOT
from tests.docker.engine import Engine
from tests.docker.files import BASE, PINS

# The Debian of the pinned Python image, and the one that has Prometheus 3.
RELEASE, NEWEST = "trixie", "sid"
PACKAGES = "python3-venv,redis-server"
DEBIAN = "labkit-tests:debian"

PYTHON = f"""
FROM {DEBIAN}
RUN ln -s python3 /usr/bin/python
COPY wheels /wheels
RUN printf '[global]\\nno-index = true\\nfind-links = /wheels\\n' > /etc/pip.conf
"""
# As in the official images: who runs it, and where it writes.
REDIS = f"""
FROM {DEBIAN}
RUN install --directory --owner redis /data
VOLUME /data
WORKDIR /data
USER redis
"""
REDIS_EXPORTER = f"""
FROM {DEBIAN}
COPY redis_exporter /
USER 59000
ENTRYPOINT ["/redis_exporter"]
"""
PROMETHEUS = f"""
FROM {DEBIAN}
COPY prometheus promtool /bin/
RUN install --directory --owner nobody /prometheus
USER nobody
WORKDIR /prometheus
ENTRYPOINT ["/bin/prometheus"]
"""


def make_images(engine: Engine) -> None:
    """Give the engine every image but Grafana's and labkit's own."""
    engine.load(debian(), DEBIAN)
    exporter = fetch("prometheus-redis-exporter", print, NEWEST) / "usr/bin/prometheus-redis-exporter"
    prometheus = fetch("prometheus", print, NEWEST) / "usr/bin"
    engine.build(BASE, PYTHON, {"wheels": wheels()})
    engine.build(PINS["REDIS_IMAGE"], REDIS, {})
    engine.build(PINS["REDIS_EXPORTER_IMAGE"], REDIS_EXPORTER, {"redis_exporter": exporter})
    programs = {name: prometheus / name for name in ("prometheus", "promtool")}
    engine.build(PINS["PROMETHEUS_IMAGE"], PROMETHEUS, programs)


def debian() -> Path:
    """Return the file system of a small Debian, as a tar file."""
    archive = _folder() / f"{RELEASE}-{os.uname().machine}-{PACKAGES}.tar"
    if not archive.exists():
        with tempfile.TemporaryDirectory(dir=_folder()) as folder:
            root, packed = Path(folder, "root"), Path(folder, "packed")
            debootstrap(RELEASE, root, PACKAGES)
            # What apt downloaded is of no use in an image.
            subprocess.run(["tar", "-C", root, "--exclude=./var/cache/apt/*", "-cf", packed, "."], check=True)
            packed.rename(archive)
    return archive


def wheels() -> Path:
    """Return a folder with all that the Dockerfile lets pip install, for the Python of its base."""
    wanted, version = _requirements(), re.split(r"[:.]", BASE)[1:3]
    constraints = (ROOT / "constraints.txt").read_bytes()
    digest = hashlib.sha256(repr((wanted, version)).encode() + constraints).hexdigest()[:12]
    folder = _folder() / f"wheels-{os.uname().machine}-{digest}"
    if not folder.exists():
        with tempfile.TemporaryDirectory(dir=_folder()) as temporary:
            whole = Path(temporary, "whole")
            command = [sys.executable, "-m", "pip", "download", "--quiet", "--only-binary=:all:", "--dest", str(whole)]
            command += ["--python-version", ".".join(version), "--constraint", str(ROOT / "constraints.txt")]
            subprocess.run([*command, *wanted], check=True)
            whole.rename(folder)
    return folder


def _requirements() -> list[str]:
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text())
    project = pyproject["project"]
    extras = project["optional-dependencies"]
    listed = [*pyproject["build-system"]["requires"], *project["dependencies"], *extras["sidecar"], *extras["store"]]
    return [line for line in listed if not line.startswith(f"{project['name']}[")]


def _folder() -> Path:
    folder = cache_folder() / "images"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
