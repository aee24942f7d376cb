using System.Collections;
using Portmap.Guarding;

namespace Portmap;

/// <summary>The options once they are checked and parsed; never changes.</summary>
internal sealed class PortRegistrySettings
{
    private BitArray _excluded = new(0);

    public required PortRange Range { get; init; }

    public required TimeSpan LeaseTimeout { get; init; }

    public required TimeSpan ReuseDelay { get; init; }

    public required TimeSpan ForeignRecheck { get; init; }

    public required TimeSpan DisconnectGrace { get; init; }

    public required TimeSpan LivenessInterval { get; init; }

    public required TimeSpan ReconcileInterval { get; init; }

    public required bool VerifyListening { get; init; }

    public required bool VerifyProcess { get; init; }

    public required bool ReuseCooling { get; init; }

    public required bool Probe { get; init; }

    public required PortGuardMode Guard { get; init; }

    public required int MaxGuards { get; init; }

    /// <summary>How many ports may be guarded: the option, and never more than half of the descriptors.</summary>
    public int GuardLimit => Math.Min(MaxGuards, DescriptorShares.OfGuards(Kernel.DescriptorLimit));

    public required KernelPorts Kernel { get; init; }

    public required PortReuse Reuse { get; init; }

    public required PortOrder Order { get; init; }

    public required int BindAttempts { get; init; }

    public required int MaxOwners { get; init; }

    public required int WatchCapacity { get; init; }

    public required string? Endpoint { get; init; }

    public required string Exclude { get; init; }

    public required PortDurability Durability { get; init; }

    public required TimeSpan BackgroundFlush { get; init; }

    public required TimeSpan OpenTimeout { get; init; }

    /// <summary>The ports of the range the kernel never hands out by itself, then the others; empty ranges left out.</summary>
    public required PortRange[][] Tiers { get; init; }

    /// <summary>How many ports may be handed out.</summary>
    public int Count { get; private set; }

    /// <summary>How many of them this process may not bind, for want of a privilege.</summary>
    public int DeniedCount { get; private set; }

    public long LeaseTimeoutMs => (long)LeaseTimeout.TotalMilliseconds;

    /// <summary>Whether acquisitions may be given a port.</summary>
    public bool HandsOut(int port) => Range.Contains(port) && !_excluded[port];

    /// <summary>Reads numbers and ranges separated by commas; what cannot be read is added to the complaints.</summary>
    public static BitArray ParseExclude(string? text, List<string> complaints)
    {
        BitArray excluded = new(65_536);
        foreach (string part in (text ?? string.Empty).Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            if (!PortRange.TryParse(part, out PortRange range, out string? complaint))
            {
                complaints.Add(complaint);
            }

            for (int port = range.First; port <= range.Last && port != 0; port++)
            {
                excluded[port] = true;
            }
        }

        return excluded;
    }

    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">A value is wrong; every wrong one is named.</exception>
    public static PortRegistrySettings From(PortRegistryOptions options, KernelPorts kernel)
    {
        PortRegistryOptionsValidator.ThrowIfInvalid(options);
        PortRange range = PortRange.Parse(options.Ports);
        PortRegistrySettings settings = new()
        {
            Range = range,
            LeaseTimeout = options.LeaseTimeout,
            ReuseDelay = options.ReuseDelay,
            ForeignRecheck = options.ForeignRecheck,
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
            MaxOwners = options.MaxOwners,
            WatchCapacity = options.WatchCapacity,
            Endpoint = options.Endpoint,
            Exclude = options.Exclude,
            Kernel = kernel,
            Tiers = [.. new[] { kernel.PartsOf(range, handedOut: false), kernel.PartsOf(range, handedOut: true) }.Where(part => part.Count != 0).Select(part => part.ToArray())],
            Durability = options.Durability,
            BackgroundFlush = options.BackgroundFlush,
            OpenTimeout = options.OpenTimeout,
        };
        settings._excluded = ParseExclude(options.Exclude, []);
        for (int port = range.First; port <= range.Last; port++)
        {
            settings.Count += settings._excluded[port] ? 0 : 1;
            settings.DeniedCount += settings._excluded[port] || port >= kernel.FirstUnprivileged ? 0 : 1;
        }

        return settings;
    }
}
