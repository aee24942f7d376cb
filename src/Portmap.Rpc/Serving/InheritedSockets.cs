using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace Portmap.Rpc.Serving;

/// <summary>Listening sockets that whoever started this process made for it, by systemd's protocol:
/// LISTEN_PID, LISTEN_FDS, descriptors from 3 on.</summary>
/// <remarks>They outlive the process. While the daemon is started again the kernel takes
/// connections in for it, so that no worker and no client is refused.</remarks>
internal static class InheritedSockets
{
    private const int FirstDescriptor = 3;
    private const int SetDescriptorFlags = 2;   // F_SETFD
    private const int CloseOnExec = 1;          // FD_CLOEXEC

    /// <summary>The socket that listens at an endpoint already, or null: then the server makes its
    /// own.</summary>
    public static Socket? TryTake(PortmapEndpoint endpoint)
    {
        if (!OperatingSystem.IsLinux() || Number("LISTEN_PID") != Environment.ProcessId)
        {
            return null;
        }

        for (int descriptor = FirstDescriptor; descriptor < FirstDescriptor + Number("LISTEN_FDS"); descriptor++)
        {
            if (TryOpen(descriptor) is not { } socket)
            {
                continue;
            }

            if (IsAt(socket, endpoint))
            {
                // Else each worker that the daemon starts would hold it as well, and take in
                // connections that nobody answers.
                _ = ControlDescriptor(descriptor, SetDescriptorFlags, CloseOnExec);
                return socket;
            }

            LeaveOpen(socket);   // somebody else's: Kestrel's in the same process, a program's of the host
        }

        return null;
    }

    private static Socket? TryOpen(int descriptor)
    {
        SafeSocketHandle handle = new(descriptor, ownsHandle: true);
        try
        {
            return new Socket(handle);
        }
        catch (SocketException)
        {
            handle.SetHandleAsInvalid();   // a file or a pipe
            return null;
        }
    }

    private static void LeaveOpen(Socket socket)
    {
        socket.SafeHandle.SetHandleAsInvalid();
#pragma warning disable CA1816 // its finalizer would look at the handle
        GC.SuppressFinalize(socket);
#pragma warning restore CA1816
    }

    private static bool IsAt(Socket socket, PortmapEndpoint endpoint) =>
        socket.SocketType == SocketType.Stream
        && socket.AddressFamily == endpoint.Family
        && (int)socket.GetSocketOption(SocketOptionLevel.Socket, SocketOptionName.AcceptConnection)! != 0
        && (endpoint.Path is { } path ? socket.LocalEndPoint?.ToString() == path : socket.LocalEndPoint is IPEndPoint address && address.Equals(endpoint.Address));

    private static int Number(string name) =>
        int.TryParse(Environment.GetEnvironmentVariable(name), NumberStyles.None, CultureInfo.InvariantCulture, out int value) ? value : 0;

    [DllImport("libc", EntryPoint = "fcntl")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int ControlDescriptor(int descriptor, int command, int argument);
}
