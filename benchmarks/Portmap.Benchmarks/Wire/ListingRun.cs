using System.Diagnostics;
using Portmap.Rpc;

namespace Portmap.Benchmarks.Wire;

/// <summary>What clients that read the whole map cost a client that looks up one owner: all of them
/// over the same socket of one daemon.</summary>
internal sealed class ListingRun : IAsyncDisposable
{
    public const int Entries = 60_000, Readers = 4;
    private const int Lookups = 2_000, First = 5_000;

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("portmap-listing-");
    private readonly PortRegistry _registry = new(new PortRegistryOptions { Ports = $"{First}-65535", Probe = false, LivenessInterval = TimeSpan.FromHours(1) });
    private readonly PortmapServer _server;
    private readonly PortmapEndpoint _endpoint;
    private readonly string[] _owners = OwnerNames.Make(Entries);
    private readonly List<PortmapClient> _readers = [];
    private PortmapClient? _client;

    private ListingRun()
    {
        _endpoint = PortmapEndpoint.Parse($"unix:{Path.Combine(_folder.FullName, "d.sock")}");
        _server = new PortmapServer(_registry, new PortmapServerOptions { Endpoints = { _endpoint.ToString() } });
    }

    /// <summary>A daemon with all its entries, and its clients.</summary>
    public static async Task<ListingRun> StartAsync()
    {
        ListingRun run = new();
        PortSession session = run._registry.OpenSession(Environment.ProcessId);
        for (int i = 0; i < Entries; i++)
        {
            if (!session.TryRegister(new PortClaimRequest(run._owners[i], First + i), out _, out PortRefusal? refusal))
            {
                throw new InvalidOperationException(refusal.ToString());
            }
        }

        await run._server.StartAsync().ConfigureAwait(false);
        run._client = await PortmapClient.ConnectAsync(run._endpoint).ConfigureAwait(false);
        for (int i = 0; i < Readers; i++)
        {
            run._readers.Add(await PortmapClient.ConnectAsync(run._endpoint).ConfigureAwait(false));
        }

        return run;
    }

    /// <summary>The slowest hundredth of one client's lookups while the readers list the map over
    /// and over, in microseconds.</summary>
    /// <returns>That, and how many listings came to an end meanwhile.</returns>
    public Task<(double P99, int Read)> BesideListingsAsync() => BesideAsync(async (reader, _, stop) =>
    {
        PortSnapshot map = await reader.SnapshotAsync(stop).ConfigureAwait(false);
        Check(map.Entries.Length == Entries);
    });

    /// <summary>The same while the readers look up single owners.</summary>
    public Task<(double P99, int Read)> BesideLookupsAsync() => BesideAsync((reader, turn, stop) => LookUpAsync(reader, turn, stop));

    public async ValueTask DisposeAsync()
    {
        foreach (PortmapClient client in (PortmapClient[])[.. _readers, _client!])
        {
            await client.DisposeAsync().ConfigureAwait(false);
        }

        await _server.DisposeAsync().ConfigureAwait(false);
        await _registry.DisposeAsync().ConfigureAwait(false);
        _folder.Delete(recursive: true);
    }

    private async Task<(double P99, int Read)> BesideAsync(Func<PortmapClient, int, CancellationToken, Task> read)
    {
        using CancellationTokenSource stop = new();
        int done = 0;
        Task[] reading = [.. _readers.Select(async reader =>
        {
            for (int turn = 0; !stop.IsCancellationRequested; turn++)
            {
                await read(reader, turn, CancellationToken.None).ConfigureAwait(false);
                Interlocked.Increment(ref done);
            }
        })];
        double[] microseconds = new double[Lookups];
        for (int i = 0; i < Lookups; i++)
        {
            long start = Stopwatch.GetTimestamp();
            await LookUpAsync(_client!, i, CancellationToken.None).ConfigureAwait(false);
            microseconds[i] = Stopwatch.GetElapsedTime(start).TotalMicroseconds;
        }

        await stop.CancelAsync().ConfigureAwait(false);
        await Task.WhenAll(reading).ConfigureAwait(false);
        Array.Sort(microseconds);
        return (microseconds[(int)(Lookups * 0.99)], done);
    }

    private async Task LookUpAsync(PortmapClient client, int turn, CancellationToken stop)
    {
        int at = turn * 7_919 % Entries;
        PortEntry? entry = await client.GetEntryAsync(_owners[at], cancellationToken: stop).ConfigureAwait(false);
        Check(entry?.Port == First + at);
    }

    private static void Check(bool isSo)
    {
        if (!isSo)
        {
            throw new InvalidOperationException("The daemon answered something else.");
        }
    }
}
