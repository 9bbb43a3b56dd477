"""`maestro` with a bomb: MAESTRO_KILL_AT=POINT:NTH:DELAY kills the process, as `kill -9` does, when the NTH call comes
to POINT, DELAY seconds later. Points: `write` (a commit begins), `commit` (it is done, and nobody knows), `offset`
(the source is about to be told), `told` (it was told)."""

import os
import signal
import sys
import threading

from maestro_adapters.delta import DeltaLake
from maestro_adapters.kafka import KafkaChanges
from maestro_adapters.postgres.slot import SlotChanges
from maestro_sidecar.cli import main

POINT, NTH, DELAY = (os.environ.get("MAESTRO_KILL_AT") or "never:1:0").split(":")
calls = []


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def reached(point):
    if point != POINT:
        return
    calls.append(point)
    if len(calls) == int(NTH):
        timer = threading.Timer(float(DELAY), die)
        timer.daemon = True
        timer.start()
        if not float(DELAY):
            timer.join()


def between(kind, name, before, after):
    inner = getattr(kind, name)

    def outer(*arguments, **named):
        reached(before)
        result = inner(*arguments, **named)
        reached(after)
        return result

    setattr(kind, name, outer)


for name in ("merge", "append"):
    between(DeltaLake, name, "write", "commit")
for kind in (KafkaChanges, SlotChanges):
    between(kind, "acknowledge", "offset", "told")
sys.exit(main())
