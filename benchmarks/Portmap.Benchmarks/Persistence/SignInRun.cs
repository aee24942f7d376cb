using System.Diagnostics;
using Portmap.Persistence;

namespace Portmap.Benchmarks.Persistence;

/// <summary>So many owners sign in at once and are confirmed, and sign out again at once: what a
/// daemon meets that was restarted among its workers. Several times on one registry, because what
/// the last round left is what the next one meets.</summary>
internal static class SignInRun
{
    private const int First = 1_000, Rounds = 3;

    /// <returns>The seconds of the slowest round, sign-in and sign-out.</returns>
    public static async Task<(double SignIn, double SignOut)> MeasureAsync(int owners)
    {
        string folder = Path.Combine(Environment.GetEnvironmentVariable("PORTMAP_BENCHMARK_DISK") ?? Path.GetTempPath(), $"portmap-benchmark-{Guid.NewGuid():N}");
        try
        {
            PortRegistryOptions options = new() { Ports = $"{First}-65535", Probe = false, MaxOwners = 65_536 };
            await using PortRegistry registry = await PortRegistry.OpenAsync(options, new FilePortStore(folder, TimeProvider.System)).ConfigureAwait(false);
            PortSession session = registry.OpenSession(Environment.ProcessId);
            string[] names = OwnerNames.Make(owners);
            double signIn = 0, signOut = 0;
            for (int round = 0; round < Rounds; round++)
            {
                signIn = Math.Max(signIn, await SecondsAsync(owners, i => session.RegisterAsync(new PortClaimRequest(names[i], First + i)).AsTask()).ConfigureAwait(false));
                Check(isServed: true);
                signOut = Math.Max(signOut, await SecondsAsync(owners, i => session.ReleaseAsync(names[i]).AsTask()).ConfigureAwait(false));
                Check(isServed: false);
            }

            return (signIn, signOut);

            void Check(bool isServed)
            {
                if (Array.Find(names, name => registry.TryGetPort(name, out _) != isServed) is { } wrong)
                {
                    throw new InvalidOperationException($"{wrong} is {(isServed ? "not served" : "served still")}.");
                }
            }
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static async Task<double> SecondsAsync(int count, Func<int, Task> change)
    {
        Task[] changes = new Task[count];
        long start = Stopwatch.GetTimestamp();
        for (int i = 0; i < count; i++)
        {
            changes[i] = change(i);
        }

        await Task.WhenAll(changes).ConfigureAwait(false);
        return Stopwatch.GetElapsedTime(start).TotalSeconds;
    }
}
