"""Threads and tasks that wait for their entries: each learns its own index, when it is durable, and never before."""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
import threading
import time
from pathlib import Path

import pytest

from tallystick.core import merkle
from tallystick.core.checkpoint import open_checkpoint
from tallystick.core.errors import InvalidInput, Unavailable
from tallystick.inference.log import Log, LogReader, Pending
from tests.inference.conftest import KEY, ORIGIN, VKEY, OpenLog
from tests.inference.faulty import FaultyFiles, Unsynced
from tests.inference.reading_along import read_along


class HeldFiles(Unsynced):
    """The writer's data syncs wait until `release` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.release = threading.Event()
        self.release.set()

    def fdatasync(self, fd: int) -> None:
        if threading.current_thread().name.startswith("log "):
            self.release.wait(30)
        super().fdatasync(fd)


def test_nothing_is_acknowledged_before_it_is_synced(folder: Path, open_log: OpenLog) -> None:
    files = HeldFiles()
    with open_log(files=files) as log, LogReader(folder) as reader:
        log.append(b"first").result()
        files.release.clear()
        pending = log.append(b"second")
        with pytest.raises(Unavailable) as caught:
            pending.result(0.2)
        assert caught.value.code == "log.timeout"
        assert not pending.done
        assert (log.size, reader.size) == (1, 1)
        with pytest.raises(InvalidInput):
            reader.entry(1)
        assert open_checkpoint(log.checkpoint(), [VKEY]).size == 1
        files.release.set()
        assert pending.result() == 1
        assert reader.entry(1) == b"second"


def test_a_thousand_tasks_each_learn_their_own_index(open_log: OpenLog) -> None:
    async def producer(log: Log, name: int) -> list[tuple[int, bytes]]:
        found = []
        for n in range(5):
            entry = b"%d-%d" % (name, n)
            found.append((await log.append(entry), entry))
        return found

    async def all_of(log: Log) -> list[tuple[int, bytes]]:
        groups = await asyncio.gather(*(producer(log, name) for name in range(1000)))
        for group in groups:
            assert [index for index, _ in group] == sorted(index for index, _ in group)
        return [pair for group in groups for pair in group]

    with open_log() as log:
        found = dict(asyncio.run(all_of(log)))
        assert sorted(found) == list(range(5000))
        for start in (0, 4096):
            end = min(5000, start + 4096)
            assert log.reader.entries(start, end) == [found[index] for index in range(start, end)]


def test_threads_and_several_event_loops_share_a_log(open_log: OpenLog) -> None:
    indices: list[int] = []
    lock = threading.Lock()

    def blocking(log: Log) -> None:
        mine = [log.append(b"thread").result() for _ in range(20)]
        with lock:
            indices.extend(mine)

    def looping(log: Log) -> None:
        async def one() -> int:
            return await log.append(b"task")

        async def many() -> list[int]:
            return list(await asyncio.gather(*(one() for _ in range(50))))

        mine = asyncio.run(many())
        with lock:
            indices.extend(mine)

    with open_log() as log:
        threads = [threading.Thread(target=target, args=(log,)) for target in (blocking, looping) * 6]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(indices) == list(range(6 * 20 + 6 * 50))


def test_a_cancelled_task_does_not_disturb_those_who_wait_beside_it(open_log: OpenLog) -> None:
    files = HeldFiles()

    async def story(log: Log) -> None:
        async def wait_for(pending: Pending) -> int:
            return await pending

        await log.append(b"first")
        files.release.clear()
        tasks = [asyncio.create_task(wait_for(log.append(b"%d" % n))) for n in range(10)]
        await asyncio.sleep(0.01)
        tasks[3].cancel()
        await asyncio.sleep(0.01)
        assert not tasks[4].done()
        files.release.set()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert isinstance(results[3], asyncio.CancelledError)
        assert [result for n, result in enumerate(results) if n != 3] == [1, 2, 3, 5, 6, 7, 8, 9, 10]

    with open_log(files=files) as log:
        asyncio.run(story(log))


def test_waiting_works_with_asyncio_s_own_tools(open_log: OpenLog) -> None:
    async def story(log: Log) -> None:
        assert await asyncio.wait_for(log.append(b"a"), 5) == 0
        assert await asyncio.gather(log.append(b"b"), log.append(b"c")) == [1, 2]
        done = log.append(b"d")
        await done
        assert await done == 3  # awaiting again is free
        async with asyncio.timeout(5):
            assert await log.append(b"e") == 4

    with open_log() as log:
        asyncio.run(story(log), debug=True)


def test_an_error_reaches_every_waiting_task(open_log: OpenLog) -> None:
    files = FaultyFiles()

    async def story(log: Log) -> None:
        await log.append(b"first")
        files.fault = lambda name, _: "ENOSPC" if name == "pwrite" else None
        results = await asyncio.gather(*(log.append(b"%d" % n) for n in range(50)), return_exceptions=True)
        assert {type(result) for result in results} == {Unavailable}
        assert len({id(result) for result in results}) == 50  # each its own: tracebacks do not pile up
        files.fault = None

    with open_log(files=files) as log:
        asyncio.run(story(log))


def test_a_loop_that_is_gone_does_not_stop_the_log(open_log: OpenLog) -> None:
    files = HeldFiles()

    async def leave(log: Log) -> None:
        asyncio.ensure_future(asyncio.wait_for(log.append(b"nobody waits"), 60))  # noqa: RUF006
        await asyncio.sleep(0.01)

    with open_log(files=files) as log:
        files.release.clear()
        loop = asyncio.new_event_loop()
        loop.run_until_complete(leave(log))
        for task in asyncio.all_tasks(loop):
            task._log_destroy_pending = False  # type: ignore[attr-defined]
        loop.close()
        files.release.set()
        assert log.append(b"later").result(10) == 1
    gc.collect()


def test_leaf_hashes_come_with_the_result(open_log: OpenLog) -> None:
    with open_log() as log:
        pending = log.append_many([b"a", b"b", b"c"])
        assert [one.leaf_hash for one in pending] == merkle.leaf_hashes([b"a", b"b", b"c"])
        assert [one.index for one in pending] == [0, 1, 2]


def test_closing_finishes_what_was_taken_and_refuses_the_rest(open_log: OpenLog) -> None:
    files = HeldFiles()
    log = open_log(files=files)
    files.release.clear()
    pending = [log.append(b"%d" % n) for n in range(100)]
    closer = threading.Thread(target=log.close)
    closer.start()
    time.sleep(0.05)
    with pytest.raises(Unavailable) as caught:
        log.append(b"late")
    assert caught.value.code == "log.closed"
    files.release.set()
    closer.join()
    assert [one.result(0) for one in pending] == list(range(100))
    log.close()


def test_what_is_no_entry_is_refused_and_disturbs_nobody(open_log: OpenLog) -> None:
    with open_log() as log:
        for bad in ("text", bytearray(b"x"), None, bytes(65_536)):
            with pytest.raises(InvalidInput):
                log.append(bad)  # type: ignore[arg-type]
        with pytest.raises(InvalidInput):
            log.append_many([b"fine", "bad"])  # type: ignore[list-item]
        with pytest.raises(InvalidInput):
            log.append_many([b"x"] * 4097)
        with pytest.raises(InvalidInput):
            log.append(b"entry", b"a body where none are kept")
        assert log.append(bytes(65_535)).result() == 0
        assert log.append(b"").result() == 1
        assert log.reader.entries(0, 2) == [bytes(65_535), b""]


def test_large_entries_fill_a_batch_by_bytes(open_log: OpenLog) -> None:
    big = [bytes([n]) * 60_000 for n in range(200)]
    with open_log() as log:
        pending = [log.append(entry) for entry in big]
        assert [one.result() for one in pending] == list(range(200))
        assert log.reader.entries(0, 200) == big
        assert log.reader.entry(150) == big[150]


def test_a_lone_producer_waits_for_nobody(open_log: OpenLog) -> None:
    """Batches grow with the number of producers: a lone one never lingers for others."""
    with open_log() as log:
        for n in range(20):
            assert log.append(b"%d" % n).result() == n
        assert log.stats()["data_syncs"] == 20


def test_producers_that_wait_together_share_a_sync(open_log: OpenLog) -> None:
    async def story(log: Log) -> None:
        async def producer() -> None:
            for _ in range(10):
                await log.append(b"x")

        await asyncio.gather(*(producer() for _ in range(200)))

    with open_log(files=Unsynced()) as log:
        asyncio.run(story(log))
        assert log.size == 2000
        assert int(log.stats()["data_syncs"]) <= 100


def test_readers_in_other_processes_verify_one_shared_checkpoint_while_it_grows(tmp_path: Path) -> None:
    folder = tmp_path / "log"
    context = multiprocessing.get_context("spawn")
    found: multiprocessing.Queue[tuple[int, int, str]] = context.Queue()
    with Log.open(folder, ORIGIN, key=KEY, volatile=True, segment_bytes=30_000) as log:
        log.append(b"entry 0").result()
        log.checkpoint()
        readers = [context.Process(target=read_along, args=(str(folder), str(VKEY), 1.0, found)) for _ in range(2)]
        for reader in readers:
            reader.start()
        results = []
        while len(results) < 2:
            entries = [b"entry %d" % n for n in range(log.size, log.size + 1 + log.size % 97)]
            log.append_many(entries)[-1].result()
            log.checkpoint()
            while not found.empty():
                results.append(found.get())
        for reader in readers:
            reader.join()
    for checked, last, fault in results:
        assert fault == ""
        assert checked >= 3
        assert last > 0


def test_readers_go_on_while_a_new_writer_moves_the_tail(tmp_path: Path) -> None:
    entries = [b"entry %d" % n for n in range(3000)]
    with Log.open(tmp_path / "log", ORIGIN, volatile=True, files=Unsynced()) as log:
        for start in range(0, 3000, 100):
            log.append_many(entries[start : start + 100])[-1].result()
    faults: list[str] = []
    stop = threading.Event()

    def read() -> None:
        with LogReader(tmp_path / "log") as reader:
            while not stop.is_set():
                try:
                    assert reader.entries(1500, 2900) == entries[1500:2900]
                except BaseException as error:  # noqa: BLE001
                    faults.append(repr(error))
                    return

    thread = threading.Thread(target=read)
    thread.start()
    for _ in range(8):
        (tmp_path / "log" / "watermark").unlink()  # as after a crash: all of the last segment is written anew
        with Log.open(tmp_path / "log", volatile=True, files=Unsynced()) as log:
            assert log.recovered.rewritten == 3000
    stop.set()
    thread.join()
    assert faults == []
