"""A listener that goes on after its connection was lost, and ends when told."""

from threading import Event

from maestro import PortError
from maestro_adapters import listening


def test_it_listens_again_after_a_lost_connection_and_ends_when_silenced(monkeypatch):
    monkeypatch.setattr(listening, "_AGAIN_SECONDS", 0.01)
    heard = []
    again = Event()

    def until(over):
        heard.append("listening")
        if len(heard) == 1:
            raise PortError("lost")
        again.set()
        over.wait()

    silence = listening.listen(until)
    assert again.wait(5)
    silence()
    assert heard == ["listening", "listening"]
