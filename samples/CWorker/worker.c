/*
 * A worker in C, on the stubs that rpcgen makes of portmap.x: acquires a port for an owner, listens on it, registers, looks itself up, serves,
 * and releases. Any language with an ONC RPC library can do the same.
 *
 *   PORTMAP_ENDPOINT=unix:PATH|tcp:ADDRESS:PORT worker OWNER
 *   PORTMAP_ENDPOINT=unix:PATH|tcp:ADDRESS:PORT worker --row OWNER...      ports in a row for all of them, in one call
 *
 * It prints a line after each step ("acquired 49152") and takes the next one when it reads a line or its standard input ends.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "portmap.h"
#include <rpc/clnt_soc.h>

static void fail(const char *what)
{
    fprintf(stderr, "worker: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* A refusal says what is wrong, who has the port, and what to do. */
static void refused(const portmap_refusal *refusal)
{
    fprintf(stderr, "worker: refused (%d): %s\n", refusal->reason, refusal->message);
    exit(1);
}

static void step(const char *what, int port)
{
    printf("%s %d\n", what, port);
    fflush(stdout);
}

static CLIENT *connect_to(const char *endpoint)
{
    int fd = RPC_ANYSOCK;
    CLIENT *client = NULL;
    const char *colon = endpoint ? strrchr(endpoint, ':') : NULL;
    if (endpoint && strncmp(endpoint, "unix:", 5) == 0) {
        struct sockaddr_un to = { .sun_family = AF_UNIX };
        snprintf(to.sun_path, sizeof to.sun_path, "%s", endpoint + 5);
        client = clntunix_create(&to, PORTMAP_REGISTRY, PORTMAP_V1, &fd, 0, 0);
    } else if (colon && strncmp(endpoint, "tcp:", 4) == 0) {
        char address[64];
        struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(colon + 1)) };
        snprintf(address, sizeof address, "%.*s", (int)(colon - endpoint - 4), endpoint + 4);
        if (inet_pton(AF_INET, address, &to.sin_addr) == 1)
            client = clnttcp_create(&to, PORTMAP_REGISTRY, PORTMAP_V1, &fd, 0, 0);
    } else {
        fprintf(stderr, "worker: PORTMAP_ENDPOINT must be unix:PATH or tcp:ADDRESS:PORT\n");
        exit(2);
    }
    if (!client) {
        clnt_pcreateerror("worker: cannot reach the daemon");
        exit(1);
    }
    return client;
}

/* Every answer is an entry or a refusal; none at all means that the connection is gone. */
static portmap_entry take(CLIENT *client, const portmap_entry_result *answer)
{
    if (!answer) {
        clnt_perror(client, "worker: no answer");
        exit(1);
    }
    if (answer->status == PORTMAP_REFUSED) refused(&answer->portmap_entry_result_u.refusal);
    return answer->portmap_entry_result_u.entry;
}

/* Listens on a port. Returns -1, and errno says why, when that fails. */
static int listen_on(int port)
{
    int on = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);    /* the daemon may hold the port for us meanwhile */
    if (bind(fd, (struct sockaddr *)&at, sizeof at) == 0 && listen(fd, 16) == 0) return fd;
    int why = errno;
    close(fd);
    errno = why;
    return -1;
}

/* Listens on the lease's port. When that is 0 the choice is ours: the first free one of FIRST-LAST,…, or any when there are no
 * ranges. */
static int listen_for(const portmap_entry *lease, const char *ports)
{
    if (lease->port != 0 || !ports) return listen_on(lease->port);
    for (char *at = (char *)ports; *at; at += *at == ',') {
        long first = strtol(at, &at, 10), last = *at == '-' ? strtol(at + 1, &at, 10) : first;
        for (long port = first; port <= last; port++) {
            int fd = listen_on((int)port);
            if (fd >= 0 || errno != EADDRINUSE) return fd;
        }
        if (*at && *at != ',') fail("worker: PORTS is not FIRST-LAST,…");
    }
    errno = EADDRINUSE;
    return -1;
}

static int port_of(int fd)
{
    struct sockaddr_in at;
    socklen_t length = sizeof at;
    if (getsockname(fd, (struct sockaddr *)&at, &length) != 0) fail("getsockname");
    return ntohs(at.sin_port);
}

