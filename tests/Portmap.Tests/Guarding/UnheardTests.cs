using Portmap.TestKit.Processes;
using Portmap.Tests.Support;

namespace Portmap.Tests.Guarding;

/// <summary>A daemon that the kernel does not let listen, for another reason than that somebody
/// else does.</summary>
public sealed class UnheardTests
{
    // listen(2) of IPv4 and IPv6 fails with LISTEN_ERRNO, the first LISTEN_FAILS times.
    private const string Shim =
        """
        #define _GNU_SOURCE
        #include <dlfcn.h>
        #include <errno.h>
        #include <stdlib.h>
        #include <sys/socket.h>
        static int failed;
        int listen(int socket, int backlog)
        {
            struct sockaddr_storage at;
            socklen_t length = sizeof at;
            int isInet = getsockname(socket, (struct sockaddr *)&at, &length) == 0 && at.ss_family != AF_UNIX;
            if (isInet && __sync_fetch_and_add(&failed, 1) < atoi(getenv("LISTEN_FAILS")))
            {
                errno = atoi(getenv("LISTEN_ERRNO"));
                return -1;
            }
            return ((int (*)(int, int))dlsym(RTLD_NEXT, "listen"))(socket, backlog);
        }
        """;

    [NeedsFact("gcc")]
    public async Task Acquire_ListenIsNotAllowed_IsDeniedAndNobodysPort()
    {
        using TempFolder folder = new();
        using GuardingDaemon daemon = await StartAsync(folder, PortBlock.Take(2), errno: 13, times: 1_000);

        (await daemon.AcquireAllAsync()).Should().BeEmpty();

        daemon.Refused.Should().Be($"{PortRefusalReason.PortDenied}", "a security policy is no stranger");
    }

    [NeedsFact("gcc")]
    public async Task Acquire_ListenFailsOnceForWantOfMemory_ThePortComesLaterAndIsNotForeign()
    {
        using TempFolder folder = new();
        using GuardingDaemon daemon = await StartAsync(folder, PortBlock.Take(2), errno: 105, times: 1);

        (await daemon.AcquireAllAsync()).Should().HaveCount(2).And.OnlyContain(port => port.Value == PortGuarantee.Exclusive);
    }

    private static async Task<GuardingDaemon> StartAsync(TempFolder folder, PortRange range, int errno, int times) => await GuardingDaemon.StartAsync(
        range,
        PortGuardMode.PassSocket,
        [
            ("LD_PRELOAD", await CProgram.BuildAsync(folder, "unheard.so", Shim, "-shared", "-fPIC")),
            ("LISTEN_ERRNO", $"{errno}"),
            ("LISTEN_FAILS", $"{times}"),
        ]);
}
