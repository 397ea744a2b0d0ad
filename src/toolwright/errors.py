"""The tree of exceptions: the branch says who must act; the message what happened, to which value, and the cure."""

from __future__ import annotations

from toolwright.masking import hushed


class ToolwrightError(Exception):
    """Base of everything Toolwright raises. `exit_code` is what the command line ends with.

    Its text holds no secret: what was put in is masked when it is read.
    """

    exit_code = 1

    def __str__(self) -> str:
        return hushed(super().__str__())


class UserError(ToolwrightError):
    """The person (or the program) that called must change something: a value, a file, a setting."""

    exit_code = 2


class SettingsError(UserError):
    """A setting, policy file or flag cannot be used as it stands."""


class SpecError(UserError, ValueError):
    """A request for a tool cannot be read; the message says what to write instead."""


class NotFoundError(UserError, LookupError):
    """No tool, version, run or file answers to that name."""


class RetiredError(NotFoundError):
    """The tool was taken off the shelf; the message says how it comes back."""

    exit_code = 4


class EvidenceError(UserError, ValueError):
    """A value was to be built from evidence that does not support it (a ToolVersion of a failed verdict)."""


class EditedError(UserError):
    """A tool's file on disk no longer matches its digest; it does not run until it has been validated again."""

    reason: str = "edited"
    """Machine-readable; a version whose provenance does not hold says another one."""


class RefusedError(ToolwrightError):
    """Policy, a limit, or a person said no. `reason` is machine-readable."""

    exit_code = 4

    def __init__(self, message: str, reason: str = "refused") -> None:
        super().__init__(message)
        self.reason = reason


class ModelError(ToolwrightError):
    """A language model or its provider failed for good; the message is one clear sentence."""

    exit_code = 5


class SandboxError(ToolwrightError):
    """No wall can be had on this machine, or a layer that the job depends on is missing."""

    exit_code = 6


class FaultError(ToolwrightError):
    """Ours, the disk's or the network's fault; never held against a tool."""

    exit_code = 7


class UnansweredError(ToolwrightError):
    """A person has to answer first, and nobody is there; `question` is the number of what they are asked."""

    exit_code = 8

    def __init__(self, message: str, question: int) -> None:
        super().__init__(message)
        self.question = question


def quoted(value: object, longest: int = 120) -> str:
    """*value* in quotes, on one line and cut in the middle, for a message."""
    text = repr(value)
    return text if len(text) <= longest else f"{text[: longest - 21]}…{text[-20:]}"
