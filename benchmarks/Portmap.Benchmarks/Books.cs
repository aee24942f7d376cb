using System.Diagnostics.Metrics;
using Microsoft.Extensions.Logging;
using Portmap.Benchmarks.Baselines;

namespace Portmap.Benchmarks;

/// <summary>The registry and its baselines, all over the same range and without what the operating
/// system costs.</summary>
internal static class Books
{
    public static readonly PortRange Ports = new(49_152, 65_535);

    private const int Seed = 20_160_331;

    public static PortRegistry Registry(PortOrder order = PortOrder.NextFit, IMeterFactory? meters = null, ILogger<PortRegistry>? logger = null) => new(new PortRegistryOptions
    {
        MeterFactory = meters,
        Ports = Ports.ToString(),
        Strategy = PortRegistryOptions.AllocatorPicks,
        Order = order,
        ReuseDelay = TimeSpan.Zero,

        // The operating system is not part of what is compared.
        Probe = false,
        LivenessInterval = TimeSpan.FromHours(1),
        LeaseTimeout = TimeSpan.FromHours(1),
    }, logger);

    /// <summary>The lock with the cheap clock: the plain baseline.</summary>
    public static IPortBook Lock() => new LockBook<TickClock>(Ports.First, Ports.Last, TimeSpan.Zero);

    /// <summary>The lock as most would write it, with the dear clock.</summary>
    public static IPortBook StopwatchLock() => new LockBook<StopwatchClock>(Ports.First, Ports.Last, TimeSpan.Zero);

    /// <summary>The lock that checks what ours checks.</summary>
    public static IPortBook Fair() => new FairBook(Ports.First, Ports.Last, TimeSpan.Zero);

    public static IPortBook Concurrent() => new ConcurrentBook(Ports.First, Ports.Last, TimeSpan.Zero);

    public static IPortBook Linear() => new LinearBook(Ports.First, Ports.Last, TimeSpan.Zero);

    public static IPortBook Random() => new RandomBook(Ports.First, Ports.Last, TimeSpan.Zero, Seed);

    public static PortLease Acquire(PortRegistry registry, PortRequest request) =>
        registry.TryAcquire(request, out PortLease? lease, out PortRefusal? refusal) ? lease : throw new InvalidOperationException(refusal.ToString());

    /// <summary>Acquires and releases so many times.</summary>
    public static void Churn(PortRegistry registry, PortRequest request, int pairs)
    {
        for (int i = 0; i < pairs; i++)
        {
            if (!registry.TryAcquire(request, out PortLease? lease, out PortRefusal? refusal) || !lease.TryRelease(out refusal))
            {
                throw new InvalidOperationException(refusal?.ToString());
            }
        }
    }

    public static void Churn(IPortBook book, string owner, int pairs)
    {
        for (int i = 0; i < pairs; i++)
        {
            if (!book.TryAcquire(owner, out BookClaim? claim) || !book.TryRelease(claim))
            {
                throw new InvalidOperationException("The baseline refused.");
            }
        }
    }
}
