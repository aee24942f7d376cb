using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Options;
using Portmap.Rpc;

namespace Portmap.Hosting;

/// <summary>Workers are told where the server listens: the registry's Endpoint is the server's, and
/// one that is not is an error.</summary>
internal sealed class ServedEndpoint(IOptionsMonitor<PortmapServerOptions> server, string name)
    : IPostConfigureOptions<PortRegistryOptions>, IValidateOptions<PortRegistryOptions>
{
    private const string Unix = "unix:", Tcp = "tcp:";

    public void PostConfigure(string? named, PortRegistryOptions options)
    {
        if (named == name && options.Endpoint is null)
        {
            string[] served = Served();
            options.Endpoint = Array.Find(served, text => text.StartsWith(Unix, StringComparison.Ordinal)) ?? served.Select(Told).FirstOrDefault(text => text is not null);
        }
    }

    public ValidateOptionsResult Validate(string? named, PortRegistryOptions options)
    {
        if (named != name || options.Endpoint is not { } told || !PortmapEndpoint.TryParse(told, out PortmapEndpoint? endpoint, out _))
        {
            return ValidateOptionsResult.Skip;   // another registry's, or none, or not one at all, which the registry's own check says
        }

        string[] served = Served();
        return served.Length == 0 || Array.Exists(served, text => text == endpoint.ToString() || IsOneOfAll(endpoint.ToString(), text))
            ? ValidateOptionsResult.Success
            : ValidateOptionsResult.Fail(
                $"{nameof(options.Endpoint)} is '{told}', and the server listens on {string.Join(", ", served)}: workers would look for the daemon where it is not. "
                + $"Leave {nameof(options.Endpoint)} null to take the server's, or add it to the server's {nameof(PortmapServerOptions.Endpoints)}. "
                + "Workers that see the socket elsewhere (a container's mount) are told for each start.");
    }

    /// <summary>Where the server will listen; nothing when its options are wrong, which their own
    /// check says.</summary>
    private string[] Served()
    {
        try
        {
            IList<string> wanted = server.Get(name).Endpoints;
            return wanted.Count == 0 ? [PortmapEndpoint.Default.ToString()] : [.. wanted.Select(text => PortmapEndpoint.Parse(text).ToString())];
        }
        catch (Exception exception) when (exception is OptionsValidationException or FormatException)
        {
            return [];
        }
    }

    /// <summary>What workers are told of an endpoint: of one that is every address, the loopback one,
    /// for they run on this host. Null for a port that only the listening server knows.</summary>
    private static string? Told(string served) => AddressOf(served) is not { Port: not 0 } address ? null
        : IsEvery(address) ? $"{Tcp}{new IPEndPoint(address.AddressFamily == AddressFamily.InterNetwork ? IPAddress.Loopback : IPAddress.IPv6Loopback, address.Port)}"
        : served;

    /// <summary>Whether a server that listens on every address of a family listens on this
    /// one.</summary>
    private static bool IsOneOfAll(string told, string served) =>
        AddressOf(served) is { } all && IsEvery(all) && AddressOf(told) is { } one && one.Port == all.Port && one.AddressFamily == all.AddressFamily;

    private static bool IsEvery(IPEndPoint served) => served.Address.Equals(IPAddress.Any) || served.Address.Equals(IPAddress.IPv6Any);

    private static IPEndPoint? AddressOf(string endpoint) => endpoint.StartsWith(Tcp, StringComparison.Ordinal) ? IPEndPoint.Parse(endpoint.AsSpan(Tcp.Length)) : null;
}
