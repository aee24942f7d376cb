# A server that takes its sockets as systemd gives them (sd_listen_fds(3)). It greets each client, or answers each datagram, with the socket's
# name and its own id. SIGTERM ends it after the client that it is at; whoever waits is left to the next one.
import os
import select
import signal
import socket
import sys

count = int(os.environ["LISTEN_FDS"]) if os.environ.get("LISTEN_PID") == str(os.getpid()) else 0
if count == 0:
    sys.exit("no sockets for me")
names = os.environ["LISTEN_FDNAMES"].split(":")
sockets = {}
for i in range(count):
    s = socket.socket(fileno=3 + i)   # of whichever kind it is
    s.setblocking(False)
    sockets[s] = names[i]
end, wake = socket.socketpair()
wake.setblocking(False)
signal.signal(signal.SIGTERM, lambda *_: None)
signal.set_wakeup_fd(wake.fileno())
while True:
    ready = select.select([end, *sockets], [], [])[0]
    if end in ready:
        break
    for s in ready:
        text = f"taker {sockets[s]} pid {os.getpid()}\n".encode()
        try:
            if s.type == socket.SOCK_DGRAM:
                s.sendto(text, s.recvfrom(99)[1])
                continue
            client = s.accept()[0]
        except BlockingIOError:
            continue
        with client:
            client.setblocking(True)
            client.sendall(text)
