using Microsoft.Extensions.Options;
using Portmap.Rpc;

namespace Portmap.Hosting;

/// <summary>Workers are told where the server listens: the registry's Endpoint is the server's, and
/// one that is not is an error.</summary>
internal sealed class ServedEndpoint(IOptionsMonitor<PortmapServerOptions> server, string name)
    : IPostConfigureOptions<PortRegistryOptions>, IValidateOptions<PortRegistryOptions>
{
    private const string Unix = "unix:";

    public void PostConfigure(string? named, PortRegistryOptions options)
    {
        if (named == name && options.Endpoint is null)
        {
            string[] served = Served();
            options.Endpoint = Array.Find(served, text => text.StartsWith(Unix, StringComparison.Ordinal)) ?? Array.Find(served, HasPort);
        }
    }

    public ValidateOptionsResult Validate(string? named, PortRegistryOptions options)
    {
        if (named != name || options.Endpoint is not { } told || !PortmapEndpoint.TryParse(told, out PortmapEndpoint? endpoint, out _))
        {
            return ValidateOptionsResult.Skip;   // another registry's, or none, or not one at all, which the registry's own check says
        }

        string[] served = Served();
        return served.Length == 0 || served.Contains(endpoint.ToString())
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

    private static bool HasPort(string tcp) => !tcp.EndsWith(":0", StringComparison.Ordinal);
}