/* Greets whoever connects, until a line comes in or standard input ends. */
static void serve(int fd, const char *owner)
{
    struct pollfd both[] = { { .fd = STDIN_FILENO, .events = POLLIN }, { .fd = fd, .events = POLLIN } };
    while (poll(both, 2, -1) > 0 && !both[0].revents) {
        int client = accept(fd, NULL, NULL);
        dprintf(client, "C worker %s pid %d\n", owner, (int)getpid());
        close(client);
    }
}

/* Several ports in a row by one call, all or none. */
static int serve_row(CLIENT *client, int count, char **owners)
{
    portmap_acquire_args *wanted = calloc((size_t)count, sizeof *wanted);
    for (int i = 0; i < count; i++)
        wanted[i] = (portmap_acquire_args){ .owner = owners[i], .protocol = PORTMAP_TCP, .reuse = PORTMAP_REUSE_DEFAULT };
    portmap_acquire_all_args all = { .requests = { .requests_len = (u_int)count, .requests_val = wanted }, .contiguous = TRUE };
    portmap_all_result *answer = portmap_acquire_all_1(&all, client);
    if (!answer) { clnt_perror(client, "worker: no answer"); return 1; }
    if (answer->status == PORTMAP_REFUSED) refused(&answer->portmap_all_result_u.refusal.refusal);
    portmap_entry *leases = answer->portmap_all_result_u.leases.leases_val;
    for (int i = 0; i < count; i++) step("acquired", leases[i].port);
    getchar();

    for (int i = 0; i < count; i++) {
        if (listen_on(leases[i].port) < 0) fail("listen");
        portmap_register_args mine = { .owner = owners[i], .port = leases[i].port, .epoch = leases[i].epoch, .protocol = PORTMAP_TCP, .process_id = getpid() };
        step("registered", take(client, portmap_register_1(&mine, client)).port);
    }
    getchar();

    for (int i = 0; i < count; i++) {
        portmap_release_args no_more = { .owner = owners[i], .port = leases[i].port, .epoch = leases[i].epoch, .protocol = PORTMAP_TCP };
        if (!portmap_release_1(&no_more, client)) { clnt_perror(client, "worker: no answer"); return 1; }
        step("released", leases[i].port);
    }
    return 0;
}

int main(int argc, char **argv)
{
    int is_row = argc > 2 && strcmp(argv[1], "--row") == 0;
    if (argc < 2 || (argc > 3 && !is_row)) { fprintf(stderr, "usage: worker OWNER [PORTS] | --row OWNER...\n"); return 2; }
    CLIENT *client = connect_to(getenv("PORTMAP_ENDPOINT"));
    if (is_row) return serve_row(client, argc - 2, argv + 2);
    portmap_acquire_args wanted = { .owner = argv[1], .protocol = PORTMAP_TCP, .reuse = PORTMAP_REUSE_DEFAULT, .ports = argc == 3 ? &argv[2] : NULL };
    portmap_entry lease = take(client, portmap_acquire_1(&wanted, client));
    step("acquired", lease.port);
    getchar();

    int fd;
    portmap_register_args mine = { .owner = argv[1], .protocol = PORTMAP_TCP, .process_id = getpid() };
    while ((fd = listen_for(&lease, argv[2])) < 0) {
        portmap_bind_failed_args failed = {
            .owner = argv[1], .port = lease.port, .epoch = lease.epoch, .protocol = PORTMAP_TCP, .process_id = getpid(), .error = errno };
        lease = take(client, portmap_bind_failed_1(&failed, client));
        step("healed", lease.port);
    }
    mine.port = port_of(fd);
    mine.epoch = lease.epoch;
    take(client, portmap_register_1(&mine, client));
    step("registered", mine.port);

    portmap_lookup_args who = { .owner = argv[1], .protocol = PORTMAP_TCP };
    portmap_lookup_result *found = portmap_lookup_1(&who, client);
    if (!found) { clnt_perror(client, "worker: no answer"); return 1; }
    step("found", *found ? (*found)->port : -1);
    serve(fd, argv[1]);
    getchar();

    portmap_release_args mine_no_more = { .owner = argv[1], .port = mine.port, .epoch = mine.epoch, .protocol = PORTMAP_TCP };
    portmap_void_result *released = portmap_release_1(&mine_no_more, client);
    if (!released) { clnt_perror(client, "worker: no answer"); return 1; }
    if (released->status == PORTMAP_REFUSED) refused(&released->portmap_void_result_u.refusal);
    step("released", mine.port);
    getchar();
    return 0;
}
