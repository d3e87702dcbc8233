"""Everything that can go wrong, by what the caller can do about it.

    AiokaiError
    ├── ConfigError             keep the configuration that works; at start: end with path and reason
    ├── InvalidObjectError      condition `Invalid` on that object; nobody else is disturbed
    ├── DumpError               a case file that cannot be read: path in the file and reason
    └── ApiError                an answer of the API server, or none
        ├── BadRequestError     400, 422: the server will never take this; its text goes to the user
        ├── ForbiddenError      401, 403: quota, service account, terminating namespace: try again later
        ├── NotFoundError       404: the object is gone
        ├── ConflictError       409: somebody was faster, or the object exists; read again
        ├── ExpiredError        410: the resourceVersion is too old; list again
        ├── ThrottledError      429: wait as told
        └── UnavailableError    5xx, timeout, reset: what happened is unknown; look before repeating a write

A broken invariant is an `AssertionError`: no caller can do anything about it.
"""


class AiokaiError(Exception):
    """Any error that aiokai raises on purpose."""


class ConfigError(AiokaiError):
    """A configuration that cannot be used. The text names file, path and reason."""


class DumpError(AiokaiError):
    """A case file or dump that cannot be read. The text names file, path and reason."""


class InvalidObjectError(AiokaiError):
    """An object that says something impossible.

    Attributes:
        path: where, as `spec.tasks[0].replicas`; empty for the whole object.
        reason: what is wrong with the value there, for the person who wrote it.
    """

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}" if path else reason)
        self.path = path
        self.reason = reason


class ApiError(AiokaiError):
    """An answer of the API server that is not the wanted one, or no answer.

    Attributes:
        code: HTTP status, 0 without an answer.
        reason: the Status object's reason, such as `AlreadyExists`; empty without one.
        cause: the first of the Status object's causes, such as `DisruptionBudget`; empty without one.
        retry_after_s: seconds that the server asked to wait; None when it did not.
    """

    def __init__(
        self, message: str, *, code: int = 0, reason: str = "", cause: str = "", retry_after_s: float | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.cause = cause
        self.retry_after_s = retry_after_s


class BadRequestError(ApiError):
    pass


class ForbiddenError(ApiError):
    pass


class NotFoundError(ApiError):
    pass


class ConflictError(ApiError):
    pass


class ExpiredError(ApiError):
    pass


class ThrottledError(ApiError):
    pass


class UnavailableError(ApiError):
    pass
