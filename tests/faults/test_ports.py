"""A port that somebody else has, and two gangs at the same time."""

from __future__ import annotations

from fault_machine import Machine

from dllab_hub.specs import JobState, Role

#: In the first attempt the other worker has the port before the one that is to listen there.
TAKEN = """
    import os, socket, sys, time
    address = (os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]))
    first = os.environ["DLLAB_ATTEMPT"] == "1"
    if os.environ["RANK"] == "0":
        while first and not os.path.exists("taken"):
            time.sleep(0.01)
        server = socket.create_server(address)
        server.settimeout(60)
        peer, _ = server.accept()
        peer.sendall(b"hello")
    elif first:
        taken = socket.create_server(address)
        open("taken", "w").close()
        time.sleep(60)
    else:
        while True:
            try:
                peer = socket.create_connection(address, 60)
                break
            except ConnectionRefusedError:
                time.sleep(0.01)
        assert b"hello" == peer.recv(5)
    print("met", address[1], flush=True)
"""
#: All workers say their job's name to rank 0, which listens for as long as anybody may come.
MEET = """
    import os, socket, sys, time
    address = (os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]))
    own, size = os.environ["DLLAB_JOB_ID"], int(os.environ["WORLD_SIZE"])
    if os.environ["RANK"] == "0":
        server = socket.create_server(address)
        server.settimeout(60)
        heard = []
        for _ in range(size - 1):
            peer, _ = server.accept()
            heard.append(peer.makefile().readline().strip())
        assert [own] * (size - 1) == heard, heard
        server.settimeout(1.0)
        try:
            server.accept()
            sys.exit("somebody else came")
        except TimeoutError:
            pass
    else:
        while True:
            try:
                peer = socket.create_connection(address, 60)
                break
            except ConnectionRefusedError:
                time.sleep(0.01)
        peer.sendall(own.encode() + b"\\n")
    print("PORT", address[1], flush=True)
"""


def test_a_taken_port(shared: Machine) -> None:
    """A gang whose port somebody took meanwhile is run again with another one; that is no failure
    of the code, so it costs none of its restarts."""
    job = shared.submit(TAKEN, max_restarts=0)
    done = shared.ended(job)
    log = (shared.run(job) / "attempts" / "2" / "worker-0.log").read_text()

    assert (JobState.SUCCEEDED, 2) == (done.state, done.attempt), done.reason
    assert "met" in log


def test_two_gangs_do_not_meet(shared: Machine) -> None:
    """Gangs that start at the same time have ports of their own, and hear only their own."""
    jobs = [shared.submit(MEET, Role(replicas=3)) for _ in range(3)]
    ends = [shared.ended(job) for job in jobs]
    logs = [shared.run(job) / "attempts" / "1" / "worker-0.log" for job in jobs]

    assert [JobState.SUCCEEDED] * 3 == [one.state for one in ends], [one.reason for one in ends]
    assert 3 == len({log.read_text() for log in logs})
