"""Nothing is answered before it is durable, nothing answered is ever lost, and a failing part says so and no more."""

from __future__ import annotations

import contextlib
import errno
import itertools
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from tallystick.core.checkpoint import open_checkpoint
from tallystick.core.errors import Broken, TallystickError, Unavailable
from tallystick.core.limits import LOG_BATCH_ENTRIES_MAX
from tallystick.inference.log.files import Files
from tallystick.services.client import Checked, GatewayClient
from tallystick.services.gateway import Cadence
from tests.services.deployed import INFER, NAME, TRUSTED, VERSION, Running, ask, model_bytes, open_log, serving
from tests.services.wire import Answer, Client, connected, request

ROOT = Path(__file__).resolve().parents[2]
POST = ("Content-Type: application/json",)
KILLS = 20 if os.environ.get("TALLYSTICK_LONG") else 2
QUIET = Cadence(checkpoint_s=600, anchor_s=600)


class FailingFiles(Files):
    """Real files whose data syncs and writes go wrong when told to."""

    def __init__(self) -> None:
        super().__init__()
        self.write_error = 0
        self.names: dict[int, str] = {}
        self.only = ""  # when set, writes to files of this name alone go wrong
        self.sync_error = 0
        self.may_sync = threading.Event()
        self.may_sync.set()
        self.syncing = threading.Event()

    def open(self, path: Path, flags: int) -> int:
        fd = super().open(path, flags)
        self.names[fd] = path.name
        return fd

    def pwrite(self, fd: int, data: bytes | memoryview, offset: int) -> int:
        if self.write_error and self.only in ("", self.names[fd]):
            raise OSError(self.write_error, os.strerror(self.write_error))
        return super().pwrite(fd, data, offset)

    def fdatasync(self, fd: int) -> None:
        self.syncing.set()
        assert self.may_sync.wait(60)
        if self.sync_error:
            raise OSError(self.sync_error, os.strerror(self.sync_error))
        super().fdatasync(fd)


def infer(running: Running, body: bytes) -> Answer:
    with connected(running.port) as client:
        client.send(request("POST", INFER, POST, body))
        return client.answer()


def get(running: Running, path: str) -> tuple[int, Any]:
    with connected(running.port) as client:
        client.send(request(path=path))
        answer = client.answer()
        return answer.status, orjson.loads(answer.body)


def hold_syncs(running: Running, files: FailingFiles) -> None:
    """Let no data sync pass from now on; the first checkpoint, of the empty log, has had its own."""
    until(lambda: running.log.reader.checkpoint() is not None)
    files.syncing.clear()
    files.may_sync.clear()


def until(check: Callable[[], bool]) -> None:
    """Return when `check` holds; the bound only keeps a failing test from waiting for ever."""
    for _ in range(2_000):
        if check():
            return
        time.sleep(0.01)
    raise AssertionError("it never came to that")


# --- the disk


def test_an_answer_waits_for_the_disk(folder: Path) -> None:
    files = FailingFiles()
    with serving(folder, files=files, cadence=QUIET) as running, connected(running.port) as client:
        hold_syncs(running, files)
        client.send(request("POST", INFER, POST, ask(1)))
        assert files.syncing.wait(20)
        assert get(running, "/v2/health/live")[0] == 200  # others are served meanwhile
        client.sock.settimeout(0.2)
        with pytest.raises(TimeoutError):
            client.answer()
        files.may_sync.set()
        client.sock.settimeout(20)
        assert client.answer().status == 200


def test_a_full_disk_refuses_for_now_and_serves_again_when_there_is_room(folder: Path) -> None:
    files = FailingFiles()
    with serving(folder, files=files, cadence=QUIET) as running:
        assert infer(running, ask(1)).status == 200
        files.write_error = errno.ENOSPC
        answer = infer(running, ask(2))
        assert (answer.status, answer.headers["retry-after"]) == (503, "1")
        assert orjson.loads(answer.body) == {"error": "no space left for the log", "code": "log.full"}
        assert get(running, "/v2/health/ready") == (503, {"live": True, "ready": False})
        assert get(running, f"/v2/models/{NAME}/ready") == (503, {"name": NAME, "ready": False})
        assert get(running, "/v2/health/live")[0] == 200
        files.write_error = 0
        until(lambda: infer(running, ask(3)).status == 200)
        until(lambda: get(running, "/v2/health/ready")[0] == 200)
        assert running.log.size == 2
    assert not running.failure


