using System.Net;

namespace Portmap.Guarding;

/// <summary>One socket that has a port, as the kernel lists it.</summary>
/// <param name="Port">Its local port.</param>
/// <param name="Address">Its local address.</param>
/// <param name="IsV6Only">A wildcard of IPv6 that leaves IPv4 to others.</param>
/// <param name="Listens">TCP: it listens. UDP: it is bound.</param>
/// <param name="UserId">Whose it is.</param>
/// <param name="Inode">What /proc/pid/fd calls it; 0 when no process has it any more.</param>
internal readonly record struct PortSocket(
    int Port, IPAddress Address, bool IsV6Only, bool Listens, uint UserId, long Inode)
{
    /// <summary>A UDP socket that has a peer: it serves that one only.</summary>
    public bool IsConnected { get; init; }

    /// <summary>The addresses it serves.</summary>
    /// <remarks>
    /// * is every one of both families, 0.0.0.0 and :: every one of IPv4 and of IPv6.
    /// </remarks>
    public string Served => Address.Equals(IPAddress.IPv6Any) && !IsV6Only ? "*" : Address.ToString();
}
