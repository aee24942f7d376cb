using System.Globalization;
using Microsoft.Extensions.Options;

namespace Portmap.Etcd;

/// <summary>Checks the options: each wrong value is named with its bound and the remedy.</summary>
internal sealed class PortmapFleetOptionsValidator : IValidateOptions<PortmapFleetOptions>
{
    private const int MaxNameLength = 253;   // of a DNS name
    private const int MaxPrefixLength = 512;
    private const int MaxWatchCapacity = 1_048_576;

    public ValidateOptionsResult Validate(string? name, PortmapFleetOptions options)
    {
        List<string> wrong = Complaints(options);
        return wrong.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(wrong);
    }

    public static void ThrowIfInvalid(PortmapFleetOptions options)
    {
        List<string> wrong = Complaints(options);
        if (wrong.Count != 0)
        {
            throw new OptionsValidationException(nameof(PortmapFleetOptions), typeof(PortmapFleetOptions), wrong);
        }
    }

    /// <summary>The addresses, or null when one of them is none.</summary>
    public static Uri[]? ParseEndpoints(string? text)
    {
        string[] parts = (text ?? string.Empty).Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        Uri[] endpoints = new Uri[parts.Length];
        for (int i = 0; i < parts.Length; i++)
        {
            if (!Uri.TryCreate(parts[i], UriKind.Absolute, out Uri? endpoint)
                || (endpoint.Scheme != Uri.UriSchemeHttp && endpoint.Scheme != Uri.UriSchemeHttps)
                || endpoint.PathAndQuery != "/")
            {
                return null;
            }

            endpoints[i] = endpoint;
        }

        return endpoints.Length == 0 ? null : endpoints;
    }

    private static List<string> Complaints(PortmapFleetOptions options)
    {
        List<string> wrong = [];
        if (ParseEndpoints(options.Endpoints) is null)
        {
            wrong.Add($"Endpoints is '{options.Endpoints}'; write http://HOST:PORT or https://HOST:PORT, several separated by commas.");
        }

        if (options.Host is not { Length: > 0 and <= MaxNameLength } || !options.Host.All(IsOfHostName))
        {
            wrong.Add($"Host is '{options.Host}'; give 1 to {MaxNameLength} of the characters A-Z, a-z, 0-9, dot, hyphen and underscore.");
        }

        if (options.Address is { } address && (address.Length is 0 or > MaxNameLength || address.AsSpan().ContainsAnyExceptInRange('!', '~')))
        {
            wrong.Add($"Address is '{address}'; give an address or a DNS name of 1 to {MaxNameLength} printable ASCII characters, or null for the name of the host.");
        }

        if (options.Prefix is not { Length: > 1 and <= MaxPrefixLength } prefix
            || prefix[0] != '/' || prefix[^1] == '/' || prefix.AsSpan().ContainsAnyExceptInRange('!', '~'))
        {
            wrong.Add($"Prefix is '{options.Prefix}'; begin with a slash, end without one, and use 2 to {MaxPrefixLength} printable ASCII characters.");
        }

        TimeSpan minute = TimeSpan.FromMinutes(1), day = TimeSpan.FromDays(1), second = TimeSpan.FromSeconds(1), tenth = TimeSpan.FromMilliseconds(100);
        CheckTime(wrong, nameof(options.LeaseTtl), options.LeaseTtl, TimeSpan.FromSeconds(2), TimeSpan.FromHours(1));
        if (options.LeaseTtl.Ticks % TimeSpan.TicksPerSecond != 0)
        {
            wrong.Add($"LeaseTtl is {options.LeaseTtl}; etcd counts whole seconds.");
        }

        if (options.MaxStaleness != Timeout.InfiniteTimeSpan)
        {
            CheckTime(wrong, nameof(options.MaxStaleness), options.MaxStaleness, second, day);
            if (options.MaxStaleness >= second && options.MaxStaleness / 2 < options.HeartbeatInterval)
            {
                wrong.Add($"MaxStaleness is {options.MaxStaleness}, which the map exceeds while all is well; choose at least twice HeartbeatInterval ({options.HeartbeatInterval}).");
            }
        }

        CheckTime(wrong, nameof(options.RequestTimeout), options.RequestTimeout, tenth, minute);
        CheckTime(wrong, nameof(options.HeartbeatInterval), options.HeartbeatInterval, tenth, minute);
        CheckTime(wrong, nameof(options.AuditInterval), options.AuditInterval, second, day);
        if (options.WatchCapacity is < 1 or > MaxWatchCapacity)
        {
            wrong.Add(string.Create(CultureInfo.InvariantCulture, $"WatchCapacity is {options.WatchCapacity}; choose 1 to {MaxWatchCapacity}."));
        }

        CheckFile(wrong, nameof(options.AuthorityFile), options.AuthorityFile);
        CheckFile(wrong, nameof(options.CertificateFile), options.CertificateFile);
        CheckFile(wrong, nameof(options.KeyFile), options.KeyFile);
        if (options is { KeyFile: not null, CertificateFile: null })
        {
            wrong.Add("KeyFile is set and CertificateFile is not; name the certificate of the key.");
        }

        if (options is { ReadOnly: true, Mirror: false })
        {
            wrong.Add("ReadOnly is true and Mirror is false, so that there is nothing to do; leave Mirror on.");
        }

        if (options.User is null != options.Password is null)
        {
            wrong.Add("Of User and Password only one is set; set both or none.");
        }

        return wrong;
    }

    private static bool IsOfHostName(char c) => char.IsAsciiLetterOrDigit(c) || c is '.' or '-' or '_';

    private static void CheckTime(List<string> wrong, string name, TimeSpan value, TimeSpan least, TimeSpan most)
    {
        if (value < least || value > most)
        {
            wrong.Add($"{name} is {value}; choose {least} to {most}.{TimeHint.Of(value)}");
        }
    }

    private static void CheckFile(List<string> wrong, string name, string? path)
    {
        if (path is null)
        {
            return;
        }

        if (!File.Exists(path))
        {
            wrong.Add($"{name} is '{path}', and there is no such file; name a PEM file that can be read.");
            return;
        }

        try
        {
            File.OpenRead(path).Dispose();
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            wrong.Add($"{name} is '{path}', which user '{Environment.UserName}' cannot read ({exception.Message}); name a PEM file that can be read.");
        }
    }
}
