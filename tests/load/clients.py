"""Slow, idle and malicious clients, over real TLS, all at once beside a line, each from an address of its own: each is cut
off or refused within the bound that station/rest/bounds.hpp states, a well-behaved client beside them is served all the
time, and the units pass. Descriptors and threads come back; memory is so much a connection, and who comes again takes no
more of it.

Each attack prints its bound and what was seen."""

import contextlib
import json
import re
import select
import socket
import ssl
import subprocess
import sys
import threading
import time
import traceback

from shift import Shift
from station import BUILD, ROOT

SLACK = 3            # seconds beyond a bound until the close is seen here, all of this on two cores
PATIENT = 2.0        # seconds; slower than this the well-behaved client is not served: 256 handshakes at their pace take one
KERNEL = 16 << 20    # bytes that two sockets' buffers may hold of what was sent
EACH = 128 << 10     # bytes for each connection that there may be: four buffers of a TLS record and what TLS keeps, 115 KiB
AGAIN = 4            # MiB more when some 900 come again; malloc uses what it has kept once more
QUICK = 5            # seconds; attacks that are over by then come again


def read_bounds():
    text = (ROOT / "station/rest/bounds.hpp").read_text()
    seconds = {name: int(value) for name, value in re.findall(r"std::chrono::seconds (\w+)\{(\d+)\}", text)}
    numbers = {name: eval(value) for name, value in re.findall(r"(?:size_t|int) (\w+) = ([\d< ]+);", text)}
    return {**seconds, **numbers}


BOUNDS = read_bounds()


class Held:
    """Connections that are watched until the server closes them; `each` does something to one once a second. Of those that
    `many` has made it is known when."""

    def __init__(self, sockets, each=None):
        self.began = time.monotonic()
        self.born = sockets if isinstance(sockets, dict) else dict.fromkeys(sockets, self.began)
        self.open, self.each = set(sockets), each
        self.closed, self.answered = [], 0   # seconds until each was closed; bytes that came

    def watch(self, seconds):
        until, tick = time.monotonic() + seconds, time.monotonic() + 1
        while self.open and time.monotonic() < until:
            ready, _, _ = select.select(list(self.open), [], [], 0.1)
            for one in ready:
                self.look_at(one)
            if self.each and time.monotonic() > tick:
                tick += 1
                for one in list(self.open):
                    with contextlib.suppress(OSError):
                        self.each(one)
        return self

    def let_go(self):
        for one in self.open:
            one.close()

    def look_at(self, one):
        with contextlib.suppress(ssl.SSLWantReadError, BlockingIOError):
            try:
                data = one.recv(65536)
            except (ssl.SSLError, ConnectionError) as error:
                if isinstance(error, ssl.SSLWantReadError):
                    raise
                data = b""
            self.answered += len(data)
            if not data:
                self.open.discard(one)
                one.close()
                self.closed.append(time.monotonic() - self.born[one])


