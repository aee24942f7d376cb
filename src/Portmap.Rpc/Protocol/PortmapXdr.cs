using System.Text;
using Portmap.Rpc.Xdr;

namespace Portmap.Rpc.Protocol;

/// <summary>The types of <c>portmap.x</c>, read and written as that file says.</summary>
internal static class PortmapXdr
{
    private const int MaxText = 65_536;

    /// <summary>All numbers, lengths and padding of a lease, and the name of a strategy of
    /// ours.</summary>
    private const int FixedLeaseBytes = 96;

    public static void WriteEntry(XdrWriter writer, in PortEntry entry)
    {
        writer.WriteString(entry.Owner);
        writer.WriteInt32(entry.Port);
        writer.WriteInt32((int)entry.Protocol);
        writer.WriteInt32((int)entry.State);
        writer.WriteInt64(entry.Epoch ?? 0);
        writer.WriteInt32(entry.ProcessId ?? 0);
        writer.WriteInt64(entry.Since.UtcTicks);
        writer.WriteInt32(entry.OwnerCount);
        writer.WriteInt32((int)entry.Guarantee);
        writer.WriteString(entry.Strategy);
        writer.WriteString(AddressText.Of(entry.Addresses));
    }

    public static PortEntry ReadEntry(ref XdrReader reader) => new()
    {
        Owner = reader.ReadString(MaxText),
        Port = reader.ReadInt32(),
        Protocol = (PortProtocol)reader.ReadInt32(),
        State = (PortState)reader.ReadInt32(),
        Epoch = reader.ReadInt64(),
        ProcessId = reader.ReadInt32(),
        Since = ReadTime(ref reader),
        OwnerCount = reader.ReadInt32(),
        Guarantee = (PortGuarantee)reader.ReadInt32(),
        Strategy = reader.ReadString(MaxText),
        Addresses = reader.ReadString(AddressText.MaxBytes),
    };

    /// <summary>Writes what is asked for; what the wire does not carry is checked before.</summary>
    public static void WriteRequest(XdrWriter writer, in PortRequest request)
    {
        writer.WriteString(request.Owner);
        writer.WriteInt32((int)request.Protocol);
        writer.WriteInt32(request.Reuse is { } reuse ? (int)reuse : PortmapProcedure.DefaultReuse);
        writer.WriteInt32(request.Previous ?? 0);
        WriteOptional(writer, request.Strategy);
        WriteOptional(writer, request.Ports);
        writer.WriteUInt32(Milliseconds(request.LeaseTimeout is { } own ? own == TimeSpan.Zero ? TimeSpan.FromTicks(1) : own : TimeSpan.Zero));
    }

    /// <summary>A time as the wire has it. What is outside the bounds is refused by the registry:
    /// 1 ms and the longest there is do as well.</summary>
    public static uint Milliseconds(TimeSpan time) =>
        time == TimeSpan.Zero ? 0 : (uint)Math.Clamp(time.TotalMilliseconds, 1, uint.MaxValue);

    public static PortRequest ReadRequest(ref XdrReader reader)
    {
        ReadOnlySpan<byte> name = reader.ReadOpaque(int.MaxValue);
        var protocol = (PortProtocol)reader.ReadInt32();
        int reuse = reader.ReadInt32();
        int previous = reader.ReadInt32();
        string? strategy = ReadOptional(ref reader);
        string? ports = ReadAdded(ref reader);
        uint leaseMs = reader.Remaining == 0 ? 0 : reader.ReadUInt32();
        return reuse is < PortmapProcedure.DefaultReuse or > (int)PortReuse.Require
            ? throw new InvalidDataException($"{reuse} is not a reuse.")
            : new PortRequest(OwnerText.Decode(name))
            {
                Protocol = protocol,
                Reuse = reuse == PortmapProcedure.DefaultReuse ? null : (PortReuse)reuse,
                Previous = previous == 0 ? null : previous,
                Strategy = strategy,
                Ports = ports,
                LeaseTimeout = leaseMs == 0 ? null : TimeSpan.FromMilliseconds(leaseMs),
            };
    }

    /// <summary>How many bytes the lease of a request takes at most.</summary>
    public static int MeasureLease(in PortRequest request) =>
        FixedLeaseBytes + Encoding.UTF8.GetByteCount(request.Owner) + Encoding.UTF8.GetByteCount(request.Strategy ?? string.Empty);

