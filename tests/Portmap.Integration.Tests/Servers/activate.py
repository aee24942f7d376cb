# What systemd does for a socket unit: listens, starts the program with the socket as descriptor 3, and starts it again, on the next line of its
# input, when it has ended. The second descriptor is a listening socket of somebody else's.
#   activate.py PATH PROGRAM [ARGUMENT...]
import os
import socket
import sys

path, program = sys.argv[1], sys.argv[2:]
listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
listener.bind(path)
os.chmod(path, 0o600)
listener.listen(4096)
other = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
other.bind(path + ".other")
other.listen(1)

while True:
    pid = os.fork()
    if pid == 0:
        ours, theirs = os.dup(listener.fileno()), os.dup(other.fileno())
        first, second = (theirs, ours)
        high = [os.dup2(first, 20, False), os.dup2(second, 21, False)]
        os.dup2(20, 3, True)
        os.dup2(21, 4, True)
        os.environ["LISTEN_PID"] = str(os.getpid())
        os.environ["LISTEN_FDS"] = "2"
        os.execv(program[0], program)
    print("started", pid, flush=True)
    os.waitpid(pid, 0)
    print("ended", pid, flush=True)
    if not sys.stdin.readline():
        break
