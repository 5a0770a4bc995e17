"""SHA-1 and SHA-256 of many messages at once: what hashlib says, by whatever code."""

import ctypes
import errno
import hashlib
import platform
import random
import threading
from pathlib import Path

import llvmlite.binding as llvm
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from axon.bt import sha_avx2, sha_avx512, sha_ir, sha_lanes, sha_ni, sha_print
from axon.bt.hashtree import LEAF_SIZE, leaf_hashes
from axon.bt.sha_lanes import LANES, ShaLanes

NAMES = ("sha1", "sha256")
MODULES = {"avx512": sha_avx512, "ni": sha_ni, "avx2": sha_avx2}
NEEDS = {"avx512": ("avx512bw", "avx512vl"), "ni": ("sha_ni", "avx2"), "avx2": ("avx2", "bmi2")}
# FIPS 180-4's example of a million letters "a", as published with the standard
MILLION = {
    "sha1": "34aa973cd4c4daa4f61eeb2bdbad27316534016f",
    "sha256": "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0",
}


@pytest.fixture(scope="module", params=[(name, kind) for name in NAMES for kind in MODULES])
def lanes(request):
    name, kind = request.param
    return on_any_cpu(ShaLanes(name, [kind]))


def on_any_cpu(lanes):
    """Where others are faster, the code is right as well."""
    lanes._kinds = [kind._replace(without=frozenset()) for kind in lanes._kinds]
    return lanes


def able(kind):
    flags = Path("/proc/cpuinfo").read_text()
    return platform.machine() == "x86_64" and all(f" {flag} " in flags for flag in NEEDS[kind])


def expected(lanes, messages):
    return [hashlib.new(lanes.name, message).digest() for message in messages]


def test_the_standards_million_letters(lanes):
    assert (
        lanes.digests([bytearray(b"a" * 1_000_000)] * LANES) == [bytes.fromhex(MILLION[lanes.name])] * LANES
    )


@given(
    count=st.integers(0, 40),
    size=st.integers(0, 300) | st.sampled_from([4096, 4160, 8192, 16384, 16383]),
    odd=st.none() | st.integers(0, 39),
    seed=st.integers(0, 1 << 32),
)
def test_any_number_of_any_messages(lanes, count, size, odd, seed):
    noise = random.Random(seed)
    messages = [bytearray(noise.randbytes(size)) for _ in range(count)]
    if odd is not None and odd < count:
        messages[odd] = bytearray(noise.randbytes(size + noise.randrange(1, 80)))  # one of another length
    assert lanes.digests(messages) == expected(lanes, messages)
    for message in messages:
        message.extend(b"still ours")  # no buffer is held


@given(size=st.integers(0, 40 * 4096), block=st.sampled_from([64, 1000, 4096, 8192]), seed=st.integers(0, 9))
def test_blocks_of_one_buffer(lanes, size, block, seed):
    data = bytearray(random.Random(seed).randbytes(size))
    cut = [data[at : at + block] for at in range(0, size, block)]
    assert lanes.blocks(data, block) == expected(lanes, cut)
    assert lanes.blocks(bytes(data), block) == expected(lanes, cut)
    assert lanes.blocks(memoryview(data)[3:], block) == expected(
        lanes, [data[at : at + block] for at in range(3, size, block)]
    )


def test_every_lane_has_its_own_message(lanes):
    """One flipped bit anywhere changes one digest and no other."""
    noise = random.Random(1)
    messages = [bytearray(noise.randbytes(4096)) for _ in range(LANES)]
    before = lanes.digests(messages)
    for lane, message in enumerate(messages):
        message[noise.randrange(4096)] ^= 1 << noise.randrange(8)
        after = lanes.digests(messages)
        assert [k for k in range(LANES) if before[k] != after[k]] == [lane]
        before = after


def test_read_only_messages_are_hashed_as_well(lanes):
    messages = [bytes([k]) * 4096 for k in range(LANES)]
    assert lanes.digests(messages) == expected(lanes, messages)


