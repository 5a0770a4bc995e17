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
    "alert_mask": 0,
}


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
    if mode == "seed":
        params.flags = lt.torrent_flags.seed_mode
    handle = session.add_torrent(params)
    while handle.status().state in (lt.torrent_status.checking_files, lt.torrent_status.checking_resume_data):
        time.sleep(0.02)
    say("listening", port=session.listen_port())
    stop = []
    signal.signal(signal.SIGTERM, lambda *_: stop.append(1))
    for port in ports:
        handle.connect_peer(("127.0.0.1", int(port)))
    first = done = False
    while not stop:
        time.sleep(0.005 if mode == "download" and not done else 0.05)
        status = handle.status()
        if not first and (status.total_payload_download or status.total_payload_upload):
            first = True
            say("first")
        if mode == "download" and not done and status.is_seeding:
            done = True
            say("complete", downloaded=status.total_payload_download)


if __name__ == "__main__":
    main()
