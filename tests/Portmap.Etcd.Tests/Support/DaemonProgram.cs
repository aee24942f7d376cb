using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;

namespace Portmap.Etcd.Tests.Support;

/// <summary>This assembly as a program: daemons of the fleet that are killed and frozen.</summary>
internal static class DaemonProgram
{
    /// <summary>Publishes a number of owners, their names lengthened by so much, and says "ready"
    /// once etcd has them.</summary>
    public const string Publish = "publish";

    /// <summary>Claims an owner, and says for ever whether it holds it: "held EPOCH CLOCK" or "lost
    /// CLOCK", each with the clock from before the look.</summary>
    public const string Hold = "hold";

    public static async Task<int> Main(string[] args)
    {
        switch (args)
        {
            case [Publish, string endpoints, string host, string seconds, string count, string longer]:
                await PublishAsync(endpoints, host, Number(seconds), Number(count), new string('x', Number(longer)));
                return 0;
            case [Hold, string endpoints, string host, string seconds, string owner]:
                await HoldAsync(endpoints, host, Number(seconds), owner);
                return 0;
            case [ScopeProgram.Serve, string endpoints, string host, string seconds, string owner]:
                await ScopeProgram.ServeAsync(endpoints, host, TimeSpan.FromSeconds(Number(seconds)), owner);
                return 0;
            case [ScopeProgram.Work]:
                await ScopeProgram.WorkAsync();
                return 0;
            default:
                await Console.Error.WriteLineAsync("publish ENDPOINTS HOST TTL COUNT LONGER | hold ENDPOINTS HOST TTL OWNER | serve ENDPOINTS HOST TTL OWNER | work");
                return 2;
        }
    }

    public static ChildProcess Start(params string[] arguments) => ChildProcess.Start(Prepare(arguments));

    public static ProcessStartInfo Prepare(params string[] arguments) => new(
        Path.GetFullPath(Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "..", "..", "..", "dotnet")),
        ["exec", typeof(DaemonProgram).Assembly.Location, .. arguments]);

    private static async Task PublishAsync(string endpoints, string name, int seconds, int count, string longer)
    {
        await using Host host = Host.Start(name, endpoints, options => options.LeaseTtl = TimeSpan.FromSeconds(seconds));
        host.RegisterMany(count, longer);
        await host.Map.UntilAsync(map => map.EnumerateHosts().Any(one => one.Name == name && one.Entries == count));
        Console.WriteLine("ready");
        await Console.In.ReadLineAsync();
    }

    private static async Task HoldAsync(string endpoints, string name, int seconds, string owner)
    {
        await using Host host = Host.Start(name, endpoints, options => options.LeaseTtl = TimeSpan.FromSeconds(seconds));
        host.Register(owner, 20_001);
        FleetClaim claim = await host.UntilClaimedAsync(owner);   // on a busy machine a short lease may be over before the first claim
        using CancellationTokenRegistration told = claim.Lost.Register(() => Say("told"));
        await host.Map.UntilAsync(map => map.TryFind(owner, out FleetEntry? entry) && entry.ClaimEpoch == claim.Epoch);
        // ReadLineAsync of the console waits where it is called.
        Task<string?> end = Task.Run(Console.ReadLine);
        using PeriodicTimer pace = new(TimeSpan.FromMilliseconds(2));
        while (!end.IsCompleted)
        {
            long clock = Stopwatch.GetTimestamp();
            bool isHeld = claim.IsHeld, isFound = host.Map.TryFind(owner, out FleetEntry? entry) && entry.ClaimEpoch == claim.Epoch;
            Say(string.Create(CultureInfo.InvariantCulture, $"{(isHeld ? "held" : "lost")} {claim.Epoch} {clock} {(isFound ? "found" : "refused")}"));
            await pace.WaitForNextTickAsync();
        }
    }

    private static void Say(string line) => Console.Out.WriteLine(line);

    private static int Number(string text) => int.Parse(text, CultureInfo.InvariantCulture);
}
