"""The tracker's listening sockets: HTTP and UDP, on the same number where the system chooses it."""

import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from axon.errors import ConfigError
from axon.tracker.config import Endpoint
from axon.tracker.http import bind_http
from axon.tracker.udp import bind_udp

__all__ = ["Bound", "names"]


@dataclass(slots=True)
class Bound:
    """What is listened on."""

    http: list[socket.socket] = field(default_factory=list)
    udp: list[socket.socket] = field(default_factory=list)

    def open(self, http: Iterable[Endpoint], udp: Iterable[Endpoint]) -> None:
        """Bind everything.

        Raises
        ------
        ConfigError
            If an address cannot be had.
        """
        for host, port in http:
            self.http.append(bind_http(host, port))
        for host, port in udp:
            # With port 0 both protocols share one number where they can: clients guess so.
            same = [s.getsockname()[1] for s in self.http if port == 0]
            try:
                self.udp.append(bind_udp(host, same[0] if same else port))
            except ConfigError:
                if not same:
                    raise
                self.udp.append(bind_udp(host, port))

    def close(self) -> None:
        """Close all."""
        for sock in (*self.http, *self.udp):
            sock.close()


def names(sockets: Sequence[socket.socket]) -> list[str]:
    """Return ``HOST:PORT`` of each, IPv6 in brackets."""
    rows = [s.getsockname() for s in sockets]
    return [f"[{r[0]}]:{r[1]}" if ":" in r[0] else f"{r[0]}:{r[1]}" for r in rows]
