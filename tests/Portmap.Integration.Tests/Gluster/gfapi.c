/*
 * gfapi ADDRESS LOG [NAME TEXT]: opens volume vol1 through libgfapi. Only the daemon's address is given; where the brick listens, libgfapi finds
 * out. With a name it writes a file, opens the volume anew, and prints what it reads there.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Debian's libgfapi0 has no headers. */
typedef struct glfs glfs_t;
typedef struct glfs_fd glfs_fd_t;
extern glfs_t *glfs_new(const char *volume);
extern int glfs_set_volfile_server(glfs_t *, const char *transport, const char *host, int port);
extern int glfs_set_logging(glfs_t *, const char *file, int level);
extern int glfs_init(glfs_t *);
extern glfs_fd_t *glfs_creat(glfs_t *, const char *path, int flags, mode_t mode);
extern glfs_fd_t *glfs_open(glfs_t *, const char *path, int flags);
extern ssize_t glfs_write(glfs_fd_t *, const void *bytes, size_t count, int flags);
extern ssize_t glfs_read(glfs_fd_t *, void *bytes, size_t count, int flags);
extern int glfs_close(glfs_fd_t *);

enum { PORT = 24007, LEVEL_INFO = 7 };

static glfs_t *open_volume(char **argv)
{
    glfs_t *volume = glfs_new("vol1");
    if (!volume || glfs_set_volfile_server(volume, "tcp", argv[1], PORT) || glfs_set_logging(volume, argv[2], LEVEL_INFO)) return NULL;
    return glfs_init(volume) == 0 ? volume : NULL;
}

int main(int argc, char **argv)
{
    char read[256] = "";
    glfs_t *volume = argc >= 3 ? open_volume(argv) : NULL;
    if (!volume) {
        printf("init: %s\n", strerror(errno));
    } else if (argc == 5) {
        glfs_fd_t *file = glfs_creat(volume, argv[3], O_WRONLY | O_TRUNC, 0600);
        if (!file || glfs_write(file, argv[4], strlen(argv[4]), 0) < 0 || glfs_close(file)) printf("write: %s\n", strerror(errno));
        volume = open_volume(argv);
        file = volume ? glfs_open(volume, argv[3], O_RDONLY) : NULL;
        if (!file || glfs_read(file, read, sizeof read - 1, 0) < 0) printf("read: %s\n", strerror(errno));
        printf("%s\n", read);
    }
    fflush(stdout);
    _exit(0);    /* glfs_fini would wait 10 s for its threads */
}
