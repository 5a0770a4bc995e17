"""Hybrids that lack their piece layers: hashed from the files; halves that disagree do no harm."""

from pathlib import Path

import pytest
import trio

from axon.bt import bencode
from axon.bt.create import CreateOptions
from axon.bt.metainfo import parse_info, parse_torrent
from axon.errors import ConfigError
from axon.peer.hashing import make_torrent
from axon.peer.source import TorrentSource
from tests.peer.swarming import make_file, running


def bare(tmp_path, change=None):
    """A hybrid as a v1 magnet link brings it, without layers; `change` may spoil the file's root."""
    make_file(tmp_path / "seed", 300_001)
    data = make_torrent(tmp_path / "seed" / "file.bin", CreateOptions(version="hybrid", piece_length=1 << 15))
    raw = parse_torrent(data).raw_info
    info = bencode.decode(raw)
    if change is not None:
        leaf = info[b"file tree"][b"file.bin"][b""]
        leaf[b"pieces root"] = change(leaf[b"pieces root"])
        raw = bencode.encode(info)
    return parse_torrent(data), parse_info(raw)


async def seeding(tmp_path, metainfo, until):
    async with running(tmp_path / "a") as one:
        source = TorrentSource(Path(tmp_path / "seed"), metainfo, metainfo.info_hash, metainfo.info_hash_v2)
        swarm = one.node.add(source)
        await one.wait_for("complete")
        with trio.fail_after(60):
            while not until(one, swarm):
                await trio.sleep(0.01)
        return swarm


async def test_a_complete_hybrid_hashes_the_layers_that_it_lacks(tmp_path):
    whole, lacking = bare(tmp_path)
    assert lacking.missing_piece_layers and not whole.missing_piece_layers
    swarm = await seeding(tmp_path, lacking, lambda _, swarm: not swarm.metainfo.missing_piece_layers)
    assert swarm.metainfo.piece_layers == swarm.content.metainfo.piece_layers == whole.piece_layers


async def test_a_hybrid_whose_halves_disagree_is_served_by_its_v1_half(tmp_path):
    _, lacking = bare(tmp_path, lambda root: root[::-1])

    def warned(one, swarm):
        return any("v1 half" in str(facts) for event, facts in one.events if event == "warning")

    swarm = await seeding(tmp_path, lacking, warned)
    assert not swarm.paused and swarm.metainfo.missing_piece_layers


async def test_a_link_by_the_other_name_of_a_running_hybrid_is_refused(tmp_path):
    whole, _ = bare(tmp_path)
    (tmp_path / "t.torrent").write_bytes(
        make_torrent(tmp_path / "seed" / "file.bin", CreateOptions(version="hybrid", piece_length=1 << 15))
    )
    async with running(tmp_path / "a") as seed, running(tmp_path / "b") as both:
        seed.add(tmp_path / "t.torrent", tmp_path / "seed")
        await seed.wait_for("added")
        both.add(f"magnet:?xt=urn:btih:{whole.info_hash.hex()}", tmp_path / "out", seed)
        await both.wait_for("complete")
        with pytest.raises(ConfigError, match="given twice"):
            both.add(f"magnet:?xt=urn:btmh:1220{whole.info_hash_v2.hex()}", tmp_path / "again", seed)
