"""What was received, on disk: read again from anywhere, whole after a kill, within its room."""

import os
import threading

import pytest

from oddspipe.core.adapters.live.spool import Spool
from oddspipe.core.errors import RunError

ROOM = 1 << 20


_OPEN = []


def opened(folder, room=ROOM):
    spool = Spool(folder, room)
    _OPEN.append(spool)
    return spool


@pytest.fixture(autouse=True)
def closed():
    yield
    while _OPEN:
        _OPEN.pop().close()


def texts(block):
    pairs = zip(block.starts.tolist(), block.ends.tolist(), strict=True)
    return [block.data[start:end].tobytes() for start, end in pairs]


def everything(spool, position=None):
    position = spool.first if position is None else position
    found = []
    while (block := spool.read(position, 0.0)) is not None:
        assert block.first == position
        found += texts(block)
        position += len(block.starts)
    return found


def filled(folder, batches=5, size=3):
    spool = opened(folder)
    for batch in range(batches):
        messages = [f"m{batch}-{i}".encode() for i in range(size)]
        spool.append(messages, 1000 + batch, f"c{batch}".encode())
    return spool


@pytest.mark.proves("same", "websocket", "pubsub")
def test_messages_are_read_again_from_any_position_also_by_another_process(tmp_path):
    spool = filled(tmp_path)
    wanted = [f"m{batch}-{i}".encode() for batch in range(5) for i in range(3)]
    spool.close()
    again = opened(tmp_path)

    assert (again.first, again.end, again.cursor) == (0, 15, b"c4")
    for position in range(16):
        assert everything(again, position) == wanted[position:]
    block = again.read(4, 0.0)
    assert block.received_us.tolist() == [1001, 1001]
    again.append([b"more"], 7, b"c5")
    assert everything(again, 15) == [b"more"]


@pytest.mark.parametrize("cut", [1, 5, 20, 31])
@pytest.mark.proves("kill", "websocket", "pubsub")
def test_a_torn_end_is_cut_off_with_its_cursor(tmp_path, cut):
    filled(tmp_path).close()
    (file,) = tmp_path.glob("*.spool")
    whole = file.read_bytes()
    file.write_bytes(whole[:-cut])
    spool = opened(tmp_path)

    assert (spool.end, spool.cursor) == (12, b"c3")
    spool.append([b"m4 again"], 9, b"c4")
    assert everything(spool, 11) == [b"m3-2", b"m4 again"]


def test_a_changed_byte_is_not_read(tmp_path):
    filled(tmp_path).close()
    (file,) = tmp_path.glob("*.spool")
    whole = bytearray(file.read_bytes())
    whole[-3] ^= 1
    file.write_bytes(whole)

    assert opened(tmp_path).end == 12


@pytest.mark.parametrize("byte", [2, 12, 30, 60])
@pytest.mark.proves("told", "websocket", "pubsub")
@pytest.mark.proves("loss", "websocket", "pubsub")
def test_damage_before_the_end_is_told_and_nothing_is_cut_off(tmp_path, byte):
    filled(tmp_path).close()
    (file,) = tmp_path.glob("*.spool")
    whole = bytearray(file.read_bytes())
    whole[byte] ^= 0x10
    file.write_bytes(whole)

    with pytest.raises(RunError, match="damaged at byte 0"):
        Spool(tmp_path, ROOM)
    assert file.read_bytes() == whole


@pytest.mark.proves("loss", "websocket", "pubsub")
def test_what_is_appended_is_on_the_disk_before_it_counts(tmp_path, monkeypatch):
    spool, seen = opened(tmp_path), []
    monkeypatch.setattr(
        "os.fdatasync", lambda handle: seen.append((os.fstat(handle).st_size, spool.end))
    )

    spool.append([b"message"], 1, b"cursor")

    (file,) = tmp_path.glob("*.spool")
    assert seen == [(file.stat().st_size, 0)]
    assert spool.end == 1


def test_nothing_is_appended_behind_half_a_batch(tmp_path, monkeypatch):
    spool = filled(tmp_path)

    def full(_handle):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.fdatasync", full)
        with pytest.raises(RunError, match="No space left on device"):
            spool.append([b"no room"], 1, b"c5")
    with pytest.raises(RunError, match="could not be written before"):
        spool.append([b"behind it"], 1, b"c6")


@pytest.mark.proves("bounded", "websocket", "pubsub")
def test_segments_are_removed_once_nobody_reads_them_again(tmp_path):
    spool = opened(tmp_path, 256 << 10)
    for batch in range(40):
        spool.append([bytes(8000)], batch, b"%d" % batch)
    files = len(list(tmp_path.glob("*.spool")))
    assert files > 3
    assert not spool.has_room()

    spool.trim(20)
    assert 0 < spool.first <= 20
    assert len(everything(spool, 20)) == 20
    assert spool.has_room()
    with pytest.raises(RunError, match="no longer there"):
        spool.read(0, 0.0)
    spool.close()
    assert opened(tmp_path, 256 << 10).first == spool.first


def test_a_segment_that_is_missing_is_told(tmp_path):
    spool = opened(tmp_path, 256 << 10)
    for batch in range(40):
        spool.append([bytes(8000)], batch, b"")
    spool.close()
    sorted(tmp_path.glob("*.spool"))[1].unlink()

    with pytest.raises(RunError, match="messages before it are missing"):
        Spool(tmp_path, 256 << 10)


def test_a_reader_waits_for_what_comes(tmp_path):
    spool = opened(tmp_path)
    later = threading.Timer(0.05, lambda: spool.append([b"here"], 1, b""))
    later.start()

    assert texts(spool.read(0, 5.0)) == [b"here"]
    later.join()
    spool.close()
    assert spool.read(1, 5.0) is None
