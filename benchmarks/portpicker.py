# Unmodified portpicker clients with their own portserver and with the sample daemon, one after the other, in one run. See PORTPICKER.md.
#   python3 benchmarks/portpicker.py FIRST-LAST [ROUNDS]   with ROUNDS beside the stranger only, so many times; needs Debian's python3-portpicker, and samples/ManagementDaemon built for Release
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time

LIBRARY = "/usr/lib/python3/dist-packages"
PROCESSES, PICKS = 20, 50
sys.path.insert(0, LIBRARY)
root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
daemon = os.path.join(root, "samples/ManagementDaemon/bin/Release/net10.0/ManagementDaemon")


def listen(port):
    s = socket.socket()   # as a server without SO_REUSEADDR binds
    s.bind(("127.0.0.1", port))
    s.listen()
    return s


def client(address, count):
    """Picks and listens; the last line of its answer is: picks a second, numbers lost, double numbers."""
    os.environ["PORTSERVER_ADDRESS"] = address
    import portpicker
    sys.stdin.readline()
    ports, sockets, lost, took = [], [], 0, 0.0
    for _ in range(count):
        began = time.perf_counter()
        port = portpicker.get_port_from_port_server(address)
        took += time.perf_counter() - began
        if not port:
            print("none", file=sys.stderr)
            continue
        ports.append(port)
        try:
            sockets.append(listen(port))
        except OSError:
            lost += 1
    print(took, lost, *ports, flush=True)
    sys.stdin.readline()


def stranger(first, last):
    """Takes numbers of the range at random, one at a time, as fast as it can, and keeps the newest 64."""
    kept = []
    while True:
        try:
            kept.append(listen(random.randint(first, last)))
        except OSError:
            pass
        if len(kept) > 64:
            kept.pop(0).close()


def measure(name, command, address, storm, ports, rounds):
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    strangers = []
    try:
        for _ in range(500):
            with socket.socket(socket.AF_UNIX) as s:
                if s.connect_ex("\0" + address[1:]) == 0:
                    break
            time.sleep(0.02)
        if storm:
            strangers = [subprocess.Popen([sys.executable, __file__, "stranger", *map(str, ports)])]
        took = lost = doubled = picked = 0
        wall = 0.0
        for _ in range(rounds):
            clients = [subprocess.Popen([sys.executable, __file__, "client", address, str(PICKS)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(PROCESSES)]
            time.sleep(1)
            began = time.perf_counter()
            for c in clients:
                c.stdin.write("\n")
                c.stdin.flush()
            seen = set()
            for c in clients:
                words = c.stdout.readline().split()
                took += float(words[0])
                lost += int(words[1])
                for port in words[2:]:
                    doubled += port in seen
                    seen.add(port)
                    picked += 1
            wall += time.perf_counter() - began
            for c in clients:
                c.kill()
                c.wait()
            time.sleep(1)
        print(f"| {name} | {'yes' if storm else 'no'} | {picked:,} of {rounds * PROCESSES * PICKS:,} | {picked / wall:,.0f} | {1000 * took / max(picked, 1):.2f} | {lost} | {doubled} |", flush=True)
    finally:
        for s in strangers:
            s.kill()
            s.wait()
        server.send_signal(signal.SIGTERM)
        server.wait()


match sys.argv[1:]:
    case ["client", address, count]:
        client(address, int(count))
    case ["stranger", first, last]:
        stranger(int(first), int(last))
    case [pool, *more]:
        rounds = int(more[0]) if more else 3
        ports = [int(p) for p in pool.split("-")]
        print("| server | stranger | picked | picks/s | mean of a pick, ms | lost to strangers | given twice |\n|---|---|---|---|---|---|---|")
        with tempfile.TemporaryDirectory() as folder:
            for storm in (True,) if more else (False, True):
                a, b = f"@pick-own-{os.getpid()}-{storm}", f"@pick-map-{os.getpid()}-{storm}"
                measure("portpicker's portserver", [sys.executable, f"{LIBRARY}/portserver.py", "--portserver_static_pool", pool, "--portserver_address", a], a, storm, ports, rounds)
                measure("Portmap, --portserver", [daemon, "serve", "--unix", f"{folder}/d.sock", "--range", pool, "--portserver", b], b, storm, ports, rounds)
    case _:
        sys.exit("usage: portpicker.py FIRST-LAST")