def test_many_threads_at_once(lanes):
    wrong = []

    def work(seed):
        noise = random.Random(seed)
        for _ in range(20):
            messages = [bytearray(noise.randbytes(8192)) for _ in range(LANES)]
            if lanes.digests(messages) != expected(lanes, messages):
                wrong.append(seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def damage(monkeypatch, kind):
    """A constant, the last of the code, is not what the standard says."""
    code = {name: right[:-1] + bytes([right[-1] ^ 1]) for name, right in MODULES[kind].CODE.items()}
    monkeypatch.setattr(MODULES[kind], "CODE", code)


@pytest.mark.parametrize("kind", MODULES)
@pytest.mark.parametrize("name", NAMES)
def test_code_that_hashes_wrongly_is_never_used(name, kind, monkeypatch):
    lanes = on_any_cpu(ShaLanes(name, [kind]))
    assert lanes.available is able(kind)
    damage(monkeypatch, kind)
    lanes = on_any_cpu(ShaLanes(name, [kind]))
    assert not lanes.available
    messages = [bytearray(b"%d" % k * 4096) for k in range(LANES)]
    assert lanes.digests(messages) == expected(lanes, messages)


def test_where_no_memory_may_be_executed_hashlib_does_it(monkeypatch):
    def refused(code):
        raise OSError(errno.EACCES, "mprotect")

    monkeypatch.setattr(sha_lanes, "_executable", refused)
    lanes = ShaLanes("sha1")
    assert not lanes.available and not lanes.available
    assert lanes.digests([bytearray(4096)] * 16) == expected(lanes, [bytes(4096)] * 16)


@pytest.mark.parametrize("other", [("Darwin", "x86_64"), ("Linux", "aarch64"), ("Windows", "AMD64")])
def test_other_machines_have_hashlib(other, monkeypatch):
    monkeypatch.setattr(sha_lanes.platform, "system", lambda: other[0])
    monkeypatch.setattr(sha_lanes.platform, "machine", lambda: other[1])
    assert not ShaLanes("sha1").available


def test_no_simd_means_no_lanes(monkeypatch):
    monkeypatch.setenv("AXON_NO_SIMD", "1")
    assert not ShaLanes("sha1").available


@pytest.mark.parametrize("kind", MODULES)
@pytest.mark.parametrize("name", NAMES)
def test_a_linux_uses_what_its_cpu_has(name, kind):
    """AVX2 only where there are no SHA instructions, which are faster."""
    wanted = able(kind) and not (kind == "avx2" and able("ni"))
    assert ShaLanes(name, [kind]).available is wanted


def test_avx_512_can_be_forbidden_alone(monkeypatch):
    monkeypatch.setenv("AXON_NO_SIMD", "avx512")
    assert not ShaLanes("sha1", ["avx512"]).available
    assert ShaLanes("sha1").available is able("avx2")


def test_code_that_is_wrong_does_not_keep_the_others_away(monkeypatch):
    both = [code.lanes for code in ShaLanes("sha1")._codes()]
    damage(monkeypatch, "avx512")
    assert [code.lanes for code in ShaLanes("sha1")._codes()] == [lanes for lanes in both if lanes != 16]


@pytest.mark.parametrize(
    ("count", "calls"),
    [
        (1, []),
        (2, [(4, 2)]),
        (4, [(4, 4)]),
        (5, [(4, 4)]),
        (8, [(4, 4), (4, 4)]),
        (9, [(16, 9)]),
        (16, [(16, 16)]),
        (23, [(16, 16), (4, 4), (4, 3)]),
    ],
)
def test_each_group_goes_the_cheapest_way(count, calls):
    """Sixteen at once cost 3.6 single ones, four 1.6; what is left alone goes by hashlib."""
    made = []

    def kernel(lanes):
        def run(addresses, blocks, padding, out):
            made.append((lanes, len({*addresses})))

        return run

    hashes = ShaLanes("sha1")
    hashes._found = [sha_lanes._Code(16, 3.6, kernel(16)), sha_lanes._Code(4, 1.6, kernel(4))]
    assert len(hashes.digests([bytearray(4096) for _ in range(count)])) == count
    assert made == calls


def test_executable_memory_cannot_be_written():
    """Nothing is run here, so any machine can try."""
    address = ctypes.cast(sha_lanes._executable(bytes(100)), ctypes.c_void_p).value
    for line in Path("/proc/self/maps").read_text().splitlines():
        place, rights, *_ = line.split()
        first, last = (int(text, 16) for text in place.split("-"))
        if first <= address < last:
            assert rights == "r-xp"
            return
    raise AssertionError("the code is nowhere")


def test_the_code_is_what_the_printer_prints():
    """For the LLVM of constraints.txt; the machine that prints needs none of these instructions."""
    assert sha_print.main(["--check"]) == 0


@pytest.mark.parametrize("width", [8, 16])
@pytest.mark.parametrize("name", NAMES)
def test_the_same_source_hashes_by_the_compiler_of_any_machine(name, width):
    """LLVM's own code for this CPU, whatever it is: so the source itself is tried everywhere."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    machine = llvm.Target.from_default_triple().create_target_machine(cpu=llvm.get_host_cpu_name())
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(sha_ir.kernel_source(name, width)), machine)
    engine.finalize_object()
    types = (ctypes.c_void_p, ctypes.c_int64, ctypes.c_char_p, ctypes.c_void_p)
    lanes = ShaLanes(name)
    kernel = ctypes.CFUNCTYPE(None, *types)(engine.get_function_address(name))
    lanes._found = [sha_lanes._Code(width, 1, kernel)]
    for size in (4096, 4160, 16384):
        messages = [bytearray(random.Random(k).randbytes(size)) for k in range(37)]
        assert lanes.digests(messages) == expected(lanes, messages)


@settings(max_examples=20)
@given(st.integers(0, 70 * LEAF_SIZE))
def test_the_leaves_of_a_v2_piece(size):
    data = bytearray(random.Random(size).randbytes(size))
    assert leaf_hashes(data) == [
        hashlib.sha256(data[at : at + LEAF_SIZE]).digest() for at in range(0, size, LEAF_SIZE)
    ]