@pytest.mark.parametrize("fault", ["sync_error", "write_error"])
def test_a_failing_disk_ends_the_server_after_it_has_said_so(folder: Path, fault: str) -> None:
    files = FailingFiles()
    logging.disable(logging.CRITICAL)
    try:
        with serving(folder, files=files, cadence=QUIET) as running:
            kept = running.client().predict_many([ask(1)])[0]
            setattr(files, fault, errno.EIO)
            answer = infer(running, ask(2))
            assert (answer.status, orjson.loads(answer.body)["error"]) == (503, "the log has stopped")
            running.thread.join(20)
            assert not running.thread.is_alive()
            assert isinstance(running.failure[0], Broken)
            setattr(files, fault, 0)
    finally:
        logging.disable(logging.NOTSET)
    with open_log(folder) as log:  # a new process finds what was answered
        assert log.reader.entry(kept.index) == kept.entry


def test_a_disk_that_falls_behind_makes_clients_wait_their_turn(folder: Path) -> None:
    files = FailingFiles()
    with serving(folder, files=files, cadence=QUIET) as running:
        hold_syncs(running, files)
        with contextlib.suppress(Unavailable):
            for number in itertools.count():
                running.log.append_many([number.to_bytes(4, "big")] * LOG_BATCH_ENTRIES_MAX)
        with contextlib.suppress(Unavailable):
            for _ in range(4 * LOG_BATCH_ENTRIES_MAX):
                running.log.append(b"x")
        answer = infer(running, ask(1))
        assert (answer.status, answer.headers["retry-after"]) == (429, "1")
        assert orjson.loads(answer.body)["code"] == "log.busy"
        files.may_sync.set()
        assert running.client().predict_many([ask(1)])[0].index > 0  # the client is patient


def test_a_checkpoint_that_cannot_be_signed_now_is_signed_later(folder: Path) -> None:
    files = FailingFiles()
    logging.disable(logging.CRITICAL)
    try:
        with serving(folder, files=files, cadence=Cadence(0.05, 600)) as running:
            until(lambda: signed(running).get("size") == 0)
            files.only, files.write_error = "checkpoints", errno.ENOSPC
            assert infer(running, ask(1)).status == 200
            until(lambda: "no space" in signed(running).get("error", ""))
            assert infer(running, ask(2)).status == 200
            files.write_error = 0
            until(lambda: signed(running).get("size") == 2)
            assert "error" not in signed(running)
    finally:
        logging.disable(logging.NOTSET)


def signed(running: Running) -> dict[str, Any]:
    """What the status says of the last checkpoint."""
    found: dict[str, Any] = get(running, "/status")[1]["log"]["checkpoint"] or {}
    return found


# --- anchors


def test_checkpoints_are_anchored_while_predictions_go_on(folder: Path) -> None:
    anchored = []

    def anchorer(checkpoint: bytes) -> dict[str, str | int]:
        assert threading.current_thread() is not threading.main_thread()
        anchored.append(open_checkpoint(checkpoint, [TRUSTED.key]).size)
        return {"transaction": "0xabc"}

    with serving(folder, anchorer=anchorer) as running:
        running.client().predict_many([ask(1)] * 5)
        until(lambda: bool(anchored) and anchored[-1] == 5)
        shown = get(running, "/status")[1]["log"]["anchor"]
        assert (shown["size"], shown["transaction"]) == (5, "0xabc")
    assert anchored == sorted(set(anchored)), "each size is anchored once"


@pytest.mark.parametrize("error", [Unavailable("rpc.down", "the node is gone"), ValueError("secret")])
def test_an_anchor_that_fails_disturbs_no_prediction_and_is_tried_again(folder: Path, error: Exception) -> None:
    tries = []

    def anchorer(_: bytes) -> dict[str, str | int]:
        tries.append(1)
        if len(tries) < 3:
            raise error
        return {}

    logging.disable(logging.CRITICAL)
    try:
        with serving(folder, anchorer=anchorer) as running:
            assert infer(running, ask(1)).status == 200
            until(lambda: len(tries) >= 1)
            assert infer(running, ask(2)).status == 200
            until(lambda: "error" not in (get(running, "/status")[1]["log"]["anchor"] or {"error": 1}))
    finally:
        logging.disable(logging.NOTSET)
    assert not running.failure


