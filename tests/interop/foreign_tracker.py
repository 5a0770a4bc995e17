"""A small HTTP tracker that shares no code with ours: standard library only, compact IPv4, in memory."""

import socket
import struct
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote_to_bytes


class ForeignTracker:
    """Runs in threads of this process; a context manager.

    Attributes
    ----------
    announces : list of dict
        Every query received, as bytes by name.
    """

    def __init__(self):
        self.announces = []
        self._swarms = {}
        self._lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                body = outer._answer(self.path.partition("?")[2])
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/announce"

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, query):
        pairs = (item.partition("=") for item in query.split("&"))
        told = {name: unquote_to_bytes(value) for name, _, value in pairs}
        peer = socket.inet_aton("127.0.0.1") + struct.pack(">H", int(told["port"]))
        with self._lock:
            self.announces.append(told)
            swarm = self._swarms.setdefault(told["info_hash"], {})
            if told.get("event") == b"stopped":
                swarm.pop(peer, None)
            else:
                swarm[peer] = int(told.get("left", 1))
            others = b"".join(other for other in swarm if other != peer)
            seeds = sum(left == 0 for left in swarm.values())
            leechers = len(swarm) - seeds
        return b"d8:completei%de10:incompletei%de8:intervali2e12:min intervali1e5:peers%d:%se" % (
            seeds,
            leechers,
            len(others),
            others,
        )

    def events(self, peer_id_prefix):
        """The events that peers of one client sent, in order."""
        return [
            told.get("event", b"").decode()
            for told in self.announces
            if told["peer_id"].startswith(peer_id_prefix)
        ]