class Attacks:
    """One method for each; its text is what is tried. It answers (bound, what was seen) or raises."""

    def __init__(self, shift):
        self.shift, self.station = shift, shift.station
        self.context = ssl.create_default_context(cafile=self.station.dir / "tls.pem")

    # --- means

    def tcp(self, source):
        return socket.create_connection(("127.0.0.1", self.station.port), timeout=20, source_address=(source, 0))

    def tls(self, source):
        return self.context.wrap_socket(self.tcp(source), server_hostname="localhost")

    def many(self, count, make, first=b""):
        out = {}
        for _ in range(count):
            one = make()
            out[one] = time.monotonic()
            if first:
                one.sendall(first)
            one.setblocking(False)
        return out

    def all_closed(self, held, bound, at_least=0.0):
        """All are closed by the server by then, and none much sooner, which would be something else."""
        held.watch(bound + SLACK).let_go()
        assert not held.open, f"{len(held.open)} of {len(held.open) + len(held.closed)} are still open"
        assert min(held.closed) > at_least, f"closed after {min(held.closed):.1f} s already"
        return f"{bound} s", f"{len(held.closed)} closed after {min(held.closed):.1f} to {max(held.closed):.1f} s"

    def pour(self, one, pieces):
        """Sends without an end until the server has had enough: (bytes sent, what it answered, seconds)."""
        one.setblocking(False)
        began, sent, answer, left = time.monotonic(), 0, b"", b""
        while time.monotonic() < began + 20:
            select.select([one], [one], [], 0.1)
            with contextlib.suppress(ssl.SSLWantReadError, ssl.SSLWantWriteError, BlockingIOError):
                try:
                    data = one.recv(65536)
                    answer += data
                    if not data:
                        break
                except (ssl.SSLWantReadError, BlockingIOError):
                    pass
                except (OSError, ssl.SSLError):
                    break
                left = left or next(pieces)
                try:
                    n = one.send(left)
                    left, sent = left[n:], sent + n
                except (ssl.SSLWantWriteError, BlockingIOError):
                    pass
                except (OSError, ssl.SSLError):
                    break
        one.close()
        return sent, answer, time.monotonic() - began

    def refused(self, source, first, pieces, statuses=("413",)):
        one = self.tls(source)
        one.sendall(first)
        sent, answer, took = self.pour(one, pieces)
        status = answer[9:12].decode()
        assert status in statuses, f"answered {answer[:200]}"
        most = BOUNDS["lot_body"] + BOUNDS["refused"] + KERNEL
        assert sent < most, f"{sent} bytes were taken"
        assert took < BOUNDS["goodbye"] + SLACK, f"cut off after {took:.1f} s"
        return f"{BOUNDS['goodbye']} s", f"{status}, cut off after {took:.1f} s and {sent >> 10} KiB"

    # --- who is slow or says nothing

    def no_handshake(self):
        held = Held(self.many(30, lambda: self.tcp("127.1.0.1")))
        return self.all_closed(held, BOUNDS["handshake"], BOUNDS["handshake"] - 2)

    def half_a_handshake(self):
        hello = bytes.fromhex("160301020001")
        held = Held(self.many(30, lambda: self.tcp("127.1.0.2"), hello), lambda one: one.send(b"\0"))
        return self.all_closed(held, BOUNDS["handshake"], BOUNDS["handshake"] - 2)

    def nothing_after_the_handshake(self):
        held = Held(self.many(20, lambda: self.tls("127.1.0.3")))
        return self.all_closed(held, BOUNDS["request"], BOUNDS["request"] - 2)

    def a_header_one_byte_a_second(self):
        held = Held(self.many(20, lambda: self.tls("127.1.0.4"), b"GET /api/v1/health HTTP/1.1\r\nX: "),
                    lambda one: one.send(b"a"))
        return self.all_closed(held, BOUNDS["request"], BOUNDS["request"] - 2)

    def a_body_one_byte_a_second(self):
        head = b"POST /api/v1/scan HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000\r\nExpect: 100-continue\r\n\r\n{"
        held = Held(self.many(20, lambda: self.tls("127.1.0.5"), head), lambda one: one.send(b" "))
        return self.all_closed(held, BOUNDS["request"], BOUNDS["request"] - 2)

    def half_a_request(self):
        held = Held(self.many(20, lambda: self.tls("127.1.0.6"), b"GET /api/v1/health HTTP/1.1\r\nHost: lo"))
        return self.all_closed(held, BOUNDS["request"], BOUNDS["request"] - 2)

    def nothing_after_an_answer(self):
        held = Held(self.many(10, lambda: self.tls("127.1.0.7"), b"GET /api/v1/health HTTP/1.1\r\nHost: localhost\r\n\r\n"))
        seen = self.all_closed(held, BOUNDS["request"], BOUNDS["request"] - 2)
        assert held.answered > 10 * 200, "they were not answered"
        return seen

    # --- who sends without an end

    def a_header_of_a_mebibyte(self):
        return self.refused("127.1.1.1", b"GET / HTTP/1.1\r\nX: ", iter(lambda: b"a" * 65536, None))

    def headers_without_end(self):
        return self.refused("127.1.1.2", b"GET / HTTP/1.1\r\n", iter(lambda: b"X-Y: z\r\n" * 1000, None))

    def a_target_without_end(self):
        return self.refused("127.1.1.3", b"GET /", iter(lambda: b"a" * 65536, None), ("413", "400"))

    def an_announced_body(self):
        head = b"POST /api/v1/scan HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % (BOUNDS["body"] + 1)
        one = self.tls("127.1.1.4")
        one.sendall(head)
        answer = one.recv(65536)
        assert answer.startswith(b"HTTP/1.1 413"), answer[:200]
        one.setblocking(False)
        bound, seen = self.all_closed(Held([one]), BOUNDS["goodbye"])
        return bound, f"413 before it was sent, {seen}"

    def chunks_without_end(self):
        head = b"POST /api/v1/lots HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        return self.refused("127.1.1.5", head, iter(lambda: b"4000\r\n" + b" " * 0x4000 + b"\r\n", None))

    def tiny_chunks_without_end(self):
        head = b"POST /api/v1/scan HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        return self.refused("127.1.1.6", head, iter(lambda: b"1\r\n \r\n" * 1000, None))

    def a_chunk_extension_without_end(self):
        head = b"POST /api/v1/scan HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n1;x="
        return self.refused("127.1.1.7", head, iter(lambda: b"a" * 65536, None), ("413", "400"))

    def trailers_without_end(self):
        head = b"POST /api/v1/scan HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"
        return self.refused("127.1.1.8", head, iter(lambda: b"X-Y: z\r\n" * 1000, None), ("413", "400"))

    # --- who takes no answers

    def requests_without_reading(self):
        one = self.tls("127.1.2.1")
        for buffer in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            one.setsockopt(socket.SOL_SOCKET, buffer, 65536)
        one.setblocking(False)
        requests, sent = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" * 1000, 0
        stuck = time.monotonic()   # since then it has taken no more
        while time.monotonic() < stuck + BOUNDS["answer"] + SLACK:
            if not select.select([], [one], [], 0.5)[1]:
                continue
            try:
                sent, stuck = sent + one.send(requests), time.monotonic()
            except (ssl.SSLWantWriteError, BlockingIOError):
                pass
            except OSError:
                break
        else:
            raise AssertionError("it is still open")
        took = time.monotonic() - stuck
        one.close()
        count = sent // len(requests) * 1000
        assert count >= 2000, f"only {count} requests could be sent"
        return f"{BOUNDS['answer']} s", f"{count} requests taken, cut off after {took:.1f} s"

    # --- who ends TLS by half

    def close_notify_without_fin(self):
        sockets = []
        for _ in range(5):
            incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            raw, tls = self.tcp("127.1.3.1"), self.context.wrap_bio(incoming, outgoing, server_hostname="localhost")
            self.shake_hands(raw, tls, incoming, outgoing)
            with contextlib.suppress(ssl.SSLWantReadError, ssl.SSLSyscallError, ssl.SSLZeroReturnError):
                tls.unwrap()
            raw.sendall(outgoing.read())
            raw.setblocking(False)
            sockets.append(raw)
        return self.all_closed(Held(sockets), BOUNDS["goodbye"])

    def shake_hands(self, raw, tls, incoming, outgoing):
        while True:
            try:
                tls.do_handshake()
                raw.sendall(outgoing.read())
                return
            except ssl.SSLWantReadError:
                raw.sendall(outgoing.read())
                incoming.write(raw.recv(65536))

    def fin_without_close_notify(self):
        sockets = self.many(5, lambda: self.tls("127.1.3.2"), b"GET /api/v1/he")
        for one in sockets:
            socket.socket.shutdown(one, socket.SHUT_WR)
        return self.all_closed(Held(sockets), BOUNDS["goodbye"])

    # --- who asks for new keys

    def flood(self, version):
        done = subprocess.run([BUILD / "tests/load/load_rekeyings", str(self.station.port), version, "20"],
                              capture_output=True, text=True)
        assert done.returncode == 0, f"{done.stdout}{done.stderr}: it was never cut off"
        seen = json.loads(done.stdout)
        assert seen["answered"] <= BOUNDS["rekeyings"], f"answered {seen['answered']} times"
        assert seen["seconds"] < SLACK, seen
        return f"{BOUNDS['rekeyings']} times", f"answered {seen['answered']} times, cut off after {seen['seconds']} s"

    def renegotiations(self):
        return self.flood("1.2")

    def key_updates(self):
        return self.flood("1.3")

    # --- who comes too often

    def connections_of_one_address(self):
        sockets = self.many(400, lambda: self.tcp("127.1.4.1"))
        held = Held(sockets)
        while len(held.open) > BOUNDS["of_one_address"] and time.monotonic() < held.began + BOUNDS["handshake"] - 4:
            held.watch(0.2)
        held.watch(1).let_go()
        kept = len(sockets) - len(held.closed)
        assert kept == BOUNDS["of_one_address"], f"{kept} of {len(sockets)} were let in"
        return f"{BOUNDS['of_one_address']} at once", f"{len(held.closed)} of {len(sockets)} closed at once"


