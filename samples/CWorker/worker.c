/*
 * A worker in C, on the stubs that rpcgen makes of portmap.x: acquires a port for an owner, listens on it, registers, looks itself up, serves,
 * and releases. Any language with an ONC RPC library can do the same.
 *
 *   PORTMAP_ENDPOINT=unix:PATH|tcp:ADDRESS:PORT worker OWNER [PORTS]
 *   worker -r OWNER...     ports in a row for all of them, by one call: all or none
 *   worker -n NAME...      the ports that a daemon acquired for it: PORTMAP_<NAME>_OWNER, _PORT, _EPOCH, _RANGE and _EXCLUDE say which
 *
 * It prints a line after each step ("acquired 49152") and takes the next one when it reads a line or its standard input ends.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "portmap.h"
#include <rpc/clnt_soc.h>

#define MAX_PORTS 8

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

/* Reads one of FIRST-LAST,… and moves on to the next one. Returns 0 at the end. */
static int next_range(char **at, long *first, long *last)
{
    if (!*at || !**at) return 0;
    *first = strtol(*at, at, 10);
    *last = **at == '-' ? strtol(*at + 1, at, 10) : *first;
    if (**at && **at != ',') fail("worker: ports are not FIRST-LAST,…");
    *at += **at == ',';
    return 1;
}

static int is_in(long port, const char *ranges)
{
    long first, last;
    for (char *at = (char *)ranges; next_range(&at, &first, &last);)
        if (port >= first && port <= last) return 1;
    return 0;
}

/* Listens on the lease's port. When that is 0 the choice is ours: the first free one of FIRST-LAST,… that is not excluded, or any
 * when there are no ranges. */
