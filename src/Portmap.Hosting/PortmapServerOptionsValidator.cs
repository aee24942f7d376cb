using System.Net;
using Microsoft.Extensions.Options;
using Portmap.Rpc;

namespace Portmap.Hosting;

/// <summary>Checks a server's options before anything is opened: what the server would refuse is
/// refused here, by the same code where it can be.</summary>
internal sealed class PortmapServerOptionsValidator : IValidateOptions<PortmapServerOptions>
{
    private const string Unix = "unix:";
    private const string Tcp = "tcp:";

    public ValidateOptionsResult Validate(string? name, PortmapServerOptions options)
    {
        List<string> wrong = [.. options.Endpoints.Select(text => EndpointComplaint(text, options.AllowRemote)).OfType<string>()];
        if (options.Endpoints.GroupBy(text => text).FirstOrDefault(same => same.Count() > 1) is { } twice)
        {
            wrong.Add($"{nameof(options.Endpoints)} names {twice.Key} twice; name it once.");
        }

        if (options.AllowedUserIds.Contains(uint.MaxValue))
        {
            wrong.Add($"{nameof(options.AllowedUserIds)} names {uint.MaxValue}, which is no user; name the ids that `id -u USER` prints.");
        }

        if (ServerComplaint(options) is { } complaint)
        {
            wrong.Add(complaint);
        }

        return wrong.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(wrong);
    }

    private static string? EndpointComplaint(string text, bool allowRemote)
    {
        const string Name = nameof(PortmapServerOptions.Endpoints);
        if (!PortmapEndpoint.TryParse(text, out _, out string? complaint))
        {
            return $"{Name}: {complaint}";
        }

        if (text.StartsWith(Unix, StringComparison.Ordinal) && !Path.IsPathFullyQualified(text[Unix.Length..]))
        {
            return $"{Name}: the socket path of {text} is relative, and workers have other current folders than this process; write an absolute one, for example {Unix}{Path.GetFullPath(text[Unix.Length..])}.";
        }

        return text.StartsWith(Tcp, StringComparison.Ordinal) && !allowRemote && !IPAddress.IsLoopback(IPEndPoint.Parse(text[Tcp.Length..]).Address)
            ? $"{Name}: {text} can be reached from other hosts and the wire knows no authentication; choose a loopback address, or set {nameof(PortmapServerOptions.AllowRemote)} if that is what you want."
            : null;
    }

    /// <summary>What the server itself says of the bounds: it is made, for a registry of one port
    /// in memory, and not started.</summary>
    private static string? ServerComplaint(PortmapServerOptions options)
    {
        using PortRegistry registry = new(new PortRegistryOptions { Ports = "1", Probe = false, Guard = PortGuardMode.None, MaxOwners = 1, WatchCapacity = 16 });
        try
        {
            _ = new PortmapServer(registry, options);
            return null;
        }
        catch (ArgumentException exception)
        {
            string parameter = $" (Parameter '{exception.ParamName}')";
            return exception.Message.EndsWith(parameter, StringComparison.Ordinal) ? exception.Message[..^parameter.Length] : exception.Message;
        }
    }
}
