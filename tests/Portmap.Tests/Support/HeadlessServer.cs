using System.Globalization;
using Portmap.TestKit.Processes;

namespace Portmap.Tests.Support;

/// <summary>A server in C whose main thread ends while another one serves: a zombie for /proc, and
/// alive.</summary>
internal static class HeadlessServer
{
    private const string Source = """
        #include <arpa/inet.h>
        #include <pthread.h>
        #include <stdio.h>
        #include <stdlib.h>
        #include <unistd.h>
        static void *serve(void *port) {
            struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(atoi(port)), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
            int one = 1, s = socket(AF_INET, SOCK_STREAM, 0);
            setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
            if (bind(s, (struct sockaddr *)&at, sizeof at) || listen(s, 9)) exit(1);
            puts("listening"); fflush(stdout);
            for (;;) close(accept(s, 0, 0));
        }
        int main(int count, char **words) {
            pthread_t thread;
            pthread_create(&thread, 0, serve, words[1]);
            pthread_exit(0);
        }
        """;

    /// <summary>Returns once it listens.</summary>
    public static async Task<Child> StartAsync(TempFolder folder, int port)
    {
        Child child = Child.Start(await CProgram.BuildAsync(folder, "headless", Source), port.ToString(CultureInfo.InvariantCulture));
        (await child.Process.StandardOutput.ReadLineAsync().Within()).Should().Be("listening");
        return child;
    }
}
