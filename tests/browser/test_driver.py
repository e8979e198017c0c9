"""The browser's driver runs on a machine that has only what this project asks for."""

import re
import subprocess
import sys

import pytest

from tests.browser.driver import NODE
from tests.stack.somebody import needs_root

RUN = """
import os, subprocess
from tests.browser.driver import NODE, environment
print(subprocess.run([NODE, "--version"], capture_output=True, text=True).stderr)
subprocess.run([NODE, "--version"], check=True, env=os.environ | environment())
"""


@needs_root
def test_a_library_that_is_missing_is_fetched() -> None:
    """Without libatomic.so.1, which minimal systems lack, node would not start; it does."""
    listed = subprocess.run(["ldd", NODE], capture_output=True, text=True, check=True).stdout
    library = re.search(r"/\S*libatomic\.so\.1", listed)
    if not library:
        pytest.skip("this machine has no libatomic.so.1 to take away")
    # In a mount namespace of its own: nobody else misses the library.
    command = ["unshare", "--mount", "sh", "-ec", 'mount --bind /dev/null "$1"; exec "$2" -c "$3"', "sh"]
    done = subprocess.run([*command, library[0], sys.executable, RUN], capture_output=True, text=True, check=False)
    if "unshare failed" in done.stderr:
        pytest.skip("mounts cannot be changed here")
    assert "libatomic.so.1" in done.stdout
    assert (done.returncode, done.stdout.splitlines()[-1][:2]) == (0, "v2"), done.stderr