class Friend(threading.Thread):
    """A well-behaved client: asks all the time, over connections that it keeps and over new ones, and over the Unix
    socket; notes how long each answer took."""

    def __init__(self, attacks, token):
        super().__init__()
        self.attacks, self.station, self.token = attacks, attacks.station, token
        self.over, self.took, self.wrong = threading.Event(), [], []
        self.start()

    def run(self):
        kept = None
        while not self.over.is_set():
            for ask in (self.kept, self.fresh, self.local):
                began = time.monotonic()
                try:
                    kept = ask(kept)
                except Exception as error:
                    kept = None
                    self.wrong.append(f"{ask.__name__}: {error!r}")
                self.took.append(time.monotonic() - began)
                time.sleep(0.05)

    def ask(self, one, path):
        one.sendall(f"GET /api/v1{path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {self.token}\r\n\r\n".encode())
        answer = b""
        while b"\r\n\r\n" not in answer or len(answer.split(b"\r\n\r\n", 1)[1]) < self.length(answer):
            data = one.recv(65536)
            assert data, f"the answer breaks off: {answer[:100]}"
            answer += data
        assert answer.startswith(b"HTTP/1.1 200"), answer[:200]

    def length(self, answer):
        return int(re.search(rb"Content-Length: (\d+)", answer)[1])

    def kept(self, one):
        one = one or self.attacks.tls("127.2.0.1")
        self.ask(one, "/slots")
        return one

    def fresh(self, kept):
        with self.attacks.tls("127.2.0.1") as one:
            self.ask(one, "/health")
        return kept

    def local(self, kept):
        self.station.get("/health")
        return kept

    def verdict(self):
        self.over.set()
        self.join()
        slow = [took for took in self.took if took > PATIENT]
        print(f"note load: beside them {len(self.took)} requests were answered, the slowest after {max(self.took):.2f} s")
        return self.wrong + [f"{len(slow)} answers took more than {PATIENT} s, {max(slow):.1f} s"] if slow else self.wrong