static int listen_for(int number, const char *ports, const char *excluded)
{
    if (number != 0 || !ports) return listen_on(number);
    long first, last;
    for (char *at = (char *)ports; next_range(&at, &first, &last);) {
        for (long port = first; port <= last; port++) {
            if (is_in(port, excluded)) continue;
            int fd = listen_on((int)port);
            if (fd >= 0 || errno != EADDRINUSE) return fd;
        }
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

struct port { const char *owner, *ranges, *excluded; u_quad_t epoch; int number, fd; };

/* Greets whoever connects, until a line comes in or standard input ends. */
static void serve(const struct port *ports, int count)
{
    struct pollfd all[MAX_PORTS + 1] = { { .fd = STDIN_FILENO, .events = POLLIN } };
    for (int i = 0; i < count; i++) all[i + 1] = (struct pollfd) { .fd = ports[i].fd, .events = POLLIN };
    while (poll(all, count + 1, -1) > 0 && !all[0].revents) {
        for (int i = 0; i < count; i++) {
            if (!all[i + 1].revents) continue;
            int client = accept(ports[i].fd, NULL, NULL);
            dprintf(client, "C worker %s pid %d\n", ports[i].owner, (int)getpid());
            close(client);
        }
    }
}

/* What the environment says of the port with a name: PORTMAP_HTTP_PORT of "http". */
static const char *told(const char *name, const char *what, int must)
{
    char variable[128];
    snprintf(variable, sizeof variable, "PORTMAP_%s_%s", name, what);
    for (char *c = variable; *c; c++) *c = (char)toupper((unsigned char)*c);
    const char *value = getenv(variable);
    if (!value && must) { fprintf(stderr, "worker: %s is not set: no port was acquired under that name\n", variable); exit(2); }
    return value;
}

/* Several ports in a row by one call: all or none. */
static int acquire_row(CLIENT *client, int count, char **owners, struct port *ports)
{
    portmap_acquire_args wanted[MAX_PORTS] = { 0 };
    for (int i = 0; i < count; i++)
        wanted[i] = (portmap_acquire_args) { .owner = owners[i], .protocol = PORTMAP_TCP, .reuse = PORTMAP_REUSE_DEFAULT };
    portmap_acquire_all_args all = { .requests = { .requests_len = (u_int)count, .requests_val = wanted }, .contiguous = TRUE };
    portmap_all_result *answer = portmap_acquire_all_1(&all, client);
    if (!answer) { clnt_perror(client, "worker: no answer"); exit(1); }
    if (answer->status == PORTMAP_REFUSED) refused(&answer->portmap_all_result_u.refusal.refusal);
    for (int i = 0; i < count; i++) {
        const portmap_entry *lease = &answer->portmap_all_result_u.leases.leases_val[i];
        ports[i] = (struct port) { .owner = owners[i], .number = lease->port, .epoch = lease->epoch };
        step("acquired", lease->port);
    }
    return count;
}

static void listen_and_register(CLIENT *client, struct port *port)
{
    while ((port->fd = listen_for(port->number, port->ranges, port->excluded)) < 0) {
        portmap_bind_failed_args failed = {
            .owner = (char *)port->owner, .port = port->number, .epoch = port->epoch, .protocol = PORTMAP_TCP, .process_id = getpid(), .error = errno,
            .ports = port->ranges ? (char **)&port->ranges : NULL };
        portmap_entry lease = take(client, portmap_bind_failed_1(&failed, client));
        port->number = lease.port;
        port->epoch = lease.epoch;
        step("healed", port->number);
    }
    port->number = port_of(port->fd);
    portmap_register_args mine = {
        .owner = (char *)port->owner, .port = port->number, .epoch = port->epoch, .protocol = PORTMAP_TCP, .process_id = getpid() };
    take(client, portmap_register_1(&mine, client));
    step("registered", port->number);

    portmap_lookup_args who = { .owner = (char *)port->owner, .protocol = PORTMAP_TCP };
    portmap_lookup_result *found = portmap_lookup_1(&who, client);
    if (!found) { clnt_perror(client, "worker: no answer"); exit(1); }
    step("found", *found ? (*found)->port : -1);
}

static void release(CLIENT *client, const struct port *port)
{
    portmap_release_args mine_no_more = { .owner = (char *)port->owner, .port = port->number, .epoch = port->epoch, .protocol = PORTMAP_TCP };
    portmap_void_result *released = portmap_release_1(&mine_no_more, client);
    if (!released) { clnt_perror(client, "worker: no answer"); exit(1); }
    if (released->status == PORTMAP_REFUSED) refused(&released->portmap_void_result_u.refusal);
    step("released", port->number);
}

int main(int argc, char **argv)
{
    struct port ports[MAX_PORTS];
    int count = 1, has_names = argc > 2 && strcmp(argv[1], "-n") == 0, is_row = argc > 2 && strcmp(argv[1], "-r") == 0;
    if (!has_names && !is_row && argc != 2 && argc != 3) { fprintf(stderr, "usage: worker OWNER [PORTS] | worker -n NAME... | worker -r OWNER...\n"); return 2; }
    signal(SIGPIPE, SIG_IGN);    /* a daemon or a client that has gone is an error of the call, not the end of us */
    CLIENT *client = connect_to(getenv("PORTMAP_ENDPOINT"));
    if (has_names) {
        for (count = 0; count < argc - 2 && count < MAX_PORTS; count++) {
            const char *name = argv[count + 2];
            ports[count] = (struct port) {
                .owner = told(name, "OWNER", 1), .ranges = told(name, "RANGE", 1), .excluded = told(name, "EXCLUDE", 0),
                .number = atoi(told(name, "PORT", 1)), .epoch = strtoull(told(name, "EPOCH", 1), NULL, 10) };
        }
    } else if (is_row) {
        count = acquire_row(client, argc - 2 < MAX_PORTS ? argc - 2 : MAX_PORTS, argv + 2, ports);
        getchar();
    } else {
        portmap_acquire_args wanted = { .owner = argv[1], .protocol = PORTMAP_TCP, .reuse = PORTMAP_REUSE_DEFAULT, .ports = argc == 3 ? &argv[2] : NULL };
        portmap_entry lease = take(client, portmap_acquire_1(&wanted, client));
        ports[0] = (struct port) { .owner = argv[1], .ranges = argc == 3 ? argv[2] : NULL, .number = lease.port, .epoch = lease.epoch };
        step("acquired", lease.port);
        getchar();

        /* What starts slowly asks for more time, else its lease times out. */
        portmap_extend_args more = { .owner = argv[1], .epoch = lease.epoch, .protocol = PORTMAP_TCP, .process_id = getpid(), .time_ms = 120000 };
        portmap_extend_result *extended = portmap_extend_1(&more, client);
        if (!extended) { clnt_perror(client, "worker: no answer"); return 1; }
        if (extended->status == PORTMAP_REFUSED) refused(&extended->portmap_extend_result_u.refusal);
    }

    for (int i = 0; i < count; i++) listen_and_register(client, &ports[i]);
    serve(ports, count);
    getchar();
    for (int i = 0; i < count; i++) release(client, &ports[i]);
    getchar();
    return 0;
}
