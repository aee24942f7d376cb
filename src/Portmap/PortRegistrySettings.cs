using System.Collections;

namespace Portmap;

/// <summary>The options once they are checked and parsed; never changes.</summary>
internal sealed class PortRegistrySettings
{
    /// <summary>The ports that are handed out.</summary>
    public PortPool Ports => Limits.All;

    public required TimeSpan LeaseTimeout { get; init; }

    public TimeSpan ReuseDelay => Limits.ReuseDelay;

    public TimeSpan ForeignRecheck => Limits.ForeignRecheck;

    public required TimeSpan DisconnectGrace { get; init; }

    public required TimeSpan LivenessInterval { get; init; }

    /// <summary>How long after one pass over leases and processes the next one begins.</summary>
    public TimeSpan PassPeriod => TimeSpan.FromMilliseconds(Math.Clamp(LeaseTimeout.TotalMilliseconds / 4, 50, LivenessInterval.TotalMilliseconds));

    public required TimeSpan ReconcileInterval { get; init; }

    public required bool VerifyListening { get; init; }

    public required bool VerifyProcess { get; init; }

    public required bool ReuseCooling { get; init; }

    public required bool Probe { get; init; }

    public required PortGuardMode Guard { get; init; }

    public required int MaxGuards { get; init; }

    /// <summary>How many ports may be guarded: the option, and never more than half of the
    /// descriptors.</summary>
    public int GuardLimit => Math.Min(MaxGuards, DescriptorShares.OfGuards(Kernel.DescriptorLimit));

    public required KernelPorts Kernel { get; init; }

    /// <summary>What is asked instead of the operating system, or null.</summary>
    public required SimulatedHost? Host { get; init; }

    public required PortReuse Reuse { get; init; }

    public required PortOrder Order { get; init; }

    public required int BindAttempts { get; init; }

    public int MaxOwners => Limits.MaxOwners;

    public required int WatchCapacity { get; init; }

    public required string? Endpoint { get; init; }

    public required string Exclude { get; init; }

    public required PortDurability Durability { get; init; }

    public required TimeSpan BackgroundFlush { get; init; }

    public required TimeSpan OpenTimeout { get; init; }

    /// <summary>The numbers that are kept for certain owners; null when there are none.</summary>
    public required KeptPorts? Kept { get; init; }

    /// <summary>How many ports may be handed out.</summary>
    public int Count => Ports.Count;

    /// <summary>How many of them this process may not bind, for want of a privilege.</summary>
    public required int DeniedCount { get; init; }

    public long LeaseTimeoutMs => (long)LeaseTimeout.TotalMilliseconds;

    /// <summary>The bounds that the table keeps.</summary>
    public required PortLimits Limits { get; init; }

    /// <summary>Whether acquisitions may be given a port.</summary>
    public bool HandsOut(int port) => Limits.HandsOut(port);

    /// <summary>Checks the options of a registry that is made now, on this host.</summary>
    /// <exception cref="ArgumentException">It is to live in memory, and the options name a
    /// folder.</exception>
    public static PortRegistrySettings Of(PortRegistryOptions options, bool inMemory)
    {
        ArgumentNullException.ThrowIfNull(options);
        return inMemory && options.StateFolder is not null
            ? throw new ArgumentException(
                $"StateFolder is '{options.StateFolder}', but this constructor makes a registry that lives in memory only. Use {nameof(PortRegistry.OpenAsync)}.",
                nameof(options))
            : From(options, options.SimulatedHost is null ? KernelPorts.Read() : KernelPorts.Unknown);
    }

    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">A value is wrong;
    /// every wrong one is named.</exception>
    public static PortRegistrySettings From(PortRegistryOptions options, KernelPorts kernel)
    {
        PortRegistryOptionsValidator.ThrowIfInvalid(options);
        PortRange[] ranges = PortRange.ParseList(options.Ports, []);
        BitArray excluded = PortList.Parse(options.Exclude, []);
        KeptPorts? kept = KeptPorts.Of(options.KeptPorts);
        foreach (int port in kept?.Ports ?? [])
        {
            excluded[port] = true;   // for everybody else
        }

        PortPool all = new(ranges, [kernel.PartsOf(ranges, handedOut: false), kernel.PartsOf(ranges, handedOut: true)], port => !excluded[port]);
        excluded.Or(PortList.Outside(ranges));
        return new PortRegistrySettings
        {
            Limits = new PortLimits
            {
                All = all,
                Excluded = excluded,
                ReuseDelay = options.ReuseDelay,
                ForeignRecheck = options.ForeignRecheck,
                MaxOwners = options.MaxOwners,
            },
            Kept = kept,
            LeaseTimeout = options.LeaseTimeout,
            DisconnectGrace = options.DisconnectGrace,
            LivenessInterval = options.LivenessInterval,
            ReconcileInterval = options.ReconcileInterval,
            VerifyListening = options.VerifyListening || options.VerifyProcess,
            VerifyProcess = options.VerifyProcess,
            ReuseCooling = options.ReuseCooling,
            Probe = options.Probe,
            Guard = options.Guard,
            MaxGuards = options.MaxGuards,
            Reuse = options.Reuse,
            Order = options.Order,
            BindAttempts = options.BindAttempts,
            WatchCapacity = options.WatchCapacity,
            Endpoint = options.Endpoint,
            Exclude = options.Exclude,
            Kernel = kernel,
            Host = options.SimulatedHost,
            Durability = options.Durability,
            BackgroundFlush = options.BackgroundFlush,
            OpenTimeout = options.OpenTimeout,
            DeniedCount = Enumerable.Range(0, kernel.FirstUnprivileged).Count(port => !excluded[port]),
        };
    }
}
