"""Why a model gave no answer, in words a person understands."""

from jarvis.kernel.errors import JarvisError


class ProviderFault(JarvisError):
    """A provider did not answer; `is_passing` says whether trying again may help."""

    code, title, status, exit_code = "provider", "The model did not answer", 503, 69

    def __init__(self, message: str = "", *, is_passing: bool = True, retry_after_seconds: int | None = None) -> None:
        super().__init__(message, retry_after_seconds=retry_after_seconds)
        self.is_passing = is_passing


class NoUsage(ProviderFault):
    """The server takes no request that asks what it used."""


class TooLong(ProviderFault):
    """The conversation does not fit into the model's context."""
