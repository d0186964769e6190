"""What can be wrong with a wish. Raised narrow by services, translated once per door."""


class DomainError(Exception):
    """A wish that cannot be granted; the text is one sentence for a person: cause and next step."""

    code = "error"

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field


class NotPermitted(DomainError):
    """The actor lacks the permission."""

    code = "permission_denied"


class NotFound(DomainError):
    """The object does not exist for this actor."""

    code = "not_found"


class Invalid(DomainError):
    """A value that breaks a rule; ``field`` names it."""

    code = "invalid"


class Conflict(DomainError):
    """The state of things does not allow it now."""

    code = "conflict"


class Passing(Conflict):
    """A conflict that passes by itself: the same wish may be granted after about ``retry_after_s`` seconds."""

    def __init__(self, message: str, *, retry_after_s: int = 60, field: str | None = None) -> None:
        super().__init__(message, field=field)
        self.retry_after_s = retry_after_s


class NotSupported(DomainError):
    """The station, or this version of OCPP, cannot do it."""

    code = "not_supported"


class Busy(DomainError):
    """Another process holds what is needed; the same wish may be granted a moment later."""

    code = "busy"
    retry_after_s = 2

    def __init__(self) -> None:
        super().__init__("Somebody else is at work on this just now. Nothing was changed; try it again.")


class TooMany(DomainError):
    """As much as one may have under way at once is under way already."""

    code = "throttled"
    retry_after_s = 30

    def __init__(self) -> None:
        super().__init__(
            "As many downloads as may run at once are running. Let one of them end, then try again."
        )


class NoRoom(DomainError):
    """The disk is full (promises.md F-19); nothing was kept."""

    code = "no_room"

    def __init__(self) -> None:
        super().__init__("There is no room for the file. Nothing was kept; tell who runs the portal.")
