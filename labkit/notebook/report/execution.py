"""A notebook run by papermill, in a process of its own: interrupted, it leaves neither a kernel nor a thread behind.

The process reads one line of JSON, what papermill takes; prints how many cells out of how many are done, and finally
what failed; and ends at once when its standard input does.
"""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from threading import Thread
from typing import IO, Any, cast

import psutil

from labkit.errors import LabkitError
from labkit.notebook.report.kernels import kernel
from labkit.stack.labs import started
from labkit.stack.session import GRACE, NOTEBOOK
from labkit.stack.teardown import clear
from labkit.ui.interrupts import defer_interrupts
from labkit.ui.progress import progress


def execute(notebook: Path, executed: Path, parameters: Mapping[str, object], timeout: float) -> str:
    """Run the notebook in its own folder; return what failed, in a sentence, or "".

    `executed` gets the notebook with its outputs, even when a cell fails; one cell may take `timeout` seconds. A
    person who watches is shown the progress.

    Raises:
        LabkitError: no kernel here can run it, or the process ended without a result; then the message has the end
            of its output.
    """
    wanted = _wanted(notebook.resolve(), executed.resolve(), parameters, timeout)
    command = [sys.executable, "-P", "-m", "labkit.notebook.report.execution"]
    # Figures stay in the notebook, as data, whatever renderer this user prefers. It has a lab of its own, even if the
    # notebook that asks for the report is the same one, and that ends with it.
    own = {"PLOTLY_RENDERER": "plotly_mimetype", NOTEBOOK: wanted["output_path"], GRACE: "0"}
    pipe, variables = subprocess.PIPE, os.environ | own
    with progress(f"Running {notebook.stem}") as tell, tempfile.TemporaryFile("w+") as log, ExitStack() as at_the_end:
        at_the_end.callback(_end_labs, wanted["output_path"])
        with defer_interrupts():
            # A session of its own: Ctrl-C is for us, and we end the child.
            child = subprocess.Popen(
                command, env=variables, stdin=pipe, stdout=pipe, stderr=log, start_new_session=True
            )
            at_the_end.callback(_end, child)
        try:
            return _attend(child, wanted, tell)
        except (EOFError, BrokenPipeError):
            log.seek(0)
            raise LabkitError(f"{notebook} could not be run: {log.read().strip()[-500:]}") from None


def _wanted(notebook: Path, executed: Path, parameters: Mapping[str, object], timeout: float) -> dict[str, Any]:
    name, language = kernel(notebook)
    return {
        "input_path": str(notebook),
        "output_path": str(executed),
        "cwd": str(notebook.parent),
        "parameters": parameters,
        "execution_timeout": timeout,
        "kernel_name": name,
        "language": language,
    }


def _attend(child: "subprocess.Popen[bytes]", wanted: dict[str, Any], tell: Callable[[float], object]) -> str:
    stdin, stdout = cast("IO[bytes]", child.stdin), cast("IO[bytes]", child.stdout)
    # It stays open: when this process ends, so does the pipe, and with it the child.
    stdin.write(json.dumps(wanted).encode() + b"\n")
    stdin.flush()
    for line in stdout:
        match line.split(maxsplit=1):
            case [b"ended:", failure]:
                return str(json.loads(failure))
            case [done, total] if line.replace(b" ", b"").strip().isdigit():
                tell(int(done) / int(total))
    raise EOFError


def _end(child: "subprocess.Popen[bytes]") -> None:
    """End the child with its kernel, and what that is just starting. A running lab is not among its children."""
    family = [psutil.Process(child.pid), *psutil.Process(child.pid).children(recursive=True)]
    # It waits, and closes the pipes.
    with child:
        for process in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()


def _end_labs(notebook: str) -> None:
    """End the lab that the notebook has started, however far it came."""
    for folder, state in started().items():
        if state.owner == notebook:
            clear(folder)


def _run(wanted: dict[str, Any]) -> str:
    import papermill
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
    from papermill.exceptions import PapermillException, PapermillExecutionError

    try:
        papermill.execute_notebook(
            **wanted,
            progress_bar={"file": sys.stdout, "bar_format": "{n} {total}\n", "mininterval": 0},
            # Every kernel on TCP warns about that, even on loopback.
            extra_arguments=["--log-level=ERROR"],
        )
    except PapermillExecutionError as error:
        # Not by its number: papermill's own cell with the parameters counts, too.
        first = error.source.strip().partition("\n")[0]
        return f"The cell that begins with `{first}` failed: {error.ename}: {error.evalue}"
    except CellTimeoutError:
        return f"A cell took longer than {wanted['execution_timeout']:g} s; allow more with `labkit report --timeout`."
    except (DeadKernelError, CellExecutionError, PapermillException) as error:
        return f"The notebook could not be run: {error}"
    return ""


def _end_with_who_started_us() -> None:
    # Not sys.stdin: a thread that waits in it would hold up the end of the interpreter.
    while os.read(0, 1):
        pass
    os._exit(1)  # without telling the kernel, which watches for its parent's end


if __name__ == "__main__":
    asked = json.loads(sys.stdin.readline())
    Thread(target=_end_with_who_started_us, daemon=True).start()
    sys.stdout.write(f"\nended: {json.dumps(_run(asked))}\n")
