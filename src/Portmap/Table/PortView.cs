namespace Portmap.Table;

/// <summary>Whether an acquisition may have a port.</summary>
internal enum PortAvailability
{
    Free,

    /// <summary>A claim of ours is in force or pending on it.</summary>
    InUse,

    Cooling,

    /// <summary>A stranger had it a short while ago.</summary>
    Foreign,

    /// <summary>The end of the claim that had it is on the way to the disk.</summary>
    Unwritten,

    /// <summary>A stranger has it: the operating system said so just now.</summary>
    FoundForeign,

    /// <summary>Nobody has it, and the operating system does not let us bind it.</summary>
    Denied,
}

/// <summary>A port as an acquisition finds it, and the place to take if nobody else did
/// since.</summary>
internal readonly struct PortView
{
    internal PortView(PortAvailability availability, object? slot, long highestEpoch, long sinceMs)
    {
        Availability = availability;
        Slot = slot;
        HighestEpoch = highestEpoch;
        SinceMs = sinceMs;
    }

    public PortAvailability Availability { get; }

    internal object? Slot { get; }

    /// <summary>The highest epoch that has been on the port.</summary>
    public long HighestEpoch { get; }

    /// <summary>Since when it cools or is a stranger's.</summary>
    public long SinceMs { get; }
}
