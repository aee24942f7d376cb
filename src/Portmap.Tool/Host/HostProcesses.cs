using System.Globalization;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Portmap.Native;
using Portmap.Processes;
using Portmap.Rpc;

namespace Portmap.Tool.Host;

/// <summary>What this host says of a process.</summary>
internal static class HostProcesses
{
    private const string UnixScheme = "unix:", NumbersOf = "NSpid:";

    private const int SolSocket = 1, SoPeerCred = 17;

    private static readonly TimeSpan s_turn = TimeSpan.FromMilliseconds(50);

    /// <summary>Whether it can still serve; true where that cannot be told.</summary>
    public static bool IsAlive(int processId) =>
        !OperatingSystem.IsLinux() || (Posix.IsThere(processId) && (!ProcessStat.TryRead(processId, out ProcessStat stat) || stat.IsAlive));

    /// <summary>The file of a Unix socket; null for TCP.</summary>
    public static string? SocketOf(PortmapEndpoint endpoint) =>
        endpoint.ToString() is var text && text.StartsWith(UnixScheme, StringComparison.Ordinal) ? text[UnixScheme.Length..] : null;

    /// <summary>Whether the numbers by which a daemon names processes mean the same ones here.</summary>
    /// <remarks>
    /// Over TCP they may be another host's. Behind a Unix socket the daemon may be in another pid
    /// namespace, whose numbers are others. A socket that is passed on, as ssh does it, shows who
    /// passes it on.
    /// </remarks>
    public static async Task<bool> AreThoseOfAsync(PortmapEndpoint endpoint, CancellationToken cancellationToken)
    {
        if (SocketOf(endpoint) is not { } path)
        {
            return false;
        }

        if (!OperatingSystem.IsLinux())
        {
            return true;
        }

        int daemon = await ListenerAtAsync(path, cancellationToken);
        return daemon > 0 && IsOfThisNamespace("self") && IsOfThisNamespace(daemon.ToString(CultureInfo.InvariantCulture));
    }

    /// <summary>The process that listens on a Unix socket; 0 when it has no number here, or nobody
    /// listens.</summary>
    private static async Task<int> ListenerAtAsync(string path, CancellationToken cancellationToken)
    {
        while (true)
        {
            using Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            try
            {
                await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), cancellationToken);

                // struct ucred, which begins with pid_t pid: who called listen.
                byte[] credential = new byte[12];
                socket.GetRawSocketOption(SolSocket, SoPeerCred, credential);
                return MemoryMarshal.Read<int>(credential);
            }
            catch (SocketException exception) when (exception.SocketErrorCode == SocketError.WouldBlock)
            {
                await Task.Delay(s_turn, TimeProvider.System, cancellationToken);   // as many wait for it as the kernel lets wait
            }
            catch (SocketException)
            {
                return 0;
            }
        }
    }

    /// <summary>A process of the pid namespace that /proc is of has one number; of one below, one
    /// more for each.</summary>
    /// <remarks>Also true where that cannot be read: an old kernel, or a /proc that hides
    /// it.</remarks>
    private static bool IsOfThisNamespace(string process)
    {
        try
        {
            return File.ReadLines($"/proc/{process}/status").FirstOrDefault(line => line.StartsWith(NumbersOf, StringComparison.Ordinal)) is not { } numbers
                || numbers[NumbersOf.Length..].Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries).Length == 1;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return true;
        }
    }
}
