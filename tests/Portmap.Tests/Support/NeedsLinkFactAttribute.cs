using System.Net;
using System.Net.NetworkInformation;

namespace Portmap.Tests.Support;

/// <summary>A fact about an address of one link (fe80::/10), which this host must have; else it is
/// skipped by name.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class NeedsLinkFactAttribute : NeedsFactAttribute
{
    public NeedsLinkFactAttribute()
        : base("python3")
    {
        if (Address is null)
        {
            Skip ??= "needs a network interface with a link-local address (fe80::)";
        }
    }

    /// <summary>The first one, with its interface.</summary>
    public static IPAddress? Address { get; } = NetworkInterface.GetAllNetworkInterfaces()
        .Where(network => network.OperationalStatus == OperationalStatus.Up)
        .SelectMany(network => network.GetIPProperties().UnicastAddresses)
        .Select(unicast => unicast.Address)
        .FirstOrDefault(address => address.IsIPv6LinkLocal);
}
