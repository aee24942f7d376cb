/* A server that takes its socket as systemd gives it (sd_listen_fds(3)) and greets each client with its own id. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

int main(void)
{
    const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
    if (!pid || atoi(pid) != getpid() || !count || atoi(count) != 1) return 3;
    for (;;) {
        int client = accept(3, NULL, NULL);
        if (client < 0) return 1;
        dprintf(client, "taker C pid %d\n", (int)getpid());
        close(client);
    }
}
