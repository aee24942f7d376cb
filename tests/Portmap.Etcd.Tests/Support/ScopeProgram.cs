using System.Diagnostics;
using System.Globalization;
using Portmap.Rpc;

namespace Portmap.Etcd.Tests.Support;

/// <summary>This assembly as two programs: a daemon that acquires an owner that exists once in the
/// fleet, and the worker that it starts for it.</summary>
internal static class ScopeProgram
{
    public const string Serve = "serve";
    public const string Work = "work";

    /// <summary>Starts the worker and says, for ever, whether lookups find it: "found CLOCK" or
    /// "gone CLOCK", each with the clock from before the look; "epoch N" at first, and "told" when
    /// the lease says that it is over. What the worker says comes among it.</summary>
    public static async Task ServeAsync(string endpoints, string name, TimeSpan ttl, string owner)
    {
        using TempFolder folder = new();
        await using PortRegistry registry = new(new PortRegistryOptions { Ports = PortBlock.Take(4).ToString() });
        PortmapServerOptions serverOptions = new();
        serverOptions.Endpoints.Add($"unix:{folder["s"]}");
        await using PortmapServer server = new(registry, serverOptions);
        await server.StartAsync();
        await using PortmapFleet fleet = new(new PortmapFleetOptions { Endpoints = endpoints, Host = name, LeaseTtl = ttl, HeartbeatInterval = TimeSpan.FromMilliseconds(200) }, registry);
        fleet.Start();
        PortLease lease = await AcquireAsync(registry, owner);
        using CancellationTokenRegistration told = lease.Ended.Register(() => Say("told"));
        Say(string.Create(CultureInfo.InvariantCulture, $"epoch {lease.FleetEpoch}"));

        ProcessStartInfo start = DaemonProgram.Prepare(Work);
        start.RedirectStandardInput = true;   // whose end ends it
        lease.PrepareStart(start, $"unix:{folder["s"]}");
        using Process worker = Process.Start(start)!;
        await lease.WhenBound;
        Task<string?> end = Task.Run(Console.ReadLine);
        using PeriodicTimer pace = new(TimeSpan.FromMilliseconds(2));
        while (!end.IsCompleted)
        {
            long clock = Stopwatch.GetTimestamp();
            bool isFound = registry.TryGetPort(owner, out int _);
            Say(string.Create(CultureInfo.InvariantCulture, $"{(isFound ? "found" : "gone")} {clock}"));
            await pace.WaitForNextTickAsync();
        }

        worker.StandardInput.Close();
        await worker.WaitForExitAsync();
    }

    /// <summary>Listens, and says "works N" with its epoch in the fleet, and "lost REASON" when it
    /// is told.</summary>
    public static async Task WorkAsync()
    {
        Task<string?> end = Task.Run(Console.ReadLine);
        await using WorkerPort port = await WorkerPort.ListenAsync(new WorkerPortOptions { CheckInterval = TimeSpan.FromMilliseconds(100), ConnectTimeout = Deadline.Default });
        Say($"works {Environment.GetEnvironmentVariable("PORTMAP_FLEET_EPOCH")}");
        if (await Task.WhenAny(port.WhenLost, end) == port.WhenLost)
        {
            Say($"lost {(await port.WhenLost).Reason}");
            await end;
        }
    }

    /// <summary>On a busy machine a short lease may be over before the first claim.</summary>
    private static async Task<PortLease> AcquireAsync(PortRegistry registry, string owner)
    {
        using CancellationTokenSource limit = Deadline.Source();
        while (true)
        {
            try
            {
                return await registry.AcquireAsync(new PortRequest(owner) { Scope = PortScope.Fleet }, limit.Token);
            }
            catch (PortRefusedException refused) when (refused.Refusal.Reason == PortRefusalReason.StoreFailed)
            {
                // Again.
            }
        }
    }

    private static void Say(string line) => Console.Out.WriteLine(line);
}
