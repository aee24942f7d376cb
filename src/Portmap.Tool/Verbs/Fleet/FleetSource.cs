using System.CommandLine;
using Portmap.Etcd;
using Portmap.Tool.Output;
using Portmap.Tool.Parsing;

namespace Portmap.Tool.Verbs.Fleet;

/// <summary>Which etcd has the fleet's map, and how it is reached: options and environment as those
/// of etcdctl.</summary>
internal static class FleetSource
{
    private const string DefaultEndpoints = "http://127.0.0.1:2379";

    /// <summary>How often it is looked whether etcd denies it, which no waiting mends.</summary>
    private static readonly TimeSpan s_look = TimeSpan.FromMilliseconds(50);

    private static readonly Option<string?> s_endpoints = Make("--endpoints", "URL,...", $"The members of etcd (default: ETCDCTL_ENDPOINTS, else {DefaultEndpoints}).");
    private static readonly Option<string?> s_prefix = Make("--prefix", "PREFIX", "What the keys of the fleet begin with (default /portmap/v1).");
    private static readonly Option<string?> s_authority = Make("--cacert", "FILE", "The authorities that may have signed etcd's certificate, as PEM (default: ETCDCTL_CACERT, else the machine's).").ThatIsAPath();
    private static readonly Option<string?> s_certificate = Make("--cert", "FILE", "The certificate to show to etcd, as PEM (default: ETCDCTL_CERT).").ThatIsAPath();
    private static readonly Option<string?> s_key = Make("--key", "FILE", "Its key, as PEM (default: ETCDCTL_KEY, else in the same file).").ThatIsAPath();
    private static readonly Option<string?> s_user = Make("--user", "USER[:PASSWORD]", "The user of etcd (default: ETCDCTL_USER). Others see what stands in a command line.");
    private static readonly Option<string?> s_password = Make("--password", "PASSWORD", "The password (default: ETCDCTL_PASSWORD).");

    /// <summary>Gives a command and those below it the options.</summary>
    public static Command WithFleet(this Command command)
    {
        foreach (Option<string?> option in (Option<string?>[])[s_endpoints, s_prefix, s_authority, s_certificate, s_key, s_user, s_password])
        {
            command.Add(option);
        }

        return command;
    }

    /// <summary>Reads the whole map, and follows it until it is disposed.</summary>
    /// <exception cref="FormatException">An option or a variable is wrong.</exception>
    /// <exception cref="PortRefusedException">Etcd denies it.</exception>
    /// <exception cref="IOException">Etcd does not answer in time.</exception>
    public static async Task<PortmapFleet> OpenAsync(Invocation run, CancellationToken cancellationToken)
    {
        PortmapFleetOptions options = Read(run.Arguments);
        PortmapFleet fleet = Make(options);
        try
        {
            fleet.Start();
            await run.WaitAsync(ListedAsync(fleet, options, run, cancellationToken), "etcd");
            return fleet;
        }
        catch
        {
            await fleet.DisposeAsync();
            throw;
        }
    }

    /// <summary>The options that a command line and the environment come to.</summary>
    public static PortmapFleetOptions Read(ParseResult arguments)
    {
        string? authority = Of(s_authority, "ETCDCTL_CACERT"), certificate = Of(s_certificate, "ETCDCTL_CERT"), key = Of(s_key, "ETCDCTL_KEY");
        (string? user, string? password) = Split(Of(s_user, "ETCDCTL_USER"));
        password = Of(s_password, "ETCDCTL_PASSWORD") ?? password;
        if (user is not null && password is null)
        {
            throw new FormatException($"There is no password of the user {Words.Quoted(user)}; set ETCDCTL_PASSWORD.");
        }

        foreach (string file in ((string?[])[authority, certificate, key]).OfType<string>())
        {
            FileFailedException.Try(() => File.OpenHandle(file)).Dispose();   // where this user may not enter its folder it seems not to be there
        }

        bool isSecure = authority is not null || certificate is not null;
        return new PortmapFleetOptions
        {
            Endpoints = string.Join(',', (Of(s_endpoints, "ETCDCTL_ENDPOINTS") ?? DefaultEndpoints).Split(',').Select(endpoint => WithScheme(endpoint.Trim(), isSecure))),
            Prefix = arguments.GetValue(s_prefix) ?? "/portmap/v1",
            AuthorityFile = authority,
            CertificateFile = certificate,
            KeyFile = key,
            User = user,
            Password = user is null ? null : password,
            ReadOnly = true,
        };

        string? Of(Option<string?> option, string variable) =>
            arguments.GetValue(option) ?? (Environment.GetEnvironmentVariable(variable) is { Length: > 0 } value ? value : null);
    }

    private static Option<string?> Make(string name, string helpName, string description) => new(name) { HelpName = helpName, Description = description, Recursive = true };

    private static (string? User, string? Password) Split(string? user) =>
        user?.Split(':', 2) is [string name, string password] ? (name, password) : (user, null);

    /// <summary>etcdctl takes HOST:PORT too, over TLS where a certificate is named.</summary>
    private static string WithScheme(string endpoint, bool isSecure) =>
        endpoint.Contains("://", StringComparison.Ordinal) ? endpoint : $"{(isSecure ? "https" : "http")}://{endpoint}";

    private static PortmapFleet Make(PortmapFleetOptions options)
    {
        try
        {
            return FileFailedException.Try(() => new PortmapFleet(options));   // it reads certificates
        }
        catch (Microsoft.Extensions.Options.OptionsValidationException exception)
        {
            throw new FormatException(string.Join(' ', exception.Failures), exception);
        }
    }

    private static async Task<bool> ListedAsync(PortmapFleet fleet, PortmapFleetOptions options, Invocation run, CancellationToken cancellationToken)
    {
        long begun = run.Time.GetTimestamp();
        while (!fleet.Map.WhenListed.IsCompleted)
        {
            FleetStatus status = fleet.Status;
            if (status.IsDenied)
            {
                throw new PortRefusedException(new PortRefusal(PortRefusalReason.NotPermitted, $"{status.Trouble}"));
            }

            if (run.Time.GetElapsedTime(begun) >= run.Timeout)
            {
                throw new IOException(Words.Text($"The fleet could not be read from {options.Endpoints} within {run.Timeout.TotalSeconds:0.##} s: {status.Trouble ?? "no answer"}"));
            }

            await Task.WhenAny(fleet.Map.WhenListed, Task.Delay(s_look, run.Time, cancellationToken));
            cancellationToken.ThrowIfCancellationRequested();
        }

        return true;
    }
}
