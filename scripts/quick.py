"""What a change needs at once, `make quick`: lint, types, and the tests of the files that differ from the last commit.

A test file has the name and the room of the module that it tests. What needs a browser or a container is left to
`make test`, and so is everything that a change may break from afar.
"""

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).parent.parent
CHECKS = (("ruff", "check", "."), ("ruff", "format", "--check", "."), ("lint-imports", "--no-logo"), ("mypy",))
# Tests of files that are no modules.
OTHERS = {
    "lua/": ("tests/test_lua.py", "tests/writer/test_flush_lua.py", "tests/sidecar/test_exporter_lua.py"),
    "docs/": ("tests/test_docs.py", "tests/course/test_links.py", "tests/course/test_spelling.py"),
    "README.md": ("tests/test_docs.py",),
    "notebooks/": ("tests/course",),
    "configs/": ("tests/test_rules.py", "tests/plotting/test_dashboard_rules.py"),
}
SLOW = ("tests/browser/", "tests/docker/")


def changed() -> list[str]:
    """Return the files that differ from the last commit, new ones too."""
    listed = ("git diff --name-only --diff-filter=d HEAD", "git ls-files --others --exclude-standard")
    said = [subprocess.run(command.split(), cwd=ROOT, capture_output=True, text=True, check=True) for command in listed]
    return sorted({path for done in said for path in done.stdout.splitlines()})


def tests_of(paths: Iterable[str]) -> list[str]:
    """Return the test files of these files, as far as there are any.

    >>> tests_of(["labkit/keyspace/keys.py", "tests/browser/test_live.py", "LICENSE"])
    ['tests/keyspace/test_keys.py']
    """
    found = {test for path in paths for test in _tests_of(path)}
    return sorted(test for test in found if (ROOT / test).exists() and not test.startswith(SLOW))


def _tests_of(path: str) -> Iterable[str]:
    file = Path(path)
    if file.parts[0] == "tests":
        return [path] if file.name.startswith("test_") else []
    if file.parts[0] == "labkit":
        return [str(Path("tests", *file.parts[1:-1], f"test_{file.stem}.py"))]
    return [test for start, tests in OTHERS.items() if path.startswith(start) for test in tests]


def main() -> int:
    """Run everything; return 1 if something failed."""
    tests = tests_of(changed())
    commands = [*CHECKS, ("pytest", "-q", "--doctest-modules", *tests)] if tests else CHECKS
    bin_folder = Path(sys.executable).parent
    failed = [
        name for name, *rest in commands if subprocess.run([bin_folder / name, *rest], cwd=ROOT, check=False).returncode
    ]
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
