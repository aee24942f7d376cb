namespace Portmap;

/// <summary>What an <see cref="IPortStore"/> keeps: how far one claim of an owner on a port has
/// come.</summary>
/// <remarks>Immutable and safe for any thread. A claim is told in facts of one epoch:
/// reserved, bound, ended; each replaces the ones before. A state may be told again, with a later
/// <see cref="At"/>. Times are kept in whole milliseconds.</remarks>
public sealed class PortFact
{
    private const byte AgainBit = 0x80;   // beside the state: no byte more

    // Facts of one run share their boot: 16 bytes less for each.
    private static object s_lastBoot = Guid.Empty;

    private readonly object? _boot;   // a Guid, or Rarely
    private readonly ushort _port;
    private readonly byte _protocol;
    private readonly byte _stateAndAgain;

    /// <summary>The transport: <see cref="PortProtocol.Tcp"/> or <see cref="PortProtocol.Udp"/>. A
    /// claim on both is two facts.</summary>
    public PortProtocol Protocol { get => (PortProtocol)_protocol; init => _protocol = (byte)value; }

    /// <summary>The port, 1 to 65535; 0 for a lease whose process picks the port, and for a
    /// mark.</summary>
    public int Port { get => _port; init => _port = checked((ushort)value); }

    /// <summary>The owner: 1 to 4,096 bytes of well-formed UTF-8 without U+0000, compared byte by
    /// byte. Empty for a mark.</summary>
    public string Owner { get; init; } = string.Empty;

    /// <summary>The epoch of the claim; of a mark, the number up to which epochs may have been
    /// given.</summary>
    public long Epoch { get; init; }

    /// <summary>The epoch of the acquisition that the claim goes back to, where its registration
    /// was given a higher one of its own; else 0. Workers that carry it are recognised by it after
    /// a restart too.</summary>
    public long Origin
    {
        get => (_boot as Rarely)?.Origin ?? 0;
        init => _boot = With(Boot, value, Group, Ports);
    }

    /// <summary>What tells the facts of one group, which are next to each other in their batch: a
    /// store keeps all of them or none. 0 for a fact that stands alone. It says nothing once the
    /// batch is durable.</summary>
    public long Group
    {
        get => (_boot as Rarely)?.Group ?? 0;
        init => _boot = With(Boot, Origin, value, Ports);
    }

    /// <summary>Reserved: the ranges that the lease is to lie in, as <c>PortRequest.Ports</c> had
    /// them; null, as everywhere else, is any that are handed out.</summary>
    /// <value>At most 1,024 characters. A lease that asked for more may get any port after a
    /// restart.</value>
    public string? Ports
    {
        get => (_boot as Rarely)?.Ports;
        init => _boot = With(Boot, Origin, Group, value);
    }

    /// <summary><see cref="PortState.Reserved"/>, <see cref="PortState.Bound"/>, or
    /// <see cref="PortState.Cooling"/>, which says that the claim has ended.
    /// <see cref="PortState.Free"/> for a mark.</summary>
    public PortState State { get => (PortState)(_stateAndAgain & ~AgainBit); init => _stateAndAgain = (byte)((_stateAndAgain & AgainBit) | (byte)value); }

    /// <summary>The id of the process that registered, or 0 while there is none or it is not
    /// known.</summary>
    public int ProcessId { get; init; }

    /// <summary>When that process began, in clock ticks since boot (field 22 of /proc/pid/stat), or
    /// 0.</summary>
    public long ProcessStart { get; init; }

    /// <summary>The user of that process, or whom a lease is for; null where it is not known. It
    /// decides who may speak for the owner.</summary>
    public uint? UserId { get; init; }

    /// <summary>The boot of the host in which the fact came about
    /// (/proc/sys/kernel/random/boot_id); empty where it is not known.</summary>
    public Guid BootId
    {
        get => Boot is Guid boot ? boot : Guid.Empty;
        init => _boot = With(Share(value), Origin, Group, Ports);
    }

    /// <summary>When the claim came into this state.</summary>
    public DateTimeOffset At { get => DateTimeOffset.FromUnixTimeMilliseconds(AtMs); init => AtMs = value.ToUnixTimeMilliseconds(); }

