"""The kernel that runs a notebook: the one it names or, where that is not here, this Python's own."""

from pathlib import Path

import nbformat
from jupyter_client.kernelspec import NATIVE_KERNEL_NAME, KernelSpecManager

from labkit.errors import LabkitError


def kernel(notebook: Path) -> tuple[str, str]:
    """Return the name of the kernel that runs this notebook, and its language, in which papermill writes parameters.

    Some editors save no kernel, and the name of a kernel may be known on one machine only: where it is not, a Python
    notebook runs with the Python of this process.

    Raises:
        LabkitError: it is written in another language, whose kernel is not installed here.
    """
    metadata = nbformat.read(notebook, as_version=4).metadata
    named = metadata.get("kernelspec", {})
    language = named.get("language") or metadata.get("language_info", {}).get("name") or "python"
    name, here = named.get("name"), sorted(KernelSpecManager().find_kernel_specs())
    if name in here:
        return name, language
    if language.lower() not in ("python", "ipython"):
        raise LabkitError(
            f"{notebook} is written in {language}, and its kernel {name or ''!r} is not installed here; there is"
            f" {', '.join(here)}."
        )
    return NATIVE_KERNEL_NAME, "python"
