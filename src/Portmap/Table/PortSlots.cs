using System.Runtime.CompilerServices;

namespace Portmap.Table;

/// <summary>One slot per port of one protocol: what leads from a port to the claims on
/// it.</summary>
/// <remarks>
/// <code>
///   slot: null            nobody ever had the port
///         PortClaim       the last claim that took it: pending, in force or ended; or the marker of a stranger
///         PortClaim[]     several owners of one process share it (never changed after it was published); each claim in it says that it is shared
/// </code>
/// Of the claims that a slot has led to, it keeps the one with the highest epoch, ended or not:
/// later ones are given higher epochs. A slot never goes back to null and each value is a fresh
/// object, so a CAS on what was read fails if anything happened to the port in between. 65,536
/// slots in chunks of 1,024 that are made when first written.
/// </remarks>
internal sealed class PortSlots
{
    private const int ChunkShift = 10, ChunkSize = 1 << ChunkShift;

    private readonly Chunk[] _chunks = new Chunk[65_536 / ChunkSize];

    public object? this[int port]
    {
        get
        {
            Hook.At(Step.ReadSlot);
            Slot[]? chunk = Volatile.Read(ref _chunks[port >> ChunkShift].Slots);
            return chunk is null ? null : Volatile.Read(ref chunk[port & (ChunkSize - 1)].Value);
        }
    }

    /// <summary>Publishes the claim, and everything written to it before, to those who come by
    /// port.</summary>
    public bool TrySet(int port, object? expected, object value)
    {
        ref Slot[]? place = ref _chunks[port >> ChunkShift].Slots;
        Slot[]? chunk = Volatile.Read(ref place);
        if (chunk is null)
        {
            chunk = new Slot[ChunkSize];
            Hook.At(Step.MakeSlots);
            chunk = Interlocked.CompareExchange(ref place, chunk, null) ?? chunk;
        }

        Hook.At(Step.SetSlot);
        return ReferenceEquals(Interlocked.CompareExchange(ref chunk[port & (ChunkSize - 1)].Value, value, expected), expected);
    }

    /// <summary>The claims a slot value stands for; one claim is seen as a span of one without
    /// allocating.</summary>
    public static ReadOnlySpan<PortClaim> Claims(ref object? slot) => slot switch
    {
        null => default,
        PortClaim[] shared => shared,
        _ => new ReadOnlySpan<PortClaim>(ref Unsafe.As<object?, PortClaim>(ref slot)!),
    };

    /// <summary>The highest epoch of all claims that a port has ever had: whoever replaces what a
    /// slot holds keeps the one that has it.</summary>
    public long HighestEpoch(int port)
    {
        object? slot = this[port];
        return HighestEpoch(Claims(ref slot));
    }

    /// <inheritdoc cref="HighestEpoch(int)"/>
    public static long HighestEpoch(ReadOnlySpan<PortClaim> claims)
    {
        long highest = 0;
        foreach (PortClaim claim in claims)
        {
            highest = Math.Max(highest, claim.Epoch);
        }

        return highest;
    }

    /// <summary>The ports whose slots were ever written.</summary>
    public IEnumerable<int> Used()
    {
        for (int chunk = 0; chunk < _chunks.Length; chunk++)
        {
            if (Volatile.Read(ref _chunks[chunk].Slots) is { } slots)
            {
                for (int i = 0; i < slots.Length; i++)
                {
                    if (Volatile.Read(ref slots[i].Value) is not null)
                    {
                        yield return (chunk * ChunkSize) + i;
                    }
                }
            }
        }
    }

    // Structs, because a reference into an array of objects costs a check of the array's type at
    // each look.
    private struct Slot
    {
        public object? Value;
    }

    private struct Chunk
    {
        public Slot[]? Slots;
    }
}