def all_at_once(attacks, names, wrong):
    """Every attack in a thread of its own, while the line goes on; how many seconds each took."""
    def attack(name):
        words, began = name.replace("_", " "), time.monotonic()
        try:
            bound, seen = getattr(attacks, name)()
            rows.append(f"| {words} | {bound} | {seen} |")
        except Exception as error:
            traceback.print_exc()
            rows.append(f"| {words} | | WRONG: {error} |")
            wrong.append(f"{words}: {error}")
        took[name] = time.monotonic() - began

    rows, took = [], {}
    threads = [threading.Thread(target=attack, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        attacks.shift.turn()
        time.sleep(0.25)
    for row in sorted(rows):
        print(row)
    return took


def crowd(attacks, before, wrong):
    """More connections than there may be, from many addresses: a newcomer is let in all the same."""
    held = Held([one for n in range(8) for one in attacks.many(60, lambda: attacks.tcp(f"127.1.5.{n}"))])
    most = 0
    while time.monotonic() < held.began + 4:
        held.watch(0.5)
        most = max(most, attacks.shift.process()["files"] - before["files"])
        attacks.shift.turn()
    if most > BOUNDS["connections"] + 16:   # the line's units, friends at the Unix socket
        wrong.append(f"a crowd: {most} descriptors")
    held.let_go()
    print(f"| a crowd of 480 from 8 addresses | {BOUNDS['connections']} at once | {most} descriptors more |")


def at_rest(shift):
    """The daemon when everybody has gone."""
    time.sleep(BOUNDS["goodbye"] + 1)
    return shift.process()


def judge(before, once, again):
    wrong = []
    for what in ("files", "threads"):
        print(f"note load {what}: {before[what]} before, {again[what]} after")
        if again[what] != before[what]:
            wrong.append(f"{what}: {before[what]} before, {again[what]} after")
    more = (again["rss"] - once["rss"]) / 1024
    print(f"note load: {before['rss'] / 1024:.1f} MiB before, {again['peak'] / 1024:.1f} at most, {once['rss'] / 1024:.1f} after, "
          f"{more:+.2f} when they came again")
    most = before["rss"] / 1024 + EACH * (BOUNDS["connections"] + BOUNDS["local_connections"]) / (1 << 20)
    if again["peak"] / 1024 > most:
        wrong.append(f"{again['peak'] / 1024:.1f} MiB, more than {most:.1f}")
    if more > AGAIN:
        wrong.append(f"{more:.2f} MiB more when they came again, more than {AGAIN}")
    return wrong


ATTACKS = [name for name, value in vars(Attacks).items()
           if callable(value) and value.__code__.co_argcount == 1 and not name.startswith("_")]


def main():
    wrong = []
    with Shift(4, "--boot-ms", 200, "--work-ms", 20) as shift:
        station = shift.station
        token = station.post("/persons", {"name": "friend", "roles": ["operator"]})["token"]
        shift.open_lot()
        attacks = Attacks(shift)
        before = at_rest(shift)
        friend = Friend(attacks, token)
        took = all_at_once(attacks, ATTACKS, wrong)
        for _ in range(2):
            crowd(attacks, before, wrong)
        wrong += friend.verdict()
        shift.end()
        once = at_rest(shift)
        again = all_at_once(attacks, [name for name in took if took[name] < QUICK], wrong)
        crowd(attacks, before, wrong)
        shift.end()
        wrong += judge(before, once, at_rest(shift))
        station.stop()
    print(f"sweep load clients: tried {len(took) + len(again) + 3}, violations {len(wrong)}")
    for line in wrong:
        print(line)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
