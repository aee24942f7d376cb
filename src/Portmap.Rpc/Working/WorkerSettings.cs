using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Logging;
using Portmap.Diagnostics;

namespace Portmap.Rpc.Working;

/// <summary>What a worker was told, by its options or else by its environment, checked.</summary>
internal sealed record WorkerSettings
{
    private static readonly PortRange[] s_defaultPorts = [new(49152, 65535)];

    public required PortmapEndpoint Endpoint { get; init; }

    public required string Owner { get; init; }

    public required int Port { get; init; }

    public required long Epoch { get; init; }

    public required PortProtocol Protocol { get; init; }

    /// <summary>Where it picks a port of its own.</summary>
    public required PickRanges Ports { get; init; }

    /// <summary>The same as it was told; null when nobody did.</summary>
    public required string? ToldPorts { get; init; }

    /// <summary>
    /// Whether somebody said which port, which range or which lease: if nobody did, the daemon is
    /// asked.
    /// </summary>
    public required bool IsToldWhere { get; init; }

    public required IReadOnlyList<PortRange> Exclude { get; init; }

    public required IPAddress Address { get; init; }

    public required int BindAttempts { get; init; }

    public required int Backlog { get; init; }

    public required TimeSpan ConnectTimeout { get; init; }

    public required TimeSpan CallTimeout { get; init; }

    public required TimeSpan CheckInterval { get; init; }

    public required TimeSpan KeepConnection { get; init; }

    public required ILogger Logger { get; init; }

    public required TimeProvider TimeProvider { get; init; }

    /// <exception cref="InvalidOperationException">There is no owner.</exception>
    /// <exception cref="FormatException">A variable or an option cannot be read; the message names
    /// it.</exception>
    /// <exception cref="ArgumentOutOfRangeException">An option is outside its bounds.</exception>
    public static WorkerSettings Resolve(WorkerPortOptions? options)
    {
        options ??= new WorkerPortOptions();
        ArgumentOutOfRangeException.ThrowIfLessThan(options.Backlog, 1, nameof(options.Backlog));
        CheckTime(options.ConnectTimeout, TimeSpan.Zero, nameof(options.ConnectTimeout), mayBeInfinite: false);
        CheckTime(options.CallTimeout, TimeSpan.FromTicks(1), nameof(options.CallTimeout), mayBeInfinite: true);
        CheckTime(options.CheckInterval, TimeSpan.FromMilliseconds(100), nameof(options.CheckInterval), mayBeInfinite: true);
        CheckTime(options.KeepConnection, TimeSpan.Zero, nameof(options.KeepConnection), mayBeInfinite: false);
        PortmapVariables.CheckName(options.Name, nameof(options.Name));
        Told told = new(options.Name);

        // A lease is of one owner, and what is said of its port and epoch is not said of another.
        string? toldOwner = told.Get(PortmapVariables.Owner);
        int? none = options.Owner is not null && toldOwner is not null && options.Owner != toldOwner ? 0 : null;
        int port = (int)told.Number(options.Port ?? none, nameof(options.Port), PortmapVariables.Port, (0, 65_535, 0));
        long epoch = told.Number(options.Epoch ?? none, nameof(options.Epoch), PortmapVariables.Epoch, (0, long.MaxValue, 0));
        IReadOnlyList<PortRange>? ranges = RangesOf(told.Find(options.Ports, nameof(options.Ports), PortmapVariables.Range));
        return new WorkerSettings
        {
            Endpoint = options.Endpoint is { } endpoint ? PortmapEnvironment.ParseEndpoint(endpoint, nameof(options.Endpoint)) : told.Endpoint,
            Owner = options.Owner ?? toldOwner ?? throw told.NoOwner(),
            Port = port,
            Epoch = epoch,
            IsToldWhere = port != 0 || epoch != 0 || ranges is not null,
            Protocol = options.Protocol ?? ProtocolOf(told.Get(PortmapVariables.Protocol), told.NameOf(PortmapVariables.Protocol)),
            Ports = new PickRanges(ranges ?? s_defaultPorts),
            ToldPorts = ranges is null ? null : string.Join(',', ranges),
            Exclude = ExcludeOf(told.Find(options.Exclude, nameof(options.Exclude), PortmapVariables.Exclude)),
            Address = options.Address ?? AddressOf(told.Find(null, nameof(options.Address), PortmapVariables.Address, isShared: true)),
            BindAttempts = (int)told.Number(options.BindAttempts, nameof(options.BindAttempts), PortmapVariables.BindAttempts, (1, 1_000, 8), isShared: true),
            Backlog = options.Backlog,
            ConnectTimeout = options.ConnectTimeout,
            CallTimeout = options.CallTimeout,
            CheckInterval = options.CheckInterval,
            KeepConnection = options.KeepConnection,
            Logger = ContainedLogger.Of(options.Logger),
            TimeProvider = options.TimeProvider,
        };
    }

    /// <param name="connectTimeout">How long the daemon may take to answer for the first
    /// time.</param>
    public PortmapClientOptions ClientOptions(TimeSpan connectTimeout) =>
        new() { ConnectTimeout = connectTimeout, CallTimeout = CallTimeout, TimeProvider = TimeProvider };

    private static void CheckTime(TimeSpan value, TimeSpan least, string name, bool mayBeInfinite)
    {
        TimeSpan most = TimeSpan.FromDays(1);
        if ((value < least || value > most) && !(mayBeInfinite && value == Timeout.InfiniteTimeSpan))
        {
            throw new ArgumentOutOfRangeException(name, value, $"{name} is {value}; choose a time from {least} to {most}{(mayBeInfinite ? ", or Timeout.InfiniteTimeSpan" : string.Empty)}.");
        }
    }

    private static PortProtocol ProtocolOf(string? text, string variable) => text switch
    {
        null or PortmapVariables.Tcp => PortProtocol.Tcp,
        PortmapVariables.Udp => PortProtocol.Udp,
        PortmapVariables.TcpAndUdp => PortProtocol.TcpAndUdp,
        _ => throw new FormatException($"{variable}: '{text}' is not a protocol; write tcp, udp or tcp+udp."),
    };

    private static IReadOnlyList<PortRange>? RangesOf((string? Text, string Source) told) => told.Text is null ? null : Named(told.Source, told.Text, PortRange.ParseList);

    // Other than in Ports, a port may stand there twice.
    private static List<PortRange> ExcludeOf((string? Text, string Source) told) => told.Text is null
        ? []
        : [.. told.Text.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries).Select(part => Named(told.Source, part, PortRange.Parse))];

    private static T Named<T>(string name, string text, Func<string, T> parse)
    {
        try
        {
            return parse(text);
        }
        catch (FormatException e)
        {
            throw new FormatException($"{name}: {e.Message}", e);
        }
    }

    private static IPAddress AddressOf((string? Text, string Source) told) =>
        told.Text is not { } text ? (Socket.OSSupportsIPv6 ? IPAddress.IPv6Any : IPAddress.Any)
        : IPAddress.TryParse(text, out IPAddress? address) ? address
        : throw new FormatException($"{told.Source}: '{text}' is not an address; write one in numbers, for example 127.0.0.1.");
}
