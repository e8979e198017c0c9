"""The errors labkit raises, in one tree. Each says what happened and what to do about it.

LabkitError
├── MetricError           a metric was declared or used wrongly (also a ValueError)
├── ConnectionFailed      a URL is malformed, or nothing answers there
├── FlushError            recorded values could not be written in time
├── QueryError            Prometheus refused a query, or did not answer
├── MissingExtra          a part of labkit is used that is not installed (also a ModuleNotFoundError)
└── StackError            the local lab could not do what was asked
    ├── BinaryNotFound    a program is neither installed nor available for download
    ├── PortInUse         a port is in use by another process
    └── ServiceFailed     a process ended, or did not become ready in time
"""


class LabkitError(Exception):
    """The root of all errors that labkit raises on purpose."""


class MetricError(LabkitError, ValueError):
    """A metric was declared or used wrongly: a bad name, label or amount, or a second, different declaration."""


class ConnectionFailed(LabkitError):
    """A URL cannot be used, or no server answers there."""


class FlushError(LabkitError):
    """What was recorded is not (all) in Redis yet. Nothing is lost: the writer keeps it and keeps trying."""


class QueryError(LabkitError):
    """Prometheus refused a query or could not be reached; the message says which, and where."""


class MissingExtra(LabkitError, ModuleNotFoundError):
    """A part of labkit is used whose packages are not installed; the message says what to install."""


class StackError(LabkitError):
    """The local lab could not be started, found or changed."""


class BinaryNotFound(StackError):
    """A program the lab needs is not installed and could not be downloaded."""


class PortInUse(StackError):
    """A port the lab needs is in use by another process."""


class ServiceFailed(StackError):
    """A service ended, or did not answer in time; the message contains the end of its log."""
