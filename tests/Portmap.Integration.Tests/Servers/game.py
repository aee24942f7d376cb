# A game server on UDP: joins, moves and leaves of players, and a broadcast of where they stand. It knows the port by its command line and never heard
# of a port map.
#   game.py PORT
import socket
import sys

server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("", int(sys.argv[1])))
players = {}
while True:
    words, client = server.recvfrom(512)
    match words.decode().split():
        case ["join", name]:
            players[client] = [name, 0]
        case ["move", steps] if client in players:
            players[client][1] += int(steps)
        case ["leave"]:
            players.pop(client, None)
        case _:
            server.sendto(b"what?", client)
            continue
    state = " ".join(f"{name}@{at}" for name, at in sorted(players.values())).encode()
    for player in {*players, client}:
        server.sendto(state, player)
