using Portmap.Rpc.Protocol;
using Portmap.Rpc.Xdr;

namespace Portmap.Rpc.Tests.Fuzzing;

/// <summary>What each procedure is asked and answered with, field by field, read with the codec
/// that the programs and the client read with.</summary>
internal static class MessageFields
{
    private const int Arms = 2;

    /// <summary>Reads the results of a procedure.</summary>
    /// <returns>How many bytes are left over.</returns>
    /// <exception cref="InvalidDataException">They make no sense.</exception>
    public static int ReadResults(uint program, uint procedure, ArraySegment<byte> results)
    {
        XdrReader reader = new(results);
        HashCode trace = default;
        ReadResults(program, procedure, ref reader, ref trace);
        return reader.Remaining;
    }

    /// <summary>Reads the results of a procedure and notes what was read.</summary>
    public static void ReadResults(uint program, uint procedure, ref XdrReader reader, ref HashCode trace)
    {
        switch ((program, procedure))
        {
            case (Wire.Portmap, PortmapProcedure.Lookup or PortmapProcedure.LookupPort):
                if (reader.ReadBoolean())
                {
                    trace.Add(PortmapXdr.ReadEntry(ref reader));
                }

                break;
            case (Wire.Portmap, (> 0 and <= PortmapProcedure.WaitForChange) or PortmapProcedure.AcquireAll or PortmapProcedure.Extend or PortmapProcedure.AcquireFleet or PortmapProcedure.AcquireUnlessServed):
                ReadUnion(procedure, ref reader, ref trace);
                break;
            case (Wire.Gluster, 1):
                trace.Add(reader.ReadUInt64());
                trace.Add(reader.ReadUInt64());
                break;
            case (Wire.Gluster, 2):
                trace.Add(reader.ReadUInt64());
                trace.Add(reader.ReadInt32());
                trace.Add(reader.ReadString(4_096));
                break;
            case (Wire.Gluster, 4 or 5):
                trace.Add(reader.ReadUInt64());
                break;
            case (Wire.GfDump, 1):
                trace.Add(reader.ReadUInt64());
                trace.Add(reader.ReadUInt64());
                while (reader.ReadBoolean())
                {
                    trace.Add(reader.ReadString(4_096));
                    trace.Add(reader.ReadUInt64());
                    trace.Add(reader.ReadUInt64());
                }

                break;
            case (Wire.GfDump, 2):
                trace.Add(reader.ReadUInt64());
                trace.AddBytes(reader.ReadOpaque(4_096));
                break;
        }
    }

