"""Opening a long log: after a clean end, after a kill, and the full check; and how much memory it takes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from benches import scratch
from tallystick.inference.log import file_system

QUESTION = "How long does a log of 10 million entries take to come back, and does its memory grow with its length?"

PEAK = """
import resource
def peak_mib():
    try:  # since exec; the other counts what the parent had before it
        status = open("/proc/self/status").read()
        return int(status.split("VmHWM:")[1].split()[0]) // 1024
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
"""

BUILD = (
    PEAK
    + """
import os, signal, sys
from pathlib import Path
from tallystick.inference.log import Log
folder, total, how = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
entries = [os.urandom(174) for _ in range(4096)]
log = Log.open(folder, "example.com/bench")
before = None
while log.size < total:
    pending = log.append_many(entries)[-1]
    if before is not None:
        before.result()
    before = pending
before.result()
print(peak_mib(), flush=True)
if how == "kill":
    os.kill(os.getpid(), signal.SIGKILL)
log.close()
"""
)

OPEN = (
    PEAK
    + """
import json, sys, time
from pathlib import Path
from tallystick.inference.log import Log
start = time.perf_counter()
log = Log.open(Path(sys.argv[1]))
seconds = time.perf_counter() - start
print(json.dumps({"s": seconds, "replayed": log.recovered.replayed, "rewritten": log.recovered.rewritten,
    "size": log.size, "mib": peak_mib()}))
log.close()
"""
)

CHECK = """
import json, sys, time
from pathlib import Path
from tallystick.inference.log import fsck
start = time.perf_counter()
report = fsck(Path(sys.argv[1]))
print(json.dumps({"s": time.perf_counter() - start, "ok": report.ok}))
"""


def run(quick: bool) -> dict[str, Any]:
    """Measure opening after a kill and after a close, the full check, and resident memory."""
    short, long = (50_000, 500_000) if quick else (1_000_000, 10_000_000)
    with scratch() as folder:
        log = folder / "log"
        memory_short = int(_run(BUILD, log, short, "close"))
        memory_long = int(_run(BUILD, log, long, "kill", killed=True))
        killed, clean = json.loads(_run(OPEN, log)), json.loads(_run(OPEN, log))
        (log / "watermark").unlink()
        rebuilt = json.loads(_run(OPEN, log)) if quick else None
        checked = json.loads(_run(CHECK, log))
        assert checked["ok"]
        assert killed["size"] >= long
        notes = [
            f"{killed['size']:,} entries of 174 bytes on {file_system(folder)}; killed {killed['replayed']:,} entries"
            f" after the last watermark, of which {killed['rewritten']:,} were written again into a new segment",
            f"memory is the writer's largest resident size after {short:,} and after {long:,} entries",
        ]
        figures = {
            "open_after_kill_s": round(killed["s"], 3),
            "open_after_close_s": round(clean["s"], 4),
            "replayed_entries": killed["replayed"],
            "fsck_entries_per_s": round(killed["size"] / checked["s"]),
            "memory_short_mib": memory_short,
            "memory_long_mib": memory_long,
            "memory_open_mib": killed["mib"],
        }
        if rebuilt is not None:
            figures["rebuild_entries_per_s"] = round(rebuilt["replayed"] / rebuilt["s"])
    return {"figures": figures, "peer": {}, "notes": notes}


def _run(script: str, folder: Path, *arguments: object, killed: bool = False) -> str:
    command = [sys.executable, "-c", script, str(folder), *map(str, arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    assert done.returncode == (-9 if killed else 0), done.returncode
    return done.stdout
