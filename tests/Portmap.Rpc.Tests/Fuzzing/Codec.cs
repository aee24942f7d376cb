using Portmap.Rpc.Protocol;
using Portmap.Rpc.Xdr;

namespace Portmap.Rpc.Tests.Fuzzing;

/// <summary>What is fuzzed: it reads a stream and says what it found.</summary>
internal abstract class Codec
{
    /// <summary>The longest record that it takes.</summary>
    public const int MaxRecordBytes = 1_024;

    /// <summary>Begins a stream.</summary>
    public abstract Reader Open(uint program, uint procedure);

    public abstract class Reader
    {
        /// <summary>Everything that was read up to now, as a number.</summary>
        public HashCode Trace;

        /// <summary>Reads one record out of the input, if it holds the rest of one.</summary>
        public abstract RecordStatus Read(ref ArraySegment<byte> input);
    }
}

/// <summary>The codec of the product.</summary>
internal sealed class ProductCodec : Codec
{
    public override Reader Open(uint program, uint procedure) => new ProductReader(program, procedure);

    private sealed class ProductReader(uint program, uint procedure) : Reader
    {
        private readonly RecordAssembler _assembler = new(MaxRecordBytes);

        public override RecordStatus Read(ref ArraySegment<byte> input)
        {
            RecordStatus status = _assembler.Read(ref input, out ArraySegment<byte> record);
            if (status == RecordStatus.Complete)
            {
                ReadMessage(record);
            }

            return status;
        }

        private void ReadMessage(ArraySegment<byte> record)
        {
            XdrReader reader = new(record);
            try
            {
                CallStatus status = CallHeader.Read(ref reader, out CallHeader header);
                Trace.Add(status);
                Trace.Add(header);
                if (status == CallStatus.Call)
                {
                    MessageFields.ReadArguments(header.Program, header.Procedure, ref reader, ref Trace);
                }
                else if (status == CallStatus.NotACall)
                {
                    reader = new XdrReader(record);
                    Trace.Add(reader.ReadUInt64());
                    string? complaint = ReplyHeader.Complaint(ref reader, out _);
                    Trace.Add(complaint);
                    if (complaint is null)
                    {
                        MessageFields.ReadResults(program, procedure, ref reader, ref Trace);
                    }
                }
            }
            catch (Exception e) when (e is InvalidDataException or PortRefusedException)
            {
                // What both ends know how to answer.
                Trace.Add(e.Message);
            }

            Trace.Add(reader.Remaining);
        }
    }
}