    /// <summary>Reads the arguments of a procedure, as its program does, and notes what was
    /// read.</summary>
    public static void ReadArguments(uint program, uint procedure, ref XdrReader reader, ref HashCode trace)
    {
        switch ((program, procedure))
        {
            case (Wire.Portmap, PortmapProcedure.Acquire or PortmapProcedure.AcquireFleet or PortmapProcedure.AcquireUnlessServed):
                trace.Add(OwnerText.Decode(reader.ReadOpaque(int.MaxValue)));
                trace.Add(reader.ReadUInt64());
                trace.Add(reader.ReadInt32());
                trace.Add(PortmapXdr.ReadOptional(ref reader));
                trace.Add(PortmapXdr.ReadAdded(ref reader));
                trace.Add(reader.Remaining == 0 ? 0 : reader.ReadUInt32());
                break;
            case (Wire.Portmap, PortmapProcedure.Extend):
                trace.Add(OwnerText.Decode(reader.ReadOpaque(int.MaxValue)));
                trace.Add(reader.ReadInt64());
                trace.Add(reader.ReadInt32());
                trace.Add(reader.ReadInt32());
                trace.Add(reader.ReadUInt32());
                break;
            case (Wire.Portmap, PortmapProcedure.AcquireAll):
                uint count = reader.ReadUInt32();
                if (count > PortmapProcedure.MaxTogether)
                {
                    throw new InvalidDataException($"{count} are too many.");
                }

                for (; count > 0; count--)
                {
                    trace.Add(PortmapXdr.ReadRequest(ref reader));
                }

                trace.Add(reader.ReadBoolean());
                break;
            case (Wire.Portmap, PortmapProcedure.Register or PortmapProcedure.BindFailed or PortmapProcedure.Release):
                trace.Add(OwnerText.Decode(reader.ReadOpaque(int.MaxValue)));
                trace.Add(reader.ReadInt32());
                trace.Add(reader.ReadInt64());
                trace.Add(reader.ReadInt32());
                if (procedure != PortmapProcedure.Release)
                {
                    trace.Add(reader.ReadInt32());
                }

                if (procedure == PortmapProcedure.BindFailed)
                {
                    trace.Add(BindErrno.Read(reader.ReadInt32()));
                    trace.Add(PortmapXdr.ReadAdded(ref reader));
                }

                break;
            case (Wire.Portmap, PortmapProcedure.Lookup) or (Wire.Gluster, 1):
                ReadOnlySpan<byte> name = reader.ReadOpaque(int.MaxValue);
                trace.AddBytes(name);
                trace.Add(OwnerName.TryDecode(name, stackalloc char[OwnerName.MaxBytes], out _));
                break;
            case (Wire.Portmap, PortmapProcedure.LookupPort):
                trace.Add(reader.ReadInt32());
                trace.Add(reader.ReadInt32());
                break;
            case (Wire.Portmap, PortmapProcedure.List or PortmapProcedure.WaitForChange):
                trace.Add(reader.ReadInt64());
                trace.Add(reader.ReadUInt32());
                break;
            case (Wire.Gluster, 4 or 5):
                trace.Add(OwnerText.Decode(reader.ReadOpaque(int.MaxValue)));
                trace.Add(reader.ReadInt32());
                break;
        }
    }

    private static void ReadUnion(uint procedure, ref XdrReader reader, ref HashCode trace)
    {
        int arm = reader.ReadInt32();
        if (arm is < 0 or >= Arms)
        {
            throw new InvalidDataException($"{arm} is no arm.");
        }

        if (arm == PortmapProcedure.Refused)
        {
            if (procedure == PortmapProcedure.AcquireAll)
            {
                trace.Add(reader.ReadInt32());
            }

            PortRefusal refusal = PortmapXdr.ReadRefusal(ref reader);
            trace.Add((refusal.Reason, refusal.Message, refusal.Owner, refusal.Port, refusal.Holder, refusal.HolderProcessId, refusal.HolderEpoch));
            return;
        }

        switch (procedure)
        {
            case PortmapProcedure.Acquire or PortmapProcedure.AcquireUnlessServed or PortmapProcedure.Register or PortmapProcedure.BindFailed:
                trace.Add(PortmapXdr.ReadEntry(ref reader));
                break;
            case PortmapProcedure.AcquireAll:
                int leases = reader.ReadInt32();
                if (leases is < 0 or > PortmapProcedure.MaxTogether)
                {
                    throw new InvalidDataException($"{leases} leases are too many.");
                }

                for (; leases > 0; leases--)
                {
                    trace.Add(PortmapXdr.ReadEntry(ref reader));
                }

                break;
            case PortmapProcedure.AcquireFleet:
                trace.Add(PortmapXdr.ReadEntry(ref reader));
                trace.Add(reader.ReadInt64());
                break;
            case PortmapProcedure.Extend:
                trace.Add(PortmapXdr.ReadTime(ref reader));
                break;
            case PortmapProcedure.List:
                trace.Add(reader.ReadInt64());
                for (int left = reader.ReadInt32(); left > 0; left--)
                {
                    trace.Add(PortmapXdr.ReadEntry(ref reader));
                }

                trace.Add(reader.ReadUInt32());
                break;
            case PortmapProcedure.WaitForChange:
                trace.Add(reader.ReadInt64());
                for (int left = reader.ReadInt32(); left > 0; left--)
                {
                    trace.Add(PortmapXdr.ReadChange(ref reader));
                }

                break;
        }
    }
}
