using System.Diagnostics;
using System.Globalization;
using Portmap;

/// <summary>supervise FOLDER PORTS OWNER... : a daemon that starts a worker for each owner that has
/// none, and leaves alone those that live, until it is killed.</summary>
internal static class Supervise
{
    private const string Worker =
        "import socket,sys,time; s=socket.socket(); s.setsockopt(socket.SOL_SOCKET,socket.SO_REUSEADDR,1); "
        + "s.bind(('0.0.0.0',int(sys.argv[1]))); s.listen(); time.sleep(600)";

    public static async Task RunAsync(string folder, string ports, string[] owners)
    {
        await using PortRegistry registry = await PortRegistry.OpenAsync(new PortRegistryOptions
        {
            Ports = ports,
            Strategy = PortRegistryOptions.AllocatorPicks,
            StateFolder = folder,
            DisconnectGrace = TimeSpan.FromMilliseconds(200),
        });
        await registry.WhenSettled;
        foreach (string owner in owners)
        {
            Console.WriteLine(await EnsureAsync(registry, owner));
        }

        Console.WriteLine("ready");
        await Task.Delay(Timeout.Infinite);
    }

    /// <summary>"kept OWNER PID PORT" or "started OWNER PID PORT".</summary>
    private static async Task<string> EnsureAsync(PortRegistry registry, string owner)
    {
        try
        {
            PortLease lease = await registry.AcquireAsync(new PortRequest(owner) { UnlessServed = true });
            return Text("started", await StartAsync(lease));
        }
        catch (PortRefusedException refused) when (refused.Refusal.Entry is { } living)   // served, or recovered with a living process
        {
            return Text("kept", living);
        }
    }

    private static Task<PortEntry> StartAsync(PortLease lease)
    {
        // Its streams are not ours: a worker that outlives us must not hold what the test reads
        // from us.
        ProcessStartInfo start = new("python3", ["-c", Worker, lease.Port.ToString(CultureInfo.InvariantCulture)])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            RedirectStandardInput = true,
        };
        lease.PrepareStart(start);
        return lease.RegisterAsync(Process.Start(start)!);
    }

    private static string Text(string what, PortEntry entry) =>
        string.Create(CultureInfo.InvariantCulture, $"{what} {entry.Owner} {entry.ProcessId} {entry.Port}");
}
