using System.Net.Sockets;

namespace Portmap.Rpc.Protocol;

/// <summary>
/// Why binding failed, in the numbers that <c>portmap.x</c> has for it: errno, as Linux numbers it.
/// </summary>
internal static class BindErrno
{
    /// <summary>What a caller means that says nothing of the error.</summary>
    private const int Unsaid = 0;

    // Of one error that several numbers stand for, the first one is written. ENOMEM is the only one
    // of them that .NET has no name for.
    private static readonly (int Errno, SocketError Error)[] s_all =
    [
        (98, SocketError.AddressAlreadyInUse),
        (13, SocketError.AccessDenied),                 // EACCES
        (1, SocketError.AccessDenied),                  // EPERM
        (99, SocketError.AddressNotAvailable),
        (97, SocketError.AddressFamilyNotSupported),
        (96, SocketError.ProtocolFamilyNotSupported),
        (24, SocketError.TooManyOpenSockets),           // EMFILE
        (23, SocketError.TooManyOpenSockets),           // ENFILE
        (105, SocketError.NoBufferSpaceAvailable),
        (12, SocketError.SocketError),                  // ENOMEM
    ];

    /// <exception cref="InvalidDataException">Binding a socket has no such error.</exception>
    public static SocketError Read(int errno)
    {
        if (errno == Unsaid)
        {
            return SocketError.AddressAlreadyInUse;
        }

        int at = Array.FindIndex(s_all, one => one.Errno == errno);
        return at >= 0 ? s_all[at].Error : throw new InvalidDataException($"{errno} is no error of binding a socket.");
    }

    /// <returns>The number; null for an error that does not cross.</returns>
    public static int? Of(SocketError error)
    {
        int at = Array.FindIndex(s_all, one => one.Error == error);
        return at >= 0 ? s_all[at].Errno : null;
    }
}
