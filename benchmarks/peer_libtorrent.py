"""libtorrent as a benchmark's seed or downloader; prints JSON events.

Usage: python peer_libtorrent.py seed|download TORRENT FOLDER LISTEN-PORT [PEER-PORT…]
Its settings are the fastest that were found for loopback: no uTP, unlimited slots, large buffers.
"""

import json
import signal
import sys
import time

import libtorrent as lt

TUNED = {
    "listen_interfaces": "127.0.0.1:0",
    "enable_dht": False,
    "enable_lsd": False,
    "enable_upnp": False,
    "enable_natpmp": False,
    "enable_incoming_utp": False,
    "enable_outgoing_utp": False,
    "allow_multiple_connections_per_ip": True,
    "out_enc_policy": lt.enc_policy.disabled,
    "in_enc_policy": lt.enc_policy.enabled,
    "unchoke_slots_limit": -1,
    "rate_limit_ip_overhead": False,
    "send_buffer_watermark": 4 << 20,
    "send_buffer_low_watermark": 1 << 20,
    "send_buffer_watermark_factor": 150,
    "max_out_request_queue": 2000,
    "max_allowed_in_request_queue": 4000,
    "request_queue_time": 10,
    "max_queued_disk_bytes": 64 << 20,
    "torrent_connect_boost": 255,
    "connection_speed": 200,
    "alert_mask": lt.alert.category_t.status_notification,
}
READY = (lt.torrent_status.downloading, lt.torrent_status.finished, lt.torrent_status.seeding)


def say(event, **facts):
    print(json.dumps({"event": event, **facts}), flush=True)


def main():
    mode, torrent, folder, listen, *ports = sys.argv[1:]
    TUNED["listen_interfaces"] = f"127.0.0.1:{listen}"
    if mode == "download":
        TUNED["close_redundant_connections"] = True
    session = lt.session(TUNED)
    params = lt.add_torrent_params()
    params.ti = lt.torrent_info(torrent)
    params.save_path = folder
    params.trackers = []
    handle = session.add_torrent(params)
    while handle.status().state not in READY:  # it hashes what is there first, as our peer does
        time.sleep(0.02)
    say("listening", port=session.listen_port())
    stop = []
    signal.signal(signal.SIGTERM, lambda *_: stop.append(1))
    for port in ports:
        handle.connect_peer(("127.0.0.1", int(port)))
    while not stop:
        # Waiting for alerts costs nothing, where asking for the status costs its network thread's time.
        session.wait_for_alert(200)
        for alert in session.pop_alerts():
            if mode == "download" and isinstance(alert, lt.torrent_finished_alert):
                say("complete")


if __name__ == "__main__":
    main()