    /// <summary>Reserved: when the lease expires. Cooling: when the port has cooled. Once a later
    /// claim on the port is known, the fact may be forgotten; a store that forgets it earlier, when
    /// the port has cooled, forgets which port its owner had last. Without a port it may be
    /// forgotten from then on. Unix time 0: the claim came to nothing, so it is no later claim on
    /// the port, and the fact may be forgotten at once. Otherwise no matter.</summary>
    public DateTimeOffset Until { get => DateTimeOffset.FromUnixTimeMilliseconds(UntilMs); init => UntilMs = value.ToUnixTimeMilliseconds(); }

    /// <summary>The name of the strategy the port came by, or the empty string.</summary>
    public string Strategy { get; init; } = string.Empty;

    /// <summary>Whether this is the mark of the epochs and not a claim.</summary>
    public bool IsMark => Owner.Length == 0;

    private object? Boot => _boot is Rarely both ? both.Boot : _boot;

    /// <summary>By what a worker of the claim proves itself: <see cref="Origin"/>, or the epoch
    /// itself.</summary>
    internal long Fence => Origin != 0 ? Origin : Epoch;

    /// <summary>Whether a process listened for it; a lease that ended unused has none of the
    /// three.</summary>
    internal bool IsOfRegistration => State == PortState.Bound || ProcessId != 0 || Origin != 0;

    /// <summary>Whether it is the end of a claim that never took effect on its port: nobody had that
    /// by it.</summary>
    internal bool CameToNothing => State == PortState.Cooling && UntilMs == 0;

    /// <summary>Whether it tells once more what was told before: it says nothing of a change that
    /// somebody waits for. Not stored.</summary>
    internal bool IsAgain { get => (_stateAndAgain & AgainBit) != 0; init => _stateAndAgain = (byte)(value ? _stateAndAgain | AgainBit : _stateAndAgain & ~AgainBit); }

    /// <summary>The next fact in the queue of those that wait for the store. Whoever takes a fact
    /// out of the queue clears it: the store keeps facts.</summary>
    internal PortFact? Next { get; set; }

    /// <summary><see cref="At"/> in Unix milliseconds.</summary>
    internal long AtMs { get; init; }

    /// <summary><see cref="Until"/> in Unix milliseconds.</summary>
    internal long UntilMs { get; init; }

    /// <summary>Makes the mark that tells a later run which epochs are used up. It is set ahead, so
    /// that it need not be written for each one.</summary>
    /// <param name="epoch">Epochs up to this one may have been given.</param>
    public static PortFact Mark(long epoch) => new() { Epoch = epoch };

    private static object? With(object? boot, long origin, long group, string? ports) =>
        origin == 0 && group == 0 && ports is null ? boot : new Rarely(boot, origin, group, ports);

    private static object Share(Guid boot)
    {
        object last = Volatile.Read(ref s_lastBoot);
        if ((Guid)last != boot)
        {
            Volatile.Write(ref s_lastBoot, last = boot);   // publishes the box; a race costs another one
        }

        return last;
    }

    /// <summary>Whether this fact stands against another of the same (protocol, port, owner): the
    /// later one of two that differ, so that whoever applies facts comes to the same end in any
    /// order.</summary>
    internal bool StandsAgainst(PortFact other)
    {
        int order = Epoch.CompareTo(other.Epoch);
        order = order != 0 ? order : ((byte)State).CompareTo((byte)other.State);
        order = order != 0 ? order : AtMs.CompareTo(other.AtMs);

        // The caller tells nothing twice differently; should it, any order will do, as long as it
        // is one.
        order = order != 0 ? order : UntilMs.CompareTo(other.UntilMs);
        order = order != 0 ? order : Origin.CompareTo(other.Origin);
        order = order != 0 ? order : ProcessStart.CompareTo(other.ProcessStart);
        order = order != 0 ? order : ProcessId.CompareTo(other.ProcessId);
        order = order != 0 ? order : Nullable.Compare(UserId, other.UserId);
        order = order != 0 ? order : BootId.CompareTo(other.BootId);
        order = order != 0 ? order : string.CompareOrdinal(Strategy, other.Strategy);
        order = order != 0 ? order : string.CompareOrdinal(Ports, other.Ports);
        return order > 0;
    }

    /// <summary>What few facts have, beside what all have.</summary>
    private sealed record Rarely(object? Boot, long Origin, long Group, string? Ports);
}
