"""Run labkit's commands on a fresh machine: `python -m scripts.fresh trixie demo test`, as root, on Debian.

The machine is a minimal Debian in a folder, made for this and removed with all that ran in it, whatever happened. It
has git, make, Python and ps, what an administrator gives every machine (sources of packages, proxies, certificates),
and an ordinary user with a clone of this checkout's last commit. With `--furnished` it is the opposite: every program
that labkit would fetch is installed already, and something else keeps all cores busy. Ends with 1 if a command fails.
"""

import argparse
import os
import platform
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from tempfile import TemporaryFile, mkdtemp

from harness.debian_root import debootstrap, run_alone
from labkit.errors import BinaryNotFound
from labkit.stack import releases
from labkit.stack.packages import private_cache

CHECKOUT = Path(__file__).parent.parent
RELEASES = ("bookworm", "trixie")
TARGETS = ("demo", "test", "check", "test-versions")
PACKAGES = "git,make,python3,ca-certificates,procps"
FURNITURE = ("redis-server", "prometheus", "prometheus-redis-exporter", "chromium", "fonts-dejavu", "docker.io")
USER = "guest"
CERTIFICATES = "etc/ssl/certs/ca-certificates.crt"
# How packages are fetched here; not what else this machine does before and after.
FETCHING = re.compile(r"Acquire::(https?|Check-|Retries)", re.IGNORECASE)
PROXIES = re.compile(r"(https?|ftp|all|no)_proxy|PIP_(PROXY|INDEX_URL|TRUSTED_HOST|DEFAULT_TIMEOUT)", re.IGNORECASE)
MACHINE = """
root=$1; shift
mount --rbind /proc "$root/proc" && mount --rbind /sys "$root/sys" && mount --rbind /dev "$root/dev" || exit
mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm" || exit
exec chroot "$root" "$@"
"""


@contextmanager
def fresh(release: str, furniture: Sequence[str] = ()) -> Iterator[Path]:
    """Make the machine, with these packages as well; yield its root, and remove it at the end."""
    # Neither on a /tmp in memory nor where Debian cannot make devices.
    folder = Path(mkdtemp(dir=private_cache(), prefix=f"fresh-{release}-"))
    try:
        root = folder / "root"
        debootstrap(release, root, PACKAGES)
        administer(release, root)
        if furniture:
            furnish(root, furniture)
        add_user(root)
        yield root
    finally:
        subprocess.run(["rm", "--recursive", "--force", "--one-file-system", str(folder)], check=True)


def administer(release: str, root: Path) -> None:
    """Give the machine what this one has from its administrator: names, sources, proxies, certificates."""
    shutil.copy("/etc/hosts", root / "etc/hosts")
    shutil.copy(os.environ.get("SSL_CERT_FILE", f"/{CERTIFICATES}"), root / CERTIFICATES)
    (root / "etc/apt/sources.list").write_text("".join(_sources(release)))
    settings = subprocess.run(["apt-config", "dump", "Acquire"], capture_output=True, text=True, check=True).stdout
    fetching = [line for line in settings.splitlines(keepends=True) if FETCHING.match(line)]
    (root / "etc/apt/apt.conf.d/90machine").write_text("".join(fetching))
    if Path("/etc/pip.conf").exists():
        shutil.copy("/etc/pip.conf", root / "etc/pip.conf")
    if Path("/etc/xdg/pip").exists():
        shutil.copytree("/etc/xdg/pip", root / "etc/xdg/pip")


def _sources(release: str) -> Iterator[str]:
    own, mirrors = platform.freedesktop_os_release()["VERSION_CODENAME"], releases.mirrors()
    # Debian's own, not what else this machine takes packages from.
    for part in ("", "-updates", "-security"):
        if uri := mirrors.get(own + part):
            yield f"deb {uri} {release}{part} main\n"


def furnish(root: Path, packages: Sequence[str]) -> None:
    """Install packages, and start none of their daemons."""
    policy = root / "usr/sbin/policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)
    install = shlex.join(["apt-get", "install", "--yes", "--quiet=2", "--no-install-recommends", *packages])
    script = f"apt-get update --quiet=2 && DEBIAN_FRONTEND=noninteractive {install}"
    with TemporaryFile() as log:
        if run_alone(["sh", "-c", MACHINE, "sh", str(root), "sh", "-c", script], output=log):
            log.seek(0)
            raise BinaryNotFound(f"{shlex.join(packages)} could not be installed\n{log.read().decode()[-4000:]}")


@contextmanager
def busy() -> Iterator[None]:
    """Keep every core busy meanwhile."""
    busybodies = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(os.cpu_count() or 1)]
    try:
        yield
    finally:
        for busybody in busybodies:
            busybody.kill()
            busybody.wait()


def add_user(root: Path) -> None:
    """Add an ordinary user, with a clone in the home folder."""
    subprocess.run(["chroot", root, "useradd", "--create-home", "--shell", "/bin/bash", USER], check=True)
    home = root / "home" / USER
    subprocess.run(["git", "clone", "--quiet", CHECKOUT, home / "labkit"], check=True)
    subprocess.run(["chroot", root, "chown", "--recursive", f"{USER}:", home.relative_to(root)], check=True)


def run(root: Path, target: str) -> int:
    """Run `make TARGET` as the user who just logged in; return its exit code."""
    proxies = ",".join(name for name in os.environ if PROXIES.fullmatch(name))
    login = ["su", "--login", *([f"--whitelist-environment={proxies}"] if proxies else []), USER]
    command = [*login, "--command", f"cd labkit && {shlex.join(['make', target])}"]
    return run_alone(["sh", "-c", MACHINE, "sh", str(root), *command])


def report(what: str, since: float) -> None:
    """Print a line, with the time that it took."""
    sys.stdout.write(f"{what}, after {time.monotonic() - since:.0f} s\n")
    sys.stdout.flush()


def run_all(release: str, targets: list[str], *, furnished: bool) -> int:
    """Run every target on one machine; return 1 if one of them failed."""
    began, codes = time.monotonic(), []
    commit = ["git", "-C", str(CHECKOUT), "describe", "--always"]
    clone = subprocess.run(commit, capture_output=True, text=True, check=True).stdout.strip()
    with fresh(release, FURNITURE if furnished else ()) as root, busy() if furnished else nullcontext():
        report(f"A {'furnished' if furnished else 'fresh'} Debian ({release}), with a clone of {clone}", began)
        for target in targets:
            began = time.monotonic()
            codes.append(run(root, target))
            report(f"make {target} {f'failed with code {codes[-1]}' if codes[-1] else 'passed'}", began)
    return int(any(codes))


def main(arguments: list[str]) -> int:
    """Do what was asked for; return the exit code."""
    parser = argparse.ArgumentParser(prog="fresh", description="Run make's targets on a fresh Debian.")
    parser.add_argument("release", choices=RELEASES)
    parser.add_argument("targets", nargs="+", choices=TARGETS)
    parser.add_argument("--furnished", action="store_true", help="with all programs there, and all cores busy")
    chosen = parser.parse_args(arguments)
    if os.geteuid():
        parser.error("only root can make a machine: it mounts, and it changes its root")
    os.umask(0o022)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # Not the signal itself ends this: what was made is removed first.
        signal.signal(number, lambda received, _: sys.exit(128 + received))
    try:
        return run_all(chosen.release, chosen.targets, furnished=chosen.furnished)
    except BinaryNotFound as error:
        parser.exit(1, f"No fresh machine was made: {error}\n")


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
