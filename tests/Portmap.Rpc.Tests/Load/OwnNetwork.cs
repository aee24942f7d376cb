using System.Diagnostics;
using System.Runtime.InteropServices;
using Portmap.TestKit.Processes;

namespace Portmap.Rpc.Tests.Load;

/// <summary>A network namespace for one process tree: what its connections leave in TIME_WAIT
/// touches nobody else.</summary>
internal static class OwnNetwork
{
    private const int GetFlags = 0x8913;   // SIOCGIFFLAGS
    private const int SetFlags = 0x8914;   // SIOCSIFFLAGS
    private const int RequestBytes = 40;   // struct ifreq: name[16], then the flags
    private const int FlagsAt = 16;
    private const byte Up = 1;

    /// <summary>How <c>unshare</c> is asked: root just does it, others have to be root of a
    /// namespace of users first.</summary>
    public static string Option => Environment.IsPrivilegedProcess ? "-n" : "-rn";

    /// <summary>Starts this assembly as a program in a network of its own.</summary>
    public static ChildProcess Start(params IEnumerable<string> arguments) =>
        ChildProcess.Start(new ProcessStartInfo("unshare"), [Option, .. Descriptors(), .. LoadProgram.Command, .. arguments]);

    /// <summary>Brings the loopback interface up, which a new network has down; done here because a
    /// bare Debian has no <c>ip</c>.</summary>
    public static void RaiseLoopback()
    {
        byte[] request = new byte[RequestBytes];
        "lo"u8.CopyTo(request);
        int socket = Socket(2 /* AF_INET */, 2 /* SOCK_DGRAM */, 0);
        if (Ioctl(socket, GetFlags, request) == 0)
        {
            request[FlagsAt] |= Up;
            if (Ioctl(socket, SetFlags, request) == 0)
            {
                return;
            }
        }

        throw new InvalidOperationException($"The loopback interface cannot be brought up: error {Marshal.GetLastPInvokeError()}.");
    }

    // .NET raises the soft limit to the hard one by itself; where the hard one is too low, only
    // root can do something.
    private static string[] Descriptors()
    {
        const int Needed = 8_192;
        string line = File.ReadLines("/proc/self/limits").First(line => line.StartsWith("Max open files", StringComparison.Ordinal));
        string hard = line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[4];
        return hard == "unlimited" || long.Parse(hard, System.Globalization.CultureInfo.InvariantCulture) >= Needed ? [] : ["prlimit", $"--nofile={Needed}"];
    }

    [DllImport("libc", EntryPoint = "socket", SetLastError = true)]
    private static extern int Socket(int family, int type, int protocol);

    [DllImport("libc", EntryPoint = "ioctl", SetLastError = true)]
    private static extern int Ioctl(int socket, nuint request, byte[] argument);
}
