using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Portmap;

/// <summary>What the errors of socket(2), bind(2) and listen(2) mean.</summary>
/// <remarks>
/// Only "address in use" is a stranger; the others are of the user, the address or the host.
/// </remarks>
internal static class BindError
{
    /// <summary>What .NET makes of an error it has no name for.</summary>
    /// <remarks>Of those that socket, bind and listen have, that is ENOMEM alone.</remarks>
    private const SocketError Unnamed = SocketError.SocketError;

    /// <summary>The reason, or null for an error that is none of these.</summary>
    public static PortRefusalReason? ReasonOf(SocketError error) => error switch
    {
        SocketError.AddressAlreadyInUse => PortRefusalReason.Foreign,
        SocketError.AccessDenied => PortRefusalReason.PortDenied,
        SocketError.AddressNotAvailable => PortRefusalReason.AddressUnavailable,
        SocketError.AddressFamilyNotSupported or SocketError.ProtocolFamilyNotSupported => PortRefusalReason.FamilyUnsupported,
        SocketError.TooManyOpenSockets => PortRefusalReason.NoDescriptors,
        SocketError.NoBufferSpaceAvailable or Unnamed => PortRefusalReason.NoMemory,
        _ => null,
    };

    /// <summary>A sentence with the value and one with the remedy.</summary>
    public static string Explain(SocketError error, int port, IPAddress? address = null)
    {
        string place = port == 0 ? "a port" : Text($"port {port}");
        place = address is null ? place : Text($"{place} of {address}");
        return error switch
        {
            SocketError.AddressAlreadyInUse => Text($"Binding {place} failed: it is in use (EADDRINUSE). Stop who has it, or take another one."),
            SocketError.AccessDenied when port is > 0 and < 1_024 => Text(
                $"Binding {place} failed: this user may not (EACCES), for ports below net.ipv4.ip_unprivileged_port_start need a privilege. Give the program CAP_NET_BIND_SERVICE (AmbientCapabilities= of systemd), lower that setting, or take a higher port."),
            SocketError.AccessDenied => Text(
                $"Binding {place} failed: this user may not (EACCES), by a security policy or for want of a privilege. Allow it there, or take another port."),
            SocketError.AddressNotAvailable => Text(
                $"Binding {place} failed: the address is not one of this host's (EADDRNOTAVAIL). Bind one that `ip addr` lists, or every address."),
            SocketError.AddressFamilyNotSupported or SocketError.ProtocolFamilyNotSupported => Text(
                $"Binding {place} failed: this host has no sockets of that address family (EAFNOSUPPORT). Bind an address of the other family."),
            SocketError.TooManyOpenSockets => Text(
                $"Binding {place} failed: no descriptor is left for a socket (EMFILE, ENFILE). Raise the limit (ulimit -n, LimitNOFILE= of systemd), or close what is not used."),
            SocketError.NoBufferSpaceAvailable or Unnamed => Text(
                $"Binding {place} failed: no memory is left for a socket (ENOBUFS, ENOMEM). Free memory, or raise the limit of the control group or net.ipv4.tcp_mem."),
            _ => Text($"Binding {place} failed: {error}. Look at what the system logs."),
        };
    }

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
