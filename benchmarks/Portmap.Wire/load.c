/*
 * load: a client that costs next to nothing, the same for every server of the Gluster Portmap program.
 *
 *   load TO lookup BRICKS CALLS OUTSTANDING     PORTBYBRICK of random ones of BRICKS bricks
 *   load TO signin BRICKS PID OUTSTANDING       SIGNIN of BRICKS bricks of one process, each on a port of its own; for each line that comes in,
 *                                               SIGNOUT and SIGNIN of all of them once more; until the input ends
 *
 * TO is ADDRESS:PORT. A look-up is written once for each brick and only its xid is filled in; calls go out and replies come in as many at a
 * time as there are. Every reply is checked: a wrong one ends the run. It prints "calls/s p50_us p99_us"; the times are of calls that are made
 * one at a time.
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { FIRST_PORT = 1025, HEADER = 24, RECORD = 112, BUFFER = 1 << 16 };
enum { PORT_BY_BRICK = 1, SIGN_IN = 4, SIGN_OUT = 5 };

static int fd;
static unsigned char replies[BUFFER];
static size_t have;

static void fail(const char *what) { perror(what); exit(1); }

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

static void put(unsigned char **at, uint32_t value) { value = htonl(value); memcpy(*at, &value, 4); *at += 4; }

static uint32_t get(const unsigned char *at) { uint32_t value; memcpy(&value, at, 4); return ntohl(value); }

/* One call as glusterfsd writes it, credential and all. Returns its length. */
static size_t call(unsigned char *record, uint32_t xid, uint32_t procedure, unsigned brick, unsigned last)
{
    unsigned char *at = record + 4;
    char name[24];
    size_t length = (size_t)snprintf(name, sizeof name, "/bricks/brick-%06u", brick);
    uint32_t header[] = { xid, 0, 2, 34123456, 1, procedure, 390039, 24, 0, 0, 0, 0, 4, 0, 0, 0 };
    for (size_t i = 0; i < sizeof header / sizeof *header; i++) put(&at, header[i]);
    put(&at, (uint32_t)length);
    memset(at, 0, (length + 3) & ~(size_t)3);
    memcpy(at, name, length);
    at += (length + 3) & ~(size_t)3;
    if (procedure != PORT_BY_BRICK) {
        put(&at, FIRST_PORT + brick);
        put(&at, last);
    }
    unsigned char *mark = record;
    put(&mark, 0x80000000u | (uint32_t)(at - record - 4));
    return (size_t)(at - record);
}

static void send_all(const unsigned char *bytes, size_t count)
{
    while (count > 0) {
        ssize_t sent = write(fd, bytes, count);
        if (sent <= 0) fail("write");
        bytes += sent;
        count -= (size_t)sent;
    }
}

/* Reads once and hands on every whole reply. Returns how many there were. */
static unsigned receive(void (*check)(const unsigned char *results, uint32_t xid))
{
    ssize_t got = read(fd, replies + have, BUFFER - have);
    if (got <= 0) fail("read");
    have += (size_t)got;
    size_t at = 0;
    unsigned count = 0;
    while (have - at >= 4) {
        size_t length = get(replies + at) & 0x7fffffff;
        if (have - at < 4 + length) break;
        if (length < HEADER + 8 || get(replies + at + HEADER) != 0) { fprintf(stderr, "a call did not succeed\n"); exit(1); }
        check(replies + at + 4 + HEADER, get(replies + at + 4));
        at += 4 + length;
        count++;
    }
    memmove(replies, replies + at, have - at);
    have -= at;
    return count;
}

static unsigned *asked;

static void check_done(const unsigned char *results, uint32_t xid)
{
    if (get(results) != 0) { fprintf(stderr, "call %u was refused: errno %u\n", xid, get(results + 4)); exit(1); }
}

static void check_port(const unsigned char *results, uint32_t xid)
{
    if (get(results) != 0 || get(results + 12) != FIRST_PORT + asked[xid]) { fprintf(stderr, "brick %u was answered with port %u\n", asked[xid], get(results + 12)); exit(1); }
}

static int by_size(const void *a, const void *b) { float d = *(const float *)a - *(const float *)b; return (d > 0) - (d < 0); }

/* Calls 0 .. count - 1, at most `outstanding` under way. */
static void run(unsigned count, unsigned outstanding, size_t (*write_call)(unsigned char *record, unsigned number), void (*check)(const unsigned char *, uint32_t))
{
    unsigned char *batch = malloc((size_t)outstanding * RECORD);
    float *took = outstanding == 1 ? malloc(count * sizeof *took) : NULL;
    unsigned sent = 0, done = 0;
    double start = now();
    while (done < count) {
        double before = took ? now() : 0;
        size_t bytes = 0;
        while (sent < count && sent - done < outstanding) bytes += write_call(batch + bytes, sent++);
        send_all(batch, bytes);
        unsigned got = receive(check);
        while (took && got == 0) got = receive(check);
        if (took) took[done] = (float)((now() - before) * 1e6);
        done += got;
    }
    double seconds = now() - start;
    if (took) qsort(took, count, sizeof *took, by_size);
    printf("%.0f %.2f %.2f\n", count / seconds, took ? took[count / 2] : 0, took ? took[count - 1 - count / 100] : 0);
    fflush(stdout);
}

static unsigned char *lookups;
static size_t lookup_bytes;
static unsigned pid;

static size_t write_lookup(unsigned char *record, unsigned number)
{
    memcpy(record, lookups + (size_t)asked[number] * RECORD, lookup_bytes);
    unsigned char *xid = record + 4;
    put(&xid, number);
    return lookup_bytes;
}

static size_t write_sign_in(unsigned char *record, unsigned number) { return call(record, number, SIGN_IN, number, pid); }

static size_t write_sign_out(unsigned char *record, unsigned number) { return call(record, number, SIGN_OUT, number, 0); }

int main(int argc, char **argv)
{
    char *colon = argc == 6 ? strrchr(argv[1], ':') : NULL;
    if (!colon) { fprintf(stderr, "see the head of load.c\n"); return 2; }
    *colon = 0;
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(colon + 1)) };
    int on = 1;
    fd = socket(AF_INET, SOCK_STREAM, 0);
    if (inet_pton(AF_INET, argv[1], &to.sin_addr) != 1 || connect(fd, (struct sockaddr *)&to, sizeof to) != 0) fail("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);

    unsigned bricks = (unsigned)atoi(argv[3]), second = (unsigned)atoi(argv[4]), outstanding = (unsigned)atoi(argv[5]);
    if (strcmp(argv[2], "lookup") != 0) {
        pid = second;
        run(bricks, outstanding, write_sign_in, check_done);
        while (getchar() != EOF) {
            run(bricks, outstanding, write_sign_out, check_done);
            run(bricks, outstanding, write_sign_in, check_done);
        }
        return 0;
    }

    lookups = malloc((size_t)bricks * RECORD);
    asked = malloc(second * sizeof *asked);
    for (unsigned i = 0; i < bricks; i++) lookup_bytes = call(lookups + (size_t)i * RECORD, 0, PORT_BY_BRICK, i, 0);
    for (unsigned i = 0, seed = 1; i < second; i++) {
        seed = seed * 1664525 + 1013904223;
        asked[i] = (unsigned)(((uint64_t)seed * bricks) >> 32);
    }
    run(second, outstanding, write_lookup, check_port);
    return 0;
}
