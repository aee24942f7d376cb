// Put before libc (LD_PRELOAD): writes down every sync and rename with what it was about, and lets syncs fail as it is told.
//   SHIM_LOG     the file it writes to, a line for each call
//   SHIM_FAILS   a file that says which syncs fail, read at each: "ERRNO ENDING", ENDING being how the path must end, or "*"; empty or missing: none
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void note(const char *format, ...)
{
    char line[9000];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    int log = open(getenv("SHIM_LOG"), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (log >= 0) {
        ssize_t ignored = write(log, line, (size_t)length);
        (void)ignored;
        close(log);
    }
}

static const char *path_of(int descriptor, char *path, size_t size)
{
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, size - 1);
    path[length < 0 ? 0 : length] = 0;
    return path;
}

static int failure(const char *path)
{
    char rule[4200] = "", ending[4100] = "";
    int error = 0, file = open(getenv("SHIM_FAILS"), O_RDONLY | O_CLOEXEC);
    if (file < 0) return 0;
    ssize_t length = read(file, rule, sizeof rule - 1);
    close(file);
    if (length <= 0 || sscanf(rule, "%d %4099s", &error, ending) != 2) return 0;
    size_t all = strlen(path), end = strlen(ending);
    return strcmp(ending, "*") == 0 || (all >= end && strcmp(path + all - end, ending) == 0) ? error : 0;
}

static int sync_with(const char *name, int descriptor)
{
    char path[4200];
    int error = failure(path_of(descriptor, path, sizeof path));
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    int result = error == 0 ? real(descriptor) : -1;
    if (error == 0) error = errno;
    note("sync %s %s\n", result == 0 ? "ok" : "failed", path);
    errno = error;
    return result;
}

int fsync(int descriptor) { return sync_with("fsync", descriptor); }

int fdatasync(int descriptor) { return sync_with("fdatasync", descriptor); }

int rename(const char *from, const char *to)
{
    int (*real)(const char *, const char *) = (int (*)(const char *, const char *))dlsym(RTLD_NEXT, "rename");
    int result = real(from, to), error = errno;
    note("rename %s %s\n", result == 0 ? "ok" : "failed", to);
    errno = error;
    return result;
}

int renameat(int folder, const char *from, int to_folder, const char *to)
{
    char path[4200];
    int (*real)(int, const char *, int, const char *) = (int (*)(int, const char *, int, const char *))dlsym(RTLD_NEXT, "renameat");
    int result = real(folder, from, to_folder, to), error = errno;
    note("rename %s %s/%s\n", result == 0 ? "ok" : "failed", path_of(to_folder, path, sizeof path), to);
    errno = error;
    return result;
}
