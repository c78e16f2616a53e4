"""Who may ask: the token, and names under which a service without one is reached."""

import hmac
import ipaddress
from dataclasses import dataclass

LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")
SHORTEST = 16  # characters of a token


@dataclass(frozen=True)
class Access:
    """Where the service listens, and the token that it asks for.

    Args:
        host: address; loopback alone goes without a token.
        token: that every request for work must have; None = none.

    Raises:
        ValueError: for an address that others reach without a token, or a token that
            is easily guessed.
    """

    host: str = "127.0.0.1"
    token: str | None = None

    def __post_init__(self) -> None:
        if self.token is None:
            if not is_loopback(self.host):
                raise ValueError(
                    f"a token must be given to listen on {self.host}, where others "
                    "reach it, but is not: see --token."
                )
        elif len(self.token) < SHORTEST or not (
            self.token.isascii() and self.token.isprintable() and " " not in self.token
        ):
            raise ValueError(
                f"the token must have at least {SHORTEST} ASCII characters and no "
                "space, but has not."
            )

    def allows(self, given: str) -> bool:
        """Tells whether a token is right, in a time that does not tell how much of it.

        Without a token of its own, any is.
        """
        if self.token is None:
            return True
        return hmac.compare_digest(
            given.encode("utf-8", "surrogatepass"), self.token.encode()
        )

    def knows(self, host: str) -> bool:
        """Tells whether a request was meant for this service, by its Host header.

        A page of a stranger can have its own name lead to 127.0.0.1 in a reader's
        browser, and would then read answers; it has no token.
        """
        return self.token is not None or name_in(host) in (*LOCAL_NAMES, self.host)


def is_loopback(host: str) -> bool:
    """Tells whether an address is reached from this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def name_in(host: str) -> str:
    """Returns a Host header without its port."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower()
