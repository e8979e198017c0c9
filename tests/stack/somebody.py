"""Another user of this machine, whom only root can make."""

import os

import pytest

SOMEBODY = 65534
needs_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can give a file to another user")
