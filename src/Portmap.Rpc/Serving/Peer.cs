using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace Portmap.Rpc.Serving;

/// <summary>Who is at the other end of a connection, as far as the kernel knows.</summary>
/// <param name="Name">For logs.</param>
/// <param name="ProcessId">The process as the kernel names it; 0 when it does not know.</param>
/// <param name="MayClaimProcess">Whether a process id that the peer states is worth a look: over TCP on loopback, where the kernel knows none.</param>
internal readonly record struct Peer(string Name, int ProcessId, bool MayClaimProcess)
{
    private const int SolSocket = 1;
    private const int SoPeerCred = 17;

    public static Peer Of(Socket socket)
    {
        if (socket.AddressFamily == AddressFamily.Unix)
        {
            int pid = CredentialProcess(socket);
            return new Peer($"pid {pid}", pid, MayClaimProcess: false);
        }

        var remote = (IPEndPoint)socket.RemoteEndPoint!;
        return new Peer(remote.ToString(), 0, IPAddress.IsLoopback(remote.Address));
    }

    /// <summary>The process a registration is made for: what the kernel says, else a claim that is alive on this host, else unknown.</summary>
    /// <remarks>A claimed process that does not live here is one of another pid namespace or a lie; both mean that nobody can watch it.</remarks>
    public int Resolve(int claimedProcessId) =>
        ProcessId != 0 || !MayClaimProcess || claimedProcessId <= 0 ? ProcessId
        : !OperatingSystem.IsLinux() || Directory.Exists($"/proc/{claimedProcessId}") ? claimedProcessId
        : 0;

    private static int CredentialProcess(Socket socket)
    {
        if (!OperatingSystem.IsLinux())
        {
            return 0;
        }

        // struct ucred { pid_t pid; uid_t uid; gid_t gid; }
        Span<byte> credential = stackalloc byte[12];
        return socket.GetRawSocketOption(SolSocket, SoPeerCred, credential) >= 4 ? MemoryMarshal.Read<int>(credential) : 0;
    }
}
