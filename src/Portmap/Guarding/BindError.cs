using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Portmap.Guarding;

/// <summary>What the errors of socket(2), bind(2) and listen(2) mean. Only "address in use" is a stranger; the others are of the user, the address or the host.</summary>
internal static class BindError
{
    /// <summary>The reason, or null for an error that is none of these.</summary>
    public static PortRefusalReason? ReasonOf(SocketError error) => error switch
    {
        SocketError.AddressAlreadyInUse => PortRefusalReason.Foreign,
        SocketError.AccessDenied => PortRefusalReason.PortDenied,
        SocketError.AddressNotAvailable => PortRefusalReason.AddressUnavailable,
        SocketError.AddressFamilyNotSupported or SocketError.ProtocolFamilyNotSupported => PortRefusalReason.FamilyUnsupported,
        SocketError.TooManyOpenSockets => PortRefusalReason.NoDescriptors,
        SocketError.NoBufferSpaceAvailable => PortRefusalReason.NoMemory,
        _ => null,
    };

    /// <summary>What .NET calls the error; it has no name for ENOMEM.</summary>
    public static SocketError Of(SocketException failure)
    {
        const int OutOfMemory = 12;   // errno(3)
        return failure.NativeErrorCode == OutOfMemory && OperatingSystem.IsLinux() ? SocketError.NoBufferSpaceAvailable : failure.SocketErrorCode;
    }

    /// <summary>A sentence with the value and one with the remedy.</summary>
    public static string Explain(SocketError error, int port, IPAddress? address = null)
    {
        string place = address is null ? Text($"port {port}") : Text($"port {port} of {address}");
        return error switch
        {
            SocketError.AddressAlreadyInUse => Text($"The {place} is in use (EADDRINUSE). Stop who has it, or take another one."),
            SocketError.AccessDenied when port is > 0 and < 1_024 => Text(
                $"The {place} may not be bound by this user (EACCES): ports below net.ipv4.ip_unprivileged_port_start need a privilege. Give the program CAP_NET_BIND_SERVICE (AmbientCapabilities= of systemd), lower that setting, or take a higher port."),
            SocketError.AccessDenied => Text($"The {place} may not be bound by this user (EACCES): a security policy forbids it, or a privilege is missing. Allow it there, or take another port."),
            SocketError.AddressNotAvailable => Text($"The {place} cannot be bound: the address is not one of this host's (EADDRNOTAVAIL). Bind one that `ip addr` lists, or every address."),
            SocketError.AddressFamilyNotSupported or SocketError.ProtocolFamilyNotSupported => Text(
                $"The {place} cannot be bound: this host has no sockets of that address family (EAFNOSUPPORT). Bind an address of the other family."),
            SocketError.TooManyOpenSockets => Text($"No descriptor is left for a socket on {place} (EMFILE, ENFILE). Raise the limit (ulimit -n, LimitNOFILE= of systemd), or close what is not used."),
            SocketError.NoBufferSpaceAvailable => Text($"No memory is left for a socket on {place} (ENOBUFS, ENOMEM). Free memory, or raise the limit of the control group or net.ipv4.tcp_mem."),
            _ => Text($"The {place} cannot be bound: {error}. Look at what the system logs."),
        };
    }

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
