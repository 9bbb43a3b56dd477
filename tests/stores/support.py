"""What the tests of the shared stores have in common: a virtual clock fit for servers, servers to be killed, proxies."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
from pathlib import Path

from maestro.testing.conformance.lease_machine import LeaseMachine

SERVICES = Path(__file__).parent.parent / "services"


class ServerClock:
    """A virtual clock as a server shows it: the reboot of a client's machine does not set it back.

    The kit says that a reboot ends every lease, as it does where leases live by a machine's boot clock. Here a reboot
    takes longer than the longest lease, which comes to the same.
    """

    def __init__(self, clock):
        self._clock = clock

    def boot_id(self):
        return "server"

    def nanoseconds(self):
        boots = int(self._clock.boot_id().rsplit("-", 1)[1])
        return self._clock.nanoseconds() + boots * 400 * 86_400 * 10**9


class OwnServer:
    """A server of one test's own, on a fixed port, so that it can be killed and started again."""

    def __init__(self, name):
        self.name = name
        # Under root the server runs as an unprivileged account, which has to enter this folder; pytest shuts its own.
        self.folder = Path(tempfile.mkdtemp(prefix="maestro-own-"))
        self.folder.chmod(0o755)
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]

    def start(self):
        environment = os.environ | {"SERVICES_DIR": str(self.folder), "PORT": str(self.port)}
        done = subprocess.run(
            [SERVICES / f"up-{self.name}.sh"],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if done.returncode:
            log = self.folder / self.name / "log"
            said = log.read_text().splitlines()[-5:] if log.exists() else []
            raise OSError("\n".join([f"up-{self.name}.sh ended with {done.returncode}", done.stderr, *said]))
        return done.stdout.strip()

    def signal(self, number):
        """Send a signal to the server and all its children."""
        pid = int((self.folder / self.name / "pid").read_text().splitlines()[0])
        children = subprocess.run(
            ["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False
        ).stdout
        for one in (pid, *map(int, children.split())):
            with contextlib.suppress(ProcessLookupError):
                os.kill(one, number)

    def kill(self):
        """SIGKILL to the server and all its children, waiting until the port is free."""
        self.signal(signal.SIGKILL)
        while answers(self.port):
            threading.Event().wait(0.01)

    def lose_data(self):
        shutil.rmtree(self.folder / self.name)

    def stop(self):
        environment = os.environ | {"SERVICES_DIR": str(self.folder), "SERVICES_PURGE": "1"}
        subprocess.run([SERVICES / "down.sh"], env=environment, capture_output=True, check=True, timeout=60)
        shutil.rmtree(self.folder)


def answers(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class CuttingProxy:
    """Hands TCP through to a server, and can cut a connection after a request went in and before its answer comes out.

    `cut_after(b"COMMIT")`: the next request that contains the text reaches the server, and the server's answer arrives
    here, so what was asked has happened; then the connection is cut, and the client never hears of it.
    """

    def __init__(self, port):
        self._port = port
        self._marker = None
        self.cuts = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def cut_after(self, marker):
        self._marker = marker

    def close(self):
        self._listener.close()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        with (
            client,
            socket.create_connection(("127.0.0.1", self._port)) as server,
            contextlib.suppress(OSError),
        ):
            doomed = threading.Event()
            threading.Thread(target=self._answers_of, args=(server, client, doomed), daemon=True).start()
            while request := client.recv(65_536):
                if self._marker and self._marker in request:
                    self._marker = None
                    doomed.set()
                server.sendall(request)

    def _answers_of(self, server, client, doomed):
        with contextlib.suppress(OSError):
            while answer := server.recv(65_536):
                if doomed.is_set():
                    self.cuts += 1
                    break
                client.sendall(answer)
            for one in (client, server):
                one.shutdown(socket.SHUT_RDWR)


class _Token(int):
    """A lease's token in the model, to which a rule adds 0, 1 or -1: the sum is the model's name for the store's sum."""

    def __new__(cls, mine, theirs, known):
        token = super().__new__(cls, mine)
        token.theirs, token.known = theirs, known
        return token

    def __add__(self, step):
        return self.known.get(self.theirs + step, -1)


class ServerMachine(LeaseMachine):
    """The kit's machine for tokens with gaps.

    The token beside one may be another lease's in the model and nobody's in the store: here the model is asked about
    the lease that the store is asked about.
    """

    def holder(self, which):
        tenant, run, mine, theirs = super().holder(which)
        known = {token: number for number, token in self.tokens.items()}
        return tenant, run, _Token(mine, theirs, known), theirs
