using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using Portmap.Rpc;
using Portmap.Tool.Output;
using Portmap.Tool.Parsing;

namespace Portmap.Tool;

/// <summary>The options that every verb has.</summary>
internal static class CommonOptions
{
    private const string UnixScheme = "unix:";

    private static readonly string[] s_protocols = ["tcp", "udp"];
    private static readonly TimeSpan s_shortest = TimeSpan.FromMilliseconds(10), s_longest = TimeSpan.FromHours(1);

    public static Option<PortmapEndpoint?> Endpoint { get; } = new("--endpoint", "-e")
    {
        HelpName = "ENDPOINT",
        Description = "Where the daemon listens, unix:PATH or tcp:ADDRESS:PORT (default: PORTMAP_ENDPOINT, else unix:$XDG_RUNTIME_DIR/portmap.sock or unix:/run/portmap.sock).",
        CustomParser = ParseEndpoint,
        Recursive = true,
    };

    public static Option<TimeSpan?> Timeout { get; } = new("--timeout", "-t")
    {
        HelpName = "SECONDS",
        Description = "How long to wait for an answer of the daemon, 0.01 to 3600 (default 5).",
        CustomParser = ParseTimeout,
        Recursive = true,
    };

    public static Option<bool> Json { get; } = new("--json") { Description = "Write JSON, one object a line, for programs.", Recursive = true };

    /// <summary>What the environment says of the daemon; null when it says nothing.</summary>
    /// <exception cref="FormatException">It says nothing that can be meant.</exception>
    public static PortmapEndpoint? EndpointOfEnvironment =>
        Environment.GetEnvironmentVariable(PortmapVariables.Endpoint) is not { Length: > 0 } text ? null
        : TryParseEndpoint(text, out string? complaint) ?? throw new FormatException($"{PortmapVariables.Endpoint}: {complaint}");

    public static Option<PortProtocol?> MakeProtocol()
    {
        Option<PortProtocol?> protocol = new("--protocol", "-p")
        {
            HelpName = string.Join('|', s_protocols),
            Description = "The protocol (default tcp).",
            CustomParser = ParseProtocol,
        };
        protocol.CompletionSources.Add(s_protocols);
        return protocol;
    }

    public static Option<IReadOnlyList<PortRange>?> MakeRange(string description) => new("--range")
    {
        HelpName = "FIRST-LAST,...",
        Description = description,
        CustomParser = ParseRange,
    };

    private static PortmapEndpoint? ParseEndpoint(ArgumentResult result)
    {
        PortmapEndpoint? endpoint = TryParseEndpoint(result.Tokens[0].Value, out string? complaint);
        if (endpoint is null)
        {
            result.AddError($"{complaint}");
        }

        return endpoint;
    }

    /// <summary>A path that is relative means another socket in each folder, so that it is taken
    /// neither from a script nor from the environment.</summary>
    private static PortmapEndpoint? TryParseEndpoint(string text, out string? complaint)
    {
        string path = text.StartsWith(UnixScheme, StringComparison.Ordinal) ? text[UnixScheme.Length..] : string.Empty;
        if (!PortmapEndpoint.TryParse(text, out PortmapEndpoint? endpoint, out complaint))
        {
            complaint = Words.WithCut(Words.WithCut(complaint, text), path);
        }
        else if (path.Length != 0 && !Path.IsPathFullyQualified(path))
        {
            complaint = $"{Words.Quoted(text)} has a relative path; write an absolute one, for example {UnixScheme}{Path.GetFullPath(path)}.";
        }

        return complaint is null ? endpoint : null;
    }

    private static TimeSpan? ParseTimeout(ArgumentResult result)
    {
        string text = result.Tokens[0].Value;
        if (double.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double seconds)
            && seconds >= s_shortest.TotalSeconds && seconds <= s_longest.TotalSeconds)
        {
            return TimeSpan.FromSeconds(seconds);
        }

        result.AddError($"{Words.Quoted(text)} is not a time to wait; write seconds, 0.01 to 3600, for example 2.5.");
        return null;
    }

    private static PortProtocol? ParseProtocol(ArgumentResult result)
    {
        Values.Check(result, result.Tokens, s_protocols);
        return result.Tokens[0].Value == "udp" ? PortProtocol.Udp : PortProtocol.Tcp;
    }

    private static IReadOnlyList<PortRange>? ParseRange(ArgumentResult result)
    {
        try
        {
            return PortRange.ParseList(result.Tokens[0].Value);
        }
        catch (FormatException exception)
        {
            result.AddError(Words.WithCut(exception.Message, result.Tokens[0].Value));
            return null;
        }
    }
}