def test_a_failed_anchor_is_shown_without_its_insides(folder: Path) -> None:
    def anchorer(_: bytes) -> dict[str, str | int]:
        raise ValueError("secret")

    logging.disable(logging.CRITICAL)
    try:
        with serving(folder, anchorer=anchorer) as running:
            infer(running, ask(1))
            until(lambda: bool(get(running, "/status")[1]["log"]["anchor"]))
            assert get(running, "/status")[1]["log"]["anchor"] == {"error": "ValueError"}
    finally:
        logging.disable(logging.NOTSET)


# --- stopping and dying


@contextlib.contextmanager
def process(folder: Path) -> Iterator[tuple[subprocess.Popen[str], GatewayClient]]:
    """A gateway in a process of its own."""
    model = folder.parent / "model.onnx"
    model.write_bytes(model_bytes())
    command = [sys.executable, "-W", "ignore", "-m", "tests.services.deployed", str(folder), str(model)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as child:
        try:
            assert child.stdout is not None
            port = int(child.stdout.readline())
            yield child, GatewayClient(f"http://127.0.0.1:{port}", NAME, VERSION, TRUSTED)
        finally:
            child.kill()


def load(client: GatewayClient, answers: list[Checked], enough: threading.Event, least: int) -> threading.Thread:
    """Ask until the gateway is gone; every answer is noted, and `enough` set after `least` of them."""

    def note(answer: Checked, _: float) -> None:
        answers.append(answer)
        if len(answers) >= least:
            enough.set()

    def run() -> None:
        with contextlib.suppress(TallystickError):
            client.predict_many([ask(number % 569) for number in range(100_000)], connections=24, on_done=note)

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_every_answer_given_before_a_kill_is_in_the_log_where_its_ticket_says(folder: Path) -> None:
    """Killed under load, started again, killed again: each answered entry is at its promised index, in one log."""
    answers: list[Checked] = []
    for round_number in range(1, KILLS + 1):
        with process(folder) as (child, client):
            enough = threading.Event()
            thread = load(client, answers, enough, 150 * round_number)
            assert enough.wait(60)
            child.send_signal(signal.SIGKILL)
            child.wait(20)
            thread.join(60)
            assert not thread.is_alive()
    with open_log(folder) as log:
        assert len({answer.index for answer in answers}) == len(answers)
        assert log.size > max(answer.index for answer in answers)
        for answer in answers:
            assert log.reader.entry(answer.index) == answer.entry


def test_a_terminated_server_answers_what_it_took_and_signs_a_last_checkpoint(folder: Path) -> None:
    answers: list[Checked] = []
    with process(folder) as (child, client):
        enough = threading.Event()
        thread = load(client, answers, enough, 100)
        assert enough.wait(60)
        child.send_signal(signal.SIGTERM)
        assert child.wait(30) == 0
        thread.join(60)
    with open_log(folder) as log:
        note = log.reader.checkpoint()
        assert note is not None
        assert open_checkpoint(note, [TRUSTED.key]).size == log.size == log.recovered.tree.size
        for answer in answers:
            assert log.reader.entry(answer.index) == answer.entry


def test_a_request_under_way_when_a_stop_is_asked_is_answered(folder: Path) -> None:
    files = FailingFiles()
    with serving(folder, files=files, cadence=QUIET) as running, connected(running.port) as client:
        hold_syncs(running, files)
        client.send(request("POST", INFER, POST, ask(1)))
        assert files.syncing.wait(20)
        running.stop.ask()
        until(lambda: refuses(running.port))
        files.may_sync.set()
        answer = client.answer()
        assert (answer.status, answer.headers["connection"]) == (200, "close")
        running.thread.join(20)
        note = running.log.reader.checkpoint()
        assert note is not None
        assert open_checkpoint(note, [TRUSTED.key]).size == 1


def refuses(port: int) -> bool:
    """Whether nobody listens there any more."""
    try:
        Client(port).close()
    except OSError:
        return True
    return False


def test_two_gateways_cannot_write_one_log(folder: Path) -> None:
    with serving(folder), pytest.raises(Unavailable) as caught, serving(folder):
        pass
    assert caught.value.code == "log.locked"
