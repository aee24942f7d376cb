namespace Portmap;

/// <summary>One thing about this host or these options that weakens what the registry promises, as <see cref="PortRegistry.Diagnose"/> finds it.</summary>
/// <remarks>Immutable. Findings are advice: the registry works with all of them, as its guarantees say.</remarks>
public sealed class PortFinding
{
    internal PortFinding(string kind, string value, string bound, string remedy) => (Kind, Value, Bound, Remedy) = (kind, value, bound, remedy);

    /// <summary>What it is: one of the constants of this type, compared byte by byte.</summary>
    public string Kind { get; }

    /// <summary>What was found, with its numbers.</summary>
    public string Value { get; }

    /// <summary>What it should be, or what it collides with.</summary>
    public string Bound { get; }

    /// <summary>What to do; where it is a command, the exact one.</summary>
    public string Remedy { get; }

    /// <summary>Ports of the range are also given to outgoing connections and to bind to port 0.</summary>
    public const string EphemeralOverlap = nameof(EphemeralOverlap);

    /// <summary>There are fewer ports than owners.</summary>
    public const string RangeTooSmall = nameof(RangeTooSmall);

    /// <summary>The process may not have enough descriptors for <see cref="PortRegistryOptions.MaxGuards"/>.</summary>
    public const string TooFewDescriptors = nameof(TooFewDescriptors);

    /// <summary>Ports cannot be guarded, for the reason given.</summary>
    public const string GuardUnavailable = nameof(GuardUnavailable);

    /// <summary>What the store of the registry could not read.</summary>
    public const string StateUnreadable = nameof(StateUnreadable);

    /// <summary>The state folder, its lock or its file was moved, deleted or replaced while the registry wrote to it.</summary>
    public const string StateMoved = nameof(StateMoved);

    /// <summary>Somebody else listens on the port of an entry too, on another address.</summary>
    public const string PortShared = nameof(PortShared);

    /// <summary>Processes listen on some of the addresses of their port only, which leaves the others to anybody.</summary>
    public const string PartlyServed = nameof(PartlyServed);

    /// <summary>Ports of the range need a privilege to be bound that this process does not have.</summary>
    public const string RangeNotBindable = nameof(RangeNotBindable);

    /// <summary>The finding in one line.</summary>
    public override string ToString() => $"{Kind}: {Value}; {Bound}. {Remedy}";
}
