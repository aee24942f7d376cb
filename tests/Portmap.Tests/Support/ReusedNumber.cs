using Portmap.TestKit.Processes;

namespace Portmap.Tests.Support;

/// <summary>A program in C that starts a process, and at a line from its input kills it and starts
/// another one, which gets the same number: by ns_last_pid, in a pid namespace of its own. It
/// begins with a clock tick and takes 4 ms of it, so that both began in the same one, if it is
/// lucky.</summary>
internal static class ReusedNumber
{
    private const string Source = """
        #include <fcntl.h>
        #include <signal.h>
        #include <stdio.h>
        #include <stdlib.h>
        #include <string.h>
        #include <sys/wait.h>
        #include <time.h>
        #include <unistd.h>
        static int start(void) { int p = fork(); if (!p) for (;;) pause(); return p; }
        static void stop(int p) { kill(p, SIGKILL); waitpid(p, 0, 0); }
        static long tick(int p) {
            char text[1024];
            snprintf(text, sizeof text, "/proc/%d/stat", p);
            FILE *file = fopen(text, "r");
            text[fread(text, 1, sizeof text - 1, file)] = 0;
            fclose(file);
            char *at = strrchr(text, ')') + 2;
            for (int i = 0; i < 19; i++) at = strchr(at, ' ') + 1;
            return atol(at);
        }
        static void next(void) { char line[16]; if (!fgets(line, sizeof line, stdin)) exit(0); }
        int main(void) {
            for (;;) {
                struct timespec now;
                do clock_gettime(CLOCK_BOOTTIME, &now); while (now.tv_nsec % 10000000 > 300000);
                int first = start();
                printf("%d\n", first); fflush(stdout); next();
                long began = tick(first);
                stop(first);
                FILE *last = fopen("/proc/sys/kernel/ns_last_pid", "w");
                fprintf(last, "%d", first - 1); fclose(last);
                int second = start();
                printf("%d %d\n", second, second == first && tick(second) == began); fflush(stdout); next();
                stop(second);
            }
        }
        """;

    public static Task<string> BuildAsync(TempFolder folder) => CProgram.BuildAsync(folder, "reuse", Source);
}
