/* A server in C: with SO_REUSEADDR when it is compiled with -DREUSE, as textbooks say, and without it as beginners do. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_ANY)};
    int server = socket(AF_INET, SOCK_STREAM, 0);

    here.sin_port = htons((unsigned short)atoi(argc > 1 ? argv[1] : "0"));
#ifdef REUSE
    int on = 1;
    setsockopt(server, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
#endif
    if (bind(server, (struct sockaddr *)&here, sizeof here) != 0 || listen(server, 16) != 0) {
        perror("server");
        return 1;
    }
    puts("listening");
    fflush(stdout);
    for (;;) {
        int client = accept(server, NULL, NULL);

        if (client >= 0) {
            dprintf(client, "C pid %d\n", (int)getpid());
            close(client);
        }
    }
}