    /// <summary>
    /// A lease crosses as the entry it stands for; only there the protocol may be both.
    /// </summary>
    public static void WriteLease(XdrWriter writer, PortLease lease, DateTimeOffset now) => WriteEntry(writer, new PortEntry
    {
        Owner = lease.Owner,
        Port = lease.Port,
        Protocol = lease.Protocol,
        State = PortState.Reserved,
        Epoch = lease.Epoch,
        Since = now,
        OwnerCount = 1,
        Guarantee = lease.Guarantee,
        Strategy = lease.Strategy,
    });

    /// <summary>Reads the answer to an ask of several.</summary>
    /// <exception cref="PortRefusedException">It is a refusal.</exception>
    public static IReadOnlyList<PortEntry> ReadLeases(ref XdrReader reader)
    {
        int status = reader.ReadInt32();
        if (status == PortmapProcedure.Refused)
        {
            int request = reader.ReadInt32();
            throw new PortRefusedException(ReadRefusal(ref reader, request < 0 ? null : request));
        }

        int count = status == PortmapProcedure.Ok ? reader.ReadInt32() : -1;
        if (count is < 0 or > PortmapProcedure.MaxTogether)
        {
            throw new InvalidDataException($"{status} {count} is neither a list of leases nor a refusal.");
        }

        PortEntry[] leases = new PortEntry[count];
        for (int i = 0; i < count; i++)
        {
            leases[i] = ReadEntry(ref reader);
        }

        return leases;
    }

    /// <summary>
    /// Writes a refusal, cut so that it fits: it is of use only where it arrives.
    /// </summary>
    public static void WriteRefusal(XdrWriter writer, PortRefusal refusal, int maxBytes)
    {
        RefusalText text = RefusalText.Of(refusal, maxBytes);
        writer.WriteInt32((int)refusal.Reason);
        writer.WriteString(text.Message);
        WriteOptional(writer, text.Owner);
        writer.WriteInt32(refusal.Port ?? 0);
        writer.WriteInt32((int)refusal.Protocol);
        WriteOptional(writer, text.Holder);
        writer.WriteInt32(refusal.HolderProcessId ?? 0);
        writer.WriteInt64(refusal.HolderEpoch ?? 0);
    }

    /// <summary>Reads a refusal.</summary>
    /// <param name="reader">Where it is read.</param>
    /// <param name="request">Which of several requests it is of; null where there was one.</param>
    public static PortRefusal ReadRefusal(ref XdrReader reader, int? request = null) => new((PortRefusalReason)reader.ReadInt32(), reader.ReadString(MaxText))
    {
        Request = request,
        Owner = ReadOptional(ref reader),
        Port = reader.ReadInt32(),   // 0 is none, on the wire as in what an entry and a refusal keep
        Protocol = (PortProtocol)reader.ReadInt32(),
        Holder = ReadOptional(ref reader),
        HolderProcessId = reader.ReadInt32(),
        HolderEpoch = reader.ReadInt64(),
    };

    public static void WriteChange(XdrWriter writer, in PortChange change)
    {
        writer.WriteInt64(change.Revision);
        writer.WriteInt32((int)change.Kind);
        WriteEntry(writer, change.Entry);
    }

    public static PortChange ReadChange(ref XdrReader reader) =>
        new(reader.ReadInt64(), (PortChangeKind)reader.ReadInt32(), ReadEntry(ref reader));

    public static void WriteOptional(XdrWriter writer, string? text)
    {
        writer.WriteBoolean(text is not null);
        if (text is not null)
        {
            writer.WriteString(text);
        }
    }

    public static string? ReadOptional(ref XdrReader reader) => reader.ReadBoolean() ? reader.ReadString(MaxText) : null;

    /// <summary>
    /// Reads what was added to the end of arguments: callers from before that send nothing there.
    /// </summary>
    public static string? ReadAdded(ref XdrReader reader) => reader.Remaining == 0 ? null : ReadOptional(ref reader);

    public static DateTimeOffset ReadTime(ref XdrReader reader)
    {
        long ticks = reader.ReadInt64();
        return ticks >= DateTimeOffset.MinValue.Ticks && ticks <= DateTimeOffset.MaxValue.Ticks
            ? new DateTimeOffset(ticks, TimeSpan.Zero)
            : throw new InvalidDataException($"{ticks} is not a time.");
    }
}
